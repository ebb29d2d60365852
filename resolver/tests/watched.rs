//! Namespaces that istiod does not watch (`discoverySelectors`): what is in them is not there for any proxy, and that is said.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use mesh_resolver::why::{Answer, AskError, Mark, Question, Url, Why};

const SELECTORS: &str = "[{matchLabels: {mesh: \"on\"}}]";

fn service(namespace: &str, name: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80}}]}}}}\n\
         ---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}, sidecar.istio.io/inject: \"true\"}}}}, spec: {{containers: [{{name: app, ports: [{{containerPort: 80}}]}}, {{name: istio-proxy, image: proxyv2}}]}}, status: {{phase: Running, podIP: 10.0.0.{}}}}}\n",
        10 * namespace.len() + name.len()
    )
}

/// `shop` is watched, `old` is not, and of `far` there is no Namespace.
fn snapshot(selectors: &str, more: &str) -> Snapshot {
    let text = [
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: istio, namespace: istio-system}}, data: {{mesh: 'discoverySelectors: {selectors}'}}}}\n"),
        "---\n{apiVersion: v1, kind: Namespace, metadata: {name: istio-system, labels: {mesh: \"on\", istio-injection: enabled}}}\n".to_owned(),
        "---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {mesh: \"on\", istio-injection: enabled}}}\n".to_owned(),
        "---\n{apiVersion: v1, kind: Namespace, metadata: {name: old, labels: {mesh: \"off\", istio-injection: enabled}}}\n".to_owned(),
        service("shop", "web"),
        service("shop", "cart"),
        service("old", "store"),
        more.to_owned(),
    ]
    .concat();
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

fn ask(snapshot: &Snapshot, from: &str, url: &str) -> Result<Answer, AskError> {
    let mesh = Mesh::as_watched(snapshot, "cluster.local");
    let model = Model::supposing(&mesh);
    Why::new(&model, &[]).ask(from, None, &Question::get(Url::parse(url).expect("a URL")))
}

fn said(answer: &Answer) -> String {
    answer.parts.iter().flat_map(|p| &p.steps).map(|s| s.says.clone()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_service_that_is_not_watched_is_an_address_outside() {
    let all = snapshot("[]", "");
    assert_eq!(ask(&all, "web.shop", "http://store.old/").expect("an answer").mark(), Mark::Good);
    let some = snapshot(SELECTORS, "");
    let answer = ask(&some, "web.shop", "http://store.old/").expect("an answer");
    assert!(answer.mark() != Mark::Good && said(&answer).contains("Service old/store is in namespace old, which istiod does not watch"), "{}", said(&answer));
    let within = ask(&some, "web.shop", "http://cart.shop/").expect("an answer");
    assert!(within.mark() == Mark::Good && within.is_complete(), "{}", said(&within));
    let error = ask(&some, "store.old", "http://cart.shop/").expect_err("nobody");
    assert_eq!(error, AskError::Unwatched("store.old".to_owned(), "old".to_owned()));
}

#[test]
fn a_route_to_a_service_that_is_not_watched_leads_nowhere() {
    let rule = "---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: cart, namespace: shop}, spec: {hosts: [cart], http: [{route: [{destination: {host: store.old.svc.cluster.local}}]}]}}\n";
    let answer = ask(&snapshot(SELECTORS, rule), "web.shop", "http://cart.shop/").expect("an answer");
    assert!(answer.mark() == Mark::Broken && said(&answer).contains("istiod does not watch namespace old"), "{}", said(&answer));
    // What is written in such a namespace has no effect.
    let elsewhere = rule.replace("namespace: shop", "namespace: old").replace("hosts: [cart]", "hosts: [cart.shop.svc.cluster.local]");
    assert_eq!(ask(&snapshot(SELECTORS, &elsewhere), "web.shop", "http://cart.shop/").expect("an answer").mark(), Mark::Good);
}

#[test]
fn a_namespace_whose_labels_are_not_known_is_not_judged() {
    let unseen = snapshot(SELECTORS, &service("far", "bank"));
    let answer = ask(&unseen, "web.shop", "http://cart.shop/").expect("an answer");
    assert!(!answer.is_complete());
    let mesh = Mesh::as_watched(&unseen, "cluster.local");
    assert!(mesh.left_out().unknown.contains_key("far") && mesh.left_out().unwatched.keys().eq([&"old"]), "{:?}", mesh.left_out());
    // By its name it is known.
    let named = "[{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [shop, far, istio-system]}]}]";
    let answer = ask(&snapshot(named, &service("far", "bank")), "web.shop", "http://bank.far/").expect("an answer");
    assert!(answer.mark() == Mark::Good && answer.is_complete(), "{}", said(&answer));
    // A selector that Kubernetes would refuse has istiod watch everything.
    let odd = snapshot("[{matchExpressions: [{key: mesh, operator: Is, values: [a]}]}]", "");
    assert_eq!(ask(&odd, "web.shop", "http://store.old/").expect("an answer").mark(), Mark::Good);
}
