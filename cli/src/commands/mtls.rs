//! `meshctl mtls`: which ports are reached encrypted, what decides, and what each client would send.

mod seen;

use crate::args::mtls::{MtlsArgs, MtlsFormat};
use crate::commands::tui::telemetry::is_series_file;
use crate::context::Context;
use crate::mesh_input;
use crate::print::document::{Document, render};
use crate::print::table::Table;
use crate::status::{Outcome, Status};
use crate::term::safe;
use mesh_collectors::recording;
use mesh_resolver::Mesh;
use mesh_resolver::mtls::{Port, Report, Sends, Verdict, What, report};
use mesh_resolver::translate::domain_of;
use mesh_resolver::why::Thing;
use seen::Seen;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

pub fn run(args: &MtlsArgs, context: &Context) -> Outcome {
    let is_series = |w: &&String| is_series_file(Path::new(w));
    let (series, others): (Vec<String>, Vec<String>) = args.mesh.or_current().from.into_iter().partition(|w| is_series(&w));
    let recorded = others.iter().filter(|w| recording::find(Path::new(w)).is_some());
    let metrics: Vec<String> = series.iter().chain(recorded).cloned().collect();
    let asked = seen::ask(args, &metrics, context)?;
    let input = mesh_input::read_sources(&args.mesh, &others, context)?;
    let mesh = Mesh::as_watched(&input.snapshot, domain_of(&input.snapshot));
    let mut report = report(&mesh);
    let mut unseen = Vec::new();
    let seen = asked.map_or_else(|| Ok(Seen::default()), |asked| asked.take(args, &mesh, context, &mut unseen))?;
    seen.judge(&mut report);
    if let Some(namespace) = &args.mesh.namespace {
        report.ports.retain(|p| p.namespace == *namespace);
        report.outside.retain(|(name, _)| name.rsplit_once('.').is_some_and(|(_, ns)| ns == namespace));
    }
    let problems: Vec<String> = input.problems().cloned().chain(unseen.iter().cloned()).collect();
    let answer = match args.output {
        MtlsFormat::Text => text(&report, &seen),
        MtlsFormat::Csv => table(&report, &seen).csv(),
        MtlsFormat::Json => render(&object(&report, &seen, &problems), Document::Json),
    };
    context.answer(&answer)?;
    problems.iter().for_each(|p| context.note(&safe(p)));
    let own = match (report.count(Verdict::NotEncrypted), report.count(Verdict::NotJudged)) {
        (0, 0) => Status::Fine,
        (0, _) => context.partial,
        _ => Status::NotFine,
    };
    let of_metrics = if unseen.is_empty() { Status::Fine } else { context.partial };
    Ok(own.max(of_metrics).max(input.status(context)))
}

fn by(port: &Port) -> String {
    port.thing.as_ref().map_or_else(|| "default".to_owned(), |t| t.object.clone())
}

fn table(report: &Report, seen: &Seen) -> Table {
    let mut header = vec!["WORKLOAD", "PORT", "SERVICES", "TAKES", "BY", "VERDICT", "REASON"];
    if seen.is_there() {
        header.insert(5, "PLAINTEXT SEEN");
    }
    let mut table = Table::new(header);
    for p in &report.ports {
        let mut row = vec![
            format!("{}.{}", p.workload, p.namespace),
            p.port.to_string(),
            if p.services.is_empty() { "-".to_owned() } else { p.services.join(" ") },
            p.takes.name().to_owned(),
            by(p),
            p.verdict.name().to_owned(),
            p.says.clone(),
        ];
        if seen.is_there() {
            row.insert(5, seen.text(p));
        }
        table.row(row);
    }
    table
}

/// How many clients are named in a line.
const NAMED: usize = 4;

fn text(report: &Report, seen: &Seen) -> String {
    let mut out = String::new();
    if !report.ports.is_empty() {
        out += &table(report, seen).render(2);
    }
    let doubtful: Vec<(&Port, &Sends)> =
        report.ports.iter().flat_map(|p| p.sends.iter().map(move |s| (p, s))).filter(|(_, s)| s.what != What::MutualTls).collect();
    if !doubtful.is_empty() {
        out += "\nclients that send something else than mutual TLS:\n";
        for (p, s) in doubtful {
            let more = s.clients.len().checked_sub(NAMED).filter(|n| *n > 0).map_or_else(String::new, |n| format!(" and {n} more"));
            let who = s.clients.iter().take(NAMED).map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
            let place = s.thing.as_ref().filter(|t| !t.place.is_empty()).map_or_else(String::new, |t| format!("  {}", t.place));
            let line = format!("{}.{}:{}  {}: {}{more} ({}){place}", p.workload, p.namespace, p.port, s.what.name(), who, s.why);
            let _ = writeln!(out, "  {}", safe(&line));
        }
    }
    if !report.outside.is_empty() {
        out += "\nworkloads outside of the mesh:\n";
        report.outside.iter().for_each(|(name, why)| _ = writeln!(out, "  {}: {}", safe(name), safe(why)));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", safe(&report.last_line()));
    out
}

fn thing(t: Option<&Thing>) -> Value {
    t.map_or(Value::Null, |t| json!({"object": t.object, "field": t.field, "place": t.place}))
}

fn object(report: &Report, seen: &Seen, problems: &[String]) -> Value {
    let sends = |s: &Sends| json!({"sends": s.what.name(), "why": s.why, "by": thing(s.thing.as_ref()), "clients": s.clients.iter().map(AsRef::as_ref).collect::<Vec<&str>>()});
    let ports: Vec<Value> = report
        .ports
        .iter()
        .map(|p| {
            json!({
                "workload": p.workload, "namespace": p.namespace, "port": p.port, "services": p.services, "takes": p.takes.name(),
                "by": thing(p.thing.as_ref()), "clients": p.sends.iter().map(sends).collect::<Vec<_>>(), "verdict": p.verdict.name(), "reason": p.says,
                "seen": seen.value(p),
            })
        })
        .collect();
    json!({
        "ports": ports,
        "outside": report.outside.iter().map(|(name, why)| json!({"workload": name, "why": why})).collect::<Vec<_>>(),
        "encrypted": report.count(Verdict::Encrypted), "notEncrypted": report.count(Verdict::NotEncrypted), "notJudged": report.count(Verdict::NotJudged),
        "complete": problems.is_empty() && report.count(Verdict::NotJudged) == 0, "problems": problems,
    })
}
