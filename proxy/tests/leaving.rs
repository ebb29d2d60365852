//! Clients that ask for something and are gone at once: a real Envoy and mesh-proxy tell of the request all the same, whichever way
//! the end came.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::pair::Pair;
use crate::{beside, envoy, support};
use serde_json::{Value, json};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// It sends no more, and waits for the end.
    Quietly,
    /// Its connection is reset.
    Suddenly,
}

/// What a client says first, what it waits for, and what it says then: each for another reader, that of plain heads, hyper, and h2.
const REQUESTS: [(&str, [&[u8]; 3]); 4] = [
    ("plain", [FIRST, b"\r\n\r\na", b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"]),
    ("a body", [FIRST, b"\r\n\r\na", b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\na"]),
    ("chunks", [FIRST, b"\r\n\r\na", b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"]),
    ("HTTP/2", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b"\0\0\0\x04\x01\0\0\0\0", b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01a"]),
];
/// A connection that is reset before it is taken is none.
const FIRST: &[u8] = b"GET /direct HTTP/1.1\r\nhost: a\r\n\r\n";

/// Asks for something on a connection that is known, and leaves.
fn play(port: u16, [first, end, request]: [&[u8]; 3], leaves: Leaves) -> envoy::Client {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let client = envoy::Client { address: stream.local_addr().expect("an address"), port };
    stream.write_all(first).expect("sent");
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    while !seen.windows(end.len()).any(|w| w == end) {
        let n = stream.read(&mut chunk).expect("an answer");
        assert!(n > 0, "{seen:?}");
        seen.extend_from_slice(&chunk[..n]);
    }
    stream.write_all(request).expect("sent");
    match leaves {
        Leaves::Quietly => {
            stream.shutdown(Shutdown::Write).expect("finished");
            let _ = stream.read_to_end(&mut Vec::new());
        }
        Leaves::Suddenly => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("set"),
    }
    client
}

#[test]
fn who_asks_and_leaves_at_once_is_told_of_as_by_envoy() {
    // It answers nobody.
    let upstream = support::server(|mut stream| while stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {});
    let routes = json!([{"match": {"path": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "a"}}},
        {"match": {"prefix": "/"}, "route": {"cluster": "up"}}]);
    let managers = [("l", support::manager(routes, None))];
    let clusters = [support::cluster("up", &[upstream])];
    let Some(both) = beside::Both::start(&managers, &clusters) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let mut played = Vec::new();
    for (name, texts) in REQUESTS {
        for leaves in [Leaves::Quietly, Leaves::Suddenly] {
            let n = 1 + usize::from(name != "HTTP/2");
            played.push((format!("{name} {leaves:?}"), n, both.ports("l").map(|port| play(port, texts, leaves))));
        }
    }
    let told = both.lines(&played.iter().map(|(_, n, c)| (*c, *n)).collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for (name, _, [there, here]) in played {
        let of = |i: usize, client: envoy::Client| ["method", "status", "flags", "details"].map(|k| told[i].get(&client.key()).map(|l| l[k].clone()));
        let (want, got) = (of(0, there), of(1, here));
        if want != got || want[0].is_none() {
            wrong.push(format!("{name}: Envoy {want:?}, mesh-proxy {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn who_leaves_while_a_filter_waits_is_told_of_with_all_that_was_asked() {
    let delay = json!({"name": "envoy.filters.http.fault", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "delay": {"fixed_delay": "60s", "percentage": {"numerator": 100}}}});
    let mut manager = support::manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]), None);
    manager["http_filters"].as_array_mut().expect("filters").insert(0, delay);
    let bootstrap = |ports: &[u16], log: &Path| {
        let asked = [("agent", "%REQ(USER-AGENT)%"), ("host", "%REQ(:AUTHORITY)%"), ("whole_path", "%REQ(:PATH)%"), ("again", "%REQ(X-AGAIN)%")];
        let mut manager = manager.clone();
        manager["access_log"] = support::with_operators(envoy::access_log(log), &[&asked]);
        json!({"static_resources": {"listeners": [{"name": "l0", "address": support::socket(SocketAddr::from(([127, 0, 0, 1], ports[0]))),
            "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]}]}})
    };
    let Some(pair) = Pair::start(1, bootstrap) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let (theirs, ours) = pair.at(0);
    let clients = [theirs, ours].map(|at| {
        let mut stream = TcpStream::connect(at).expect("a connection");
        stream.write_all(b"GET /x?y=z HTTP/1.1\r\nhost: a.b\r\nuser-agent: c/1\r\nx-again: d\r\n\r\n").expect("sent");
        envoy::Client { address: stream.local_addr().expect("an address"), port: at.port() }
    });
    let told = [&pair.theirs, &pair.ours].into_iter().zip(clients).map(|(log, client)| beside::lines(log, &[(client, 1)]).remove(&client.key()));
    let told: Vec<Option<Vec<Value>>> =
        told.map(|line| line.map(|l| ["agent", "host", "whole_path", "again", "status", "flags", "details"].map(|k| l[k].clone()).to_vec())).collect();
    assert!(told[0].is_some() && told[0] == told[1], "Envoy {:?}, mesh-proxy {:?}", told[0], told[1]);
}
