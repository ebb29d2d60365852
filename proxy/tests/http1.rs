//! HTTP/1 as the proxy's own codec reads and writes it, between scripted peers, and where hyper takes over from it.

use crate::support;
use mesh_proxy::Proxy;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use support::{Act, Reader, Upstream, bootstrap, cluster, connect, get, log_lines, manager, start};

fn proxy(up: SocketAddr, log: Option<&Path>) -> (Proxy, SocketAddr) {
    let mut manager = manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), log);
    manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
    let proxy = start(bootstrap(&manager, &[cluster("up", &[up])]));
    let address = proxy.address("l").expect("a listener");
    (proxy, address)
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| u8::try_from(i % 251).expect("below 251")).collect()
}

/// Answers as its path says.
fn script(path: &str, body: &[u8]) -> Act {
    let whole = |head: &str, body: &[u8]| Act::Send([format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat());
    match path {
        "/chunks" => {
            let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n".to_vec();
            for piece in [1, 100_000, 9_000, 2] {
                out.extend(format!("{piece:x};n=v\r\n").bytes().chain(bytes(piece)).chain(*b"\r\n"));
            }
            out.extend(b"0\r\n\r\n");
            Act::Send(out)
        }
        "/204" => whole("204 No Content", b""),
        "/304" => whole("304 Not Modified\r\ncontent-length: 5", b""),
        "/head" => whole("200 OK\r\ncontent-length: 5", b""),
        "/hints" => whole("103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2", b"ok"),
        "/large" => whole("200 OK\r\ncontent-length: 3000000", &bytes(3_000_000)),
        _ => whole(&format!("200 OK\r\ncontent-length: {}", body.len()), body),
    }
}

#[test]
fn messages_of_all_kinds_follow_each_other_on_one_connection() {
    let up = Upstream::new(|m| script(m.path(), &m.body));
    let (_proxy, address) = proxy(up.address, None);
    let mut client = connect(address);
    // The second time hyper reads the client's bytes: a body in chunks is not for the codec.
    for round in 0..2 {
        for (method, path, body, status, want) in [
            ("GET", "/", bytes(0), 200, bytes(0)),
            ("GET", "/chunks", bytes(0), 200, [bytes(1), bytes(100_000), bytes(9_000), bytes(2)].concat()),
            ("POST", "/small", bytes(700), 200, bytes(700)),
            ("GET", "/204", bytes(0), 204, bytes(0)),
            ("PUT", "/echo", bytes(400_000), 200, bytes(400_000)),
            ("GET", "/304", bytes(0), 304, bytes(0)),
            ("GET", "/hints", bytes(0), 200, b"ok".to_vec()),
            ("GET", "/large", bytes(0), 200, bytes(3_000_000)),
        ] {
            let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{length}\r\n");
            let mut sender = client.stream().try_clone().expect("a second handle");
            let sending = std::thread::spawn(move || sender.write_all(&[head.as_bytes(), &body].concat()).expect("sent"));
            let got = client.message().unwrap_or_else(|| panic!("an answer to {path}"));
            sending.join().expect("sent");
            assert_eq!(got.status(), status, "{path}");
            assert!(got.body == want, "{path}: {} bytes of {}", got.body.len(), want.len());
            assert!(got.header("date").is_some() && got.header("connection").is_none(), "{:?}", got.headers);
        }
        client.stream().write_all(b"HEAD /head HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        let got = client.head().expect("an answer");
        assert_eq!((got.status(), got.header("content-length")), (200, Some("5")));
        if round == 0 {
            client.stream().write_all(b"POST /cut HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").expect("sent");
            assert_eq!(client.message().expect("an answer").text(), "abc");
        }
    }
    assert_eq!(up.connections(), 1, "answers that are over leave their connection to the next");
}

#[test]
fn requests_that_come_together_are_answered_in_their_order() {
    let up = Upstream::new(|m| script("/echo", m.path().as_bytes()));
    let (_proxy, address) = proxy(up.address, None);
    let mut client = connect(address);
    let many: String =
        (0..50).map(|i| format!("POST /{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc{}", if i % 7 == 0 { "\r\n" } else { "" })).collect();
    client.stream().write_all(many.as_bytes()).expect("sent");
    client.stream().write_all(b"GET /last HTTP/1.1\r\nhost: a\r\nConnection: Close\r\n\r\n").expect("sent");
    for i in 0..50 {
        assert_eq!(client.message().expect("an answer").text(), format!("/{i}"));
    }
    let last = client.message().expect("an answer");
    assert_eq!((last.text().as_str(), last.header("connection")), ("/last", Some("close")));
    assert!(client.rest().is_empty());
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let up = Upstream::new(|m| script("/echo", m.path().as_bytes()));
    let (_proxy, address) = proxy(up.address, None);
    let mut client = connect(address);
    for byte in b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n" {
        client.stream().write_all(&[*byte]).expect("sent");
        client.stream().flush().expect("sent");
    }
    assert_eq!(client.message().expect("an answer").text(), "/slow");
    let long = format!("GET /long HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    client.stream().write_all(long.as_bytes()).expect("sent");
    assert_eq!(client.message().expect("an answer").text(), "/long");
}

/// An upstream whose connections are given to a script, one after the other.
fn raw(each: impl Fn(&mut Reader) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || listener.incoming().flatten().for_each(|s| each(&mut Reader::new(s))));
    address
}

#[test]
fn answers_that_end_too_early_or_say_two_lengths_are_told_as_such() {
    let up = raw(|reader| {
        let head = reader.head().map_or(String::new(), |h| h.path().to_owned());
        let bytes: &[u8] = match head.as_str() {
            "/cut" => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            "/chunk" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcXY",
            "/two" => b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "/close" => b"HTTP/1.1 200 OK\r\n\r\nto the end",
            "/half" => b"HTTP/1.1 200 OK\r\nconte",
            _ => b"",
        };
        let _ = reader.stream().write_all(bytes);
    });
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let (_proxy, address) = proxy(up, Some(&log));
    for (path, status, flags, details) in [
        ("/cut", 200, "UPE", "upstream_reset_after_response_started{protocol_error}"),
        ("/chunk", 200, "UPE", "upstream_reset_after_response_started{protocol_error}"),
        ("/two", 502, "UPE", "upstream_reset_before_response_started{protocol_error}"),
        ("/half", 503, "UC", "upstream_reset_before_response_started{connection_termination}"),
        ("/none", 503, "UC", "upstream_reset_before_response_started{connection_termination}"),
        ("/close", 200, "-", "via_upstream"),
    ] {
        let mut client = connect(address);
        client.stream().write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
        let got = String::from_utf8(client.rest()).expect("text");
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {got}");
        assert_eq!(got.ends_with("0\r\n\r\n"), path == "/close", "a cut answer has no end: {got}");
        let line = log_lines(&log, 1).pop().expect("a line");
        assert_eq!((line["flags"].as_str(), line["details"].as_str()), (Some(flags), Some(details)), "{path}");
        std::fs::write(&log, "").expect("emptied");
    }
}

#[test]
fn what_an_upstream_sends_behind_its_answer_reaches_nobody() {
    let up = raw(|reader| {
        // Whoever asked on this connection next would get what follows.
        while let Some(head) = reader.head() {
            let evil = if head.path() == "/evil" { "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil" } else { "" };
            // In one piece: what comes later could as well be the next answer.
            let _ = reader.stream().write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{evil}").as_bytes());
            if !evil.is_empty() {
                return;
            }
        }
    });
    let (_proxy, address) = proxy(up, None);
    let mut client = connect(address);
    for path in ["/good", "/evil", "/next", "/evil", "/next"] {
        client.stream().write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).expect("sent");
        assert_eq!(client.message().expect("an answer").text(), "ok", "{path}");
    }
}

#[test]
fn an_answer_may_come_before_the_request_is_over() {
    let up = raw(|reader| {
        let _ = reader.head();
        let _ = reader.stream().write_all(b"HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno");
        // Nothing of the body is read until the proxy lets go.
        let _ = reader.rest();
    });
    let (_proxy, address) = proxy(up, None);
    let mut client = connect(address);
    client.stream().write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nfirst").expect("sent");
    let got = client.message().expect("an answer");
    assert_eq!((got.status(), got.text().as_str()), (413, "no"));
    // What is left of the body is not taken for a request.
    client.stream().write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n").unwrap_or_default();
    assert!(client.rest().is_empty());
}

#[test]
fn a_client_that_leaves_in_its_body_is_the_one_to_blame() {
    let up = Upstream::named("up");
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let (_proxy, address) = proxy(up.address, Some(&log));
    let mut client = connect(address);
    client.stream().write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").expect("sent");
    client.stream().shutdown(std::net::Shutdown::Write).expect("closed");
    let got = client.message().expect("an answer");
    assert_eq!(got.status(), 400);
    let line = &log_lines(&log, 1)[0];
    // As with Envoy: who leaves has left, and is not answered.
    assert_eq!((line["flags"].as_str(), line["status"].as_u64(), line["received"].as_u64()), (Some("DC"), Some(0), Some(3)), "{line}");
    assert!(up.take().is_empty(), "a request that is cut is none");
}

#[test]
fn a_connection_that_served_requests_may_still_become_another_protocol() {
    let up = raw(|reader| {
        while let Some(head) = reader.head() {
            if head.header("upgrade").is_none() {
                let _ = reader.stream().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                continue;
            }
            let _ = reader.stream().write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nhello ");
            let mut got = [0; 5];
            let _ = reader.stream().read_exact(&mut got);
            let _ = reader.stream().write_all(&got);
            return;
        }
    });
    let (_proxy, address) = proxy(up, None);
    assert_eq!(get(address, "/").text(), "ok");
    let mut client = connect(address);
    for _ in 0..2 {
        client.stream().write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        assert_eq!(client.message().expect("an answer").text(), "ok");
    }
    client.stream().write_all(b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").expect("sent");
    assert_eq!(client.head().expect("an answer").status(), 101);
    client.stream().write_all(b"world").expect("sent");
    assert_eq!(client.rest(), b"hello world");
}
