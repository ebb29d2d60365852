//! JUnit XML: a suite a file, a case a finding.

use super::message_in_world;
use crate::entry::{Age, Entry};
use crate::stdio::Sink;
use crate::term::safe;
use mesh_analyzers::Level;
use std::collections::BTreeMap;
use std::io;

pub fn give(entries: &[&Entry], fail_on: Option<Level>, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut suites: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        suites.entry(entry.file()).or_default().push(entry);
    }
    let fails = |e: &Entry| fail_on.is_some_and(|limit| e.level <= limit) && e.age != Some(Age::Known);
    let counts = |list: &[&Entry]| {
        let failures = list.iter().filter(|e| fails(e)).count();
        format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{}\"", list.len(), list.len() - failures)
    };
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"meshctl analyze\" {}>\n", counts(entries));
    for (file, list) in &suites {
        let file = xml(file);
        out.push_str(&format!("  <testsuite name=\"{file}\" {}>\n", counts(list)));
        for e in list {
            let line = e.place.as_ref().map_or(1, |p| p.start().line);
            let name = xml(&format!("{} {}:{line}", e.code.id, e.origin()));
            let message = xml(&message_in_world(e));
            out.push_str(&format!("    <testcase classname=\"{file}\" name=\"{name}\">\n"));
            if fails(e) {
                let help = e.help.as_ref().map_or_else(String::new, |h| format!("\nhelp: {}", xml(h)));
                out.push_str(&format!("      <failure type=\"{}\" message=\"{message}\">{file}:{line}: {message}{help}</failure>\n", e.level.name()));
            } else {
                // Below the threshold, or known: said, and no failure.
                out.push_str(&format!("      <skipped message=\"{}: {message}\"/>\n", e.level.name()));
            }
            out.push_str("    </testcase>\n");
            sink.text(&out)?;
            out.clear();
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    sink.text(&out)
}

/// Escaped, without the characters that XML has no place for.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in safe(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
