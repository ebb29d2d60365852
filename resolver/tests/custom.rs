//! Policies that ask an outside party (`action: CUSTOM`), where the mesh configuration that says who that is was not given.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::Model;
use mesh_resolver::who_can::{Asked, Caller, May, access};
use mesh_resolver::why::{Mark, Question, Url, Why};

const SIDECARS: &str = "istio-injection: enabled";
const WAYPOINT: &str = "istio.io/dataplane-mode: ambient, istio.io/use-waypoint: wp";

fn policy(name: &str, provider: &str, target: &str) -> String {
    format!(
        "---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: {name}, namespace: shop}}, spec: {{{target}, action: CUSTOM, provider: {{name: {provider}}}, rules: [{{to: [{{operation: {{paths: [/admin]}}}}]}}]}}}}\n"
    )
}

fn snapshot(labels: &str, policies: &str, completeness: Completeness) -> Snapshot {
    let workload = |name: &str| {
        format!(
            "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: shop}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{serviceAccountName: {name}, containers: [{{name: app, ports: [{{containerPort: 8080}}]}}]}}}}}}}}\n\
             ---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: shop}}, spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: tcp, port: 81, targetPort: 8080}}, {{name: tcp-raw, port: 82, targetPort: 8082}}]}}}}\n"
        )
    };
    let text = [
        &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{{labels}}}}}}}\n"),
        &workload("cart"),
        &workload("web"),
        "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: wp, namespace: shop}, spec: {gatewayClassName: istio-waypoint}}\n",
        policies,
    ]
    .concat();
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = completeness;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

fn ask(snapshot: &Snapshot, url: &str) -> (Mark, Option<u16>) {
    let mesh = Mesh::new(snapshot);
    let model = Model::supposing(&mesh);
    let answer = Why::new(&model, &[]).ask("web.shop", None, &Question::get(Url::parse(url).expect("a URL"))).expect("an answer");
    assert!(answer.parts.iter().flat_map(|p| &p.steps).filter(|s| s.mark == Mark::NotJudged).all(|s| s.thing.is_some()), "{:?}", answer.parts);
    (answer.outcomes.iter().map(|o| o.mark).max().expect("an outcome"), answer.outcomes[0].status)
}

fn may(snapshot: &Snapshot, path: &str) -> May {
    let mesh = Mesh::new(snapshot);
    let model = Model::supposing(&mesh);
    let asked = Asked { method: Some("GET".to_owned()), path: Some(path.to_owned()), ..Asked::default() };
    let identity = "cluster.local/ns/shop/sa/web".into();
    let found = access(&model, 0, 8080, &asked, &[identity], true);
    found.callers.into_iter().find_map(|(c, may)| matches!(c, Caller::Identity(_)).then_some(may)).expect("an answer")
}

#[test]
fn a_provider_that_was_not_seen_is_not_judged_missing() {
    let at_service = policy("ask", "opa", "targetRefs: [{kind: Service, group: '', name: cart}]");
    let at_workload = policy("ask", "opa", "selector: {matchLabels: {app: cart}}");
    for (labels, policies) in [(WAYPOINT, &at_service), (SIDECARS, &at_workload)] {
        let part = snapshot(labels, policies, Completeness::Part);
        assert_eq!(ask(&part, "http://cart.shop/admin"), (Mark::NotJudged, None), "{labels}");
        // What it does not cover is nothing that a provider decides.
        assert_eq!(ask(&part, "http://cart.shop/"), (Mark::Good, None), "{labels}");
        assert!(matches!(may(&part, "/admin"), May::If(list) if list[0].wants == "its provider allows it"), "{labels}");
        assert_eq!(may(&part, "/"), May::Always, "{labels}");
        let whole = snapshot(labels, policies, Completeness::Complete);
        assert_eq!(ask(&whole, "http://cart.shop/admin"), (Mark::Broken, Some(403)), "{labels}");
        assert!(matches!(may(&whole, "/admin"), May::Never(_)), "{labels}");
        // Of several providers at one proxy none is asked, whatever the mesh configuration says.
        let two = snapshot(labels, &(policies.clone() + &policies.replace("name: ask", "name: more").replace("opa", "other")), Completeness::Part);
        assert_eq!(ask(&two, "http://cart.shop/admin"), (Mark::Broken, Some(403)), "{labels}");
        assert!(matches!(may(&two, "/admin"), May::Never(_)), "{labels}");
    }
}

#[test]
fn policies_of_another_service_leave_nothing_open_at_a_waypoint() {
    let of_web = policy("ask", "opa", "targetRefs: [{kind: Service, group: '', name: web}]");
    let of_cart = policy("ask", "opa", "targetRefs: [{kind: Service, group: '', name: cart}]");
    assert_eq!(ask(&snapshot(WAYPOINT, &of_web, Completeness::Part), "http://cart.shop/admin"), (Mark::Good, None));
    assert_eq!(ask(&snapshot(WAYPOINT, &of_web, Completeness::Complete), "tcp://cart.shop:81"), (Mark::Good, None));
    // Whom they ask about bytes is not translated, but that nobody can be asked.
    for (completeness, expected) in [(Completeness::Part, Mark::NotJudged), (Completeness::Complete, Mark::Broken)] {
        let bytes = snapshot(WAYPOINT, &of_cart, completeness);
        let mesh = Mesh::new(&bytes);
        let model = Model::supposing(&mesh);
        let answer = Why::new(&model, &[]).ask("web.shop", None, &Question::get(Url::parse("tcp://cart.shop:81").expect("a URL"))).expect("an answer");
        assert_eq!(answer.mark(), expected, "{:?}", answer.parts);
    }
}

/// A whole mesh whose configuration has these providers.
fn with_providers(policies: &str, providers: &str) -> Snapshot {
    let config = format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: 'extensionProviders: [{providers}]'\n"
    );
    snapshot(SIDECARS, &(policies.to_owned() + &config), Completeness::Complete)
}

fn says(snapshot: &Snapshot, url: &str) -> (Mark, String) {
    let mesh = Mesh::new(snapshot);
    let model = Model::supposing(&mesh);
    let answer = Why::new(&model, &[]).ask("web.shop", None, &Question::get(Url::parse(url).expect("a URL"))).expect("an answer");
    let step = answer.parts.iter().flat_map(|p| &p.steps).max_by_key(|s| s.mark).expect("a step");
    (answer.mark(), step.says.clone())
}

/// As istiod has it: whom it can't find or believe is not asked, and what it was to decide is denied, of HTTP and of bytes.
#[test]
fn providers_that_istiod_can_not_use_deny() {
    let ask = policy("ask", "opa", "selector: {matchLabels: {app: cart}}");
    for (providers, why) in [
        ("{name: opa, envoyExtAuthzGrpc: {service: web.shop.svc.cluster.local, port: 80}}", ""),
        ("{name: opa, envoyExtAuthzGrpc: {service: shop/web.shop.svc.cluster.local, port: 80}}", ""),
        ("{name: opa, envoyExtAuthzHttp: {service: lost.shop.svc.cluster.local, port: 80}}", "whose service is not in the mesh"),
        ("{name: opa, envoyExtAuthzHttp: {service: bank/web.shop.svc.cluster.local, port: 80}}", "whose service is not in the mesh"),
        ("{name: opa, envoyExtAuthzHttp: {service: web.shop.svc.cluster.local}}", "has no port"),
        ("{name: opa, envoyExtAuthzHttp: {service: web.shop.svc.cluster.local, port: 80, pathPrefix: check}}", "begins with no `/`"),
        ("{name: opa, envoyExtAuthzHttp: {service: web.shop.svc.cluster.local, port: 80, statusOnError: 999}}", "is no status"),
        ("{name: opa, envoyExtAuthzHttp: {service: web.shop.svc.cluster.local, port: 80, headersToUpstreamOnAllow: [\"*\"]}}", "has a header `*`"),
        ("{name: opa, zipkin: {service: web.shop.svc.cluster.local, port: 80}}", "authorizes nothing"),
        ("{name: other, envoyExtAuthzHttp: {service: web.shop.svc.cluster.local, port: 80}}", "that the mesh configuration does not have"),
    ] {
        let whole = with_providers(&ask, providers);
        if why.is_empty() {
            assert!(matches!(may(&whole, "/admin"), May::If(list) if list[0].wants == "its provider allows it"), "{providers}");
            continue;
        }
        assert!(matches!(may(&whole, "/admin"), May::Never(_)), "{providers}");
        let (mark, says) = says(&whole, "http://cart.shop/admin");
        assert!(mark == Mark::Broken && says.contains(why), "{providers}: {says}");
    }
    let two = ask.clone() + &policy("more", "other", "selector: {matchLabels: {app: cart}}");
    let (_, says) = says(&with_providers(&two, "{name: opa, envoyExtAuthzHttp: {service: web.shop.svc.cluster.local, port: 80}}"), "http://cart.shop/admin");
    assert!(says.contains("beside others (opa, other)"), "{says}");
}

/// Of bytes a rule's paths tell nothing: all of them are asked about.
#[test]
fn connections_of_bytes_are_asked_about_over_grpc_and_denied_where_nobody_can_be_asked() {
    let ask = policy("ask", "opa", "selector: {matchLabels: {app: cart}}");
    let bytes = |snapshot: &Snapshot| {
        let mesh = Mesh::new(snapshot);
        let model = Model::supposing(&mesh);
        let found = access(&model, 0, 8082, &Asked::default(), &["cluster.local/ns/shop/sa/web".into()], false);
        found.callers.into_iter().next().map(|(_, may)| may).expect("an answer")
    };
    let of = |kind: &str, service: &str| with_providers(&ask, &format!("{{name: opa, {kind}: {{service: {service}.shop.svc.cluster.local, port: 80}}}}"));
    assert!(matches!(bytes(&of("envoyExtAuthzGrpc", "web")), May::If(list) if list[0].wants == "its provider allows it"));
    assert_eq!(bytes(&of("envoyExtAuthzHttp", "web")), May::Always);
    assert!(matches!(bytes(&of("envoyExtAuthzHttp", "lost")), May::Never(_)));
    assert!(matches!(bytes(&snapshot(SIDECARS, &ask, Completeness::Part)), May::If(_)));
}

#[test]
fn a_provider_over_grpc_leaves_open_what_becomes_of_bytes() {
    let of_cart = policy("ask", "opa", "selector: {matchLabels: {app: cart}}");
    let of = |kind: &str| {
        says(&with_providers(&of_cart, &format!("{{name: opa, {kind}: {{service: web.shop.svc.cluster.local, port: 80}}}}")), "tcp://cart.shop:82").0
    };
    assert_eq!(of("envoyExtAuthzGrpc"), Mark::NotJudged);
    assert_ne!(of("envoyExtAuthzHttp"), Mark::NotJudged);
    assert_eq!(of("zipkin"), Mark::Broken);
}

#[test]
fn a_policy_is_on_trial_by_all_spellings_of_true() {
    let deny = |value: &str| {
        format!(
            "---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: deny, namespace: shop, annotations: {{istio.io/dry-run: '{value}'}}}}, spec: {{action: DENY, rules: [{{}}]}}}}\n"
        )
    };
    for labels in [SIDECARS, "istio.io/dataplane-mode: ambient"] {
        for (value, on_trial) in [("true", true), ("True", true), ("1", true), ("t", true), ("false", false), ("yes", false), ("", false)] {
            let got = may(&snapshot(labels, &deny(value), Completeness::Complete), "/");
            assert_eq!(got == May::Always, on_trial, "{labels} {value}: {got:?}");
        }
    }
}
