//! The series that make calls of a graph.

use super::Answer;
use crate::status::Failure;
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_metrics::series::NAME;
use mesh_model::graph::{Graph, GraphType, NodeType, is_known};
use serde_json::Value;

/// A call: the nodes at its ends.
pub type Ends = (usize, usize);

/// Whether calls are made of a metric.
fn counts_calls(metric: &str) -> bool {
    let whole = ["istio_requests_total", "istio_request_duration_milliseconds_count", "istio_request_messages_total", "istio_response_messages_total"];
    whole.contains(&metric) || (metric.starts_with("istio_tcp_") && metric.ends_with("_bytes_total"))
}

/// Labels that the series of a call have, as PromQL writes them between braces: `source_workload="web",…`.
pub fn matchers(answer: &Answer, (from, to): Ends) -> String {
    let all = [(from, "source"), (to, "destination")];
    all.into_iter().flat_map(|(node, side)| of_node(answer, &answer.graph, node, side)).collect::<Vec<_>>().join(",")
}

fn of_node(answer: &Answer, graph: &Graph, node: usize, side: &str) -> Vec<String> {
    let node = &graph.nodes[node];
    let pair = |label: &str, name| format!("{side}_{label}={}", Value::String(graph.names.text(name).to_owned()));
    match node.node_type {
        NodeType::Workload => vec![pair("workload", node.workload), pair("workload_namespace", node.namespace)],
        NodeType::App => {
            let mut all = vec![pair("canonical_service", node.app), pair("workload_namespace", node.namespace)];
            if answer.options.graph_type == GraphType::VersionedApp && is_known(node.version) {
                all.push(pair("canonical_revision", node.version));
            }
            all
        }
        NodeType::Service => {
            let mut all = vec![pair("service_name", node.service), pair("service_namespace", node.namespace)];
            // Between workloads a service stands for requests that reached none.
            if !answer.options.inject_service_nodes && answer.options.graph_type != GraphType::Service {
                all.push(format!("{side}_workload=~\"unknown|\""));
            }
            all
        }
        NodeType::Aggregate => vec![format!("request_operation={}", Value::String(graph.names.text(node.aggregate).to_owned()))],
        NodeType::Unknown => vec![format!("{side}_workload=\"unknown\"")],
    }
}

/// The series behind calls, each with its rate per second, by name and labels.
pub fn series(recording: &Recording, answer: &Answer, calls: &[Ends]) -> Result<Vec<(String, f64)>, Failure> {
    let store = &recording.store;
    // A rate has no name any more: each metric is asked for on its own.
    let metrics: Vec<&str> = store.label_values(NAME, store.select(&[]).into_iter().filter_map(|id| store.get(id))).into_iter().collect();
    let mut found: Vec<(String, f64)> = Vec::new();
    for call in calls {
        let matchers = matchers(answer, *call);
        for metric in metrics.iter().filter(|m| counts_calls(m)) {
            let query = format!("rate({metric}{{{matchers}}}[{}s])", answer.options.duration);
            for sample in ask(store, &query, answer.options.query_time * 1000).map_err(Failure::none)?.0 {
                let said = sample.labels.iter().filter(|(n, v)| n.as_ref() != NAME && !v.is_empty());
                let labels: Vec<String> = said.map(|(n, v)| format!("{n}={}", Value::String(v.to_string()))).collect();
                found.push((format!("{metric}{{{}}}", labels.join(",")), sample.value));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    found.dedup();
    Ok(found)
}
