//! `meshctl why` with one name or none: what is wrong now, or with one thing, the likeliest cause first.

mod ask;
pub mod counted;
mod onset;
mod others;
mod propagation;
mod proxies;
mod slow;

use crate::args::why::WhyArgs;
use crate::commands::tui::telemetry::is_series_file;
use crate::context::Context;
use crate::demos;
use crate::print::document::Document;
use crate::print::dump::document;
use crate::print::time::{parse_rfc3339, rfc3339};
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use ask::Found;
use mesh_analyzers::ranking::{Evidence, Fault, FaultKind, Host, all_slow, rank};
use mesh_analyzers::{Options, analyze};
use mesh_collectors::recording;
use mesh_model::Snapshot;
use mesh_model::graph::Graph;
use mesh_resolver::Mesh;
pub use proxies::{State, endpoints};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Lines of the answer.
const LINES: usize = 5;
/// Further calls of one suspect that a line has.
const CALLS: usize = 2;
/// How long ago a change is worth a word, in seconds.
const LATELY: i64 = 3600;

/// One line: whose fault it is, what is wrong, and what shows more of it.
struct Line {
    subject: String,
    what: String,
    more: String,
}

pub fn run(args: &WhyArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o {}: the formats of a ranked answer are text and json", args.output)));
    }
    // Series files are metrics and nothing else; recordings and archives are everything.
    let is_series = |w: &&String| is_series_file(Path::new(w));
    let (series, others): (Vec<String>, Vec<String>) = args.mesh.from.iter().cloned().partition(|w| is_series(&w));
    let recorded = others.iter().filter(|w| recording::find(Path::new(w)).is_some());
    let metrics: Vec<String> = series.iter().chain(recorded).cloned().collect();
    let Found { traffic: answer, counted, history, snapshot, state, dropped, problems } = ask::all(args, &metrics, &others, context)?;
    let mesh = Mesh::new(&snapshot);
    let options = Options::default();
    let findings = analyze(&mesh, &options, |_| true).findings;
    let changes = changes(&snapshot, context.now);
    let none = Graph::default();
    let graph = answer.as_ref().map_or(&none, |a| &a.graph);
    let evidence = Evidence {
        graph,
        mesh: &mesh,
        hosts: &state.hosts,
        empty: &state.empty,
        findings: &findings,
        rejections: &state.rejections,
        distrusts: &state.distrusts,
        counted: &counted,
        changes: &changes,
    };
    let mut faults = rank(&evidence);
    if let Some(who) = &args.who {
        let is_known = graph.nodes.iter().any(|n| [n.workload, n.service, n.app].iter().any(|x| graph.names.text(*x) == name_of(who).1));
        let is_object = snapshot.objects.iter().any(|o| o.name() == name_of(who).1);
        if !is_known && !is_object {
            return Err(Failure::none(format!("nothing that was seen is called {who}")));
        }
        faults.retain(|f| is_about(f, who));
    }
    let slow = if args.who.is_none() { all_slow(graph, &counted) } else { None };
    let slow = slow.map(|all| slow::Slow::new(all, history.as_ref()));
    let onset = history.as_ref().and_then(|h| onset::onset(&faults, h, &snapshot));
    let mut lines = lines(args, &faults, &state, &findings, &metrics);
    // Nothing fails for it: the last of all.
    let demo = demos::word_of(&args.mesh.from).map(|word| format!("--from {word}"));
    lines.extend(propagation::lines(&dropped, &mesh, &args.traces, demo.as_deref()));
    let text = if args.output == "json" {
        document(value(&lines, &faults, &state, (onset.as_ref(), slow.as_ref()), &problems), Document::Json, context.compat)
    } else {
        text(args, &lines, (onset.as_ref(), slow.as_ref()), answer.is_some())
    };
    context.answer(&text)?;
    problems.iter().for_each(|p| context.note(p));
    // Who makes everything slow is not known.
    Ok(match (lines.is_empty(), problems.is_empty() && slow.is_none()) {
        (false, _) => Status::NotFine,
        (true, false) => context.partial,
        (true, true) => Status::Fine,
    })
}

/// Objects that were made or changed lately, by origin, and how long ago.
pub fn changes(snapshot: &Snapshot, now: i64) -> BTreeMap<String, i64> {
    let last = |o: &mesh_model::Object| o.edits().iter().filter_map(|e| parse_rfc3339(e.at)).max();
    let changed = snapshot.objects.iter().filter_map(|o| Some((o.origin(), now - last(o)?)));
    changed.filter(|(_, ago)| (0..LATELY).contains(ago)).collect()
}

/// Namespace ("" for any) and name of `NAME`, `NAMESPACE/NAME`, `NAME.NAMESPACE`, `KIND/NAME.NAMESPACE`.
fn name_of(who: &str) -> (&str, &str) {
    const KINDS: &[&str] = &["deploy", "deployment", "svc", "service", "workload"];
    match who.split_once('/') {
        Some((kind, rest)) if KINDS.contains(&kind) => rest.split_once('.').map_or(("", rest), |(name, ns)| (ns.split('.').next().unwrap_or(ns), name)),
        Some((namespace, name)) => (namespace, name),
        None => who.split_once('.').map_or(("", who), |(name, ns)| (ns.split('.').next().unwrap_or(ns), name)),
    }
}

/// Whether a fault is one of calls to a thing, or its own.
fn is_about(fault: &Fault, who: &str) -> bool {
    let (namespace, name) = name_of(who);
    let fits = |node: &str| node.split_once('/').is_some_and(|(ns, n)| n == name && (namespace.is_empty() || ns == namespace));
    let host = fault.ending.host.split_once('.').is_some_and(|(n, rest)| n == name && (namespace.is_empty() || rest.split('.').next() == Some(namespace)));
    fits(&fault.to) || host
}

fn sources(args: &WhyArgs) -> String {
    if let Some(word) = demos::word_of(&args.mesh.from) {
        return format!(" --from {word}");
    }
    let words = args.mesh.from.iter().map(|w| format!(" -f {w}"));
    let prometheus = args.prometheus.iter().map(|_| " --prometheus $MESHCTL_PROMETHEUS".to_owned());
    words.chain(prometheus).collect()
}

fn lines(args: &WhyArgs, faults: &[Fault], state: &State, findings: &[mesh_analyzers::Finding<'_>], metrics: &[String]) -> Vec<Line> {
    let mut lines: Vec<(f64, String, Line)> = Vec::new();
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    let demo = demos::word_of(&args.mesh.from).map(|word| format!("--from {word}"));
    for fault in faults {
        let Some(suspect) = fault.suspects.first() else { continue };
        if let Some((rate, _, line)) = lines.iter_mut().find(|(_, subject, _)| *subject == suspect.subject) {
            *rate += fault.costs;
            let count = calls.entry(suspect.subject.clone()).or_default();
            *count += 1;
            if *count <= CALLS {
                line.what.push_str(&format!(", {} -> {} {}", fault.from, fault.to, fault.ending.name()));
            }
            continue;
        }
        let evidence = if suspect.evidence.is_empty() { String::new() } else { format!(" ({})", suspect.evidence.join("; ")) };
        let seen = match fault.kind {
            FaultKind::Fails => format!("{}, {:.2}/s, {:.0}%", fault.ending.name(), fault.ending.rate, fault.share * 100.0),
            FaultKind::Slow(ms) => format!("takes {:.1} s (p95)", ms / 1000.0),
            FaultKind::Retried(times) => format!("tried {times:.1} times each"),
        };
        let what = format!("{}: {}{evidence}; seen as {} -> {} {seen}", suspect.subject, suspect.why, fault.from, fault.to);
        let source = demo.clone().or_else(|| metrics.first().map(|m| format!("--from {m}")));
        let source = source.unwrap_or_else(|| "--prometheus $MESHCTL_PROMETHEUS".to_owned());
        let more = format!("meshctl graph --why-edge {} {} {source}", fault.from, fault.to);
        lines.push((fault.costs, suspect.subject.clone(), Line { subject: suspect.subject.clone(), what, more }));
    }
    for (_, subject, line) in &mut lines {
        let more = calls.get(subject).map_or(0, |n| n.saturating_sub(CALLS));
        if more > 0 {
            line.what.push_str(&format!(" and {more} more"));
        }
    }
    lines.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let told: Vec<String> = lines.iter().map(|(_, subject, _)| subject.clone()).collect();
    let mut out: Vec<Line> = lines.into_iter().map(|(.., line)| line).collect();
    if args.who.is_none() {
        let from = sources(args);
        out.extend(others::lines(state, findings, &told, &from));
        let unsaid = |h: &&Host| !out.iter().any(|l| l.what.contains(&h.cluster));
        let hosts: Vec<Line> = state
            .hosts
            .iter()
            .filter(unsaid)
            .map(|h| {
                let state = if h.is_ejected { "ejected for its errors" } else { "not healthy" };
                Line {
                    subject: format!("endpoint {}", h.address),
                    what: format!("endpoint {} of {}: {state}, says {}", h.address, h.cluster, h.proxy),
                    more: format!("meshctl pc endpoint {}{from}", h.proxy),
                }
            })
            .collect();
        out.extend(hosts);
    }
    out
}

fn text(args: &WhyArgs, lines: &[Line], (onset, slow): (Option<&onset::Onset>, Option<&slow::Slow>), has_traffic: bool) -> String {
    let slow = slow.map_or_else(String::new, |s| format!("{}\n", safe(&s.text())));
    if lines.is_empty() && !slow.is_empty() {
        return slow;
    }
    if lines.is_empty() {
        let of = args.who.as_deref().map_or_else(|| "nothing is wrong in what was seen".to_owned(), |w| format!("no call to {w} fails in what was seen"));
        return format!("{}{}\n", safe(&of), if has_traffic { "" } else { " (there were no metrics)" });
    }
    let mut out: String = lines.iter().take(LINES).enumerate().map(|(i, l)| format!("{}. {} | {}\n", i + 1, safe(&l.what), safe(&l.more))).collect();
    if lines.len() > LINES {
        out.push_str(&format!("and {} more: -o json lists all\n", lines.len() - LINES));
    }
    out.push_str(&slow);
    if let Some(onset) = onset {
        out.push_str(&format!("{}\n", safe(&onset.text())));
    }
    out
}

fn value(lines: &[Line], faults: &[Fault], state: &State, (onset, slow): (Option<&onset::Onset>, Option<&slow::Slow>), problems: &[String]) -> Value {
    let fault = |f: &Fault| {
        json!({
            "kind": match f.kind { FaultKind::Fails => "fails", FaultKind::Slow(_) => "slow", FaultKind::Retried(_) => "retried" },
            "from": f.from, "to": f.to, "status": f.ending.code, "flags": f.ending.flags, "host": f.ending.host, "rate": f.ending.rate, "share": f.share,
            "suspects": f.suspects.iter().map(|s| json!({"subject": s.subject, "why": s.why, "evidence": s.evidence, "score": s.score})).collect::<Vec<_>>(),
        })
    };
    json!({
        "complete": problems.is_empty(),
        "problems": problems,
        "lines": lines.iter().map(|l| json!({"subject": l.subject, "what": l.what, "more": l.more})).collect::<Vec<_>>(),
        "faults": faults.iter().map(fault).collect::<Vec<_>>(),
        "began": onset.map(|o| json!({"to": o.to, "at": o.at.map(rfc3339), "change": o.change.as_ref().map(|c| json!({"object": c.object, "at": rfc3339(c.at), "by": c.by}))})),
        "slow": slow.map(slow::Slow::value),
        "rejections": state.rejections.iter().map(|r| json!({"proxy": r.proxy, "text": r.text})).collect::<Vec<_>>(),
        "endpoints": state.hosts.iter().map(|h| json!({"proxy": h.proxy, "cluster": h.cluster, "address": h.address, "ejected": h.is_ejected, "unhealthy": h.is_unhealthy})).collect::<Vec<_>>(),
    })
}
