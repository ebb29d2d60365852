//! What objects say of a namespace's part of the graph: ServiceEntries, dead and idle nodes, WorkloadEntries, the mesh's reach.

use super::facts::{Facts, ServiceEntry, app_label, version_label};
use super::names::{EMPTY, Name, UNKNOWN, is_known};
use super::options::{GraphType, Options};
use super::telemetry::Reader;
use super::traffic::{Edge, End, Node, NodeRate, NodeType, ServiceEntryInfo, Traffic, new_node};
use std::collections::BTreeMap;

/// All that a step on one namespace's part sees.
pub(super) struct Part<'a, 'o> {
    pub reader: &'a mut Reader<'o>,
    pub facts: &'a Facts,
    pub namespace: &'a str,
}

impl Part<'_, '_> {
    fn options(&self) -> &Options {
        self.reader.options
    }

    fn text(&self, name: Name) -> &str {
        self.reader.names.text(name)
    }

    fn is_accessible(&self, node: &Node) -> bool {
        self.options().is_accessible(self.text(node.cluster), self.text(node.namespace))
    }
}

/// Nodes for hosts of one ServiceEntry become one node.
pub(super) fn service_entries(part: &mut Part<'_, '_>, traffic: &mut Traffic) {
    // By the entry's place: the service nodes that are its hosts.
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, node) in traffic.live() {
        let asks = |service: &Node| -> Option<usize> {
            if service.node_type != NodeType::Service || service.marks.is_egress_cluster || service.marks.is_injected {
                return None;
            }
            if !part.is_accessible(node) {
                return None;
            }
            entry_of(part, node, part.text(service.service))
        };
        if node.node_type == NodeType::Service {
            if is_known(node.cluster)
                && is_known(node.namespace)
                && let Some(entry) = asks(node)
            {
                found.entry(entry).or_default().push(index);
            }
            continue;
        }
        for edge in &node.edges {
            if let Some(entry) = traffic.nodes[edge.to].as_ref().and_then(&asks) {
                found.entry(entry).or_default().push(edge.to);
            }
        }
    }
    for (entry, mut services) in found {
        services.sort_unstable();
        services.dedup();
        replace_by_entry(part, traffic, &part.facts.service_entries[entry], &services);
    }
    traffic.reindex_edges();
}

fn entry_of(part: &Part<'_, '_>, from: &Node, service: &str) -> Option<usize> {
    let (cluster, namespace) = (part.text(from.cluster), part.text(from.namespace));
    part.facts.service_entries.iter().position(|entry| {
        let is_host = |host: &String| {
            let mut labels = host.split('.');
            let is_internal_name =
                entry.location == "MESH_INTERNAL" && !(host.ends_with(".global") && host.split('.').count() == 3) && labels.next() == Some(service);
            host == service || is_internal_name
        };
        let is_exported =
            entry.export_to.is_empty() || entry.export_to.iter().any(|e| e == "*" || e == namespace || (e == "." && entry.namespace == namespace));
        entry.cluster == cluster && is_exported && entry.hosts.iter().any(is_host)
    })
}

fn replace_by_entry(part: &mut Part<'_, '_>, traffic: &mut Traffic, entry: &ServiceEntry, services: &[usize]) {
    let graph_type = part.options().graph_type;
    let names = &mut part.reader.names;
    let end = End::service(names.intern(&entry.cluster), names.intern(part.namespace), names.intern(&entry.name));
    let Some((key, node_type)) = end.identify(graph_type) else { return };
    let mut node = new_node(key, node_type, &end, graph_type);
    node.marks.service_entry = Some(ServiceEntryInfo { hosts: entry.hosts.clone(), location: entry.location, namespace: part.namespace.to_owned() });
    let cluster = node.cluster;
    let index = traffic.nodes.len();
    for doomed in services {
        let Some(old) = traffic.nodes[*doomed].clone() else { continue };
        for (mine, theirs) in node.rates.iter_mut().zip(old.rates) {
            *mine += theirs;
        }
        node.destination_services.extend(old.destination_services.iter().copied());
        let mut is_needed = false;
        for other in traffic.live_mut() {
            let mut kept: Vec<Edge> = Vec::with_capacity(other.edges.len());
            for mut edge in std::mem::take(&mut other.edges) {
                if edge.to == *doomed {
                    if other.cluster == cluster {
                        edge.to = index;
                    } else {
                        is_needed = true;
                    }
                }
                match kept.iter_mut().find(|k| k.to == index && edge.to == index && k.protocol == edge.protocol) {
                    Some(same) => same.absorb(&edge),
                    None => kept.push(edge),
                }
            }
            other.edges = kept;
        }
        for edge in &old.edges {
            match node.edges.iter_mut().find(|e| e.to == edge.to && e.protocol == edge.protocol) {
                Some(same) => same.absorb(edge),
                None => {
                    let mut fresh = Edge::new(edge.to, edge.protocol);
                    fresh.absorb(edge);
                    node.edges.push(fresh);
                }
            }
        }
        if !is_needed {
            traffic.remove(*doomed);
        }
    }
    traffic.insert(node);
}

/// Nodes without traffic that stand for nothing that exists go; workloads without pods are marked.
pub(super) fn dead_nodes(part: &Part<'_, '_>, traffic: &mut Traffic) {
    use NodeRate::{GrpcIn, GrpcOut, HttpIn, HttpOut, TcpIn, TcpOut};
    loop {
        let mut gone = Vec::new();
        let mut without_pods = Vec::new();
        for (index, node) in traffic.live() {
            if [GrpcIn, GrpcOut, HttpIn, HttpOut, TcpIn, TcpOut].iter().any(|r| node.rate(*r) > 0.0) {
                continue;
            }
            match node.node_type {
                NodeType::Aggregate => {}
                NodeType::Service => {
                    if node.edges.is_empty() && node.marks.service_entry.is_none() && !node.marks.is_egress_cluster {
                        gone.push(index);
                    }
                }
                _ => {
                    let is_unknown = node.node_type == NodeType::Unknown;
                    if !is_unknown && (!is_known(node.workload) || !part.is_accessible(node)) {
                        continue;
                    }
                    match part.facts.workload(part.text(node.cluster), part.namespace, part.text(node.workload)) {
                        None => gone.push(index),
                        Some(workload) if workload.pods == 0 => without_pods.push(index),
                        Some(_) => {}
                    }
                }
            }
        }
        for index in without_pods {
            if let Some(node) = &mut traffic.nodes[index] {
                node.marks.is_dead = true;
            }
        }
        if gone.is_empty() {
            return;
        }
        gone.iter().for_each(|index| traffic.remove(*index));
        let live: Vec<bool> = traffic.nodes.iter().map(Option::is_some).collect();
        traffic.live_mut().for_each(|n| n.edges.retain(|e| live[e.to]));
        traffic.reindex_edges();
    }
}

pub(super) fn workload_entries(part: &Part<'_, '_>, traffic: &mut Traffic) {
    for node in traffic.nodes.iter_mut().flatten() {
        let is_here = part.text(node.namespace) == part.namespace && matches!(node.node_type, NodeType::Workload | NodeType::App);
        if !is_here || !part.is_accessible(node) {
            continue;
        }
        for (cluster, object) in part.facts.config.iter().filter(|(_, o)| o.kind_name() == "WorkloadEntry") {
            let labels = object.spec_at(&["labels"]).map(|_| object.spec().into_iter().flat_map(|s| s.map("labels")));
            let labels = labels.into_iter().flatten().map(|(k, v)| (k.text().to_owned(), v.text().to_owned())).collect();
            let is_match =
                app_label(&labels).is_some_and(|(_, v)| v == part.text(node.app)) && version_label(&labels).is_some_and(|(_, v)| v == part.text(node.version));
            if is_match && cluster == part.text(node.cluster) && object.namespace() == part.namespace {
                node.marks.workload_entries.push(object.name().to_owned());
            }
        }
    }
}

/// Services and workloads that nobody called.
pub(super) fn idle_nodes(part: &mut Part<'_, '_>, traffic: &mut Traffic) {
    let options = part.options();
    if options.focus.is_some() || !(options.graph_type == GraphType::Service || options.inject_service_nodes) {
        return;
    }
    let graph_type = options.graph_type;
    let facts = part.facts;
    let names = &mut part.reader.names;
    let namespace = names.intern(part.namespace);
    let mut ends = Vec::new();
    for cluster in &facts.clusters {
        let here = names.intern(cluster);
        for (service, _) in facts.services_in(cluster, part.namespace) {
            ends.push(End::service(here, namespace, names.intern(service)));
        }
        if graph_type == GraphType::Service {
            continue;
        }
        for (name, workload) in facts.workloads_in(cluster, part.namespace) {
            let mut label = |found: Option<(&str, &str)>| found.map_or(UNKNOWN, |(_, v)| names.intern(v));
            let (app, version) = (label(app_label(&workload.labels)), label(version_label(&workload.labels)));
            let workload = names.intern(name);
            ends.push(End { cluster: here, service_namespace: EMPTY, service: EMPTY, workload_namespace: namespace, workload, app, version });
        }
    }
    for end in ends {
        let Some((key, node_type)) = end.identify(graph_type) else { continue };
        if traffic.find(&key).is_none() {
            let mut node = new_node(key, node_type, &end, graph_type);
            if node.node_type == NodeType::Service {
                node.namespace = namespace;
            }
            node.marks.is_idle = true;
            traffic.insert(node);
        }
    }
}

/// Whether workloads are in the mesh, by sidecar or by ambient mode.
pub(super) fn mesh_check(part: &Part<'_, '_>, traffic: &mut Traffic) {
    for node in traffic.nodes.iter_mut().flatten() {
        let (cluster, namespace) = (part.text(node.cluster), part.text(node.namespace));
        if node.marks.is_dead || !part.is_accessible(node) || namespace == "istio-system" {
            continue;
        }
        let workloads: Vec<_> = match node.node_type {
            NodeType::Workload => part.facts.workload(cluster, namespace, part.text(node.workload)).into_iter().collect(),
            NodeType::App => part.facts.app_workloads(cluster, namespace, part.text(node.app), part.text(node.version)).map(|(_, w)| w).collect(),
            _ => continue,
        };
        // What was not seen is taken to be in the mesh: nothing says that it is not.
        let is_ambient = workloads.iter().all(|w| w.is_ambient);
        let has_sidecar = workloads.iter().all(|w| w.has_sidecar);
        let is_gateway = workloads.iter().all(|w| w.is_gateway());
        if is_ambient || node.marks.is_waypoint {
            node.marks.is_ambient = true;
        }
        if !is_ambient && !has_sidecar && !is_gateway && !node.marks.is_waypoint {
            node.marks.is_out_of_mesh = true;
        }
    }
}
