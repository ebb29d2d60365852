//! Envoy's access logs: format strings, the lines that they make, and what wraps such lines on their way to a reader.

mod entry;
mod format;
mod json;
mod operator;
mod sample;
mod text;
mod unwrap;

pub use entry::{Entry, Field};
pub use format::{Format, FormatError, Piece};
pub use json::JsonKeys;
pub use operator::{Class, Operator};
pub use unwrap::{Layer, Origin, Unwrapper};

/// Recognizes lines: a format that was given, else the default ones of Envoy and Istio, text and JSON.
#[derive(Clone, Debug)]
pub struct Reader {
    formats: Vec<Format>,
    keys: JsonKeys,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq)]
pub enum Line<'l> {
    Entry(Box<Entry<'l>>),
    /// It has the look of an access log, and can't be read: why.
    Broken(String),
    /// Anything else: a line of an application, or of the proxy's own log.
    Other,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader { formats: vec![Format::istio(), Format::envoy()], keys: JsonKeys::default() }
    }
}

impl Reader {
    /// For one format, and JSON of the usual keys.
    pub fn of(format: Format) -> Reader {
        let keys = format.json_keys().unwrap_or_default();
        Reader { formats: vec![format], keys }
    }
    /// Reads one line that nothing wraps any more.
    pub fn read<'l>(&self, line: &'l str) -> Line<'l> {
        let line = line.trim_end_matches(['\n', '\r']);
        let trimmed = line.trim_start();
        if trimmed.starts_with('{') {
            return self.keys.read(trimmed);
        }
        for format in &self.formats {
            if let Some(entry) = format.read(line) {
                return Line::Entry(Box::new(entry));
            }
        }
        // Both default formats begin so.
        if line.starts_with('[') && line.contains("] \"") && line.contains(" HTTP/") {
            return Line::Broken("it begins like an access log and does not have the expected fields: give its format with --format".to_owned());
        }
        Line::Other
    }
}

/// What the fuzz target and its replay do: the first line as a format, then every line as one to be read.
#[doc(hidden)]
pub fn replay(text: &str) {
    let format = text.lines().next().and_then(|l| Format::parse(l).ok());
    let readers = [Some(Reader::default()), format.map(Reader::of)];
    let mut unwrapper = Unwrapper::default();
    for line in text.lines() {
        unwrapper.lines(line, &mut |inner, _, _| {
            let mut read = false;
            for reader in readers.iter().flatten() {
                if let Line::Entry(entry) = reader.read(inner) {
                    read = true;
                    // A text format only cuts a line into parts.
                    assert!(inner.trim_start().starts_with('{') || inner.contains(entry.text(Field::Path)));
                }
            }
            read
        });
    }
}

#[cfg(test)]
mod tests;
