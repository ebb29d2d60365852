//! Configuration that comes from a control plane.

use crate::support;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use support::control_plane::{self as plane, ControlPlane, all_to, eds_cluster, endpoints, rds_listener, routes};
use support::{Upstream, get, start, until};

fn listening(proxy: &mesh_proxy::Proxy, name: &str) -> SocketAddr {
    until(name, || proxy.address(name).is_some());
    proxy.address(name).expect("a listener")
}

fn stat(admin: SocketAddr, name: &str) -> u64 {
    let page = get(admin, &format!("/stats?filter=%5E{name}%24")).text();
    page.trim().rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{name}: {page}"))
}

const DIALECTS: [&str; 2] = ["GRPC", "DELTA_GRPC"];

#[test]
fn what_a_control_plane_gives_is_served_in_either_dialect() {
    for api in DIALECTS {
        let (a, b) = (Upstream::named("a"), Upstream::named("b"));
        let plane = ControlPlane::start();
        plane.give("Cluster", &[eds_cluster("one"), eds_cluster("two")]);
        plane.give("ClusterLoadAssignment", &[endpoints("one", &[a.address]), endpoints("two", &[b.address])]);
        plane.give("Listener", &[rds_listener("l", 0, "80")]);
        plane.give("RouteConfiguration", &[routes("80", all_to("one"))]);
        let proxy = start(plane::bootstrap(&plane.address, api));
        let (address, admin) = (listening(&proxy, "l"), proxy.admin.expect("an admin port"));
        assert_eq!(get(address, "/").text(), "a", "{api}");
        until("ready", || get(admin, "/ready").text() == "LIVE\n");
        for kind in ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"] {
            assert_eq!(plane.verdict(kind), None, "{api}");
        }
        // The node is told once, in the first request.
        let heard = plane.heard();
        assert!(heard[0].node.as_ref().is_some_and(|n| n.id.starts_with("sidecar~")) && heard[1..].iter().all(|h| h.node.is_none()), "{heard:#?}");
        // Other routes, other endpoints.
        plane.give("RouteConfiguration", &[routes("80", all_to("two"))]);
        assert_eq!(plane.verdict("RouteConfiguration"), None);
        assert_eq!(get(address, "/").text(), "b");
        plane.give("ClusterLoadAssignment", &[endpoints("one", &[a.address]), endpoints("two", &[a.address])]);
        assert_eq!(plane.verdict("ClusterLoadAssignment"), None);
        assert_eq!(get(address, "/").text(), "a");
        // A cluster that goes away, with what was counted of it.
        assert!(get(admin, "/stats").text().contains("\ncluster.two.upstream_rq_total: 2\n"));
        plane.give("Cluster", &[eds_cluster("one")]);
        until("the cluster is gone", || get(address, "/").status() == 503);
        until("its counters are gone", || !get(admin, "/stats").text().contains("\ncluster.two."));
        // A listener that goes away takes no connections.
        plane.give("Listener", &[]);
        until("the listener is gone", || std::net::TcpStream::connect(address).is_err());
        assert_eq!((stat(admin, "cluster_manager.cds.update_success"), stat(admin, "listener_manager.lds.update_success")), (2, 2), "{api}");
        assert_eq!(stat(admin, "control_plane.connected_state"), 1);
    }
}

#[test]
fn what_points_at_nothing_waits() {
    let up = Upstream::named("a");
    let plane = ControlPlane::start();
    plane.give("Cluster", &[eds_cluster("one")]);
    let proxy = start(plane::bootstrap(&plane.address, "GRPC"));
    let admin = proxy.admin.expect("an admin port");
    plane.wait("endpoints are asked for", |h| h.kind == "ClusterLoadAssignment" && h.names == ["one"]);
    assert_eq!(get(admin, "/ready").text(), "INITIALIZING\n");
    assert_eq!((stat(admin, "cluster_manager.warming_clusters"), stat(admin, "server.state"), stat(admin, "listener_manager.workers_started")), (1, 3, 0));
    // Listeners are not asked for before clusters stand.
    assert!(plane.heard().iter().all(|h| h.kind != "Listener"));
    plane.give("ClusterLoadAssignment", &[endpoints("one", &[up.address])]);
    plane.wait("listeners are asked for", |h| h.kind == "Listener");
    plane.give("Listener", &[rds_listener("l", 0, "80")]);
    plane.wait("routes are asked for", |h| h.kind == "RouteConfiguration" && h.names == ["80"]);
    assert_eq!((proxy.address("l"), stat(admin, "listener_manager.total_listeners_warming")), (None, 1));
    plane.give("RouteConfiguration", &[routes("80", all_to("one"))]);
    assert_eq!(get(listening(&proxy, "l"), "/").text(), "a");
    until("ready", || get(admin, "/ready").text() == "LIVE\n");
    assert_eq!((stat(admin, "server.state"), stat(admin, "listener_manager.workers_started")), (0, 1));
}

#[test]
fn what_can_not_be_honoured_is_refused_and_the_rest_is_taken() {
    for api in DIALECTS {
        let up = Upstream::named("a");
        let plane = ControlPlane::start();
        let object = |mut value: Value| {
            value["metadata"] = json!({"filterMetadata": {"istio": {"config": "/apis/networking.istio.io/v1/namespaces/default/destination-rule/web"}}});
            value
        };
        plane.give("Cluster", &[eds_cluster("one"), eds_cluster("two")]);
        plane.give("ClusterLoadAssignment", &[endpoints("one", &[up.address]), endpoints("two", &[up.address]), endpoints("three", &[up.address])]);
        plane.give("Listener", &[rds_listener("l", 0, "80")]);
        plane.give("RouteConfiguration", &[routes("80", all_to("two"))]);
        let proxy = start(plane::bootstrap(&plane.address, api));
        let (address, admin) = (listening(&proxy, "l"), proxy.admin.expect("an admin port"));
        let mut bad = object(eds_cluster("two"));
        bad["lbPolicy"] = json!("MAGLEV");
        plane.give("Cluster", &[eds_cluster("one"), bad, eds_cluster("three")]);
        let told = plane.verdict("Cluster").expect("a refusal");
        let wanted = "two: lbPolicy = \"MAGLEV\": mesh-proxy supports";
        assert!(told.contains(wanted) && told.contains("(of /apis/networking.istio.io/v1/namespaces/default/destination-rule/web)"), "{told}");
        // What was good of the same answer is in use, and so is what was held of the bad one.
        assert_eq!(get(address, "/").text(), "a");
        plane.give("RouteConfiguration", &[routes("80", all_to("three"))]);
        assert_eq!(plane.verdict("RouteConfiguration"), None);
        until("the new cluster", || get(address, "/").text() == "a");
        assert_eq!((stat(admin, "cluster_manager.cds.update_rejected"), stat(admin, "cluster_manager.cds.update_success")), (1, 1));
        let page = get(admin, "/rejected").text();
        assert!(page.starts_with("cluster two of version 2 at ") && page.contains("lbPolicy = \"MAGLEV\""), "{page}");
        let dump: Value = serde_json::from_str(&get(admin, "/config_dump?include_eds").text()).expect("JSON");
        let clusters = &dump["configs"][1];
        assert_eq!(clusters["dynamic_active_clusters"].as_array().map(Vec::len), Some(3));
        assert!(clusters["dynamic_warming_clusters"][0]["error_state"]["details"].as_str().is_some_and(|d| d.contains(wanted)), "{clusters}");
        // A listener: the old one goes on.
        let mut bad = rds_listener("l", 0, "80");
        bad["filterChains"][0]["filters"][0]["typedConfig"]["localReplyConfig"] = json!({});
        plane.give("Listener", &[bad]);
        let told = plane.verdict("Listener").expect("a refusal");
        assert!(told.contains("l: filterChains[0].filters[0].typedConfig.localReplyConfig = {}: not supported by mesh-proxy"), "{told}");
        assert_eq!(get(address, "/").text(), "a");
        let dump: Value = serde_json::from_str(&get(admin, "/config_dump").text()).expect("JSON");
        let listener = &dump["configs"][2]["dynamic_listeners"][0];
        assert!(listener["active_state"]["version_info"] == "1" && listener["error_state"]["version_info"] == "2", "{listener}");
        // A good one ends the refusal.
        plane.give("Listener", &[rds_listener("l", 0, "80")]);
        assert_eq!(plane.verdict("Listener"), None);
        let page = get(admin, "/rejected").text();
        assert!(page.lines().any(|l| l.starts_with("listener l of version 2") && l.ends_with("replaced since")), "{page}");
    }
}

#[test]
fn the_page_of_clusters_goes_on_counting_where_a_cluster_changes() {
    let up = Upstream::named("a");
    let plane = ControlPlane::start();
    plane.give("Cluster", &[eds_cluster("one")]);
    plane.give("ClusterLoadAssignment", &[endpoints("one", &[up.address])]);
    plane.give("Listener", &[rds_listener("l", 0, "80")]);
    plane.give("RouteConfiguration", &[routes("80", all_to("one"))]);
    let proxy = start(plane::bootstrap(&plane.address, "GRPC"));
    let (address, admin) = (listening(&proxy, "l"), proxy.admin.expect("an admin port"));
    assert_eq!(get(address, "/").text(), "a");
    let mut other = eds_cluster("one");
    other["circuitBreakers"] = json!({"thresholds": [{"maxConnections": 77}]});
    plane.give("Cluster", &[other]);
    assert_eq!(plane.verdict("Cluster"), None);
    let page = || get(admin, "/clusters").text();
    until("the other one is in use", || page().contains("one::default_priority::max_connections::77\n"));
    assert!(page().contains(&format!("one::{}::rq_total::1\n", up.address)), "{}", page());
}

#[test]
fn a_stream_that_breaks_is_opened_again_and_what_is_held_is_told() {
    for api in DIALECTS {
        let scratch = tempfile::tempdir().expect("a folder");
        let place = scratch.path().join("XDS");
        let place = place.to_str().expect("text");
        let up = Upstream::named("a");
        let world = |plane: &ControlPlane| {
            plane.give("Cluster", &[eds_cluster("one")]);
            plane.give("ClusterLoadAssignment", &[endpoints("one", &[up.address])]);
            plane.give("Listener", &[rds_listener("l", 0, "80")]);
            plane.give("RouteConfiguration", &[routes("80", all_to("one"))]);
        };
        let plane = ControlPlane::at(place);
        world(&plane);
        let proxy = start(plane::bootstrap(place, api));
        let (address, admin) = (listening(&proxy, "l"), proxy.admin.expect("an admin port"));
        assert_eq!(plane.verdict("RouteConfiguration"), None);
        drop(plane);
        std::fs::remove_file(place).expect("removed");
        until("it is noticed", || stat(admin, "control_plane.connected_state") == 0);
        assert_eq!(get(address, "/").text(), "a");
        let plane = ControlPlane::at(place);
        let again = plane.wait("clusters are asked for", |h| h.kind == "Cluster");
        assert!(again.node.is_some() && again.nonce.is_empty());
        match api {
            "GRPC" => assert_eq!(again.version, "1"),
            _ => assert_eq!(again.held.get("one").map(String::as_str), Some("1")),
        }
        world(&plane);
        plane.give("RouteConfiguration", &[routes("80", json!([{"match": {"prefix": "/"}, "directResponse": {"status": 201}}]))]);
        until("the new routes", || get(address, "/").status() == 201);
        assert_eq!(stat(admin, "control_plane.connected_state"), 1);
    }
}

#[test]
fn the_last_good_configuration_is_served_while_the_control_plane_is_away() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::tempdir().expect("a folder");
    let kept = scratch.path().join("kept");
    let up = Upstream::named("a");
    let place = scratch.path().join("XDS");
    let place = place.to_str().expect("text");
    let bootstrap = || mesh_proxy::bootstrap::Bootstrap::new(plane::bootstrap(place, "DELTA_GRPC")).unwrap_or_else(|e| panic!("{e}"));
    let settings = mesh_proxy::server::Settings { drain: Duration::from_secs(5), kept: Some(kept.clone()), ..Default::default() };
    let plane = ControlPlane::at(place);
    plane.give("Cluster", &[eds_cluster("one")]);
    plane.give("ClusterLoadAssignment", &[endpoints("one", &[up.address])]);
    plane.give("Listener", &[rds_listener("l", 0, "80")]);
    plane.give("RouteConfiguration", &[routes("80", all_to("one"))]);
    let proxy = mesh_proxy::Proxy::start(bootstrap(), &settings).unwrap_or_else(|e| panic!("{e}"));
    listening(&proxy, "l");
    until("it is kept", || kept.exists());
    drop((proxy, plane));
    std::fs::remove_file(place).expect("removed");
    assert_eq!(std::fs::metadata(&kept).expect("a file").permissions().mode() & 0o777, 0o600);
    // Nobody is there to ask.
    let proxy = mesh_proxy::Proxy::start(bootstrap(), &settings).unwrap_or_else(|e| panic!("{e}"));
    let (address, admin) = (listening(&proxy, "l"), proxy.admin.expect("an admin port"));
    assert_eq!(get(address, "/").text(), "a");
    until("ready", || get(admin, "/ready").text() == "LIVE\n");
    // Somebody comes, hears what is held, and says what is new.
    let plane = ControlPlane::at(place);
    assert_eq!(plane.wait("clusters are asked for", |h| h.kind == "Cluster").held.get("one").map(String::as_str), Some("1"));
    plane.give("Cluster", &[eds_cluster("one")]);
    plane.give("ClusterLoadAssignment", &[endpoints("one", &[up.address])]);
    plane.give("Listener", &[rds_listener("l", 0, "80")]);
    plane.give("RouteConfiguration", &[routes("80", json!([]))]);
    plane.give("RouteConfiguration", &[routes("80", json!([{"match": {"prefix": "/"}, "directResponse": {"status": 201}}]))]);
    until("the new routes", || get(address, "/").status() == 201);
}

#[test]
fn filters_are_made_of_what_comes_over_ecds() {
    for api in DIALECTS {
        let up = Upstream::named("a");
        let plane = ControlPlane::start();
        let abort = |status: u16| {
            json!({"@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "name": "broken", "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                "abort": {"httpStatus": status, "percentage": {"numerator": 100}}}})
        };
        let mut listener = rds_listener("l", 0, "80");
        let manager = &mut listener["filterChains"][0]["filters"][0]["typedConfig"];
        let discovered = json!({"name": "broken", "configDiscovery": {"configSource": {"ads": {}, "initialFetchTimeout": "0s"},
            "typeUrls": ["type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"]}});
        manager["http_filters"].as_array_mut().expect("filters").insert(0, discovered);
        plane.give("Cluster", &[eds_cluster("one")]);
        plane.give("ClusterLoadAssignment", &[endpoints("one", &[up.address])]);
        plane.give("RouteConfiguration", &[routes("80", all_to("one"))]);
        plane.give("Listener", &[listener]);
        let proxy = start(plane::bootstrap(&plane.address, api));
        plane.wait("the filter is asked for", |h| h.kind == "TypedExtensionConfig" && h.names == ["broken"]);
        assert_eq!(proxy.address("l"), None, "{api}: a listener waits for its filters");
        plane.give("TypedExtensionConfig", &[abort(418)]);
        let address = listening(&proxy, "l");
        assert_eq!(get(address, "/").status(), 418, "{api}");
        plane.give("TypedExtensionConfig", &[abort(419)]);
        assert_eq!(plane.verdict("TypedExtensionConfig"), None);
        until("the new filter", || get(address, "/").status() == 419);
        // One that can't be honoured: the last good one goes on.
        let mut bad = abort(420);
        bad["typedConfig"] = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"});
        plane.give("TypedExtensionConfig", &[bad]);
        let told = plane.verdict("TypedExtensionConfig").expect("a refusal");
        assert!(told.contains("broken: typedConfig = envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"), "{told}");
        assert_eq!(get(address, "/").status(), 419);
    }
}
