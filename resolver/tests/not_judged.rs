//! What is not translated is named: the object, the field, and whether requests may go otherwise for it.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::{self, Limits};
use mesh_model::{Completeness, Object, Role, Snapshot, Source, Span};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Effect, Model, Proxy};
use std::sync::Arc;

const SERVICES: &str = "
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: cart}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: cart-1, namespace: shop, labels: {app: cart}}, spec: {}, status: {podIP: 10.1.0.1}}
";

fn parsed(text: &str) -> Arc<mesh_model::Tree> {
    let source = Source::new("settings", text);
    Arc::new(yaml::parse_document(&source, Span::new(0, text.len()), Limits::default()).tree.expect("YAML"))
}

/// What is named for a proxy of `shop` (`app: web`, a sidecar unless said otherwise), beside its small mesh.
fn named(objects: &str, mesh_config: &str, proxy: &str) -> Vec<String> {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    let source = Source::new("objects", format!("{SERVICES}\n---\n{objects}"));
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot.mesh_config = (!mesh_config.is_empty()).then(|| Object::mesh_config(parsed(mesh_config)));
    let mesh = Mesh::new(&snapshot);
    let proxy = if proxy.is_empty() { "{type: sidecar, id: web-1.shop, ips: [10.1.0.9], configNamespace: shop, labels: {app: web}}" } else { proxy };
    let proxy = Proxy::from_node(parsed(proxy).root()).expect("a proxy");
    let translation = Model::new(&mesh).translate(&proxy);
    let line = |n: &mesh_resolver::translate::NotJudged<'_>| {
        let of = n.origin.map_or(String::new(), |o| format!("{}: ", o.object.origin()));
        format!("{of}{}{}", n.what, if n.effect == Effect::Observation { " (observation)" } else { "" })
    };
    translation.not_judged.iter().map(line).collect()
}

fn rule(policy: &str) -> String {
    format!("{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: r, namespace: shop}}, spec: {{host: cart, {policy}}}}}")
}

#[track_caller]
fn names(objects: &str, wanted: &[&str]) {
    assert_eq!(named(objects, "", ""), wanted);
}

#[test]
fn nothing_is_named_where_all_is_translated() {
    names("", &[]);
    names(
        &rule(
            "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}, outlierDetection: {consecutive5xxErrors: 3}, loadBalancer: {simple: RANDOM},
              tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]},
              subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]",
        ),
        &[],
    );
}

#[test]
fn fields_of_traffic_policies() {
    let is_named = |policy: &str, path: &str| names(&rule(policy), &[&format!("DestinationRule shop/r: `spec.{path}` is not translated")]);
    is_named("trafficPolicy: {tunnel: {targetHost: a, targetPort: 1, new: 1}}", "trafficPolicy.tunnel.new");
    is_named("trafficPolicy: {proxyProtocol: {version: V2, new: 1}}", "trafficPolicy.proxyProtocol.new");
    is_named("trafficPolicy: {outlierDetection: {consecutiveErrors: 7}}", "trafficPolicy.outlierDetection.consecutiveErrors");
    is_named("trafficPolicy: {loadBalancer: {warmup: {duration: 10s, aggression: 2}}}", "trafficPolicy.loadBalancer.warmup.aggression");
    is_named("subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {tls: {mode: SIMPLE, new: 1}}}]", "subsets[0].trafficPolicy.tls.new");
    is_named(
        "trafficPolicy: {portLevelSettings: [{port: {number: 80}, outlierDetection: {consecutiveErrors: 7}}]}",
        "trafficPolicy.portLevelSettings[0].outlierDetection.consecutiveErrors",
    );
}

#[test]
fn rules_of_services_that_the_proxy_does_not_see_are_not_its_own() {
    let other =
        "{apiVersion: v1, kind: Service, metadata: {name: other, namespace: far, annotations: {networking.istio.io/exportTo: .}}, spec: {ports: [{port: 80}]}}";
    let rule = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: r, namespace: far}, spec: {host: other, trafficPolicy: {proxyProtocol: {new: 1}}}}";
    names(&format!("{other}\n---\n{rule}"), &[]);
}

#[test]
fn fields_of_routes_and_gateways() {
    names(
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: shop}, spec: {hosts: [cart], http: [{fault: {delay: {exponentialDelay: 1s}}, route: [{destination: {host: cart}}]}]}}",
        &["VirtualService shop/v: `spec.http[0].fault.delay.exponentialDelay` is not translated"],
    );
    let gateway = "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: edge, namespace: shop}, spec: {selector: {app: gw}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: MUTUAL, credentialName: c, new: 1}}]}}";
    let router = "{type: router, id: gw-1.shop, ips: [10.1.0.8], configNamespace: shop, labels: {app: gw}}";
    assert_eq!(named(gateway, "", router), ["Gateway shop/edge: `spec.servers[0].tls.new` is not translated"]);
}

#[test]
fn filters_of_the_gateway_api() {
    // istiod takes no rule of such a route, and neither do we.
    names(
        "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: h, namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: cart}], rules: [{filters: [{type: ExtensionRef, extensionRef: {group: a, kind: B, name: c}}], backendRefs: [{name: cart, port: 80}]}]}}",
        &[],
    );
    names(
        "{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, metadata: {name: b, namespace: shop}, spec: {targetRefs: [{group: '', kind: Service, name: cart}], validation: {hostname: cart}}}",
        &["BackendTLSPolicy shop/b: TLS to backends by a BackendTLSPolicy is not translated"],
    );
}

#[test]
fn telemetry_decides_what_is_recorded_only() {
    let telemetry = |selector: &str| {
        format!(
            "{{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {{name: t, namespace: shop}}, spec: {{{selector} accessLogging: [{{disabled: true}}]}}}}"
        )
    };
    names(&telemetry(""), &["Telemetry shop/t: access logs, metrics and tracing are not translated (observation)"]);
    names(&telemetry("selector: {matchLabels: {app: cart}},"), &[]);
    let config = named(
        "",
        "{enableTracing: true, accessLogFile: '', defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}, outlierDetection: {interval: 1s, outlierDetectionHttpErrorCodes: ['500']}}, localityLbSetting: {enabled: true}}",
        "",
    );
    assert_eq!(
        config,
        [
            "MeshConfig istio-system/meshconfig: `defaultTrafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes` is not translated",
            "MeshConfig istio-system/meshconfig: `enableTracing` is not translated (observation)"
        ]
    );
}

#[test]
fn filters_of_single_protocols_and_of_capture() {
    let mongo = "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {ports: [{name: mongo, port: 27017}]}}";
    names(mongo, &["Service shop/db: the filter that counts what MongoDB is asked is not translated (observation)"]);
    let tproxy = "{type: sidecar, id: cart-1.shop, ips: [10.1.0.7], configNamespace: shop, labels: {app: cart}, metadata: {INTERCEPTION_MODE: TPROXY}}";
    let says = "the filter by which applications see the clients' addresses (`original_src`, with TPROXY) is not translated (observation)";
    let found = named("", "", tproxy);
    assert!(found.len() == 1 && found[0].ends_with(says), "{found:?}");
}

#[test]
fn outside_authorizers_of_bytes() {
    let custom = "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: c, namespace: shop}, spec: {action: CUSTOM, provider: {name: p}, rules: [{}]}}";
    let bytes = "AuthorizationPolicy shop/c: whom it asks about connections that are not HTTP is not translated: they look allowed, and may not be";
    // Nobody can be asked: istiod has all denied then. Over HTTP nobody is asked about bytes.
    names(custom, &[]);
    let grpc = "{extensionProviders: [{name: p, envoyExtAuthzGrpc: {service: cart.shop.svc.cluster.local, port: 80}}]}";
    assert_eq!(named(custom, grpc, ""), [bytes]);
    assert_eq!(named(custom, &grpc.replace("Grpc", "Http"), ""), [""; 0]);
    let http = "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: edge, namespace: shop}, spec: {selector: {app: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}}";
    let tcp = http.replace("HTTP", "TCP");
    let router = "{type: router, id: gw-1.shop, ips: [10.1.0.8], configNamespace: shop, labels: {app: gw}}";
    assert_eq!(named(&format!("{custom}\n---\n{http}"), grpc, router), [""; 0]);
    assert_eq!(named(&format!("{custom}\n---\n{tcp}"), grpc, router), [bytes]);
}

#[test]
fn other_networks_and_hbone() {
    let pod = |more: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: cart-2, namespace: shop, labels: {{app: cart, {more}}}}}, spec: {{}}, status: {{podIP: 10.1.0.2}}}}"
        )
    };
    let networks = "is of another network, and the gateway to it or the network of the proxy is not in the input";
    names(&pod("topology.istio.io/network: east"), &[&format!("Pod shop/cart-2: {networks}")]);
    let own = "{type: sidecar, id: web-1.shop, ips: [10.1.0.9], configNamespace: shop, labels: {app: web, topology.istio.io/network: east}}";
    assert_eq!(named(&pod("topology.istio.io/network: east"), "", own), [""; 0]);
    let entry = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: e, namespace: shop}, spec: {hosts: [e.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 1.2.3.4, network: west}]}}";
    names(entry, &[&format!("ServiceEntry shop/e: {networks}")]);
    let config_map =
        |text: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: istio, namespace: istio-system}}, data: {{meshNetworks: '{text}'}}}}");
    names(&config_map("networks: {}"), &[]);
    names(&config_map("networks: {east: {endpoints: [{fromRegistry: a}]}}"), &[]);
    names(&config_map("networks: {east: ["), &["ConfigMap istio-system/istio: its `meshNetworks` can't be read"]);
    let hbone = "Pod shop/cart-2: is reached over HBONE, which is not translated";
    names(&pod("istio.io/dataplane-mode: ambient"), &[]);
    names(&pod("networking.istio.io/tunnel: http"), &[hbone]);
    let waypoint = "{apiVersion: v1, kind: Service, metadata: {name: pay, namespace: shop, labels: {istio.io/use-waypoint: w}}, spec: {clusterIP: 10.0.0.2, ports: [{port: 80}]}}";
    names(waypoint, &["Service shop/pay: a waypoint stands before it; the way through waypoints is not translated"]);
}

#[test]
fn localities_that_the_input_lacks() {
    let slice = |zone: &str| {
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: cart, namespace: shop, labels: {{kubernetes.io/service-name: cart}}}}, addressType: IPv4, ports: [{{name: http, port: 80}}], endpoints: [{{addresses: [10.1.0.1], zone: a, nodeName: n}}, {{addresses: [10.1.0.2], zone: {zone}, nodeName: m}}]}}"
        )
    };
    let with = |zone: &str, policy: &str| named(&format!("{}\n---\n{}", slice(zone), rule(&format!("trafficPolicy: {{{policy}}}"))), "", "");
    let detection = "outlierDetection: {consecutive5xxErrors: 3}";
    let what = ["DestinationRule shop/r: endpoints are preferred by locality, and not all localities are in the input"];
    assert_eq!(with("b", detection), what);
    assert_eq!(with("a", detection), [""; 0]);
    assert_eq!(with("b", "loadBalancer: {simple: RANDOM}"), [""; 0]);
    assert_eq!(with("b", "loadBalancer: {localityLbSetting: {distribute: [{from: '*', to: {'*': 100}}]}}"), what);
    assert_eq!(with("b", &format!("{detection}, loadBalancer: {{localityLbSetting: {{enabled: false}}}}")), [""; 0]);
    // With the Nodes, and the proxy's own place, all is known.
    let node = |name: &str, zone: &str| {
        format!("{{apiVersion: v1, kind: Node, metadata: {{name: {name}, labels: {{topology.kubernetes.io/region: r, topology.kubernetes.io/zone: {zone}}}}}}}")
    };
    let all = format!("{}\n---\n{}\n---\n{}\n---\n{}", slice("b"), rule(&format!("trafficPolicy: {{{detection}}}")), node("n", "a"), node("m", "b"));
    assert_eq!(named(&all, "", ""), what);
    let placed = "{type: sidecar, id: web-1.shop, ips: [10.1.0.9], configNamespace: shop, labels: {app: web}, locality: {region: r, zone: a}}";
    assert_eq!(named(&all, "", placed), [""; 0]);
    let wish = "{apiVersion: v1, kind: Service, metadata: {name: pay, namespace: shop}, spec: {clusterIP: 10.0.0.2, trafficDistribution: PreferSameNode, ports: [{port: 80}]}}";
    names(wish, &["Service shop/pay: the distribution `PreferSameNode` is not translated"]);
}
