//! The server answers another client as well: `kubectl`, where it is installed.

#![allow(clippy::print_stdout)]

use mesh_testserver::admin::Admin;
use mesh_testserver::apiserver::{Data, Faults, Resource, Server};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

    // It watches too, whether lists are streamed or not, and sees what changes.
    let mut watching = Command::new("kubectl");
    watching.env("HOME", &folder).arg("--kubeconfig").arg(folder.join("right"));
    let watching =
        watching.args(["get", "virtualservices", "--watch", "--request-timeout", "3s", "-o", "name"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let watching = watching.expect("kubectl runs");
    let until = Instant::now() + Duration::from_secs(10);
    while server.counts().open_watches() == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.apply("networking.istio.io/v1/virtualservices", service("web-9"));
    let output = watching.wait_with_output().expect("it ends");
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(seen.contains("web-0") && seen.contains("web-9"), "{seen} {:?}", server.counts().requests());
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn kubectl_runs_commands_and_reads_logs_by_it() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        println!("SKIPPED: kubectl is not installed");
        return;
    }
    let admin = Admin::start([("/logging".to_owned(), "active loggers:\n  http: warning\n".to_owned())].into()).expect("an admin port");
    let mut data = Data::default();
    data.add(Resource {
        group: String::new(),
        version: "v1".into(),
        plural: "pods".into(),
        kind: "Pod".into(),
        is_namespaced: true,
        items: vec![
            json!({"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"containers": [{"name": "istio-proxy"}]}, "status": {"phase": "Running"}}),
        ],
    });
    data.forward("shop", "web-1", 15000, admin.address());
    data.log("shop", "web-1", "istio-proxy", &[("2026-11-22T11:39:00Z", "first"), ("2026-11-22T11:40:00Z", "second")]);
    let server = Server::start(data, Faults::default()).expect("a server");
    let folder = std::env::temp_dir().join(format!("meshctl-kubectl-exec-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let kubeconfig = folder.join("config");
    std::fs::write(&kubeconfig, server.kubeconfig("test", "any", "shop")).expect("a kubeconfig");
    let run = |arguments: &[&str]| {
        let mut command = Command::new("kubectl");
        command.env("HOME", &folder).env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "true").arg("--kubeconfig").arg(&kubeconfig);
        let output = command.args(arguments).output().expect("kubectl runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let asked = run(&["exec", "web-1", "-c", "istio-proxy", "--", "pilot-agent", "request", "POST", "logging"]);
    assert_eq!((asked.0, asked.1.as_str()), (Some(0), "active loggers:\n  http: warning\n"), "{}", asked.2);
    // The end of a command that fails is told too.
    let failed = run(&["exec", "web-1", "-c", "istio-proxy", "--", "sh"]);
    assert!(failed.0 == Some(1) && failed.2.contains("executable file not found"), "{failed:?}");
    assert_eq!(run(&["logs", "web-1", "-c", "istio-proxy", "--tail", "1"]).1, "second\n");
    let _ = std::fs::remove_dir_all(&folder);
}
