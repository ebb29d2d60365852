//! Heads of messages: what a proxy takes from them, adds and takes away (Envoy's header sanitizing).

use super::exchange::Connection;
use super::hygiene::nominated;
use super::incoming::Incoming;
use crate::config::forwarded_cert::Mode;
use crate::config::manager::{Manager, Server};
use crate::message::headers::marks;
use crate::message::{HeaderMap, Request};
use crate::trace::sampling;
use http::header::{self, HeaderName, HeaderValue};
use http::{Uri, Version};
use mesh_envoy::engine::request::Headers;
use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};

/// A request's headers for the engine. Values that are no UTF-8 are seen with the broken part replaced: what a rule says of
/// them still holds.
pub struct View<'h> {
    map: &'h HeaderMap,
    /// Made when the first value is asked for that is no text: hardly ever.
    mended: OnceCell<Vec<(HeaderName, usize, String)>>,
}

impl<'h> View<'h> {
    pub fn new(map: &'h HeaderMap) -> View<'h> {
        View { map, mended: OnceCell::new() }
    }
    fn mended(&self) -> &[(HeaderName, usize, String)] {
        self.mended.get_or_init(|| {
            let mut mended = Vec::new();
            for (at, name) in self.map.keys().enumerate() {
                if self.map.keys().take(at).any(|before| before == name) {
                    continue;
                }
                for (n, value) in self.map.get_all(name).enumerate() {
                    if std::str::from_utf8(value.as_bytes()).is_err() {
                        mended.push((name.clone(), n, String::from_utf8_lossy(value.as_bytes()).into_owned()));
                    }
                }
            }
            mended
        })
    }
}

impl Headers for View<'_> {
    fn nth(&self, name: &str, n: usize) -> Option<&str> {
        let value = self.map.get_all(name).nth(n)?;
        match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => Some(text),
            Err(_) => self.mended().iter().find(|(k, i, _)| k == name && *i == n).map(|(.., text)| text.as_str()),
        }
    }
}

/// The names that the router and the connection manager know.
pub mod names {
    use http::HeaderName;
    macro_rules! names {
        ($($name:ident $text:literal;)*) => { $(pub const $name: HeaderName = HeaderName::from_static($text);)* };
    }
    names! {
        FORWARDED_FOR "x-forwarded-for";
        FORWARDED_PROTO "x-forwarded-proto";
        FORWARDED_HOST "x-forwarded-host";
        FORWARDED_PORT "x-forwarded-port";
        FORWARDED_CLIENT_CERT "x-forwarded-client-cert";
        REQUEST_ID "x-request-id";
        ATTEMPT_COUNT "x-envoy-attempt-count";
        EXPECTED_TIMEOUT "x-envoy-expected-rq-timeout-ms";
        ORIGINAL_PATH "x-envoy-original-path";
        ORIGINAL_HOST "x-envoy-original-host";
        INTERNAL "x-envoy-internal";
        EXTERNAL_ADDRESS "x-envoy-external-address";
        OVERLOADED "x-envoy-overloaded";
        SERVICE_TIME "x-envoy-upstream-service-time";
        TIMEOUT "x-envoy-upstream-rq-timeout-ms";
        TRY_TIMEOUT "x-envoy-upstream-rq-per-try-timeout-ms";
        FORCE_TRACE "x-envoy-force-trace";
        DECORATOR "x-envoy-decorator-operation";
        GRPC_TIMEOUT "grpc-timeout";
        GRPC_STATUS "grpc-status";
        GRPC_MESSAGE "grpc-message";
        KEEP_ALIVE "keep-alive";
        PROXY_CONNECTION "proxy-connection";
        HELD_EXPECT "!xpect";
        PEER_METADATA "x-envoy-peer-metadata";
        PEER_METADATA_ID "x-envoy-peer-metadata-id";
    }
}
use names::*;

/// What clients that are not internal may not say.
const INTERNAL_ONLY: &[&str] = &[
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-hedge-on-per-try-timeout",
];
/// What clients at the edge may not say either.
const EDGE_ONLY: &[&str] =
    &["x-envoy-decorator-operation", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node", "x-envoy-original-host", "x-envoy-original-path"];

/// The host that a request names; "" for none.
pub fn authority(request: &Request<Incoming>) -> String {
    if let Some(authority) = request.uri.authority() {
        return authority.as_str().to_owned();
    }
    request.headers.get(header::HOST).and_then(|h| std::str::from_utf8(h.as_bytes()).ok()).unwrap_or("").to_owned()
}

/// Path and query.
pub fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |p| p.as_str())
}

pub fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// The protocol that a request asks to go over to. An offer of HTTP/2 over plain TCP is none: it goes unheard, as with Envoy.
pub fn upgrade(headers: &HeaderMap) -> Option<&str> {
    let says = headers.get(header::CONNECTION).filter(|says| !names_nothing(says))?;
    let asks = says.to_str().ok()?.split(',').any(|w| w.trim().eq_ignore_ascii_case("upgrade"));
    if asks { headers.get(header::UPGRADE)?.to_str().ok().filter(|p| !p.eq_ignore_ascii_case("h2c")) } else { None }
}

/// Whether a client waits for leave to send its body.
pub fn expects(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// The bytes that headers have as HTTP/1 writes them.
pub fn bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

/// The bytes of a request's head, whose host stands outside of its headers.
pub fn request_bytes(exchange: &super::exchange::Exchange) -> u64 {
    // `GET /path HTTP/1.1`, `host: a`, and the ends of lines.
    let line = exchange.method.as_str().len() + exchange.path.len() + 12;
    bytes(&exchange.headers) + (line + exchange.authority.len() + 8 + 2) as u64
}

/// The bytes of an answer's head.
pub fn answer_bytes(headers: &HeaderMap, status: http::StatusCode) -> u64 {
    bytes(headers) + (status.canonical_reason().map_or(0, str::len) + 15 + 2) as u64
}

/// What is between two neighbours only.
static HOP_BY_HOP: [HeaderName; 6] =
    [header::CONNECTION, header::UPGRADE, KEEP_ALIVE, HeaderName::from_static("http2-settings"), PROXY_CONNECTION, header::TRANSFER_ENCODING];
/// The same for a first look.
const HOPS: u64 = marks(&["connection", "upgrade", "keep-alive", "http2-settings", "proxy-connection", "transfer-encoding"]);
/// Of these, those that stay where another protocol is asked for.
const OF_UPGRADES: usize = 2;

/// The place of a name among those that are between two neighbours only.
pub fn hop_by_hop(name: &HeaderName) -> Option<usize> {
    let at = match name.as_str().len() {
        7 => 1,
        10 if *name == header::CONNECTION => 0,
        10 => 2,
        14 => 3,
        16 => 4,
        17 => 5,
        _ => return None,
    };
    (*name == HOP_BY_HOP[at]).then_some(at)
}

/// Whether a line of `connection` is nothing but a word on the connection itself, as most are.
pub fn names_nothing(value: &HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"keep-alive") || value.as_bytes().eq_ignore_ascii_case(b"close")
}

/// Takes away what is between two neighbours only.
pub fn strip_hop_by_hop(headers: &mut HeaderMap, upgrades: Upgrades) {
    // Most messages have none of them.
    if !headers.may_have_any(HOPS) {
        return;
    }
    let there = headers.keys().filter_map(hop_by_hop).fold(0u8, |there, at| there | 1 << at);
    if there == 0 {
        return;
    }
    if there & 1 != 0 && !headers.get_all(header::CONNECTION).all(names_nothing) {
        // Headers that `connection` names go with it.
        let named: Vec<HeaderName> = nominated(headers)
            // What a message is delimited by stays, and `te` may speak of trailers.
            .filter(|n| !matches!(*n, header::HOST | header::CONTENT_LENGTH | header::TE))
            .filter(|n| hop_by_hop(n).is_none())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for (at, name) in HOP_BY_HOP.iter().enumerate() {
        if there & 1 << at != 0 && (upgrades == Upgrades::No || at >= OF_UPGRADES) {
            headers.remove(name);
        }
    }
}

/// Takes away what HTTP/2 has no headers for.
pub fn strip_for_streams(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers, Upgrades::No);
    if headers.get(header::TE).is_some_and(|v| v != "trailers") {
        headers.remove(header::TE);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrades {
    Yes,
    No,
}

/// Puts a request's headers in order, as the connection manager does, before routes and filters see them. Returns the
/// client's address.
pub fn sanitize(headers: &mut HeaderMap, connection: &Connection, remote: IpAddr, scheme: &'static str, dice: &mut fastrand::Rng) -> SocketAddr {
    let manager = &*connection.manager;
    let upgrades = if upgrade(headers).is_some() { Upgrades::Yes } else { Upgrades::No };
    strip_hop_by_hop(headers, upgrades);
    if headers.contains_key(header::TE) || headers.contains_key(INTERNAL) {
        let takes = |v: &HeaderValue| v.as_bytes().split(|b| *b == b',').any(|w| w.trim_ascii().eq_ignore_ascii_case(b"trailers"));
        let te_trailers = headers.get_all(header::TE).any(takes);
        headers.remove(header::TE);
        if te_trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        headers.remove(INTERNAL);
    }
    forward_certificate(headers, connection);
    let uses_remote = !manager.engine.trusts_forwarded();
    let is_believed = may_be_internal(headers, uses_remote);
    if uses_remote {
        if !manager.skips_forwarded_for {
            forward_for(headers, connection);
        }
        if manager.trusted_hops == 0 || !headers.contains_key(FORWARDED_PROTO) {
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        }
    } else if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    if manager.appends_forwarded_port && !headers.contains_key(FORWARDED_PORT) {
        headers.insert(FORWARDED_PORT, HeaderValue::from(connection.client.local.port()));
    }
    let is_internal = is_believed && manager.is_internal(remote);
    let is_edge = uses_remote && !is_internal;
    if is_internal {
        headers.insert(INTERNAL, HeaderValue::from_static("true"));
    } else {
        let lists: &[&[&str]] = if is_edge { &[INTERNAL_ONLY, EDGE_ONLY] } else { &[INTERNAL_ONLY] };
        if headers.speaks_to_envoy() {
            for name in lists.iter().copied().flatten() {
                headers.remove(*name);
            }
        }
        if is_edge && let Ok(value) = HeaderValue::from_str(&remote.to_string()) {
            headers.insert(EXTERNAL_ADDRESS, value);
        }
    }
    if let Some(via) = &manager.via {
        headers.append(header::VIA, via.clone());
    }
    if manager.generates_request_id {
        let replaces = is_edge && !manager.preserves_external_request_id;
        if replaces || headers.get(REQUEST_ID).is_none_or(HeaderValue::is_empty) {
            headers.insert(REQUEST_ID, request_id(dice));
        } else if is_edge && manager.packs_trace_reason {
            // A stranger does not decide what is traced.
            sampling::write(headers, sampling::Reason::NotTraceable);
        }
    }
    if remote == connection.client.peer.ip() { connection.client.peer } else { SocketAddr::new(remote, 0) }
}

/// Whether the address of a request may make it internal, as Envoy has it: at the edge where nobody forwarded it, behind others where
/// one forwarded it.
fn may_be_internal(headers: &HeaderMap, uses_remote: bool) -> bool {
    let forwarded = headers.get(FORWARDED_FOR);
    if uses_remote { forwarded.is_none() } else { forwarded.and_then(|v| v.to_str().ok()?.trim().parse::<IpAddr>().ok()).is_some() }
}

/// `x-forwarded-client-cert`. Clients without a certificate can't speak of one, but where all of them are believed.
fn forward_certificate(headers: &mut HeaderMap, connection: &Connection) {
    let mode = connection.manager.forwarding.mode;
    if mode == Mode::AlwaysForwardOnly {
        return;
    }
    let has_certificate = connection.client.tls.as_ref().is_some_and(|s| s.peer.is_some());
    match (mode, &connection.certificate) {
        (Mode::ForwardOnly, _) if has_certificate => {}
        (Mode::AppendForward, Some(own)) => append(headers, FORWARDED_CLIENT_CERT, own.to_str().unwrap_or("")),
        (Mode::SanitizeSet, Some(own)) => headers.insert(FORWARDED_CLIENT_CERT, own.clone()),
        _ => drop(headers.remove(FORWARDED_CLIENT_CERT)),
    }
}

/// Adds the client to those that the request was forwarded for.
fn forward_for(headers: &mut HeaderMap, connection: &Connection) {
    let ip = || connection.client.peer.ip().to_string();
    if headers.contains_key(FORWARDED_FOR) {
        return append(headers, FORWARDED_FOR, &ip());
    }
    // It is the same for all requests of a connection.
    let made = connection.forwarded_for.get_or_init(|| HeaderValue::from_str(&ip()).unwrap_or_else(|_| HeaderValue::from_static("")));
    headers.insert(FORWARDED_FOR, made.clone());
}

/// Adds to a list in one header.
pub fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let before = headers.get_all(&name).filter_map(|v| v.to_str().ok()).collect::<Vec<_>>();
    // Most lists begin here.
    let made = if matches!(before[..], [] | [""]) { HeaderValue::from_str(value) } else { HeaderValue::from_str(&format!("{},{value}", before.join(","))) };
    if let Ok(value) = made {
        headers.insert(name, value);
    }
}

fn request_id(dice: &mut fastrand::Rng) -> HeaderValue {
    HeaderValue::from_bytes(&uuid(dice)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A UUID of version 4.
pub fn unique_id(dice: &mut fastrand::Rng) -> String {
    uuid(dice).iter().map(|b| char::from(*b)).collect()
}

fn uuid(dice: &mut fastrand::Rng) -> [u8; 36] {
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 0xf)];
    let bits = (dice.u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = [b'-'; 36];
    for (place, byte) in PLACES.into_iter().zip(bits.to_be_bytes()) {
        (text[place], text[place + 1]) = (digit(byte >> 4), digit(byte));
    }
    text
}

/// Puts an answer's headers in order before they go to the client.
pub fn finish_answer(headers: &mut HeaderMap, manager: &Manager, request_id: Option<&HeaderValue>, upgrades: Upgrades) {
    strip_hop_by_hop(headers, upgrades);
    match &manager.server {
        Server::Overwrite(name) => headers.insert(header::SERVER, name.clone()),
        Server::IfAbsent(name) => headers.insert_absent(header::SERVER, || name.clone()),
        Server::PassThrough => {}
    }
    if let Some(via) = &manager.via {
        headers.append(header::VIA, via.clone());
    }
    if let Some(id) = request_id.filter(|_| manager.answers_request_id) {
        headers.insert(REQUEST_ID, id.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids() {
        let id = request_id(&mut fastrand::Rng::with_seed(1));
        let text = id.to_str().expect("ASCII").to_owned();
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(text.as_bytes()[14] == b'4' && matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
    }

    #[test]
    fn a_client_is_internal_by_its_own_address_or_by_one_that_was_forwarded() {
        let of = |forwarded: Option<&'static str>, uses_remote| {
            let mut headers = HeaderMap::new();
            headers.extend(forwarded.map(|f| (FORWARDED_FOR, HeaderValue::from_static(f))));
            may_be_internal(&headers, uses_remote)
        };
        assert!(of(None, true) && !of(Some("10.0.0.1"), true) && !of(Some("x"), true));
        assert!(!of(None, false) && of(Some("10.0.0.1"), false) && !of(Some("x"), false) && !of(Some("10.0.0.1, 10.0.0.2"), false));
    }

    #[test]
    fn a_first_look_overlooks_nothing() {
        for name in &HOP_BY_HOP {
            let mut headers = HeaderMap::new();
            headers.append(name.clone(), HeaderValue::from_static("x"));
            assert!(headers.may_have_any(HOPS), "{name}");
        }
    }

    #[test]
    fn what_is_for_the_neighbour_goes_no_further() {
        let mut headers = HeaderMap::new();
        for (k, v) in [("connection", "close, x-a"), ("x-a", "1"), ("keep-alive", "5"), ("x-b", "2"), ("transfer-encoding", "chunked"), ("upgrade", "h2c")] {
            headers.append(HeaderName::from_static(k), HeaderValue::from_static(v));
        }
        let mut upgraded = headers.clone();
        strip_hop_by_hop(&mut headers, Upgrades::No);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-b"]);
        strip_hop_by_hop(&mut upgraded, Upgrades::Yes);
        let mut left: Vec<_> = upgraded.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["connection", "upgrade", "x-b"]);
    }

    #[test]
    fn a_list_goes_on_behind_what_it_has() {
        let mut headers = HeaderMap::new();
        for (value, whole) in [("1.1.1.1", "1.1.1.1"), ("2.2.2.2", "1.1.1.1,2.2.2.2")] {
            append(&mut headers, FORWARDED_FOR, value);
            assert_eq!(headers.get_all(FORWARDED_FOR).collect::<Vec<_>>(), [whole]);
        }
    }

    #[test]
    fn values_that_are_no_text_are_still_seen() {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-a"), HeaderValue::from_bytes(b"a\xffb").expect("a value"));
        assert_eq!(View::new(&headers).nth("x-a", 0), Some("a\u{fffd}b"));
        assert_eq!(View::new(&headers).nth("x-b", 0), None);
        headers.append(HeaderName::from_static("x-a"), HeaderValue::from_bytes(b"\xff").expect("a value"));
        let view = View::new(&headers);
        assert_eq!((view.nth("x-a", 1), view.mended().len()), (Some("\u{fffd}"), 2));
    }
}
