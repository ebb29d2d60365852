//! `meshctl drift`: what each proxy holds against what the manifests say that it should.

use crate::args::drift::DriftArgs;
use crate::commands::proxy_status::compare;
use crate::context::Context;
use crate::mesh_input;
use crate::print::document::{Document, render};
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use mesh_resolver::Mesh;
use mesh_resolver::drift;
use mesh_resolver::translate::{Model, domain_of};
use mesh_resolver::why::workload_of;
use serde_json::{Value, json};
use std::fmt::Write;

const MANIFESTS: &str = "the manifests";

pub fn run(args: &DriftArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o takes text or json, not `{}`", args.output)));
    }
    let input = mesh_input::read(&args.mesh, context)?;
    if input.held.is_empty() {
        return Err(Failure::usage("no proxy's config dump is among the sources: name one with -f, beside the manifests"));
    }
    let mesh = Mesh::in_domain(&input.snapshot, domain_of(&input.snapshot));
    let mut problems: Vec<String> = input.problems().cloned().collect();
    let (mut text, mut values, mut differ) = (String::new(), Vec::new(), false);
    for (held, dump) in input.held.iter().zip(&input.dumps) {
        let model = Model::of(&mesh, drift::control_plane_of(&dump.to_string()));
        let Some(id) = workload_of(&model, held) else {
            problems.push(format!("{}: the manifests hold no workload of this proxy", held.name));
            continue;
        };
        let found = match drift::compare(&model, id, dump) {
            Ok(found) => found,
            Err((_, e)) => {
                problems.push(format!("{}: {e}", held.name));
                continue;
            }
        };
        differ |= !found.report.differences.is_empty();
        text += &compare::text(&found.report, MANIFESTS, &held.name);
        found.not_judged.iter().for_each(|n| _ = writeln!(text, "  not judged: {}", safe(n)));
        values.push(value(&held.name, &found));
        problems.extend(found.not_judged.iter().map(|n| format!("{}: {n}", held.name)));
    }
    problems.dedup();
    let answer = match args.output.as_str() {
        "json" => render(&json!({"proxies": values, "complete": problems.is_empty(), "problems": problems}), Document::Json),
        _ => text,
    };
    context.answer(&answer)?;
    if args.output == "text" {
        problems.iter().for_each(|p| context.note(&safe(p)));
    }
    let own = match (differ, problems.is_empty()) {
        (true, _) => Status::NotFine,
        (false, false) => context.partial,
        (false, true) => Status::Fine,
    };
    Ok(own.max(input.status(context)))
}

fn value(name: &str, found: &drift::Drift) -> Value {
    let mut out = compare::value(&found.report, MANIFESTS, name, &[]);
    if let Some(map) = out.as_object_mut() {
        map.remove("complete");
        map.remove("problems");
        map.insert("proxy".to_owned(), name.into());
        map.insert("notJudged".to_owned(), found.not_judged.clone().into());
    }
    out
}
