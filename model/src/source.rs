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
    counts: OnceLock<Counts>,
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

/// So many invalid places are noted; what follows them is no text, and is not kept.
const INVALID_LIMIT: usize = 1000;

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Source> {
        Arc::new(Source::of(name.into(), text.into()))
    }

    fn of(name: String, text: String) -> Source {
        Source { name, text, counts: OnceLock::new(), invalid: Box::default(), cut: None }
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

    fn counts(&self) -> &Counts {
        self.counts.get_or_init(|| Counts::new(self.text.as_bytes()))
    }

    /// Where a byte offset stands; offsets past the end give the last position.
    pub fn position(&self, offset: u32) -> Position {
        let bytes = self.text.as_bytes();
        let offset = (offset as usize).min(bytes.len());
        let counts = self.counts();
        let line = counts.lines_before(bytes, offset);
        let start = counts.line_start(bytes, line).unwrap_or(0);
        let column = counts.characters_before(bytes, offset) - counts.characters_before(bytes, start);
        Position { line: line + 1, column: column + 1 }
    }

    /// The text of a line (from 1) without its line end; empty where there is none.
    pub fn line(&self, line: u32) -> &str {
        let (bytes, counts) = (self.text.as_bytes(), self.counts());
        let Some(start) = line.checked_sub(1).and_then(|l| counts.line_start(bytes, l)) else { return "" };
        let end = counts.line_start(bytes, line).unwrap_or(bytes.len());
        self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    pub fn line_count(&self) -> u32 {
        self.counts().lines_before(self.text.as_bytes(), self.text.len()) + 1
    }
}

/// Lines and characters are counted once a block, and from there on where a place is asked for: many places in one long
/// line cost no more than in short ones, and a large text is not searched for all of its lines.
#[derive(Debug)]
struct Counts {
    /// Line ends and characters before each block.
    blocks: Box<[(u32, u32)]>,
    ends: LineEnds,
}

const BLOCK: usize = 4096;

/// How lines end in a text.
#[derive(Clone, Copy, Debug)]
enum LineEnds {
    /// With LF alone.
    Lf,
    /// CRLF counts once, at its LF; a lone CR ends a line too.
    Any,
}

impl LineEnds {
    /// The line ends that stand from one place to another.
    fn within(bytes: &[u8], from: usize, to: usize) -> impl Iterator<Item = usize> {
        let found = memchr::memchr2_iter(b'\n', b'\r', &bytes[from..to]).map(move |i| from + i);
        found.filter(|i| bytes[*i] == b'\n' || bytes.get(i + 1) != Some(&b'\n'))
    }
    fn count(self, bytes: &[u8], from: usize, to: usize) -> u32 {
        match self {
            LineEnds::Lf => memchr::memchr_iter(b'\n', &bytes[from..to]).count() as u32,
            LineEnds::Any => LineEnds::within(bytes, from, to).count() as u32,
        }
    }
}

impl Counts {
    fn new(bytes: &[u8]) -> Counts {
        let ends = if memchr::memchr(b'\r', bytes).is_some() { LineEnds::Any } else { LineEnds::Lf };
        let (mut lines, mut characters) = (0, 0);
        let count = |i: usize| {
            let before = (lines, characters);
            let (from, to) = (i * BLOCK, (i * BLOCK + BLOCK).min(bytes.len()));
            lines += ends.count(bytes, from, to);
            characters += count_characters(&bytes[from..to]);
            before
        };
        Counts { blocks: (0..bytes.len() / BLOCK + 1).map(count).collect(), ends }
    }
    fn before(&self, at: usize) -> (usize, (u32, u32)) {
        let block = (at / BLOCK).min(self.blocks.len() - 1);
        (block * BLOCK, self.blocks[block])
    }
    fn lines_before(&self, bytes: &[u8], at: usize) -> u32 {
        let (from, (lines, _)) = self.before(at);
        lines + self.ends.count(bytes, from, at)
    }
    fn characters_before(&self, bytes: &[u8], at: usize) -> u32 {
        let (from, (_, characters)) = self.before(at);
        characters + count_characters(&bytes[from..at])
    }
    /// Where a line (from 0) starts, if there is one.
    fn line_start(&self, bytes: &[u8], line: u32) -> Option<usize> {
        let Some(nth) = line.checked_sub(1) else { return Some(0) };
        let block = self.blocks.partition_point(|(lines, _)| *lines <= nth) - 1;
        let from = block * BLOCK;
        let to = (from + BLOCK).min(bytes.len());
        LineEnds::within(bytes, from, to).nth((nth - self.blocks[block].0) as usize).map(|i| i + 1)
    }
}

/// Characters in bytes of UTF-8.
fn count_characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|b| (**b & 0xC0) != 0x80).count() as u32
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

    /// Against the plain way to count, with every line end at every place of a block.
    #[test]
    fn positions_in_long_texts_are_counted_alike() {
        for ends in ["\n", "\r\n", "\r", "é\n\n"] {
            for shift in 0..3 {
                let text = format!("{}{}{}", "y".repeat(shift), format!("xé{ends}").repeat(BLOCK / 4), "é".repeat(BLOCK));
                let s = Source::new("a", text.as_str());
                let (mut line, mut column) = (1, 1);
                let mut starts = vec![0];
                for (at, c) in text.char_indices() {
                    if at % BLOCK < 8 || at % BLOCK > BLOCK - 8 || at % 97 == 0 {
                        assert_eq!(s.position(at as u32), Position { line, column }, "{ends:?} {at}");
                    }
                    column += 1;
                    if c == '\n' || c == '\r' && !text[at + 1..].starts_with('\n') {
                        (line, column) = (line + 1, 1);
                        starts.push(at + c.len_utf8());
                    }
                }
                assert_eq!(s.line_count(), line);
                for (i, start) in starts.iter().enumerate().filter(|(i, start)| i % 97 == 0 || *start % BLOCK < 8) {
                    let end = starts.get(i + 1).copied().unwrap_or(text.len());
                    assert_eq!(s.line(i as u32 + 1), text[*start..end].trim_end_matches(['\r', '\n']), "{ends:?} {i}");
                }
                assert_eq!(s.line(line + 1), "");
            }
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
