//! Limits of connections as network filters: the same clients at a real Envoy and at mesh-proxy.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{envoy, pair, support};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

fn filter(kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.network.{kind}"));
    json!({"name": kind, "typed_config": config})
}

fn open(name: &str, max: u64, more: Value) -> Value {
    let mut config = json!({"stat_prefix": name, "max_connections": max});
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    filter("connection_limit.v3.ConnectionLimit", config)
}

fn rate(name: &str, key: &str, most: u64) -> Value {
    let bucket = json!({"max_tokens": most, "tokens_per_fill": 1, "fill_interval": "36000s"});
    filter("local_ratelimit.v3.LocalRateLimit", json!({"stat_prefix": name, "token_bucket": bucket, "share_key": key}))
}

/// Envoy's gauge of a limit goes below zero where connections were never counted: it is switched off, or a filter before it has closed
/// them.
fn below_zero(name: &str) -> bool {
    matches!(name, "connection_limit.off.active_connections" | "connection_limit.s1o.active_connections")
}

/// The filters of each listener before the one that ends its chain; the last one speaks HTTP.
fn limits() -> Vec<Vec<Value>> {
    vec![
        vec![open("o", 2, json!({}))],
        vec![open("d", 1, json!({"delay": "0.3s"}))],
        vec![open("off", 1, json!({"runtime_enabled": {"default_value": false, "runtime_key": "x"}}))],
        vec![rate("r", "", 2)],
        vec![rate("s1", "k", 3), open("s1o", 1, json!({}))],
        vec![open("s2o", 3, json!({})), rate("s2", "k", 3)],
        vec![open("h", 1, json!({}))],
    ]
}

fn bootstrap(ports: &[u16], log: &Path, up: SocketAddr) -> Value {
    let all = limits();
    let operators =
        support::with_operators(envoy::access_log(log), &[&[("received", "%BYTES_RECEIVED%"), ("sent", "%BYTES_SENT%"), ("host", "%UPSTREAM_HOST%")]]);
    let listener = |(i, (filters, port)): (usize, (&Vec<Value>, &u16))| {
        let mut filters = filters.clone();
        let logs = operators.clone();
        let end = if i + 1 == all.len() {
            let mut manager = support::manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), None);
            manager["access_log"] = logs;
            json!({"name": "h", "typed_config": manager})
        } else {
            filter("tcp_proxy.v3.TcpProxy", json!({"stat_prefix": "t", "cluster": "up", "access_log": logs}))
        };
        filters.push(end);
        json!({"name": format!("l{i}"), "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))), "filter_chains": [{"name": "c", "filters": filters}]})
    };
    let listeners: Vec<Value> = all.iter().zip(ports).enumerate().map(listener).collect();
    json!({"static_resources": {"listeners": listeners, "clusters": [support::cluster("up", &[up])]}})
}

const ASKS: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Whether a connection is served, and how long that took to be known.
fn is_served(stream: &mut TcpStream) -> (bool, Duration) {
    let begun = Instant::now();
    let _ = stream.write_all(ASKS);
    let mut chunk = [0; 512];
    let served = stream.read(&mut chunk).is_ok_and(|n| chunk[..n].starts_with(b"HTTP/1.1 200"));
    (served, begun.elapsed())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream
}

/// Three clients that stay, then one after the first has left. Which of them were served.
fn clients(address: SocketAddr, keep: &mut Vec<TcpStream>) -> Vec<bool> {
    let mut served = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(address);
        served.push(is_served(&mut stream).0);
        keep.push(stream);
    }
    served
}

#[test]
fn connections_are_limited_as_by_a_real_envoy() {
    let up = support::Upstream::named("x");
    let n = limits().len();
    let Some(pair) = pair::Pair::start(n, |ports, log| bootstrap(ports, log, up.address)) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    // To see whether Envoy listens, a connection was made to each of its ports: those with a bucket get as many here.
    for i in 0..n {
        drop(connect(pair.at(i).1));
    }
    let active = |what: &str| {
        let (mut there, mut here) = pair.stats("active_connections");
        [&mut there, &mut here].into_iter().for_each(|s| s.retain(|k, _| !below_zero(k)));
        assert!(there.len() <= n && here.len() <= n, "{what}");
        (there, here)
    };
    let end = Instant::now() + Duration::from_secs(20);
    while active("at first") != Default::default() {
        assert!(Instant::now() < end, "{:?}", active("at first"));
        std::thread::sleep(Duration::from_millis(5));
    }
    let (mut there, mut here) = (Vec::new(), Vec::new());
    for i in 0..n {
        let (a, b) = pair.at(i);
        let (want, got) = (clients(a, &mut there), clients(b, &mut here));
        assert_eq!(want, got, "l{i}");
        let wanted =
            [[true, true, false], [true, false, false], [true, true, true], [true, false, false], [true, false, false], [false; 3], [true, false, false]];
        assert_eq!(want, wanted[i], "l{i}");
    }
    let same = || {
        let (open, begun) = (pair.stats("connection_limit"), pair.stats("local_rate_limit"));
        let counted = |s: &std::collections::BTreeMap<String, u64>| s.iter().filter(|(k, _)| !below_zero(k)).map(|(k, v)| (k.clone(), *v)).collect::<Vec<_>>();
        counted(&open.0) == counted(&open.1) && begun.0 == begun.1
    };
    let end = Instant::now() + Duration::from_secs(20);
    while !same() {
        assert!(Instant::now() < end, "{:?} {:?}", pair.stats("connection_limit"), pair.stats("local_rate_limit"));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(pair.stats("connection_limit").0.len() > 5);
    (there, here) = (Vec::new(), Vec::new());
    support::until("all have left", || active("at last") == Default::default());
    // Who leaves makes room.
    let (a, b) = pair.at(0);
    assert_eq!(clients(a, &mut there), clients(b, &mut here));
    // A client that is one too many waits.
    let (a, b) = pair.at(1);
    for address in [a, b] {
        let (mut first, mut second) = (connect(address), connect(address));
        assert!(is_served(&mut first).0);
        let (served, span) = is_served(&mut second);
        assert!(!served && span >= Duration::from_millis(250), "{served} after {span:?}");
    }
    drop((there, here));
    // What logs tell, each kind of line once.
    let told = |path: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()).map(|mut l| {
            for varies in ["peer", "local"] {
                l.as_object_mut().expect("an object").remove(varies);
            }
            l.to_string()
        });
        lines.collect::<std::collections::BTreeSet<String>>().into_iter().collect()
    };
    let end = Instant::now() + Duration::from_secs(20);
    while told(&pair.theirs) != told(&pair.ours) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(told(&pair.theirs), told(&pair.ours));
}
