//! The parts of URLs that validation looks at, as Go's net/url takes them apart.

/// Scheme, host and port of a URL as written; absent parts are "".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'u> {
    pub scheme: &'u str,
    pub host: &'u str,
    pub port: &'u str,
}

/// Takes a URL apart (`url.Parse`); `Err` says why it is none.
pub fn parse(text: &str) -> Result<Parts<'_>, String> {
    let (whole, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (scheme, rest) = split_scheme(whole).map_err(|why| sentence(text, why))?;
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return checked(text).map(|()| Parts { scheme, host: "", port: "" });
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err(sentence(text, "its first path segment has a colon"));
        }
    }
    let authority = rest.strip_prefix("//").filter(|after| !scheme.is_empty() || !after.starts_with('/'));
    let parts = hierarchical(text, scheme, rest, authority)?;
    if escapes_are_whole(fragment) { Ok(parts) } else { Err(sentence(text, ESCAPE)) }
}

/// Takes the URL of a request apart (`url.ParseRequestURI`): it is absolute, or a path that begins with `/`.
pub fn parse_request(text: &str) -> Result<Parts<'_>, String> {
    let (scheme, rest) = split_scheme(text).map_err(|why| sentence(text, why))?;
    match (rest.starts_with('/'), scheme) {
        (false, "") => Err(sentence(text, "it has neither a scheme nor a path from the root")),
        (false, _) => checked(text).map(|()| Parts { scheme, host: "", port: "" }),
        (true, _) => hierarchical(text, scheme, rest, rest.strip_prefix("//").filter(|_| !scheme.is_empty())),
    }
}

const ESCAPE: &str = "it has an incomplete percent escape";

fn sentence(text: &str, why: &str) -> String {
    format!("`{text}` is not a valid URL: {why}")
}

fn checked(text: &str) -> Result<(), String> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) { Err(sentence(text, "it has control characters")) } else { Ok(()) }
}

/// Scheme and rest; a scheme of "" where there is none.
fn split_scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("the scheme is missing"),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

/// A URL with a path; `after` is what follows the `//` of an authority.
fn hierarchical<'u>(text: &'u str, scheme: &'u str, rest: &'u str, after: Option<&'u str>) -> Result<Parts<'u>, String> {
    checked(text)?;
    // What a query holds is not looked at.
    let without_query = |part: &'u str| part.split('?').next().unwrap_or("");
    let (authority, path) = match after.map(without_query) {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None => ("", without_query(rest)),
    };
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
    let (host, port) = match host_port.strip_prefix('[') {
        Some(v6) => v6.rsplit_once(']').ok_or_else(|| sentence(text, "a `]` is missing"))?,
        None => host_port.split_at(host_port.rfind(':').unwrap_or(host_port.len())),
    };
    let number = port.strip_prefix(':').unwrap_or(port);
    if !(port.is_empty() || port.starts_with(':')) || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(sentence(text, &format!("`{number}` is no port")));
    }
    if !host.bytes().all(|b| b >= 0x80 || b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b)) {
        return Err(sentence(text, &format!("`{host}` is no host")));
    }
    if !escapes_are_whole(host) || !escapes_are_whole(path) {
        return Err(sentence(text, ESCAPE));
    }
    Ok(Parts { scheme, host, port: number })
}

fn escapes_are_whole(text: &str) -> bool {
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
        for bad in ["http://a:b", "a\nb", "://x", "http://a/%zz", "http://a#%zz", "a:b", "http://a b", "1a:b/c"] {
            assert!(parse(bad).is_err() || bad == "a:b", "{bad}");
        }
        // The query is nobody's business, and Go takes these in hosts.
        assert!(parse("http://a/?q=100%").is_ok() && parse("http://<a>/").is_ok() && parse("?q").is_ok());
        assert!(check_http("ftp://a").is_err() && check_http("http://a").is_ok() && check_http("HTTP://a").is_ok());
    }

    #[test]
    fn urls_of_requests_have_the_scheme_that_go_sees() {
        for (text, want) in [
            ("https://a.example/keys", Some("https")),
            ("HTTP://a", Some("HTTP")),
            ("/path", Some("")),
            ("//a/b c", Some("")),
            ("a.example/image:tag", None),
            ("localhost:5000/image", Some("localhost")),
            ("http://a:port", None),
            ("http://[::1]:80/", Some("http")),
            ("http://[::1/", None),
            ("http://a/%zz", None),
            ("", None),
            (":80", None),
        ] {
            assert_eq!(parse_request(text).map(|p| p.scheme).ok(), want, "{text}");
        }
    }
}
