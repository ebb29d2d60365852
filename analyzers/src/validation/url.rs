//! The parts of URLs that Istio's validation looks at, as Go's net/url takes them apart.

/// Scheme, host and port of a URL; absent parts are "".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'u> {
    pub scheme: &'u str,
    pub host: &'u str,
    pub port: &'u str,
}

/// Takes a URL apart; `Err` says why it is none.
pub fn parse(text: &str) -> Result<Parts<'_>, String> {
    let bad = |why: &str| Err(format!("`{text}` is not a valid URL: {why}"));
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return bad("it has control characters");
    }
    let (scheme, rest) = match text.find(':') {
        Some(0) => return bad("the scheme is missing"),
        Some(i) if text[..i].bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) && text.as_bytes()[0].is_ascii_alphabetic() => {
            (&text[..i], &text[i + 1..])
        }
        Some(i) if !text[..i].contains('/') => return bad("its first path segment has a colon"),
        _ => ("", text),
    };
    if !escapes(rest) {
        return bad("it has an incomplete percent escape");
    }
    let Some(authority) = rest.strip_prefix("//") else { return Ok(Parts { scheme, host: "", port: "" }) };
    let authority = authority.split(['/', '?', '#']).next().unwrap_or("");
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
    let (host, port) = match host_port.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or(rest)),
            None => return bad("a `]` is missing"),
        },
        None => host_port.rsplit_once(':').unwrap_or((host_port, "")),
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return bad(&format!("`{port}` is no port"));
    }
    if host.contains([' ', '<', '>', '"', '^', '`', '{', '}', '|', '\\']) {
        return bad(&format!("`{host}` is no host"));
    }
    Ok(Parts { scheme, host, port })
}

fn escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(i, _)| bytes.get(i + 1..i + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)))
}

/// An http or https URL.
pub fn check_http(text: &str) -> Result<(), String> {
    let parts = parse(text)?;
    if ["http", "https"].iter().any(|s| parts.scheme.eq_ignore_ascii_case(s)) {
        Ok(())
    } else {
        Err(format!("`{text}` has the scheme `{}`; only http and https are supported", parts.scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_urls() {
        assert_eq!(parse("https://a.b:8443/x"), Ok(Parts { scheme: "https", host: "a.b", port: "8443" }));
        assert_eq!(parse("oci://[::1]:1/x").map(|p| p.host), Ok("::1"));
        assert_eq!(parse("registry.io/image:v1").map(|p| p.scheme), Ok(""));
        assert!(parse("http://a:b").is_err() && parse("a\nb").is_err() && parse("://x").is_err() && parse("http://a/%zz").is_err());
        assert!(check_http("ftp://a").is_err() && check_http("http://a").is_ok());
    }
}
