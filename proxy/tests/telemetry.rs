//! Istio's metrics: both ends of a request say who called whom.

use crate::support;
use serde_json::{Value, json};
use std::io::{Read, Write};
use support::{Upstream, ask, bootstrap, cluster, manager, start};

const TYPE: &str = "type.googleapis.com/udpa.type.v1.TypedStruct";

/// A connection manager that asks peers on one side, and counts.
fn telling(side: &str) -> Value {
    let mut m = manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]), None);
    let router = m["http_filters"][0].take();
    let methods = json!([{"istio_headers": {}}]);
    let exchange = json!({format!("{side}_discovery"): methods, format!("{side}_propagation"): methods});
    m["http_filters"] = json!([
        {"name": "istio.metadata_exchange", "typed_config": {"@type": TYPE, "type_url": "type.googleapis.com/io.istio.http.peer_metadata.Config", "value": exchange}},
        {"name": "istio.stats", "typed_config": {"@type": TYPE, "type_url": "type.googleapis.com/stats.PluginConfig", "value": {"disable_host_header_fallback": true}}},
        router,
    ]);
    m
}

fn node(name: &str) -> Value {
    json!({"id": format!("sidecar~127.0.0.1~{name}-1.shop~x"), "cluster": name, "metadata": {
        "WORKLOAD_NAME": name, "NAMESPACE": "shop", "CLUSTER_ID": "one", "LABELS": {"app": name, "version": "v1"}}})
}

/// Whether a page has a series of this name with all these labels, and its value.
fn value(page: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let line = page.lines().find(|l| l.starts_with(&format!("{name}{{")) && labels.iter().all(|label| l.contains(label)))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn both_ends_count_a_request_with_the_names_of_both() {
    let app = Upstream::named("cart");
    let mut inbound = bootstrap(&telling("downstream"), &[cluster("c", &[app.address])]);
    inbound["node"] = node("cart");
    inbound["static_resources"]["listeners"][0]["traffic_direction"] = "INBOUND".into();
    let server = start(inbound);
    let mut to_server = cluster("c", &[server.address("l").expect("a listener")]);
    to_server["metadata"] = json!({"filter_metadata": {"istio": {"services": [{"host": "cart.shop.svc.cluster.local", "name": "cart", "namespace": "shop"}]}}});
    to_server["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] = json!({"filter_metadata": {"istio": {"workload": "cart;shop;cart;v1;one"}}});
    let mut outbound = bootstrap(&telling("upstream"), &[to_server]);
    outbound["node"] = node("web");
    let client = start(outbound);
    let address = client.address("l").expect("a listener");
    for _ in 0..3 {
        // What a client claims to be goes no further than the proxy that tells who it is.
        let got = ask(address, "GET / HTTP/1.1\r\nhost: cart\r\nx-envoy-peer-metadata: AAAA", "");
        assert_eq!((got.status(), got.text().as_str()), (200, "cart"));
        assert!(got.header("x-envoy-peer-metadata").is_none() && got.header("x-envoy-peer-metadata-id").is_none(), "{got:?}");
    }
    for request in app.take() {
        assert!(request.headers.iter().all(|(name, _)| !name.starts_with("x-envoy-peer-metadata")), "{request:?}");
    }
    let names = ["source_workload=\"web\"", "source_app=\"web\"", "destination_workload=\"cart\"", "destination_version=\"v1\"", "response_code=\"200\""];
    let page = support::get(client.admin.expect("an admin port"), "/stats/prometheus").text();
    assert_eq!(value(&page, "istio_requests_total", &names), Some(3.0), "{page}");
    assert!(page.contains("reporter=\"source\"") && page.contains("destination_service=\"cart.shop.svc.cluster.local\""), "{page}");
    assert_eq!(value(&page, "istio_request_duration_milliseconds_count", &names), Some(3.0));
    let page = support::get(server.admin.expect("an admin port"), "/stats/prometheus").text();
    assert_eq!(value(&page, "istio_requests_total", &names), Some(3.0), "{page}");
    assert!(page.contains("reporter=\"destination\"") && page.contains("connection_security_policy=\"none\""), "{page}");
    // Nobody listens any more: the control plane's word for the endpoint is what is left.
    drop(server);
    assert_eq!(ask(address, "GET / HTTP/1.1\r\nhost: cart", "").status(), 503);
    let page = support::get(client.admin.expect("an admin port"), "/stats/prometheus").text();
    assert_eq!(value(&page, "istio_requests_total", &["destination_workload=\"cart\"", "response_code=\"503\""]), Some(1.0), "{page}");
}

/// A listener of bytes that counts, and one of HTTP that is changed by Telemetry.
#[test]
fn connections_are_counted_while_they_last() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let app = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut seen = [0; 5];
        stream.read_exact(&mut seen).expect("bytes");
        stream.write_all(b"hello to you").expect("sent");
        let _ = stream.read(&mut [0; 1]);
    });
    let mut to_app = cluster("c", &[app]);
    to_app["metadata"] = json!({"filter_metadata": {"istio": {"services": [{"host": "db.shop.svc.cluster.local", "name": "db", "namespace": "shop"}]}}});
    to_app["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] = json!({"filter_metadata": {"istio": {"workload": "db-1;shop;db;v1;one"}}});
    let mut config = bootstrap(&json!({}), &[to_app]);
    config["node"] = node("web");
    config["static_resources"]["listeners"][0]["traffic_direction"] = "OUTBOUND".into();
    config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"] = json!([
        {"name": "istio.stats", "typed_config": {"@type": TYPE, "type_url": "type.googleapis.com/stats.PluginConfig", "value": {"tcp_reporting_duration": "0.05s"}}},
        {"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "c"}}]);
    let proxy = start(config);
    let mut client = support::connect(proxy.address("l").expect("a listener"));
    client.stream().write_all(b"12345").expect("sent");
    let mut got = [0; 12];
    client.stream().read_exact(&mut got).expect("an answer");
    let names = [
        "reporter=\"source\"",
        "destination_workload=\"db-1\"",
        "destination_service=\"db.shop.svc.cluster.local\"",
        "request_protocol=\"tcp\"",
        "response_flags=\"-\"",
    ];
    let admin = proxy.admin.expect("an admin port");
    let is = |name: &str, wanted: f64| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let page = support::get(admin, "/stats/prometheus").text();
            let found = value(&page, name, &names);
            if found == Some(wanted) {
                return page;
            }
            assert!(std::time::Instant::now() < until, "{name} is {found:?}: {page}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    is("istio_tcp_received_bytes_total", 5.0);
    let page = is("istio_tcp_sent_bytes_total", 12.0);
    assert_eq!(
        (value(&page, "istio_tcp_connections_opened_total", &names), value(&page, "istio_tcp_connections_closed_total", &names)),
        (Some(1.0), Some(0.0))
    );
    drop(client);
    is("istio_tcp_connections_closed_total", 1.0);
}

#[test]
fn telemetry_changes_labels_and_drops_metrics() {
    let app = Upstream::named("0123456789");
    let mut m = manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "c"}, "name": "allow_any"}]), None);
    let router = m["http_filters"][0].take();
    m["http_filters"] = json!([{"name": "istio.stats", "typed_config": {"@type": TYPE, "type_url": "type.googleapis.com/stats.PluginConfig", "value": {"metrics": [
        {"name": "requests_total", "dimensions": {"request_host": "request.host", "response_code": "string(response.code / 100) + 'xx'", "who": "node.metadata['WORKLOAD_NAME']",
            "deep": "request.headers['x-nobody']", "app": "has(request.headers.x_a) ? 'a' : request.method"}, "tags_to_remove": ["source_principal"]},
        {"name": "request_duration_milliseconds", "drop": true}]}}}, router]);
    let mut config = bootstrap(&m, &[cluster("c", &[app.address])]);
    config["node"] = node("web");
    let proxy = start(config);
    assert_eq!(ask(proxy.address("l").expect("a listener"), "GET /a HTTP/1.1\r\nhost: a.com", "").status(), 200);
    let page = support::get(proxy.admin.expect("an admin port"), "/stats/prometheus").text();
    let names = [
        "request_host=\"a.com\"",
        "response_code=\"2xx\"",
        "who=\"web\"",
        "deep=\"unknown\"",
        "app=\"GET\"",
        "destination_service_name=\"PassthroughCluster\"",
    ];
    assert_eq!(value(&page, "istio_requests_total", &names), Some(1.0), "{}", page.lines().find(|l| l.starts_with("istio_requests_total")).unwrap_or("none"));
    assert!(
        !page.contains("istio_request_duration") && !page.lines().any(|l| l.starts_with("istio_requests_total") && l.contains("source_principal")),
        "{page}"
    );
    // `GET /a HTTP/1.1`, `host: a.com`, an empty line, `x-request-id` and `x-forwarded-proto` are not the client's.
    assert_eq!(value(&page, "istio_request_bytes_sum", &["response_code=\"200\""]), Some(17.0 + 13.0 + 2.0), "{page}");
    assert!(value(&page, "istio_response_bytes_sum", &[]).is_some_and(|n| n > 60.0), "{page}");
    assert_eq!(value(&page, "istio_build", &["component=\"proxy\""]), Some(1.0));
}

#[test]
fn messages_of_grpc_are_counted() {
    let message = |body: &[u8]| [&[0, 0, 0, 0, body.len() as u8][..], body].concat();
    let answer = [message(b"one"), message(b""), message(b"three")].concat();
    let app = Upstream::new(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: {}\r\ngrpc-status: 0\r\n\r\n", answer.len());
        support::Act::Send([head.as_bytes(), &answer].concat())
    });
    let mut config = bootstrap(&telling("upstream"), &[cluster("c", &[app.address])]);
    config["node"] = node("web");
    let proxy = start(config);
    let body = String::from_utf8([message(b"ab"), message(b"c")].concat()).expect("a text");
    assert_eq!(ask(proxy.address("l").expect("a listener"), "POST /s/m HTTP/1.1\r\nhost: a.com\r\ncontent-type: application/grpc", &body).status(), 200);
    let page = support::get(proxy.admin.expect("an admin port"), "/stats/prometheus").text();
    assert_eq!(value(&page, "istio_request_messages_total", &["source_workload=\"web\""]), Some(2.0), "{page}");
    assert_eq!(value(&page, "istio_response_messages_total", &["source_workload=\"web\""]), Some(3.0), "{page}");
    assert_eq!(value(&page, "istio_requests_total", &["request_protocol=\"grpc\"", "grpc_response_status=\"0\""]), Some(1.0), "{page}");
}
