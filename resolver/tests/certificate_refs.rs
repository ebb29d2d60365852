//! Of a listener's `certificateRefs` one that is missing: what istiod makes of the others, and what `why` says of it.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use mesh_resolver::why::{Mark, Question, Url, Why};

fn snapshot(refs: &str) -> Snapshot {
    let secret = |name: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: shop}}, type: kubernetes.io/tls, data: {{tls.crt: YQ==, tls.key: YQ==}}}}\n"
        )
    };
    let text = [
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n".to_owned(),
        "---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: gw-istio, namespace: shop}, spec: {selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: gw}}, template: {metadata: {labels: {gateway.networking.k8s.io/gateway-name: gw}}, spec: {containers: [{name: istio-proxy, image: proxyv2, ports: [{containerPort: 443}]}]}}}}\n".to_owned(),
        "---\n{apiVersion: v1, kind: Service, metadata: {name: gw-istio, namespace: shop}, spec: {selector: {gateway.networking.k8s.io/gateway-name: gw}, ports: [{name: https, port: 443, targetPort: 443}]}}\n".to_owned(),
        "---\n{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}\n".to_owned(),
        secret("rsa"),
        secret("ecdsa"),
        secret("bare").replace(", tls.key: YQ==", ""),
        format!(
            "---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: gw, namespace: shop}}, spec: {{gatewayClassName: istio, listeners: [{{name: https, port: 443, protocol: HTTPS, tls: {{certificateRefs: [{refs}]}}}}]}}}}\n"
        ),
        "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: cart, namespace: shop}, spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: cart, port: 80}]}]}}\n".to_owned(),
    ]
    .concat();
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

/// The secrets are those that a real istiod names; one that is not in the input may be there, one without a key is none.
#[test]
fn of_several_those_count_that_can_be_had() {
    for (refs, secrets) in [
        ("{name: rsa}, {name: ecdsa}", &["kubernetes-gateway://shop/rsa", "kubernetes-gateway://shop/ecdsa"][..]),
        ("{name: rsa}, {name: bare}", &["kubernetes-gateway://shop/rsa"]),
        ("{name: bare}, {name: rsa}", &["default"]),
    ] {
        let snapshot = snapshot(refs);
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let resources = model.translate(&model.proxy_of(0)).resources();
        let of_chain = |c: &serde_json::Value| c.pointer("/transportSocket/typedConfig/commonTlsContext/tlsCertificateSdsSecretConfigs").cloned();
        let listeners = resources["listeners"].as_array().expect("listeners");
        let configs = listeners.iter().flat_map(|l| l["filterChains"].as_array().into_iter().flatten()).find_map(of_chain).expect("a server with TLS");
        let names: Vec<&str> = configs.as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
        assert_eq!(names, secrets, "{refs}");
    }
}

#[test]
fn one_that_is_missing_costs_the_others_only_where_it_is_the_first() {
    for (refs, expected) in [
        ("{name: rsa}, {name: ecdsa}", None),
        ("{name: rsa}, {name: gone}", Some((Mark::Doubtful, "the server has its other certificate alone"))),
        ("{name: gone}, {name: rsa}", Some((Mark::Doubtful, "the server shows the gateway's own certificate of the mesh"))),
        ("{name: gone}, {name: lost}", Some((Mark::Broken, "closes every connection"))),
        ("{name: gone}", Some((Mark::Broken, "closes every connection"))),
    ] {
        let snapshot = snapshot(refs);
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let answer = Why::new(&model, &[]).ask("gw-istio.shop", None, &Question::get(Url::parse("https://a.example/").expect("a URL"))).expect("an answer");
        let of_secret = answer.parts.iter().flat_map(|p| &p.steps).find(|s| s.says.contains("Secret"));
        assert_eq!(of_secret.map(|s| s.mark), expected.map(|(mark, _)| mark), "{refs}: {:?}", answer.parts);
        assert!(of_secret.zip(expected).is_none_or(|(s, (_, says))| s.says.contains(says)), "{refs}: {of_secret:?}");
    }
}
