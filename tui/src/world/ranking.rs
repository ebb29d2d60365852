//! What is wrong now, worst first, whatever source says so.

use super::{Certificate, Finding, Level, Proxy, Source};
use crate::graph::Health;

/// Certificates that expire sooner are told.
const SOON: i64 = 6 * 3600;

/// Where more is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Index into the findings.
    Finding(usize),
    /// Index into the proxies.
    Proxy(usize),
    Certificates,
    Sources,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub health: Health,
    /// What it is about.
    pub subject: String,
    pub text: String,
    pub target: Target,
}

pub(super) fn ranking(findings: &[Finding], proxies: &[Proxy], certificates: &[Certificate], sources: &[Source], now: i64) -> Vec<Problem> {
    let mut out = Vec::new();
    for source in sources {
        if let Err(why) = &source.state {
            out.push(Problem { health: Health::Failing, subject: source.name.clone(), text: format!("not read: {why}"), target: Target::Sources });
        }
    }
    for (i, proxy) in proxies.iter().enumerate() {
        for problem in &proxy.problems {
            out.push(Problem { health: problem.health, subject: proxy.full_name(), text: problem.text.clone(), target: Target::Proxy(i) });
        }
    }
    for c in certificates.iter().filter(|c| c.not_after - now < SOON) {
        let (health, text) = match c.not_after <= now {
            true => (Health::Failing, "its certificate has expired"),
            false => (Health::Degraded, "its certificate expires within six hours"),
        };
        // A workload's certificate is renewed at half of its life; only one that should have been is worth a line.
        let is_overdue = now > c.not_before + (c.not_after - c.not_before) * 9 / 10;
        if is_overdue {
            out.push(Problem { health, subject: c.of.clone(), text: format!("{text} ({})", c.name), target: Target::Certificates });
        }
    }
    for (i, f) in findings.iter().enumerate().filter(|(_, f)| f.level != Level::Info) {
        out.push(Problem { health: f.level.health(), subject: f.object.clone(), text: format!("{} {}", f.code, f.message), target: Target::Finding(i) });
    }
    out.sort_by_key(|p| std::cmp::Reverse(p.health));
    out
}
