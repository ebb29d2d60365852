//! Source texts and positions in them.

use std::sync::{Arc, OnceLock};

/// A byte range in a [`Source`], end exclusive. Sources are limited to 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }
    pub fn len(self) -> usize {
        (self.end.saturating_sub(self.start)) as usize
    }
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// A place as people count: line and column from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// One input text and the name it is shown by: a path as given, `-` for standard input.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    lines: OnceLock<Box<[u32]>>,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source { name: name.into(), text: text.into(), lines: OnceLock::new() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span; empty where the span lies outside the text or splits a character.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let mut starts = vec![0];
            for i in memchr::memchr2_iter(b'\n', b'\r', bytes) {
                // CRLF counts once, at its LF; a lone CR ends a line too.
                if bytes[i] == b'\n' || bytes.get(i + 1) != Some(&b'\n') {
                    starts.push(i as u32 + 1);
                }
            }
            starts.into_boxed_slice()
        })
    }

    /// Where a byte offset stands; offsets past the end give the last position.
    pub fn position(&self, offset: u32) -> Position {
        let offset = offset.min(self.text.len() as u32);
        let starts = self.line_starts();
        let line = starts.partition_point(|&s| s <= offset) - 1;
        let from = starts[line] as usize;
        let upto = self.text.as_bytes().get(from..offset as usize).unwrap_or_default();
        let column = upto.iter().filter(|b| (**b & 0xC0) != 0x80).count() as u32 + 1;
        Position { line: line as u32 + 1, column }
    }

    /// The text of a line (from 1) without its line end; empty where there is none.
    pub fn line(&self, line: u32) -> &str {
        let starts = self.line_starts();
        let Some(i) = (line as usize).checked_sub(1).filter(|i| *i < starts.len()) else { return "" };
        let end = starts.get(i + 1).map_or(self.text.len(), |e| *e as usize);
        self.text.get(starts[i] as usize..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    pub fn line_count(&self) -> u32 {
        self.line_starts().len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let s = Source::new("a", "é: 1\r\nb: 2\rc: 3\nd");
        assert_eq!(s.position(0), Position { line: 1, column: 1 });
        assert_eq!(s.position(2), Position { line: 1, column: 2 });
        assert_eq!(s.position(7), Position { line: 2, column: 1 });
        assert_eq!(s.position(12), Position { line: 3, column: 1 });
        assert_eq!(s.position(999), Position { line: 4, column: 2 });
        assert_eq!((s.line(1), s.line(2), s.line(4), s.line(9)), ("é: 1", "b: 2", "d", ""));
    }
}
