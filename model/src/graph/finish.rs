//! What is said of the whole graph once its parts are one: who is outside, gateways and routing, waypoints, health, labels, roots.

use super::facts::{Facts, Labels, app_label, version_label};
use super::health::{Health, Replicas, Tolerance, annotated_tolerances, default_tolerances, edge_status};
use super::names::{EMPTY, Names, UNKNOWN, is_known};
use super::options::Options;
use super::traffic::{GatewayKind, Node, NodeType, Traffic, WaypointEdge};
use crate::Object;
use std::collections::BTreeSet;

pub(super) fn outsiders(options: &Options, names: &Names, traffic: &mut Traffic) {
    for node in traffic.live_mut() {
        let namespace = names.text(node.namespace);
        let is_outside = node.namespace != UNKNOWN && !options.namespaces.iter().any(|n| n.name == namespace);
        match node.node_type {
            NodeType::Unknown => node.marks.is_inaccessible = true,
            NodeType::Service if node.namespace == UNKNOWN || node.marks.is_egress_cluster => node.marks.is_inaccessible = true,
            _ => node.marks.is_outside = is_outside,
        }
        if !options.is_accessible(names.text(node.cluster), namespace) {
            node.marks.is_inaccessible = true;
        }
    }
}

/// Namespace and service of a host as configuration in `namespace` means it.
fn normalized<'a>(host: &'a str, namespace: &'a str) -> (&'a str, &'a str) {
    let mut parts = host.splitn(3, '.');
    let service = parts.next().unwrap_or("");
    match (parts.next(), parts.next()) {
        (None, _) => (namespace, service),
        (Some(other), None) => (other, service),
        (Some(other), Some(rest)) if rest == "svc" || rest.starts_with("svc.") => (other, service),
        _ => ("", host),
    }
}

/// Circuit breakers, VirtualServices and gateways.
pub(super) fn istio_config(facts: &Facts, names: &mut Names, traffic: &mut Traffic) {
    for (cluster, object) in &facts.config {
        match object.kind_name() {
            "DestinationRule" => circuit_breaker(names, traffic, cluster, object),
            "VirtualService" => virtual_service(names, traffic, cluster, object),
            "Gateway" => gateway(facts, names, traffic, cluster, object),
            _ => {}
        }
    }
    for node in traffic.live_mut().filter(|n| n.node_type == NodeType::Service && n.app == EMPTY && !n.marks.is_outside && !n.marks.is_egress_cluster) {
        let (cluster, namespace) = (names.text(node.cluster), names.text(node.namespace));
        let hosts: Vec<&str> = match &node.marks.service_entry {
            Some(entry) => entry.hosts.iter().map(|h| h.split('.').next().unwrap_or(h)).collect(),
            None => vec![names.text(node.service)],
        };
        let app = hosts.iter().find_map(|host| facts.service(cluster, namespace, host).and_then(|s| app_label(&s.labels)).map(|(_, v)| v.to_owned()));
        if let Some(app) = app {
            node.app = names.intern(&app);
        }
    }
}

fn circuit_breaker(names: &Names, traffic: &mut Traffic, cluster: &str, rule: &Object) {
    let breaks = |policy: Option<crate::Node<'_>>| policy.is_some_and(|p| p.get("connectionPool").is_some() || p.get("outlierDetection").is_some());
    let top = breaks(rule.spec_at(&["trafficPolicy"]));
    let subsets: Vec<(Option<String>, bool)> = rule
        .spec_at(&["subsets"])
        .into_iter()
        .flat_map(|s| s.items())
        .map(|s| (s.at(&["labels", "version"]).map(|v| v.text().to_owned()), breaks(s.get("trafficPolicy"))))
        .collect();
    let host = rule.spec_at(&["host"]).map_or("", |h| h.text());
    let (namespace, service) = normalized(host, rule.namespace());
    // A node without version has a breaker when any subset has one, a version when its own has.
    let applies = |version: Option<&str>| top || subsets.iter().any(|(label, b)| *b && version.is_none_or(|v| label.as_deref() == Some(v)));
    for node in traffic.live_mut().filter(|n| !n.marks.is_outside && names.text(n.cluster) == cluster) {
        let is_host = |ns: u32, name: u32| names.text(ns) == namespace && names.text(name) == service;
        let has_version = is_known(node.version);
        let is_one = match node.node_type {
            NodeType::Service => is_host(node.namespace, node.service) && applies(None),
            NodeType::App if !has_version => node.destination_services.iter().any(|(_, ns, s)| is_host(*ns, *s)) && applies(None),
            _ => has_version && node.destination_services.iter().any(|(_, ns, s)| is_host(*ns, *s)) && applies(Some(names.text(node.version))),
        };
        node.marks.has_circuit_breaker |= is_one;
    }
}

fn virtual_service(names: &Names, traffic: &mut Traffic, cluster: &str, object: &Object) {
    let routes = |protocol: &str| object.spec_at(&[protocol]).into_iter().flat_map(|r| r.items());
    let destinations = |protocol: &'static str| routes(protocol).flat_map(|r| r.get("route").into_iter().flat_map(|d| d.items()));
    let all = ["http", "tcp", "tls"];
    let hosts: BTreeSet<(&str, &str)> =
        all.iter().flat_map(|p| destinations(p)).filter_map(|d| d.at(&["destination", "host"]).map(|h| normalized(h.text(), object.namespace()))).collect();
    let shifts = |protocol: &str| routes(protocol).any(|r| r.get("route").is_some_and(|d| d.items().count() > 1));
    let has = |field: &str| routes("http").any(|r| r.get(field).is_some_and(|f| !f.is_null()));
    for node in traffic.live_mut().filter(|n| n.node_type == NodeType::Service && !n.marks.is_outside && n.marks.virtual_service.is_none()) {
        if names.text(node.cluster) != cluster || !hosts.contains(&(names.text(node.namespace), names.text(node.service))) {
            continue;
        }
        let marks = &mut node.marks;
        marks.virtual_service = Some(object.spec_at(&["hosts"]).into_iter().flat_map(|h| h.items()).map(|h| h.text().to_owned()).collect());
        marks.has_request_routing |= all.iter().any(|p| destinations(p).next().is_some());
        marks.has_request_timeout |= has("timeout");
        marks.has_fault_injection |= has("fault");
        marks.has_mirroring |= has("mirror");
        marks.has_traffic_shifting |= shifts("http");
        marks.has_tcp_traffic_shifting |= shifts("tcp");
        marks.is_generated |= object.name().ends_with("istio-autogenerated-k8s-gateway");
    }
}

fn gateway(facts: &Facts, names: &Names, traffic: &mut Traffic, cluster: &str, object: &Object) {
    let is_api = object.group() == "gateway.networking.k8s.io";
    let selector: Vec<(String, String)> = if is_api {
        vec![(super::facts::GATEWAY_NAME.to_owned(), object.name().to_owned())]
    } else {
        object.spec().into_iter().flat_map(|s| s.map("selector")).map(|(k, v)| (k.text().to_owned(), v.text().to_owned())).collect()
    };
    let items = |field: &str| object.spec_at(&[field]).into_iter().flat_map(|s| s.items()).collect::<Vec<_>>();
    let mut hosts: Vec<String> = if is_api {
        items("listeners").iter().filter_map(|l| l.get("hostname")).map(|h| h.text().to_owned()).collect()
    } else {
        items("servers").iter().flat_map(|s| s.get("hosts").into_iter().flat_map(|h| h.items())).map(|h| h.text().to_owned()).collect()
    };
    if is_api && hosts.is_empty() {
        hosts.push("*".to_owned());
    }
    for node in traffic.live_mut().filter(|n| is_known(n.workload) && names.text(n.cluster) == cluster) {
        let Some(workload) = facts.workload(cluster, names.text(node.namespace), names.text(node.workload)) else { continue };
        if !selector.iter().all(|(k, v)| workload.labels.get(k) == Some(v)) {
            continue;
        }
        let kind = match workload.labels.get("operator.istio.io/component").map(String::as_str) {
            _ if is_api => GatewayKind::Api,
            Some("IngressGateways") => GatewayKind::Ingress,
            Some("EgressGateways") => GatewayKind::Egress,
            _ => continue,
        };
        node.marks.gateway = Some((kind, hosts.clone()));
        node.marks.is_generated |= is_api;
    }
}

/// Edges through waypoints, or a graph without them.
pub(super) fn waypoints(options: &Options, traffic: &mut Traffic) {
    let waypoints: BTreeSet<usize> = traffic.live().filter(|(_, n)| n.marks.is_waypoint).map(|(i, _)| i).collect();
    if waypoints.is_empty() {
        return;
    }
    for node in traffic.live_mut().filter(|n| matches!(n.marks.gateway, Some((GatewayKind::Api, _)))) {
        node.marks.has_ingress_waypoint = node.edges.iter().any(|e| waypoints.contains(&e.to));
    }
    if options.show_waypoints {
        show_waypoints(traffic, &waypoints);
    } else {
        hide_waypoints(traffic, &waypoints);
    }
}

fn show_waypoints(traffic: &mut Traffic, waypoints: &BTreeSet<usize>) {
    for index in waypoints {
        if let Some(node) = &mut traffic.nodes[*index] {
            node.marks.is_out_of_mesh = false;
            node.edges.iter_mut().for_each(|e| e.waypoint = Some(WaypointEdge::From));
        }
    }
    let indexes: Vec<usize> = traffic.live().map(|(i, _)| i).collect();
    for index in indexes {
        let targets: Vec<(usize, usize)> = traffic.nodes[index]
            .iter()
            .flat_map(|n| n.edges.iter().enumerate())
            .filter(|(_, e)| waypoints.contains(&e.to))
            .map(|(place, e)| (place, e.to))
            .collect();
        for (place, waypoint) in targets {
            // The way back becomes a part of the way there.
            let back = traffic.nodes[waypoint].as_mut().and_then(|w| w.edges.iter().rposition(|e| e.to == index).map(|at| w.edges.remove(at)));
            if let Some(edge) = traffic.nodes[index].as_mut().and_then(|n| n.edges.get_mut(place)) {
                edge.waypoint = Some(WaypointEdge::To(back.map(Box::new)));
            }
        }
    }
}

fn hide_waypoints(traffic: &mut Traffic, waypoints: &BTreeSet<usize>) {
    let mut orphans: BTreeSet<usize> = BTreeSet::new();
    for index in waypoints {
        orphans.extend(traffic.nodes[*index].iter().flat_map(|n| n.edges.iter().map(|e| e.to)));
        traffic.remove(*index);
    }
    for (index, node) in traffic.nodes.iter_mut().enumerate() {
        let Some(node) = node else { continue };
        node.edges.retain(|e| !waypoints.contains(&e.to));
        if !node.marks.is_idle && node.edges.is_empty() {
            orphans.insert(index);
        }
    }
    let called: BTreeSet<usize> = traffic.live().flat_map(|(_, n)| n.edges.iter().map(|e| e.to)).collect();
    for index in orphans.difference(&called) {
        if traffic.nodes[*index].as_ref().is_some_and(|n| n.edges.is_empty()) {
            traffic.remove(*index);
        }
    }
}

pub(super) fn health(facts: &Facts, names: &Names, traffic: &mut Traffic) {
    let defaults = default_tolerances();
    let mut tolerances: Vec<Option<Vec<Tolerance>>> = Vec::with_capacity(traffic.nodes.len());
    for node in &mut traffic.nodes {
        let Some(node) = node else {
            tolerances.push(None);
            continue;
        };
        let (cluster, namespace) = (names.text(node.cluster), names.text(node.namespace));
        let mut health = Health::default();
        if !node.marks.is_inaccessible {
            match node.node_type {
                NodeType::Service => {
                    health.annotation = facts.service(cluster, namespace, names.text(node.service)).map_or(String::new(), |s| s.health_rate.clone());
                }
                NodeType::Workload => {
                    if let Some(workload) = facts.workload(cluster, namespace, names.text(node.workload)) {
                        health.annotation = workload.health_rate.clone();
                        health.replicas.push(Replicas::new(names.text(node.workload), workload));
                    }
                }
                // A version's replicas are said of the whole app alone.
                NodeType::App if !is_known(node.workload) => {
                    let workloads = facts.app_workloads(cluster, namespace, names.text(node.app), "");
                    health.replicas = workloads.map(|(name, w)| Replicas::new(name, w)).collect();
                }
                _ => {}
            }
        }
        tolerances.push(annotated_tolerances(&health.annotation));
        node.health = matches!(node.node_type, NodeType::Service | NodeType::Workload | NodeType::App).then(|| Box::new(health));
    }
    let mut totals = Vec::new();
    for (from, node) in traffic.nodes.iter_mut().enumerate() {
        for edge in node.iter_mut().flat_map(|n| n.edges.iter_mut()) {
            let protocol = names.text(edge.protocol);
            let responses = edge.by_code().map(|(code, shares)| (names.text(code), shares.iter().filter(|s| s.flags != EMPTY).map(|s| s.rate).sum::<f64>()));
            let of = |index: usize| tolerances[index].as_deref().unwrap_or(&defaults);
            let status = edge_status(responses.clone(), protocol, of(from), of(edge.to));
            totals.extend(responses.map(|(code, v)| (from, edge.to, protocol, code, v)));
            edge.health = status;
        }
    }
    for (from, to, protocol, code, value) in totals {
        let mut add = |index: usize, outbound: bool| {
            if let Some(health) = traffic.nodes[index].as_mut().and_then(|n| n.health.as_mut()) {
                let requests = if outbound { &mut health.outbound } else { &mut health.inbound };
                *requests.entry(protocol.to_owned()).or_default().entry(code.to_owned()).or_default() += value;
            }
        };
        add(from, true);
        add(to, false);
    }
    for (index, node) in traffic.nodes.iter_mut().enumerate() {
        if let Some(Node { health: Some(health), marks, .. }) = node
            && !marks.is_inaccessible
        {
            health.calculate(tolerances[index].as_deref().unwrap_or(&defaults));
        }
    }
}

/// Labels of what a node stands for, without app and version: those the node has already.
pub(super) fn labels(facts: &Facts, names: &Names, traffic: &mut Traffic) {
    for node in traffic.live_mut().filter(|n| !n.marks.is_outside && !n.marks.is_inaccessible) {
        let (cluster, namespace) = (names.text(node.cluster), names.text(node.namespace));
        let workload = || facts.workload(cluster, namespace, names.text(node.workload)).map(|w| w.labels.clone());
        let found: Option<Labels> = match node.node_type {
            NodeType::Workload => workload(),
            NodeType::App if node.version != EMPTY => workload(),
            NodeType::App => {
                let mut all = Labels::new();
                for (_, w) in facts.app_workloads(cluster, namespace, names.text(node.app), "") {
                    for (name, value) in &w.labels {
                        // Different values of one label are all said.
                        all.entry(name.clone())
                            .and_modify(|v: &mut String| {
                                if !v.split(',').any(|one| one == value) {
                                    *v = format!("{v},{value}");
                                }
                            })
                            .or_insert_with(|| value.clone());
                    }
                }
                Some(all)
            }
            NodeType::Service => facts.service(cluster, namespace, names.text(node.service)).map(|s| s.labels.clone()),
            NodeType::Aggregate | NodeType::Unknown => None,
        };
        let mut labels = found.unwrap_or_default();
        for known in [app_label(&labels.clone()).map(|(n, _)| n), version_label(&labels.clone()).map(|(n, _)| n)].into_iter().flatten() {
            labels.remove(known);
        }
        node.marks.labels = labels;
    }
}

/// A root sends, and nobody sends to it.
pub(super) fn roots(traffic: &mut Traffic) {
    let mut is_called = vec![false; traffic.nodes.len()];
    traffic.live().flat_map(|(_, n)| &n.edges).for_each(|e| is_called[e.to] = true);
    for (index, node) in traffic.nodes.iter_mut().enumerate() {
        if let Some(node) = node {
            node.marks.is_root = !node.edges.is_empty() && !is_called[index];
        }
    }
}
