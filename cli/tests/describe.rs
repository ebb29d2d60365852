//! `describe` on files, and on a cluster that test servers play.

use crate::common;
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
        "port http 80 as HTTP to port 9080",
        "▲ port tcp-x 81 as TCP to no port of this workload",
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

const GATEWAYS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: edge, labels: {istio.io/use-waypoint: ns-waypoint}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front, namespace: edge}
spec:
  gatewayClassName: istio
  listeners: [{name: web, port: 443, protocol: HTTPS, hostname: "*.example.com", tls: {mode: Terminate}, allowedRoutes: {namespaces: {from: All}}}]
status: {conditions: [{type: Programmed, status: "False", reason: AddressNotAssigned, message: no address}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front-istio, namespace: edge}
spec:
  selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: front}}
  template:
    metadata: {labels: {gateway.networking.k8s.io/gateway-name: front, istio: ingress, app: front, version: v1}}
    spec: {serviceAccountName: front-sa, containers: [{name: istio-proxy}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: shop}
spec: {parentRefs: [{name: front, namespace: edge, sectionName: web}], hostnames: [shop.example.com], rules: [{backendRefs: [{name: cart, port: 80}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: of-front, namespace: edge}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}], action: DENY, rules: [{}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ns-waypoint, namespace: edge, labels: {istio.io/waypoint-for: all}}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: edge}
spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: loose, namespace: edge, labels: {istio.io/use-waypoint: none}}
spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: of-cart, namespace: edge}
spec: {targetRefs: [{kind: Service, name: cart}, {kind: Service, name: loose}], rules: [{}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: old, namespace: edge}
spec: {selector: {istio: ingress}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [old.example.com], tls: {httpsRedirect: true}}, {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: c}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: on-old, namespace: shop}
spec: {hosts: [old.example.com], gateways: [edge/old], http: [{route: [{destination: {host: cart.edge.svc.cluster.local}}]}]}
"#;

#[test]
fn gateways_waypoints_and_policies_that_name_them_are_told() {
    let dir = folder(&[("mesh.yaml", GATEWAYS)]);
    let told = |args: &[&str]| {
        let run = meshctl(dir.path(), &[args, &["-f", "mesh.yaml", "--complete"]].concat());
        assert_eq!(run.status, 0, "{args:?}: {}{}", run.out, run.err);
        run.out
    };
    for (args, says, not) in [
        (
            &["describe", "gateway/front.edge"][..],
            &[
                "Gateway edge/front\n",
                "web: port 443 HTTPS for *.example.com, TLS Terminate, routes from All",
                "▲ Gateway edge/front: not Programmed: AddressNotAssigned no address",
                "Deployment edge/front-istio: as service account front-sa",
                "HTTPRoute shop/shop: for shop.example.com on listener web",
                "AuthorizationPolicy edge/of-front: DENY, names the Gateway front",
            ][..],
            "of-cart",
        ),
        (
            &["x", "describe", "gateway", "ns-waypoint", "-n", "edge"],
            &["of class istio-waypoint", "Namespace edge: by its label istio.io/use-waypoint, for traffic to: all", "no workload serves it yet"],
            "of-front",
        ),
        (
            &["describe", "gateway/old"],
            &[
                "port 80 HTTP for old.example.com, redirects to HTTPS\n",
                "port 443 HTTPS for *, TLS SIMPLE",
                "Deployment edge/front-istio: as service account front-sa",
                "VirtualService shop/on-old: for old.example.com",
            ],
            "HTTPRoute",
        ),
        (
            &["describe", "svc/cart.edge"],
            &["Gateway edge/ns-waypoint: is the waypoint that its traffic goes through", "AuthorizationPolicy edge/of-cart: ALLOW, names the Service cart"],
            "of-front",
        ),
        (&["describe", "svc/loose.edge"], &["▲ policies name it, and it has no waypoint that would enforce them"], "is the waypoint"),
        (
            &["describe", "deployment/front-istio.edge"],
            &["Gateway edge/old: selects it", "Gateway edge/front: is served by it", "AuthorizationPolicy edge/of-front: DENY, names the Gateway front"],
            "of-cart",
        ),
    ] {
        let out = told(args);
        for line in says {
            assert!(out.contains(line), "{args:?}: {line}:\n{out}");
        }
        assert!(!out.contains(not), "{args:?}: {out}");
    }
    let run = meshctl(dir.path(), &["describe", "gateway/nosuch", "-f", "mesh.yaml"]);
    assert!(run.status == 1 && run.err.contains("there is no gateway nosuch; there is: front.edge, ns-waypoint.edge, old.edge"), "{}", run.err);
}

#[test]
fn what_a_pods_proxy_holds_stands_beside_what_the_objects_say() {
    let mut data = objects();
    data.add(resource("", "v1", "namespaces", "Namespace", vec![json!({"metadata": {"name": "web"}})]));
    let policy = json!({"metadata": {"name": "new", "namespace": "web"}, "spec": {"action": "DENY", "rules": [{}]}});
    data.add(resource("security.istio.io", "v1", "authorizationpolicies", "AuthorizationPolicy", vec![policy]));
    let mesh = Mesh::with(data, Faults::default());
    let run = mesh.meshctl(&["describe", "web-1.web"]);
    assert!(run.status == 0 && run.out.contains("▲ AuthorizationPolicy web/new: not in force in this proxy"), "{}{}", run.out, run.err);
    assert!(mesh.web.requests().iter().all(|r| r.starts_with("GET /config_dump?mask=")), "{:?}", mesh.web.requests());
    // One that can't be asked costs only that.
    let run = mesh.meshctl(&["describe", "cart-2.shop"]);
    assert!(run.status == 0 && run.out.contains("what its proxy holds\n  not seen: "), "{}{}", run.out, run.err);
}

#[test]
fn without_files_the_current_cluster_is_described() {
    let mut data = objects();
    data.add(resource("", "v1", "namespaces", "Namespace", vec![json!({"metadata": {"name": "shop"}})]));
    let mesh = Mesh::with(data, Faults::default());
    let run = mesh.meshctl(&["describe", "cart-1.shop"]);
    assert!(run.status == 0 && run.out.starts_with("Pod shop/cart-1\n") && run.out.contains("port http 80 as HTTP to port 8080"), "{}{}", run.out, run.err);
    let run = mesh.meshctl(&["describe", "deployment/cart", "-n", "shop"]);
    assert!(run.status == 0 && run.out.contains("Service shop/cart"), "{}{}", run.out, run.err);
}

#[test]
fn who_changed_what_applies_is_told_of_a_cluster_and_of_its_recording() {
    let mut data = common::mesh::objects();
    let managed = |manager: &str, time: &str| json!({"manager": manager, "operation": "Update", "time": time, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:s3cret": {}}}});
    let vs = json!({"metadata": {"name": "cart", "namespace": "shop", "creationTimestamp": "2026-11-20T10:00:00Z",
        "managedFields": [managed("argocd-controller", "2026-11-20T10:00:00Z"), managed("kubectl-edit", "2026-11-22T11:38:00Z")]},
        "spec": {"hosts": ["cart"], "http": [{"route": [{"destination": {"host": "cart"}}]}]}});
    data.add(common::mesh::resource("networking.istio.io", "v1", "virtualservices", "VirtualService", vec![vs]));
    let mesh = Mesh::with(data, Faults::default());
    let run = mesh.meshctl(&["describe", "svc/cart.shop"]);
    let line = "VirtualService shop/cart: 2 min ago by kubectl-edit (2026-11-22T11:38:00Z)";
    assert!(run.out.contains("changed within a day") && run.out.contains(line), "{}{}", run.out, run.err);
    assert!(run.out.contains("leads to\n  Pod shop/cart-1: with a sidecar"), "{}", run.out);
    let recorded = mesh.meshctl(&["snapshot", "record", "all.rec", "--from", "kube", "--count", "1"]);
    let run = mesh.meshctl(&["describe", "svc/cart.shop", "-f", "all.rec"]);
    assert!(run.out.contains(line) && !run.out.contains("s3cret"), "{}{}{}", run.out, run.err, recorded.err);
}
