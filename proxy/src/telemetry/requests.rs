//! `istio_requests_total` and `istio_request_duration_milliseconds`, with Istio's labels. Each worker has series of its own,
//! which the admin port sums up.

use super::config::Direction;
use super::peer::Peer;
use crate::config::cluster::Service;
use crate::http::exchange::Exchange;
use crate::stats::Counter;
use crate::tls::session::Session;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

/// Upper ends of Envoy's default buckets, in milliseconds.
pub const BUCKETS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Series of one worker. What comes beyond counts for nobody in particular: clients choose some of the labels.
const MOST: usize = 5000;

/// What tells one series from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Key {
    is_inbound: bool,
    peer: Option<Arc<Peer>>,
    service: Option<Arc<Service>>,
    /// The cluster's name where that says more than a service, or the host that was asked for.
    instead: Box<str>,
    peer_principal: Box<str>,
    own_principal: Box<str>,
    is_grpc: bool,
    status: u16,
    grpc_status: Option<u64>,
    flags: Box<str>,
    is_mutual: bool,
}

#[derive(Debug)]
struct Series {
    labels: String,
    requests: Counter,
    /// The last is for what is longer than all.
    durations: [Counter; BUCKETS.len() + 1],
    /// Milliseconds.
    sum: Counter,
}

/// The series of all workers.
#[derive(Default)]
pub struct Registry(Mutex<Vec<Arc<Series>>>);

/// One worker's.
#[derive(Default)]
pub struct Requests(RefCell<FxHashMap<Key, Arc<Series>>>);

impl Requests {
    /// Counts a request that is over.
    pub fn count(&self, exchange: &Exchange) {
        let telemetry = &exchange.connection.manager.telemetry;
        if !telemetry.counts {
            return;
        }
        let shared = &exchange.connection.worker().shared;
        let mut key = key(exchange);
        let mut known = self.0.borrow_mut();
        if known.len() >= MOST && !known.contains_key(&key) {
            key = Key { is_inbound: key.is_inbound, service: key.service, status: key.status, ..Key::default() };
        }
        let series = known.entry(key).or_insert_with_key(|key| {
            let series = Arc::new(Series {
                labels: labels(key, &shared.own.peer),
                requests: Counter::default(),
                durations: Default::default(),
                sum: Counter::default(),
            });
            if let Ok(mut all) = shared.requests.0.lock() {
                all.push(series.clone());
            }
            series
        });
        let spent = exchange.begun.elapsed();
        let milliseconds = spent.as_secs_f64() * 1000.0;
        series.requests.inc();
        series.durations[BUCKETS.partition_point(|end| *end < milliseconds)].inc();
        series.sum.add(u64::try_from(spent.as_millis()).unwrap_or(u64::MAX));
    }
}

fn key(exchange: &Exchange) -> Key {
    let telemetry = &exchange.connection.manager.telemetry;
    let is_inbound = telemetry.direction == Direction::Inbound;
    let session: Option<&Session> = if is_inbound { exchange.connection.client.tls.as_ref() } else { exchange.upstream_tls.as_deref() };
    let first = |list: Option<&Vec<String>>| list.and_then(|u| u.first()).map_or_else(Box::default, |u| u.as_str().into());
    let config = exchange.upstream.as_ref().map(|u| u.config());
    let service = config.and_then(|c| c.service_name.clone());
    let instead = match config.map(|c| &*c.name) {
        Some(name @ ("BlackHoleCluster" | "PassthroughCluster" | "InboundPassthroughCluster")) => name.into(),
        _ if service.is_none() && telemetry.falls_back_to_host => mesh_envoy::engine::domain::without_port(&exchange.authority).into(),
        _ => Box::default(),
    };
    let of_endpoint = || exchange.host.as_ref().and_then(|h| h.workload.clone());
    Key {
        is_inbound,
        peer: exchange.peer.clone().or_else(|| if is_inbound { None } else { of_endpoint() }),
        service,
        instead,
        peer_principal: first(session.and_then(|s| s.peer.as_ref()).map(|p| &p.facts.uris)),
        own_principal: first(session.and_then(|s| s.own.as_ref()).map(|o| &o.leaf.uris)),
        is_grpc: exchange.is_grpc(),
        status: exchange.status,
        grpc_status: exchange.grpc_status,
        flags: exchange.flags.join(",").into(),
        is_mutual: session.is_some_and(|s| s.peer.is_some()),
    }
}

/// Istio's labels in Istio's order.
fn labels(key: &Key, own: &Peer) -> String {
    let nobody = Peer::default();
    let peer = key.peer.as_deref().unwrap_or(&nobody);
    let (source, destination) = if key.is_inbound { (peer, own) } else { (own, peer) };
    let (source_principal, destination_principal) =
        if key.is_inbound { (&key.peer_principal, &key.own_principal) } else { (&key.own_principal, &key.peer_principal) };
    let (host, name, namespace) = match &key.service {
        Some(s) => (&*s.host, &*s.name, &*s.namespace),
        None => (&*key.instead, &*key.instead, ""),
    };
    let revision = |p: &Peer| if p.canonical_revision.is_empty() { "latest".to_owned() } else { p.canonical_revision.to_string() };
    let policy = match (key.is_inbound, key.is_mutual) {
        (false, _) => "unknown",
        (true, true) => "mutual_tls",
        (true, false) => "none",
    };
    let (status, grpc) = (key.status.to_string(), key.grpc_status.filter(|_| key.is_grpc).map_or_else(String::new, |s| s.to_string()));
    let (from, to) = (revision(source), revision(destination));
    let known = |text: &str| if text.is_empty() { "unknown".to_owned() } else { escaped(text) };
    let pairs: [(&str, &str); 23] = [
        ("reporter", if key.is_inbound { "destination" } else { "source" }),
        ("source_workload", &source.workload),
        ("source_canonical_service", &source.canonical_name),
        ("source_canonical_revision", &from),
        ("source_workload_namespace", &source.namespace),
        ("source_principal", source_principal),
        ("source_app", &source.app),
        ("source_version", &source.version),
        ("source_cluster", &source.cluster),
        ("destination_workload", &destination.workload),
        ("destination_workload_namespace", &destination.namespace),
        ("destination_principal", destination_principal),
        ("destination_app", &destination.app),
        ("destination_version", &destination.version),
        ("destination_service", host),
        ("destination_canonical_service", &destination.canonical_name),
        ("destination_canonical_revision", &to),
        ("destination_service_name", name),
        ("destination_service_namespace", namespace),
        ("destination_cluster", &destination.cluster),
        ("request_protocol", if key.is_grpc { "grpc" } else { "http" }),
        ("response_code", &status),
        ("connection_security_policy", policy),
    ];
    let mut out = String::new();
    for (name, value) in pairs {
        let _ = write!(out, "{name}=\"{}\",", known(value));
    }
    // These are empty, or `-`, where there is nothing to say.
    let _ = write!(out, "grpc_response_status=\"{grpc}\",response_flags=\"{}\"", if key.flags.is_empty() { "-" } else { &*key.flags });
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Registry {
    /// The pages' part of Prometheus' text format.
    pub fn write(&self, out: &mut String) {
        let Ok(all) = self.0.lock() else { return };
        let mut summed: BTreeMap<&str, (u64, [u64; BUCKETS.len() + 1], u64)> = BTreeMap::new();
        for series in &*all {
            let (requests, durations, sum) = summed.entry(&series.labels).or_default();
            *requests += series.requests.get();
            *sum += series.sum.get();
            durations.iter_mut().zip(&series.durations).for_each(|(all, one)| *all += one.get());
        }
        if summed.is_empty() {
            return;
        }
        let _ = writeln!(out, "# TYPE istio_requests_total counter");
        for (labels, (requests, ..)) in &summed {
            let _ = writeln!(out, "istio_requests_total{{{labels}}} {requests}");
        }
        let _ = writeln!(out, "# TYPE istio_request_duration_milliseconds histogram");
        for (labels, (_, durations, sum)) in &summed {
            let mut so_far = 0;
            let ends = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            for (end, count) in ends.zip(durations) {
                so_far += count;
                let _ = writeln!(out, "istio_request_duration_milliseconds_bucket{{{labels},le=\"{end}\"}} {so_far}");
            }
            let _ = writeln!(out, "istio_request_duration_milliseconds_sum{{{labels}}} {sum}");
            let _ = writeln!(out, "istio_request_duration_milliseconds_count{{{labels}}} {so_far}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_unknown_and_revisions_are_latest() {
        let key = Key { status: 404, flags: "NR".into(), instead: "a\"b".into(), ..Key::default() };
        let text = labels(&key, &Peer { workload: "web".into(), ..Peer::default() });
        assert!(
            text.starts_with("reporter=\"source\",source_workload=\"web\",source_canonical_service=\"unknown\",source_canonical_revision=\"latest\""),
            "{text}"
        );
        assert!(text.contains("destination_service=\"a\\\"b\"") && text.contains("destination_workload=\"unknown\""), "{text}");
        assert!(text.ends_with("response_code=\"404\",connection_security_policy=\"unknown\",grpc_response_status=\"\",response_flags=\"NR\""), "{text}");
    }

    #[test]
    fn durations_fall_into_the_bucket_whose_end_they_do_not_pass() {
        assert_eq!([0.2, 0.5, 0.6, 1e9].map(|ms: f64| BUCKETS.partition_point(|end| *end < ms)), [0, 0, 1, 19]);
    }
}
