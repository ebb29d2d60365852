//! The format for people: a line a finding, its source line, what to do.

use super::snippet::snippet;
use super::{Amount, message_in_world};
use crate::entry::{About, Entry, Place};
use crate::stdio::Sink;
use crate::term::safe;
use anstyle::{AnsiColor, Style};
use mesh_analyzers::Level;
use mesh_model::Tree;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::Arc;

/// A code that hits more objects than this is shown once and then counted.
const MANY: usize = 5;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const INFO: Style = AnsiColor::Cyan.on_default().bold();
const BOLD: Style = Style::new().bold();
const DIM: Style = AnsiColor::BrightBlue.on_default();

pub fn give(entries: &[&Entry], amount: Amount, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut codes: BTreeMap<&str, Hits> = BTreeMap::new();
    for entry in entries {
        codes.entry(entry.code.id).or_default().add(entry);
    }
    let mut out = String::new();
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for entry in entries {
        let id = entry.code.id;
        let hits = &codes[id];
        if amount == Amount::All || hits.places() <= MANY {
            finding(&mut out, entry);
        } else if shown.insert(id) {
            finding(&mut out, entry);
            let (more, places, sort) = (hits.findings - 1, hits.places(), hits.sort());
            out.push_str(&format!("  {DIM}={DIM:#} and {more} more of {id}, in {places} {sort} in all (`--all` shows them)\n"));
        }
        sink.text(&out)?;
        out.clear();
    }
    Ok(())
}

/// What a code hits. An object that stands in the input a million times is hit a million times.
#[derive(Default)]
struct Hits {
    findings: usize,
    /// Documents, by their address, and the objects' roots in them.
    objects: HashSet<(*const Tree, u32)>,
    /// Findings that belong to a file and to no object.
    in_files: usize,
}

impl Hits {
    fn add(&mut self, entry: &Entry) {
        self.findings += 1;
        match &entry.about {
            About::Object { object, .. } => drop(self.objects.insert((Arc::as_ptr(object.tree()), object.root().id()))),
            About::File(_) => self.in_files += 1,
        }
    }
    fn places(&self) -> usize {
        self.objects.len() + self.in_files
    }
    fn sort(&self) -> &'static str {
        if self.in_files == 0 { "objects" } else { "places" }
    }
}

fn finding(out: &mut String, entry: &Entry) {
    let (word, style) = match entry.level {
        Level::Error => ("error", ERROR),
        Level::Warning => ("warning", WARNING),
        Level::Info => ("info", INFO),
    };
    let place = entry.place.as_ref().map_or_else(|| entry.file().to_owned(), location);
    out.push_str(&format!("{BOLD}{}:{BOLD:#} {style}{word}[{}]{style:#} {BOLD}{}{BOLD:#}\n", safe(&place), entry.code.id, safe(&message_in_world(entry))));
    let shown = entry.place.as_ref().and_then(|p| Some((p, snippet(p)?))).filter(|(_, s)| !s.text.is_empty());
    let gutter = shown.as_ref().map_or(1, |(p, _)| p.start().line.to_string().len());
    if let Some((place, snippet)) = shown {
        out.push_str(&format!("{DIM}{} |{DIM:#} {}\n", place.start().line, snippet.text));
        out.push_str(&format!("{DIM}{:gutter$} |{DIM:#} {:from$}{style}{}{style:#}\n", "", "", "^".repeat(snippet.len), from = snippet.from));
    }
    if let Some(help) = &entry.help {
        let mut lines = help.lines();
        out.push_str(&format!("{:gutter$} {DIM}={DIM:#} help: {}\n", "", safe(lines.next().unwrap_or(""))));
        // What is offered to be pasted.
        lines.for_each(|line| out.push_str(&format!("{:gutter$}   {}\n", "", safe(line))));
    }
    for related in &entry.related {
        out.push_str(&format!("{:gutter$} {DIM}={DIM:#} {}: {}\n", "", safe(&location(&related.place)), safe(&related.label)));
    }
}

/// `file:line:column`.
fn location(place: &Place) -> String {
    format!("{}:{}:{}", place.file(), place.start().line, place.start().column)
}
