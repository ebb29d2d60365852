//! `meshctl route`.

// It says when a test is skipped.
#![allow(clippy::print_stderr)]

use crate::common;
use common::{folder, meshctl};
use serde_json::{Value, json};
use std::path::Path;

/// A sidecar with one HTTP port and one TCP service, and what takes the rest.
fn sidecar() -> String {
    let tcp = |cluster: &str| {
        json!({"name": "envoy.filters.network.tcp_proxy",
            "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": cluster}})
    };
    let http = json!({"name": "envoy.filters.network.http_connection_manager", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "rds": {"routeConfigName": "80"},
        "httpFilters": [{"name": "envoy.filters.http.router",
            "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}});
    let address = |ip: &str, port: u16| json!({"socketAddress": {"address": ip, "portValue": port}});
    json!({
        "listeners": [
            {"name": "virtualOutbound", "address": address("0.0.0.0", 15001), "useOriginalDst": true, "trafficDirection": "OUTBOUND",
             "filterChains": [{"name": "catchall", "filters": [tcp("PassthroughCluster")]}]},
            {"name": "0.0.0.0_80", "address": address("0.0.0.0", 80), "bindToPort": false, "filterChains": [{"filters": [http]}]},
            {"name": "10.0.0.9_3306", "address": address("10.0.0.9", 3306), "bindToPort": false, "filterChains": [{"filters": [tcp("outbound|3306||db")]}]}
        ],
        "routes": [{"name": "80", "virtualHosts": [{"name": "reviews:80", "domains": ["reviews", "*.reviews"], "routes": [
            {"name": "exact", "match": {"path": "/a"}, "route": {"cluster": "outbound|80|v1|reviews"}},
            {"name": "other", "match": {"prefix": "/b"}, "directResponse": {"status": 404}}]}]}],
        "clusters": []
    })
    .to_string()
}

fn calls(list: Value) -> (Vec<Value>, common::Run) {
    let dir = folder(&[("xds.json", &sidecar()), ("calls.json", &list.to_string())]);
    let run = meshctl(dir.path(), &["route", "--xds", "xds.json", "--calls", "calls.json", "-o", "json"]);
    (serde_json::from_str(&run.out).unwrap_or_default(), run)
}

#[test]
fn calls_are_answered_in_their_order() {
    let (answers, run) = calls(json!([
        {"port": 80, "protocol": "http", "host": "reviews", "path": "/a"},
        {"port": 80, "protocol": "http", "host": "x.reviews", "path": "/ab"},
        {"port": 80, "protocol": "http", "host": "nobody"},
        {"port": 80, "protocol": "tcp"},
        {"address": "10.0.0.9", "port": 3306, "protocol": "tcp"},
        {"port": 9999, "protocol": "tcp", "headers": null},
    ]));
    assert_eq!(run.status, 0, "{}", run.err);
    let field = |i: usize, name: &str| answers[i][name].as_str().unwrap_or("?").to_owned();
    assert_eq!((field(0, "cluster"), field(0, "route"), field(0, "routeConfig")), ("outbound|80|v1|reviews".into(), "exact".into(), "80".into()));
    assert_eq!((field(1, "virtualHost"), field(1, "error")), ("reviews:80".into(), "no route matched".into()));
    assert_eq!(field(2, "error"), "no virtual host matched");
    assert_eq!(field(3, "error"), "protocol error");
    assert_eq!((field(4, "listener"), field(4, "cluster")), ("10.0.0.9_3306".into(), "outbound|3306||db".into()));
    assert_eq!((field(5, "listener"), field(5, "cluster")), ("virtualOutbound".into(), "PassthroughCluster".into()));
}

#[test]
fn calls_that_cannot_be_read_are_refused() {
    for (list, says) in [
        (json!([{"prot": "http"}]), "unknown field"),
        (json!([{"address": "x"}]), "no address"),
        (json!([{"protocol": "smtp"}]), "none of http"),
        (json!([{"tls": "ssl"}]), "none of plaintext"),
    ] {
        let (_, run) = calls(list);
        assert!(run.status == 65 && run.err.contains(says) && run.out.is_empty(), "{} {}", run.status, run.err);
    }
    let dir = folder(&[("a.json", "[]"), ("b.json", "{\"x\": 1}")]);
    for file in ["a.json", "b.json"] {
        let run = meshctl(dir.path(), &["route", "--xds", file, "--calls", "a.json"]);
        assert!(run.status == 65 && run.err.contains(file), "{} {}", run.status, run.err);
    }
}

#[test]
fn the_trust_domain_of_a_caller_is_named_where_it_is_assumed() {
    let dir = folder(&[("xds.json", &sidecar())]);
    let assumed = |caller: &str| {
        let run = meshctl(dir.path(), &["route", "--from", "xds.json", "--caller", caller, "-o", "json", "GET", "http://reviews/a"]);
        let answer: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err));
        answer["assumptions"].as_array().into_iter().flatten().any(|a| a.as_str().is_some_and(|a| a.contains("trust domain is cluster.local")))
    };
    assert!(assumed("shop/web"));
    assert!(!assumed("spiffe://example.org/ns/shop/sa/web"));
    assert!(!assumed("example.org/ns/shop/sa/web"));
}

#[test]
fn what_the_translation_leaves_out_is_said_and_makes_the_answer_partial() {
    let service = "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80}]}}";
    let filter = "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f, namespace: shop}, spec: {configPatches: [{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {}}}]}}";
    let telemetry = "{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: t, namespace: shop}, spec: {}}";
    let dir = folder(&[
        ("plain.yaml", &format!("{service}\n---\n{telemetry}\n")),
        ("patched.yaml", &format!("{service}\n---\n{filter}\n")),
        ("proxy.json", r#"{"type": "sidecar", "id": "web.shop", "ips": ["10.1.0.1"], "configNamespace": "shop"}"#),
        ("calls.json", r#"[{"address": "10.0.0.1", "port": 80, "host": "cart.shop"}]"#),
    ]);
    let run =
        |file: &str, more: &[&str]| meshctl(dir.path(), &[&["route", "--manifests", file, "--proxy", "proxy.json", "--calls", "calls.json"], more].concat());
    let plain = run("plain.yaml", &[]);
    assert_eq!((plain.status, plain.err.as_str()), (0, ""), "{}", plain.out);
    let patched = run("patched.yaml", &[]);
    assert_eq!((patched.status, &patched.out), (75, &plain.out), "{}", patched.err);
    assert!(patched.err.contains("not judged: EnvoyFilter shop/f (patched.yaml:3)"), "{}", patched.err);
    assert_eq!(run("patched.yaml", &["--allow-partial"]).status, 0);
}

/// The excerpt of a recorded mesh, and all of it where it lies beside the repository.
#[test]
fn the_recorded_mesh_shows_its_header_route_and_its_canary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pod = "productpage-v1-79f59ff6bd-b7wxt";
    let excerpt = root.join("testdata/test/dumps/productpage.json");
    let whole = root.join(format!("../shared/conformance/recorded/bookinfo/envoy/{pod}/config_dump_include_eds.json"));
    for dump in [&excerpt, &whole] {
        if !dump.is_file() && dump == &whole {
            eprintln!("SKIPPED: {} is not there", whole.display());
            continue;
        }
        let from = dump.display().to_string();
        let route = |more: &[&str]| meshctl(&root, &[&["route", "--from", &from, "GET", "http://reviews:9080/reviews/0", "-o", "json"], more].concat());
        let answer = |run: &common::Run| serde_json::from_str::<Value>(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err));
        let split = route(&[]);
        let outcomes: Vec<(f64, String)> = answer(&split)["proxies"][0]["outcomes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|o| (o["share"].as_f64().unwrap_or(0.0), o["cluster"].as_str().unwrap_or("").to_owned()))
            .collect();
        let to = |v: &str| format!("outbound|9080|{v}|reviews.bookinfo.svc.cluster.local");
        assert_eq!(outcomes, [(0.8, to("v1")), (0.2, to("v2"))], "{}", split.err);
        let text = meshctl(&root, &["route", "--from", &from, "GET", "http://reviews:9080/reviews/0", "-H", "end-user: jason"]).out;
        let line = text.lines().find(|l| l.trim_start().starts_with("route  ")).unwrap_or_default();
        assert!(line.contains("jason") && line.contains("VirtualService bookinfo/reviews") && line.contains("header end-user is `jason`"), "{text}");
        assert!(text.contains(&to("v3")), "{text}");
        let canary = answer(&split)["proxies"][0]["steps"].as_array().into_iter().flatten().find(|s| s["step"] == "route").cloned().unwrap_or_default();
        assert_eq!(canary["object"], "VirtualService bookinfo/reviews");
        assert!(canary["passedOver"][0]["why"].as_str().is_some_and(|w| w.contains("end-user") && w.contains("is absent")), "{canary}");
    }
}
