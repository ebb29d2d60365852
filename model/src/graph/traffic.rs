//! The graph while it is built: nodes by what they are, their edges by destination and protocol, and the rates on both.

use super::names::{BLACK_HOLE, DASH, EMPTY, GRPC, HTTP, LATEST, Name, Names, PASSTHROUGH, TCP, UNKNOWN, is_known};
use super::options::GraphType;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeType {
    Aggregate,
    App,
    Service,
    Unknown,
    Workload,
}

impl NodeType {
    pub fn name(self) -> &'static str {
        match self {
            NodeType::Aggregate => "aggregate",
            NodeType::App => "app",
            NodeType::Service => "service",
            NodeType::Unknown => "unknown",
            NodeType::Workload => "workload",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tag {
    Unknown,
    Service,
    Workload,
    App,
    /// A version of an app, known by its workload.
    Version,
    /// A version of an app, known by its labels.
    LabelledVersion,
    Aggregate,
}

/// What makes two nodes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub tag: Tag,
    pub cluster: Name,
    pub namespace: Name,
    pub first: Name,
    pub second: Name,
}

impl Key {
    /// The reference's internal id, of which the ids in its JSON are hashes.
    pub fn id(&self, names: &Names, aggregate: &str) -> String {
        let (cluster, namespace) = (names.text(self.cluster), names.text(self.namespace));
        let (first, second) = (names.text(self.first), names.text(self.second));
        match self.tag {
            Tag::Unknown => format!("{cluster}_unknown_source"),
            Tag::Service => format!("svc_{cluster}_{namespace}_{first}"),
            Tag::Workload => format!("wl_{cluster}_{namespace}_{first}"),
            Tag::App => format!("app_{cluster}_{namespace}_{first}"),
            Tag::Version => format!("vapp_{cluster}_{namespace}_{first}"),
            Tag::LabelledVersion => format!("vapp_{cluster}_{namespace}_{first}_{second}"),
            Tag::Aggregate if self.second == EMPTY => format!("agg_{cluster}_{namespace}_{aggregate}_{first}"),
            Tag::Aggregate => format!("agg_{cluster}_{namespace}_{aggregate}_{first}_{second}"),
        }
    }
}

/// One end of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct End {
    pub cluster: Name,
    pub service_namespace: Name,
    pub service: Name,
    pub workload_namespace: Name,
    pub workload: Name,
    pub app: Name,
    pub version: Name,
}

impl End {
    pub fn service(cluster: Name, namespace: Name, service: Name) -> End {
        End { cluster, service_namespace: namespace, service, workload_namespace: EMPTY, workload: EMPTY, app: EMPTY, version: EMPTY }
    }

    fn namespace(&self) -> Name {
        if is_known(self.workload_namespace) { self.workload_namespace } else { self.service_namespace }
    }

    /// The node that this end is in a graph of that type; none when nothing is known of it.
    pub fn identify(&self, graph_type: GraphType) -> Option<(Key, NodeType)> {
        let namespace = self.namespace();
        let key = |tag, first, second| Key { tag, cluster: self.cluster, namespace, first, second };
        let is_nameless = self.workload == UNKNOWN && self.app == UNKNOWN;
        if is_nameless && namespace == UNKNOWN && self.service == EMPTY {
            return Some((Key { namespace: EMPTY, ..key(Tag::Unknown, EMPTY, EMPTY) }, NodeType::Unknown));
        }
        if is_nameless && self.service == UNKNOWN {
            return Some((key(Tag::Service, UNKNOWN, EMPTY), NodeType::Service));
        }
        let (has_workload, has_app, has_service) = (is_known(self.workload), is_known(self.app), is_known(self.service));
        if !has_workload && !has_app && !has_service {
            return None;
        }
        let service = || (key(Tag::Service, if has_service { self.service } else { UNKNOWN }, EMPTY), NodeType::Service);
        let workload = || (key(Tag::Workload, self.workload, EMPTY), NodeType::Workload);
        if matches!(graph_type, GraphType::Workload | GraphType::Service) {
            return Some(if has_workload { workload() } else { service() });
        }
        if !has_app {
            return Some(if has_workload { workload() } else { service() });
        }
        if graph_type == GraphType::VersionedApp && has_workload {
            return Some((key(Tag::Version, self.workload, EMPTY), NodeType::App));
        }
        if graph_type == GraphType::VersionedApp && is_known(self.version) && self.version != LATEST {
            return Some((key(Tag::LabelledVersion, self.app, self.version), NodeType::App));
        }
        Some((key(Tag::App, self.app, EMPTY), NodeType::App))
    }
}

/// Rates of a node, per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum NodeRate {
    GrpcIn,
    GrpcInNoResponse,
    GrpcInErr,
    GrpcOut,
    HttpIn,
    HttpInNoResponse,
    HttpIn3xx,
    HttpIn4xx,
    HttpIn5xx,
    HttpOut,
    TcpIn,
    TcpOut,
}

pub const NODE_RATES: usize = 12;

/// Rates of an edge, per second; of its one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum EdgeRate {
    Total,
    NoResponse,
    /// HTTP's 3xx.
    Redirected,
    /// HTTP's 4xx, gRPC's errors.
    ClientError,
    /// HTTP's 5xx.
    ServerError,
}

/// The part of an edge's requests that ended alike. Flags and host are "" where the series do not say them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Response code; `-` without answer.
    pub code: Name,
    /// Envoy's response flags.
    pub flags: Name,
    /// The host that was asked for.
    pub host: Name,
    /// Per second.
    pub rate: f64,
}

/// The rates of shares by flags, or by host; without those that do not say it.
pub fn rates_by(shares: &[Share], of: impl Fn(&Share) -> Name) -> Vec<(Name, f64)> {
    let mut rates: Vec<(Name, f64)> = Vec::new();
    for share in shares {
        let name = of(share);
        match rates.iter_mut().find(|(n, _)| *n == name) {
            Some((_, rate)) => *rate += share.rate,
            None if name == EMPTY => {}
            None => rates.push((name, share.rate)),
        }
    }
    rates
}

/// Which way an edge crosses a waypoint.
#[derive(Clone, Debug, PartialEq)]
pub enum WaypointEdge {
    From,
    /// With the edge that leads back, where one does.
    To(Option<Box<Edge>>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Index of the node that it leads to.
    pub to: usize,
    pub protocol: Name,
    pub rates: [f64; 5],
    /// Sorted by code, flags and host, none twice.
    pub(super) shares: Vec<Share>,
    pub mtls: Option<f64>,
    pub source_principal: Name,
    pub destination_principal: Name,
    /// Milliseconds.
    pub response_time: Option<f64>,
    /// Bytes per second.
    pub throughput: Option<f64>,
    pub health: Option<super::health::Status>,
    pub waypoint: Option<WaypointEdge>,
}

impl Edge {
    pub fn new(to: usize, protocol: Name) -> Edge {
        Edge {
            to,
            protocol,
            rates: [0.0; 5],
            shares: Vec::new(),
            mtls: None,
            source_principal: EMPTY,
            destination_principal: EMPTY,
            response_time: None,
            throughput: None,
            health: None,
            waypoint: None,
        }
    }

    pub fn rate(&self, rate: EdgeRate) -> f64 {
        self.rates[rate as usize]
    }

    /// Adds another edge's traffic; its response time is a quantile and can't be added.
    pub fn absorb(&mut self, other: &Edge) {
        for (mine, theirs) in self.rates.iter_mut().zip(other.rates) {
            *mine += theirs;
        }
        other.shares.iter().for_each(|share| self.add_share(*share));
    }

    fn add_share(&mut self, share: Share) {
        match self.shares.binary_search_by_key(&(share.code, share.flags, share.host), |s| (s.code, s.flags, s.host)) {
            Ok(place) => self.shares[place].rate += share.rate,
            Err(place) => self.shares.insert(place, share),
        }
    }

    /// How requests ended: by response code.
    pub fn by_code(&self) -> impl Iterator<Item = (Name, &[Share])> + Clone {
        self.shares.chunk_by(|a, b| a.code == b.code).map(|shares| (shares[0].code, shares))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntryInfo {
    pub hosts: Vec<String>,
    pub location: &'static str,
    pub namespace: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayKind {
    Ingress,
    Egress,
    /// Of the Gateway API.
    Api,
}

/// What appenders found out about a node.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    pub has_circuit_breaker: bool,
    pub has_fault_injection: bool,
    pub has_ingress_waypoint: bool,
    pub has_mirroring: bool,
    pub has_request_routing: bool,
    pub has_request_timeout: bool,
    pub has_tcp_traffic_shifting: bool,
    pub has_traffic_shifting: bool,
    /// Hosts of the VirtualService that routes to the node's service.
    pub virtual_service: Option<Vec<String>>,
    pub workload_entries: Vec<String>,
    pub is_ambient: bool,
    pub is_dead: bool,
    pub is_egress_cluster: bool,
    pub gateway: Option<(GatewayKind, Vec<String>)>,
    pub is_idle: bool,
    pub is_inaccessible: bool,
    pub is_injected: bool,
    pub is_generated: bool,
    pub is_out_of_mesh: bool,
    pub is_outside: bool,
    pub is_root: bool,
    pub is_waypoint: bool,
    pub service_entry: Option<ServiceEntryInfo>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub(super) key: Key,
    pub node_type: NodeType,
    pub cluster: Name,
    pub namespace: Name,
    pub workload: Name,
    pub app: Name,
    pub version: Name,
    pub service: Name,
    /// The value of the label that an aggregate node stands for.
    pub aggregate: Name,
    pub rates: [f64; NODE_RATES],
    /// Cluster, namespace and name of services that requests to this node were for.
    pub destination_services: BTreeSet<(Name, Name, Name)>,
    pub marks: Marks,
    pub health: Option<Box<super::health::Health>>,
    pub edges: Vec<Edge>,
}

impl Node {
    pub fn rate(&self, rate: NodeRate) -> f64 {
        self.rates[rate as usize]
    }

    pub fn outgoing(protocol: Name) -> Option<NodeRate> {
        match protocol {
            GRPC => Some(NodeRate::GrpcOut),
            HTTP => Some(NodeRate::HttpOut),
            TCP => Some(NodeRate::TcpOut),
            _ => None,
        }
    }

    /// Adds what an edge carries to what its source sends.
    pub fn add_outgoing(&mut self, edge: &Edge) {
        if let Some(rate) = Node::outgoing(edge.protocol) {
            self.rates[rate as usize] += edge.rate(EdgeRate::Total);
        }
    }

    /// Edges lead to new places; those to a place of `usize::MAX` end.
    pub(super) fn move_edges(&mut self, places: &[usize]) {
        self.edges.retain_mut(|edge| {
            edge.to = places[edge.to];
            edge.to != usize::MAX
        });
    }

    pub fn reset_outgoing(&mut self) {
        for rate in [NodeRate::GrpcOut, NodeRate::HttpOut, NodeRate::TcpOut] {
            self.rates[rate as usize] = 0.0;
        }
    }

    pub fn add_destination(&mut self, cluster: Name, namespace: Name, service: Name) {
        if is_known(service) {
            self.destination_services.insert((cluster, namespace, service));
        }
    }
}

/// A sample's traffic, ready to be added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    pub value: f64,
    pub protocol: Name,
    pub code: Name,
    pub flags: Name,
    pub host: Name,
}

/// Which ends of an edge an amount is added to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Both,
    Source,
    Destination,
}

/// Nodes by key. A node that was removed leaves its place empty, so that indexes stay true.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    pub nodes: Vec<Option<Node>>,
    by_key: FxHashMap<Key, usize>,
    by_edge: FxHashMap<(usize, usize, Name), usize>,
}

impl Traffic {
    pub fn find(&self, key: &Key) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    pub fn live(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter_map(|(i, n)| n.as_ref().map(|n| (i, n)))
    }

    pub fn live_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes.iter_mut().flatten()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.iter().all(Option::is_none)
    }

    pub fn insert(&mut self, node: Node) -> usize {
        let index = self.nodes.len();
        self.by_key.insert(node.key, index);
        self.nodes.push(Some(node));
        index
    }

    pub fn remove(&mut self, index: usize) {
        if let Some(node) = self.nodes[index].take() {
            self.by_key.remove(&node.key);
        }
    }

    /// The node of an end, made where there is none yet.
    pub fn node(&mut self, end: &End, graph_type: GraphType) -> Option<usize> {
        let (key, node_type) = end.identify(graph_type)?;
        Some(self.find(&key).unwrap_or_else(|| self.insert(new_node(key, node_type, end, graph_type))))
    }

    pub fn edge(&mut self, from: usize, to: usize, protocol: Name) -> usize {
        if let Some(edge) = self.by_edge.get(&(from, to, protocol)) {
            return *edge;
        }
        let Some(node) = &mut self.nodes[from] else { return 0 };
        node.edges.push(Edge::new(to, protocol));
        self.by_edge.insert((from, to, protocol), node.edges.len() - 1);
        node.edges.len() - 1
    }

    /// To be called when edges were removed or moved: their places changed.
    pub fn reindex_edges(&mut self) {
        self.by_edge.clear();
        for (from, node) in self.nodes.iter().enumerate() {
            for (place, edge) in node.iter().flat_map(|n| n.edges.iter().enumerate()) {
                self.by_edge.entry((from, edge.to, edge.protocol)).or_insert(place);
            }
        }
    }

    pub fn add(&mut self, names: &Names, from: usize, to: usize, amount: &Amount, ends: Ends) {
        let place = self.edge(from, to, amount.protocol);
        if amount.value <= 0.0 || amount.value.is_nan() {
            return;
        }
        let value = amount.value;
        let code = names.text(amount.code);
        use {EdgeRate as E, NodeRate as N};
        let (out, inward, errors): (N, N, Option<(N, E)>) = match amount.protocol {
            GRPC => {
                // Older telemetry has HTTP's codes for gRPC.
                let is_error = if code.len() == 3 { code.starts_with(['4', '5']) } else { !matches!(code, "0" | "") };
                let errors = match code {
                    "-" => Some((N::GrpcInNoResponse, E::NoResponse)),
                    _ => is_error.then_some((N::GrpcInErr, E::ClientError)),
                };
                (N::GrpcOut, N::GrpcIn, errors)
            }
            HTTP => {
                let errors = match code.as_bytes().first() {
                    Some(b'-') if code == "-" => Some((N::HttpInNoResponse, E::NoResponse)),
                    Some(b'3') => Some((N::HttpIn3xx, E::Redirected)),
                    Some(b'4') => Some((N::HttpIn4xx, E::ClientError)),
                    Some(b'5') => Some((N::HttpIn5xx, E::ServerError)),
                    _ => None,
                };
                (N::HttpOut, N::HttpIn, errors)
            }
            TCP => (N::TcpOut, N::TcpIn, None),
            _ => return,
        };
        if let Some(source) = self.nodes[from].as_mut().filter(|_| ends != Ends::Destination) {
            source.rates[out as usize] += value;
        }
        if let Some(destination) = self.nodes[to].as_mut().filter(|_| ends != Ends::Source) {
            destination.rates[inward as usize] += value;
            if let Some((rate, _)) = errors {
                destination.rates[rate as usize] += value;
            }
        }
        let Some(edge) = self.nodes[from].as_mut().and_then(|n| n.edges.get_mut(place)) else { return };
        edge.rates[E::Total as usize] += value;
        if let Some((_, rate)) = errors {
            edge.rates[rate as usize] += value;
        }
        let code = if amount.protocol == TCP || amount.code == EMPTY { DASH } else { amount.code };
        edge.add_share(Share { code, flags: amount.flags, host: amount.host, rate: value });
    }
}

/// A node with the fields that its type keeps.
pub(super) fn new_node(key: Key, node_type: NodeType, end: &End, graph_type: GraphType) -> Node {
    let mut node = Node {
        key,
        node_type,
        cluster: end.cluster,
        namespace: end.namespace(),
        workload: end.workload,
        app: end.app,
        version: end.version,
        service: end.service,
        aggregate: EMPTY,
        rates: [0.0; NODE_RATES],
        destination_services: BTreeSet::new(),
        marks: Marks::default(),
        health: None,
        edges: Vec::new(),
    };
    match node_type {
        NodeType::App => {
            if graph_type != GraphType::VersionedApp {
                node.workload = EMPTY;
                node.version = EMPTY;
            }
            node.service = EMPTY;
        }
        NodeType::Service => {
            (node.app, node.workload, node.version) = (EMPTY, EMPTY, EMPTY);
            node.marks.is_egress_cluster = matches!(node.service, PASSTHROUGH | BLACK_HOLE);
        }
        NodeType::Workload => {
            for field in [&mut node.app, &mut node.version] {
                if *field == UNKNOWN {
                    *field = EMPTY;
                }
            }
            node.service = EMPTY;
        }
        NodeType::Aggregate | NodeType::Unknown => {}
    }
    node
}
