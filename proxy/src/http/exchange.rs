//! A request and its answer, as logs, statistics and header values see them. When it is dropped it is over, and is logged.

use super::cors::Allowed;
use super::serve::Wire;
use super::upload::Source;
use crate::config::listener::Chain;
use crate::config::manager::Manager;
use crate::config::route::{Host as HostExtras, Route as RouteExtras, Table};
use crate::downstream::Downstream;
use crate::format::Subject;
use crate::stats::HttpStats;
use crate::telemetry::peer::Peer;
use crate::tls::session::Session;
use crate::upstream::cluster::Handle;
use crate::upstream::host::Host;
use crate::worker::Worker;
use http::{HeaderMap, HeaderValue, Method};
use mesh_envoy::engine::action::Action;
use mesh_envoy::engine::route::{Route, VirtualHost};
use std::borrow::Cow;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// A client's connection that HTTP is spoken on.
pub struct Connection {
    pub client: Rc<Downstream>,
    pub manager: Arc<Manager>,
    pub stats: Arc<HttpStats>,
    pub chain: Arc<Chain>,
    /// What the client's certificate adds to `x-forwarded-client-cert`, where it is to add anything.
    pub certificate: Option<HeaderValue>,
    /// Requests so far.
    pub requests: Cell<u64>,
    /// Requests that are not over.
    pub active: Cell<u32>,
    /// When the last one was over.
    pub quiet_since: Cell<Instant>,
    pub wire: Arc<Wire>,
}

impl Connection {
    pub fn worker(&self) -> &Rc<Worker> {
        &self.client.worker
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

pub struct Exchange {
    pub connection: Rc<Connection>,
    pub started: SystemTime,
    pub begun: Instant,
    pub method: Method,
    pub scheme: &'static str,
    pub authority: String,
    pub path: String,
    /// Without `host`, which is the authority.
    pub headers: HeaderMap,
    pub protocol: &'static str,
    /// The client's address as forwarding headers tell it; port 0 where they do.
    pub remote: SocketAddr,
    pub body: Rc<Source>,
    /// Bytes of the answer's body that went to the client.
    pub sent: u64,
    /// 0 until there is an answer.
    pub status: u16,
    pub details: Cow<'static, str>,
    /// In the order they were raised.
    pub flags: Vec<&'static str>,
    pub route: Option<RouteRef>,
    pub cluster: Option<Arc<str>>,
    pub upstream: Option<Rc<Handle>>,
    pub host: Option<Arc<Host>>,
    pub upstream_local: Option<SocketAddr>,
    pub upstream_protocol: &'static str,
    pub attempts: u32,
    pub upstream_tls: Option<Rc<Session>>,
    pub transport_failure: String,
    /// Headers of the answer, where something may ask for them.
    pub answer: HeaderMap,
    /// Milliseconds until the answer began.
    pub answer_begun: Option<u64>,
    pub grpc_status: Option<u64>,
    pub cors: Option<Box<Allowed>>,
    /// The client of an inbound request, the upstream of an outbound one, as they say themselves.
    pub peer: Option<Arc<Peer>>,
    /// Whether the client said who it is, and so is told who answers.
    pub client_asked: bool,
    /// Whether the answer was given to its end, or why it was not is told already.
    pub is_complete: bool,
}

impl Exchange {
    pub fn milliseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
    /// Milliseconds until the request was read to its end.
    pub fn request_complete(&self) -> Option<u64> {
        let at = self.body.completed_at()?;
        u64::try_from(at.saturating_duration_since(self.begun).as_millis()).ok()
    }
    /// `None` for a route without a name.
    pub fn route_name(&self) -> Option<&str> {
        self.route.as_ref().map(|r| &*r.route().name).filter(|n| !n.is_empty())
    }
    pub fn raise(&mut self, flag: &'static str) {
        if !flag.is_empty() && !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }
    pub fn is_grpc(&self) -> bool {
        let value = self.headers.get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        value.is_some_and(|t| t == b"application/grpc" || t.starts_with(b"application/grpc+"))
    }
}

impl Subject for Exchange {
    fn client(&self) -> &Downstream {
        &self.connection.client
    }
    fn exchange(&self) -> Option<&Exchange> {
        Some(self)
    }
    fn started(&self) -> SystemTime {
        self.started
    }
    fn begun(&self) -> Instant {
        self.begun
    }
    fn bytes(&self) -> (u64, u64) {
        (self.body.received(), self.sent)
    }
    fn protocol(&self) -> &str {
        self.protocol
    }
    fn details(&self) -> &str {
        &self.details
    }
    fn flags(&self) -> &[&'static str] {
        &self.flags
    }
    fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }
    fn host(&self) -> Option<&Host> {
        self.host.as_deref()
    }
    fn upstream_local(&self) -> Option<SocketAddr> {
        self.upstream_local
    }
    fn upstream_tls(&self) -> Option<&Session> {
        self.upstream_tls.as_deref()
    }
    fn upstream_failure(&self) -> &str {
        &self.transport_failure
    }
    fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_complete {
            self.raise(if self.body.has_failed() { "DPE" } else { "DC" });
            self.details = "downstream_remote_disconnect".into();
        }
        let worker = self.connection.worker().clone();
        worker.finish(self);
    }
}
