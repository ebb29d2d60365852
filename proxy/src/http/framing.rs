//! The bytes of HTTP/1 requests, checked before HTTP is made of them (RFC 9112). What two readers could take for two different
//! requests ends the connection: hyper reads more than Envoy does, and Envoy more than the RFC allows.

use memchr::memchr;

/// Why the bytes are no request that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The first line has no version of HTTP: something else is spoken.
    NotHttp,
    RequestLine,
    Target,
    Version,
    /// A line that ends in a line feed alone, or has a carriage return inside.
    LineEnd,
    /// A header that is continued on the next line.
    Folded,
    HeaderName,
    HeaderValue,
    /// No host, several, or one that is no host.
    Host,
    ContentLength,
    TransferEncoding,
    /// A length and chunks at once.
    TwoLengths,
    Chunk,
    /// What says where a message ends, behind its end.
    Trailer,
}

impl Wrong {
    /// As `%RESPONSE_CODE_DETAILS%` has it: Envoy's word where it has one.
    pub fn details(self) -> &'static str {
        match self {
            Wrong::Target => "http1.invalid_url",
            Wrong::HeaderName | Wrong::HeaderValue => "http1.invalid_characters",
            Wrong::TransferEncoding => "http1.invalid_transfer_encoding",
            Wrong::TwoLengths => "http1.content_length_and_chunked_not_allowed",
            Wrong::NotHttp
            | Wrong::RequestLine
            | Wrong::Version
            | Wrong::LineEnd
            | Wrong::Folded
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

/// What the answer to a request for another protocol was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    Undecided,
    Switched,
    Refused,
}

/// Reads along with the parser.
#[derive(Debug)]
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
    /// The request whose target has a fragment, by its number, and that target.
    fragment: Option<(u64, String)>,
}

/// Longest line of a chunk's size, its extensions included.
const CHUNK_LINE: usize = 1024;

impl Framing {
    /// `limit`: bytes of a head that the parser takes.
    pub fn new(limit: usize) -> Framing {
        Framing { state: State::RequestLine, head: Head::default(), line: Vec::new(), head_bytes: 0, limit, empty_lines: 0, requests: 0, fragment: None }
    }
    /// Whether the next bytes belong to a head, so that the parser waits for more of it.
    pub fn is_in_head(&self) -> bool {
        matches!(self.state, State::RequestLine | State::Header)
    }
    /// Whether the next bytes are those behind a request for another protocol.
    pub fn asks(&self) -> bool {
        self.state == State::Undecided
    }
    /// The request whose target has a fragment, by its number from 1, and that target.
    pub fn take_fragment(&mut self) -> Option<(u64, String)> {
        self.fragment.take()
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
        let asks = self.head.connects || (self.head.names_upgrade && self.head.has_upgrade);
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
            return Err(Wrong::Target);
        }
        if memchr(b'#', target).is_some() {
            self.fragment = Some((self.requests, String::from_utf8_lossy(target).into_owned()));
        }
        Ok(())
    }
    fn header(&mut self, line: &[u8]) -> Result<(), Wrong> {
        let (name, value) = field(line)?;
        // Lengths first: few names are compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.head.hosts += 1;
                if self.head.hosts > 1 || !is_host(value) {
                    return Err(Wrong::Host);
                }
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.head.has_upgrade = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.head.names_upgrade |= value.split(|b| *b == b',').any(|w| w.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.head.length.is_some() {
                    return Err(Wrong::ContentLength);
                }
                self.head.length = Some(digits(value, 10).ok_or(Wrong::ContentLength)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.head.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Wrong::TransferEncoding);
                }
                self.head.is_chunked = true;
            }
            _ => {}
        }
        Ok(())
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
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Wrong> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Wrong::Folded);
    }
    let colon = memchr(b':', line).ok_or(Wrong::HeaderName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return Err(Wrong::HeaderName);
    }
    if !value.iter().all(|b| IS_VALUE[usize::from(*b)]) {
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
fn is_host(host: &[u8]) -> bool {
    host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+=:[]%".contains(b))
}

/// Size of a chunk from its line; extensions are let through.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = memchr(b';', line).unwrap_or(line.len());
    let is_plain = line.len() <= CHUNK_LINE && line[end..].iter().all(|b| IS_VALUE[usize::from(*b)]);
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

/// What a header's value may hold: visible characters, space, tab, and bytes beyond ASCII.
const IS_VALUE: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = b == 9 || (b >= 32 && b != 127);
        b += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Framing, (usize, Wrong)> {
        let mut framing = Framing::new(64 * 1024);
        framing.feed(bytes, Upgrade::Undecided).map(|()| framing)
    }
    fn is_wrong(bytes: &[u8]) -> Option<Wrong> {
        read(bytes).err().map(|(_, wrong)| wrong)
    }

    #[test]
    fn what_is_read_by_all_alike_passes() {
        for good in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"\r\nGET /a?b=%20c HTTP/1.1\r\nhost:a:80\r\nx:\r\ny: \t a b \t\r\n\r\n",
            b"GET http://a.b:81/x HTTP/1.1\r\nHost: a\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: [::1]:8\r\nTransfer-Encoding: CHUNKED\r\n\r\n3;a=\"b c\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /\xc3\xbc HTTP/1.1\r\nHost: a\r\nx: \xff\r\n\r\n",
        ] {
            let framing = read(good).unwrap_or_else(|e| panic!("{e:?}: {}", String::from_utf8_lossy(good)));
            assert_eq!(framing.state, State::RequestLine, "{}", String::from_utf8_lossy(good));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_does_not() {
        let line = |l: &str| format!("{l}\r\nHost: a\r\n\r\n").into_bytes();
        let header = |h: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{h}\r\n\r\n").into_bytes();
        let chunks = |c: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{c}").into_bytes();
        for (bytes, wrong) in [
            (b"INVALID CONNECTION PREFACE\r\n\r\n".to_vec(), Wrong::NotHttp),
            (b"\x16\x03\x01\n".to_vec(), Wrong::NotHttp),
            (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), Wrong::RequestLine),
            (line("GET  / HTTP/1.1"), Wrong::RequestLine),
            (line(" GET / HTTP/1.1"), Wrong::RequestLine),
            (line("GET / HTTP/1.1 "), Wrong::RequestLine),
            (line("G(T / HTTP/1.1"), Wrong::RequestLine),
            (line("GET /a\tb HTTP/1.1"), Wrong::Target),
            (line("GET a HTTP/1.1"), Wrong::Target),
            (line("GET * HTTP/1.1"), Wrong::Target),
            (line("GET ftp://a/ HTTP/1.1"), Wrong::Target),
            (line("GET http:///a HTTP/1.1"), Wrong::Target),
            (line("GET http://u@a/ HTTP/1.1"), Wrong::Target),
            (line("CONNECT /a HTTP/1.1"), Wrong::Target),
            (line("GET / HTTP/1.2"), Wrong::Version),
            (line("GET / HTTP/2.0"), Wrong::Version),
            (line("GET / HTTP/01.1"), Wrong::Version),
            (b"GET / HTTP/1.1\nHost: a\n\n".to_vec(), Wrong::LineEnd),
            (b"GET / HTTP/1.1\r\nHost: a\n\r\n".to_vec(), Wrong::LineEnd),
            (b"GET / HTTP/1.1\r\nHost: a\r\nx: a\rb\r\n\r\n".to_vec(), Wrong::LineEnd),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Wrong::Host),
            (header("Host: a"), Wrong::Host),
            (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_vec(), Wrong::Host),
            (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".to_vec(), Wrong::Host),
            (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n".to_vec(), Wrong::Host),
            (header("x: a\r\n b"), Wrong::Folded),
            (header("x : a"), Wrong::HeaderName),
            (header(": a"), Wrong::HeaderName),
            (header("x"), Wrong::HeaderName),
            (header("x\u{e9}: a"), Wrong::HeaderName),
            (header("x: a\0"), Wrong::HeaderValue),
            (header("x: a\u{7f}"), Wrong::HeaderValue),
            (header("Content-Length: +1"), Wrong::ContentLength),
            (header("Content-Length: -1"), Wrong::ContentLength),
            (header("Content-Length: 0x1"), Wrong::ContentLength),
            (header("Content-Length: 1 1"), Wrong::ContentLength),
            (header("Content-Length: 1, 1"), Wrong::ContentLength),
            (header("Content-Length:"), Wrong::ContentLength),
            (header("Content-Length: 1\r\nContent-Length: 1"), Wrong::ContentLength),
            (header("Content-Length: 99999999999999999999"), Wrong::ContentLength),
            (header("Transfer-Encoding: gzip, chunked"), Wrong::TransferEncoding),
            (header("Transfer-Encoding: chunked, identity"), Wrong::TransferEncoding),
            (header("Transfer-Encoding: xchunked"), Wrong::TransferEncoding),
            (header("Transfer-Encoding: \"chunked\""), Wrong::TransferEncoding),
            (header("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), Wrong::TransferEncoding),
            (header("Transfer-Encoding: chunked\r\nContent-Length: 1"), Wrong::TwoLengths),
            (header("Content-Length: 0\r\nTransfer-Encoding: chunked"), Wrong::TwoLengths),
            (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), Wrong::TransferEncoding),
            (chunks("\r\n"), Wrong::Chunk),
            (chunks("0x1\r\na\r\n"), Wrong::Chunk),
            (chunks(" 1\r\na\r\n"), Wrong::Chunk),
            (chunks("1 \r\na\r\n"), Wrong::Chunk),
            (chunks("-1\r\na\r\n"), Wrong::Chunk),
            (chunks("1_0\r\na\r\n"), Wrong::Chunk),
            (chunks("11111111111111111\r\n"), Wrong::Chunk),
            (chunks("1\na\n"), Wrong::LineEnd),
            (chunks("1;a\rb\r\na\r\n"), Wrong::LineEnd),
            (chunks("1;\0\r\na\r\n"), Wrong::Chunk),
            (chunks("1\r\nab\r\n"), Wrong::Chunk),
            (chunks("1\r\na\n"), Wrong::Chunk),
            (chunks(&"1".repeat(2000)), Wrong::Chunk),
            (chunks("0\r\nContent-Length: 1\r\n\r\n"), Wrong::Trailer),
            (chunks("0\r\nx: a\n\r\n"), Wrong::LineEnd),
        ] {
            assert_eq!(is_wrong(&bytes), Some(wrong), "{}", String::from_utf8_lossy(&bytes).escape_debug());
        }
    }

    #[test]
    fn fragments_are_told_by_the_number_of_their_request() {
        let mut framing = read(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b#c HTTP/1.1\r\nhost: a\r\nx: #\r\n\r\n").expect("good");
        assert_eq!((framing.take_fragment(), framing.take_fragment()), (Some((2, "/b#c".to_owned())), None));
    }

    #[test]
    fn bytes_behind_an_upgrade_are_looked_at_once_it_was_refused() {
        let asks = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\r\n";
        let frames = b"\x81\x05hello\n";
        for (answer, passes) in [(Upgrade::Switched, true), (Upgrade::Undecided, true), (Upgrade::Refused, false)] {
            let mut framing = read(asks).expect("good");
            assert!(framing.asks());
            assert_eq!(framing.feed(frames, answer).is_ok(), passes, "{answer:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_the_parsers_to_refuse() {
        let mut framing = Framing::new(100);
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(200));
        assert!(framing.feed(long.as_bytes(), Upgrade::Undecided).is_ok());
        assert!(framing.feed(b"\n\0\n", Upgrade::Undecided).is_ok());
    }

    proptest! {
        /// In whatever pieces the bytes come, what is said of them is the same.
        #[test]
        fn pieces_change_nothing(cuts in proptest::collection::vec(1usize..40, 1..40), which in 0usize..4) {
            let all: [&[u8]; 4] = [
                b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: 1\r\n\r\nGET / HTTP/1.1\r\nhost: b\r\n\r\n",
                b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab\r\nc\r\nGET / HTTP/1.1\r\nhost: b\r\nHost: c\r\n\r\n",
                b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
                b"GET /x HTTP/1.1\r\nHost: a\r\nx: y\r\n z\r\n\r\n",
            ];
            let bytes = all[which];
            let whole = is_wrong(bytes);
            let mut framing = Framing::new(64 * 1024);
            let mut rest = bytes;
            let mut found = None;
            for cut in cuts.iter().cycle() {
                let (piece, left) = rest.split_at(rest.len().min(*cut));
                if let Err((good, wrong)) = framing.feed(piece, Upgrade::Undecided) {
                    prop_assert!(good <= piece.len());
                    found = Some(wrong);
                    break;
                }
                rest = left;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, whole);
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }
}
