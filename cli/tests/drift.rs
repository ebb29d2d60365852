//! `meshctl drift`, on a recorded mesh.

use crate::common;
use common::mesh::{Mesh, resource};
use common::{folder, meshctl};
use mesh_testserver::admin::Admin;
use mesh_testserver::apiserver::{Data, Faults};
use serde_json::{Value, json};
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
    // What its EnvoyFilter adds is among them.
    let left = differences(&answer);
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
    let run = meshctl(dir.path(), &["drift"]);
    assert!(run.status == 64 && run.err.contains("no kubeconfig") && !run.err.contains("analyze"), "{} {}", run.status, run.err);
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

/// The recorded mesh as a cluster with the pods of its three proxies, whose admin ports answer with what was recorded.
fn cluster() -> (Data, Vec<Admin>, Vec<Value>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recorded/bookinfo");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut data = Data::default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(root.join("k8s")).expect("objects").flatten().map(|e| e.path()).collect();
    files.sort();
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let (before, plural) = name.rsplit_once('.').expect("a plural");
        let (group, version) = before.rsplit_once('.').unwrap_or(("", before));
        let list: Value = serde_json::from_str(&read(&file)).expect("JSON");
        let items: Vec<Value> = list["items"].as_array().cloned().unwrap_or_default();
        let kind = items[0]["kind"].as_str().map(str::to_owned).unwrap_or_else(|| list["kind"].as_str().unwrap_or("").trim_end_matches("List").to_owned());
        data.add(resource(group, version, plural, &kind, items));
    }
    let (mut admins, mut pods) = (Vec::new(), Vec::new());
    let deployments: Value = serde_json::from_str(&read(&root.join("k8s/apps.v1.deployments.json"))).expect("JSON");
    for (name, namespace) in [
        ("productpage-v1-79f59ff6bd-b7wxt", "bookinfo"),
        ("reviews-v3-6d7944df59-tbc5h", "bookinfo"),
        ("istio-ingressgateway-7bc6796775-fh5hv", "istio-system"),
    ] {
        let page = read(&root.join("envoy").join(name).join("config_dump.json"));
        let dump: Value = serde_json::from_str(&page).expect("JSON");
        let node = dump["configs"].as_array().into_iter().flatten().find_map(|c| c["bootstrap"].get("node")).cloned().unwrap_or_default();
        let set = name.rsplit_once('-').expect("a set").0;
        let (made_by, hash) = set.rsplit_once('-').expect("a hash");
        let ip = node["id"].as_str().and_then(|id| id.split('~').nth(1)).expect("an address");
        let deployment = deployments["items"].as_array().into_iter().flatten().find(|d| d["metadata"]["name"] == made_by).expect("a Deployment");
        let account = deployment["spec"]["template"]["spec"]["serviceAccountName"].clone();
        let mut labels = deployment["spec"]["template"]["metadata"]["labels"].clone();
        labels["service.istio.io/canonical-name"] = set.into();
        labels["pod-template-hash"] = hash.into();
        pods.push(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [{"kind": "ReplicaSet", "name": set, "controller": true}]},
            "spec": {"serviceAccountName": account, "containers": [{"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.30.1"}]},
            "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}}));
        let admin = Admin::start([("/config_dump".to_owned(), page)].into()).expect("an admin port");
        data.forward(namespace, name, 15000, admin.address());
        admins.push(admin);
    }
    data.add(resource("", "v1", "pods", "Pod", pods.clone()));
    (data, admins, pods)
}

#[test]
fn the_proxies_of_a_cluster_are_compared_with_its_objects() {
    let (data, _admins, pods) = cluster();
    let mesh = Mesh::bare(data.clone(), Faults::default());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recorded/bookinfo");
    let dir = folder(&[("pods.json", &json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string())]);
    let more = dir.path().join("pods.json").display().to_string();
    let files = meshctl(&root, &["drift", "-f", "k8s", "-f", &more, "-f", "envoy", "--complete", "-o", "json"]);
    let of = |run: &common::Run| -> Value { serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err)) };
    let by_name = |answer: &Value| {
        let name = |p: &Value| p["proxy"].as_str().unwrap_or("").split('.').next().unwrap_or("").to_owned();
        let all = answer["proxies"].as_array().cloned().unwrap_or_default();
        all.iter().map(|p| (name(p), p["differences"].clone())).collect::<std::collections::BTreeMap<_, _>>()
    };
    let run = mesh.meshctl(&["drift", "-o", "json"]);
    let answer = of(&run);
    assert_eq!(by_name(&answer).len(), 3, "{}{}", run.out, run.err);
    assert_eq!(by_name(&answer), by_name(&of(&files)));
    // The same by the other names, and of one namespace.
    assert_eq!(mesh.meshctl(&["ps", "--drift", "-o", "json"]).out, run.out);
    let one = of(&mesh.meshctl(&["drift", "-f", "kube", "-n", "istio-system", "-o", "json"]));
    assert_eq!(by_name(&one).len(), 1, "{one}");
    // A pod that can't be reached is named, and costs nobody else.
    let slow = vec![("/api/v1/namespaces/bookinfo/pods/reviews-v3".to_owned(), std::time::Duration::from_secs(120))];
    let run = Mesh::bare(data, Faults { slow, ..Faults::default() }).meshctl(&["drift", "--kubeclient-timeout", "2s", "-o", "json"]);
    let answer = of(&run);
    assert_eq!(by_name(&answer).len(), 2, "{}{}", run.out, run.err);
    assert!(answer["complete"] == false && answer["problems"].to_string().contains("reviews-v3-6d7944df59-tbc5h.bookinfo is not reached"), "{}", run.out);
}
