//! A connection to a control plane: gRPC over HTTP/2, over TCP or a Unix socket, to a host of a static cluster.

use crate::upstream::connection::Here;
use crate::upstream::host::Address;
use crate::worker::Shared;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tonic::body::Body;
use tonic::client::GrpcService;

/// Why there is no connection.
#[derive(Clone, Debug)]
pub struct ConnectError(String);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ConnectError {}

#[derive(Clone, Debug)]
pub struct Connection(http2::SendRequest<Body>);

impl GrpcService<Body> for Connection {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<http::Response<Incoming>>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Connects to a host of a cluster; `turn` says which.
///
/// # Errors
/// Why not.
pub async fn connect(shared: &Shared, cluster: &str, turn: usize) -> Result<Connection, ConnectError> {
    let runtime = shared.runtime(cluster).ok_or_else(|| ConnectError(format!("there is no cluster {cluster}")))?;
    let hosts = runtime.hosts();
    let mut labels: Vec<_> = hosts.hosts.values().collect();
    labels.sort_by(|a, b| a.label.cmp(&b.label));
    let host = turn.checked_rem(labels.len()).map(|i| labels[i].clone()).ok_or_else(|| ConnectError(format!("{cluster} has no hosts")))?;
    let fail = |e: &dyn fmt::Display| ConnectError(format!("{cluster} at {}: {e}", host.label));
    let connecting = async {
        match &host.address {
            Address::Socket(address) => {
                let stream = TcpStream::connect(address).await.map_err(|e| fail(&e))?;
                let _ = stream.set_nodelay(true);
                // A peer that went away without a word is noticed.
                let alive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));
                let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&alive);
                handshake(TokioIo::new(stream)).await.map_err(|e| fail(&e))
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|e| fail(&e))?;
                handshake(TokioIo::new(stream)).await.map_err(|e| fail(&e))
            }
            Address::Nowhere => Err(fail(&"the address is not known")),
        }
    };
    let timeout = runtime.config.connect_timeout;
    tokio::time::timeout(timeout, connecting).await.unwrap_or_else(|_| Err(fail(&format!("no connection within {timeout:?}"))))
}

async fn handshake<I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static>(io: I) -> hyper::Result<Connection> {
    let mut builder = http2::Builder::new(Here);
    builder.timer(TokioTimer::new()).initial_stream_window_size(1 << 20).initial_connection_window_size(1 << 20);
    let (sender, connection) = builder.handshake(io).await?;
    // Its end is the end of the stream on it.
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(Connection(sender))
}
