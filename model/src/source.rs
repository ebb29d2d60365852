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
    characters: OnceLock<Box<[u32]>>,
    invalid: Box<[Invalid]>,
    /// Behind so many bytes of the input nothing was kept.
    cut: Option<u64>,
}

/// Bytes of an input that are no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where their replacement stands in the text.
    pub at: u32,
    /// Where they stand in the input, in bytes from its start.
    pub offset: u64,
}

/// Characters are counted in blocks of so many bytes.
const BLOCK: usize = 1024;

/// Characters in bytes of UTF-8.
fn characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|b| (**b & 0xC0) != 0x80).count() as u32
}

/// So many invalid places are noted; what follows them is no text, and is not kept.
const INVALID_LIMIT: usize = 1000;

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source::of(name.into(), text.into()))
    }

    fn of(name: String, text: String) -> Source {
        Source { name, text, lines: OnceLock::new(), characters: OnceLock::new(), invalid: Box::default(), cut: None }
    }

    /// A source of bytes that should be UTF-8. Where they are not, the text holds a replacement character and the
    /// document around it is broken.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Arc<Source> {
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => return Source::new(name, text),
            Err(e) => e.into_bytes(),
        };
        let mut text = String::with_capacity(bytes.len());
        let mut invalid = Vec::new();
        let mut offset = 0;
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            offset += chunk.valid().len();
            if !chunk.invalid().is_empty() {
                invalid.push(Invalid { at: text.len() as u32, offset: offset as u64 });
                text.push(char::REPLACEMENT_CHARACTER);
                offset += chunk.invalid().len();
            }
            if invalid.len() == INVALID_LIMIT {
                break;
            }
        }
        let cut = (offset < bytes.len()).then_some(offset as u64);
        Arc::new(Source { invalid: invalid.into(), cut, ..Source::of(name.into(), text) })
    }

    /// Where the input was cut off for holding too many bytes that are no UTF-8, in bytes from its start; the text ends
    /// there.
    pub fn cut(&self) -> Option<u64> {
        self.cut
    }

    /// The bytes from `start` on; empty past the end.
    pub(crate) fn bytes_from(&self, start: usize) -> &[u8] {
        self.text.as_bytes().get(start..).unwrap_or_default()
    }

    /// The first place within a span that was no UTF-8.
    pub fn first_invalid(&self, span: Span) -> Option<Invalid> {
        let i = self.invalid.partition_point(|i| i.at < span.start);
        self.invalid.get(i).copied().filter(|i| i.at < span.end)
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
        let column = if offset as usize - from <= 4 * BLOCK {
            characters(self.text.as_bytes().get(from..offset as usize).unwrap_or_default())
        } else {
            self.characters_before(offset) - self.characters_before(from as u32)
        };
        Position { line: line as u32 + 1, column: column + 1 }
    }

    /// Characters before a byte: many places in one long line cost no more than in short ones.
    fn characters_before(&self, offset: u32) -> u32 {
        let bytes = self.text.as_bytes();
        let blocks = self.characters.get_or_init(|| {
            let mut sum = 0;
            let before = |block: &[u8]| {
                let before = sum;
                sum += characters(block);
                before
            };
            bytes.chunks(BLOCK).map(before).collect()
        });
        let block = offset as usize / BLOCK;
        match blocks.get(block) {
            Some(before) => before + characters(bytes.get(block * BLOCK..offset as usize).unwrap_or_default()),
            // The text ends with a whole block.
            None => blocks.last().map_or(0, |before| before + characters(&bytes[(blocks.len() - 1) * BLOCK..])),
        }
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
    fn bytes_that_are_no_utf8_are_noted() {
        let s = Source::from_bytes("a", b"a: b\nc: \xff\xfed\ne: \xc3\n".to_vec());
        assert_eq!(s.text(), "a: b\nc: \u{fffd}\u{fffd}d\ne: \u{fffd}\n");
        assert_eq!(s.first_invalid(Span::new(0, 5)), None);
        assert_eq!(s.first_invalid(Span::new(0, 99)), Some(Invalid { at: 8, offset: 8 }));
        assert_eq!(s.first_invalid(Span::new(16, 99)), Some(Invalid { at: 19, offset: 15 }));
        let cut = Source::from_bytes("a", vec![0xff; 1 << 20]);
        assert!(cut.text().len() < 4000);
        assert_eq!((cut.cut(), s.cut()), (Some(1000), None));
        assert_eq!(Source::from_bytes("a", vec![0xff; 1000]).cut(), None);
    }

    #[test]
    fn columns_of_long_lines_are_counted_alike() {
        let text = format!("a\n{}", "xé".repeat(BLOCK));
        let s = Source::new("a", text.as_str());
        for (at, _) in text.char_indices().skip(2).chain([(text.len(), ' ')]) {
            let plain = characters(&text.as_bytes()[2..at]) + 1;
            assert_eq!(s.position(at as u32), Position { line: 2, column: plain }, "{at}");
            assert_eq!(s.characters_before(at as u32), plain + 1, "{at}");
        }
    }

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
