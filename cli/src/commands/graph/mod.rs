//! `meshctl graph`: who calls whom, how much, how well.

mod dot;
mod json;
mod mermaid;
mod text;
mod view;

use crate::args::graph::GraphArgs;
use crate::context::{Context, Notes};
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::pages::{self, Saved};
use mesh_collectors::telemetry::series::{self, Recording};
use mesh_metrics::promql::parse_duration;
use mesh_metrics::series::{Limits, Store};
use mesh_model::graph::{self, Facts, Graph, GraphType, Namespace, Options, ServiceTraffic, Viewer};
use std::collections::BTreeSet;
use std::path::Path;

/// A graph, what it was asked for, and what could not be seen.
struct Answer {
    graph: Graph,
    options: Options,
    problems: Vec<String>,
}

pub fn run(args: &GraphArgs, context: &Context) -> Outcome {
    let formats = ["text", "json", "dot", "mermaid", "kiali"];
    if !formats.contains(&args.output.as_str()) {
        return Err(Failure::usage(format!("-o {}: the formats of a graph are {}", args.output, formats.join(", "))));
    }
    let recording = read(args, context)?;
    let answer = match &args.kiali_request {
        Some(request) => requested(&recording, request, context)?,
        None => asked(&recording, args)?,
    };
    let text = match args.output.as_str() {
        "kiali" => crate::term::safe_json(graph::kiali::to_json(&answer.graph, &answer.options) + "\n"),
        "json" => json::render(&answer, context.compat),
        "dot" => dot::render(&answer.graph),
        "mermaid" => mermaid::render(&answer.graph),
        _ => text::render(&answer),
    };
    context.answer(&text)?;
    if context.notes == Notes::Said || !matches!(args.output.as_str(), "json" | "text") {
        answer.problems.iter().for_each(|p| stdio::note(p));
    }
    Ok(if answer.problems.is_empty() { Status::Fine } else { context.partial })
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))
}

fn duration(flag: &str, text: &str) -> Result<i64, Failure> {
    let found = parse_duration(text).filter(|d| *d >= 1000);
    found.ok_or_else(|| Failure::usage(format!("{flag} {text}: a duration such as 30s, 10m or 1h30m must stand here")))
}

fn read(args: &GraphArgs, context: &Context) -> Result<Recording, Failure> {
    if let Some(path) = &args.series {
        let text = String::from_utf8(bytes(path)?).map_err(|_| Failure::input(format!("{}: not UTF-8", path.display())))?;
        return series::read(&path.display().to_string(), &text).map_err(Failure::input);
    }
    if args.page.is_empty() {
        return Err(Failure::usage("no metrics to draw: name a file with --series, or two saved pages with --before and --page"));
    }
    if args.page.len() != args.before.len() {
        return Err(Failure::usage(format!("{} --page and {} --before: each page needs the one from before", args.page.len(), args.before.len())));
    }
    let over = duration("--over", &args.over)?;
    let (now, then) = (context.now * 1000, context.now * 1000 - over);
    let mut recording = Recording { store: Store::new(Limits::default()), ..Recording::default() };
    let mut texts = Vec::new();
    for (before, page) in args.before.iter().zip(&args.page) {
        let name = page.display().to_string();
        texts.push((name.clone(), before.display().to_string(), bytes(before)?, then));
        texts.push((name.clone(), name, bytes(page)?, now));
    }
    let saved: Vec<Saved<'_>> = texts.iter().map(|(target, name, bytes, at)| Saved { target, name, bytes, at: *at }).collect();
    recording.problems = pages::add(&mut recording.store, &saved);
    Ok(recording)
}

fn facts(recording: &Recording) -> Facts {
    let mut facts = Facts::new(&recording.snapshot, &recording.cluster);
    facts.waypoints.extend(recording.waypoints.iter().cloned());
    facts
}

fn viewer(recording: &Recording, facts: &Facts, now: i64) -> Viewer {
    Viewer {
        accessible: recording.accessible.clone(),
        ambient: facts.ambient_namespaces.iter().map(|(_, ns)| ns.clone()).collect(),
        scope: recording.scope.clone(),
        now,
    }
}

/// The time that a recording is about: its last sample's.
fn moment(recording: &Recording, now: i64) -> i64 {
    recording.store.span().map_or(now, |(_, last)| (last + 999) / 1000)
}

fn requested(recording: &Recording, request: &str, context: &Context) -> Result<Answer, Failure> {
    let facts = facts(recording);
    let viewer = viewer(recording, &facts, moment(recording, context.now));
    let options = graph::parse_request(request, &viewer).map_err(Failure::usage)?;
    build(recording, options, &facts, ServiceTraffic::AsReference)
}

fn asked(recording: &Recording, args: &GraphArgs) -> Result<Answer, Failure> {
    let facts = facts(recording);
    let found = GraphType::ALL.iter().find(|t| t.name().eq_ignore_ascii_case(&args.graph_type));
    let graph_type = *found.ok_or_else(|| {
        let all: Vec<&str> = GraphType::ALL.iter().map(|t| t.name()).collect();
        Failure::usage(format!("--type {}: the types of graphs are {}", args.graph_type, all.join(", ")))
    })?;
    let duration = duration("--since", &args.since)? / 1000;
    let mut names: BTreeSet<String> = args.namespace.iter().cloned().collect();
    if names.is_empty() {
        names.extend(recording.namespaces.iter().cloned());
    }
    if names.is_empty() {
        let store = &recording.store;
        let all = || store.select(&[]).into_iter().filter_map(|id| store.get(id));
        let of = |label| store.label_values(label, all()).into_iter().filter(|n| *n != "unknown").map(str::to_owned).collect::<Vec<_>>();
        names.extend(of("source_workload_namespace"));
        names.extend(of("destination_workload_namespace"));
    }
    if names.is_empty() {
        return Err(Failure::input("no series names a namespace: is istio_requests_total or istio_tcp_sent_bytes_total among them?"));
    }
    let ambient: BTreeSet<&String> = facts.ambient_namespaces.iter().map(|(_, ns)| ns).collect();
    let namespaces = names.iter().map(|name| Namespace { name: name.clone(), duration, is_ambient: ambient.contains(name) }).collect();
    let options = Options {
        graph_type,
        inject_service_nodes: args.services || graph_type == GraphType::Service,
        include_idle_edges: args.idle,
        namespaces,
        duration,
        query_time: moment(recording, 0),
        accessible: recording.accessible.clone(),
        scope: recording.scope.clone(),
        ..Options::default()
    };
    build(recording, options, &facts, ServiceTraffic::Once)
}

fn build(recording: &Recording, options: Options, facts: &Facts, traffic: ServiceTraffic) -> Result<Answer, Failure> {
    let queries = graph::plan(&options);
    let mut problems: BTreeSet<String> = recording.problems.iter().cloned().collect();
    let mut answers = Vec::with_capacity(queries.len());
    for query in &queries {
        let (samples, warnings) = ask(&recording.store, &query.promql, options.query_time * 1000).map_err(Failure::none)?;
        problems.extend(warnings);
        answers.push(samples);
    }
    let graph = graph::build(&options, facts, &queries, &answers, traffic);
    problems.extend(graph.skipped.iter().map(|(reason, count)| format!("{count} samples left out: {reason}")));
    Ok(Answer { graph, options, problems: problems.into_iter().collect() })
}
