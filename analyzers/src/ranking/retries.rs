//! Retries that multiply calls.

use super::objects::rules;
use super::{Ending, Evidence, Fault, FaultKind, Retried, Suspect};

/// So many arrivals of one request, and so many more a second, are a word worth.
pub const TIMES: f64 = 1.5;
const MORE: f64 = 0.5;
/// A callee of which so much fails is why there are retries.
const FAILING: f64 = 0.1;

/// Calls of which far more arrive than are sent. Where nothing fails nothing is tried again: both ends were only looked at a moment apart.
pub fn retried(evidence: &Evidence<'_, '_>) -> Vec<Fault> {
    let is_many = |r: &&Retried| r.failing > 0.0 && r.sent > 0.0 && r.received >= r.sent * TIMES && r.received - r.sent >= MORE;
    evidence.retried.iter().filter(is_many).map(|r| fault(evidence, r)).collect()
}

fn fault(evidence: &Evidence<'_, '_>, r: &Retried) -> Fault {
    let times = r.received / r.sent;
    let mut suspects: Vec<Suspect> = Vec::new();
    for (object, path, rule) in rules(evidence.mesh, &r.host) {
        let Some(retries) = rule.get("retries").filter(|n| !matches!(n.text_of("attempts"), "0")) else { continue };
        let attempts = retries.text_of("attempts");
        let why = format!("{path}: its retries (attempts {attempts}) multiply the calls");
        suspects.push(Suspect { subject: object.origin(), why, evidence: vec![format!("{:.1} arrive for each that is sent", times)], score: 100 });
    }
    if r.failing >= FAILING {
        let why = "it fails, so that requests are tried again".to_owned();
        suspects.push(Suspect {
            subject: format!("workload {}", r.to),
            why,
            evidence: vec![format!("{:.0}% of what arrives fails", r.failing * 100.0)],
            score: 60,
        });
    }
    if suspects.is_empty() {
        let why = format!("{:.1} requests arrive for each that is sent: something retries", times);
        suspects.push(Suspect { subject: format!("workload {}", r.to), why, evidence: Vec::new(), score: 20 });
    }
    let ending = Ending { code: 200, flags: String::new(), rate: r.received - r.sent, host: r.host.clone() };
    Fault { from: r.from.clone(), to: r.to.clone(), ending, share: 1.0, kind: FaultKind::Retried(times), suspects }
}
