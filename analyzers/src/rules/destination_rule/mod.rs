//! DestinationRules against hosts and workloads.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
