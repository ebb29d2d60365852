//! From the socket to a filter chain: redirected connections are restored, handed to the listener of where they wanted to go,
//! looked at, given to a chain, and TLS is taken off.

use super::handshake;
use super::inspect::{Ended, Found};
use super::introduce::{self, Introduced};
use super::limit;
use super::raw::{Raw, Traffic};
use super::record::Record;
use super::stream::Stream;
use super::{Destination, Downstream};
use crate::config::listener::{Chain, End, Listener};
use crate::config::transport::Server;
use crate::http::aside::Aside;
use crate::http::serve;
use crate::listeners::Accept;
use crate::logging::Logger;
use crate::overload::{Admission, Refusal};
use crate::stats::{ListenerStats, TlsStats};
use crate::tcp;
use crate::tls::context::ServerContext;
use crate::tls::session::Session;
use crate::worker::Worker;
use mesh_envoy::engine::chain::{Choice, Subject};
use mesh_envoy::engine::recorder::Off;
use mesh_envoy::engine::request as engine;
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

/// Why a socket takes no more connections.
enum Over {
    Stopped,
    Closed,
}

/// Accepts connections until the worker is told to stop, or the socket is closed.
pub async fn listen(worker: Rc<Worker>, accept: Accept) {
    let Accept { slot, socket } = accept;
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(e) => return worker.complain(Logger::ConnHandler, &format!("listener {}: {e}", slot.name)),
    };
    let take = |stream: TcpStream, peer: SocketAddr| {
        let listener = slot.current();
        match worker.shared.overload.admit(&listener, || worker.dice().u32(..1000)) {
            Ok(admission) => worker.servers.take(Accepted { worker: worker.clone(), stream, peer, listens: slot.address, listener, admission }, connection),
            Err(refusal) => {
                let stats = worker.listener_stats(&listener.stat_prefix);
                match refusal {
                    Refusal::Listener => &stats.downstream_cx_overflow,
                    Refusal::All => &stats.downstream_global_cx_overflow,
                    Refusal::Overload => &stats.downstream_cx_overload_reject,
                }
                .inc();
            }
        }
    };
    let mut accepts = worker.shared.overload.accepts();
    let may_accept = Cell::new(true);
    // Looked at when something of it happens, and not for each connection.
    let events = async {
        let changes = async {
            loop {
                may_accept.set(*accepts.borrow_and_update());
                if accepts.changed().await.is_err() {
                    return std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            biased;
            () = worker.stopped() => Over::Stopped,
            () = slot.closed() => Over::Closed,
            () = changes => Over::Closed,
        }
    };
    let (mut events, aside) = (pin!(events), Aside::default());
    loop {
        let next = std::future::poll_fn(|cx| {
            if let Poll::Ready(over) = aside.poll(events.as_mut(), cx) {
                return Poll::Ready(Err(over));
            }
            // Whoever connects meanwhile waits in the socket.
            if !may_accept.get() && !slot.current().bypasses_overload {
                return Poll::Pending;
            }
            socket.poll_accept(cx).map(Ok)
        });
        match next.await {
            Ok(Ok((stream, peer))) => take(stream, peer),
            // Out of files, or the client was gone before it was taken: others may still come.
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(Over::Stopped) => return,
            Err(Over::Closed) => break,
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

/// A connection in the numbers that a drain waits for and that a listener shows.
struct Open {
    worker: Rc<Worker>,
    stats: Arc<ListenerStats>,
}

impl Open {
    fn new(worker: &Rc<Worker>, listener: &Listener) -> Open {
        let stats = worker.listener_stats(&listener.stat_prefix);
        worker.shared.open.fetch_add(1, Ordering::AcqRel);
        stats.downstream_cx_total.inc();
        stats.downstream_cx_active.inc();
        Open { worker: worker.clone(), stats }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stats.downstream_cx_active.dec();
        self.stats.downstream_cx_destroy.inc();
        self.worker.shared.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection that was taken, and by whom.
pub struct Accepted {
    worker: Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    /// The address of the socket that it came on.
    listens: SocketAddr,
    listener: Arc<Listener>,
    /// Held for as long as it lasts.
    admission: Admission,
}

async fn connection(accepted: Accepted) {
    let Accepted { worker, stream, peer, listens, listener, admission: _admission } = accepted;
    let heeds_overload = !listener.bypasses_overload;
    // A socket that listens on one address alone need not be asked.
    let asked = if listens.ip().is_unspecified() { stream.local_addr() } else { Ok(listens) };
    let Ok(local) = asked else { return };
    let (mut listener, mut wanted) = (listener, local);
    let mut destination = Destination::Own;
    if listener.engine.looks(local.port()).destination
        && let Some(original) = original_destination(&stream, local)
    {
        (wanted, destination) = (original, Destination::Restored);
    }
    let mut client = Downstream {
        id: worker.next_connection(),
        started: SystemTime::now(),
        begun: Instant::now(),
        peer,
        direct_peer: peer,
        local: wanted,
        socket: local,
        destination,
        heeds_overload,
        server_name: "".into(),
        chain_name: "".into(),
        tls: None,
        transport_failure: "".into(),
        termination: RefCell::default(),
        worker,
    };
    let mut raw = Raw::new(stream);
    let mut time = Time::of(&listener, client.begun);
    if !introduced(&mut client, &mut raw, &listener, &mut time).await {
        return refused(client, &listener);
    }
    if listener.engine.hands_off
        && client.destination == Destination::Restored
        && let Some(other) = client.worker.generation().snapshot.listener_for(client.local)
    {
        (time, listener) = (Time::of(&other, Instant::now()), other);
        if !introduced(&mut client, &mut raw, &listener, &mut time).await {
            return refused(client, &listener);
        }
    }
    let open = Open::new(&client.worker, &listener);
    // Listeners seldom log: only then bytes are counted.
    let traffic = (!listener.logs.is_empty()).then(|| raw.count());
    serve_connection(client, raw, (listener, time), &open.stats, traffic).await;
}

/// A connection that came to nothing before it was one.
fn refused(client: Downstream, listener: &Listener) {
    let worker = client.worker.clone();
    worker.log(&listener.logs, &Record::new(Rc::new(client)));
}

/// How long a listener's own filters wait for the first bytes of a connection.
#[derive(Clone, Copy)]
enum Time {
    Unlimited,
    Until(Instant),
    /// The connection goes on without what they would have found.
    Over,
}

impl Time {
    fn of(listener: &Listener, from: Instant) -> Time {
        listener.inspection_timeout.map_or(Time::Unlimited, |span| Time::Until(from + span))
    }
    async fn limit<T>(self, wait: impl Future<Output = T>) -> Result<T, tokio::time::error::Elapsed> {
        match self {
            Time::Until(until) => tokio::time::timeout_at(until.into(), wait).await,
            Time::Unlimited | Time::Over => Ok(wait.await),
        }
    }
}

/// Whether a connection goes on: with the addresses that a head of the PROXY protocol tells of, where it has to begin with one.
async fn introduced(client: &mut Downstream, raw: &mut Raw, listener: &Listener, time: &mut Time) -> bool {
    let Some(config) = listener.proxy_protocol.as_ref().filter(|_| listener.engine.looks(client.local.port()).introduction) else { return true };
    let stats = client.worker.listener_stats(&listener.stat_prefix);
    // What is rare does not make every connection's future large.
    match Box::pin(time.limit(introduce::introduce(client, raw, config))).await {
        Ok(Ok(Introduced::Known)) => return true,
        Ok(Ok(Introduced::Gone)) => stats.downstream_listener_filter_remote_close.inc(),
        // What was read of it was not answered.
        Ok(Ok(Introduced::Refused)) => drop(SockRef::from(raw.socket()).set_linger(Some(Duration::ZERO))),
        Ok(Err(_)) => {}
        Err(_) => {
            stats.downstream_pre_cx_timeout.inc();
            *time = Time::Over;
            return listener.engine.continues_on_timeout;
        }
    }
    false
}

/// Takes TLS off, as long as there is room for it.
async fn shake(
    worker: &Worker,
    raw: Raw,
    (context, timeout): (&ServerContext, Option<Duration>),
    stats: &TlsStats,
) -> Result<(Box<TlsStream<Raw>>, Session), String> {
    let mut turn = worker.handshakes.begin();
    tokio::select! {
        biased;
        shaken = Box::pin(handshake::accept(raw, context, timeout, stats)) => shaken,
        () = turn.over() => {
            stats.handshake_overflow.inc();
            Err(String::new())
        }
    }
}

/// Lets a client wait that is not wanted. It does not stay longer than it likes.
async fn wait(raw: &mut Raw, delay: Duration) {
    let gone = async {
        loop {
            // What it says goes nowhere.
            match raw.skip().await {
                Ok(n) if n > 0 => {}
                _ => return,
            }
        }
    };
    let _ = tokio::time::timeout(delay, gone).await;
}

/// Where a redirected connection wanted to go; `None` where the kernel knows of no redirection.
fn original_destination(stream: &TcpStream, local: SocketAddr) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let found = if local.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
    found.ok()?.as_socket()
}

async fn serve_connection(mut client: Downstream, mut raw: Raw, (listener, time): (Arc<Listener>, Time), stats: &ListenerStats, traffic: Option<Arc<Traffic>>) {
    let worker = client.worker.clone();
    let mut found = Found::default();
    let looks = listener.engine.looks(client.local.port());
    if (looks.tls || looks.http) && !matches!(time, Time::Over) {
        match time.limit(found.look(&mut raw, looks)).await {
            Ok(Ok(Ended::Known)) => {}
            Ok(ended) => {
                if matches!(ended, Ok(Ended::Gone)) {
                    stats.downstream_listener_filter_remote_close.inc();
                }
                return worker.log(&listener.logs, &Record::new(Rc::new(client)));
            }
            Err(_) => {
                stats.downstream_pre_cx_timeout.inc();
                if !listener.engine.continues_on_timeout {
                    return worker.log(&listener.logs, &Record::new(Rc::new(client)));
                }
            }
        }
    }
    if let Some(hello) = &mut found.tls {
        client.server_name = std::mem::take(&mut hello.server_name).into();
    }
    let logs = listener.logs.clone();
    let Some(chain) = choose(&client, &found, &listener).cloned() else {
        stats.no_filter_chain_match.inc();
        let mut record = Record::new(Rc::new(client));
        record.raise("NR");
        record.details = "filter_chain_not_found".into();
        worker.log(&logs, &record);
        // What was read of it was not answered.
        let _ = SockRef::from(raw.socket()).set_linger(Some(Duration::ZERO));
        return;
    };
    client.chain_name.clone_from(&chain.name);
    let asked = limit::ask(&client, &chain.limits);
    if let Some(refusal) = &asked.refusal {
        if let Some(delay) = refusal.delay {
            wait(&mut raw, delay).await;
        }
        let mut record = Record::new(Rc::new(client));
        record.raise(refusal.flag);
        if let End::Tcp(proxy) = &chain.end {
            worker.log(&proxy.logs, &record);
        }
        return worker.log(&logs, &record);
    }
    let tls_stats = matches!(chain.server, Server::Tls(_)).then(|| worker.tls_stats(&listener.stat_prefix));
    // A listener that is replaced is not kept by its connections.
    drop(listener);
    let stream = match &chain.server {
        Server::Plaintext => Stream::Plain(raw),
        Server::Tls(context) => match shake(&worker, raw, (context, chain.handshake_timeout), &tls_stats.unwrap_or_default()).await {
            Ok((stream, session)) => {
                client.tls = Some(session);
                Stream::Tls(stream)
            }
            Err(why) => {
                client.transport_failure = why.into();
                let record = Record::new(Rc::new(client));
                if let End::Tcp(proxy) = &chain.end {
                    worker.log(&proxy.logs, &record);
                }
                return worker.log(&logs, &record);
            }
        },
    };
    let client = Rc::new(client);
    match &chain.end {
        End::Tcp(proxy) => Box::pin(tcp::session::run(&client, stream, proxy, &chain, &logs)).await,
        End::Http(manager) => {
            let mut record = Record::new(client.clone());
            record.protocol = serve::http(&client, stream, manager, &chain).await;
            if let Some(traffic) = traffic {
                record.received = traffic.received.load(Ordering::Relaxed);
                record.sent = traffic.sent.load(Ordering::Relaxed);
            }
            worker.log(&logs, &record);
        }
    }
}

fn choose<'l>(client: &Downstream, found: &Found, listener: &'l Listener) -> Option<&'l Arc<Chain>> {
    let mut tls = found.client_tls();
    if let Some(tls) = &mut tls {
        tls.server_name = &client.server_name;
    }
    let connection = engine::Connection {
        destination: client.local,
        source: client.peer,
        direct_source: client.direct_peer.ip(),
        tls,
        protocol: found.protocol(),
        filter_state: &[],
    };
    let inspected = listener.engine.inspect(&connection).ok()?;
    let chains = listener.engine.chains();
    let chosen = match chains.choose(Subject { connection: &connection, inspected: &inspected }, &mut Off) {
        Choice::Chain(chain) => chain,
        Choice::None | Choice::Ambiguous(..) | Choice::Unknown(_) => return None,
    };
    let index = chains.iter().position(|c| std::ptr::eq(c, chosen))?;
    listener.chains.get(index)
}
