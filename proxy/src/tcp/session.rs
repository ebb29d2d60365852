//! One connection of `tcp_proxy`: asked by the filters before it, given to a cluster, copied, logged.

use super::copy::{self, Bytes, Ended, Limits, Means, Side};
use crate::access_log::Log;
use crate::config::listener::Chain;
use crate::config::tcp_proxy::TcpProxy;
use crate::downstream::Downstream;
use crate::downstream::record::Record;
use crate::downstream::stream::Stream;
use crate::logging::Logger;
use crate::stats::TcpStats;
use crate::telemetry::Direction;
use crate::telemetry::connections::Counting;
use crate::telemetry::greeting::{self, Greeted, Heard};
use crate::tls::context::Speaks;
use crate::tls::session::Session as Tls;
use crate::upstream::Reason;
use crate::upstream::cluster::Handle;
use crate::upstream::connection::Opened;
use mesh_envoy::engine::gate::{Decision, Subject};
use mesh_envoy::engine::recorder::Off;
use mesh_envoy::engine::request::{Metadata, Protocol};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// Whether the chain's filters let a connection through. What is said of a denial stands in the connection's termination.
pub fn is_allowed(client: &Downstream, protocol: Protocol, chain: &Chain) -> bool {
    if chain.gates.is_empty() {
        return true;
    }
    let connection = client.engine(protocol);
    for rbac in &chain.gates {
        let subject = Subject { connection: &connection, request: None, remote: client.peer.ip(), metadata: &Metadata::default() };
        let decided = rbac.decide(&subject, &mut Off);
        if let Ok((decision, shadow)) = &decided {
            client.worker.judged(rbac.stat_prefix(), &rbac.judged(decision, shadow.as_ref()));
        }
        match decided {
            Ok((Decision { allowed: true, .. }, _)) => {}
            Ok((Decision { policy, .. }, _)) => {
                *client.termination.borrow_mut() = mesh_envoy::engine::gate::denied(policy).into();
                return false;
            }
            // Compiling refuses what is not known; this is for what it overlooked.
            Err(unknown) => {
                client.worker.complain(Logger::Filter, &format!("a connection could not be decided: {unknown}"));
                return false;
            }
        }
    }
    true
}

/// Serves a connection to its end. `logs` are those of its listener.
pub async fn run(client: &Rc<Downstream>, stream: Stream, proxy: &TcpProxy, chain: &Chain, logs: &[Log]) {
    let stats = client.worker.tcp_stats(&proxy.stat_prefix);
    stats.downstream_cx_total.inc();
    let mut session = Session {
        client,
        proxy,
        chain,
        logs,
        stats: &stats,
        record: Record::new(client.clone()),
        cluster: None,
        bytes: Bytes::default(),
        counting: None,
        heard: None,
    };
    if is_allowed(client, Protocol::Tcp, chain) {
        session.forward(stream).await;
    }
}

struct Session<'s> {
    client: &'s Rc<Downstream>,
    proxy: &'s TcpProxy,
    chain: &'s Chain,
    logs: &'s [Log],
    stats: &'s TcpStats,
    record: Record,
    cluster: Option<Rc<Handle>>,
    bytes: Bytes,
    counting: Option<Counting>,
    /// What the peer that is counted says of itself.
    heard: Option<Rc<Heard>>,
}

/// A session is logged whatever ended it.
impl Drop for Session<'_> {
    fn drop(&mut self) {
        let (received, sent) = (self.bytes.of_client.get(), self.bytes.of_upstream.get());
        self.stats.downstream_cx_rx_bytes_total.add(received);
        self.stats.downstream_cx_tx_bytes_total.add(sent);
        if let Some(cluster) = &self.cluster {
            cluster.stats.upstream_cx_tx_bytes_total.add(received);
            cluster.stats.upstream_cx_rx_bytes_total.add(sent);
        }
        (self.record.received, self.record.sent) = (received, sent);
        self.count();
        if let Some(counting) = self.counting.take() {
            counting.close(received, sent);
        }
        self.client.worker.log(&self.proxy.logs, &self.record);
        self.client.worker.log(self.logs, &self.record);
    }
}

impl Session<'_> {
    /// The connection counts from here on, where connections are counted.
    fn count(&mut self) {
        if let (Some(stats), None) = (&self.proxy.stats, &self.counting) {
            let config = self.cluster.as_ref().map(|c| c.config());
            let heard = self.heard.as_ref().and_then(|h| h.peer());
            self.counting = Some(Counting::open(&self.record, heard, self.proxy.direction, config, stats));
        }
    }
    async fn forward(&mut self, stream: Stream) {
        let worker = self.client.worker.clone();
        let random = worker.dice().u64(..);
        let Some((name, subset)) = self.proxy.choose(&self.client.server_name, random) else {
            self.stats.downstream_cx_no_route.inc();
            return self.record.raise("NR");
        };
        let Some(cluster) = worker.generation().cluster(name) else {
            self.stats.downstream_cx_no_route.inc();
            return self.record.raise("NC");
        };
        self.record.cluster = Some(name.into());
        self.cluster = Some(cluster.clone());
        let Some(upstream) = self.connect(&cluster, subset).await else { return };
        let own = &worker.shared.own;
        let agreed = |session: Option<&Tls>| session.is_some_and(|s| &*s.protocol == greeting::PROTOCOL);
        let mut stream = if self.proxy.greets_clients && agreed(self.client.tls.as_ref()) { Greeted::new(stream, own) } else { Greeted::silent(stream) };
        let Opened { io, tls, counted: _counted, .. } = upstream;
        let mut upstream = if cluster.config().greets_servers && agreed(tls.as_deref()) { Greeted::new(io, own) } else { Greeted::silent(io) };
        let heard = if self.proxy.direction == Direction::Inbound { stream.heard() } else { upstream.heard() };
        self.heard = Some(heard.clone());
        let until = self.proxy.longest.map(|span| Instant::from_std(self.client.begun) + span);
        let limits = Limits { idle: self.proxy.idle_timeout, until, buffer: self.proxy.buffer };
        let (record, direction, config) = (&self.record, self.proxy.direction, self.cluster.as_ref().map(|c| c.config()));
        let open = self.proxy.stats.as_ref().map(|stats| {
            let heard = heard.clone();
            move || Counting::open(record, heard.peer(), direction, config, stats)
        });
        let (bytes, counting) = (&self.bytes, &mut self.counting);
        let interval = self.proxy.stats.as_ref().and_then(|s| s.interval);
        let ended = tokio::select! {
            ended = copy::both_ways(&mut stream, &mut upstream, limits, Means { scratch: &worker.scratch, pipes: &worker.pipes }, bytes) => ended,
            never = tell(bytes, counting, (&heard, open), interval) => match never {},
            () = worker.ended() => Ended::Both,
            // Nobody can be asked to finish: bytes have no such word.
            () = self.chain.life.over() => Ended::Both,
        };
        match ended {
            Ended::Both => {}
            Ended::Idle => self.stats.idle_timeout.inc(),
            Ended::Late => {
                self.stats.max_downstream_connection_duration.inc();
                self.record.raise("DT");
            }
            Ended::Failed(Side::Client, _) => {}
            Ended::Failed(Side::Upstream, e) => {
                if e.kind() == std::io::ErrorKind::ConnectionReset {
                    self.record.raise("UR");
                }
            }
        }
    }

    /// A connection to a host of the cluster, after as many tries as there may be.
    async fn connect(&mut self, cluster: &Rc<Handle>, subset: Option<&serde_json::Value>) -> Option<Opened> {
        for attempt in 1..=self.proxy.connect_attempts {
            let host = cluster.choose(None, subset, self.client.original(), &[], 0, &mut self.client.worker.dice());
            let Some(host) = host else {
                cluster.stats.upstream_cx_none_healthy.inc();
                self.record.raise("UH");
                return None;
            };
            let speaks = if cluster.config().greets_servers { Speaks::Greeting } else { Speaks::Bytes };
            match cluster.open(&host, speaks, self.client.addresses()).await {
                Ok(opened) => {
                    self.record.attempts = attempt;
                    self.record.host = Some(host);
                    self.record.upstream_local = opened.local;
                    self.record.upstream_tls.clone_from(&opened.tls);
                    return Some(opened);
                }
                Err(failure) if failure.reason == Reason::Overflow => {
                    self.record.raise("UO");
                    return None;
                }
                Err(failure) => {
                    self.record.attempts = attempt;
                    self.record.host = Some(host);
                    self.record.raise("UF");
                    self.record.transport_failure = failure.transport;
                }
            }
        }
        cluster.stats.upstream_cx_connect_attempts_exceeded.inc();
        self.record.raise("URX");
        None
    }
}

/// Opens the counts once the peer has begun to speak, or the first time they are due; then counts bytes every so often, for ever.
async fn tell(
    bytes: &Bytes,
    counting: &mut Option<Counting>,
    (heard, open): (&Heard, Option<impl Fn() -> Counting>),
    interval: Option<Duration>,
) -> Infallible {
    let Some(open) = open else { return std::future::pending().await };
    let due = async {
        match interval {
            Some(interval) => tokio::time::sleep(interval).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = heard.begun() => {}
        () = due => {}
    }
    let counting = counting.insert(open());
    let Some(interval) = interval else { return std::future::pending().await };
    loop {
        tokio::time::sleep(interval).await;
        counting.report(bytes.of_client.get(), bytes.of_upstream.get());
    }
}
