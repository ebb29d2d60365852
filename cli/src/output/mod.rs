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
use crate::term::safe_json;
use mesh_analyzers::{Code, Level};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};
use serde_json::Value;

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

/// The whole of standard output. Text has ANSI colours; the caller takes them out where they are not wanted.
pub fn render(entries: &[&Entry], style: &Style) -> String {
    let value = |entry: &&Entry| match style.compat {
        Compat::Meshctl => object::object(entry),
        Compat::Istioctl => object::istioctl(entry, style.istio_minor),
    };
    match style.format {
        Format::Text => text::render(entries, style.amount),
        Format::Log => log::render(entries),
        Format::Json => safe_json(pretty(&Each(entries, value), if style.compat == Compat::Istioctl { b"\t" } else { b"  " })),
        Format::Yaml => safe_json(crate::print::document::render(&Value::Array(entries.iter().map(value).collect()), crate::print::document::Document::Yaml)),
        Format::Sarif => safe_json(pretty(&sarif::log(entries, style.status), b"  ")),
        Format::Junit => junit::render(entries, style.fail_on),
        Format::Github => annotations::render(entries),
        Format::Gitlab => safe_json(pretty(&gitlab::report(entries), b"  ")),
    }
}

/// An array of which one value at a time is in memory.
struct Each<'e, F>(&'e [&'e Entry], F);

impl<F: Fn(&&Entry) -> Value> Serialize for Each<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}

pub fn pretty(value: &impl Serialize, indent: &[u8]) -> String {
    let mut out = Vec::new();
    let mut ser = serde_json::Serializer::with_formatter(&mut out, serde_json::ser::PrettyFormatter::with_indent(indent));
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
