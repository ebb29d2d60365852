//! A recorded proxy in a real Envoy behind our API server: commands on its pod, by a forwarded port and by the agent's command.

#![cfg(unix)]

use crate::common;
use common::envoy::{Admin, Envoy, find};
use common::mesh::{Mesh, pod, resource};
use common::{meshctl, played};
use mesh_testserver::admin;
use mesh_testserver::apiserver::{Data, Faults};
use serde_json::{Value, json};
use std::path::Path;

const POD: &str = "productpage-v1-79f59ff6bd-b7wxt";

fn recorded(page: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recorded/bookinfo/envoy").join(POD).join(page)
}

/// What istiod would say of the pod: that it has everything, and what that is.
fn istiod() -> admin::Admin {
    let state = json!({"sent": "1", "acked": "1", "sentTime": "2026-11-22T11:30:00Z"});
    let types = ["cluster.v3.Cluster", "listener.v3.Listener", "route.v3.RouteConfiguration", "endpoint.v3.ClusterLoadAssignment"];
    let resources: serde_json::Map<String, Value> = types.iter().map(|t| (format!("type.googleapis.com/envoy.config.{t}"), state.clone())).collect();
    let syncz =
        json!([{"cluster_id": "Kubernetes", "proxy": format!("{POD}.bookinfo"), "proxy_type": "sidecar", "istio_version": "1.32.0", "resources": resources}]);
    let view = std::fs::read_to_string(recorded("config_dump.json")).expect("a dump");
    admin::Admin::start([("/debug/syncz".to_owned(), syncz.to_string()), (format!("/debug/config_dump?proxyID={POD}.bookinfo"), view)].into())
        .expect("an istiod")
}

/// The Envoy, and a cluster in which it is the proxy of the pod.
fn start(faults: Faults) -> Option<(Envoy, Mesh)> {
    let program = find()?;
    let dump = std::fs::read_to_string(recorded("config_dump.json")).expect("a dump");
    let envoy = Envoy::start(&program, Admin::Tcp, |folder, admin| played::bootstrap(&dump, folder, admin));
    let mut data = Data::default();
    let app = [("productpage", "productpage:1"), ("istio-proxy", "docker.io/istio/proxyv2:1.32.0")];
    data.add(resource(
        "",
        "v1",
        "pods",
        "Pod",
        vec![pod("bookinfo", POD, "productpage", &app), pod("istio-system", "istiod-1", "istiod", &[("discovery", "docker.io/istio/pilot:1.32.0")])],
    ));
    data.add(resource(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        vec![json!({"metadata": {"name": "productpage-v1", "namespace": "bookinfo"}, "spec": {"selector": {"matchLabels": {"app": "productpage"}}}})],
    ));
    data.forward("bookinfo", POD, 15000, envoy.address);
    let istiod = istiod();
    data.forward("istio-system", "istiod-1", 15014, istiod.address());
    let mut mesh = Mesh::bare(data, faults);
    mesh.istiod = istiod;
    Some((envoy, mesh))
}

const DEPLOYMENT: &str = "deployment/productpage-v1.bookinfo";

#[test]
fn a_pods_tables_are_those_of_its_recorded_dump() {
    for barred in ["pods/exec", "pods/portforward"] {
        let faults = Faults { forbidden: [barred.to_owned()].into(), ..Faults::default() };
        let Some((envoy, mesh)) = start(faults) else { return };
        let via = if barred == "pods/exec" { "port-forward" } else { "exec" };
        let file = recorded("config_dump.json").display().to_string();
        for args in [&["pc", "cluster"][..], &["pc", "listener"], &["pc", "route", "--name", "9080"], &["authz", "check"]] {
            let of_file = meshctl(envoy.folder.path(), &[args, &["--from", &file]].concat());
            let of_pod = mesh.meshctl(&[args, &[DEPLOYMENT]].concat());
            assert!(of_file.status == 0 && !of_file.out.is_empty(), "{args:?}: {}", of_file.err);
            assert_eq!((of_pod.status, &of_pod.out), (0, &of_file.out), "{args:?}: {}{}", of_pod.err, envoy.log());
            assert!(of_pod.err.contains(&format!("{POD}.bookinfo by {via}")), "{}", of_pod.err);
        }
        let secrets = mesh.meshctl(&["pc", "secret", DEPLOYMENT, "-o", "json"]);
        assert!(secrets.status == 0 && secrets.out.contains("ROOTCA") && !secrets.out.contains("PRIVATE KEY"), "{}{}", secrets.out, secrets.err);
        let endpoints = mesh.meshctl(&["pc", "endpoint", DEPLOYMENT]);
        assert!(endpoints.status == 0 && endpoints.out.contains("outbound|9080|v3|reviews.bookinfo"), "{}{}", endpoints.out, endpoints.err);
    }
}

#[test]
fn a_pods_state_is_what_istiod_says_and_its_own_dump_shows() {
    let Some((_envoy, mesh)) = start(Faults::default()) else { return };
    let run = mesh.meshctl(&["ps"]);
    assert!(run.status == 0 && run.out.contains(&format!("{POD}.bookinfo")), "{}{}", run.out, run.err);
    // What istiod has is the dump from before it was put into this Envoy.
    let run = mesh.meshctl(&["ps", DEPLOYMENT]);
    assert!(run.status == 79 && run.out.contains("bindToPort"), "{}{}", run.out, run.err);
    assert!(!run.out.contains("BlackHoleCluster") && !run.out.contains("PRIVATE KEY"), "{}", run.out);
}

#[test]
fn only_the_levels_of_the_pod_that_is_named_are_changed_and_the_command_told_undoes_it() {
    for barred in ["pods/exec", "pods/portforward"] {
        let faults = Faults { forbidden: [barred.to_owned()].into(), ..Faults::default() };
        let Some((_envoy, mesh)) = start(faults) else { return };
        let levels = || mesh.meshctl(&["pc", "log", DEPLOYMENT, "-o", "json"]).out;
        let before = levels();
        assert!(before.contains("\"rbac\": \"warning\""), "{before}");
        let asked = mesh.meshctl(&["pc", "log", DEPLOYMENT, "--level", "http:debug,rbac:trace"]);
        assert!(asked.status == 64 && asked.err.contains("nothing is changed"), "{}", asked.err);
        assert_eq!(levels(), before);
        let changed = mesh.meshctl(&["pc", "log", DEPLOYMENT, "--level", "http:debug,rbac:trace", "--yes"]);
        assert!(changed.status == 0 && changed.err.contains("changes 2 of"), "{}{}", changed.out, changed.err);
        let now: Value = serde_json::from_str(&levels()).expect("JSON");
        assert!(now["http"] == "debug" && now["rbac"] == "trace" && now["router"] == "warning", "{now}");
        let undo = changed.err.lines().find_map(|l| l.split_once("undo it with: meshctl ")).map(|(_, c)| c.to_owned()).expect("a way back");
        let undone = mesh.meshctl(&undo.split(' ').collect::<Vec<_>>());
        assert_eq!((undone.status, levels()), (0, before), "{undo}: {}", undone.err);
    }
    // What only istiod shows is not changed.
    let Some((_envoy, mesh)) = start(Faults::default()) else { return };
    let run = mesh.meshctl(&["pc", "log", DEPLOYMENT, "--level", "debug", "--yes", "--via", "istiod"]);
    assert!(run.status == 1 && run.out.is_empty(), "{}{}", run.out, run.err);
}
