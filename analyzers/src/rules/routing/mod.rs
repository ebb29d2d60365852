//! Where requests can and cannot go: checks that istioctl lacks.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
