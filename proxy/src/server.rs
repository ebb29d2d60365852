//! The proxy as a whole: sockets, workers, and what runs beside them.

use crate::access_log::Writer;
use crate::admin;
use crate::bootstrap::Bootstrap;
use crate::config::listener::Listener;
use crate::config::{Compiler, Snapshot};
use crate::http::serve;
use crate::upstream::cluster::Runtime;
use crate::worker::{Complain, Phase, Shared, Worker};
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::listener::Address;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Why a proxy does not start.
#[derive(Debug)]
pub enum StartError {
    /// What can't be honoured.
    Configuration(Vec<Unknown>),
    /// A socket or a thread.
    System(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::System(why) => f.write_str(why),
            StartError::Configuration(list) => {
                write!(f, "the configuration can't be honoured:")?;
                list.iter().try_for_each(|u| write!(f, "\n  {u}"))
            }
        }
    }
}
impl std::error::Error for StartError {}

/// How a proxy runs.
#[derive(Clone)]
pub struct Settings {
    pub workers: usize,
    /// How long connections may take to come to their end.
    pub drain: Duration,
    /// After how long lines of access logs are written at the latest.
    pub flush: Duration,
    pub hostname: String,
    pub complain: Complain,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { workers: 1, drain: Duration::from_secs(600), flush: Duration::from_secs(1), hostname: "localhost".to_owned(), complain: Arc::new(|_| {}) }
    }
}

/// A running proxy.
pub struct Proxy {
    shared: Arc<Shared>,
    /// Listeners by name, with the address that they got.
    pub listeners: Vec<(String, SocketAddr)>,
    pub admin: Option<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

impl Proxy {
    /// Starts serving a bootstrap.
    ///
    /// # Errors
    /// What stands in the way; nothing runs then.
    pub fn start(bootstrap: Bootstrap, settings: &Settings) -> Result<Proxy, StartError> {
        let compiler = Compiler::default();
        let snapshot = Snapshot::compile(bootstrap.resources(), &compiler).map_err(StartError::Configuration)?;
        let complain = settings.complain.clone();
        let writer = Writer::start(move |what| complain(&what)).map_err(|e| StartError::System(format!("no thread for access logs: {e}")))?;
        let workers = settings.workers.max(1);
        let mut listeners = Vec::new();
        let mut sockets: Vec<Vec<(Arc<Listener>, TcpListener)>> = (0..workers).map(|_| Vec::new()).collect();
        for listener in snapshot.listeners.iter().filter(|l| l.engine.bound) {
            for address in &listener.engine.addresses {
                let (bound, each) = bind(listener, address, workers)?;
                listeners.push((listener.engine.name.to_string(), bound));
                sockets.iter_mut().zip(each).for_each(|(list, socket)| list.push((listener.clone(), socket)));
            }
        }
        let admin_socket = bootstrap.admin.map(TcpListener::bind).transpose().map_err(|e| StartError::System(format!("admin port: {e}")))?;
        let admin = admin_socket.as_ref().and_then(|s| s.local_addr().ok());
        let shared = Arc::new(Shared::new(snapshot, &settings.hostname, writer, settings.complain.clone()));
        let mut threads = Vec::new();
        let begun: Arc<std::sync::Barrier> = Arc::new(std::sync::Barrier::new(workers + 1));
        for (i, sockets) in sockets.into_iter().enumerate() {
            let (shared, begun, flush) = (shared.clone(), begun.clone(), settings.flush);
            let run = move || work(shared, sockets, flush, &begun);
            threads.push(thread(&format!("worker-{i}"), run)?);
        }
        begun.wait();
        let (background, drain) = (shared.clone(), settings.drain);
        let context = admin::Context { shared: shared.clone(), bootstrap: Arc::new(bootstrap), listeners: listeners.clone(), workers };
        threads.push(thread("background", move || beside(background, admin_socket, context, drain))?);
        Ok(Proxy { shared, listeners, admin, threads })
    }
    /// The address of a listener, by its name.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(name, _)| name == listener).map(|(_, a)| *a)
    }
    /// No new connections; it ends when those that are there are over, or their time is.
    pub fn drain(&self) {
        self.shared.advance(Phase::Draining);
    }
    /// Ends now.
    pub fn stop(&self) {
        self.shared.advance(Phase::Stopping);
    }
    /// Waits for the end, which [`Proxy::drain`], [`Proxy::stop`] or the admin port bring.
    pub fn wait(mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.shared.writer.wait();
    }
    /// What other threads may do with it.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
    /// Hands on what lines of access logs there are, and waits until they are written. For tests.
    pub fn log_is_written(&self) {
        self.shared.writer.wait();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|e| StartError::System(format!("no thread {name}: {e}")))
}

/// A socket for each worker: the kernel spreads connections over them.
fn bind(listener: &Listener, address: &Address, workers: usize) -> Result<(SocketAddr, Vec<TcpListener>), StartError> {
    let name = &listener.engine.name;
    let Address::Socket(mut address) = address.clone() else {
        return Err(StartError::System(format!("listener {name}: {address} is no address that can be listened on")));
    };
    let fail = |e: io::Error, a: SocketAddr| StartError::System(format!("listener {name}: {a}: {e}"));
    let mut list = Vec::with_capacity(workers);
    for i in 0..workers {
        if i > 0 && !listener.shares_port {
            let first: &TcpListener = &list[0];
            list.push(first.try_clone().map_err(|e| fail(e, address))?);
            continue;
        }
        let socket = open(address, listener).map_err(|e| fail(e, address))?;
        if i == 0 {
            // Port 0 is any; the others take the one that the first got.
            address = socket.local_addr().map_err(|e| fail(e, address))?;
        }
        list.push(socket);
    }
    Ok((address, list))
}

fn open(address: SocketAddr, listener: &Listener) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if listener.shares_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(listener.backlog)?;
    Ok(socket.into())
}

/// One worker's thread.
fn work(shared: Arc<Shared>, sockets: Vec<(Arc<Listener>, TcpListener)>, flush: Duration, begun: &std::sync::Barrier) {
    let complain = shared.complain.clone();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            complain(&format!("a worker can't run: {e}"));
            begun.wait();
            return;
        }
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let worker = Rc::new(Worker::new(shared.clone()));
        for (listener, socket) in sockets {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(socket) => drop(tokio::task::spawn_local(serve::listen(worker.clone(), socket, listener))),
                Err(e) => complain(&format!("listener {}: {e}", listener.engine.name)),
            }
        }
        begun.wait();
        let mut ended = std::pin::pin!(worker.ended());
        loop {
            tokio::select! {
                () = ended.as_mut() => break,
                () = tokio::time::sleep(flush) => worker.tick(),
            }
        }
        worker.tick();
    });
    // What still runs is dropped with the runtime, and logs itself; its lines go out with the worker.
    drop(local);
}

/// What runs beside the workers: the admin port, names, the health of hosts, the end.
fn beside(shared: Arc<Shared>, admin_socket: Option<TcpListener>, context: admin::Context, drain: Duration) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return (shared.complain)(&format!("the admin port can't run: {e}")),
    };
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        if let Some(socket) = admin_socket {
            tokio::task::spawn_local(admin::serve(socket, Rc::new(context)));
        }
        for name in shared.snapshot().clusters.keys() {
            if let Some(runtime) = shared.runtime(name) {
                watch_cluster(&runtime);
            }
        }
        shared.reached(Phase::Draining).await;
        let until = Instant::now() + drain;
        while Instant::now() < until && shared.phase() < Phase::Stopping && shared.active_connections() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        shared.advance(Phase::Stopping);
    });
}

/// Names that change, and hosts that come back.
fn watch_cluster(runtime: &Arc<Runtime>) {
    if runtime.config.kind == crate::config::cluster::Kind::Dns {
        tokio::task::spawn_local(crate::upstream::dns::follow(runtime.clone()));
    }
    if let Some(rules) = &runtime.config.outlier {
        let (runtime, interval) = (runtime.clone(), rules.interval.max(Duration::from_millis(1)));
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(interval).await;
                runtime.interval();
            }
        });
    }
}
