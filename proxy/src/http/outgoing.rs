//! A request as an upstream gets it. The head of most is written as it goes out, of what the exchange has: what is not copied into a
//! map of its own costs nothing.

use super::exchange::Exchange;
use super::head::{names, upgrade};
use super::spelling::Names;
use super::upload::Upload;
use crate::http1::head::{self, Encoder, ROOM};
use crate::message::{HeaderMap, Request};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Uri};

pub enum Outgoing {
    Plain(Plain),
    /// One for HTTP/2, one that asks for another protocol, or one of the proxy's own.
    Message(Box<Request<Upload>>),
}

/// A request of HTTP/1.1 whose head is written.
pub struct Plain {
    pub method: Method,
    pub head: Vec<u8>,
    pub encoder: Encoder,
    pub body: Upload,
    /// How the client wrote the names of headers; the head has them in small letters.
    pub names: Option<Names>,
}

impl Plain {
    pub fn of(mut request: Request<Upload>) -> Plain {
        let mut head = Vec::with_capacity(ROOM);
        let encoder = head::write_request(&mut request, &mut head);
        let names = request.extensions.remove();
        Plain { method: request.method, head, encoder, body: request.body, names }
    }
}

/// Headers that say something of a try, in the place of those that the client sent.
#[derive(Default)]
pub struct OfTry {
    /// Milliseconds.
    pub expected_timeout: Option<u64>,
    pub grpc_timeout: Option<HeaderValue>,
    pub attempts: Option<u32>,
}

impl OfTry {
    pub fn apply(self, headers: &mut HeaderMap) {
        if let Some(ms) = self.expected_timeout {
            headers.insert(names::EXPECTED_TIMEOUT, ms.into());
        }
        if let Some(value) = self.grpc_timeout {
            headers.insert(names::GRPC_TIMEOUT, value);
        }
        if let Some(n) = self.attempts {
            headers.insert(names::ATTEMPT_COUNT, n.into());
        }
    }
    fn replaces(&self, name: &HeaderName) -> bool {
        (self.expected_timeout.is_some() && *name == names::EXPECTED_TIMEOUT)
            || (self.grpc_timeout.is_some() && *name == names::GRPC_TIMEOUT)
            || (self.attempts.is_some() && *name == names::ATTEMPT_COUNT)
    }
    fn write(&self, out: &mut Vec<u8>) {
        if let Some(ms) = self.expected_timeout {
            head::write_number(&names::EXPECTED_TIMEOUT, ms, out);
        }
        if let Some(value) = &self.grpc_timeout {
            head::write_header(&names::GRPC_TIMEOUT, value, out);
        }
        if let Some(n) = self.attempts {
            head::write_number(&names::ATTEMPT_COUNT, n.into(), out);
        }
    }
}

/// As with Envoy: servers may want a length where a body could be.
fn says_none(method: &Method, headers: &HeaderMap, body: &Upload) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::TRACE | Method::CONNECT)
        && !headers.contains_key(header::CONTENT_LENGTH)
        && http_body::Body::is_end_stream(body)
}

/// A path that needs no second look.
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b))
}

/// The request of an exchange as HTTP/1.1, with a head that may have been changed for the upstream. `None` where its path or its host is
/// none that can be sent.
pub fn http1(exchange: &Exchange, headers: &HeaderMap, of_try: OfTry, body: Upload) -> Option<Outgoing> {
    let authority = exchange.authority.as_str();
    if upgrade(headers).is_some() || exchange.method == Method::CONNECT {
        let mut headers = headers.clone();
        of_try.apply(&mut headers);
        let mut outgoing = message(exchange, headers, authority, Version::Http1, body)?;
        if let (Outgoing::Message(request), Some(names)) = (&mut outgoing, &exchange.names) {
            request.extensions.insert(names.clone());
        }
        return Some(outgoing);
    }
    if !authority.bytes().all(|b| b == b'\t' || matches!(b, b' '..=b'~')) {
        return None;
    }
    let mut head = Vec::with_capacity(ROOM);
    head.extend_from_slice(exchange.method.as_str().as_bytes());
    head.push(b' ');
    if is_plain_path(&exchange.path) {
        head.extend_from_slice(exchange.path.as_bytes());
    } else {
        let uri: Uri = exchange.path.parse().ok()?;
        head.extend_from_slice(uri.path_and_query()?.as_str().as_bytes());
    }
    head.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    head.extend_from_slice(authority.as_bytes());
    head.extend_from_slice(b"\r\n");
    let delimits = head::delimits(headers, &body);
    for (name, value) in headers {
        if !delimits.replaces(name) && !of_try.replaces(name) && *name != header::HOST {
            head::write_header(name, value, &mut head);
        }
    }
    if says_none(&exchange.method, headers, &body) {
        head.extend_from_slice(b"content-length: 0\r\n");
    }
    of_try.write(&mut head);
    let encoder = delimits.write(&mut head);
    head.extend_from_slice(b"\r\n");
    Some(Outgoing::Plain(Plain { method: exchange.method.clone(), head, encoder, body, names: exchange.names.clone() }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

/// The request of an exchange as a message, with headers and a host of its own. `None` where its path is none that can be sent.
pub fn message(exchange: &Exchange, headers: HeaderMap, authority: &str, version: Version, body: Upload) -> Option<Outgoing> {
    let says_none = version == Version::Http1 && says_none(&exchange.method, &headers, &body);
    let mut request = Request::new(body);
    request.method = exchange.method.clone();
    request.headers = headers;
    if version == Version::Http2 {
        let uri = Uri::builder().scheme(exchange.scheme).authority(authority).path_and_query(exchange.path.as_str());
        request.uri = uri.build().ok()?;
        request.version = http::Version::HTTP_2;
    } else {
        request.uri = exchange.path.parse().ok()?;
        request.headers.insert(header::HOST, HeaderValue::from_str(authority).ok()?);
        if says_none {
            request.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
        }
    }
    Some(Outgoing::Message(Box::new(request)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_try_stands_in_the_place_of_what_the_client_said() {
        let of_try = || OfTry { expected_timeout: Some(5), grpc_timeout: Some(HeaderValue::from_static("5m")), attempts: Some(2) };
        let of_client = [(names::GRPC_TIMEOUT, "9S"), (names::EXPECTED_TIMEOUT, "9"), (names::ATTEMPT_COUNT, "9"), (names::REQUEST_ID, "9")];
        let client: HeaderMap = of_client.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        let mut written = Vec::new();
        client.iter().filter(|(name, _)| !of_try().replaces(name)).for_each(|(name, value)| head::write_header(name, value, &mut written));
        of_try().write(&mut written);
        let mut written: Vec<&str> = std::str::from_utf8(&written).expect("ASCII").lines().collect();
        let mut headers = client;
        of_try().apply(&mut headers);
        let mut in_map: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII"))).collect();
        written.sort_unstable();
        in_map.sort_unstable();
        let want = ["grpc-timeout: 5m", "x-envoy-attempt-count: 2", "x-envoy-expected-rq-timeout-ms: 5", "x-request-id: 9"];
        assert_eq!((written, in_map.iter().map(String::as_str).collect::<Vec<_>>()), (want.to_vec(), want.to_vec()));
    }
}
