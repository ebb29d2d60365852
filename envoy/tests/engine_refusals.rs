//! Conditions of routes that are not judged: each ends a verdict with its path, and none is taken for one that holds or fails.

use mesh_envoy::engine::recorder::Off;
use mesh_envoy::engine::request::{Connection, Request};
use mesh_envoy::engine::route::{Choice, Table};
use serde_json::{Value, json};
use std::net::SocketAddr;

fn table(routes: Value) -> Table {
    Table::compile(&json!({"name": "80", "virtual_hosts": [{"name": "a", "domains": ["*"], "routes": routes}]})).expect("a table")
}

#[test]
fn conditions_that_live_state_decides_end_the_verdict() {
    let headers = vec![("cookie", "a=1")];
    let request = Request { method: "GET", scheme: "http", authority: "a", path: "/x", headers: &headers };
    let destination: SocketAddr = "10.0.0.1:80".parse().expect("an address");
    let connection = Connection::plain(destination.ip(), destination);
    for (field, value) in [
        ("cookies", json!([{"name": "a", "string_match": {"exact": "1"}}])),
        // Filters set it, and routes are chosen before and between them.
        ("dynamic_metadata", json!([{"filter": "f", "path": [{"key": "k"}], "value": {"present_match": true}}])),
        ("filter_state", json!([{"key": "k", "string_match": {"exact": "v"}}])),
    ] {
        let mut asks = json!({"prefix": "/"});
        asks[field] = value;
        let unknown = json!({"match": asks, "route": {"cluster": "one"}});
        let known = json!({"match": {"prefix": "/x"}, "route": {"cluster": "two"}});
        let chosen = |routes: Value| {
            let table = table(routes);
            let Choice::Found(host) = table.virtual_host("a", &mut Off) else { panic!("a virtual host") };
            match table.route(host, &request, &connection, 0, &mut Off) {
                Choice::Found(route) => format!("route {}", route.index),
                Choice::None => "none".to_owned(),
                Choice::Unknown(u) => u.path.clone(),
            }
        };
        assert!(chosen(json!([unknown, known])).ends_with(&format!("match.{field}")), "{field}");
        // What comes before it is known.
        assert_eq!(chosen(json!([known, unknown])), "route 0");
    }
}

#[test]
fn of_a_section_that_stands_twice_the_last_counts_and_it_is_a_problem() {
    let section = |kind: &str, field: &str, inner: Value| json!({"@type": format!("type.googleapis.com/envoy.admin.v3.{kind}"), field: [inner]});
    let cluster = |name: &str| section("ClustersConfigDump", "static_clusters", json!({"cluster": {"name": name, "type": "STATIC"}}));
    let listener = |name: &str| section("ListenersConfigDump", "static_listeners", json!({"listener": {"name": name}}));
    let dump = json!({"configs": [cluster("a"), listener("a"), cluster("b"), listener("b")]});
    let c = mesh_envoy::engine::Configuration::read(&dump).expect("a configuration");
    assert_eq!(c.clusters.keys().map(|k| &**k).collect::<Vec<_>>(), ["b"]);
    assert_eq!(c.listeners.iter().map(|l| &*l.name).collect::<Vec<_>>(), ["b"]);
    assert_eq!(c.problems.len(), 2, "{:?}", c.problems);
}
