//! VirtualServices against what they refer to.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
