//! Annotations and labels of Istio.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
