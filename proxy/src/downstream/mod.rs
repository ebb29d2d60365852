//! Clients' connections, from the socket to the filter that ends their chain.

pub mod accept;
pub mod handshake;
pub mod inspect;
pub mod introduce;
pub mod limit;
pub mod raw;
pub mod record;
pub mod servers;
pub mod stream;
pub mod underway;

use crate::proxy_protocol::Addresses;
use crate::tls::session::Session;
use crate::worker::Worker;
use mesh_envoy::engine::request as engine;
use std::borrow::Cow;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

/// A client's connection, whatever is spoken on it.
pub struct Downstream {
    pub worker: Rc<Worker>,
    pub id: u64,
    pub started: SystemTime,
    pub begun: Instant,
    /// The client, as far as whoever passed the connection on says who that is.
    pub peer: SocketAddr,
    /// Who the socket is connected with.
    pub direct_peer: SocketAddr,
    /// Where the client wanted to go: the address that it was redirected from, or that a head of the PROXY protocol tells of, where there was one.
    pub local: SocketAddr,
    /// Where it came in.
    pub socket: SocketAddr,
    pub destination: Destination,
    /// Whether the overload manager concerns it.
    pub heeds_overload: bool,
    /// From the client's hello, where an inspector looked at it; "" for none.
    pub server_name: Box<str>,
    pub chain_name: Box<str>,
    /// TLS that ends here.
    pub tls: Option<Session>,
    /// Why TLS came to nothing; "" where it did not.
    pub transport_failure: Box<str>,
    /// Why the proxy ended it; "" where it did not.
    pub termination: RefCell<Cow<'static, str>>,
}

/// Whether a connection was redirected, and its destination restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    Own,
    Restored,
}

impl Downstream {
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
    /// Where an `ORIGINAL_DST` cluster sends it.
    pub fn original(&self) -> Option<SocketAddr> {
        (self.destination == Destination::Restored).then_some(self.local)
    }
    /// Who the client is and where it wanted to go, for upstreams that are told; `None` where the two are not of one family.
    pub fn addresses(&self) -> Option<Addresses> {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (source, destination) = (canonical(self.peer), canonical(self.local));
        (source.is_ipv4() == destination.is_ipv4()).then_some(Addresses { source, destination })
    }
    /// The engine's view. Nothing of it is copied.
    pub fn engine(&self, protocol: engine::Protocol) -> engine::Connection<'_> {
        let tls = match &self.tls {
            Some(session) => Some(engine::ClientTls {
                server_name: &self.server_name,
                alpn: Vec::new(),
                certificate: session.peer.as_ref().map(|p| engine::Certificate { names: Cow::Borrowed(p.principals.as_slice()) }),
                passed_through: false,
            }),
            None if !self.server_name.is_empty() => {
                Some(engine::ClientTls { server_name: &self.server_name, alpn: Vec::new(), certificate: None, passed_through: true })
            }
            None => None,
        };
        engine::Connection { destination: self.local, source: self.peer, direct_source: self.direct_peer.ip(), tls, protocol, filter_state: &[] }
    }
}
