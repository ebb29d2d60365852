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
        (line("GET /a\tb HTTP/1.1"), Wrong::TargetCharacter),
        (line("GET a HTTP/1.1"), Wrong::RequestLine),
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
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_vec(), Wrong::Authority),
        (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".to_vec(), Wrong::Authority),
        (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n".to_vec(), Wrong::Authority),
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
    let mut framing =
        read(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b#c HTTP/1.1\r\nhost: a\r\nx: #\r\n\r\nGET /d#e HTTP/1.1\r\nhost: a\r\n\r\n").expect("good");
    assert_eq!(framing.take_fragments(), [(2, "/b#c".to_owned()), (3, "/d#e".to_owned())]);
    assert!(framing.take_fragments().is_empty());
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

#[test]
fn values_are_looked_at_eight_bytes_at_once_or_one() {
    for b in 0..=255u8 {
        for at in 0..16 {
            let mut value = *b"a value\xffof 16 b.";
            value[at] = b;
            assert_eq!(are_values(&value), value.iter().all(|b| is_value(*b)), "{b} at {at}");
            assert!(are_values(&value[..at]));
        }
    }
}
