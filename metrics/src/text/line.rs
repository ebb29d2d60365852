//! The pieces of a line: names, label blocks, numbers. A cursor moves over the page's text and stops at a line's end.

/// Bytes that a name may hold; the first one is not a digit.
const NAME: u8 = 1;
const DIGIT: u8 = 2;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphabetic() || b == b'_' || b == b':' {
            table[byte] = NAME;
        } else if b.is_ascii_digit() {
            table[byte] = DIGIT;
        }
        byte += 1;
    }
    table
};

/// What is wrong at the cursor's place.
pub(super) type Fault = &'static str;

/// The name and the labels of one sample: `name{labels}` or `{"name",labels}`.
pub(super) struct Head<'a> {
    pub name: &'a str,
    pub labels: &'a str,
}

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Cursor { text, at: 0 }
    }

    pub fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Where the line that holds the cursor ends: at its newline, or at the end of the text.
    pub fn line_end(&self) -> usize {
        memchr::memchr(b'\n', &self.text.as_bytes()[self.at..]).map_or(self.text.len(), |n| self.at + n)
    }

    #[inline]
    fn bare_name(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        if bytes.get(start).is_none_or(|b| CLASS[usize::from(*b)] != NAME) {
            return None;
        }
        let mut at = start + 1;
        while bytes.get(at).is_some_and(|b| CLASS[usize::from(*b)] != 0) {
            at += 1;
        }
        self.at = at;
        Some(&self.text[start..at])
    }

    /// A quoted string, without its quotes and with its escapes.
    #[inline]
    fn quoted(&mut self) -> Result<&'a str, Fault> {
        if !self.accept(b'"') {
            return Err("a quoted value must stand here");
        }
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start;
        loop {
            match memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..]) {
                Some(n) if bytes[at + n] == b'"' => {
                    self.at = at + n + 1;
                    return Ok(&self.text[start..at + n]);
                }
                // The escaped byte is ASCII or the first of a character; either way it is no quote.
                Some(n) if bytes[at + n] == b'\\' && bytes.get(at + n + 1).is_some_and(|b| *b != b'\n') => at += n + 2,
                _ => return Err("the closing quote is missing"),
            }
        }
    }

    /// The next `name="value"` and the comma behind it; `None` at the closing brace or the end of the text.
    #[inline]
    pub fn next_label(&mut self) -> Result<Option<(&'a str, &'a str)>, Fault> {
        self.skip_blanks();
        if matches!(self.peek(), None | Some(b'}')) {
            return Ok(None);
        }
        let name = match self.bare_name() {
            Some(name) if !name.contains(':') => name,
            Some(_) => return Err("a label's name has no colon"),
            None if self.peek() == Some(b'"') => self.quoted()?,
            None => return Err("a label's name or `}` must stand here"),
        };
        self.skip_blanks();
        if !self.accept(b'=') {
            return Err("`=` must follow a label's name");
        }
        self.skip_blanks();
        let value = self.quoted()?;
        self.skip_blanks();
        if !self.accept(b',') && !matches!(self.peek(), None | Some(b'}')) {
            return Err("`,` or `}` must follow a label");
        }
        Ok(Some((name, value)))
    }

    /// `{…}` with the cursor behind the opening brace; gives what is inside and leaves the cursor behind the closing one.
    fn label_block(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        while self.next_label()?.is_some() {}
        let end = self.at;
        if self.accept(b'}') { Ok(&self.text[start..end]) } else { Err("the closing brace is missing") }
    }

    pub fn head(&mut self) -> Result<Head<'a>, Fault> {
        if let Some(name) = self.bare_name() {
            self.skip_blanks();
            let labels = if self.accept(b'{') { self.label_block()? } else { "" };
            return Ok(Head { name, labels });
        }
        if !self.accept(b'{') {
            return Err("a metric's name must stand here");
        }
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err("a quoted metric name must be the first thing in the braces");
        }
        let name = self.quoted()?;
        self.skip_blanks();
        if !self.accept(b',') && self.peek() != Some(b'}') {
            return Err("`,` or `}` must follow the metric's name");
        }
        if name.is_empty() {
            return Err("the metric's name is empty");
        }
        Ok(Head { name, labels: self.label_block()? })
    }

    /// The next word up to a blank or the line's end; empty at the end.
    pub fn word(&mut self) -> &'a str {
        self.skip_blanks();
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start;
        while bytes.get(at).is_some_and(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        self.at = at;
        &self.text[start..at]
    }

    /// The rest of the line without blanks at either side.
    pub fn rest(&mut self) -> &'a str {
        self.skip_blanks();
        let (start, end) = (self.at, self.line_end());
        self.at = end;
        self.text[start..end].trim_end_matches(['\r', ' ', '\t'])
    }
}

/// A number as Prometheus reads it: decimal, or `NaN`, `Inf`, `+Inf`, `-Inf` in any case. No hexadecimal, no underscores.
#[inline]
pub(super) fn number(word: &str) -> Option<f64> {
    let bytes = word.as_bytes();
    // Most values are short counts: these are exact without the general way.
    if bytes.len() <= 15 && !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
        return Some(bytes.iter().fold(0_u64, |n, b| n * 10 + u64::from(b - b'0')) as f64);
    }
    let signed_nan = bytes.len() == 4 && bytes[1..].eq_ignore_ascii_case(b"nan");
    if signed_nan { None } else { word.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_prometheus_reads_them() {
        for (word, want) in [("0", 0.0), ("12", 12.0), ("1e3", 1e3), ("-0.5", -0.5), ("+Inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY), (".5", 0.5)] {
            assert_eq!(number(word), Some(want), "{word}");
        }
        assert!(number("NaN").is_some_and(f64::is_nan));
        for word in ["", "0x1p3", "1_000", "-NaN", "1,5", "é234", "1é2"] {
            assert_eq!(number(word), None, "{word}");
        }
        assert_eq!(number("1234567890123456789"), Some(1234567890123456789.0));
    }
}
