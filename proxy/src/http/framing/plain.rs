//! Heads that are there whole and of which nothing follows but a body of a known length: nearly all. They are checked as others are,
//! and where their parts are is kept, so that nobody has to look for them again.

use super::{Framing, Head, State, Wrong, is_target, is_token};
use crate::http1::lines::{self, Field, Split};
use memchr::memchr;
use std::ops::Range;

/// Where the parts of a head are, as places in its bytes. It may be used for one head after the other.
#[derive(Debug, Default)]
pub struct Parts {
    pub method: Range<usize>,
    pub target: Range<usize>,
    pub fields: Vec<Field>,
}

/// What stands at the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// A head of so many bytes, and behind it a body of a length.
    Head { end: usize, length: u64 },
    /// A head that has begun.
    Part,
    /// Something else, or a head that is longer than it may be.
    Other,
}

impl Framing {
    /// Looks for a plain head of HTTP/1.1. Nothing is fed by it: see [`Framing::pass_plain`]. What is found is plain only if its names and
    /// values are those of headers, as who makes headers of them finds out.
    pub fn plain(&self, bytes: &[u8], parts: &mut Parts) -> Plain {
        if self.state != State::RequestLine || !self.line.is_empty() {
            return Plain::Other;
        }
        match self.plain_head(bytes, parts) {
            Ok(Some((end, length))) if end <= self.limit => Plain::Head { end, length },
            Ok(None) if bytes.len() <= self.limit => Plain::Part,
            _ => Plain::Other,
        }
    }
    /// The head that was found goes on, and somebody else reads its body: the next bytes are those of the next head.
    pub fn pass_plain(&mut self) {
        self.requests += 1;
        self.empty_lines = 0;
    }

    /// `None` where the head is not there whole; errors for what is wrong, or not plain.
    fn plain_head(&self, bytes: &[u8], parts: &mut Parts) -> Result<Option<(usize, u64)>, Wrong> {
        // An empty line may stand behind the body before.
        let start = if self.empty_lines == 0 && bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let Some(end) = memchr(b'\n', &bytes[start..]).map(|n| start + n) else { return Ok(None) };
        let first = bytes[start..end].strip_suffix(b"\r").ok_or(Wrong::LineEnd)?;
        let after_method = memchr(b' ', first).ok_or(Wrong::RequestLine)?;
        let target = first[after_method + 1..].strip_suffix(b" HTTP/1.1").ok_or(Wrong::Version)?;
        let method = &first[..after_method];
        if method.is_empty() || method == b"CONNECT" || !method.iter().all(|b| is_token(*b)) {
            return Err(Wrong::RequestLine);
        }
        // A fragment is refused later, and has to be told.
        if !is_target(method, target) || memchr(b'#', target).is_some() {
            return Err(Wrong::Target);
        }
        parts.method = start..start + after_method;
        parts.target = parts.method.end + 1..parts.method.end + 1 + target.len();
        let mut head = Head::default();
        let takes = |name: &[u8], value: &[u8]| !name.eq_ignore_ascii_case(b"expect") && head.header(name, value).is_ok();
        let end = match lines::split(bytes, end + 1, &mut parts.fields, takes) {
            Split::End(end) => end,
            Split::Part => return Ok(None),
            Split::Odd => return Err(Wrong::HeaderName),
        };
        if head.hosts == 0 {
            return Err(Wrong::Host);
        }
        if head.is_chunked || (head.names_upgrade && head.has_upgrade) {
            return Err(Wrong::TransferEncoding);
        }
        Ok(Some((end, head.length.unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::framing::Upgrade;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    /// What the reader of all heads says of one that is there whole: its end, its body's length, and whether it is plain.
    fn read(bytes: &[u8]) -> Option<(usize, u64)> {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
        let mut framing = Framing::new(1000);
        framing.feed(&bytes[..end], Upgrade::Undecided).ok()?;
        let length = match framing.state {
            State::RequestLine => 0,
            State::Body(n) => n,
            _ => return None,
        };
        let is_plain = !framing.head.is_old && framing.fragments.is_empty() && framing.expectations.is_empty() && framing.next_message() == State::RequestLine;
        is_plain.then_some((end, length))
    }
    fn found(bytes: &[u8]) -> (Plain, Parts) {
        let mut parts = Parts::default();
        let plain = Framing::new(1000).plain(bytes, &mut parts);
        let are_headers =
            parts.fields.iter().all(|[a, b, c, d]| HeaderName::from_bytes(&bytes[*a..*b]).is_ok() && HeaderValue::from_bytes(&bytes[*c..*d]).is_ok());
        (if are_headers || plain == Plain::Part { plain } else { Plain::Other }, parts)
    }

    #[test]
    fn parts_are_where_they_stand() {
        let head = b"\r\nPOST /a?b HTTP/1.1\r\nHost:a\r\nX-Long: \t b c \t\r\ncontent-length: 3\r\n\r\nabc";
        let (plain, parts) = found(head);
        assert_eq!(plain, Plain::Head { end: head.len() - 3, length: 3 });
        let text = |range: Range<usize>| std::str::from_utf8(&head[range]).expect("ASCII");
        assert_eq!((text(parts.method.clone()), text(parts.target.clone())), ("POST", "/a?b"));
        let fields: Vec<_> = parts.fields.iter().map(|[a, b, c, d]| (text(*a..*b), text(*c..*d))).collect();
        assert_eq!(fields, [("Host", "a"), ("X-Long", "b c"), ("content-length", "3")]);
        for end in 1..head.len() - 3 {
            assert_eq!(found(&head[..end]).0, Plain::Part, "{end}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        let with = |line: &str, header: &str| format!("{line}\r\nhost: a\r\n{header}\r\n\r\n");
        for odd in [
            with("GET / HTTP/1.0", "a: b"),
            with("GET /#a HTTP/1.1", "a: b"),
            with("CONNECT a:1 HTTP/1.1", "a: b"),
            with("GET  / HTTP/1.1", "a: b"),
            with("GET / HTTP/1.1", "host: b"),
            with("GET / HTTP/1.1", "a: b\r"),
            with("GET / HTTP/1.1", "a: b\u{c}"),
            with("GET / HTTP/1.1", "a\0: b"),
            with("GET / HTTP/1.1", "a : b"),
            with("GET / HTTP/1.1", "expect: 100-continue"),
            with("GET / HTTP/1.1", "transfer-encoding: chunked"),
            with("GET / HTTP/1.1", "content-length: 1\r\ncontent-length: 1"),
            with("GET / HTTP/1.1", "connection: upgrade\r\nupgrade: websocket"),
            with("GET / HTTP/1.1", "a: b\n c: d"),
            with("GET / HTTP/1.1", &"a: b\r\n".repeat(100)),
            "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\n\r\n".to_owned(),
            "a".repeat(1001),
        ] {
            assert_eq!(found(odd.as_bytes()).0, Plain::Other, "{odd:?}");
        }
    }

    proptest! {
        /// It takes nothing that the other reader refuses, and reads what it takes alike.
        #[test]
        fn both_readers_agree(
            line in "(GET|POST|G T|)? (/|/a%20|\\*|http://a/b|/\u{e4}|a)( HTTP/1[.][012])?",
            fields in proptest::collection::vec("(Host|Content-Length|Transfer-Encoding|Connection|Upgrade|X-A|x b|) ?:[ \t]?(a|3|chunked|upgrade|h2c|\u{1}|a\rb|a\u{c}|\ra)?[ \t]?", 0..5),
            ends in proptest::collection::vec(prop_oneof![9 => Just("\r\n"), 1 => Just("\n")], 7),
        ) {
            let mut text = line;
            for (field, end) in fields.iter().zip(&ends) {
                text.push_str(end);
                text.push_str(field);
            }
            text.push_str(ends[5]);
            text.push_str(ends[6]);
            let (plain, parts) = found(text.as_bytes());
            if let Plain::Head { end, length } = plain {
                prop_assert_eq!(read(text.as_bytes()), Some((end, length)));
                let mut known = [httparse::EMPTY_HEADER; 16];
                let mut other = httparse::Request::new(&mut known);
                prop_assert!(other.parse(text.as_bytes()).is_ok_and(|s| s == httparse::Status::Complete(end)));
                let of_other: Vec<_> = other.headers.iter().map(|h| (h.name.as_bytes(), h.value)).collect();
                let own: Vec<_> = parts.fields.iter().map(|[a, b, c, d]| (&text.as_bytes()[*a..*b], &text.as_bytes()[*c..*d])).collect();
                prop_assert_eq!(own, of_other);
                prop_assert_eq!((other.method, other.path), (Some(&text[parts.method]), Some(&text[parts.target])));
            } else {
                prop_assert_eq!(read(text.as_bytes()), None);
            }
        }
    }
}
