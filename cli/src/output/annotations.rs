//! Workflow commands of GitHub Actions: annotations on the changed files.

use super::message_in_world;
use crate::entry::{Age, Entry};
use crate::stdio::Sink;
use crate::term::safe;
use mesh_analyzers::Level;
use std::io;

pub fn give(entries: &[&Entry], sink: &mut Sink<'_>) -> io::Result<()> {
    // What was there before is none of this change's business.
    for entry in entries.iter().filter(|e| e.age != Some(Age::Known)) {
        let command = match entry.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "notice",
        };
        let mut properties = Vec::new();
        if let Some(p) = &entry.place {
            let (start, end) = (p.start(), p.end());
            properties.push(format!("file={}", property(p.file().trim_start_matches("./"))));
            properties.push(format!("line={},endLine={}", start.line, end.line));
            // A column is for places within one line.
            if start.line == end.line {
                properties.push(format!("col={},endColumn={}", start.column, end.column));
            }
        }
        properties.push(format!("title={}", property(&format!("{} {}", entry.code.id, entry.code.name))));
        let help = entry.help.as_ref().map_or_else(String::new, |h| format!("%0Ahelp: {}", data(h)));
        sink.text(&format!("::{command} {}::{}{help}\n", properties.join(","), data(&format!("{}: {}", entry.origin(), message_in_world(entry)))))?;
    }
    Ok(())
}

fn data(text: &str) -> String {
    safe(text).replace('%', "%25")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
