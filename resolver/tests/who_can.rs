//! Who may call, asked symbolically, agrees with what the matching engine does to requests of each identity.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::mtls;
use mesh_resolver::translate::Model;
use mesh_resolver::who_can::{Asked, Authorizer, Caller, May, access};
use mesh_resolver::why::{Mark, Question, Stage, Url, Why};
use proptest::prelude::*;

const CALLERS: &[(&str, &str)] = &[("web", "shop"), ("admin", "shop"), ("batch", "jobs")];
const METHODS: &[&str] = &["GET", "POST"];
const PATHS: &[&str] = &["/", "/api/items", "/admin"];

fn workload(name: &str, namespace: &str) -> String {
    format!(
        "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{serviceAccountName: {name}, containers: [{{name: app, ports: [{{containerPort: 8080}}]}}]}}}}}}}}\n"
    )
}

fn mesh_text(policies: &[String]) -> String {
    let namespaces =
        ["shop", "jobs"].map(|n| format!("---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {n}, labels: {{istio-injection: enabled}}}}}}\n")).concat();
    let callers: String = CALLERS.iter().map(|(n, ns)| workload(n, ns)).collect();
    let service = "---\n{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}}\n";
    namespaces + &callers + &workload("cart", "shop") + service + &policies.concat()
}

/// A rule: some sources, some operations.
fn rule() -> impl Strategy<Value = String> {
    let source = prop_oneof![
        Just(""),
        Just("principals: [cluster.local/ns/shop/sa/web]"),
        Just("notPrincipals: [cluster.local/ns/shop/sa/web]"),
        Just("principals: ['*']"),
        Just("namespaces: [jobs]"),
    ];
    let operation = prop_oneof![
        Just(""),
        Just("methods: [GET]"),
        Just("notMethods: [GET]"),
        Just("paths: [/api/*]"),
        Just("methods: [POST], paths: ['*admin']"),
        Just("ports: ['8080']"),
    ];
    (source, operation).prop_map(|(s, o)| {
        let from = if s.is_empty() { String::new() } else { format!("from: [{{source: {{{s}}}}}]") };
        let to = if o.is_empty() { String::new() } else { format!("to: [{{operation: {{{o}}}}}]") };
        let parts: Vec<String> = [from, to].into_iter().filter(|p| !p.is_empty()).collect();
        format!("{{{}}}", parts.join(", "))
    })
}

fn policies() -> impl Strategy<Value = Vec<String>> {
    let one = (prop_oneof![Just("ALLOW"), Just("DENY")], proptest::collection::vec(rule(), 0..3), any::<bool>());
    proptest::collection::vec(one, 0..4).prop_map(|list| {
        let text = |(i, (action, rules, selects)): (usize, (&str, Vec<String>, bool))| {
            let selector = if selects { "selector: {matchLabels: {app: cart}}, " } else { "" };
            format!(
                "---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: p{i}, namespace: shop}}, spec: {{{selector}action: {action}, rules: [{}]}}}}\n",
                rules.join(", ")
            )
        };
        list.into_iter().enumerate().map(text).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn each_identity_fares_as_the_answer_says(policies in policies()) {
        let source = Source::new("mesh", mesh_text(&policies));
        let mut snapshot = Snapshot::new();
        snapshot.completeness = Completeness::Complete;
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        prop_assert!(snapshot.problems.is_empty());
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let why = Why::new(&model, &[]);
        let server = (0..mesh.workloads.all().len() as u32).find(|i| mesh.workloads.get(*i).object.name() == "cart").expect("the server");
        let authorizer = Authorizer::of(&model, server, 8080, true);
        let may = |caller: &Caller, asked: &Asked| authorizer.asking(asked).may(caller, &|_| None);
        for (name, namespace) in CALLERS {
            let caller = Caller::Identity(format!("cluster.local/ns/{namespace}/sa/{name}").into());
            let open = may(&caller, &Asked::default());
            let mut fared = Vec::new();
            for method in METHODS {
                for path in PATHS {
                    let mut question = Question::get(Url::parse(&format!("http://cart.shop{path}")).expect("a URL"));
                    question.method = (*method).to_owned();
                    let answer = why.ask(&format!("{name}.{namespace}"), None, &question).expect("an answer");
                    let denied = answer.parts.iter().flat_map(|p| &p.steps).any(|s| s.stage == Stage::Authorization && s.mark == Mark::Broken);
                    let asked = Asked { method: Some((*method).to_owned()), path: Some((*path).to_owned()), host: Some("cart.shop".to_owned()), ..Asked::default() };
                    let told = may(&caller, &asked);
                    prop_assert_eq!(told == May::Always, !denied, "{} {} {} {:?} {:#?}", name, method, path, told, policies);
                    fared.push(!denied);
                }
            }
            match open {
                May::Always => prop_assert!(fared.iter().all(|f| *f), "{} always: {:#?}", name, policies),
                May::Never(_) => prop_assert!(fared.iter().all(|f| !*f), "{} never: {:#?}", name, policies),
                May::If(conditions) => prop_assert!(!conditions.is_empty()),
            }
        }
    }
}

/// Policies that nobody enforces keep nobody out, and what an application may take by itself is not called encrypted.
#[test]
fn where_no_sidecar_stands_before_a_port_nobody_is_kept_out() {
    let strict =
        "---\n{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: shop}, spec: {mtls: {mode: STRICT}}}\n";
    let nobody = "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: nobody, namespace: shop}, spec: {}}\n";
    for (annotation, is_open, is_judged, verdict) in [
        ("", false, true, mtls::Verdict::Encrypted),
        ("traffic.sidecar.istio.io/excludeInboundPorts: '8080'", true, false, mtls::Verdict::NotEncrypted),
        ("sidecar.istio.io/inject: 'false'", true, false, mtls::Verdict::NotEncrypted),
        ("sidecar.istio.io/interceptionMode: NONE", false, false, mtls::Verdict::NotJudged),
    ] {
        let text = mesh_text(&[strict.to_owned(), nobody.to_owned()])
            .replace("template: {metadata: {labels: {app: cart}}", &format!("template: {{metadata: {{labels: {{app: cart}}, annotations: {{{annotation}}}}}"));
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.completeness = Completeness::Complete;
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let id = (0u32..).zip(mesh.workloads.all()).find(|(_, w)| w.object.name() == "cart").expect("a workload").0;
        let found = access(&model, id, 8080, &Asked::default(), &["cluster.local/ns/shop/sa/web".into()], true);
        assert!(found.callers.iter().all(|(_, may)| (*may == May::Always) == is_open), "{annotation}: {:?}", found.callers);
        assert_eq!(found.not_judged.is_empty(), is_judged, "{annotation}: {:?}", found.not_judged);
        let report = mtls::report(&mesh);
        let port = report.ports.iter().find(|p| p.workload == "cart").expect("its port");
        assert_eq!(port.verdict, verdict, "{annotation}: {}", port.says);
    }
}
