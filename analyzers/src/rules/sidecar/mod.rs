//! Sidecar resources.

use crate::codes;
use crate::rule::Rule;

mod deprecated_egress_proxy;
mod egress_host;
mod workload_selector;

pub const RULES: &[Rule] = &[
    Rule {
        name: "sidecar-selector",
        codes: &[&codes::IST0101, &codes::IST0110, &codes::IST0111, &codes::IST0167],
        analyzer: "sidecar.SelectorAnalyzer",
        run: workload_selector::run,
    },
    Rule { name: "sidecar-egress-host", codes: &[&codes::KIA1004, &codes::MSH0002], analyzer: "", run: egress_host::run },
    Rule { name: "deprecated-egress-proxy", codes: &[&codes::IST0002], analyzer: "deprecation.DeprecationAnalyzer", run: deprecated_egress_proxy::run },
];
