//! Requests, counted when they are over: how many, how long, how large; messages of gRPC as they pass.

use super::config::{Direction, Stats};
use super::labels::{Key, Protocol};
use super::peer::Peer;
use super::series::{Counts, Series};
use crate::downstream::record::Record;
use crate::format::Subject;
use crate::http::exchange::Exchange;
use crate::tls::session::Session;
use crate::upstream::cluster::Handle;
use crate::upstream::host::Host;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Series of one worker. What comes beyond counts for nobody in particular: clients choose some of the labels.
const MOST: usize = 5000;

/// One worker's series.
#[derive(Default)]
pub struct Counted {
    by_key: RefCell<FxHashMap<Key, Arc<Series>>>,
    /// Those that were used last, by what decides their keys.
    recent: RefCell<Vec<Recent>>,
}

/// What a series is found by without a look at names: what keys are made of is shared, and stays what it is while it is held.
struct Recent {
    stats: Arc<Stats>,
    cluster: Option<Rc<Handle>>,
    peer: Option<Arc<Peer>>,
    host: Arc<Host>,
    direction: Direction,
    /// The host that was asked for, where the request counts for it.
    authority: Box<str>,
    status: u16,
    protocol: Protocol,
    series: Arc<Series>,
}

/// Series that are found so.
const RECENT: usize = 16;

fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

impl Recent {
    fn is(&self, exchange: &Exchange, stats: &Arc<Stats>, protocol: Protocol) -> bool {
        self.status == exchange.status
            && *self.authority == *counted_host(exchange, stats)
            && self.direction == exchange.connection.manager.telemetry.direction
            && self.protocol == protocol
            && exchange.host.as_ref().is_some_and(|h| Arc::ptr_eq(h, &self.host))
            && Arc::ptr_eq(&self.stats, stats)
            && same(self.peer.as_ref(), exchange.peer.as_ref())
            && match (&self.cluster, &exchange.upstream) {
                (Some(a), Some(b)) => Rc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            }
    }
}

/// The host that a request counts for, which no service is known of; "" for none.
fn counted_host<'e>(exchange: &'e Exchange, stats: &Stats) -> &'e str {
    let has_service = exchange.upstream.as_ref().is_some_and(|u| u.config().service_name.is_some());
    if has_service || !stats.falls_back_to_host { "" } else { &exchange.authority }
}

/// Whether nothing of a key is but what [`Recent`] looks at: no names from TLS, flags or expressions.
fn is_plain(exchange: &Exchange, stats: &Stats) -> bool {
    exchange.flags.is_empty()
        && exchange.grpc_status.is_none()
        && exchange.client.tls.is_none()
        && exchange.upstream_tls.is_none()
        && stats.overrides.is_empty()
        && !matches!(exchange.route_name(), Some("block_all" | "allow_any"))
}

impl Counted {
    /// The series of a key.
    pub fn series(&self, mut key: Key, record: &Record, stats: &Stats) -> Arc<Series> {
        let mut known = self.by_key.borrow_mut();
        if known.len() >= MOST && !known.contains_key(&key) {
            let (service, asked_by, protocol) = (key.service, key.asked_by, key.protocol);
            key = Key { is_inbound: key.is_inbound, service, status: key.status, asked_by, protocol, ..Key::default() };
        }
        let shared = &record.client.worker.shared;
        known.entry(key).or_insert_with_key(|key| shared.counted.series(key, &shared.own, &stats.overrides)).clone()
    }
    fn of(&self, exchange: &Exchange, stats: &Arc<Stats>) -> Arc<Series> {
        let host = exchange.host.as_ref().filter(|_| is_plain(exchange, stats));
        let Some(host) = host else { return self.series(of_request(exchange, stats), exchange, stats) };
        let protocol = if exchange.is_grpc() { Protocol::Grpc } else { Protocol::Http };
        if let Some(found) = self.recent.borrow().iter().find(|r| r.is(exchange, stats, protocol)) {
            return found.series.clone();
        }
        let series = self.series(of_request(exchange, stats), exchange, stats);
        let mut recent = self.recent.borrow_mut();
        if recent.len() >= RECENT {
            recent.remove(0);
        }
        recent.push(Recent {
            stats: stats.clone(),
            cluster: exchange.upstream.clone(),
            peer: exchange.peer.clone(),
            host: host.clone(),
            direction: exchange.connection.manager.telemetry.direction,
            authority: counted_host(exchange, stats).into(),
            status: exchange.status,
            protocol,
            series: series.clone(),
        });
        series
    }
    /// What is held to find series fast is let go: configuration that went away does not stay for it.
    pub fn forget(&self) {
        self.recent.borrow_mut().clear();
    }
    /// Counts a request that is over.
    pub fn request(&self, exchange: &Exchange) {
        let telemetry = &exchange.connection.manager.telemetry;
        let Some(stats) = &telemetry.stats else { return };
        let series = self.of(exchange, stats);
        let Counts::Http(counts) = &series.counts else { return };
        counts.requests.inc();
        counts.durations.record(exchange.lasted().as_secs_f64() * 1000.0);
        counts.request_bytes.record((exchange.head_bytes + exchange.body.received()) as f64);
        counts.response_bytes.record((exchange.answer_head_bytes + exchange.sent) as f64);
        counts.request_messages.add(exchange.body.messages());
        counts.response_messages.add(exchange.messages.count());
    }
}

/// Names of clusters that stand for what no service is known of.
fn unknown_service(cluster: &str, route: &str) -> &'static str {
    match (route, cluster) {
        ("block_all", _) | (_, "BlackHoleCluster") => "BlackHoleCluster",
        ("allow_any", _) | (_, "PassthroughCluster") => "PassthroughCluster",
        (_, "InboundPassthroughCluster") => "InboundPassthroughCluster",
        (_, "InboundPassthroughClusterIpv4") => "InboundPassthroughClusterIpv4",
        (_, "InboundPassthroughClusterIpv6") => "InboundPassthroughClusterIpv6",
        _ => "",
    }
}

/// What requests and connections have in common. `config` is that of the cluster, where there is one.
pub fn key(of: &impl Subject, direction: Direction, config: Option<&crate::config::cluster::Cluster>, stats: &Stats) -> Key {
    let (record, is_inbound) = (of.record(), direction == Direction::Inbound);
    let session: Option<&Session> = if is_inbound { record.client.tls.as_ref() } else { record.upstream_tls.as_deref() };
    let first = |list: Option<&Vec<String>>| list.and_then(|u| u.first()).map_or_else(Box::default, |u| u.as_str().into());
    let (peer_principal, own_principal): (Box<str>, Box<str>) =
        (first(session.and_then(|s| s.peer.as_ref()).map(|p| &p.facts.uris)), first(session.and_then(|s| s.own.as_ref()).map(|o| &o.leaf.uris)));
    let of_endpoint = || record.host.as_ref().and_then(|h| h.workload.clone());
    let expressions = &stats.overrides.expressions;
    Key {
        is_inbound,
        peer: of.exchange().and_then(|e| e.peer.clone()).or_else(|| if is_inbound { None } else { of_endpoint() }),
        service: config.and_then(|c| c.service_name.clone()),
        host: of.exchange().filter(|_| stats.falls_back_to_host).map_or_else(Box::default, |e| e.authority.as_str().into()),
        name: unknown_service(config.map_or("", |c| &c.name), of.exchange().and_then(Exchange::route_name).unwrap_or("")),
        is_mutual: !peer_principal.is_empty() && !own_principal.is_empty(),
        peer_principal,
        own_principal,
        protocol: Protocol::Tcp,
        status: 0,
        grpc_status: None,
        flags: record.flags.join(",").into(),
        values: expressions.iter().map(|e| e.text(of).map_or_else(|| "unknown".into(), Into::into)).collect(),
        asked_by: stats.overrides.mark,
    }
}

fn of_request(exchange: &Exchange, stats: &Stats) -> Key {
    let config = exchange.upstream.as_ref().map(|u| u.config());
    let mut key = key(exchange, exchange.connection.manager.telemetry.direction, config, stats);
    if key.service.is_some() {
        key.host = Box::default();
    }
    key.protocol = if exchange.is_grpc() { Protocol::Grpc } else { Protocol::Http };
    key.status = exchange.status;
    key.grpc_status = exchange.grpc_status;
    key
}
