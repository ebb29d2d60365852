//! What was wanted against what was seen.

use super::observe::{Key, Name, Requests, Seen};
use mesh_model::statistics::{self, Difference, Share, wilson};
use mesh_resolver::{Mesh, splits::Destination, splits::Rule};
use std::collections::{BTreeMap, BTreeSet};

/// Half an interval's width beyond which a share is not told.
const WIDEST: f64 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    AsWanted,
    /// Too few requests, or rules that can't be told apart.
    TooFew,
    Differs,
}

/// One version of a split.
#[derive(Clone, Debug)]
pub struct Version {
    /// The subset, or the host where there is none.
    pub name: String,
    /// The least and the most that the rules want, from 0 to 1.
    pub wanted: (f64, f64),
    pub observed: Share,
    pub requests: Requests,
    pub verdict: Verdict,
    /// Why, where it is not as wanted.
    pub reason: String,
    /// Against the version that is wanted most.
    pub failures: Option<Difference>,
    pub latency: Option<Difference>,
}

/// One rule, or several that metrics can't tell apart, and one source.
#[derive(Clone, Debug)]
pub struct Split {
    pub rules: Vec<String>,
    pub source: Name,
    pub versions: Vec<Version>,
    /// Requests that reached a version.
    pub placed: f64,
    /// Those that ended before, by flag.
    pub unplaced: BTreeMap<String, f64>,
}

/// Traffic to a split service that goes to no version of any rule.
#[derive(Clone, Debug)]
pub struct Unexplained {
    pub source: Name,
    pub host: String,
    pub workload: Name,
    pub count: f64,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub splits: Vec<Split>,
    pub unexplained: Vec<Unexplained>,
    /// Splits that nobody used.
    pub unused: Vec<String>,
    pub seconds: i64,
}

impl Report {
    pub fn verdict(&self) -> Verdict {
        let differs = |v: &Version| v.failures == Some(Difference::Higher);
        let of_splits = self.splits.iter().flat_map(|s| &s.versions).map(|v| if differs(v) { Verdict::Differs } else { v.verdict }).max();
        let unexplained = if self.unexplained.is_empty() { Verdict::AsWanted } else { Verdict::Differs };
        let unused = if self.unused.is_empty() { Verdict::AsWanted } else { Verdict::TooFew };
        of_splits.unwrap_or(Verdict::TooFew).max(unexplained).max(unused)
    }
}

/// Whether requests to a workload are those of a destination. A label that is not known is no reason against it.
fn is_to(destination: &Destination<'_>, key: &Key) -> bool {
    if destination.host != key.host {
        return false;
    }
    if destination.workloads.contains(&key.workload) {
        return true;
    }
    let Some(labels) = &destination.labels else { return false };
    // Workloads that no manifest shows are known by their revision, which is their label `version`.
    !labels.is_empty()
        && destination.workloads.is_empty()
        && labels.iter().all(|(k, v)| matches!(*k, "version" | "service.istio.io/canonical-revision") && *v == key.revision)
}

fn name(destination: &Destination<'_>) -> String {
    if destination.subset.is_empty() { destination.host.clone() } else { destination.subset.to_owned() }
}

/// Rules whose versions overlap stand together: metrics do not say by which of them a request went.
fn groups<'r, 'a>(rules: &'r [Rule<'a>]) -> Vec<Vec<&'r Rule<'a>>> {
    let keys = |r: &Rule<'a>| r.destinations.iter().map(|d| (d.host.clone(), d.subset)).collect::<BTreeSet<_>>();
    let mut groups: Vec<Vec<&Rule<'a>>> = Vec::new();
    for rule in rules {
        let own = keys(rule);
        let (touching, mut others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|g| g.iter().any(|r| r.clients == rule.clients && !keys(r).is_disjoint(&own)));
        let mut merged: Vec<&Rule<'a>> = touching.into_iter().flatten().collect();
        merged.push(rule);
        others.push(merged);
        groups = others;
    }
    groups
}

pub fn judge(mesh: &Mesh<'_>, rules: &[Rule<'_>], seen: &Seen) -> Report {
    let mut report = Report { seconds: seen.seconds, ..Report::default() };
    let hosts: BTreeSet<&str> = rules.iter().filter(|r| r.destinations.len() > 1).flat_map(|r| &r.destinations).map(|d| d.host.as_str()).collect();
    for group in groups(rules).into_iter().filter(|g| g.iter().any(|r| r.destinations.len() > 1)) {
        let names: Vec<String> = group.iter().map(|r| format!("{} {}", r.object.origin(), r.name)).collect();
        let of_hosts: BTreeSet<&str> = group.iter().flat_map(|r| &r.destinations).map(|d| d.host.as_str()).collect();
        let calls = |k: &Key| of_hosts.contains(k.host.as_str()) && group.iter().any(|r| r.clients.include(mesh, &k.source.0, &k.source.1).unwrap_or(true));
        let sources: BTreeSet<Name> = seen.requests.keys().filter(|k| calls(k)).map(|k| k.source.clone()).collect();
        let before = report.splits.len();
        for source in sources {
            report.splits.extend(split(&group, &names, source, &of_hosts, seen));
        }
        if report.splits.len() == before {
            report.unused.extend(names);
        }
    }
    for (key, requests) in seen.requests.iter().filter(|(k, _)| hosts.contains(k.host.as_str()) && k.workload.1 != "unknown") {
        let is_known = rules.iter().flat_map(|r| &r.destinations).any(|d| is_to(d, key));
        // Of a version that nothing is known about it can't be said.
        let is_judged = mesh.workloads.in_namespace(&key.workload.0).any(|w| mesh_resolver::splits::name(w) == key.workload.1)
            || rules.iter().flat_map(|r| &r.destinations).filter(|d| d.host == key.host).all(|d| d.labels.as_ref().is_some_and(|l| !l.is_empty()));
        if !is_known && is_judged {
            report.unexplained.push(Unexplained { source: key.source.clone(), host: key.host.clone(), workload: key.workload.clone(), count: requests.count });
        }
    }
    report
}

fn split(group: &[&Rule<'_>], names: &[String], source: Name, hosts: &BTreeSet<&str>, seen: &Seen) -> Option<Split> {
    let mut versions: Vec<(&Destination<'_>, f64, f64, Requests)> = Vec::new();
    for rule in group {
        for destination in &rule.destinations {
            let is_same = |d: &Destination<'_>| (d.host.as_str(), d.subset) == (destination.host.as_str(), destination.subset);
            if versions.iter().any(|(d, ..)| is_same(d)) {
                continue;
            }
            let weights = group.iter().map(|r| r.destinations.iter().filter(|d| is_same(d)).map(|d| d.weight).sum::<f64>());
            let (least, most) = weights.fold((1.0_f64, 0.0_f64), |(l, m), w| (l.min(w), m.max(w)));
            versions.push((destination, least, most, Requests::default()));
        }
    }
    let mut unplaced: BTreeMap<String, f64> = BTreeMap::new();
    for (key, requests) in seen.requests.iter().filter(|(k, _)| k.source == source && hosts.contains(k.host.as_str())) {
        match versions.iter_mut().find(|(d, ..)| is_to(d, key)) {
            Some((.., known)) => known.add(requests),
            None if key.workload.1 == "unknown" => requests.flags.iter().for_each(|(flag, n)| *unplaced.entry(flag.clone()).or_default() += n),
            None => {}
        }
    }
    let placed: f64 = versions.iter().map(|v| v.3.count).sum();
    let lost: f64 = unplaced.values().sum();
    if placed + lost <= 0.0 {
        return None;
    }
    let main = versions.iter().enumerate().max_by(|a, b| a.1.1.total_cmp(&b.1.1).then(b.0.cmp(&a.0))).map(|(i, v)| (i, v.3.clone()));
    let judged = versions.into_iter().enumerate().map(|(i, (destination, least, most, requests))| {
        // Each request that was lost may have been meant for this version, or for another.
        let observed = Share {
            share: if placed > 0.0 { requests.count / placed } else { 0.0 },
            low: wilson(requests.count, placed + lost).low,
            high: wilson(requests.count + lost, placed + lost).high,
        };
        let (verdict, reason) = verdict(destination, (least, most), observed, placed + lost);
        let other = main.as_ref().filter(|(m, base)| *m != i && requests.count > 0.0 && base.count > 0.0).map(|(_, base)| base);
        let failures = other.map(|base| statistics::shares(base.failed, base.count, requests.failed, requests.count));
        let latency = other.filter(|b| !b.latency.is_empty() && !requests.latency.is_empty()).map(|base| compare(base, &requests));
        Version { name: name(destination), wanted: (least, most), observed, requests, verdict, reason, failures, latency }
    });
    Some(Split { rules: names.to_vec(), source, versions: judged.collect(), placed, unplaced })
}

fn compare(a: &Requests, b: &Requests) -> Difference {
    let mut bounds: Vec<f64> = a.latency.iter().chain(&b.latency).map(|(bound, _)| *bound).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let counts = |r: &Requests| bounds.iter().map(|b| r.latency.iter().find(|(x, _)| x == b).map_or(0.0, |(_, n)| *n)).collect::<Vec<f64>>();
    statistics::ranks(&counts(a), &counts(b))
}

fn verdict(destination: &Destination<'_>, wanted: (f64, f64), observed: Share, requests: f64) -> (Verdict, String) {
    let cause = match (&destination.labels, destination.workloads.is_empty()) {
        (None, _) => format!("no DestinationRule defines the subset {}", destination.subset),
        (Some(labels), true) if !labels.is_empty() => {
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("no workload that is known has the labels of the subset {}: {}", destination.subset, labels.join(","))
        }
        _ => String::new(),
    };
    let percent = |x: f64| format!("{:.1}%", x * 100.0);
    if observed.low > wanted.1 {
        return (Verdict::Differs, format!("more than the {} that is wanted", percent(wanted.1)));
    }
    if observed.high < wanted.0 {
        let reason = format!("less than the {} that is wanted", percent(wanted.0));
        return (Verdict::Differs, if cause.is_empty() { reason } else { format!("{reason}; {cause}") });
    }
    if (observed.high - observed.low) / 2.0 > WIDEST {
        return (Verdict::TooFew, format!("too few requests to tell: {requests:.0}"));
    }
    if wanted.1 - wanted.0 > f64::EPSILON {
        let reason = format!("between {} and {} are wanted: metrics do not say by which rule a request went", percent(wanted.0), percent(wanted.1));
        return (Verdict::TooFew, reason);
    }
    (Verdict::AsWanted, String::new())
}
