//! What is wrong now, worst first, whatever source says so.

use super::configuration::Configured;
use super::sync::Sync;
use super::traffic::{Blame, Key, Traffic};
use super::{Certificate, Finding, Level, Proxy, Source, objects};
use crate::graph::Health;
use crate::graph::flow::{milliseconds, percent};
use mesh_analyzers::ranking::{Fault, FaultKind};

/// Certificates that expire sooner are told.
const SOON: i64 = 6 * 3600;

/// Where more is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Namespace and name of a node of the graph.
    Node(Key),
    /// Index into the findings.
    Finding(usize),
    /// Index into the proxies.
    Proxy(usize),
    Certificates,
    Sync,
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

/// What is looked at.
pub(super) struct Facts<'f> {
    pub findings: &'f [Finding],
    pub proxies: &'f [Proxy],
    pub certificates: &'f [Certificate],
    pub sync: &'f [Sync],
    pub sources: &'f [Source],
    pub traffic: Option<&'f Traffic>,
    pub faults: &'f [Fault],
    pub configured: &'f Configured,
    pub now: i64,
}

pub(super) fn ranking(facts: &Facts<'_>) -> Vec<Problem> {
    let mut out = unread(facts.sources);
    if let Some(traffic) = facts.traffic {
        out.extend(if facts.faults.is_empty() { failing(traffic, facts.configured) } else { suspected(traffic, facts.faults) });
        let unseen = |text: &String| Problem { health: Health::Unknown, subject: "traffic".to_owned(), text: text.clone(), target: Target::Sources };
        out.extend(traffic.problems.iter().map(unseen));
    }
    for (i, proxy) in facts.proxies.iter().enumerate() {
        for problem in &proxy.problems {
            out.push(Problem { health: problem.health, subject: proxy.full_name(), text: problem.text.clone(), target: Target::Proxy(i) });
        }
    }
    let stale = |s: &Sync| Problem {
        health: s.health(),
        subject: s.proxy.clone(),
        text: format!("it does not have what its control plane sent: {}", s.trouble()),
        target: Target::Sync,
    };
    out.extend(facts.sync.iter().filter(|s| s.health() >= Health::Degraded).map(stale));
    let now = facts.now;
    for c in facts.certificates.iter().filter(|c| c.not_after - now < SOON) {
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
    for (i, f) in facts.findings.iter().enumerate().filter(|(_, f)| f.level != Level::Info) {
        out.push(Problem { health: f.level.health(), subject: f.object.clone(), text: format!("{} {}", f.code, f.message), target: Target::Finding(i) });
    }
    out.sort_by_key(|p| std::cmp::Reverse(p.health));
    out
}

const NOT_READ: &str = "not read: ";

/// A line for each source that could not be read.
pub(super) fn unread(sources: &[Source]) -> Vec<Problem> {
    let line =
        |why: &String, name: &String| Problem { health: Health::Failing, subject: name.clone(), text: format!("{NOT_READ}{why}"), target: Target::Sources };
    sources.iter().filter_map(|s| Some(line(s.state.as_ref().err()?, &s.name))).collect()
}

/// Whether a line is one of those.
pub(super) fn is_unread(problem: &Problem) -> bool {
    problem.target == Target::Sources && problem.text.starts_with(NOT_READ)
}

/// Further calls of one suspect that a line names.
const CALLS: usize = 2;

/// What best explains the calls that fail, a line for each suspect: what costs more requests first.
pub(crate) fn suspected(traffic: &Traffic, faults: &[Fault]) -> Vec<Problem> {
    let mut found: Vec<(f64, usize, Problem)> = Vec::new();
    for fault in faults {
        let Some(suspect) = fault.suspects.first() else { continue };
        let to = node(traffic, &fault.to);
        // A share that is within Kiali's tolerances is no failure; a tenth is one. What is late or tried again arrives.
        let health = if fault.kind == FaultKind::Fails && fault.share >= 0.1 && fault.ending.rate > 0.0 { Health::Failing } else { Health::Degraded };
        if let Some((rate, calls, problem)) = found.iter_mut().find(|(_, _, p)| p.subject == suspect.subject) {
            *rate += fault.costs;
            *calls += 1;
            problem.health = problem.health.max(health);
            if *calls <= CALLS {
                problem.text.push_str(&format!("; {} → {} {}", fault.from, fault.to, shortly(fault)));
            }
            continue;
        }
        let evidence = if suspect.evidence.is_empty() { String::new() } else { format!(" ({})", suspect.evidence.join("; ")) };
        let text = format!("{}: {}{evidence}", suspect.why, seen(fault));
        let target = to.map_or(Target::Sources, Target::Node);
        found.push((fault.costs, 0, Problem { health, subject: suspect.subject.clone(), text, target }));
    }
    found.iter_mut().filter(|(_, calls, _)| *calls > CALLS).for_each(|(_, calls, p)| p.text.push_str(&format!(" and {} more calls", *calls - CALLS)));
    found.sort_by(|a, b| b.2.health.cmp(&a.2.health).then(b.0.total_cmp(&a.0)).then_with(|| a.2.subject.cmp(&b.2.subject)));
    let mut out: Vec<Problem> = found.into_iter().map(|(.., problem)| problem).collect();
    for (key, load) in &traffic.loads {
        if let Some((wanted, there)) = load.replicas.filter(|(wanted, there)| there < wanted) {
            let subject = if key.0.is_empty() { key.1.clone() } else { format!("{}/{}", key.0, key.1) };
            let text = format!("{there} of {wanted} replicas are available");
            out.push(Problem { health: if there == 0 { Health::Failing } else { Health::Degraded }, subject, text, target: Target::Node(key.clone()) });
        }
    }
    out
}

/// What was seen of a call: `40% of shop/web → shop/cart ends with 503 UO`.
pub fn seen(fault: &Fault) -> String {
    let Fault { from, to, .. } = fault;
    match fault.kind {
        FaultKind::Fails => format!("{} of {from} → {to} ends with {}", percent(fault.share * 100.0), fault.ending.name()),
        FaultKind::Slow(ms) => format!("{from} → {to} takes {} (95th percentile)", milliseconds(ms)),
        FaultKind::Retried(times) => format!("a request of {from} → {to} arrives {times:.1} times"),
    }
}

/// The same without its call: `503 UO`.
fn shortly(fault: &Fault) -> String {
    match fault.kind {
        FaultKind::Fails => fault.ending.name(),
        FaultKind::Slow(ms) => format!("takes {}", milliseconds(ms)),
        FaultKind::Retried(times) => format!("arrives {times:.1} times"),
    }
}

/// The node that a fault names as `namespace/name`.
pub fn node(traffic: &Traffic, name: &str) -> Option<Key> {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let is_it =
        |(key, load): &(&Key, &super::traffic::Load)| (load.namespace == namespace || key.0 == namespace) && key.1.trim_end_matches(" (service)") == name;
    traffic.loads.iter().find(is_it).map(|(key, _)| key.clone())
}

/// Nodes that do not answer as they should: where a failure starts comes before those that only pass it on, and what
/// costs more requests before what costs fewer.
fn failing(traffic: &Traffic, configured: &Configured) -> Vec<Problem> {
    let of = |key: &Key| objects(configured, Some(traffic), key);
    let mut found: Vec<(bool, f64, Problem)> = Vec::new();
    for (key, load) in traffic.loads.iter().filter(|(_, l)| l.health >= Health::Degraded) {
        let blame = traffic.blame(key, &of);
        let text = match (&blame, load.replicas) {
            (Some(blame), _) => blame.line(),
            (None, Some((wanted, there))) if there < wanted => format!("{there} of {wanted} replicas are available"),
            // It only calls what fails: that has a line of its own.
            _ => continue,
        };
        let passes_on = blame.as_ref().is_some_and(|b: &Blame| b.at != *key);
        let subject = if key.0.is_empty() { key.1.clone() } else { format!("{}/{}", key.0, key.1) };
        found.push((passes_on, load.inbound.failed, Problem { health: load.health, subject, text, target: Target::Node(key.clone()) }));
    }
    found.sort_by(|a, b| b.2.health.cmp(&a.2.health).then(a.0.cmp(&b.0)).then(b.1.total_cmp(&a.1)).then_with(|| a.2.subject.cmp(&b.2.subject)));
    found.into_iter().map(|(_, _, problem)| problem).collect()
}
