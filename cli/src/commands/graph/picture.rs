//! A graph as the drawing code of the terminal UI takes it: one line between two nodes, whatever the protocols.

use super::view::{errors, label, name, rate};
use crate::telemetry::Answer;
use mesh_model::graph::{Edge as Call, Graph, NodeType, Status};
use mesh_tui::graph::{Edge, Health, Node, View};
use std::collections::BTreeMap;

pub struct Picture {
    pub view: View,
    /// Of each of the view's edges: what it says when it is asked.
    pub titles: Vec<String>,
    /// The graph's node of each of the view's nodes.
    pub nodes: Vec<usize>,
}

pub fn color(health: Health) -> &'static str {
    match health {
        Health::Failing => "#c0271b",
        Health::Degraded => "#c77700",
        Health::Ok => "#2e7d32",
        Health::Idle | Health::Unknown => "#7a828c",
    }
}

fn health(status: Option<Status>) -> Health {
    match status {
        Some(Status::Failure) => Health::Failing,
        Some(Status::Degraded) => Health::Degraded,
        Some(Status::NotReady) => Health::Idle,
        Some(Status::Healthy) => Health::Ok,
        _ => Health::Unknown,
    }
}

/// One line about a call.
fn said(graph: &Graph, call: &Call) -> String {
    let failed = errors(call).map_or(String::new(), |e| format!(", {e:.1}% errors"));
    let time = call.response_time.map_or(String::new(), |t| format!(", p95 {t:.0} ms"));
    let mtls = call.mtls.map_or(String::new(), |m| format!(", {m:.0}% mTLS"));
    format!("{} {}{failed}{time}{mtls}", graph.names.text(call.protocol), rate(call))
}

pub fn picture(answer: &Answer) -> Picture {
    let graph = &answer.graph;
    // Names are unique in a namespace: two nodes of one name differ by sort, cluster or workload.
    let mut taken: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut keys: Vec<(String, String)> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let namespace = graph.names.text(node.namespace).to_owned();
        let namespace = if namespace == "unknown" { String::new() } else { namespace };
        let sort = if node.node_type == NodeType::Service { " (service)" } else { "" };
        let wanted = format!("{}{sort}", name(graph, node));
        let count = taken.entry((namespace.clone(), wanted.clone())).or_default();
        *count += 1;
        let unique = if *count == 1 { wanted } else { format!("{wanted} #{count}") };
        keys.push((namespace, unique));
    }
    let nodes = graph.nodes.iter().zip(&keys).map(|(node, (namespace, name))| Node {
        namespace: namespace.clone(),
        name: name.clone(),
        health: health(node.health.as_ref().and_then(|h| h.calculated.as_ref()).map(|c| c.status)),
        figures: figures(node),
        badges: String::new(),
        flow: None,
    });
    let mut pairs: BTreeMap<(usize, usize), Vec<&Call>> = BTreeMap::new();
    for (from, node) in graph.nodes.iter().enumerate() {
        for call in &node.edges {
            pairs.entry((from, call.to)).or_default().push(call);
        }
    }
    let edges: Vec<Edge> = pairs
        .iter()
        .map(|((from, to), calls)| Edge {
            from: *from,
            to: *to,
            health: calls.iter().map(|c| health(c.health)).max().unwrap_or_default(),
            label: calls.first().map_or(String::new(), |c| rate(c)),
            flow: None,
        })
        .collect();
    let view = View::new(nodes.collect(), edges);
    let by_key: BTreeMap<(&str, &str), usize> = keys.iter().enumerate().map(|(i, (ns, n))| ((ns.as_str(), n.as_str()), i)).collect();
    let nodes: Vec<usize> = view.nodes().iter().map(|n| by_key.get(&(n.namespace.as_str(), n.name.as_str())).copied().unwrap_or(0)).collect();
    let titles = view
        .edges()
        .iter()
        .map(|e| {
            let (from, to) = (nodes[e.from], nodes[e.to]);
            let calls: Vec<String> = pairs.get(&(from, to)).into_iter().flatten().map(|c| said(graph, c)).collect();
            format!("{} → {}: {}", label(graph, &graph.nodes[from]), label(graph, &graph.nodes[to]), calls.join("; "))
        })
        .collect();
    Picture { view, titles, nodes }
}

/// What a node receives, in a few words.
fn figures(node: &mesh_model::graph::Node) -> String {
    use mesh_model::graph::NodeRate as R;
    let requests = node.rate(R::HttpIn) + node.rate(R::GrpcIn);
    if requests <= 0.0 {
        return String::new();
    }
    let failed = [R::HttpIn4xx, R::HttpIn5xx, R::HttpInNoResponse, R::GrpcInErr, R::GrpcInNoResponse].iter().map(|r| node.rate(*r)).sum::<f64>();
    format!("{requests:.1}/s {:.1}%", failed / requests * 100.0)
}
