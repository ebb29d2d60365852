//! `graph --why-edge FROM TO`: the series that made a call, each with its rate.

use super::view::label;
use crate::context::Context;
use crate::print::document::Document;
use crate::print::dump::document;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::{Answer, edge};
use crate::term::safe;
use mesh_collectors::telemetry::series::Recording;
use mesh_model::graph::Questions;
use serde_json::{Value, json};

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
    let found = edge::series(recording, answer, &edges)?;
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
