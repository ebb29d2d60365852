//! The format for people: a line a finding, its source line, what to do.

use super::snippet::snippet;
use super::{Amount, message_in_world};
use crate::entry::{Entry, Place};
use crate::term::safe;
use anstyle::{AnsiColor, Style};
use mesh_analyzers::Level;
use std::collections::{BTreeMap, BTreeSet};

/// A code that hits more objects than this is shown once and then counted.
const MANY: usize = 5;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const INFO: Style = AnsiColor::Cyan.on_default().bold();
const BOLD: Style = Style::new().bold();
const DIM: Style = AnsiColor::BrightBlue.on_default();

pub fn render(entries: &[Entry], amount: Amount) -> String {
    let mut objects: BTreeMap<&str, BTreeSet<(&str, &str, &str)>> = BTreeMap::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for e in entries {
        objects.entry(e.code.id).or_default().insert((&e.world, &e.cluster, &e.origin));
        *count.entry(e.code.id).or_default() += 1;
    }
    let mut out = String::new();
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        let id = entry.code.id;
        let hit = objects.get(id).map_or(0, BTreeSet::len);
        if amount == Amount::All || hit <= MANY {
            finding(&mut out, entry);
        } else if shown.insert(id) {
            finding(&mut out, entry);
            let more = count.get(id).map_or(0, |n| n - 1);
            out.push_str(&format!("  {DIM}={DIM:#} and {more} more of {id}, in {hit} objects in all (`--all` shows them)\n"));
        }
    }
    out
}

fn finding(out: &mut String, entry: &Entry) {
    let (word, style) = match entry.level {
        Level::Error => ("error", ERROR),
        Level::Warning => ("warning", WARNING),
        Level::Info => ("info", INFO),
    };
    let place = entry.place.as_ref().map_or_else(|| entry.origin.trim_start_matches("File ").to_owned(), location);
    out.push_str(&format!("{BOLD}{}:{BOLD:#} {style}{word}[{}]{style:#} {BOLD}{}{BOLD:#}\n", safe(&place), entry.code.id, safe(&message_in_world(entry))));
    let shown = entry.place.as_ref().and_then(|p| Some((p, snippet(p)?))).filter(|(_, s)| !s.text.is_empty());
    let gutter = shown.as_ref().map_or(1, |(p, _)| p.start.line.to_string().len());
    if let Some((place, snippet)) = shown {
        out.push_str(&format!("{DIM}{} |{DIM:#} {}\n", place.start.line, snippet.text));
        out.push_str(&format!("{DIM}{:gutter$} |{DIM:#} {:from$}{style}{}{style:#}\n", "", "", "^".repeat(snippet.len), from = snippet.from));
    }
    if let Some(help) = &entry.help {
        out.push_str(&format!("{:gutter$} {DIM}={DIM:#} help: {}\n", "", safe(help)));
    }
    for related in &entry.related {
        out.push_str(&format!("{:gutter$} {DIM}={DIM:#} {}: {}\n", "", safe(&location(&related.place)), safe(&related.label)));
    }
}

/// `file:line:column`.
fn location(place: &Place) -> String {
    format!("{}:{}:{}", place.file(), place.start.line, place.start.column)
}
