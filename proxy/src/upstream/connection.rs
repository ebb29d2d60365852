//! New connections to hosts, and what their ends and errors mean.

use super::breaker::Slot;
use super::host::{Address, Host};
use super::io::{Socket, Transport};
use super::{Failure, Reason};
use crate::config::alpn::Offer;
use crate::config::header_format::Format;
use crate::config::transport::Client;
use crate::http::spelt::{First, One};
use crate::http::upload::Upload;
use crate::http1::client::Connection;
use crate::http2::client::Sender;
use crate::proxy_protocol::{Addresses, Version, write};
use crate::stats::{ClusterStats, TlsStats};
use crate::tls::context::{Speaks, server_name};
use crate::tls::reason;
use crate::tls::session::Session;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub struct Counted {
    host: Arc<Host>,
    stats: Arc<ClusterStats>,
    _slot: Slot,
}

impl Counted {
    pub fn new(host: &Arc<Host>, stats: &Arc<ClusterStats>, slot: Slot) -> Counted {
        host.active_connections.fetch_add(1, Ordering::Relaxed);
        host.stats.connections.fetch_add(1, Ordering::Relaxed);
        stats.upstream_cx_total.inc();
        stats.upstream_cx_active.inc();
        Counted { host: host.clone(), stats: stats.clone(), _slot: slot }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.host.active_connections.fetch_sub(1, Ordering::Relaxed);
        self.stats.upstream_cx_active.dec();
        self.stats.upstream_cx_destroy.inc();
    }
}

/// A connection that carries one request at a time.
pub struct Http1 {
    pub line: Line,
    pub socket: Socket,
    pub local: Option<SocketAddr>,
    pub tls: Option<Rc<Session>>,
    pub made: Instant,
    pub idle_since: Instant,
    pub served: u64,
    pub counted: Counted,
}

/// Who reads and writes a connection of HTTP/1.
pub enum Line {
    Codec(Rc<RefCell<Connection>>),
    /// For one request, which asks for another protocol.
    Hyper(http1::SendRequest<Upload>, One),
    /// Nobody any more.
    Nobody,
}

impl Line {
    /// Whether another request may go out on it.
    pub fn is_at_rest(&self) -> bool {
        matches!(self, Line::Codec(c) if c.borrow().is_at_rest())
    }
    /// Gives a connection that is at rest over to hyper.
    ///
    /// # Errors
    /// Those of hyper.
    pub async fn hyper(&mut self) -> Result<(&mut http1::SendRequest<Upload>, One), Failure> {
        let taken = std::mem::replace(self, Line::Nobody);
        let (sender, one) = match taken {
            Line::Hyper(sender, one) => (sender, one),
            Line::Codec(connection) => {
                let connection = Rc::try_unwrap(connection).map_err(|_| Failure::unsent(Reason::LocalReset))?;
                let one = One::default();
                let io = First::new(connection.into_inner().into_io(), one.clone());
                let made = http1::Builder::new().max_headers(256).handshake(TokioIo::new(io)).await;
                let (sender, connection) = made.map_err(|e| Failure::unsent(reason_of(&e)))?;
                // Its end is seen by those who use it.
                tokio::task::spawn_local(async move {
                    let _ = connection.with_upgrades().await;
                });
                (sender, one)
            }
            Line::Nobody => return Err(Failure::unsent(Reason::LocalReset)),
        };
        *self = Line::Hyper(sender, one);
        match self {
            Line::Hyper(sender, one) => Ok((sender, one.clone())),
            Line::Codec(_) | Line::Nobody => Err(Failure::unsent(Reason::LocalReset)),
        }
    }
}

/// A connection that carries many.
pub struct Http2 {
    pub sender: RefCell<Sender>,
    pub local: Option<SocketAddr>,
    pub tls: Option<Rc<Session>>,
    pub made: Instant,
    pub counted: Counted,
}

/// How connections to a host are made.
#[derive(Clone, Debug)]
pub struct Connector {
    /// For the socket and for TLS together.
    pub timeout: Duration,
    /// Where connections come from: the first of the host's family; any without one.
    pub bind: Arc<[SocketAddr]>,
    pub transport: Client,
    /// The name that the server is asked by, in place of the configured one.
    pub server_name: Option<Box<str>>,
    /// What TLS offers in ALPN, in place of the configured list.
    pub alpn: Option<Offer>,
    /// Who the host is told that the connection is for, before TLS.
    pub introduces: Option<Introduction>,
}

/// A head of the PROXY protocol, before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Introduction {
    pub version: Version,
    /// `None` for a connection of the proxy's own.
    pub client: Option<Addresses>,
}

impl Introduction {
    /// Over a connection between these two. Version 1 has no word for a connection of the proxy's own: its addresses are those of the
    /// connection itself, as with Envoy.
    fn head(self, local: Option<SocketAddr>, host: Option<SocketAddr>) -> Vec<u8> {
        let own = || Some(Addresses { source: local?, destination: host? });
        let addresses = self.client.or_else(|| own().filter(|_| self.version == Version::V1));
        write::head(self.version, addresses)
    }
}

/// A connection that is ready for bytes.
pub struct Opened {
    pub io: Transport,
    /// The same connection, to be looked at from outside.
    pub socket: Socket,
    pub local: Option<SocketAddr>,
    pub tls: Option<Rc<Session>>,
    pub counted: Counted,
}

impl Connector {
    /// Connects, and puts TLS over it where there is to be TLS.
    ///
    /// # Errors
    /// Why it came to nothing; it is counted.
    pub async fn open(&self, host: &Arc<Host>, stats: &Arc<ClusterStats>, tls: &TlsStats, slot: Slot, speaks: Speaks) -> Result<Opened, Failure> {
        let counted = Counted::new(host, stats, slot);
        let made = match tokio::time::timeout(self.timeout, self.connect(host, (stats, tls), speaks)).await {
            Ok(made) => made,
            Err(_) => Err(Failure::unsent(Reason::ConnectionTimeout)),
        };
        let (io, socket, local, session) = made.inspect_err(|f| failed(host, stats, f))?;
        Ok(Opened { io, socket, local, tls: session.map(Rc::new), counted })
    }
    async fn connect(
        &self,
        host: &Host,
        (counters, stats): (&ClusterStats, &TlsStats),
        speaks: Speaks,
    ) -> Result<(Transport, Socket, Option<SocketAddr>, Option<Session>), Failure> {
        let (mut socket, local) = self.socket(host).await.map_err(|e| connect_failure(&e))?;
        if let Some(introduction) = self.introduces {
            let head = introduction.head(local, host.address.socket());
            socket.write_all(&head).await.map_err(|e| connect_failure(&e))?;
            counters.upstream_cx_tx_bytes_total.add(head.len() as u64);
        }
        let Client::Tls(context) = &self.transport else { return Ok((Transport::Plain(socket.clone()), socket, local, None)) };
        let refused = |transport: String| Failure { reason: Reason::RemoteConnectionFailure, transport, sent: false };
        let client = context.ready().map_err(|_| refused("TLS_error:_Secret_is_not_supplied_by_SDS".to_owned()))?;
        let name = match &self.server_name {
            Some(name) => name,
            None if context.names_endpoint && !host.hostname.is_empty() => &host.hostname,
            None => &context.server_name,
        };
        let name = server_name(name).ok_or_else(|| refused(String::new()))?;
        let config = self.alpn.as_ref().map_or_else(|| client.config(speaks), |alpn| client.offering(speaks, alpn));
        let shaken = TlsConnector::from(config).connect(name, socket.clone()).await;
        match shaken {
            Ok(stream) => {
                stats.handshake.inc();
                let session = Session::of(stream.get_ref().1, client.identity.clone(), &client.verifier);
                Ok((Transport::Tls(Box::new(stream)), socket, local, Some(session)))
            }
            Err(e) => {
                stats.connection_error.inc();
                let Some(tls) = reason::error(&e) else { return Err(refused(String::new())) };
                stats.count(reason::kind(tls));
                Err(refused(reason::words(tls)))
            }
        }
    }
    async fn socket(&self, host: &Host) -> io::Result<(Socket, Option<SocketAddr>)> {
        match &host.address {
            Address::Socket(address) => {
                let stream = match self.bind.iter().find(|b| b.is_ipv4() == address.is_ipv4()) {
                    None => TcpStream::connect(address).await?,
                    Some(from) => {
                        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                        socket.bind(*from)?;
                        socket.connect(*address).await?
                    }
                };
                stream.set_nodelay(true)?;
                let local = stream.local_addr().ok();
                Ok((Socket::from(stream), local))
            }
            Address::Unix(path) => Ok((Socket::from(UnixStream::connect(path).await?), None)),
            Address::Nowhere => Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "the address is not known")),
        }
    }
}

/// In Envoy's words: an error that `connect` itself returns is immediate, one that comes later is delayed.
fn connect_failure(e: &io::Error) -> Failure {
    let immediate = matches!(e.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NotFound);
    let when = if immediate { "immediate" } else { "delayed" };
    let words = e.to_string();
    // `Connection refused (os error 111)`
    let words = words.split(" (os error").next().unwrap_or("").replace(' ', "_");
    Failure { reason: Reason::RemoteConnectionFailure, transport: format!("{when}_connect_error:_{words}"), sent: false }
}

/// Speaks HTTP/1.1 on a connection.
pub fn http1(opened: Opened, format: Format, stats: &ClusterStats) -> Http1 {
    let Opened { io, socket, local, tls, counted } = opened;
    stats.upstream_cx_http1_total.inc();
    let line = Line::Codec(Rc::new(RefCell::new(Connection::new(io, format))));
    let now = Instant::now();
    Http1 { line, socket, local, tls, made: now, idle_since: now, served: 0, counted }
}

/// Speaks HTTP/2 on a connection, with prior knowledge or because TLS agreed upon it.
///
/// # Errors
/// Those of the connection.
pub async fn http2(opened: Opened, max_streams: u32, stats: &ClusterStats) -> Result<Http2, Failure> {
    let Opened { io, local, tls, counted, .. } = opened;
    let sender = RefCell::new(Sender::new(io, max_streams).await?);
    stats.upstream_cx_http2_total.inc();
    Ok(Http2 { sender, local, tls, made: Instant::now(), counted })
}

fn failed(host: &Host, stats: &ClusterStats, failure: &Failure) {
    host.stats.connect_failures.fetch_add(1, Ordering::Relaxed);
    stats.upstream_cx_connect_fail.inc();
    if failure.reason == Reason::ConnectionTimeout {
        stats.upstream_cx_connect_timeout.inc();
    }
}

/// What an error of an upstream connection of hyper's is in Envoy's terms.
pub fn reason_of(e: &hyper::Error) -> Reason {
    if e.is_parse() || e.is_parse_too_large() {
        return Reason::ProtocolError;
    }
    Reason::ConnectionTermination
}

/// What an error of a stream of HTTP/2 is in Envoy's terms.
pub fn reason_of_stream(e: &h2::Error) -> Reason {
    match e.reason() {
        _ if e.is_io() => Reason::ConnectionTermination,
        Some(h2::Reason::REFUSED_STREAM) => Reason::RemoteRefusedStream,
        // Of streams that begin behind the last one that the peer looks at.
        _ if e.is_go_away() && e.is_remote() => Reason::RemoteRefusedStream,
        _ if e.is_library() => Reason::ProtocolError,
        _ if e.is_reset() => Reason::RemoteReset,
        _ => Reason::ConnectionTermination,
    }
}
