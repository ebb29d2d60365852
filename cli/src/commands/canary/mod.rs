//! `meshctl canary`: what rules that split traffic want, what came of it, and whether the versions differ.

mod judge;
mod observe;
mod show;

use crate::args::canary::CanaryArgs;
use crate::args::mesh::MeshArgs;
use crate::args::telemetry::TelemetryArgs;
use crate::commands::tui::telemetry::is_series_file;
use crate::context::Context;
use crate::mesh_input;
use crate::print::document::Document;
use crate::print::dump::document;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry;
use judge::Verdict;
use mesh_collectors::recording;
use mesh_collectors::telemetry::scrape::Target;
use mesh_model::graph::Appender;
use mesh_resolver::{Mesh, splits};
use std::path::Path;

pub fn run(args: &CanaryArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o {}: the formats are text and json", args.output)));
    }
    // Metrics and objects are told apart by what they are.
    let is_metrics = |w: &&String| Target::parse(w).is_some() || recording::find(Path::new(w)).is_some() || is_series_file(Path::new(w));
    let (metrics, manifests): (Vec<String>, Vec<String>) = args.source.from.iter().cloned().partition(|w| is_metrics(&w));
    let source = TelemetryArgs { from: metrics, ..args.source.clone() };
    let mut options = telemetry::options("workload")?;
    options.appenders.remove(&Appender::AggregateNode);
    let recording = telemetry::read(&source, &options, context)?;
    let mut problems = Vec::new();
    let mut snapshot = if manifests.is_empty() {
        recording.snapshot.clone()
    } else {
        let input = mesh_input::read_sources(&MeshArgs::default(), &manifests, context)?;
        problems.extend(input.problems().cloned());
        input.snapshot
    };
    snapshot.as_of = mesh_model::Timestamp(context.now);
    let mesh = Mesh::new(&snapshot);
    let rules: Vec<_> = splits::rules(&mesh).into_iter().filter(|r| args.service.as_deref().is_none_or(|s| is_of(r, s))).collect();
    if !rules.iter().any(|r| r.destinations.len() > 1) {
        let of = args.service.as_deref().map_or_else(String::new, |s| format!(" of {s}"));
        return Err(Failure::none(format!("no rule splits the traffic{of}: name the manifests that do with --from (a folder, `kube`)")));
    }
    let seen = observe::read(&recording, &source, context)?;
    problems.extend(seen.problems.iter().cloned());
    let report = judge::judge(&mesh, &rules, &seen);
    let text = if args.output == "json" { document(show::value(&report, &problems), Document::Json, context.compat) } else { show::text(&report) };
    context.answer(&text)?;
    problems.iter().for_each(|p| context.note(p));
    Ok(match report.verdict() {
        Verdict::Differs => Status::NotFine,
        Verdict::TooFew => context.partial,
        Verdict::AsWanted if !problems.is_empty() => context.partial,
        Verdict::AsWanted => Status::Fine,
    })
}

/// Whether a rule sends to a service that is named.
fn is_of(rule: &splits::Rule<'_>, service: &str) -> bool {
    let named = service.split_once('/').map_or_else(|| service.to_owned(), |(ns, name)| format!("{name}.{ns}"));
    rule.destinations.iter().any(|d| d.host == named || d.host.strip_prefix(&named).is_some_and(|rest| rest.starts_with('.')))
}
