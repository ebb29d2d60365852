//! One worker's connections to one host.

use super::breaker::{self, Counts, Slot, What};
use super::connection::{self, Connector, Http1, Http2, Line};
use super::host::Host;
use super::{Failure, Reason};
use crate::config::cluster::Thresholds;
use crate::config::header_format::Format;
use crate::http::head::upgrade;
use crate::http::incoming::Incoming;
use crate::http::interim::Interim;
use crate::http::outgoing::{Outgoing, Plain};
use crate::http::spelling::Spelling;
use crate::http::upload::Upload;
use crate::http1::client::{self, Lost};
use crate::message::{Request, Response};
use crate::stats::{ClusterStats, TlsStats};
use crate::tls::context::Speaks;
use crate::tls::session::Session;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify};

/// How connections of a cluster are kept.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub idle_timeout: Option<Duration>,
    /// A connection that is older takes no more requests.
    pub max_age: Option<Duration>,
    /// 0 for no limit.
    pub max_requests: u64,
    pub max_streams: u32,
    pub thresholds: Thresholds,
    /// Of names of headers.
    pub format: Format,
}

pub struct Pool {
    pub host: Arc<Host>,
    stats: Arc<ClusterStats>,
    tls: Arc<TlsStats>,
    counts: Arc<Counts>,
    rules: Rules,
    connector: Connector,
    #[allow(clippy::vec_box, reason = "they are lent out for every request, and moved several times then")]
    idle: RefCell<Vec<Box<Http1>>>,
    multiplexed: RefCell<Vec<Rc<Shared>>>,
    /// Held while a connection for many streams is made: the others wait for it.
    connecting: Mutex<()>,
    /// How often that came to nothing, and why the last time.
    failed: RefCell<(u64, Option<Failure>)>,
    /// Told when a connection comes back or goes away.
    freed: Notify,
    open: Cell<usize>,
}

struct Shared {
    http2: Http2,
    streams: Cell<u64>,
    started: Cell<u64>,
    /// When the last stream was over.
    idle_since: Cell<Instant>,
}

/// What a request goes out on.
#[derive(Clone, Debug, Default)]
pub struct Via {
    pub local: Option<SocketAddr>,
    pub tls: Option<Rc<Session>>,
    /// "" before it is known.
    pub protocol: &'static str,
}

/// An answer's hold on its connection. The connection goes back when the answer was read to its end, and is closed otherwise.
pub struct Lease {
    pool: Rc<Pool>,
    http1: Option<Box<Http1>>,
    shared: Option<Rc<Shared>>,
    request: Option<Slot>,
    active: Option<Active>,
}

impl Pool {
    pub fn new(host: Arc<Host>, (stats, tls): (Arc<ClusterStats>, Arc<TlsStats>), counts: Arc<Counts>, rules: Rules, connector: Connector) -> Pool {
        Pool {
            host,
            stats,
            tls,
            counts,
            rules,
            connector,
            idle: RefCell::default(),
            multiplexed: RefCell::default(),
            connecting: Mutex::new(()),
            failed: RefCell::default(),
            freed: Notify::new(),
            open: Cell::new(0),
        }
    }

    /// The connection that was used last, if it still is one.
    fn take_idle(&self, now: Instant) -> Option<Box<Http1>> {
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            let expired = self.rules.idle_timeout.is_some_and(|t| now.saturating_duration_since(connection.idle_since) > t);
            if expired {
                self.stats.upstream_cx_idle_timeout.inc();
            } else if self.is_old(connection.made) {
                self.stats.upstream_cx_max_duration_reached.inc();
            } else if connection.socket.is_quiet() {
                connection.served += 1;
                return Some(connection);
            }
            self.gone();
        }
    }
    /// Whether a connection is too old to take another request.
    fn is_old(&self, made: Instant) -> bool {
        self.rules.max_age.is_some_and(|max| made.elapsed() >= max)
    }
    /// Takes away connections of many streams that no more may begin on: those that are over, and those that are old. What is on its
    /// way on them ends well.
    fn retire(&self) {
        self.multiplexed.borrow_mut().retain(|s| {
            let is_old = self.is_old(s.http2.made);
            if is_old {
                self.stats.upstream_cx_max_duration_reached.inc();
            }
            !is_old && s.http2.sender.borrow_mut().is_open()
        });
    }
    /// One that makes room was closed.
    fn gone(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        self.freed.notify_one();
    }
    pub fn is_empty(&self) -> bool {
        self.open.get() == 0 && self.multiplexed.borrow().is_empty()
    }
    /// Closes what nobody uses any more.
    pub fn prune(&self) {
        let before = self.idle.borrow().len();
        let quiet = |c: &Http1| {
            let is_old = self.is_old(c.made);
            if is_old {
                self.stats.upstream_cx_max_duration_reached.inc();
            }
            !is_old && c.socket.is_quiet() && self.rules.idle_timeout.is_none_or(|t| c.idle_since.elapsed() <= t)
        };
        self.idle.borrow_mut().retain(|c| quiet(c));
        let after = self.idle.borrow().len();
        (after..before).for_each(|_| self.gone());
        self.retire();
        let Some(timeout) = self.rules.idle_timeout else { return };
        self.multiplexed.borrow_mut().retain(|s| {
            let stays = s.streams.get() > 0 || s.idle_since.get().elapsed() <= timeout;
            if !stays {
                self.stats.upstream_cx_idle_timeout.inc();
            }
            stays
        });
    }

    async fn http1(&self, now: Instant) -> Result<Box<Http1>, Failure> {
        match self.take_idle(now) {
            Some(connection) => Ok(connection),
            // What is rare does not make every request's future large.
            None => Box::pin(self.another_http1()).await,
        }
    }
    /// Room for a connection, or the wait for one that comes back. A worker without any may pass the limit by one.
    async fn another_http1(&self) -> Result<Box<Http1>, Failure> {
        let Some(_pending) = breaker::take(&self.counts, What::Pending, &self.rules.thresholds) else {
            self.stats.upstream_rq_pending_overflow.inc();
            return Err(Failure::unsent(Reason::Overflow));
        };
        self.stats.upstream_rq_pending_total.inc();
        let _active = Gauge::of(&self.stats);
        loop {
            let room = breaker::take(&self.counts, What::Connections, &self.rules.thresholds);
            let room = room.or_else(|| (self.open.get() == 0).then(|| breaker::force(&self.counts, What::Connections)));
            if let Some(slot) = room {
                let opening = Opening::new(self);
                let opened = self.connector.open(&self.host, &self.stats, &self.tls, slot, Speaks::Http1).await?;
                let made = connection::http1(opened, self.rules.format, &self.stats);
                opening.done();
                return Ok(Box::new(Http1 { served: 1, ..made }));
            }
            self.stats.upstream_cx_overflow.inc();
            self.freed.notified().await;
            if let Some(connection) = self.take_idle(Instant::now()) {
                return Ok(connection);
            }
        }
    }

    fn shared(&self) -> Option<Rc<Shared>> {
        self.retire();
        let list = self.multiplexed.borrow();
        let max = self.rules.max_requests;
        let room = |s: &Shared| s.http2.sender.borrow().max_streams().min(self.rules.max_streams as usize) as u64;
        let free = |s: &&Rc<Shared>| s.streams.get() < room(s) && (max == 0 || s.started.get() < max);
        list.iter().find(free).cloned()
    }
    async fn http2(&self) -> Result<Rc<Shared>, Failure> {
        if let Some(found) = self.shared() {
            return Ok(found);
        }
        let Some(_pending) = breaker::take(&self.counts, What::Pending, &self.rules.thresholds) else {
            self.stats.upstream_rq_pending_overflow.inc();
            return Err(Failure::unsent(Reason::Overflow));
        };
        self.stats.upstream_rq_pending_total.inc();
        let _active = Gauge::of(&self.stats);
        let failures = self.failed.borrow().0;
        let _one = self.connecting.lock().await;
        if let Some(found) = self.shared() {
            return Ok(found);
        }
        // All that waited for a connection fail with it: one after the other they would wait for as many times as they are.
        if let (n, Some(failure)) = &*self.failed.borrow()
            && *n != failures
        {
            return Err(failure.clone());
        }
        let slot = breaker::take(&self.counts, What::Connections, &self.rules.thresholds);
        let slot = slot.or_else(|| self.multiplexed.borrow().is_empty().then(|| breaker::force(&self.counts, What::Connections)));
        let Some(slot) = slot else {
            self.stats.upstream_cx_overflow.inc();
            return Err(Failure::unsent(Reason::Overflow));
        };
        let made = self.connect_http2(slot).await;
        if let Err(failure) = &made {
            let mut failed = self.failed.borrow_mut();
            *failed = (failed.0 + 1, Some(failure.clone()));
        }
        let http2 = made?;
        let shared = Rc::new(Shared { http2, streams: Cell::new(0), started: Cell::new(0), idle_since: Cell::new(Instant::now()) });
        self.multiplexed.borrow_mut().push(shared.clone());
        Ok(shared)
    }
    async fn connect_http2(&self, slot: Slot) -> Result<Http2, Failure> {
        let opened = self.connector.open(&self.host, &self.stats, &self.tls, slot, Speaks::Http2).await?;
        connection::http2(opened, self.rules.max_streams, &self.stats).await
    }

    fn request_slot(&self) -> Result<Slot, Failure> {
        let slot = breaker::take(&self.counts, What::Requests, &self.rules.thresholds);
        slot.ok_or_else(|| {
            self.stats.upstream_rq_pending_overflow.inc();
            Failure::unsent(Reason::Overflow)
        })
    }

    /// Sends a request over HTTP/1.1 that was asked for at `now`, and waits for the head of its answer. `ready` hears of the connection
    /// once there is one.
    pub async fn send_http1(
        self: &Rc<Pool>,
        request: Outgoing,
        now: Instant,
        interim: Option<&Interim>,
        ready: impl Fn(Via),
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let mut request = request;
        loop {
            let connection = self.http1(now).await?;
            let reused = connection.served > 1;
            let slot = self.request_slot();
            ready(Via { local: connection.local, tls: connection.tls.clone(), protocol: "HTTP/1.1" });
            let mut lease = Lease { pool: self.clone(), http1: Some(connection), shared: None, request: None, active: None };
            lease.request = Some(slot.inspect_err(|_| lease.give_back(now))?);
            lease.active = Some(self.begin());
            let Some(connection) = lease.http1.as_mut() else { return Err(Failure::unsent(Reason::LocalReset)) };
            match over(&mut connection.line, request, interim, self.rules.format).await {
                Ok(response) => return Ok((response, lease)),
                // It never left: the connection closed a moment ago. Another one takes it, but not for ever.
                Err(Lost { request: Some(again), .. }) if reused => request = again,
                Err(lost) => return Err(lost.failure),
            }
        }
    }

    /// The same over HTTP/2.
    pub async fn send_http2(
        self: &Rc<Pool>,
        request: Request<Upload>,
        interim: Option<&Interim>,
        ready: impl Fn(Via),
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let shared = self.http2().await?;
        let slot = self.request_slot()?;
        ready(Via { local: shared.http2.local, tls: shared.http2.tls.clone(), protocol: "HTTP/2" });
        shared.streams.set(shared.streams.get() + 1);
        shared.started.set(shared.started.get() + 1);
        let lease = Lease { pool: self.clone(), http1: None, shared: Some(shared.clone()), request: Some(slot), active: Some(self.begin()) };
        let sent = shared.http2.sender.borrow().send(request, interim);
        Ok((sent.await?, lease))
    }

    fn begin(&self) -> Active {
        self.host.stats.requests.fetch_add(1, Ordering::Relaxed);
        self.host.active_requests.fetch_add(1, Ordering::Relaxed);
        self.stats.upstream_rq_total.inc();
        self.stats.upstream_rq_active.inc();
        Active { host: self.host.clone(), stats: self.stats.clone() }
    }
}

/// Sends a request over a connection of HTTP/1, and waits for the head of its answer. `interim` hears of answers before it.
async fn over(line: &mut Line, request: Outgoing, interim: Option<&Interim>, format: Format) -> Result<Response<Incoming>, Lost> {
    match (line, request) {
        (Line::Codec(connection), Outgoing::Plain(plain)) => client::send(connection, plain, interim).await,
        (Line::Codec(connection), Outgoing::Message(request)) if upgrade(&request.headers).is_none() => {
            client::send(connection, Plain::of(*request), interim).await
        }
        (line, Outgoing::Message(request)) => Box::pin(over_hyper(line, *request, interim, format)).await,
        // Nobody gives a connection that hyper has to somebody else.
        (_, Outgoing::Plain(_)) => Err(Lost { failure: Failure::unsent(Reason::LocalReset), request: None }),
    }
}

/// The same for what hyper sends.
async fn over_hyper(line: &mut Line, request: Request<Upload>, interim: Option<&Interim>, format: Format) -> Result<Response<Incoming>, Lost> {
    let (sender, one) = match line.hyper().await {
        Ok(sender) => sender,
        Err(failure) => return Err(Lost { failure, request: None }),
    };
    let mut request = http::Request::from(request);
    // Streams of HTTP/2 don't become another protocol.
    if let Some(Interim::Http1(wire, of_client)) = interim.cloned() {
        hyper::ext::on_informational(&mut request, move |answer| {
            wire.forward(answer.status(), &answer.headers().clone().into(), Spelling::of(None, of_client))
        });
    }
    one.ask(request.extensions().get().cloned(), format);
    match sender.try_send_request(request).await {
        Ok(mut response) => {
            if let Some(names) = one.answer() {
                response.extensions_mut().insert(names);
            }
            Ok(Response::from(response).map(Incoming::Hyper))
        }
        Err(mut e) => {
            let (request, reason) = (e.take_message(), reason_of(e.error()));
            let failure = if request.is_some() { Failure::unsent(reason) } else { Failure::sent(reason) };
            Err(Lost { failure, request: request.map(|r| Outgoing::Message(Box::new(r.into()))) })
        }
    }
}

fn reason_of(e: &hyper::Error) -> Reason {
    connection::reason_of(e)
}

/// A request from its start to the end of its answer, in the count that load balancing looks at.
struct Active {
    host: Arc<Host>,
    stats: Arc<ClusterStats>,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.host.active_requests.fetch_sub(1, Ordering::Relaxed);
        self.stats.upstream_rq_active.dec();
    }
}

/// `upstream_rq_pending_active`
struct Gauge<'s>(&'s ClusterStats);

impl<'s> Gauge<'s> {
    fn of(stats: &'s ClusterStats) -> Gauge<'s> {
        stats.upstream_rq_pending_active.inc();
        Gauge(stats)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.upstream_rq_pending_active.dec();
    }
}

/// A connection that is being made counts as open, and makes room again if it fails.
struct Opening<'p> {
    pool: &'p Pool,
    made: bool,
}

impl<'p> Opening<'p> {
    fn new(pool: &'p Pool) -> Opening<'p> {
        pool.open.set(pool.open.get() + 1);
        Opening { pool, made: false }
    }
    fn done(mut self) {
        self.made = true;
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if !self.made {
            self.pool.gone();
        }
    }
}

impl Lease {
    pub fn is_http2(&self) -> bool {
        self.shared.is_some()
    }
    /// The answer was read to its end: the connection may take another request.
    pub fn release(self) {
        self.release_at(Instant::now());
    }
    /// The same for who knows what time it is.
    pub fn release_at(mut self, now: Instant) {
        self.give_back(now);
    }
    fn give_back(&mut self, now: Instant) {
        self.request.take();
        self.active.take();
        let Some(mut connection) = self.http1.take() else { return };
        let max = self.pool.rules.max_requests;
        if self.pool.is_old(connection.made) {
            self.pool.stats.upstream_cx_max_duration_reached.inc();
            self.pool.gone();
            return;
        }
        if !connection.line.is_at_rest() || (max > 0 && connection.served >= max) {
            if max > 0 && connection.served >= max {
                self.pool.stats.upstream_cx_max_requests.inc();
            }
            self.pool.gone();
            return;
        }
        connection.idle_since = now;
        self.pool.put_back(connection);
    }
}

impl Pool {
    fn put_back(&self, connection: Box<Http1>) {
        self.idle.borrow_mut().push(connection);
        self.freed.notify_one();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.streams.set(shared.streams.get() - 1);
            shared.idle_since.set(Instant::now());
        }
        // An answer that was not read to its end: what is left of it must not reach the next request.
        if self.http1.take().is_some() {
            self.pool.gone();
        }
    }
}
