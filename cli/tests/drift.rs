//! `meshctl drift`, on a recorded mesh.

mod common;

use common::{folder, meshctl};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The recordings, which lie beside the checkout; MESHCTL_CONFORMANCE names another place.
fn recorded() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let dir = std::env::var_os("MESHCTL_CONFORMANCE").map_or_else(beside, PathBuf::from).join("recorded/bookinfo");
    dir.is_dir().then_some(dir)
}

fn differences(answer: &Value) -> Vec<String> {
    let proxies = answer["proxies"].as_array().into_iter().flatten();
    let of = |p: &Value| {
        let name = p["proxy"].as_str().unwrap_or("").to_owned();
        p["differences"].as_array().into_iter().flatten().map(|d| format!("{name} {} {} {}", d["section"], d["name"], d["fields"])).collect::<Vec<_>>()
    };
    proxies.flat_map(of).collect()
}

/// What an EnvoyFilter of the recorded mesh adds; such filters are named as not judged.
fn by_envoy_filter(difference: &str) -> bool {
    difference.contains("local_ratelimit")
}

#[test]
#[allow(clippy::print_stdout)]
fn a_mesh_in_step_does_not_differ_and_a_changed_route_does() {
    let Some(dir) = recorded() else {
        println!("SKIPPED: no recordings beside the checkout");
        return;
    };
    let run = meshctl(&dir, &["drift", "-f", "k8s", "-f", "envoy", "--meshConfigFile", "istiod/mesh.json", "--complete", "-o", "json"]);
    let answer: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err));
    assert_eq!(answer["proxies"].as_array().map(Vec::len), Some(7), "{:?}", answer["problems"]);
    let left: Vec<String> = differences(&answer).into_iter().filter(|d| !by_envoy_filter(d)).collect();
    assert!(left.is_empty(), "{}", left.join("\n"));
    // An object that the proxies never got.
    let rule = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: details, namespace: bookinfo}, spec: {hosts: [details], http: [{timeout: 7s, route: [{destination: {host: details}}]}]}}";
    let more = folder(&[("more.yaml", rule)]);
    let file = more.path().join("more.yaml").display().to_string();
    let run = meshctl(&dir, &["drift", "-f", "k8s", "-f", &file, "-f", "envoy", "--meshConfigFile", "istiod/mesh.json", "--complete", "-o", "json"]);
    let answer: Value = serde_json::from_str(&run.out).unwrap_or_default();
    assert!(run.status == 79 && differences(&answer).iter().any(|d| d.contains("timeout")), "{}", run.err);
}

#[test]
fn dumps_are_needed() {
    let dir = folder(&[("a.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: a}}")]);
    let run = meshctl(dir.path(), &["drift", "-f", "a.yaml"]);
    assert!(run.status == 64 && run.err.contains("config dump"), "{} {}", run.status, run.err);
}

#[test]
fn ps_tells_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recorded/bookinfo");
    let drift = meshctl(&root, &["drift", "-f", "k8s", "-f", "envoy", "-o", "json"]);
    let ps = meshctl(&root, &["ps", "--drift", "--from", "k8s", "--from", "envoy", "-o", "json"]);
    assert_eq!((drift.status, &drift.out), (ps.status, &ps.out), "{}", ps.err);
    let answer: Value = serde_json::from_str(&ps.out).unwrap_or_default();
    assert_eq!(answer["proxies"].as_array().map(Vec::len), Some(3), "{}", ps.err);
    assert_eq!(meshctl(&root, &["ps", "--drift"]).status, 64);
}
