//! What is printed of logs.

use super::Reading;
use crate::args::ExplainFormat;
use crate::commands::explain::render::{BOLD, CODE, WIDTH, quoted, wrap};
use crate::commands::explain::words::cause_json;
use crate::output::pretty;
use crate::term::{safe, safe_json};
use anstyle::AnsiColor;
use mesh_analyzers::Level;
use mesh_analyzers::explain::log::Group;
use mesh_analyzers::explain::proxy::Proxy;
use mesh_analyzers::explain::responsible::responsible;
use serde_json::{Value, json};

pub fn render(reading: &Reading, format: ExplainFormat) -> String {
    match format {
        ExplainFormat::Json => safe_json(pretty(&object(reading), b"  ")),
        ExplainFormat::Text => text(reading, Marks::Terminal),
        ExplainFormat::Markdown => text(reading, Marks::Markdown),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    Terminal,
    Markdown,
}

fn object(reading: &Reading) -> Value {
    let log = &reading.log;
    let groups: Vec<Value> = log.groups().iter().map(|g| group_object(g, reading.proxy.as_ref())).collect();
    json!({
        "complete": reading.broken == 0 && reading.problems.is_empty() && log.overflow == 0,
        "problems": reading.problems,
        "lines": reading.lines, "entries": log.entries, "fine": log.fine, "other": log.other, "broken": reading.broken, "ungrouped": log.overflow,
        "groups": groups,
    })
}

fn group_object(g: &Group, proxy: Option<&Proxy>) -> Value {
    let found = proxy.map(|p| responsible(p, g));
    let causes = g.causes();
    let cause = causes.first();
    json!({
        "level": g.level().name(),
        "count": g.count,
        "response_code": g.status, "response_flags": g.flags, "response_code_details": g.details,
        "upstream_transport_failure_reason": g.transport, "upstream_cluster": g.cluster,
        "first": g.first, "last": g.last, "pods": g.pods, "sample": g.sample,
        "cause": cause.map(|c| {
            let mut value = cause_json(c);
            value["next"] = c.next.iter().map(|n| g.command(n)).collect();
            value
        }),
        "objects": found.as_ref().map(|f| &f.objects),
        "facts": found.as_ref().map(|f| &f.facts),
        "alternatives": causes.iter().skip(1).map(|c| json!({"id": c.id, "title": c.title})).collect::<Vec<_>>(),
    })
}

fn text(reading: &Reading, marks: Marks) -> String {
    let log = &reading.log;
    let mut out = String::new();
    for g in log.groups() {
        out.push_str(&group_text(g, reading.proxy.as_ref(), marks));
        out.push('\n');
    }
    let failures = log.entries - log.fine;
    out.push_str(&format!("{} of {} requests and connections are explained above, {} are fine", failures - log.overflow, log.entries, log.fine));
    if log.overflow > 0 {
        out.push_str(&format!(", {} more are in groups beyond the first", log.overflow));
    }
    out.push_str(&format!("; {} other lines", log.other));
    if reading.broken > 0 {
        out.push_str(&format!("; {} lines can't be read", reading.broken));
    }
    out.push_str(".\n");
    out
}

fn group_text(g: &Group, proxy: Option<&Proxy>, marks: Marks) -> String {
    let found = proxy.map(|p| responsible(p, g)).unwrap_or_default();
    let objects = found.objects.iter().map(|o| safe(o).into_owned()).collect::<Vec<_>>().join("; ");
    let dash = |t: &str| if t.is_empty() { "-".to_owned() } else { safe(t).into_owned() };
    let cause = g.causes().first().copied();
    let title = cause.map_or("What it means is not known", |c| c.title);
    let head = format!("{} {} {}", g.status, dash(&g.flags), dash(&g.details));
    let times = match (g.first.as_str(), g.last.as_str()) {
        ("", _) => String::new(),
        (a, b) if a == b => format!(", at {}", safe(a)),
        (a, b) => format!(", {} to {}", safe(a), safe(b)),
    };
    let mut out = String::new();
    if marks == Marks::Markdown {
        out.push_str(&format!("## {title}\n\n`{head}`: {} lines{times}; cluster `{}`\n\n", g.count, dash(&g.cluster)));
        out.push_str(&format!("{}\n\n", cause.map_or("", |c| c.why)));
        out.extend(cause.into_iter().flat_map(|c| c.evidence).map(|e| format!("- {e}\n")));
        if !objects.is_empty() {
            out.push_str(&format!("\nResponsible: {objects}\n\n"));
        }
        out.extend(found.facts.iter().map(|f| format!("- in the dump: {}\n", safe(f))));
        out.push_str(&format!("\n```\n{}\n```\n", safe(&g.sample)));
        return out;
    }
    let style = match g.level() {
        Level::Error => AnsiColor::Red.on_default(),
        Level::Warning => AnsiColor::Yellow.on_default(),
        Level::Info => AnsiColor::Cyan.on_default(),
    }
    .bold();
    out.push_str(&format!("{style}{head}{style:#}  {BOLD}{title}{BOLD:#}\n"));
    let whose = cause.map_or(String::new(), |c| format!("; whose: {}", c.whose.name()));
    out.push_str(&format!("  {} {}{times}; cluster {}{whose}\n", g.count, if g.count == 1 { "line" } else { "lines" }, dash(&g.cluster)));
    if !g.pods.is_empty() {
        out.push_str(&format!("  of {}\n", safe(&g.pods.iter().map(String::as_str).collect::<Vec<_>>().join(", "))));
    }
    if !objects.is_empty() {
        out.push_str(&format!("  {BOLD}responsible: {objects}{BOLD:#}\n"));
    }
    for f in &found.facts {
        out.push_str(&wrap(&format!("- in the dump: {}", safe(f)), "  ", WIDTH));
    }
    if let Some(c) = cause {
        out.push_str(&quoted(&wrap(c.why, "  ", WIDTH)));
        for e in c.evidence {
            out.push_str(&quoted(&wrap(&format!("- look for: {e}"), "  ", WIDTH)));
        }
    }
    out.push_str(&format!("  > {}\n", safe(&g.sample)));
    for n in cause.into_iter().flat_map(|c| c.next) {
        out.push_str(&format!("  {CODE}{}{CODE:#}\n", safe(&g.command(n))));
    }
    out
}
