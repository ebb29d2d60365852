//! The translation against what istiod made of the same input: names and contents of listeners, clusters and routes.
#![allow(clippy::print_stdout)]

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::{self, Limits};
use mesh_model::{Completeness, Object, Role, Snapshot, Source, Span};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{ControlPlane, Model, Proxy, domain_of};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The recordings, which lie beside the checkout; MESHCTL_CONFORMANCE names another place.
fn conformance() -> Option<PathBuf> {
    let dir = std::env::var_os("MESHCTL_CONFORMANCE").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"), PathBuf::from);
    dir.is_dir().then_some(dir)
}

fn tree(name: &str, text: &str) -> Arc<mesh_model::Tree> {
    let source = Source::new(name, text);
    Arc::new(yaml::parse_document(&source, Span::new(0, text.len()), Limits::default()).tree.expect("JSON"))
}

fn snapshot(texts: &[&str], mesh: Option<&Value>) -> Snapshot {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    for text in texts {
        let source = Source::new("set-up", *text);
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    }
    snapshot.mesh_config = mesh.map(|m| Object::mesh_config(tree("mesh", &m.to_string())));
    snapshot
}

/// Where two values differ first, and how.
fn difference(want: &Value, got: &Value, path: &str, out: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|k| !a.contains_key(*k))) {
                difference(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                difference(x, y, &format!("{path}[{i}]"), out);
            }
        }
        _ if want == got => {}
        _ => out.push(format!("{path}: want {} got {}", short(want), short(got))),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(300).collect()
}

fn by_name(list: &[Value]) -> BTreeMap<String, Value> {
    list.iter().map(|v| (v["name"].as_str().unwrap_or_default().to_owned(), mesh_envoy::api::plain(v.clone()))).collect()
}

fn compare(what: &str, want: &[Value], got: &[Value], out: &mut Vec<String>) {
    let (want, got) = (by_name(want), by_name(got));
    for name in want.keys().chain(got.keys().filter(|n| !want.contains_key(*n))) {
        match (want.get(name), got.get(name)) {
            (Some(_), None) => out.push(format!("{what} {name} is missing")),
            (None, Some(_)) => out.push(format!("{what} {name} is too many")),
            (Some(a), Some(b)) => difference(a, b, &format!("{what} {name}"), out),
            (None, None) => {}
        }
    }
}

/// What records requests is not asked for there; it is compared with the recorded mesh.
const NOT_ASKED: &[&str] = &[".tracing: ", ".accessLog: "];

#[test]
fn the_set_ups_come_out_as_istiod_made_them() {
    let Some(dir) = conformance() else {
        println!("SKIPPED: no recordings beside the checkout");
        return;
    };
    let mut failed = 0;
    let mut count = 0;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir.join("simulation")).expect("simulation").flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.contains("calls") {
            continue;
        }
        let set_up: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("a file")).expect("JSON");
        if ["configObjects", "kubeObjects", "goServices"].iter().any(|k| set_up[*k].as_array().is_some_and(|l| !l.is_empty())) {
            continue;
        }
        count += 1;
        let texts: Vec<&str> = ["config", "kubeConfig"].iter().filter_map(|k| set_up[*k].as_str()).collect();
        let snapshot = snapshot(&texts, Some(&set_up["mesh"]).filter(|m| !m.is_null()));
        let mesh = Mesh::in_domain(&snapshot, domain_of(&snapshot));
        let model = Model::new(&mesh);
        let proxy_tree = tree("proxy", &set_up["proxy"].to_string());
        let proxy = Proxy::from_node(proxy_tree.root()).expect("a proxy");
        let got = model.translate(&proxy);
        let mut out = Vec::new();
        let list = |k: &str| set_up[k].as_array().cloned().unwrap_or_default();
        let resources = got.resources();
        for (what, list_name) in [("listener", "listeners"), ("cluster", "clusters"), ("route", "routes")] {
            compare(what, &list(list_name), resources[list_name].as_array().map_or(&[], Vec::as_slice), &mut out);
        }
        out.retain(|line| !NOT_ASKED.iter().any(|part| line.contains(part)));
        if !out.is_empty() {
            failed += 1;
            println!("{name} {}: {} differences", set_up["test"], out.len());
            for line in out.iter().take(8) {
                println!("    {line}");
            }
        }
    }
    assert_eq!((failed, count), (0, 65), "set-ups differ");
}

#[test]
fn the_recorded_mesh_comes_out_as_its_proxies_hold_it() {
    let Some(dir) = conformance().map(|d| d.join("recorded/bookinfo")) else {
        println!("SKIPPED: no recordings beside the checkout");
        return;
    };
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(dir.join("k8s")).expect("k8s").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with("s.json") && name.contains(".v1") || name.starts_with("v1.") {
            texts.push(read(entry.path()));
        }
    }
    texts.sort();
    let mesh_config: Value = serde_json::from_str(&read(dir.join("istiod/mesh.json"))).expect("JSON");
    let snapshot = snapshot(&texts.iter().map(String::as_str).collect::<Vec<_>>(), Some(&mesh_config));
    let mesh = Mesh::new(&snapshot);
    // That control plane ran with both switched off: its proxies were plain Envoys.
    let model = Model::of(&mesh, ControlPlane { metadata_exchange: false, alpn_filter: false, metrics: false, records: true, ambient: false });
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir.join("envoy")).expect("envoy").flatten() {
        let pod = entry.file_name().to_string_lossy().into_owned();
        let dump: Value = serde_json::from_str(&read(entry.path().join("config_dump_include_eds.json"))).expect("JSON");
        let workload = mesh.workloads.all().iter().find(|w| w.object.name() == pod).expect("a Pod");
        let got = model.translate(&Proxy::of_workload(&mesh, workload));
        let (mut listeners, mut clusters, mut routes) = (Vec::new(), Vec::new(), Vec::new());
        dynamic(&dump, &mut |v| {
            let url = v["@type"].as_str().unwrap_or_default();
            let mut message = v.clone();
            message.as_object_mut().map(|m| m.shift_remove("@type"));
            if url.ends_with("v3.Listener") {
                listeners.push(again::<mesh_envoy::api::listener::Listener>(message));
            } else if url.ends_with("v3.Cluster") {
                clusters.push(again::<mesh_envoy::api::cluster::Cluster>(message));
            } else if url.ends_with("v3.RouteConfiguration") {
                routes.push(again::<mesh_envoy::api::route::RouteConfiguration>(message));
            }
        });
        let before = out.len();
        let resources = got.resources();
        for (what, list_name, want) in [("listener", "listeners", &listeners), ("cluster", "clusters", &clusters), ("route", "routes", &routes)] {
            compare(what, want, resources[list_name].as_array().map_or(&[], Vec::as_slice), &mut out);
        }
        for line in &mut out[before..] {
            line.insert_str(0, &format!("{pod}: "));
        }
    }
    out.sort();
    assert!(out.is_empty(), "{} differences\n{}", out.len(), out.join("\n"));
}

/// A message as our types write it: dumps are in snake case.
fn again<M: serde::Serialize + serde::de::DeserializeOwned>(message: Value) -> Value {
    serde_json::to_value(serde_json::from_value::<M>(message).expect("a message")).expect("JSON")
}

/// The resources that istiod sent, in a dump.
fn dynamic<'v>(value: &'v Value, f: &mut impl FnMut(&'v Value)) {
    match value {
        Value::Object(fields) => {
            let url = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
            if ["v3.Cluster", "v3.Listener", "v3.RouteConfiguration"].iter().any(|t| url.ends_with(t)) {
                f(value);
            } else {
                fields.iter().filter(|(k, _)| !k.starts_with("static_") && *k != "bootstrap").for_each(|(_, v)| dynamic(v, f));
            }
        }
        Value::Array(items) => items.iter().for_each(|v| dynamic(v, f)),
        _ => {}
    }
}
