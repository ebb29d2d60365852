//! What Telemetry changes in Istio's metrics: which there are, and their labels (`metrics` of `stats.PluginConfig`).

use super::expression::Expression;
use mesh_envoy::engine::field::{Message, Read};
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// A standard metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    Requests,
    Duration,
    RequestBytes,
    ResponseBytes,
    RequestMessages,
    ResponseMessages,
    Opened,
    Closed,
    Sent,
    Received,
}

impl Metric {
    pub const ALL: [Metric; 10] = [
        Metric::Requests,
        Metric::Duration,
        Metric::RequestBytes,
        Metric::ResponseBytes,
        Metric::RequestMessages,
        Metric::ResponseMessages,
        Metric::Opened,
        Metric::Closed,
        Metric::Sent,
        Metric::Received,
    ];
    /// Its name without `istio_`.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Requests => "requests_total",
            Metric::Duration => "request_duration_milliseconds",
            Metric::RequestBytes => "request_bytes",
            Metric::ResponseBytes => "response_bytes",
            Metric::RequestMessages => "request_messages_total",
            Metric::ResponseMessages => "response_messages_total",
            Metric::Opened => "tcp_connections_opened_total",
            Metric::Closed => "tcp_connections_closed_total",
            Metric::Sent => "tcp_sent_bytes_total",
            Metric::Received => "tcp_received_bytes_total",
        }
    }
}

/// Istio's labels.
pub const LABELS: [&str; 25] = [
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
];

/// What becomes of one metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub is_dropped: bool,
    /// Standard labels: the expression that they have, by its place; `None` to go without.
    pub labels: BTreeMap<&'static str, Option<usize>>,
    /// Labels of one's own.
    pub more: Vec<(Box<str>, usize)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub expressions: Vec<Expression>,
    /// The same for overrides that say the same, of whatever configuration; 0 where nothing is changed.
    pub mark: u64,
    by_metric: BTreeMap<Metric, Change>,
}

impl Overrides {
    pub fn of(&self, metric: Metric) -> Option<&Change> {
        self.by_metric.get(&metric)
    }
    pub fn is_empty(&self) -> bool {
        self.by_metric.is_empty()
    }
    fn expression(&mut self, text: &str) -> Result<usize, String> {
        let parsed = Expression::parse(text)?;
        if let Some(at) = self.expressions.iter().position(|e| *e == parsed) {
            return Ok(at);
        }
        self.expressions.push(parsed);
        Ok(self.expressions.len() - 1)
    }
    /// `metrics` of a `stats.PluginConfig`.
    ///
    /// # Errors
    /// A metric or an expression that is none.
    pub fn read(m: &Message<'_, '_>) -> Read<Overrides> {
        let mut out = Overrides::default();
        for config in m.messages("metrics")? {
            let name = config.text("name")?;
            let found: Vec<Metric> = Metric::ALL.into_iter().filter(|metric| name.is_empty() || metric.name() == name).collect();
            if found.is_empty() {
                return Err(config.unknown_field("name", format!("`{name}` is no metric of Istio's")));
            }
            if config.flag("drop")? {
                // As Istio's filter has it, dropping without a name drops nothing.
                found.iter().filter(|_| !name.is_empty()).for_each(|metric| out.by_metric.entry(*metric).or_default().is_dropped = true);
                continue;
            }
            for tag in config.texts("tags_to_remove")? {
                if let Some(label) = LABELS.iter().find(|l| **l == tag) {
                    for metric in &found {
                        out.by_metric.entry(*metric).or_default().labels.insert(label, None);
                    }
                }
            }
            let dimensions = config.message_or_empty("dimensions")?;
            let mut tags: Vec<&str> = dimensions.entries().map(|(tag, _)| tag).collect();
            tags.sort_unstable();
            for tag in tags {
                let at = out.expression(dimensions.text(tag)?).map_err(|what| dimensions.unknown_field(tag, what))?;
                for metric in &found {
                    let change = out.by_metric.entry(*metric).or_default();
                    match LABELS.iter().find(|l| **l == tag) {
                        Some(label) => {
                            change.labels.insert(label, Some(at));
                        }
                        None => change.more.push((tag.into(), at)),
                    }
                }
            }
        }
        if !out.is_empty() {
            let mut hasher = FxHasher::default();
            hasher.write(format!("{out:?}").as_bytes());
            out.mark = hasher.finish().max(1);
        }
        Ok(out)
    }
}
