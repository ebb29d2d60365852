//! Clients that want to use the proxy up: it stays with the others.

mod support;

use mesh_proxy::Proxy;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{Upstream, bootstrap, cluster, get, manager, start};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /` at host `a`: three entries of HPACK's static table, and a literal.
const REQUEST: &[u8] = b"\x82\x84\x86\x41\x01a";

fn proxy() -> (Proxy, Upstream) {
    let up = Upstream::named("up");
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]);
    (start(bootstrap(&manager(routes, None), &[cluster("up", &[up.address])])), up)
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address("l").expect("a listener")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream
}

/// Others are served, and soon.
fn serves_others(proxy: &Proxy) {
    let start = Instant::now();
    assert_eq!(get(proxy.address("l").expect("a listener"), "/").text(), "up");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// The kinds of the frames that came until the peer closed or fell silent.
fn kinds(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let (mut kinds, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + 9) {
        kinds.push(head[3]);
        at += 9 + usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).expect("a length");
    }
    kinds
}

#[test]
fn heads_that_never_end_keep_nobody_waiting() {
    let (proxy, _up) = proxy();
    let mut slow: Vec<TcpStream> = (0..300).map(|_| connect(&proxy)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nx-a: ").expect("sent");
    }
    for _ in 0..3 {
        for stream in &mut slow {
            stream.write_all(b"a").expect("sent");
        }
        serves_others(&proxy);
    }
}

#[test]
fn streams_that_are_reset_at_once_end_their_connection() {
    let (proxy, up) = proxy();
    let mut stream = connect(&proxy);
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for i in 0..20_000u32 {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, REQUEST));
        bytes.extend(frame(RST_STREAM, 0, 2 * i + 1, &8u32.to_be_bytes()));
    }
    // It may be over before all of it is sent.
    let _ = stream.write_all(&bytes);
    let seen = kinds(&mut stream);
    serves_others(&proxy);
    let forwarded = up.take().len();
    assert!(forwarded < 1_000, "{forwarded} of 20,000 went on");
    // Where the answer was not lost with the connection, it says why.
    assert!(seen.is_empty() || seen.contains(&GOAWAY), "{:?}", &seen[..seen.len().min(20)]);
}

#[test]
fn a_head_without_end_is_not_kept() {
    let (proxy, up) = proxy();
    let mut stream = connect(&proxy);
    // A literal that is not indexed: `x`, and a value of 16,000 bytes.
    let value = vec![b'a'; 16_000];
    let literal = [&b"\x00\x01x\x7f\x81\x7c"[..], &value].concat();
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, END_STREAM, 1, REQUEST)].concat();
    for _ in 0..2_000 {
        bytes.extend(frame(CONTINUATION, 0, 1, &literal));
    }
    let ended = stream.write_all(&bytes).is_err() || !kinds(&mut stream).is_empty();
    assert!(ended, "32 MB of a head were taken");
    serves_others(&proxy);
    assert!(up.take().iter().all(|m| m.header("x").is_none()));
}

#[test]
fn a_head_of_http2_that_drips_is_timed_and_what_was_asked_before_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let up = Upstream::new(|_| {
        std::thread::sleep(Duration::from_millis(600));
        support::answer(200, "", "up")
    });
    let mut m = manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), Some(&log));
    m["request_headers_timeout"] = json!("0.3s");
    let proxy = start(bootstrap(&m, &[cluster("up", &[up.address])]));
    let mut stream = connect(&proxy);
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, REQUEST);
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, b""), &request].concat()).expect("sent");
    let head = frame(HEADERS, END_STREAM | END_HEADERS, 3, &[0x82; 4_000]);
    let mut drips = stream.try_clone().expect("a socket");
    let dripping = std::thread::spawn(move || {
        // For longer than anybody waits.
        head.chunks(4).any(|bytes| {
            std::thread::sleep(Duration::from_millis(50));
            drips.write_all(bytes).is_err()
        })
    });
    let kinds = kinds(&mut stream);
    assert!(kinds.contains(&HEADERS) && kinds.contains(&0), "the first request is answered: {kinds:?}");
    assert!(dripping.join().expect("a thread"), "the connection is closed");
    let lines = support::log_lines(&log, 2);
    let late = lines.iter().find(|l| l["details"] == "request_header_timeout").expect("a line");
    assert!(late["status"] == 408 && late["protocol"] == "HTTP/2", "{late}");
    assert!(lines.iter().any(|l| l["status"] == 200 && l["flags"] == "-"), "{lines:?}");
    let stats = get(proxy.admin.expect("an admin port"), "/stats?filter=header_timeout").text();
    assert!(stats.contains("http.in.downstream_rq_header_timeout: 1\n"), "{stats}");
}

#[test]
fn frames_without_sense_end_their_connection() {
    let (proxy, _up) = proxy();
    for bytes in [
        frame(CONTINUATION, END_HEADERS, 1, REQUEST),
        frame(HEADERS, END_STREAM | END_HEADERS, 2, REQUEST),
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 40]),
        vec![0xff; 64],
    ] {
        let mut stream = connect(&proxy);
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &bytes].concat()).expect("sent");
        let _ = kinds(&mut stream);
        serves_others(&proxy);
    }
}
