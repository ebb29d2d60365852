//! The PROXY protocol: the same heads before the same bytes, sent to a real Envoy and to mesh-proxy, and what upstreams of both are told.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it; the last tests need nothing.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::{envoy, pair, support};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FILTER: &str = "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol";

fn filter(mut config: Value) -> Value {
    config["@type"] = json!(FILTER);
    json!({"name": "p", "typed_config": config})
}

fn inspector() -> Value {
    json!({"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}})
}

/// A listener's own filters, and what else is set of it.
fn listeners() -> Vec<(Vec<Value>, Value)> {
    let short = json!({"listener_filters_timeout": "0.4s"});
    vec![
        (vec![filter(json!({}))], json!({})),
        (vec![filter(json!({"allow_requests_without_proxy_protocol": true})), inspector()], json!({})),
        (vec![filter(json!({"disallowed_versions": ["V1"], "stat_prefix": "pre"}))], json!({})),
        (vec![filter(json!({"disallowed_versions": ["V2"]})), inspector()], json!({})),
        (vec![filter(json!({"disallowed_versions": ["V1"], "allow_requests_without_proxy_protocol": true}))], json!({})),
        (vec![filter(json!({}))], short.clone()),
        (vec![filter(json!({}))], json!({"listener_filters_timeout": "0.4s", "continue_on_listener_filters_timeout": true})),
        // Goes where the head says.
        (vec![filter(json!({}))], json!({"tcp": "orig"})),
        // Chains by who the client is, and by who is connected.
        (vec![filter(json!({}))], json!({"chains": true})),
        // Another listener is where the head says.
        (vec![filter(json!({}))], json!({"use_original_dst": true})),
    ]
}

fn bootstrap(ports: &[u16], path: &Path, up: SocketAddr) -> Value {
    let log = support::with_operators(
        envoy::access_log(path),
        &[&[
            ("remote", "%DOWNSTREAM_REMOTE_ADDRESS%"),
            ("direct", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
            ("to", "%DOWNSTREAM_LOCAL_ADDRESS%"),
            ("received", "%BYTES_RECEIVED%"),
            ("path", "%REQ(:PATH)%"),
            ("xff", "%REQ(X-FORWARDED-FOR)%"),
            ("host", "%UPSTREAM_HOST%"),
        ]],
    );
    let manager = |body: &str| {
        let mut manager = support::manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}]), None);
        manager["access_log"] = log.clone();
        manager["use_remote_address"] = json!(true);
        // Envoy waits a second before it closes, otherwise.
        manager["delayed_close_timeout"] = json!("0.05s");
        // Who the client is decides here too.
        let rbac = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"action": "DENY", "policies": {"p": {
            "permissions": [{"any": true}], "principals": [{"direct_remote_ip": {"address_prefix": "9.9.0.0", "prefix_len": 16}},
                {"remote_ip": {"address_prefix": "8.8.0.0", "prefix_len": 16}}]}}}});
        manager["http_filters"].as_array_mut().expect("a list").insert(0, json!({"name": "rbac", "typed_config": rbac}));
        json!({"name": "h", "typed_config": manager})
    };
    let listener = |(i, ((filters, more), port)): (usize, (&(Vec<Value>, Value), &u16))| {
        let mut chains = json!([{"filters": [manager("R")]}]);
        if more["tcp"].is_string() {
            let tcp = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": more["tcp"], "access_log": log});
            chains = json!([{"filters": [{"name": "t", "typed_config": tcp}]}]);
        }
        if more["chains"] == json!(true) {
            let near = json!([{"address_prefix": "1.2.3.0", "prefix_len": 24}]);
            let direct = json!([{"address_prefix": "127.0.0.0", "prefix_len": 8}]);
            chains = json!([{"name": "port", "filter_chain_match": {"destination_port": 2222}, "filters": [manager("port")]},
                {"name": "near", "filter_chain_match": {"source_prefix_ranges": near}, "filters": [manager("near")]},
                {"name": "direct", "filter_chain_match": {"direct_source_prefix_ranges": direct}, "filters": [manager("direct")]}]);
        }
        let mut listener = json!({"name": format!("l{i}"), "stat_prefix": format!("l{i}"), "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))),
            "listener_filters": filters, "filter_chains": chains, "access_log": log});
        for (key, value) in more.as_object().expect("an object").iter().filter(|(k, _)| !["tcp", "chains"].contains(&k.as_str())) {
            listener[key] = value.clone();
        }
        listener
    };
    let mut all: Vec<Value> = listeners().iter().zip(ports).enumerate().map(listener).collect();
    // One that nobody can connect to.
    all.push(json!({"name": "other", "stat_prefix": "other", "bind_to_port": false, "address": support::socket("5.6.7.8:2222".parse().expect("an address")),
        "filter_chains": [{"filters": [manager("other")]}], "access_log": log}));
    let original = json!({"name": "orig", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "5s"});
    json!({"static_resources": {"listeners": all, "clusters": [support::cluster("up", &[up]), original]}})
}

fn version2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a length").to_be_bytes();
    [SIGNATURE, &[command, family], &length, content].concat()
}

/// What connections begin with, by names.
fn heads(up: SocketAddr) -> Vec<(&'static str, Vec<u8>)> {
    let four = [1, 2, 3, 4, 5, 6, 7, 8, 4, 87, 8, 174];
    let six = |last: u8| [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let sixes = [&six(1)[..], &six(2), &[4, 87, 8, 174]].concat();
    let with = |more: &[u8]| [&four[..], more].concat();
    let line = |text: &str| format!("PROXY {text}\r\n").into_bytes();
    vec![
        ("none", Vec::new()),
        ("v1", line("TCP4 1.2.3.4 5.6.7.8 1111 2222")),
        ("v1-near", line("TCP4 1.2.3.4 5.6.7.8 1111 80")),
        ("v1-far", line("TCP4 1.2.4.4 5.6.7.8 1111 80")),
        ("v1-there", line(&format!("TCP4 1.2.3.4 127.0.0.1 1111 {}", up.port()))),
        ("v1-denied", line("TCP4 9.9.1.1 5.6.7.8 1111 2222")),
        ("v1-denied-too", line("TCP4 8.8.1.1 5.6.7.8 1111 2222")),
        ("v1-internal", line("TCP4 10.1.2.3 10.4.5.6 1111 2222")),
        ("v1-six", line("TCP6 2001:db8::1 2001:db8::2 1111 2222")),
        ("v1-loop", line("TCP6 ::1 ::1 1111 2222")),
        ("v1-mapped", line("TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 1111 2222")),
        ("v1-ports", line("TCP4 1.2.3.4 5.6.7.8 0 0")),
        ("v1-unknown", line("UNKNOWN")),
        ("v1-unknown-more", line("UNKNOWN 1.2.3.4 a b c d e")),
        ("v1-unknown-x", line("UNKNOWNX")),
        ("v1-mixed", line("TCP6 1.2.3.4 5.6.7.8 1111 2222")),
        ("v1-mixed-too", line("TCP4 2001:db8::1 2001:db8::2 1111 2222")),
        ("v1-few", line("TCP4 1.2.3.4 5.6.7.8 1111")),
        ("v1-many", line("TCP4 1.2.3.4 5.6.7.8 1111 2222 3")),
        ("v1-spaces", line("TCP4 1.2.3.4  5.6.7.8 1111 2222")),
        ("v1-udp", line("UDP4 1.2.3.4 5.6.7.8 1111 2222")),
        ("v1-no-address", line("TCP4 1.2.3.444 5.6.7.8 1111 2222")),
        ("v1-no-port", line("TCP4 1.2.3.4 5.6.7.8 111111 2222")),
        ("v1-multicast", line("TCP4 224.0.0.1 5.6.7.8 1111 2222")),
        ("v1-any", line("TCP4 1.2.3.4 0.0.0.0 1111 2222")),
        ("v1-long", line(&format!("UNKNOWN {}", "a".repeat(200)))),
        ("v1-longest", line(&format!("UNKNOWN {}", "a".repeat(91)))),
        ("v1-lower", b"proxy TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n".to_vec()),
        ("v1-only-feed", b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\n".to_vec()),
        ("v1-bare", b"PROXY\r\n".to_vec()),
        ("v2", version2(0x21, 0x11, &four)),
        ("v2-six", version2(0x21, 0x21, &sixes)),
        ("v2-datagrams", version2(0x21, 0x12, &four)),
        ("v2-local", version2(0x20, 0, &[])),
        ("v2-local-more", version2(0x20, 0x11, &with(&[7; 60]))),
        ("v2-extensions", version2(0x21, 0x11, &with(&[4, 0, 3, 1, 2, 3, 5, 0, 0, 6, 0, 1, 9]))),
        ("v2-large", version2(0x21, 0x11, &[&four[..], &[4, 234, 96], &[7; 60000]].concat())),
        ("v2-no-family", version2(0x21, 0, &[])),
        ("v2-unix", version2(0x21, 0x31, &[b'/'; 216])),
        ("v2-command", version2(0x22, 0x11, &four)),
        ("v2-version", version2(0x31, 0x11, &four)),
        ("v2-short", version2(0x21, 0x11, &four[..11])),
        ("v2-extension-cut", version2(0x21, 0x11, &with(&[4, 0, 9, 1]))),
        ("v2-extension-bare", version2(0x21, 0x11, &with(&[4]))),
        ("v2-multicast", version2(0x21, 0x11, &[224, 0, 0, 1, 5, 6, 7, 8, 0, 1, 0, 2])),
    ]
}

/// What a client gets that sends bytes one part after the other.
fn play(address: SocketAddr, parts: &[&[u8]], end: Option<Shutdown>) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    for part in parts {
        // It may be closed by now.
        let _ = stream.write_all(part);
    }
    if let Some(how) = end {
        let _ = stream.shutdown(how);
    }
    let mut got = Vec::new();
    // A reset is as good as an end.
    let _ = stream.read_to_end(&mut got);
    let text = String::from_utf8_lossy(&got).into_owned();
    let mut lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("date:") && !l.starts_with("x-envoy-upstream")).collect();
    lines.sort_unstable();
    lines.join("|")
}

/// Lines of a log, each as often as it is there, without what differs between two runs.
fn told(path: &Path, ports: &[u16]) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut found = BTreeMap::new();
    for mut line in text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
        let fields = line.as_object_mut().expect("an object");
        fields.remove("peer");
        fields.remove("local");
        for key in ["remote", "to"] {
            let own = fields[key].as_str().unwrap_or("").strip_prefix("127.0.0.1:").and_then(|p| p.parse::<u16>().ok());
            // Ports of the machine; those of heads are below.
            if own.is_some_and(|p| p > 5000) {
                let listener = ports.iter().position(|p| Some(*p) == own).map(|i| i.to_string());
                fields.insert(key.to_owned(), json!(format!("here {}", listener.unwrap_or_default())));
            }
        }
        // Of a client on the machine Envoy tells an address of its own.
        if fields["remote"].as_str().is_some_and(|r| r.starts_with("here") || r.starts_with("[::1]")) {
            fields.remove("xff");
        }
        *found.entry(line.to_string()).or_insert(0) += 1;
    }
    found
}

/// One after the other: two Envoys that start at once may be given the same ports.
#[test]
fn as_by_a_real_envoy() {
    heads_are_taken();
    upstreams_are_told_who_the_client_is();
}

fn heads_are_taken() {
    let up = support::Upstream::new(|_| support::Act::SendAndClose(b"HTTP/1.1 200 X\r\ncontent-length: 1\r\n\r\nx".to_vec()));
    let n = listeners().len();
    let Some(pair) = pair::Pair::start(n, |ports, log| bootstrap(ports, log, up.address)) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    // To see whether Envoy listens, a connection was made to each of its ports.
    (0..n).for_each(|i| drop(TcpStream::connect(pair.at(i).1).expect("a connection")));
    let mut wrong = Vec::new();
    let mut compare = |what: &str, listener: usize, parts: &[&[u8]], end: Option<Shutdown>| {
        let (a, b) = pair.at(listener);
        let (want, got) = (play(a, parts, end), play(b, parts, end));
        if want != got {
            wrong.push(format!("l{listener} {what}\n    Envoy      {want}\n    mesh-proxy {got}"));
        }
    };
    for (name, head) in heads(up.address) {
        let request = format!("GET /{name} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let whole = [&head, request.as_bytes()].concat();
        let is_asked = |listener: &usize| match listener {
            // What is no HTTP has an answer of Envoy's alone.
            1 => !["v1-lower", "v1-bare"].contains(&name),
            4 => !name.starts_with("v1"),
            // Which it is of too long and not wanted.
            2 => name != "v1-long",
            5 | 6 => false,
            7 => name == "v1-there",
            _ => true,
        };
        for listener in (0..n).filter(is_asked) {
            compare(name, listener, &[&whole], None);
        }
        // In parts. A line that is too long counts as no head or as a wrong one, with Envoy too, by whether its end has come when it is found so long.
        if name != "v1-long" {
            let (a, b) = whole.split_at(head.len() / 2);
            compare(name, 0, &[a, b], None);
        }
    }
    let request: &[u8] = b"GET /late HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for (name, part) in [("nothing", &b""[..]), ("a part", b"PRO"), ("a line without an end", b"PROXY TCP4"), ("a signature", SIGNATURE)] {
        compare(name, 5, &[part], None);
        compare(&format!("{name}, and gone"), 0, &[part], Some(Shutdown::Write));
        compare(&format!("{name}, and gone, where none is needed"), 1, &[part], Some(Shutdown::Write));
    }
    // Whoever takes too long goes on without, and says all of it to the filters of the chain.
    let late = |address: SocketAddr| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        std::thread::sleep(Duration::from_millis(900));
        stream.write_all(request).expect("sent");
        let mut got = String::new();
        let _ = stream.read_to_string(&mut got);
        got.contains("\r\n\r\nR")
    };
    let (a, b) = pair.at(6);
    assert!(late(a) && late(b));
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));

    let stats = || pair.stats("proxy_proto|downstream_pre_cx_timeout|filter_remote_close|no_filter_chain_match");
    let tell = || {
        let (theirs, ours) = (0..n).map(|i| pair.at(i)).map(|(a, b)| (a.port(), b.port())).unzip::<_, _, Vec<_>, Vec<_>>();
        (told(&pair.theirs, &theirs), told(&pair.ours, &ours))
    };
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let ((a, b), (x, y)) = (stats(), tell());
        if a == b && x == y {
            assert!(a.len() > 15 && a["proxy_proto.pre.versions.v1.disallowed"] > 0 && x.len() > 60, "{a:?} {x:?}");
            break;
        }
        if Instant::now() > end {
            let differ = |a: &BTreeMap<String, u64>, b: &BTreeMap<String, u64>| {
                a.iter().filter(|(k, v)| b.get(*k) != Some(*v)).map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>()
            };
            let lines = |a: &BTreeMap<String, usize>, b: &BTreeMap<String, usize>| {
                a.iter().filter(|(k, v)| b.get(*k) != Some(*v)).map(|(k, v)| format!("{v} {k}")).collect::<Vec<_>>().join("\n")
            };
            panic!("Envoy {:?}\nmesh-proxy {:?}\nEnvoy\n{}\nmesh-proxy\n{}", differ(&a, &b), differ(&b, &a), lines(&x, &y), lines(&y, &x));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let families = |text: &str| {
        let mut lines: Vec<String> =
            text.lines().filter(|l| l.contains("proxy_proto") && !l.starts_with('#') && !l.ends_with(" 0")).map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let (theirs, ours) = pair.pages("/stats/prometheus");
    assert_eq!(families(&theirs), families(&ours));
}

const WRAPPER: &str = "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";
const RAW: &str = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/// A cluster whose hosts are told who the client is.
fn told_cluster(name: &str, version: &str, host: SocketAddr) -> Value {
    let mut cluster = support::cluster(name, &[host]);
    let inner = json!({"name": "envoy.transport_sockets.raw_buffer", "typed_config": {"@type": RAW}});
    cluster["transport_socket"] = json!({"name": "envoy.transport_sockets.upstream_proxy_protocol",
        "typed_config": {"@type": WRAPPER, "config": {"version": version}, "transport_socket": inner}});
    cluster
}

/// A server that remembers what each connection said, and answers each request on it.
fn remembering() -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let said: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let list = said.clone();
    let address = support::server(move |mut stream| {
        let index = {
            let mut list = list.lock().expect("unbroken");
            list.push(Vec::new());
            list.len() - 1
        };
        let mut chunk = [0; 4096];
        while let Ok(n) = stream.read(&mut chunk) {
            if n == 0 {
                return;
            }
            list.lock().expect("unbroken")[index].extend_from_slice(&chunk[..n]);
            for _ in 0..chunk[..n].windows(11).filter(|w| *w == b"HTTP/1.1\r\nh").count() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        }
    });
    (address, said)
}

/// Clients in turn: what they begin with, and how many requests follow. Each connection stays until all are served.
const CLIENTS: &[(&str, usize)] = &[
    ("PROXY TCP4 1.2.3.4 5.6.7.8 11 22\r\n", 2),
    ("PROXY TCP4 1.2.3.4 5.6.7.8 11 22\r\n", 1),
    ("PROXY TCP4 1.2.3.4 5.6.7.8 12 22\r\n", 1),
    ("PROXY TCP6 2001:db8::1 2001:db8::2 11 22\r\n", 1),
    ("PROXY TCP4 1.2.3.4 5.6.7.8 11 22\r\n", 1),
];

fn upstreams_are_told_who_the_client_is() {
    let (address, said) = remembering();
    let names = ["http1", "http2", "tcp1", "tcp2", "mirrored"];
    let Some(pair) = pair::Pair::start(names.len(), |ports, _| {
        let listener = |(i, port): (usize, &u16)| {
            let (name, version) = (names[i], if names[i].ends_with('2') { "v2" } else { "v1" });
            let end = match name {
                "tcp1" | "tcp2" => {
                    json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": version})
                }
                "mirrored" => {
                    support::manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "plain", "request_mirror_policies": [{"cluster": "v2"}]}}]), None)
                }
                _ => support::manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": version}}]), None),
            };
            json!({"name": format!("l{i}"), "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))),
                "listener_filters": [filter(json!({"allow_requests_without_proxy_protocol": true}))], "filter_chains": [{"filters": [{"name": "h", "typed_config": end}]}]})
        };
        let listeners: Vec<Value> = ports.iter().enumerate().map(listener).collect();
        let plain = support::Upstream::named("plain").address;
        json!({"static_resources": {"listeners": listeners,
            "clusters": [told_cluster("v1", "V1", address), told_cluster("v2", "V2", address), support::cluster("plain", &[plain])]}})
    }) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    // Each connection's head, and how many requests came on it.
    let heads = || -> Vec<(Vec<u8>, usize)> {
        let list = said.lock().expect("unbroken");
        let head = |bytes: &Vec<u8>| {
            let end = bytes.windows(4).position(|w| w == b"GET ").unwrap_or(bytes.len());
            (bytes[..end].to_vec(), bytes.windows(4).filter(|w| *w == b"GET ").count())
        };
        list.iter().map(head).collect()
    };
    for (i, name) in names.iter().enumerate() {
        let (a, b) = pair.at(i);
        let mut results = Vec::new();
        for address in [a, b] {
            // What was there to see whether somebody listens is past.
            std::thread::sleep(Duration::from_millis(20));
            said.lock().expect("unbroken").clear();
            let mut clients = Vec::new();
            for (n, (head, requests)) in CLIENTS.iter().enumerate() {
                let mut reader = support::connect(address);
                reader.stream().write_all(head.as_bytes()).expect("sent");
                for _ in 0..*requests {
                    reader.stream().write_all(format!("GET /{n} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).expect("sent");
                    assert_eq!(reader.message().expect("an answer").status(), 200, "{name}");
                }
                clients.push(reader);
            }
            let wanted: usize = CLIENTS.iter().map(|(_, n)| n).sum();
            support::until("all requests", || heads().iter().map(|(_, n)| n).sum::<usize>() >= wanted);
            let mut found = heads();
            found.retain(|(_, n)| *n > 0);
            // Mirrors are sent beside each other.
            if *name == "mirrored" {
                found = vec![(found[0].0.clone(), found.iter().map(|(_, n)| n).sum())];
            }
            results.push(found);
        }
        assert_eq!(results[0], results[1], "{name}");
        assert!(*name == "mirrored" || results[0].len() >= 3, "{name} {results:?}");
    }
    // Who does not say anything first hears of the client all the same.
    for i in [2, 3] {
        let (a, b) = pair.at(i);
        let mut results = Vec::new();
        for address in [a, b] {
            said.lock().expect("unbroken").clear();
            let mut client = support::connect(address);
            client.stream().write_all(b"PROXY TCP4 1.2.3.4 5.6.7.8 11 22\r\n").expect("sent");
            support::until("a head", || heads().iter().any(|(head, _)| head.len() > 20));
            results.push(heads());
        }
        assert_eq!(results[0], results[1]);
    }
}

/// Envoy takes these; the protocol's own text does not.
#[test]
fn lines_that_can_be_read_in_two_ways_are_refused() {
    let mut bootstrap = support::bootstrap(&support::manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]), None), &[]);
    bootstrap["static_resources"]["listeners"][0]["listener_filters"] = json!([filter(json!({}))]);
    let proxy = support::start(bootstrap);
    let address = proxy.address("l").expect("a listener");
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for (line, is_taken) in [
        ("TCP4 1.2.3.4 5.6.7.8 1111 2222", true),
        ("TCP4 1.2.3.4 5.6.7.8 1111 2222 ", false),
        ("TCP4 1.2.3.4 5.6.7.8 1111 2222\t", false),
        ("TCP4 1.2.3.4 5.6.7.8 +1111 2222", false),
        ("TCP4 1.2.3.4 5.6.7.8 01111 2222", false),
        ("TCP4 1.2.3.4\0 5.6.7.8 1111 2222", false),
        ("TCP6 fe80::1%1 2001:db8::2 1111 2222", false),
    ] {
        let got = play(address, &[format!("PROXY {line}\r\n{request}").as_bytes()], None);
        assert_eq!(got.contains("200"), is_taken, "{line:?} {got}");
    }
}
