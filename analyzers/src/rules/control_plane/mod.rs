//! Webhooks, networks, CRDs: the control plane.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
