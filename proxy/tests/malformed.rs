//! Requests that two readers could read differently: the client is told, the connection ends, and the upstream sees nothing of them.

use crate::support;
use serde_json::{Value, json};
use std::io::Write;
use support::{Reader, Upstream, bootstrap, cluster, connect, log_lines, manager, start};

fn proxy(log: &std::path::Path) -> (mesh_proxy::Proxy, Upstream) {
    let up = Upstream::named("up");
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]);
    (start(bootstrap(&manager(routes, Some(log)), &[cluster("up", &[up.address])])), up)
}

/// Sends bytes, and gives what comes until the proxy closes.
fn rest(proxy: &mesh_proxy::Proxy, bytes: &[u8]) -> (Vec<u8>, Reader) {
    let mut reader = connect(proxy.address("l").expect("a listener"));
    reader.stream().write_all(bytes).expect("sent");
    (reader.rest(), reader)
}

#[test]
fn heads_are_refused_before_anything_is_forwarded() {
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let (proxy, up) = proxy(&log);
    let cases = [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n",
            "http1.content_length_and_chunked_not_allowed",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", "http1.codec_error"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "http1.invalid_transfer_encoding"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "http1.codec_error"),
        ("GET / HTTP/1.1\r\n\r\n", "http1.codec_error"),
        ("GET / HTTP/1.1\nHost: a\n\n", "http1.codec_error"),
        ("GET / HTTP/1.1\r\nHost: a\r\nx : y\r\n\r\n", "http1.codec_error"),
        ("GET / HTTP/1.1\r\nHost: a\r\nx: y\r\n z\r\n\r\n", "http1.codec_error"),
        ("GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "http1.codec_error"),
    ];
    for (text, details) in cases {
        let (got, _) = rest(&proxy, text.as_bytes());
        assert!(got.starts_with(b"HTTP/1.1 400 "), "{text:?}: {}", String::from_utf8_lossy(&got));
        assert_eq!(got.windows(9).filter(|w| w == b"HTTP/1.1 ").count(), 1, "one answer: {text:?}");
        let lines = log_lines(&log, 1);
        let line = lines.last().expect("a line");
        assert_eq!((line["status"].as_u64(), line["flags"].as_str(), line["details"].as_str()), (Some(400), Some("DPE"), Some(details)), "{text:?}");
        std::fs::write(&log, "").expect("emptied");
    }
    assert!(up.take().is_empty());
}

/// In two pieces, so that the good one is read by the parser already.
#[test]
fn what_is_wrong_later_in_a_head_is_refused_too() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (proxy, up) = proxy(&scratch.path().join("log"));
    for (first, second) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nx: y", "\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: a\r\n", "Host: b\r\n\r\n"),
        ("GET", " / HTTP/1.1\nHost: a\r\n\r\n"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r", "\nContent-Length: 1\r\n\r\n0\r\n\r\n"),
    ] {
        let mut reader = connect(proxy.address("l").expect("a listener"));
        reader.stream().write_all(first.as_bytes()).expect("sent");
        std::thread::sleep(std::time::Duration::from_millis(50));
        reader.stream().write_all(second.as_bytes()).expect("sent");
        let got = reader.rest();
        assert!(got.starts_with(b"HTTP/1.1 400 "), "{first:?}: {}", String::from_utf8_lossy(&got));
    }
    assert!(up.take().is_empty());
}

#[test]
fn bodies_that_break_the_rules_are_the_clients_fault() {
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let (proxy, up) = proxy(&log);
    for chunks in ["0x3\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\nabc\n0\n\n", "3\r\nabc\r\n0\r\nContent-Length: 4\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n"]
    {
        let (got, _) =
            rest(&proxy, format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}GET /evil HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert!(got.starts_with(b"HTTP/1.1 400 "), "{chunks:?}: {}", String::from_utf8_lossy(&got));
        assert_eq!(got.windows(9).filter(|w| w == b"HTTP/1.1 ").count(), 1, "one answer: {chunks:?}");
        let lines: Vec<Value> = log_lines(&log, 1);
        assert_eq!((lines[0]["flags"].as_str(), lines[0]["details"].as_str()), (Some("DPE"), Some("http1.codec_error")), "{chunks:?}: {lines:?}");
        std::fs::write(&log, "").expect("emptied");
    }
    assert!(up.take().iter().all(|m| m.path() != "/evil"));
}

#[test]
fn a_good_request_before_a_bad_one_is_answered() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (proxy, up) = proxy(&scratch.path().join("log"));
    let (got, _) = rest(&proxy, b"GET /good HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    let text = String::from_utf8_lossy(&got);
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("HTTP/1.1 400 "), "{text}");
    assert_eq!(up.take().iter().map(|m| m.path().to_owned()).collect::<Vec<_>>(), ["/good"]);
}

#[test]
fn what_is_no_http_gets_no_http() {
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let (proxy, _up) = proxy(&log);
    for bytes in [&b"INVALID CONNECTION PREFACE\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n"] {
        let (got, _) = rest(&proxy, bytes);
        assert!(got.is_empty(), "{}", String::from_utf8_lossy(&got));
    }
    assert_eq!(log_lines(&log, 2)[0]["flags"].as_str(), Some("DPE"));
}

#[test]
fn heads_that_are_too_long_are_told_so() {
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let (proxy, _up) = proxy(&log);
    for (headers, details) in [(format!("x: {}\r\n", "a".repeat(100_000)), "http1.headers_too_large"), ("x: 1\r\n".repeat(120), "http1.too_many_headers")] {
        let (got, _) = rest(&proxy, format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes());
        assert!(got.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&got));
        let line = &log_lines(&log, 1)[0];
        assert_eq!((line["status"].as_u64(), line["details"].as_str()), (Some(431), Some(details)));
        std::fs::write(&log, "").expect("emptied");
    }
}
