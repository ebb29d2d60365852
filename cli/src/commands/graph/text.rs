//! A graph as lines: an edge each, then what stands out.

use super::Answer;
use super::view::{edges, errors, label, nodes, rate};
use crate::print::table::Table;
use crate::term::safe;
use mesh_model::graph::Status;

pub fn render(answer: &Answer) -> String {
    let graph = &answer.graph;
    let mut table = Table::new(["FROM", "TO", "PROTOCOL", "RATE", "ERRORS", "P95", "MTLS", "HEALTH"]);
    let all = edges(graph);
    for (from, edge) in &all {
        table.row(vec![
            label(graph, &graph.nodes[*from]),
            label(graph, &graph.nodes[edge.to]),
            graph.names.text(edge.protocol).to_owned(),
            rate(edge),
            errors(edge).map_or("-".to_owned(), |e| format!("{e:.1}%")),
            edge.response_time.map_or("-".to_owned(), |t| if t < 1000.0 { format!("{t:.0}ms") } else { format!("{:.1}s", t / 1000.0) }),
            edge.mtls.map_or("-".to_owned(), |m| format!("{m:.0}%")),
            edge.health.map_or("-", Status::name).to_owned(),
        ]);
    }
    let mut out = if all.is_empty() { String::new() } else { table.render(2) };
    let ill: Vec<String> = nodes(graph)
        .into_iter()
        .filter_map(|i| {
            let status = graph.nodes[i].health.as_ref()?.calculated.as_ref()?.status;
            (status > Status::NotReady).then(|| format!("  {:9} {}", status.name(), safe(&label(graph, &graph.nodes[i]))))
        })
        .collect();
    if !ill.is_empty() {
        out.push_str(&format!("\nNot healthy:\n{}\n", ill.join("\n")));
    }
    let rates = answer.window.map_or("rates as recorded".to_owned(), |seconds| format!("rates over {seconds} s"));
    out.push_str(&format!("\n{} nodes, {} edges; {rates}\n", graph.nodes.len(), all.len()));
    out
}
