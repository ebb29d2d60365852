//! istioctl's own text format, for `--compat istioctl`.

use super::object::reference;
use crate::entry::Entry;
use crate::stdio::Sink;
use crate::term::safe;
use mesh_analyzers::Level;
use std::io;

pub fn give(entries: &[&Entry], sink: &mut Sink<'_>) -> io::Result<()> {
    for entry in entries {
        sink.text(&line(entry))?;
        sink.text("\n")?;
    }
    // istioctl ends with a line end even where it says nothing.
    if entries.is_empty() { sink.text("\n") } else { Ok(()) }
}

fn line(entry: &Entry) -> String {
    let color = match entry.level {
        Level::Error => "\u{1b}[1;31m",
        Level::Warning => "\u{1b}[33m",
        Level::Info => "",
    };
    let cluster = if entry.cluster.is_empty() { String::new() } else { format!("[{}] ", safe(&entry.cluster)) };
    let place = entry.place.as_ref().map_or_else(String::new, |p| format!(" {}", reference(p)));
    format!("{color}{}\u{1b}[0m [{}] {cluster}({}{}) {}", entry.level.name(), entry.code.id, safe(&entry.origin()), safe(&place), safe(&entry.message))
}
