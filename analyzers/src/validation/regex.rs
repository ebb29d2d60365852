//! Regular expressions as Istio's webhook (Go) and Envoy (RE2) read them. The `regex` crate shares their family but
//! not their syntax: for it `/{id}` is a broken repetition, for RE2 the braces are plain characters.

use std::iter::Peekable;
use std::str::CharIndices;

/// At most this many bytes.
const LONGEST: usize = 1024;
/// The largest count of `{n,m}`, and of counts within counts.
const MOST_REPEATS: u32 = 1000;

/// Whether Envoy would accept the expression.
pub fn check(what: &str, text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("the regular expression of `{what}` has {} characters, more than {LONGEST}", text.len()));
    }
    compiles(text).map_err(|why| format!("`{text}` of `{what}` is not a valid RE2 regular expression: {why}"))
}

/// The reason why an expression does not compile, in one line.
pub fn compiles(text: &str) -> Result<(), String> {
    Parser { text, chars: text.char_indices().peekable(), names: Vec::new(), last: Last::Nothing, groups: Vec::new(), repeats: 1, last_repeats: 1 }.run()
}

/// What stands before a repetition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The beginning of the expression, of a group or of an alternative.
    Nothing,
    Item,
    Repetition,
}

struct Parser<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    names: Vec<&'t str>,
    last: Last,
    /// The most repeats seen in the groups around.
    groups: Vec<u32>,
    /// The most repeats in the group so far, and of the last item.
    repeats: u32,
    last_repeats: u32,
}

impl<'t> Parser<'t> {
    fn run(mut self) -> Result<(), String> {
        while let Some((at, c)) = self.chars.next() {
            match c {
                '(' => self.open(at)?,
                ')' => {
                    let Some(outer) = self.groups.pop() else { return Err("a `)` closes no group".to_owned()) };
                    let inner = self.repeats;
                    self.repeats = outer;
                    self.item(inner);
                }
                '|' => self.last = Last::Nothing,
                '*' | '+' | '?' => self.repeat(at, 1)?,
                '{' => match self.counts(at) {
                    Some((end, counts)) => {
                        let most = counts.ok_or_else(|| self.bad_repeat(at, end))?;
                        self.skip_to(end);
                        self.repeat(at, most)?;
                    }
                    None => self.item(1),
                },
                '[' => {
                    self.class()?;
                    self.item(1);
                }
                '\\' => self.escape_outside(at)?,
                _ => self.item(1),
            }
        }
        if self.groups.is_empty() { Ok(()) } else { Err("a `(` is never closed".to_owned()) }
    }

    fn item(&mut self, repeats: u32) {
        self.last = Last::Item;
        self.last_repeats = repeats;
        self.repeats = self.repeats.max(repeats);
    }

    /// Something that is no item but stands between a repetition and the next: `a*(?i)*` is valid, `a**` is not.
    fn between(&mut self) {
        if self.last == Last::Repetition {
            self.last = Last::Item;
        }
    }

    fn rest(&mut self) -> &'t str {
        self.chars.peek().map_or("", |(i, _)| &self.text[*i..])
    }

    fn skip_to(&mut self, end: usize) {
        while self.chars.next_if(|(i, _)| *i < end).is_some() {}
    }

    fn bad_repeat(&self, at: usize, end: usize) -> String {
        format!("`{}` is not a valid repetition; counts go up to {MOST_REPEATS}", self.text.get(at..end).unwrap_or(""))
    }

    fn repeat(&mut self, at: usize, count: u32) -> Result<(), String> {
        self.chars.next_if(|(_, c)| *c == '?');
        let end = self.chars.peek().map_or(self.text.len(), |(i, _)| *i);
        let operator = self.text.get(at..end).unwrap_or("");
        match self.last {
            Last::Nothing => return Err(format!("`{operator}` repeats nothing")),
            Last::Repetition => return Err(format!("`{operator}` repeats a repetition")),
            Last::Item => {}
        }
        let total = self.last_repeats.saturating_mul(count.max(1));
        if total > MOST_REPEATS {
            return Err(self.bad_repeat(at, end));
        }
        self.item(total);
        self.last = Last::Repetition;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}` at `at`: where it ends, and its larger count unless it is out of bounds. `None`
    /// where the brace is a plain character.
    fn counts(&self, at: usize) -> Option<(usize, Option<u32>)> {
        let rest = self.text.get(at + 1..)?;
        let close = rest.bytes().take(64).position(|b| b == b'}')?;
        let number = |s: &str| -> Option<u32> {
            let plain = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) && (s == "0" || !s.starts_with('0'));
            plain.then(|| s.parse().unwrap_or(u32::MAX))
        };
        let (min, max) = match rest[..close].split_once(',') {
            None => {
                let n = number(&rest[..close])?;
                (n, Some(n))
            }
            Some((n, "")) => (number(n)?, None),
            Some((n, m)) => (number(n)?, Some(number(m)?)),
        };
        let fits = min <= MOST_REPEATS && max.is_none_or(|m| m <= MOST_REPEATS && min <= m);
        Some((at + close + 2, fits.then(|| max.unwrap_or(min))))
    }

    fn open(&mut self, at: usize) -> Result<(), String> {
        let rest = self.rest();
        if let Some(inner) = rest.strip_prefix('?') {
            let named = inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<'));
            if let Some(named) = named.filter(|n| !n.starts_with(['=', '!'])) {
                let name = named.split_once('>').map_or("", |(n, _)| n);
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') || self.names.contains(&name) {
                    return Err("the name of a group is missing, invalid or used twice".to_owned());
                }
                self.names.push(name);
                let end = self.text.len() - named.len() + name.len() + 1;
                self.skip_to(end);
            } else {
                let flags = inner.bytes().take_while(|b| b.is_ascii_alphabetic() || *b == b'-').count();
                let (set, unset) = inner[..flags].split_once('-').map_or((&inner[..flags], None), |(s, u)| (s, Some(u)));
                let known = |f: &str| f.bytes().all(|b| b"imsU".contains(&b));
                let end = at + 2 + flags + 1;
                let valid = known(set) && unset.is_none_or(|u| known(u) && !u.is_empty());
                match inner.as_bytes().get(flags) {
                    Some(b':') if valid => self.skip_to(end),
                    // Flags for the rest of the group: no item of their own.
                    Some(b')') if valid && flags > 0 => {
                        self.skip_to(end);
                        self.between();
                        return Ok(());
                    }
                    _ => {
                        let mut shown = inner.char_indices().nth(2).map_or(inner.len(), |(i, _)| i);
                        shown = shown.max(flags.min(8));
                        return Err(format!("`(?{}` is not supported; RE2 has neither look-around nor other extensions", inner.get(..shown).unwrap_or(inner)));
                    }
                }
            }
        }
        self.groups.push(self.repeats);
        self.repeats = 1;
        self.last = Last::Nothing;
        Ok(())
    }

    fn escape_outside(&mut self, at: usize) -> Result<(), String> {
        match self.chars.peek().map(|(_, c)| *c) {
            Some('A' | 'z' | 'b' | 'B' | 'd' | 's' | 'w' | 'D' | 'S' | 'W') => {
                self.chars.next();
            }
            Some('Q') => {
                let rest = &self.rest()[1..];
                let quoted = rest.find("\\E");
                let end = self.text.len() - rest.len() + quoted.map_or(rest.len(), |i| i + 2);
                self.skip_to(end);
                if quoted == Some(0) || rest.is_empty() {
                    self.between();
                    return Ok(());
                }
            }
            Some('p' | 'P') => self.unicode_class(at)?,
            _ => {
                self.escape(at)?;
            }
        }
        self.item(1);
        Ok(())
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`, from the `p` on.
    fn unicode_class(&mut self, at: usize) -> Result<(), String> {
        self.chars.next();
        let rest = self.rest();
        let (name, length) = match rest.strip_prefix('{') {
            Some(inner) => match inner.split_once('}') {
                Some((name, _)) => (name, name.len() + 2),
                None => return Err("a `\\p{` is never closed".to_owned()),
            },
            None => {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                (&rest[..length], length)
            }
        };
        let end = self.text.len() - rest.len() + length;
        let bare = name.strip_prefix('^').unwrap_or(name);
        let known = !bare.is_empty()
            && bare.len() < 64
            && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && (bare == "Any" || regex_syntax::Parser::new().parse(&format!("\\p{{{bare}}}")).is_ok());
        if !known {
            return Err(format!("`{}` is no class of characters", self.text.get(at..end).unwrap_or("")));
        }
        self.skip_to(end);
        Ok(())
    }

    /// The character that an escape stands for; the backslash is behind.
    fn escape(&mut self, at: usize) -> Result<char, String> {
        let Some((_, c)) = self.chars.next() else { return Err("it ends in a backslash".to_owned()) };
        let octal = |p: &mut Self| p.chars.next_if(|(_, c)| ('0'..='7').contains(c)).and_then(|(_, c)| c.to_digit(8));
        match c {
            '0'..='7' => {
                let mut code = c.to_digit(8).unwrap_or(0);
                let first = octal(self);
                if c != '0' && first.is_none() {
                    return Err(format!("`\\{c}` refers back to a group, which RE2 does not support"));
                }
                if let Some(d) = first {
                    code = code * 8 + d;
                    if let Some(d) = octal(self) {
                        code = code * 8 + d;
                    }
                }
                return Ok(char::from_u32(code).unwrap_or('\0'));
            }
            'x' => {
                let rest = self.rest();
                let (digits, length) = match rest.strip_prefix('{') {
                    Some(inner) => inner.split_once('}').map_or(("", 0), |(d, _)| (d, d.len() + 2)),
                    None => (rest.get(..2).unwrap_or(""), 2),
                };
                let hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|code| hex && *code <= 0x10_ffff);
                let Some(code) = code else { return Err("`\\x` is not followed by a character's code".to_owned()) };
                let end = self.text.len() - rest.len() + length;
                self.skip_to(end);
                return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            'a' => return Ok('\u{7}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => return Ok(c),
            _ => {}
        }
        let end = at + 1 + c.len_utf8();
        Err(format!("`{}` is no escape", self.text.get(at..end).unwrap_or("")))
    }

    /// A class, behind its `[`.
    fn class(&mut self) -> Result<(), String> {
        self.chars.next_if(|(_, c)| *c == '^');
        let mut first = true;
        loop {
            let unclosed = || "a `[` is never closed".to_owned();
            let (at, c) = self.chars.next().ok_or_else(unclosed)?;
            if c == ']' && !first {
                return Ok(());
            }
            first = false;
            if c == '['
                && let Some(inner) = self.rest().strip_prefix(':')
                && let Some((name, _)) = inner.split_once(":]")
            {
                let bare = name.strip_prefix('^').unwrap_or(name);
                if !POSIX.contains(&bare) {
                    return Err(format!("`[:{name}:]` is no class of characters"));
                }
                let end = at + 2 + name.len() + 2;
                self.skip_to(end);
                continue;
            }
            if c == '\\' {
                match self.chars.peek().map(|(_, c)| *c) {
                    Some('d' | 's' | 'w' | 'D' | 'S' | 'W') => {
                        self.chars.next();
                        continue;
                    }
                    Some('p' | 'P') => {
                        self.unicode_class(at)?;
                        continue;
                    }
                    _ => {}
                }
            }
            let low = if c == '\\' { self.escape(at)? } else { c };
            let mut ahead = self.rest().chars();
            if ahead.next() == Some('-') && !matches!(ahead.next(), Some(']')) {
                self.chars.next();
                let (high_at, c) = self.chars.next().ok_or_else(unclosed)?;
                let high = if c == '\\' { self.escape(high_at)? } else { c };
                if high < low {
                    return Err(format!("the range `{low}-{high}` is the wrong way round"));
                }
            }
        }
    }
}

const POSIX: &[&str] = &["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_re2_reads() {
        let good = r"/a/[0-9]+ a|b (?i)a (?P<n>a)(?<m>b) (?:a) (?i:a) (?i-s:a) a*? a{2} a{2,} a{2,3}? ^* a(?i)* []a] [^]a] [a-] [-a]
            [[:alpha:]_] [[:^digit:]] \pL \p{Greek} \P{^Lu} [\p{L}\d-] \Qa(b\E+ \x41 \x{41} \012 \0 \.\/\_\- \A\z\bx { {}
            /users/{id} a{,3} a{x} a{01} x{1000} (x{10}){100} [a&&b] [[a] a||b () } ] \< \% [é-ü] | (|a) [ab[]";
        for text in good.split_whitespace().chain([""]) {
            assert_eq!(compiles(text), Ok(()), "{text}");
        }
        let bad = r"[ ( ) a) (?=a) (?!a) (?<=a) (?<!a) (?>a) * +a a** a+* (*) |* a{2}{3} {2} a{3,2} a{1001} (x{10}){101} [b-a] []
            [a [[:foo:]] \p{Nope} \p{L \1 \8 \Z \y \é \ [\ (?P<a>x)(?P<a>y) (?P<>x) (?P=a) (?x)a (?) (?i \x \x4 \x{110000}
            \C (?-:a) [a-\d] a{99999999999}";
        for text in bad.split_whitespace() {
            assert!(compiles(text).is_err(), "{text}");
        }
        assert!(check("uri", &"a".repeat(1025)).is_err() && check("uri", &"a".repeat(1024)).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "[\\\\\\[\\](){}?*+|^$.,:<>=!PpQExua-c0-9é-]{0,24}") {
            let _ = compiles(&text);
        }

        /// Where both syntaxes are the same (no classes, braces or doubled repetitions), both refuse the same, and take the
        /// same.
        #[test]
        fn agrees_with_the_crate(text in "([a-c.^$|()]|\\(\\?:|[a-c.][*+?]|\\\\[dwsDWSbB.()*+?|]|\\[[a-c]{1,3}\\]|\\[\\^?a-c\\]|\\\\p\\{L\\}|x\\{[1-9],?\\}){0,12}") {
            prop_assume!(!text.contains("^*"));
            let theirs = regex_syntax::Parser::new().parse(&text);
            prop_assert_eq!(compiles(&text).is_ok(), theirs.is_ok(), "{}: {:?} {:?}", text, compiles(&text), theirs.err());
        }
    }
}
