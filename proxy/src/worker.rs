//! A worker: one thread, its connections, its counters. What workers share stands in [`Shared`], and a request waits for
//! none of it.

use crate::access_log::{Buffers, Log, Writer};
use crate::config::Snapshot;
use crate::config::cluster::{self, Cluster as ClusterConfig};
use crate::config::overload::{Kind, Limits};
use crate::decisions::feed::Feed;
use crate::decisions::{Ring, Rings};
use crate::downstream::accept::Accepted;
use crate::downstream::servers::Servers;
use crate::downstream::underway::{self, Underway};
use crate::format::Subject;
use crate::format::texts::Texts;
use crate::http::alarm::Alarm;
use crate::http::bucket::Buckets;
use crate::http::exchange::{Connection, Exchange};
use crate::http::framing::Upgrade;
use crate::http::timeouts::Late;
use crate::http2::heads::Refusal;
use crate::listeners::Listeners;
use crate::logging::Logger;
use crate::message::HeaderMap;
use crate::overload::Overload;
use crate::splice::Pool;
use crate::stats::{
    Block, ClusterStats, ConnectionLimitStats, ConnectionRateStats, Counter, HttpStats, LimitStats, ListenerStats, ProxyProtocolStats, RbacStats, Registry,
    RootStats, TcpStats, TlsStats, TracingStats,
};
use crate::telemetry::Direction;
use crate::telemetry::exchange::Heard;
use crate::telemetry::peer::Own;
use crate::telemetry::requests::Counted;
use crate::telemetry::series;
use crate::trace::span;
use crate::upstream::cluster::{Handle, Runtime};
use http::header::{self, HeaderValue};
use mesh_envoy::engine::gate::Judged;
use rustc_hash::FxHashMap;
use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};

/// What the proxy is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    /// No new connections; those that are there come to their end.
    Draining,
    /// Everything ends now.
    Stopping,
}

/// Whose connections are asked to end while the proxy goes on, and whose listeners may be closed (`/drain_listeners`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drained {
    #[default]
    Nobody,
    /// Listeners whose traffic is inbound.
    Inbound,
    Everybody,
}

impl Drained {
    pub fn covers(self, direction: Direction) -> bool {
        match self {
            Drained::Nobody => false,
            Drained::Inbound => direction == Direction::Inbound,
            Drained::Everybody => true,
        }
    }
}

/// What workers look at to see whether connections should end.
#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    drained: Drained,
}

/// Takes messages for the proxy's own log.
pub type Complain = Arc<dyn Fn(Logger, &str) + Send + Sync>;

pub struct Shared {
    pub registry: Registry,
    pub buckets: Buckets,
    pub begun: Instant,
    pub started: SystemTime,
    pub hostname: Box<str>,
    /// Who this proxy is to its peers.
    pub own: Own,
    /// Istio's metrics, of all workers.
    pub counted: series::Registry,
    pub writer: Writer,
    /// The last requests.
    pub rings: Rings,
    /// The same as they are made.
    pub feed: Feed,
    pub complain: Complain,
    pub listeners: Listeners,
    pub overload: Overload,
    /// The most pipes of each worker.
    pub pipes: usize,
    /// Bytes that the kernel moved between sockets.
    pub spliced: Arc<AtomicU64>,
    snapshot: RwLock<Arc<Snapshot>>,
    version: AtomicU64,
    runtimes: Mutex<FxHashMap<Box<str>, Arc<Runtime>>>,
    /// Hears of runtimes that need somebody beside the workers: names to resolve, ejections to end.
    watched: mpsc::UnboundedSender<Weak<Runtime>>,
    connections: AtomicU64,
    pub open: AtomicU64,
    state: watch::Sender<State>,
    /// 1 where the admin port said that it is not healthy.
    pub health: AtomicU8,
}

impl Shared {
    pub fn new(snapshot: Snapshot, hostname: &str, own: Own, writer: Writer, complain: Complain) -> (Shared, mpsc::UnboundedReceiver<Weak<Runtime>>) {
        let (watched, to_watch) = mpsc::unbounded_channel();
        let shared = Shared {
            listeners: Listeners::default(),
            overload: Overload::new(Limits::default()),
            pipes: 0,
            spliced: Arc::default(),
            watched,
            registry: Registry::default(),
            buckets: Buckets::default(),
            begun: Instant::now(),
            started: SystemTime::now(),
            hostname: hostname.into(),
            own,
            counted: series::Registry::default(),
            writer,
            rings: Rings::default(),
            feed: Feed::default(),
            complain,
            snapshot: RwLock::new(Arc::new(snapshot)),
            version: AtomicU64::new(0),
            runtimes: Mutex::default(),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            state: watch::Sender::new(State { phase: Phase::Serving, drained: Drained::Nobody }),
            health: AtomicU8::new(0),
        };
        (shared, to_watch)
    }
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().map(|s| s.clone()).unwrap_or_default()
    }
    pub fn phase(&self) -> Phase {
        self.state.borrow().phase
    }
    pub async fn reached(&self, phase: Phase) {
        // The sender is this very value.
        let _ = self.state.subscribe().wait_for(|s| s.phase >= phase).await;
    }
    /// Connections of clients that are open, in all workers.
    pub fn active_connections(&self) -> u64 {
        self.open.load(Ordering::Acquire)
    }
    /// Goes on to a later phase; there is no way back.
    pub fn advance(&self, to: Phase) {
        self.state.send_if_modified(|state| {
            let later = to > state.phase;
            state.phase = state.phase.max(to);
            later
        });
    }
    /// Asks clients to end their connections, and goes on otherwise; there is no way back. False where they were asked before.
    pub fn drain(&self, whose: Drained) -> bool {
        self.state.send_if_modified(|state| {
            let more = whose > state.drained;
            state.drained = state.drained.max(whose);
            more
        })
    }
    /// Other configuration for what begins from now on. What has begun ends with the one that it has.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot.clone();
        self.version.fetch_add(1, Ordering::Release);
        let mut runtimes = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        // One of another configuration stays until the next one takes over its hosts and counts.
        runtimes.retain(|name, _| snapshot.clusters.contains_key(name));
        for runtime in runtimes.values() {
            if let Some(assignment) = runtime.config.service().and_then(|service| snapshot.assignments.get(service)) {
                runtime.replace(assignment.clone());
            }
        }
        drop(runtimes);
        // Names are resolved before the first request asks for them.
        for name in snapshot.clusters.values().filter(|c| c.kind == cluster::Kind::Dns).map(|c| &c.name) {
            self.runtime(name);
        }
    }
    /// The runtime of a cluster, made when it is first asked for.
    pub fn runtime(&self, name: &str) -> Option<Arc<Runtime>> {
        let mut runtimes = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.snapshot();
        let config = snapshot.clusters.get(name)?;
        if let Some(found) = runtimes.get(name).filter(|r| Arc::ptr_eq(&r.config, config)) {
            return Some(found.clone());
        }
        let runtime = Arc::new(Runtime::new(config.clone(), self.begun, &snapshot, runtimes.get(name).map(|r| &**r)));
        if config.kind == cluster::Kind::Dns || config.outlier.is_some() {
            // Nobody watches when everything ends.
            let _ = self.watched.send(Arc::downgrade(&runtime));
        }
        runtimes.insert(name.into(), runtime.clone());
        Some(runtime)
    }
    /// The runtime for a request that began with `snapshot`: a cluster that went away since serves it still.
    fn runtime_of(&self, config: &Arc<ClusterConfig>, snapshot: &Snapshot) -> Arc<Runtime> {
        self.runtime(&config.name).unwrap_or_else(|| Arc::new(Runtime::new(config.clone(), self.begun, snapshot, None)))
    }
    /// A runtime of each cluster in use, by name; for one that nothing came to yet it is made for this look alone.
    pub fn every_runtime(&self) -> Vec<Arc<Runtime>> {
        let snapshot = self.snapshot();
        let there = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let one = |config: &Arc<ClusterConfig>| {
            let known = there.get(&config.name).filter(|r| Arc::ptr_eq(&r.config, config)).cloned();
            // Of one whose configuration changed a moment ago the hosts and their counts go on.
            known.unwrap_or_else(|| Arc::new(Runtime::new(config.clone(), self.begun, &snapshot, there.get(&config.name).map(|r| &**r))))
        };
        let mut list: Vec<_> = snapshot.clusters.values().map(one).collect();
        list.sort_by(|a, b| a.config.name.cmp(&b.config.name));
        list
    }
    /// The runtimes that there are.
    pub fn runtimes(&self) -> Vec<Arc<Runtime>> {
        let runtimes = self.runtimes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = runtimes.values().cloned().collect();
        list.sort_by(|a, b| a.config.name.cmp(&b.config.name));
        list
    }
}

/// The configuration as one worker has it: requests that began with one end with it.
pub struct Generation {
    pub snapshot: Arc<Snapshot>,
    version: u64,
    shared: Arc<Shared>,
    worker_clusters: Rc<RefCell<FxHashMap<Box<str>, Rc<Handle>>>>,
    stats: Rc<Blocks<ClusterStats>>,
    tls: Rc<Blocks<TlsStats>>,
}

impl Generation {
    /// This worker's part of a cluster.
    pub fn cluster(&self, name: &str) -> Option<Rc<Handle>> {
        let config = self.snapshot.clusters.get(name)?;
        if let Some(found) = self.worker_clusters.borrow().get(name).filter(|h| Arc::ptr_eq(&h.runtime.config, config)) {
            return Some(found.clone());
        }
        let stat_name = config.stat_name();
        let stats = self.stats.get(&self.shared.registry, "cluster", &stat_name);
        // Those of the cluster's configuration before this one go on.
        let tls = if config.transports.has_tls() { self.tls.get(&self.shared.registry, "cluster", &format!("{stat_name}.ssl")) } else { Arc::default() };
        let handle = Rc::new(Handle::new(self.shared.runtime_of(config, &self.snapshot), stats, tls));
        self.worker_clusters.borrow_mut().insert(name.into(), handle.clone());
        Some(handle)
    }
}

/// One worker's counters of one kind, by name.
struct Blocks<B>(RefCell<FxHashMap<Box<str>, Arc<B>>>);

impl<B: Block + Default + 'static> Blocks<B> {
    fn new() -> Blocks<B> {
        Blocks(RefCell::default())
    }
    fn get(&self, registry: &Registry, kind: &str, name: &str) -> Arc<B> {
        if let Some(found) = self.0.borrow().get(name) {
            return found.clone();
        }
        self.make(registry, name, &format!("{kind}.{name}"))
    }
    fn retain(&self, stays: impl Fn(&str) -> bool) {
        self.0.borrow_mut().retain(|name, _| stays(name));
    }
    fn make(&self, registry: &Registry, name: &str, prefix: &str) -> Arc<B> {
        let block = registry.block::<B>(prefix);
        self.0.borrow_mut().insert(name.into(), block.clone());
        block
    }
}

pub struct Worker {
    pub shared: Arc<Shared>,
    pub hostname: Box<str>,
    dice: RefCell<fastrand::Rng>,
    generation: RefCell<Rc<Generation>>,
    buffers: RefCell<Buffers>,
    http: Blocks<HttpStats>,
    listeners: Blocks<ListenerStats>,
    tls: Blocks<TlsStats>,
    tcp: Blocks<TcpStats>,
    tracing: Blocks<TracingStats>,
    limits: Blocks<LimitStats>,
    connection_limits: Blocks<ConnectionLimitStats>,
    connection_rates: Blocks<ConnectionRateStats>,
    rbac: Blocks<RbacStats>,
    proxy_protocol: Blocks<ProxyProtocolStats>,
    root: Blocks<RootStats>,
    pub handshakes: Underway,
    pub heard: Heard,
    pub counted: Counted,
    ring: Arc<Ring>,
    state: watch::Receiver<State>,
    /// The version of configuration whose clusters have counters.
    tidied: Cell<u64>,
    pub active: Cell<u64>,
    /// `date` of answers, for the second that it was made for.
    date: RefCell<(u64, HeaderValue)>,
    /// Bytes on their way from one socket to another, within one poll.
    pub scratch: RefCell<Vec<u8>>,
    pub pipes: Rc<Pool>,
    pub texts: Texts,
    /// For what waits: those that nobody needs at the moment.
    pub alarms: RefCell<Vec<Alarm>>,
    /// Who serves connections.
    pub servers: Servers<Accepted>,
}

impl Worker {
    pub fn new(shared: Arc<Shared>) -> Worker {
        let generation = Generation {
            snapshot: shared.snapshot(),
            version: shared.version.load(Ordering::Acquire),
            shared: shared.clone(),
            worker_clusters: Rc::default(),
            stats: Rc::new(Blocks::new()),
            tls: Rc::new(Blocks::new()),
        };
        Worker {
            hostname: shared.hostname.clone(),
            dice: RefCell::new(fastrand::Rng::new()),
            generation: RefCell::new(Rc::new(generation)),
            buffers: RefCell::default(),
            http: Blocks::new(),
            listeners: Blocks::new(),
            tls: Blocks::new(),
            tcp: Blocks::new(),
            tracing: Blocks::new(),
            limits: Blocks::new(),
            connection_limits: Blocks::new(),
            connection_rates: Blocks::new(),
            rbac: Blocks::new(),
            proxy_protocol: Blocks::new(),
            root: Blocks::new(),
            handshakes: Underway::new(underway::MOST),
            heard: Heard::default(),
            counted: Counted::default(),
            ring: shared.rings.attach(),
            state: shared.state.subscribe(),
            tidied: Cell::new(0),
            active: Cell::new(0),
            date: RefCell::new((0, HeaderValue::from_static(""))),
            scratch: RefCell::default(),
            pipes: Pool::new(shared.pipes, shared.spliced.clone()),
            texts: Texts::default(),
            alarms: RefCell::default(),
            servers: Servers::default(),
            shared,
        }
    }
    pub fn dice(&self) -> RefMut<'_, fastrand::Rng> {
        self.dice.borrow_mut()
    }
    /// `date` of an answer that is given now.
    pub fn date(&self) -> HeaderValue {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let mut date = self.date.borrow_mut();
        if date.0 != second
            && let Ok(text) = HeaderValue::from_str(&httpdate::fmt_http_date(now))
        {
            *date = (second, text);
        }
        date.1.clone()
    }
    /// The newest configuration.
    pub fn generation(&self) -> Rc<Generation> {
        let version = self.shared.version.load(Ordering::Acquire);
        let mut current = self.generation.borrow_mut();
        if current.version != version {
            *current = Rc::new(Generation {
                snapshot: self.shared.snapshot(),
                version,
                shared: self.shared.clone(),
                worker_clusters: current.worker_clusters.clone(),
                stats: current.stats.clone(),
                tls: current.tls.clone(),
            });
        }
        current.clone()
    }
    pub fn next_connection(&self) -> u64 {
        self.shared.connections.fetch_add(1, Ordering::Relaxed)
    }
    pub fn complain(&self, logger: Logger, what: &str) {
        (self.shared.complain)(logger, what);
    }
    pub fn http_stats(&self, prefix: &str) -> Arc<HttpStats> {
        self.http.get(&self.shared.registry, "http", prefix)
    }
    pub fn listener_stats(&self, prefix: &str) -> Arc<ListenerStats> {
        self.listeners.get(&self.shared.registry, "listener", prefix)
    }
    /// `listener.ADDRESS.ssl.`
    pub fn tls_stats(&self, prefix: &str) -> Arc<TlsStats> {
        self.tls.get(&self.shared.registry, "listener", &format!("{prefix}.ssl"))
    }
    pub fn tcp_stats(&self, prefix: &str) -> Arc<TcpStats> {
        self.tcp.get(&self.shared.registry, "tcp", prefix)
    }
    /// `PREFIX.http_local_rate_limit.`
    pub fn limit_stats(&self, prefix: &str) -> Arc<LimitStats> {
        if let Some(found) = self.limits.0.borrow().get(prefix) {
            return found.clone();
        }
        self.limits.make(&self.shared.registry, prefix, &format!("{prefix}.http_local_rate_limit"))
    }
    pub fn connection_limit_stats(&self, prefix: &str) -> Arc<ConnectionLimitStats> {
        self.connection_limits.get(&self.shared.registry, "connection_limit", prefix)
    }
    pub fn connection_rate_stats(&self, prefix: &str) -> Arc<ConnectionRateStats> {
        self.connection_rates.get(&self.shared.registry, "local_rate_limit", prefix)
    }
    /// `proxy_proto.PREFIX.`, or `proxy_proto.` where there is none.
    pub fn proxy_protocol_stats(&self, prefix: &str) -> Arc<ProxyProtocolStats> {
        if let Some(found) = self.proxy_protocol.0.borrow().get(prefix) {
            return found.clone();
        }
        let dot = if prefix.is_empty() || prefix.ends_with('.') { "" } else { "." };
        let whole = format!("proxy_proto.{prefix}{dot}");
        self.proxy_protocol.make(&self.shared.registry, prefix, whole.trim_end_matches('.'))
    }
    pub fn root_stats(&self) -> Arc<RootStats> {
        if let Some(found) = self.root.0.borrow().get("") {
            return found.clone();
        }
        self.root.make(&self.shared.registry, "", "")
    }
    /// Counts what policies decided. `prefix` is that of the statistics, with a dot at its end where it has one.
    pub fn judged(&self, prefix: &str, judged: &Judged<'_>) {
        let key = format!("{prefix}|{}|{}", judged.rules_prefix, judged.shadow_prefix);
        let found = self.rbac.0.borrow().get(&*key).cloned();
        let stats = found.unwrap_or_else(|| {
            let stats = self.shared.registry.add(&format!("{prefix}rbac"), RbacStats::of(judged));
            self.rbac.0.borrow_mut().insert(key.into(), stats.clone());
            stats
        });
        stats.count(judged);
    }
    /// `http.PREFIX.tracing.`
    pub fn tracing_stats(&self, prefix: &str) -> Arc<TracingStats> {
        self.tracing.get(&self.shared.registry, "http", prefix)
    }
    async fn reached(&self, phase: Phase) {
        let mut receiver = self.state.clone();
        // The sender lives as long as the worker.
        let _ = receiver.wait_for(|s| s.phase >= phase).await;
    }
    /// Completes when clients of listeners of this direction are asked to go.
    pub async fn drained(&self, direction: Direction) {
        let mut receiver = self.state.clone();
        let _ = receiver.wait_for(|s| s.drained.covers(direction)).await;
    }
    /// Completes when connections should come to their end.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }
    /// Completes when everything ends.
    pub async fn ended(&self) {
        self.reached(Phase::Stopping).await;
    }
    /// Completes when no connection is taken any more.
    pub async fn stopped(&self) {
        self.reached(Phase::Draining).await;
    }
    /// Hands the log's lines on, and closes connections that nobody uses.
    pub fn tick(&self) {
        self.buffers.borrow_mut().flush(&self.shared.writer);
        self.counted.forget();
        let generation = self.generation();
        let mut clusters = generation.worker_clusters.borrow_mut();
        clusters.retain(|name, handle| generation.snapshot.clusters.get(name).is_some_and(|c| Arc::ptr_eq(c, &handle.runtime.config)));
        clusters.values().for_each(|h| h.prune());
        if self.tidied.get() != generation.version {
            let names = generation.snapshot.stat_names();
            generation.stats.retain(|name| names.contains(name));
            generation.tls.retain(|name| name.strip_suffix(".ssl").is_some_and(|name| names.contains(name)));
            // Counters of clusters that went away go with them, once other workers and requests that are under way let go of them.
            let held = self.shared.registry.forget(|prefix| {
                let name = prefix.strip_prefix("cluster.");
                name.is_some_and(|n| !names.contains(n) && !n.strip_suffix(".ssl").is_some_and(|n| names.contains(n)))
            });
            if held == 0 {
                self.tidied.set(generation.version);
            }
        }
    }

    pub fn begun(&self, exchange: &Exchange) {
        let (connection, stats) = (&exchange.connection, &exchange.connection.stats);
        connection.active.set(connection.active.get() + 1);
        connection.wire.begin();
        self.active.set(self.active.get() + 1);
        stats.downstream_rq_total.inc();
        stats.downstream_rq_active.inc();
        if exchange.protocol == "HTTP/2" { &stats.downstream_rq_http2_total } else { &stats.downstream_rq_http1_total }.inc();
    }
    /// An exchange is over: it is counted and logged.
    pub fn finish(&self, exchange: &Exchange) {
        let (connection, stats) = (&exchange.connection, &exchange.connection.stats);
        connection.active.set(connection.active.get().saturating_sub(1));
        connection.quiet_since.set(exchange.ended.unwrap_or_else(Instant::now));
        if connection.active.get() == 0 {
            connection.wire.rest();
        }
        connection.wire.decide(Upgrade::Refused);
        self.active.set(self.active.get().saturating_sub(1));
        stats.downstream_rq_active.dec();
        stats.downstream_rq_completed.inc();
        class(
            exchange.status,
            [&stats.downstream_rq_1xx, &stats.downstream_rq_2xx, &stats.downstream_rq_3xx, &stats.downstream_rq_4xx, &stats.downstream_rq_5xx],
        );
        if exchange.flags.contains(&"DC") {
            stats.downstream_rq_rx_reset.inc();
        }
        if let Some(upstream) = exchange.upstream.as_ref().filter(|_| exchange.attempts > 0) {
            let s = &upstream.stats;
            s.upstream_rq_completed.inc();
            class(exchange.status, [&s.upstream_rq_1xx, &s.upstream_rq_2xx, &s.upstream_rq_3xx, &s.upstream_rq_4xx, &s.upstream_rq_5xx]);
        }
        self.counted.request(exchange);
        span::finish(exchange);
        self.ring.note(exchange);
        self.shared.feed.note(exchange);
        self.log(&exchange.connection.manager.logs, exchange);
    }
    /// Writes the lines of a request or of a connection.
    pub fn log(&self, logs: &[Log], subject: &impl Subject) {
        if logs.is_empty() {
            return;
        }
        let mut buffers = self.buffers.borrow_mut();
        logs.iter().for_each(|log| buffers.add(log, subject, &self.shared.writer));
    }
    /// A connection whose bytes were no HTTP, or too many (431): it was answered before there was a request.
    pub fn malformed(&self, connection: &Rc<Connection>, status: u16, protocol: &'static str) {
        let mut exchange = Exchange::new(connection.clone(), protocol, Rc::default());
        exchange.status = status;
        let details = if status == 431 && connection.wire.wrong().is_none() { "http1.too_many_headers" } else { connection.wire.details() };
        exchange.details = details.into();
        exchange.flags.push("DPE");
        self.begun(&exchange);
        exchange.is_complete = true;
    }
    /// A head of HTTP/2 that nobody is asked about.
    pub fn refused_head(&self, connection: &Rc<Connection>, refusal: Refusal) {
        let mut exchange = Exchange::new(connection.clone(), "HTTP/2", Rc::default());
        exchange.status = refusal.status();
        exchange.details = refusal.details().into();
        exchange.flags.push(refusal.flag());
        self.begun(&exchange);
        exchange.is_complete = true;
    }
    /// A client that left within a head.
    pub fn cut_head(&self, connection: &Rc<Connection>, protocol: &'static str) {
        let exchange = Exchange::new(connection.clone(), protocol, Rc::default());
        self.begun(&exchange);
    }
    /// A connection whose head never ended: it was answered 408 before there was a request.
    pub fn late_head(&self, connection: &Rc<Connection>, late: Late, protocol: &'static str) {
        late.count(&connection.stats);
        let mut exchange = Exchange::new(connection.clone(), protocol, Rc::default());
        exchange.status = 408;
        // Into a head of HTTP/2 nothing can be said.
        exchange.sent = if protocol == "HTTP/2" { 0 } else { late.text().len() as u64 };
        exchange.details = late.details().into();
        exchange.raise(late.flag());
        self.begun(&exchange);
        exchange.is_complete = true;
    }
    /// Whether there is too little left for a connection to stay.
    fn is_overloaded(&self, exchange: &Exchange) -> bool {
        let ends = exchange.connection.client.heeds_overload && self.shared.overload.happens(Kind::EndConnections, || self.dice().u32(..1000));
        if ends {
            exchange.connection.stats.downstream_cx_overload_disable_keepalive.inc();
        }
        ends
    }
    /// Tells clients to come again on another connection.
    pub fn close_if_draining(&self, exchange: &Exchange, headers: &mut HeaderMap) {
        let manager = &exchange.connection.manager;
        let limit = manager.limits.requests_per_connection;
        let full = limit > 0 && exchange.connection.requests.get() >= limit;
        let state = *self.state.borrow();
        let drains = state.phase >= Phase::Draining || state.drained.covers(manager.telemetry.direction);
        let ends = full || exchange.connection.is_old() || drains || exchange.connection.chain.life.is_retired() || self.is_overloaded(exchange);
        if !ends {
            return;
        }
        if exchange.protocol == "HTTP/2" {
            exchange.connection.retires.set(true);
        } else {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.buffers.borrow_mut().flush(&self.shared.writer);
    }
}

fn class(status: u16, counters: [&Counter; 5]) {
    if let Some(counter) = usize::from(status / 100).checked_sub(1).and_then(|i| counters.get(i)) {
        counter.inc();
    }
}
