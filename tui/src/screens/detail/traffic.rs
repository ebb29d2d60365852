//! What traffic says of a node: why it fails, who calls it, what it calls, how requests end, who would be hurt.

use super::{Line, heading, mark};
use crate::graph::flow::{milliseconds, percent};
use crate::graph::{Flow, Health};
use crate::screens::overview::tls_role;
use crate::screens::{Cx, Request};
use crate::theme::Role;
use crate::world::sections::Section;
use crate::world::traffic::{Call, Key, Side, Traffic, per_second};

/// More endings and callers than that are counted only.
const MOST: usize = 12;

pub(super) fn lines(cx: &Cx<'_>, key: &Key, out: &mut Vec<Line>) {
    let Some(traffic) = cx.world.traffic.known() else {
        heading(cx, Section::Metrics, out, "TRAFFIC");
        out.push(Line::dim("not available: no source holds metrics"));
        return;
    };
    behind(cx, traffic, key, out);
    let Some(load) = traffic.loads.get(key) else {
        if traffic.behind(key).next().is_none() {
            heading(cx, Section::Metrics, out, "TRAFFIC");
            out.push(Line::dim("none was seen"));
        }
        return;
    };
    if let Some(blame) = traffic.blame(key, &|k| cx.world.objects(k)) {
        heading(cx, Section::Metrics, out, "LIKELY CAUSE");
        let parts = vec![mark(cx, load.health), (blame.what.clone(), Role::Name)];
        out.push(Line::opening(parts, Request::Graph { filter: String::new(), node: Some(key.clone()) }));
        if !blame.why.is_empty() {
            let parts = vec![(format!("    {}", blame.why), Role::Text)];
            let opens = if blame.at == *key { None } else { Some(Request::Detail(blame.at.0.clone(), blame.at.1.clone())) };
            out.push(Line { opens, ..Line::of(parts) });
        }
        let known = suspects(cx, traffic, key, out);
        for object in blame.objects.iter().filter(|o| !known.contains(o)) {
            let words = format!("object:{}", object.rsplit('/').next().unwrap_or(object));
            out.push(Line::opening(vec![("    see ".to_owned(), Role::Dim), (object.clone(), Role::Name)], Request::Findings(words)));
        }
    } else if cx.world.faults.iter().any(|f| crate::world::fault_node(traffic, &f.to).as_ref() == Some(key)) {
        // Nothing fails, but it is late, or is tried again.
        heading(cx, Section::Metrics, out, "LIKELY CAUSE");
        suspects(cx, traffic, key, out);
    }
    if let Some((wanted, there)) = load.replicas.filter(|(wanted, there)| there < wanted) {
        out.push(Line::of(vec![(format!("    {there} of {wanted} replicas are available"), Role::Health(Health::Degraded))]));
    }
    for (title, side) in [("CALLED BY", Side::Inbound), ("CALLS", Side::Outbound)] {
        let calls: Vec<&Call> = traffic.calls_of(key, side).collect();
        heading(cx, Section::Metrics, out, format!("{title} {}", calls.len()));
        if calls.is_empty() {
            out.push(Line::dim("nobody that is seen"));
        }
        out.extend(calls.iter().map(|c| call(cx, c, side)));
    }
    endings(cx, traffic, key, out);
    hurt(cx, traffic, key, out);
}

/// How many suspects are named.
const SUSPECTS: usize = 4;

/// What best explains the failures into a node, the likeliest first; the subjects.
fn suspects(cx: &Cx<'_>, traffic: &Traffic, key: &Key, out: &mut Vec<Line>) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let own = cx.world.faults.iter().filter(|f| crate::world::fault_node(traffic, &f.to).as_ref() == Some(key));
    for (fault, suspect) in own.filter_map(|f| Some((f, f.suspects.first()?))) {
        if said.contains(&suspect.subject) || said.len() == SUSPECTS {
            continue;
        }
        said.push(suspect.subject.clone());
        let opens = match suspect.subject.strip_prefix("workload ").and_then(|n| n.split_once('/')) {
            Some((ns, name)) => Request::Detail(ns.to_owned(), name.to_owned()),
            None => Request::Findings(format!("object:{}", suspect.subject.rsplit('/').next().unwrap_or(&suspect.subject))),
        };
        let parts = vec![("    suspect ".to_owned(), Role::Dim), (suspect.subject.clone(), Role::Name), (format!("  {}", suspect.why), Role::Text)];
        out.push(Line::opening(parts, opens));
        out.push(Line::of(vec![(format!("            {}", crate::world::fault_seen(fault)), Role::Dim)]));
        out.extend(suspect.evidence.iter().take(2).map(|e| Line::of(vec![(format!("            {e}"), Role::Dim)])));
    }
    said
}

/// A row of a call: the other end, protocol, rate, failures, latency, encryption.
fn call(cx: &Cx<'_>, call: &Call, side: Side) -> Line {
    let other = if side == Side::Inbound { &call.from } else { &call.to };
    let failing = if call.health >= Health::Degraded { Role::Health(call.health) } else { Role::Text };
    let mut parts = vec![mark(cx, call.health), (name(cx, other), Role::Text), (format!("{:<4} ", call.protocol), Role::Dim)];
    parts.extend(figures(&call.flow, failing));
    Line::opening(parts, Request::Detail(other.0.clone(), other.1.clone()))
}

fn figures(flow: &Flow, failing: Role) -> Vec<(String, Role)> {
    let tls = match flow.mtls() {
        None => ("mTLS ?".to_owned(), Role::Dim),
        Some(p) => (format!("mTLS {}", percent(p)), tls_role(Some(p))),
    };
    vec![
        (format!("{:>8} ", flow.rate()), Role::Text),
        (format!("{:>11} ", flow.errors().map_or(String::new(), |e| format!("{} fail", percent(e)))), failing),
        (format!("{:>10}  ", flow.p95.map_or(String::new(), |p| format!("p95 {}", milliseconds(p)))), Role::Text),
        tls,
    ]
}

/// The name of a node as a column.
fn name(cx: &Cx<'_>, key: &Key) -> String {
    let columns = if cx.area.width >= WIDE { 34 } else { 24 };
    let text = title(key);
    // What is too long for a narrow screen loses its middle.
    let text = if cx.area.width >= WIDE { text } else { crate::text::shorten(&text, columns) };
    format!("{text:<columns$} ")
}

/// From this width on there is room for long names.
const WIDE: u16 = 90;

/// `ns/name`, or the name of what belongs to no namespace.
fn title(key: &Key) -> String {
    if key.0.is_empty() { key.1.clone() } else { format!("{}/{}", key.0, key.1) }
}

/// The workloads that answer for a service, with their shares: what they got, and what routes say that they get.
fn behind(cx: &Cx<'_>, traffic: &Traffic, key: &Key, out: &mut Vec<Line>) {
    let all: Vec<_> = traffic.behind(key).collect();
    if all.is_empty() {
        return;
    }
    let whole = all.iter().fold(Flow::default(), |sum, (_, l)| sum.and(&l.inbound));
    heading(cx, Section::Metrics, out, format!("WORKLOADS BEHIND IT {}  {}", all.len(), whole.figures()));
    let configured = cx.world.configuration.known();
    for (other, load) in all {
        let share = if whole.requests > 0.0 { load.inbound.requests / whole.requests } else { load.inbound.bytes / whole.bytes.max(f64::MIN_POSITIVE) };
        let wanted = configured.and_then(|c| {
            let (from, to) = (c.view.find(&key.0, &key.1)?, c.view.find(&other.0, &other.1)?);
            c.view.edges().iter().find(|e| (e.from, e.to) == (from, to)).map(|e| e.label.clone()).filter(|l| l.ends_with('%'))
        });
        let failing = if load.health >= Health::Degraded { Role::Health(load.health) } else { Role::Text };
        let mut parts = vec![mark(cx, load.health), (name(cx, other), Role::Text), (format!("{:>6} of it ", percent(share * 100.0)), Role::Name)];
        parts.push((wanted.map_or(String::new(), |w| format!("(routes say {w}) ")), Role::Badge));
        parts.extend(figures(&load.inbound, failing));
        out.push(Line::opening(parts, Request::Detail(other.0.clone(), other.1.clone())));
    }
}

/// How requests into it ended, with bars.
fn endings(cx: &Cx<'_>, traffic: &Traffic, key: &Key, out: &mut Vec<Line>) {
    let all = traffic.endings(key, Side::Inbound);
    let total: f64 = all.iter().map(|e| e.rate).sum();
    if all.is_empty() || total <= 0.0 {
        return;
    }
    heading(cx, Section::Metrics, out, "HOW REQUESTS TO IT END");
    for e in all.iter().take(MOST) {
        let share = e.rate / total;
        let cells = if cx.theme.is_read() { 0 } else { (share * 30.0).round() as usize };
        let bar = cx.theme.pick(["█"], ["#"])[0].repeat(cells);
        let role = if e.is_failure { Role::Health(Health::Failing) } else { Role::Health(Health::Ok) };
        out.push(Line::of(vec![
            (format!("    {:<16} ", e.name()), Role::Text),
            (format!("{:>8} {:>6} ", per_second(e.rate), percent(share * 100.0)), Role::Text),
            (format!("{bar:<30} "), role),
            (e.meaning().unwrap_or_default(), Role::Dim),
        ]));
    }
}

/// Who is hurt when it stops.
fn hurt(cx: &Cx<'_>, traffic: &Traffic, key: &Key, out: &mut Vec<Line>) {
    let all = traffic.hurt_by(key);
    heading(cx, Section::Metrics, out, format!("HURT IF IT STOPS {}", all.len()));
    if all.is_empty() {
        out.push(Line::dim("nobody that is seen"));
    }
    for (distance, other) in all.iter().take(MOST) {
        let health = traffic.loads.get(*other).map_or(Health::Unknown, |l| l.health);
        let how = if *distance == 1 { "calls it".to_owned() } else { format!("over {} others", distance - 1) };
        let how = if *distance == 2 { "over 1 other".to_owned() } else { how };
        let parts = vec![mark(cx, health), (name(cx, other), Role::Text), (how, Role::Dim)];
        out.push(Line::opening(parts, Request::Detail(other.0.clone(), other.1.clone())));
    }
    if all.len() > MOST {
        out.push(Line::dim(format!("and {} more", all.len() - MOST)));
    }
}
