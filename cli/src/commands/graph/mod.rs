//! `meshctl graph`: who calls whom, how much, how well.

mod diff;
mod dot;
mod egress;
mod html;
mod json;
mod matrix;
mod mermaid;
mod picture;
mod questions;
mod svg;
mod text;
mod tree;
pub mod view;
mod why_edge;

use crate::args::graph::{GraphArgs, Question};
use crate::context::Context;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::{self, Answer};
use mesh_model::graph::find::Find;
use mesh_model::graph::{self, Graph};

pub fn run(args: &GraphArgs, context: &Context) -> Outcome {
    match &args.question {
        Some(Question::Path(args)) => return questions::path(args, context),
        Some(Question::Impact(args)) => return questions::impact(args, context),
        Some(Question::Cycles(args)) => return questions::cycles(args, context),
        Some(Question::Diff(args)) => return diff::run(args, context),
        None => {}
    }
    let formats = ["text", "tree", "matrix", "json", "dot", "mermaid", "svg", "html", "kiali"];
    if !formats.contains(&args.output.as_str()) {
        return Err(Failure::usage(format!("-o {}: the formats of a graph are {}", args.output, formats.join(", "))));
    }
    if args.egress && !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o {}: the formats of --egress are text and json", args.output)));
    }
    let expression =
        |flag: &str, text: &Option<String>| text.as_ref().map(|t| Find::parse(t).map_err(|e| Failure::usage(format!("{flag} `{t}`, {e}")))).transpose();
    let (hide, find) = (expression("--hide", &args.hide)?, expression("--find", &args.find)?);
    let mut options = telemetry::options(&args.graph_type)?;
    options.inject_service_nodes |= args.services;
    options.include_idle_edges = args.idle;
    let recording = telemetry::read(&args.source, &options, context)?;
    let mut answer = match &args.kiali_request {
        Some(request) => telemetry::requested(&recording, request, context)?,
        None => telemetry::asked(&recording, &args.source, &options, context)?,
    };
    if let Some(ends) = &args.why_edge {
        return why_edge::run(&recording, &answer, ends, &args.output, context);
    }
    for (find, of) in [(hide, graph::find::hide as fn(Graph, &Find) -> Graph), (find, graph::find::keep)] {
        if let Some(find) = find {
            answer.graph = of(answer.graph, &find);
        }
    }
    let text = match args.output.as_str() {
        "json" if args.egress => egress::json(&answer, context.compat),
        _ if args.egress => egress::text(&answer),
        "kiali" => crate::term::safe_json(graph::kiali::to_json(&answer.graph, &answer.options) + "\n"),
        "json" => json::render(&answer, context.compat),
        "dot" => dot::render(&answer.graph),
        "mermaid" => mermaid::render(&answer.graph),
        "tree" => tree::render(&picture::picture(&answer)),
        "matrix" => matrix::render(&picture::picture(&answer)),
        "svg" => svg::render(&picture::picture(&answer)),
        "html" => html::render(&answer, &picture::picture(&answer)),
        _ => text::render(&answer),
    };
    context.answer(&text)?;
    answer.problems.iter().for_each(|p| context.note(p));
    Ok(if answer.problems.is_empty() { Status::Fine } else { context.partial })
}
