//! Connections of clients: accepted, given to a filter chain, read and written by hyper.

use super::exchange::Connection;
use super::service;
use crate::config::listener::{Chain, End, Listener};
use crate::config::manager::{Codec, Manager};
use crate::listeners::Accept;
use crate::stats::ListenerStats;
use crate::upstream::connection::Here;
use crate::worker::Worker;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_envoy::engine::chain::{Choice, Subject};
use mesh_envoy::engine::recorder::Off;
use mesh_envoy::engine::request as engine;
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// What is seen of a client's bytes before HTTP is made of them: hyper drops the fragment of a target, and Envoy refuses it.
#[derive(Debug)]
pub struct Wire {
    /// Whether the bytes are text: those of HTTP/2 are not.
    looks: bool,
    /// Whether the next bytes begin a request. Of requests that are sent ahead of answers only the first is looked at.
    awaits_head: AtomicBool,
    has_fragment: AtomicBool,
    /// The target that has one.
    target: Mutex<String>,
}

impl Wire {
    fn new(opening: Opening) -> Arc<Wire> {
        let looks = opening == Opening::Http1;
        Arc::new(Wire { looks, awaits_head: AtomicBool::new(true), has_fragment: AtomicBool::new(false), target: Mutex::default() })
    }
    /// The target of the request that is being read, if it has a fragment.
    pub fn take_fragment(&self) -> Option<String> {
        self.has_fragment.swap(false, Ordering::Relaxed).then(|| self.target.lock().map(|mut t| std::mem::take(&mut *t)).unwrap_or_default())
    }
    pub fn await_head(&self) {
        self.awaits_head.store(true, Ordering::Relaxed);
    }
    fn look(&self, bytes: &[u8]) {
        if self.looks && !bytes.is_empty() && self.awaits_head.swap(false, Ordering::Relaxed) {
            let line = bytes.split(|b| matches!(b, b'\r' | b'\n')).find(|l| !l.is_empty()).unwrap_or_default();
            if line.contains(&b'#') {
                let target = line.split(|b| *b == b' ').nth(1).unwrap_or_default();
                if let Ok(mut place) = self.target.lock() {
                    *place = String::from_utf8_lossy(target).into_owned();
                }
                self.has_fragment.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// A client's socket.
struct Client {
    stream: TcpStream,
    wire: Arc<Wire>,
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.wire.look(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts connections until the worker is told to stop, or the socket is closed.
pub async fn listen(worker: Rc<Worker>, accept: Accept) {
    let Accept { slot, socket } = accept;
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(e) => return worker.complain(&format!("listener {}: {e}", slot.name)),
    };
    let take = |stream: TcpStream, peer: SocketAddr| {
        let listener = slot.current();
        let stats: Arc<ListenerStats> = worker.listener_stats(&listener.stat_prefix);
        tokio::task::spawn_local(connection(worker.clone(), stream, peer, listener, stats));
    };
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = worker.stopped() => return,
            () = slot.closed() => break,
        };
        match accepted {
            Ok((stream, peer)) => take(stream, peer),
            // Out of files, or the client was gone before it was taken: others may still come.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    // Closing a socket resets the connections that wait on it.
    while let Some(Ok((stream, peer))) = std::future::poll_fn(|cx| match socket.poll_accept(cx) {
        Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
    {
        take(stream, peer);
    }
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    Http1,
    Http2,
}

const PREFACE: &[u8] = b"PRI * HTTP/2";

/// Looks whether a connection begins as HTTP/2 does; without taking a byte.
async fn opening(stream: &TcpStream) -> io::Result<Opening> {
    let mut bytes = [0; PREFACE.len()];
    loop {
        let n = stream.peek(&mut bytes).await?;
        if !PREFACE.starts_with(&bytes[..n]) || n == 0 {
            return Ok(Opening::Http1);
        }
        if n == PREFACE.len() {
            return Ok(Opening::Http2);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A connection in the number that a drain waits for.
struct Open(Rc<Worker>);

impl Open {
    fn new(worker: &Rc<Worker>) -> Open {
        worker.shared.open.fetch_add(1, Ordering::AcqRel);
        Open(worker.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.shared.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Longest wait for the first bytes of a connection.
const FIRST_BYTES: Duration = Duration::from_secs(60);

async fn connection(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, listener: Arc<Listener>, stats: Arc<ListenerStats>) {
    stats.downstream_cx_total.inc();
    stats.downstream_cx_active.inc();
    let _open = Open::new(&worker);
    let _ = stream.set_nodelay(true);
    if let Ok(local) = stream.local_addr() {
        let chosen = choose(&listener, peer, local).cloned();
        // A listener that is replaced is not kept by its connections.
        drop(listener);
        match chosen {
            None => stats.no_filter_chain_match.inc(),
            Some(chain) => match &chain.end {
                End::Http(manager) => http(&worker, stream, peer, local, manager, &chain).await,
            },
        }
    }
    stats.downstream_cx_active.dec();
    stats.downstream_cx_destroy.inc();
}

fn choose(listener: &Listener, peer: SocketAddr, local: SocketAddr) -> Option<&Arc<Chain>> {
    let of_engine =
        engine::Connection { destination: local, source: peer, direct_source: peer.ip(), tls: None, protocol: engine::Protocol::Http11, filter_state: &[] };
    let inspected = listener.engine.inspect(&of_engine).ok()?;
    let chains = listener.engine.chains();
    let chosen = match chains.choose(Subject { connection: &of_engine, inspected: &inspected }, &mut Off) {
        Choice::Chain(chain) => chain,
        Choice::None | Choice::Ambiguous(..) | Choice::Unknown(_) => return None,
    };
    let index = chains.iter().position(|c| std::ptr::eq(c, chosen))?;
    listener.chains.get(index)
}

async fn http(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, local: SocketAddr, manager: &Arc<Manager>, chain: &Arc<Chain>) {
    let opening = match manager.codec {
        Codec::Http1 => Opening::Http1,
        Codec::Http2 => Opening::Http2,
        Codec::Auto => match tokio::time::timeout(manager.timeouts.headers.unwrap_or(FIRST_BYTES), opening(&stream)).await {
            Ok(Ok(opening)) => opening,
            _ => return,
        },
    };
    let http_stats = worker.http_stats(&manager.stat_prefix);
    http_stats.downstream_cx_total.inc();
    http_stats.downstream_cx_active.inc();
    let wire = Wire::new(opening);
    let connection = Rc::new(Connection {
        worker: worker.clone(),
        manager: manager.clone(),
        stats: http_stats.clone(),
        id: worker.next_connection(),
        peer,
        local,
        server_name: "".into(),
        chain: chain.clone(),
        termination: "".into(),
        requests: Cell::new(0),
        active: Cell::new(0),
        quiet_since: Cell::new(Instant::now()),
        wire: wire.clone(),
    });
    let client = TokioIo::new(Client { stream, wire });
    let ended = match opening {
        Opening::Http1 => {
            http_stats.downstream_cx_http1_total.inc();
            http1(&connection, client).await
        }
        Opening::Http2 => {
            http_stats.downstream_cx_http2_total.inc();
            http2(&connection, client).await
        }
    };
    if ended.is_err_and(|e| e.is_parse()) {
        http_stats.downstream_cx_protocol_error.inc();
        worker.malformed(&connection, if opening == Opening::Http2 { "HTTP/2" } else { "HTTP/1.1" });
    }
    http_stats.downstream_cx_active.dec();
    http_stats.downstream_cx_destroy.inc();
}

async fn http1(connection: &Rc<Connection>, client: TokioIo<Client>) -> hyper::Result<()> {
    let limits = &connection.manager.limits;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(connection.manager.timeouts.headers).max_headers(limits.headers).max_header_size(limits.header_bytes);
    let of_requests = connection.clone();
    let service = hyper::service::service_fn(move |request| service::serve(of_requests.clone(), request));
    let mut serving = std::pin::pin!(builder.serve_connection(client, service).with_upgrades());
    tokio::select! {
        ended = serving.as_mut() => return ended,
        () = ends(connection) => {}
        // A client of HTTP/1 is told in an answer: it may be about to ask, and an idle connection that closes fails it.
        () = connection.chain.life.over() => {}
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}

async fn http2(connection: &Rc<Connection>, client: TokioIo<Client>) -> hyper::Result<()> {
    let limits = &connection.manager.limits;
    let mut builder = http2::Builder::new(Here);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.concurrent_streams)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    let of_requests = connection.clone();
    let service = hyper::service::service_fn(move |request| service::serve(of_requests.clone(), request));
    let mut serving = std::pin::pin!(builder.serve_connection(client, service));
    tokio::select! {
        ended = serving.as_mut() => return ended,
        () = ends(connection) => {}
        // Clients hear of it, and what they sent until then is answered.
        () = connection.chain.life.retired() => {}
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}

/// Completes when a connection should come to its end: the proxy drains, or nothing happened on it for long.
async fn ends(connection: &Connection) {
    let idle = async {
        let Some(span) = connection.manager.timeouts.connection_idle else { return std::future::pending().await };
        loop {
            tokio::time::sleep_until((connection.quiet_since.get() + span).max(Instant::now() + Duration::from_millis(10)).into()).await;
            if connection.active.get() == 0 && connection.quiet_since.get().elapsed() >= span {
                connection.stats.downstream_cx_idle_timeout.inc();
                return;
            }
        }
    };
    tokio::select! {
        () = connection.worker.draining() => {}
        () = idle => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_seen_in_the_request_line_alone() {
        let wire = Wire::new(Opening::Http1);
        wire.look(b"\r\nGET /a#b HTTP/1.1\r\nhost: a\r\n");
        assert_eq!((wire.take_fragment().as_deref(), wire.take_fragment()), (Some("/a#b"), None));
        wire.look(b"GET /a#b HTTP/1.1\r\n");
        assert_eq!(wire.take_fragment(), None);
        wire.await_head();
        wire.look(b"GET /a HTTP/1.1\r\nx: #\r\n");
        assert_eq!(wire.take_fragment(), None);
        let binary = Wire::new(Opening::Http2);
        binary.look(b"\x00#");
        assert_eq!(binary.take_fragment(), None);
    }
}
