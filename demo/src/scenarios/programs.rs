//! Programs that fail or are slow, and what Istio makes of that.

use super::{Breakage, Change, Scenario, networking, only, workload};
use crate::mesh::NAMESPACE;
use crate::programs::Behaviour;
use std::time::Duration;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "failing-version",
        what: "one version of reviews answers with errors",
        victims: &["reviews-v1", "reviews-v2", "reviews-v3"],
        make: |victim, dice| Breakage { changes: vec![fails(victim, dice.u8(60..=100))], cause: workload(victim), seen: "500", ..Breakage::default() },
    },
    Scenario {
        name: "latency",
        what: "one workload takes more than a second to answer",
        victims: &["ratings-v1", "details-v1", "reviews-v1", "reviews-v2", "reviews-v3"],
        make: |victim, dice| Breakage {
            changes: vec![Change::Program(victim, Behaviour { takes: Duration::from_millis(dice.u64(1500..2200)), ..Behaviour::default() })],
            cause: workload(victim),
            seen: "answers slowly",
            ..Breakage::default()
        },
    },
    Scenario {
        name: "retry-storm",
        what: "a service fails now and then, and retries make a flood of that",
        victims: &["ratings", "details"],
        make: |victim, dice| Breakage {
            changes: vec![
                fails(only(victim), dice.u8(70..=80)),
                networking(
                    "VirtualService",
                    victim,
                    &format!(
                        "  hosts: [{victim}]\n  http:\n  - route: [{{destination: {{host: {victim}}}}}]\n    retries: {{attempts: {}, retryOn: 5xx, perTryTimeout: 2s}}\n",
                        dice.u8(8..=12)
                    ),
                ),
            ],
            cause: format!("VirtualService {NAMESPACE}/{victim}"),
            also: vec![workload(only(victim))],
            seen: "multiply the calls",
        },
    },
    Scenario {
        name: "open-circuit-breaker",
        what: "the limits on connections to a service are too low for its load",
        victims: &["ratings", "details"],
        make: |victim, dice| Breakage {
            changes: vec![
                Change::Program(only(victim), Behaviour { takes: Duration::from_millis(dice.u64(250..350)), ..Behaviour::default() }),
                networking(
                    "DestinationRule",
                    victim,
                    &format!(
                        "  host: {victim}\n  trafficPolicy:\n    connectionPool:\n      tcp: {{maxConnections: 1}}\n      http: {{http1MaxPendingRequests: 1, http2MaxRequests: 1}}\n"
                    ),
                ),
            ],
            cause: format!("DestinationRule {NAMESPACE}/{victim}"),
            seen: "UO",
            ..Breakage::default()
        },
    },
    Scenario {
        name: "ejected-hosts",
        what: "a service fails, and outlier detection ejects all of its endpoints",
        victims: &["ratings", "details"],
        make: |victim, dice| Breakage {
            changes: vec![
                fails(only(victim), 100),
                networking(
                    "DestinationRule",
                    victim,
                    &format!(
                        "  host: {victim}\n  trafficPolicy:\n    outlierDetection: {{consecutive5xxErrors: {}, interval: 1s, baseEjectionTime: 3s, maxEjectionPercent: 100}}\n",
                        dice.u8(2..=5)
                    ),
                ),
            ],
            cause: workload(only(victim)),
            also: vec![format!("DestinationRule {NAMESPACE}/{victim}")],
            seen: "UH",
        },
    },
    Scenario {
        name: "broken-trace-headers",
        what: "one workload calls others without the headers of its trace",
        victims: &["productpage-v1", "details-v1", "reviews-v2", "reviews-v3"],
        make: |victim, _| Breakage {
            changes: vec![Change::Program(victim, Behaviour { drops_trace: true, ..Behaviour::default() })],
            cause: workload(victim),
            seen: "began traces of their own",
            ..Breakage::default()
        },
    },
];

fn fails(workload: &'static str, percent: u8) -> Change {
    Change::Program(workload, Behaviour { fails: percent, ..Behaviour::default() })
}
