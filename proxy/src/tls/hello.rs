//! A look at the first bytes of a connection: whether they are a TLS client's hello, and which server and protocols it asks
//! for (the TLS inspector), or the beginning of HTTP (the HTTP inspector). Nothing is decrypted, what is read is bounded, and
//! any bytes are met with an answer.

/// What a hello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// In lower case; "" for none.
    pub server_name: String,
    /// In the client's order; without those that are no text.
    pub alpn: Vec<String>,
}

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// Too few to say.
    More,
    /// Something else.
    No,
    Yes(T),
}

/// The longest hello that is read, with its record headers.
pub const LONGEST: usize = 64 * 1024;

/// Bytes with a place in them; every take is checked.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }
    fn number(&mut self, bytes: usize) -> Option<usize> {
        self.take(bytes).map(|b| b.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }
    /// A part that its length stands before.
    fn sized(&mut self, bytes: usize) -> Option<Bytes<'b>> {
        let n = self.number(bytes)?;
        self.take(n).map(Bytes)
    }
}

/// Looks whether bytes begin with a client's hello. They may be in several records.
pub fn tls(bytes: &[u8]) -> Seen<Hello> {
    let mut handshake: Vec<u8> = Vec::new();
    let mut left = Bytes(bytes);
    loop {
        // What is there of a header has to be that of a record of a handshake.
        let header = left.0.get(..5.min(left.0.len())).unwrap_or_default();
        if header.first().is_some_and(|b| *b != 22) || header.get(1).is_some_and(|b| *b != 3) {
            return Seen::No;
        }
        if let Some(length) = header.get(3..5) {
            let length = usize::from(length[0]) << 8 | usize::from(length[1]);
            if length == 0 || length > 16 * 1024 + 256 {
                return Seen::No;
            }
            let (body, is_whole) = match left.0.get(5..5 + length) {
                Some(body) => (body, true),
                None => (left.0.get(5..).unwrap_or_default(), false),
            };
            handshake.extend_from_slice(body);
            match message(&handshake) {
                Seen::More if is_whole => {
                    left = Bytes(left.0.get(5 + length..).unwrap_or_default());
                    continue;
                }
                other => return other,
            }
        }
        return Seen::More;
    }
}

/// A handshake message: its kind, its length, the hello.
fn message(bytes: &[u8]) -> Seen<Hello> {
    match bytes {
        [] => Seen::More,
        [1, a, b, c, rest @ ..] => {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if length > LONGEST {
                return Seen::No;
            }
            rest.get(..length).map_or(Seen::More, |body| client_hello(body).map_or(Seen::No, Seen::Yes))
        }
        [1, ..] => Seen::More,
        _ => Seen::No,
    }
}

fn client_hello(body: &[u8]) -> Option<Hello> {
    let mut b = Bytes(body);
    let version = b.number(2)?;
    if version >> 8 != 3 {
        return None;
    }
    b.take(32)?;
    b.sized(1)?;
    let suites = b.sized(2)?;
    let compressions = b.sized(1)?;
    if suites.0.len() < 2 || suites.0.len() % 2 != 0 || compressions.0.is_empty() {
        return None;
    }
    let mut hello = Hello::default();
    if b.0.is_empty() {
        return Some(hello);
    }
    let mut extensions = b.sized(2)?;
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let content = extensions.sized(2)?;
        match kind {
            0 => hello.server_name = server_name(content)?,
            16 => hello.alpn = protocols(content)?,
            _ => {}
        }
    }
    Some(hello)
}

/// One host name, of letters that can stand in one.
fn server_name(mut content: Bytes<'_>) -> Option<String> {
    let mut list = content.sized(2)?;
    let kind = list.number(1)?;
    let name = list.sized(2)?;
    if kind != 0 || name.0.is_empty() || name.0.len() > 255 || name.0.contains(&0) {
        return None;
    }
    std::str::from_utf8(name.0).ok().map(str::to_ascii_lowercase)
}

fn protocols(mut content: Bytes<'_>) -> Option<Vec<String>> {
    let mut list = content.sized(2)?;
    let mut out = Vec::new();
    while !list.0.is_empty() {
        let name = list.sized(1)?;
        if name.0.is_empty() {
            return None;
        }
        out.extend(std::str::from_utf8(name.0).ok().map(str::to_owned));
    }
    Some(out)
}

/// Versions of HTTP as they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    Http10,
    Http11,
    /// With prior knowledge.
    Http2,
}

/// What begins every connection of HTTP/2.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest first line of a request that is looked at.
const LONGEST_LINE: usize = 8192;

/// Looks whether bytes begin a connection of HTTP: the preface of HTTP/2, or a request's first line.
pub fn http(bytes: &[u8]) -> Seen<Http> {
    if bytes.starts_with(PREFACE) {
        return Seen::Yes(Http::Http2);
    }
    if PREFACE.starts_with(bytes) {
        return Seen::More;
    }
    // Line ends before a request are passed over, as servers do.
    let start = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let line = &bytes[start..];
    let method = line.iter().take_while(|b| is_token(**b)).count();
    match line.get(method) {
        Some(b' ') if method > 0 => {}
        None if line.len() < 64 => return Seen::More,
        _ => return Seen::No,
    }
    let Some(end) = line.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
        return if line.len() < LONGEST_LINE { Seen::More } else { Seen::No };
    };
    let mut words = line[..end].split(|b| *b == b' ').filter(|w| !w.is_empty());
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(_), Some(_), Some(b"HTTP/1.1"), None) => Seen::Yes(Http::Http11),
        (Some(_), Some(_), Some(b"HTTP/1.0"), None) => Seen::Yes(Http::Http10),
        _ => Seen::No,
    }
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sized(n: usize, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
        [&length[4 - n..], bytes].concat()
    }

    fn hello(name: &str, alpn: &[&str]) -> Vec<u8> {
        let extension = |kind: u8, body: &[u8]| [vec![0, kind], sized(2, body)].concat();
        let protocols: Vec<u8> = alpn.iter().flat_map(|p| sized(1, p.as_bytes())).collect();
        let extensions =
            [extension(10, &[1, 2]), extension(0, &sized(2, &[vec![0], sized(2, name.as_bytes())].concat())), extension(16, &sized(2, &protocols))];
        let body = [&[3u8, 3][..], &[7; 32], &sized(1, &[1, 2]), &sized(2, &[0x13, 1]), &sized(1, &[0]), &sized(2, &extensions.concat())].concat();
        [vec![1], sized(3, &body)].concat()
    }

    fn record(handshake: &[u8], piece: usize) -> Vec<u8> {
        handshake.chunks(piece).flat_map(|c| [vec![22, 3, 1], sized(2, c)].concat()).collect()
    }

    #[test]
    fn a_hello_in_any_number_of_pieces_says_the_same() {
        let handshake = hello("Outbound_.80_._.A.b", &["istio-peer-exchange", "istio"]);
        let want = Hello { server_name: "outbound_.80_._.a.b".into(), alpn: vec!["istio-peer-exchange".into(), "istio".into()] };
        for piece in [1, 3, 40, 10_000] {
            let bytes = record(&handshake, piece);
            assert_eq!(tls(&bytes), Seen::Yes(want.clone()), "{piece}");
            for n in 0..bytes.len() {
                assert_eq!(tls(&bytes[..n]), Seen::More, "{piece} {n}");
            }
        }
    }

    #[test]
    fn what_is_no_hello_is_told_at_once() {
        for bytes in
            [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x02", b"\x15\x03\x01\x00\x02", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\x00\x05\x02", b"\x16\x03\x01\xff\xff"]
        {
            assert_eq!(tls(bytes), Seen::No, "{bytes:?}");
        }
        let mut long = record(&[&[1u8, 0xff, 0xff, 0xff][..], &[0; 100]].concat(), 50);
        assert_eq!(tls(&long), Seen::No);
        long.truncate(3);
        assert_eq!(tls(&long), Seen::More);
    }

    #[test]
    fn http_is_known_by_its_first_line() {
        assert_eq!(http(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00"), Seen::Yes(Http::Http2));
        assert_eq!((http(b"PRI * HT"), http(b""), http(b"GET"), http(b"GET /a HTTP/1.1")), (Seen::More, Seen::More, Seen::More, Seen::More));
        assert_eq!(http(b"GET /a HTTP/1.1\r\nhost: a"), Seen::Yes(Http::Http11));
        assert_eq!(
            (http(b"GET / HTTP/1.0\n"), http(b"GET /\r\n"), http(b"\x00\x01"), http(b"SSH-2.0-x\r\n")),
            (Seen::Yes(Http::Http10), Seen::No, Seen::No, Seen::No)
        );
    }

    proptest! {
        #[test]
        fn rubbish_is_met_with_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (tls(&bytes), http(&bytes));
        }
        #[test]
        fn a_damaged_hello_is_met_with_an_answer(at in 0usize..200, with in any::<u8>(), cut in 0usize..300, piece in 1usize..80) {
            let mut bytes = record(&hello("a.example.com", &["h2", "http/1.1"]), piece);
            if let Some(b) = bytes.get_mut(at) {
                *b = with;
            }
            bytes.truncate(cut);
            let _ = tls(&bytes);
        }
        #[test]
        fn more_bytes_never_take_an_answer_back(bytes in proptest::collection::vec(any::<u8>(), 0..80), piece in 1usize..50) {
            let whole = [record(&hello("a", &["h2"]), piece), bytes].concat();
            let mut answer = Seen::More;
            for n in 0..=whole.len() {
                let now = tls(&whole[..n]);
                prop_assert!(answer == Seen::More || answer == now);
                answer = now;
            }
        }
    }
}
