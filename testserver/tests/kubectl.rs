//! The server answers another client as well: `kubectl`, where it is installed.

#![allow(clippy::print_stdout)]

use mesh_testserver::apiserver::{Data, Faults, Resource, Server};
use serde_json::json;
use std::process::Command;

#[test]
fn kubectl_reads_from_it() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        println!("SKIPPED: kubectl is not installed");
        return;
    }
    let mut data = Data::default();
    let service = |name: &str| json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"hosts": [name]}});
    data.add(Resource {
        group: "networking.istio.io".into(),
        version: "v1".into(),
        plural: "virtualservices".into(),
        kind: "VirtualService".into(),
        is_namespaced: true,
        items: (0..3).map(|i| service(&format!("web-{i}"))).collect(),
    });
    let server = Server::start(data, Faults { token: Some("right".into()), ..Faults::default() }).expect("a server");
    let folder = std::env::temp_dir().join(format!("meshctl-kubectl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let get = |token: &str, arguments: &[&str]| {
        let kubeconfig = folder.join(token);
        std::fs::write(&kubeconfig, server.kubeconfig("test", token, "shop")).expect("a kubeconfig");
        // Its cache of what is served stays in the folder too.
        let output = Command::new("kubectl").env("HOME", &folder).arg("--kubeconfig").arg(kubeconfig).args(arguments).output().expect("kubectl runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    };
    let names = ["get", "virtualservices", "--chunk-size", "2", "-o", "name"];
    assert_eq!(
        get("right", &names),
        (true, (0..3).map(|i| format!("virtualservice.networking.istio.io/web-{i}\n")).collect::<String>()),
        "{:?}",
        server.counts().requests()
    );
    assert!(get("right", &["get", "virtualservices", "web-1", "-o", "jsonpath={.spec.hosts[0]}"]).1 == "web-1");
    assert!(!get("right", &["get", "virtualservices", "nosuch"]).0);
    assert!(!get("wrong", &names).0);
    let _ = std::fs::remove_dir_all(&folder);
}
