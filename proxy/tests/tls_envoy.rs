//! TLS and TCP against a real Envoy: the same configuration and the same clients, and what each answers and logs; and mutual
//! TLS between the two, each as the client and as the server.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

// It shows its count, and says when it is skipped.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use crate::{envoy, pki, support};
use pki::{Authority, Client, Leaf, downstream, upstream};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Message, Upstream, cluster, manager, nobody, socket};

const SERVER: &str = "spiffe://cluster.local/ns/b/sa/server";
const CLIENT: &str = "spiffe://cluster.local/ns/a/sa/client";
const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters";

struct World {
    ca: Authority,
    other: Authority,
    server: Leaf,
    client: Leaf,
    stranger: Leaf,
    elsewhere: Leaf,
}

impl World {
    fn new() -> World {
        let (ca, other) = (Authority::new("ca"), Authority::new("other"));
        let (server, client) = (ca.issue(SERVER, &["server.example.com"]), ca.issue(CLIENT, &["client.example.com", "c2"]));
        let (stranger, elsewhere) = (other.issue(CLIENT, &[]), ca.issue("spiffe://elsewhere/ns/a/sa/client", &[]));
        World { ca, other, server, client, stranger, elsewhere }
    }
    /// A server's side that asks for certificates of the mesh.
    fn inbound(&self) -> Value {
        let names = Some(json!({"prefix": "spiffe://cluster.local/"}));
        downstream(&json!({"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [self.server.config()], "validation_context": self.ca.validation(names)}))
    }
    /// A client's side with its certificate.
    fn outbound(&self, newest: &str) -> Value {
        let names = Some(json!({"exact": SERVER}));
        let common = json!({"tls_certificates": [self.client.config()], "validation_context": self.ca.validation(names),
            "tls_params": {"tls_maximum_protocol_version": newest}});
        upstream(&common, "server.example.com")
    }
}

/// What is known of TLS on both sides.
const OPERATORS: &[(&str, &str)] = &[
    ("upstream failure", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("downstream failure", "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("sni", "%REQUESTED_SERVER_NAME%"),
    ("version", "%DOWNSTREAM_TLS_VERSION%"),
    ("peer uri", "%DOWNSTREAM_PEER_URI_SAN%"),
    ("peer dns", "%DOWNSTREAM_PEER_DNS_SAN%"),
    ("peer subject", "%DOWNSTREAM_PEER_SUBJECT%"),
    ("peer issuer", "%DOWNSTREAM_PEER_ISSUER%"),
    ("peer serial", "%DOWNSTREAM_PEER_SERIAL%"),
    ("peer fingerprint", "%DOWNSTREAM_PEER_FINGERPRINT_256%"),
    ("peer certificate", "%DOWNSTREAM_PEER_CERT%"),
    ("upstream certificate", "%UPSTREAM_PEER_CERT%"),
    ("peer from", "%DOWNSTREAM_PEER_CERT_V_START%"),
    ("own uri", "%DOWNSTREAM_LOCAL_URI_SAN%"),
    ("own subject", "%DOWNSTREAM_LOCAL_SUBJECT%"),
    ("upstream version", "%UPSTREAM_TLS_VERSION%"),
    ("upstream uri", "%UPSTREAM_PEER_URI_SAN%"),
    ("upstream protocol", "%UPSTREAM_PROTOCOL%"),
];

fn log(path: &Path) -> Value {
    support::with_operators(envoy::access_log(path), &[support::OF_TRAFFIC, OPERATORS])
}

/// Listeners by name, and what is the same for both proxies.
struct Setup {
    listeners: Vec<(&'static str, Value)>,
    clusters: Vec<Value>,
}

impl Setup {
    /// A listener of one chain whose requests go to a cluster.
    fn http(&mut self, name: &'static str, cluster: &str, socket: Option<Value>, change: impl FnOnce(&mut Value)) {
        let mut m = manager(json!([{"match": {"prefix": "/"}, "name": "r", "route": {"cluster": cluster}}]), None);
        m["access_log"] = json!("LOG");
        // Envoy waits a second before it closes, otherwise.
        m["delayed_close_timeout"] = json!("0.05s");
        change(&mut m);
        self.chain(name, json!([{"name": "h", "typed_config": m}]), socket, |_| {});
    }
    fn tcp(&mut self, name: &'static str, cluster: &str, socket: Option<Value>, change: impl FnOnce(&mut Value)) {
        let filter = json!({"@type": format!("{FILTERS}.network.tcp_proxy.v3.TcpProxy"), "stat_prefix": "t", "cluster": cluster, "access_log": "LOG"});
        self.chain(name, json!([{"name": "t", "typed_config": filter}]), socket, change);
    }
    fn chain(&mut self, name: &'static str, filters: Value, socket: Option<Value>, change: impl FnOnce(&mut Value)) {
        let mut chain = json!({"name": name, "filters": filters});
        if let Some(socket) = socket {
            chain["transport_socket"] = socket;
        }
        let mut listener = json!({"name": name, "filter_chains": [chain]});
        change(&mut listener);
        self.listeners.push((name, listener));
    }
    fn bootstrap(&self, ports: &[u16], path: &Path) -> Value {
        let mut out = Vec::new();
        for ((_, listener), port) in self.listeners.iter().zip(ports) {
            let mut listener = listener.clone();
            listener["address"] = socket(SocketAddr::from(([127, 0, 0, 1], *port)));
            fill(&mut listener, &log(path));
            out.push(listener);
        }
        json!({"static_resources": {"listeners": out, "clusters": self.clusters}})
    }
}

/// Puts the log in its places.
fn fill(value: &mut Value, log: &Value) {
    match value {
        Value::String(text) if text == "LOG" => *value = log.clone(),
        Value::Object(fields) => fields.values_mut().for_each(|v| fill(v, log)),
        Value::Array(items) => items.iter_mut().for_each(|v| fill(v, log)),
        _ => {}
    }
}

fn inspectors(listener: &mut Value, names: &[&str]) {
    let one = |n: &&str| match *n {
        "tls" => json!({"name": "t", "typed_config": {"@type": format!("{FILTERS}.listener.tls_inspector.v3.TlsInspector")}}),
        _ => json!({"name": "h", "typed_config": {"@type": format!("{FILTERS}.listener.http_inspector.v3.HttpInspector")}}),
    };
    listener["listener_filters"] = names.iter().map(one).collect();
}

/// Tells what it got, but for what is of the moment.
fn echo(request: &Message) -> support::Act {
    let varies = ["x-request-id", "x-envoy-expected-rq-timeout-ms"];
    let mut headers: Vec<String> = request.headers.iter().filter(|(k, _)| !varies.contains(&k.as_str())).map(|(k, v)| format!("{k}: {v}")).collect();
    headers.sort();
    support::answer(200, "", &format!("{}\n{}\n", request.line, headers.join("\n")))
}

/// Sends back what comes, and a word at the end.
fn bytes_server() -> SocketAddr {
    support::server(|mut stream| {
        let mut chunk = [0; 4096];
        while let Ok(n) = stream.read(&mut chunk) {
            if n == 0 || stream.write_all(&chunk[..n]).is_err() {
                let _ = stream.write_all(b"end");
                return;
            }
        }
    })
}

/// A proxy of ours behind both: mutual TLS of its own.
fn back(world: &World, up: SocketAddr) -> (mesh_proxy::Proxy, SocketAddr) {
    let m = manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]), None);
    let listener = json!({"name": "back", "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))),
        "filter_chains": [{"filters": [{"name": "h", "typed_config": m}], "transport_socket": world.inbound()}]});
    let proxy = support::start(json!({"static_resources": {"listeners": [listener], "clusters": [cluster("up", &[up])]}}));
    let address = proxy.address("back").expect("a listener");
    (proxy, address)
}

fn setup(world: &World, up: SocketAddr, bytes: SocketAddr, back: SocketAddr, envoys: SocketAddr) -> Setup {
    let with = |name: &str, hosts: &[SocketAddr], socket: Option<Value>| {
        let mut c = cluster(name, hosts);
        if let Some(socket) = socket {
            c["transport_socket"] = socket;
        }
        c
    };
    let trusts = |authority: &Authority, names: Option<Value>| upstream(&json!({"validation_context": authority.validation(names)}), "server.example.com");
    let mut http2 = with("back2", &[back], Some(world.outbound("TLSv1_3")));
    http2["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}});
    let mut by_label = with("labels", &[back], None);
    by_label["transport_socket_matches"] = json!([{"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": world.outbound("TLSv1_3")}]);
    by_label["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] =
        json!({"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}});
    let mut full = cluster("full", &[bytes]);
    full["circuit_breakers"] = json!({"thresholds": [{"max_connections": 0}]});
    let mut original = cluster("original", &[]);
    (original["type"], original["lb_policy"]) = ("ORIGINAL_DST".into(), "CLUSTER_PROVIDED".into());
    original.as_object_mut().expect("an object").remove("load_assignment");
    let mut s = Setup {
        listeners: Vec::new(),
        clusters: vec![
            cluster("up", &[up]),
            cluster("bytes", &[bytes]),
            cluster("down", &[nobody()]),
            cluster("empty", &[]),
            full,
            original,
            http2,
            by_label,
            cluster("back-bytes", &[back]),
            with("back", &[back], Some(world.outbound("TLSv1_3"))),
            with("back12", &[back], Some(world.outbound("TLS_AUTO"))),
            with("envoy", &[envoys], Some(world.outbound("TLSv1_3"))),
            with("other-ca", &[back], Some(trusts(&world.other, None))),
            with("other-name", &[back], Some(trusts(&world.ca, Some(json!({"exact": "spiffe://x"}))))),
            with("no-cert", &[back], Some(trusts(&world.ca, None))),
            with("no-tls", &[up], Some(trusts(&world.ca, None))),
            with("no-one", &[nobody()], Some(trusts(&world.ca, None))),
        ],
    };
    let details = json!({"subject": true, "uri": true, "dns": true});
    // The first is what the cluster `envoy` leads to.
    s.http("mutual", "up", Some(world.inbound()), |m| {
        m["forward_client_cert_details"] = "APPEND_FORWARD".into();
        m["set_current_client_cert_details"] = details.clone();
    });
    let listener = &mut s.listeners[0].1;
    inspectors(listener, &["tls"]);
    for (name, mode) in [("sanitize", "SANITIZE"), ("forward", "FORWARD_ONLY"), ("set", "SANITIZE_SET"), ("always", "ALWAYS_FORWARD_ONLY")] {
        let mut optional = downstream(&json!({"tls_certificates": [world.server.config()], "validation_context": world.ca.validation(None)}));
        optional["typed_config"]["require_client_certificate"] = json!(false);
        s.http(name, "up", Some(optional), |m| {
            m["forward_client_cert_details"] = mode.into();
            m["set_current_client_cert_details"] = json!({"subject": true, "uri": true, "dns": true, "cert": true});
        });
    }
    // Names demand a certificate, though nothing else does.
    let mut named = world.inbound();
    named["typed_config"]["require_client_certificate"] = json!(false);
    s.http("named", "up", Some(named), |m| m["access_log"] = json!([]));
    s.listeners.last_mut().expect("a listener").1["access_log"] = json!("LOG");
    // Its connections are logged, not its requests.
    s.http("strict", "up", Some(world.inbound()), |m| m["access_log"] = json!([]));
    s.listeners.last_mut().expect("a listener").1["access_log"] = json!("LOG");
    for name in ["back", "back12", "back2", "labels", "envoy", "other-ca", "other-name", "no-cert", "no-tls", "no-one", "original"] {
        s.http(name, name, None, |_| {});
    }
    for (name, cluster) in
        [("t-bytes", "bytes"), ("t-down", "down"), ("t-empty", "empty"), ("t-full", "full"), ("t-nowhere", "nowhere"), ("t-original", "original")]
    {
        s.tcp(name, cluster, None, |_| {});
    }
    s.tcp("t-other-ca", "other-ca", None, |_| {});
    s.tcp("t-back", "back", None, |_| {});
    s.tcp("t-tries", "down", None, |l| l["filter_chains"][0]["filters"][0]["typed_config"]["max_connect_attempts"] = json!(3));
    s.tcp("t-tls", "bytes", Some(world.inbound()), |l| inspectors(l, &["tls"]));
    s.tcp("t-sni", "back-bytes", None, |l| {
        inspectors(l, &["tls"]);
        l["filter_chains"][0]["filter_chain_match"] = json!({"server_names": ["server.example.com"]});
    });
    s.tcp("t-nr", "bytes", None, |l| {
        inspectors(l, &["tls"]);
        l["filter_chains"][0]["filter_chain_match"] = json!({"server_names": ["b.example.com"]});
        l["access_log"] = json!("LOG");
    });
    s
}

#[derive(Clone, Copy)]
enum Who<'w> {
    Plain,
    Bytes,
    Tls(Option<&'w Leaf>, &'static [&'static str]),
    /// Takes leave as soon as it has spoken, and hears the rest.
    TlsBytes(Option<&'w Leaf>),
}

/// Asks, and says from which address, and what came back.
fn ask(world: &World, who: Who<'_>, port: u16) -> (envoy::Client, String) {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let request = b"GET /a HTTP/1.1\r\nhost: a.com\r\nx-forwarded-client-cert: old\r\nconnection: close\r\n\r\n";
    let (client, text) = match who {
        Who::Tls(shows, _) | Who::TlsBytes(shows) => {
            let alpn = if let Who::Tls(_, alpn) = who { alpn } else { &[] };
            let mut stream = Client::new(&world.ca, shows, alpn).connect(address, "server.example.com");
            let client = stream.sock.local_addr().expect("an address");
            let mut out = Vec::new();
            let mut sent = stream.write_all(if matches!(who, Who::TlsBytes(_)) { b"hello" } else { request });
            if matches!(who, Who::TlsBytes(_)) && sent.is_ok() {
                stream.conn.send_close_notify();
                sent = stream.flush();
            }
            let read = stream.read_to_end(&mut out);
            let failed = sent.is_err() || (read.is_err() && out.is_empty());
            (client, if failed { "refused".to_owned() } else { String::from_utf8_lossy(&out).into_owned() })
        }
        plain => {
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            let client = stream.local_addr().expect("an address");
            let _ = stream.write_all(if matches!(plain, Who::Bytes) { b"hello" } else { request });
            if matches!(plain, Who::Bytes) {
                let _ = stream.shutdown(Shutdown::Write);
            }
            let mut out = Vec::new();
            let _ = stream.read_to_end(&mut out);
            (client, String::from_utf8_lossy(&out).into_owned())
        }
    };
    let steady = |l: &&str| !["date:", "x-envoy-upstream-service-time:"].iter().any(|p| l.to_ascii_lowercase().starts_with(p));
    let mut lines: Vec<&str> = text.lines().filter(steady).collect();
    lines.sort_unstable();
    (envoy::Client { address: client, port }, lines.join("|"))
}

/// What is not compared of a listener's line, and why.
fn is_left_out(listener: &str, who: Who<'_>, key: &str, refused: bool) -> bool {
    match key {
        "peer" | "local" => true,
        // Envoy knows what was about to be agreed upon when a handshake fails.
        "version" if refused => true,
        // Envoy tells of the certificates of a handshake that failed; rustls forgets them.
        key if refused && matches!(listener, "strict" | "named" | "t-tls") && (key.starts_with("peer ") || key.starts_with("own ")) => true,
        // Envoy's inspector leaves its library's word for bytes that are no hello.
        "downstream failure" if listener == "t-nr" => true,
        // A client that leaves as soon as it has its answer is no failure; Envoy's library calls it one.
        "downstream failure" if listener == "t-tls" => true,
        // Envoy connects the upstream before the handshake with the client ends.
        "host" | "attempts" | "cluster" | "sent" if listener == "t-tls" && refused => true,
        // Bytes below TLS: handshakes differ in length. And an answer tells how long it took, in digits.
        "received" | "sent" if matches!(listener, "strict" | "named" | "t-sni" | "t-back") => true,
        "protocol" if matches!(listener, "strict" | "named") => true,
        _ => matches!(who, Who::Bytes) && key == "downstream failure",
    }
}

#[test]
fn a_real_envoy_does_the_same_with_tls_and_bytes() {
    let Some(program) = envoy::find() else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let world = World::new();
    let up = Upstream::new(echo);
    let bytes = bytes_server();
    let (_back, back) = back(&world, up.address);
    let probe = setup(&world, up.address, bytes, back, nobody());
    let ports = mesh_testserver::ports::free(probe.listeners.len());
    let s = setup(&world, up.address, bytes, back, SocketAddr::from(([127, 0, 0, 1], ports[0])));
    let folder = tempfile::tempdir().expect("a folder");
    let (theirs, scratch) = (folder.path().join("access.log"), tempfile::tempdir().expect("a folder"));
    let ours = scratch.path().join("ours.log");
    let real = envoy::Envoy::start(&program, folder, &s.bootstrap(&ports, &theirs), &ports);
    let proxy = support::start(s.bootstrap(&vec![0; ports.len()], &ours));

    let tls = |shows: Option<&'static str>| match shows {
        Some("client") => Some(&world.client),
        Some("stranger") => Some(&world.stranger),
        Some("elsewhere") => Some(&world.elsewhere),
        _ => None,
    };
    let mut cases: Vec<(&str, Who<'_>)> = vec![("mutual", Who::Tls(tls(Some("client")), &["http/1.1"])), ("mutual", Who::Tls(tls(Some("client")), &["other"]))];
    for name in ["sanitize", "forward", "set", "always"] {
        cases.extend([(name, Who::Tls(None, &[])), (name, Who::Tls(tls(Some("client")), &[]))]);
    }
    cases.extend([("named", Who::Tls(None, &[])), ("named", Who::Tls(tls(Some("client")), &[]))]);
    for shows in [None, Some("client"), Some("stranger"), Some("elsewhere")] {
        cases.extend([("strict", Who::Tls(tls(shows), &[])), ("t-tls", Who::TlsBytes(tls(shows)))]);
    }
    cases.push(("strict", Who::Plain));
    for (name, _) in s.listeners.iter().skip(7) {
        match *name {
            "t-tls" => {}
            "t-sni" => cases.push((name, Who::Tls(tls(Some("client")), &[]))),
            "t-nr" => cases.push((name, Who::Plain)),
            n if n.starts_with("t-") && n != "t-back" => cases.push((name, Who::Bytes)),
            _ => cases.extend([(*name, Who::Plain), (*name, Who::Plain)]),
        }
    }
    let mut asked = Vec::new();
    for (name, who) in cases {
        let index = s.listeners.iter().position(|(n, _)| *n == name).expect("a listener");
        let there = ask(&world, who, ports[index]);
        let here = ask(&world, who, proxy.address(name).expect("a listener").port());
        asked.push((name, who, there, here));
    }
    let there = log_of(&theirs, &asked.iter().map(|a| (a.0, a.2.0)).collect::<Vec<_>>());
    let here = log_of(&ours, &asked.iter().map(|a| (a.0, a.3.0)).collect::<Vec<_>>());
    drop(real);
    let mut wrong = Vec::new();
    for (name, who, (a, answer), (b, own)) in &asked {
        let mut differences = Vec::new();
        let mut compare = |what: &str, want: String, got: String| {
            if want != got {
                differences.push(format!("  {what}\n    Envoy      {want}\n    mesh-proxy {got}"));
            }
        };
        compare("answer", answer.clone(), own.clone());
        let (want, got) = (&there[&a.key()], here.get(&b.key()).unwrap_or(&Value::Null));
        let refused = answer == "refused" || answer.is_empty() || !answer.contains("200 OK");
        for (key, value) in want.as_object().into_iter().flatten().filter(|(k, _)| !is_left_out(name, *who, k, refused)) {
            compare(key, value.to_string(), got[key].to_string());
        }
        if !differences.is_empty() {
            wrong.push(format!("{name}\n{}", differences.join("\n")));
        }
    }
    println!("{} connections, {} differ", asked.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), asked.len(), wrong.join("\n"));
}

/// The lines by connection, once there are all of them.
fn log_of(path: &Path, clients: &[(&str, envoy::Client)]) -> BTreeMap<String, Value> {
    let until = Instant::now() + Duration::from_secs(20);
    let port = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let found: BTreeMap<String, Value> = lines.map(|l| (format!("{} to {}", l["peer"].as_str().unwrap_or(""), port(&l["local"])), l)).collect();
        let missing: Vec<&str> = clients.iter().filter(|(_, c)| !found.contains_key(&c.key())).map(|(n, _)| *n).collect();
        if missing.is_empty() {
            return found;
        }
        assert!(Instant::now() < until, "no line of {missing:?} in {}", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}
