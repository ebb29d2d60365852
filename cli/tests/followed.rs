//! Commands that follow a cluster: they list once, and then see what changes; a server that restarts costs nothing.

use crate::common;
use common::mesh::{Mesh, objects, pod, resource};
use mesh_testserver::admin::Admin;
use mesh_testserver::apiserver::{Data, Faults, StreamingLists};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn logs() -> Data {
    let mut data = objects();
    data.log("shop", "cart-1", "cart", &[("2026-11-22T11:39:00Z", "one"), ("2026-11-22T11:39:01.25Z", "two")]);
    data.log("shop", "cart-1", "istio-proxy", &[]);
    data.log("shop", "cart-2", "cart", &[("2026-11-22T11:39:02Z", "of the second")]);
    data.log("shop", "cart-2", "istio-proxy", &[]);
    data
}

#[test]
fn a_log_is_taken_up_where_it_broke_off_and_ends_with_its_pod() {
    let mesh = Mesh::with(logs(), Faults::default());
    let mut followed = mesh.start_meshctl(&["logs", "cart-1", "-f"]);
    followed.until("what there is", |out| out.contains("cart two"));
    mesh.server.say("shop", "cart-1", "cart", "2026-11-22T11:39:01.5Z", "three");
    followed.until("what comes", |out| out.contains("cart three"));
    mesh.server.restart(Duration::from_millis(600));
    mesh.server.say("shop", "cart-1", "cart", "2026-11-22T11:39:01.75Z", "four");
    followed.until("what came meanwhile", |out| out.contains("cart four"));
    mesh.server.remove("/v1/pods", "shop", "cart-1");
    assert_eq!(followed.end(), Some(0), "{}", followed.err());
    let out = followed.out();
    let lines: Vec<&str> = out.lines().filter_map(|l| l.rsplit(' ').next()).collect();
    assert_eq!(lines, ["one", "two", "three", "four"], "each once, in order");
}

#[test]
fn the_pods_that_come_to_a_workload_are_followed_too() {
    let mesh = Mesh::with(logs(), Faults::default());
    let one = mesh.start_meshctl(&["logs", "deployment/cart", "-f"]);
    one.until("the first pod", |out| out.contains("cart-1.shop cart two"));
    assert!(!one.out().contains("of the second"), "one pod of a workload: {}", one.out());
    let all = mesh.start_meshctl(&["logs", "-l", "app=cart", "--all-pods", "-f"]);
    all.until("both pods", |out| out.contains("cart two") && out.contains("of the second"));

    mesh.server.say("shop", "cart-3", "cart", "2026-11-22T11:39:03Z", "of the third");
    mesh.server.say("shop", "cart-3", "istio-proxy", "2026-11-22T11:39:03Z", "info");
    mesh.server.apply("/v1/pods", pod("shop", "cart-3", "cart", &[("cart", "cart:1"), ("istio-proxy", "p:1")]));
    all.until("the new pod", |out| out.contains("cart-3.shop cart of the third"));
    assert!(all.err().contains("cart-3.shop is followed now"), "{}", all.err());
    mesh.server.remove("/v1/pods", "shop", "cart-1");
    one.until("another pod in its place", |out| out.contains("of the second") || out.contains("of the third"));
}

fn list_requests(mesh: &Mesh, plural: &str) -> usize {
    let path = format!("/{plural}?");
    mesh.server.counts().requests().iter().filter(|r| r.contains(&path) && (!r.contains("watch=true") || r.contains("sendInitialEvents"))).count()
}

/// A mesh in which nothing is wrong but that its istiod is not ready.
fn waiting(is_ready: bool) -> (Data, Value, Admin) {
    let istiod = Admin::start([("/debug/syncz".to_owned(), "[]".to_owned())].into()).expect("an istiod");
    let mut ready = pod("istio-system", "istiod-1", "istiod", &[("discovery", "docker.io/istio/pilot:1.30.1")]);
    let mut not_ready = ready.clone();
    not_ready["status"]["conditions"][0]["status"] = json!("False");
    if is_ready {
        std::mem::swap(&mut ready, &mut not_ready);
    }
    let mut data = Data::default();
    data.add(resource("", "v1", "pods", "Pod", vec![not_ready]));
    data.add(resource("", "v1", "services", "Service", Vec::new()));
    data.add(resource("", "v1", "namespaces", "Namespace", vec![json!({"metadata": {"name": "istio-system"}})]));
    data.forward("istio-system", "istiod-1", 15014, istiod.address());
    (data, ready, istiod)
}

#[test]
fn check_waits_for_what_changes_and_lists_nothing_twice() {
    for streaming_lists in [StreamingLists::Served, StreamingLists::Failing] {
        let (data, ready, istiod) = waiting(false);
        let mut mesh = Mesh::bare(data, Faults { streaming_lists, ..Faults::default() });
        mesh.istiod = istiod;
        let mut waits = mesh.start_meshctl(&["check", "--wait", "50s"]);
        let until = Instant::now() + Duration::from_secs(30);
        while !waits.err().contains("not fine yet") && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        mesh.server.restart(Duration::from_millis(200));
        mesh.server.apply("/v1/pods", ready);
        assert_eq!(waits.end(), Some(0), "{}{}", waits.out(), waits.err());
        assert!(waits.out().contains("✔ istiod-1 1.30.1 is ready"), "{}", waits.out());
        let most = if streaming_lists == StreamingLists::Served { 1 } else { 2 };
        assert!(list_requests(&mesh, "services") <= most, "{:?}", mesh.server.counts().requests());
    }
}

#[test]
fn check_gives_up_when_its_time_is_over() {
    let (data, _, istiod) = waiting(false);
    let mut mesh = Mesh::bare(data, Faults::default());
    mesh.istiod = istiod;
    let start = Instant::now();
    let run = mesh.meshctl(&["check", "--wait", "1s"]);
    assert!(run.status == 79 && run.out.contains("✖ istiod-1 1.30.1 is not ready"), "{} {}{}", run.status, run.out, run.err);
    assert!(start.elapsed() < Duration::from_secs(30));
    // A cluster that is not there is no answer, after the same time.
    let mesh = Mesh::bare(Data::default(), Faults { token: Some("other".into()), ..Faults::default() });
    let run = mesh.meshctl(&["check", "--wait", "1s"]);
    assert!(run.status == 1 && run.err.contains("401"), "{} {}{}", run.status, run.out, run.err);
}
