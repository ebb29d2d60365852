//! A request's way for people.

use super::{Way, object, policy};
use crate::term::safe;
use mesh_envoy::engine::pick::UpstreamTransport;
use mesh_envoy::engine::recorder::PassedOver;
use mesh_envoy::engine::walk::{Branch, End, Step, StepKind};
use std::fmt::Write;

/// How many of the candidates that were passed over are shown; `-o json` has all.
const NEAREST: usize = 5;

pub fn show(way: &Way) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", safe(&way.request));
    for told in &way.told {
        let _ = writeln!(out, "\nat {}", safe(&told.proxy));
        for step in told.verdict.steps.iter().filter(|s| !is_silent(s)) {
            line(&mut out, step);
        }
        for branch in &told.verdict.branches {
            let _ = writeln!(out, "  => {}", safe(&outcome(branch)));
        }
    }
    let assumed: Vec<&String> = way.assumptions.iter().chain(way.told.iter().flat_map(|t| &t.verdict.assumptions)).collect();
    for (title, list) in [("assumed", assumed), ("problems", way.problems.iter().collect())] {
        if !list.is_empty() {
            let _ = writeln!(out, "\n{title}:");
            list.iter().for_each(|text| _ = writeln!(out, "  {}", safe(text)));
        }
    }
    out
}

/// Steps without a choice.
pub fn is_silent(step: &Step) -> bool {
    step.passed.is_empty() && step.note.is_empty() && matches!(step.kind, StepKind::RouteConfiguration)
}

fn line(out: &mut String, step: &Step) {
    let _ = writeln!(out, "  {:<20} {}", step.kind.name(), safe(&chosen(step)));
    for text in passed(step) {
        let _ = writeln!(out, "    {}", safe(&text));
    }
}

/// What a step chose: its name, the object that it comes from, what is to be noted.
pub fn chosen(step: &Step) -> String {
    let source = object(&step.source);
    let parts: Vec<&str> = [step.name.as_str(), source.as_str(), step.note.as_str()].into_iter().filter(|p| !p.is_empty()).collect();
    parts.join("  ")
}

/// What it did not choose, and why: the first few.
pub fn passed(step: &Step) -> Vec<String> {
    let one = |p: &PassedOver| {
        let source = object(&p.candidate.source);
        let name = match (policy(&p.candidate.name), source.as_str()) {
            (name, "") => name,
            (name, source) => format!("{name}  {source}"),
        };
        let name = if name.is_empty() { "(unnamed)".to_owned() } else { name };
        format!("not {name}: {}", p.why)
    };
    let more = step.passed.len().checked_sub(NEAREST).filter(|n| *n > 0).map(|more| format!("and {more} more"));
    step.passed.iter().take(NEAREST).map(one).chain(more).collect()
}

/// How a part of the requests ends.
pub fn outcome(b: &Branch) -> String {
    let share = if b.share == 1_000_000 { String::new() } else { format!("{}% ", b.share as f64 / 1e4) };
    let source = if b.source.is_empty() { String::new() } else { format!(" ({})", object(&b.source)) };
    let to = if b.cluster.is_empty() { String::new() } else { format!("to {}{source}: ", b.cluster) };
    let end = match &b.end {
        End::Forwarded => {
            let endpoints: Vec<&str> = b.endpoints.iter().map(|(a, _)| a.as_str()).collect();
            let transport = match &b.transport {
                Some(UpstreamTransport::Tls { presents_certificate: true, .. }) => " over mutual TLS",
                Some(UpstreamTransport::Tls { .. }) => " over TLS",
                Some(UpstreamTransport::Plaintext) => " in plaintext",
                _ => "",
            };
            match endpoints.is_empty() {
                true => "forwarded".to_owned(),
                false => format!("forwarded{transport}, to {}", endpoints.join(" or ")),
            }
        }
        other => ended(other),
    };
    format!("{share}{to}{end}")
}

/// How a request ends, in words.
pub fn ended(end: &End) -> String {
    match end {
        End::Forwarded => "forwarded".to_owned(),
        End::Replied(r) => {
            let flags = if r.flags.is_empty() { String::new() } else { format!(" {}", r.flags.join(",")) };
            let location = r.location.as_ref().map(|l| format!(" to {l}")).unwrap_or_default();
            format!("the proxy answers {}{flags} ({}){location}", r.status, r.details)
        }
        End::Closed { why, flag, details } => {
            let said: Vec<&str> = [*flag, details.as_str()].into_iter().filter(|s| !s.is_empty()).collect();
            let said = if said.is_empty() { String::new() } else { format!(" ({})", said.join(" ")) };
            format!("the connection is closed: {why}{said}")
        }
        End::UpTo(u) => format!("up to here: {u}"),
    }
}
