//! `meshctl mtls`.

mod common;

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
fn ambient_is_not_judged_and_never_plaintext() {
    let mesh = namespace("shop", "istio.io/dataplane-mode: ambient") + &workload("cart", "shop", "") + &workload("web", "shop", "");
    let (_, run) = ask(&mesh, &["--complete"]);
    assert!(run.status == 75 && !run.out.contains("plaintext"), "{} {}", run.status, run.out);
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
