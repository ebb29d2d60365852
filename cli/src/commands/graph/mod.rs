//! `meshctl graph`: who calls whom, how much, how well.

mod dot;
mod json;
mod mermaid;
mod text;
mod view;

use crate::args::graph::GraphArgs;
use crate::context::Context;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::{self, Answer};
use mesh_model::graph;

pub fn run(args: &GraphArgs, context: &Context) -> Outcome {
    let formats = ["text", "json", "dot", "mermaid", "kiali"];
    if !formats.contains(&args.output.as_str()) {
        return Err(Failure::usage(format!("-o {}: the formats of a graph are {}", args.output, formats.join(", "))));
    }
    let mut options = telemetry::options(&args.graph_type)?;
    options.inject_service_nodes |= args.services;
    options.include_idle_edges = args.idle;
    let recording = telemetry::read(&args.source, &options, context)?;
    let answer = match &args.kiali_request {
        Some(request) => telemetry::requested(&recording, request, context)?,
        None => telemetry::asked(&recording, &args.source, &options, context)?,
    };
    let text = match args.output.as_str() {
        "kiali" => crate::term::safe_json(graph::kiali::to_json(&answer.graph, &answer.options) + "\n"),
        "json" => json::render(&answer, context.compat),
        "dot" => dot::render(&answer.graph),
        "mermaid" => mermaid::render(&answer.graph),
        _ => text::render(&answer),
    };
    context.answer(&text)?;
    answer.problems.iter().for_each(|p| context.note(p));
    Ok(if answer.problems.is_empty() { Status::Fine } else { context.partial })
}
