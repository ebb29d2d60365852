//! What the printers of a graph have in common: names of nodes, and the order in which nodes and edges come.

use mesh_model::graph::{Edge, EdgeRate, GRPC, Graph, HTTP, Node, NodeType, TCP};

/// The shortest name that says what a node is.
pub fn name(graph: &Graph, node: &Node) -> String {
    let text = |name| graph.names.text(name);
    match node.node_type {
        NodeType::Unknown => "unknown".to_owned(),
        NodeType::Service => text(node.service).to_owned(),
        NodeType::Workload => text(node.workload).to_owned(),
        NodeType::Aggregate => text(node.aggregate).to_owned(),
        NodeType::App => {
            let version = text(node.version);
            if matches!(version, "" | "unknown" | "latest") { text(node.app).to_owned() } else { format!("{} {version}", text(node.app)) }
        }
    }
}

/// `namespace/name`, with its sort where that is no workload, and the cluster where there are several.
pub fn label(graph: &Graph, node: &Node) -> String {
    let (cluster, namespace) = (graph.names.text(node.cluster), graph.names.text(node.namespace));
    let place = if has_clusters(graph) && cluster != "unknown" { format!("{cluster}:{namespace}/") } else { format!("{namespace}/") };
    let place = if namespace == "unknown" { String::new() } else { place };
    let sort = match node.node_type {
        NodeType::Service => " (service)",
        NodeType::Aggregate => " (operation)",
        _ => "",
    };
    format!("{place}{}{sort}", name(graph, node))
}

fn has_clusters(graph: &Graph) -> bool {
    let mut known = graph.nodes.iter().map(|n| n.cluster).filter(|c| graph.names.text(*c) != "unknown");
    known.next().is_some_and(|first| known.any(|c| c != first))
}

/// Nodes by their labels.
pub fn nodes(graph: &Graph) -> Vec<usize> {
    let mut order: Vec<usize> = (0..graph.nodes.len()).collect();
    order.sort_by_cached_key(|i| (label(graph, &graph.nodes[*i]), graph.nodes[*i].node_type, graph.names.text(graph.nodes[*i].workload).to_owned()));
    order
}

/// Edges by the labels of their ends, and by protocol.
pub fn edges(graph: &Graph) -> Vec<(usize, &Edge)> {
    let order = nodes(graph);
    let mut rank = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, index)| rank[*index] = place);
    let mut edges: Vec<(usize, &Edge)> = graph.nodes.iter().enumerate().flat_map(|(i, n)| n.edges.iter().map(move |e| (i, e))).collect();
    edges.sort_by_key(|(from, edge)| (rank[*from], rank[edge.to], graph.names.text(edge.protocol)));
    edges
}

/// The share of failed requests in percent; none for protocols without answers.
pub fn errors(edge: &Edge) -> Option<f64> {
    let total = edge.rate(EdgeRate::Total);
    if total <= 0.0 || !matches!(edge.protocol, GRPC | HTTP) {
        return None;
    }
    let failed = edge.rate(EdgeRate::NoResponse) + edge.rate(EdgeRate::ClientError) + edge.rate(EdgeRate::ServerError);
    Some(failed / total * 100.0)
}

/// `12.5/s`, bytes as `1.2 KB/s`.
pub fn rate(edge: &Edge) -> String {
    let total = edge.rate(EdgeRate::Total);
    if edge.protocol == TCP {
        return match total {
            t if t >= 1e6 => format!("{:.1} MB/s", t / 1e6),
            t if t >= 1e3 => format!("{:.1} KB/s", t / 1e3),
            t => format!("{t:.0} B/s"),
        };
    }
    if total >= 100.0 || total == 0.0 { format!("{total:.0}/s") } else { format!("{total:.2}/s") }
}
