//! Strings as YAML is written.

use super::scalar::{Scalar, resolve_plain};

/// Appends a string as a scalar in block style: plain where no reader could take it for anything but this string, else in
/// double quotes, on one line.
pub fn push_string(out: &mut String, text: &str) {
    use std::fmt::Write;
    let is_plain = text.as_bytes().first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b':' | b'|' | b'*' | b' '))
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && matches!(resolve_plain(text), Scalar::Str(_));
    if is_plain {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // What YAML calls not printable, and what editors take for an end of line.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, parse_document};
    use crate::{Source, Span};
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = String::new();
        push_string(&mut out, text);
        out
    }

    #[test]
    fn what_may_be_something_else_is_quoted() {
        for plain in ["a", "/a", "a.b/c", "outbound|80||a.b", "a b", "a:b", "x*"] {
            assert_eq!(written(plain), plain);
        }
        for (text, quoted) in [
            ("", "\"\""),
            ("y", "\"y\""),
            ("NULL", "\"NULL\""),
            ("1", "\"1\""),
            ("a: b", "\"a: b\""),
            ("a:", "\"a:\""),
            ("*a", "\"*a\""),
            ("a\n\u{9b}", "\"a\\n\\u009b\""),
        ] {
            assert_eq!(written(text), quoted);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in "[ -~]{0,12}|\\PC{0,6}|[a-zA-Z:|*/ .]{0,6}|[yYnNoOfFeEtTrRuUsS~]{1,5}") {
            let document = format!("{0}: {0}\nlist:\n- {0}\n", written(&text));
            let source = Source::new("t", document.as_str());
            let parsed = parse_document(&source, Span::new(0, document.len()), Limits::default());
            prop_assert!(parsed.error.is_none(), "{:?}\n{}", parsed.error, document);
            let tree = parsed.tree.expect("a tree");
            if text != "list" {
                let (key, value) = tree.root().entries().next().expect("an entry");
                prop_assert_eq!((key.text(), value.str()), (text.as_str(), Some(text.as_str())), "{}", document);
            }
            let item = tree.root().list("list").next().and_then(|n| n.str());
            prop_assert_eq!(item, Some(text.as_str()), "{}", document);
        }
    }
}
