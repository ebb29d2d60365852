//! What the program holds, by the system's count: for each cluster, and of what its configuration was read from.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::support;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::control_plane::{self as plane, ControlPlane, endpoints};
use support::{bootstrap, manager, until};

/// A cluster of three endpoints, and the virtual host that leads to it, as a control plane writes them.
fn service(i: usize) -> (Value, Value) {
    let short = format!("svc-{i}.ns-{}", i % 50);
    let name = format!("outbound|8080||{short}.svc.cluster.local");
    let labels = json!({"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}});
    let host =
        |n: usize| json!({"metadata": labels, "endpoint": {"address": {"socket_address": {"address": format!("10.1.{}.{n}", i % 250), "port_value": 8080}}}});
    let cluster = json!({"name": name, "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [{"max_connections": 4_294_967_295u32, "max_requests": 4_294_967_295u32, "max_retries": 4_294_967_295u32}]},
        "metadata": {"filter_metadata": {"istio": {"services": [{"host": format!("{short}.svc.cluster.local"), "name": format!("svc-{i}"), "namespace": format!("ns-{}", i % 50)}]}}},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [host(1), host(2), host(3)]}]}});
    let domains: Vec<String> = ["", ".svc", ".svc.cluster.local"].iter().flat_map(|s| [format!("{short}{s}"), format!("{short}{s}:8080")]).collect();
    let virtual_host = json!({"name": format!("{short}:8080"), "domains": domains, "routes": [{"match": {"prefix": "/"}, "name": "default",
        "route": {"cluster": name, "timeout": "0s", "retry_policy": {"retry_on": "connect-failure,refused-stream,unavailable,cancelled", "num_retries": 2}}}]});
    (cluster, virtual_host)
}

/// The program, which ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Memory of its own, bytes: without pages of files.
    fn anonymous(&self) -> Option<usize> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let kib = text.lines().find_map(|l| l.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse::<usize>().ok());
        kib.map(|k| k * 1024)
    }
}

/// What the program takes with so many services, as soon as it has started.
fn taken(services: usize) -> Option<usize> {
    let (clusters, hosts): (Vec<Value>, Vec<Value>) = (0..services).map(service).unzip();
    let mut manager = manager(json!([]), None);
    manager["route_config"]["virtual_hosts"] = hosts.into();
    let scratch = tempfile::tempdir().expect("a folder");
    let (file, admin) = (scratch.path().join("b.json"), scratch.path().join("admin"));
    std::fs::write(&file, bootstrap(&manager, &clusters).to_string()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-proxy"));
    command.arg("-c").arg(&file).arg("--admin-address-path").arg(&admin).args(["--concurrency", "1", "-l", "off"]);
    let running = Running(command.stdin(Stdio::null()).spawn().expect("it runs"));
    let end = Instant::now() + Duration::from_secs(60);
    while std::fs::read_to_string(&admin).is_ok_and(|t| t.is_empty()) || !admin.exists() {
        assert!(Instant::now() < end, "it does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.anonymous()
}

/// The allocator would give back by itself what reading took, but not before ten seconds are over.
#[test]
fn what_reading_took_is_given_back_at_once_and_a_service_takes_little() {
    const SERVICES: usize = 2_000;
    let (Some(few), Some(many)) = (taken(1), taken(SERVICES)) else {
        eprintln!("SKIPPED: the system does not tell what a process holds");
        return;
    };
    let each = many.saturating_sub(few) / SERVICES;
    assert!(each < 6_000, "{each} bytes for each service: {few} with one, {many} with {SERVICES}");
}

#[test]
fn a_change_settles() {
    let plane = ControlPlane::start();
    let (calls, count) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let calls_of_proxy = calls.clone();
    let settled = Arc::new(move || {
        calls_of_proxy.fetch_add(1, Ordering::SeqCst);
    });
    let settings = mesh_proxy::server::Settings { settled, ..Default::default() };
    plane.give("Cluster", &[plane::eds_cluster("one")]);
    plane.give("ClusterLoadAssignment", &[endpoints("one", &[])]);
    let _proxy = support::start_with(plane::bootstrap(&plane.address, "GRPC"), &settings);
    for _ in 0..2 {
        until("it settles", || calls.load(Ordering::SeqCst) > count.load(Ordering::SeqCst));
        count.store(calls.load(Ordering::SeqCst), Ordering::SeqCst);
        plane.give("ClusterLoadAssignment", &[endpoints("one", &[([127, 0, 0, 1], 1).into()])]);
    }
}
