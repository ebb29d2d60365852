//! What `analyze` finds, by namespace.

use super::is_asked;
use super::report::{Line, Section};
use crate::entry::Entry;
use mesh_analyzers::Level;
use std::collections::BTreeMap;

pub fn section(entries: &[Entry], asked: &[String]) -> Section {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for entry in entries.iter().filter(|e| e.namespace().is_empty() || is_asked(asked, e.namespace())) {
        let count = counts.entry(entry.namespace()).or_default();
        match entry.level {
            Level::Error => count.0 += 1,
            Level::Warning => count.1 += 1,
            Level::Info => {}
        }
    }
    let number = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let mut lines = Vec::new();
    for (namespace, (errors, warnings)) in counts {
        let (subject, command) = if namespace.is_empty() {
            ("the whole cluster".to_owned(), "meshctl analyze".to_owned())
        } else {
            (namespace.to_owned(), format!("meshctl analyze -n {namespace}"))
        };
        match (errors, warnings) {
            (0, 0) => {}
            (0, w) => lines.push(Line::warning(format!("{subject}: {}", number(w, "warning")), command)),
            (e, 0) => lines.push(Line::wrong(format!("{subject}: {}", number(e, "error")), command)),
            (e, w) => lines.push(Line::wrong(format!("{subject}: {} and {}", number(e, "error"), number(w, "warning")), command)),
        }
    }
    if lines.is_empty() {
        lines.push(Line::fine("no errors or warnings in the configuration"));
    }
    Section { title: "configuration", lines }
}
