//! Whether an expression holds for a node or an edge.

use super::parse::{Expr, Mark, Number, NumberOp, Sort, Term, Text, TextOp};
use crate::graph::build::Graph;
use crate::graph::health::Status;
use crate::graph::names::{EMPTY, GRPC, HTTP, Name, TCP};
use crate::graph::traffic::{Edge, EdgeRate, Node, NodeRate, NodeType};

/// A node, or one of its edges.
pub(super) struct Subject<'g> {
    pub graph: &'g Graph,
    pub ranks: &'g [usize],
    pub node: usize,
    pub edge: Option<usize>,
}

/// None where nothing of the expression is asked of such a thing.
pub(super) fn eval(expr: &Expr, subject: &Subject<'_>) -> Option<bool> {
    match expr {
        Expr::Or(parts) => parts.iter().filter_map(|p| eval(p, subject)).reduce(|a, b| a || b),
        Expr::And(parts) => parts.iter().map(|p| eval(p, subject)).reduce(|a, b| Some(a? && b?))?,
        Expr::Not(inner) => eval(inner, subject).map(|is_so| !is_so),
        Expr::Term(term) => subject.term(term),
    }
}

/// The place of each node by how many edges it has: 1 for those with most. Equal ones share a place; of more than a hundred
/// places a hundred are made.
pub(super) fn ranks(graph: &Graph) -> Vec<usize> {
    let mut degrees: Vec<usize> = graph.nodes.iter().map(|n| n.edges.len()).collect();
    graph.nodes.iter().flat_map(|n| &n.edges).for_each(|e| degrees[e.to] += 1);
    let mut places = degrees.clone();
    places.sort_unstable_by(|a, b| b.cmp(a));
    places.dedup();
    let count = places.len();
    let place = |degree: &usize| {
        let rank = places.partition_point(|d| d > degree) + 1;
        if count <= 100 { rank } else { 1 + ((rank - 1) * 99).div_ceil(count - 1) }
    };
    degrees.iter().map(place).collect()
}

impl<'g> Subject<'g> {
    fn of_node(&self) -> &'g Node {
        &self.graph.nodes[self.node]
    }

    fn of_edge(&self) -> Option<&'g Edge> {
        self.of_node().edges.get(self.edge?)
    }

    fn term(&self, term: &Term) -> Option<bool> {
        if self.edge.is_some() != (term.sort() == Sort::Edge) {
            return None;
        }
        Some(match term {
            Term::Text { of, op, value } => self.texts(of).into_iter().any(|text| compare(text, *op, value)),
            Term::Number { of, op, value } if value.is_nan() => *op == NumberOp::Equal && self.number(*of).is_none(),
            Term::Number { of, op, value } => self.number(*of).is_some_and(|number| match op {
                // As shown: two digits behind the point.
                NumberOp::Equal => (number - value).abs() < 0.005,
                NumberOp::Less => number < *value,
                NumberOp::LessOrEqual => number <= *value,
                NumberOp::Greater => number > *value,
                NumberOp::GreaterOrEqual => number >= *value,
            }),
            Term::Is(mark) => self.is(*mark),
            Term::HasLabel(label) => self.of_node().marks.labels.contains_key(label),
        })
    }

    fn texts(&self, of: &Text) -> Vec<&'g str> {
        let node = self.of_node();
        let text = |name: Name| self.graph.names.text(name);
        let known = |name: Name| if name == EMPTY { Vec::new() } else { vec![text(name)] };
        match of {
            Text::App => known(node.app),
            Text::Cluster => known(node.cluster),
            Text::Name => [node.aggregate, node.app, node.service, node.workload].into_iter().flat_map(known).collect(),
            Text::Namespace => known(node.namespace),
            Text::Node => match node.node_type {
                NodeType::Aggregate => vec!["operation", "op"],
                NodeType::Service => vec!["service", "svc"],
                NodeType::Workload => vec!["workload", "wl"],
                NodeType::App => vec!["app"],
                NodeType::Unknown => vec!["unknown"],
            },
            Text::Operation => known(node.aggregate),
            Text::Service => known(node.service),
            Text::Version => known(node.version),
            Text::Workload => known(node.workload),
            Text::Label(label) => node.marks.labels.get(label).map(String::as_str).into_iter().collect(),
            Text::DestinationPrincipal => self.of_edge().map_or(Vec::new(), |e| known(e.destination_principal)),
            Text::SourcePrincipal => self.of_edge().map_or(Vec::new(), |e| known(e.source_principal)),
            Text::Protocol => self.of_edge().map_or(Vec::new(), |e| known(e.protocol)),
            Text::Flag => self.of_edge().into_iter().flat_map(|e| &e.shares).flat_map(|s| text(s.flags).split(',')).collect(),
        }
    }

    fn number(&self, of: Number) -> Option<f64> {
        let node = self.of_node();
        let of_node = |rate: NodeRate| Some(node.rate(rate)).filter(|r| *r > 0.0);
        let total = |protocol: Name| self.of_edge().filter(|e| e.protocol == protocol).map(|e| e.rate(EdgeRate::Total)).filter(|t| *t > 0.0);
        let errors = |protocol: Name| {
            let edge = self.of_edge()?;
            let failed = edge.rate(EdgeRate::NoResponse) + edge.rate(EdgeRate::ClientError) + edge.rate(EdgeRate::ServerError);
            Some(failed / total(protocol)? * 100.0)
        };
        let share = |protocol: Name| {
            let sent = Node::outgoing(protocol).map(|rate| node.rate(rate)).filter(|s| *s > 0.0)?;
            Some(total(protocol)? / sent * 100.0)
        };
        match of {
            Number::Rank => Some(self.ranks[self.node] as f64),
            Number::HttpIn => of_node(NodeRate::HttpIn),
            Number::HttpOut => of_node(NodeRate::HttpOut),
            Number::GrpcIn => of_node(NodeRate::GrpcIn),
            Number::GrpcOut => of_node(NodeRate::GrpcOut),
            Number::TcpIn => of_node(NodeRate::TcpIn),
            Number::TcpOut => of_node(NodeRate::TcpOut),
            Number::Http => total(HTTP),
            Number::Grpc => total(GRPC),
            Number::Tcp => total(TCP),
            Number::HttpErrors => errors(HTTP),
            Number::HttpShare => share(HTTP),
            Number::GrpcErrors => errors(GRPC),
            Number::GrpcShare => share(GRPC),
            Number::ResponseTime => self.of_edge()?.response_time,
            Number::Throughput => self.of_edge()?.throughput,
        }
    }

    fn is(&self, mark: Mark) -> bool {
        let marks = &self.of_node().marks;
        match mark {
            Mark::CircuitBreaker => marks.has_circuit_breaker,
            Mark::Dead => marks.is_dead,
            Mark::FaultInjection => marks.has_fault_injection,
            // What is not judged is not ill.
            Mark::Healthy => {
                let status = self.of_node().health.as_ref().and_then(|h| h.calculated.as_ref()).map(|c| c.status);
                !matches!(status, Some(Status::Failure | Status::Degraded))
            }
            Mark::Idle => marks.is_idle,
            Mark::Inaccessible => marks.is_inaccessible,
            Mark::Mirroring => marks.has_mirroring,
            Mark::OutOfMesh => marks.is_out_of_mesh,
            Mark::Outside => marks.is_outside,
            Mark::RequestRouting => marks.has_request_routing,
            Mark::RequestTimeout => marks.has_request_timeout,
            Mark::ServiceEntry => marks.service_entry.is_some(),
            Mark::Sidecar => !marks.is_out_of_mesh && !marks.is_ambient && matches!(self.of_node().node_type, NodeType::Workload | NodeType::App),
            Mark::TcpTrafficShifting => marks.has_tcp_traffic_shifting,
            Mark::TrafficShifting => marks.has_traffic_shifting,
            Mark::TrafficSource => marks.is_root,
            Mark::VirtualService => marks.virtual_service.is_some(),
            Mark::WorkloadEntry => !marks.workload_entries.is_empty(),
            Mark::Mtls => self.of_edge().is_some_and(|e| e.mtls.is_some_and(|m| m > 0.0)),
            Mark::Traffic => self.of_edge().is_some_and(|e| e.rate(EdgeRate::Total) > 0.0),
        }
    }
}

fn compare(text: &str, op: TextOp, value: &str) -> bool {
    match op {
        TextOp::Equal => text == value,
        TextOp::Contains => text.contains(value),
        TextOp::StartsWith => text.starts_with(value),
        TextOp::EndsWith => text.ends_with(value),
    }
}
