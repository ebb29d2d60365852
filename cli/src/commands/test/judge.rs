//! Whether what came of a request is what its test expects. What is not known is never a pass.

use super::edge::{self, Evidence, Traffic};
use super::encryption;
use super::expect::{Expectation, What};
use super::follow::{Arrival, Followed, follow};
use super::members::Members;
use super::spec::{Case, Sent, Test};
use crate::commands::route::text::ended;
use crate::commands::route::{Way, object};
use mesh_envoy::cluster_name::ClusterName;
use mesh_envoy::engine::walk::{Branch, End, Policy, StepKind, Verdict};
use mesh_model::Position;

/// What came of a test.
#[derive(Debug)]
pub enum Outcome {
    Passed,
    Failed(Vec<Failure>),
    /// Why it can't be judged.
    NotJudged(Vec<String>),
    /// Where the test can't be read, and why.
    Unreadable(Position, String),
}

/// An expectation that does not hold.
#[derive(Debug)]
pub struct Failure {
    pub key: String,
    pub at: Position,
    pub expected: String,
    pub found: String,
    /// The proxy that took the request.
    pub proxy: String,
}

/// A test, what came of it and the ways that its request took.
pub struct Judged<'t> {
    pub test: &'t Test,
    pub outcome: Outcome,
    pub ways: Vec<Way>,
    /// Of a test of an edge.
    pub evidence: Option<Evidence>,
}

impl<'t> Judged<'t> {
    fn new(test: &'t Test, outcome: Outcome) -> Judged<'t> {
        Judged { test, outcome, ways: Vec::new(), evidence: None }
    }
}

/// What tests are answered from: workloads, and what was measured or why nothing was.
pub struct Known<'k> {
    pub members: &'k Members<'k>,
    pub traffic: Result<&'k Traffic<'k>, &'k str>,
}

/// One expectation: whether it holds.
pub enum Held {
    Yes,
    No { expected: String, found: String },
    Unknown(String),
}

/// More than one percent of a percent is a difference; shares are rounded to a millionth.
const TOLERANCE: f64 = 0.01;

pub fn judge<'t>(test: &'t Test, known: &Known<'_>) -> Judged<'t> {
    let members = known.members;
    let case = match &test.case {
        Ok(Case::Sent(case)) => case,
        Ok(Case::Server(server)) => return Judged::new(test, encryption::of_server(server, members)),
        Ok(Case::Call(call)) => {
            return match known.traffic {
                Ok(traffic) => {
                    let (outcome, evidence) = edge::judge(call, traffic);
                    Judged { evidence: Some(evidence), ..Judged::new(test, outcome) }
                }
                Err(why) => Judged::new(test, Outcome::NotJudged(vec![why.to_owned()])),
            };
        }
        Err(complaint) => return Judged::new(test, Outcome::Unreadable(complaint.at, complaint.message.clone())),
    };
    match follow(case, members) {
        Err(why) => Judged::new(test, Outcome::NotJudged(vec![why])),
        Ok(list) => {
            let outcome = outcome(case, &list);
            Judged { ways: list.into_iter().map(|f| f.way).collect(), ..Judged::new(test, outcome) }
        }
    }
}

fn outcome(case: &Sent, list: &[Followed]) -> Outcome {
    let (mut failures, mut unknown) = (Vec::new(), Vec::new());
    for followed in list {
        for expectation in &case.expect {
            match holds(expectation, followed) {
                Held::Yes => {}
                Held::Unknown(why) => unknown.push(why),
                Held::No { expected, found } => {
                    let proxy = followed.way.told.first().map_or_else(String::new, |t| t.proxy.clone());
                    failures.push(Failure { key: expectation.key.clone(), at: expectation.at, expected, found, proxy });
                }
            }
        }
    }
    // What is not translated may change any of it.
    let mut gaps: Vec<String> = list.iter().flat_map(|f| f.not_judged.iter().cloned()).collect();
    if gaps.is_empty() && !failures.is_empty() {
        return Outcome::Failed(failures);
    }
    gaps.extend(unknown);
    gaps.dedup();
    if gaps.is_empty() { Outcome::Passed } else { Outcome::NotJudged(gaps) }
}

fn holds(e: &Expectation, f: &Followed) -> Held {
    match &e.what {
        What::Allowed => allowed(f),
        What::Denied => denied(f),
        What::Travels(wanted) => encryption::of_request(*wanted, f),
        What::Status(status) => of_ends(f, &format!("the proxy answers {status}"), |end| matches!(end, End::Replied(r) if r.status == *status)),
        What::Flag(flag) => of_ends(f, &format!("flag {flag}"), |end| flags(end).iter().any(|x| x == flag) || flags(end).join(",") == *flag),
        What::Details(details) => of_ends(f, details, |end| match end {
            End::Replied(r) => r.details == *details,
            End::Closed { details: found, .. } => found == details,
            _ => false,
        }),
        What::Redirect(to) => of_ends(f, &format!("a redirect to {to}"), |end| matches!(end, End::Replied(r) if r.location.as_ref() == Some(to))),
        other => match f.first() {
            // A workload without a proxy decides nothing of its own.
            None => Held::Unknown("no proxy decides about this request".to_owned()),
            Some(v) => of_route(other, v),
        },
    }
}

fn of_route(what: &What, v: &Verdict) -> Held {
    if let Some(End::UpTo(u)) = v.branches.iter().map(|b| &b.end).find(|e| matches!(e, End::UpTo(_))) {
        return Held::Unknown(format!("the answer ends at something that is not known: {u}"));
    }
    let parsed = |b: &Branch| ClusterName::parse_any(&b.cluster).map(|n| (n.host.to_owned(), n.subset.to_owned(), n.port));
    match what {
        What::Cluster(name) => each(v, name, |b| b.cluster.clone(), |b| b.cluster == *name),
        What::Service(name) => each(v, name, |b| parsed(b).map_or_else(|| b.cluster.clone(), |n| n.0), |b| parsed(b).is_some_and(|n| is_named(name, &n.0))),
        What::Subset(name) => {
            let said = |b: &Branch| parsed(b).map_or_else(|| b.cluster.clone(), |n| if n.1.is_empty() { "no subset".to_owned() } else { n.1 });
            each(v, name, said, |b| parsed(b).is_some_and(|n| n.1 == *name))
        }
        What::Port(port) => {
            each(v, &port.to_string(), |b| parsed(b).map_or_else(|| b.cluster.clone(), |n| n.2.to_string()), |b| parsed(b).is_some_and(|n| n.2 == *port))
        }
        What::Weights(wanted) => weights(v, wanted),
        What::Route(name) => equal(name, if v.route.is_empty() { "no route of a name" } else { &v.route }),
        What::Object(name) => {
            let source = v.steps.iter().find(|s| s.kind == StepKind::Route).map(|s| object(&s.source)).unwrap_or_default();
            equal(name, if source.is_empty() { "no object that the route names" } else { &source })
        }
        What::Path(path) => forwarded(v.upstream_request.as_ref(), v, |(_, found)| equal(path, found)),
        What::Host(host) => forwarded(v.upstream_request.as_ref(), v, |(found, _)| equal(host, found)),
        What::Timeout(wanted) => {
            let said = |t: Option<std::time::Duration>| t.map_or("none".to_owned(), |t| format!("{t:?}"));
            forwarded(v.policy.as_ref(), v, |p| equal(&said(*wanted), &said(p.timeout)))
        }
        What::Retries { attempts, on, per_try } => forwarded(v.policy.as_ref(), v, |p| retries(p, *attempts, on.as_deref(), *per_try)),
        What::Mirror(name) => forwarded(v.policy.as_ref(), v, |p| {
            let fits = |c: &str| c == name || ClusterName::parse_any(c).is_some_and(|n| is_named(name, n.host) || n.subset == name);
            let list: Vec<&str> = p.mirrors.iter().map(|m| &*m.cluster).collect();
            if list.iter().any(|c| fits(c)) { Held::Yes } else { no(name, if list.is_empty() { "no mirror".to_owned() } else { list.join(", ") }) }
        }),
        _ => Held::Unknown("an expectation of another sort".to_owned()),
    }
}

fn no(expected: &str, found: String) -> Held {
    Held::No { expected: expected.to_owned(), found }
}

fn equal(expected: &str, found: &str) -> Held {
    if expected == found { Held::Yes } else { no(expected, found.to_owned()) }
}

/// `reviews` is the name of `reviews.shop.svc.cluster.local`, and so is all of it.
fn is_named(name: &str, host: &str) -> bool {
    host == name || host.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
}

/// What the proxy did in place of forwarding.
pub fn instead(v: &Verdict) -> String {
    v.branches.first().map_or_else(|| "nothing came of it".to_owned(), |b| ended(&b.end))
}

fn forwarded<T>(value: Option<&T>, v: &Verdict, judge: impl Fn(&T) -> Held) -> Held {
    value.map_or_else(|| no("the request is forwarded", instead(v)), judge)
}

/// Whether every part of the requests goes where it should.
fn each(v: &Verdict, expected: &str, said: impl Fn(&Branch) -> String, fits: impl Fn(&Branch) -> bool) -> Held {
    if v.branches.iter().all(|b| !b.cluster.is_empty() && fits(b)) && !v.branches.is_empty() {
        return Held::Yes;
    }
    let part = |b: &Branch| {
        let what = if b.cluster.is_empty() { ended(&b.end) } else { said(b) };
        if v.branches.len() == 1 { what } else { format!("{} to {what}", percent(b.share)) }
    };
    no(expected, v.branches.iter().map(part).collect::<Vec<_>>().join(", "))
}

fn percent(share: u64) -> String {
    format!("{}%", share as f64 / 1e4)
}

fn weights(v: &Verdict, wanted: &[(String, f64)]) -> Held {
    let key = |b: &Branch| -> Option<usize> {
        let name = ClusterName::parse_any(&b.cluster);
        let of = |fits: &dyn Fn(&str) -> bool| wanted.iter().position(|(k, _)| fits(k));
        let by_subset = || name.and_then(|n| of(&|k| !n.subset.is_empty() && k == n.subset));
        of(&|k| k == b.cluster).or_else(by_subset).or_else(|| name.and_then(|n| of(&|k| is_named(k, n.host))))
    };
    let mut sums = vec![0u64; wanted.len()];
    let mut others = false;
    for b in v.branches.iter().filter(|b| b.share > 0) {
        match key(b).filter(|_| !b.cluster.is_empty()) {
            Some(i) => sums[i] += b.share,
            None => others = true,
        }
    }
    let fits = !others && wanted.iter().zip(&sums).all(|((_, p), share)| (*share as f64 / 1e4 - p).abs() <= TOLERANCE);
    if fits {
        return Held::Yes;
    }
    let expected: Vec<String> = wanted.iter().map(|(k, p)| format!("{p}% to {k}")).collect();
    let part = |b: &Branch| {
        let subset = ClusterName::parse_any(&b.cluster).map(|n| n.subset).filter(|s| !s.is_empty());
        match (b.cluster.as_str(), subset) {
            ("", _) => ended(&b.end),
            (cluster, None) => format!("{} to {cluster}", percent(b.share)),
            (_, Some(subset)) => format!("{} to {subset}", percent(b.share)),
        }
    };
    no(&expected.join(", "), v.branches.iter().map(part).collect::<Vec<_>>().join(", "))
}

fn retries(p: &Policy, attempts: Option<u64>, on: Option<&str>, per_try: Option<std::time::Duration>) -> Held {
    let retry = p.retry.clone().unwrap_or_default();
    let words = |text: &str| text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect::<Vec<_>>();
    let times = if retry.on.is_empty() { 0 } else { retry.times };
    let fits = attempts.is_none_or(|n| n == times)
        && on.is_none_or(|on| words(on).iter().all(|w| retry.retries(w) || w.parse().is_ok_and(|code| retry.status_codes.contains(&code))))
        && per_try.is_none_or(|t| retry.per_try_timeout.is_some_and(|found| found == t));
    let codes = retry.status_codes.iter().map(ToString::to_string);
    let listed = words(&retry.on).into_iter().chain(codes).collect::<Vec<_>>().join(",");
    let told = |times: Option<u64>, on: &str, per_try: Option<std::time::Duration>| {
        let mut parts: Vec<String> = times.map(|n| format!("{n} attempts")).into_iter().collect();
        parts.extend(Some(on).filter(|on| !on.is_empty()).map(|on| format!("on {on}")));
        parts.extend(per_try.map(|t| format!("{t:?} a try")));
        parts.join(", ")
    };
    if fits { Held::Yes } else { no(&told(attempts, on.unwrap_or_default(), per_try), told(Some(times), &listed, retry.per_try_timeout)) }
}

fn flags(end: &End) -> Vec<&str> {
    match end {
        End::Replied(r) => r.flags.clone(),
        End::Closed { flag, .. } if !flag.is_empty() => vec![flag],
        _ => Vec::new(),
    }
}

/// Whether all requests end at a proxy, and so.
fn of_ends(f: &Followed, expected: &str, fits: impl Fn(&End) -> bool) -> Held {
    arrivals(f, expected, |a| match a {
        Arrival::Reached(_) => false,
        Arrival::Ended { end, .. } => fits(end),
        Arrival::NotSeen(_) => false,
    })
}

fn allowed(f: &Followed) -> Held {
    arrivals(f, "allowed", |a| matches!(a, Arrival::Reached(_)))
}

fn denied(f: &Followed) -> Held {
    arrivals(f, "denied", |a| matches!(a, Arrival::Ended { end, .. } if is_denial(end)))
}

/// Whether a policy ends it: of authorization, of tokens, of mutual TLS.
fn is_denial(end: &End) -> bool {
    match end {
        End::Replied(r) => ["rbac_access_denied", "ext_authz_denied", "jwt_authn_access_denied"].iter().any(|d| r.details.starts_with(d)),
        End::Closed { why, .. } => matches!(*why, "denied" | "no filter chain" | "invalid TLS" | "invalid mutual TLS"),
        End::Forwarded | End::UpTo(_) => false,
    }
}

/// All must fit. One that does not is a failure, whatever is not known of others.
fn arrivals(f: &Followed, expected: &str, fits: impl Fn(&Arrival) -> bool) -> Held {
    let unknown = |a: &Arrival| match a {
        Arrival::NotSeen(why) => Some(why.clone()),
        Arrival::Ended { by, end: End::UpTo(u) } => Some(format!("at {by} the answer ends at something that is not known: {u}")),
        Arrival::Reached(_) | Arrival::Ended { .. } => None,
    };
    let said = |a: &Arrival| match a {
        Arrival::Reached(name) => format!("it reaches {name}"),
        Arrival::Ended { by, end } => format!("at {by} {}", ended(end)),
        Arrival::NotSeen(why) => why.clone(),
    };
    if let Some(other) = f.arrivals.iter().find(|a| unknown(a).is_none() && !fits(a)) {
        return no(expected, said(other));
    }
    match f.arrivals.iter().find_map(unknown) {
        Some(why) => Held::Unknown(why),
        None if f.arrivals.is_empty() => Held::Unknown("nothing is known of where it ends".to_owned()),
        None => Held::Yes,
    }
}
