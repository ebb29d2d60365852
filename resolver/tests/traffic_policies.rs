//! Tunnels of DestinationRules, and what the mesh sets for all connections (`defaultTrafficPolicy`), as a real istiod has them.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::{self, Limits};
use mesh_model::{Completeness, Object, Role, Snapshot, Source, Span};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, Proxy};
use mesh_resolver::why::{Mark, Question, Url, Why};
use serde_json::Value;
use std::sync::Arc;

const MESH: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.7.0.1, selector: {app: db}, ports: [{name: tcp, port: 5432}, {name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: app, ports: [{containerPort: 8080}]}]}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: shop}
spec: {hosts: [far.example], addresses: [240.9.9.8], ports: [{number: 9000, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 1.2.3.5}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: proxy, namespace: shop}
spec: {hosts: [proxy.example], addresses: [240.9.9.9], ports: [{number: 3128, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 1.2.3.4}]}
"#;

fn snapshot(more: &str, config: &str) -> Snapshot {
    let source = Source::new("shop.yaml", format!("{}{more}", MESH.trim_start()));
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    if !config.is_empty() {
        let source = Source::new("mesh", config);
        let tree = yaml::parse_document(&source, Span::new(0, config.len()), Limits::default()).tree.expect("a mesh configuration");
        snapshot.mesh_config = Some(Object::mesh_config(Arc::new(tree)));
    }
    snapshot
}

fn translated(snapshot: &Snapshot) -> Value {
    let mesh = Mesh::new(snapshot);
    let translation = Model::supposing(&mesh).translate(&Proxy::of_workload(&mesh, mesh.workloads.get(0)));
    assert!(translation.not_judged.is_empty(), "{:?}", translation.not_judged);
    translation.resources()
}

/// Those of TCP proxies, with the cluster or "several".
fn tunnels(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(tunnel) = fields.get("tunnelingConfig") {
                let to = fields.get("cluster").and_then(Value::as_str).unwrap_or("several");
                let by = if tunnel.get("usePost").is_some() { "POST" } else { "CONNECT" };
                out.push(format!("{to}: {by} {}", tunnel["hostname"].as_str().unwrap_or_default()));
            }
            fields.values().for_each(|v| tunnels(v, out));
        }
        Value::Array(items) => items.iter().for_each(|v| tunnels(v, out)),
        _ => {}
    }
}

const RULE: &str = r#"
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: proxy, namespace: shop}
spec:
  host: proxy.example
  trafficPolicy: {tunnel: {protocol: CONNECT, targetHost: far.example, targetPort: 9000}}
  subsets:
  - {name: a, labels: {v: a}, trafficPolicy: {tunnel: {protocol: POST, targetHost: "2001:db8::1", targetPort: 8443}}}
  - {name: b, labels: {v: b}}
"#;

fn route(destinations: &str) -> String {
    format!(
        "{RULE}---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: far, namespace: shop}}, spec: {{hosts: [far.example], tcp: [{{route: [{destinations}]}}]}}}}\n"
    )
}

#[test]
fn connections_of_bytes_are_wrapped_for_a_tunnel() {
    const DIRECT: &str = "outbound|3128||proxy.example: CONNECT far.example:9000";
    let to = |subset: &str| format!("{{destination: {{host: proxy.example, port: {{number: 3128}}{subset}}}, weight: 50}}");
    for (destinations, mut expected) in [
        (to(""), vec![DIRECT, DIRECT]),
        (to(", subset: a"), vec![DIRECT, "outbound|3128|a|proxy.example: POST [2001:db8::1]:8443"]),
        // A subset without one of its own has none.
        (to(", subset: b"), vec![DIRECT]),
        // Of several destinations the first one's rule counts, and no subset's.
        (format!("{}, {}", to(", subset: a"), to("")), vec![DIRECT, "several: CONNECT far.example:9000"]),
    ] {
        let snapshot = snapshot(&route(&destinations), "");
        let mut found = Vec::new();
        tunnels(&translated(&snapshot)["listeners"], &mut found);
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{destinations}");
    }
}

#[test]
fn why_does_not_judge_what_is_at_the_other_end_of_a_tunnel() {
    let snapshot = snapshot(RULE, "");
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    let ask = |url: &str| Why::new(&model, &[]).ask("db.shop", None, &Question::get(Url::parse(url).expect("a URL"))).expect("an answer");
    let answer = ask("tcp://proxy.example:3128");
    let step = answer.parts.iter().flat_map(|p| &p.steps).find(|s| s.says.contains("tunnel")).unwrap_or_else(|| panic!("{answer:#?}"));
    let thing = step.thing.as_ref().expect("the rule");
    assert_eq!((step.mark, thing.object.as_str(), thing.field.as_str()), (Mark::NotJudged, "DestinationRule shop/proxy", "spec.trafficPolicy.tunnel"));
    assert!(ask("tcp://far.example:9000").parts.iter().flat_map(|p| &p.steps).all(|s| !s.says.contains("tunnel")));
}

/// Block by block: a rule's connection pool stands in place of the mesh's, and says nothing of outliers.
#[test]
fn what_the_mesh_sets_counts_where_rules_set_nothing() {
    const DEFAULTS: &str =
        "defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 7}, http: {idleTimeout: 11s}}, outlierDetection: {consecutive5xxErrors: 4}}";
    const POOL: &str = r#"
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: shop}
spec:
  host: db
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}
  subsets:
  - {name: a, labels: {app: db}}
  - {name: b, labels: {app: db}, trafficPolicy: {portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}}
"#;
    let of = |more: &str, name: &str| {
        let resources = translated(&snapshot(more, DEFAULTS));
        let cluster = resources["clusters"].as_array().into_iter().flatten().find(|c| c["name"] == name).cloned().expect("the cluster");
        let most = cluster.pointer("/circuitBreakers/thresholds/0/maxConnections").and_then(Value::as_u64);
        let ejects = cluster.pointer("/outlierDetection/consecutive5xx").and_then(Value::as_u64);
        let idle = cluster
            .pointer("/typedExtensionProtocolOptions/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/commonHttpProtocolOptions/idleTimeout")
            .and_then(Value::as_str)
            .map(str::to_owned);
        (most, ejects, idle)
    };
    const ALL: Option<u64> = Some(u32::MAX as u64);
    let (whole, own, passing) = ("outbound|80||db.shop.svc.cluster.local", Some("11s".to_owned()), Some("300s".to_owned()));
    assert_eq!(of("", whole), (Some(7), Some(4), own.clone()));
    assert_eq!(of(POOL, whole), (Some(2), Some(4), None));
    assert_eq!(of(POOL, "outbound|80|a|db.shop.svc.cluster.local"), (Some(2), Some(4), None));
    // Settings of a subset's port stand in place of all.
    assert_eq!(of(POOL, "outbound|80|b|db.shop.svc.cluster.local"), (ALL, None, None));
    assert_eq!(of("", "inbound|8080||"), (Some(7), None, own));
    // Of what goes through as it is connections alone are limited.
    assert_eq!(of("", "PassthroughCluster"), (Some(7), None, passing.clone()));
    assert_eq!(of("", "InboundPassthroughCluster"), (Some(7), None, passing));
}

/// A transport: its type, its version of the PROXY protocol, and the transport inside.
fn shown(socket: &Value) -> String {
    let config = &socket["typedConfig"];
    let name = config["@type"].as_str().and_then(|t| t.rsplit('.').next()).unwrap_or_default();
    match name {
        "ProxyProtocolUpstreamTransport" => {
            assert_eq!(socket["name"], "envoy.transport_sockets.upstream_proxy_protocol");
            format!("{} {}", config["config"]["version"].as_str().unwrap_or("V1"), shown(&config["transportSocket"]))
        }
        _ => format!("{name} of {}", socket["name"].as_str().unwrap_or_default()),
    }
}

/// As istiod was asked: the head stands in front of whatever transport there is, mutual TLS included.
#[test]
fn servers_are_told_who_the_client_is_before_anything_else() {
    const MUTUAL: &str = "UpstreamTlsContext of envoy.transport_sockets.tls";
    const PLAIN: &str = "RawBuffer of envoy.transport_sockets.raw_buffer";
    let introduced = |version: &str, inner: &str| format!("{version} {inner}");
    for (policy, cluster, expected) in [
        ("trafficPolicy: {proxyProtocol: {version: V2}}", "outbound|80||db", vec![introduced("V2", MUTUAL), introduced("V2", PLAIN)]),
        ("trafficPolicy: {proxyProtocol: {}}", "outbound|5432||db", vec![introduced("V1", MUTUAL), introduced("V1", PLAIN)]),
        ("trafficPolicy: {tls: {mode: SIMPLE, sni: x}, proxyProtocol: {version: V1}}", "outbound|80||db", vec![introduced("V1", MUTUAL)]),
        ("trafficPolicy: {tls: {mode: DISABLE}, proxyProtocol: {version: V1}}", "outbound|80||db", vec!["V1 RawBuffer of raw_buffer".to_owned()]),
        (
            "subsets: [{name: a, labels: {app: db}, trafficPolicy: {proxyProtocol: {version: V2}}}]",
            "outbound|80||db",
            vec![MUTUAL.to_owned(), PLAIN.to_owned()],
        ),
        (
            "subsets: [{name: a, labels: {app: db}, trafficPolicy: {proxyProtocol: {version: V2}}}]",
            "outbound|80|a|db",
            vec![introduced("V2", MUTUAL), introduced("V2", PLAIN)],
        ),
    ] {
        let rule = format!(
            "---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: db, namespace: shop}}, spec: {{host: db, {policy}}}}}\n"
        );
        let held = translated(&snapshot(&rule, ""));
        let name = format!("{cluster}.shop.svc.cluster.local");
        let found = held["clusters"].as_array().expect("clusters").iter().find(|c| c["name"] == *name).unwrap_or_else(|| panic!("{name}"));
        let matches = found["transportSocketMatches"].as_array().into_iter().flatten().map(|m| &m["transportSocket"]);
        let sockets: Vec<String> = matches.chain(found.get("transportSocket")).map(shown).collect();
        assert_eq!(sockets, expected, "{policy} {cluster}");
    }
    // What a server makes of the head is not judged.
    let rule = "---\n{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: db, namespace: shop}, spec: {host: db, trafficPolicy: {proxyProtocol: {version: V2}}}}\n";
    let snapshot = snapshot(rule, "");
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    let answer = Why::new(&model, &[]).ask("db.shop", None, &Question::get(Url::parse("http://db").expect("a URL"))).expect("an answer");
    assert!(answer.parts.iter().flat_map(|p| &p.steps).any(|s| s.mark == Mark::NotJudged), "{answer:#?}");
}

/// As istiod was asked: what a subset's port does not say, who takes the client's protocol, and which clusters there are.
#[test]
fn subsets_ports_and_what_comes_in_are_as_a_real_istiod_has_them() {
    let of = |policy: &str| {
        let rule = format!(
            "---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: db, namespace: shop}}, spec: {{host: db, {policy}}}}}\n"
        );
        let held = translated(&snapshot(&rule, ""));
        move |name: &str, at: &str| {
            let found = held["clusters"].as_array().expect("clusters").iter().find(|c| c["name"] == *name.replace("DB", "db.shop.svc.cluster.local"));
            found.and_then(|c| c.pointer(at)).map_or_else(String::new, ToString::to_string)
        }
    };
    const HTTP: &str = "/typedExtensionProtocolOptions/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/useDownstreamProtocolConfig/httpProtocolOptions";
    const BUDGET: &str = "/circuitBreakers/thresholds/0/retryBudget/budgetPercent/value";
    // The rule's own budget and head stay where a subset says something else of the port.
    let port = "portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 3}}}]";
    let held = of(&format!(
        "trafficPolicy: {{retryBudget: {{percent: 30}}, proxyProtocol: {{version: V2}}}}, subsets: [{{name: a, labels: {{app: db}}, trafficPolicy: {{{port}}}}}]"
    ));
    assert_eq!(held("outbound|80|a|DB", BUDGET), "30");
    assert_eq!(held("outbound|80|a|DB", "/transportSocketMatches/0/transportSocket/name"), "\"envoy.transport_sockets.upstream_proxy_protocol\"");
    assert_eq!(held("outbound|80|a|DB", "/circuitBreakers/thresholds/0/maxConnections"), "3");
    assert_eq!(held("inbound|8080||", BUDGET), "30");
    // What comes in goes on in the client's protocol, too.
    let held = of("trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}");
    assert_eq!([held("outbound|80||DB", HTTP), held("inbound|8080||", HTTP)], ["{}", "{}"]);
    // A subset of a cluster that passes through does too, and one that asks for it by itself, whatever it says of a port.
    let held =
        of("trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}, subsets: [{name: a, labels: {app: db}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]");
    assert_eq!([held("outbound|80||DB", "/type"), held("outbound|80|a|DB", "/type")], ["\"ORIGINAL_DST\""; 2]);
    let held = of(&format!("subsets: [{{name: a, labels: {{app: db}}, trafficPolicy: {{loadBalancer: {{simple: PASSTHROUGH}}, {port}}}}}]"));
    assert_eq!([held("outbound|80||DB", "/type"), held("outbound|80|a|DB", "/type")], ["\"EDS\"", "\"ORIGINAL_DST\""]);
    // No rate of success ejects anybody.
    let held = of("trafficPolicy: {outlierDetection: {splitExternalLocalOriginErrors: true}}");
    assert_eq!(held("outbound|80||DB", "/outlierDetection/enforcingLocalOriginSuccessRate"), "0");
}

/// The host of a ServiceEntry that DNS is asked for has no labels: a subset of it has no endpoint, and gets no cluster.
#[test]
fn subsets_of_what_dns_is_asked_for_need_endpoints_with_their_labels() {
    let entry = |endpoints: &str| {
        format!(
            "---\n{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: out, namespace: shop}}, spec: {{hosts: [out.example], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: DNS{endpoints}}}}}\n\
             ---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: out, namespace: shop}}, spec: {{host: out.example, subsets: [{{name: a, labels: {{v: a}}}}, {{name: all}}]}}}}\n"
        )
    };
    let names = |objects: &str| {
        let held = translated(&snapshot(objects, ""));
        let all = held["clusters"].as_array().expect("clusters").iter().filter_map(|c| c["name"].as_str()).filter(|n| n.contains("out.example"));
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&entry("")), ["outbound|80||out.example", "outbound|80|all|out.example"]);
    assert_eq!(names(&entry(", endpoints: [{address: a.example, labels: {v: a}}]")).len(), 3);
}
