//! Forms of text that rules ask for.

fn lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
pub fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|b| lower(*b)) && bytes.last().is_some_and(|b| lower(*b)) && bytes.iter().all(|b| lower(*b) || *b == b'-')
}

/// Labels with dots between them; the length is the schema's to bound.
pub fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// A subdomain that may start with `*.`.
pub fn is_wildcard_subdomain(text: &str) -> bool {
    is_subdomain(text.strip_prefix("*.").unwrap_or(text))
}

/// The name of a label or annotation, `[prefix/]name`.
pub fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((p, n)) => (Some(p), n),
        None => (None, text),
    };
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    prefix.is_none_or(is_subdomain)
        && bytes.len() <= 63
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// `[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?`
pub fn is_port_name(text: &str) -> bool {
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

/// `[A-Za-z_][A-Za-z_0-9]*`
pub fn is_identifier(text: &str) -> bool {
    !text.as_bytes().first().is_none_or(u8::is_ascii_digit) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The scheme of a URL as Go's `url.ParseRequestURI` reads it, in lower case; "" for a bare absolute path, `None`
/// for what is no URL.
pub fn url_scheme(text: &str) -> Option<String> {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return None;
    }
    let (scheme, rest) = split_scheme(text)?;
    let scheme = scheme.to_ascii_lowercase();
    let rest = rest.split('?').next().unwrap_or("");
    if !rest.starts_with('/') {
        return (!scheme.is_empty()).then_some(scheme);
    }
    let mut path = rest;
    if !scheme.is_empty()
        && let Some(after) = rest.strip_prefix("//")
    {
        let end = after.find('/').unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        if !is_authority(authority) {
            return None;
        }
        path = tail;
    }
    escapes_are_whole(path).then_some(scheme)
}

/// Scheme and rest; "" where there is none; `None` where the text starts with a colon.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' => return if i == 0 { None } else { Some((&text[..i], &text[i + 1..])) },
            _ => break,
        }
    }
    Some(("", text))
}

fn is_authority(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
    let (name, port) = if host.starts_with('[') {
        match host.rsplit_once(']') {
            Some((name, port)) => (name.trim_start_matches('['), port),
            None => return false,
        }
    } else {
        match host.rfind(':') {
            Some(i) => host.split_at(i),
            None => (host, ""),
        }
    };
    let port_fine = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let name_fine = name.bytes().all(|b| b >= 0x80 || b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b));
    port_fine && name_fine && escapes_are_whole(name)
}

fn escapes_are_whole(text: &str) -> bool {
    let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(i, b)| *b != b'%' || hex(bytes.get(i + 1).copied()) && hex(bytes.get(i + 2).copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_the_scheme_that_go_sees() {
        for (text, want) in [
            ("https://a.example/keys", Some("https")),
            ("HTTP://a", Some("http")),
            ("/path", Some("")),
            ("a.example/image:tag", None),
            ("localhost:5000/image", Some("localhost")),
            ("http://a:port", None),
            ("http://[::1]:80/", Some("http")),
            ("http://a/%zz", None),
            ("", None),
            (":80", None),
        ] {
            assert_eq!(url_scheme(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn qualified_names_have_a_prefix_and_a_name() {
        assert!(is_qualified_name("a.example/Name_1") && is_qualified_name("x"));
        assert!(!is_qualified_name("A.example/x") && !is_qualified_name("a//b") && !is_qualified_name("-x") && !is_qualified_name(""));
    }
}
