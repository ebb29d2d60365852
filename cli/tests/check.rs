//! `check` on a cluster that test servers play.

use crate::common;
use common::mesh::{Mesh, objects, pod, resource};
use mesh_testserver::apiserver::{Data, Faults};
use serde_json::{Value, json};

fn pem() -> String {
    rcgen::generate_simple_self_signed(["istiod".to_owned()]).expect("a certificate").cert.pem()
}

/// A mesh whose objects are as they should be, trusted by `root`; the webhook by `bundle`.
fn mesh(root: &str, bundle: &str) -> Data {
    let mut data = objects();
    let namespace = |name: &str, injected: bool| {
        let labels = if injected { json!({"istio-injection": "enabled"}) } else { json!({}) };
        json!({"metadata": {"name": name, "labels": labels}})
    };
    data.add(resource("", "v1", "namespaces", "Namespace", vec![namespace("shop", true), namespace("web", false), namespace("istio-system", false)]));
    data.add(resource(
        "",
        "v1",
        "configmaps",
        "ConfigMap",
        vec![json!({"metadata": {"name": "istio-ca-root-cert", "namespace": "istio-system"}, "data": {"root-cert.pem": root}})],
    ));
    let service = json!({"metadata": {"name": "istiod", "namespace": "istio-system"}, "spec": {"selector": {"app": "istiod"}, "ports": [{"name": "https-webhook", "port": 443}]}});
    data.add(resource("", "v1", "services", "Service", vec![service]));
    let webhook = json!({"metadata": {"name": "istio-sidecar-injector"}, "webhooks": [{"name": "namespace.sidecar-injector.istio.io", "failurePolicy": "Fail",
        "clientConfig": {"service": {"name": "istiod", "namespace": "istio-system"}, "caBundle": data_encoding::BASE64.encode(bundle.as_bytes())},
        "namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}}, "objectSelector": {"matchExpressions": [{"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}]}}]});
    data.add(resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", vec![webhook]));
    data
}

#[test]
fn a_page_tells_what_is_wrong_with_its_hint() {
    let root = pem();
    let cluster = Mesh::with(mesh(&root, &root), Faults::default());
    let run = cluster.meshctl(&["check"]);
    assert_eq!(run.status, 79, "{}{}", run.out, run.err);
    for says in [
        "✔ dev answers, Kubernetes v1.36.0",
        "✔ istiod-1 1.30.1 is ready",
        "✔ 2 connected, 0 synced",
        "✖ 1 rejects an update: cart-1.shop",
        "✖ 1 is behind what istiod sent: web-1.web",
        "✖ 1 is connected to no istiod: cart-2.shop",
        "kubectl logs -n shop cart-2 -c istio-proxy",
        "✔ root ",
        "✔ MutatingWebhookConfiguration istio-sidecar-injector reaches its Service, and is trusted",
        "✔ 3 pods have a proxy, 1 is out of the mesh on purpose",
        "▲ shop: cron-1 has no sidecar though the webhook selects it: older than the label",
        "kubectl rollout restart deployment -n shop",
    ] {
        assert!(run.out.contains(says), "{says}:\n{}{}", run.out, run.err);
    }
    // All pods are listed once; beside them only the istiods are looked for.
    let lists = cluster.server.counts().requests().into_iter().filter(|r| r.contains("/pods?") && !r.contains("istiod")).count();
    assert_eq!(lists, 1, "{:?}", cluster.server.counts().requests());
    let json: Value = serde_json::from_str(&cluster.meshctl(&["check", "-o", "json", "-n", "web"]).out).expect("JSON");
    assert_eq!((&json["complete"], &json["fine"]), (&json!(true), &json!(false)), "{json}");
    assert!(!json.to_string().contains("cron-1") && !json.to_string().contains("cart-2"), "{json}");
}

#[test]
fn webhooks_that_can_not_work_are_wrong() {
    let (root, other) = (pem(), pem());
    let line = |data: Data| {
        let run = Mesh::with(data, Faults::default()).meshctl(&["check"]);
        run.out.lines().find(|l| l.contains("istio-sidecar-injector")).unwrap_or(&run.err).trim().to_owned()
    };
    assert!(line(mesh(&root, &other)).starts_with("▲ MutatingWebhookConfiguration istio-sidecar-injector: its caBundle is none of the mesh's roots"));
    assert!(line(mesh(&root, "")).contains("it has no caBundle"));
    assert!(line(mesh(&root, "x")).contains("its caBundle holds no certificate"));
    let mut data = mesh(&root, &root);
    let mut second = pod("istio-system", "istiod-2", "istiod", &[("discovery", "pilot:1.30.1")]);
    second["status"] = json!({"phase": "Pending", "containerStatuses": [{"name": "discovery", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]});
    data.add(resource("", "v1", "pods", "Pod", vec![second]));
    let run = Mesh::with(data, Faults::default()).meshctl(&["check"]);
    assert!(run.out.contains("✖ istiod-2 1.30.1 is not ready: ImagePullBackOff"), "{}", run.out);
}

#[test]
fn what_was_not_seen_is_no_reason_to_be_content() {
    let root = pem();
    let forbidden = ["pods/portforward", "pods/exec", "namespaces"].map(str::to_owned).into();
    let run = Mesh::with(mesh(&root, &root), Faults { forbidden, ..Faults::default() }).meshctl(&["check"]);
    assert_eq!(run.status, 75, "{}{}", run.out, run.err);
    assert!(run.out.contains("? the proxies' state: istiod-1.istio-system is not reached") && run.out.contains("? which pods lack a sidecar"), "{}", run.out);
    let run = Mesh::with(mesh(&root, &root), Faults { token: Some("new".into()), ..Faults::default() }).meshctl(&["check"]);
    assert!(run.status == 1 && run.out.is_empty() && run.err.contains("401"), "{}{}", run.out, run.err);
}

#[test]
fn ambient_pods_are_in_the_mesh_and_those_not_taken_are_named() {
    let root = pem();
    let mut data = mesh(&root, &root);
    let labels = json!({"istio.io/dataplane-mode": "ambient"});
    data.add(resource("", "v1", "namespaces", "Namespace", vec![json!({"metadata": {"name": "amb", "labels": labels}})]));
    let mut taken = pod("amb", "tea-1", "tea", &[("tea", "example/tea:1")]);
    taken["metadata"]["annotations"] = json!({"ambient.istio.io/redirection": "enabled"});
    let missed = pod("amb", "milk-1", "milk", &[("milk", "example/milk:1")]);
    data.add(resource("", "v1", "pods", "Pod", vec![taken, missed]));
    let run = Mesh::with(data, Faults::default()).meshctl(&["check", "-n", "amb"]);
    assert!(run.out.contains("1 pod is in ambient mode, taken by ztunnels"), "{}{}", run.out, run.err);
    assert!(run.out.contains("amb: milk-1 labelled for ambient mode, and not taken by ztunnel"), "{}{}", run.out, run.err);
    assert!(!run.out.contains("plaintext") && !run.out.contains("tea-1 has no sidecar"), "{}", run.out);
}
