//! Graphs for tests.

use super::build::Graph;
use super::names::{EMPTY, Names};
use super::options::GraphType;
use super::telemetry::Skipped;
use super::traffic::{Edge, EdgeRate, End, Key, NodeType, Tag, new_node};
use std::collections::BTreeMap;

/// Workloads of namespace `n` in cluster `c`, and calls with protocol, rate and failed rate.
pub(super) fn graph(calls: &[(&str, &str, u32, f64, f64)]) -> Graph {
    let mut names = Names::default();
    let mut nodes = Vec::new();
    let mut place = BTreeMap::new();
    let (cluster, namespace) = (names.intern("c"), names.intern("n"));
    for name in calls.iter().flat_map(|c| [c.0, c.1]) {
        let workload = names.intern(name);
        place.entry(name).or_insert_with(|| {
            let end = End { cluster, service_namespace: namespace, service: EMPTY, workload_namespace: namespace, workload, app: EMPTY, version: EMPTY };
            let key = Key { tag: Tag::Workload, cluster, namespace, first: workload, second: EMPTY };
            nodes.push(new_node(key, NodeType::Workload, &end, GraphType::Workload));
            nodes.len() - 1
        });
    }
    for (from, to, protocol, rate, failed) in calls {
        let mut edge = Edge::new(place[to], *protocol);
        edge.rates[EdgeRate::Total as usize] = *rate;
        edge.rates[EdgeRate::ServerError as usize] = *failed;
        let node = &mut nodes[place[from]];
        node.add_outgoing(&edge);
        node.edges.push(edge);
    }
    Graph { names, nodes, skipped: Skipped::new() }
}
