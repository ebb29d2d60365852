//! A graph for Mermaid. Labels are quoted and what its syntax knows is written as entities: names come from outside.

use super::view::{edges, errors, label, nodes, rate};
use crate::term::is_unsafe;
use mesh_model::graph::{Graph, NodeType, Status};
use std::fmt::Write;

pub fn render(graph: &Graph) -> String {
    let mut out = String::from("flowchart LR\n");
    for index in nodes(graph) {
        let node = &graph.nodes[index];
        let text = quoted(&label(graph, node));
        let _ = match node.node_type {
            NodeType::Service => writeln!(out, "  n{index}([{text}])"),
            NodeType::Aggregate => writeln!(out, "  n{index}{{{{{text}}}}}"),
            _ => writeln!(out, "  n{index}[{text}]"),
        };
    }
    let mut failing = Vec::new();
    for (place, (from, edge)) in edges(graph).into_iter().enumerate() {
        let failed = errors(edge).filter(|e| *e > 0.0).map_or(String::new(), |e| format!(", {e:.1}% errors"));
        let text = format!("{} {}{failed}", graph.names.text(edge.protocol), rate(edge));
        let _ = writeln!(out, "  n{from} -->|{}| n{}", quoted(&text), edge.to);
        if edge.health == Some(Status::Failure) {
            failing.push(place.to_string());
        }
    }
    if !failing.is_empty() {
        let _ = writeln!(out, "  linkStyle {} stroke:red", failing.join(","));
    }
    out
}

fn quoted(text: &str) -> String {
    let inner: String = text
        .chars()
        .map(|c| match c {
            // A `%%{` would be a directive wherever it stands.
            '"' | '#' | '%' | '<' | '>' | '&' | '`' | '\\' | '{' | '}' => format!("#{};", c as u32),
            c if is_unsafe(c) => " ".to_owned(),
            c => c.to_string(),
        })
        .collect();
    format!("\"{inner}\"")
}
