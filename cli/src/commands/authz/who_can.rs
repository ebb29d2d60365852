//! `meshctl authz who-can` and `authz matrix`: the identities that may call, and under which conditions.

use crate::args::authz::{MatrixArgs, MatrixFormat, WhoCanArgs};
use crate::context::Context;
use crate::mesh_input;
use crate::near;
use crate::print::document::{Document, render};
use crate::print::table::Table;
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, domain_of};
use mesh_resolver::who_can::{self, Access, Asked, Caller, Condition, May};
use mesh_resolver::why::Named;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

pub fn run(args: &WhoCanArgs, context: &Context) -> Outcome {
    let input = mesh_input::read(&args.mesh.or_current(), context)?;
    let mesh = Mesh::as_watched(&input.snapshot, domain_of(&input.snapshot));
    let model = Model::supposing(&mesh);
    let (to, port) = target(&args.to)?;
    let ids = Named::parse(to, args.mesh.namespace.as_deref()).workloads(&mesh);
    if ids.is_empty() {
        return Err(near::no_workload(to, &mesh));
    }
    let asked = Asked { method: args.method.clone().map(|m| m.to_ascii_uppercase()), path: args.path.clone(), ..Asked::default() };
    let identities = who_can::identities(&model);
    let mut found: Vec<Access> = Vec::new();
    for id in ids {
        for number in ports(&model, id, port)? {
            let one = who_can::access(&model, id, number, &asked, &identities, true);
            // Pods of one making are one answer.
            if !found.iter().any(|f| f.namespace == one.namespace && f.port == one.port && f.policies == one.policies && f.callers == one.callers) {
                found.push(one);
            }
        }
    }
    let problems: Vec<String> = input.problems().cloned().collect();
    let answer = match args.output.as_str() {
        "text" => found.iter().map(|a| text(a, &asked)).collect::<Vec<_>>().join("\n"),
        "json" => render(
            &json!({"request": request(&asked), "answers": found.iter().map(object).collect::<Vec<_>>(), "complete": problems.is_empty() && found.iter().all(|a| a.not_judged.is_empty()), "problems": problems}),
            Document::Json,
        ),
        other => return Err(Failure::usage(format!("-o takes text or json, not `{other}`"))),
    };
    context.answer(&answer)?;
    problems.iter().for_each(|p| context.note(&safe(p)));
    let own = if found.iter().any(|a| !a.not_judged.is_empty()) { context.partial } else { Status::Fine };
    Ok(own.max(input.status(context)))
}

/// `TO[:PORT]`
fn target(text: &str) -> Result<(&str, Option<u16>), Failure> {
    match text.rsplit_once(':') {
        Some((to, port)) => Ok((to, Some(port.parse().map_err(|_| Failure::usage(format!("`{port}` is no port")))?))),
        None => Ok((text, None)),
    }
}

/// The workload's own ports behind one that is typed: of itself, or of a Service.
fn ports(model: &Model<'_, '_>, id: u32, typed: Option<u16>) -> Result<Vec<u16>, Failure> {
    let Some(typed) = typed else { return Ok(who_can::ports(model, id)) };
    let w = model.mesh.workloads.get(id);
    let services = model.mesh.services.selecting(w);
    let of_service = services.iter().find_map(|s| s.port(typed)?.of_workload(w));
    Ok(vec![of_service.unwrap_or(typed)])
}

fn request(asked: &Asked) -> String {
    match (&asked.method, &asked.path) {
        (Some(m), Some(p)) => format!("{m} {p}"),
        _ => "any request".to_owned(),
    }
}

fn caller(c: &Caller) -> &str {
    match c {
        Caller::Identity(id) => id,
        Caller::AnyIdentity => "any other identity",
        Caller::Anybody => "anybody without mutual TLS",
    }
}

fn text(a: &Access, asked: &Asked) -> String {
    let mut out = String::new();
    let by = a.mode_by.as_ref().map_or_else(|| "default".to_owned(), |t| t.object.clone());
    let _ = writeln!(out, "{}.{}, port {}, {} ({} by {})", safe(&a.workload), safe(&a.namespace), a.port, safe(&request(asked)), a.mode, safe(&by));
    for (title, is) in [("always", 0), ("if", 1), ("never", 2)] {
        for (c, may) in a.callers.iter().filter(|(_, m)| rank(m) == is) {
            match may {
                May::Always => _ = writeln!(out, "  {title:<8}{}", safe(caller(c))),
                May::Never(why) => _ = writeln!(out, "  {title:<8}{}: {}", safe(caller(c)), safe(why)),
                May::If(list) => {
                    let _ = writeln!(out, "  {title:<8}{}", safe(caller(c)));
                    list.iter().for_each(|c| _ = writeln!(out, "            {}  ({})", safe(&c.wants), safe(&at(c))));
                }
            }
        }
    }
    a.not_judged.iter().for_each(|n| _ = writeln!(out, "  not judged: {}", safe(n)));
    out
}

fn at(c: &Condition) -> String {
    match c.thing.as_ref().filter(|t| !t.place.is_empty()) {
        Some(t) => format!("{}, {}", c.rule, t.place),
        None => c.rule.clone(),
    }
}

fn rank(may: &May) -> u8 {
    match may {
        May::Always => 0,
        May::If(_) => 1,
        May::Never(_) => 2,
    }
}

fn object(a: &Access) -> Value {
    let callers: Vec<Value> = a
        .callers
        .iter()
        .map(|(c, may)| {
            let (answer, why, list) = match may {
                May::Always => ("always", "", &[][..]),
                May::If(list) => ("if", "", list.as_slice()),
                May::Never(why) => ("never", why.as_ref(), &[][..]),
            };
            let conditions: Vec<Value> =
                list.iter().map(|c| json!({"rule": c.rule, "wants": c.wants, "place": c.thing.as_ref().map(|t| t.place.as_str())})).collect();
            json!({"caller": caller(c), "may": answer, "why": why, "conditions": conditions})
        })
        .collect();
    json!({
        "workload": a.workload, "namespace": a.namespace, "port": a.port, "mode": a.mode.to_string(),
        "policies": a.policies.iter().map(|t| t.object.as_str()).collect::<Vec<_>>(), "callers": callers, "notJudged": a.not_judged,
    })
}

/// All workloads' ports by all identities.
pub fn matrix(args: &MatrixArgs, context: &Context) -> Outcome {
    let input = mesh_input::read(&args.mesh.or_current(), context)?;
    let mesh = Mesh::as_watched(&input.snapshot, domain_of(&input.snapshot));
    let model = Model::supposing(&mesh);
    let identities = who_can::identities(&model);
    let asked = Asked { method: args.method.clone().map(|m| m.to_ascii_uppercase()), path: args.path.clone(), ..Asked::default() };
    let mut all: Vec<Access> = Vec::new();
    for (id, w) in mesh.workloads.all().iter().enumerate() {
        if args.mesh.namespace.as_ref().is_some_and(|n| n != w.namespace) || mesh.in_mesh(w) == mesh_resolver::InMesh::Gateway || w.replicas == 0 {
            continue;
        }
        for port in who_can::ports(&model, id as u32) {
            let one = who_can::access(&model, id as u32, port, &asked, &identities, true);
            // The callers last: there are as many as identities.
            if !all.iter().any(|f| {
                f.namespace == one.namespace
                    && f.port == one.port
                    && same_maker(&f.workload, &one.workload)
                    && f.policies == one.policies
                    && f.callers == one.callers
            }) {
                all.push(one);
            }
        }
    }
    all.sort_by(|a, b| (&a.namespace, &a.workload, a.port).cmp(&(&b.namespace, &b.workload, b.port)));
    let answer = if args.output == MatrixFormat::Text { by_answer(&all) } else { by_caller(&all, identities, args.output) };
    context.answer(&answer)?;
    input.problems().for_each(|p| context.note(&safe(p)));
    let own = if all.iter().any(|a| !a.not_judged.is_empty()) { context.partial } else { Status::Fine };
    Ok(own.max(input.status(context)))
}

/// What a cell says.
fn word(access: &Access, may: &May) -> &'static str {
    if access.not_judged.is_empty() { ["yes", "if", "no"][usize::from(rank(may))] } else { "?" }
}

fn server(a: &Access) -> String {
    format!("{}.{}:{}", a.workload, a.namespace, a.port)
}

/// Columns of a terminal.
const COLUMNS: usize = 80;
/// Callers that a line names at most, where they fit; the others are counted.
const NAMED: usize = 6;

/// The first of some names that have room, at least one, and how many more there are.
fn fitting(names: &[String], room: usize) -> String {
    let first = |n: usize| {
        let more = names.len().checked_sub(n).filter(|more| *more > 0).map_or_else(String::new, |more| format!(" and {more} more"));
        names.iter().take(n).cloned().collect::<Vec<_>>().join(", ") + &more
    };
    (1..=NAMED.min(names.len())).rev().map(first).find(|text| text.chars().count() <= room).unwrap_or_else(|| first(1))
}

/// A line for each answer that a port has for some caller. The mesh's own identities are written NAMESPACE/ACCOUNT where they have one trust domain.
fn by_answer(all: &[Access]) -> String {
    let parts = |c: &Caller| match c {
        Caller::Identity(id) => id.split_once("/ns/").map(|(domain, rest)| (domain.to_owned(), rest.replacen("/sa/", "/", 1))),
        _ => None,
    };
    let domains: BTreeSet<String> = all.iter().flat_map(|a| &a.callers).filter_map(|(c, _)| Some(parts(c)?.0)).collect();
    let name = |c: &Caller| parts(c).filter(|_| domains.len() == 1).map_or_else(|| caller(c).to_owned(), |(_, short)| short);
    let mut table = Table::new(["SERVER", "MAY", "CALLERS"]);
    let widest = all.iter().map(|a| server(a).chars().count()).max().unwrap_or(0);
    let room = COLUMNS.saturating_sub(widest + "  MAY  ".len());
    for a in all {
        for answer in ["yes", "if", "no", "?"] {
            let with: Vec<&Caller> = a.callers.iter().filter(|(_, m)| word(a, m) == answer).map(|(c, _)| c).collect();
            if with.is_empty() {
                continue;
            }
            // Who is none of the mesh's identities comes first: of whom most is to be feared.
            let (known, others): (Vec<&Caller>, Vec<&Caller>) = with.iter().partition(|c| matches!(c, Caller::Identity(_)));
            let names: Vec<String> = others.into_iter().rev().chain(known).map(name).collect();
            let who = if with.len() == a.callers.len() { "everybody".to_owned() } else { fitting(&names, room) };
            table.row(vec![server(a), answer.to_owned(), who]);
        }
    }
    table.render(2)
}

/// A row for each port, a column for each caller.
fn by_caller(all: &[Access], identities: Vec<Arc<str>>, format: MatrixFormat) -> String {
    let mut header = vec!["SERVER".to_owned()];
    let callers: Vec<Caller> = identities.into_iter().map(Caller::Identity).chain([Caller::AnyIdentity, Caller::Anybody]).collect();
    header.extend(callers.iter().map(|c| caller(c).to_owned()));
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|a| {
            let cells = a.callers.iter().map(|(_, m)| word(a, m).to_owned());
            std::iter::once(server(a)).chain(cells).collect()
        })
        .collect();
    match format {
        MatrixFormat::Html => html(&header, &rows),
        format => {
            let mut table = Table::new(header.iter().map(String::as_str));
            rows.into_iter().for_each(|r| table.row(r));
            if format == MatrixFormat::Csv { table.csv() } else { table.render(2) }
        }
    }
}

fn same_maker(a: &str, b: &str) -> bool {
    a == b || a.rsplitn(3, '-').nth(2).is_some_and(|m| b.rsplitn(3, '-').nth(2) == Some(m))
}

fn html(header: &[String], rows: &[Vec<String>]) -> String {
    let escape = |t: &str| safe(t).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut out = String::from(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Who may call whom</title>\n<style>table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2em .5em}.yes{background:#cfc}.no{background:#fcc}.if{background:#ffc}</style>\n<table>\n<tr>",
    );
    header.iter().for_each(|h| _ = write!(out, "<th>{}</th>", escape(h)));
    out += "</tr>\n";
    for row in rows {
        out += "<tr>";
        for (i, cell) in row.iter().enumerate() {
            let class = if i > 0 && matches!(cell.as_str(), "yes" | "no" | "if") { format!(" class=\"{cell}\"") } else { String::new() };
            let _ = write!(out, "<td{class}>{}</td>", escape(cell));
        }
        out += "</tr>\n";
    }
    out + "</table>\n"
}
