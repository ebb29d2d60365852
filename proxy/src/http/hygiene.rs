//! Heads and trailers that others could read as another message, or as somebody else's: they are refused, or brought into the one
//! form that all read alike.

use super::head::{hop_by_hop, names::*, names_nothing};
use crate::message::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

/// The names of headers in `connection`.
pub fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let words = headers.get_all(header::CONNECTION).flat_map(|v| v.as_bytes().split(|b| *b == b','));
    // Of these there is nothing to be taken away.
    words
        .map(<[u8]>::trim_ascii)
        .filter(|n| !n.eq_ignore_ascii_case(b"close") && !n.eq_ignore_ascii_case(b"keep-alive"))
        .filter_map(|n| HeaderName::from_bytes(n).ok())
}

/// What a request's `connection` asks for that is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nominated {
    Fine,
    /// That the host be taken away.
    Host,
    /// That nobody hear where the request came from, or more than any client has to ask for.
    Refused,
}

/// So many words of `connection` are too many, as with Envoy.
const MANY: usize = 10;

/// Looks at the headers that `connection` names: who has one taken away that an earlier proxy wrote could pass for somebody else.
pub fn nominations(headers: &HeaderMap) -> Nominated {
    if headers.get_all(header::CONNECTION).all(names_nothing) {
        return Nominated::Fine;
    }
    let words = || headers.get_all(header::CONNECTION).flat_map(|v| v.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let is_forwarded = |name: HeaderName| [FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO].contains(&name);
    if words().filter(|w| !w.is_empty()).count() >= MANY || words().any(|w| w.starts_with(b":")) || nominated(headers).any(is_forwarded) {
        return Nominated::Refused;
    }
    if nominated(headers).any(|n| n == header::HOST) { Nominated::Host } else { Nominated::Fine }
}

/// Headers that are one value, however many lines they came in: as Envoy has it, they are joined. Whoever looked at the first line
/// alone would take what a client wrote for what the proxy before this one added.
const JOINED: [HeaderName; 36] = [
    FORWARDED_FOR,
    FORWARDED_PROTO,
    FORWARDED_HOST,
    FORWARDED_PORT,
    FORWARDED_CLIENT_CERT,
    REQUEST_ID,
    GRPC_TIMEOUT,
    TIMEOUT,
    TRY_TIMEOUT,
    FORCE_TRACE,
    DECORATOR,
    ORIGINAL_PATH,
    ORIGINAL_HOST,
    EXTERNAL_ADDRESS,
    ATTEMPT_COUNT,
    HeaderName::from_static("x-client-trace-id"),
    HeaderName::from_static("x-envoy-max-retries"),
    HeaderName::from_static("x-envoy-retriable-header-names"),
    HeaderName::from_static("x-envoy-retriable-status-codes"),
    HeaderName::from_static("x-envoy-retry-grpc-on"),
    HeaderName::from_static("x-envoy-retry-on"),
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    header::VIA,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ORIGIN,
    header::REFERER,
    header::CACHE_CONTROL,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_RANGE,
    header::PRAGMA,
];

/// Joins the lines of [`JOINED`].
pub fn join_lists(headers: &mut HeaderMap) {
    // Most requests have each header once.
    if !headers.has_twins() {
        return;
    }
    for name in JOINED {
        join(headers, name, b",");
    }
}

/// Joins the lines of one header.
pub fn join(headers: &mut HeaderMap, name: HeaderName, between: &[u8]) {
    if headers.get_all(&name).nth(1).is_none() {
        return;
    }
    let mut whole = Vec::new();
    // As with Envoy, an empty line adds nothing: in a list of addresses it would pass for one.
    for value in headers.get_all(&name).filter(|v| !v.is_empty()) {
        if !whole.is_empty() {
            whole.extend_from_slice(between);
        }
        whole.extend_from_slice(value.as_bytes());
    }
    if let Ok(whole) = HeaderValue::from_bytes(&whole) {
        headers.insert(name, whole);
    }
}

/// Takes away what means nothing behind a body (RFC 9110 §6.5.1): whoever takes trailers for headers would read another message.
pub fn strip_trailers(trailers: &mut http::HeaderMap) {
    let names: Vec<HeaderName> = trailers
        .keys()
        .filter(|n| hop_by_hop(n).is_some() || matches!(**n, header::CONTENT_LENGTH | header::HOST | header::TE | header::TRAILER))
        .cloned()
        .collect();
    for name in names {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn nobody_may_have_it_forgotten_where_a_request_came_from() {
        let of = |value| nominations(&map(&[("connection", value)]));
        assert_eq!(["close", "x-a, te", "keep-alive, upgrade", "a b, ,"].map(of), [Nominated::Fine; 4]);
        assert_eq!(["x-a, X-Forwarded-For", "x-forwarded-host", "x-forwarded-proto", ":path", "a,b,c,d,e,f,g,h,i,j"].map(of), [Nominated::Refused; 5]);
        assert_eq!((of("close, Host"), nominations(&HeaderMap::new())), (Nominated::Host, Nominated::Fine));
        assert_eq!(nominations(&map(&[("connection", "close"), ("connection", "x-forwarded-for")])), Nominated::Refused);
    }

    #[test]
    fn lines_of_one_value_are_joined_and_others_are_not() {
        let mut headers = map(&[
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "a"),
            ("x-d", "1"),
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "b"),
            ("x-d", "2"),
            ("x-forwarded-for", "c"),
            ("x-forwarded-for", ""),
        ]);
        join_lists(&mut headers);
        assert_eq!(headers.get_all("x-forwarded-for").collect::<Vec<_>>(), ["a,b,c"]);
        assert_eq!(headers.get_all("x-d").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn trailers_say_nothing_of_where_a_message_ends_or_goes() {
        let trailers =
            map(&[("content-length", "1"), ("x-t", "1"), ("transfer-encoding", "a"), ("host", "a"), ("connection", "a"), ("trailer", "x"), ("te", "a")]);
        let mut trailers = trailers.into();
        strip_trailers(&mut trailers);
        assert_eq!(trailers, map(&[("x-t", "1")]).into());
    }
}
