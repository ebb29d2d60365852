//! `meshctl top`: the golden signals of workloads, services or calls: requests, errors, latency, bytes.

use super::graph::view::{errors, label};
use crate::args::top::TopArgs;
use crate::context::Context;
use crate::print::document::Document;
use crate::print::table::Table;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::{self, Answer};
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_model::graph::{Appender, EdgeRate, Graph, Node, NodeRate, NodeType, Questions, TCP};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Workload,
    Service,
    Edge,
}

/// Latency at these quantiles, in milliseconds.
const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

#[derive(Clone, Debug, Default)]
struct Signals {
    name: String,
    /// Requests per second.
    requests: f64,
    /// Percent of them; none without requests.
    errors: Option<f64>,
    latency: [Option<f64>; 3],
    /// TCP bytes per second.
    bytes: f64,
}

pub fn run(args: &TopArgs, context: &Context) -> Outcome {
    let by = match args.by.as_str() {
        "workload" => By::Workload,
        "service" => By::Service,
        "edge" => By::Edge,
        other => return Err(Failure::usage(format!("--by {other}: workload, service and edge are"))),
    };
    if !["rate", "errors", "p95", "bytes", "name"].contains(&args.sort.as_str()) {
        return Err(Failure::usage(format!("--sort {}: rate, errors, p95, bytes and name are", args.sort)));
    }
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o {}: the formats are text and json", args.output)));
    }
    let mut options = telemetry::options(if by == By::Service { "service" } else { "workload" })?;
    // Operations would stand between callers and what they call.
    options.appenders.remove(&Appender::AggregateNode);
    let recording = telemetry::read(&args.source, &options, context)?;
    let answer = telemetry::asked(&recording, &args.source, &options, context)?;
    let chosen = match &args.name {
        None => None,
        Some(name) => {
            let found = Questions::new(&answer.graph).find(name);
            if found.is_empty() {
                return Err(Failure::none(format!("nothing in the graph is called {name}")));
            }
            Some(found)
        }
    };
    let latency = latency(&recording, &answer, by)?;
    let mut rows = match by {
        By::Edge => calls(&answer.graph, chosen.as_deref(), &latency),
        By::Workload | By::Service => nodes(&answer.graph, by, chosen.as_deref(), &latency),
    };
    sort(&mut rows, &args.sort);
    let all = rows.len();
    if args.most > 0 {
        rows.truncate(args.most);
    }
    let text = if args.output == "json" { json_of(&answer, &rows, context) } else { text_of(&answer, &rows, all) };
    context.answer(&text)?;
    answer.problems.iter().for_each(|p| context.note(p));
    Ok(if answer.problems.is_empty() { Status::Fine } else { context.partial })
}

/// The labels that tell rows apart, in the order of [`key`].
fn labels(by: By) -> &'static str {
    match by {
        By::Workload => "destination_cluster,destination_workload_namespace,destination_workload",
        By::Service => "destination_cluster,destination_service_namespace,destination_service_name",
        By::Edge => "destination_cluster,destination_workload_namespace,destination_workload,source_cluster,source_workload_namespace,source_workload",
    }
}

type Latency = BTreeMap<Vec<String>, [Option<f64>; 3]>;

/// Latency as the destination measured it, or as its callers did where it did not.
fn latency(recording: &Recording, answer: &Answer, by: By) -> Result<Latency, Failure> {
    let (at, labels) = (answer.options.query_time * 1000, labels(by));
    let mut out = Latency::new();
    for reporter in ["reporter=~\"destination|waypoint\"", "reporter=\"source\""] {
        let mut of_this = Latency::new();
        for (index, quantile) in QUANTILES.iter().enumerate() {
            let rate = format!("rate(istio_request_duration_milliseconds_bucket{{{reporter}}}[{}s])", answer.options.duration);
            let query = format!("histogram_quantile({quantile}, sum({rate}) by (le,{labels}))");
            let (samples, _) = ask(&recording.store, &query, at).map_err(Failure::none)?;
            for sample in samples.into_iter().filter(|s| s.value.is_finite()) {
                let value = |label: &str| sample.labels.iter().find(|(n, _)| n.as_ref() == label).map_or("", |(_, v)| v.as_ref());
                let key = labels.split(',').map(|l| if l.ends_with("_cluster") && value(l).is_empty() { "unknown" } else { value(l) }.to_owned());
                of_this.entry(key.collect()).or_default()[index] = Some(sample.value);
            }
        }
        for (key, values) in of_this {
            out.entry(key).or_insert(values);
        }
    }
    Ok(out)
}

fn key(graph: &Graph, node: &Node) -> Vec<String> {
    let name = if node.node_type == NodeType::Service { node.service } else { node.workload };
    [node.cluster, node.namespace, name].map(|n| graph.names.text(n).to_owned()).to_vec()
}

fn nodes(graph: &Graph, by: By, chosen: Option<&[usize]>, latency: &Latency) -> Vec<Signals> {
    let is_shown = |index: &usize| {
        let node = &graph.nodes[*index];
        (by == By::Workload || node.node_type == NodeType::Service) && chosen.is_none_or(|c| c.contains(index))
    };
    let row = |index: usize| {
        let node = &graph.nodes[index];
        let sum = |rates: &[NodeRate]| rates.iter().map(|r| node.rate(*r)).sum::<f64>();
        let requests = sum(&[NodeRate::HttpIn, NodeRate::GrpcIn]);
        let failed = sum(&[NodeRate::HttpIn4xx, NodeRate::HttpIn5xx, NodeRate::HttpInNoResponse, NodeRate::GrpcInErr, NodeRate::GrpcInNoResponse]);
        Signals {
            name: label(graph, node),
            requests,
            errors: (requests > 0.0).then(|| failed / requests * 100.0),
            latency: latency.get(&key(graph, node)).copied().unwrap_or_default(),
            bytes: node.rate(NodeRate::TcpIn),
        }
    };
    (0..graph.nodes.len()).filter(is_shown).map(row).filter(|s| s.requests > 0.0 || s.bytes > 0.0).collect()
}

fn calls(graph: &Graph, chosen: Option<&[usize]>, latency: &Latency) -> Vec<Signals> {
    let mut out = Vec::new();
    for (from, node) in graph.nodes.iter().enumerate() {
        for edge in node.edges.iter().filter(|e| chosen.is_none_or(|c| c.contains(&from) || c.contains(&e.to))) {
            let to = &graph.nodes[edge.to];
            let (total, is_bytes) = (edge.rate(EdgeRate::Total), edge.protocol == TCP);
            let times = latency.get(&[key(graph, to), key(graph, node)].concat()).copied().unwrap_or_default();
            out.push(Signals {
                name: format!("{} → {}", label(graph, node), label(graph, to)),
                requests: if is_bytes { 0.0 } else { total },
                errors: errors(edge),
                latency: if is_bytes { [None; 3] } else { times },
                bytes: if is_bytes { total } else { 0.0 },
            });
        }
    }
    out
}

fn sort(rows: &mut [Signals], by: &str) {
    let value = |s: &Signals| match by {
        "errors" => s.errors.unwrap_or(-1.0),
        "p95" => s.latency[1].unwrap_or(-1.0),
        "bytes" => s.bytes,
        "name" => 0.0,
        _ => s.requests,
    };
    rows.sort_by(|a, b| value(b).total_cmp(&value(a)).then_with(|| a.name.cmp(&b.name)));
}

fn text_of(answer: &Answer, rows: &[Signals], all: usize) -> String {
    let mut table = Table::new(["NAME", "REQUESTS", "ERRORS", "P50", "P95", "P99", "TCP"]);
    let time = |t: Option<f64>| t.map_or("-".to_owned(), |t| if t < 1000.0 { format!("{t:.0}ms") } else { format!("{:.1}s", t / 1000.0) });
    for row in rows {
        table.row(vec![
            row.name.clone(),
            if row.requests > 0.0 { format!("{:.2}/s", row.requests) } else { "-".to_owned() },
            row.errors.map_or("-".to_owned(), |e| format!("{e:.1}%")),
            time(row.latency[0]),
            time(row.latency[1]),
            time(row.latency[2]),
            if row.bytes > 0.0 { format!("{:.0} B/s", row.bytes) } else { "-".to_owned() },
        ]);
    }
    let rates = answer.window.map_or("rates as recorded".to_owned(), |seconds| format!("rates over {seconds} s"));
    let shown = if all > rows.len() { format!("{} of {all} rows (--most 0 shows all); {rates}", rows.len()) } else { format!("{all} rows; {rates}") };
    format!("{}\n{shown}\n", table.render(2))
}

fn json_of(answer: &Answer, rows: &[Signals], context: &Context) -> String {
    let row = |s: &Signals| -> Value {
        json!({"name": s.name, "requests": s.requests, "errorPercent": s.errors, "p50Ms": s.latency[0], "p95Ms": s.latency[1], "p99Ms": s.latency[2], "tcpBytes": s.bytes})
    };
    let value = json!({
        "complete": answer.problems.is_empty(),
        "problems": answer.problems,
        "duration": answer.window,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    });
    crate::print::dump::document(value, Document::Json, context.compat)
}
