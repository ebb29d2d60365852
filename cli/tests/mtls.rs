//! `meshctl mtls`.

use crate::common;
use common::{Run, folder, meshctl};
use serde_json::Value;

fn namespace(name: &str, labels: &str) -> String {
    format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n")
}

fn workload(name: &str, namespace: &str, annotations: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}, annotations: {{{annotations}}}}}\n    spec: {{containers: [{{name: app, ports: [{{containerPort: 8080}}]}}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n"
    )
}

fn policy(mode: &str) -> String {
    format!("---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default, namespace: shop}}\nspec: {{mtls: {{mode: {mode}}}}}\n")
}

fn ask(yaml: &str, flags: &[&str]) -> (Value, Run) {
    let dir = folder(&[("mesh.yaml", yaml)]);
    let mut args = vec!["mtls", "-f", "mesh.yaml", "-o", "json"];
    args.extend(flags);
    let run = meshctl(dir.path(), &args);
    (serde_json::from_str(&run.out).unwrap_or_default(), run)
}

fn port<'v>(answer: &'v Value, workload: &str) -> &'v Value {
    answer["ports"].as_array().into_iter().flatten().find(|p| p["workload"] == workload).unwrap_or(&Value::Null)
}

const INJECTED: &str = "istio-injection: enabled";

#[test]
fn strict_is_encrypted_and_the_policy_is_named() {
    let mesh = namespace("shop", INJECTED) + &workload("cart", "shop", "") + &policy("STRICT");
    let (answer, run) = ask(&mesh, &[]);
    let cart = port(&answer, "cart");
    assert_eq!(
        (run.status, cart["takes"].as_str(), cart["by"]["object"].as_str()),
        (0, Some("STRICT"), Some("PeerAuthentication shop/default")),
        "{}",
        run.out
    );
    assert!(cart["by"]["place"].as_str().is_some_and(|p| p.starts_with("mesh.yaml:")));
}

#[test]
fn permissive_is_as_good_as_its_clients() {
    let sound = namespace("shop", INJECTED) + &workload("cart", "shop", "") + &workload("web", "shop", "");
    // A part of a mesh may have other clients.
    assert_eq!((ask(&sound, &[]).1.status, ask(&sound, &["--complete"]).1.status), (75, 0));
    let (answer, run) = ask(&(sound.clone() + &workload("batch", "jobs", "")), &["--complete"]);
    let clients = port(&answer, "cart")["clients"].as_array().cloned().unwrap_or_default();
    let plain = clients.iter().find(|c| c["sends"] == "plaintext").expect("a plaintext client");
    assert_eq!((run.status, plain["clients"][0].as_str()), (79, Some("batch.jobs")), "{}", run.out);
    assert_eq!(answer["outside"][0]["workload"], "batch.jobs");
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: cart, namespace: shop}\nspec: {host: cart, trafficPolicy: {tls: {mode: DISABLE}}}\n";
    let (answer, run) = ask(&(sound + rule), &["--complete"]);
    assert!(run.status == 79 && port(&answer, "cart")["reason"].as_str().is_some_and(|r| r.contains("DestinationRule shop/cart says DISABLE")), "{}", run.out);
}

#[test]
fn ports_past_the_sidecar_and_hosts_networks_are_not_encrypted() {
    let excluded = namespace("shop", INJECTED) + &workload("cart", "shop", "traffic.sidecar.istio.io/excludeInboundPorts: '8080'") + &policy("STRICT");
    let (answer, run) = ask(&excluded, &["--complete"]);
    assert!(run.status == 79 && port(&answer, "cart")["reason"] == "the port goes past the sidecar", "{}", run.out);
    let host = namespace("shop", INJECTED) + &workload("cart", "shop", "").replace("spec: {containers", "spec: {hostNetwork: true, containers");
    let (answer, run) = ask(&host, &["--complete"]);
    assert!(run.status == 79 && answer["outside"][0]["why"] == "it uses the host's network", "{}", run.out);
}

#[test]
fn ambient_is_encrypted_among_its_own_and_never_plaintext() {
    let mesh = namespace("shop", "istio.io/dataplane-mode: ambient") + &workload("cart", "shop", "") + &workload("web", "shop", "");
    let (answer, run) = ask(&mesh, &["--complete"]);
    assert!(run.status == 0 && port(&answer, "cart")["takes"] == "ambient" && !run.out.contains("plaintext"), "{} {}", run.status, run.out);
    // Of a part nobody knows who else calls; STRICT settles it.
    let (_, run) = ask(&mesh, &[]);
    assert!(run.status == 75 && !run.out.contains("plaintext"), "{} {}", run.status, run.out);
    let (answer, run) = ask(&(mesh.clone() + &policy("STRICT")), &[]);
    assert!(run.status == 0 && port(&answer, "cart")["takes"] == "ambient, STRICT", "{} {}", run.status, run.out);
    // A sidecar calls: how it is set up is not in manifests. Who is in no mesh sends what it sends.
    let injected = mesh.clone() + &namespace("jobs", INJECTED) + &workload("batch", "jobs", "");
    let (_, run) = ask(&injected, &["--complete"]);
    assert!(run.status == 75 && run.out.contains("HBONE"), "{} {}", run.status, run.out);
    let (answer, run) = ask(&(mesh + &workload("batch", "jobs", "")), &["--complete"]);
    assert!(run.status == 79 && port(&answer, "cart")["reason"].as_str().is_some_and(|r| r.contains("not in the mesh")), "{} {}", run.status, run.out);
}

#[test]
fn the_fixtures_of_ambient_mode_and_native_sidecars_are_encrypted() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/why");
    for (file, takes) in [("ambient.yaml", "ambient"), ("native-sidecar.yaml", "STRICT")] {
        let run = meshctl(&dir, &["mtls", "-f", file, "--complete"]);
        assert!(run.status == 0 && run.out.contains(takes) && !run.out.contains("plaintext"), "{file}: {} {}{}", run.status, run.out, run.err);
    }
}

#[test]
fn native_sidecars_count_as_sidecars() {
    let native =
        workload("cart", "shop", "").replace("spec: {containers", "spec: {initContainers: [{name: istio-proxy, image: i, restartPolicy: Always}], containers");
    let (answer, run) = ask(&(native + &policy("STRICT")), &["--complete"]);
    assert!(run.status == 0 && port(&answer, "cart")["takes"] == "STRICT", "{}", run.out);
}

#[test]
fn the_last_line_counts() {
    let dir = folder(&[("mesh.yaml", &(namespace("shop", INJECTED) + &workload("cart", "shop", "") + &policy("STRICT") + &workload("batch", "jobs", "")))]);
    let run = meshctl(dir.path(), &["mtls", "-f", "mesh.yaml", "--complete"]);
    assert_eq!(run.out.lines().last(), Some("1 of 2 ports encrypted, 1 not (the workload has no sidecar)"), "{}", run.out);
}

#[test]
fn a_request_is_judged_from_manifests_as_from_a_dump() {
    let policy = "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: cart, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}], to: [{operation: {methods: [GET]}}]}]}}\n";
    let dir = folder(&[("mesh.yaml", &(namespace("shop", INJECTED) + &workload("cart", "shop", "") + policy))]);
    let can = |more: &[&str]| {
        let mut args = vec!["authz", "can", "--to", "cart.shop", "--from", "mesh.yaml", "--port", "8080"];
        args.extend(more);
        meshctl(dir.path(), &args)
    };
    let run = can(&["GET", "/", "--principal", "cluster.local/ns/shop/sa/web"]);
    assert!(run.status == 0 && run.out.contains("AuthorizationPolicy shop/cart, rule 0"), "{} {} {}", run.status, run.out, run.err);
    assert_eq!(can(&["POST", "/", "--principal", "cluster.local/ns/shop/sa/web"]).status, 79);
    assert_eq!(can(&["GET", "/", "--plaintext"]).status, 79);
}

/// The caller is of the mesh whose manifests are given, and whom a policy asks is not judged where that was not given.
#[test]
fn callers_are_of_the_trust_domain_of_the_manifests_and_unseen_providers_are_not_judged() {
    let config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: 'trustDomain: td.local'}\n";
    let policy = |spec: &str| {
        format!(
            "---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: cart, namespace: shop}}, spec: {{selector: {{matchLabels: {{app: cart}}}}, {spec}}}}}\n"
        )
    };
    let from_web = policy("rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]");
    let custom = policy("action: CUSTOM, provider: {name: opa}, rules: [{to: [{operation: {paths: [/admin]}}]}]");
    let base = namespace("shop", INJECTED) + &workload("cart", "shop", "");
    let dir =
        folder(&[("td.yaml", &(base.clone() + config + &from_web)), ("custom.yaml", &(base.clone() + &custom)), ("known.yaml", &(base + config + &custom))]);
    for (file, path, status, says) in [
        ("td.yaml", "/", 0, "AuthorizationPolicy shop/cart, rule 0"),
        ("custom.yaml", "/admin", 75, "not known: AuthorizationPolicy shop/cart asks a provider of the mesh configuration, which is not in the input"),
        ("known.yaml", "/admin", 79, "DENY by AuthorizationPolicy shop/cart, rule 0"),
    ] {
        let run = meshctl(dir.path(), &["authz", "can", "GET", path, "--to", "cart.shop", "--from", file, "--port", "8080", "--principal", "shop/web"]);
        assert!(run.status == status && run.out.contains(says), "{file}: {} {} {}", run.status, run.out, run.err);
    }
}

/// One request a second into a workload, as its own proxy counted it.
fn seen(workload: &str, security: &str, rate: f64) -> Value {
    serde_json::json!({"metric": "istio_requests_total", "rate": rate, "labels": {
        "reporter": "destination", "source_workload": "web", "source_workload_namespace": "shop", "destination_workload": workload,
        "destination_workload_namespace": "shop", "destination_service": format!("{workload}.shop.svc.cluster.local"),
        "destination_service_name": workload, "destination_service_namespace": "shop", "source_cluster": "c", "source_canonical_service": "web",
        "source_canonical_revision": "v1", "destination_cluster": "c", "destination_canonical_service": workload,
        "destination_canonical_revision": "v1", "connection_security_policy": security,
        "request_protocol": "http", "response_code": "200", "response_flags": "-",
    }})
}

#[test]
fn what_was_seen_in_plaintext_is_not_called_encrypted() {
    let mesh = namespace("shop", INJECTED) + &workload("cart", "shop", "") + &workload("web", "shop", "") + &policy("STRICT");
    let ask = |series: &[Value], flags: &[&str]| {
        let dir = folder(&[("mesh.yaml", &mesh), ("seen.json", &serde_json::json!({"series": series, "clusterName": "c"}).to_string())]);
        meshctl(dir.path(), &[&["mtls", "-f", "mesh.yaml", "-f", "seen.json", "--complete"], flags].concat())
    };
    let run = ask(&[seen("cart", "mutual_tls", 3.0), seen("cart", "none", 1.0)], &["-o", "json"]);
    let answer: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err));
    let cart = port(&answer, "cart");
    assert_eq!((run.status, cart["takes"].as_str(), cart["verdict"].as_str()), (79, Some("STRICT"), Some("not encrypted")), "{}", run.out);
    assert_eq!((&cart["seen"]["requests"]["plaintextShare"], &cart["seen"]["requests"]["perSecond"]), (&0.25.into(), &4.0.into()));
    assert!(port(&answer, "web")["seen"]["requests"].is_null());
    let text = ask(&[seen("cart", "mutual_tls", 3.0)], &["--since", "1h"]);
    assert!(text.status == 0 && text.out.contains("0.0% of 3.00 req/s") && text.out.contains("nothing seen"), "{}{}", text.out, text.err);
    let last = ask(&[seen("cart", "none", 1.0)], &["--since", "1h"]);
    assert_eq!(last.out.lines().last(), Some("1 of 2 ports encrypted, 1 not (plaintext was seen within 1h)"), "{}", last.out);
}

#[test]
fn what_metrics_count_for_several_ports_is_said_to_be_common() {
    let more = |mode: &str| {
        format!(
            "---\n{{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {{name: cart, namespace: shop}}, spec: {{selector: {{matchLabels: {{app: cart}}}}, mtls: {{mode: STRICT}}, portLevelMtls: {{9090: {{mode: {mode}}}}}}}}}\n"
        )
    };
    let second = "---\n{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}, {name: http-more, port: 81, targetPort: 9090}]}}\n";
    let base = namespace("shop", INJECTED) + &workload("cart", "shop", "") + &workload("web", "shop", "");
    let base: String = base.split("---\n").filter(|d| !(d.contains("kind: Service") && d.contains("name: cart"))).collect::<Vec<_>>().join("---\n");
    let ask = |mode: &str| {
        let series = [seen("cart", "mutual_tls", 3.0), seen("cart", "none", 1.0)];
        let mesh = base.clone() + second + &more(mode);
        let dir = folder(&[("mesh.yaml", &mesh), ("seen.json", &serde_json::json!({"series": series, "clusterName": "c"}).to_string())]);
        let run = meshctl(dir.path(), &["mtls", "-f", "mesh.yaml", "-f", "seen.json", "--complete", "-o", "json"]);
        let answer: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err));
        let own =
            answer["ports"].as_array().cloned().unwrap_or_default().into_iter().filter(|p| p["workload"] == "cart" && p["services"] != serde_json::json!([]));
        own.map(|p| (p["port"].as_u64().unwrap_or(0), p["verdict"].as_str().unwrap_or("").to_owned(), p)).collect::<Vec<_>>()
    };
    let ports = ask("PERMISSIVE");
    let verdicts: Vec<(u64, &str)> = ports.iter().map(|(n, v, _)| (*n, v.as_str())).collect();
    // It came in at the one that takes it.
    assert_eq!(verdicts, [(8080, "encrypted"), (9090, "not encrypted")], "{ports:?}");
    assert_eq!(ports[0].2["seen"]["requests"]["ofPorts"], serde_json::json!([8080, 9090]), "{ports:?}");
    assert!(ports[1].2["reason"].as_str().is_some_and(|r| r.contains("at the ports 8080 and 9090 together")), "{ports:?}");
    // None takes it now: which one did is not known.
    assert!(ask("STRICT").iter().all(|(_, v, _)| v == "not encrypted"));
}

#[test]
fn a_prometheus_that_does_not_answer_takes_nothing_from_the_objects() {
    let mesh = namespace("shop", INJECTED) + &workload("cart", "shop", "") + &policy("STRICT");
    let dir = folder(&[("mesh.yaml", &mesh)]);
    let ask = |url: &str| {
        let words = ["mtls", "-f", "mesh.yaml", "--complete"];
        common::run(common::command(dir.path()).args(words).env("MESHCTL_PROMETHEUS", url).output().expect("meshctl runs"))
    };
    // A port that nobody has.
    let port = mesh_testserver::ports::free_address().port();
    let run = ask(&format!("http://127.0.0.1:{port}"));
    assert!(run.status == 75 && run.out.contains("STRICT") && run.err.contains("what came in plaintext was not seen"), "{} {}{}", run.status, run.out, run.err);
    assert_eq!(ask("no url").status, 64, "a wrong call stays one");
}

#[test]
fn a_matrix_is_a_table_csv_or_a_page() {
    let policy = "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: cart, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}], to: [{operation: {methods: [GET]}}]}]}}\n";
    let web = workload("web", "shop", "").replace("spec: {containers", "spec: {serviceAccountName: web, containers");
    let dir = folder(&[("mesh.yaml", &(namespace("shop", INJECTED) + &workload("cart", "shop", "") + &web + policy))]);
    let ask = |format: &str, request: &[&str]| meshctl(dir.path(), &[&["authz", "matrix"], request, &["-f", "mesh.yaml", "--complete", "-o", format]].concat());
    let short = ask("text", &["GET", "/"]);
    let lines: Vec<Vec<&str>> = short.out.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["SERVER", "MAY", "CALLERS"], "{}", short.out);
    assert_eq!(lines[1], ["cart.shop:8080", "yes", "shop/web"], "{}", short.out);
    assert!(short.out.contains("no   anybody without mutual TLS, any other identity and 1 more\nweb.shop:8080   yes  everybody"), "{}", short.out);
    let text = ask("wide", &[]);
    let columns: Vec<&str> = text.out.lines().next().unwrap_or("").split_whitespace().collect();
    assert_eq!(columns[..3], ["SERVER", "cluster.local/ns/shop/sa/default", "cluster.local/ns/shop/sa/web"], "{}", text.out);
    let row = |out: &str, of: &str| out.lines().find(|l| l.starts_with(of)).unwrap_or("").split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((text.status, row(&text.out, "cart.shop:8080")[..2].to_vec()), (0, vec!["no".to_owned(), "if".to_owned()]), "{}", text.out);
    let asked = ask("wide", &["GET", "/"]);
    assert_eq!(row(&asked.out, "cart.shop:8080")[..2].to_vec(), ["no", "yes"], "{}", asked.out);
    let csv = ask("csv", &["POST", "/"]);
    assert!(csv.out.lines().any(|l| l == "cart.shop:8080,no,no,no,no"), "{}", csv.out);
    assert_eq!(csv.out.lines().map(|l| l.split(',').count()).collect::<std::collections::BTreeSet<_>>().len(), 1);
    let html = ask("html", &["GET", "/"]);
    assert!(
        html.out.starts_with("<!doctype html>") && html.out.contains("<td>cart.shop:8080</td><td class=\"no\">no</td><td class=\"yes\">yes</td>"),
        "{}",
        html.out
    );
    assert!(!html.out.contains("http://") && !html.out.contains("<script"));
}

/// So many identities that no table with a column for each fits a terminal.
#[test]
fn a_matrix_of_many_callers_fits_a_terminal() {
    let of = |n: usize| workload(&format!("w{n}"), "shop", "").replace("spec: {containers", &format!("spec: {{serviceAccountName: w{n}, containers"));
    let policy = "---\n{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: w1, namespace: shop}, spec: {selector: {matchLabels: {app: w1}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/w2]}}]}]}}\n";
    let dir = folder(&[("mesh.yaml", &(namespace("shop", INJECTED) + &(0..40).map(of).collect::<String>() + policy))]);
    let run = meshctl(dir.path(), &["authz", "matrix", "-f", "mesh.yaml", "--complete"]);
    assert!(run.out.lines().all(|l| l.len() <= 80), "{}", run.out);
    let no = "w1.shop:8080   no   anybody without mutual TLS, any other identity and ";
    assert!(run.out.contains("w1.shop:8080   yes  shop/w2\n") || run.out.contains("w1.shop:8080   if   shop/w2\n"), "{}", run.out);
    assert!(run.out.contains(no), "{}", run.out);
}

#[test]
fn without_a_source_the_current_cluster_is_asked() {
    let dir = folder(&[]);
    for args in [
        &["mtls"][..],
        &["why"],
        &["why", "cart.shop"],
        &["why", "web.shop", "http://cart.shop/"],
        &["authz", "who-can", "cart.shop"],
        &["authz", "matrix"],
        &["describe", "svc/cart.shop"],
    ] {
        let run = meshctl(dir.path(), args);
        let says = ["there is no kubeconfig", "KUBECONFIG", "-f"];
        assert!(run.status == 64 && says.iter().all(|s| run.err.contains(s)) && !run.err.contains("--kubeconfig"), "{args:?}: {} {}", run.status, run.err);
    }
}
