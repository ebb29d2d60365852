//! Header names and values, status codes, methods.

/// A token of RFC 7230.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn bad_name(name: &str) -> Result<(), String> {
    if name.is_empty() { Err("a header name is empty".to_owned()) } else { Err(format!("`{name}` is not a valid header name")) }
}

/// Letters, digits, `-` and `_`: narrower than HTTP.
pub fn strict_header_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) { Ok(()) } else { bad_name(name) }
}

/// Letters, digits and `-`, as in a Kubernetes probe.
pub fn probe_header_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') { Ok(()) } else { bad_name(name) }
}

pub fn cors_header_name(name: &str) -> Result<(), String> {
    if name == "*" || is_token(name) { Ok(()) } else { bad_name(name) }
}

/// The claim that a header name of a match stands for: `@request.auth.claims.group` or `@request.auth.claims[group]`.
pub fn is_jwt_claim(name: &str) -> bool {
    const PREFIX: &str = "@request.auth.claims";
    if !name.get(..PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(PREFIX)) {
        return false;
    }
    let rest = &name[PREFIX.len()..];
    match rest.strip_prefix('.') {
        Some(claim) => !claim.is_empty(),
        None => rest.starts_with('[') && rest.ends_with(']') && rest.len() > 2,
    }
}

/// A header that a route matches: a token, a pseudo-header or a JWT claim.
pub fn match_header_name(name: &str) -> Result<(), String> {
    if is_jwt_claim(name) || matches!(name, ":method" | ":scheme" | ":authority" | ":path" | ":status") || is_token(name) { Ok(()) } else { bad_name(name) }
}

/// `Host` and `:authority`.
pub fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host")
}

/// A request header that a route sets or adds; the authority may be.
pub fn settable_request_header(name: &str) -> Result<(), String> {
    if name.is_empty() {
        bad_name(name)
    } else if name.starts_with(':') && !is_authority(name) {
        Err(format!("header `{name}` is a pseudo-header, which a route cannot change"))
    } else {
        Ok(())
    }
}

/// A header that a route removes, or sets or adds in the response.
pub fn changeable_header(name: &str) -> Result<(), String> {
    if name.is_empty() {
        bad_name(name)
    } else if name.eq_ignore_ascii_case("host") {
        Err(format!("header `{name}` cannot be changed here"))
    } else if name.starts_with(':') {
        Err(format!("header `{name}` is a pseudo-header, which a route cannot change"))
    } else {
        Ok(())
    }
}

/// A header value in Envoy's format, where `%NAME%` and `%NAME(args)%` are replaced and `%%` is a percent sign.
pub fn header_value(value: &str) -> Result<(), String> {
    if value.chars().any(|c| matches!(c, '\0'..='\u{8}' | '\n'..='\u{1f}' | '\u{7f}')) {
        return Err(format!("header value {value:?} has control characters"));
    }
    let bad = |why: &str| Err(format!("header value `{value}` is not valid: {why}"));
    enum In {
        Text,
        Name,
        Arguments,
        ListItem,
        AfterItem,
        Quoted,
        ListEnd,
        End,
    }
    let mut state = In::Text;
    let mut bytes = value.bytes().peekable();
    while let Some(b) = bytes.next() {
        state = match (state, b) {
            (In::Text, b'%') => match bytes.peek() {
                None => return bad("it ends in a single `%`"),
                Some(b'%') => {
                    bytes.next();
                    In::Text
                }
                Some(_) => In::Name,
            },
            (In::Text, _) => In::Text,
            (In::Name, b'%') => In::Text,
            (In::Name, b'(') => In::Arguments,
            (In::Name, _) => In::Name,
            (In::Arguments, b'[') => In::ListItem,
            (In::Arguments, b' ') => In::Arguments,
            (In::Arguments, _) => In::Quoted,
            (In::ListItem, b'"') => In::Quoted,
            (In::ListItem, b' ') => In::ListItem,
            (In::ListItem, _) => return bad("a `\"` is expected after `[` or `,`"),
            (In::Quoted, b'\\') => match bytes.next() {
                None => return bad("it ends in a backslash"),
                Some(_) => In::Quoted,
            },
            (In::Quoted, b')') => In::End,
            (In::Quoted, b'"') => In::AfterItem,
            (In::Quoted, _) => In::Quoted,
            (In::AfterItem, b',') => In::ListItem,
            (In::AfterItem, b']') => In::ListEnd,
            (In::AfterItem, b' ') => In::AfterItem,
            (In::AfterItem, _) => return bad("a `,` or `]` is expected after a string"),
            (In::ListEnd, b')') => In::End,
            (In::ListEnd, b' ') => In::ListEnd,
            (In::ListEnd, _) => return bad("a `)` is expected after `]`"),
            (In::End, b'%') => In::Text,
            (In::End, b' ') => In::End,
            (In::End, _) => return bad("a `%` is expected after `)`"),
        };
    }
    if matches!(state, In::Text) { Ok(()) } else { bad("a `%` opens a variable that is never closed; a plain percent sign is `%%`") }
}

/// Status codes that have a name.
pub fn is_status(code: i64) -> bool {
    matches!(code, 100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511)
}

/// Methods that CORS may allow.
pub const CORS_METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];

/// Words of `retryOn`, besides status codes.
pub const RETRY_ON: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values() {
        for good in
            ["", "foo", "%HOSTNAME%", "100%%", "a %REQ(X-Y?:AUTHORITY)% b", "%UPSTREAM_METADATA([\"a\", \"b\"])%", "tab\tinside", "%PER_REQUEST_STATE(x)%"]
        {
            assert!(header_value(good).is_ok(), "{good}");
        }
        for bad in ["abc%123", "%START_TIME%%", "100%", "%A(x)b%", "%A([x])%", "%A([\"x\" y])%", "%A(\\", "a\nb", "\u{7f}"] {
            assert!(header_value(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn header_names() {
        assert!(
            is_jwt_claim("@request.auth.claims.a.b")
                && is_jwt_claim("@request.auth.claims[a]")
                && !is_jwt_claim("@request.auth.claims")
                && !is_jwt_claim("@request.auth.claim.a")
        );
        assert!(match_header_name(":path").is_ok() && match_header_name(":x").is_err() && match_header_name("x y").is_err() && match_header_name("").is_err());
        assert!(settable_request_header(":authority").is_ok() && settable_request_header(":path").is_err() && settable_request_header("Host").is_ok());
        assert!(changeable_header("Host").is_err() && changeable_header(":authority").is_err() && changeable_header("x").is_ok());
    }
}
