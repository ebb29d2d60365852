//! Ambient mode where the Namespace is not in the input: whether its labels ask for a waypoint, or let it in at one, is left open.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use mesh_resolver::who_can::{Asked, May, access};
use mesh_resolver::why::{Mark, Question, Url, Why};

fn snapshot(service_labels: &str, selector: &str, completeness: Completeness) -> Snapshot {
    let workload = |name: &str| {
        format!(
            "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: shop}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}, istio.io/dataplane-mode: ambient}}}}, spec: {{serviceAccountName: {name}, containers: [{{name: app, ports: [{{containerPort: 8080}}]}}]}}}}}}}}\n"
        )
    };
    let text = [
        workload("cart"),
        workload("web"),
        format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: cart, namespace: shop, labels: {{{service_labels}}}}}, spec: {{selector: {{app: cart}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}}}\n"
        ),
        format!(
            "---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: wp, namespace: infra}}, spec: {{gatewayClassName: istio-waypoint, listeners: [{{name: mesh, port: 15008, protocol: HBONE, allowedRoutes: {{namespaces: {{from: Selector, selector: {{matchLabels: {{{selector}}}}}}}}}}}]}}}}\n"
        ),
    ]
    .concat();
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = completeness;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

#[test]
fn labels_of_a_namespace_that_was_not_seen_are_left_open() {
    const THERE: &str = "istio.io/use-waypoint: wp, istio.io/use-waypoint-namespace: infra";
    const BY_NAME: &str = "kubernetes.io/metadata.name: shop";
    use Completeness::{Complete, Part};
    for (labels, selector, completeness, mark, says) in [
        (THERE, "team: a", Part, Mark::NotJudged, "unless it goes to waypoint infra/wp"),
        (THERE, "team: a", Complete, Mark::Good, "reaches Deployment shop/cart, port 8080"),
        (THERE, BY_NAME, Part, Mark::Good, "reaches Deployment shop/cart, port 8080"),
        ("", BY_NAME, Part, Mark::NotJudged, "unless a waypoint stands before it"),
        ("", BY_NAME, Complete, Mark::Good, "reaches Deployment shop/cart, port 8080"),
        ("istio.io/use-waypoint: none", BY_NAME, Part, Mark::Good, "reaches Deployment shop/cart, port 8080"),
    ] {
        let snapshot = snapshot(labels, selector, completeness);
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let answer = Why::new(&model, &[]).ask("web.shop", None, &Question::get(Url::parse("http://cart.shop/").expect("a URL"))).expect("an answer");
        let outcome = &answer.outcomes[0];
        assert_eq!((outcome.mark, answer.outcomes.len()), (mark, 1), "{labels} {selector}: {:?}", answer.parts);
        assert!(outcome.says.contains(says), "{labels} {selector}: {}", outcome.says);
        let found = access(&model, 0, 8080, &Asked::default(), &["cluster.local/ns/shop/sa/web".into()], true);
        let is_open = matches!(&found.callers[0].1, May::If(_));
        assert_eq!((is_open, found.not_judged.is_empty()), (mark == Mark::NotJudged, mark != Mark::NotJudged), "{labels} {selector}: {found:?}");
    }
}

#[test]
fn a_service_without_a_selector_is_judged_by_endpoint_slices_that_were_seen() {
    let text = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, annotations: {sidecar.istio.io/status: '{}'}}, spec: {containers: [{name: app}, {name: istio-proxy}]}, status: {podIP: 10.1.0.1}}
---
{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.7, ports: [{name: http, port: 80}]}}
";
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    let mark = |snapshot: &Snapshot| {
        let mesh = Mesh::new(snapshot);
        let model = Model::new(&mesh);
        assert!(mesh.is_complete(), "nobody else asks for them");
        Why::new(&model, &[]).ask("web.shop", None, &Question::get(Url::parse("http://cart.shop/").expect("a URL"))).expect("an answer").outcomes[0].mark
    };
    assert_eq!(mark(&snapshot), Mark::Broken);
    snapshot.unseen.insert((0, mesh_model::Kind::EndpointSlice));
    assert_eq!(mark(&snapshot), Mark::NotJudged);
}
