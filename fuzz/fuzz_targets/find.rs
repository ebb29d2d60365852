//! Any text is an expression that finds and hides: it is refused, or what it leaves of a graph is a graph.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_metrics::promql::{Options as Query, Value, parse, query_in_order};
use mesh_metrics::series::{Limits, NAME, Store};
use mesh_model::graph::find::{Find, hide, keep};
use mesh_model::graph::{Facts, Graph, Namespace, Options, ServiceTraffic, build, plan};

fn graph() -> Graph {
    let mut store = Store::new(Limits::default());
    for (from, to, code) in [("web", "cart", "200"), ("web", "cart", "503"), ("cart", "db", "200"), ("web", "unknown", "404")] {
        let labels = [
            (NAME, "istio_requests_total"),
            ("reporter", "source"),
            ("source_cluster", "c"),
            ("source_workload_namespace", "shop"),
            ("source_workload", from),
            ("source_canonical_service", from),
            ("source_canonical_revision", "v1"),
            ("destination_cluster", "c"),
            ("destination_service_namespace", "shop"),
            ("destination_service", "cart.shop.svc.cluster.local"),
            ("destination_service_name", "cart"),
            ("destination_workload_namespace", "shop"),
            ("destination_workload", to),
            ("destination_canonical_service", to),
            ("destination_canonical_revision", "v1"),
            ("request_protocol", "http"),
            ("response_code", code),
            ("response_flags", "-"),
        ];
        let _ = store.add_rate(labels, 1.5);
    }
    let options = Options { namespaces: vec![Namespace { name: "shop".to_owned(), duration: 60, is_ambient: false }], ..Options::default() };
    let queries = plan(&options);
    let ask = |text: &str| match query_in_order(&store, &parse(text).expect("a query"), 0, &Query::default()).expect("an answer").value {
        Value::Vector(samples) => samples,
        _ => Vec::new(),
    };
    let answers: Vec<_> = queries.iter().map(|q| ask(&q.promql)).collect();
    build(&options, &Facts::default(), &queries, &answers, ServiceTraffic::Once)
}

fuzz_target!(|text: &str| {
    let Ok(find) = Find::parse(text) else { return };
    let whole = graph();
    for part in [hide(whole.clone(), &find), keep(whole.clone(), &find)] {
        assert!(part.nodes.len() <= whole.nodes.len() && part.nodes.iter().flat_map(|n| &n.edges).all(|e| e.to < part.nodes.len()));
    }
});
