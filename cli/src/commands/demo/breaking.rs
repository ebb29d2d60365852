//! `meshctl demo break`: orders to the demo that runs.

use crate::args::demo::BreakArgs;
use crate::context::Context;
use crate::demos;
use crate::print::document::{Document, render};
use crate::print::table::Table;
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use mesh_demo::{control, scenarios};
use serde_json::{Value, json};

pub fn run(args: &BreakArgs, context: &Context) -> Outcome {
    let is_json = match args.output.as_str() {
        "text" => false,
        "json" => true,
        other => return Err(Failure::usage(format!("-o takes text or json, not `{other}`"))),
    };
    if args.list {
        return list(args, is_json, context);
    }
    if let Some(name) = args.names.iter().find(|n| scenarios::find(n).is_none()) {
        let all: Vec<&str> = scenarios::all().map(|s| s.name).collect();
        return Err(Failure::usage(format!("no way to break a mesh is called {name}; there are {}", all.join(", "))));
    }
    let state = demos::find(args.demo.as_deref())?;
    let order = |path: &str| -> Result<Value, Failure> {
        let (status, answer) = control::ask(&state, "POST", path).map_err(|e| Failure::none(format!("the demo {} does not answer: {e}", state.name)))?;
        if status == 200 { Ok(answer) } else { Err(Failure::none(safe(answer["error"].as_str().unwrap_or("it can't be done")).into_owned())) }
    };
    if args.undo {
        let answer = order("/undo")?;
        let ended: Vec<&str> = answer["ended"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let text = if ended.is_empty() { "nothing was broken\n".to_owned() } else { format!("mended: {}\n", ended.join(", ")) };
        context.answer(&if is_json { render(&answer, Document::Json) } else { text })?;
        return Ok(Status::Fine);
    }
    let mut answers = Vec::new();
    let mut text = String::new();
    for scenario in args.names.iter().filter_map(|n| scenarios::find(n)) {
        answers.push(order(&format!("/break?name={}&seed={}", scenario.name, args.seed))?);
        text.push_str(&format!("broken: {}\n", scenario.what));
    }
    let from = args.demo.as_ref().map_or_else(|| demos::WORD.to_owned(), |name| format!("{}:{name}", demos::WORD));
    text.push_str(&format!("find the cause with `meshctl why --from {from}` in some seconds; `meshctl demo break --undo` mends it\n"));
    context.answer(&if is_json { render(&json!(answers), Document::Json) } else { text })?;
    Ok(Status::Fine)
}

/// All scenarios; of a demo that runs also which are active.
fn list(args: &BreakArgs, is_json: bool, context: &Context) -> Outcome {
    let known = demos::find(args.demo.as_deref()).ok().and_then(|s| control::ask(&s, "GET", "/scenarios").ok()).map(|(_, v)| v);
    let is_active = |name: &str| known.iter().filter_map(Value::as_array).flatten().any(|s| s["name"] == name && s["active"] == true);
    if is_json {
        let all: Vec<Value> = scenarios::all().map(|s| json!({"name": s.name, "what": s.what, "active": is_active(s.name)})).collect();
        context.answer(&render(&json!(all), Document::Json))?;
        return Ok(Status::Fine);
    }
    let mut table = Table::new(["NAME", "WHAT", ""]);
    scenarios::all().for_each(|s| table.row(vec![s.name.to_owned(), s.what.to_owned(), if is_active(s.name) { "active" } else { "" }.to_owned()]));
    context.answer(&table.render(2))?;
    Ok(Status::Fine)
}
