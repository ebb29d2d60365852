//! Scalars of the fast path.

use super::{GiveUp, Hand, Read, Stop};
use crate::yaml::tree::{NodeId, Style};

/// Marks the bytes of `word` that equal `byte`: the lowest mark is right, those above it need not be.
fn marks(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let x = word ^ (ONES * u64::from(byte));
    x.wrapping_sub(ONES) & !x & (ONES << 7)
}

/// Eight bytes at once, where there are so many.
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).and_then(|w| w.try_into().ok()).map(u64::from_le_bytes)
}

/// From `at` to the next LF, `:` or `#`.
#[inline(always)]
fn next_stop(bytes: &[u8], mut at: usize) -> usize {
    while let Some(w) = word(bytes, at) {
        let found = marks(w, b'\n') | marks(w, b':') | marks(w, b'#');
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    bytes.get(at..).and_then(|rest| rest.iter().position(|b| matches!(b, b'\n' | b':' | b'#'))).map_or(bytes.len(), |n| at + n)
}

/// From `at` to the next byte that is no space.
#[inline(always)]
pub(super) fn skip_spaces(bytes: &[u8], mut at: usize) -> usize {
    while let Some(w) = word(bytes, at) {
        let other = w ^ u64::from_le_bytes([b' '; 8]);
        if other != 0 {
            return at + other.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b != b' ')).map_or(bytes.len(), |n| at + n)
}

impl Hand<'_> {
    /// A run of plain text on one line: start, end without trailing blanks, and what ended it. `at` is there.
    #[inline(always)]
    pub(super) fn plain(&mut self) -> Read<(usize, usize, Stop)> {
        match self.peek(0) {
            b'-' if !matches!(self.peek(1), b' ' | b'\n' | b'\r' | b'\t') => {}
            b'-' | b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@' | b'`' => {
                return Err(GiveUp);
            }
            _ => {}
        }
        self.plain_rest()
    }

    /// The same, where any text may start: the continuation of a plain scalar.
    #[inline(always)]
    fn plain_rest(&mut self) -> Read<(usize, usize, Stop)> {
        let (bytes, start) = (self.bytes, self.at);
        let mut i = start;
        let stop = loop {
            i = next_stop(bytes, i);
            match bytes.get(i) {
                Some(b':') if self.blank(i + 1) => break Stop::Colon,
                Some(b'#') if i > start && matches!(bytes[i - 1], b' ' | b'\t') => break Stop::Line,
                None | Some(b'\n') => break Stop::Line,
                _ => i += 1,
            }
        };
        let mut end = i;
        // A CR stands only before an LF.
        while end > start && matches!(bytes[end - 1], b' ' | b'\t' | b'\r') {
            end -= 1;
        }
        if end == start {
            return Err(GiveUp);
        }
        // A comment is skipped by `after_value`, which wants to see the blank before it.
        self.at = if stop == Stop::Colon { i } else { end };
        Ok((start, end, stop))
    }

    /// The value whose first line is given, perhaps continued on deeper lines.
    #[inline(always)]
    pub(super) fn plain_value(&mut self, parent: isize, start: usize, end: usize) -> Read<isize> {
        let next = self.after_value()?;
        self.end = end;
        if next <= parent {
            self.builder.scalar(Style::Plain, self.span(start, end));
            return Ok(next);
        }
        self.folded_plain(parent, start, end)
    }

    fn folded_plain(&mut self, parent: isize, start: usize, first_end: usize) -> Read<isize> {
        let mut text = self.text(start, first_end)?.to_owned();
        let mut end = first_end;
        loop {
            // A comment ends a plain scalar; what stands behind it can't belong to it.
            if self.commented {
                return Err(GiveUp);
            }
            let breaks = self.bytes[end..self.at].iter().filter(|b| **b == b'\n').count();
            match breaks {
                1 => text.push(' '),
                n => (1..n).for_each(|_| text.push('\n')),
            }
            let (from, to, stop) = self.plain_rest()?;
            if stop == Stop::Colon {
                return Err(GiveUp);
            }
            text.push_str(self.text(from, to)?);
            end = to;
            let next = self.after_value()?;
            if next <= parent {
                self.end = end;
                self.builder.scalar_owned(Style::Plain, self.span(start, end), &text);
                return Ok(next);
            }
        }
    }

    fn text(&self, start: usize, end: usize) -> Read<&str> {
        std::str::from_utf8(&self.bytes[start..end]).map_err(|_| GiveUp)
    }

    /// A quoted scalar below a collection of indentation `parent`; `at` is behind its closing quote.
    pub(super) fn quoted(&mut self, parent: isize) -> Read<NodeId> {
        let start = self.at;
        let id = if self.bytes[start] == b'"' { self.double_quoted(start, parent)? } else { self.single_quoted(start, parent)? };
        self.end = self.at;
        Ok(id)
    }

    fn double_quoted(&mut self, start: usize, parent: isize) -> Read<NodeId> {
        let mut from = start + 1;
        let mut text: Option<String> = None;
        loop {
            let i = from + memchr::memchr3(b'"', b'\\', b'\n', &self.bytes[from..]).ok_or(GiveUp)?;
            match self.bytes[i] {
                b'"' => return self.close_quote(Style::DoubleQuoted, start, from, i, text),
                b'\n' => from = self.quoted_break(text.get_or_insert_default(), from, i, parent)?,
                _ => {
                    let text = text.get_or_insert_default();
                    text.push_str(self.text(from, i)?);
                    let (c, len) = self.escape(i + 1)?;
                    text.push(c);
                    from = i + len;
                    // Blanks that end a line are dropped unless they are escaped, and then some: not for us.
                    if matches!(self.bytes.get(from), Some(b' ' | b'\t' | b'\n' | b'\r')) && self.ends_line(from) {
                        return Err(GiveUp);
                    }
                }
            }
        }
    }

    /// The character of an escape whose letter is at `i`, and its length with the backslash.
    fn escape(&self, i: usize) -> Read<(char, usize)> {
        Ok(match self.bytes.get(i).ok_or(GiveUp)? {
            b'n' => ('\n', 2),
            b't' => ('\t', 2),
            b'r' => ('\r', 2),
            b'"' => ('"', 2),
            b'\\' => ('\\', 2),
            b'/' => ('/', 2),
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'u' => {
                let digits = self.bytes.get(i + 1..i + 5).filter(|d| d.iter().all(u8::is_ascii_hexdigit)).ok_or(GiveUp)?;
                let code = std::str::from_utf8(digits).ok().and_then(|d| u32::from_str_radix(d, 16).ok());
                // Halves of a surrogate pair have their own rules.
                (code.and_then(char::from_u32).ok_or(GiveUp)?, 6)
            }
            _ => return Err(GiveUp),
        })
    }

    fn ends_line(&self, i: usize) -> bool {
        self.bytes[i..].iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r')).is_none_or(|b| *b == b'\n')
    }

    fn single_quoted(&mut self, start: usize, parent: isize) -> Read<NodeId> {
        let mut from = start + 1;
        let mut text: Option<String> = None;
        loop {
            let i = from + memchr::memchr2(b'\'', b'\n', &self.bytes[from..]).ok_or(GiveUp)?;
            if self.bytes[i] == b'\n' {
                from = self.quoted_break(text.get_or_insert_default(), from, i, parent)?;
            } else if self.bytes.get(i + 1) == Some(&b'\'') {
                text.get_or_insert_default().push_str(self.text(from, i + 1)?);
                from = i + 2;
            } else {
                return self.close_quote(Style::SingleQuoted, start, from, i, text);
            }
        }
    }

    fn close_quote(&mut self, style: Style, start: usize, from: usize, quote: usize, text: Option<String>) -> Read<NodeId> {
        self.at = quote + 1;
        let span = self.span(start, quote + 1);
        Ok(match text {
            None => self.builder.scalar(style, span),
            Some(mut text) => {
                text.push_str(self.text(from, quote)?);
                self.builder.scalar_owned(style, span, &text)
            }
        })
    }

    /// Folds line ends within quotes: adds the text from `from` to the line end at `i`, then a space, or a line end for
    /// each empty line. Returns where the text goes on.
    fn quoted_break(&mut self, text: &mut String, from: usize, i: usize, parent: isize) -> Read<usize> {
        text.push_str(self.text(from, i)?.trim_end_matches([' ', '\t', '\r']));
        let mut at = i + 1;
        let mut breaks = 1;
        loop {
            let line = at;
            while self.bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            match self.bytes.get(at) {
                None | Some(b'\t') => return Err(GiveUp),
                Some(b'\n') => at += 1,
                Some(b'\r') => at += 2,
                // A line in the first column may be a marker.
                Some(_) if (at - line) as isize <= parent.max(0) => return Err(GiveUp),
                Some(_) => {
                    self.line = line;
                    break;
                }
            }
            breaks += 1;
        }
        match breaks {
            1 => text.push(' '),
            n => (1..n).for_each(|_| text.push('\n')),
        }
        Ok(at)
    }

    /// `|` or `>` with `-` or `+`, and the lines below that are deeper than `parent`.
    pub(super) fn block_scalar(&mut self, parent: isize) -> Read<isize> {
        if parent < 0 {
            return Err(GiveUp);
        }
        let style = if self.bytes[self.at] == b'|' { Style::Literal } else { Style::Folded };
        self.at += 1;
        let chomp = match self.peek(0) {
            c @ (b'-' | b'+') => {
                self.at += 1;
                c
            }
            _ => 0,
        };
        while self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            Some(b'\n') => self.at += 1,
            Some(b'\r') => self.at += 2,
            _ => return Err(GiveUp),
        }
        let (indent, mut line) = self.first_line(self.at, parent)?;
        let mut text = String::new();
        let mut breaks = 0;
        (self.at..line).filter(|i| self.bytes[*i] == b'\n').for_each(|_| text.push('\n'));
        let start = line + indent;
        let mut end = start;
        // One line a turn; `line` is its start.
        loop {
            let stop = memchr::memchr(b'\n', &self.bytes[line..]).map(|n| line + n);
            let full = &self.bytes[line..stop.unwrap_or(self.bytes.len())];
            let full = full.strip_suffix(b"\r").unwrap_or(full);
            let spaces = full.iter().take_while(|b| **b == b' ').count();
            if spaces == full.len() {
                // Blanks beyond the indentation are content; rare enough.
                if spaces > indent || stop.is_none() && spaces > 0 {
                    return Err(GiveUp);
                }
                breaks += 1;
            } else if spaces < indent {
                if full[spaces] == b'\t' {
                    return Err(GiveUp);
                }
                break;
            } else {
                let body = &full[indent..];
                if style == Style::Folded && matches!(body[0], b' ' | b'\t') {
                    return Err(GiveUp);
                }
                if line + indent > start {
                    if style == Style::Folded && breaks == 1 {
                        text.push(' ');
                    } else {
                        (usize::from(style == Style::Folded)..breaks).for_each(|_| text.push('\n'));
                    }
                }
                text.push_str(std::str::from_utf8(body).map_err(|_| GiveUp)?);
                end = line + indent + body.trim_ascii_end().len();
                breaks = 1;
            }
            let Some(stop) = stop else { break };
            line = stop + 1;
            if line >= self.bytes.len() {
                break;
            }
        }
        match chomp {
            b'-' => {}
            b'+' => (0..breaks).for_each(|_| text.push('\n')),
            _ => text.push('\n'),
        }
        self.end = end;
        self.builder.scalar_owned(style, self.span(start, end), &text);
        self.at = line.min(self.bytes.len());
        // The last line may lack its line end.
        if self.at < self.bytes.len() && self.at < end {
            self.at = self.bytes.len();
        }
        self.commented = false;
        let next = self.content()?;
        if next > parent { Err(GiveUp) } else { Ok(next) }
    }

    /// Indentation and start of the first line with text, which sets the indentation of a block scalar.
    fn first_line(&self, mut at: usize, parent: isize) -> Read<(usize, usize)> {
        let mut widest = 0;
        loop {
            let line = at;
            while self.bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            let indent = at - line;
            match self.bytes.get(at) {
                None | Some(b'\t') => return Err(GiveUp),
                Some(b'\n') => at += 1,
                Some(b'\r') => at += 2,
                Some(_) if indent as isize <= parent || indent < widest => return Err(GiveUp),
                Some(_) => return Ok((indent, line)),
            }
            widest = widest.max(indent);
        }
    }
}
