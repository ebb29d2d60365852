//! The service graph: workloads between services are taken out, what they send is said of the service that they serve.

use super::names::Name;
use super::traffic::{Edge, Node, NodeType, Traffic};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// How the traffic of a workload is counted that receives several protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceTraffic {
    /// Once.
    Once,
    /// Twice for each protocol beyond the first, as the reference does: one edge leads to the workload per protocol, and each
    /// adds what the workload sends to itself. For comparison with its answers alone.
    AsReference,
}

pub(super) fn reduce_to_services(mut traffic: Traffic, counted: ServiceTraffic) -> Traffic {
    let is_service: Vec<bool> = traffic.nodes.iter().map(|n| n.as_ref().is_some_and(|n| n.node_type == NodeType::Service)).collect();
    let mut sent = Sent { edges: Vec::with_capacity(traffic.nodes.len()), asked: vec![0; traffic.nodes.len()] };
    let mut callees: Vec<Vec<usize>> = Vec::with_capacity(traffic.nodes.len());
    for (index, node) in traffic.nodes.iter_mut().enumerate() {
        let mut edges = node.as_mut().map_or(Vec::new(), |n| std::mem::take(&mut n.edges));
        let mut of_service: Vec<usize> = if is_service[index] { edges.iter().map(|e| e.to).collect() } else { Vec::new() };
        if counted == ServiceTraffic::Once {
            let mut seen = BTreeSet::new();
            of_service.retain(|c| seen.insert(*c));
        }
        of_service.iter().for_each(|callee| sent.asked[*callee] += 1);
        callees.push(of_service);
        if edges.iter().any(|e| !is_service[e.to]) {
            edges.retain(|e| is_service[e.to]);
        }
        sent.edges.push(edges);
    }
    for (index, callees) in callees.iter().enumerate() {
        let Some(node) = &mut traffic.nodes[index] else { continue };
        if is_service[index] {
            set_edges(node, walk(&mut sent, callees, counted));
        } else if node.marks.is_root && !sent.edges[index].is_empty() {
            // Nobody calls a root: no service will ask for its edges.
            set_edges(node, std::mem::take(&mut sent.edges[index]));
        } else {
            traffic.nodes[index] = None;
        }
    }
    traffic
}

/// What each node sends to services, as it is now: the reference changes it while it walks.
struct Sent {
    edges: Vec<Vec<Edge>>,
    /// How many services will still ask for a node's edges.
    asked: Vec<usize>,
}

fn set_edges(node: &mut Node, edges: Vec<Edge>) {
    node.reset_outgoing();
    edges.iter().for_each(|e| node.add_outgoing(e));
    node.edges = edges;
}

/// An edge of a service, and the place that it came from.
struct Given {
    from: usize,
    at: usize,
    edge: Edge,
    has_grown: bool,
}

/// The edges that workloads give a service: one for each service and protocol. The last service that asks for a workload's edges
/// gets them, those before it get copies.
fn walk(sent: &mut Sent, workloads: &[usize], counted: ServiceTraffic) -> Vec<Edge> {
    if let [only] = workloads
        && sent.asked[*only] == 1
        && is_distinct(&sent.edges[*only])
    {
        return std::mem::take(&mut sent.edges[*only]);
    }
    let mut edges: Vec<Given> = Vec::new();
    let mut places: FxHashMap<(usize, Name), usize> = FxHashMap::default();
    for workload in workloads {
        sent.asked[*workload] -= 1;
        let is_last = sent.asked[*workload] == 0;
        let mut own = std::mem::take(&mut sent.edges[*workload]);
        for (place, edge) in own.iter_mut().enumerate() {
            let known = *places.entry((edge.to, edge.protocol)).or_insert(edges.len());
            match edges.get_mut(known) {
                None => {
                    let given = if is_last { std::mem::replace(edge, Edge::new(edge.to, edge.protocol)) } else { edge.clone() };
                    edges.push(Given { from: *workload, at: place, edge: given, has_grown: false });
                }
                Some(given) => {
                    // The reference adds what has grown to itself where it comes by a second time.
                    if (given.from, given.at) == (*workload, place) {
                        let itself = given.edge.clone();
                        given.edge.absorb(&itself);
                    } else {
                        given.edge.absorb(edge);
                    }
                    given.has_grown = true;
                }
            }
        }
        if !is_last {
            sent.edges[*workload] = own;
        }
    }
    if counted == ServiceTraffic::AsReference {
        for given in edges.iter().filter(|g| g.has_grown && sent.asked[g.from] > 0) {
            sent.edges[given.from][given.at] = given.edge.clone();
        }
    }
    edges.into_iter().map(|g| g.edge).collect()
}

/// Whether no two edges lead to the same service by the same protocol.
fn is_distinct(edges: &[Edge]) -> bool {
    let mut seen = rustc_hash::FxHashSet::with_capacity_and_hasher(edges.len(), rustc_hash::FxBuildHasher);
    edges.iter().all(|e| seen.insert((e.to, e.protocol)))
}
