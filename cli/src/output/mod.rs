//! The formats of findings. Only the text format leaves anything out.

mod annotations;
mod gitlab;
pub mod junit;
mod log;
mod object;
mod sarif;
pub mod snippet;
mod text;

use crate::args::Format;
use crate::context::Compat;
use crate::entry::Entry;
use crate::print::document::{self, Document};
use crate::stdio::Sink;
use mesh_analyzers::{Code, Level};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::PrettyFormatter;
use std::cell::RefCell;
use std::io::{self, Write};

/// How much of a code that hits many objects is shown in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Short,
    All,
}

pub struct Style {
    pub format: Format,
    pub compat: Compat,
    pub amount: Amount,
    pub istio_minor: u16,
    pub status: u8,
    pub fail_on: Option<Level>,
}

/// Gives all of standard output, a finding after the other. Text has ANSI colours; the sink takes them out where they are
/// not wanted.
pub fn give(entries: &[&Entry], style: &Style, sink: &mut Sink<'_>) -> io::Result<()> {
    let value = |entry: &Entry| match style.compat {
        Compat::Meshctl => object::object(entry),
        Compat::Istioctl => object::istioctl(entry, style.istio_minor),
    };
    match style.format {
        Format::Text => text::give(entries, style.amount, sink),
        Format::Log => log::give(entries, sink),
        Format::Json => json(&Each::new(entries, value), if style.compat == Compat::Istioctl { b"\t" } else { b"  " }, sink),
        Format::Yaml if entries.is_empty() => sink.text("[]\n"),
        Format::Yaml => entries.iter().try_for_each(|e| sink.write_all(document::render(&Value::Array(vec![value(e)]), Document::Yaml).as_bytes())),
        Format::Sarif => json(&sarif::Log::new(entries, style.status), b"  ", sink),
        Format::Junit => junit::give(entries, style.fail_on, sink),
        Format::Github => annotations::give(entries, sink),
        Format::Gitlab => json(&gitlab::report(entries), b"  ", sink),
    }
}

/// An array of which one value at a time is in memory.
struct Each<'e, F> {
    entries: &'e [&'e Entry],
    value: RefCell<F>,
}

impl<'e, F: FnMut(&Entry) -> Value> Each<'e, F> {
    fn new(entries: &'e [&'e Entry], value: F) -> Each<'e, F> {
        Each { entries, value: RefCell::new(value) }
    }
}

impl<F: FnMut(&Entry) -> Value> Serialize for Each<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.iter().map(|e| (self.value.borrow_mut())(e)))
    }
}

fn json(value: &impl Serialize, indent: &[u8], sink: &mut Sink<'_>) -> io::Result<()> {
    let mut ser = serde_json::Serializer::with_formatter(&mut *sink, PrettyFormatter::with_indent(indent));
    value.serialize(&mut ser)?;
    sink.write_all(b"\n")
}

pub fn pretty(value: &impl Serialize, indent: &[u8]) -> String {
    let mut out = Vec::new();
    let mut ser = serde_json::Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(indent));
    // Writing values of JSON into memory cannot fail.
    let _ = value.serialize(&mut ser);
    let mut text = String::from_utf8(out).unwrap_or_default();
    text.push('\n');
    text
}

/// Where a code is explained.
pub fn documentation(code: &Code) -> String {
    if code.id.starts_with("IST") {
        format!("https://istio.io/latest/docs/reference/config/analysis/{}/", code.id.to_ascii_lowercase())
    } else {
        format!("{}/blob/main/docs/rules/{}.md", env!("CARGO_PKG_REPOSITORY"), code.id)
    }
}

/// A path as a relative URI: `a b/c.yaml` is `a%20b/c.yaml`.
fn uri(path: &str) -> String {
    /// All but what RFC 3986 leaves as it is, and the slashes.
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    utf8_percent_encode(path.trim_start_matches("./"), ESCAPED).to_string()
}

/// `[world] [cluster] message`, for formats that have no field of their own for it.
fn message_in_world(entry: &Entry) -> String {
    let mut out = String::new();
    for name in [&entry.world, &entry.cluster].into_iter().filter(|n| !n.is_empty()) {
        out.push_str(&format!("[{name}] "));
    }
    out + &entry.message
}
