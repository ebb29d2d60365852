//! From a query's answer to nodes and edges.

use super::names::{DASH, EMPTY, GRPC, HTTP, Name, Names, PASSTHROUGH, TCP, UNKNOWN, is_known};
use super::options::{Options, Rate};
use super::queries::Metric;
use super::traffic::{Amount, End, Ends, NodeType, Traffic};
use mesh_metrics::promql::Sample;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Labels of a sample that the rules look at; the place of each in [`Row::labels`].
#[derive(Clone, Copy)]
#[repr(usize)]
pub(super) enum Label {
    SourceCluster,
    SourceNamespace,
    SourceWorkload,
    SourceApp,
    SourceVersion,
    DestinationCluster,
    DestinationServiceNamespace,
    DestinationService,
    DestinationServiceName,
    DestinationNamespace,
    DestinationWorkload,
    DestinationApp,
    DestinationVersion,
    RequestProtocol,
    ResponseCode,
    GrpcStatus,
    ResponseFlags,
    SourcePrincipal,
    DestinationPrincipal,
    SecurityPolicy,
}

const LABELS: usize = 20;

fn place(label: &str) -> Option<Label> {
    use Label::*;
    Some(match label {
        "source_cluster" => SourceCluster,
        "source_workload_namespace" => SourceNamespace,
        "source_workload" => SourceWorkload,
        "source_canonical_service" => SourceApp,
        "source_canonical_revision" => SourceVersion,
        "destination_cluster" => DestinationCluster,
        "destination_service_namespace" => DestinationServiceNamespace,
        "destination_service" => DestinationService,
        "destination_service_name" => DestinationServiceName,
        "destination_workload_namespace" => DestinationNamespace,
        "destination_workload" => DestinationWorkload,
        "destination_canonical_service" => DestinationApp,
        "destination_canonical_revision" => DestinationVersion,
        "request_protocol" => RequestProtocol,
        "response_code" => ResponseCode,
        "grpc_response_status" => GrpcStatus,
        "response_flags" => ResponseFlags,
        "source_principal" => SourcePrincipal,
        "destination_principal" => DestinationPrincipal,
        "connection_security_policy" => SecurityPolicy,
        _ => return None,
    })
}

/// A sample with the numbers of its labels' values.
pub(super) struct Row {
    labels: [Option<Name>; LABELS],
    /// The value of the label that operations are told apart by.
    pub aggregate: Option<Name>,
    pub value: f64,
}

/// What a label is to the rules.
#[derive(Clone, Copy)]
enum Place {
    Label(Label),
    Aggregate,
    Other,
}

/// What stood at one place of the sample before.
struct Column<'s> {
    name: &'s str,
    place: Place,
    value: &'s str,
    number: Name,
}

/// Makes rows of samples. Samples of one answer have the same labels in the same order, and answers share their texts: both are
/// known again by where they lie, mostly without a look at them.
pub(super) struct Rows<'s> {
    /// The label that operations are told apart by.
    aggregate: String,
    columns: Vec<Column<'s>>,
    /// Numbers of texts by address and length. They can't move: they are borrowed as long as this lives.
    known: FxHashMap<(usize, usize), Name>,
}

impl<'s> Rows<'s> {
    pub fn new(aggregate: &str) -> Self {
        Rows { aggregate: aggregate.to_owned(), columns: Vec::new(), known: FxHashMap::default() }
    }

    pub fn row(&mut self, sample: &'s Sample, names: &mut Names) -> Row {
        let Rows { aggregate, columns, known } = self;
        let mut row = Row { labels: [None; LABELS], aggregate: None, value: sample.value };
        for (index, (name, value)) in sample.labels.iter().enumerate() {
            let (name, value): (&'s str, &'s str) = (name, value);
            if index == columns.len() {
                columns.push(Column { name: "", place: Place::Other, value: "", number: EMPTY });
            }
            let column = &mut columns[index];
            if !std::ptr::eq(column.name, name) {
                if column.name != name {
                    column.place = match place(name) {
                        Some(label) => Place::Label(label),
                        None if name == aggregate => Place::Aggregate,
                        None => Place::Other,
                    };
                }
                column.name = name;
            }
            if matches!(column.place, Place::Other) {
                continue;
            }
            if !std::ptr::eq(column.value, value) {
                let address = (value.as_ptr() as usize, value.len());
                column.number = *known.entry(address).or_insert_with(|| names.intern(value));
                column.value = value;
            }
            match column.place {
                Place::Label(label) => row.labels[label as usize] = Some(column.number),
                Place::Aggregate => row.aggregate = Some(column.number),
                Place::Other => {}
            }
        }
        row
    }
}

impl Row {
    pub fn get(&self, label: Label) -> Option<Name> {
        self.labels[label as usize]
    }

    fn or_unknown(&self, label: Label) -> Name {
        self.get(label).unwrap_or(UNKNOWN)
    }

    /// Both ends as the labels have them; none where a label is missing that must be there.
    pub fn raw_ends(&self) -> Option<(End, End)> {
        use Label::*;
        let source = End {
            cluster: self.or_unknown(SourceCluster),
            service_namespace: self.get(SourceNamespace)?,
            service: EMPTY,
            workload_namespace: self.get(SourceNamespace)?,
            workload: self.get(SourceWorkload)?,
            app: self.get(SourceApp)?,
            version: self.get(SourceVersion)?,
        };
        let destination = End {
            cluster: self.or_unknown(DestinationCluster),
            service_namespace: self.get(DestinationServiceNamespace)?,
            service: self.get(DestinationServiceName)?,
            workload_namespace: self.get(DestinationNamespace)?,
            workload: self.get(DestinationWorkload)?,
            app: self.get(DestinationApp)?,
            version: self.get(DestinationVersion)?,
        };
        Some((source, destination))
    }
}

/// What became of the samples that made no edge, by reason.
pub type Skipped = BTreeMap<&'static str, usize>;

/// Names that only one rule asks for.
struct Egress {
    host: Name,
    namespace: Name,
    name: Name,
}

/// Reads answers into a graph. One of these lives as long as the graph's names do.
pub(super) struct Reader<'o> {
    pub options: &'o Options,
    pub names: Names,
    /// Workloads that are waypoints, by cluster, namespace and name; also under the cluster `unknown`.
    waypoints: FxHashSet<(Name, Name, Name)>,
    egress: Egress,
    pub skipped: Skipped,
    /// Ends by number, for the set of series that were applied.
    ends: FxHashMap<End, u32>,
}

/// What tells one edge's traffic from another's. Ends by their numbers.
#[derive(PartialEq, Eq, Hash)]
struct Counted {
    source: u32,
    destination: u32,
    protocol: Name,
    metric: Metric,
    code: Name,
    flags: Name,
    host: Name,
}

/// What was added to a namespace's part.
#[derive(Default)]
pub(super) struct Applied {
    /// Source and destination report the same traffic: it counts once.
    counted: FxHashSet<Counted>,
    /// The nodes of ends, by the ends' numbers.
    nodes: Vec<Option<usize>>,
}

impl<'o> Reader<'o> {
    pub fn new(options: &'o Options, waypoints: &[(String, String, String)]) -> Self {
        let mut names = Names::default();
        let mut known = FxHashSet::default();
        if options.rates.ambient != super::options::Ambient::None {
            for (cluster, namespace, name) in waypoints {
                let (namespace, name) = (names.intern(namespace), names.intern(name));
                known.insert((names.intern(cluster), namespace, name));
                known.insert((UNKNOWN, namespace, name));
            }
        }
        let egress = Egress {
            host: names.intern("istio-egressgateway.istio-system.svc.cluster.local"),
            namespace: names.intern("istio-system"),
            name: names.intern("istio-egressgateway"),
        };
        Reader { options, names, waypoints: known, egress, skipped: Skipped::new(), ends: FxHashMap::default() }
    }

    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    fn is_waypoint(&self, end: &End) -> bool {
        !self.waypoints.is_empty() && self.waypoints.contains(&(end.cluster, end.workload_namespace, end.workload))
    }

    /// Both ends and the requested host, with known faults of telemetry mended; none where nothing right can be made of it.
    pub fn ends(&mut self, row: &Row) -> Option<(End, End, Name)> {
        let Some(((source, mut destination), host)) = row.raw_ends().zip(row.get(Label::DestinationService)) else {
            self.skip("a label of source or destination is missing");
            return None;
        };
        let has_cluster = |label| row.get(label).is_some();
        let is_bad_source = is_known(source.workload_namespace)
            && ((!is_known(source.workload) && !is_known(source.app)) || (has_cluster(Label::SourceCluster) && !is_known(source.cluster)));
        if is_bad_source {
            self.skip("the source has a namespace and neither workload nor app, or no cluster");
            return None;
        }
        if host == self.egress.host && host == destination.service {
            let (namespace, name) = (self.egress.namespace, self.egress.name);
            destination = End {
                cluster: source.cluster,
                service_namespace: namespace,
                service: name,
                workload_namespace: namespace,
                workload: name,
                app: name,
                version: super::names::LATEST,
            };
        } else if !is_known(destination.cluster) && is_known(source.cluster) && is_known(destination.service_namespace) {
            // istio/istio#29373
            destination.cluster = source.cluster;
        }
        let is_address = !is_known(destination.workload) && is_known(host) && host == destination.service && is_ip(self.names.text(host));
        let is_nowhere = is_known(destination.service_namespace) && has_cluster(Label::DestinationCluster) && !is_known(destination.cluster);
        if is_address || is_nowhere {
            self.skip("the destination is a bare address, or has no cluster");
            return None;
        }
        Some((source, destination, host))
    }

    /// Whether a service node belongs between source and destination. `None` where the destination is no node.
    pub fn injects(&self, destination: &End) -> Option<bool> {
        if !self.options.inject_service_nodes || !is_known(destination.service) || destination.service == PASSTHROUGH {
            return Some(false);
        }
        let (_, node_type) = destination.identify(self.options.graph_type)?;
        Some(node_type != NodeType::Service)
    }

    /// The code that says how a request ended, `-` when there was no answer.
    pub fn code(&self, row: &Row, protocol: Name) -> Option<Name> {
        let code = row.get(Label::ResponseCode)?;
        let text = self.names.text(code);
        if text == "0" {
            return Some(DASH);
        }
        let is_http_error = text.starts_with(['4', '5']);
        let status = row.get(Label::GrpcStatus);
        Some(status.filter(|_| protocol == GRPC && !is_http_error).unwrap_or(code))
    }

    /// Requests of a protocol that is not shown.
    pub fn hides(&self, protocol: Name) -> bool {
        let rates = self.options.rates;
        (protocol == GRPC && rates.grpc != Rate::Requests) || (protocol == HTTP && rates.http != Rate::Requests)
    }

    /// An end's number, and its node.
    fn node(&mut self, traffic: &mut Traffic, applied: &mut Applied, end: &End) -> Option<(u32, usize)> {
        let next = self.ends.len() as u32;
        let number = *self.ends.entry(*end).or_insert(next);
        let place = number as usize;
        if applied.nodes.len() <= place {
            applied.nodes.resize(place + 1, None);
        }
        let node = &mut applied.nodes[place];
        if node.is_none() {
            *node = traffic.node(end, self.options.graph_type);
        }
        Some((number, (*node)?))
    }

    /// Adds the traffic of a query's answer.
    pub fn add<'s>(&mut self, rows: &mut Rows<'s>, traffic: &mut Traffic, applied: &mut Applied, metric: Metric, samples: &'s [Sample]) {
        applied.counted.reserve(samples.len());
        for sample in samples {
            let row = rows.row(sample, &mut self.names);
            let is_requests = metric == Metric::Requests;
            let is_messages = matches!(metric, Metric::RequestMessages | Metric::ResponseMessages);
            let flags = match row.get(Label::ResponseFlags) {
                _ if is_messages => EMPTY,
                Some(flags) => flags,
                None => {
                    self.skip("the label response_flags is missing");
                    continue;
                }
            };
            let Some((source, destination, host)) = self.ends(&row) else { continue };
            let (protocol, code) = if is_requests {
                let Some(protocol) = row.get(Label::RequestProtocol) else {
                    self.skip("the label request_protocol is missing");
                    continue;
                };
                let Some(code) = self.code(&row, protocol) else {
                    self.skip("the label response_code is missing");
                    continue;
                };
                if self.hides(protocol) {
                    continue;
                }
                (protocol, code)
            } else {
                (if is_messages { GRPC } else { TCP }, EMPTY)
            };
            let (from_waypoint, to_waypoint) = (self.is_waypoint(&source), self.is_waypoint(&destination));
            let Some(injects) = self.injects(&destination) else {
                self.skip("the destination has neither workload, app nor service");
                continue;
            };
            let amount = Amount { value: row.value, protocol, code, flags, host };
            let ends = (as_workload(source, from_waypoint), as_workload(destination, to_waypoint));
            let Some((from, to)) = self.apply(traffic, applied, metric, &amount, ends, injects && !from_waypoint && !to_waypoint) else {
                self.skip("an end has neither workload, app nor service");
                continue;
            };
            for (index, is_waypoint) in [(from, from_waypoint), (to, to_waypoint)] {
                if let Some(node) = traffic.nodes[index].as_mut().filter(|_| is_waypoint) {
                    node.marks.is_waypoint = true;
                }
            }
        }
    }

    fn apply(
        &mut self,
        traffic: &mut Traffic,
        applied: &mut Applied,
        metric: Metric,
        amount: &Amount,
        (source, destination): (End, End),
        injects: bool,
    ) -> Option<(usize, usize)> {
        let (source, from) = self.node(traffic, applied, &source)?;
        let (number, to) = self.node(traffic, applied, &destination)?;
        let (cluster, namespace, service) = (destination.cluster, destination.service_namespace, destination.service);
        let between = if injects { Some(self.node(traffic, applied, &End::service(cluster, namespace, service))?.1) } else { None };
        if let Some(node) = between.and_then(|between| traffic.nodes[between].as_mut()) {
            node.marks.is_injected = true;
        }
        let Amount { protocol, code, flags, host, .. } = *amount;
        // What a node sends to itself is one thing, whatever its series say of the source.
        let source = if from == to { number } else { source };
        if !applied.counted.insert(Counted { source, destination: number, protocol, metric, code, flags, host }) {
            return Some((from, to));
        }
        let mut add = |from: usize, to: usize| {
            traffic.add(&self.names, from, to, amount, Ends::Both);
            if let Some(node) = &mut traffic.nodes[to] {
                node.add_destination(cluster, namespace, service);
            }
        };
        match between {
            Some(between) => {
                add(from, between);
                add(between, to);
            }
            None => add(from, to),
        }
        Some((from, to))
    }
}

/// Waypoints are no apps: each is its workload, whatever the graph.
fn as_workload(end: End, is_waypoint: bool) -> End {
    if is_waypoint { End { app: EMPTY, ..end } } else { end }
}

/// `10.1.2.3` or `10.1.2.3:80`, as loosely as telemetry has them.
fn is_ip(text: &str) -> bool {
    let (address, port) = text.split_once(':').map_or((text, None), |(a, p)| (a, Some(p)));
    let is_number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    address.split('.').count() == 4 && address.split('.').all(is_number) && port.is_none_or(is_number)
}
