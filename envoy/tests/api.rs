//! The message types against what istiod and Envoy wrote: JSON, the wire format and JSON again are the same.
#![allow(clippy::print_stdout)]

use mesh_envoy::api::{cluster::Cluster, endpoint::ClusterLoadAssignment, listener::Listener, route::RouteConfiguration, unread};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The recordings, which lie beside the checkout; MESHCTL_CONFORMANCE names another place.
fn conformance() -> Option<PathBuf> {
    let dir = std::env::var_os("MESHCTL_CONFORMANCE").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"), PathBuf::from);
    dir.is_dir().then_some(dir)
}

/// Reads a message, sends it over the wire, and says what was lost.
fn lost<M: Message + Default + PartialEq + Serialize + DeserializeOwned>(input: &Value) -> Vec<String> {
    let message: M = match serde_json::from_value(input.clone()) {
        Ok(m) => m,
        Err(e) => return vec![format!("error: {e}")],
    };
    let sent = M::decode(message.encode_to_vec().as_slice()).expect("what was encoded can be decoded");
    assert!(sent == message, "the wire format changes {input}");
    unread(input, &serde_json::to_value(&message).expect("a message is JSON"))
}

fn lost_of_any(any: &Value) -> Vec<String> {
    let mut value = any.clone();
    let url = value.as_object_mut().and_then(|o| o.shift_remove("@type")).and_then(|t| t.as_str().map(str::to_owned)).unwrap_or_default();
    match url.rsplit('.').next().unwrap_or_default() {
        "Cluster" => lost::<Cluster>(&value),
        "Listener" => lost::<Listener>(&value),
        "RouteConfiguration" => lost::<RouteConfiguration>(&value),
        "ClusterLoadAssignment" => lost::<ClusterLoadAssignment>(&value),
        other => vec![format!("no type {other}")],
    }
}

/// Calls `f` with every resource in a dump.
fn resources<'v>(value: &'v Value, f: &mut impl FnMut(&'v Value)) {
    match value {
        Value::Object(fields) => {
            let url = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
            if ["v3.Cluster", "v3.Listener", "v3.RouteConfiguration", "v3.ClusterLoadAssignment"].iter().any(|t| url.ends_with(t)) {
                f(value);
            } else {
                fields.values().for_each(|v| resources(v, f));
            }
        }
        Value::Array(items) => items.iter().for_each(|v| resources(v, f)),
        _ => {}
    }
}

/// A path without its indexes.
fn plain(path: &str) -> String {
    path.split('[').enumerate().map(|(i, p)| if i == 0 { p } else { p.split_once(']').map_or("", |(_, rest)| rest) }).collect()
}

/// Content of types that are not read yet, and of Envoy's own bootstrap: the names of the last fields.
const NOT_READ: &[&str] = &[
    // Compressors: of no effect on where a request goes.
    "window_bits",
    "compression_level",
    "chunk_size",
];

#[test]
fn recordings_survive_the_round_trip() {
    let Some(dir) = conformance() else {
        println!("SKIPPED: no recordings beside the checkout");
        return;
    };
    let mut missing = BTreeSet::new();
    let mut count = 0;
    let mut note = |paths: Vec<String>| {
        count += 1;
        missing.extend(paths.iter().map(|p| plain(p)).filter(|p| !NOT_READ.iter().any(|n| p.ends_with(n))));
    };
    let read = |path: &PathBuf| -> Value { serde_json::from_str(&std::fs::read_to_string(path).unwrap_or_default()).unwrap_or_default() };
    for entry in std::fs::read_dir(dir.join("simulation")).expect("simulation").flatten() {
        let value = read(&entry.path());
        let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        list("listeners").iter().for_each(|v| note(lost::<Listener>(v)));
        list("clusters").iter().for_each(|v| note(lost::<Cluster>(v)));
        list("routes").iter().for_each(|v| note(lost::<RouteConfiguration>(v)));
    }
    for entry in std::fs::read_dir(dir.join("recorded/bookinfo/envoy")).expect("bookinfo").flatten() {
        resources(&read(&entry.path().join("config_dump_include_eds.json")), &mut |v| note(lost_of_any(v)));
    }
    assert!(count > 1000, "{count} resources");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn protobuf_json_is_read_in_its_variants() {
    let text = r#"{"name": "a", "connect_timeout": "1.5s", "lbPolicy": 1, "type": "EDS",
        "circuit_breakers": {"thresholds": [{"maxConnections": 5}]},
        "transportSocket": {"name": "tls", "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "x", "commonTlsContext": {"tlsParams": {"tlsMinimumProtocolVersion": "TLSv1_2"},
            "validationContext": {"trustedCa": {"inlineBytes": "AAE="}}}}},
        "metadata": {"filterMetadata": {"istio": {"config": "/x", "list": [1, 2.5, true, null]}}},
        "later": {"a": 1}, "zero": 0}"#;
    let input: Value = serde_json::from_str(text).expect("JSON");
    let cluster: Cluster = serde_json::from_value(input.clone()).expect("a cluster");
    let output = serde_json::to_value(&cluster).expect("JSON");
    assert_eq!(output["connectTimeout"], "1.500s");
    assert_eq!(output["lbPolicy"], "LEAST_REQUEST");
    assert_eq!(output["circuitBreakers"]["thresholds"][0]["maxConnections"], 5);
    assert_eq!(output["transportSocket"], input["transportSocket"]);
    assert_eq!(output["metadata"], input["metadata"]);
    assert_eq!(unread(&input, &output), ["later"]);
    assert_eq!(Cluster::decode(cluster.encode_to_vec().as_slice()), Ok(cluster));
}

#[test]
fn an_unknown_type_is_reported() {
    let input: Value = serde_json::json!({"name": "l", "listenerFilters": [{"name": "x", "typedConfig": {"@type": "type.googleapis.com/x.Y", "a": 1}}]});
    let listener: Listener = serde_json::from_value(input.clone()).expect("a listener");
    assert_eq!(unread(&input, &serde_json::to_value(listener).expect("JSON")), ["listenerFilters[0].typedConfig.a"]);
}
