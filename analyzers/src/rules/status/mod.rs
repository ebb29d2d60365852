//! What objects say of themselves in their status.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
