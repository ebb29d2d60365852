//! The graph of a source's metrics.

use super::duration;
use crate::args::telemetry::TelemetryArgs;
use crate::context::Context;
use crate::print::time::parse_rfc3339;
use crate::status::Failure;
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_model::Snapshot;
use mesh_model::graph::{self, Facts, Graph, GraphType, Namespace, Options, ServiceTraffic, Viewer};
use std::collections::BTreeSet;

/// A graph, what it was asked for, and what could not be seen.
pub struct Answer {
    pub graph: Graph,
    pub options: Options,
    /// Seconds that rates look back; none where the source has rates alone and does not say of what time.
    pub window: Option<i64>,
    /// What objects of the source say.
    pub facts: Facts,
    pub problems: Vec<String>,
}

/// `--at`, in seconds since the epoch.
pub fn at(args: &TelemetryArgs) -> Result<Option<i64>, Failure> {
    let time = |text: &String| parse_rfc3339(text).ok_or_else(|| Failure::usage(format!("--at takes a time such as 2026-11-22T11:40:00Z, not `{text}`")));
    args.at.as_ref().map(time).transpose()
}

/// The options of a type of graph, by its name.
pub fn options(graph_type: &str) -> Result<Options, Failure> {
    let found = GraphType::ALL.iter().find(|t| t.name().eq_ignore_ascii_case(graph_type));
    let graph_type = *found.ok_or_else(|| {
        let all: Vec<&str> = GraphType::ALL.iter().map(|t| t.name()).collect();
        Failure::usage(format!("--type {graph_type}: the types of graphs are {}", all.join(", ")))
    })?;
    Ok(Options { graph_type, inject_service_nodes: graph_type == GraphType::Service, ..Options::default() })
}

fn facts(recording: &Recording, objects: &Snapshot) -> Facts {
    let mut facts = Facts::new(objects, &recording.cluster);
    facts.waypoints.extend(recording.waypoints.iter().cloned());
    facts
}

/// The time that a recording is about: its last sample's.
fn moment(recording: &Recording, now: i64) -> i64 {
    recording.store.span().map_or(now, |(_, last)| (last + 999) / 1000)
}

/// Answers a request of Kiali's API.
pub fn requested(recording: &Recording, request: &str, context: &Context) -> Result<Answer, Failure> {
    let facts = facts(recording, &recording.snapshot);
    let viewer = Viewer {
        accessible: recording.accessible.clone(),
        ambient: facts.ambient_namespaces.iter().map(|(_, ns)| ns.clone()).collect(),
        scope: recording.scope.clone(),
        now: moment(recording, context.now),
    };
    let options = graph::parse_request(request, &viewer).map_err(Failure::usage)?;
    let window = Some(options.duration);
    build(recording, options, window, facts, ServiceTraffic::AsReference)
}

/// The graph of a recording, with the namespaces and times that arguments and recording say.
pub fn asked(recording: &Recording, args: &TelemetryArgs, options: &Options, context: &Context) -> Result<Answer, Failure> {
    asked_of(recording, &recording.snapshot, args, options, context)
}

/// The same with objects from elsewhere in place of the recording's.
pub fn asked_of(recording: &Recording, objects: &Snapshot, args: &TelemetryArgs, options: &Options, context: &Context) -> Result<Answer, Failure> {
    let facts = facts(recording, objects);
    let window = window(recording, args)?;
    let query_time = at(args)?.unwrap_or_else(|| moment(recording, context.now));
    // Rates answer over any range; the default one makes the queries the same each time.
    let mut duration = window.unwrap_or(600);
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
    if let (Some((first, _)), Some(asked)) = (recording.store.span(), window) {
        let span = query_time - first.div_euclid(1000);
        // A range is open at its start: all samples count, and rates are not taken over time that has none.
        if (1..=asked).contains(&span) {
            duration = span + 1;
        }
        // Prometheus takes a series to go on for about the distance of two samples; a tenth of the time is more than that.
        if (1..asked).contains(&span) && span * 10 < asked * 9 {
            problems.push(format!("the samples span {span} s: rates look back so far, and not {asked} s"));
        }
    }
    let ambient: BTreeSet<&String> = facts.ambient_namespaces.iter().map(|(_, ns)| ns).collect();
    let namespaces = names.iter().map(|name| Namespace { name: name.clone(), duration, is_ambient: ambient.contains(name) }).collect();
    let options = Options { namespaces, duration, query_time, accessible: recording.accessible.clone(), scope: recording.scope.clone(), ..options.clone() };
    let window = window.map(|asked| asked.min(duration));
    let mut answer = build(recording, options, window, facts, ServiceTraffic::Once)?;
    answer.problems.extend(problems);
    Ok(answer)
}

/// Seconds that rates look back, where there is such a time.
fn window(recording: &Recording, args: &TelemetryArgs) -> Result<Option<i64>, Failure> {
    let since = duration("--since", &args.since)? / 1000;
    Ok(if recording.store.span().is_some() { Some(since) } else { recording.over })
}

/// Namespaces that series name.
fn namespaces(recording: &Recording) -> BTreeSet<String> {
    let store = &recording.store;
    let all = || store.select(&[]).into_iter().filter_map(|id| store.get(id));
    let labels = ["source_workload_namespace", "destination_workload_namespace", "destination_service_namespace"];
    let values = labels.into_iter().flat_map(|label| store.label_values(label, all()));
    values.filter(|name| *name != "unknown").map(str::to_owned).collect()
}

fn build(recording: &Recording, options: Options, window: Option<i64>, facts: Facts, traffic: ServiceTraffic) -> Result<Answer, Failure> {
    let queries = graph::plan(&options);
    let mut problems: BTreeSet<String> = recording.problems.iter().cloned().collect();
    let mut answers = Vec::with_capacity(queries.len());
    for query in &queries {
        let (samples, warnings) = ask(&recording.store, &query.promql, options.query_time * 1000).map_err(Failure::none)?;
        problems.extend(warnings);
        answers.push(samples);
    }
    let graph = graph::build(&options, &facts, &queries, &answers, traffic);
    problems.extend(graph.skipped.iter().map(|(reason, count)| format!("{count} samples left out: {reason}")));
    Ok(Answer { graph, options, window, facts, problems: problems.into_iter().collect() })
}
