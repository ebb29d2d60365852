//! AuthorizationPolicies' selectors and namespaces.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
