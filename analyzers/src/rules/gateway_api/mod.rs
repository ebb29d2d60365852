//! The Gateway API.

use crate::codes::{IST0166, KIA1401, KIA1402, KIA1601, MSH0002, MSH0401, MSH0402, MSH0403, MSH0404, MSH0405, MSH0406, MSH0407, MSH0408, MSH0409, MSH0410};
use crate::rule::Rule;

mod backend;
mod certificate;
mod grant;
mod ineffective_selector;
mod listener_conflict;
mod listeners;
mod refs;
mod repeated_match;
mod route_parent;
mod support;
#[cfg(test)]
mod tests;

pub const RULES: &[Rule] = &[
    Rule { name: "ineffective-selector", codes: &[&IST0166], analyzer: "k8sgateway.SelectorAnalyzer", run: ineffective_selector::run },
    Rule { name: "route-parent", codes: &[&KIA1401, &MSH0002, &MSH0401, &MSH0402, &MSH0403], analyzer: "", run: route_parent::run },
    Rule { name: "route-backend", codes: &[&KIA1402, &MSH0002, &MSH0404, &MSH0405, &MSH0406], analyzer: "", run: backend::run },
    Rule { name: "listener-certificate", codes: &[&MSH0002, &MSH0405, &MSH0408], analyzer: "", run: certificate::run },
    Rule { name: "listener-conflict", codes: &[&MSH0407], analyzer: "", run: listener_conflict::run },
    Rule { name: "repeated-route-match", codes: &[&MSH0409], analyzer: "", run: repeated_match::run },
    Rule { name: "listener-support", codes: &[&MSH0410], analyzer: "", run: support::run },
    Rule { name: "reference-grant", codes: &[&KIA1601, &MSH0002], analyzer: "", run: grant::run },
];
