//! Ambient mode: what a port takes, and what a waypoint before it leaves open.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::ambient::ztunnel;
use mesh_resolver::mtls::{self, Takes};
use mesh_resolver::translate::Model;
use mesh_resolver::who_can::{Asked, Caller, May, access, identities};
use mesh_resolver::why::{Mark, Question, Url, Why};
use mesh_resolver::{Mesh, MtlsMode};

fn workload(name: &str) -> String {
    format!(
        "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: shop}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{serviceAccountName: {name}, containers: [{{name: app, ports: [{{containerPort: 8080}}]}}]}}}}}}}}\n"
    )
}

fn snapshot(labels: &str, more: &str) -> Snapshot {
    let text = [
        &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{istio.io/dataplane-mode: ambient{labels}}}}}}}\n"),
        &workload("cart"),
        &workload("web"),
        "---\n{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}}\n",
        "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: wp, namespace: shop}, spec: {gatewayClassName: istio-waypoint}}\n",
        more,
    ]
    .concat();
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

const WAYPOINT: &str = ", istio.io/use-waypoint: wp";
const ONLY_WEB: &str = "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: web, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, rules: [{from: [{source: {serviceAccounts: [web]}}]}]}}\n";

fn policy(name: &str, spec: &str) -> String {
    format!("---\n{{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {{name: {name}, namespace: shop}}, spec: {{{spec}}}}}\n")
}

#[test]
fn disable_at_a_port_is_no_exception_to_an_inherited_strict() {
    use MtlsMode::{Disable, Permissive, Strict};
    const CART: &str = "selector: {matchLabels: {app: cart}}";
    for (namespace, own, expected) in [
        ("mtls: {mode: STRICT}", "portLevelMtls: {8080: {mode: DISABLE}}", Strict),
        ("mtls: {mode: STRICT}", "mtls: {mode: UNSET}, portLevelMtls: {8080: {mode: DISABLE}}", Strict),
        ("mtls: {mode: STRICT}", "portLevelMtls: {8080: {mode: DISABLE}, 9090: {mode: STRICT}}", Strict),
        // Beside a PERMISSIVE the whole policy counts.
        ("mtls: {mode: STRICT}", "portLevelMtls: {8080: {mode: DISABLE}, 9090: {mode: PERMISSIVE}}", Disable),
        ("mtls: {mode: STRICT}", "portLevelMtls: {8080: {mode: PERMISSIVE}}", Permissive),
        ("mtls: {mode: STRICT}", "mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}", Disable),
        ("mtls: {mode: STRICT}", "mtls: {mode: DISABLE}", Disable),
        ("mtls: {mode: PERMISSIVE}", "portLevelMtls: {8080: {mode: DISABLE}}", Disable),
    ] {
        let snapshot = snapshot("", &(policy("default", namespace) + &policy("cart", &format!("{CART}, {own}"))));
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let w = mesh.workloads.get(0);
        assert_eq!(ztunnel::mode(&mesh, w, 8080).mode, expected, "{namespace} {own}");
        assert_eq!(ztunnel::takes_plaintext(&mesh, w, 8080), expected != Strict);
        let takes = mtls::report(&mesh).ports.iter().find(|p| p.workload == "cart").map(|p| p.takes).expect("the port");
        assert_eq!(takes, if expected == Strict { Takes::AmbientStrict } else { Takes::Ambient }, "{namespace} {own}");
        let found = access(&model, 0, 8080, &Asked::default(), &[], true);
        assert_eq!(found.mode, expected);
        let plaintext = found.callers.iter().find(|(c, _)| *c == Caller::Anybody).map(|(_, may)| may.clone()).expect("an answer");
        assert_eq!(plaintext == May::Always, expected != Strict, "{plaintext:?}");
    }
}

/// The answers for `web`, for somebody of the mesh and for nobody.
fn answers(labels: &str, more: &str) -> Vec<String> {
    let snapshot = snapshot(labels, more);
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    let all: Vec<_> = identities(&model).into_iter().filter(|i| i.ends_with("/web")).collect();
    let shown = |may: &May| match may {
        May::Always => "always".to_owned(),
        May::Never(why) => format!("never: {why}"),
        May::If(list) => list.iter().map(|c| format!("{}: {}", c.rule, c.wants)).collect::<Vec<_>>().join("; "),
    };
    access(&model, 0, 8080, &Asked::default(), &all, true).callers.iter().map(|(_, may)| shown(may)).collect()
}

#[test]
fn strict_of_a_port_is_left_out_where_the_mesh_is_strict_and_the_namespace_says_nothing() {
    use MtlsMode::{Permissive, Strict};
    const CART: &str = "selector: {matchLabels: {app: cart}}";
    let of_mesh = |spec: &str| policy("default", spec).replace("namespace: shop", "namespace: istio-system");
    for (mesh, namespace, own, expected) in [
        ("mtls: {mode: STRICT}", "", "mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}", Permissive),
        ("mtls: {mode: STRICT}", "mtls: {mode: UNSET}", "mtls: {mode: DISABLE}, portLevelMtls: {8080: {mode: STRICT}}", Permissive),
        // A policy without a mode of its own inherits it.
        ("mtls: {mode: STRICT}", "", "portLevelMtls: {8080: {mode: STRICT}}", Strict),
        ("mtls: {mode: STRICT}", "", "mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: STRICT}}", Strict),
        // The namespace says something.
        ("mtls: {mode: STRICT}", "mtls: {mode: STRICT}", "mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}", Strict),
        ("mtls: {mode: STRICT}", "mtls: {mode: PERMISSIVE}", "mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}", Strict),
        ("mtls: {mode: PERMISSIVE}", "", "mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}", Strict),
    ] {
        let namespace = if namespace.is_empty() { String::new() } else { policy("default", namespace) };
        let snapshot = snapshot("", &(of_mesh(mesh) + &namespace + &policy("cart", &format!("{CART}, {own}"))));
        let mesh = Mesh::new(&snapshot);
        let cart = mesh.workloads.all().iter().find(|w| w.object.name() == "cart").expect("the workload");
        assert_eq!(ztunnel::mode(&mesh, cart, 8080).mode, expected, "{own}");
        let port = mtls::report(&mesh).ports.into_iter().find(|p| p.workload == "cart").expect("a port");
        let is_said = port.says.contains("istiod leaves STRICT of the port out");
        assert_eq!((port.takes == Takes::Ambient, is_said), (expected == Permissive, expected == Permissive), "{own}: {}", port.says);
    }
}

#[test]
fn a_waypoint_decides_who_may() {
    let strict = policy("default", "mtls: {mode: STRICT}");
    let refused = "never: the port takes mutual TLS only (STRICT)";
    assert_eq!(answers("", &(strict.clone() + ONLY_WEB))[0], "always");
    // ztunnel sees the waypoint, and not who calls.
    let in_its_place = "never: ztunnel refuses waypoint shop/wp, which calls in its place: no rule allows it";
    assert_eq!(answers(WAYPOINT, &(strict.clone() + ONLY_WEB)), [in_its_place, in_its_place, refused]);
    assert_eq!(answers(WAYPOINT, &strict), ["always", "always", refused]);
    // Who is not in the mesh goes past waypoints.
    assert_eq!(answers(WAYPOINT, ""), ["always", "always", "always"]);
    assert_eq!(answers(WAYPOINT, ONLY_WEB)[2], "never: no rule allows it");
}

#[test]
fn policies_of_the_service_are_the_waypoints() {
    let of_cart = |rule: &str| {
        format!(
            "---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: of-cart, namespace: shop}}, spec: {{targetRefs: [{{kind: Service, group: '', name: cart}}], rules: [{rule}]}}}}\n"
        )
    };
    let web = answers(WAYPOINT, &of_cart("{from: [{source: {serviceAccounts: [web]}}]}"));
    assert_eq!((web[0].as_str(), web[2].as_str()), ("always", "always"), "{web:?}");
    assert!(web[1].starts_with("ALLOW AuthorizationPolicy shop/of-cart, rule 0: "), "{web:?}");
    let others = answers(WAYPOINT, &of_cart("{from: [{source: {serviceAccounts: [bank]}}]}"));
    assert_eq!(others[0], "never: no rule allows it at waypoint shop/wp; ztunnel lets through who calls the Pod's own address, past the waypoint");
    // Without the waypoint nobody enforces it.
    assert_eq!(answers("", &of_cart("{from: [{source: {serviceAccounts: [bank]}}]}"))[0], "always");
    // Where ztunnel takes the waypoint alone, nobody goes past it.
    const BY_IT: &str = "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: by-it, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, rules: [{from: [{source: {serviceAccounts: [wp]}}]}]}}\n";
    let closed = answers(WAYPOINT, &(of_cart("{from: [{source: {serviceAccounts: [web]}}]}") + BY_IT));
    assert_eq!((closed[0].as_str(), closed[2].as_str()), ("always", "never: no rule allows it"), "{closed:?}");
}

/// Pods that are called by their own addresses, as behind a headless Service, have a waypoint where it is for workloads.
#[test]
fn a_waypoint_of_workloads_decides_who_may_call_pods() {
    const HEADLESS: &str = "---\n{apiVersion: v1, kind: Service, metadata: {name: pods, namespace: shop}, spec: {clusterIP: None, selector: {app: cart}, ports: [{name: http, port: 8080}]}}\n";
    const FOR_ALL: &str = "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: every, namespace: shop, labels: {istio.io/waypoint-for: all}}, spec: {gatewayClassName: istio-waypoint}}\n";
    const DENY: &str = "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: deny, namespace: shop}, spec: {targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: wp}], action: DENY, rules: [{}]}}\n";
    let by_every = DENY.replace("name: wp", "name: every");
    let denied = "never: denied by AuthorizationPolicy shop/deny, rule 0 at waypoint shop/every";
    let found = answers(", istio.io/use-waypoint: every", &[FOR_ALL, HEADLESS, &by_every].concat());
    assert_eq!([&found[0], &found[1]], [denied, denied], "{found:?}");
    // Nor does anybody get past it without the headless Service.
    assert_eq!(answers(", istio.io/use-waypoint: every", &[FOR_ALL, &by_every].concat())[0], denied);
    // One for services stands before no Pod.
    assert_eq!(answers(WAYPOINT, &[HEADLESS, DENY].concat())[0], "always");
}

#[test]
fn ztunnel_closes_plaintext_at_a_port_that_disables_under_an_inherited_strict() {
    let outside = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: out}}\n".to_owned() + &workload("old").replace("namespace: shop", "namespace: out");
    for (own, expected) in [("portLevelMtls: {8080: {mode: DISABLE}}", Mark::Broken), ("portLevelMtls: {8080: {mode: PERMISSIVE}}", Mark::Doubtful)] {
        let policies = policy("default", "mtls: {mode: STRICT}") + &policy("cart", &format!("selector: {{matchLabels: {{app: cart}}}}, {own}"));
        let snapshot = snapshot("", &(policies + &outside));
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let url = Url::parse("http://cart.shop:80/").expect("a URL");
        let answer = Why::new(&model, &[]).ask("old.out", None, &Question::get(url)).expect("an answer");
        let worst = answer.parts.iter().flat_map(|p| &p.steps).map(|s| s.mark).max();
        assert_eq!(worst, Some(expected), "{own}: {:?}", answer.outcomes);
    }
}

#[test]
fn what_the_servers_ztunnel_closes_counts_where_the_waypoint_sends() {
    const WEB: &str = "---\n{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}}\n";
    const ROUTE: &str = "---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: cart, namespace: shop}, spec: {hosts: [cart], http: [{route: [{destination: {host: web}}]}]}}\n";
    const ELSEWHERE: &str = "---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: cart, namespace: bank}, spec: {hosts: [cart.shop.svc.cluster.local], http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}}\n";
    let (here, there) = (WEB.to_owned() + ROUTE, WEB.to_owned() + ELSEWHERE);
    for (route, expected) in [("", Mark::Broken), (here.as_str(), Mark::Good), (there.as_str(), Mark::Broken)] {
        let snapshot = snapshot(WAYPOINT, &(ONLY_WEB.to_owned() + route));
        let mesh = Mesh::new(&snapshot);
        let model = Model::supposing(&mesh);
        let url = Url::parse("http://cart.shop:80/").expect("a URL");
        let answer = Why::new(&model, &[]).ask("web.shop", None, &Question::get(url)).expect("an answer");
        let marks: Vec<Mark> = answer.outcomes.iter().map(|o| o.mark).collect();
        assert_eq!(marks, [expected], "{route}: {:?}", answer.outcomes);
    }
}

/// Behind a headless Service each Pod has its own waypoint, or none.
#[test]
fn pods_of_a_headless_service_are_called_by_their_own_waypoints() {
    const HEADLESS: &str = "---\n{apiVersion: v1, kind: Service, metadata: {name: pods, namespace: shop}, spec: {clusterIP: None, selector: {tier: back}, ports: [{name: http, port: 8080}]}}\n";
    const FOR_ALL: &str = "---\n{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: every, namespace: shop, labels: {istio.io/waypoint-for: all}}, spec: {gatewayClassName: istio-waypoint}}\n";
    let pods = |name: &str, more: &str| {
        let labels = format!("template: {{metadata: {{labels: {{app: {name}, tier: back{more}}}}}");
        workload(name).replace(&format!("template: {{metadata: {{labels: {{app: {name}}}}}"), &labels)
    };
    let more = [HEADLESS, FOR_ALL, &pods("one", ""), &pods("other", ", istio.io/use-waypoint: none")].concat();
    let snapshot = snapshot(", istio.io/use-waypoint: every", &more);
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    for (url, tls) in [("http://pods.shop:8080/", false), ("https://pods.shop:8080/", true)] {
        let question = Question::get(Url::parse(url).expect("a URL"));
        assert_eq!(question.speaks_tls, tls);
        let answer = Why::new(&model, &[]).ask("web.shop", None, &question).expect("an answer");
        let found: Vec<(&str, Mark)> = answer.outcomes.iter().map(|o| (o.says.as_str(), o.mark)).collect();
        let expected = ["reaches Deployment shop/one, port 8080", "reaches Deployment shop/other, port 8080"].map(|s| (s, Mark::Good));
        assert_eq!(found, expected, "{url}: {:?}", answer.parts);
        // DNS answers with either.
        assert_eq!(answer.outcomes.iter().map(|o| o.share).collect::<Vec<_>>(), [500_000, 500_000], "{url}");
    }
}

/// Each way through a waypoint asks for what its own policies ask: either is enough.
#[test]
fn of_several_ways_each_is_told_with_what_it_asks_for() {
    const ADMIN: &str = "---\n{apiVersion: v1, kind: Service, metadata: {name: admin, namespace: shop}, spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}}\n";
    let of = |service: &str, operation: &str| {
        format!(
            "---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: of-{service}, namespace: shop}}, spec: {{targetRefs: [{{kind: Service, group: '', name: {service}}}], rules: [{{to: [{{operation: {{{operation}}}}}]}}]}}}}\n"
        )
    };
    let both = [ADMIN, &of("cart", "methods: [GET]"), &of("admin", "paths: [/admin]")].concat();
    let web = answers(WAYPOINT, &both)[0].clone();
    let rules = "ALLOW AuthorizationPolicy shop/of-admin, rule 0; ALLOW AuthorizationPolicy shop/of-cart, rule 0";
    assert_eq!(web, format!("{rules}: by Service shop/admin: path is `/admin`; or by Service shop/cart: method is `GET`"));
    // One that asks for nothing is enough.
    assert_eq!(answers(WAYPOINT, &[ADMIN, &of("cart", "methods: [GET]")].concat())[0], "always");
}
