//! The Gateway API.

use crate::codes::{IST0166, KIA1401, KIA1402, MSH0002, MSH0401, MSH0402, MSH0403, MSH0404, MSH0405, MSH0406};
use crate::rule::Rule;

mod backend;
mod ineffective_selector;
mod listeners;
mod refs;
mod route_parent;

pub const RULES: &[Rule] = &[
    Rule { name: "ineffective-selector", codes: &[&IST0166], analyzer: "k8sgateway.SelectorAnalyzer", run: ineffective_selector::run },
    Rule { name: "route-parent", codes: &[&KIA1401, &MSH0002, &MSH0401, &MSH0402, &MSH0403], analyzer: "", run: route_parent::run },
    Rule { name: "route-backend", codes: &[&KIA1402, &MSH0002, &MSH0404, &MSH0405, &MSH0406], analyzer: "", run: backend::run },
];
