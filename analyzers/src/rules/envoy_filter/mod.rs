//! EnvoyFilters.

use crate::codes::{IST0151, IST0152, IST0153, IST0154, IST0155};
use crate::rule::Rule;

mod operations;

pub const RULES: &[Rule] = &[Rule {
    name: "envoy-filter-operations",
    codes: &[&IST0151, &IST0152, &IST0153, &IST0154, &IST0155],
    analyzer: "envoyfilter.EnvoyPatchAnalyzer",
    run: operations::run,
}];
