//! Flow collections of the fast path: `[a, b]`, `{a: b}` and JSON.

use super::{GiveUp, Hand, Keys, Read};
use crate::yaml::tree::Style;

/// Bytes that end a run of plain text in a flow collection or need a look.
const STOPS: [bool; 256] = {
    let mut t = [false; 256];
    let stops = b"\n\r:#,[]{}";
    let mut i = 0;
    while i < stops.len() {
        t[stops[i] as usize] = true;
        i += 1;
    }
    t
};

impl Hand<'_> {
    /// A flow collection below a block collection of indentation `parent`; `at` is behind its closing bracket.
    pub(super) fn flow(&mut self, parent: isize) -> Read<()> {
        self.enter()?;
        let mapping = self.bytes[self.at] == b'{';
        let close = if mapping { b'}' } else { b']' };
        let id = if mapping { self.builder.open_mapping(self.at) } else { self.builder.open_sequence(self.at) };
        let mut keys = Keys::default();
        self.at += 1;
        self.flow_blank(parent)?;
        while self.bytes.get(self.at) != Some(&close) {
            if mapping {
                self.flow_key(&mut keys)?;
                self.flow_blank(parent)?;
            }
            self.flow_value(parent)?;
            self.flow_blank(parent)?;
            match self.bytes.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    self.flow_blank(parent)?;
                }
                Some(b) if *b == close => {}
                _ => return Err(GiveUp),
            }
        }
        self.at += 1;
        self.leave(id, self.at);
        if keys.collide {
            self.builder.find_duplicates(id, self.source);
        }
        Ok(())
    }

    fn flow_value(&mut self, parent: isize) -> Read<()> {
        match self.peek(0) {
            b'"' | b'\'' => self.quoted(parent).map(|_| ()),
            b'[' | b'{' => self.flow(parent),
            _ => {
                let (start, end) = self.flow_plain(parent)?;
                self.builder.scalar(Style::Plain, self.span(start, end));
                Ok(())
            }
        }
    }

    /// A key and its colon, on one line.
    fn flow_key(&mut self, keys: &mut Keys) -> Read<()> {
        let start = self.at;
        match self.peek(0) {
            b'"' | b'\'' => {
                let key = self.quoted(isize::MAX)?;
                keys.note(self.builder.mark_key(key, self.source));
                while self.bytes.get(self.at) == Some(&b' ') {
                    self.at += 1;
                }
            }
            _ => {
                self.flow_plain_start()?;
                let mut i = self.at;
                while self.bytes.get(i).is_some_and(|b| !STOPS[*b as usize] || (*b == b':' && !self.flow_end(i + 1))) {
                    i += 1;
                }
                let mut end = i;
                while end > start && self.bytes[end - 1] == b' ' {
                    end -= 1;
                }
                if end == start || self.bytes[end - 1] == b'\t' {
                    return Err(GiveUp);
                }
                self.at = i;
                self.plain_key(keys, start, end)?;
            }
        }
        // A value must follow: `{a: , b}` and `{a:}` are left to the full parser.
        if self.bytes.get(self.at) != Some(&b':') || self.at - start > super::KEY_LIMIT {
            return Err(GiveUp);
        }
        self.at += 1;
        if self.bytes[start] != b'"' && !self.blank(self.at) { Err(GiveUp) } else { Ok(()) }
    }

    fn flow_plain_start(&self) -> Read<()> {
        match self.peek(0) {
            b'-' if self.peek(1).is_ascii_alphanumeric() => Ok(()),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'/' | b'$' | b'<' | b'+' | b'~' | b'(' | b'^' | b'=' => Ok(()),
            _ => Err(GiveUp),
        }
    }

    fn flow_plain(&mut self, parent: isize) -> Read<(usize, usize)> {
        self.flow_plain_start()?;
        let start = self.at;
        let mut i = start;
        // A colon ends it before a blank only, as in Kubernetes' reader: `[2001:db8::]` is an address.
        while self.bytes.get(i).is_some_and(|b| !STOPS[*b as usize] || (*b == b':' && self.is_text_colon(i))) {
            i += 1;
        }
        let mut end = i;
        while end > start && matches!(self.bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        if !matches!(self.bytes.get(i), Some(b',' | b']' | b'}' | b'\n' | b'\r')) {
            return Err(GiveUp);
        }
        self.at = i;
        self.flow_blank(parent)?;
        // Text on the next line would go on with this scalar.
        if matches!(self.peek(0), b',' | b']' | b'}') { Ok((start, end)) } else { Err(GiveUp) }
    }

    /// Whether the byte at `i` lets a `:` before it separate key and value.
    fn flow_end(&self, i: usize) -> bool {
        self.blank(i) || matches!(self.bytes[i], b',' | b'[' | b']' | b'{' | b'}')
    }

    /// Whether a colon belongs to a plain text: no blank follows and, before an indicator, none stands in front.
    fn is_text_colon(&self, i: usize) -> bool {
        !self.flow_end(i + 1) || (!self.blank(i + 1) && matches!(self.bytes[i + 1], b',' | b']' | b'}') && !self.blank(i.wrapping_sub(1)))
    }

    /// White space between tokens. New lines must be deeper than the block collection around.
    fn flow_blank(&mut self, parent: isize) -> Read<()> {
        let mut fresh = false;
        loop {
            match self.bytes.get(self.at) {
                Some(b' ') => self.at += 1,
                Some(b'\t') if parent < 0 => self.at += 1,
                Some(b'\n') => {
                    self.at += 1;
                    self.line = self.at;
                    fresh = true;
                }
                Some(b'\r') => self.at += 1,
                None | Some(b'#' | b'\t') => return Err(GiveUp),
                Some(b) => {
                    let column = (self.at - self.line) as isize;
                    let marker = column == 0 && matches!(b, b'-' | b'.' | b'%');
                    return if fresh && (column <= parent || marker) { Err(GiveUp) } else { Ok(()) };
                }
            }
        }
    }
}
