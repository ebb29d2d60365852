//! The traffic graph from a handful of series.

use mesh_metrics::promql::{self, Sample, Value, parse};
use mesh_metrics::series::{Limits, NAME, Store};
use mesh_model::graph::{
    Appender, Edge, EdgeRate, Facts, Graph, GraphType, Namespace, Node, NodeType, Options, ServiceTraffic, Status, Viewer, build, kiali, parse_request, plan,
};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits as YamlLimits;
use mesh_model::{Role, Snapshot, Source};
use std::sync::Arc;

/// Source and destination as `namespace/workload`; the app is the workload's name without its version.
struct Call {
    reporter: &'static str,
    from: &'static str,
    to: &'static str,
    protocol: &'static str,
    code: &'static str,
    flags: &'static str,
    rate: f64,
}

fn call(reporter: &'static str, from: &'static str, to: &'static str, code: &'static str, flags: &'static str, rate: f64) -> Call {
    Call { reporter, from, to, protocol: "http", code, flags, rate }
}

fn store(calls: &[Call]) -> Store {
    let mut store = Store::new(Limits::default());
    for call in calls {
        let parts = |text: &'static str| text.split_once('/').expect("namespace/workload");
        let ((from_ns, from), (to_ns, to)) = (parts(call.from), parts(call.to));
        let app = |workload: &'static str| workload.split_once('-').map_or((workload, "latest"), |p| p);
        let service = if to == "unknown" { "lost" } else { app(to).0 };
        let service_ns = if to_ns == "unknown" { "shop" } else { to_ns };
        let host = format!("{service}.{service_ns}.svc.cluster.local");
        let labels = [
            (NAME, "istio_requests_total"),
            ("reporter", call.reporter),
            ("source_cluster", "east"),
            ("source_workload_namespace", from_ns),
            ("source_workload", from),
            ("source_canonical_service", app(from).0),
            ("source_canonical_revision", app(from).1),
            ("destination_cluster", "east"),
            ("destination_service_namespace", service_ns),
            ("destination_service", &host),
            ("destination_service_name", service),
            ("destination_workload_namespace", to_ns),
            ("destination_workload", to),
            ("destination_canonical_service", if to == "unknown" { "unknown" } else { app(to).0 }),
            ("destination_canonical_revision", app(to).1),
            ("request_protocol", call.protocol),
            ("response_code", call.code),
            ("response_flags", call.flags),
        ];
        store.add_rate(labels, call.rate).expect("room");
    }
    store
}

fn answers(store: &Store, options: &Options) -> Vec<Vec<Sample>> {
    let ask = |query: &str| {
        let expr = parse(query).unwrap_or_else(|e| panic!("{query}: {}", e.render(query)));
        match promql::query_in_order(store, &expr, 0, &promql::Options::default()).expect("an answer").value {
            Value::Vector(samples) => samples,
            other => panic!("{other:?}"),
        }
    };
    plan(options).iter().map(|q| ask(&q.promql)).collect()
}

fn graph(calls: &[Call], options: &Options, facts: &Facts) -> Graph {
    build(options, facts, &plan(options), &answers(&store(calls), options), ServiceTraffic::Once)
}

fn options(namespaces: &[&str]) -> Options {
    let namespaces = namespaces.iter().map(|n| Namespace { name: n.to_string(), duration: 60, is_ambient: false }).collect();
    Options { namespaces, duration: 60, ..Options::default() }
}

fn node<'g>(graph: &'g Graph, node_type: NodeType, name: &str) -> &'g Node {
    let named = |n: &&Node| [n.workload, n.service, n.app].iter().any(|x| graph.names.text(*x) == name);
    graph.nodes.iter().filter(|n| n.node_type == node_type).find(named).unwrap_or_else(|| panic!("no {node_type:?} {name}"))
}

fn edge<'g>(graph: &'g Graph, from: &Node, to: &str) -> &'g Edge {
    let from = graph.nodes.iter().find(|n| n.node_type == from.node_type && n.workload == from.workload && n.service == from.service).expect("the node");
    let leads = |e: &&Edge| [graph.nodes[e.to].workload, graph.nodes[e.to].service].iter().any(|x| graph.names.text(*x) == to);
    from.edges.iter().find(leads).unwrap_or_else(|| panic!("no edge to {to}"))
}

const CALLS: fn() -> Vec<Call> = || {
    vec![
        call("source", "shop/web-v1", "shop/cart-v1", "200", "-", 8.0),
        call("destination", "shop/web-v1", "shop/cart-v1", "200", "-", 10.0),
        call("source", "shop/web-v1", "shop/cart-v1", "503", "UF", 1.0),
        call("source", "shop/web-v1", "unknown/unknown", "503", "NR", 0.5),
        call("destination", "shop/cart-v1", "data/db-v1", "200", "-", 4.0),
        call("source", "shop/cart-v1", "data/db-v1", "200", "-", 4.0),
    ]
};

#[test]
fn what_both_proxies_report_counts_once_and_what_the_source_alone_knows_is_added() {
    let graph = graph(&CALLS(), &options(&["shop", "data"]), &Facts::default());
    let web = node(&graph, NodeType::Workload, "web-v1");
    let to_cart = edge(&graph, web, "cart-v1");
    // 10 of the destination's, not 18; and the connection that failed.
    assert_eq!(to_cart.rate(EdgeRate::Total), 11.0);
    assert_eq!(to_cart.rate(EdgeRate::ServerError), 1.0);
    assert_eq!(to_cart.health, Some(Status::Degraded));
    assert_eq!(edge(&graph, web, "lost").health, Some(Status::Failure));
    assert!(web.marks.is_root && !node(&graph, NodeType::Workload, "cart-v1").marks.is_root);
    // The edge is in both namespaces' parts.
    assert_eq!(edge(&graph, node(&graph, NodeType::Workload, "cart-v1"), "db-v1").rate(EdgeRate::Total), 4.0);
}

#[test]
fn service_graphs_and_injected_services() {
    let mut with_services = options(&["shop", "data"]);
    with_services.inject_service_nodes = true;
    let injected = graph(&CALLS(), &with_services, &Facts::default());
    let cart = node(&injected, NodeType::Service, "cart");
    assert!(cart.marks.is_injected);
    assert_eq!(edge(&injected, cart, "cart-v1").rate(EdgeRate::Total), 11.0);

    let of_services = Options { graph_type: GraphType::Service, ..with_services };
    let services = graph(&CALLS(), &of_services, &Facts::default());
    let cart = node(&services, NodeType::Service, "cart");
    assert_eq!(edge(&services, cart, "db").rate(EdgeRate::Total), 4.0);
    assert!(services.nodes.iter().all(|n| n.node_type == NodeType::Service || n.marks.is_root));
}

#[test]
fn what_a_workload_sends_is_counted_once_though_it_receives_two_protocols() {
    let mut calls = CALLS();
    calls.push(Call { protocol: "grpc", ..call("destination", "shop/web-v1", "shop/cart-v1", "200", "-", 3.0) });
    let options = Options { graph_type: GraphType::Service, inject_service_nodes: true, ..options(&["shop", "data"]) };
    let answers = answers(&store(&calls), &options);
    let rate = |traffic| {
        let graph = build(&options, &Facts::default(), &plan(&options), &answers, traffic);
        edge(&graph, node(&graph, NodeType::Service, "cart"), "db").rate(EdgeRate::Total)
    };
    assert_eq!(rate(ServiceTraffic::Once), 4.0);
    assert_eq!(rate(ServiceTraffic::AsReference), 8.0);
}

#[test]
fn objects_say_who_is_dead_idle_outside_and_out_of_the_mesh() {
    let manifest = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-v1, namespace: shop, annotations: {health.kiali.io/rate: '5XX,50,60,http,inbound'}}
spec: {replicas: 2, template: {metadata: {labels: {app: cart, version: v1, team: x}}}}
status: {replicas: 2, availableReplicas: 2}
---
apiVersion: v1
kind: Pod
metadata: {name: cart-v1-1, namespace: shop, ownerReferences: [{kind: ReplicaSet, name: cart-v1-7c, controller: true}]}
spec: {containers: [{name: app}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: shop}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec: {host: cart, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5}}}
";
    let mut snapshot = Snapshot::new();
    let source = Arc::new(Source::from_bytes("m.yaml", manifest.as_bytes().to_vec()));
    snapshot.objects.extend(read_manifest(&source, Role::Judged, 0, YamlLimits::default()).objects);
    let facts = Facts::new(&snapshot, "east");
    let mut options = options(&["shop"]);
    options.inject_service_nodes = true;
    let graph = graph(&CALLS(), &options, &facts);
    let cart = node(&graph, NodeType::Workload, "cart-v1");
    assert!(cart.marks.is_out_of_mesh && !cart.marks.is_outside);
    assert_eq!(cart.marks.labels.get("team").map(String::as_str), Some("x"));
    assert!(node(&graph, NodeType::Service, "cart").marks.has_circuit_breaker);
    assert!(node(&graph, NodeType::Service, "nobody").marks.is_idle);
    assert!(node(&graph, NodeType::Workload, "db-v1").marks.is_outside);
    // The annotation tolerates what the default does not.
    let health = cart.health.as_ref().and_then(|h| h.calculated.as_ref()).expect("health");
    assert_eq!(health.status, Status::Healthy);
}

#[test]
fn the_same_answers_give_the_same_bytes_and_samples_without_labels_are_counted() {
    let options = options(&["shop", "data"]);
    let mut store = store(&CALLS());
    store.add_rate([(NAME, "istio_requests_total"), ("reporter", "source"), ("source_workload_namespace", "shop")], 1.0).expect("room");
    let answers = answers(&store, &options);
    let json = || {
        let graph = build(&options, &Facts::default(), &plan(&options), &answers, ServiceTraffic::Once);
        assert_eq!(graph.skipped.values().sum::<usize>(), 1, "{:?}", graph.skipped);
        kiali::to_json(&graph, &options)
    };
    let first = json();
    assert_eq!(first, json());
    let value: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(value["elements"]["nodes"].as_array().map(Vec::len), Some(4));
}

#[test]
fn names_that_would_break_queries_or_json_do_not() {
    let options = options(&["a\"}) or vector(1) #", "b\\.c"]);
    for query in plan(&options) {
        parse(&query.promql).unwrap_or_else(|e| panic!("{}: {}", query.promql, e.render(&query.promql)));
    }
    let mut calls = CALLS();
    calls.push(call("source", "shop/we\"b\u{1}", "shop/cart-v1", "200", "-", 1.0));
    let options = Options { appenders: [Appender::Health].into(), ..self::options(&["shop"]) };
    let json = kiali::to_json(&graph(&calls, &options, &Facts::default()), &options);
    serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
}

#[test]
fn all_of_a_request_reaches_the_queries() {
    let request = "/api/namespaces/graph?namespaces=shop&duration=90s&rateGrpc=total&rateTcp=total&responseTime=avg&appenders=responseTime,throughput&throughputType=request";
    let viewer = Viewer { scope: vec![("mesh_id".to_owned(), "m".to_owned())], ambient: ["shop".to_owned()].into(), ..Viewer::default() };
    let queries = plan(&parse_request(request, &viewer).expect("a request"));
    let all = queries.iter().map(|q| q.promql.as_str()).collect::<Vec<_>>().join("\n");
    for part in ["[90s]", "{mesh_id=\"m\",", "istio_request_messages_total", "istio_tcp_sent_bytes_total", "milliseconds_sum", "istio_request_bytes_sum"] {
        assert!(all.contains(part), "{part}\n{all}");
    }
    assert_eq!(queries.len(), 4 * 3 + 3 * 2 + 3 + 2);
}
