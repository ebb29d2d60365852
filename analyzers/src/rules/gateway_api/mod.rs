//! Gateway API objects: checks that istioctl lacks.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
