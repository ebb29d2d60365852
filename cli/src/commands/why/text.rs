//! The answer for people.

use crate::term::safe;
use anstyle::{AnsiColor, Style};
use mesh_resolver::why::{Answer, Mark, Miss, Outcome, Part, Step, Thing};
use std::fmt::Write;

/// How many of the candidates that were passed over are shown; `-o json` has all.
pub const NEAREST: usize = 3;

pub fn show(answer: &Answer) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}", safe(&answer.from), safe(&answer.request));
    for part in answer.parts.iter().filter(|p| !p.steps.is_empty()) {
        one(&mut out, part);
    }
    out.push('\n');
    for outcome in &answer.outcomes {
        let _ = writeln!(out, "=> {}", ending(outcome));
    }
    for (title, list) in [("assumed", &answer.assumptions), ("problems", &answer.problems)] {
        if !list.is_empty() {
            let _ = writeln!(out, "\n{title}:");
            list.iter().for_each(|text| _ = writeln!(out, "  {}", safe(text)));
        }
    }
    out
}

fn one(out: &mut String, part: &Part) {
    let _ = writeln!(out, "\nat {}", safe(&part.title));
    for step in &part.steps {
        self::step(out, step);
    }
    if !part.also.is_empty() {
        let _ = writeln!(out, "  the same at {}", safe(&part.also.join(", ")));
    }
}

fn style(mark: Mark) -> Style {
    match mark {
        Mark::Good => AnsiColor::Green.on_default(),
        Mark::Doubtful | Mark::NotJudged => AnsiColor::Yellow.on_default(),
        Mark::Broken => AnsiColor::Red.on_default().bold(),
    }
}

fn step(out: &mut String, step: &Step) {
    let style = style(step.mark);
    let _ = writeln!(out, "  {style}{:<10}{style:#}  {:<14} {}", step.mark.name(), step.stage.name(), safe(&step.says));
    let is_fine = step.mark == Mark::Good;
    if let Some(thing) = &step.thing {
        let _ = writeln!(out, "{:29}{}", "", safe(&shown(thing)));
    }
    for miss in step.misses.iter().take(if is_fine { 1 } else { NEAREST }) {
        let _ = writeln!(out, "{:29}{}", "", safe(&passed(miss)));
    }
    if !step.change.is_empty() {
        let _ = writeln!(out, "{:29}to change it: {}", "", safe(&step.change));
    }
}

/// A candidate that was passed over, and why.
pub fn passed(miss: &Miss) -> String {
    let at = miss.thing.as_ref().map(|t| format!(" ({})", if t.place.is_empty() { &t.object } else { &t.place })).unwrap_or_default();
    let name = if miss.name.is_empty() { "(unnamed)" } else { &miss.name };
    format!("not {name}{at}: {}", miss.why)
}

/// An object with its field and place.
pub fn shown(thing: &Thing) -> String {
    let field = if thing.field.is_empty() { String::new() } else { format!(" {}", thing.field) };
    if thing.place.is_empty() { format!("{}{field}", thing.object) } else { format!("{}{field}  {}", thing.object, thing.place) }
}

fn ending(o: &Outcome) -> String {
    let style = style(o.mark);
    format!("{style}{}{style:#}: {}", o.mark.name(), safe(&said(o)))
}

/// How a share of the requests ends, without its mark.
pub fn said(o: &Outcome) -> String {
    let share = if o.share == 1_000_000 { String::new() } else { format!("{}% ", o.share as f64 / 1e4) };
    let status = o.status.map_or_else(String::new, |s| format!("{s} "));
    let flags = if o.flags.is_empty() { String::new() } else { format!("{} ", o.flags) };
    let details = if o.details.is_empty() { String::new() } else { format!(" ({})", o.details) };
    format!("{share}{status}{flags}{}{details}", o.says)
}
