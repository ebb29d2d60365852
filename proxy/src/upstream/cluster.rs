//! A cluster at work: what all workers share of it, and one worker's part.

use super::balance::{Hashed, HostSet};
use super::breaker::{self, Counts, Slot, What};
use super::connection::{Connector, Introduction, Opened};
use super::host::{Address, Host};
use super::outlier::{Cause, Comparison, Ejections, Outcome, outliers};
use super::pool::{Lease, Pool, Rules, Via};
use super::{Failure, Reason};
use crate::config::Snapshot;
use crate::config::alpn::{Offer, Offers};
use crate::config::cluster::{Cluster as Config, Kind, Protocol, Thresholds};
use crate::config::outlier::Outlier;
use crate::config::transport::Client;
use crate::http::incoming::Incoming;
use crate::http::interim::Interim;
use crate::http::outgoing::Outgoing;
use crate::message::{HeaderMap, Response};
use crate::proxy_protocol::Addresses;
use crate::stats::{ClusterStats, TlsStats};
use crate::tls::context::Speaks;
use http::header::CONTENT_TYPE;
use mesh_envoy::engine::pick::{Assignment, Health};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Instant;

/// What all workers share of a cluster.
pub struct Runtime {
    pub config: Arc<Config>,
    pub counts: [Arc<Counts>; 2],
    pub ejections: Arc<Ejections>,
    /// Endpoints as configuration, EDS or DNS gave them.
    given: RwLock<Arc<Assignment>>,
    /// The same with what is known of their health.
    set: RwLock<Arc<HostSet>>,
    version: AtomicU64,
    begun: Instant,
    /// Whether its hosts are known: DNS may not have answered yet.
    pub is_warm: AtomicBool,
}

impl Runtime {
    /// `before` is the runtime whose place it takes: hosts that stay keep their counts, ejections and connections.
    pub fn new(config: Arc<Config>, begun: Instant, snapshot: &Snapshot, before: Option<&Runtime>) -> Runtime {
        let given = match config.kind {
            Kind::Static => config.engine.own().cloned().map(Arc::new),
            Kind::Eds => config.service().and_then(|service| snapshot.assignments.get(service)).cloned(),
            Kind::Dns => before.filter(|b| b.config.kind == Kind::Dns).map(Runtime::given),
            Kind::OriginalDestination => None,
        };
        let runtime = Runtime {
            counts: before.map(|b| b.counts.clone()).unwrap_or_default(),
            ejections: before.map(|b| b.ejections.clone()).unwrap_or_default(),
            given: RwLock::default(),
            set: RwLock::new(before.map(Runtime::hosts).unwrap_or_default()),
            version: AtomicU64::new(0),
            begun,
            is_warm: AtomicBool::new(config.kind != Kind::Dns),
            config,
        };
        runtime.replace(given.unwrap_or_default());
        runtime.is_warm.store(runtime.config.kind != Kind::Dns || !runtime.given().endpoints.is_empty(), Ordering::Release);
        runtime
    }
    pub fn hosts(&self) -> Arc<HostSet> {
        self.set.read().map(|s| s.clone()).unwrap_or_default()
    }
    /// Its endpoints without what the proxy found out about their health.
    pub fn given(&self) -> Arc<Assignment> {
        self.given.read().map(|g| g.clone()).unwrap_or_default()
    }
    /// Takes other endpoints. Hosts that stay keep their counts and their health.
    pub fn replace(&self, assignment: Arc<Assignment>) {
        if self.version.load(Ordering::Acquire) > 0 && Arc::ptr_eq(&self.given(), &assignment) {
            return;
        }
        let before = self.hosts();
        let mut hosts: FxHashMap<Box<str>, Arc<Host>> = FxHashMap::default();
        for endpoint in &assignment.endpoints {
            // A host that is reached by another transport now is another host.
            let transport = self.config.engine.transport_match(Some(endpoint));
            let same = before.hosts.get(&endpoint.address).filter(|h| h.transport == transport);
            let host = same.cloned().unwrap_or_else(|| Arc::new(Host::new(&endpoint.address, &endpoint.hostname, &endpoint.workload, transport)));
            // Who is watched no more is ejected no more: nobody would take it back.
            if self.config.outlier.is_none() {
                host.ejected.store(false, Ordering::Relaxed);
                host.outlier.until.store(0, Ordering::Relaxed);
            }
            hosts.insert(endpoint.address.clone(), host);
        }
        if let Ok(mut given) = self.given.write() {
            *given = assignment;
        }
        self.publish(hosts);
        self.is_warm.store(true, Ordering::Release);
    }
    fn publish(&self, hosts: FxHashMap<Box<str>, Arc<Host>>) {
        let mut effective = Assignment::clone(&self.given());
        for endpoint in &mut effective.endpoints {
            if hosts.get(&endpoint.address).is_some_and(|h| h.ejected.load(Ordering::Relaxed)) {
                endpoint.health = Health::Unhealthy;
            }
        }
        if let Ok(mut set) = self.set.write() {
            *set = Arc::new(HostSet::new(&self.config.engine, effective, hosts));
        }
        self.version.fetch_add(1, Ordering::Release);
    }
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
    /// Notes what came of a request, and ejects the host where the rules say so.
    pub fn note(&self, host: &Arc<Host>, outcome: Outcome) {
        let Some(rules) = &self.config.outlier else { return };
        if !host.ejected.load(Ordering::Relaxed) {
            host.outlier.note(outcome, rules, |cause| self.eject(host, cause, rules));
        }
    }
    /// Ejects a host, if it may be.
    fn eject(&self, host: &Arc<Host>, cause: Cause, rules: &Outlier) {
        let set = self.hosts();
        let of_hosts = (set.ejected(), set.hosts.len() as u64);
        if host.ejected.load(Ordering::Relaxed) || !self.ejections.decide(cause, of_hosts, rules, |percent| fastrand::u64(..100) < percent) {
            return;
        }
        host.outlier.eject(self.now(), rules, rules.jitter.mul_f64(fastrand::f64()));
        host.ejected.store(true, Ordering::Relaxed);
        self.refresh(&set);
    }
    /// The end of an interval of outlier detection.
    pub fn interval(&self) {
        let (set, now) = (self.hosts(), self.now());
        let mut back = false;
        for host in set.hosts.values().filter(|h| h.outlier.interval(now)) {
            host.ejected.store(false, Ordering::Relaxed);
            back = true;
        }
        if back {
            self.refresh(&set);
        }
        if let Some(rules) = self.config.outlier.as_deref().filter(|r| r.rates.any()) {
            self.compare(rules);
        }
    }
    /// Hosts against each other, by what they did in the interval.
    fn compare(&self, rules: &Outlier) {
        let set = self.hosts();
        let mut hosts: Vec<&Arc<Host>> = set.hosts.values().collect();
        // Not all that stand out may go.
        hosts.sort_by(|a, b| a.label.cmp(&b.label));
        let taken: Vec<_> = hosts.iter().map(|h| (h.outlier.take_shares(), h.ejected.load(Ordering::Relaxed))).collect();
        let answers: Vec<_> = taken.iter().map(|((answers, _), ejected)| (!ejected).then_some(*answers)).collect();
        for (i, comparison) in outliers(&answers, &rules.rates) {
            let cause = if comparison == Comparison::SuccessRate { Cause::SuccessRate } else { Cause::FailurePercentage };
            self.eject(hosts[i], cause, rules);
        }
        if !rules.splits_local {
            return;
        }
        let connections: Vec<_> = taken.iter().map(|((_, connections), ejected)| (!ejected).then_some(*connections)).collect();
        for (i, comparison) in outliers(&connections, &rules.rates) {
            let cause = if comparison == Comparison::SuccessRate { Cause::LocalSuccessRate } else { Cause::LocalFailurePercentage };
            self.eject(hosts[i], cause, rules);
        }
    }
    /// The same endpoints, with the ejections of now.
    fn refresh(&self, set: &HostSet) {
        self.publish(set.hosts.clone());
    }
}

/// What requests have to have in common to go out on one connection.
#[derive(Clone, PartialEq, Eq, Hash)]
struct PoolKey {
    host: Box<str>,
    is_http2: bool,
    priority: usize,
    /// The name that the host is asked by, where the request decides that.
    server_name: Option<Box<str>>,
    /// What TLS offers in place of its context's list: what is agreed upon, and which filters the server runs, goes by it.
    alpn: Option<Offer>,
    /// Whose connections they are, where the host is told.
    client: Option<Addresses>,
}

/// One worker's part: its connections, and its place in the round.
pub struct Handle {
    pub runtime: Arc<Runtime>,
    pub name: Arc<str>,
    pub stats: Arc<ClusterStats>,
    tls: Arc<TlsStats>,
    set: RefCell<(u64, Arc<HostSet>)>,
    turn: Cell<u64>,
    pools: RefCell<FxHashMap<PoolKey, Rc<Pool>>>,
    /// Those that were used last, of keys without a name and without ALPN: few are tried before the look-up.
    recent: RefCell<Vec<(bool, usize, Rc<Pool>)>>,
}

/// Pools that are found without a look-up.
const RECENT: usize = 4;

/// A request for an upstream, and how it is to be sent.
pub struct Wanted {
    pub request: Outgoing,
    pub protocol: Protocol,
    pub downstream_is_http2: bool,
    pub priority: usize,
    /// The name that the server is asked by, where the request decides that (`auto_sni`).
    pub server_name: Option<Box<str>>,
    /// Those of `istio.alpn`, where that filter saw the request.
    pub offers: Option<Arc<Offers>>,
    /// The client, where it hears of answers before the answer.
    pub interim: Option<Interim>,
    /// Who the request is from, where it is a client's; hosts may be told.
    pub client: Option<Addresses>,
    pub begun: Instant,
}

impl Handle {
    pub fn new(runtime: Arc<Runtime>, stats: Arc<ClusterStats>, tls: Arc<TlsStats>) -> Handle {
        let set = (runtime.version.load(Ordering::Acquire), runtime.hosts());
        // Workers begin at different places, so that they do not all send their first request to the same host.
        let name = (&*runtime.config.name).into();
        let turn = Cell::new(fastrand::u64(..1 << 32));
        Handle { runtime, name, stats, tls, set: RefCell::new(set), turn, pools: RefCell::default(), recent: RefCell::default() }
    }
    /// What TLS counts.
    pub fn tls_stats(&self) -> &Arc<TlsStats> {
        &self.tls
    }
    pub fn config(&self) -> &Config {
        &self.runtime.config
    }
    pub fn thresholds(&self, priority: usize) -> &Thresholds {
        &self.config().thresholds[priority]
    }
    fn hosts(&self) -> Arc<HostSet> {
        let version = self.runtime.version.load(Ordering::Acquire);
        let mut set = self.set.borrow_mut();
        if set.0 != version {
            *set = (version, self.runtime.hosts());
            self.forget(&set.1);
        }
        set.1.clone()
    }
    /// Connections to hosts that are gone are closed; what is on its way on them ends well.
    fn forget(&self, set: &HostSet) {
        if self.config().kind != Kind::OriginalDestination {
            self.recent.borrow_mut().clear();
            self.pools.borrow_mut().retain(|key, _| set.hosts.contains_key(&key.host));
        }
    }

    /// A host for a request to where `destination` is that of a redirected connection; none of `tried` if that can be helped in `attempts`.
    /// With a hash like requests go to one host, where the cluster has a ring.
    pub fn choose(
        &self,
        hash: Option<u64>,
        subset: Option<&Value>,
        destination: Option<SocketAddr>,
        tried: &[Arc<Host>],
        attempts: u32,
        dice: &mut fastrand::Rng,
    ) -> Option<Arc<Host>> {
        if self.config().kind == Kind::OriginalDestination {
            return destination.map(|d| self.original(d));
        }
        let set = self.hosts();
        let groups = set.groups(&self.config().engine, subset);
        let mut found = None;
        for attempt in 0..=attempts {
            self.turn.set(self.turn.get().wrapping_add(1));
            let chosen = groups.choose(self.config().balance, self.turn.get(), hash.map(|hash| Hashed { hash, attempt }), dice)?;
            if chosen.panics {
                self.stats.lb_healthy_panic.inc();
            }
            found = Some(chosen.host);
            if !tried.iter().any(|t| Arc::ptr_eq(t, chosen.host)) {
                break;
            }
        }
        found.cloned()
    }
    fn original(&self, destination: SocketAddr) -> Arc<Host> {
        let label = destination.to_string();
        let pools = self.pools.borrow();
        let found = pools.iter().find(|(key, _)| *key.host == *label).map(|(_, p)| p.host.clone());
        found.unwrap_or_else(|| Arc::new(Host::new(&label, "", "", self.config().engine.transport_match(None))))
    }
    fn connector(&self, host: &Host, server_name: Option<Box<str>>, alpn: Option<Offer>, client: Option<Addresses>) -> Connector {
        let config = self.config();
        Connector {
            timeout: config.connect_timeout,
            bind: config.bind.clone(),
            transport: config.transports.get(host.transport).clone(),
            server_name,
            alpn,
            introduces: config.transports.introduces(host.transport).map(|version| Introduction { version, client }),
        }
    }
    /// A connection for bytes, of a client that the host may be told of.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(&self, host: &Arc<Host>, speaks: Speaks, client: Option<Addresses>) -> Result<Opened, Failure> {
        let Some(slot) = breaker::take(&self.runtime.counts[0], What::Connections, self.thresholds(0)) else {
            self.stats.upstream_cx_overflow.inc();
            return Err(Failure::unsent(Reason::Overflow));
        };
        let opened = self.connector(host, None, None, client).open(host, &self.stats, &self.tls, slot, speaks).await;
        self.runtime.note(host, if opened.is_ok() { Outcome::Status(200) } else { Outcome::LocalFailure });
        opened
    }

    /// The pool of requests that have nothing in common but host, protocol and priority.
    fn plain_pool(&self, host: &Arc<Host>, is_http2: bool, priority: usize) -> Rc<Pool> {
        let found = self.recent.borrow().iter().find(|(h, p, pool)| *h == is_http2 && *p == priority && Arc::ptr_eq(&pool.host, host)).map(|(.., p)| p.clone());
        found.unwrap_or_else(|| {
            let pool = self.pool(host, PoolKey { host: host.label.clone(), is_http2, priority, server_name: None, alpn: None, client: None });
            let mut recent = self.recent.borrow_mut();
            if recent.len() >= RECENT {
                recent.remove(0);
            }
            recent.push((is_http2, priority, pool.clone()));
            pool
        })
    }
    fn pool(&self, host: &Arc<Host>, key: PoolKey) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(&key).filter(|p| Arc::ptr_eq(&p.host, host)) {
            return pool.clone();
        }
        let config = self.config();
        let rules = Rules {
            idle_timeout: config.idle_timeout,
            max_age: config.max_connection_duration,
            max_requests: config.max_requests_per_connection,
            max_streams: config.max_concurrent_streams,
            thresholds: config.thresholds[key.priority],
            format: config.format,
        };
        let connector = self.connector(host, key.server_name.clone(), key.alpn.clone(), key.client);
        let stats = (self.stats.clone(), self.tls.clone());
        let pool = Rc::new(Pool::new(host.clone(), stats, self.runtime.counts[key.priority].clone(), rules, connector));
        pools.insert(key, pool.clone());
        pool
    }

    /// Sends a request to a host, and waits for the head of its answer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn send(&self, host: &Arc<Host>, wanted: Wanted, ready: impl Fn(Via)) -> Result<(Response<Incoming>, Lease), Failure> {
        if host.address == Address::Nowhere {
            return Err(Failure::unsent(Reason::LocalConnectionFailure));
        }
        let http2 = match wanted.protocol {
            Protocol::Http1 => false,
            Protocol::Http2 => true,
            Protocol::Downstream => wanted.downstream_is_http2,
        };
        let alpn = wanted.offers.as_ref().filter(|_| self.may_offer(host)).and_then(|o| if http2 { o.http2() } else { o.http1() });
        let client = wanted.client.filter(|_| self.config().transports.introduces(host.transport).is_some());
        let pool = match (wanted.server_name, alpn, client) {
            (None, None, None) => self.plain_pool(host, http2, wanted.priority),
            (server_name, alpn, client) => {
                self.pool(host, PoolKey { host: host.label.clone(), is_http2: http2, priority: wanted.priority, server_name, alpn, client })
            }
        };
        let interim = wanted.interim.as_ref();
        let result = match wanted.request {
            Outgoing::Message(request) if http2 => Box::pin(pool.send_http2(*request, interim, ready)).await,
            request => pool.send_http1(request, wanted.begun, interim, ready).await,
        };
        match &result {
            Ok((response, _)) => {
                let status = response.status.as_u16();
                let counter = if (500..600).contains(&status) { &host.stats.errors } else { &host.stats.successes };
                counter.fetch_add(1, Ordering::Relaxed);
                self.runtime.note(host, Outcome::Status(status_of_grpc(&response.headers).unwrap_or(status)));
            }
            // A client that broke off says nothing of the host.
            Err(f) if !matches!(f.reason, Reason::Overflow | Reason::LocalReset) && !f.is_unseen() => {
                host.stats.errors.fetch_add(1, Ordering::Relaxed);
                self.runtime.note(host, Outcome::LocalFailure);
                if matches!(f.reason, Reason::RemoteReset | Reason::RemoteRefusedStream | Reason::ConnectionTermination) {
                    self.stats.upstream_rq_rx_reset.inc();
                }
            }
            Err(_) => {}
        }
        result
    }
    /// Whether a list of a filter's stands in for the context's with a host.
    fn may_offer(&self, host: &Host) -> bool {
        !self.config().keeps_alpn && matches!(self.config().transports.get(host.transport), Client::Tls(_))
    }
    /// Leave for a retry, by the breaker.
    pub fn retry_slot(&self, priority: usize) -> Option<Slot> {
        breaker::take(&self.runtime.counts[priority], What::Retries, self.thresholds(priority))
    }
    /// Closes connections that nobody uses any more.
    pub fn prune(&self) {
        self.recent.borrow_mut().clear();
        let mut pools = self.pools.borrow_mut();
        pools.values().for_each(|p| p.prune());
        // Clients, where they want to go and by which name change for ever: who is not spoken with is forgotten.
        pools.retain(|_, p| !p.is_empty() || Rc::strong_count(p) > 1);
    }
}

/// The status of HTTP that one of gRPC in an answer's head stands for (Envoy's mapping).
fn status_of_grpc(headers: &HeaderMap) -> Option<u16> {
    let kind = headers.get(CONTENT_TYPE)?.as_bytes();
    let status: u64 = headers.get("grpc-status").filter(|_| kind.starts_with(b"application/grpc"))?.to_str().ok()?.parse().ok()?;
    Some(mesh_envoy::grpc::http_status(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Compiler;
    use serde_json::json;

    #[test]
    fn pools_of_names_that_nobody_asks_for_are_forgotten() {
        let endpoint = json!({"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}});
        let config = json!({"name": "c", "type": "STATIC", "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [endpoint]}]}});
        let config = Config::read(&config, "cluster", &Compiler::default()).expect("a cluster");
        let handle = Handle::new(Arc::new(Runtime::new(Arc::new(config), Instant::now(), &Snapshot::default(), None)), Arc::default(), Arc::default());
        let host = handle.choose(None, None, None, &[], 0, &mut fastrand::Rng::with_seed(1)).expect("a host");
        let named = |name: &str| PoolKey { host: host.label.clone(), is_http2: false, priority: 0, server_name: Some(name.into()), alpn: None, client: None };
        let used = handle.pool(&host, named("used"));
        (0..100).for_each(|n| drop(handle.pool(&host, named(&format!("n{n}")))));
        assert_eq!(handle.pools.borrow().len(), 101);
        handle.prune();
        assert!(handle.pools.borrow().len() == 1 && Rc::ptr_eq(&handle.pool(&host, named("used")), &used));
    }
}
