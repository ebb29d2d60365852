//! GitLab's code quality report.

use super::{Each, message_in_world};
use crate::entry::Entry;
use mesh_analyzers::Level;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn report<'e>(entries: &'e [&'e Entry]) -> impl Serialize + 'e {
    // GitLab drops entries whose fingerprint it has seen.
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let entry = move |e: &Entry| -> Value {
        let name = if e.world.is_empty() { e.fingerprint.to_string() } else { format!("{}-{}", e.fingerprint, e.world) };
        let n = seen.entry(name.clone()).or_default();
        *n += 1;
        let fingerprint = if *n == 1 { name } else { format!("{name}-{n}") };
        let line = e.place.as_ref().map_or(1, |p| p.start().line);
        let severity = match e.level {
            Level::Error => "major",
            Level::Warning => "minor",
            Level::Info => "info",
        };
        json!({
            "description": format!("{}: {}", e.origin(), message_in_world(e)), "check_name": e.code.id, "fingerprint": fingerprint,
            "severity": severity, "location": {"path": e.file().trim_start_matches("./"), "lines": {"begin": line}},
        })
    };
    Each::new(entries, entry)
}
