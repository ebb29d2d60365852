//! `logs` and `changes` on a cluster that test servers play.

use crate::common;
use common::mesh::{Mesh, objects, pod, resource};
use mesh_testserver::admin::Admin;
use mesh_testserver::apiserver::{Data, Faults};
use serde_json::{Value, json};

const FAILED: &str = r#"[2026-11-22T11:39:10.000Z] "GET /reviews/0?token=planted-secret HTTP/1.1" 503 UF upstream_reset_before_response_started{remote_connection_failure} - "delayed_connect_error:_Connection_refused" 0 95 50 - "-" "curl/8" "id-1" "reviews:9080" "10.0.0.9:9080" outbound|9080||reviews.shop.svc.cluster.local 10.0.0.1:1 10.0.0.2:9080 10.0.0.3:1 - default"#;
const FINE: &str = r#"[2026-11-22T11:39:20.000Z] "GET /ok HTTP/1.1" 200 - via_upstream - "-" 0 95 5 4 "-" "curl/8" "id-2" "reviews:9080" "10.0.0.9:9080" outbound|9080||reviews.shop.svc.cluster.local 10.0.0.1:1 10.0.0.2:9080 10.0.0.3:1 - default"#;

fn with_logs(mut data: Data) -> Data {
    data.log(
        "shop",
        "cart-1",
        "cart",
        &[("2026-11-22T11:00:00Z", "started"), ("2026-11-22T11:39:15.5Z", "cart: no reviews\u{1b}[31m"), ("2026-11-22T11:39:30Z", "done")],
    );
    data.log("shop", "cart-1", "istio-proxy", &[("2026-11-22T11:39:10.25Z", FAILED), ("2026-11-22T11:39:20.1Z", FINE)]);
    data.log("shop", "cart-2", "cart", &[("2026-11-22T11:39:16Z", "from the second")]);
    data.log("shop", "cart-2", "istio-proxy", &[("2026-11-22T11:00:00Z", "2026-11-22T11:00:00.1Z\tinfo\tEnvoy proxy is ready")]);
    data
}

#[test]
fn an_app_and_its_proxy_are_merged_by_time() {
    let mesh = Mesh::with(with_logs(objects()), Faults::default());
    let run = mesh.meshctl(&["logs", "deployment/cart"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let order: Vec<&str> = run.out.lines().map(|l| l.split_once(' ').map_or("", |(_, rest)| rest)).collect();
    assert!(order[0] == "cart started" && order[1].starts_with("istio-proxy [2026") && order[2].starts_with("cart cart: no reviews"), "{}", run.out);
    assert!(order[3].contains("/ok") && order[4] == "cart done" && order.len() == 5, "{}", run.out);
    assert!(!run.out.contains("planted-secret") && !run.out.contains('\u{1b}'), "{}", run.out);
    let run = mesh.meshctl(&["logs", "cart-1", "--since", "1m", "-o", "json"]);
    let json: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(
        (&json["complete"], json["lines"].as_array().map(Vec::len), &json["lines"][0]["container"]),
        (&json!(true), Some(4), &json!("istio-proxy")),
        "{json}"
    );
    assert!(!run.out.contains("planted-secret"));

    let run = mesh.meshctl(&["logs", "-l", "app=cart", "--all-pods", "--tail", "1", "--container", "cart"]);
    assert!(run.out.contains("cart-1.shop cart done") && run.out.contains("cart-2.shop cart from the second"), "{}", run.out);
    for args in [&["logs", "cart-1", "--failed"][..], &["logs", "cart-1", "--flag", "uh,UF"]] {
        let run = mesh.meshctl(args);
        assert!(run.status == 0 && run.out.lines().count() == 1 && run.out.contains("503 UF"), "{args:?}: {}{}", run.out, run.err);
    }
    assert_eq!(mesh.meshctl(&["logs", "cart-1", "--flag", "NR"]).out, "");
    let run = mesh.meshctl(&["logs", "cart-1", "--explain"]);
    assert!(run.status == 0 && run.out.contains("UF"), "{}{}", run.out, run.err);
}

#[test]
fn where_there_is_no_access_log_the_object_that_turns_it_on_is_shown() {
    let mesh = Mesh::with(with_logs(objects()), Faults::default());
    let run = mesh.meshctl(&["logs", "cart-2"]);
    assert!(
        run.status == 0 && run.err.contains("access logs are off") && run.err.contains("kind: Telemetry") && run.err.contains("namespace: shop}"),
        "{}",
        run.err
    );
    for (args, status, says) in [
        (&["logs"][..], 64, "whose logs?"),
        (&["logs", "cart-1", "--container", "nosuch"], 64, "it has cart, istio-proxy"),
        (&["logs", "cart-1", "--since", "soon"], 64, "--since"),
        (&["logs", "cron-1"], 1, "no container istio-proxy"),
    ] {
        let run = mesh.meshctl(args);
        assert!(run.status == status && run.err.contains(says), "{args:?}: {} {}", run.status, run.err);
    }
    let forbidden = ["pods/log".to_owned()].into();
    let run = Mesh::with(with_logs(objects()), Faults { forbidden, ..Faults::default() }).meshctl(&["logs", "cart-1"]);
    assert!(run.status == 1 && run.err.contains("resources: [pods/log], verbs: [get]"), "{} {}", run.status, run.err);
}

fn changed() -> Data {
    let mut data = objects();
    let managed = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields});
    let vs = json!({"metadata": {"name": "cart", "namespace": "shop", "creationTimestamp": "2026-11-20T10:00:00Z", "managedFields": [
        managed("argocd-controller", "2026-11-20T10:00:00Z", json!({"f:spec": {"f:hosts": {}}})),
        managed("kubectl-edit", "2026-11-22T11:38:00Z", json!({"f:spec": {"f:http": {}}}))]}, "spec": {"hosts": ["cart"]}});
    data.add(resource("networking.istio.io", "v1", "virtualservices", "VirtualService", vec![vs]));
    // A lock that istiod renews is no change.
    let lock = json!({"metadata": {"name": "istio-leader", "namespace": "istio-system", "creationTimestamp": "2026-11-20T10:00:00Z",
        "annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}, "managedFields": [managed("pilot-discovery", "2026-11-22T11:39:59Z", json!({}))]}});
    data.add(resource("", "v1", "configmaps", "ConfigMap", vec![lock]));
    let set = json!({"metadata": {"name": "cart-8", "namespace": "shop", "creationTimestamp": "2026-11-22T11:36:00Z", "ownerReferences": [{"kind": "Deployment", "name": "cart", "controller": true}]}});
    data.add(resource("apps", "v1", "replicasets", "ReplicaSet", vec![set]));
    let mut broken = pod("shop", "cart-8-x", "cart", &[("cart", "cart:2")]);
    broken["status"]["containerStatuses"] = json!([{"name": "cart", "restartCount": 3, "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-22T11:37:00Z"}}}]);
    data.add(resource("", "v1", "pods", "Pod", vec![broken]));
    let event = |kind: &str, reason: &str, at: &str| {
        json!({"metadata": {"name": reason, "namespace": "shop"}, "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "cart-8-x"}, "type": kind, "reason": reason,
            "message": "Back-off restarting failed container", "lastTimestamp": at, "eventTime": null, "count": 4, "source": {"component": "kubelet"}})
    };
    data.add(resource(
        "",
        "v1",
        "events",
        "Event",
        vec![
            event("Warning", "BackOff", "2026-11-22T11:37:30Z"),
            event("Normal", "Pulled", "2026-11-22T11:37:31Z"),
            event("Warning", "Old", "2026-11-22T10:00:00Z"),
        ],
    ));
    data
}

#[test]
fn what_has_changed_is_told_in_order_of_time_with_who_did_it() {
    let mesh = Mesh::with(changed(), Faults::default());
    let run = mesh.meshctl(&["changes"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let lines: Vec<&str> = run.out.lines().skip(1).collect();
    let has = |n: usize, words: &[&str]| words.iter().all(|w| lines[n].contains(w));
    let at = |word: &str| lines.iter().position(|l| l.contains(word)).unwrap_or_else(|| panic!("{word}: {}", run.out));
    assert!(has(at("rolled out"), &["2026-11-22T11:36:00Z", "Deployment shop/cart", "as ReplicaSet cart-8"]), "{}", run.out);
    assert!(has(at("restarted"), &["2026-11-22T11:37:00Z", "Pod shop/cart-8-x", "container cart: OOMKilled (exit 137), 3 times so far"]), "{}", run.out);
    assert!(has(at("BackOff"), &["event", "kubelet", "(4 times)"]), "{}", run.out);
    assert!(has(at("kubectl-edit"), &["2026-11-22T11:38:00Z", "updated", "VirtualService shop/cart", "of its fields spec.http"]), "{}", run.out);
    assert!(at("rolled out") < at("restarted") && at("restarted") < at("BackOff") && at("BackOff") < at("kubectl-edit"), "{}", run.out);
    // What istiod sent, and who did not take it.
    assert!(has(at("LDS of cart-1.shop"), &["rejected", "Permission denied"]), "{}", run.out);
    assert!(has(at("2026-11-22T11:38:30Z"), &["CDS", "istiod", "to 2 proxies"]), "{}", run.out);
    assert!(!run.out.contains("istio-leader"), "{}", run.out);
    assert!(!run.out.contains("argocd") && !run.out.contains("Pulled") && !run.out.contains("Old:"), "{}", run.out);
    let run = mesh.meshctl(&["changes", "--since", "72h", "-o", "json"]);
    let json: Value = serde_json::from_str(&run.out).expect("JSON");
    assert!(json["changes"].as_array().is_some_and(|l| l.iter().any(|c| c["what"] == "created" && c["who"] == "argocd-controller")), "{json}");
    assert!(mesh.meshctl(&["changes", "-n", "web"]).out.lines().all(|l| !l.contains("shop/cart")));
    // Beside a proxy when it took each resource over.
    let run = mesh.meshctl(&["changes", "cart-1", "--since", "1h"]);
    assert!(run.out.contains("taken over") && run.out.contains("cart-1.shop"), "{}{}", run.out, run.err);
}

#[test]
fn a_prometheus_tells_what_was_pushed_and_refused_over_time() {
    let answer = json!({"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"type": "eds"}, "values": [[1_795_347_420, "3"], [1_795_347_480, "0"]]}]}});
    let prometheus = Admin::start([("/api/v1/query_range".to_owned(), answer.to_string())].into()).expect("a Prometheus");
    let mesh = Mesh::with(changed(), Faults::default());
    let run = mesh.meshctl(&["changes", "--prometheus", &format!("http://{}", prometheus.address())]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let line = |word: &str| run.out.lines().find(|l| l.contains(word)).unwrap_or_else(|| panic!("{word}: {}", run.out)).to_owned();
    assert!(line("pushed").contains("EDS") && line("3 pushes until").contains("istiod"), "{}", run.out);
    assert!(line("3 answers until").contains("rejected"), "{}", run.out);
    let asked = prometheus.requests();
    assert!(asked.len() == 2 && asked.iter().all(|r| r.contains("step=60") && r.contains("increase")), "{asked:?}");
    // One that does not answer costs that part.
    drop(prometheus);
    let run = mesh.meshctl(&["changes", "--prometheus", "http://127.0.0.1:1"]);
    assert!(run.status == 75 && run.out.contains("kubectl-edit") && run.err.contains("what istiod pushed over time"), "{}{}", run.out, run.err);
}

#[test]
fn what_can_not_be_read_of_changes_is_named() {
    let forbidden = ["events", "pods/portforward", "pods/exec"].map(str::to_owned).into();
    let run = Mesh::with(changed(), Faults { forbidden, ..Faults::default() }).meshctl(&["changes"]);
    assert!(run.status == 75 && run.out.contains("kubectl-edit"), "{}{}", run.out, run.err);
    assert!(
        run.err.contains("events: the API server answers 403") && run.err.contains("what istiod sent: istiod-1.istio-system is not reached"),
        "{}",
        run.err
    );
    assert_eq!(Mesh::with(changed(), Faults::default()).meshctl(&["changes", "--since", "soon"]).status, 64);
}
