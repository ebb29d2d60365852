//! What the rules say of Gateways that share a port, beside what the translation makes of them.

use crate::{Options, analyze};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::{self, Limits};
use mesh_model::{Completeness, Role, Snapshot, Source, Span};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, Proxy};
use proptest::prelude::*;
use std::sync::Arc;

/// Protocol and address of a server.
type Server = (&'static str, &'static str);

/// Gateways with their servers; `ages` are days, in the order of the Gateways. Host and port name of a server are its number among all.
fn manifests(gateways: &[Vec<Server>], ages: Option<&[u32]>) -> String {
    let mut out = String::new();
    let mut n = 0;
    for (g, servers) in gateways.iter().enumerate() {
        let age = ages.map_or(String::new(), |a| format!(", creationTimestamp: '2024-01-{:02}T00:00:00Z'", a[g] + 1));
        let mut list = Vec::new();
        for (protocol, bind) in servers {
            let tls = match *protocol {
                "HTTPS" => ", tls: {mode: SIMPLE, credentialName: x}",
                "TLS" => ", tls: {mode: PASSTHROUGH}",
                _ => "",
            };
            let bind = if bind.is_empty() { String::new() } else { format!("bind: {bind}, ") };
            list.push(format!("{{{bind}hosts: [h{n}.com], port: {{name: p{n}, number: 8080, protocol: {protocol}}}{tls}}}"));
            let to = format!("route: [{{destination: {{host: s{n}.edge.svc.cluster.local, port: {{number: 80}}}}}}]");
            out += &format!(
                "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v{n}, namespace: edge}}\nspec: {{hosts: [h{n}.com], gateways: [g{g}], http: [{{{to}}}], tcp: [{{{to}}}], tls: [{{match: [{{sniHosts: [h{n}.com]}}], {to}}}]}}\n"
            );
            out += &format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{n}, namespace: edge}}\nspec: {{clusterIP: 10.96.0.{}, ports: [{{name: http, port: 80}}]}}\n",
                n + 1
            );
            n += 1;
        }
        out += &format!(
            "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: g{g}, namespace: edge{age}}}\nspec: {{selector: {{app: gw}}, servers: [{}]}}\n",
            list.join(", ")
        );
    }
    out
}

fn snapshot(text: &str, role: Role) -> Snapshot {
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.add(&source, read_manifest(&source, role, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot.completeness = Completeness::Complete;
    snapshot
}

/// The findings on protocols, by the number of the server, and what they say.
fn told(snapshot: &Snapshot) -> Vec<(usize, String)> {
    let mesh = Mesh::new(snapshot);
    let options = Options::default();
    let found = analyze(&mesh, &options, |r| r.name == "gateway-protocol-conflict").findings;
    let number = |f: &crate::Finding<'_>| {
        let before = &f.at.source().text()[..f.at.span().start as usize];
        before.rsplit_once("hosts: [h").and_then(|(_, rest)| rest.split_once('.')).and_then(|(n, _)| n.parse().ok()).expect("a server")
    };
    let mut out: Vec<_> = found.iter().map(|f| (number(f), f.message.clone())).collect();
    out.sort();
    out
}

/// Numbers of the servers that the translation leaves out.
fn dropped(snapshot: &Snapshot, count: usize) -> Vec<usize> {
    let mesh = Mesh::new(snapshot);
    let model = Model::new(&mesh);
    let text = "{type: router, id: gw.edge, ips: [10.1.0.8], labels: {app: gw}, configNamespace: edge}";
    let source = Source::new("proxy", text);
    let node = Arc::new(yaml::parse_document(&source, Span::new(0, text.len()), Limits::default()).tree.expect("YAML"));
    let held = model.translate(&Proxy::from_node(node.root()).expect("a proxy")).resources();
    let held = format!("{} {}", held["listeners"], held["routes"]);
    (0..count).filter(|n| !held.contains(&format!("|80||s{n}.edge."))).collect()
}

fn of(gateways: &[&[&'static str]]) -> Vec<Vec<Server>> {
    gateways.iter().map(|g| g.iter().map(|p| (*p, "")).collect()).collect()
}

#[test]
fn it_is_said_what_is_dropped_and_how_sure_that_is() {
    let say = |gateways: &[&[&'static str]], ages: Option<&[u32]>| -> Vec<String> {
        told(&snapshot(&manifests(&of(gateways), ages), Role::Judged)).into_iter().map(|(_, m)| m).collect()
    };
    let older = "`HTTPS` on port `8080` is not served: `HTTP` of Gateway `edge/g0`, for the same workloads, has the port before it";
    assert_eq!(say(&[&["HTTP"], &["HTTPS"]], Some(&[0, 1])), [older]);
    assert!(say(&[&["HTTP"], &["HTTPS"]], Some(&[1, 0])).is_empty(), "TLS that is older is served beside it");
    let perhaps =
        "`HTTPS` on port `8080` is not served if `HTTP` of Gateway `edge/g0`, for the same workloads, has the port before it: the older Gateway comes first";
    assert_eq!(say(&[&["HTTP"], &["HTTPS"]], None), [perhaps]);
    let both = "`TCP` on port `8080` and `HTTP` of Gateway `edge/g1`, for the same workloads, exclude each other: only that of the older Gateway is served";
    assert_eq!(say(&[&["TCP"], &["HTTP"], &["GRPC"]], None), [both], "once, of what can share with nothing");
    assert_eq!(say(&[&["HTTP", "TLS"]], None), ["`TLS` on port `8080` is not served: `HTTP` has the port before it"]);
    assert_eq!(say(&[&["TCP", "HTTP"]], None), ["`HTTP` on port `8080` is not served: `TCP` has the port before it"]);
    assert_eq!(say(&[&["TCP"], &["TCP"]], None).len(), 1);
    for fine in [&["TLS", "HTTPS", "HTTP", "GRPC"][..], &["TLS", "TCP"]] {
        assert!(say(&[fine], None).is_empty(), "{fine:?}");
    }
}

#[test]
fn of_what_is_only_looked_at_the_judged_one_is_told() {
    let text = manifests(&of(&[&["HTTP"], &["TCP"]]), None);
    let at = text.rfind("---").expect("documents");
    for (judged, other) in [(&text[..at], &text[at..]), (&text[at..], &text[..at])] {
        let mut snapshot = snapshot(judged, Role::Judged);
        let source = Source::new("others", other);
        snapshot.add(&source, read_manifest(&source, Role::Consulted, 0, Limits::default()));
        assert_eq!(told(&snapshot).len(), 1, "{judged}");
    }
}

#[test]
fn who_is_not_for_one_proxy_does_not_meet() {
    let text = manifests(&of(&[&["HTTP"], &["TCP"]]), Some(&[0, 1]));
    let two = |from: &str, to: &str| text.replacen(from, to, 1);
    let count = |text: &str| told(&snapshot(text, Role::Judged)).len();
    assert_eq!(count(&text), 1);
    assert_eq!(count(&two("selector: {app: gw}", "selector: {app: other}")), 0);
    assert_eq!(count(&two("selector: {app: gw}", "selector: {}")), 1, "a Gateway without a selector is for all");
    assert_eq!(count(&two("namespace: edge, creation", "namespace: edge, labels: {istio.io/rev: canary}, creation")), 0, "another control plane's");
    assert_eq!(count(&two("servers: [{", "servers: [{bind: 10.0.0.1, ")), 0, "an address of its own");
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: gw, namespace: edge, labels: {app: gw, istio: gw}}\nspec: {containers: [{name: app}]}\n";
    let other = two("selector: {app: gw}", "selector: {istio: gw}");
    assert_eq!((count(&other), count(&(other.clone() + pod))), (0, 1), "selectors that pick one workload");
    let one_host = text.replace("hosts: [h1.com]", "hosts: [h0.com]");
    assert_eq!(count(&one_host), 0, "left to IST0145");
}

/// Of one address: what several do to each other is reported of bytes alone (see the roadmap).
fn servers() -> impl Strategy<Value = Vec<Vec<Server>>> {
    let server = (prop::sample::select(&["HTTP", "GRPC", "TCP", "HTTPS", "TLS"][..]), Just(""));
    prop::collection::vec(prop::collection::vec(server, 1..4), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_dropped_is_told_and_nothing_else(gateways in servers(), ages in Just(vec![0u32, 1, 2]).prop_shuffle()) {
        let count = gateways.iter().map(Vec::len).sum();
        let snapshot = snapshot(&manifests(&gateways, Some(&ages)), Role::Judged);
        let told: Vec<usize> = told(&snapshot).into_iter().map(|(n, _)| n).collect();
        prop_assert_eq!(told, dropped(&snapshot, count));
    }

    /// What is said for certain without ages holds for all of them, and where anything is dropped something is said.
    #[test]
    fn without_ages_no_more_is_said_than_holds_for_all(gateways in servers(), ages in Just(vec![0u32, 1, 2]).prop_shuffle()) {
        let count = gateways.iter().map(Vec::len).sum();
        let told = told(&snapshot(&manifests(&gateways, None), Role::Judged));
        let dropped = dropped(&snapshot(&manifests(&gateways, Some(&ages)), Role::Judged), count);
        let is_certain = |m: &str| m.contains("is not served: ");
        for (n, message) in told.iter().filter(|(_, m)| is_certain(m)) {
            prop_assert!(dropped.contains(n), "{n}: {message}");
        }
        prop_assert!(dropped.is_empty() || !told.is_empty(), "{dropped:?} {told:?}");
    }
}
