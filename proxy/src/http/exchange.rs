//! A request and its answer, as logs, statistics and header values see them. When it is dropped it is over, and is logged.

use super::cors::Allowed;
use super::serve::Wire;
use super::upload::Source;
use crate::config::listener::Chain;
use crate::config::manager::Manager;
use crate::config::route::{Host as HostExtras, Route as RouteExtras, Table};
use crate::stats::HttpStats;
use crate::upstream::cluster::Handle;
use crate::upstream::host::Host;
use crate::worker::Worker;
use http::{HeaderMap, Method};
use mesh_envoy::engine::action::Action;
use mesh_envoy::engine::route::{Route, VirtualHost};
use std::borrow::Cow;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// A client's connection.
pub struct Connection {
    pub worker: Rc<Worker>,
    pub manager: Arc<Manager>,
    pub stats: Arc<HttpStats>,
    pub id: u64,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    pub server_name: Box<str>,
    pub chain: Arc<Chain>,
    pub termination: Box<str>,
    /// Requests so far.
    pub requests: Cell<u64>,
    /// Requests that are not over.
    pub active: Cell<u32>,
    /// When the last one was over.
    pub quiet_since: Cell<Instant>,
    pub wire: Arc<Wire>,
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
    pub transport_failure: String,
    /// Headers of the answer, where something may ask for them.
    pub answer: HeaderMap,
    /// Milliseconds until the answer began.
    pub answer_begun: Option<u64>,
    pub grpc_status: Option<u64>,
    pub cors: Option<Box<Allowed>>,
    /// Whether the answer was given to its end, or why it was not is told already.
    pub is_complete: bool,
}

impl Exchange {
    pub fn received(&self) -> u64 {
        self.body.received()
    }
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

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_complete {
            self.raise(if self.body.has_failed() { "DPE" } else { "DC" });
            self.details = "downstream_remote_disconnect".into();
        }
        let worker = self.connection.worker.clone();
        worker.finish(self);
    }
}
