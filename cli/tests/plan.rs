//! `meshctl plan`.

use crate::common;
use common::{Run, folder, meshctl};
use serde_json::Value;

const MESH: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: app}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-v1, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template: {metadata: {labels: {app: cart, version: v1}}, spec: {serviceAccountName: cart, containers: [{name: app, ports: [{containerPort: 8080}]}]}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
";

fn plan(change: &str, more: &[&str]) -> (Vec<Value>, Run) {
    let dir = folder(&[("mesh.yaml", MESH), ("change.yaml", change)]);
    let mut args = vec!["plan", "-f", "mesh.yaml", "--complete", "-o", "json"];
    if !change.is_empty() {
        args.push("change.yaml");
    }
    args.extend(more);
    let run = meshctl(dir.path(), &args);
    let value: Value = serde_json::from_str(&run.out).unwrap_or_default();
    (value["changes"].as_array().cloned().unwrap_or_default(), run)
}

fn find<'v>(changes: &'v [Value], what: &str, client: &str) -> &'v Value {
    let is = |c: &&Value| c["what"] == what && c["clients"].as_array().is_some_and(|l| l.iter().any(|n| n == client));
    changes.iter().find(is).unwrap_or(&Value::Null)
}

#[test]
fn who_loses_access_is_told_with_a_request_that_shows_it() {
    let policy = "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: cart, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/other]}}], to: [{operation: {methods: [GET], paths: [/api/*]}}]}]}}";
    let (changes, run) = plan(policy, &[]);
    let change = find(&changes, "permission", "web.shop");
    assert!(run.status == 79 && change["worse"] == true && change["before"] == "allowed", "{}", run.out);
    assert_eq!(change["by"]["object"], "AuthorizationPolicy shop/cart");
    assert!(change["by"]["place"].as_str().is_some_and(|p| p.starts_with("change.yaml:")), "{}", run.out);
}

#[test]
fn routes_change_for_the_requests_that_match() {
    let route = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: cart, namespace: shop}, spec: {hosts: [cart], http: [{match: [{uri: {prefix: /new}}], route: [{destination: {host: cart, subset: v2}}]}, {route: [{destination: {host: cart}}]}]}}";
    let (changes, run) = plan(route, &[]);
    let change = find(&changes, "routes", "web.shop");
    assert!(run.status == 79 && change["worse"] == true, "{}", run.out);
    assert!(change["witness"].as_str().is_some_and(|w| w.ends_with("/new")) && change["after"].as_str().is_some_and(|a| a.contains("503 NC")), "{}", run.out);
    assert_eq!(changes.iter().filter(|c| c["what"] == "routes").count(), 1, "{}", run.out);
}

#[test]
fn encryption_that_is_lost_is_worse_and_deleting_a_policy_is_a_change() {
    let rule = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: cart, namespace: shop}, spec: {host: cart, trafficPolicy: {tls: {mode: DISABLE}}}}";
    let (changes, run) = plan(rule, &[]);
    let change = find(&changes, "encryption", "web.shop");
    assert_eq!((run.status, change["before"].as_str(), change["after"].as_str()), (79, Some("mutual TLS"), Some("refused")), "{}", run.out);
    let (changes, run) = plan("", &["--delete", "PeerAuthentication shop/default"]);
    let change = find(&changes, "encryption", "outside");
    assert_eq!((change["before"].as_str(), change["after"].as_str()), (Some("refused"), Some("plaintext")), "{}", run.out);
}

#[test]
fn a_change_that_is_not_there_is_no_answer() {
    let dir = folder(&[("mesh.yaml", MESH)]);
    let run = meshctl(dir.path(), &["plan", "nosuch.yaml", "-f", "mesh.yaml"]);
    assert!(run.status == 65 && run.out.is_empty() && run.err.contains("nosuch.yaml: does not exist"), "{} {}{}", run.status, run.out, run.err);
    let run = meshctl(dir.path(), &["plan", "--delete", "Deployment crat-v1.shop", "-f", "mesh.yaml"]);
    assert!(run.status == 64 && run.err.contains("did you mean `cart-v1.shop`?"), "{}", run.err);
}

#[test]
fn what_changes_nothing_is_fine() {
    let same = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: cart, namespace: shop}, spec: {host: cart, trafficPolicy: {loadBalancer: {simple: RANDOM}}}}";
    let (changes, run) = plan(same, &[]);
    assert!(run.status == 0 && changes.is_empty(), "{} {}", run.status, run.out);
}

/// A gateway that ends TLS and one that passes it on, beside the mesh.
const GATEWAYS: &str = "
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  template: {metadata: {labels: {istio: ingressgateway}}, spec: {containers: [{name: istio-proxy, image: istio/proxyv2}]}}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: https, port: 443, targetPort: 8443}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: shop}, hosts: ['*.example.com']}
---
apiVersion: v1
kind: Secret
metadata: {name: shop, namespace: istio-system}
type: kubernetes.io/tls
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec: {hosts: ['*.example.com'], gateways: [istio-system/edge], http: [{route: [{destination: {host: cart}}]}]}
";

#[test]
fn what_a_gateway_serves_within_tls_is_asked_too() {
    let policy = "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: admin, namespace: shop}, spec: {action: DENY, rules: [{to: [{operation: {methods: [POST], paths: [/admin/*]}}]}]}}";
    let dir = folder(&[("mesh.yaml", &format!("{MESH}{GATEWAYS}")), ("change.yaml", policy)]);
    let run = meshctl(dir.path(), &["plan", "change.yaml", "-f", "mesh.yaml", "--complete", "-o", "json"]);
    let value: Value = serde_json::from_str(&run.out).unwrap_or_default();
    let changes = value["changes"].as_array().cloned().unwrap_or_default();
    let change = find(&changes, "permission", "edge.istio-system");
    assert!(run.status == 79 && change["witness"] == "POST https://any.example.com:443/admin/x", "{}{}", run.out, run.err);
}
