//! Decisions as they are made, and the levels of the proxy's own log, at the admin port.

use crate::support;
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use support::{Message, Reader, Upstream, answer, bootstrap, cluster, connect, manager, start};

fn get(address: SocketAddr, path: &str) -> Message {
    support::get(address, path)
}

fn follow(admin: SocketAddr, query: &str) -> Reader {
    let mut reader = connect(admin);
    reader.stream().write_all(format!("GET /requests/live{query} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).expect("sent");
    let head = reader.head().expect("a head");
    assert_eq!((head.status(), head.header("content-type")), (200, Some("application/x-ndjson")));
    reader
}

/// The next decision of a stream.
fn next(reader: &mut Reader) -> Value {
    loop {
        let chunk = reader.chunk().expect("a chunk");
        if let Some(line) = String::from_utf8_lossy(&chunk).lines().find(|l| !l.is_empty()) {
            return serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        }
    }
}

#[test]
fn decisions_are_told_as_they_are_made() {
    let up = Upstream::new(|request| answer(if request.path().starts_with("/bad") { 503 } else { 200 }, "", "up"));
    let routes = json!([{"match": {"prefix": "/"}, "name": "r", "route": {"cluster": "up"}}]);
    let proxy = start(bootstrap(&manager(routes, None), &[cluster("up", &[up.address])]));
    let (admin, l) = (proxy.admin.expect("an admin port"), proxy.address("l").expect("a listener"));
    let (mut all, mut failed) = (follow(admin, ""), follow(admin, "?status=5xx&path=/bad&host=A.com&failed"));
    get(l, "/good?token=secret");
    let line = next(&mut all);
    assert_eq!((line["path"].as_str(), line["status"].as_u64(), line["route"].as_str()), (Some("/good"), Some(200), Some("r")), "{line}");
    get(l, "/bad");
    assert_eq!(next(&mut all)["path"], "/bad");
    assert_eq!(next(&mut failed)["path"], "/bad");
    let mut wrong = connect(admin);
    wrong.stream().write_all(b"GET /requests/live?nope=1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").expect("sent");
    let wrong = wrong.message().expect("an answer");
    assert!(wrong.status() == 400 && wrong.text().contains("`nope` is none of"), "{wrong:?}");
    // Who leaves makes room for others.
    let mut rest: Vec<Reader> = (2..8).map(|_| follow(admin, "")).collect();
    assert_eq!(get(admin, "/requests/live").status(), 503);
    drop((all, failed));
    rest.clear();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let mut reader = connect(admin);
        reader.stream().write_all(b"GET /requests/live HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        if reader.head().expect("a head").status() == 200 {
            break;
        }
        assert!(std::time::Instant::now() < until, "there is no room");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn levels_are_listed_and_changed() {
    let proxy = start(bootstrap(&manager(json!([]), None), &[]));
    let admin = proxy.admin.expect("an admin port");
    let post = |path: &str| support::ask(admin, &format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0"), "");
    let listed = post("/logging").text();
    assert!(listed.starts_with("active loggers:\n  admin: info\n"), "{listed}");
    assert_eq!(get(admin, "/logging").status(), 405);
    assert!(post("/logging?paths=http:debug,jwt:off").text().contains("  http: debug\n  jwt: off\n"));
    let refused = post("/logging?level=loud");
    assert!(refused.status() == 400 && refused.text().starts_with("error: unknown logger level\n\nusage: "), "{refused:?}");
    assert!(post("/logging?level=error").text().contains("  http: error\n"));
}
