//! From the model's traffic graph to what is shown.

use super::cause::sort;
use super::{Call, Ending, Key, Load, Traffic};
use crate::graph::flow::Label;
use crate::graph::{Edge, Flow, Health, Node, View};
use crate::world::Measured;
use mesh_model::graph::{self as model, EMPTY, GRPC, Graph, GraphType, HTTP, NodeType, Status, TCP, UNKNOWN, is_known};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the graph beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub window: Option<i64>,
    pub at: Option<i64>,
    pub span: Option<(i64, i64)>,
}

impl Traffic {
    /// `badges` are the letters that configuration gives a node or service.
    pub fn read(measured: &Measured<'_>, badges: &dyn Fn(&Key) -> String) -> Traffic {
        let Measured { graph, graph_type, times, arguments, problems } = *measured;
        let names = Naming::new(graph);
        let keys: Vec<Key> = graph.nodes.iter().map(|n| names.key(n)).collect();
        let mut loads: BTreeMap<Key, Load> = BTreeMap::new();
        for (node, key) in graph.nodes.iter().zip(&keys) {
            loads.entry(key.clone()).or_insert_with(|| load(graph, &names, node));
        }
        let mut calls: Vec<Call> = Vec::new();
        for (node, from) in graph.nodes.iter().zip(&keys) {
            for edge in &node.edges {
                let to = &keys[edge.to];
                let flow = flow(edge);
                for (key, side) in [(from, 0), (to, 1)] {
                    if let Some(load) = loads.get_mut(key) {
                        let sum = if side == 0 { &mut load.outbound } else { &mut load.inbound };
                        *sum = sum.and(&flow);
                    }
                }
                calls.push(Call {
                    from: from.clone(),
                    to: to.clone(),
                    protocol: graph.names.text(edge.protocol).to_owned(),
                    flow,
                    health: edge.health.map_or(if flow.is_idle() { Health::Idle } else { Health::Unknown }, health),
                    endings: endings(graph, edge),
                    source_principal: principal(graph, edge.source_principal),
                    destination_principal: principal(graph, edge.destination_principal),
                });
            }
        }
        calls.sort_by(|a, b| (&a.from, &a.to, &a.protocol).cmp(&(&b.from, &b.to, &b.protocol)));
        for (key, load) in &mut loads {
            // What has no health of its own is as well as it answers.
            if load.health == Health::Unknown {
                load.health = calls.iter().filter(|c| c.to == *key).map(|c| c.health).max().unwrap_or_default();
            }
            if load.health == Health::Unknown && load.inbound.is_idle() && load.outbound.is_idle() {
                load.health = Health::Idle;
            } else if load.health <= Health::Idle && !(load.inbound.is_idle() && load.outbound.is_idle()) {
                load.health = Health::Ok;
            }
        }
        let view = view(graph_type, &loads, &calls, badges);
        Traffic {
            graph_type,
            view,
            loads,
            calls,
            window: times.window,
            at: times.at,
            span: times.span,
            arguments: arguments.to_owned(),
            problems: problems.to_vec(),
        }
    }
}

/// Names of nodes: the shortest that says what each is, unique in its namespace.
struct Naming<'g> {
    graph: &'g Graph,
    has_clusters: bool,
    /// Namespaces and names of what is no service.
    taken: BTreeSet<(u32, u32, String)>,
}

impl<'g> Naming<'g> {
    fn new(graph: &'g Graph) -> Naming<'g> {
        let mut clusters = graph.nodes.iter().map(|n| n.cluster).filter(|c| is_known(*c));
        let has_clusters = clusters.next().is_some_and(|first| clusters.any(|c| c != first));
        let bare = |n: &model::Node| (n.cluster, n.namespace, bare(graph, n));
        let taken = graph.nodes.iter().filter(|n| n.node_type != NodeType::Service).map(bare).collect();
        Naming { graph, has_clusters, taken }
    }
    fn key(&self, node: &model::Node) -> Key {
        let text = |name| self.graph.names.text(name);
        let namespace = if is_known(node.namespace) { text(node.namespace) } else { "" };
        let namespace = if self.has_clusters && is_known(node.cluster) && !namespace.is_empty() {
            format!("{}:{namespace}", text(node.cluster))
        } else {
            namespace.to_owned()
        };
        let name = bare(self.graph, node);
        let is_taken = node.node_type == NodeType::Service && self.taken.contains(&(node.cluster, node.namespace, name.clone()));
        (namespace, if is_taken { format!("{name} (service)") } else { name })
    }
}

fn bare(graph: &Graph, node: &model::Node) -> String {
    let text = |name| graph.names.text(name);
    match node.node_type {
        NodeType::Unknown => "unknown".to_owned(),
        NodeType::Service => text(node.service).to_owned(),
        NodeType::Workload => text(node.workload).to_owned(),
        NodeType::Aggregate => format!("{} (operation)", text(node.aggregate)),
        NodeType::App if matches!(text(node.version), "" | "unknown" | "latest") => text(node.app).to_owned(),
        NodeType::App => format!("{} {}", text(node.app), text(node.version)),
    }
}

fn load(graph: &Graph, names: &Naming<'_>, node: &model::Node) -> Load {
    let text = |name| if name == UNKNOWN { String::new() } else { graph.names.text(name).to_owned() };
    let mut services: Vec<Key> = node.destination_services.iter().map(|(_, ns, s)| (text(*ns), text(*s))).collect();
    if node.node_type == NodeType::Service {
        services.push((text(node.namespace), text(node.service)));
    }
    services.sort();
    services.dedup();
    // Manifests say how many replicas are wanted and not how many there are: what has none at all was not seen.
    let replicas = node.health.as_ref().and_then(|h| h.replicas.first()).filter(|r| r.current > 0 || r.available > 0);
    Load {
        kind: match node.node_type {
            NodeType::Aggregate => "operation",
            NodeType::App => "app",
            NodeType::Service => "service",
            NodeType::Unknown => "unknown",
            NodeType::Workload => "workload",
        },
        cluster: if names.has_clusters { text(node.cluster) } else { String::new() },
        namespace: text(node.namespace),
        app: text(node.app),
        version: text(node.version),
        workload: text(node.workload),
        services,
        health: own_health(node),
        replicas: replicas.map(|r| (r.desired, r.available)),
        is_out_of_mesh: node.marks.is_out_of_mesh,
        ..Load::default()
    }
}

/// As Kiali has it: all requests in and out against the tolerances of the thing, and its replicas.
fn own_health(node: &model::Node) -> Health {
    let Some(known) = node.health.as_ref() else { return Health::Unknown };
    let Some(calculated) = known.calculated.as_ref() else { return Health::Unknown };
    let is_seen = known.replicas.iter().any(|r| r.current > 0 || r.available > 0);
    // Replicas that were not seen are no failure: manifests say only how many are wanted.
    if is_seen || known.replicas.is_empty() {
        return health(calculated.status);
    }
    let mut requests = model::Health { replicas: Vec::new(), ..(**known).clone() };
    requests.judge();
    requests.calculated.map_or(Health::Unknown, |c| health(c.status))
}

fn health(status: Status) -> Health {
    match status {
        Status::NotApplicable => Health::Unknown,
        Status::Healthy => Health::Ok,
        // Scaled to nothing on purpose.
        Status::NotReady => Health::Idle,
        Status::Degraded => Health::Degraded,
        Status::Failure => Health::Failing,
    }
}

fn principal(graph: &Graph, name: model::Name) -> String {
    if is_known(name) { graph.names.text(name).to_owned() } else { String::new() }
}

fn flow(edge: &model::Edge) -> Flow {
    let total = edge.rate(model::EdgeRate::Total);
    let mut flow = Flow { p95: edge.response_time.filter(|t| t.is_finite()), ..Flow::default() };
    match edge.protocol {
        HTTP | GRPC => {
            flow.requests = total;
            let failures = [model::EdgeRate::NoResponse, model::EdgeRate::ClientError, model::EdgeRate::ServerError];
            flow.failed = failures.into_iter().map(|r| edge.rate(r)).sum();
        }
        _ => flow.bytes = total,
    }
    // Where nobody reports the policy of the connection there are no principals either.
    let is_judged = edge.mtls.is_some() || edge.source_principal != EMPTY || edge.destination_principal != EMPTY;
    if is_judged && total > 0.0 {
        flow.judged = if edge.protocol == TCP { total / 1024.0 } else { total };
        flow.secure = flow.judged * edge.mtls.unwrap_or(0.0) / 100.0;
    }
    flow
}

/// How an edge's requests ended.
fn endings(graph: &Graph, edge: &model::Edge) -> Vec<Ending> {
    let mut out = Vec::new();
    for (code, shares) in edge.by_code() {
        let code = graph.names.text(code);
        let is_failure = edge.protocol != TCP && is_failure(code, edge.protocol);
        let mut by_flags: BTreeMap<&str, f64> = BTreeMap::new();
        for share in shares {
            let flags = graph.names.text(share.flags);
            *by_flags.entry(if flags == "-" { "" } else { flags }).or_default() += share.rate;
        }
        out.extend(by_flags.into_iter().map(|(flags, rate)| Ending { code: code.to_owned(), flags: flags.to_owned(), rate, is_failure }));
    }
    sort(&mut out);
    out
}

fn is_failure(code: &str, protocol: model::Name) -> bool {
    match code {
        "-" => true,
        // Older telemetry has HTTP's codes for gRPC.
        code if protocol == GRPC && code.len() < 3 => code != "0",
        code => code.starts_with(['4', '5']),
    }
}

pub(super) fn view(graph_type: GraphType, loads: &BTreeMap<Key, Load>, calls: &[Call], badges: &dyn Fn(&Key) -> String) -> View {
    // What most nodes are is not said of each.
    let usual = match graph_type {
        GraphType::Workload => "workload",
        GraphType::App | GraphType::VersionedApp => "app",
        GraphType::Service => "service",
    };
    let place: BTreeMap<&Key, usize> = loads.keys().enumerate().map(|(i, k)| (k, i)).collect();
    let nodes = loads.iter().map(|(key, load)| {
        let mut letters = String::new();
        let own = (load.namespace.clone(), key.1.clone());
        for c in load.services.iter().chain([&own]).flat_map(|k| badges(k).chars().collect::<Vec<_>>()) {
            if !letters.contains(c) {
                letters.push(c);
            }
        }
        // What enters it: all of it mutual TLS, or some of it not. Of a node that nobody judges nothing is said.
        match load.inbound.mtls() {
            Some(share) if share >= 100.0 => letters.push('L'),
            Some(_) => letters.push('P'),
            None => {}
        }
        // What only calls is shown with what it sends.
        let shown = if load.inbound.is_idle() { &load.outbound } else { &load.inbound };
        let figures = match (load.kind, shown.is_idle()) {
            (kind, false) if kind == usual => shown.figures(),
            (kind, true) => kind.to_owned(),
            (kind, false) => format!("{} {kind}", shown.figures()),
        };
        Node { namespace: key.0.clone(), name: key.1.clone(), health: load.health, figures, badges: letters, flow: Some(load.inbound) }
    });
    let mut edges: Vec<Edge> = Vec::new();
    for call in calls {
        let (from, to) = (place[&call.from], place[&call.to]);
        match edges.last_mut().filter(|e| (e.from, e.to) == (from, to)) {
            Some(edge) => {
                edge.flow = Some(edge.flow.unwrap_or_default().and(&call.flow));
                edge.health = edge.health.max(call.health);
            }
            None => edges.push(Edge { from, to, health: call.health, label: String::new(), flow: Some(call.flow) }),
        }
    }
    View::new(nodes.collect(), edges).labelled(Label::default())
}
