//! The service graph: workloads between services are taken out, what they send is said of the service that they serve.

use super::traffic::{Edge, Node, NodeType, Traffic};
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

pub(super) fn reduce_to_services(traffic: Traffic, counted: ServiceTraffic) -> Traffic {
    let is_service = |index: usize| traffic.nodes[index].as_ref().is_some_and(|n| n.node_type == NodeType::Service);
    let mut reduced = traffic.clone();
    // Edges of workloads, as they are now: the reference changes them while it walks.
    let mut sent: Vec<Vec<Edge>> =
        traffic.nodes.iter().map(|n| n.iter().flat_map(|n| n.edges.iter()).filter(|e| is_service(e.to)).cloned().collect()).collect();
    for (index, node) in traffic.nodes.iter().enumerate() {
        let Some(node) = node else { continue };
        if node.node_type != NodeType::Service {
            let edges: Vec<Edge> = node.edges.iter().filter(|e| is_service(e.to)).cloned().collect();
            if !node.marks.is_root || edges.is_empty() {
                reduced.remove(index);
                continue;
            }
            set_edges(&mut reduced.nodes[index], edges);
            continue;
        }
        let mut workloads: Vec<usize> = node.edges.iter().map(|e| e.to).collect();
        if counted == ServiceTraffic::Once {
            let mut seen = BTreeSet::new();
            workloads.retain(|w| seen.insert(*w));
        }
        let edges = walk(&mut sent, &workloads, counted);
        set_edges(&mut reduced.nodes[index], edges);
    }
    reduced.reindex_edges();
    reduced
}

fn set_edges(node: &mut Option<Node>, edges: Vec<Edge>) {
    if let Some(node) = node {
        node.reset_outgoing();
        edges.iter().for_each(|e| node.add_outgoing(e));
        node.edges = edges;
    }
}

/// The edges that workloads give a service: one for each service and protocol.
fn walk(sent: &mut [Vec<Edge>], workloads: &[usize], counted: ServiceTraffic) -> Vec<Edge> {
    // Each with the place that it came from.
    let mut edges: Vec<(usize, usize, Edge)> = Vec::new();
    for workload in workloads {
        for place in 0..sent[*workload].len() {
            let edge = sent[*workload][place].clone();
            match edges.iter_mut().find(|(_, _, e)| e.to == edge.to && e.protocol == edge.protocol) {
                None => edges.push((*workload, place, edge)),
                Some((from, at, same)) => {
                    same.absorb(&edge);
                    if counted == ServiceTraffic::AsReference {
                        sent[*from][*at] = same.clone();
                    }
                }
            }
        }
    }
    edges.into_iter().map(|(_, _, edge)| edge).collect()
}
