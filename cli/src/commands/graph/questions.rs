//! `graph path`, `graph impact`, `graph cycles`: questions to the graph of a source.

use super::view::{label, rate};
use crate::args::graph::{AskArgs, CyclesArgs, ImpactArgs, PathArgs};
use crate::context::Context;
use crate::print::document::Document;
use crate::print::table::Table;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::{self, Answer};
use crate::term::safe;
use mesh_analyzers::spelling;
use mesh_model::graph::{Graph, Hurt, Questions, Way};
use serde_json::{Value, json};

fn answer(args: &AskArgs, context: &Context) -> Result<Answer, Failure> {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o {}: the formats are text and json", args.output)));
    }
    let options = telemetry::options(&args.graph_type)?;
    let recording = telemetry::read(&args.source, &options, context)?;
    telemetry::asked(&recording, &args.source, &options, context)
}

/// Prints what was found, and says what could not be seen.
fn give(args: &AskArgs, answer: &Answer, context: &Context, text: impl FnOnce() -> String, value: impl FnOnce() -> Value) -> Outcome {
    let text = if args.output == "json" {
        let mut whole = json!({"complete": answer.problems.is_empty(), "problems": answer.problems});
        if let (Some(whole), Value::Object(found)) = (whole.as_object_mut(), value()) {
            whole.extend(found);
        }
        crate::print::dump::document(whole, Document::Json, context.compat)
    } else {
        text()
    };
    context.answer(&text)?;
    answer.problems.iter().for_each(|p| context.note(p));
    Ok(if answer.problems.is_empty() { Status::Fine } else { context.partial })
}

/// The nodes that a word names; none is an error that knows similar names.
fn named(graph: &Graph, questions: &Questions<'_>, word: &str) -> Result<Vec<usize>, Failure> {
    let found = questions.find(word);
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<String> = graph.nodes.iter().map(|n| super::view::name(graph, n)).collect();
    let near = spelling::nearest(word, names.iter().map(String::as_str)).map_or(String::new(), |n| format!("; did you mean {n}?"));
    Err(Failure::none(format!("nothing in the graph is called {word}{near}")))
}

fn text_of(graph: &Graph, node: usize) -> String {
    label(graph, &graph.nodes[node])
}

pub fn path(args: &PathArgs, context: &Context) -> Outcome {
    let answer = answer(&args.ask, context)?;
    let graph = &answer.graph;
    let questions = Questions::new(graph);
    let (from, to) = (named(graph, &questions, &args.caller)?, named(graph, &questions, &args.callee)?);
    let mut ways = questions.ways(&from, &to, args.extra);
    let all = ways.len();
    ways.truncate(args.most);
    let text = || {
        if ways.is_empty() {
            return format!("No calls lead from {} to {}.\n", safe(&args.caller), safe(&args.callee));
        }
        let mut out: String = ways.iter().map(|w| way_text(graph, w)).collect();
        if all > ways.len() {
            out.push_str(&format!("{} more; --most shows them\n", all - ways.len()));
        }
        out
    };
    let value = || json!({"paths": ways.iter().map(|w| way_json(graph, w)).collect::<Vec<_>>(), "found": all});
    give(&args.ask, &answer, context, text, value)
}

fn way_text(graph: &Graph, way: &Way) -> String {
    let first = way.steps.first().map_or(String::new(), |s| safe(&text_of(graph, s.from)).into_owned());
    let mut out = format!("{first}\n");
    for step in &way.steps {
        let calls = step.edges.iter().map(|p| &graph.nodes[step.from].edges[*p]);
        let said: Vec<String> = calls
            .map(|e| {
                let failed = super::view::errors(e).filter(|e| *e > 0.0).map_or(String::new(), |e| format!(", {e:.1}% errors"));
                format!("{} {}{failed}", graph.names.text(e.protocol), rate(e))
            })
            .collect();
        out.push_str(&format!("  → {}  {}\n", safe(&text_of(graph, step.to)), safe(&said.join("; "))));
    }
    let success = way.success.map_or("not judged: a step has no requests".to_owned(), |s| format!("{:.1}% if the steps fail on their own", s * 100.0));
    out.push_str(&format!("  gets through: {success}\n\n"));
    out
}

fn way_json(graph: &Graph, way: &Way) -> Value {
    let steps = way.steps.iter().map(|s| {
        let protocols: Vec<&str> = s.edges.iter().map(|p| graph.names.text(graph.nodes[s.from].edges[*p].protocol)).collect();
        json!({"from": text_of(graph, s.from), "to": text_of(graph, s.to), "protocols": protocols})
    });
    json!({"steps": steps.collect::<Vec<_>>(), "success": way.success, "leastRate": way.least})
}

pub fn impact(args: &ImpactArgs, context: &Context) -> Outcome {
    let answer = answer(&args.ask, context)?;
    let graph = &answer.graph;
    let questions = Questions::new(graph);
    let failing = named(graph, &questions, &args.node)?;
    let hurt = questions.impact(&failing);
    let text = || {
        if hurt.is_empty() {
            return format!("Nobody calls {}.\n", safe(&args.node));
        }
        let mut table = Table::new(["HURT", "CALLS AWAY", "SHARE OF ITS REQUESTS", "RATE", "ENTRY"]);
        for one in &hurt {
            table.row(vec![
                text_of(graph, one.node),
                one.distance.to_string(),
                one.share.map_or("not judged".to_owned(), |s| format!("{:.1}%", s * 100.0)),
                format!("{:.2}/s", one.rate),
                if one.is_root { "yes" } else { "" }.to_owned(),
            ]);
        }
        table.render(2) + "\nShares take each callee to call on in the same way for all its callers. Bytes are not judged.\n"
    };
    let value = || json!({"hurt": hurt.iter().map(|h| hurt_json(graph, h)).collect::<Vec<_>>()});
    give(&args.ask, &answer, context, text, value)
}

fn hurt_json(graph: &Graph, hurt: &Hurt) -> Value {
    json!({"node": text_of(graph, hurt.node), "distance": hurt.distance, "share": hurt.share, "rate": hurt.rate, "entry": hurt.is_root})
}

pub fn cycles(args: &CyclesArgs, context: &Context) -> Outcome {
    let answer = answer(&args.ask, context)?;
    let graph = &answer.graph;
    let cycles = Questions::new(graph).cycles();
    let names = |cycle: &Vec<usize>| -> Vec<String> {
        let mut names: Vec<String> = cycle.iter().map(|n| text_of(graph, *n)).collect();
        names.sort();
        names
    };
    let text = || {
        if cycles.is_empty() {
            return "No calls go in a circle.\n".to_owned();
        }
        cycles.iter().map(|c| format!("{} that call each other in a circle: {}\n", c.len(), safe(&names(c).join(", ")))).collect()
    };
    let value = || json!({"cycles": cycles.iter().map(names).collect::<Vec<_>>()});
    give(&args.ask, &answer, context, text, value)
}
