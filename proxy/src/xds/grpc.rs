//! A connection to a control plane: gRPC over HTTP/2, over TCP, TLS or a Unix socket, as its static cluster says.

use crate::tls::context::Speaks;
use crate::upstream::cluster::Handle;
use crate::worker::Shared;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::client::GrpcService;

/// Runs futures of hyper on this thread.
#[derive(Clone, Copy, Debug)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

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

/// A cluster that leads to a control plane, as this thread uses it; `None` where there is none.
pub fn handle(shared: &Shared, cluster: &str) -> Option<Handle> {
    let prefix = format!("cluster.{cluster}");
    Some(Handle::new(shared.runtime(cluster)?, shared.registry.block(&prefix), shared.registry.block(&format!("{prefix}.ssl"))))
}

/// Connects to a host of a cluster; `turn` says which.
///
/// # Errors
/// Why not.
pub async fn connect(handle: &Handle, turn: usize) -> Result<Connection, ConnectError> {
    let name = &handle.config().name;
    let hosts = handle.runtime.hosts();
    let mut all: Vec<_> = hosts.hosts.values().collect();
    all.sort_by(|a, b| a.label.cmp(&b.label));
    let host = turn.checked_rem(all.len()).map(|i| all[i].clone()).ok_or_else(|| ConnectError(format!("{name} has no hosts")))?;
    let fail = |e: &dyn fmt::Display| ConnectError(format!("{name} at {}: {e}", host.label));
    let opened = handle.open(&host, Speaks::Http2, None).await.map_err(|e| fail(&e))?;
    // A peer that went away without a word is noticed.
    opened.socket.keep_alive(Duration::from_secs(60), Duration::from_secs(10));
    let mut builder = http2::Builder::new(Here);
    builder.timer(TokioTimer::new()).initial_stream_window_size(1 << 20).initial_connection_window_size(1 << 20);
    let (sender, connection) = builder.handshake(TokioIo::new(opened.io)).await.map_err(|e| fail(&e))?;
    let counted = opened.counted;
    // Its end is the end of the stream on it.
    tokio::task::spawn_local(async move {
        let _ = connection.await;
        drop(counted);
    });
    Ok(Connection(sender))
}
