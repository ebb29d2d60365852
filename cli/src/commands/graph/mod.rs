//! `meshctl graph`: who calls whom, how much, how well.

mod dot;
mod json;
mod mermaid;
mod text;
mod view;

use crate::args::graph::GraphArgs;
use crate::context::Context;
use crate::status::{Failure, Outcome, Status};
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::pages::{self, Pair, Saved};
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
    /// Seconds that rates look back; none where the source has rates alone and does not say of what time.
    window: Option<i64>,
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
        None => asked(&recording, args, context.now)?,
    };
    let text = match args.output.as_str() {
        "kiali" => crate::term::safe_json(graph::kiali::to_json(&answer.graph, &answer.options) + "\n"),
        "json" => json::render(&answer, context.compat),
        "dot" => dot::render(&answer.graph),
        "mermaid" => mermaid::render(&answer.graph),
        _ => text::render(&answer),
    };
    context.answer(&text)?;
    answer.problems.iter().for_each(|p| context.note(p));
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
    let mut recording = Recording { store: Store::new(Limits::default()), ..Recording::default() };
    for (before, page) in args.before.iter().zip(&args.page) {
        let names = (before.display().to_string(), page.display().to_string());
        let (before, after) = (bytes(before)?, bytes(page)?);
        let pair = Pair { before: Saved { name: &names.0, bytes: &before }, after: Saved { name: &names.1, bytes: &after } };
        recording.problems.extend(pages::add(&mut recording.store, &[pair], over as f64 / 1000.0));
    }
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
    let window = Some(options.duration);
    build(recording, options, window, &facts, ServiceTraffic::AsReference)
}

fn asked(recording: &Recording, args: &GraphArgs, now: i64) -> Result<Answer, Failure> {
    let facts = facts(recording);
    let found = GraphType::ALL.iter().find(|t| t.name().eq_ignore_ascii_case(&args.graph_type));
    let graph_type = *found.ok_or_else(|| {
        let all: Vec<&str> = GraphType::ALL.iter().map(|t| t.name()).collect();
        Failure::usage(format!("--type {}: the types of graphs are {}", args.graph_type, all.join(", ")))
    })?;
    let window = window(recording, args)?;
    // Rates answer over any range; the default one makes the queries the same each time.
    let duration = window.unwrap_or(600);
    let seen = namespaces(recording);
    let mut problems = Vec::new();
    let names: BTreeSet<String> = if args.namespace.is_empty() {
        if recording.namespaces.is_empty() { seen } else { recording.namespaces.iter().cloned().collect() }
    } else {
        let is_unseen = |name: &&String| !seen.contains(*name) && !recording.namespaces.contains(name);
        problems.extend(args.namespace.iter().filter(is_unseen).map(|name| format!("-n {name}: no series is of this namespace")));
        args.namespace.iter().cloned().collect()
    };
    if names.is_empty() {
        let mut said = vec!["no series names a namespace: is istio_requests_total or istio_tcp_sent_bytes_total among them?".to_owned()];
        said.extend(recording.problems.iter().cloned());
        return Err(Failure::input(said.join("; ")));
    }
    if let (Some((first, last)), Some(asked)) = (recording.store.span(), window) {
        // Prometheus takes a series to go on for about the distance of two samples; a tenth of the time is more than that.
        if (last - first) * 10 < asked * 9000 {
            let span = (last - first) / 1000;
            problems.push(format!("the samples span {span} s, and rates look back {asked} s: they come out too low; give a shorter --since"));
        }
    }
    let ambient: BTreeSet<&String> = facts.ambient_namespaces.iter().map(|(_, ns)| ns).collect();
    let namespaces = names.iter().map(|name| Namespace { name: name.clone(), duration, is_ambient: ambient.contains(name) }).collect();
    let options = Options {
        graph_type,
        inject_service_nodes: args.services || graph_type == GraphType::Service,
        include_idle_edges: args.idle,
        namespaces,
        duration,
        query_time: moment(recording, now),
        accessible: recording.accessible.clone(),
        scope: recording.scope.clone(),
        ..Options::default()
    };
    let mut answer = build(recording, options, window, &facts, ServiceTraffic::Once)?;
    answer.problems.extend(problems);
    Ok(answer)
}

/// Seconds that rates look back, where there is such a time.
fn window(recording: &Recording, args: &GraphArgs) -> Result<Option<i64>, Failure> {
    let since = duration("--since", &args.since)?;
    let milliseconds = match recording.store.span() {
        Some(_) => Some(since),
        None if args.page.is_empty() => None,
        None => Some(duration("--over", &args.over)?),
    };
    Ok(milliseconds.map(|ms| ms / 1000))
}

/// Namespaces that series name.
fn namespaces(recording: &Recording) -> BTreeSet<String> {
    let store = &recording.store;
    let all = || store.select(&[]).into_iter().filter_map(|id| store.get(id));
    let labels = ["source_workload_namespace", "destination_workload_namespace", "destination_service_namespace"];
    let values = labels.into_iter().flat_map(|label| store.label_values(label, all()));
    values.filter(|name| *name != "unknown").map(str::to_owned).collect()
}

fn build(recording: &Recording, options: Options, window: Option<i64>, facts: &Facts, traffic: ServiceTraffic) -> Result<Answer, Failure> {
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
    Ok(Answer { graph, options, window, problems: problems.into_iter().collect() })
}
