//! Schema and semantic validation of single objects.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
