//! A graph in the shape of Kiali's `/api/…/graph`, so that its consumers can read it.

use super::boxes::{Hash, Member, NodeBox, boxes, hash};
use super::build::Graph;
use super::fixed::push_fixed;
use super::health::{Health, Requests};
use super::names::{EMPTY, GRPC, HTTP, Name, TCP};
use super::options::Options;
use super::traffic::{Edge, EdgeRate, GatewayKind, Node, NodeRate, NodeType, WaypointEdge, rates_by};
use rayon::prelude::*;
use std::fmt::Write;

pub fn to_json(graph: &Graph, options: &Options) -> String {
    let aggregate = match &options.focus {
        Some(super::options::Focus::Aggregate { label, .. }) => label,
        _ => &options.aggregate,
    };
    let ids: Vec<Hash> = graph.nodes.par_iter().map(|n| hash(&[n.key.id(&graph.names, aggregate).as_bytes()])).collect();
    let boxes = boxes(graph, options);
    let mut parents: Vec<Option<Hash>> = vec![None; graph.nodes.len()];
    let mut box_parents: Vec<Option<Hash>> = vec![None; boxes.len()];
    for one in &boxes {
        for member in &one.members {
            match member {
                Member::Node(index) => parents[*index] = Some(one.id),
                Member::Box(index) => box_parents[*index] = Some(one.id),
            }
        }
    }
    let mut json = Json { out: String::with_capacity(1024 + graph.nodes.len() * 600), graph };
    json.raw("{\"timestamp\":");
    json.display(options.query_time);
    json.raw(",\"duration\":");
    json.display(options.duration);
    json.raw(",\"graphType\":");
    json.text(options.graph_type.name());
    json.raw(",\"elements\":{\"nodes\":[");

    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by_cached_key(|i| {
        let b = &boxes[*i];
        let text = |name: Name| graph.names.text(name).to_owned();
        (b.by.rank(), text(b.cluster), text(b.namespace), text(b.app))
    });
    let mut is_first = true;
    for index in order {
        json.separate(&mut is_first);
        json.node_box(&boxes[index], box_parents[index]);
    }
    let mut order: Vec<usize> = (0..graph.nodes.len()).collect();
    let key = |i: usize| {
        let n = &graph.nodes[i];
        [n.cluster, n.namespace, n.app, n.version, n.service, n.workload].map(|name| graph.names.text(name))
    };
    order.sort_by_cached_key(|i| (key(*i), &ids[*i]));
    for part in list(graph, &order, |json, index| json.node(&graph.nodes[*index], &ids[*index], parents[*index].as_ref(), aggregate)) {
        json.separate(&mut is_first);
        json.raw(&part);
    }
    json.raw("],\"edges\":[");
    let mut edges: Vec<(usize, &Edge)> = graph.nodes.iter().enumerate().flat_map(|(i, n)| n.edges.iter().map(move |e| (i, e))).collect();
    let mut by_id: Vec<usize> = (0..ids.len()).collect();
    by_id.sort_unstable_by_key(|index| &ids[*index]);
    let mut ranks = vec![0; ids.len()];
    by_id.iter().enumerate().for_each(|(rank, index)| ranks[*index] = rank);
    edges.sort_by_cached_key(|(from, edge)| (ranks[*from], ranks[edge.to], graph.names.text(edge.protocol)));
    let mut is_first = true;
    let write = |json: &mut Json<'_>, (from, edge): &(usize, &Edge)| {
        json.raw("{\"data\":");
        json.edge(&ids, *from, edge);
        json.raw("}");
    };
    let parts = list(graph, &edges, write);
    json.out.reserve(parts.iter().map(|p| p.len() + 1).sum());
    for part in parts {
        json.separate(&mut is_first);
        json.raw(&part);
    }
    json.raw("]}}");
    json.out
}

/// How many items a core writes at a time.
const CHUNK: usize = 512;

/// Items with commas between, in pieces that several cores write.
fn list<T: Sync>(graph: &Graph, items: &[T], write: impl Fn(&mut Json<'_>, &T) + Sync) -> Vec<String> {
    let chunks = items.par_chunks(CHUNK).map(|chunk| {
        let mut json = Json { out: String::with_capacity(chunk.len() * 640), graph };
        let mut is_first = true;
        for item in chunk {
            json.separate(&mut is_first);
            write(&mut json, item);
        }
        json.out
    });
    chunks.collect()
}

struct Json<'g> {
    out: String,
    graph: &'g Graph,
}

impl Json<'_> {
    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn display(&mut self, value: impl std::fmt::Display) {
        // Writing to a string can't fail.
        let _ = write!(self.out, "{value}");
    }

    fn separate(&mut self, is_first: &mut bool) {
        if !std::mem::take(is_first) {
            self.out.push(',');
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
            self.out.push_str(text);
        } else {
            for c in text.chars() {
                match c {
                    '"' | '\\' => self.out.extend(['\\', c]),
                    c if c < ' ' => self.display(format_args!("\\u{:04x}", c as u32)),
                    c => self.out.push(c),
                }
            }
        }
        self.out.push('"');
    }

    fn hash(&mut self, hash: &Hash) {
        self.out.push('"');
        // Hexadecimal digits are text.
        self.out.push_str(std::str::from_utf8(hash).unwrap_or_default());
        self.out.push('"');
    }

    fn name(&mut self, name: Name) {
        let graph = self.graph;
        self.text(graph.names.text(name));
    }

    fn name_field(&mut self, field: &str, name: Name) {
        if name != EMPTY {
            self.raw(field);
            self.name(name);
        }
    }

    fn flag(&mut self, field: &str, value: bool) {
        if value {
            self.raw(",\"");
            self.raw(field);
            self.raw("\":true");
        }
    }

    fn texts(&mut self, texts: &[String]) {
        self.raw("[");
        let mut is_first = true;
        for text in texts {
            self.separate(&mut is_first);
            self.text(text);
        }
        self.raw("]");
    }

    fn hostnames(&mut self, hosts: &[String]) {
        self.raw("{");
        if !hosts.is_empty() {
            self.raw("\"hostnames\":");
            self.texts(hosts);
        }
        self.raw("}");
    }

    fn node_box(&mut self, one: &NodeBox, parent: Option<Hash>) {
        self.raw("{\"data\":{\"id\":");
        self.hash(&one.id);
        if let Some(parent) = parent {
            self.raw(",\"parent\":");
            self.hash(&parent);
        }
        self.raw(",\"nodeType\":\"box\",\"cluster\":");
        self.name(one.cluster);
        self.raw(",\"namespace\":");
        self.name(one.namespace);
        self.name_field(",\"app\":", one.app);
        self.raw(",\"healthData\":");
        match &one.health {
            Some(health) => self.health(health, NodeType::App),
            None => self.raw("null"),
        }
        self.raw(",\"isBox\":");
        self.text(one.by.name());
        self.flag("isOutOfMesh", one.marks.0);
        self.flag("isInaccessible", one.marks.1);
        self.flag("isOutside", one.marks.2);
        self.raw("}}");
    }

    fn node(&mut self, node: &Node, id: &Hash, parent: Option<&Hash>, aggregate: &str) {
        self.raw("{\"data\":{\"id\":");
        self.hash(id);
        if let Some(parent) = parent {
            self.raw(",\"parent\":");
            self.hash(parent);
        }
        self.raw(",\"nodeType\":");
        self.text(node.node_type.name());
        self.raw(",\"cluster\":");
        self.name(node.cluster);
        self.raw(",\"namespace\":");
        self.name(node.namespace);
        self.name_field(",\"workload\":", node.workload);
        self.name_field(",\"app\":", node.app);
        self.name_field(",\"version\":", node.version);
        self.name_field(",\"service\":", node.service);
        if node.node_type == NodeType::Aggregate {
            let value = self.graph.names.text(node.aggregate);
            self.raw(",\"aggregate\":");
            self.text(&format!("{aggregate}={value}"));
        }
        self.destination_services(node);
        self.labels(node);
        self.node_traffic(node);
        self.raw(",\"healthData\":");
        match &node.health {
            Some(health) => self.health(health, node.node_type),
            None => self.raw("null"),
        }
        self.marks(node);
        self.raw("}}");
    }

    fn destination_services(&mut self, node: &Node) {
        if node.destination_services.is_empty() {
            return;
        }
        let text = |name: Name| self.graph.names.text(name);
        let mut services: Vec<[&str; 3]> = node.destination_services.iter().map(|(c, ns, s)| [text(*c), text(*ns), text(*s)]).collect();
        services.sort_unstable();
        self.raw(",\"destServices\":[");
        let mut is_first = true;
        for [cluster, namespace, name] in services {
            self.separate(&mut is_first);
            self.raw("{\"cluster\":");
            self.text(cluster);
            self.raw(",\"namespace\":");
            self.text(namespace);
            self.raw(",\"name\":");
            self.text(name);
            self.raw("}");
        }
        self.raw("]");
    }

    fn labels(&mut self, node: &Node) {
        if node.marks.labels.is_empty() {
            return;
        }
        self.raw(",\"labels\":{");
        let mut is_first = true;
        for (name, value) in &node.marks.labels {
            self.separate(&mut is_first);
            self.text(name);
            self.raw(":");
            self.text(value);
        }
        self.raw("}");
    }

    fn node_traffic(&mut self, node: &Node) {
        use NodeRate as N;
        const GRPC_RATES: &[(N, &str)] =
            &[(N::GrpcIn, "grpcIn"), (N::GrpcInNoResponse, "grpcInNoResponse"), (N::GrpcInErr, "grpcInErr"), (N::GrpcOut, "grpcOut")];
        const HTTP_RATES: &[(N, &str)] = &[
            (N::HttpIn, "httpIn"),
            (N::HttpInNoResponse, "httpInNoResponse"),
            (N::HttpIn3xx, "httpIn3xx"),
            (N::HttpIn4xx, "httpIn4xx"),
            (N::HttpIn5xx, "httpIn5xx"),
            (N::HttpOut, "httpOut"),
        ];
        const TCP_RATES: &[(N, &str)] = &[(N::TcpIn, "tcpIn"), (N::TcpOut, "tcpOut")];
        if node.rates.iter().all(|r| *r <= 0.0) {
            return;
        }
        self.raw(",\"traffic\":[");
        let mut is_first = true;
        for (protocol, rates) in [("grpc", GRPC_RATES), ("http", HTTP_RATES), ("tcp", TCP_RATES)] {
            if rates.iter().all(|(rate, _)| node.rate(*rate) <= 0.0) {
                continue;
            }
            self.separate(&mut is_first);
            self.raw("{\"protocol\":");
            self.text(protocol);
            self.raw(",\"rates\":{");
            let mut is_first_rate = true;
            for (rate, name) in rates.iter().filter(|(rate, _)| node.rate(*rate) > 0.0) {
                self.separate(&mut is_first_rate);
                self.rate(name, node.rate(*rate));
            }
            self.raw("}}");
        }
        self.raw("]");
    }

    /// `"name":"1.25"`: two digits, or as many as show the first that is not zero, up to five.
    fn rate(&mut self, name: &str, rate: f64) {
        let mut digits = 0;
        let mut scaled = rate;
        while digits < 5 && scaled < 1.0 {
            scaled *= 10.0;
            digits += 1;
        }
        self.number_field(name, rate, digits.max(2));
    }

    /// `"name":"1.25"`, with that many digits.
    fn number_field(&mut self, name: &str, value: f64, digits: usize) {
        self.raw("\"");
        self.raw(name);
        self.raw("\":\"");
        push_fixed(&mut self.out, value, digits);
        self.raw("\"");
    }

    fn health(&mut self, health: &Health, node_type: NodeType) {
        self.raw("{\"requests\":{\"inbound\":");
        self.requests(&health.inbound);
        self.raw(",\"outbound\":");
        self.requests(&health.outbound);
        self.raw(",\"healthAnnotations\":{");
        if !health.annotation.is_empty() {
            self.raw("\"health.kiali.io/rate\":");
            self.text(&health.annotation);
        }
        self.raw("}}");
        if let Some(calculated) = &health.calculated {
            self.raw(",\"status\":{");
            if calculated.error_ratio != 0.0 {
                self.display(format_args!("\"errorRatio\":{},", calculated.error_ratio));
            }
            self.raw("\"status\":");
            self.text(calculated.status.name());
            if calculated.total != 0.0 {
                self.display(format_args!(",\"totalRequestRate\":{}", calculated.total));
            }
            self.raw("}");
        }
        match node_type {
            NodeType::App => {
                self.raw(",\"workloadStatuses\":[");
                let mut is_first = true;
                for replicas in &health.replicas {
                    self.separate(&mut is_first);
                    self.replicas(replicas);
                }
                self.raw("]");
            }
            NodeType::Workload => {
                self.raw(",\"workloadStatus\":");
                match health.replicas.first() {
                    Some(replicas) => self.replicas(replicas),
                    None => self.raw("null"),
                }
            }
            _ => {}
        }
        self.raw("}");
    }

    fn replicas(&mut self, replicas: &super::health::Replicas) {
        self.raw("{\"name\":");
        self.text(&replicas.name);
        self.display(format_args!(
            ",\"desiredReplicas\":{},\"currentReplicas\":{},\"availableReplicas\":{},\"syncedProxies\":{}}}",
            replicas.desired, replicas.current, replicas.available, replicas.synced
        ));
    }

    fn requests(&mut self, requests: &Requests) {
        self.raw("{");
        let mut is_first = true;
        for (protocol, codes) in requests {
            self.separate(&mut is_first);
            self.text(protocol);
            self.raw(":{");
            let mut is_first_code = true;
            for (code, rate) in codes {
                self.separate(&mut is_first_code);
                self.text(code);
                self.display(format_args!(":{rate}"));
            }
            self.raw("}");
        }
        self.raw("}");
    }

    fn marks(&mut self, node: &Node) {
        let marks = &node.marks;
        self.flag("hasCB", marks.has_circuit_breaker);
        self.flag("hasFaultInjection", marks.has_fault_injection);
        self.flag("hasIngressWaypoint", marks.has_ingress_waypoint);
        self.flag("hasMirroring", marks.has_mirroring);
        self.flag("hasRequestRouting", marks.has_request_routing);
        self.flag("hasRequestTimeout", marks.has_request_timeout);
        self.flag("hasTCPTrafficShifting", marks.has_tcp_traffic_shifting);
        self.flag("hasTrafficShifting", marks.has_traffic_shifting);
        if let Some(hosts) = &marks.virtual_service {
            self.raw(",\"hasVS\":");
            self.hostnames(hosts);
        }
        if !marks.workload_entries.is_empty() {
            self.raw(",\"hasWorkloadEntry\":[");
            let mut is_first = true;
            for name in &marks.workload_entries {
                self.separate(&mut is_first);
                self.raw("{\"name\":");
                self.text(name);
                self.raw("}");
            }
            self.raw("]");
        }
        self.flag("isAmbient", marks.is_ambient);
        self.flag("isDead", marks.is_dead);
        if let Some((kind, hosts)) = &marks.gateway {
            self.raw(",\"isGateway\":{");
            let mut is_first = true;
            for (name, one) in [("ingressInfo", GatewayKind::Ingress), ("egressInfo", GatewayKind::Egress), ("gatewayAPIInfo", GatewayKind::Api)] {
                self.separate(&mut is_first);
                self.text(name);
                self.raw(":");
                self.hostnames(if *kind == one { hosts } else { &[] });
            }
            self.raw("}");
        }
        self.flag("isIdle", marks.is_idle);
        self.flag("isInaccessible", marks.is_inaccessible);
        self.flag("isInjected", marks.is_injected);
        self.flag("isK8sGatewayAPI", marks.is_generated);
        self.flag("isOutOfMesh", marks.is_out_of_mesh);
        self.flag("isOutside", marks.is_outside);
        self.flag("isRoot", marks.is_root);
        if let Some(entry) = &marks.service_entry {
            self.raw(",\"isServiceEntry\":{\"hosts\":");
            self.texts(&entry.hosts);
            self.raw(",\"location\":");
            self.text(entry.location);
            self.raw(",\"namespace\":");
            self.text(&entry.namespace);
            self.raw("}");
        }
        self.flag("isWaypoint", marks.is_waypoint);
    }

    fn edge(&mut self, ids: &[Hash], from: usize, edge: &Edge) {
        let (source, target) = (&ids[from], &ids[edge.to]);
        let protocol = self.graph.names.text(edge.protocol);
        self.raw("{\"id\":");
        self.hash(&hash(&[source, b".", target, b".", protocol.as_bytes()]));
        self.raw(",\"source\":");
        self.hash(source);
        self.raw(",\"target\":");
        self.hash(target);
        self.name_field(",\"destPrincipal\":", edge.destination_principal);
        if let Some(status) = edge.health {
            self.raw(",\"healthStatus\":");
            self.text(status.name());
        }
        for (field, value) in [("isMTLS", edge.mtls), ("responseTime", edge.response_time)] {
            if let Some(value) = value {
                self.raw(",");
                self.number_field(field, value, 0);
            }
        }
        self.name_field(",\"sourcePrincipal\":", edge.source_principal);
        if let Some(value) = edge.throughput {
            self.raw(",");
            self.number_field("throughput", value, 0);
        }
        self.raw(",\"traffic\":{\"protocol\":");
        self.text(protocol);
        self.edge_traffic(from, edge);
        self.raw("}");
        match &edge.waypoint {
            None => {}
            Some(WaypointEdge::From) => self.raw(",\"waypoint\":{\"direction\":\"from\"}"),
            Some(WaypointEdge::To(back)) => {
                self.raw(",\"waypoint\":{\"direction\":\"to\"");
                if let Some(back) = back {
                    self.raw(",\"fromEdge\":");
                    self.edge(ids, edge.to, back);
                }
                self.raw("}");
            }
        }
        self.raw("}");
    }

    fn edge_traffic(&mut self, from: usize, edge: &Edge) {
        use EdgeRate as E;
        let total = edge.rate(E::Total);
        if total <= 0.0 {
            return;
        }
        let rates: &[(E, &str)] = match edge.protocol {
            GRPC => &[(E::Total, "grpc"), (E::NoResponse, "grpcNoResponse"), (E::ClientError, "grpcErr")],
            HTTP => {
                &[(E::Total, "http"), (E::NoResponse, "httpNoResponse"), (E::Redirected, "http3xx"), (E::ClientError, "http4xx"), (E::ServerError, "http5xx")]
            }
            TCP => &[(E::Total, "tcp")],
            _ => return,
        };
        self.raw(",\"rates\":{");
        let mut is_first = true;
        for (rate, name) in rates.iter().filter(|(rate, _)| edge.rate(*rate) > 0.0) {
            self.separate(&mut is_first);
            self.rate(name, edge.rate(*rate));
        }
        if edge.protocol != TCP {
            let (errors_field, share_field) = if edge.protocol == GRPC { ("grpcPercentErr", "grpcPercentReq") } else { ("httpPercentErr", "httpPercentReq") };
            let errors = (edge.rate(E::NoResponse) + edge.rate(E::ClientError) + edge.rate(E::ServerError)) / total * 100.0;
            if errors > 0.0 {
                self.raw(",");
                self.number_field(errors_field, errors, 1);
            }
            let sent = Node::outgoing(edge.protocol).map_or(0.0, |rate| self.graph.nodes[from].rate(rate));
            if sent > 0.0 {
                self.raw(",");
                self.number_field(share_field, total / sent * 100.0, 1);
            }
        }
        self.raw("},\"responses\":{");
        let mut is_first = true;
        for (code, shares) in edge.by_code() {
            self.separate(&mut is_first);
            self.name(code);
            self.raw(":{");
            let mut is_first_part = true;
            for (part, rates) in [("flags", rates_by(shares, |s| s.flags)), ("hosts", rates_by(shares, |s| s.host))] {
                if rates.is_empty() {
                    continue;
                }
                self.separate(&mut is_first_part);
                self.text(part);
                self.raw(":{");
                let mut is_first_share = true;
                for (name, rate) in rates {
                    self.separate(&mut is_first_share);
                    self.name(name);
                    self.raw(":\"");
                    push_fixed(&mut self.out, rate / total * 100.0, 1);
                    self.raw("\"");
                }
                self.raw("}");
            }
            self.raw("}");
        }
        self.raw("}");
    }
}
