//! What istiod makes of meshes of ours: lines of its answers, which it was asked for once.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::{self, Limits};
use mesh_model::{Completeness, Object, Role, Snapshot, Source, Span};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, Proxy};
use serde_json::Value;
use std::sync::Arc;

const GATEWAYS: &str = include_str!("as_istiod.yaml");

fn tree(name: &str, text: &str) -> Arc<mesh_model::Tree> {
    let source = Source::new(name, text);
    Arc::new(yaml::parse_document(&source, Span::new(0, text.len()), Limits::default()).tree.expect("YAML"))
}

/// What a proxy would hold of a mesh, with its settings where there are any.
fn held(objects: &str, settings: &str, proxy: &str) -> Value {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    let source = Source::new("objects", objects);
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot.mesh_config = (!settings.is_empty()).then(|| Object::mesh_config(tree("settings", settings)));
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let node = tree("proxy", proxy);
    let translation = model.translate(&Proxy::from_node(node.root()).expect("a proxy"));
    let endpoints: Vec<Value> = translation.endpoints.iter().map(|e| serde_json::to_value(&e.message).expect("JSON")).collect();
    let mut out = translation.resources();
    out["endpoints"] = endpoints.into();
    out
}

fn list(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}

fn text(of: &Value) -> String {
    of.as_str().unwrap_or_default().to_owned()
}

/// `virtual host: route match → cluster*weight …`
fn routes(held: &Value, name: &str) -> Vec<String> {
    let mut out = Vec::new();
    let found = list(&held["routes"]).iter().find(|r| r["name"] == name);
    for host in found.into_iter().flat_map(|r| list(&r["virtualHosts"])) {
        for route in list(&host["routes"]) {
            let m = &route["match"];
            let path = ["prefix", "pathSeparatedPrefix", "path"].iter().find_map(|k| m[*k].as_str()).or(m["safeRegex"]["regex"].as_str()).unwrap_or_default();
            let one = route["route"]["cluster"].as_str().map(str::to_owned);
            let several = list(&route["route"]["weightedClusters"]["clusters"]).iter().map(|c| format!("{}*{}", text(&c["name"]), c["weight"]));
            let status = route["directResponse"]["status"].as_u64().map(|s| s.to_string());
            let to: Vec<String> = one.into_iter().chain(several).chain(status).collect();
            out.push(format!("{}: {} {path} → {}", text(&host["name"]), text(&route["name"]), to.join(" ")));
        }
    }
    out
}

/// `listener [server names] → cluster`
fn connections(held: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for l in list(&held["listeners"]) {
        for c in list(&l["filterChains"]) {
            let names: Vec<String> = list(&c["filterChainMatch"]["serverNames"]).iter().map(text).collect();
            let to = list(&c["filters"]).last().map_or(String::new(), |f| text(&f["typedConfig"]["cluster"]));
            out.push(format!("{} [{}] → {to}", text(&l["name"]), names.join(" ")));
        }
    }
    out
}

fn cluster<'v>(held: &'v Value, name: &str) -> &'v Value {
    list(&held["clusters"]).iter().find(|c| c["name"] == name).unwrap_or(&Value::Null)
}

const DOOR: &str = "{type: router, id: door-1.edge, ips: [10.1.0.9], labels: {app: door}, configNamespace: edge}";
const WEB: &str = "{type: sidecar, id: web.shop, ips: [10.1.0.8], labels: {app: web}, configNamespace: shop}";

#[test]
fn routes_of_the_gateway_api_attach_where_their_hosts_are_served() {
    let held = held(GATEWAYS, "", DOOR);
    let far = "→ UnknownService*1 outbound|80||gone.shop.svc.cluster.local*1";
    let own = "/ → outbound|80||cart.shop.svc.cluster.local";
    let want = [
        // The narrower listener takes its host from the wider one; `c.test` is nobody's; a rule that all others end at is the last.
        format!("a.example.com:80: shop.cart.2 /far {far}"),
        format!("a.example.com:80: shop.cart.0 {own}"),
        format!("b.example.com:80: shop.cart.2 /far {far}"),
        format!("b.example.com:80: shop.cart.0 {own}"),
        // One of a ListenerSet; what it takes from its Gateway does not count.
        format!("shop.test:80: shop.set.0 {own}"),
    ];
    assert_eq!(routes(&held, "http.8080"), want);
    let all = serde_json::to_string(&held["routes"]).expect("JSON");
    assert!(!all.contains("requestMirrorPolicies"), "a mirror to nowhere is left out");
    assert!(all.contains(r#""key":"x-set""#), "names of headers are in lower case");
    assert!(!all.contains("r.example.com"), "a filter that is not known costs the whole route");
}

#[test]
fn connections_without_a_backend_go_to_a_cluster_that_is_not_there() {
    let held = held(GATEWAYS, "", DOOR);
    let db = "outbound|5432||db.shop.svc.cluster.local";
    let want = [
        format!("0.0.0.0_15443 [*.example.com d.example.com] → {db}"),
        "0.0.0.0_5432 [] → outbound|65535|zero-weight|internal.cluster.local".to_owned(),
        "0.0.0.0_8080 [] → ".to_owned(),
    ];
    assert_eq!(connections(&held), want);
}

#[test]
fn origins_of_the_gateway_api_are_expressions_where_they_hold_a_star() {
    let held = held(GATEWAYS, "", WEB);
    let hosts = &list(&held["routes"]).iter().find(|r| r["name"] == "80").expect("routes")["virtualHosts"];
    let cart = list(hosts).iter().find(|h| h["name"] == "cart.shop.svc.cluster.local:80").expect("cart");
    let cors = &cart["routes"][0]["typedPerFilterConfig"]["envoy.filters.http.cors"];
    let origins: Vec<&Value> = list(&cors["allowOriginStringMatch"]).iter().collect();
    assert_eq!(origins[0]["safeRegex"]["regex"], r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$");
    assert_eq!(origins[1]["safeRegex"]["regex"], r"^https://.*\.example\.com$");
    assert_eq!(origins[2]["exact"], "https://a.test");
    assert_eq!((text(&cors["maxAge"]), cors["forwardNotMatchingPreflights"].as_bool()), ("5".to_owned(), Some(false)));
}

const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, protocol: TCP}, {name: dns, port: 53, protocol: UDP}]}}\n---\n";

#[test]
fn an_ingress_has_no_default_backend_and_asks_the_longest_path_first() {
    let backend = "backend: {service: {name: web, port: {number: 80}}}";
    let ingress = format!(
        "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: in, namespace: shop, annotations: {{kubernetes.io/ingress.class: istio}}}}, spec: {{defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}, rules: [{{http: {{paths: [{{path: /a, pathType: Exact, {backend}}}, {{path: /long, pathType: Prefix, {backend}}}, {{path: '/*', pathType: ImplementationSpecific, {backend}}}]}}}}]}}}}"
    );
    let held = held(
        &format!("{SERVICE}{ingress}"),
        "",
        "{type: router, id: gw.istio-system, ips: [10.1.0.7], labels: {istio: ingressgateway}, configNamespace: istio-system}",
    );
    let to = "→ outbound|80||web.shop.svc.cluster.local";
    assert_eq!(routes(&held, "http.80"), [format!("*:80:  /long {to}"), format!("*:80:  /a {to}"), format!("*:80:  / {to}")]);
}

#[test]
fn clusters_take_what_the_mesh_says_of_connections() {
    let rule = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop}, spec: {host: web.shop.svc.cluster.local, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 60s}}}, retryBudget: {percent: 30}}}}";
    let held = held(&format!("{SERVICE}{rule}"), "{tcpKeepalive: {time: 10s, interval: 2s}, inboundTrafficPolicy: {mode: LOCALHOST}}", WEB);
    let out = cluster(&held, "outbound|80||web.shop.svc.cluster.local");
    assert_eq!(out["upstreamConnectionOptions"]["tcpKeepalive"], serde_json::json!({"keepaliveTime": 60, "keepaliveInterval": 2}));
    assert_eq!(cluster(&held, "PassthroughCluster")["upstreamConnectionOptions"]["tcpKeepalive"]["keepaliveTime"], 10);
    let budget = &out["circuitBreakers"]["thresholds"][0]["retryBudget"];
    assert_eq!(*budget, serde_json::json!({"budgetPercent": {"value": 30}, "minRetryConcurrency": 3}));
    let inbound = cluster(&held, "inbound|80||");
    assert_eq!(inbound["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["address"]["socketAddress"]["address"], "127.0.0.1");
    assert!(!cluster(&held, "inbound|53||").is_null(), "also ports of UDP have one");
    assert!(cluster(&held, "outbound|53||web.shop.svc.cluster.local").is_null());
}

#[test]
fn the_proxy_resolves_the_hosts_under_a_wildcard() {
    let entry = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: shop}, spec: {hosts: ['*.example.com'], location: MESH_EXTERNAL, resolution: DYNAMIC_DNS, ports: [{number: 8080, name: http, protocol: HTTP}]}}";
    let held = held(&format!("{SERVICE}{entry}"), "", WEB);
    let out = cluster(&held, "outbound|8080||*.example.com");
    assert_eq!(out["clusterType"]["typedConfig"]["dnsCacheConfig"]["name"], "*.example.com_dfp_dns_cache");
    assert_eq!((text(&out["lbPolicy"]), out["edsClusterConfig"].is_null()), ("CLUSTER_PROVIDED".to_owned(), true));
    let listener = list(&held["listeners"]).iter().find(|l| l["name"] == "0.0.0.0_8080").expect("a listener");
    assert!(serde_json::to_string(listener).expect("JSON").contains("envoy.filters.http.dynamic_forward_proxy"));
}

#[test]
fn a_gateway_names_its_secrets_and_what_it_asks_of_clients() {
    let gateway = "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g, namespace: shop}, spec: {selector: {app: web}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.test], tls: {mode: MUTUAL, credentialName: 'kubernetes-gateway://shop/own', cipherSuites: [AES128-SHA, NOT-KNOWN, AES128-SHA], verifyCertificateSpki: [abc]}}]}}";
    let held = held(
        &format!("{SERVICE}{gateway}"),
        "{tlsDefaults: {minProtocolVersion: TLSV1_3, ecdhCurves: [P-256]}}",
        "{type: router, id: web.shop, ips: [10.1.0.8], labels: {app: web}, configNamespace: shop}",
    );
    let tls = &held["listeners"][0]["filterChains"][0]["transportSocket"]["typedConfig"]["commonTlsContext"];
    assert_eq!(tls["tlsCertificateSdsSecretConfigs"][0]["name"], "kubernetes-gateway://shop/own");
    let validation = &tls["combinedValidationContext"];
    assert_eq!(validation["validationContextSdsSecretConfig"]["name"], "kubernetes-gateway://shop/own-cacert");
    assert_eq!(validation["defaultValidationContext"]["verifyCertificateSpki"], serde_json::json!(["abc"]));
    assert_eq!(tls["tlsParams"], serde_json::json!({"tlsMinimumProtocolVersion": "TLSv1_3", "cipherSuites": ["AES128-SHA"], "ecdhCurves": ["P-256"]}));
}

#[test]
fn who_takes_no_mutual_tls_is_not_reached_through_a_gateway_between_networks() {
    let pod = |name: &str, ip: &str, more: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{app: web{more}}}}}, spec: {{}}, status: {{podIP: {ip}}}}}\n"
        )
    };
    let objects = format!(
        "{SERVICE}{{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {{name: g, namespace: shop}}, spec: {{selector: {{app: door}}, servers: [{{port: {{number: 15443, name: tls, protocol: TLS}}, hosts: ['*.local'], tls: {{mode: AUTO_PASSTHROUGH}}}}]}}}}\n{}{}",
        pod("web-1", "10.1.0.1", ", security.istio.io/tlsMode: istio"),
        pod("web-2", "10.1.0.2", "")
    );
    let held = held(&objects, "", "{type: router, id: door.shop, ips: [10.1.0.8], labels: {app: door}, configNamespace: shop}");
    let hosts = |name: &str| {
        let found = list(&held["endpoints"]).iter().find(|e| e["clusterName"] == name).expect("endpoints");
        list(&found["endpoints"]).iter().map(|l| list(&l["lbEndpoints"]).len()).sum::<usize>()
    };
    assert_eq!(hosts("outbound_.80_._.web.shop.svc.cluster.local"), 1);
    assert_eq!(hosts("outbound|80||web.shop.svc.cluster.local"), 2);
}

/// Servers of one port and several addresses: each is compared with the plain one that was added last, whatever its address.
#[test]
fn servers_of_a_port_meet_the_plain_one_that_came_last() {
    let server = |(i, (bind, host, protocol)): (usize, &(&str, &str, &str))| {
        let tls = if *protocol == "HTTPS" { ", tls: {mode: SIMPLE, credentialName: x}" } else { "" };
        format!("{{bind: 10.0.0.{bind}, hosts: ['{host}'], port: {{name: p{i}, number: 80, protocol: {protocol}}}{tls}}}")
    };
    // For each listener its chains: hosts of TLS, then the hosts of its routes, or `tcp`.
    let of = |servers: &[(&str, &str, &str)]| {
        let servers = servers.iter().enumerate().map(server).collect::<Vec<_>>().join(", ");
        let objects = format!(
            "{SERVICE}{{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {{name: g, namespace: shop}}, spec: {{selector: {{app: gw}}, servers: [{servers}]}}}}\n---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: v, namespace: shop}}, spec: {{hosts: ['*'], gateways: [g], http: [{{route: [{{destination: {{host: web}}}}]}}], tcp: [{{route: [{{destination: {{host: web, port: {{number: 80}}}}}}]}}]}}}}\n"
        );
        let held = held(&objects, "", "{type: router, id: gw.shop, ips: [10.1.0.8], labels: {app: gw}, configNamespace: shop}");
        let chain = |c: &Value| {
            let last = list(&c["filters"]).last().expect("a filter");
            let name = text(&last["typedConfig"]["rds"]["routeConfigName"]);
            let found = list(&held["routes"]).iter().find(|r| r["name"] == name.as_str());
            let hosts: Vec<String> = found.into_iter().flat_map(|r| list(&r["virtualHosts"])).flat_map(|v| list(&v["domains"])).map(text).collect();
            let sni: String = list(&c["filterChainMatch"]["serverNames"]).iter().map(|n| text(n) + "=").collect();
            sni + &if name.is_empty() { "tcp".to_owned() } else { hosts.join("+") }
        };
        let listener = |l: &Value| format!("{}: {}", text(&l["name"]), list(&l["filterChains"]).iter().map(chain).collect::<Vec<_>>().join(" "));
        list(&held["listeners"]).iter().map(listener).collect::<Vec<_>>()
    };
    let first = [("1", "a.com", "HTTP"), ("2", "b.com", "HTTP")];
    let then = |more| of(&[&first[..], &[more]].concat());
    assert_eq!(then(("2", "*", "TCP")), ["10.0.0.1_80: a.com", "10.0.0.2_80: b.com"]);
    assert_eq!(then(("1", "*", "TCP")), ["10.0.0.1_80: a.com tcp", "10.0.0.2_80: b.com"]);
    assert_eq!(then(("1", "d.com", "GRPC")), ["10.0.0.1_80: d.com d.com", "10.0.0.2_80: b.com"], "routes of one name are those of the last");
    assert_eq!(then(("1", "d.com", "HTTP")), ["10.0.0.1_80: a.com+d.com", "10.0.0.2_80: b.com"]);
    let mixed = [("1", "a.com", "HTTP"), ("2", "*", "TCP"), ("1", "c.com", "HTTPS"), ("2", "d.com", "HTTPS")];
    assert_eq!(of(&mixed), ["10.0.0.1_80: a.com c.com=c.com", "10.0.0.2_80: tcp"]);
}
