//! Clients that speak HTTP/1.0 (`accept_http_10`, which istiod sends with `PILOT_HTTP10`): a real Envoy and mesh-proxy get the same bytes.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it; the last test needs nothing.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{beside, support};
use beside::{Case, Step};
use serde_json::{Value, json};
use std::io::{Read, Write};
use support::{Act, Message, Upstream, cluster, manager};

fn upstream() -> Upstream {
    Upstream::new(|request: &Message| {
        let is_head = request.line.starts_with("HEAD");
        let raw = |text: &str| text.as_bytes().to_vec();
        match request.path().split('?').next().unwrap_or("") {
            "/chunks" if is_head => Act::Send(raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")),
            "/chunks" => Act::Send(raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
            "/early" => Act::Send(raw("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")),
            "/until-close" => Act::SendAndClose(raw("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil close")),
            "/old" => Act::SendAndClose(raw("HTTP/1.0 200 OK\r\n\r\nold")),
            "/204" => Act::Send(raw("HTTP/1.1 204 No Content\r\n\r\n")),
            "/none" => Act::Close,
            _ if is_head => Act::Send(raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")),
            _ => {
                let host = request.header("host").unwrap_or("none");
                support::answer(200, "", &format!("{} {host} {}", request.line, request.text()))
            }
        }
    })
}

fn managers() -> Vec<(&'static str, Value)> {
    let with = |change: Value| {
        let routes = json!([
            {"match": {"prefix": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "D"}}},
            {"match": {"prefix": "/redirect"}, "redirect": {"path_redirect": "/x"}},
            {"match": {"prefix": "/nowhere"}, "route": {"cluster": "nope"}},
            {"match": {"prefix": "/"}, "route": {"cluster": "up"}}]);
        let mut manager = manager(routes, None);
        manager["route_config"]["validate_clusters"] = json!(false);
        manager.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        manager
    };
    vec![
        ("yes", with(json!({"http_protocol_options": {"accept_http_10": true}}))),
        ("default", with(json!({"http_protocol_options": {"accept_http_10": true, "default_host_for_http_10": "default.com"}}))),
        ("passes", with(json!({"proxy_100_continue": true, "http_protocol_options": {"accept_http_10": true}}))),
    ]
}

const KEEPS: &str = "connection: keep-alive\r\n";

fn cases() -> Vec<Case> {
    let mut out = Vec::new();
    let mut add = |listener: &'static str, name: &'static str, text: String, lines: usize| {
        out.push(Case { listener, name, steps: vec![Step::Send(text)], lines });
    };
    let old = |method: &str, path: &str, headers: &str, body: &str| format!("{method} {path} HTTP/1.0\r\n{headers}\r\n{body}");
    let host = "host: a\r\n";
    let both = |more: &str| format!("{host}{more}");
    for listener in ["yes", "default", "passes"] {
        add(listener, "a host", old("GET", "/", host, ""), 1);
        add(listener, "a body", old("POST", "/", &both("content-length: 3\r\n"), "abc"), 1);
        add(listener, "a direct answer", old("GET", "/direct", host, ""), 1);
        add(listener, "first new, then old", format!("GET / HTTP/1.1\r\nhost: a\r\n\r\n{}", old("GET", "/2", host, "")), 2);
        add(listener, "no host", old("GET", "/", "", ""), 1);
        add(listener, "a host in the target", old("GET", "http://b/c", "", ""), 1);
        add(listener, "two hosts", old("GET", "http://b/c", host, ""), 1);
    }
    add("yes", "no host, kept open", old("GET", "/", KEEPS, ""), 1);
    add("yes", "redirected", old("GET", "/redirect", host, ""), 1);
    add("default", "redirected without a host", old("GET", "/redirect", "", ""), 1);
    for path in ["/chunks", "/until-close", "/old", "/204", "/none", "/nowhere", "/direct", "/early"] {
        add("yes", "an answer", old("GET", path, host, ""), 1);
        // Whatever has no length ends the connection; then the second one is not read.
        let closes = ["/chunks", "/until-close", "/old"].contains(&path);
        // Without a length Envoy closes, even where there is no body.
        if ["/204", "/none", "/nowhere"].contains(&path) {
            continue;
        }
        add("yes", "an answer, and another", format!("{}{}", old("GET", path, &both(KEEPS), ""), old("GET", "/2", host, "")), if closes { 1 } else { 2 });
    }
    for path in ["/", "/chunks", "/direct"] {
        add("yes", "a head", old("HEAD", path, host, ""), 1);
    }
    add("yes", "heads", format!("{}{}", old("HEAD", "/", &both(KEEPS), ""), old("HEAD", "/2", host, "")), 2);
    add("yes", "kept open, in capitals", format!("{}{}", old("GET", "/", &both("Connection: Keep-Alive\r\n"), ""), old("GET", "/2", host, "")), 2);
    add("yes", "kept open among others", format!("{}{}", old("GET", "/", &both("connection: x, keep-alive\r\n"), ""), old("GET", "/2", host, "")), 2);
    add("yes", "not kept open", format!("{}{}", old("GET", "/", host, ""), old("GET", "/2", host, "")), 1);
    add("yes", "closed", format!("{}{}", old("GET", "/", &both("connection: close\r\n"), ""), old("GET", "/2", host, "")), 1);
    add("yes", "kept open by an old proxy's word", old("GET", "/", &both("proxy-connection: keep-alive\r\n"), ""), 1);
    add("yes", "first old, then new", format!("{}GET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", old("GET", "/", &both(KEEPS), "")), 2);
    add("yes", "bodies", format!("{}{}", old("POST", "/", &both("connection: keep-alive\r\ncontent-length: 3\r\n"), "abc"), old("GET", "/2", host, "")), 2);
    add("yes", "HTTP/2 on offer", old("GET", "/", &both("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n"), ""), 1);
    out
}

#[test]
fn old_clients_are_served_as_by_a_real_envoy() {
    let up = upstream();
    let Some(wrong) = beside::differences(&managers(), &[cluster("up", &[up.address])], &cases()) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// What Envoy answers too, though it takes the request for one of HTTP/1.1.
#[test]
fn old_clients_are_told_to_upgrade_where_they_are_not_let_in() {
    let up = upstream();
    let manager = manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), None);
    let proxy = support::start(support::bootstrap(&manager, &[cluster("up", &[up.address])]));
    let mut reader = support::connect(proxy.address("l").expect("a listener"));
    reader.stream().write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n").expect("sent");
    assert_eq!(reader.message().map(|m| m.status()), Some(200));
    let refused = reader.message().expect("an answer");
    assert_eq!((refused.status(), refused.text().as_str(), refused.header("connection")), (426, "Upgrade Required", Some("close")));
    assert!(reader.rest().is_empty());
}

/// Stricter than Envoy, or by the RFC where Envoy is not.
#[test]
fn old_clients_can_not_ask_for_what_is_new() {
    let up = upstream();
    let mut manager = managers().remove(0).1;
    manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
    let proxy = support::start(support::bootstrap(&manager, &[cluster("up", &[up.address])]));
    let ask = |text: &str| {
        let mut reader = support::connect(proxy.address("l").expect("a listener"));
        reader.stream().write_all(text.as_bytes()).expect("sent");
        let mut got = String::new();
        let _ = reader.stream().read_to_string(&mut got);
        got
    };
    // Chunks (RFC 9112 §6.1), and what could be read in two ways.
    for head in [
        "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "content-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc",
        "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "content-length: 3\n\r\nabc",
    ] {
        let got = ask(&format!("POST / HTTP/1.0\r\nhost: a\r\n{head}"));
        assert!(got.contains(" 400 "), "{head:?} {got}");
    }
    for line in ["GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/0.9"] {
        assert!(ask(&format!("{line}\r\nhost: a\r\n\r\n")).contains(" 400 "), "{line}");
    }
    assert!(up.take().is_empty());
    // Neither another protocol nor answers before the answer: the request is served without.
    let got = ask("GET /early HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert!(got.starts_with("HTTP/1.0 200") && got.ends_with("ok"), "{got}");
    let got = ask("POST / HTTP/1.0\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc");
    assert!(got.starts_with("HTTP/1.0 200") && got.ends_with("abc"), "{got}");
    assert!(up.take().iter().all(|r| r.header("expect").is_none() && r.header("upgrade").is_none()));
    // Of two words the one that ends the connection counts.
    let got = ask("GET / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive, close\r\n\r\nGET /2 HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(got.matches("HTTP/1.0 200").count(), 1, "{got}");
}
