//! A translation that follows another is what a whole one would be, whatever has changed in between.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{ControlPlane, Differences, Entry, Interception, Kept, Model, Piece, Proxy, ProxyKind, Renewed, Section};
use proptest::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Objects, each with the contents that it may have; some are other names, which is one gone and one come.
const SLOTS: &[&[&str]] = &[
    &[
        "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: tcp, port: 9090}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: cart}, ports: [{name: http, port: 80}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: opinions, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: tcp, port: 9090}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: shop, annotations: {networking.istio.io/exportTo: '.'}}, spec: {clusterIP: 10.0.0.1, selector: {app: reviews}, ports: [{name: http, port: 9080}]}}",
    ],
    &[
        "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.3, selector: {app: cart}, ports: [{port: 9080}, {name: db, port: 3306}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: None, selector: {app: cart}, ports: [{name: tcp, port: 9080}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {type: ExternalName, externalName: reviews.shop.svc.cluster.local, ports: [{name: http, port: 9080}]}}",
    ],
    &[
        "{apiVersion: v1, kind: Pod, metadata: {name: cart-1, namespace: shop, labels: {app: cart, version: v1}}, spec: {serviceAccountName: cart}, status: {podIP: 10.1.0.1}}",
        "{apiVersion: v1, kind: Pod, metadata: {name: cart-1, namespace: shop, labels: {app: cart, version: v2, sidecar.istio.io/inject: 'true'}}, spec: {}, status: {podIP: 10.1.0.2}}",
        "{apiVersion: v1, kind: Pod, metadata: {name: reviews-1, namespace: shop, labels: {app: reviews, version: v1}}, spec: {serviceAccountName: reviews}, status: {podIP: 10.1.0.3}}",
    ],
    &[
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: reviews-1, namespace: shop, labels: {kubernetes.io/service-name: reviews}}, addressType: IPv4, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.0.7], conditions: {ready: true}}]}",
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: reviews-1, namespace: shop, labels: {kubernetes.io/service-name: reviews}}, addressType: IPv4, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.1.0.7]}, {addresses: [10.1.0.9]}]}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: web}, spec: {hosts: [api.example.com, '*.wild.com'], resolution: NONE, ports: [{number: 80, name: http, protocol: HTTP}]}}",
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: web}, spec: {hosts: [cart.shop.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 9080, name: http, protocol: HTTP}, {number: 81, name: more, protocol: HTTP}], endpoints: [{address: 1.2.3.4}]}}",
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: web}, spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}, {number: 80, name: http, protocol: HTTP}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: vm, namespace: shop}, spec: {hosts: [vm.shop.example], location: MESH_INTERNAL, resolution: STATIC, workloadSelector: {labels: {app: vm}}, ports: [{number: 80, name: http, protocol: HTTP}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: vm-1, namespace: shop}, spec: {address: 2.2.2.2, labels: {app: vm}, serviceAccount: vm}}",
        "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: vm-1, namespace: shop}, spec: {address: 3.3.3.3, labels: {app: vm}, serviceAccount: other}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x, namespace: shop}, spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}], trafficPolicy: {tls: {mode: DISABLE}}}}",
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x, namespace: shop}, spec: {host: reviews, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: user}}, connectionPool: {tcp: {idleTimeout: 9s}}}}}",
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x, namespace: shop}, spec: {host: cart, subsets: [{name: v2, labels: {version: v2}}]}}",
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x, namespace: shop}, spec: {host: reviews, exportTo: ['.'], trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}, loadBalancer: {localityLbSetting: {failoverPriority: [kubernetes.io/hostname]}}}}}",
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: y, namespace: shop}, spec: {host: '*.shop.svc.cluster.local', trafficPolicy: {connectionPool: {http: {http2MaxRequests: 3}}}}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: all, namespace: istio-system}, spec: {host: '*.local', trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}}",
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: all, namespace: web}, spec: {host: '*', trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}}",
    ],
    &[
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: shop}, spec: {mtls: {mode: STRICT}}}",
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: shop}, spec: {mtls: {mode: DISABLE}}}",
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: istio-system}, spec: {mtls: {mode: DISABLE}}}",
    ],
    &[
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: k, namespace: shop}, spec: {rules: [{from: [{source: {namespaces: [web]}}]}]}}",
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: k, namespace: shop}, spec: {action: DENY, rules: [{}]}}",
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: k, namespace: istio-system}, spec: {selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {paths: [/a]}}]}]}}",
    ],
    &[
        "{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: j, namespace: web}, spec: {jwtRules: [{issuer: me, jwks: '{\"keys\":[]}'}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: web}, spec: {egress: [{port: {number: 9080, name: http, protocol: HTTP}, hosts: ['*/cart.shop.svc.cluster.local']}, {hosts: ['./*', shop/reviews.shop.svc.cluster.local]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: shop}, spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, inboundConnectionPool: {http: {http2MaxRequests: 7}}, ingress: [{port: {number: 7, name: http, protocol: HTTP}, defaultEndpoint: '127.0.0.1:80'}]}}",
        "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: istio-system}, spec: {egress: [{hosts: ['./*', 'shop/*']}]}}",
    ],
    &[
        "{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: t, namespace: web}, spec: {}}",
        "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: t, namespace: web}, spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 7s}}}, {applyTo: HTTP_ROUTE, patch: {operation: MERGE, value: {request_headers_to_remove: [x-a]}}}]}}",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: '{enableAutoMtls: false, connectTimeout: 3s}'}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: istio-system}, data: {mesh: '{connectTimeout: 4s}'}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: reviews, subset: v1}}]}, {route: [{destination: {host: reviews}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{route: [{destination: {host: cart}, weight: 20}, {destination: {host: reviews}, weight: 80}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{delegate: {name: leaf}}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], tcp: [{route: [{destination: {host: cart, port: {number: 3306}}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [cart], tcp: [{match: [{port: 3306}], route: [{destination: {host: reviews, port: {number: 9090}}, weight: 1}, {destination: {host: api.example.com}, weight: 2}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], exportTo: ['.'], http: [{directResponse: {status: 418}}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b, namespace: web}, spec: {hosts: ['*.shop.svc.cluster.local', api.example.com], http: [{route: [{destination: {host: api.example.com}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: c, namespace: web}, spec: {hosts: [shop.example.com], gateways: [web/g, mesh], http: [{route: [{destination: {host: reviews.shop.svc.cluster.local, port: {number: 9080}}, weight: 1}, {destination: {host: cart.shop.svc.cluster.local, port: {number: 9080}}, weight: 1}]}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: leaf, namespace: shop}, spec: {http: [{match: [{uri: {prefix: /two}}], route: [{destination: {host: cart}}]}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g, namespace: web}, spec: {selector: {app: web}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}}",
        "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g, namespace: web}, spec: {selector: {app: web}, servers: [{port: {number: 15443, name: tls, protocol: TLS}, tls: {mode: AUTO_PASSTHROUGH}, hosts: ['*.local']}]}}",
    ],
    &[
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: web, labels: {app: web}}, spec: {}, status: {podIP: 10.1.0.8}}",
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: web}, spec: {clusterIP: 10.0.0.8, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: east, namespace: web, labels: {topology.istio.io/network: n2}}, spec: {clusterIP: 10.0.0.9, ports: [{name: tls, port: 15443}]}, status: {loadBalancer: {ingress: [{ip: 9.9.9.9}]}}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f, namespace: shop}, spec: {workloadSelector: {labels: {app: shop}}, configPatches: [{applyTo: CLUSTER, match: {cluster: {service: cart.shop.svc.cluster.local}}, patch: {operation: REMOVE}}, {applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: {name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}}}]}}",
        "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f, namespace: istio-system}, spec: {configPatches: [{applyTo: VIRTUAL_HOST, patch: {operation: ADD, value: {name: own, domains: [own]}}}, {applyTo: CLUSTER, patch: {operation: ADD, value: {name: more, connect_timeout: 1s}}}]}}",
        "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f, namespace: istio-system}, spec: {configPatches: [{applyTo: LISTENER, match: {proxy: {metadata: {TIER: gold}}}, patch: {operation: MERGE, value: {per_connection_buffer_limit_bytes: 7}}}]}}",
    ],
    &[
        "{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: logs, namespace: istio-system}, spec: {accessLogging: [{providers: [{name: envoy}]}]}}",
        "{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: logs, namespace: web}, spec: {accessLogging: [{providers: [{name: envoy}], filter: {expression: 'response.code >= 500'}}]}}",
        "{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: logs, namespace: shop}, spec: {selector: {matchLabels: {app: shop}}, tracing: [{disableSpanReporting: true}]}}",
        "{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: logs, namespace: shop}, spec: {tracing: [{providers: [{name: otel}], randomSamplingPercentage: 7, customTags: {a: {literal: {value: b}}}}]}}",
    ],
    &[
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio-canary, namespace: istio-system}, data: {mesh: '{accessLogFile: /dev/stdout, extensionProviders: [{name: otel, opentelemetry: {service: reviews.shop.svc.cluster.local, port: 9080}}]}'}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio-canary, namespace: istio-system}, data: {mesh: '{rootNamespace: web, outboundTrafficPolicy: {mode: REGISTRY_ONLY}}'}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio-canary, namespace: istio-system}, data: {mesh: '{}', meshNetworks: '{networks: {n3: {endpoints: [{fromCidr: 10.1.0.0/24}], gateways: [{address: 7.7.7.7, port: 15443}]}}}'}}",
    ],
    &[
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: ports, namespace: shop}, spec: {selector: {matchLabels: {app: reviews}}, portLevelMtls: {8080: {mode: DISABLE}}}}",
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: ports, namespace: shop}, spec: {selector: {matchLabels: {app: shop}}, mtls: {mode: STRICT}}}",
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: ports, namespace: istio-system}, spec: {mtls: {mode: STRICT}}}",
    ],
    &[
        "{apiVersion: v1, kind: Node, metadata: {name: n-1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1}}}",
        "{apiVersion: v1, kind: Node, metadata: {name: n-1, labels: {topology.kubernetes.io/region: r2, topology.kubernetes.io/zone: z2}}}",
    ],
    &[
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop, labels: {app: reviews, security.istio.io/tlsMode: istio}}, spec: {nodeName: n-1, serviceAccountName: reviews}, status: {podIP: 10.1.0.21}}",
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop, labels: {app: cart, security.istio.io/tlsMode: istio, topology.istio.io/network: n2}}, spec: {nodeName: n-2, serviceAccountName: more}, status: {podIP: 10.1.0.8}}",
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: reviews-v2, namespace: shop}, spec: {template: {metadata: {labels: {app: reviews, version: v2}}, spec: {serviceAccountName: two}}}}",
    ],
    &[
        "{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: shop, annotations: {networking.istio.io/traffic-distribution: PreferClose}}, spec: {clusterIP: 10.0.0.31, selector: {app: shop}, ports: [{name: http, port: 9080, targetPort: 9080}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: shop}, spec: {clusterIP: 10.0.0.31, selector: {app: shop}, ports: [{name: grpc, port: 9080, targetPort: main}, {name: tls, port: 443}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: pods, namespace: shop}, spec: {clusterIP: None, selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: mysql, port: 3306}]}}",
    ],
    &[
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: east-1, namespace: web, labels: {kubernetes.io/service-name: east}}, addressType: IPv4, ports: [{name: tls, port: 15443}], endpoints: [{addresses: [10.1.0.8], nodeName: n-1}]}",
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: pods-1, namespace: shop, labels: {kubernetes.io/service-name: pods}}, addressType: IPv4, ports: [{name: mysql, port: 3306}, {name: http, port: 9081}], endpoints: [{addresses: [10.1.0.21], targetRef: {kind: Pod, name: p}}, {addresses: [10.1.0.22]}]}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: same, namespace: shop}, spec: {hosts: [api.example.com], resolution: DNS, exportTo: ['.'], ports: [{number: 80, name: http, protocol: HTTP}]}}",
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: same, namespace: web}, spec: {hosts: [api.example.com, more.wild.com], addresses: [5.0.0.0/24], resolution: STATIC, location: MESH_INTERNAL, workloadSelector: {labels: {app: web}}, ports: [{number: 9090, name: tcp, protocol: TCP}]}}",
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: same, namespace: shop}, spec: {hosts: [mesh.shop.example], resolution: STATIC, location: MESH_INTERNAL, ports: [{number: 9080, name: http, protocol: HTTP}], endpoints: [{address: 10.1.0.8, ports: {http: 81}, locality: r1/z1, labels: {app: shop}, serviceAccount: s}, {address: 10.1.0.40, network: n2}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: own, namespace: web}, spec: {host: reviews.shop.svc.cluster.local, workloadSelector: {matchLabels: {app: web}}, trafficPolicy: {connectionPool: {http: {maxRetries: 3}}}}}",
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: own, namespace: web}, spec: {host: '*.com', trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, loadBalancer: {consistentHash: {httpQueryParameterName: q}}}]}}}",
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: own, namespace: shop}, spec: {host: shop, trafficPolicy: {connectionPool: {tcp: {maxConnections: 8}, http: {maxConcurrentStreams: 9}}}}}",
    ],
    &[
        "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: h, namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: cart}], rules: [{backendRefs: [{name: reviews, port: 9080}]}]}}",
        "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: k, namespace: web}, spec: {gatewayClassName: istio, addresses: [{type: Hostname, value: web.web.svc.cluster.local}], listeners: [{name: http, port: 80, protocol: HTTP}]}}",
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: h, namespace: shop, annotations: {kubernetes.io/ingress.class: istio}}, spec: {rules: [{host: in.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: reviews, port: {number: 9080}}}}]}}]}}",
    ],
    &[
        "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: on-gateway, namespace: web}, spec: {parentRefs: [{name: k}], rules: [{backendRefs: [{name: web, port: 80}]}]}}",
        "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: web}, data: {tls.crt: eA==}}",
        "{apiVersion: v1, kind: Namespace, metadata: {name: istio-system, labels: {topology.istio.io/network: n1}}}",
        "{apiVersion: v1, kind: Namespace, metadata: {name: web, labels: {istio.io/dataplane-mode: ambient}}}",
        "{apiVersion: networking.istio.io/v1beta1, kind: ProxyConfig, metadata: {name: s, namespace: web}, spec: {concurrency: 3}}",
        "{apiVersion: extensions.istio.io/v1alpha1, kind: WasmPlugin, metadata: {name: s, namespace: web}, spec: {url: oci://x}}",
    ],
    &[
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: gate, namespace: web}, spec: {selector: {matchLabels: {app: web}}, action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: tls, namespace: web}, spec: {hosts: [api.example.com], tls: [{match: [{port: 443, sniHosts: [api.example.com]}], route: [{destination: {host: reviews.shop.svc.cluster.local, port: {number: 9090}}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: far, namespace: istio-system}, spec: {hosts: ['*'], gateways: [mesh, web/g], exportTo: [web], http: [{match: [{sourceLabels: {app: web}}], route: [{destination: {host: mesh.shop.example}}]}]}}",
    ],
];

fn proxy(kind: ProxyKind, namespace: &str) -> Proxy {
    Proxy {
        kind,
        id: format!("p.{namespace}"),
        addresses: vec!["10.1.0.8".to_owned()],
        namespace: namespace.to_owned(),
        labels: [("app".to_owned(), namespace.to_owned())].into(),
        dns_domain: format!("{namespace}.svc.cluster.local"),
        interception: Interception::Redirect,
        auto_allocated_addresses: true,
        metadata: None,
        network_view: Vec::new(),
    }
}

fn proxies() -> [Proxy; 3] {
    [proxy(ProxyKind::Sidecar, "shop"), proxy(ProxyKind::Sidecar, "web"), proxy(ProxyKind::Router, "web")]
}

/// Those that differ in other ways.
fn more_proxies() -> [Proxy; 3] {
    let uncaptured = Proxy { interception: Interception::None, auto_allocated_addresses: false, ..proxy(ProxyKind::Sidecar, "shop") };
    let metadata = [("TIER".to_owned(), "gold".to_owned())].into();
    let golden = Proxy { interception: Interception::Tproxy, metadata: Some(metadata), ..proxy(ProxyKind::Sidecar, "web") };
    let between = Proxy { network_view: vec!["n2".to_owned()], ..proxy(ProxyKind::Router, "web") };
    [uncaptured, golden, between]
}

/// By slot the content it has, if it is there; one more says that the objects stand the other way round.
type State = Vec<Option<usize>>;

fn snapshot(state: &State) -> Snapshot {
    // Where an object stands says nothing.
    let comments = state.iter().flatten().sum::<usize>();
    let mut texts: Vec<String> = state.iter().zip(SLOTS).filter_map(|(s, slot)| Some(format!("---\n{}\n", slot[(*s)?]))).collect();
    if state.last().is_some_and(Option::is_some) {
        texts.reverse();
    }
    let source = Source::new("objects", "# more\n".repeat(comments) + &texts.concat());
    let mut out = Snapshot::new();
    out.completeness = Completeness::Complete;
    out.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(out.problems.is_empty(), "{:?}", out.problems);
    out
}

/// Messages as JSON, in their order, by section.
type Messages = [Vec<(String, String)>; 4];

fn json<M: Serialize>(pieces: &[Piece<'_, M>], name: fn(&M) -> &str) -> Vec<(String, String)> {
    pieces.iter().map(|p| (name(&p.message).to_owned(), serde_json::to_string(&p.message).expect("JSON"))).collect()
}

fn whole(model: &Model<'_, '_>, proxy: &Proxy) -> Messages {
    let t = model.translate(proxy);
    [json(&t.clusters, |m| &m.name), json(&t.endpoints, |m| &m.cluster_name), json(&t.listeners, |m| &m.name), json(&t.routes, |m| &m.name)]
}

fn applied<M: Serialize>(before: &[(String, String)], section: &Section<'_, M>, name: fn(&M) -> &str) -> Vec<(String, String)> {
    let Section::Changed(entries) = section else { return before.to_vec() };
    let known: BTreeMap<&str, &String> = before.iter().map(|(n, m)| (n.as_str(), m)).collect();
    let of = |e: &Entry<'_, M>| match e {
        Entry::Same(name) => (name.clone(), known.get(name.as_str()).unwrap_or_else(|| panic!("{name} was not there before")).to_string()),
        Entry::New(piece) => (name(&piece.message).to_owned(), serde_json::to_string(&piece.message).expect("JSON")),
    };
    entries.iter().map(of).collect()
}

fn after(before: &Messages, renewed: &Renewed<'_>) -> Messages {
    [
        applied(&before[0], &renewed.clusters, |m| &m.name),
        applied(&before[1], &renewed.endpoints, |m| &m.cluster_name),
        applied(&before[2], &renewed.listeners, |m| &m.name),
        applied(&before[3], &renewed.routes, |m| &m.name),
    ]
}

/// How much was made again: whether all, and the messages of each section.
type Work = (bool, [usize; 4]);

fn new<M>(section: &Section<'_, M>) -> usize {
    match section {
        Section::Same => 0,
        Section::Changed(entries) => entries.iter().filter(|e| matches!(e, Entry::New(_))).count(),
    }
}

/// Follows the states, each from the one before, and holds every answer against a whole translation.
fn follow(states: &[State], proxy: &Proxy) -> Vec<Work> {
    let mut out = Vec::new();
    let mut last: Option<(Snapshot, Kept, Messages)> = None;
    for state in states {
        let snapshot = snapshot(state);
        let (kept, messages) = {
            let mesh = Mesh::new(&snapshot);
            let control_plane = ControlPlane { records: true, ..ControlPlane::default() };
            let model = Model::of(&mesh, control_plane);
            let differences = last.as_ref().map(|(old, _, _)| Differences::between(old, &snapshot));
            let before = last.as_ref().zip(differences.as_ref()).map(|((_, kept, _), d)| (kept, d));
            let renewed = model.renew(proxy, control_plane, before);
            let none = Messages::default();
            let messages = after(last.as_ref().map_or(&none, |(_, _, m)| m), &renewed);
            let expected = whole(&model, proxy);
            for (got, wanted) in messages.iter().zip(&expected) {
                assert_eq!(got, wanted, "{state:?} of {:?}", states);
            }
            out.push((renewed.whole.is_some(), [new(&renewed.clusters), new(&renewed.endpoints), new(&renewed.listeners), new(&renewed.routes)]));
            (renewed.kept, messages)
        };
        last = Some((snapshot, kept, messages));
    }
    out
}

fn without(slots: &[usize]) -> State {
    (0..SLOTS.len()).map(|i| (!slots.contains(&i)).then_some(0)).chain([None]).collect()
}

/// What one other content of a slot costs a sidecar of `web` that no Sidecar narrows.
fn cost(slot: usize, content: Option<usize>) -> Work {
    let first = without(&[12, 13]);
    let mut second = first.clone();
    second[slot] = content;
    follow(&[first, second], &proxy(ProxyKind::Sidecar, "web"))[1]
}

#[test]
fn what_is_not_touched_is_not_made_again() {
    let everything = follow(&[without(&[12, 13])], &proxy(ProxyKind::Sidecar, "web"))[0].1;
    assert!(everything.iter().all(|n| *n > 0), "{everything:?}");
    // A VirtualService for HTTP: its routes alone.
    let (whole, [clusters, endpoints, listeners, routes]) = cost(14, Some(1));
    assert!(!whole && (clusters, endpoints, listeners) == (0, 0, 0) && routes > 0);
    // A DestinationRule that balances by nothing of the request: no route, and clusters of its host.
    let mut first = without(&[8, 12, 13]);
    let mut second = first.clone();
    second[7] = Some(2);
    let rule = follow(&[first.clone(), second], &proxy(ProxyKind::Sidecar, "web"))[1];
    assert!(!rule.0 && rule.1[3] == 0 && rule.1[0] < everything[0], "{rule:?} of {everything:?}");
    // Who may call: the listeners of its own port.
    assert_eq!(cost(11, None), (false, [0, 0, 1, 0]));
    // A Pod: what stands behind the services of its namespace.
    let (whole, [clusters, _, _, routes]) = cost(2, Some(1));
    assert!(!whole && clusters < everything[0] && routes == 0, "{clusters} of {}", everything[0]);
    // What says nothing here, and what says too much.
    first[13] = Some(0);
    let mut second = first.clone();
    let web = proxy(ProxyKind::Sidecar, "web");
    second[13] = Some(4);
    assert_eq!(follow(&[first.clone(), second.clone()], &web)[1], (false, [0; 4]));
    for content in [1, 2, 3] {
        second[13] = Some(content);
        assert!(follow(&[first.clone(), second.clone()], &web)[1].0, "{content}");
    }
}

#[test]
fn endpoints_that_change_places_are_made_again() {
    let mut first = without(&[3, 12, 13, 19, 21, 29, 30]);
    first[2] = Some(2);
    let mut second = first.clone();
    second[SLOTS.len()] = Some(0);
    let (whole, [_, endpoints, _, routes]) = follow(&[first, second], &proxy(ProxyKind::Sidecar, "web"))[1];
    assert!(!whole && endpoints > 0 && routes == 0, "{endpoints} {routes}");
}

#[test]
fn envoy_filters_and_telemetries_come_change_and_go() {
    for slot in [19, 20] {
        let contents = (0..SLOTS[slot].len()).map(Some);
        let order: Vec<Option<usize>> = std::iter::once(None).chain(contents).chain([Some(0), None]).collect();
        let of = |content: Option<usize>| {
            let mut state = without(&[12, 13, 19, 20]);
            state[slot] = content;
            state
        };
        let states: Vec<State> = order.into_iter().map(of).collect();
        for proxy in proxies().iter().chain(&more_proxies()) {
            follow(&states, proxy);
        }
    }
}

#[test]
fn another_proxy_is_translated_whole() {
    // What EnvoyFilters patch is always made again.
    let snapshot = snapshot(&without(&[12, 19]));
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let [shop, web, _] = proxies();
    let kept = model.renew(&shop, ControlPlane::default(), None).kept;
    let none = Differences::between(&snapshot, &snapshot);
    assert!(none.is_empty());
    assert_eq!(model.renew(&web, ControlPlane::default(), Some((&kept, &none))).whole.as_deref(), Some("the proxy differs"));
    let same = model.renew(&shop, ControlPlane::default(), Some((&kept, &none)));
    assert!(matches!((&same.clusters, &same.endpoints, &same.listeners, &same.routes), (Section::Same, Section::Same, Section::Same, Section::Same)));
    let other = ControlPlane { alpn_filter: false, ..ControlPlane::default() };
    assert!(model.renew(&shop, other, Some((&kept, &none))).whole.is_some());
}

fn change() -> impl Strategy<Value = (usize, Option<usize>)> {
    let contents = |slot: usize| SLOTS.get(slot).map_or(1, |s| s.len());
    (0..=SLOTS.len()).prop_flat_map(move |slot| (Just(slot), prop_oneof![1 => Just(None), 3 => (0..contents(slot)).prop_map(Some)]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_sequence_of_changes(
        start in proptest::collection::vec(any::<bool>(), SLOTS.len() + 1),
        changes in proptest::collection::vec(proptest::collection::vec(change(), 1..3), 1..8),
        proxies in proptest::sample::subsequence(proxies().into_iter().chain(more_proxies()).collect::<Vec<_>>(), 2),
    ) {
        let mut state: State = start.iter().map(|there| there.then_some(0)).collect();
        let mut states = vec![state.clone()];
        for together in changes {
            for (slot, content) in together {
                state[slot] = content;
            }
            states.push(state.clone());
        }
        for proxy in &proxies {
            follow(&states, proxy);
        }
    }
}
