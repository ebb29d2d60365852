//! `meshctl gen` from observed traffic.

use crate::common;
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
        // The rules name whom they want, and one that the input does not hold is none of these.
        let other = callers.iter().find(|c| c["caller"] == "any other identity").expect("any other");
        assert_eq!(other["may"], "never", "{}", asked.out);
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

/// The same mesh with more objects in it.
fn made_in(more: &str, calls: &[Value], args: &[&str]) -> (Run, tempfile::TempDir) {
    let mesh = format!("{MESH}---\n{more}");
    let dir = folder(&[("mesh.yaml", &mesh), ("seen.json", &json!({"series": calls, "clusterName": "c"}).to_string())]);
    let all: Vec<&str> = std::iter::once("gen").chain(args.iter().copied()).chain(["-f", "mesh.yaml", "-f", "seen.json", "--complete"]).collect();
    (meshctl(dir.path(), &all), dir)
}

fn to_cart(source: &str, protocol: &str) -> Value {
    call(["destination", source, "cart", CART, "cart", "mutual_tls", protocol], 1.0)
}

#[test]
fn who_was_refused_by_grpc_is_not_let_in() {
    let with = |mut call: Value, status: &str| {
        call["labels"]["grpc_response_status"] = status.into();
        call
    };
    let calls =
        [with(to_cart("web", "grpc"), "0"), with(to_cart("web", "grpc"), "7"), with(to_cart("mallory", "grpc"), "7"), with(to_cart("odd", "http"), "7")];
    let (run, _dir) = made(&calls, &["authz"]);
    assert_eq!(run.status, 0, "{}{}", run.err, run.out);
    assert!(run.out.contains("sa/web") && run.out.contains("sa/odd") && !run.out.contains("mallory"), "{}", run.out);
}

const CANARY: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-canary, namespace: shop}
spec: {selector: {matchLabels: {app: cart, track: canary}}, template: {metadata: {labels: {app: cart, track: canary}}, spec: {containers: [{name: app}]}}}
";

#[test]
fn labels_of_another_workload_too_make_no_policy() {
    let (run, _dir) = made_in(CANARY, &[to_cart("web", "http")], &["authz"]);
    assert!(run.status == 75 && run.out.is_empty(), "{} {}{}", run.status, run.err, run.out);
    assert!(run.err.contains("cart.shop: its labels, app=cart, select cart-canary.shop as well"), "{}", run.err);
    // Nobody called cart: to close it would close the canary.
    let mut calls = [to_cart("web", "http")];
    calls[0]["labels"]["destination_workload"] = "cart-canary".into();
    let (run, _dir) = made_in(CANARY, &calls, &["authz", "--deny-unseen"]);
    assert!(run.status == 75 && run.err.contains("cart.shop: its labels, app=cart, select cart-canary.shop as well"), "{} {}", run.status, run.err);
    assert!(run.out.contains("name: cart-canary-callers") && run.out.contains("name: idle-callers") && !run.out.contains("name: cart-callers"), "{}", run.out);
    // Pods of one workload are no others.
    let pod = |n: u32| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: cart-7f9c5d-aaaa{n}, namespace: shop, labels: {{app: cart, pod-template-hash: 7f9c5d}}}}\nspec: {{serviceAccountName: cart, containers: [{{name: app}}, {{name: istio-proxy}}]}}\n"
        )
    };
    let (run, _dir) = made_in(&format!("{}---\n{}", pod(1), pod(2)), &[to_cart("web", "http")], &["authz", "--deny-unseen"]);
    assert!(run.status == 0 && run.out.matches("name: cart").count() == 1 && run.out.contains("name: cart-callers"), "{}{}", run.err, run.out);
}

const FRONT: &str = "
apiVersion: v1
kind: Service
metadata: {name: front, namespace: shop}
spec: {selector: {app: nothing}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: shop}
spec: {hosts: [front], http: [{route: [{destination: {host: cart}}]}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ['./*']}]}
";

#[test]
fn a_sidecar_knows_what_leads_to_its_hosts_and_keeps_what_the_wide_one_says() {
    let calls = [call(["source", "web", "cart", CART, "cart", "unknown", "http"], 1.0)];
    let (run, dir) = made_in(FRONT, &calls, &["sidecar", "web.shop"]);
    assert_eq!(run.status, 0, "{}{}", run.err, run.out);
    assert!(run.out.contains("./front.shop.svc.cluster.local") && !run.out.contains("./*"), "{}", run.out);
    assert!(run.out.contains("mode: REGISTRY_ONLY") && run.out.contains("app: web"), "{}", run.out);
    write(dir.path(), &[("made.yaml", &run.out)]);
    let why = meshctl(dir.path(), &["why", "web.shop", "http://front/", "-f", "mesh.yaml", "-f", "made.yaml", "--complete"]);
    assert!(why.status == 0 && why.out.contains("cart"), "{}{}", why.out, why.err);
}

#[test]
fn a_workload_with_a_sidecar_of_other_labels_gets_none() {
    let other = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: all, namespace: shop}\nspec: {workloadSelector: {labels: {app: web, track: stable}}, egress: [{hosts: ['./*']}]}\n";
    let web = other.replace("app: web, track: stable", "service.istio.io/canonical-name: web");
    let calls = [call(["source", "web", "cart", CART, "cart", "unknown", "http"], 1.0)];
    let (run, _dir) = made_in(&web, &calls, &["sidecar", "web.shop"]);
    assert!(run.status == 75 && run.err.contains("web.shop is selected by Sidecar shop/all already"), "{} {}{}", run.status, run.err, run.out);
    assert_eq!(made_in(other, &calls, &["sidecar", "web.shop"]).0.status, 0, "it selects others only");
}

#[test]
fn a_port_that_is_not_known_once_is_not_known() {
    let mut by_address = to_cart("web", "http");
    for name in ["destination_service", "destination_service_name"] {
        by_address["labels"][name] = "unknown".into();
    }
    let (run, _dir) = made(&[to_cart("web", "http"), by_address, to_cart("cart", "http")], &["authz"]);
    assert!(run.err.contains("sa/web calls cart.shop at a port that metrics do not tell: all ports are open to it"), "{}", run.err);
    assert!(!run.err.contains("sa/cart calls") && run.status == 0, "{} {}", run.status, run.err);
    assert_snapshot("authz-unknown-port", &run.out);
}

#[test]
fn nothing_made_of_what_could_not_be_read_is_not_fine() {
    let dir =
        folder(&[("mesh.yaml", &format!("{MESH}---\nkind: [\n")), ("seen.json", &json!({"series": [to_cart("web", "http")], "clusterName": "c"}).to_string())]);
    let run = meshctl(dir.path(), &["gen", "service-entry", "-f", "mesh.yaml", "-f", "seen.json"]);
    assert!(run.err.contains("nothing is to be made"), "{}{}", run.err, run.out);
    assert!(matches!(run.status, 65 | 75), "{} {}", run.status, run.err);
}

#[test]
fn entries_have_names_of_their_own_and_hosts_that_are_names() {
    let via = |host: &str| call(["source", "web", "unknown", host, "PassthroughCluster", "unknown", "http"], 1.0);
    let (run, _dir) = made(&[via("a-b.example.com"), via("a.b.example.com"), via("x_y.example.com")], &["service-entry"]);
    assert_eq!(run.status, 75, "{}{}", run.err, run.out);
    assert!(run.err.contains("x_y.example.com") && !run.out.contains("x_y"), "{}{}", run.err, run.out);
    let names: BTreeSet<&str> = run.out.lines().filter_map(|l| l.strip_prefix("  name: ")).collect();
    assert_eq!(names, BTreeSet::from(["a-b-example-com", "a-b-example-com-2"]), "{}", run.out);
}

#[test]
fn a_wide_policy_with_the_wanted_name_is_told_of() {
    let wide = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: cart-callers, namespace: shop}\nspec: {rules: [{from: [{source: {namespaces: [shop]}}]}]}\n";
    let (run, _dir) = made_in(wide, &[to_cart("web", "http")], &["authz"]);
    assert!(run.out.contains("name: cart-callers-2"), "{}{}", run.err, run.out);
    assert!(run.err.contains("AuthorizationPolicy shop/cart-callers lets callers of cart.shop in as well"), "{}", run.err);
}

/// A line of the server's own log.
fn line(request: (&str, &str), code: u16, details: &str, peer: Option<&str>) -> String {
    json!({
        "authority": "cart", "method": request.0, "path": request.1, "protocol": "HTTP/1.1", "response_code": code, "response_code_details": details,
        "response_flags": "-", "start_time": "2026-11-22T11:54:17.236Z", "upstream_cluster": "inbound|8080||", "requested_server_name": format!("outbound_.80_._.{CART}"),
        "downstream_local_address": "10.0.0.1:8080", "downstream_remote_address": "10.0.0.2:5000", "upstream_host": "10.0.0.1:8080",
        "downstream_peer_uri_san": peer.map(|p| format!("spiffe://cluster.local/ns/shop/sa/{p}")), "request_id": "r", "duration": 1, "bytes_sent": 1, "bytes_received": 0,
    })
    .to_string()
}

const ASKED: &[(&str, &str)] = &[("GET", "/items/1"), ("GET", "/items/22?token=s3cret"), ("GET", "/items"), ("POST", "/items"), ("GET", "/healthz")];

fn with_log(log: &str, more: &str, args: &[&str]) -> (Run, tempfile::TempDir) {
    let calls = [
        call(["destination", "web", "cart", CART, "cart", "mutual_tls", "http"], 1.0),
        call(["destination", "idle", "cart", CART, "cart", "mutual_tls", "http"], 1.0),
    ];
    let mesh = MESH.replace("labels: {app: idle}}, spec: {containers", "labels: {app: idle}}, spec: {serviceAccountName: idle, containers");
    let dir = folder(&[("mesh.yaml", &(mesh + more)), ("seen.json", &json!({"series": calls, "clusterName": "c"}).to_string()), ("logs/cart.log", log)]);
    let all = [&["gen", "authz", "cart.shop", "-f", "mesh.yaml", "-f", "seen.json", "-f", "logs", "--complete"], args].concat();
    (meshctl(dir.path(), &all), dir)
}

/// Whether an identity may ask for it once a policy is applied.
fn may(dir: &Path, policy: &str, request: (&str, &str), who: &str) -> String {
    write(dir, &[("policy.yaml", policy)]);
    let path = request.1.split('?').next().unwrap_or("");
    let run = meshctl(dir, &["authz", "who-can", "cart.shop:8080", request.0, path, "-f", "mesh.yaml", "-f", "policy.yaml", "--complete", "-o", "json"]);
    let answer: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err));
    let callers = answer["answers"][0]["callers"].as_array().expect("callers");
    let own = callers.iter().find(|c| c["caller"].as_str().is_some_and(|c| c.ends_with(&format!("/sa/{who}")))).unwrap_or_else(|| panic!("{who}: {}", run.out));
    own["may"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn methods_and_paths_of_access_logs_are_let_through_and_no_others() {
    let mut log: String = ASKED.iter().map(|r| line(*r, 200, "via_upstream", None) + "\n").collect();
    log += &(line(("DELETE", "/items/1"), 403, "rbac_access_denied_matched_policy[none]", None) + "\n");
    // What the application refuses was let through.
    log += &(line(("GET", "/admin"), 403, "via_upstream", None) + "\nnot a line of a log\n");
    let (run, dir) = with_log(&log, "", &[]);
    assert!(run.status == 0 && !run.out.contains("s3cret") && !run.out.contains("DELETE"), "{} {}{}", run.status, run.out, run.err);
    assert!(run.err.contains("logs do not tell who made them"), "{}", run.err);
    assert_snapshot("authz_paths", &run.out);
    for request in ASKED.iter().chain(&[("GET", "/admin")]) {
        assert_eq!(may(dir.path(), &run.out, *request, "web"), "always", "{request:?}");
    }
    for request in [("DELETE", "/items/1"), ("GET", "/"), ("POST", "/items/1"), ("GET", "/items1"), ("PUT", "/items")] {
        assert_eq!(may(dir.path(), &run.out, request, "web"), "never", "{request:?}");
    }
    let (methods, dir) = with_log(&log, "", &["--operations", "methods"]);
    assert!(methods.status == 0 && !methods.out.contains("paths"), "{}{}", methods.out, methods.err);
    assert_eq!([("GET", "/x"), ("PUT", "/items")].map(|r| may(dir.path(), &methods.out, r, "web")), ["always", "never"]);
    let (ports, _) = with_log(&log, "", &["--operations", "ports"]);
    assert!(ports.status == 0 && !ports.out.contains("methods") && ports.out.contains("8080"), "{}{}", ports.out, ports.err);
}

#[test]
fn what_is_open_to_every_path_is_said() {
    let good = line(("GET", "/a"), 200, "via_upstream", None) + "\n";
    let (run, _) = with_log(&good, "", &[]);
    assert!(run.status == 0 && !run.err.contains("every path"), "{}{}", run.out, run.err);
    // One request of a stranger opens everything.
    let (run, _) = with_log(&(good + &line(("GET", "/{{7*7}}"), 404, "via_upstream", None) + "\n"), "", &[]);
    assert!(run.out.contains("- /*\n") && run.err.contains("sa/web may ask cart.shop for every path with GET: "), "{}{}", run.out, run.err);
}

#[test]
fn a_certificate_tells_whose_requests_they_are() {
    let log = line(("GET", "/a"), 200, "via_upstream", Some("web")) + "\n" + &line(("PUT", "/b"), 200, "via_upstream", Some("idle")) + "\n";
    let (run, dir) = with_log(&log, "", &[]);
    assert!(run.status == 0, "{}{}", run.out, run.err);
    let all = [("web", ("GET", "/a")), ("web", ("PUT", "/b")), ("idle", ("GET", "/a")), ("idle", ("PUT", "/b"))];
    assert_eq!(all.map(|(who, request)| may(dir.path(), &run.out, request, who)), ["always", "never", "never", "always"], "{}", run.out);
}

#[test]
fn logs_of_rewritten_paths_tell_methods_alone() {
    let rule = "---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: cart, namespace: shop}, spec: {hosts: [cart], http: [{match: [{uri: {prefix: /old}}], rewrite: {uri: /new}, route: [{destination: {host: cart}}]}, {route: [{destination: {host: cart}}]}]}}\n";
    let (run, _) = with_log(&(line(("GET", "/old"), 200, "via_upstream", None) + "\n"), rule, &[]);
    assert!(run.status == 0 && run.err.contains("VirtualService shop/cart rewrites paths"), "{}{}", run.out, run.err);
    assert!(!run.out.contains("paths") && run.out.contains("methods"), "{}", run.out);
}

#[test]
fn without_logs_of_it_a_workload_is_told_by_ports() {
    let log = line(("GET", "/a"), 200, "via_upstream", None).replace("cart.shop", "idle.shop") + "\n";
    let (run, _) = with_log(&log, "", &[]);
    assert!(run.status == 0 && run.err.contains("no access log tells what cart.shop is asked"), "{}{}", run.out, run.err);
    let (run, _) = with_log("nothing\n", "", &["--operations", "paths"]);
    assert!(run.status == 0 && run.err.contains("no access log is among the sources"), "{}{}", run.out, run.err);
}
