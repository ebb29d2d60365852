//! `meshctl gen` from observed traffic.

mod common;

use common::{Run, folder, meshctl, write};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn assert_snapshot(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "generated" }, {
        insta::assert_snapshot!(name, text);
    });
}

/// Who calls whom in the recorded traffic, and is not refused each time.
const EDGES: &[(&str, &str)] = &[
    ("details-v1", "bookinfo-productpage"),
    ("ratings-v1", "bookinfo-reviews"),
    ("reviews-v1", "bookinfo-productpage"),
    ("reviews-v2", "bookinfo-productpage"),
    ("reviews-v3", "bookinfo-productpage"),
];

#[test]
fn policies_let_the_observed_callers_in_and_nobody_else() {
    let run = meshctl(&root(), &["gen", "authz", "-f", "recorded/bookinfo", "-f", "traffic/bookinfo.json"]);
    // The gateway calls productpage in plaintext.
    assert_eq!(run.status, 75, "{}{}", run.err, run.out);
    assert!(run.err.contains("productpage-v1.bookinfo is called without mutual TLS"), "{}", run.err);
    assert!(run.err.contains("AuthorizationPolicy bookinfo/ratings-callers lets callers of ratings-v1.bookinfo in as well"), "{}", run.err);
    assert_snapshot("authz", &run.out);
    let dir = folder(&[("policies.yaml", &run.out)]);
    let policies = dir.path().join("policies.yaml").display().to_string();
    for server in EDGES.iter().map(|(server, _)| *server).collect::<BTreeSet<_>>() {
        let to = format!("{server}.bookinfo:9080");
        let asked = meshctl(&root(), &["authz", "who-can", &to, "-f", "recorded/bookinfo", "-f", &policies, "-o", "json", "--allow-partial"]);
        let answer: Value = serde_json::from_str(&asked.out).unwrap_or_else(|e| panic!("{e}: {}", asked.err));
        let callers = answer["answers"][0]["callers"].as_array().expect("callers");
        let may: BTreeSet<&str> = callers.iter().filter(|c| c["may"] != "never").filter_map(|c| c["caller"].as_str()).filter(|c| c.contains('/')).collect();
        let want: BTreeSet<String> = EDGES.iter().filter(|(s, _)| *s == server).map(|(_, account)| format!("cluster.local/ns/bookinfo/sa/{account}")).collect();
        assert_eq!(may, want.iter().map(String::as_str).collect(), "{server}: {}", asked.out);
        assert!(callers.len() > may.len() + 2, "others are asked too: {}", asked.out);
        // One that the input does not hold may be anybody: the rules name whom they want.
        let other = callers.iter().find(|c| c["caller"] == "any other identity").expect("any other");
        assert!(
            other["conditions"].as_array().is_some_and(|c| c.iter().any(|c| c["wants"].as_str().is_some_and(|w| w.contains("principal")))),
            "{}",
            asked.out
        );
    }
}

#[test]
fn plaintext_callers_are_dropped_only_when_asked() {
    let run = meshctl(&root(), &["gen", "authz", "productpage.bookinfo", "--drop-plaintext", "-f", "recorded/bookinfo", "-f", "traffic/bookinfo.json", "-q"]);
    assert!(run.out.contains("name: productpage-v1-callers") && run.out.contains("sa/istio-ingressgateway-service-account"), "{}{}", run.out, run.err);
    assert!(!run.out.contains("ratings"), "{}", run.out);
}

const MESH: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: app, ports: [{containerPort: 8080}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart}}, spec: {serviceAccountName: cart, containers: [{name: app, ports: [{containerPort: 8080}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: idle, namespace: shop}
spec: {selector: {matchLabels: {app: idle}}, template: {metadata: {labels: {app: idle}}, spec: {containers: [{name: app, ports: [{containerPort: 8080}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp-db, port: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: idle, namespace: shop}
spec: {selector: {app: idle}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: known, namespace: shop}
spec: {hosts: [known.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
";

/// A series: reporter, source, destination, host, name of the service, security, protocol.
fn call(of: [&str; 7], rate: f64) -> Value {
    let [reporter, source, destination, host, service, security, protocol] = of;
    let metric = if protocol == "tcp" { "istio_tcp_sent_bytes_total" } else { "istio_requests_total" };
    let namespace = |workload: &str| if workload == "unknown" { "unknown" } else { "shop" }.to_owned();
    let principal = if security == "mutual_tls" { format!("spiffe://cluster.local/ns/shop/sa/{source}") } else { "unknown".to_owned() };
    json!({"metric": metric, "rate": rate, "labels": {
        "reporter": reporter, "source_workload": source, "source_workload_namespace": namespace(source), "source_principal": principal,
        "source_canonical_service": source, "source_canonical_revision": "v1", "source_cluster": "c", "destination_cluster": "c",
        "destination_canonical_revision": "v1", "destination_workload": destination, "destination_workload_namespace": namespace(destination),
        "destination_canonical_service": destination, "destination_service": host, "destination_service_name": service,
        "destination_service_namespace": "shop", "connection_security_policy": security, "request_protocol": protocol, "response_code": "200",
        "response_flags": "-",
    }})
}

const CART: &str = "cart.shop.svc.cluster.local";

fn made(calls: &[Value], args: &[&str]) -> (Run, tempfile::TempDir) {
    let dir = folder(&[("mesh.yaml", MESH), ("seen.json", &json!({"series": calls, "clusterName": "c"}).to_string())]);
    let all: Vec<&str> = std::iter::once("gen").chain(args.iter().copied()).chain(["-f", "mesh.yaml", "-f", "seen.json", "--complete"]).collect();
    (meshctl(dir.path(), &all), dir)
}

#[test]
fn ports_are_those_that_were_called_and_the_unseen_are_denied_when_asked() {
    let calls = [call(["destination", "web", "cart", CART, "cart", "mutual_tls", "http"], 2.0)];
    let (run, dir) = made(&calls, &["authz", "--deny-unseen"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_snapshot("authz-deny-unseen", &run.out);
    write(dir.path(), &[("made.yaml", &run.out)]);
    let who = |to: &str| {
        let run = meshctl(dir.path(), &["authz", "who-can", to, "-f", "mesh.yaml", "-f", "made.yaml", "--complete", "-o", "json"]);
        let answer: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err));
        let callers = answer["answers"][0]["callers"].as_array().cloned().unwrap_or_default();
        let may = callers.iter().filter(|c| c["may"] != "never").filter_map(|c| c["caller"].as_str().map(str::to_owned));
        may.filter(|c| c.contains('/')).collect::<Vec<_>>()
    };
    assert_eq!(who("cart.shop:80"), ["cluster.local/ns/shop/sa/web"]);
    assert!(who("cart.shop:9000").is_empty() && who("idle.shop:80").is_empty());
}

#[test]
fn hosts_that_nobody_declares_get_an_entry() {
    let via = |host: &str, protocol: &str| call(["source", "web", "unknown", host, "PassthroughCluster", "unknown", protocol], 1.0);
    let calls = [
        via("api.example.com", "http"),
        via("api.example.com:8080", "http"),
        via("known.example.com", "http"),
        via("203.0.113.7", "http"),
        via("unknown", "tcp"),
        call(["source", "web", "unknown", CART, "cart", "unknown", "http"], 1.0),
    ];
    let (run, dir) = made(&calls, &["service-entry"]);
    assert_eq!(run.status, 75, "{}{}", run.err, run.out);
    assert!(
        run.err.contains("203.0.113.7 is asked for by its address") && run.err.contains("web.shop sends 1 a second to hosts of which metrics have no name"),
        "{}",
        run.err
    );
    assert_snapshot("service-entry", &run.out);
    write(dir.path(), &[("made.yaml", &run.out)]);
    assert_eq!(meshctl(dir.path(), &["analyze", "mesh.yaml", "made.yaml", "--complete"]).status, 0);
}

#[test]
fn a_sidecar_has_the_hosts_that_are_called() {
    let calls = [
        call(["source", "web", "cart", CART, "cart", "unknown", "http"], 1.0),
        call(["source", "web", "unknown", "known.example.com", "known.example.com", "unknown", "http"], 1.0),
    ];
    let (run, dir) = made(&calls, &["sidecar", "web.shop"]);
    assert_eq!(run.status, 0, "{}{}", run.err, run.out);
    assert_snapshot("sidecar", &run.out);
    write(dir.path(), &[("made.yaml", &run.out)]);
    let why = |url: &str| meshctl(dir.path(), &["why", "web.shop", url, "-f", "mesh.yaml", "-f", "made.yaml", "--complete"]);
    assert_eq!(why("http://cart/").status, 0, "{}", why("http://cart/").out);
    assert_ne!(why("http://idle/").out, "", "what is not known is told");
    assert_eq!(meshctl(dir.path(), &["analyze", "mesh.yaml", "made.yaml", "--complete"]).status, 0);
}

#[test]
fn what_is_missing_is_said() {
    let dir = folder(&[
        ("mesh.yaml", MESH),
        ("seen.json", &json!({"series": [call(["destination", "web", "cart", CART, "cart", "mutual_tls", "http"], 1.0)]}).to_string()),
    ]);
    let alone = meshctl(dir.path(), &["gen", "authz", "-f", "seen.json"]);
    assert!(alone.status == 64 && alone.err.contains("name the manifests with -f too"), "{} {}", alone.status, alone.err);
    let none = meshctl(dir.path(), &["gen", "authz", "-f", "mesh.yaml"]);
    assert!(none.status == 64 && none.err.contains("no metrics to look at"), "{} {}", none.status, none.err);
    let nobody = meshctl(dir.path(), &["gen", "authz", "nobody", "-f", "mesh.yaml", "-f", "seen.json"]);
    assert!(nobody.status == 64 && nobody.err.contains("no workload or Service `nobody`"), "{} {}", nobody.status, nobody.err);
    // A caller of whom nobody knows the identity.
    let mut stranger = call(["destination", "stranger", "cart", CART, "cart", "mutual_tls", "http"], 1.0);
    stranger["labels"]["source_principal"] = "unknown".into();
    let (run, _dir) = made(&[stranger], &["authz"]);
    assert!(run.status == 75 && run.out.is_empty() && run.err.contains("cart.shop is called by stranger.shop, of whom"), "{} {}", run.status, run.err);
}
