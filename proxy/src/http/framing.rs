//! The bytes of HTTP/1 requests, checked before HTTP is made of them (RFC 9112). What two readers could take for two different
//! requests ends the connection: hyper reads more than Envoy does, and Envoy more than the RFC allows.

mod plain;

use bytes::Bytes;
use memchr::memchr;
pub use plain::{Parts, Plain};

/// Why the bytes are no request that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The first line has no version of HTTP: something else is spoken.
    NotHttp,
    RequestLine,
    Target,
    /// A target with a control character.
    TargetCharacter,
    Version,
    /// A line that ends in a line feed alone, or has a carriage return inside.
    LineEnd,
    /// A header that is continued on the next line.
    Folded,
    HeaderName,
    HeaderValue,
    /// No host, or several.
    Host,
    /// One that is no host.
    Authority,
    ContentLength,
    TransferEncoding,
    /// A length and chunks at once.
    TwoLengths,
    Chunk,
    /// What says where a message ends, behind its end.
    Trailer,
    /// A head that is longer than it may be, which hyper refuses.
    TooLong,
}

impl Wrong {
    /// As `%RESPONSE_CODE_DETAILS%` has it: Envoy's word where it has one.
    pub fn details(self) -> &'static str {
        match self {
            Wrong::Target => "http1.invalid_url",
            Wrong::TargetCharacter | Wrong::HeaderValue => "http1.invalid_characters",
            Wrong::Authority => "http.invalid_authority",
            Wrong::TransferEncoding => "http1.invalid_transfer_encoding",
            Wrong::TwoLengths => "http1.content_length_and_chunked_not_allowed",
            Wrong::TooLong => "http1.headers_too_large",
            Wrong::NotHttp
            | Wrong::RequestLine
            | Wrong::Version
            | Wrong::LineEnd
            | Wrong::Folded
            | Wrong::HeaderName
            | Wrong::Host
            | Wrong::ContentLength
            | Wrong::Chunk
            | Wrong::Trailer => "http1.codec_error",
        }
    }
}

/// Where the bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    RequestLine,
    Header,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    /// The line end behind a chunk; so many of its two bytes were there.
    ChunkEnd(u8),
    Trailer,
    /// Behind a request that asks for another protocol: whose bytes these are depends on the answer.
    Undecided,
    /// No longer HTTP, or too long, which hyper refuses.
    Through,
}

/// How a body is delimited, and what else a head says of what follows it.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    /// `HTTP/1.0`.
    is_old: bool,
    connects: bool,
    hosts: u8,
    length: Option<u64>,
    is_chunked: bool,
    names_upgrade: bool,
    has_upgrade: bool,
}

impl Head {
    /// Takes a header.
    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Wrong> {
        // Lengths first: few names are compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                if self.hosts > 1 {
                    return Err(Wrong::Host);
                }
                if !is_host(value) {
                    return Err(Wrong::Authority);
                }
            }
            // An offer of HTTP/2 over plain TCP is never taken up (RFC 9113 §3.1 has done away with it).
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.has_upgrade |= !value.eq_ignore_ascii_case(b"h2c"),
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.names_upgrade |= value.split(|b| *b == b',').any(|w| w.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(Wrong::ContentLength);
                }
                self.length = Some(digits(value, 10).ok_or(Wrong::ContentLength)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Wrong::TransferEncoding);
                }
                self.is_chunked = true;
            }
            _ => {}
        }
        Ok(())
    }
}

/// What the answer to a request for another protocol was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    Undecided,
    Switched,
    Refused,
}

/// Reads along with the parser.
#[derive(Clone, Debug)]
pub struct Framing {
    state: State,
    head: Head,
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// Bytes of the head, or of the trailers, so far.
    head_bytes: usize,
    /// More are not looked at: hyper refuses them.
    limit: usize,
    empty_lines: u8,
    /// How many request lines there were.
    requests: u64,
    /// Requests whose targets have a fragment, by their numbers, and those targets.
    fragments: Vec<(u64, String)>,
    /// Where lines of `expect: 100-continue` began in the bytes fed since they were asked for.
    expectations: Vec<usize>,
    /// Whether the line that was read last is one.
    expects: bool,
    /// Names of headers of the head that is read, where they are kept as they are written.
    names: Option<Vec<Bytes>>,
    /// Those of heads that are there whole, by their numbers.
    heads: Vec<(u64, Vec<Bytes>)>,
}

const EXPECT: &[u8] = b"expect:";
/// Longest line that may ask to continue, with white space in it.
const EXPECT_LINE: usize = 64;

/// Longest line of a chunk's size, its extensions included.
const CHUNK_LINE: usize = 1024;

impl Framing {
    /// `limit`: bytes of a head that the parser takes.
    pub fn new(limit: usize) -> Framing {
        Framing {
            state: State::RequestLine,
            head: Head::default(),
            line: Vec::new(),
            head_bytes: 0,
            limit,
            empty_lines: 0,
            requests: 0,
            fragments: Vec::new(),
            expectations: Vec::new(),
            expects: false,
            names: None,
            heads: Vec::new(),
        }
    }
    /// Keeps names of headers as they are written.
    pub fn keep_names(&mut self) {
        self.names = Some(Vec::new());
    }
    /// Those of the heads in the bytes fed since the last call, by the numbers of their requests from 1.
    pub fn take_heads(&mut self) -> Vec<(u64, Vec<Bytes>)> {
        std::mem::take(&mut self.heads)
    }
    /// Whether the next bytes belong to a head, so that the parser waits for more of it.
    pub fn is_in_head(&self) -> bool {
        matches!(self.state, State::RequestLine | State::Header)
    }
    /// Whether a head is longer than it may be.
    pub fn is_too_long(&self) -> bool {
        self.head_bytes > self.limit
    }
    /// Whether a head has begun and not ended.
    pub fn is_mid_head(&self) -> bool {
        self.state == State::Header || (self.state == State::RequestLine && !self.line.is_empty())
    }
    /// Where lines that ask to continue began in the bytes fed last.
    pub fn take_expectations(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.expectations)
    }
    /// How many of the bytes fed last may be the beginning of a line that asks to continue. They count as not fed.
    pub fn take_back_expectation(&mut self) -> usize {
        let n = self.line.len();
        let name = &self.line[..n.min(EXPECT.len())];
        if self.state != State::Header || n > EXPECT_LINE || !name.eq_ignore_ascii_case(&EXPECT[..name.len()]) {
            return 0;
        }
        self.line.clear();
        self.head_bytes -= n;
        n
    }
    /// Whether the next bytes are those behind a request for another protocol.
    pub fn asks(&self) -> bool {
        self.state == State::Undecided
    }
    /// The requests whose targets have a fragment, by their numbers from 1, and those targets; of the bytes fed since the last call.
    pub fn take_fragments(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.fragments)
    }

    /// Takes the next bytes. Those before the returned index are good.
    ///
    /// # Errors
    /// Why the bytes from the index on are none that may be read. Nothing may be fed afterwards.
    pub fn feed(&mut self, bytes: &[u8], upgrade: Upgrade) -> Result<(), (usize, Wrong)> {
        if self.state == State::Undecided {
            self.state = match upgrade {
                Upgrade::Refused => State::RequestLine,
                Upgrade::Switched | Upgrade::Undecided => State::Through,
            };
        }
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                State::Through | State::Undecided => return Ok(()),
                State::Body(left) => {
                    let n = left.min(rest.len() as u64);
                    at += usize::try_from(n).unwrap_or(rest.len());
                    self.state = if n == left { self.next_message() } else { State::Body(left - n) };
                }
                State::ChunkData(left) => {
                    let n = left.min(rest.len() as u64);
                    at += usize::try_from(n).unwrap_or(rest.len());
                    self.state = if n == left { State::ChunkEnd(0) } else { State::ChunkData(left - n) };
                }
                State::ChunkEnd(seen) => {
                    if rest[0] != b"\r\n"[usize::from(seen)] {
                        return Err((at, Wrong::Chunk));
                    }
                    at += 1;
                    self.state = if seen == 0 { State::ChunkEnd(1) } else { State::ChunkSize };
                }
                State::RequestLine | State::Header | State::ChunkSize | State::Trailer => {
                    let Some(end) = memchr(b'\n', rest) else {
                        self.line.extend_from_slice(rest);
                        self.count(rest.len());
                        if self.state == State::ChunkSize && self.line.len() > CHUNK_LINE {
                            return Err((at, Wrong::Chunk));
                        }
                        return Ok(());
                    };
                    self.count(end + 1);
                    if self.state == State::Through {
                        return Ok(());
                    }
                    let checked = if self.line.is_empty() {
                        self.line(&rest[..end])
                    } else {
                        let mut whole = std::mem::take(&mut self.line);
                        whole.extend_from_slice(&rest[..end]);
                        let checked = self.line(&whole);
                        whole.clear();
                        self.line = whole;
                        checked
                    };
                    checked.map_err(|wrong| (at, wrong))?;
                    if std::mem::take(&mut self.expects) {
                        self.expectations.push(at);
                    }
                    at += end + 1;
                }
            }
        }
        Ok(())
    }

    /// What is longer than a head may be is refused by the parser, with the status for that.
    fn count(&mut self, n: usize) {
        if self.state != State::ChunkSize {
            self.head_bytes += n;
            if self.head_bytes > self.limit {
                self.state = State::Through;
                self.line = Vec::new();
            }
        }
    }
    fn next_message(&self) -> State {
        // Clients of HTTP/1.0 can't ask (RFC 9110 §7.8).
        let asks = self.head.connects || (self.head.names_upgrade && self.head.has_upgrade && !self.head.is_old);
        if asks { State::Undecided } else { State::RequestLine }
    }
    /// A line without its line feed.
    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        let Some((b'\r', line)) = line.split_last() else { return Err(self.not_http_at_all(line).unwrap_or(Wrong::LineEnd)) };
        if memchr(b'\r', line).is_some() {
            return Err(Wrong::LineEnd);
        }
        match self.state {
            State::RequestLine if line.is_empty() => {
                // One may stand behind the body before, as old clients send it.
                self.empty_lines += 1;
                if self.empty_lines > 1 {
                    return Err(Wrong::RequestLine);
                }
            }
            State::RequestLine => {
                self.head = Head::default();
                self.empty_lines = 0;
                self.request_line(line)?;
                self.state = State::Header;
            }
            State::Header if line.is_empty() => {
                self.head_bytes = 0;
                if let Some(names) = &mut self.names {
                    self.heads.push((self.requests, std::mem::take(names)));
                }
                self.state = self.body()?;
            }
            State::Header => self.header(line)?,
            State::ChunkSize => {
                let size = chunk_size(line).ok_or(Wrong::Chunk)?;
                self.state = if size == 0 { State::Trailer } else { State::ChunkData(size) };
            }
            State::Trailer if line.is_empty() => {
                self.head_bytes = 0;
                self.state = self.next_message();
            }
            State::Trailer => {
                let (name, _) = field(line)?;
                if ["content-length", "transfer-encoding", "host", "trailer"].iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes())) {
                    return Err(Wrong::Trailer);
                }
            }
            State::Body(_) | State::ChunkData(_) | State::ChunkEnd(_) | State::Undecided | State::Through => {}
        }
        Ok(())
    }
    /// The first line of a connection that is no line of HTTP.
    fn not_http_at_all(&self, line: &[u8]) -> Option<Wrong> {
        let is_first = self.requests == 0 && self.state == State::RequestLine;
        (is_first && !line.windows(6).any(|w| w == b" HTTP/")).then_some(Wrong::NotHttp)
    }
    fn request_line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        if let Some(wrong) = self.not_http_at_all(line) {
            return Err(wrong);
        }
        self.requests += 1;
        let mut words = line.split(|b| *b == b' ');
        let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else {
            return Err(Wrong::RequestLine);
        };
        if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
            return Err(Wrong::RequestLine);
        }
        self.head.is_old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Wrong::Version),
        };
        self.head.connects = method == b"CONNECT";
        if !is_target(method, target) {
            return Err(match target {
                _ if target.iter().any(u8::is_ascii_control) => Wrong::TargetCharacter,
                // No form of a target at all.
                [first, ..] if !matches!(first, b'/' | b'*') && !target.windows(3).any(|w| w == b"://") => Wrong::RequestLine,
                _ => Wrong::Target,
            });
        }
        if memchr(b'#', target).is_some() {
            self.fragments.push((self.requests, String::from_utf8_lossy(target).into_owned()));
        }
        Ok(())
    }
    fn header(&mut self, line: &[u8]) -> Result<(), Wrong> {
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"expect") {
            self.expects = line.len() < EXPECT_LINE && value.eq_ignore_ascii_case(b"100-continue");
        }
        if let Some(names) = &mut self.names {
            names.push(Bytes::copy_from_slice(name));
        }
        self.head.header(name, value)
    }
    /// What follows a head.
    fn body(&self) -> Result<State, Wrong> {
        let head = &self.head;
        if head.hosts == 0 && !head.is_old {
            return Err(Wrong::Host);
        }
        match (head.is_chunked, head.length) {
            (true, Some(_)) => Err(Wrong::TwoLengths),
            (true, None) if head.is_old => Err(Wrong::TransferEncoding),
            (true, None) => Ok(State::ChunkSize),
            (false, Some(n)) if n > 0 => Ok(State::Body(n)),
            (false, _) => Ok(self.next_message()),
        }
    }
}

/// A name and its value without the white space around it.
pub fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Wrong> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Wrong::Folded);
    }
    let colon = memchr(b':', line).ok_or(Wrong::HeaderName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return Err(Wrong::HeaderName);
    }
    if !are_values(value) {
        return Err(Wrong::HeaderValue);
    }
    Ok((name, value.trim_ascii()))
}

/// The forms of RFC 9112 §3.2, each where it may stand.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    if target.is_empty() || !target.iter().all(|b| *b > b' ' && *b != 0x7f) {
        return false;
    }
    if method == b"CONNECT" {
        return is_host(target);
    }
    match target[0] {
        b'/' => true,
        b'*' => method == b"OPTIONS" && target.len() == 1,
        _ => {
            let prefix = [&b"http://"[..], b"https://"].into_iter().find(|p| target.get(..p.len()).is_some_and(|t| t.eq_ignore_ascii_case(p)));
            prefix.is_some_and(|p| {
                let rest = &target[p.len()..];
                let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
                end > 0 && is_host(&rest[..end])
            })
        }
    }
}

/// A host, with its port perhaps: no user, no path, no list.
pub fn is_host(host: &[u8]) -> bool {
    host.iter().all(|b| IS_HOST[usize::from(*b)])
}

/// Size of a chunk from its line; extensions are let through.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = memchr(b';', line).unwrap_or(line.len());
    let is_plain = line.len() <= CHUNK_LINE && line[end..].iter().all(|b| is_value(*b));
    digits(&line[..end], 16).filter(|_| is_plain)
}

/// Digits alone, and no more than fit.
fn digits(text: &[u8], base: u32) -> Option<u64> {
    let fits = !text.is_empty() && text.iter().all(|b| char::from(*b).is_digit(base));
    std::str::from_utf8(text).ok().filter(|_| fits).and_then(|t| u64::from_str_radix(t, base).ok())
}

/// A character of a method or of a header's name (RFC 9110 §5.6.2).
fn is_token(b: u8) -> bool {
    IS_TOKEN[usize::from(b)]
}

const IS_TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let c = b as u8;
        table[b] =
            c.is_ascii_alphanumeric() || matches!(c, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        b += 1;
    }
    table
};

const IS_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "below 256")]
        let c = b as u8;
        table[b] = c.is_ascii_alphanumeric()
            || matches!(c, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b'=' | b':' | b'[' | b']' | b'%');
        b += 1;
    }
    table
};

/// What a header's value may hold: visible characters, space, tab, and bytes beyond ASCII.
fn is_value(b: u8) -> bool {
    b == b'\t' || (b >= b' ' && b != 0x7f)
}

/// The same of all bytes, eight in one step where none of them is a control character.
fn are_values(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    let is_good = |word: &[u8; 8]| {
        let n = u64::from_ne_bytes(*word);
        // The high bit of a byte is set, or of one above it, where it is below a space; likewise where it is a delete.
        let below = n.wrapping_sub(ONES * 0x20) & !n;
        let delete = n ^ (ONES * 0x7f);
        let is_delete = delete.wrapping_sub(ONES) & !delete;
        (below | is_delete) & HIGH == 0 || word.iter().all(|b| is_value(*b))
    };
    words.iter().all(is_good) && rest.iter().all(|b| is_value(*b))
}

#[cfg(test)]
mod tests;
