//! What queries beside the traffic's say of its edges: response time, throughput, mutual TLS, operations.

use super::names::Name;
use super::telemetry::{Label, Reader, Rows};
use super::traffic::{Amount, End, Ends, Key, Node, NodeType, Tag, Traffic, new_node};
use mesh_metrics::promql::Sample;
use rustc_hash::FxHashMap;

type Pair = (Key, Key);

impl Reader<'_> {
    fn pair(&self, source: &End, destination: &End) -> Option<Pair> {
        let graph_type = self.options.graph_type;
        Some((source.identify(graph_type)?.0, destination.identify(graph_type)?.0))
    }

    /// The edge that a measure of the whole way belongs to: with a service between, its last part.
    fn last_part(&self, source: &End, destination: &End) -> Option<Pair> {
        if self.injects(destination)? {
            let service = End::service(destination.cluster, destination.service_namespace, destination.service);
            self.pair(&service, destination)
        } else {
            self.pair(source, destination)
        }
    }
}

fn for_edges(traffic: &mut Traffic, mut f: impl FnMut(Pair, &mut super::traffic::Edge, (bool, bool))) {
    let keys: Vec<Option<(Key, bool)>> = traffic.nodes.iter().map(|n| n.as_ref().map(|n| (n.key, n.marks.is_waypoint))).collect();
    for node in traffic.live_mut() {
        let (from, from_waypoint) = (node.key, node.marks.is_waypoint);
        for edge in &mut node.edges {
            if let Some((to, to_waypoint)) = keys[edge.to] {
                f((from, to), edge, (from_waypoint, to_waypoint));
            }
        }
    }
}

/// Milliseconds by edge and protocol; the first answer for an edge counts.
pub(super) fn response_times<'s>(reader: &mut Reader<'_>, rows: &mut Rows<'s>, traffic: &mut Traffic, answers: &[&'s [Sample]]) {
    let mut times: FxHashMap<(Pair, Name), f64> = FxHashMap::default();
    for sample in answers.iter().copied().flatten() {
        let row = rows.row(sample, &mut reader.names);
        let Some(protocol) = row.get(Label::RequestProtocol) else { continue };
        if reader.hides(protocol) || row.value.is_nan() {
            continue;
        }
        let Some((source, destination, _)) = reader.ends(&row) else { continue };
        if let Some(pair) = reader.last_part(&source, &destination) {
            times.entry((pair, protocol)).or_insert(row.value);
        }
    }
    for_edges(traffic, |pair, edge, _| {
        if let Some(time) = times.get(&(pair, edge.protocol)) {
            edge.response_time = Some(*time);
        }
    });
}

/// Bytes per second, of HTTP alone.
pub(super) fn throughput<'s>(reader: &mut Reader<'_>, rows: &mut Rows<'s>, traffic: &mut Traffic, answers: &[&'s [Sample]]) {
    let mut sums: FxHashMap<Pair, f64> = FxHashMap::default();
    for sample in answers.iter().copied().flatten() {
        let row = rows.row(sample, &mut reader.names);
        if row.value.is_nan() {
            continue;
        }
        let Some((source, destination, _)) = reader.ends(&row) else { continue };
        if let Some(pair) = reader.last_part(&source, &destination) {
            *sums.entry(pair).or_default() += row.value;
        }
    }
    for_edges(traffic, |pair, edge, _| {
        if edge.protocol == super::names::HTTP
            && let Some(sum) = sums.get(&pair)
        {
            edge.throughput = Some(*sum);
        }
    });
}

#[derive(Default)]
struct Policy {
    /// By connection security policy; the last value counts.
    rates: Vec<(Name, f64)>,
    principals: Option<(Name, Name)>,
}

/// The share of mutual TLS, and the principals at both ends.
pub(super) fn security_policies<'s>(reader: &mut Reader<'_>, rows: &mut Rows<'s>, traffic: &mut Traffic, answers: &[&'s [Sample]]) {
    let mutual = reader.names.intern("mutual_tls");
    let mut policies: FxHashMap<Pair, Policy> = FxHashMap::default();
    for sample in answers.iter().copied().flatten() {
        let row = rows.row(sample, &mut reader.names);
        let (Some((source, destination)), Some(from), Some(to)) = (row.raw_ends(), row.get(Label::SourcePrincipal), row.get(Label::DestinationPrincipal))
        else {
            continue;
        };
        let policy = row.get(Label::SecurityPolicy).unwrap_or(super::names::UNKNOWN);
        let Some(injects) = reader.injects(&destination) else { continue };
        let service = End::service(destination.cluster, destination.service_namespace, destination.service);
        let parts = if injects { vec![(source, service), (service, destination)] } else { vec![(source, destination)] };
        for (source, destination) in parts {
            let Some(pair) = reader.pair(&source, &destination) else { continue };
            let known = policies.entry(pair).or_default();
            match known.rates.iter_mut().find(|(p, _)| *p == policy) {
                Some((_, rate)) => *rate = row.value,
                None => known.rates.push((policy, row.value)),
            }
            known.principals.get_or_insert((from, to));
        }
    }
    for_edges(traffic, |pair, edge, (from_waypoint, to_waypoint)| match policies.get(&pair) {
        Some(policy) => {
            let of = |is_mutual: bool| policy.rates.iter().filter(|(p, _)| (*p == mutual) == is_mutual).map(|(_, v)| v).sum::<f64>();
            let (encrypted, other) = (of(true), of(false));
            if encrypted > 0.0 {
                edge.mtls = Some(encrypted / (encrypted + other) * 100.0);
            }
            if let Some((from, to)) = policy.principals {
                (edge.source_principal, edge.destination_principal) = (from, to);
            }
        }
        // A waypoint takes nothing but mutual TLS.
        None if from_waypoint || to_waypoint => edge.mtls = Some(100.0),
        None => {}
    });
}

/// Operations between a source and its service or workload. What is classified replaces the edge that was there. Rows know
/// the label that operations are told apart by.
pub(super) fn aggregate_nodes<'s>(reader: &mut Reader<'_>, rows: &mut Rows<'s>, traffic: &mut Traffic, answers: &[&'s [Sample]]) {
    let graph_type = reader.options.graph_type;
    let injects = reader.options.inject_service_nodes;
    for sample in answers.iter().copied().flatten() {
        let row = rows.row(sample, &mut reader.names);
        let (Some(operation), Some(protocol), Some(flags)) = (row.aggregate, row.get(Label::RequestProtocol), row.get(Label::ResponseFlags)) else {
            continue;
        };
        if reader.hides(protocol) {
            continue;
        }
        let Some(code) = reader.code(&row, protocol) else { continue };
        let Some((source, destination, host)) = reader.ends(&row) else { continue };
        let service = End::service(destination.cluster, destination.service_namespace, destination.service);
        let end = if injects { service } else { destination };
        let Some((source_key, destination_key)) = reader.pair(&source, &end) else { continue };
        let (Some(from), Some(to)) = (traffic.find(&source_key), traffic.find(&destination_key)) else { continue };

        let (namespace, of_service, app) =
            if injects { (destination.service_namespace, destination.service, destination.app) } else { (destination.workload_namespace, 0, 0) };
        let key = Key { tag: Tag::Aggregate, cluster: destination.cluster, namespace, first: operation, second: of_service };
        let between = traffic.find(&key).unwrap_or_else(|| {
            let end = End { app, ..End::service(destination.cluster, namespace, of_service) };
            let node = Node { aggregate: operation, namespace, ..new_node(key, NodeType::Aggregate, &end, graph_type) };
            traffic.insert(node)
        });
        if let Some(node) = &mut traffic.nodes[from] {
            let before = node.edges.len();
            node.edges.retain(|e| e.to != to);
            if node.edges.len() != before {
                traffic.reindex_edges();
            }
        }
        let amount = Amount { value: row.value, protocol, code, flags, host };
        traffic.add(&reader.names, from, between, &amount, Ends::Destination);
        traffic.add(&reader.names, between, to, &amount, Ends::Source);
    }
}
