//! `cargo xtask bench cluster [SERVICES] [BINARY]`: what commands cost on a cluster of 5,000 services and 10,000 pods, played by the
//! test API server. The pods' proxies are one admin port on this machine.

use super::analyze::{measure, status};
use crate::{Outcome, root};
use mesh_testserver::admin::Admin;
use mesh_testserver::apiserver::{Data, Faults, Resource, Server};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

const RUNS: usize = 3;
/// Proxies that istiod names.
const PROXIES: usize = 1_000;

pub fn run(args: &[String]) -> Outcome {
    let services: usize = match args.first() {
        None => 5_000,
        Some(n) => n.parse().map_err(|_| format!("`{n}` is no number of services"))?,
    };
    let binary = match args.get(1) {
        Some(path) => PathBuf::from(path),
        None => {
            status(Command::new("cargo").args(["build", "--release", "--package", "meshctl"]).current_dir(root()))?;
            root().join("target/release/meshctl")
        }
    };
    let scratch = root().join("target/bench");
    std::fs::create_dir_all(&scratch).map_err(|e| e.to_string())?;
    let dump = std::fs::read_to_string(root().join("testdata/dumps/mesh/proxies/web/web-1/config_dump")).map_err(|e| e.to_string())?;
    let start = |pages| Admin::start(pages).map_err(|e: std::io::Error| e.to_string());
    let proxy = start([("/config_dump".to_owned(), dump)].into())?;
    let istiod = start([("/debug/syncz".to_owned(), syncz(services).to_string())].into())?;
    let mut data = objects(services);
    data.forward("ns-0", "svc-0-0", 15000, proxy.address());
    data.forward("istio-system", "istiod-1", 15014, istiod.address());
    for (name, arguments) in [
        ("analyze", &["analyze", "-o", "json"][..]),
        ("ps", &["ps", "-o", "json"]),
        ("pc on a pod", &["pc", "cluster", "svc-0-0.ns-0"]),
        ("check", &["check", "-o", "json"]),
    ] {
        let (mut cpu, mut wall, mut mib, mut ended) = (f64::INFINITY, f64::INFINITY, 0.0f64, 0);
        let (mut bytes, mut requests) = (0, 0);
        for _ in 0..RUNS {
            let server = Server::start(data.clone(), Faults::default()).map_err(|e| e.to_string())?;
            let kubeconfig = scratch.join("kubeconfig");
            std::fs::write(&kubeconfig, server.kubeconfig("bench", "token", "ns-0")).map_err(|e| e.to_string())?;
            let kubeconfig = kubeconfig.display().to_string();
            let arguments: Vec<&str> = arguments.iter().copied().chain(["--kubeconfig", &kubeconfig]).collect();
            let cost = measure(&scratch.join("answer"), &binary, &arguments)?;
            (cpu, wall, mib, ended) = (cpu.min(cost.cpu), wall.min(cost.wall), mib.max(cost.mib), cost.status);
            (bytes, requests) = (server.counts().bytes(), server.counts().requests().len());
        }
        println!(
            "{name}: {cpu:.2} s CPU, {wall:.2} s on the clock (of which the server's part is on the same machine), {mib:.0} MiB, exit status {ended}; {requests} requests, {} MiB",
            bytes >> 20
        );
    }
    Ok(())
}

fn syncz(services: usize) -> Value {
    let synced = |url: &str| (format!("type.googleapis.com/envoy.config.{url}"), json!({"sent": "n1", "acked": "n1", "sentTime": "2026-11-22T11:30:00Z"}));
    let resources: serde_json::Map<String, Value> =
        ["cluster.v3.Cluster", "listener.v3.Listener", "endpoint.v3.ClusterLoadAssignment", "route.v3.RouteConfiguration"].map(synced).into_iter().collect();
    let proxy = |i: usize| json!({"cluster_id": "Kubernetes", "proxy": format!("svc-{i}-0.ns-{}", i / 20), "istio_version": "1.30.1", "resources": resources});
    Value::Array((0..services.min(PROXIES)).map(proxy).collect())
}

/// Services in namespaces of 20 with two pods each, and a VirtualService and a DestinationRule for every fifth.
pub(super) fn objects(services: usize) -> Data {
    let mut data = Data::default();
    let mut add = |group: &str, version: &str, plural: &str, kind: &str, items: Vec<Value>| {
        let is_namespaced = kind != "Namespace";
        data.add(Resource { group: group.into(), version: version.into(), plural: plural.into(), kind: kind.into(), is_namespaced, items });
    };
    let meta = |name: String, i: usize| json!({"name": name, "namespace": format!("ns-{}", i / 20)});
    let namespaces = (0..services.div_ceil(20)).map(|n| json!({"metadata": {"name": format!("ns-{n}"), "labels": {"istio-injection": "enabled"}}}));
    add("", "v1", "namespaces", "Namespace", namespaces.chain([json!({"metadata": {"name": "istio-system"}})]).collect());
    let service = |i: usize| json!({"metadata": meta(format!("svc-{i}"), i), "spec": {"clusterIP": format!("10.96.{}.{}", i / 256, i % 256), "selector": {"app": format!("svc-{i}")}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
    add("", "v1", "services", "Service", (0..services).map(service).collect());
    let pod = |i: usize, replica: usize| {
        let mut metadata = meta(format!("svc-{i}-{replica}"), i);
        metadata["labels"] = json!({"app": format!("svc-{i}"), "version": format!("v{replica}"), "security.istio.io/tlsMode": "istio", "service.istio.io/canonical-name": format!("svc-{i}")});
        metadata["ownerReferences"] = json!([{"kind": "ReplicaSet", "name": format!("svc-{i}-7d9"), "controller": true}]);
        metadata["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "x".repeat(800),
            "sidecar.istio.io/status": r#"{"initContainers":["istio-init"],"containers":["istio-proxy"],"volumes":["istio-envoy"],"imagePullSecrets":null,"revision":"default"}"#});
        let environment: Vec<Value> = (0..20).map(|n| json!({"name": format!("SETTING_{n}"), "value": "a value that nobody asks for"})).collect();
        json!({"metadata": metadata,
            "spec": {"nodeName": format!("node-{}", i % 100), "containers": [
                {"name": "app", "image": "app:1", "ports": [{"containerPort": 8080}], "env": environment.clone()},
                {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.30.1", "env": environment}]},
            "status": {"phase": "Running", "podIP": format!("10.{}.{}.{}", replica + 1, i / 256, i % 256), "conditions": [{"type": "Ready", "status": "True"}]}})
    };
    let istiod = json!({"metadata": {"name": "istiod-1", "namespace": "istio-system", "labels": {"app": "istiod"}},
        "spec": {"containers": [{"name": "discovery", "image": "docker.io/istio/pilot:1.30.1"}]}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    add("", "v1", "pods", "Pod", (0..services).flat_map(|i| [pod(i, 0), pod(i, 1)]).chain([istiod]).collect());
    let route = |i: usize| json!({"metadata": meta(format!("svc-{i}"), i), "spec": {"hosts": [format!("svc-{i}")], "http": [{"route": [{"destination": {"host": format!("svc-{i}"), "subset": "v0"}}]}]}});
    add("networking.istio.io", "v1", "virtualservices", "VirtualService", (0..services).step_by(5).map(route).collect());
    let rule = |i: usize| json!({"metadata": meta(format!("svc-{i}"), i), "spec": {"host": format!("svc-{i}"), "subsets": [{"name": "v0", "labels": {"version": "v0"}}]}});
    add("networking.istio.io", "v1", "destinationrules", "DestinationRule", (0..services).step_by(5).map(rule).collect());
    data
}
