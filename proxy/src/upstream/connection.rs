//! New connections to hosts, and what their ends and errors mean.

use super::breaker::Slot;
use super::host::{Address, Host};
use super::io::Socket;
use super::{Failure, Reason};
use crate::http::upload::Upload;
use crate::stats::ClusterStats;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};

/// Runs futures of hyper on this worker's thread.
#[derive(Clone, Copy, Debug)]
pub struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

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
    pub sender: http1::SendRequest<Upload>,
    pub socket: Socket,
    pub local: Option<SocketAddr>,
    pub idle_since: Instant,
    pub served: u64,
    pub counted: Counted,
}

/// A connection that carries many.
pub struct Http2 {
    pub sender: http2::SendRequest<Upload>,
    pub local: Option<SocketAddr>,
    pub counted: Counted,
}

async fn socket(host: &Host, timeout: Duration) -> Result<(Socket, Option<SocketAddr>), Failure> {
    let connecting = async {
        match &host.address {
            Address::Socket(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let local = stream.local_addr().ok();
                Ok((Socket::Tcp(Arc::new(stream)), local))
            }
            Address::Unix(path) => Ok((Socket::Unix(Arc::new(UnixStream::connect(path).await?)), None)),
            Address::Nowhere => Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "the address is not known")),
        }
    };
    match tokio::time::timeout(timeout, connecting).await {
        Err(_) => Err(Failure::unsent(Reason::ConnectionTimeout)),
        Ok(Err(e)) => Err(connect_failure(&e)),
        Ok(Ok(connected)) => Ok(connected),
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

/// Connects and speaks HTTP/1.1.
pub async fn http1(host: &Arc<Host>, timeout: Duration, stats: &Arc<ClusterStats>, slot: Slot) -> Result<Http1, Failure> {
    let counted = Counted::new(host, stats, slot);
    let (socket, local) = socket(host, timeout).await.inspect_err(|f| failed(host, stats, f))?;
    let made = http1::Builder::new().max_headers(256).handshake(TokioIo::new(socket.clone())).await;
    let (sender, connection) = made.map_err(|e| Failure::unsent(reason_of(&e)))?;
    // Its end is seen by those who use it.
    tokio::task::spawn_local(async move {
        let _ = connection.with_upgrades().await;
    });
    stats.upstream_cx_http1_total.inc();
    Ok(Http1 { sender, socket, local, idle_since: Instant::now(), served: 0, counted })
}

/// Connects and speaks HTTP/2, with prior knowledge.
pub async fn http2(host: &Arc<Host>, timeout: Duration, max_streams: u32, stats: &Arc<ClusterStats>, slot: Slot) -> Result<Http2, Failure> {
    let counted = Counted::new(host, stats, slot);
    let (socket, local) = socket(host, timeout).await.inspect_err(|f| failed(host, stats, f))?;
    let mut builder = http2::Builder::new(Here);
    builder
        .timer(TokioTimer::new())
        .initial_max_send_streams(max_streams as usize)
        .initial_stream_window_size(16 << 20)
        .initial_connection_window_size(24 << 20);
    let made = builder.handshake(TokioIo::new(socket)).await;
    let (sender, connection) = made.map_err(|e| Failure::unsent(reason_of(&e)))?;
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    stats.upstream_cx_http2_total.inc();
    Ok(Http2 { sender, local, counted })
}

fn failed(host: &Host, stats: &ClusterStats, failure: &Failure) {
    host.stats.connect_failures.fetch_add(1, Ordering::Relaxed);
    stats.upstream_cx_connect_fail.inc();
    if failure.reason == Reason::ConnectionTimeout {
        stats.upstream_cx_connect_timeout.inc();
    }
}

/// What an error of an upstream connection is in Envoy's terms.
pub fn reason_of(e: &hyper::Error) -> Reason {
    if e.is_parse() || e.is_parse_too_large() {
        return Reason::ProtocolError;
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(e);
    while let Some(inner) = source {
        if let Some(h2) = inner.downcast_ref::<h2::Error>() {
            return match h2.reason() {
                _ if h2.is_io() => Reason::ConnectionTermination,
                Some(h2::Reason::REFUSED_STREAM) => Reason::RemoteRefusedStream,
                _ if h2.is_library() => Reason::ProtocolError,
                _ if h2.is_reset() => Reason::RemoteReset,
                _ => Reason::ConnectionTermination,
            };
        }
        source = inner.source();
    }
    Reason::ConnectionTermination
}
