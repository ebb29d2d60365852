//! Istio's metrics: both ends of a request say who called whom.

mod support;

use serde_json::{Value, json};
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
