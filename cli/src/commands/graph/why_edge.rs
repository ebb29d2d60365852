//! `graph --why-edge FROM TO`: the series that made a call, each with its rate.

use super::view::label;
use crate::context::Context;
use crate::print::document::Document;
use crate::print::dump::document;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::Answer;
use crate::term::safe;
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_metrics::series::NAME;
use mesh_model::graph::{Graph, NodeType, Questions};
use serde_json::{Value, json};

/// Metrics that calls are made of.
const METRICS: &str =
    "istio_requests_total|istio_request_duration_milliseconds_count|istio_tcp_.*_bytes_total|istio_request_messages_total|istio_response_messages_total";

/// Labels and values that a node has at one end of a series.
fn matchers(graph: &Graph, node: usize, side: &str) -> Vec<(String, String)> {
    let node = &graph.nodes[node];
    let text = |name| graph.names.text(name).to_owned();
    let pair = |label: &str, value: String| (format!("{side}_{label}"), value);
    match node.node_type {
        NodeType::Workload => vec![pair("workload", text(node.workload)), pair("workload_namespace", text(node.namespace))],
        NodeType::App => vec![pair("canonical_service", text(node.app)), pair("workload_namespace", text(node.namespace))],
        NodeType::Service => vec![pair("service_name", text(node.service)), pair("service_namespace", text(node.namespace))],
        NodeType::Aggregate => vec![("request_operation".to_owned(), text(node.aggregate))],
        NodeType::Unknown => vec![pair("workload", "unknown".to_owned())],
    }
}

pub fn run(recording: &Recording, answer: &Answer, ends: &[String], output: &str, context: &Context) -> Outcome {
    let [from, to] = ends else { return Err(Failure::usage("--why-edge takes two names: who calls, and who is called")) };
    if !matches!(output, "text" | "json") {
        return Err(Failure::usage(format!("-o {output}: the formats of --why-edge are text and json")));
    }
    let graph = &answer.graph;
    let questions = Questions::new(graph);
    let find = |word: &String| {
        let found = questions.find(word);
        if found.is_empty() { Err(Failure::none(format!("nothing in the graph is called {word}"))) } else { Ok(found) }
    };
    let (callers, callees) = (find(from)?, find(to)?);
    let mut edges = Vec::new();
    for caller in &callers {
        for edge in graph.nodes[*caller].edges.iter().filter(|e| callees.contains(&e.to)) {
            edges.push((*caller, edge.to));
        }
    }
    edges.dedup();
    if edges.is_empty() {
        return Err(Failure::none(format!("{from} does not call {to} in this graph: `meshctl graph path` tells by whom it does")));
    }
    let mut found: Vec<(String, f64)> = Vec::new();
    for (caller, callee) in edges.iter().copied() {
        let mut all = matchers(graph, caller, "source");
        all.extend(matchers(graph, callee, "destination"));
        let quoted: Vec<String> = all.iter().map(|(n, v)| format!("{n}={}", Value::String(v.clone()))).collect();
        // A rate has no name any more: each metric is asked for on its own.
        for metric in recording.store.label_values(NAME, recording.store.select(&[]).into_iter().filter_map(|id| recording.store.get(id))) {
            if !is_one(metric) {
                continue;
            }
            let query = format!("rate({metric}{{{}}}[{}s])", quoted.join(","), answer.options.duration);
            for sample in ask(&recording.store, &query, answer.options.query_time * 1000).map_err(Failure::none)?.0 {
                let labels: Vec<String> = sample
                    .labels
                    .iter()
                    .filter(|(n, v)| n.as_ref() != NAME && !v.is_empty())
                    .map(|(n, v)| format!("{n}={}", Value::String(v.to_string())))
                    .collect();
                found.push((format!("{metric}{{{}}}", labels.join(",")), sample.value));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<String> = edges.iter().map(|(a, b)| format!("{} -> {}", label(graph, &graph.nodes[*a]), label(graph, &graph.nodes[*b]))).collect();
    let text = if output == "json" {
        let series: Vec<Value> = found.iter().map(|(s, rate)| json!({"series": s, "rate": rate})).collect();
        document(json!({"complete": answer.problems.is_empty(), "problems": answer.problems, "edges": names, "series": series}), Document::Json, context.compat)
    } else {
        let lines: String = found.iter().map(|(s, rate)| format!("{rate:>12.4}/s  {}\n", safe(s))).collect();
        format!("{}\n{lines}{} series\n", safe(&names.join("; ")), found.len())
    };
    context.answer(&text)?;
    answer.problems.iter().for_each(|p| context.note(p));
    Ok(if answer.problems.is_empty() { Status::Fine } else { context.partial })
}

fn is_one(metric: &str) -> bool {
    METRICS.split('|').any(|m| match m.split_once(".*") {
        None => m == metric,
        Some((start, end)) => metric.starts_with(start) && metric.ends_with(end),
    })
}
