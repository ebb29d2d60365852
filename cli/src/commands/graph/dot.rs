//! A graph for Graphviz. Names are quoted: they come from outside.

use super::view::{edges, errors, label, nodes, rate};
use crate::term::is_unsafe;
use mesh_model::graph::{Graph, NodeType, Status};
use std::fmt::Write;

pub fn render(graph: &Graph) -> String {
    let mut out = String::from("digraph mesh {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n");
    for index in nodes(graph) {
        let node = &graph.nodes[index];
        let shape = match node.node_type {
            NodeType::Service => "triangle",
            NodeType::Aggregate => "hexagon",
            NodeType::Unknown => "plaintext",
            _ => "box",
        };
        let _ = writeln!(out, "  n{index} [label={}, shape={shape}];", quoted(&label(graph, node)));
    }
    for (from, edge) in edges(graph) {
        let color = match edge.health {
            Some(Status::Failure) => "red",
            Some(Status::Degraded) => "orange",
            Some(Status::Healthy) => "darkgreen",
            _ => "gray",
        };
        let failed = errors(edge).filter(|e| *e > 0.0).map_or(String::new(), |e| format!("\n{e:.1}% errors"));
        let text = format!("{} {}{failed}", graph.names.text(edge.protocol), rate(edge));
        let _ = writeln!(out, "  n{from} -> n{} [label={}, color={color}];", edge.to, quoted(&text));
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    let inner: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            c if is_unsafe(c) => " ".to_owned(),
            c => c.to_string(),
        })
        .collect();
    format!("\"{inner}\"")
}
