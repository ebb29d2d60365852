//! Telemetry.

use crate::codes;
use crate::rule::Rule;

mod access_log_provider;
mod default_selector;
mod lightstep;
mod workload_selector;

pub const RULES: &[Rule] = &[
    Rule { name: "access-log-provider", codes: &[&codes::IST0157], analyzer: "telemetry.ProviderAnalyzer", run: access_log_provider::run },
    Rule { name: "telemetry-selector", codes: &[&codes::IST0101, &codes::IST0159], analyzer: "telemetry.SelectorAnalyzer", run: workload_selector::run },
    Rule { name: "telemetry-default-selector", codes: &[&codes::IST0160], analyzer: "telemetry.DefaultSelectorAnalyzer", run: default_selector::run },
    Rule { name: "lightstep", codes: &[&codes::IST0002], analyzer: "telemetry.LightstepAnalyzer", run: lightstep::run },
];
