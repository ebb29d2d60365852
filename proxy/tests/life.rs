//! How a proxy begins and how it is told to end, as Istio's agent does both.

use crate::support;
use mesh_proxy::Proxy;
use mesh_proxy::bootstrap::Bootstrap;
use mesh_proxy::server::Settings;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::time::Duration;
use support::{ask, bootstrap, cluster, connect, get, manager, until};

/// The parts of the bootstrap that Istio's agent writes (1.31) which are no resources.
fn of_agent() -> Value {
    json!({
        "application_log_config": {"log_format": {"text_format": "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t"}},
        "node": {"id": "sidecar~10.0.0.1~a.b~b.svc.cluster.local", "cluster": "a.b", "locality": {}, "metadata": {"NAMESPACE": "b"}},
        "layered_runtime": {"layers": [
            {"name": "global config", "static_layer": {
                "envoy.reloadable_features.http_reject_path_with_fragment": false, "re2.max_program_size.error_level": "32768"}},
            {"name": "admin", "admin_layer": {}}]},
        "bootstrap_extensions": [{"name": "envoy.bootstrap.internal_listener", "typed_config": {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener", "value": {"buffer_size_kb": 64}}}],
        "overload_manager": {"resource_monitors": [{"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": 2147483647}}]},
        "stats_flush_interval": "5s",
        "stats_eviction_interval": "10s",
        "stats_config": {"use_all_default_tags": false, "stats_tags": [{"tag_name": "cluster_name", "regex": "^cluster(\\.(.+);)"}]},
        "cluster_manager": {"outlier_detection": {"event_log_path": "/dev/stdout"}, "enable_deferred_cluster_creation": true},
        "admin": {"profile_path": "/var/lib/istio/data/envoy.prof", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
    })
}

/// A sidecar's two listeners, each before one upstream.
fn sidecar(up: &support::Upstream) -> Value {
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]);
    let mut value = bootstrap(&manager(routes, None), &[cluster("up", &[up.address])]);
    let mut listeners = Vec::new();
    for (name, direction) in [("in", "INBOUND"), ("out", "OUTBOUND")] {
        let mut listener = value["static_resources"]["listeners"][0].clone();
        (listener["name"], listener["stat_prefix"], listener["traffic_direction"]) = (json!(name), json!(name), json!(direction));
        listeners.push(listener);
    }
    value["static_resources"]["listeners"] = json!(listeners);
    value
}

fn start(value: Value, drain: Duration) -> Proxy {
    let bootstrap = Bootstrap::new(value).unwrap_or_else(|e| panic!("{e}"));
    Proxy::start(bootstrap, &Settings { drain, ..Settings::default() }).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_bootstrap_of_istios_agent_is_taken() {
    let up = support::Upstream::named("up");
    let mut value = of_agent();
    value["static_resources"] = sidecar(&up)["static_resources"].clone();
    let proxy = start(value, Duration::from_secs(5));
    assert_eq!(get(proxy.address("out").expect("a listener"), "/").text(), "up");
}

/// Istio's agent drains what comes from outside; the application goes on speaking until the agent ends the proxy.
#[test]
fn listeners_of_inbound_traffic_are_drained_alone_and_the_process_stays() {
    let up = support::Upstream::named("up");
    let proxy = start(sidecar(&up), Duration::from_millis(300));
    let (inbound, outbound, admin) = (proxy.address("in").expect("in"), proxy.address("out").expect("out"), proxy.admin.expect("an admin port"));
    let mut open = connect(inbound);
    let ask_again = |reader: &mut support::Reader| {
        std::io::Write::write_all(reader.stream(), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        reader.message().expect("an answer")
    };
    assert_eq!(ask_again(&mut open).header("connection"), None);
    assert_eq!(ask(admin, "POST /drain_listeners?inboundonly&graceful HTTP/1.1\r\nhost: a", "").text(), "OK\n");
    // Who is connected is told to go with the next answer, and not cut off before.
    assert_eq!(ask_again(&mut open).header("connection"), Some("close"));
    let mut other = connect(outbound);
    assert_eq!((ask_again(&mut other).header("connection"), ask_again(&mut other).text().as_str()), (None, "up"));
    until("inbound listeners close", || TcpStream::connect(inbound).is_err());
    assert_eq!((get(outbound, "/").text().as_str(), get(admin, "/ready").text().as_str()), ("up", "LIVE\n"));
}

/// `/drain` of the agent, with native sidecars: clients are told, for ever, and new ones are served.
#[test]
fn a_drain_that_skips_the_exit_goes_on_taking_connections() {
    let up = support::Upstream::named("up");
    let proxy = start(sidecar(&up), Duration::ZERO);
    let (inbound, admin) = (proxy.address("in").expect("in"), proxy.admin.expect("an admin port"));
    assert_eq!(ask(admin, "POST /drain_listeners?graceful&skip_exit HTTP/1.1\r\nhost: a", "").status(), 200);
    for _ in 0..3 {
        assert_eq!(get(inbound, "/").header("connection"), Some("close"));
    }
    // Without `graceful` it is over at once.
    assert_eq!(ask(admin, "POST /drain_listeners HTTP/1.1\r\nhost: a", "").status(), 200);
    until("all listeners close", || TcpStream::connect(inbound).is_err() && TcpStream::connect(proxy.address("out").unwrap_or(inbound)).is_err());
    assert_eq!(get(admin, "/ready").text(), "LIVE\n");
}

/// Opens connections that each ask once, and says which of them were answered.
fn open(address: std::net::SocketAddr, n: usize) -> Vec<(support::Reader, bool)> {
    let one = |_| {
        let mut reader = connect(address);
        // One that is refused may be closed already.
        let sent = std::io::Write::write_all(reader.stream(), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").is_ok();
        let answered = sent && reader.message().is_some_and(|m| m.status() == 200);
        (reader, answered)
    };
    (0..n).map(one).collect()
}

fn answered(list: &[(support::Reader, bool)]) -> usize {
    list.iter().filter(|(_, answered)| *answered).count()
}

#[test]
fn connections_beyond_a_limit_are_closed_and_counted() {
    let of_all = json!({"overload_manager": {"resource_monitors": [{"name": "all", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": 2}}]}});
    let by_runtime = json!({"layered_runtime": {"layers": [{"name": "s", "static_layer": {"overload.global_downstream_max_connections": "2"}}]}});
    let of_listener = json!({"layered_runtime": {"layers": [{"name": "s", "static_layer": {"envoy.resource_limits.listener.in.connection_limit": 2}}]}});
    for (limits, counter, of_others) in
        [(of_all, "downstream_global_cx_overflow", 0), (by_runtime, "downstream_global_cx_overflow", 0), (of_listener, "downstream_cx_overflow", 1)]
    {
        let up = support::Upstream::named("up");
        let mut value = sidecar(&up);
        value.as_object_mut().expect("an object").extend(limits.as_object().expect("an object").clone());
        let mut free = value["static_resources"]["listeners"][0].clone();
        (free["name"], free["ignore_global_conn_limit"]) = (json!("free"), json!(true));
        value["static_resources"]["listeners"].as_array_mut().expect("listeners").push(free);
        let proxy = start(value, Duration::from_secs(5));
        let (inbound, outbound, free) = (proxy.address("in").expect("in"), proxy.address("out").expect("out"), proxy.address("free").expect("free"));
        let held = open(inbound, 4);
        assert_eq!((answered(&held), answered(&open(outbound, 1)), answered(&open(free, 3))), (2, of_others, 3));
        let stats = get(proxy.admin.expect("an admin port"), "/stats").text();
        let name = format!("listener.in.{counter}: 2");
        assert!(stats.lines().any(|l| l == name), "{name} is not in\n{stats}");
        // Who leaves makes room.
        drop(held);
        until("there is room again", || answered(&open(inbound, 1)) == 1);
    }
}

#[test]
fn memory_that_runs_short_has_the_actions_of_envoy() {
    let up = support::Upstream::named("up");
    let with = |action: &str, bytes: u64| {
        let mut value = sidecar(&up);
        value["overload_manager"] = json!({"refresh_interval": "0.01s", "resource_monitors": [{"name": "heap", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": bytes}}],
            "actions": [{"name": format!("envoy.overload_actions.{action}"), "triggers": [{"name": "heap", "threshold": {"value": 0.9}}]}]});
        let mut free = value["static_resources"]["listeners"][0].clone();
        (free["name"], free["bypass_overload_manager"]) = (json!("free"), json!(true));
        value["static_resources"]["listeners"].as_array_mut().expect("listeners").push(free);
        let proxy = start(value, Duration::from_secs(5));
        let admin = proxy.admin.expect("an admin port");
        if bytes == 1 {
            until("the action is taken", || get(admin, "/stats").text().contains(&format!("overload.envoy.overload_actions.{action}.active: 1\n")));
        }
        assert_eq!(get(proxy.address("free").expect("free"), "/").header("connection"), None, "{action}: a listener that bypasses it");
        proxy
    };
    let proxy = with("stop_accepting_requests", 1);
    let got = get(proxy.address("in").expect("in"), "/");
    assert_eq!((got.status(), got.text().as_str()), (503, "envoy overloaded"));
    assert!(get(proxy.admin.expect("an admin port"), "/stats").text().contains("http.in.downstream_rq_overload_close: 1\n"));
    let proxy = with("disable_http_keepalive", 1);
    assert_eq!(get(proxy.address("in").expect("in"), "/").header("connection"), Some("close"));
    let proxy = with("reject_incoming_connections", 1);
    assert_eq!(answered(&open(proxy.address("in").expect("in"), 1)), 0);
    let proxy = with("stop_accepting_connections", 1);
    let mut waits = connect(proxy.address("in").expect("in"));
    std::io::Write::write_all(waits.stream(), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    waits.stream().set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    assert!(waits.message().is_none());
    let proxy = with("stop_accepting_requests", 1 << 40);
    assert_eq!(get(proxy.address("in").expect("in"), "/").text(), "up");
}
