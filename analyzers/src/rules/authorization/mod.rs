//! AuthorizationPolicies: whom they protect, whom they name.

use crate::codes::{IST0101, IST0127, MSH0002};
use crate::rule::Rule;

mod namespaces;
mod workloads;

pub const RULES: &[Rule] = &[
    Rule { name: "authorization-workloads", codes: &[&IST0127, &MSH0002], analyzer: "auth.AuthorizationPoliciesAnalyzer", run: workloads::run },
    Rule { name: "authorization-namespaces", codes: &[&IST0101, &MSH0002], analyzer: "auth.AuthorizationPoliciesAnalyzer", run: namespaces::run },
];
