//! Proxies of a cluster that test servers play: which pods are meant, and by which way their pages come.

#![allow(clippy::print_stdout)]

use crate::common;
use common::mesh::{Mesh, objects, page, pod, resource};
use mesh_testserver::admin::Admin;
use mesh_testserver::apiserver::{Data, Faults};
use std::time::{Duration, Instant};

fn forbid(list: &[&str]) -> Faults {
    Faults { forbidden: list.iter().map(|s| (*s).to_owned()).collect(), ..Faults::default() }
}

#[test]
fn a_pod_is_named_as_istioctl_names_it() {
    let mesh = Mesh::start(Faults::default());
    let dump = mesh.dir().join("dump.json");
    std::fs::write(&dump, page("mesh/proxies/shop/cart-1/config_dump")).expect("a file");
    let file = mesh.meshctl(&["pc", "cluster", "--from", "dump.json"]);
    assert_eq!(mesh.server.counts().requests().len(), 0, "a file is named: no cluster is asked");
    for args in [
        &["pc", "cluster", "cart-1"][..],
        &["pc", "cluster", "cart-1.shop"],
        &["pc", "cluster", "pod/cart-1", "-n", "shop"],
        &["pc", "cluster", "deployment/cart.shop"],
        &["pc", "cluster", "svc/cart"],
        &["pc", "cluster", "-l", "app=cart"],
        &["pc", "cluster", "cart-1", "--from", "kube:dev"],
        &["pc", "cluster", "cart-1", "--context", "dev"],
    ] {
        let run = mesh.meshctl(args);
        assert_eq!((run.status, run.out.as_str()), (0, file.out.as_str()), "{args:?}: {}", run.err);
        assert!(run.err.contains("cart-1.shop by port-forward"), "{args:?}: {}", run.err);
    }
    // Only what is shown is asked for.
    assert!(mesh.cart.requests().iter().all(|r| r.starts_with("GET /config_dump?mask=static_clusters,")), "{:?}", mesh.cart.requests());
    for (args, status, says) in [
        (&["pc", "cluster", "nosuch"][..], 1, "there is no pod nosuch.shop"),
        (&["pc", "cluster", "deployment/gone"], 1, "deployment/gone.shop has no pod now"),
        (&["pc", "cluster", "cron-1"], 1, "no container istio-proxy"),
        (&["pc", "cluster", "node/n1"], 64, "`node` has no pods"),
        (&["pc", "cluster", "-l", "app=nosuch"], 1, "no pod in shop has the labels app=nosuch"),
        (&["pc", "cluster"], 64, "which proxy?"),
        (&["pc", "cluster", "dump.json"], 64, "did you mean --from dump.json?"),
        (&["pc", "cluster", "cart-1", "--context", "prod"], 64, "no context `prod`; it has dev"),
        (&["pc", "cluster", "cart-1", "--from", "dump.json", "--context", "dev"], 64, "not both"),
        (&["zc", "workload"], 1, "no ztunnel runs in istio-system"),
    ] {
        let run = mesh.meshctl(args);
        assert!(run.status == status && run.out.is_empty() && run.err.contains(says), "{args:?}: {} {}", run.status, run.err);
    }
}

#[test]
fn the_next_way_is_taken_where_one_is_barred() {
    let want = Mesh::start(Faults::default()).meshctl(&["pc", "listener", "cart-1"]).out;
    let mesh = Mesh::start(forbid(&["pods/portforward"]));
    let run = mesh.meshctl(&["pc", "listener", "cart-1"]);
    assert_eq!((run.status, run.out.as_str()), (0, want.as_str()), "{}", run.err);
    assert!(run.err.contains("not by port-forward: this user may not use pods/portforward") && run.err.contains("cart-1.shop by exec"), "{}", run.err);
    assert_eq!(mesh.server.counts().streams(), 1);

    // One way only, where one is named.
    let run = mesh.meshctl(&["pc", "listener", "cart-1", "--via", "port-forward"]);
    assert!(run.status == 1 && run.err.contains("resources: [pods/portforward], verbs: [get, create]"), "{}", run.err);
    // What istiod would send is not what the proxy holds.
    let mesh = Mesh::start(Faults::default());
    let run = mesh.meshctl(&["pc", "cluster", "cart-1", "--via", "istiod"]);
    assert!(
        run.status == 75 && run.out.contains("reviews.shop") && run.err.contains("what istiod would send to it, not what it holds"),
        "{}{}",
        run.out,
        run.err
    );
    // cart-2 has no admin port: nothing listens.
    let run = mesh.meshctl(&["pc", "cluster", "cart-2"]);
    assert!(run.status == 1 && run.out.is_empty(), "{}", run.out);
    assert!(run.err.contains("connection refused") && run.err.contains("connected to no istiod"), "{}", run.err);
    assert!(!mesh.meshctl(&["pc", "cluster", "cart-1", "-q"]).err.contains("port-forward"));
}

#[test]
fn levels_are_changed_at_one_proxy() {
    let mesh = Mesh::start(Faults::default());
    for (args, says) in [
        (&["pc", "log", "-l", "app=cart", "--all-pods", "--level", "debug", "--yes"][..], "name one of cart-1.shop, cart-2.shop"),
        (&["pc", "log", "--level", "debug", "--yes"], "name a pod"),
    ] {
        let run = mesh.meshctl(args);
        assert!(run.status == 64 && run.err.contains(says), "{args:?}: {} {}", run.status, run.err);
    }
    assert!(mesh.cart.requests().is_empty());
}

#[test]
fn a_proxy_in_between_that_strips_upgrades_is_told_apart() {
    let mesh = Mesh::start(Faults { strips_upgrades: true, ..Faults::default() });
    let run = mesh.meshctl(&["pc", "cluster", "cart-1"]);
    assert!(run.status == 1 && run.err.contains("strips websocket upgrades") && run.err.contains("Upgrade: websocket"), "{}", run.err);
    // Where no stream goes through, no other kind of stream is tried.
    assert!(!mesh.server.counts().requests().iter().any(|r| r.contains("/exec")), "{:?}", mesh.server.counts().requests());
}

#[test]
fn several_pods_are_one_a_workload_and_twenty_a_command() {
    let mut data = objects();
    data.add(resource(
        "",
        "v1",
        "pods",
        "Pod",
        (0..30).map(|i| pod("many", &format!("p-{i:02}"), &format!("w{}", i / 2), &[("istio-proxy", "p:1")])).collect(),
    ));
    let mesh = Mesh::with(data, Faults::default());
    let run = mesh.meshctl(&["pc", "cluster", "-l", "service.istio.io/canonical-name", "-n", "many"]);
    assert!(run.status == 1 && run.err.contains("asks 15 proxies: p-00.many, p-02.many"), "{}", run.err);
    let run = mesh.meshctl(&["pc", "cluster", "-l", "service.istio.io/canonical-name", "-n", "many", "--all-pods"]);
    assert!(run.status == 1 && run.err.contains("asks 20 proxies"), "{}", run.err);
    assert!(mesh.server.counts().most_streams_at_once() <= 8, "{}", mesh.server.counts().most_streams_at_once());

    // cart-2 answers nothing: the rest is shown, and it is named.
    let run = mesh.meshctl(&["pc", "cluster", "-l", "app=cart", "--all-pods"]);
    assert!(
        run.status == 75 && run.out.starts_with("cart-1.shop by port-forward\n") && run.err.contains("cart-2.shop is not reached"),
        "{}{}",
        run.out,
        run.err
    );
    let json: serde_json::Value = serde_json::from_str(&mesh.meshctl(&["pc", "cluster", "-l", "app=cart", "--all-pods", "-o", "json"]).out).expect("JSON");
    assert_eq!(
        (json["complete"].as_bool(), json["pods"][0]["pod"].as_str(), json["pods"][0]["via"].as_str()),
        (Some(false), Some("cart-1.shop"), Some("port-forward"))
    );
    assert!(json["pods"][0]["answer"].is_array(), "{json}");
}

#[test]
fn a_pod_that_does_not_answer_costs_bounded_time() {
    let slow = vec![("/api/v1/namespaces/shop/pods/cart-1/portforward".to_owned(), Duration::from_secs(60))];
    let mesh = Mesh::start(Faults { slow, ..Faults::default() });
    let start = Instant::now();
    let run = mesh.meshctl(&["pc", "cluster", "cart-1", "--via", "port-forward", "--kubeclient-timeout", "300ms"]);
    assert!(run.status == 1 && run.err.contains("no answer within 0.3 s") && run.err.contains("--kubeclient-timeout"), "{}", run.err);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn other_commands_take_pods_too() {
    let mesh = Mesh::start(Faults::default());
    let run = mesh.meshctl(&["pc", "endpoint", "web-1.web"]);
    assert!(run.status == 0 && run.out.contains("ENDPOINT"), "{}{}", run.out, run.err);
    let run = mesh.meshctl(&["authz", "check", "cart-1"]);
    assert!(run.status == 0 && run.out.starts_with("ACTION"), "{}{}", run.out, run.err);
    let run = mesh.meshctl(&["pc", "rootca-compare", "cart-1", "web-1.web"]);
    assert!(run.status == 1 && run.err.contains("it holds BootstrapConfigDump"), "{}{}", run.out, run.err);
    let run = mesh.meshctl(&["snapshot", "diff", "cart-1", "web-1.web"]);
    assert!(run.status == 79 && run.out.contains("listener 0.0.0.0_81: only in "), "{}{}", run.out, run.err);
    for args in [&["route", "--pod", "cart-1", "GET", "http://reviews/"][..], &["authz", "can", "--pod", "deployment/cart", "--port", "80", "--plaintext"]] {
        let run = mesh.meshctl(args);
        let from_file: Vec<&str> = args
            .iter()
            .map(|a| {
                if *a == "--pod" {
                    "--from"
                } else if a.contains("cart") {
                    "dump.json"
                } else {
                    *a
                }
            })
            .collect();
        std::fs::write(mesh.dir().join("dump.json"), page("mesh/proxies/shop/cart-1/config_dump")).expect("a file");
        let file = mesh.meshctl(&from_file);
        assert_eq!((run.status, &run.out), (file.status, &file.out), "{args:?}: {}", run.err);
    }
}

#[test]
fn proxy_status_asks_istiod_first_and_those_out_of_order_why() {
    let mesh = Mesh::start(Faults::default());
    let run = mesh.meshctl(&["ps"]);
    assert_eq!(run.status, 79, "{}{}", run.out, run.err);
    let line = |run: &common::Run, name: &str| run.out.lines().find(|l| l.starts_with(name)).unwrap_or("").to_owned();
    assert!(line(&run, "cart-1.shop").contains("LDS rejected 0.0.0.0_80: cannot bind '0.0.0.0:80': Permission denied"), "{}", run.out);
    assert!(line(&run, "web-1.web").contains("STALE 90s") && line(&run, "web-1.web").contains("istiod-1"), "{}", run.out);
    assert!(line(&run, "cart-2.shop").contains("connected to no istiod"), "{}", run.out);
    assert!(!run.out.contains("cron-1"), "{}", run.out);
    assert_eq!(mesh.istiod.requests(), ["GET /debug/syncz"]);
    // One stream to istiod, and one to each of the two that are not in order.
    assert_eq!(mesh.server.counts().streams(), 3);
    let json: serde_json::Value = serde_json::from_str(&mesh.meshctl(&["ps", "-n", "shop", "-o", "json"]).out).expect("JSON");
    let connected: Vec<_> = json["proxies"].as_array().expect("proxies").iter().map(|p| (p["name"].as_str().unwrap_or(""), p["connected"].as_bool())).collect();
    assert_eq!(connected, [("cart-1.shop", Some(true)), ("cart-2.shop", Some(false))]);

    let run = mesh.meshctl(&["ps", "deployment/cart"]);
    assert!(run.status == 79 && run.out.contains("connectTimeout: \"2s\" -> \"1s\""), "{}{}", run.out, run.err);

    // istiod by exec, where ports may not be forwarded.
    let mesh = Mesh::start(forbid(&["pods/portforward"]));
    assert!(line(&mesh.meshctl(&["ps"]), "web-1.web").contains("STALE 90s"));
    let mesh = Mesh::start(forbid(&["pods/portforward", "pods/exec"]));
    let run = mesh.meshctl(&["ps"]);
    assert!(run.status == 1 && run.err.contains("istiod-1.istio-system is not reached"), "{}", run.err);
}

#[test]
fn a_thousand_proxies_cost_two_lists_of_names() {
    // As large as an injected pod is.
    let mut data = Data::default();
    let environment: Vec<_> = (0..40).map(|i| serde_json::json!({"name": format!("SETTING_{i}"), "value": "x".repeat(100)})).collect();
    let of = |i: usize| {
        let mut pod = pod("many", &format!("p-{i:04}"), &format!("w{i}"), &[("app", "a:1"), ("istio-proxy", "p:1")]);
        pod["spec"]["containers"][0]["env"] = environment.clone().into();
        pod
    };
    let pods: Vec<_> = (0..1000).map(of).collect();
    let whole: usize = pods.iter().map(|p| p.to_string().len()).sum();
    data.add(resource("", "v1", "pods", "Pod", pods));
    data.add(resource("", "v1", "pods", "Pod", vec![pod("istio-system", "istiod-1", "istiod", &[("discovery", "pilot:1")])]));
    let state = serde_json::json!({"sent": "1", "acked": "1", "sentTime": "2026-11-22T11:30:00Z"});
    let one = |i: usize| {
        let resources = serde_json::json!({"type.googleapis.com/envoy.config.cluster.v3.Cluster": state});
        serde_json::json!({"cluster_id": "Kubernetes", "proxy": format!("p-{i:04}.many"), "proxy_type": "sidecar", "istio_version": "1.30.1", "resources": resources})
    };
    // istiod knows all but one.
    let syncz = serde_json::Value::Array((1..1000).map(one).collect()).to_string();
    let istiod = Admin::start([("/debug/syncz".to_owned(), syncz)].into()).expect("an istiod");
    data.forward("istio-system", "istiod-1", 15014, istiod.address());
    let mesh = Mesh::bare(data, Faults::default());
    let start = Instant::now();
    let run = mesh.meshctl(&["ps"]);
    let took = start.elapsed();
    assert!(run.status == 79 && run.out.lines().count() == 1001, "{} {}", run.status, run.err);
    assert!(run.out.lines().any(|l| l.starts_with("p-0000.many") && l.contains("connected to no istiod")), "{}", run.err);
    let counts = mesh.server.counts();
    assert!(counts.bytes() < whole as u64 / 4, "{} bytes of {whole}", counts.bytes());
    // Two pages of names, the istiods, the one that is unknown (and again, to be asked why), and a stream.
    assert!(counts.requests().len() <= 8, "{:?}", counts.requests());
    assert!(took < Duration::from_secs(10), "{took:?}");
    println!("1,000 proxies: {} requests, {} bytes of {whole}, {took:?} in a debug build", counts.requests().len(), counts.bytes());
}

#[test]
fn version_tells_those_of_the_cluster() {
    let client = common::meshctl(std::path::Path::new("."), &["version"]);
    assert!(client.status == 0 && client.out.lines().count() == 1 && client.err.is_empty(), "{}{}", client.out, client.err);
    let mesh = Mesh::start(Faults::default());
    let run = mesh.meshctl(&["version"]);
    assert!(run.status == 0 && run.out.contains("control plane: 1.30.1\ndata plane: 1.30.1 (2 proxies)\n"), "{}{}", run.out, run.err);
    assert!(mesh.meshctl(&["version", "--compat", "istioctl"]).out.contains("control plane version: 1.30.1\ndata plane version: 1.30.1 (2 proxies)\n"));
    assert_eq!(mesh.meshctl(&["version", "--remote=false"]).out, client.out);
    // By the images, where istiod is not asked.
    let run = Mesh::start(forbid(&["pods/portforward", "pods/exec"])).meshctl(&["version", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(
        (run.status, &json["complete"], &json["controlPlane"][0]["version"], &json["dataPlane"][0]["proxies"]),
        (75, &false.into(), &"1.30.1".into(), &3.into())
    );
    // A cluster that is there and does not answer is a gap.
    let mesh = Mesh::start(Faults { token: Some("new".to_owned()), ..Faults::default() });
    let run = mesh.meshctl(&["version"]);
    assert!(run.status == 75 && run.out == client.out && run.err.contains("401"), "{}{}", run.out, run.err);
}

#[cfg(unix)]
#[test]
fn kubectl_runs_it_as_its_plugin() {
    let mesh = Mesh::start(Faults::default());
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_meshctl"), mesh.dir().join("kubectl-mesh")).expect("a link");
    let path = format!("{}:{}", mesh.dir().display(), std::env::var("PATH").unwrap_or_default());
    let run = std::process::Command::new("kubectl")
        .args(["mesh", "pc", "cluster", "cart-1"])
        .env("PATH", path)
        .env("HOME", mesh.dir())
        .env("KUBECONFIG", mesh.dir().join("config"))
        .output();
    let Ok(output) = run else {
        println!("SKIPPED: kubectl is not installed");
        return;
    };
    let run = common::run(output);
    assert_eq!((run.status, run.out), (0, mesh.meshctl(&["pc", "cluster", "cart-1"]).out), "{}", run.err);
}

#[test]
fn a_ztunnel_is_found_by_its_node() {
    let ztunnel = |name: &str, node: &str| {
        let mut pod = pod("istio-system", name, "ztunnel", &[("istio-proxy", "docker.io/istio/ztunnel:1.30.1")]);
        pod["spec"]["nodeName"] = node.into();
        pod
    };
    let mut data = Data::default();
    data.add(resource("", "v1", "pods", "Pod", vec![ztunnel("ztunnel-a", "n1"), ztunnel("ztunnel-b", "n2")]));
    let logging = ("/logging".to_owned(), "current log level is hickory_server::server=off,info\n".to_owned());
    let pages = || [("/config_dump".to_owned(), page("ztunnel.json")), logging.clone()].into_iter().collect();
    let (a, b) = (Admin::start(pages()).expect("an admin port"), Admin::start(pages()).expect("an admin port"));
    data.forward("istio-system", "ztunnel-a", 15000, a.address());
    data.forward("istio-system", "ztunnel-b", 15000, b.address());
    let mesh = Mesh::bare(data, Faults::default());
    for args in [&["zc", "workload", "--node", "n2"][..], &["zc", "--node", "n2", "service"]] {
        let run = mesh.meshctl(args);
        assert!(run.status == 0 && run.err.contains("ztunnel-b.istio-system by port-forward"), "{args:?}: {} {}", run.status, run.err);
    }
    assert_eq!((a.requests().len(), b.requests().len()), (0, 2));
    let run = mesh.meshctl(&["zc", "log", "--node", "n2"]);
    assert!(run.status == 0 && run.out.contains("info"), "{} {}{}", run.status, run.out, run.err);
    let run = mesh.meshctl(&["zc", "log", "ztunnel-b.istio-system", "--level", "debug", "--yes"]);
    assert!(run.status == 0 && b.requests().last().is_some_and(|r| r == "POST /logging?level=debug"), "{} {:?}", run.err, b.requests());
    assert!(run.err.contains("undo it with: meshctl zc log ztunnel-b.istio-system --context dev --reset --yes"), "{}", run.err);
    for (args, status, says) in [
        (&["zc", "workload", "--node", "n3"][..], 1, "no ztunnel runs on the node n3; there is one on n1, n2"),
        (&["zc", "workload", "ztunnel-a", "--node", "n2"], 64, "give one of them"),
        (&["zc", "workload", "--from", "dump.json", "--node", "n2"], 64, "--node selects a ztunnel of a cluster"),
        (&["pc", "cluster", "--node", "n2"], 64, "--node"),
    ] {
        let run = mesh.meshctl(args);
        assert!(run.status == status && run.out.is_empty() && run.err.contains(says), "{args:?}: {} {}", run.status, run.err);
    }
}
