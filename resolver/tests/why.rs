//! `why`, mutual TLS and who may call, on meshes that contradict themselves and of which a half is missing: the order of
//! the objects never changes an answer, nothing panics, and a dump of the translation answers as the manifests do.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::translate::Model;
use mesh_resolver::why::{Answer, Held, Question, Url, Why};
use mesh_resolver::{InMesh, Mesh, mtls, who_can};
use proptest::prelude::*;
use serde_json::{Value, json};

const OBJECTS: &[&str] = &[
    "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}",
    "{apiVersion: v1, kind: Namespace, metadata: {name: web, labels: {istio-injection: enabled}}}",
    "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: shop}, spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: tcp, port: 9090}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: web}, spec: {clusterIP: 10.0.0.2, ports: [{name: http, port: 9080}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {selector: {app: cart}, ports: [{port: 9080}, {name: db, port: 3306}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: pods, namespace: shop}, spec: {clusterIP: None, selector: {app: cart}, ports: [{name: tcp, port: 7000}]}}",
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: cart-v1, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart, version: v1}}, spec: {serviceAccountName: cart, containers: [{name: a, ports: [{containerPort: 9080}]}]}}}}",
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: cart-v2, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart, version: v2}}, spec: {serviceAccountName: cart, containers: [{name: a}]}}}}",
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: reviews-v1, namespace: shop}, spec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews, version: v1}}, spec: {containers: [{name: a}]}}}}",
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: page, namespace: web}, spec: {selector: {matchLabels: {app: page}}, template: {metadata: {labels: {app: page}}, spec: {serviceAccountName: page, containers: [{name: a}]}}}}",
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: one, namespace: shop}, spec: {hosts: [api.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: reviews, subset: v1}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b, namespace: shop}, spec: {hosts: [reviews, cart], http: [{route: [{destination: {host: cart}, weight: 20}, {destination: {host: reviews}, weight: 80}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: c, namespace: web}, spec: {hosts: ['*.shop.svc.cluster.local'], http: [{route: [{destination: {host: reviews}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: loop, namespace: shop}, spec: {hosts: [loop], http: [{delegate: {name: loop}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x, namespace: shop}, spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}], trafficPolicy: {tls: {mode: DISABLE}}}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: y, namespace: shop}, spec: {host: reviews, subsets: [{name: v2, labels: {version: v2}}], trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}}",
    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: shop}, spec: {mtls: {mode: STRICT}}}",
    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: q, namespace: shop}, spec: {mtls: {mode: DISABLE}}}",
    "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: k, namespace: shop}, spec: {rules: [{from: [{source: {namespaces: [web]}}]}]}}",
    "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: l, namespace: istio-system}, spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin*]}}]}]}}",
    "{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: m, namespace: shop}, spec: {jwtRules: [{issuer: b, jwks: '{}'}]}}",
    "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: web}, spec: {egress: [{hosts: ['./*', shop/reviews.shop.svc.cluster.local]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: EnvoyFilter, metadata: {name: f, namespace: web}, spec: {configPatches: [{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {}}}]}}",
];

const CLIENTS: &[&str] = &["page.web", "cart.shop", "reviews-v1.shop", "outside"];
const URLS: &[&str] = &[
    "http://reviews.shop:9080/a",
    "http://reviews.shop:9080/admin",
    "http://reviews:9080/",
    "http://cart.shop:9080/",
    "tcp://cart.shop:3306",
    "tcp://pods.shop:7000",
    "http://api.example.com/",
    "https://nobody.example.com/",
    "http://cart.shop:1/",
];

fn snapshot(order: &[usize], completeness: Completeness) -> Snapshot {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = completeness;
    for i in order {
        // A source each, so that a place is the same wherever the object stands.
        let source = Source::new(format!("object-{i}"), OBJECTS[*i]);
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    }
    snapshot
}

fn questions() -> Vec<Question> {
    URLS.iter().map(|u| Question::get(Url::parse(u).expect("a URL"))).collect()
}

fn answers(order: &[usize], completeness: Completeness) -> String {
    let snapshot = snapshot(order, completeness);
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    let why = Why::new(&model, &[]);
    let mut out = String::new();
    for client in CLIENTS {
        for question in questions() {
            out += &format!("{:#?}\n", why.ask(client, None, &question));
        }
    }
    out += &format!("{:#?}\n", mtls::report(&mesh));
    let identities = who_can::identities(&model);
    let mut access: Vec<String> = Vec::new();
    for id in 0..mesh.workloads.all().len() as u32 {
        for port in who_can::ports(&model, id) {
            access.push(format!("{:#?}", who_can::access(&model, id, port, &who_can::Asked::default(), &identities, true)));
        }
    }
    access.sort();
    out + &access.join("\n")
}

/// Some of the objects, in two orders.
fn some() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    proptest::sample::subsequence((0..OBJECTS.len()).collect::<Vec<_>>(), OBJECTS.len() / 2..=OBJECTS.len())
        .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn the_order_of_objects_never_changes_an_answer((list, shuffled) in some()) {
        for completeness in [Completeness::Part, Completeness::Complete] {
            prop_assert_eq!(answers(&list, completeness), answers(&shuffled, completeness));
        }
    }
}

/// How a request ends, whoever tells it.
fn ends(answer: &Answer) -> Vec<String> {
    answer.outcomes.iter().map(|o| format!("{} {} {:?} {:?} {} {}", o.share, o.cluster, o.mark, o.status, o.flags, o.details)).collect()
}

/// The translation of a workload as its proxy's config dump would show it.
fn dump(model: &Model<'_, '_>, id: u32) -> Value {
    let proxy = model.proxy_of(id);
    let mut out = model.translate(&proxy).dump();
    let account = model.mesh.workloads.get(id).service_account();
    let node = json!({
        "id": format!("sidecar~{}~{}~{}.svc.cluster.local", proxy.addresses.first().map_or("192.0.2.3", String::as_str), proxy.id, proxy.namespace),
        "metadata": {"NAMESPACE": proxy.namespace, "SERVICE_ACCOUNT": account},
    });
    let bootstrap = json!({"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": node}});
    out["configs"].as_array_mut().expect("sections").push(bootstrap);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn dumps_of_the_translation_answer_as_the_manifests((list, _) in some()) {
        // Namespaces and workloads are there; what is not translated has no dump.
        let mut order: Vec<usize> = (0..10).chain(list.into_iter().filter(|i| *i >= 10)).collect();
        order.retain(|i| !OBJECTS[*i].contains("EnvoyFilter"));
        let snapshot = snapshot(&order, Completeness::Complete);
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let held: Vec<Held> = (0..mesh.workloads.all().len() as u32).map(|id| Held::read("dump", &dump(&model, id)).expect("a dump")).collect();
        let (alone, both) = (Why::new(&model, &[]), Why::new(&model, &held));
        for client in &CLIENTS[..3] {
            for question in questions() {
                let (a, b) = (alone.ask(client, None, &question).expect("an answer"), both.ask(client, None, &question).expect("an answer"));
                prop_assert_eq!(ends(&a), ends(&b), "{} {}: {:#?} {:#?}", client, question, a, b);
            }
        }
    }
}

/// The broken set-ups with what is asked in each, but for those that a dump can't show: ambient mode, and questions with flags.
fn set_ups() -> Vec<(String, String, Question, Snapshot)> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/why");
    let mut paths: Vec<_> = std::fs::read_dir(dir).expect("testdata/why").flatten().map(|e| e.path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a set-up");
        let line = |key: &str| text.lines().find_map(|l| l.strip_prefix(&format!("# {key}: "))).unwrap_or("").to_owned();
        let ask = line("ask");
        let Some((from, url)) = ask.split_once(' ') else { continue };
        // A dump tells of certificates in a section of its own, which no translation makes.
        let is_of_secrets = name.starts_with("secret-");
        if is_of_secrets || name.starts_with("ambient") || !matches!(line("flags").as_str(), "" | "--complete") {
            continue;
        }
        let mut snapshot = Snapshot::new();
        snapshot.completeness = Completeness::Complete;
        let source = Source::new(name.clone(), text.as_str());
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        out.push((name, from.to_owned(), Question::get(Url::parse(url).expect("a URL")), snapshot));
    }
    out
}

#[test]
fn dumps_of_broken_set_ups_end_requests_as_the_manifests_do() {
    let all = set_ups();
    assert!(all.len() > 40, "{}", all.len());
    let (mut asked, mut wrong) = (0, Vec::new());
    for (name, from, question, snapshot) in &all {
        let mesh = Mesh::in_domain(snapshot, mesh_resolver::translate::domain_of(snapshot));
        let model = Model::supposing(&mesh);
        let has_proxy = |id: &u32| matches!(mesh.in_mesh(mesh.workloads.get(*id)), InMesh::Sidecar | InMesh::Gateway);
        let ids = (0..mesh.workloads.all().len() as u32).filter(has_proxy);
        let held: Vec<Held> = ids.map(|id| Held::read("dump", &dump(&model, id)).expect("a dump")).collect();
        let (alone, both) = (Why::new(&model, &[]), Why::new(&model, &held));
        let (Ok(a), Ok(b)) = (alone.ask(from, None, question), both.ask(from, None, question)) else { continue };
        // What the translation leaves out no dump of it has.
        if a.is_complete() {
            asked += 1;
            let ends = |a: &Answer| a.outcomes.iter().map(|o| format!("{} {} {:?} {}", o.share, o.cluster, o.status, o.flags)).collect::<Vec<_>>();
            if ends(&a) != ends(&b) {
                wrong.push(format!("{name}: {:?} by manifests, {:?} by dumps", ends(&a), ends(&b)));
            }
        }
    }
    assert!(asked > 30 && wrong.is_empty(), "{asked} asked: {}", wrong.join("\n"));
}
