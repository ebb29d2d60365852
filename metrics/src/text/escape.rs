//! Escapes of label values and quoted names.

use std::borrow::Cow;

/// `\\`, `\"` and `\n` are decoded. Any other escape stays as it is written, as Prometheus' own scraper keeps it.
pub fn unescape(raw: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw.as_bytes()) else { return Cow::Borrowed(raw) };
    let mut out = String::with_capacity(raw.len());
    out.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (decoded, width) = match rest.as_bytes().get(at + 1) {
            Some(b'\\') => ('\\', 2),
            Some(b'"') => ('"', 2),
            Some(b'n') => ('\n', 2),
            _ => ('\\', 1),
        };
        out.push(decoded);
        rest = &rest[at + width..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_escapes_are_decoded_and_others_stay() {
        assert_eq!(unescape(r#"a\\b\"c\nd"#), "a\\b\"c\nd");
        assert_eq!(unescape(r"\d+\.x"), r"\d+\.x");
        assert_eq!(unescape(r"\\n"), r"\n");
        assert_eq!(unescape("plain"), "plain");
        assert_eq!(unescape("end\\"), "end\\");
    }
}
