//! Heads of messages: read into maps of headers, and written from them.

use super::lines::{self, Field, Split};
use crate::config::header_format::Keeping;
use crate::http::framing::Parts;
use crate::http::spelling::Names;
use crate::message::{HeaderMap, Request, Response};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version};
use std::io::Write;

/// Bytes that an answer's head may have: as much as hyper takes.
const LONGEST: usize = 8192 + 4096 * 100;
/// Room for most heads that are written.
pub const ROOM: usize = 1024;
/// Headers that it may have.
const MOST: usize = 256;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Bytes(u64),
    Chunks,
    UntilClose,
}

/// An answer's head.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub length: Length,
    pub keeps_alive: bool,
    /// How the upstream wrote the names of headers, where that is kept.
    pub names: Option<Names>,
}

/// The bytes are no head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHead;

/// Takes an answer's head from the front of `from`; `None` while it is not there whole. `fields` is room for its places; `interim` gets
/// the heads before the last one.
///
/// # Errors
/// The bytes are none.
pub fn answer(
    from: &mut BytesMut,
    fields: &mut Vec<Field>,
    method: &Method,
    keeping: Option<Keeping>,
    mut interim: impl FnMut(StatusCode, &HeaderMap, Option<&Names>),
) -> Result<Option<Answer>, NoHead> {
    loop {
        if from.is_empty() {
            return Ok(None);
        }
        let Some((status, version, headers, head)) = parse(from, fields)? else {
            return if from.len() > LONGEST { Err(NoHead) } else { Ok(None) };
        };
        let names = keeping.map(|k| Names::of_answer(&head, fields, k));
        match status.as_u16() {
            // Nobody asked to go over to another protocol here.
            101 => return Err(NoHead),
            100..=199 => interim(status, &headers, names.as_ref()),
            _ => {
                let length = length(status, version, &headers, method)?;
                let keeps_alive = length != Length::UntilClose && keeps_alive(version, &headers);
                return Ok(Some(Answer { status, version, headers, length, keeps_alive, names }));
            }
        }
    }
}

/// Makes a request of a head that was found plain. `None` for what is better left to hyper: a target that is none.
pub fn request<B>(head: &Bytes, parts: &Parts, body: B) -> Option<(Request<B>, Stays)> {
    let mut request = Request::new(body);
    request.method = Method::from_bytes(&head[parts.method.clone()]).ok()?;
    request.uri = Uri::from_maybe_shared(head.slice(parts.target.clone())).ok()?;
    // Room for those that a proxy adds.
    request.headers = HeaderMap::with_capacity(parts.fields.len() + 6);
    fill(head, &parts.fields, &mut request.headers).ok()?;
    let stays = if keeps_alive(Version::HTTP_11, &request.headers) { Stays::Yes } else { Stays::No };
    Some((request, stays))
}

/// Values share the bytes of the head.
fn fill(head: &Bytes, fields: &[Field], headers: &mut HeaderMap) -> Result<(), NoHead> {
    for [a, b, c, d] in fields {
        let name = HeaderName::from_bytes(&head[*a..*b]).map_err(|_| NoHead)?;
        let value = HeaderValue::from_maybe_shared(head.slice(*c..*d)).map_err(|_| NoHead)?;
        headers.append(name, value);
    }
    Ok(())
}

/// Whether a connection stays open behind a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    Yes,
    No,
}

/// Writes the head of an answer. Returns how its body goes behind it, and whether the connection stays.
pub fn write_answer<B: http_body::Body>(answer: &Response<B>, to: &Asked, date: impl FnOnce() -> HeaderValue, out: &mut Vec<u8>) -> (Encoder, Stays) {
    let status = answer.status;
    let is_silent = status.is_informational() || matches!(status.as_u16(), 204 | 304);
    let may_have_body = !is_silent && !to.is_head;
    let known = if answer.body.is_end_stream() { Some(0) } else { answer.body.size_hint().exact() };
    out.reserve(ROOM);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
    let (mut length, mut says_length, mut has_date, mut stays, mut says_close) = (known, false, false, to.stays, false);
    let mut announced = Vec::new();
    for (name, value) in &answer.headers {
        match *name {
            header::TRANSFER_ENCODING => continue,
            // Of an empty body it says nothing; with 304 it is that of the answer which is not sent.
            header::CONTENT_LENGTH if says_length || (answer.body.is_end_stream() && !to.is_head && status != StatusCode::NOT_MODIFIED) => continue,
            header::CONTENT_LENGTH => {
                let given = std::str::from_utf8(value.as_bytes()).ok().and_then(|v| v.parse().ok());
                if known.is_none() && given.is_none() {
                    continue;
                }
                says_length = true;
                length = length.or(given);
            }
            header::CONNECTION if lists(value, "close") => (stays, says_close) = (Stays::No, true),
            header::DATE => has_date = true,
            header::TRAILER if !may_have_body => continue,
            header::TRAILER => announced.extend(names(value)),
            _ => {}
        }
        write_header(name, value, out);
    }
    if stays == Stays::No && !says_close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    let encoder = match length {
        Some(n) => {
            if !says_length && !is_silent && (n > 0 || !to.is_head) {
                // Writing to a Vec does not fail.
                let _ = write!(out, "content-length: {n}\r\n");
            }
            Encoder::Length(n)
        }
        None if may_have_body => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Encoder::Chunks(if to.takes_trailers { announced } else { Vec::new() })
        }
        None => Encoder::Length(0),
    };
    if !has_date {
        write_header(&header::DATE, &date(), out);
    }
    out.extend_from_slice(b"\r\n");
    (if may_have_body { encoder } else { Encoder::Length(0) }, stays)
}

/// What of a request its answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub is_head: bool,
    pub takes_trailers: bool,
    pub stays: Stays,
}

fn names(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    value.as_bytes().split(|b| *b == b',').filter_map(|n| HeaderName::from_bytes(n.trim_ascii()).ok())
}

fn lists(value: &HeaderValue, word: &str) -> bool {
    value.as_bytes().split(|b| *b == b',').any(|w| w.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

fn parse(from: &mut BytesMut, fields: &mut Vec<Field>) -> Result<Option<(StatusCode, Version, HeaderMap, Bytes)>, NoHead> {
    let (end, status, version) = match usual(from, fields) {
        Some(Usual::Head(end, status)) => (end, status, Version::HTTP_11),
        Some(Usual::Part) => return Ok(None),
        None => match other(from, fields)? {
            Some(found) => found,
            None => return Ok(None),
        },
    };
    let head = from.split_to(end).freeze();
    let mut headers = HeaderMap::with_capacity(fields.len() + 4);
    fill(&head, fields, &mut headers)?;
    Ok(Some((status, version, headers, head)))
}

enum Usual {
    /// Where it ends, and its status.
    Head(usize, StatusCode),
    Part,
}

/// The head of an answer as nearly all servers write it; `None` for what has to be looked at more closely.
fn usual(from: &[u8], fields: &mut Vec<Field>) -> Option<Usual> {
    let rest = from.strip_prefix(b"HTTP/1.1 ")?;
    let status = StatusCode::from_bytes(rest.get(..3)?).ok()?;
    let end = memchr::memchr(b'\n', rest)?;
    let [b' ', reason @ .., b'\r'] = &rest[3..end] else { return None };
    if !reason.iter().all(|b| matches!(b, b' '..=b'~')) {
        return None;
    }
    match lines::split(from, from.len() - rest.len() + end + 1, fields, |_, _| true) {
        Split::End(end) => Some(Usual::Head(end, status)),
        Split::Part => Some(Usual::Part),
        Split::Odd => None,
    }
}

/// Any other head that may be read.
fn other(from: &[u8], fields: &mut Vec<Field>) -> Result<Option<(usize, StatusCode, Version)>, NoHead> {
    let mut parsed = vec![httparse::EMPTY_HEADER; MOST];
    let mut response = httparse::Response::new(&mut parsed);
    let httparse::Status::Complete(end) = response.parse(from).map_err(|_| NoHead)? else { return Ok(None) };
    let status = response.code.and_then(|c| StatusCode::from_u16(c).ok()).ok_or(NoHead)?;
    let version = if response.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let start = from.as_ptr().addr();
    let place = |part: &[u8]| (part.as_ptr().addr() - start, part.as_ptr().addr() - start + part.len());
    fields.clear();
    fields.extend(response.headers.iter().map(|f| (place(f.name.as_bytes()), place(f.value))).map(|((a, b), (c, d))| [a, b, c, d]));
    Ok(Some((end, status, version)))
}

/// RFC 9112 §6.3. As with Envoy, chunks are the only coding, and what leaves open where an answer ends is refused: a length and chunks
/// at once, a body behind 204.
fn length(status: StatusCode, version: Version, headers: &HeaderMap, method: &Method) -> Result<Length, NoHead> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING);
    let coding = codings.next();
    if status == StatusCode::NO_CONTENT && (coding.is_some() || content_length(headers)?.is_some_and(|n| n > 0)) {
        return Err(NoHead);
    }
    if matches!(status.as_u16(), 204 | 304) || *method == Method::HEAD {
        return Ok(Length::Bytes(0));
    }
    let given = content_length(headers)?;
    if let Some(coding) = coding {
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        return if is_chunked && version != Version::HTTP_10 && given.is_none() { Ok(Length::Chunks) } else { Err(NoHead) };
    }
    Ok(given.map_or(Length::UntilClose, Length::Bytes))
}

/// The length that is given, once: a list, or a second one, is nothing to go by (RFC 9112, 6.3, lets both be refused).
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, NoHead> {
    let mut given = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value.as_bytes().trim_ascii();
        let fits = given.is_none() && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        given = Some(std::str::from_utf8(digits).ok().filter(|_| fits).and_then(|t| t.parse().ok()).ok_or(NoHead)?);
    }
    Ok(given)
}

/// Whether the connection stays open behind the message.
fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let says = |word: &str| headers.get_all(header::CONNECTION).any(|v| lists(v, word));
    if version == Version::HTTP_11 { !says("close") } else { says("keep-alive") && !says("close") }
}

/// What is sent behind a request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// So many bytes are left.
    Length(u64),
    /// With the trailers that were announced.
    Chunks(Vec<HeaderName>),
}

/// Writes a request's head. What a body's length is follows from its headers, or else from its size where that is known.
pub fn write_request<B: http_body::Body>(request: &mut Request<B>, out: &mut Vec<u8>) -> Encoder {
    let encoder = encoder(request);
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    match (request.uri.authority(), request.uri.path_and_query()) {
        (None, Some(path)) => out.extend_from_slice(path.as_str().as_bytes()),
        // Writing to a Vec does not fail.
        _ => drop(write!(out, "{}", request.uri)),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_headers(&request.headers, out);
    out.extend_from_slice(b"\r\n");
    encoder
}

fn encoder<B: http_body::Body>(request: &mut Request<B>) -> Encoder {
    // What comes behind it is no body.
    if request.method == Method::CONNECT && !request.body.is_end_stream() && request.body.size_hint().exact().is_none() {
        request.headers.remove(header::TRANSFER_ENCODING);
        if let Ok(Some(given)) = content_length(&request.headers) {
            return Encoder::Length(given);
        }
        request.headers.remove(header::CONTENT_LENGTH);
        return Encoder::Length(0);
    }
    let delimits = delimits(&request.headers, &request.body);
    let headers = &mut request.headers;
    headers.remove(header::TRANSFER_ENCODING);
    if delimits.says_nothing_valid {
        headers.remove(header::CONTENT_LENGTH);
    }
    match &delimits.encoder {
        Encoder::Length(n) if delimits.is_said => headers.insert(header::CONTENT_LENGTH, HeaderValue::from(*n)),
        Encoder::Chunks(_) => headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        Encoder::Length(_) => {}
    }
    delimits.encoder
}

/// How a request's body is delimited, and what its head says of that.
pub struct Delimits {
    encoder: Encoder,
    /// A length that no header gives.
    is_said: bool,
    /// The header's length is none.
    says_nothing_valid: bool,
}

/// What delimits a body, by its request's headers, or else by its size where that is known.
pub fn delimits<B: http_body::Body>(headers: &HeaderMap, body: &B) -> Delimits {
    let of = |encoder| Delimits { encoder, is_said: false, says_nothing_valid: false };
    if body.is_end_stream() {
        return of(Encoder::Length(0));
    }
    if let Ok(Some(given)) = content_length(headers) {
        return of(Encoder::Length(given));
    }
    let encoder = match body.size_hint().exact() {
        Some(known) => Encoder::Length(known),
        None => Encoder::Chunks(headers.get_all(header::TRAILER).flat_map(names).collect()),
    };
    Delimits { is_said: matches!(encoder, Encoder::Length(1..)), encoder, says_nothing_valid: true }
}

impl Delimits {
    /// Whether a header is not to be written.
    pub fn replaces(&self, name: &HeaderName) -> bool {
        *name == header::TRANSFER_ENCODING || (self.says_nothing_valid && *name == header::CONTENT_LENGTH)
    }
    /// Writes what its headers say.
    pub fn write(self, out: &mut Vec<u8>) -> Encoder {
        match &self.encoder {
            Encoder::Length(n) if self.is_said => {
                // Writing to a Vec does not fail.
                let _ = write!(out, "content-length: {n}\r\n");
            }
            Encoder::Chunks(_) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Encoder::Length(_) => {}
        }
        self.encoder
    }
}

pub fn write_headers(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers {
        write_header(name, value, out);
    }
}

/// A header whose value is a number.
pub fn write_number(name: &HeaderName, n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    let (mut digits, mut at, mut left) = ([b'0'; 20], 20, n);
    while left > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

pub fn write_header(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, method: &Method) -> Result<Option<Answer>, NoHead> {
        answer(&mut BytesMut::from(text), &mut Vec::new(), method, None, |_, _, _| {})
    }
    fn length_of(text: &str) -> Result<Length, NoHead> {
        read(&format!("HTTP/1.1 200 OK\r\n{text}\r\n"), &Method::GET).map(|a| a.expect("a whole head").length)
    }

    #[test]
    fn answers_say_how_their_bodies_end() {
        assert_eq!(length_of("content-length: 3\r\n"), Ok(Length::Bytes(3)));
        assert_eq!(length_of("transfer-encoding: Chunked\r\n"), Ok(Length::Chunks));
        assert_eq!(length_of(""), Ok(Length::UntilClose));
        for wrong in [
            "content-length: 3, 3\r\n",
            "content-length: 3\r\ncontent-length: 3\r\n",
            "content-length: +3\r\n",
            "content-length: 3\r\ntransfer-encoding: chunked\r\n",
            "content-length:\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked, gzip\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: identity\r\n",
        ] {
            assert_eq!(length_of(wrong), Err(NoHead), "{wrong:?}");
        }
        let none = |text: &str, method| read(text, &method).expect("an answer").expect("a whole head").length;
        assert_eq!(none("HTTP/1.1 304 \r\ncontent-length: 3\r\n\r\n", Method::GET), Length::Bytes(0));
        assert_eq!(none("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", Method::HEAD), Length::Bytes(0));
    }

    #[test]
    fn the_first_answers_of_several_are_skipped_and_halves_waited_for() {
        let whole = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n";
        for end in 0..whole.len() {
            assert!(read(&whole[..end], &Method::GET).expect("so far well").is_none(), "{end}");
        }
        let answer = read(whole, &Method::GET).expect("an answer").expect("a whole head");
        assert_eq!((answer.status, answer.headers.get("x-a").expect("a header").as_bytes(), answer.keeps_alive), (StatusCode::OK, &b"1"[..], true));
        assert!(read("HTTP/1.1 101 Switching Protocols\r\n\r\n", &Method::GET).is_err());
        assert!(read("SSH-2.0-x\r\n\r\n", &Method::GET).is_err());
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
        assert_eq!(read(&many, &Method::GET).expect("an answer").expect("a whole head").headers.len(), 200);
        assert!(read(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(300)), &Method::GET).is_err());
    }

    #[test]
    fn connections_stay_open_by_version_and_word() {
        let stays = |text: &str| read(text, &Method::GET).expect("an answer").expect("a whole head").keeps_alive;
        assert!(stays("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") && !stays("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"));
        assert!(!stays("HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n"));
        assert!(stays("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n") && !stays("HTTP/1.1 200 OK\r\n\r\n"));
    }
}
