//! Heads that break the rules, and connections that do: logged with the flags and details of a real Envoy.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{beside, envoy, support};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::Reader;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// A header as it is, without a table.
fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0, name.len() as u8][..], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// A whole head without a body.
fn head(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(1, 5, stream, &fields.iter().flat_map(|(n, v)| literal(n, v)).collect::<Vec<_>>())
}

const GOOD: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/never"), (":authority", "a.com")];

/// The same with one field in another's place, or without it.
fn with(name: &'static str, value: Option<&'static str>) -> Vec<(&'static str, &'static str)> {
    GOOD.into_iter().filter_map(|(n, v)| if n == name { value.map(|v| (n, v)) } else { Some((n, v)) }).collect()
}

fn and(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&GOOD[..], more].concat()
}

struct Case {
    name: &'static str,
    /// Before a request has reached the upstream, and after that; HTTP/2's come behind the preface.
    sends: [Vec<u8>; 2],
    /// Whether Envoy's details tell of which rule was broken, which `h2` does not.
    has_rule: bool,
}

fn streams() -> Vec<Case> {
    let opening = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
    let mut all = Vec::new();
    let mut add = |name, first: Vec<u8>, then: Vec<u8>, has_rule| {
        all.push(Case { name, sends: [[&opening[..], &first].concat(), then], has_rule });
    };
    let mut refused = |name, fields: Vec<(&'static str, &'static str)>, has_rule| add(name, head(1, &fields), Vec::new(), has_rule);
    refused("letters", and(&[("X-Up", "1")]), false);
    refused("an unknown pseudo header", and(&[(":foo", "1")]), false);
    refused("a name with a space", and(&[("a b", "1")]), false);
    refused("a value in two lines", and(&[("x", "a\nb")]), false);
    refused("a method with a space", with(":method", Some("G T")), false);
    refused("two lengths", and(&[("content-length", "0"), ("content-length", "0")]), false);
    refused("two hosts", and(&[("host", "a"), ("host", "b")]), false);
    refused("a user", with(":authority", Some("u@a.com")), false);
    refused("no host", with(":authority", None), false);
    refused("a star", with(":path", Some("*")), false);
    refused("connection", and(&[("connection", "close")]), false);
    refused("a path twice", and(&[(":path", "/")]), false);
    refused("a length that is none", and(&[("content-length", "x")]), false);
    refused("no path", with(":path", None), true);
    refused("no method", with(":method", None), true);
    refused("a length and no body", and(&[("content-length", "5")]), true);
    let many: Vec<_> = GOOD.into_iter().chain(std::iter::repeat_n(("x", "1"), 110)).collect();
    refused("too many headers", many, false);
    // What is under way when the connection ends.
    let never = || head(1, &GOOD);
    add("data of no stream", never(), frame(0, 0, 0, b"x"), false);
    add("a frame of the wrong size", never(), frame(6, 0, 0, b"abc"), false);
    add("a window that does not grow", never(), frame(8, 0, 0, &[0; 4]), false);
    add("a stream of the wrong side", never(), head(2, &GOOD), false);
    add("the client is told to have broken the rules", never(), frame(3, 0, 1, &1u32.to_be_bytes()), false);
    add("the client resets", never(), frame(3, 0, 1, &8u32.to_be_bytes()), false);
    all
}

fn lines() -> Vec<Case> {
    let text = |name, text: &str| Case { name, sends: [text.as_bytes().to_vec(), Vec::new()], has_rule: false };
    let field = |name, field: &str| text(name, &format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n"));
    vec![
        text("a head that breaks off", "GET / HTTP/1.1\r\nho"),
        text("a line that breaks off", "GE"),
        text("a target with a control character", "GET /a\u{1}b HTTP/1.1\r\nhost: a\r\n\r\n"),
        text("a target that is none", "GET abc HTTP/1.1\r\nhost: a\r\n\r\n"),
        text("a star", "GET * HTTP/1.1\r\nhost: a\r\n\r\n"),
        text("a star for options", "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"),
        text("a tunnel", "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n"),
        text("a host that is none", "GET / HTTP/1.1\r\nhost: a b\r\n\r\n"),
        field("a name with a space", "a b: c"),
        field("no colon", "abc"),
        field("a space before the colon", "a : c"),
        field("a control character", "a: b\u{1}c"),
        field("a length that is none", "content-length: x"),
    ]
}

#[test]
fn what_breaks_the_rules_is_logged_as_by_a_real_envoy() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let upstream = support::server(move |stream| {
        let mut reader = Reader::new(stream);
        if reader.head().is_some() {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = reader.stream().read(&mut [0; 64]);
        }
    });
    let managers = [("l", support::manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), None))];
    let clusters = [support::cluster("up", &[upstream])];
    let Some(both) = beside::Both::start(&managers, &clusters) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let play = |case: &Case, port: u16| {
        let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let client = envoy::Client { address: stream.local_addr().expect("an address"), port };
        let [first, then] = &case.sends;
        let before = asked.load(Ordering::SeqCst);
        stream.write_all(first).expect("sent");
        if !then.is_empty() {
            let until = Instant::now() + Duration::from_secs(30);
            while asked.load(Ordering::SeqCst) == before && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = stream.write_all(then);
        }
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        client
    };
    let cases: Vec<(&str, Case)> = streams().into_iter().map(|c| ("HTTP/2", c)).chain(lines().into_iter().map(|c| ("HTTP/1.1", c))).collect();
    let clients: Vec<_> = cases.iter().map(|(_, case)| both.ports("l").map(|port| play(case, port))).collect();
    let told = both.lines(&clients.iter().map(|c| (*c, 1)).collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for ((protocol, case), [there, here]) in cases.iter().zip(clients) {
        let (there, here) = (told[0].get(&there.key()).cloned().unwrap_or_default(), told[1].get(&here.key()).cloned().unwrap_or_default());
        for key in ["flags", "details", "method", "path", "status"] {
            if there[key] != here[key] && !(key == "details" && case.has_rule) || there.is_null() {
                wrong.push(format!("{protocol} {}: {key}: Envoy {}, mesh-proxy {}", case.name, there[key], here[key]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
