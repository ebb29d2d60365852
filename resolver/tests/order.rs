//! The order in which objects stand never changes what is made of them.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Interception, Model, Proxy, ProxyKind};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Objects that meet in every way that order could tell: hosts of several namespaces, rules of one host, policies of one
/// scope, routes that are merged, conflicts of ports.
const OBJECTS: &[&str] = &[
    "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: tcp, port: 9090}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: web}, spec: {clusterIP: 10.0.0.2, ports: [{name: http, port: 9080}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.3, selector: {app: cart}, ports: [{port: 9080}, {name: db, port: 3306}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: pods, namespace: shop}, spec: {clusterIP: None, selector: {app: cart}, ports: [{name: tcp, port: 7000}]}}",
    "{apiVersion: v1, kind: Service, metadata: {name: old, namespace: shop}, spec: {type: ExternalName, externalName: cart.shop.svc.cluster.local}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: cart-1, namespace: shop, labels: {app: cart, version: v1}}, spec: {serviceAccountName: cart}, status: {podIP: 10.1.0.1}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: reviews-1, namespace: shop, labels: {app: reviews, version: v2}}, spec: {}, status: {podIP: 10.1.0.2}}",
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: one, namespace: shop}, spec: {hosts: [api.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}}",
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: two, namespace: shop}, spec: {hosts: [api.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}}",
    "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: three, namespace: web}, spec: {hosts: [api.example.com, '*.wild.com'], resolution: NONE, ports: [{number: 443, name: tls, protocol: TLS}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{match: [{uri: {prefix: /a}, headers: {x: {exact: '1'}, b: {regex: '.*'}}}], route: [{destination: {host: reviews, subset: v1}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b, namespace: shop}, spec: {hosts: [reviews, cart], http: [{route: [{destination: {host: cart}, weight: 20}, {destination: {host: reviews}, weight: 80}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: c, namespace: web}, spec: {hosts: ['*.shop.svc.cluster.local'], http: [{route: [{destination: {host: reviews}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: edge1, namespace: shop}, spec: {hosts: [shop.example.com], gateways: [edge], http: [{match: [{uri: {prefix: /one}}], route: [{destination: {host: cart}}]}, {route: [{destination: {host: reviews}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: edge2, namespace: shop}, spec: {hosts: [shop.example.com, other.example.com], gateways: [edge], http: [{match: [{uri: {prefix: /two}}], delegate: {name: leaf}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: leaf, namespace: shop}, spec: {http: [{match: [{uri: {prefix: /two/x}}], route: [{destination: {host: cart}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: bytes, namespace: shop}, spec: {hosts: [cart], tcp: [{match: [{port: 3306}], route: [{destination: {host: reviews, port: {number: 9090}}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: edge, namespace: shop}, spec: {selector: {istio: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example.com']}, {port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop.example.com], tls: {mode: SIMPLE, credentialName: c}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: edge, namespace: web}, spec: {selector: {istio: gw}, servers: [{port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}, {port: {number: 443, name: tls, protocol: TLS}, hosts: [shop.example.com], tls: {mode: PASSTHROUGH}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x, namespace: shop}, spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}], trafficPolicy: {tls: {mode: DISABLE}}}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: y, namespace: shop}, spec: {host: reviews, subsets: [{name: v2, labels: {version: v2}}], trafficPolicy: {loadBalancer: {simple: RANDOM}}}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: z, namespace: shop}, spec: {host: '*.shop.svc.cluster.local', workloadSelector: {matchLabels: {app: cart}}, trafficPolicy: {connectionPool: {http: {maxRetries: 3}}}}}",
    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: shop}, spec: {mtls: {mode: STRICT}}}",
    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: q, namespace: shop}, spec: {mtls: {mode: DISABLE}}}",
    "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: r, namespace: shop}, spec: {selector: {matchLabels: {app: cart}}, portLevelMtls: {9080: {mode: PERMISSIVE}}}}",
    "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: k, namespace: shop}, spec: {rules: [{from: [{source: {namespaces: [web]}}]}]}}",
    "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: l, namespace: istio-system}, spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin*]}}]}]}}",
    "{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: m, namespace: shop}, spec: {jwtRules: [{issuer: b, jwks: '{}'}, {issuer: a, jwks: '{}'}]}}",
    "{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: n, namespace: shop}, spec: {jwtRules: [{issuer: c, jwks: '{}'}]}}",
    "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: web}, spec: {egress: [{hosts: ['./*', shop/reviews.shop.svc.cluster.local]}]}}",
    "{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: t, namespace: shop}, spec: {}}",
    "{apiVersion: networking.istio.io/v1, kind: EnvoyFilter, metadata: {name: f, namespace: shop}, spec: {configPatches: [{applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: {name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}}}, {applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 1s, metadata: {filter_metadata: {x: {a: 1}}}}}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: EnvoyFilter, metadata: {name: g, namespace: shop}, spec: {configPatches: [{applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: {name: b, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}}}, {applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 2s, metadata: {filter_metadata: {x: {b: 1}}}}}}, {applyTo: HTTP_ROUTE, patch: {operation: MERGE, value: {nonsense: 1}}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: EnvoyFilter, metadata: {name: f, namespace: istio-system}, spec: {configPatches: [{applyTo: HTTP_ROUTE, patch: {operation: MERGE, value: {request_headers_to_remove: [x-a]}}}, {applyTo: VIRTUAL_HOST, match: {context: GATEWAY}, patch: {operation: ADD, value: {name: own, domains: [own]}}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: w, namespace: shop}, spec: {host: cart, trafficPolicy: {tunnel: {}, proxyProtocol: {}}}}",
    "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: h1, namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: cart}], rules: [{matches: [{path: {type: PathPrefix, value: /a}}], backendRefs: [{name: cart, port: 9080}]}]}}",
    "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: h2, namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: cart}], rules: [{matches: [{path: {type: Exact, value: /b}}], backendRefs: [{name: reviews, port: 9080}]}]}}",
];

fn proxy(kind: ProxyKind, namespace: &str, address: &str, labels: &[(&str, &str)]) -> Proxy {
    Proxy {
        kind,
        id: format!("p.{namespace}"),
        addresses: vec![address.to_owned()],
        namespace: namespace.to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>(),
        dns_domain: format!("{namespace}.svc.cluster.local"),
        interception: Interception::Redirect,
        auto_allocated_addresses: true,
        network_view: Vec::new(),
        metadata: None,
    }
}

fn translated(order: &[usize]) -> String {
    let text: String = order.iter().map(|i| format!("---\n{}\n", OBJECTS[*i])).collect();
    let source = Source::new("objects", text);
    let mut snapshot = Snapshot::new();
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert_eq!(snapshot.objects.len(), OBJECTS.len(), "{:?}", snapshot.problems);
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let proxies = [
        proxy(ProxyKind::Sidecar, "shop", "10.1.0.1", &[("app", "cart")]),
        proxy(ProxyKind::Sidecar, "web", "10.1.0.9", &[]),
        proxy(ProxyKind::Router, "shop", "10.1.0.8", &[("istio", "gw")]),
    ];
    let mut out = String::new();
    for p in &proxies {
        let t = model.translate(p);
        let names = |o: &[mesh_resolver::translate::Origin<'_>]| o.iter().map(|o| o.object.origin()).collect::<Vec<_>>();
        for l in &t.listeners {
            out += &format!("{} {:?}\n", serde_json::to_string(&l.message).expect("JSON"), names(&l.origins));
        }
        for c in &t.clusters {
            out += &format!("{} {:?}\n", serde_json::to_string(&c.message).expect("JSON"), names(&c.origins));
        }
        for r in &t.routes {
            out += &format!("{} {:?}\n", serde_json::to_string(&r.message).expect("JSON"), names(&r.origins));
        }
        for e in &t.endpoints {
            out += &format!("{}\n", serde_json::to_string(&e.message).expect("JSON"));
        }
        for n in &t.not_judged {
            out += &format!("{:?} {}\n", n.origin.map(|o| o.object.origin()), n.what);
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_order_of_objects_does_not_count(order in Just((0..OBJECTS.len()).collect::<Vec<_>>()).prop_shuffle()) {
        let first: Vec<usize> = (0..OBJECTS.len()).collect();
        prop_assert_eq!(translated(&first), translated(&order));
    }
}
