//! HTTP on a client's connection: which one it is, read and written by hyper.

use super::exchange::Connection;
use super::service;
use crate::config::listener::Chain;
use crate::config::manager::{Codec, Manager};
use crate::downstream::Downstream;
use crate::downstream::stream::Stream;
use crate::tls::hello::PREFACE;
use crate::upstream::connection::Here;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_envoy::engine::request as engine;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

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

/// A client's bytes on their way to hyper.
struct Client {
    stream: Stream,
    /// What was read to see which HTTP it is.
    early: Vec<u8>,
    wire: Arc<Wire>,
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.early.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        } else {
            let n = buf.remaining().min(self.early.len());
            buf.put_slice(&self.early[..n]);
            self.early.drain(..n);
        }
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
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    Http1,
    Http2,
}

impl Opening {
    fn protocol(self) -> &'static str {
        if self == Opening::Http2 { "HTTP/2" } else { "HTTP/1.1" }
    }
}

/// Looks whether a connection begins as HTTP/2 does. What is read for it is put away.
async fn opening(stream: &mut Stream, early: &mut Vec<u8>) -> io::Result<Opening> {
    loop {
        if early.starts_with(PREFACE) {
            return Ok(Opening::Http2);
        }
        if !PREFACE.starts_with(early) {
            return Ok(Opening::Http1);
        }
        if stream.read_buf(early).await? == 0 {
            return Ok(Opening::Http1);
        }
    }
}

/// Longest wait for the first bytes of a connection.
const FIRST_BYTES: Duration = Duration::from_secs(60);

/// Serves HTTP on a connection to its end. Returns what is spoken; "" for nothing yet.
pub async fn http(client: &Rc<Downstream>, mut stream: Stream, manager: &Arc<Manager>, chain: &Arc<Chain>) -> &'static str {
    let worker = client.worker.clone();
    let mut early = Vec::new();
    // As with Envoy, a protocol that TLS agreed upon decides, whatever it is.
    let agreed = client.tls.as_ref().map_or("", |s| &s.protocol);
    let opening = match manager.codec {
        Codec::Http1 => Opening::Http1,
        Codec::Http2 => Opening::Http2,
        Codec::Auto if !agreed.is_empty() => {
            if agreed == "h2" {
                Opening::Http2
            } else {
                Opening::Http1
            }
        }
        Codec::Auto => match tokio::time::timeout(manager.timeouts.headers.unwrap_or(FIRST_BYTES), opening(&mut stream, &mut early)).await {
            Ok(Ok(opening)) => opening,
            _ => return "",
        },
    };
    let protocol = match opening {
        Opening::Http1 => engine::Protocol::Http11,
        Opening::Http2 => engine::Protocol::Http2,
    };
    if !crate::tcp::session::is_allowed(client, protocol, chain) {
        return "";
    }
    let http_stats = worker.http_stats(&manager.stat_prefix);
    http_stats.downstream_cx_total.inc();
    http_stats.downstream_cx_active.inc();
    let wire = Wire::new(opening);
    let connection = Rc::new(Connection {
        client: client.clone(),
        chain: chain.clone(),
        manager: manager.clone(),
        stats: http_stats.clone(),
        certificate: client.tls.as_ref().and_then(|s| manager.forwarding.element(s)),
        requests: Cell::new(0),
        active: Cell::new(0),
        quiet_since: Cell::new(Instant::now()),
        wire: wire.clone(),
    });
    let io = TokioIo::new(Client { stream, early, wire });
    let ended = match opening {
        Opening::Http1 => {
            http_stats.downstream_cx_http1_total.inc();
            http1(&connection, io).await
        }
        Opening::Http2 => {
            http_stats.downstream_cx_http2_total.inc();
            http2(&connection, io).await
        }
    };
    if ended.is_err_and(|e| e.is_parse()) {
        http_stats.downstream_cx_protocol_error.inc();
        worker.malformed(&connection, opening.protocol());
    }
    http_stats.downstream_cx_active.dec();
    http_stats.downstream_cx_destroy.inc();
    opening.protocol()
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
        () = connection.worker().draining() => {}
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
