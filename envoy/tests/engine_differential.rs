//! The engine against a real Envoy: generated configurations, generated requests, and what Envoy's access log says of each.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

// It shows its table, and says when it is skipped.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use crate::{envoy, generate, tally, token};
use generate::{Asked, Filters, Lot};
use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::gate::Answer;
use mesh_envoy::engine::request::{ClientTls, Connection, Entry, Protocol, Request};
use mesh_envoy::engine::walk::{Call, End, TokenState, Verdict, World, walk};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use tally::Tally;

const LISTENERS: usize = 96;
const REQUESTS: usize = 24;
const CHAIN_LISTENERS: usize = 32;
const CONNECTIONS: usize = 16;

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn cluster(name: &str, upstream: Option<SocketAddr>) -> Value {
    let endpoints: Vec<Value> = upstream.iter().map(|u| json!({"lb_endpoints": [{"endpoint": {"address": address(u.port())}}]})).collect();
    let mut c = json!({"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {"cluster_name": name, "endpoints": endpoints}});
    if name == "full" {
        c["circuit_breakers"] = json!({"thresholds": [{"max_connections": 0, "max_pending_requests": 0, "max_requests": 0}]});
    }
    c
}

fn bootstrap(listeners: &[Value], clusters: &[Value]) -> Value {
    json!({"static_resources": {"listeners": listeners, "clusters": clusters}})
}

fn compiled(listeners: &[Value], clusters: &[Value]) -> Configuration {
    let c = Configuration::read(&json!({"listeners": listeners, "clusters": clusters, "routes": []})).expect("a configuration");
    assert_eq!(c.problems, []);
    c
}

fn text(asked: &Asked) -> Vec<u8> {
    let mut out = format!("{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", asked.method, asked.path, asked.host);
    for (name, value) in &asked.headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(bearer) = token::bearer(asked.token) {
        out.push_str(&format!("authorization: {bearer}\r\n"));
    }
    format!("{out}content-length: 0\r\n\r\n").into_bytes()
}

/// What the access log is expected to say: status, flags, route, cluster, and details of the proxy's own answers.
fn predicted(v: &Verdict, c: &Configuration) -> (u16, String, String, String, Option<String>) {
    let known = |name: &str| if c.clusters.contains_key(name) { name.to_owned() } else { String::new() };
    let flags = |list: &[&str]| if list.is_empty() { "-".to_owned() } else { list.join(",") };
    let branch = v.branches.first().expect("an end");
    match &branch.end {
        End::Forwarded => (200, flags(&v.flags), v.route.clone(), branch.cluster.clone(), Some("via_upstream".to_owned())),
        End::Replied(r) => (r.status, flags(&r.flags), v.route.clone(), known(&v.cluster), Some(r.details.clone())),
        End::Closed { why, .. } => (0, (*why).to_owned(), String::new(), String::new(), None),
        End::UpTo(u) => (0, format!("up to {u}"), String::new(), String::new(), None),
    }
}

fn logged(line: &Value) -> (u16, String, String, String, Option<String>) {
    let text = |key: &str| line[key].as_str().unwrap_or("").to_owned();
    (line["status"].as_u64().unwrap_or(0) as u16, text("flags"), text("route"), text("cluster"), Some(text("details")))
}

/// How many requests a rate limit of eight lets through is counted here.
struct Sent {
    listener: usize,
    asked: Asked,
    client: envoy::Client,
    limited: bool,
}

#[test]
fn a_real_envoy_decides_the_same() {
    // One after the other: Envoys share ports that they both find free.
    match envoy::find() {
        Some(program) => {
            requests(&program);
            connections(&program);
        }
        None => eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one"),
    }
}

fn requests(program: &Path) {
    let upstream = envoy::upstream();
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let mut lot = Lot(20_261);
    let ports = mesh_testserver::ports::free(LISTENERS);
    let clusters: Vec<Value> =
        [("up", Some(upstream)), ("up2", Some(upstream)), ("empty", None), ("full", Some(upstream))].iter().map(|(n, u)| cluster(n, *u)).collect();
    let mut listeners = Vec::new();
    let mut with: Vec<(Filters, &str)> = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let (mut manager, filters, authz) = generate::manager(&mut lot, i);
        manager["access_log"] = envoy::access_log(&log);
        listeners.push(json!({"name": format!("l{i}"), "address": address(*port), "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}));
        with.push((filters, authz));
    }
    let configuration = compiled(&listeners, &clusters);
    let envoy = envoy::Envoy::start(program, folder, &bootstrap(&listeners, &clusters), &ports);
    let mut sent = Vec::new();
    for (listener, port) in ports.iter().enumerate() {
        // Tokens of the bucket; a request that the manager refuses takes none.
        let mut tokens = 8;
        for _ in 0..REQUESTS {
            let asked = generate::request(&mut lot, &with[listener].0);
            let client = envoy::send(*port, &text(&asked));
            let limited = with[listener].0.limit && tokens == 0;
            let mut one = Sent { listener, asked, client, limited };
            let refused = verdict(&configuration, &one, &ports, &with).steps.iter().any(|s| s.note.starts_with("refused"));
            if refused {
                one.limited = false;
            } else if tokens > 0 {
                tokens -= 1;
            }
            sent.push(one);
        }
    }
    let lines = envoy.log(&sent.iter().map(|s| s.client).collect::<Vec<_>>());
    let (mut wrong, mut tally) = (Vec::new(), Tally::default());
    for one in &sent {
        let v = verdict(&configuration, one, &ports, &with);
        let (want, got) = (logged(&lines[&one.client.key()]), predicted(&v, &configuration));
        tally.request(&listeners[one.listener], &v, &with[one.listener].0);
        if want != got {
            wrong.push(format!(
                "l{} {} {}{} {:?} {:?}\n  Envoy  {want:?}\n  engine {got:?}",
                one.listener, one.asked.method, one.asked.host, one.asked.path, one.asked.headers, one.asked.token
            ));
        }
    }
    println!("{} requests, {} differ\n{tally}", sent.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), sent.len(), wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n"));
    assert_eq!(tally.rare(5), Vec::<String>::new(), "decided too rarely\n{tally}");
}

fn verdict(c: &Configuration, one: &Sent, ports: &[u16], with: &[(Filters, &str)]) -> Verdict {
    let bearer = token::bearer(one.asked.token);
    let mut headers: Vec<(&str, &str)> = one.asked.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    headers.extend(bearer.as_deref().map(|b| ("authorization", b)));
    let destination = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports[one.listener]);
    let connection = Connection { source: one.client.address, ..Connection::plain(one.client.address.ip(), destination) };
    let request = Request { method: one.asked.method, scheme: "http", authority: one.asked.host, path: &one.asked.path, headers: &headers };
    let outside = match with[one.listener].1 {
        "empty" => Answer::Failed,
        _ if one.asked.path.contains("deny") => Answer::Denied(403),
        _ => Answer::Allowed,
    };
    let token = match one.asked.token {
        token::Kind::None => TokenState::Absent,
        token::Kind::Good => TokenState::Valid(json!({"iss": "me", "sub": "s"})),
        token::Kind::Forged => TokenState::Invalid("Jwt verification fails".to_owned()),
    };
    let world = World { random: Some(0), token, limits_used_up: one.limited, outside, unlucky: false };
    walk(c, &Call { entry: Entry::Direct, connection, request: Some(request), expects: None }, &world)
}

/// Chains by lot; one that Envoy would refuse beside the others is left out.
fn chains(lot: &mut Lot, port: u16) -> Vec<Value> {
    let mut list: Vec<(Value, [Vec<String>; 7])> = Vec::new();
    for _ in 0..6 {
        let mut m = json!({});
        let mut asks: [Vec<String>; 7] = Default::default();
        if lot.yes(15) {
            let p = *lot.one(&[&port, &1]);
            m["destination_port"] = json!(p);
            asks[0] = vec![p.to_string()];
        }
        asks[1] = prefix(lot, &mut m, "prefix_ranges");
        if lot.yes(50) {
            let names: Vec<&str> = vec![lot.one(&["a.test", "b.a.test", "*.a.test", "*.test"])];
            m["server_names"] = json!(names);
            asks[2] = names.iter().map(ToString::to_string).collect();
        }
        if lot.yes(50) {
            let t = lot.one(&["tls", "raw_buffer"]);
            m["transport_protocol"] = json!(t);
            asks[3] = vec![t.to_owned()];
        }
        if lot.yes(40) {
            let list: Vec<&str> = vec![lot.one(&["h2", "http/1.1", "istio"])];
            m["application_protocols"] = json!(list);
            asks[4] = list.iter().map(ToString::to_string).collect();
        }
        if lot.yes(30) {
            let kind = lot.one(&["SAME_IP_OR_LOOPBACK", "EXTERNAL"]);
            m["source_type"] = json!(kind);
            asks[5] = vec![kind.to_owned()];
        }
        let field = lot.one(&["source_prefix_ranges", "direct_source_prefix_ranges"]);
        asks[6] = prefix(lot, &mut m, field);
        // Two criteria share the last place; chains that could meet there are kept apart more than needed.
        if !list.iter().any(|(_, other)| asks[..6] == other[..6]) {
            list.push((m, asks));
        }
    }
    list.into_iter().map(|(m, _)| m).collect()
}

fn prefix(lot: &mut Lot, m: &mut Value, field: &str) -> Vec<String> {
    if !lot.yes(40) {
        return Vec::new();
    }
    let (address, length) = [("127.0.0.1", 32), ("127.0.0.0", 8), ("10.0.0.0", 8)][lot.number(3)];
    m[field] = json!([{"address_prefix": address, "prefix_len": length}]);
    vec![format!("{address}/{length}")]
}

fn connections(program: &Path) {
    let upstream = envoy::upstream();
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let mut lot = Lot(7);
    let ports = mesh_testserver::ports::free(CHAIN_LISTENERS);
    let clusters = [cluster("up", Some(upstream))];
    let proxy = json!({"name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "up"}});
    let inspector =
        |name: &str, kind: &str| json!({"name": name, "typed_config": {"@type": format!("type.googleapis.com/envoy.extensions.filters.listener.{kind}")}});
    let mut listeners = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let named = chains(&mut lot, *port).into_iter().enumerate();
        let list: Vec<Value> = named.map(|(n, m)| json!({"name": format!("c{n}"), "filter_chain_match": m, "filters": [proxy]})).collect();
        let mut listener = json!({"name": format!("l{i}"), "address": address(*port), "filter_chains": list, "access_log": envoy::access_log(&log),
            "listener_filters": [inspector("tls", "tls_inspector.v3.TlsInspector"), inspector("http", "http_inspector.v3.HttpInspector")]});
        if lot.yes(50) {
            listener["default_filter_chain"] = json!({"name": "default", "filters": [proxy]});
        }
        listeners.push(listener);
    }
    let configuration = compiled(&listeners, &clusters);
    let envoy = envoy::Envoy::start(program, folder, &bootstrap(&listeners, &clusters), &ports);
    let mut sent = Vec::new();
    for port in &ports {
        for _ in 0..CONNECTIONS {
            let hello = lot.yes(70).then(|| {
                let name = lot.one(&["", "a.test", "b.a.test", "c.b.a.test", "A.test", "z.test"]);
                let alpn: Vec<&'static str> = (0..lot.number(3)).map(|_| lot.one(&["h2", "http/1.1", "istio", "other"])).collect();
                (name, alpn)
            });
            let bytes = hello.as_ref().map_or_else(|| b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_vec(), |(n, a)| envoy::hello(n, a));
            sent.push((*port, envoy::send_and_leave(*port, &bytes), hello));
        }
    }
    let lines = envoy.log(&sent.iter().map(|s| s.1).collect::<Vec<_>>());
    let (mut wrong, mut tally) = (Vec::new(), Tally::default());
    for (port, client, hello) in &sent {
        let destination = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port);
        let tls = hello.as_ref().map(|(name, alpn)| ClientTls { server_name: name, alpn: alpn.clone(), ..ClientTls::default() });
        let connection = Connection { source: client.address, tls, protocol: Protocol::Http11, ..Connection::plain(client.address.ip(), destination) };
        let v = walk(&configuration, &Call { entry: Entry::Direct, connection, request: None, expects: None }, &World::default());
        let line = &lines[&client.key()];
        let (want, got) = (line["chain"].as_str().unwrap_or(""), v.filter_chain.as_str());
        let not_found = line["details"].as_str() == Some("filter_chain_not_found");
        let listener = listeners.iter().find(|l| l["address"] == address(*port)).expect("a listener");
        tally.connection(listener, &v);
        if want != got || not_found != got.is_empty() {
            wrong.push(format!("{} {hello:?}: Envoy {want:?} {}, engine {got:?}", serde_json::json!(listener["filter_chains"]), line["details"]));
        }
    }
    println!("{} connections, {} differ\n{tally}", sent.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), sent.len(), wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n"));
    assert_eq!(tally.rare(5), Vec::<String>::new(), "decided too rarely\n{tally}");
}
