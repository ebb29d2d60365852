//! Certificates that are not accepted, and a control plane that hands out no more of them.

use super::{Breakage, Certificate, Change, Scenario};
use crate::mesh::NAMESPACE;

/// Each alone behind its service: another version would take over.
const WORKLOADS: &[&str] = &["ratings-v1", "details-v1"];

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "expired-certificate",
        what: "a workload's certificate has expired and was not renewed",
        victims: WORKLOADS,
        make: |victim, _| given(victim, Certificate::Expired),
    },
    Scenario {
        name: "different-roots",
        what: "a workload has a certificate of another root than the rest of the mesh",
        victims: WORKLOADS,
        make: |victim, _| given(victim, Certificate::OtherRoot),
    },
    Scenario {
        name: "different-trust-domains",
        what: "a workload has a name in another trust domain than its callers expect",
        victims: WORKLOADS,
        make: |victim, _| given(victim, Certificate::OtherTrustDomain),
    },
    Scenario {
        name: "lost-control-plane",
        what: "the proxies have lost their control plane, and go by what they were told last",
        victims: &["istiod"],
        make: |_, _| Breakage { changes: vec![Change::ControlPlane], cause: "control plane".to_owned(), seen: "have lost it", ..Breakage::default() },
    },
];

fn given(victim: &'static str, certificate: Certificate) -> Breakage {
    Breakage {
        changes: vec![Change::Certificate(victim, certificate)],
        cause: format!("certificate of {victim}.{NAMESPACE}"),
        seen: "UF",
        ..Breakage::default()
    }
}
