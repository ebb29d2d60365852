//! Retries that multiply calls.

use super::objects::rules;
use super::{Counted, Ending, Evidence, Fault, FaultKind, Retried, Suspect};

/// So many arrivals of one request, and so many more a second, are a word worth.
pub const TIMES: f64 = 1.5;
const MORE: f64 = 0.5;
/// So many of them were counted: both ends are not looked at in the same moment.
const COUNT: f64 = 10.0;
/// A callee of which so much fails is why there are retries.
const FAILING: f64 = 0.1;

/// Far more arrive than are sent. Where nothing fails nothing is tried again: both ends were only looked at a moment apart.
fn is_many(r: &Retried, window: f64) -> bool {
    let more = r.received - r.sent;
    r.failing > 0.0 && r.sent > 0.0 && r.received >= r.sent * TIMES && more >= MORE && (window <= 0.0 || more * window >= COUNT)
}

/// Calls of which far more arrive than are sent.
pub fn retried(evidence: &Evidence<'_, '_>) -> Vec<Fault> {
    evidence.counted.retried.iter().filter(|r| is_many(r, evidence.counted.window)).map(|r| fault(evidence, r)).collect()
}

/// Each arrival beyond the first of a request follows a try that failed: those failures cost no request. The callee counts them;
/// what the last try made of a request has the caller's flag for it.
pub fn make_good(counted: &Counted, faults: &mut [Fault]) {
    for r in counted.retried.iter().filter(|r| is_many(r, counted.window)) {
        let mut again = r.received - r.sent;
        for fault in faults.iter_mut().filter(|f| f.kind == FaultKind::Fails && f.from == r.from && f.to == r.to && !f.ending.has(&["URX"])) {
            let made_good = again.min(fault.costs);
            fault.costs -= made_good;
            again -= made_good;
        }
    }
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
    Fault { from: r.from.clone(), to: r.to.clone(), costs: ending.rate, ending, share: 1.0, kind: FaultKind::Retried(times), suspects }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_that_another_one_makes_good_cost_no_request() {
        let fault = |from: &str, flags: &str, rate: f64| Fault {
            from: from.to_owned(),
            to: "n/b".to_owned(),
            ending: Ending { code: 500, flags: flags.to_owned(), rate, host: String::new() },
            share: 0.5,
            kind: FaultKind::Fails,
            costs: rate,
            suspects: Vec::new(),
        };
        let retried = |from: &str, sent, received| Retried { from: from.into(), to: "n/b".into(), host: String::new(), sent, received, failing: 0.75 };
        let mut faults = [fault("n/a", "", 5.5), fault("n/a", "URX", 0.1), fault("n/c", "", 2.0)];
        // Of the second caller no more arrives than it sends.
        let counted = Counted { retried: vec![retried("n/a", 2.0, 7.0), retried("n/c", 2.0, 2.2)], ..Counted::default() };
        make_good(&counted, &mut faults);
        assert_eq!(faults.each_ref().map(|f| f.costs), [0.5, 0.1, 2.0]);
        // Of a second five are no more than what one end was looked at later.
        let few = |window| is_many(&counted.retried[0], window);
        assert_eq!([few(1.0), few(8.0)], [false, true]);
    }
}
