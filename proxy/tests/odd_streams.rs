//! Streams of HTTP/2 whose heads are seldom, or none: a real Envoy and mesh-proxy get the same frames.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{beside, envoy, support};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use support::{Upstream, cluster, manager};

type Fields<'f> = &'f [(&'f str, &'f str)];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers without compression: literals that are not indexed (RFC 7541, 6.2.2).
fn block(fields: Fields<'_>) -> Vec<u8> {
    let text = |t: &str| [&[u8::try_from(t.len()).expect("short")], t.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// Sends a request on a connection of its own, and waits for the end of its stream. The client's address.
fn play(port: u16, head: Fields<'_>, body: Option<&str>, trailers: Fields<'_>) -> SocketAddr {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut out = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    let ends = |is_last: bool| u8::from(is_last);
    out.extend(frame(1, 4 | ends(body.is_none() && trailers.is_empty()), 1, &block(head)));
    if let Some(body) = body {
        out.extend(frame(0, ends(trailers.is_empty()), 1, body.as_bytes()));
    }
    if !trailers.is_empty() {
        out.extend(frame(1, 5, 1, &block(trailers)));
    }
    stream.write_all(&out).expect("sent");
    let address = stream.local_addr().expect("an address");
    let mut start = [0; 9];
    while stream.read_exact(&mut start).is_ok() {
        let length = usize::from(start[0]) << 16 | usize::from(start[1]) << 8 | usize::from(start[2]);
        if stream.read_exact(&mut vec![0; length]).is_err() {
            break;
        }
        let is_ended = matches!(start[3], 0 | 1) && start[4] & 1 != 0;
        if is_ended || matches!(start[3], 3 | 7) {
            break;
        }
    }
    address
}

struct Case {
    name: &'static str,
    head: Vec<(&'static str, &'static str)>,
    body: Option<&'static str>,
    trailers: Vec<(&'static str, &'static str)>,
}

fn cases() -> Vec<Case> {
    const PLAIN: [(&str, &str); 4] = [(":method", "POST"), (":scheme", "http"), (":path", "/a"), (":authority", "a.b")];
    let mut out = Vec::new();
    let mut add = |name, more: Fields<'static>, body, trailers: Fields<'static>| {
        let head = PLAIN.iter().filter(|(n, _)| !more.iter().any(|(m, _)| m == n)).chain(more.iter().filter(|(n, v)| !n.starts_with(':') || !v.is_empty()));
        // Pseudo headers come first.
        let (first, then): (Vec<_>, Vec<_>) = head.copied().partition(|(n, _)| n.starts_with(':'));
        out.push(Case { name, head: first.into_iter().chain(then).collect(), body, trailers: trailers.to_vec() });
    };
    add("plain", &[], None, &[]);
    add("a body", &[], Some("hello"), &[]);
    add("length twice, end", &[("content-length", "0"), ("content-length", "0")], None, &[]);
    add("length twice, otherwise", &[("content-length", "0"), ("content-length", "5")], None, &[]);
    add("length twice, body", &[("content-length", "5"), ("content-length", "5")], Some("hello"), &[]);
    add("length list", &[("content-length", "5, 5")], Some("hello"), &[]);
    add("length empty", &[("content-length", "")], None, &[]);
    add("length empty, body", &[("content-length", "")], Some("hello"), &[]);
    add("length too much, end", &[("content-length", "5")], None, &[]);
    add("length zeros", &[("content-length", "005")], Some("hello"), &[]);
    add("length zeros, end", &[("content-length", "000")], None, &[]);
    add("crumbs", &[("cookie", "a=1"), ("cookie", "b=2"), ("x-z", "1"), ("cookie", "c=3")], None, &[]);
    add("host beside authority", &[("host", "c.d")], None, &[]);
    add("host alone", &[(":authority", ""), ("host", "c.d")], None, &[]);
    add("two hosts alone", &[(":authority", ""), ("host", "c.d"), ("host", "e.f")], None, &[]);
    add("odd host alone", &[(":authority", ""), ("host", "c d")], None, &[]);
    add("user in authority", &[(":authority", "u@c.d")], None, &[]);
    add("no authority", &[(":authority", "")], None, &[]);
    add("absolute path", &[(":path", "http://x.y/z")], None, &[]);
    add("relative path", &[(":path", "z/y")], None, &[]);
    add("star", &[(":path", "*")], None, &[]);
    add("query alone", &[(":path", "?a")], None, &[]);
    add("fragment", &[(":path", "/a#b")], None, &[]);
    add("space in path", &[(":path", "/a b")], None, &[]);
    add("two paths", &[(":path", "/a"), (":path", "/b")], None, &[]);
    add("odd scheme", &[(":scheme", "ftp")], None, &[]);
    add("https", &[(":scheme", "https")], None, &[]);
    add("connection", &[("connection", "close")], None, &[]);
    add("connection names", &[("connection", "x-hop"), ("x-hop", "1")], None, &[]);
    add("transfer-encoding", &[("transfer-encoding", "chunked")], None, &[]);
    add("te", &[("te", "trailers")], None, &[]);
    add("te gzip", &[("te", "gzip")], None, &[]);
    add("upgrade", &[("upgrade", "websocket")], None, &[]);
    add("keep-alive", &[("keep-alive", "5")], None, &[]);
    add("upper case", &[("X-A", "1")], None, &[]);
    add("odd name", &[("x a", "1")], None, &[]);
    add("control in value", &[("x-a", "1\r\nx-b: 2")], None, &[]);
    add("nul in value", &[("x-a", "1\x002")], None, &[]);
    add("bytes in value", &[("x-a", "\u{e4}\tz")], None, &[]);
    add("spaces around a value", &[("x-a", " 1 ")], None, &[]);
    add("expect hidden", &[("!xpect", "200-maybe")], None, &[]);
    add("forwarded twice", &[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-for", "1.2.3.4")], None, &[]);
    add("proto twice", &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")], None, &[]);
    add(
        "forwarded by nobody",
        &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", ""), ("via", ""), ("via", "1.1 a"), ("cookie", ""), ("cookie", "a=1")],
        None,
        &[],
    );
    add("of Envoy's own", &[("x-envoy-original-host", "h"), ("x-envoy-original-path", "/p"), ("x-envoy-decorator-operation", "o")], None, &[]);
    add(
        "Envoy's own twice",
        &[("x-envoy-attempt-count", "5"), ("x-envoy-attempt-count", "6"), ("x-client-trace-id", "a"), ("x-client-trace-id", "b")],
        None,
        &[],
    );
    add(
        "twice",
        &[
            ("content-encoding", "a"),
            ("content-encoding", "b"),
            ("pragma", "a"),
            ("pragma", "b"),
            ("accept-language", "a"),
            ("accept-language", "b"),
            ("if-range", "a"),
            ("if-range", "b"),
            ("range", "a"),
            ("range", "b"),
        ],
        None,
        &[],
    );
    add("trailers", &[("trailer", "x-t"), ("te", "trailers")], Some("hello"), &[("x-t", "1")]);
    add("trailers that delimit", &[("trailer", "content-length, x-t")], Some("hello"), &[("content-length", "9"), ("x-t", "2")]);
    add("trailers with a host", &[("trailer", "host, connection")], Some("hello"), &[("host", "9")]);
    add("trailers with connection", &[("trailer", "host, connection")], Some("hello"), &[("connection", "close")]);
    add("trailers with transfer-encoding", &[("trailer", "transfer-encoding")], Some("hello"), &[("transfer-encoding", "chunked")]);
    add("connect", &[(":method", "CONNECT"), (":path", ""), (":scheme", "")], None, &[]);
    add("connect with a path", &[(":method", "CONNECT")], None, &[]);
    add("odd method", &[(":method", "G T")], None, &[]);
    add("protocol", &[(":method", "CONNECT"), (":protocol", "websocket")], None, &[]);
    add("status", &[(":status", "200")], None, &[]);
    add("plain, at the end", &[], None, &[]);
    out
}

/// Where the two differ by intent: `h2` drops fragments before anybody can see them; trailers that were announced go on to HTTP/1.1; of
/// trailers that must not stand there the others go on.
const OTHERWISE: &[&str] = &["fragment", " trailers", "trailers that delimit"];

/// What an upstream got, in order of names.
fn got(upstream: &Upstream) -> Vec<String> {
    let steady = |name: &str| !["x-request-id", "x-envoy-expected-rq-timeout-ms"].contains(&name);
    let one = |m: support::Message| {
        let mut headers: Vec<String> = m.headers.iter().filter(|(k, _)| steady(k)).map(|(k, v)| format!("{k}: {v}")).collect();
        headers.sort();
        format!("{} | {} | {}", m.line, headers.join(" | "), m.text())
    };
    upstream.take().into_iter().map(one).collect()
}

fn bootstrap(managers: &[(&str, Value)], upstream: &Upstream, ports: &[u16], log: &std::path::Path) -> Value {
    let listener = |((name, manager), port): (&(&str, Value), &u16)| {
        let mut manager = manager.clone();
        manager["access_log"] = beside::log(log);
        // Envoy waits a second before it closes, otherwise.
        manager["delayed_close_timeout"] = json!("0.05s");
        json!({"name": name, "address": support::socket(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))),
            "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]})
    };
    json!({"static_resources": {"listeners": managers.iter().zip(ports).map(listener).collect::<Vec<_>>(), "clusters": [cluster("up", &[upstream.address])]}})
}

#[test]
fn odd_heads_are_met_as_by_a_real_envoy() {
    let Some(program) = envoy::find() else { return eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one") };
    let upstream = Upstream::named("up");
    let plain = manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), None);
    let mut edge = plain.clone();
    edge["use_remote_address"] = json!(true);
    edge["skip_xff_append"] = json!(true);
    let managers = [("inner", plain), ("edge", edge)];
    let (of_envoy, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (theirs, ours, ports) = (of_envoy.path().join("envoy.log"), folder.path().join("ours.log"), mesh_testserver::ports::free(2));
    let real = envoy::Envoy::start(&program, of_envoy, &bootstrap(&managers, &upstream, &ports, &theirs), &ports);
    let proxy = support::start(bootstrap(&managers, &upstream, &[0, 0], &ours));
    let mut played = Vec::new();
    for (listener, port) in ["inner", "edge"].iter().zip(&ports) {
        for case in cases() {
            let ports = [*port, proxy.address(listener).expect("a listener").port()];
            let seen = ports.map(|port| {
                let address = play(port, &case.head, case.body, &case.trailers);
                (envoy::Client { address, port }, got(&upstream))
            });
            played.push((format!("{listener} {}", case.name), seen));
        }
    }
    // The last one is a request that both log.
    let of = |i: usize| played.last().map(|p| (p.1[i].0, 1)).into_iter().collect::<Vec<_>>();
    let (theirs, ours) = (beside::lines(&theirs, &of(0)), beside::lines(&ours, &of(1)));
    drop(real);
    let mut wrong = Vec::new();
    for (name, [(a, want), (b, got)]) in &played {
        let mut found = Vec::new();
        if want != got {
            found.push(format!("  upstream\n    Envoy      {want:?}\n    mesh-proxy {got:?}"));
        }
        let (their, our) = (theirs.get(&a.key()), ours.get(&b.key()));
        for key in ["status", "flags", "details", "remote", "path"] {
            let of = |line: Option<&Value>| line.map_or_else(|| "no line".to_owned(), |l| l[key].to_string());
            // What `h2` refuses by itself is not logged.
            let is_refused = |line: Option<&Value>| line.is_none_or(|l| l["status"].as_u64().is_some_and(|s| s == 0 || s >= 400));
            if of(their) != of(our) && !(is_refused(their) && is_refused(our)) {
                found.push(format!("  {key}\n    Envoy      {}\n    mesh-proxy {}", of(their), of(our)));
            }
        }
        if !found.is_empty() && !OTHERWISE.iter().any(|o| name.ends_with(o)) {
            wrong.push(format!("{name}\n{}", found.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), played.len(), wrong.join("\n"));
}
