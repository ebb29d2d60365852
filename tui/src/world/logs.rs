//! Access logs: what failed, grouped by what it looks like, and explained.

use crate::graph::Health;
use mesh_analyzers::Level;
use mesh_analyzers::explain::log::{Group as Read, Log};

/// Failures that look alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub health: Health,
    /// `503 UO`.
    pub ended: String,
    /// Envoy's details; "" where the format has none.
    pub details: String,
    /// As logged; "" for none.
    pub cluster: String,
    pub count: u64,
    /// Start times as logged; "" where the format has none.
    pub first: String,
    pub last: String,
    /// What happened, in a few words.
    pub title: String,
    /// Why, and what usually leads to it.
    pub why: String,
    /// Where to look.
    pub evidence: Vec<String>,
    /// Commands that show more.
    pub next: Vec<String>,
    /// What else it could be.
    pub others: Vec<String>,
    /// `GET reviews:9080 /reviews/0`.
    pub requests: Vec<String>,
    pub pods: Vec<String>,
    /// The first line, without its secrets.
    pub sample: String,
}

/// What the logs hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logs {
    /// The gravest first, then the largest.
    pub groups: Vec<Group>,
    /// Lines of requests and connections, and those of them that need no explanation.
    pub entries: u64,
    pub fine: u64,
    /// Failures in groups that were not kept, and lines that can't be read.
    pub overflow: u64,
    pub broken: u64,
    pub files: Vec<String>,
}

impl Logs {
    pub fn read(log: &Log, broken: u64, files: Vec<String>) -> Logs {
        let groups = log.groups().into_iter().map(group).collect();
        Logs { groups, entries: log.entries, fine: log.fine, overflow: log.overflow, broken, files }
    }
}

fn group(g: &Read) -> Group {
    let causes = g.causes();
    let cause = causes.first();
    let status = if g.status == 0 { "no answer".to_owned() } else { g.status.to_string() };
    let request = |c: &mesh_analyzers::explain::log::Case| {
        let words = [c.method.as_str(), c.authority.as_str(), c.path.as_str()];
        words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let mut requests: Vec<String> = g.cases.iter().map(request).filter(|r| !r.is_empty()).collect();
    requests.dedup();
    Group {
        health: match g.level() {
            Level::Error => Health::Failing,
            Level::Warning => Health::Degraded,
            Level::Info => Health::Idle,
        },
        ended: if g.flags.is_empty() { status } else { format!("{status} {}", g.flags) },
        details: g.details.clone(),
        cluster: g.cluster.clone(),
        count: g.count,
        first: g.first.clone(),
        last: g.last.clone(),
        title: cause.map_or("What it means is not known", |c| c.title).to_owned(),
        why: cause.map_or("", |c| c.why).to_owned(),
        evidence: cause.into_iter().flat_map(|c| c.evidence).map(|e| (*e).to_owned()).collect(),
        next: cause.into_iter().flat_map(|c| c.next).map(|n| g.command(n)).collect(),
        others: causes.iter().skip(1).map(|c| c.title.to_owned()).collect(),
        requests,
        pods: g.pods.iter().cloned().collect(),
        sample: g.sample.clone(),
    }
}
