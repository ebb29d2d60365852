//! Who gets how much: generated priorities, health and panic thresholds of clusters, and weighted clusters of TCP, at a real Envoy and at
//! mesh-proxy. Chance decides about each request; shares of so many differ by less than could be seen by accident.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

#[allow(dead_code, reason = "the engine's own test uses the rest")]
#[path = "../../envoy/tests/differential/envoy.rs"]
mod envoy;
#[allow(dead_code, reason = "the engine's own test uses the rest")]
#[path = "../../envoy/tests/differential/generate.rs"]
mod generate;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/pair.rs"]
mod pair;
mod support;
#[allow(dead_code, reason = "the engine's own test uses the rest")]
#[path = "../../envoy/tests/differential/token.rs"]
mod token;

use generate::Lot;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use support::Upstream;

const CLUSTERS: usize = 36;
const REQUESTS: u32 = 600;
const TCP: usize = 30;
const CONNECTIONS: u32 = 120;
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A cluster of hosts in priorities, some of them ill.
fn cluster(lot: &mut Lot, index: usize, hosts: &[SocketAddr]) -> Value {
    let mut left = hosts.iter();
    let mut localities = Vec::new();
    for priority in 0..1 + lot.number(3) {
        let of: Vec<Value> = (0..1 + lot.number(3))
            .filter_map(|_| left.next())
            .map(|h| {
                let health = *lot.one(&[&"HEALTHY", &"HEALTHY", &"UNHEALTHY", &"DEGRADED", &"DRAINING", &"DRAINING", &"TIMEOUT"]);
                json!({"endpoint": {"address": support::socket(*h)}, "health_status": health})
            })
            .collect();
        if !of.is_empty() {
            localities.push(json!({"priority": priority, "lb_endpoints": of}));
        }
    }
    let mut assignment = json!({"cluster_name": format!("c{index}"), "endpoints": localities});
    if lot.yes(40) {
        assignment["policy"] = json!({"overprovisioning_factor": lot.one(&[&100, &140, &300])});
    }
    let mut c = json!({"name": format!("c{index}"), "type": "STATIC", "connect_timeout": "5s", "load_assignment": assignment});
    if lot.yes(70) {
        c["common_lb_config"] = json!({"healthy_panic_threshold": {"value": lot.one(&[&0, &30, &50, &100])}});
    }
    c["lb_policy"] = json!(lot.one(&["ROUND_ROBIN", "RANDOM", "LEAST_REQUEST"]));
    c
}

/// The parts of a whole that differ by more than chance allows; `None` where all are alike.
fn unlike(there: &BTreeMap<String, u32>, here: &BTreeMap<String, u32>, all: u32, allowed: f64) -> Option<String> {
    let share = |counts: &BTreeMap<String, u32>, key: &String| f64::from(counts.get(key).copied().unwrap_or(0)) / f64::from(all);
    let differ = there.keys().chain(here.keys()).any(|k| (share(there, k) - share(here, k)).abs() > allowed);
    differ.then(|| format!("Envoy {there:?}, mesh-proxy {here:?}"))
}

#[test]
fn priorities_fail_over_and_panic_as_with_a_real_envoy() {
    let upstreams: Vec<Upstream> = NAMES.iter().map(|n| Upstream::named(n)).collect();
    let hosts: Vec<SocketAddr> = upstreams.iter().map(|u| u.address).collect();
    let mut lot = Lot(88);
    let clusters: Vec<Value> = (0..CLUSTERS).map(|i| cluster(&mut lot, i, &hosts)).collect();
    let routes: Vec<Value> = (0..CLUSTERS).map(|i| json!({"match": {"path": format!("/{i}")}, "route": {"cluster": format!("c{i}")}})).collect();
    let bootstrap = |ports: &[u16], _: &std::path::Path| {
        let m = support::manager(Value::Array(routes.clone()), None);
        json!({"static_resources": {"clusters": clusters, "listeners": [{"name": "l0", "address": support::socket(SocketAddr::from(([127, 0, 0, 1], ports[0]))),
            "filter_chains": [{"filters": [{"name": "h", "typed_config": m}]}]}]}})
    };
    let Some(pair) = pair::Pair::start(1, bootstrap) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let counts = |address: SocketAddr, index: usize| {
        let mut out: BTreeMap<String, u32> = BTreeMap::new();
        let mut reader = support::connect(address);
        for _ in 0..REQUESTS {
            reader.stream().write_all(format!("GET /{index} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).expect("sent");
            let answer = reader.message().expect("an answer");
            *out.entry(format!("{} {}", answer.status(), answer.text())).or_default() += 1;
        }
        out
    };
    let (a, b) = pair.at(0);
    let mut wrong = Vec::new();
    for (i, cluster) in clusters.iter().enumerate() {
        if let Some(what) = unlike(&counts(a, i), &counts(b, i), REQUESTS, 0.14) {
            wrong.push(format!("{what}\n  {cluster}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {CLUSTERS} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn connections_are_split_as_with_a_real_envoy() {
    let servers: Vec<SocketAddr> =
        NAMES[..4].iter().map(|name| support::server(move |mut stream: TcpStream| drop(stream.write_all(name.as_bytes())))).collect();
    let clusters: Vec<Value> = NAMES.iter().zip(&servers).map(|(n, s)| support::cluster(n, &[*s])).collect();
    let mut lot = Lot(89);
    let splits: Vec<Value> = (0..TCP)
        .map(|_| {
            // One of them is not there; weights are one at least.
            let names = [*lot.one(&[&"a", &"b"]), *lot.one(&[&"c", &"d"]), *lot.one(&[&"a", &"nowhere"])];
            let n = 1 + lot.number(3);
            names[..n].iter().map(|name| json!({"name": name, "weight": lot.one(&[&1, &2, &5, &1000])})).collect()
        })
        .collect();
    let bootstrap = |ports: &[u16], _: &std::path::Path| {
        let listener = |(i, (split, port)): (usize, (&Value, &u16))| {
            let tcp = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "weighted_clusters": {"clusters": split}});
            json!({"name": format!("l{i}"), "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))), "filter_chains": [{"filters": [{"name": "t", "typed_config": tcp}]}]})
        };
        json!({"static_resources": {"clusters": clusters, "listeners": splits.iter().zip(ports).enumerate().map(listener).collect::<Vec<_>>()}})
    };
    let Some(pair) = pair::Pair::start(TCP, bootstrap) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let counts = |address: SocketAddr| {
        let mut out: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..CONNECTIONS {
            let (mut stream, mut said) = (TcpStream::connect(address).expect("a connection"), String::new());
            // Who is sent nowhere is closed.
            let _ = stream.read_to_string(&mut said);
            *out.entry(said).or_default() += 1;
        }
        out
    };
    let mut wrong = Vec::new();
    for (i, split) in splits.iter().enumerate() {
        let (a, b) = pair.at(i);
        if let Some(what) = unlike(&counts(a), &counts(b), CONNECTIONS, 0.36) {
            wrong.push(format!("{what}\n  {split}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {TCP} differ:\n{}", wrong.len(), wrong.join("\n"));
}
