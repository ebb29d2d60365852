//! A request and its answer, as logs, statistics and header values see them. When it is dropped it is over, and is logged.

use super::bucket::{Buckets, Tokens};
use super::cors::Allowed;
use super::interim::Interim;
use super::messages::Messages;
use super::spelling::Names;
use super::timeouts::Limits;
use super::upload::Source;
use super::wire::Wire;
use crate::config::listener::Chain;
use crate::config::manager::Manager;
use crate::config::route::{Host as HostExtras, Route as RouteExtras, Table};
use crate::downstream::Downstream;
use crate::downstream::record::Record;
use crate::format::Subject;
use crate::http2::answer::Respond;
use crate::http2::heads::BROKEN;
use crate::message::HeaderMap;
use crate::stats::HttpStats;
use crate::telemetry::peer::Peer;
use crate::trace::span::Active;
use crate::upstream::cluster::Handle;
use crate::worker::Worker;
use http::{HeaderName, HeaderValue, Method};
use mesh_envoy::engine::action::Action;
use mesh_envoy::engine::request::Metadata;
use mesh_envoy::engine::route::{Route, VirtualHost};
use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// A client's connection that HTTP is spoken on.
pub struct Connection {
    pub client: Rc<Downstream>,
    pub manager: Arc<Manager>,
    pub stats: Arc<HttpStats>,
    pub chain: Arc<Chain>,
    /// What the client's certificate adds to `x-forwarded-client-cert`, where it is to add anything.
    pub certificate: Option<HeaderValue>,
    /// The client in `x-forwarded-for`, once a request needs it.
    pub forwarded_for: OnceCell<HeaderValue>,
    /// Requests so far.
    pub requests: Cell<u64>,
    /// Requests that are not over.
    pub active: Cell<u32>,
    pub begun: Instant,
    /// Whether it was counted as one that lasts longer than it may.
    pub was_old: Cell<bool>,
    /// When the last one was over.
    pub quiet_since: Cell<Instant>,
    pub wire: Arc<Wire>,
    /// Whether a client of HTTP/2 is to be asked to go.
    pub retires: Cell<bool>,
    /// Whether a client of HTTP/2 has broken rules that a connection ends for.
    pub is_broken: Cell<bool>,
    /// Where it became another protocol: completes when that is over.
    pub tunnel: Cell<Option<oneshot::Receiver<()>>>,
    /// Of rate limits that each connection has for itself.
    pub buckets: OnceCell<Box<Buckets>>,
}

impl Connection {
    pub fn worker(&self) -> &Rc<Worker> {
        &self.client.worker
    }
    /// Whether it lasts longer than it may (`max_connection_duration`).
    pub fn is_old(&self) -> bool {
        self.manager.timeouts.connection.is_some_and(|max| self.begun.elapsed() >= max)
    }
    /// What requests are made over, as far as the connection tells it.
    pub fn scheme(&self) -> &'static str {
        self.manager.scheme.unwrap_or(if self.client.is_tls() { "https" } else { "http" })
    }
}

/// The route of a request, by its place in its table.
#[derive(Clone, Debug)]
pub struct RouteRef {
    pub table: Arc<Table>,
    pub host: usize,
    pub route: usize,
    /// The weighted cluster that was chosen.
    pub weighted: Option<usize>,
}

impl RouteRef {
    pub fn virtual_host(&self) -> &VirtualHost {
        &self.table.engine.hosts[self.host]
    }
    pub fn route(&self) -> &Route {
        &self.virtual_host().routes[self.route]
    }
    /// Whether it sends requests to an upstream.
    pub fn forwards(&self) -> bool {
        matches!(self.route().action, Action::Forward(_))
    }
    pub fn host_extras(&self) -> &HostExtras {
        &self.table.hosts[self.host]
    }
    pub fn extras(&self) -> &RouteExtras {
        &self.host_extras().routes[self.route]
    }
}

/// Headers of an answer, as far as something may ask for them.
#[derive(Debug)]
pub enum Answered {
    All(HeaderMap),
    /// The first value of each name that is asked for.
    Few(Vec<(HeaderName, HeaderValue)>),
}

impl Default for Answered {
    fn default() -> Answered {
        Answered::Few(Vec::new())
    }
}

impl Answered {
    /// `names`: those that are asked for; `None` where they may be all.
    pub fn of(headers: &HeaderMap, names: Option<&[HeaderName]>) -> Answered {
        match names {
            None => Answered::All(headers.clone()),
            Some(names) => Answered::Few(names.iter().filter_map(|n| Some((n.clone(), headers.get(n)?.clone()))).collect()),
        }
    }
    pub fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        match self {
            Answered::All(headers) => headers.get(name),
            Answered::Few(list) => list.iter().find(|(n, _)| n == name).map(|(_, value)| value),
        }
    }
    /// `None` where only some of them are kept.
    pub fn all(&self) -> Option<&HeaderMap> {
        if let Answered::All(headers) = self { Some(headers) } else { None }
    }
}

/// A request and its answer. What connections have as well stands in its record.
pub struct Exchange {
    record: Record,
    pub connection: Rc<Connection>,
    pub method: Method,
    pub scheme: &'static str,
    pub authority: String,
    pub path: String,
    /// Without `host`, which is the authority.
    pub headers: HeaderMap,
    /// How the client wrote their names, where that is kept.
    pub names: Option<Names>,
    /// The client's address as forwarding headers tell it; port 0 where they do.
    pub remote: SocketAddr,
    pub body: Rc<Source>,
    /// The stream of a client of HTTP/2.
    pub respond: Option<Rc<Respond>>,
    /// 0 until there is an answer.
    pub status: u16,
    pub route: Option<RouteRef>,
    pub upstream: Option<Rc<Handle>>,
    pub upstream_protocol: &'static str,
    /// Bytes of the two heads, as HTTP/1 writes them; 0 where nobody counts them.
    pub head_bytes: u64,
    pub answer_head_bytes: u64,
    /// Of the answer, where it is gRPC's and counted.
    pub messages: Messages,
    pub answer: Answered,
    /// Of the answer, where a log asks for them.
    pub trailers: Option<Box<http::HeaderMap>>,
    /// Milliseconds until the answer began.
    pub answer_begun: Option<u64>,
    /// Whether the answer is the proxy's own.
    pub is_own_answer: bool,
    pub grpc_status: Option<u64>,
    pub cors: Option<Box<Allowed>>,
    /// Buckets whose state the answer tells.
    pub told: Vec<Arc<Tokens>>,
    /// The client of an inbound request, the upstream of an outbound one, as they say themselves.
    pub peer: Option<Arc<Peer>>,
    /// Whether the client said who it is, and so is told who answers.
    pub client_asked: bool,
    /// What filters left for later ones, and for logs and spans.
    pub metadata: Metadata,
    pub trace: Option<Box<Active>>,
    pub limits: Limits,
    /// Whether the answer was given to its end, or why it was not is told already.
    pub is_complete: bool,
}

impl Deref for Exchange {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl DerefMut for Exchange {
    fn deref_mut(&mut self) -> &mut Record {
        &mut self.record
    }
}

impl Exchange {
    /// One that begins now, of which nothing is known but how it is spoken.
    pub fn new(connection: Rc<Connection>, protocol: &'static str, body: Rc<Source>) -> Exchange {
        let record = Record { protocol, ..Record::now(connection.client.clone()) };
        let limits = Limits::new(&connection.manager.timeouts, record.begun);
        Exchange {
            limits,
            record,
            method: Method::default(),
            scheme: connection.scheme(),
            authority: String::new(),
            path: String::new(),
            headers: HeaderMap::new(),
            names: None,
            remote: connection.client.peer,
            body,
            respond: None,
            status: 0,
            route: None,
            upstream: None,
            upstream_protocol: "",
            head_bytes: 0,
            answer_head_bytes: 0,
            messages: Messages::default(),
            answer: Answered::default(),
            trailers: None,
            answer_begun: None,
            is_own_answer: false,
            grpc_status: None,
            cors: None,
            told: Vec::new(),
            peer: None,
            client_asked: false,
            metadata: Metadata::default(),
            trace: None,
            is_complete: false,
            connection,
        }
    }
    /// Whether there was a request at all, and not only the beginning of one.
    pub fn has_head(&self) -> bool {
        !self.path.is_empty() || !self.authority.is_empty()
    }
    /// Who hears of answers before the answer; `None` where none may be sent.
    pub fn interim(&self) -> Option<Interim> {
        match &self.respond {
            Some(respond) => Some(Interim::Http2(respond.clone())),
            None => (self.protocol == "HTTP/1.1").then(|| Interim::Http1(self.connection.wire.clone(), self.connection.manager.format)),
        }
    }
    pub fn milliseconds(&self) -> u64 {
        u64::try_from(self.lasted().as_millis()).unwrap_or(u64::MAX)
    }
    /// Milliseconds until the request was read to its end.
    pub fn request_complete(&self) -> Option<u64> {
        let at = self.body.completed_at()?;
        u64::try_from(at.saturating_duration_since(self.begun).as_millis()).ok()
    }
    /// Milliseconds until an upstream's answer began.
    pub fn upstream_answered(&self) -> Option<u64> {
        self.answer_begun.filter(|_| !self.is_own_answer)
    }
    /// `None` for a route without a name.
    pub fn route_name(&self) -> Option<&str> {
        self.route.as_ref().map(|r| &*r.route().name).filter(|n| !n.is_empty())
    }
    pub fn is_grpc(&self) -> bool {
        let value = self.headers.get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        value.is_some_and(|t| t == b"application/grpc" || t.starts_with(b"application/grpc+"))
    }
}

impl Subject for Exchange {
    fn record(&self) -> &Record {
        &self.record
    }
    fn exchange(&self) -> Option<&Exchange> {
        Some(self)
    }
    fn received(&self) -> u64 {
        self.body.received()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_complete {
            let is_wrong = self.body.has_failed() && self.connection.wire.wrong().is_some();
            let (flag, details) = match &self.respond {
                _ if is_wrong => ("DPE", "downstream_remote_disconnect"),
                Some(_) if self.connection.is_broken.get() => ("DPE", BROKEN),
                // Envoy's details are the same for both.
                Some(stream) if stream.is_blamed() || self.body.is_wrong() => ("DPE", "http2.remote_reset"),
                Some(stream) if stream.is_reset() => ("DR", "http2.remote_reset"),
                _ => ("DC", "downstream_remote_disconnect"),
            };
            self.raise(flag);
            self.details = details.into();
            // As Envoy has it: what was said before the answer is all there was.
            if let (0, Some(stream)) = (self.status, &self.respond) {
                self.status = stream.early();
            }
        }
        self.ended = Some(self.ended.unwrap_or_else(Instant::now));
        let worker = self.connection.worker().clone();
        worker.finish(self);
        self.body.abandon();
    }
}
