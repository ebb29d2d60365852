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
    // What each node sends to services, as it is now: the reference changes it while it walks.
    let mut sent: Vec<Vec<Edge>> = Vec::with_capacity(traffic.nodes.len());
    let mut callees: Vec<Vec<usize>> = Vec::with_capacity(traffic.nodes.len());
    for node in &mut traffic.nodes {
        let mut edges = node.as_mut().map_or(Vec::new(), |n| std::mem::take(&mut n.edges));
        callees.push(edges.iter().map(|e| e.to).collect());
        edges.retain(|e| is_service[e.to]);
        sent.push(edges);
    }
    for (index, mut callees) in callees.into_iter().enumerate() {
        let Some(node) = &mut traffic.nodes[index] else { continue };
        if is_service[index] {
            if counted == ServiceTraffic::Once {
                let mut seen = BTreeSet::new();
                callees.retain(|c| seen.insert(*c));
            }
            set_edges(node, walk(&mut sent, &callees, counted));
        } else if node.marks.is_root && !sent[index].is_empty() {
            // Nobody calls a root: no service will ask for its edges.
            set_edges(node, std::mem::take(&mut sent[index]));
        } else {
            traffic.remove(index);
        }
    }
    traffic
}

fn set_edges(node: &mut Node, edges: Vec<Edge>) {
    node.reset_outgoing();
    edges.iter().for_each(|e| node.add_outgoing(e));
    node.edges = edges;
}

/// The edges that workloads give a service: one for each service and protocol.
fn walk(sent: &mut [Vec<Edge>], workloads: &[usize], counted: ServiceTraffic) -> Vec<Edge> {
    // Each with the place that it came from.
    let mut edges: Vec<(usize, usize, Edge)> = Vec::new();
    let mut places: FxHashMap<(usize, Name), usize> = FxHashMap::default();
    for workload in workloads {
        for place in 0..sent[*workload].len() {
            let edge = &sent[*workload][place];
            let known = *places.entry((edge.to, edge.protocol)).or_insert(edges.len());
            match edges.get_mut(known) {
                None => edges.push((*workload, place, edge.clone())),
                Some((from, at, same)) => {
                    same.absorb(edge);
                    if counted == ServiceTraffic::AsReference {
                        sent[*from][*at] = same.clone();
                    }
                }
            }
        }
    }
    edges.into_iter().map(|(_, _, edge)| edge).collect()
}
