//! Routes that lead nowhere, or that no proxy takes.

use super::{Breakage, Scenario, networking};
use crate::mesh::NAMESPACE;

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "missing-subset",
        what: "a route leads to a subset that no DestinationRule has",
        victims: &["ratings", "details"],
        make: |victim, dice| Breakage {
            changes: vec![route(victim, &format!("  - route: [{{destination: {{host: {victim}, subset: v{}}}}}]\n", dice.u8(2..9)))],
            cause: format!("VirtualService {NAMESPACE}/{victim}"),
            seen: "NC",
            ..Breakage::default()
        },
    },
    Scenario {
        name: "missing-route",
        what: "no rule of a VirtualService takes what is requested",
        victims: &["ratings", "details"],
        make: |victim, dice| Breakage {
            changes: vec![route(
                victim,
                &format!("  - match: [{{uri: {{prefix: /v{}/}}}}]\n    route: [{{destination: {{host: {victim}}}}}]\n", dice.u8(2..9)),
            )],
            cause: format!("VirtualService {NAMESPACE}/{victim}"),
            seen: "NR",
            ..Breakage::default()
        },
    },
    Scenario {
        name: "rejected-configuration",
        what: "proxies refuse an update, and go on with what they had",
        victims: &["ratings", "details"],
        make: |victim, dice| Breakage {
            changes: vec![route(
                victim,
                &format!(
                    "  - match: [{{headers: {{x-group: {{regex: 'canary-[{}'}}}}}}]\n    route: [{{destination: {{host: {victim}}}}}]\n  - route: [{{destination: {{host: {victim}}}}}]\n",
                    dice.u8(1..9)
                ),
            )],
            cause: format!("VirtualService {NAMESPACE}/{victim}"),
            seen: "rejected an update",
            ..Breakage::default()
        },
    },
];

fn route(victim: &str, rules: &str) -> super::Change {
    networking("VirtualService", victim, &format!("  hosts: [{victim}]\n  http:\n{rules}"))
}
