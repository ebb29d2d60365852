//! What becomes of the heads of a connection. `h2` refuses those that break HTTP/2's rules by itself and tells nobody: what it
//! writes does.

use crate::http::framing::is_host;
use crate::message::Request;
use http::HeaderName;
use std::collections::VecDeque;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
/// Bytes before a frame's payload.
const FRAME: usize = 9;
/// Bytes of a payload that are looked at: what a goodbye begins with.
const PAYLOAD: usize = 8;
/// Heads that may be between the socket and who serves them.
const WAITING: usize = 256;

/// Error codes (RFC 9113 §7).
const PROTOCOL_ERROR: u32 = 1;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has a field that may not be there, or twice what may be there once. `h2` does not say which rule a head breaks: what it
    /// refuses counts as this one, which is the most frequent.
    Field,
    /// It lacks something, or contradicts itself.
    Message,
    /// It can't be read.
    Codec,
    TooLarge,
    TooMany,
}

impl Refusal {
    /// `%RESPONSE_CODE_DETAILS%`
    pub fn details(self) -> &'static str {
        match self {
            Refusal::Field => "http2.invalid.header.field",
            Refusal::Message => "http2.violation.of.messaging.rule",
            Refusal::Codec => BROKEN,
            Refusal::TooLarge => "http2.header_list_size_too_large",
            Refusal::TooMany => "http2.too_many_headers",
        }
    }
    pub fn flag(self) -> &'static str {
        match self {
            Refusal::Field | Refusal::Message | Refusal::Codec => "DPE",
            Refusal::TooLarge | Refusal::TooMany => "DR",
        }
    }
    /// The code that the stream ends with.
    pub fn reason(self) -> h2::Reason {
        if self.flag() == "DPE" { h2::Reason::PROTOCOL_ERROR } else { h2::Reason::INTERNAL_ERROR }
    }
    /// What the client has read: `h2` itself answers a head that is too large.
    pub fn status(self) -> u16 {
        if self == Refusal::TooLarge { 431 } else { 0 }
    }
}

/// The details of requests on a connection that ends since the client broke its rules, as Envoy has them.
pub const BROKEN: &str = "codec_error:The_user_callback_function_failed";

/// Those of one connection.
#[derive(Debug, Default)]
pub struct Heads {
    /// Streams that began and were neither handed out nor refused.
    waiting: VecDeque<u32>,
    refused: Vec<(u32, Refusal)>,
    frame: [u8; FRAME + PAYLOAD],
    read: usize,
    /// Bytes of the payload to go.
    left: usize,
}

impl Heads {
    /// A stream began.
    pub fn begin(&mut self, stream: u32) {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(stream);
    }
    /// A stream was handed out.
    pub fn take(&mut self, stream: u32) {
        self.refuse(stream);
        // Its body broke the rules while it waited: the request itself tells of it.
        self.refused.retain(|(of, _)| *of != stream);
    }
    fn refuse(&mut self, stream: u32) -> bool {
        let at = self.waiting.iter().position(|s| *s == stream);
        at.and_then(|at| self.waiting.remove(at)).is_some()
    }
    /// What was refused since the last call.
    pub fn refused(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refused).into_iter().map(|(_, why)| why).collect()
    }
    /// Looks at bytes that were sent.
    pub fn sent(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = if self.read < FRAME { FRAME - self.read } else { (FRAME + PAYLOAD - self.read).min(self.left) };
            let n = if self.read >= FRAME && room == 0 { self.left.min(bytes.len()) } else { room.min(bytes.len()) };
            if room > 0 {
                self.frame[self.read..self.read + n].copy_from_slice(&bytes[..n]);
                let is_head = self.read < FRAME;
                self.read += n;
                if is_head && self.read == FRAME {
                    let [a, b, c, ..] = self.frame;
                    self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                } else if !is_head {
                    self.left -= n;
                }
            } else {
                self.left -= n;
            }
            bytes = &bytes[n..];
            if self.read >= FRAME && self.left == 0 {
                self.end();
            }
        }
    }
    /// A frame is whole.
    fn end(&mut self) {
        let frame = self.frame;
        let number = |at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
        let (stream, is_whole) = (number(5), self.read == FRAME + PAYLOAD);
        let has_code = self.read >= FRAME + 4;
        self.read = 0;
        match frame[3] {
            RST_STREAM if has_code && self.refuse(stream) && number(FRAME) == PROTOCOL_ERROR => self.refused.push((stream, Refusal::Field)),
            HEADERS if self.refuse(stream) => self.refused.push((stream, Refusal::TooLarge)),
            GOAWAY if is_whole => {
                let why = match number(FRAME + 4) {
                    PROTOCOL_ERROR => Refusal::Field,
                    COMPRESSION_ERROR => Refusal::Codec,
                    ENHANCE_YOUR_CALM => Refusal::TooLarge,
                    _ => return,
                };
                // The last of them is the one.
                if let Some(last) = self.waiting.pop_back() {
                    self.refused.push((last, why));
                }
                self.refused.extend(self.waiting.drain(..).map(|stream| (stream, Refusal::Codec)));
            }
            _ => {}
        }
    }
}

/// What of a request that `h2` lets through is not to be forwarded; `most` are the headers that it may have, those before the path
/// included.
pub fn refusal<B>(request: &Request<B>, most: usize) -> Option<Refusal> {
    let (headers, uri) = (&request.headers, &request.uri);
    let is_twice = |name: HeaderName| headers.get_all(name).nth(1).is_some();
    let own = [Some(request.method.as_str()), uri.scheme_str(), uri.authority().map(|a| a.as_str()), uri.path_and_query().map(|p| p.as_str())];
    let host = uri.authority().map(|a| a.as_str().as_bytes()).or_else(|| headers.get(http::header::HOST).map(http::HeaderValue::as_bytes));
    match () {
        () if headers.len() + own.iter().flatten().count() > most => Some(Refusal::TooMany),
        () if is_twice(http::header::CONTENT_LENGTH) || is_twice(http::header::HOST) => Some(Refusal::Field),
        () if headers.get(http::header::CONTENT_LENGTH).is_some_and(|l| l.is_empty() || !l.as_bytes().iter().all(u8::is_ascii_digit)) => Some(Refusal::Field),
        () if !host.is_none_or(is_host) => Some(Refusal::Field),
        () if uri.authority().is_none() && !headers.contains_key(http::header::HOST) => Some(Refusal::Message),
        () if uri.path() == "*" && request.method != http::Method::OPTIONS => Some(Refusal::Message),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, 0]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        out
    }

    #[test]
    fn heads_that_are_refused_are_told_apart_from_those_that_are_served() {
        let reset = |stream: u32, code: u32| frame(RST_STREAM, stream, &code.to_be_bytes());
        let sent = [
            frame(4, 0, &[]),
            reset(1, PROTOCOL_ERROR),
            reset(3, PROTOCOL_ERROR),
            frame(0, 1, &[b'x'; 100]),
            reset(5, 7),
            frame(HEADERS, 7, &[0; 30]),
            frame(HEADERS, 1, &[0; 3]),
            frame(GOAWAY, 0, &[0, 0, 0, 9, 0, 0, 0, 1, b'x', b'y']),
        ]
        .concat();
        for cut in [1, 3, 8, 9, 13, 1000] {
            let mut heads = Heads::default();
            for stream in [1, 3, 5, 7, 9, 11] {
                heads.begin(stream);
            }
            heads.take(1);
            heads.sent(&reset(11, PROTOCOL_ERROR));
            heads.take(11);
            sent.chunks(cut).for_each(|c| heads.sent(c));
            assert_eq!(heads.refused(), [Refusal::Field, Refusal::TooLarge, Refusal::Field], "in pieces of {cut}");
        }
    }

    #[test]
    fn what_h2_lets_through_is_looked_at_again() {
        let request = |uri: &str, headers: &[(&'static str, &'static str)]| {
            let mut builder = http::Request::builder().uri(uri);
            for (name, value) in headers {
                builder = builder.header(*name, *value);
            }
            Request::from(builder.body(()).expect("a request"))
        };
        let check = |uri: &str, headers: &[(&'static str, &'static str)]| refusal(&request(uri, headers), 6);
        assert_eq!(check("http://a/", &[("x", "1"), ("y", "1")]), None);
        assert_eq!(check("http://a/", &[("x", "1"), ("y", "1"), ("z", "1")]), Some(Refusal::TooMany));
        assert_eq!(check("http://a/", &[("content-length", "0"), ("content-length", "0")]), Some(Refusal::Field));
        assert_eq!(check("/", &[("host", "a")]), None);
        assert_eq!(check("/", &[]), Some(Refusal::Message));
        assert_eq!(check("http://u@a/", &[]), Some(Refusal::Field));
        assert_eq!(check("/", &[("host", "a b")]), Some(Refusal::Field));
        assert_eq!((check("http://a/", &[("content-length", "")]), check("http://a/", &[("content-length", "5")])), (Some(Refusal::Field), None));
    }
}
