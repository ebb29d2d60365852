//! Istio's Gateways.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
