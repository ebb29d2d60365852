//! Peers of TCP tell each other who they are, where ALPN agreed upon it.

use crate::{pki, support};
use pki::{Authority, Client, Leaf, downstream, upstream};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use support::{cluster, connect, socket, start};

const TYPE: &str = "type.googleapis.com/udpa.type.v1.TypedStruct";
const SERVER: &str = "spiffe://cluster.local/ns/shop/sa/cart";
const CLIENT: &str = "spiffe://cluster.local/ns/shop/sa/web";

fn exchange() -> Value {
    json!({"name": "istio.metadata_exchange", "typed_config": {"@type": TYPE, "type_url": "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange",
        "value": {"protocol": "istio-peer-exchange", "enable_discovery": true}}})
}

fn filters(cluster: &str) -> Value {
    json!([
        exchange(),
        {"name": "istio.stats", "typed_config": {"@type": TYPE, "type_url": "type.googleapis.com/stats.PluginConfig", "value": {"tcp_reporting_duration": "0.05s"}}},
        {"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": cluster}},
    ])
}

/// A sidecar with one listener of bytes.
fn sidecar(name: &str, direction: &str, chain: Value, cluster: Value) -> mesh_proxy::Proxy {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    start(json!({
        "node": {"id": format!("sidecar~127.0.0.1~{name}-1.shop~x"), "cluster": name, "metadata": {
            "WORKLOAD_NAME": name, "NAMESPACE": "shop", "CLUSTER_ID": "one", "LABELS": {"app": name, "version": "v1"}}},
        "admin": {"address": socket(any)},
        "static_resources": {"listeners": [{"name": "l", "address": socket(any), "traffic_direction": direction, "filter_chains": [chain]}], "clusters": [cluster]},
    }))
}

struct World {
    ca: Authority,
    server: Leaf,
    client: Leaf,
}

impl World {
    fn new() -> World {
        let ca = Authority::new("ca");
        let (server, client) = (ca.issue(SERVER, &["cart.example.com"]), ca.issue(CLIENT, &[]));
        World { ca, server, client }
    }
    fn inbound(&self, app: SocketAddr) -> mesh_proxy::Proxy {
        let common = json!({"alpn_protocols": ["istio-peer-exchange", "h2", "http/1.1"], "tls_certificates": [self.server.config()], "validation_context": self.ca.validation(None)});
        sidecar("cart", "INBOUND", json!({"filters": filters("app"), "transport_socket": downstream(&common)}), cluster("app", &[app]))
    }
    fn outbound(&self, to: SocketAddr) -> mesh_proxy::Proxy {
        let common = json!({"alpn_protocols": ["istio-peer-exchange", "istio"], "tls_certificates": [self.client.config()], "validation_context": self.ca.validation(None),
            "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}});
        let mut cart = cluster("cart", &[to]);
        cart["transport_socket"] = upstream(&common, "cart.example.com");
        cart["filters"] = json!([exchange()]);
        sidecar("web", "OUTBOUND", json!({"filters": filters("cart")}), cart)
    }
}

/// Answers with what it got, behind a word of its own.
fn app(first: &'static [u8]) -> SocketAddr {
    support::server(move |mut stream| {
        let mut chunk = [0; 4096];
        let _ = stream.write_all(first);
        while let Ok(n) = stream.read(&mut chunk) {
            if n == 0 || stream.write_all(&chunk[..n]).is_err() {
                return;
            }
        }
    })
}

/// Waits until a series with all these labels has a value.
fn is(proxy: &mesh_proxy::Proxy, name: &str, labels: &[&str], wanted: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let page = support::get(proxy.admin.expect("an admin port"), "/stats/prometheus").text();
        let line = page.lines().find(|l| l.starts_with(&format!("{name}{{")) && labels.iter().all(|label| l.contains(label)));
        if line.and_then(|l| l.rsplit_once(' ')).is_some_and(|(_, v)| v == wanted) {
            return;
        }
        assert!(Instant::now() < until, "{name} {labels:?}: {page}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn both_ends_of_a_connection_count_it_with_the_names_of_both() {
    let world = World::new();
    for first in [&b""[..], b"welcome "] {
        let server = world.inbound(app(first));
        let client = world.outbound(server.address("l").expect("a listener"));
        let mut stream = connect(client.address("l").expect("a listener"));
        // A server that speaks first is heard before anything is asked.
        let mut got = vec![0; first.len()];
        stream.stream().read_exact(&mut got).expect("bytes");
        assert_eq!(got, first);
        stream.stream().write_all(b"12345").expect("sent");
        let mut got = [0; 5];
        stream.stream().read_exact(&mut got).expect("bytes");
        assert_eq!(&got, b"12345");
        let names =
            ["source_workload=\"web\"", "source_version=\"v1\"", "destination_workload=\"cart\"", "destination_app=\"cart\"", "connection_security_policy"];
        for (proxy, reporter) in [(&client, "reporter=\"source\""), (&server, "reporter=\"destination\"")] {
            let labels = [&names[..], &[reporter]].concat();
            is(proxy, "istio_tcp_connections_opened_total", &labels, "1");
            is(proxy, "istio_tcp_received_bytes_total", &labels, "5");
        }
        drop(stream);
        is(&server, "istio_tcp_connections_closed_total", &names, "1");
    }
}

/// It agreed upon the protocol, and does not speak it.
#[test]
fn a_client_that_does_not_greet_is_served() {
    let world = World::new();
    let server = world.inbound(app(b""));
    let address = server.address("l").expect("a listener");
    for alpn in [&["istio-peer-exchange"][..], &[]] {
        let mut stream = Client::new(&world.ca, Some(&world.client), alpn).connect(address, "cart.example.com");
        stream.write_all(b"SELECT 1").expect("sent");
        let mut got = Vec::new();
        let mut chunk = [0; 4096];
        while !got.ends_with(b"SELECT 1") {
            let n = stream.read(&mut chunk).expect("bytes");
            assert!(n > 0, "it ended with {:?}", String::from_utf8_lossy(&got));
            got.extend_from_slice(&chunk[..n]);
        }
        // Only who agreed is greeted.
        assert_eq!(got.starts_with(&[0x3d, 0x23, 0x04, 0x67]), !alpn.is_empty());
    }
    is(&server, "istio_tcp_connections_opened_total", &["source_workload=\"unknown\"", "source_principal=\"spiffe://cluster.local/ns/shop/sa/web\""], "2");
}
