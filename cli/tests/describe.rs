//! `describe` on files, and on a cluster that test servers play.

mod common;

use common::mesh::{Mesh, objects, resource};
use common::{folder, meshctl};
use mesh_testserver::apiserver::Faults;
use serde_json::{Value, json};

const MESH: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 9080}, {name: tcp-x, port: 81, targetPort: nowhere}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v2, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  template:
    metadata: {labels: {app: reviews, version: v2}}
    spec: {containers: [{name: reviews, ports: [{containerPort: 9080}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec: {host: reviews, trafficPolicy: {connectionPool: {}, loadBalancer: {simple: RANDOM}}, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews, shop.example.com]
  gateways: [mesh, shop-gateway]
  http:
  - match: [{uri: {prefix: /reviews}, headers: {end-user: {exact: jason}}}]
    timeout: 1s
    route: [{destination: {host: reviews, subset: v2}, weight: 20}, {destination: {host: reviews, subset: v1}, weight: 80}]
  - route: [{destination: {host: reviews, subset: v9}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-admin, namespace: shop}
spec: {selector: {matchLabels: {app: reviews}}, action: DENY, rules: [{}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: of-others, namespace: shop}
spec: {selector: {matchLabels: {app: ratings}}}
";

#[test]
fn what_applies_to_a_workload_is_told_with_the_object_that_says_it() {
    let dir = folder(&[("mesh.yaml", MESH)]);
    let run = meshctl(dir.path(), &["describe", "deployment/reviews-v2.shop", "-f", "mesh.yaml", "--complete"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    for says in [
        "has a sidecar, or will be given one",
        "declares ports 9080/TCP",
        "port http 80 as Http to port 9080",
        "▲ port tcp-x 81 as Tcp to no port of this workload",
        "DestinationRule shop/reviews: this workload is in subset v2, and not in v1",
        "DestinationRule shop/reviews: sets connectionPool, loadBalancer",
        "VirtualService shop/reviews: is exposed for reviews, shop.example.com on gateway shop-gateway",
        "VirtualService shop/reviews: /reviews* end-user=jason: leads to subset v2 with weight 20, with timeout",
        "▲ VirtualService shop/reviews: leads to subset v9, which no DestinationRule has",
        "VirtualService shop/reviews: 1 more destination leads elsewhere",
        "PeerAuthentication shop/strict: STRICT",
        "AuthorizationPolicy shop/deny-admin: DENY, selects it",
    ] {
        assert!(run.out.contains(says), "{says}:\n{}", run.out);
    }
    assert!(!run.out.contains("of-others"), "{}", run.out);
    let run = meshctl(dir.path(), &["describe", "service", "reviews", "-n", "shop", "-f", "mesh.yaml", "-o", "json"]);
    let json: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!((&json["subject"], &json["facts"][0]["object"]), (&json!("Service shop/reviews"), &json!("")), "{json}");
    for (args, status, says) in [
        (&["describe", "svc/nosuch", "-f", "mesh.yaml"][..], 1, "there is no service/nosuch; there is: reviews.shop"),
        (&["describe", "web-1.shop", "-f", "mesh.yaml"], 1, "there is: Deployment/reviews-v2.shop"),
        (&["describe", "node/a", "-f", "mesh.yaml"], 64, "`node` has no pods"),
        (&["describe"], 64, "NAME"),
    ] {
        let run = meshctl(dir.path(), args);
        assert!(run.status == status && run.err.contains(says), "{args:?}: {} {}", run.status, run.err);
    }
}

#[test]
fn without_files_the_current_cluster_is_described() {
    let mut data = objects();
    data.add(resource("", "v1", "namespaces", "Namespace", vec![json!({"metadata": {"name": "shop"}})]));
    let mesh = Mesh::with(data, Faults::default());
    let run = mesh.meshctl(&["describe", "cart-1.shop"]);
    assert!(run.status == 0 && run.out.starts_with("Pod shop/cart-1\n") && run.out.contains("port http 80 as Http to port 8080"), "{}{}", run.out, run.err);
    let run = mesh.meshctl(&["describe", "deployment/cart", "-n", "shop"]);
    assert!(run.status == 0 && run.out.contains("Service shop/cart"), "{}{}", run.out, run.err);
}
