//! What a graph asks Prometheus: all its queries, known beforehand, so that they can be asked at once or in any order.

use super::options::{Ambient, Appender, Focus, GraphType, Namespace, Options, Rate, ResponseTime, Throughput};

/// The series that a query counts, for the rules that differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    Requests,
    RequestMessages,
    ResponseMessages,
    TcpReceived,
    TcpSent,
}

impl Metric {
    pub fn name(self) -> &'static str {
        match self {
            Metric::Requests => "istio_requests_total",
            Metric::RequestMessages => "istio_request_messages_total",
            Metric::ResponseMessages => "istio_response_messages_total",
            Metric::TcpReceived => "istio_tcp_received_bytes_total",
            Metric::TcpSent => "istio_tcp_sent_bytes_total",
        }
    }

    fn is_tcp(self) -> bool {
        matches!(self, Metric::TcpReceived | Metric::TcpSent)
    }
}

/// What the answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Traffic(Metric),
    ResponseTime,
    SecurityPolicy,
    Throughput,
    AggregateNode,
}

/// One instant query at [`Options::query_time`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub promql: String,
    pub purpose: Purpose,
    /// Index into [`Options::namespaces`].
    pub namespace: usize,
}

const SOURCE_AND_DESTINATION: &str = "source_cluster,source_workload_namespace,source_workload,source_canonical_service,source_canonical_revision,\
    destination_cluster,destination_service_namespace,destination_service,destination_service_name,destination_workload_namespace,\
    destination_workload,destination_canonical_service,destination_canonical_revision";

fn group(metric: Metric) -> String {
    match metric {
        Metric::Requests => format!("{SOURCE_AND_DESTINATION},request_protocol,response_code,grpc_response_status,response_flags"),
        Metric::RequestMessages | Metric::ResponseMessages => SOURCE_AND_DESTINATION.to_owned(),
        Metric::TcpReceived | Metric::TcpSent => format!("app,{SOURCE_AND_DESTINATION},response_flags"),
    }
}

/// A string literal of PromQL.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A text as a regular expression that matches it alone.
fn literal(text: &str) -> String {
    text.chars().flat_map(|c| (!(c.is_alphanumeric() || matches!(c, '-' | '_'))).then_some('\\').into_iter().chain([c])).collect()
}

/// All queries of a graph: namespace by namespace, in the order in which their answers are applied.
pub fn plan(options: &Options) -> Vec<Query> {
    let mut out = Vec::new();
    for (index, namespace) in options.namespaces.iter().enumerate() {
        let mut planner = Planner { options, namespace, index, out: &mut out };
        match &options.focus {
            None => planner.traffic(),
            Some(Focus::Aggregate { label, value, service }) => planner.aggregate_traffic(label, value, service),
            Some(focus) => planner.node_traffic(focus),
        }
        planner.appenders();
    }
    out
}

struct Planner<'a> {
    options: &'a Options,
    namespace: &'a Namespace,
    index: usize,
    out: &'a mut Vec<Query>,
}

impl Planner<'_> {
    fn push(&mut self, purpose: Purpose, expression: String) {
        self.out.push(Query { promql: format!("round({expression},0.001)"), purpose, namespace: self.index });
    }

    fn rate_by(&self, metric: &str, selector: &str, group: &str) -> String {
        let scope: String = self.options.scope.iter().map(|(n, v)| format!("{n}={},", quoted(v))).collect();
        format!("sum(rate({metric}{{{scope}{selector}}}[{}s])) by ({group})", self.namespace.duration)
    }

    fn push_traffic(&mut self, metric: Metric, selector: &str) {
        let app = if metric.is_tcp() { self.app() } else { "" };
        let condition = if self.options.include_idle_edges { "" } else { " > 0" };
        let expression = format!("{}{condition}", self.rate_by(metric.name(), &format!("{app}{selector}"), &group(metric)));
        self.push(Purpose::Traffic(metric), expression);
    }

    /// Waypoints report for others where ambient traffic is shown.
    fn reporter(&self, reporter: &str) -> String {
        match self.options.rates.ambient {
            Ambient::Waypoint | Ambient::Total => format!("reporter=~\"waypoint|{reporter}\""),
            Ambient::None | Ambient::Ztunnel => format!("reporter=\"{reporter}\""),
        }
    }

    /// TCP series without ztunnel's, where those are not shown.
    fn app(&self) -> &'static str {
        match self.options.rates.ambient {
            Ambient::Waypoint | Ambient::None => "app!=\"ztunnel\",",
            Ambient::Total | Ambient::Ztunnel => "",
        }
    }

    fn metrics(&self) -> Vec<Metric> {
        let rates = self.options.rates;
        let mut metrics = Vec::new();
        if rates.http == Rate::Requests || rates.grpc == Rate::Requests {
            metrics.push(Metric::Requests);
        }
        if matches!(rates.grpc, Rate::Sent | Rate::Total) {
            metrics.push(Metric::RequestMessages);
        }
        if matches!(rates.grpc, Rate::Received | Rate::Total) {
            metrics.push(Metric::ResponseMessages);
        }
        // A proxy's "received" is what the client sent (istio/istio#32399).
        if matches!(rates.tcp, Rate::Sent | Rate::Total) {
            metrics.push(Metric::TcpReceived);
        }
        if matches!(rates.tcp, Rate::Received | Rate::Total) {
            metrics.push(Metric::TcpSent);
        }
        metrics
    }

    fn traffic(&mut self) {
        let name = quoted(&self.namespace.name);
        let regex = quoted(&format!("^.+\\.{}\\..+$", literal(&self.namespace.name)));
        let (source, destination) = (self.reporter("source"), self.reporter("destination"));
        for metric in self.metrics() {
            // Requests to the namespace's services that reached no workload: the source alone knows of them.
            let lost = format!(
                "{source},source_workload_namespace!={name},destination_workload_namespace=\"unknown\",destination_workload=\"unknown\",destination_service=~{regex}"
            );
            self.push_traffic(metric, &lost);
            if self.namespace.is_ambient && !metric.is_tcp() {
                // A gateway without waypoint behind it: no proxy at the destination reports.
                self.push_traffic(metric, &format!("reporter=\"source\",source_workload_namespace!={name},destination_workload_namespace={name}"));
            }
            self.push_traffic(metric, &format!("{destination},destination_workload_namespace={name}"));
            self.push_traffic(metric, &format!("{source},source_workload_namespace={name}"));
        }
    }

    fn node_traffic(&mut self, focus: &Focus) {
        let namespace = quoted(&self.namespace.name);
        let narrowed = |label: &str| if self.options.cluster.is_empty() { String::new() } else { format!(",{label}={}", quoted(&self.options.cluster)) };
        let (from_cluster, to_cluster) = (narrowed("source_cluster"), narrowed("destination_cluster"));
        for metric in self.metrics() {
            let (inbound, outbound) = match metric {
                Metric::Requests if self.namespace.is_ambient => (self.reporter("source|destination"), self.reporter("source")),
                Metric::TcpReceived | Metric::TcpSent => ("reporter=\"destination\"".to_owned(), "reporter=\"source\"".to_owned()),
                _ => (self.reporter("destination"), self.reporter("source")),
            };
            match focus {
                Focus::Workload(workload) => {
                    let workload = quoted(workload);
                    self.push_traffic(metric, &format!("{inbound}{to_cluster},destination_workload_namespace={namespace},destination_workload={workload}"));
                    self.push_traffic(metric, &format!("{outbound}{from_cluster},source_workload_namespace={namespace},source_workload={workload}"));
                }
                Focus::App { name, version } => {
                    let name = quoted(name);
                    let is_version = !version.is_empty() && version != "unknown";
                    let of = |side: &str| if is_version { format!(",{side}_canonical_revision={}", quoted(version)) } else { String::new() };
                    let (of_destination, of_source) = (of("destination"), of("source"));
                    self.push_traffic(
                        metric,
                        &format!("{inbound}{to_cluster},destination_service_namespace={namespace},destination_canonical_service={name}{of_destination}"),
                    );
                    self.push_traffic(
                        metric,
                        &format!("{outbound}{from_cluster},source_workload_namespace={namespace},source_canonical_service={name}{of_source}"),
                    );
                }
                Focus::Service(service) => {
                    let regex = quoted(&format!("^{}\\.{}\\..*$", literal(service), literal(&self.namespace.name)));
                    if metric == Metric::Requests {
                        let source = self.reporter("source");
                        self.push_traffic(metric, &format!("{source}{to_cluster},destination_workload=\"unknown\",destination_service=~{regex}"));
                    }
                    let inbound = if metric.is_tcp() { inbound } else { self.reporter("destination") };
                    self.push_traffic(metric, &format!("{inbound}{to_cluster},destination_service_namespace={namespace},destination_service=~{regex}"));
                }
                Focus::Aggregate { .. } => {}
            }
        }
    }

    fn aggregate_traffic(&mut self, label: &str, value: &str, service: &str) {
        let selector = self.aggregate_selector(label, value, service);
        let expression = format!("{} > 0", self.rate_by(Metric::Requests.name(), &selector, &group(Metric::Requests)));
        self.push(Purpose::Traffic(Metric::Requests), expression);
    }

    fn aggregate_selector(&self, label: &str, value: &str, service: &str) -> String {
        let of_service = if service.is_empty() { String::new() } else { format!(",destination_service_name={}", quoted(service)) };
        format!("{},destination_service_namespace={},{label}={}{of_service}", self.reporter("destination"), quoted(&self.namespace.name), quoted(value))
    }

    fn appenders(&mut self) {
        let options = self.options;
        let has_requests = options.rates.grpc == Rate::Requests || options.rates.http == Rate::Requests;
        if options.has(Appender::ResponseTime) && has_requests {
            self.response_time();
        }
        if options.has(Appender::SecurityPolicy) {
            self.security_policy();
        }
        if options.has(Appender::Throughput) && options.rates.http == Rate::Requests {
            self.throughput();
        }
        let is_aggregate = matches!(options.focus, Some(Focus::Aggregate { .. }));
        if (options.has(Appender::AggregateNode) || is_aggregate) && has_requests && options.graph_type != GraphType::Service {
            self.aggregate_node();
        }
    }

    fn response_time(&mut self) {
        let name = quoted(&self.namespace.name);
        let group = format!("{SOURCE_AND_DESTINATION},request_protocol");
        let mut selectors = Vec::new();
        if self.namespace.is_ambient {
            selectors.push(format!("reporter=\"source\",source_workload_namespace!={name},destination_service_namespace={name}"));
        }
        selectors.push(format!("{},destination_service_namespace={name}", self.reporter("destination")));
        selectors.push(format!("{},source_workload_namespace={name}", self.reporter("source")));
        for selector in selectors {
            let metric = |part: &str, group: &str| self.rate_by(&format!("istio_request_duration_milliseconds_{part}"), &selector, group);
            let expression = match self.options.response_time {
                ResponseTime::Average => format!("{} / {} > 0", metric("sum", &group), metric("count", &group)),
                ResponseTime::Quantile(phi) => format!("histogram_quantile({phi:.2}, {}) > 0", metric("bucket", &format!("le,{group}"))),
            };
            self.push(Purpose::ResponseTime, expression);
        }
    }

    fn security_policy(&mut self) {
        let name = quoted(&self.namespace.name);
        let group = "source_cluster,source_workload_namespace,source_workload,source_canonical_service,source_canonical_revision,source_principal,\
            destination_cluster,destination_service_namespace,destination_service_name,destination_workload_namespace,destination_workload,\
            destination_canonical_service,destination_canonical_revision,destination_principal,connection_security_policy";
        let rates = self.options.rates;
        let destination = self.reporter("destination");
        // Here the names of TCP's series are taken at their word, unlike for the traffic itself.
        let mut tcp = Vec::new();
        if matches!(rates.tcp, Rate::Sent | Rate::Total) {
            tcp.push(Metric::TcpSent);
        }
        if matches!(rates.tcp, Rate::Received | Rate::Total) {
            tcp.push(Metric::TcpReceived);
        }
        let metrics: Vec<Metric> = self.metrics().into_iter().filter(|m| !m.is_tcp()).chain(tcp.iter().copied()).collect();
        let from_outside = format!("source_workload_namespace!={name},destination_service_namespace={name}");
        let from_inside = format!("source_workload_namespace={name}");
        for (selector, is_inside) in [(from_outside, false), (from_inside, true)] {
            let mut parts: Vec<String> = metrics
                .iter()
                .map(|m| {
                    let app = if m.is_tcp() { self.app() } else { "" };
                    format!("({} > 0)", self.rate_by(m.name(), &format!("{app}{destination},{selector}"), group))
                })
                .collect();
            if is_inside && matches!(rates.ambient, Ambient::Total | Ambient::Ztunnel) {
                parts
                    .extend(tcp.iter().map(|m| format!("({} > 0)", self.rate_by(m.name(), &format!("app=\"ztunnel\",reporter=\"source\",{selector}"), group))));
            }
            if !parts.is_empty() {
                self.push(Purpose::SecurityPolicy, parts.join(" or "));
            }
        }
    }

    fn throughput(&mut self) {
        let name = quoted(&self.namespace.name);
        let reporter = self.reporter(if self.options.throughput == Throughput::Request { "source" } else { "destination" });
        let metric = format!("istio_{}_bytes_sum", self.options.throughput.name());
        for selector in [format!("source_workload_namespace!={name},destination_service_namespace={name}"), format!("source_workload_namespace={name}")] {
            let expression = format!("{} > 0", self.rate_by(&metric, &format!("{reporter},{selector}"), SOURCE_AND_DESTINATION));
            self.push(Purpose::Throughput, expression);
        }
    }

    fn aggregate_node(&mut self) {
        let name = quoted(&self.namespace.name);
        let label = match &self.options.focus {
            Some(Focus::Aggregate { label, .. }) => label.as_str(),
            _ => self.options.aggregate.as_str(),
        };
        let group = format!("{},{label}", group(Metric::Requests));
        let destination = self.reporter("destination");
        let selectors = match &self.options.focus {
            Some(Focus::Aggregate { label, value, service }) => vec![self.aggregate_selector(label, value, service)],
            _ => vec![
                format!("{destination},source_workload_namespace!={name},destination_service_namespace={name},{label}!=\"unknown\""),
                format!("{destination},source_workload_namespace={name},{label}!=\"unknown\""),
            ],
        };
        for selector in selectors {
            let expression = format!("{} > 0", self.rate_by(Metric::Requests.name(), &selector, &group));
            self.push(Purpose::AggregateNode, expression);
        }
    }
}
