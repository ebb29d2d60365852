//! A graph as JSON of our own: `{complete, problems, graphType, duration, queryTime, nodes, edges}`. Edges name their ends by
//! the nodes' ids; rates are numbers, per second. `duration` is null where rates were recorded, and not over what time.

use super::Answer;
use super::view::{edges, errors, label, name, nodes};
use crate::context::Compat;
use crate::print::document::Document;
use mesh_model::graph::{Edge, EdgeRate, Graph, Node, Status, rates_by};
use serde_json::{Map, Value, json};

pub fn render(answer: &Answer, compat: Compat) -> String {
    let graph = &answer.graph;
    let order = nodes(graph);
    let mut ids = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, index)| ids[*index] = place);
    let value = json!({
        "complete": answer.problems.is_empty(),
        "problems": answer.problems,
        "graphType": answer.options.graph_type.name(),
        "duration": answer.window,
        "queryTime": answer.options.query_time,
        "nodes": order.iter().map(|i| node(graph, &graph.nodes[*i], ids[*i])).collect::<Vec<_>>(),
        "edges": edges(graph).into_iter().map(|(from, e)| edge(graph, e, ids[from], ids[e.to])).collect::<Vec<_>>(),
    });
    crate::print::dump::document(value, Document::Json, compat)
}

pub fn node(graph: &Graph, node: &Node, id: usize) -> Value {
    let mut out = Map::new();
    out.insert("id".into(), json!(id));
    out.insert("type".into(), json!(node.node_type.name()));
    out.insert("label".into(), json!(label(graph, node)));
    out.insert("name".into(), json!(name(graph, node)));
    let fields = [
        ("cluster", node.cluster),
        ("namespace", node.namespace),
        ("workload", node.workload),
        ("app", node.app),
        ("version", node.version),
        ("service", node.service),
    ];
    for (field, value) in fields {
        let text = graph.names.text(value);
        if !text.is_empty() {
            out.insert(field.into(), json!(text));
        }
    }
    let marks = &node.marks;
    let flags = [
        ("circuitBreaker", marks.has_circuit_breaker),
        ("faultInjection", marks.has_fault_injection),
        ("ambient", marks.is_ambient),
        ("dead", marks.is_dead),
        ("idle", marks.is_idle),
        ("inaccessible", marks.is_inaccessible),
        ("outOfMesh", marks.is_out_of_mesh),
        ("outside", marks.is_outside),
        ("root", marks.is_root),
        ("waypoint", marks.is_waypoint),
    ];
    let set: Vec<&str> = flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| *flag).collect();
    if !set.is_empty() {
        out.insert("flags".into(), json!(set));
    }
    if let Some(calculated) = node.health.as_ref().and_then(|h| h.calculated.as_ref()) {
        out.insert("health".into(), json!(calculated.status.name()));
    }
    Value::Object(out)
}

fn sorted<'t>(fields: impl Iterator<Item = (&'t str, Value)>) -> Map<String, Value> {
    let mut fields: Vec<(&str, Value)> = fields.collect();
    fields.sort_by(|a, b| a.0.cmp(b.0));
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub fn edge(graph: &Graph, edge: &Edge, from: usize, to: usize) -> Value {
    let text = |name| graph.names.text(name);
    let mut out = Map::new();
    out.insert("from".into(), json!(from));
    out.insert("to".into(), json!(to));
    out.insert("protocol".into(), json!(text(edge.protocol)));
    out.insert("rate".into(), json!(edge.rate(EdgeRate::Total)));
    if let Some(percent) = errors(edge) {
        out.insert("errorPercent".into(), json!(percent));
    }
    let numbers = [("responseTimeMs", edge.response_time), ("throughput", edge.throughput), ("mtlsPercent", edge.mtls)];
    for (field, value) in numbers {
        if let Some(value) = value {
            out.insert(field.into(), json!(value));
        }
    }
    for (field, name) in [("sourcePrincipal", edge.source_principal), ("destinationPrincipal", edge.destination_principal)] {
        if !text(name).is_empty() {
            out.insert(field.into(), json!(text(name)));
        }
    }
    if let Some(status) = edge.health {
        out.insert("health".into(), json!(Status::name(status)));
    }
    let named = |rates: Vec<(u32, f64)>| sorted(rates.into_iter().map(|(name, rate)| (text(name), json!(rate))));
    let codes = sorted(edge.by_code().map(|(code, shares)| {
        let (flags, hosts) = (named(rates_by(shares, |s| s.flags)), named(rates_by(shares, |s| s.host)));
        (text(code), json!({"flags": flags, "hosts": hosts}))
    }));
    if !codes.is_empty() {
        out.insert("responses".into(), Value::Object(codes));
    }
    Value::Object(out)
}
