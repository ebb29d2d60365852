//! Regular expressions of Envoy: RE2's syntax, matched against whole texts.

use regex::Regex;

/// An expression that must match a whole text; the error is a clause.
pub fn whole(source: &str) -> Result<Regex, String> {
    compiled(&format!(r"\A(?:{})\z", to_rust(source))).map_err(|()| unreadable(source))
}

/// An expression that may match anywhere in a text; the error is a clause.
pub fn anywhere(source: &str) -> Result<Regex, String> {
    compiled(&to_rust(source)).map_err(|()| unreadable(source))
}

fn compiled(pattern: &str) -> Result<Regex, ()> {
    regex::RegexBuilder::new(pattern).size_limit(4 << 20).build().map_err(|_| ())
}

fn unreadable(source: &str) -> String {
    format!("a regular expression that can't be read: `{source}`")
}

/// RE2's syntax in that of the `regex` crate: `\d`, `\w`, `\s`, `\b` are ASCII there, set operators and nested sets do not
/// exist, and `\Q…\E` quotes.
fn to_rust(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut chars = source.chars().peekable();
    let mut set = false;
    // Where in a set `]` is still an ordinary character: right after `[` or `[^`.
    let mut first = false;
    while let Some(c) = chars.next() {
        let was_first = std::mem::take(&mut first);
        match c {
            '\\' => match chars.next() {
                Some('Q') if !set => quote(&mut chars, &mut out),
                Some(class @ ('d' | 'D' | 'w' | 'W' | 's' | 'S')) => out.push_str(perl_class(class, set)),
                Some(b @ ('b' | 'B')) if !set => out.push_str(if b == 'b' { "(?-u:\\b)" } else { "(?-u:\\B)" }),
                Some('E') => {}
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' if !set => {
                set = true;
                first = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            '[' if chars.peek() == Some(&':') => out.push('['),
            '[' => out.push_str("\\["),
            ']' if set && was_first => out.push_str("\\]"),
            ']' if set && out.ends_with(':') => out.push(']'),
            ']' => {
                set = false;
                out.push(']');
            }
            '&' | '~' if set => out.extend(['\\', c]),
            // `--` is a set operator here; a dash before another is a range from or to a dash, or itself.
            '-' if set && chars.peek() == Some(&'-') => out.push_str("\\-"),
            other => out.push(other),
        }
    }
    out
}

fn quote(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next_if_eq(&'E').is_some() {
            return;
        }
        out.push_str(&regex::escape(&c.to_string()));
    }
}

fn perl_class(class: char, in_set: bool) -> &'static str {
    match (class, in_set) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('D', _) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('w', true) => "0-9A-Za-z_",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\f\\r ]",
        ('s', true) => "\\t\\n\\f\\r ",
        _ => "[^\\t\\n\\f\\r ]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_match_whole_texts_in_the_syntax_of_re2() {
        for (source, text, want) in [
            ("/re/[0-9]+", "/re/12", true),
            ("/re/[0-9]+", "/re/12x", false),
            ("a|b", "ab", false),
            (r"\d+", "١", false),
            (r"[\d-]+", "1-2", true),
            (r"[^\D]+", "12", true),
            (r"[\w.]+", "a_b.c", true),
            ("[[a]+", "[a", true),
            ("[]a]+", "]a", true),
            ("[^]a]+", "bc", true),
            ("[[:alpha:]]+", "ab", true),
            ("[a&&b]+", "&ab", true),
            (r"\Qa.b\E.", "a.bc", true),
            (r"\Qa.b\E.", "axbc", false),
            ("(?i)abc", "ABC", true),
            (r"a\/b", "a/b", true),
            (".*", "a\nb", false),
        ] {
            assert_eq!(whole(source).map(|r| r.is_match(text)), Ok(want), "{source} on {text}");
        }
        assert!(whole("(").is_err());
    }
}
