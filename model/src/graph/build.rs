//! From answers to the finished graph.

use super::appenders::{Part, dead_nodes, idle_nodes, mesh_check, service_entries, workload_entries};
use super::facts::Facts;
use super::finish;
use super::measures;
use super::names::Names;
use super::options::{Appender, Focus, GraphType, Options};
use super::queries::{Purpose, Query};
use super::reduce::{ServiceTraffic, reduce_to_services};
use super::telemetry::{Applied, Reader, Rows, Skipped};
use super::traffic::{Node, Traffic};
use mesh_metrics::promql::Sample;
use rustc_hash::FxHashSet;

/// A finished graph. Edges lead to indexes of `nodes`.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub names: Names,
    pub nodes: Vec<Node>,
    /// Samples of which nothing could be made, by reason.
    pub skipped: Skipped,
}

/// Puts a graph together from the answers to [`super::plan`]'s queries, one an answer and in its order.
pub fn build<'s>(options: &Options, facts: &Facts, queries: &[Query], answers: &'s [Vec<Sample>], service_traffic: ServiceTraffic) -> Graph {
    let mut reader = Reader::new(options, &facts.waypoints);
    let mut rows = Rows::new(match &options.focus {
        Some(Focus::Aggregate { label, .. }) => label,
        _ => &options.aggregate,
    });
    let mut whole = Traffic::default();
    for (index, namespace) in options.namespaces.iter().enumerate() {
        let of = |purpose: fn(&Purpose) -> bool| -> Vec<&'s [Sample]> {
            let mine = queries.iter().zip(answers).filter(|(q, _)| q.namespace == index && purpose(&q.purpose));
            mine.map(|(_, a)| a.as_slice()).collect()
        };
        let mut traffic = Traffic::default();
        let mut applied = Applied::default();
        for (query, answer) in queries.iter().zip(answers).filter(|(q, _)| q.namespace == index) {
            if let Purpose::Traffic(metric) = query.purpose {
                reader.add(&mut rows, &mut traffic, &mut applied, metric, answer);
            }
        }
        let mut part = Part { reader: &mut reader, facts, namespace: &namespace.name };
        if !traffic.is_empty() {
            if options.has(Appender::ServiceEntry) {
                service_entries(&mut part, &mut traffic);
            }
            if options.has(Appender::DeadNode) {
                dead_nodes(&part, &mut traffic);
            }
            if options.has(Appender::WorkloadEntry) {
                workload_entries(&part, &mut traffic);
            }
            measures::response_times(part.reader, &mut rows, &mut traffic, &of(|p| *p == Purpose::ResponseTime));
            if options.has(Appender::SecurityPolicy) {
                measures::security_policies(part.reader, &mut rows, &mut traffic, &of(|p| *p == Purpose::SecurityPolicy));
            }
            measures::throughput(part.reader, &mut rows, &mut traffic, &of(|p| *p == Purpose::Throughput));
            measures::aggregate_nodes(part.reader, &mut rows, &mut traffic, &of(|p| *p == Purpose::AggregateNode));
        }
        if options.has(Appender::IdleNode) {
            idle_nodes(&mut part, &mut traffic);
        }
        if options.has(Appender::MeshCheck) {
            mesh_check(&part, &mut traffic);
        }
        let name = reader.names.intern(&namespace.name);
        merge(&mut whole, traffic, name);
    }
    finish::outsiders(options, &reader.names, &mut whole);
    if options.has(Appender::Istio) {
        finish::istio_config(facts, &mut reader.names, &mut whole);
    }
    if options.has(Appender::Ambient) {
        finish::waypoints(options, &mut whole);
    }
    if options.has(Appender::Health) {
        finish::health(facts, &reader.names, &mut whole);
    }
    if options.has(Appender::Labeler) {
        finish::labels(facts, &reader.names, &mut whole);
    }
    finish::roots(&mut whole);
    if options.graph_type == GraphType::Service && options.focus.is_none() {
        whole = reduce_to_services(whole, service_traffic);
    }
    Graph { nodes: compact(whole), names: reader.names, skipped: reader.skipped }
}

/// Edges that are looked for one by one.
const FEW: usize = 6;

/// Adds a namespace's part to the whole. Of a node that is in both the copy of its own namespace counts: that one has all of
/// its telemetry. An edge that is in both counts once.
fn merge(whole: &mut Traffic, part: Traffic, namespace: super::names::Name) {
    let places: Vec<usize> = {
        let mut next = whole.nodes.len();
        let place = |node: &Option<Node>| {
            let Some(node) = node else { return usize::MAX };
            whole.find(&node.key).unwrap_or_else(|| {
                next += 1;
                next - 1
            })
        };
        part.nodes.iter().map(place).collect()
    };
    for (node, place) in part.nodes.into_iter().zip(&places) {
        let Some(mut node) = node else { continue };
        node.move_edges(&places);
        if *place == whole.nodes.len() {
            whole.insert(node);
            continue;
        }
        let Some(known) = whole.nodes[*place].as_mut() else { continue };
        if node.namespace == namespace {
            std::mem::swap(known, &mut node);
        }
        // Of two copies one has few edges: mostly it is quicker to look through the others than to make a set of them.
        let before = known.edges.len();
        let there: FxHashSet<(usize, super::names::Name)> =
            if node.edges.len() > FEW { known.edges.iter().map(|e| (e.to, e.protocol)).collect() } else { FxHashSet::default() };
        let is_few = node.edges.len() <= FEW;
        for edge in node.edges {
            let is_there = if is_few {
                known.edges[..before].iter().any(|e| e.to == edge.to && e.protocol == edge.protocol)
            } else {
                there.contains(&(edge.to, edge.protocol))
            };
            if !is_there {
                known.add_outgoing(&edge);
                known.edges.push(edge);
            }
        }
    }
}

/// Without the places that removed nodes left.
fn compact(traffic: Traffic) -> Vec<Node> {
    let mut next = 0;
    let places: Vec<usize> = traffic
        .nodes
        .iter()
        .map(|n| {
            next += usize::from(n.is_some());
            if n.is_some() { next - 1 } else { usize::MAX }
        })
        .collect();
    let mut nodes: Vec<Node> = traffic.nodes.into_iter().flatten().collect();
    for node in &mut nodes {
        node.move_edges(&places);
    }
    nodes
}
