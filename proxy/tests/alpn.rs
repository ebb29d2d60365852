//! What `istio.alpn` has connections over TLS offer, as a peer sees it, and which filters a real Envoy runs for it.
//!
//! The last needs the Envoy that `.ci/install-components` installs, and is skipped without it.

// It says when it is skipped.
#![allow(clippy::print_stderr)]

use crate::{envoy, pki, support};
use mesh_proxy::Proxy;
use pki::{Authority, Leaf, downstream, upstream};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Upstream, cluster, get, manager, socket, start};
use tokio_rustls::rustls::server::Acceptor;

const SERVER: &str = "spiffe://cluster.local/ns/b/sa/server";
const CLIENT: &str = "spiffe://cluster.local/ns/a/sa/client";
const HTTP1: &str = "istio-http/1.1 istio http/1.1";
const HTTP2: &str = "istio-h2 istio h2";

/// Stands before a server of TLS, and notes the ALPN that each connection offers.
struct Tap {
    address: SocketAddr,
    offers: Arc<Mutex<Vec<String>>>,
}

impl Tap {
    fn before(server: SocketAddr) -> Tap {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let tap = Tap { address: listener.local_addr().expect("an address"), offers: Arc::default() };
        let offers = tap.offers.clone();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (mut acceptor, mut seen) = (Acceptor::default(), Vec::new());
                let hello = loop {
                    let mut chunk = [0; 4096];
                    let n = client.read(&mut chunk).expect("a hello");
                    seen.extend_from_slice(&chunk[..n]);
                    acceptor.read_tls(&mut &chunk[..n]).expect("TLS");
                    if let Some(accepted) = acceptor.accept().unwrap_or_else(|_| panic!("no hello")) {
                        break accepted.client_hello().alpn().map(|a| a.map(|n| String::from_utf8_lossy(n).into_owned()).collect::<Vec<_>>().join(" "));
                    }
                };
                offers.lock().expect("unbroken").push(hello.unwrap_or_default());
                let mut server = TcpStream::connect(server).expect("the server");
                server.write_all(&seen).expect("sent");
                let (mut from, mut to) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut client, &mut server);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        tap
    }
    /// One a connection, in their order.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.offers.lock().expect("unbroken"))
    }
}

/// Istio's filter as istiod sends it.
fn filter() -> Value {
    let entry = |protocol: &str, names: &str| json!({"upstream_protocol": protocol, "alpn_override": names.split(' ').collect::<Vec<_>>()});
    json!({"name": "istio.alpn", "typed_config": {"@type": "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
        "alpn_override": [entry("HTTP10", "istio-http/1.0 istio http/1.0"), entry("HTTP11", HTTP1), entry("HTTP2", HTTP2)]}})
}

fn with_filter(mut manager: Value) -> Value {
    manager["http_filters"].as_array_mut().expect("a list").insert(0, filter());
    manager
}

fn listener(name: &str, manager: &Value) -> Value {
    json!({"name": name, "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))), "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]})
}

fn over(protocol: &str, mut cluster: Value) -> Value {
    let protocol = match protocol {
        "same" => json!({"use_downstream_protocol_config": {"http2_protocol_options": {}}}),
        "h2" => json!({"explicit_http_config": {"http2_protocol_options": {}}}),
        _ => json!({"explicit_http_config": {"http_protocol_options": {}}}),
    };
    let mut options = json!({"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"});
    options.as_object_mut().expect("an object").extend(protocol.as_object().expect("an object").clone());
    cluster["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options});
    cluster
}

/// Paths that lead to the cluster of their name.
fn routes() -> Value {
    let to = |name: &str| json!({"match": {"prefix": format!("/{name}/")}, "route": {"cluster": name}});
    let mut off = json!({"match": {"prefix": "/off"}, "route": {"cluster": "http1"}});
    off["typed_per_filter_config"] = json!({"istio.alpn": {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true}});
    let mirrored = json!({"match": {"prefix": "/mirrored"}, "route": {"cluster": "plain", "request_mirror_policies": [{"cluster": "mirror"}]}});
    json!([to("http1"), to("same"), to("h2"), to("http1-own"), to("h2-own"), to("plain"), off, mirrored])
}

struct Pair {
    ca: Authority,
    server: Leaf,
    client: Leaf,
}

impl Pair {
    fn new() -> Pair {
        let ca = Authority::new("ca");
        let (server, client) = (ca.issue(SERVER, &["server.example.com"]), ca.issue(CLIENT, &[]));
        Pair { ca, server, client }
    }
    fn inbound(&self, alpn: &[&str]) -> Value {
        downstream(&json!({"alpn_protocols": alpn, "tls_certificates": [self.server.config()], "validation_context": self.ca.validation(None)}))
    }
    /// A proxy of two listeners to the same clusters: `front` has the filter, `bare` has none.
    fn front(&self, peer: SocketAddr, plain: SocketAddr) -> Proxy {
        let common = json!({"alpn_protocols": ["istio-peer-exchange", "istio"], "tls_certificates": [self.client.config()],
            "validation_context": self.ca.validation(Some(json!({"exact": SERVER}))), "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}});
        let tls = |name: &str, protocol: &str, own: &Value| {
            let mut c = over(protocol, cluster(name, &[peer]));
            c["transport_socket"] = upstream(&common, "server.example.com");
            c["metadata"] = json!({"filter_metadata": {"istio": {"config": "/x", "alpn_override": own}}});
            c
        };
        let clusters = [
            tls("http1", "http1", &json!("true")),
            tls("mirror", "http1", &Value::Null),
            tls("same", "same", &Value::Null),
            tls("h2", "h2", &Value::Null),
            tls("http1-own", "http1", &json!("false")),
            tls("h2-own", "h2", &json!("false")),
            cluster("plain", &[plain]),
        ];
        let managers = (with_filter(manager(routes(), None)), manager(routes(), None));
        start(json!({"static_resources": {"listeners": [listener("front", &managers.0), listener("bare", &managers.1)], "clusters": clusters}}))
    }
}

fn answers(text: &str) -> Value {
    json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}])
}

#[test]
fn connections_offer_what_the_filter_says_and_are_not_shared_with_others() {
    let pair = Pair::new();
    let mut back = listener("back", &manager(answers("hi"), None));
    back["filter_chains"][0]["transport_socket"] = pair.inbound(&["h2", "http/1.1"]);
    let back = start(json!({"static_resources": {"listeners": [back]}}));
    let tap = Tap::before(back.address("back").expect("a listener"));
    let plain = Upstream::named("plain");
    let proxy = pair.front(tap.address, plain.address);
    let (front, bare) = (proxy.address("front").expect("a listener"), proxy.address("bare").expect("a listener"));
    for (path, with, without) in
        [("http1", HTTP1, "istio"), ("same", HTTP1, "istio"), ("h2", HTTP2, "istio"), ("http1-own", "istio", ""), ("h2-own", "istio", "")]
    {
        // A connection for each list; where both are the same there is one.
        for _ in 0..2 {
            for address in [front, bare] {
                assert_eq!(get(address, &format!("/{path}/")).text(), "hi", "{path}");
            }
        }
        let want: Vec<&str> = [with, without].into_iter().filter(|l| !l.is_empty()).collect();
        assert_eq!(tap.take(), want, "{path}");
    }
    // Where a route switches the filter off, the connection of those without is taken.
    assert_eq!((get(front, "/off").text().as_str(), tap.take().len()), ("hi", 0));

    for address in [front, bare, front] {
        assert_eq!(get(address, "/plain/").text(), "plain");
    }
    assert_eq!(plain.connections(), 1, "what is not TLS is shared as ever");
    assert_eq!(get(front, "/mirrored").text(), "plain");
    let until = Instant::now() + Duration::from_secs(20);
    let offered = loop {
        let offered = tap.take();
        if !offered.is_empty() || Instant::now() > until {
            break offered;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(offered, [HTTP1], "mirrored requests are HTTP as well");
}

/// Istio's way of a port whose protocol nobody named: HTTP by its ALPN, bytes otherwise.
fn guessing(pair: &Pair, port: u16, bytes: SocketAddr) -> Value {
    let mut http = manager(answers("http"), None);
    http["forward_client_cert_details"] = json!("APPEND_FORWARD");
    let tcp = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "bytes"});
    let chain = |matches: Value, filter: Value, alpn: &[&str]| json!({"filter_chain_match": matches, "filters": [{"name": "f", "typed_config": filter}], "transport_socket": pair.inbound(alpn)});
    let listener = json!({"name": "l", "address": socket(SocketAddr::from(([127, 0, 0, 1], port))),
        "listener_filters": [{"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}],
        "filter_chains": [
            chain(json!({"transport_protocol": "tls", "application_protocols": ["istio-http/1.0", "istio-http/1.1", "istio-h2"]}), http, &["h2", "http/1.1"]),
            chain(json!({"transport_protocol": "tls"}), tcp, &["istio-peer-exchange", "h2", "http/1.1"])]});
    json!({"static_resources": {"listeners": [listener], "clusters": [cluster("bytes", &[bytes])]}})
}

#[test]
fn a_real_envoy_takes_the_connection_for_http() {
    let Some(program) = envoy::find() else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let pair = Pair::new();
    let (bytes, ports) = (Upstream::named("bytes"), mesh_testserver::ports::free(1));
    let _envoy = envoy::Envoy::start(&program, tempfile::tempdir().expect("a folder"), &guessing(&pair, ports[0], bytes.address), &ports);
    let peer = SocketAddr::from(([127, 0, 0, 1], ports[0]));
    let proxy = pair.front(peer, peer);
    let (front, bare) = (proxy.address("front").expect("a listener"), proxy.address("bare").expect("a listener"));
    for path in ["/http1/", "/same/", "/h2/"] {
        assert_eq!(get(front, path).text(), "http", "{path}");
    }
    // What it is for: without the filter, and for clusters that keep their own list, it is taken for bytes.
    for (address, path) in [(bare, "/http1/"), (front, "/http1-own/"), (front, "/off")] {
        assert_eq!(get(address, path).text(), "bytes", "{path}");
    }
}
