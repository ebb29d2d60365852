//! Rules that keep callers out.

use super::{Breakage, Scenario, networking, security};
use crate::mesh::NAMESPACE;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "mtls-mismatch",
        what: "clients speak plaintext to a server that takes mutual TLS only",
        victims: &["ratings", "details"],
        make: |victim, _| Breakage {
            changes: vec![networking("DestinationRule", victim, &format!("  host: {victim}\n  trafficPolicy:\n    tls: {{mode: DISABLE}}\n"))],
            cause: format!("DestinationRule {NAMESPACE}/{victim}"),
            seen: "UC",
            ..Breakage::default()
        },
    },
    Scenario {
        name: "denied-by-policy",
        what: "an AuthorizationPolicy keeps callers out that are needed",
        victims: &["ratings", "details", "reviews"],
        make: |victim, dice| {
            let caller = if victim == "ratings" { "reviews" } else { "productpage" };
            let rules = match dice.u8(0..3) {
                0 => format!("  action: DENY\n  rules:\n  - from: [{{source: {{principals: [cluster.local/ns/{NAMESPACE}/sa/{caller}]}}}}]\n"),
                1 => format!("  action: ALLOW\n  rules:\n  - from: [{{source: {{principals: [cluster.local/ns/{NAMESPACE}/sa/gateway]}}}}]\n"),
                _ => "  action: ALLOW\n  rules:\n  - to: [{operation: {methods: [POST]}}]\n".to_owned(),
            };
            Breakage {
                changes: vec![security("AuthorizationPolicy", victim, &format!("  selector: {{matchLabels: {{app: {victim}}}}}\n{rules}"))],
                cause: format!("AuthorizationPolicy {NAMESPACE}/{victim}"),
                seen: "403",
                ..Breakage::default()
            }
        },
    },
];
