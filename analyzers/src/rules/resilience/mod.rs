//! Timeouts, retries, pools and ejection: checks that istioctl lacks.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
