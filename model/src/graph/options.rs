//! What a graph shows.

use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GraphType {
    App,
    Service,
    VersionedApp,
    #[default]
    Workload,
}

impl GraphType {
    pub const ALL: [GraphType; 4] = [GraphType::App, GraphType::Service, GraphType::VersionedApp, GraphType::Workload];

    pub fn name(self) -> &'static str {
        match self {
            GraphType::App => "app",
            GraphType::Service => "service",
            GraphType::VersionedApp => "versionedApp",
            GraphType::Workload => "workload",
        }
    }
}

/// Which series of gRPC or TCP count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    None,
    Requests,
    Sent,
    Received,
    Total,
}

/// Which reporters of ambient meshes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambient {
    None,
    Total,
    Waypoint,
    Ztunnel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    pub ambient: Ambient,
    pub grpc: Rate,
    pub http: Rate,
    pub tcp: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Rates { ambient: Ambient::Total, grpc: Rate::Requests, http: Rate::Requests, tcp: Rate::Sent }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BoxBy {
    App,
    Cluster,
    Namespace,
}

/// Steps that add to a graph or take from it, in no order: the builder has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Appender {
    AggregateNode,
    Ambient,
    DeadNode,
    Health,
    IdleNode,
    Istio,
    Labeler,
    MeshCheck,
    ResponseTime,
    SecurityPolicy,
    ServiceEntry,
    Throughput,
    WorkloadEntry,
}

impl Appender {
    pub const ALL: [(Appender, &'static str); 13] = [
        (Appender::AggregateNode, "aggregateNode"),
        (Appender::Ambient, "ambient"),
        (Appender::DeadNode, "deadNode"),
        (Appender::Health, "health"),
        (Appender::IdleNode, "idleNode"),
        (Appender::Istio, "istio"),
        (Appender::Labeler, "labeler"),
        (Appender::MeshCheck, "meshCheck"),
        (Appender::ResponseTime, "responseTime"),
        (Appender::SecurityPolicy, "securityPolicy"),
        (Appender::ServiceEntry, "serviceEntry"),
        (Appender::Throughput, "throughput"),
        (Appender::WorkloadEntry, "workloadEntry"),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResponseTime {
    Average,
    Quantile(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throughput {
    Request,
    Response,
}

impl Throughput {
    pub fn name(self) -> &'static str {
        match self {
            Throughput::Request => "request",
            Throughput::Response => "response",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    pub name: String,
    /// Seconds that rates look back.
    pub duration: i64,
    pub is_ambient: bool,
}

/// The one thing that a node graph is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Focus {
    Workload(String),
    App { name: String, version: String },
    Service(String),
    Aggregate { label: String, value: String, service: String },
}

#[derive(Clone, Debug)]
pub struct Options {
    pub graph_type: GraphType,
    pub inject_service_nodes: bool,
    pub include_idle_edges: bool,
    pub box_by: BTreeSet<BoxBy>,
    pub appenders: BTreeSet<Appender>,
    pub rates: Rates,
    pub response_time: ResponseTime,
    pub throughput: Throughput,
    /// The label that operations are told apart by.
    pub aggregate: String,
    pub show_waypoints: bool,
    /// Sorted by name, none twice. A node graph has one.
    pub namespaces: Vec<Namespace>,
    /// Seconds, as asked for; a namespace's own may be shorter.
    pub duration: i64,
    /// Seconds since the epoch.
    pub query_time: i64,
    /// "" when not narrowed to a cluster.
    pub cluster: String,
    pub focus: Option<Focus>,
    /// Pairs of cluster and namespace that the viewer may see; all when not given.
    pub accessible: Option<BTreeSet<(String, String)>>,
    /// Matchers that are put into every selector, such as `mesh_id="x"`.
    pub scope: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            graph_type: GraphType::Workload,
            inject_service_nodes: false,
            include_idle_edges: false,
            box_by: BTreeSet::new(),
            appenders: Appender::ALL.iter().map(|(a, _)| *a).collect(),
            rates: Rates::default(),
            response_time: ResponseTime::Quantile(0.95),
            throughput: Throughput::Response,
            aggregate: "request_operation".to_owned(),
            show_waypoints: true,
            namespaces: Vec::new(),
            duration: 600,
            query_time: 0,
            cluster: String::new(),
            focus: None,
            accessible: None,
            scope: Vec::new(),
        }
    }
}

impl Options {
    pub fn has(&self, appender: Appender) -> bool {
        self.appenders.contains(&appender)
    }

    pub fn is_accessible(&self, cluster: &str, namespace: &str) -> bool {
        self.accessible.as_ref().is_none_or(|a| a.contains(&(cluster.to_owned(), namespace.to_owned())))
    }
}
