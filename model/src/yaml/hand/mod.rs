//! The fast path: the block style that manifests are written in, and JSON.
//!
//! It reads a subset of YAML and is sure of it: whatever it does not know (anchors, tags, tabs in odd places, merge
//! keys, explicit keys, every error) makes it give up, and [`super::full`] reads the document from its start. Where it
//! answers, it answers as `full` does, spans included; tests and a fuzz target hold it to that.

mod flow;
mod scalar;

use super::names::tag;
use super::tree::{Builder, NodeId, Style};
use super::{Limits, scalar::canonical_key};
use crate::source::{Source, Span};

/// The construct is left to the full parser.
struct GiveUp;

type Read<T> = Result<T, GiveUp>;

/// Longer implicit keys are an error of YAML.
const KEY_LIMIT: usize = 1000;

/// Reads one document into an empty builder. `false`: the builder holds nothing of use, ask the full parser.
pub fn parse(source: &Source, span: Span, limits: Limits, builder: &mut Builder) -> bool {
    let Some(bytes) = source.text().as_bytes().get(..span.end as usize) else { return false };
    let start = span.start as usize;
    if !bytes.get(start..).is_some_and(plain_text) {
        return false;
    }
    let mut hand = Hand { source, bytes, at: start, line: start, end: start, depth: 0, limits, builder, commented: false };
    hand.document().is_ok()
}

/// Printable characters and line ends only. What needs a closer look is left to the full parser.
fn plain_text(bytes: &[u8]) -> bool {
    let mut odd = false;
    for chunk in bytes.chunks(64) {
        let mut seen = false;
        for b in chunk {
            // Below space only LF may stand here; DEL, and from 0x80 on everything that is no ASCII.
            seen |= (*b < b' ' && *b != b'\n') | (*b >= 0x7f);
        }
        odd |= seen;
    }
    !odd || bytes.iter().enumerate().all(|(i, b)| match b {
        b'\t' | b'\n' | b' '..=0x7e => true,
        b'\r' => bytes.get(i + 1) == Some(&b'\n'),
        // C1 controls and NEL; line and paragraph separators, non-characters, the byte order mark.
        0xc2 => bytes.get(i + 1).is_some_and(|n| *n >= 0xa0),
        0xe2 => bytes.get(i + 1) != Some(&0x80) || !matches!(bytes.get(i + 2), Some(0xa8 | 0xa9)),
        0xef => !matches!(bytes.get(i + 1), Some(0xbb | 0xbf)),
        0x80.. => true,
        _ => false,
    })
}

struct Hand<'p> {
    source: &'p Source,
    /// The source up to the document's end.
    bytes: &'p [u8],
    at: usize,
    /// Where the line of `at` starts.
    line: usize,
    /// Where the last value that was read ends.
    end: usize,
    depth: usize,
    limits: Limits,
    builder: &'p mut Builder,
    /// A comment stands between the last value and `at`.
    commented: bool,
}

/// What ends a run of plain text.
#[derive(PartialEq, Eq)]
enum Stop {
    /// A `:` that separates key and value.
    Colon,
    /// The end of the line, or a comment.
    Line,
}

impl Hand<'_> {
    fn document(&mut self) -> Read<()> {
        let indent = self.content()?;
        if self.at >= self.bytes.len() {
            return Ok(());
        }
        self.block(-1, indent)?;
        if self.at < self.bytes.len() { Err(GiveUp) } else { Ok(()) }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(b'\n')
    }

    /// Whether the byte at `i` ends a token in block style: white space or the end of the text.
    fn blank(&self, i: usize) -> bool {
        matches!(self.bytes.get(i), None | Some(b' ' | b'\n' | b'\r' | b'\t'))
    }

    /// From the start of a line to the next text that is no comment; its indentation, -1 at the end.
    fn content(&mut self) -> Read<isize> {
        loop {
            self.line = self.at;
            self.at = scalar::skip_spaces(self.bytes, self.at);
            match self.bytes.get(self.at) {
                None => return Ok(-1),
                Some(b'\n') => self.at += 1,
                Some(b'\r') => self.at += 2,
                Some(b'#') => {
                    self.commented = true;
                    self.skip_line();
                }
                Some(b'\t') => return Err(GiveUp),
                Some(b'-' | b'.') if self.at == self.line && self.marker() => return Err(GiveUp),
                Some(b'%') if self.at == self.line => return Err(GiveUp),
                Some(_) => return Ok((self.at - self.line) as isize),
            }
        }
    }

    fn marker(&self) -> bool {
        let rest = &self.bytes[self.at..];
        (rest.starts_with(b"---") || rest.starts_with(b"...")) && self.blank(self.at + 3)
    }

    fn skip_line(&mut self) {
        self.at = memchr::memchr(b'\n', &self.bytes[self.at..]).map_or(self.bytes.len(), |n| self.at + n + 1);
    }

    /// Behind a value: white space, perhaps a comment, then the next content; its indentation.
    #[inline(always)]
    fn after_value(&mut self) -> Read<isize> {
        self.commented = false;
        let from = self.at;
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            None => return Ok(-1),
            Some(b'\n') => self.at += 1,
            Some(b'\r') => self.at += 2,
            Some(b'#') if self.at > from => {
                self.commented = true;
                self.skip_line();
            }
            _ => return Err(GiveUp),
        }
        self.content()
    }

    fn enter(&mut self) -> Read<()> {
        self.depth += 1;
        // The root counts too, as it does in the full parser.
        if self.depth > self.limits.depth || self.builder.len() > self.limits.nodes { Err(GiveUp) } else { Ok(()) }
    }

    fn leave(&mut self, id: NodeId, end: usize) {
        self.depth -= 1;
        self.end = end;
        self.builder.close(id, end);
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(start, end)
    }

    /// A value at `at`, in column `indent`, below a collection of indentation `parent`. Afterwards `at` is at the next
    /// content; its indentation is returned.
    fn block(&mut self, parent: isize, indent: isize) -> Read<isize> {
        match self.peek(0) {
            b'-' if self.blank(self.at + 1) => self.sequence(indent),
            b'"' | b'\'' => {
                let start = self.at;
                let line = self.line;
                let id = self.quoted(parent)?;
                let mut i = self.at;
                while self.bytes.get(i) == Some(&b' ') {
                    i += 1;
                }
                if self.bytes.get(i) == Some(&b':') {
                    if self.line != line {
                        return Err(GiveUp);
                    }
                    // A key: read it again as one.
                    self.builder.truncate(id);
                    self.at = start;
                    return self.mapping(indent);
                }
                self.after_value()
            }
            b'[' | b'{' => {
                self.flow(parent)?;
                self.after_value()
            }
            b'|' | b'>' => self.block_scalar(parent),
            _ => {
                let (start, end, stop) = self.plain()?;
                if stop == Stop::Colon {
                    return self.mapping_from(indent, Some((start, end)));
                }
                self.plain_value(parent, start, end)
            }
        }
    }

    fn sequence(&mut self, indent: isize) -> Read<isize> {
        self.enter()?;
        let id = self.builder.open_sequence(self.at);
        let next = loop {
            let dash = self.at;
            self.at += 1;
            let next = match self.value_start()? {
                Some(()) => self.block(indent, (self.at - self.line) as isize)?,
                None => {
                    let next = self.after_value()?;
                    if next > indent {
                        self.block(indent, next)?
                    } else {
                        self.end = dash + 1;
                        self.builder.scalar(Style::Plain, self.span(dash + 1, dash + 1));
                        next
                    }
                }
            };
            if next == indent && self.peek(0) == b'-' && self.blank(self.at + 1) {
                continue;
            }
            if next > indent {
                return Err(GiveUp);
            }
            break next;
        };
        self.leave(id, self.end);
        Ok(next)
    }

    /// Skips the blanks behind `-` or `:`. `None` where nothing but a comment follows on the line.
    #[inline(always)]
    fn value_start(&mut self) -> Read<Option<()>> {
        let from = self.at;
        while self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'\t') => Err(GiveUp),
            None | Some(b'\n' | b'\r') => Ok(None),
            Some(b'#') => {
                // `after_value` must see the blank before the comment.
                self.at = from;
                Ok(None)
            }
            Some(_) => Ok(Some(())),
        }
    }

    fn mapping(&mut self, indent: isize) -> Read<isize> {
        self.mapping_from(indent, None)
    }

    /// The same; where its first key is known to be plain, that is given, and `at` is at its colon.
    fn mapping_from(&mut self, indent: isize, first: Option<(usize, usize)>) -> Read<isize> {
        self.enter()?;
        let id = self.builder.open_mapping(first.map_or(self.at, |(start, _)| start));
        let mut keys = Keys::default();
        if let Some((start, end)) = first {
            self.plain_key(&mut keys, start, end)?;
        }
        let mut first = first.is_some();
        let next = loop {
            if !std::mem::take(&mut first) {
                self.key(&mut keys)?;
            }
            // At the colon.
            let colon = self.at;
            self.at += 1;
            let next = match self.value_start()? {
                Some(()) => self.inline_value(indent)?,
                None => {
                    let next = self.after_value()?;
                    if next > indent {
                        self.block(indent, next)?
                    } else if next == indent && self.peek(0) == b'-' && self.blank(self.at + 1) {
                        self.sequence(indent)?
                    } else {
                        self.end = colon;
                        self.builder.scalar(Style::Plain, self.span(colon, colon));
                        next
                    }
                }
            };
            if next == indent {
                continue;
            }
            if next > indent {
                return Err(GiveUp);
            }
            break next;
        };
        self.leave(id, self.end);
        if keys.collide {
            self.builder.find_duplicates(id, self.source);
        }
        Ok(next)
    }

    /// Reads a key up to its colon.
    fn key(&mut self, keys: &mut Keys) -> Read<()> {
        let start = self.at;
        if !matches!(self.peek(0), b'"' | b'\'') {
            let (start, end, stop) = self.plain()?;
            return if stop == Stop::Colon { self.plain_key(keys, start, end) } else { Err(GiveUp) };
        }
        // No line is indented that deep: a key stands on one line.
        let key = self.quoted(isize::MAX)?;
        while self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        if self.bytes.get(self.at) != Some(&b':') || !self.blank(self.at + 1) || self.at - start > KEY_LIMIT {
            return Err(GiveUp);
        }
        keys.note(self.builder.mark_key(key, self.source));
        Ok(())
    }

    #[inline(always)]
    fn plain_key(&mut self, keys: &mut Keys, start: usize, end: usize) -> Read<()> {
        let text = self.bytes.get(start..end).unwrap_or_default();
        if text == b"<<" || text.is_empty() || self.at - start > KEY_LIMIT {
            return Err(GiveUp);
        }
        let tag = tag(text);
        let key = self.builder.key(self.span(start, end), tag, text);
        let first = text[0];
        if !first.is_ascii_alphabetic() || text.len() <= 5 && b"nNtTfFyYoO".contains(&first) {
            let canonical = canonical_key(self.source.slice(self.span(start, end)));
            if let Some(canonical) = canonical {
                self.builder.set_text(key, &canonical);
                keys.note(self.builder.mark_key(key, self.source));
                return Ok(());
            }
        }
        keys.note(tag);
        Ok(())
    }

    /// A value behind `key: `.
    #[inline(always)]
    fn inline_value(&mut self, indent: isize) -> Read<isize> {
        match self.peek(0) {
            b'"' | b'\'' => {
                self.quoted(indent)?;
                self.after_value()
            }
            b'[' | b'{' => {
                self.flow(indent)?;
                self.after_value()
            }
            b'|' | b'>' => self.block_scalar(indent),
            _ => {
                let (start, end, stop) = self.plain()?;
                if stop == Stop::Colon {
                    return Err(GiveUp);
                }
                self.plain_value(indent, start, end)
            }
        }
    }
}

/// Notes whether two keys of a mapping may be equal; only then they are compared.
#[derive(Default)]
struct Keys {
    seen: u64,
    collide: bool,
}

impl Keys {
    fn note(&mut self, tag: u32) {
        let bit = 1u64 << (tag >> 18);
        self.collide |= self.seen & bit != 0;
        self.seen |= bit;
    }
}
