//! HTTP on a client's connection: which one it is, and who reads and writes it.

use super::alarm::Lent;
use super::client::Client;
use super::exchange::Connection;
use super::framing::{Framing, Wrong};
use super::incoming::Incoming;
use super::service;
use super::spelling::Names;
use super::spelt::Answered;
use super::tended::Tender;
use super::wire::Wire;
use crate::config::header_format::Format;
use crate::config::listener::Chain;
use crate::config::manager::{Codec, Manager};
use crate::downstream::Downstream;
use crate::downstream::stream::Stream;
use crate::http1::server::{self, Ended, Rest};
use crate::http2::server as http2;
use crate::http2::socket::Socket;
use crate::message::Request;
use crate::tls::hello::PREFACE;
use bytes::BytesMut;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use mesh_envoy::engine::request as engine;
use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

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
async fn opening(stream: &mut Stream, early: &mut BytesMut) -> io::Result<Opening> {
    loop {
        if early.starts_with(PREFACE) {
            return Ok(Opening::Http2);
        }
        if !PREFACE.starts_with(early) {
            return Ok(Opening::Http1);
        }
        // Room for a whole head: what comes in one piece is served as it is.
        early.reserve(server::HEAD);
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
    let mut early = BytesMut::new();
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
        Codec::Auto => {
            let (mut alarm, mut due) = (Lent::of(&worker.alarms), None);
            let mut opens = pin!(opening(&mut stream, &mut early));
            let opened = std::future::poll_fn(|cx| match opens.as_mut().poll(cx) {
                Poll::Ready(opened) => Poll::Ready(opened.ok()),
                Poll::Pending => {
                    let due = *due.get_or_insert_with(|| Instant::now() + manager.timeouts.headers.unwrap_or(FIRST_BYTES));
                    alarm.poll(due.into(), cx).map(|()| None)
                }
            });
            match opened.await {
                Some(opening) => opening,
                None => return "",
            }
        }
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
    let (wire, now) = (Arc::<Wire>::default(), Instant::now());
    let connection = Rc::new(Connection {
        client: client.clone(),
        chain: chain.clone(),
        manager: manager.clone(),
        stats: http_stats.clone(),
        certificate: client.tls.as_ref().and_then(|s| manager.forwarding.element(s)),
        forwarded_for: OnceCell::new(),
        requests: Cell::new(0),
        active: Cell::new(0),
        begun: now,
        was_old: Cell::new(false),
        quiet_since: Cell::new(now),
        wire: wire.clone(),
        retires: Cell::new(false),
        is_broken: Cell::new(false),
        tunnel: Cell::default(),
        buckets: OnceCell::new(),
    });
    // The status of an answer to what is no request.
    let mut malformed = None;
    match opening {
        Opening::Http1 => {
            http_stats.downstream_cx_http1_total.inc();
            if let Ended::Unusual(rest) = plain(&connection, stream, early).await {
                let Rest { stream, early, framing } = *rest;
                let client = Client::new(stream, early, framing, wire, manager.clone());
                let spells = manager.format != Format::Small || worker.generation().snapshot.keeps_names();
                let (client, spells) = if spells { (client.spelling(), Spells::Yes) } else { (client, Spells::No) };
                let ended = Box::pin(http1(&connection, TokioIo::new(client), spells)).await;
                if ended.as_ref().is_err_and(hyper::Error::is_parse) || connection.wire.wrong() == Some(Wrong::NotHttp) {
                    malformed = Some(if ended.is_err_and(|e| e.is_parse_too_large()) { 431 } else { 400 });
                }
                // hyper has done with a connection that became another protocol: it counts for as long as that lasts.
                if let Some(tunnel) = connection.tunnel.take() {
                    let _ = tunnel.await;
                }
            }
        }
        Opening::Http2 => {
            http_stats.downstream_cx_http2_total.inc();
            let socket = Socket::new(stream, early, wire, &manager.timeouts);
            if Box::pin(http2(&connection, socket)).await.is_err_and(|e| e.is_go_away() && e.is_library()) {
                http_stats.downstream_cx_protocol_error.inc();
            }
        }
    }
    if let Some(late) = connection.wire.late() {
        worker.late_head(&connection, late, opening.protocol());
    } else if let Some(status) = malformed {
        http_stats.downstream_cx_protocol_error.inc();
        worker.malformed(&connection, status, opening.protocol());
    } else if connection.wire.is_cut() {
        worker.cut_head(&connection, opening.protocol());
    }
    http_stats.downstream_cx_active.dec();
    http_stats.downstream_cx_destroy.inc();
    opening.protocol()
}

/// Serves what is plain.
async fn plain(connection: &Rc<Connection>, stream: Stream, early: BytesMut) -> Ended {
    let mut framing = Framing::new(connection.manager.limits.header_bytes);
    if connection.manager.format.keeping().is_some() {
        framing.keep_names();
    }
    let ends = async {
        tokio::select! {
            () = ends(connection, DRAIN) => {}
            () = connection.chain.life.over() => {}
        }
    };
    server::serve(connection, stream, early, framing, ends).await
}

/// Whether names of headers are spelt behind hyper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spells {
    Yes,
    No,
}

async fn http1(connection: &Rc<Connection>, client: TokioIo<Client>, spells: Spells) -> hyper::Result<()> {
    let limits = &connection.manager.limits;
    let mut builder = http1::Builder::new();
    // Heads that never end are seen where the bytes are read.
    builder.header_read_timeout(None).max_headers(limits.headers).max_header_size(limits.header_bytes);
    let (of_requests, tender) = (connection.clone(), Rc::<Tender>::default());
    let of_answers = tender.clone();
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let is_head = *request.method() == http::Method::HEAD;
        let wire = (spells == Spells::Yes).then(|| of_requests.wire.clone());
        let (answer, tender) = (service::serve(of_requests.clone(), Request::from(request).map(Incoming::Hyper), None), of_answers.clone());
        async move {
            let answer = answer.await;
            if let Some(wire) = wire {
                wire.answers(Answered { names: answer.extensions.get::<Names>().cloned(), is_head });
            }
            Ok::<_, Infallible>(http::Response::from(answer.map(|body| tender.tend(body))))
        }
    });
    let mut serving = pin!(builder.serve_connection(client, service).with_upgrades());
    tokio::select! {
        ended = serving.as_mut() => return ended,
        () = tender.stalled(connection) => return Ok(()),
        () = ends(connection, DRAIN) => {}
        // A client of HTTP/1 is told in an answer: it may be about to ask, and an idle connection that closes fails it.
        () = connection.chain.life.over() => {}
    }
    serving.as_mut().graceful_shutdown();
    tokio::select! {
        ended = serving => ended,
        () = tender.stalled(connection) => Ok(()),
    }
}

async fn http2(connection: &Rc<Connection>, socket: Socket) -> Result<(), h2::Error> {
    let retires = async {
        tokio::select! {
            () = ends(connection, Duration::ZERO) => {}
            // Clients hear of it, and what they sent until then is answered.
            () = connection.chain.life.retired() => {}
            () = connection.worker().drained(connection.manager.telemetry.direction) => {}
        }
    };
    http2::serve(connection, socket, retires).await
}

/// So long a connection of HTTP/1 that is old waits for a request, to say so in its answer (Envoy's `drain_timeout`).
const DRAIN: Duration = Duration::from_secs(5);

/// Completes when a connection should come to its end: the proxy drains, nothing happened on it for long, or it is old and clients
/// had `grace` to be told.
async fn ends(connection: &Connection, grace: Duration) {
    let old = async {
        let Some(max) = connection.manager.timeouts.connection else { return std::future::pending().await };
        let at = connection.begun + max;
        tokio::time::sleep_until(at.into()).await;
        // Two wait for it, one after the other, where hyper goes on with a connection that was plain.
        if !connection.was_old.replace(true) {
            connection.stats.downstream_cx_max_duration_reached.inc();
        }
        tokio::time::sleep_until((at + grace).into()).await;
    };
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
        () = old => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downstream::raw::Raw;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    /// With less, what follows would be taken for unusual, and hyper would serve the whole connection.
    #[tokio::test]
    async fn a_head_that_comes_in_one_piece_is_read_in_one_piece() {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut client = TcpStream::connect(socket.local_addr().expect("its address")).await.expect("a connection");
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: {}\r\n\r\n", "c".repeat(3000));
        client.write_all(head.as_bytes()).await.expect("sent");
        let (server, _) = socket.accept().await.expect("accepted");
        let mut early = BytesMut::new();
        let opening = opening(&mut Stream::Plain(Raw::new(server)), &mut early).await.expect("bytes");
        assert_eq!((opening, early.len()), (Opening::Http1, head.len()));
    }
}
