//! The proxy as a whole: sockets, workers, and what runs beside them.

use crate::access_log::{Output, Writer};
use crate::admin;
use crate::bootstrap::Bootstrap;
use crate::config::overload::Limits;
use crate::config::{Compiler, Snapshot};
use crate::downstream::accept;
use crate::jwt::remote::Remotes;
use crate::listeners::Accept;
use crate::logging::{Levels, Logger};
use crate::overload::{self, Overload};
use crate::splice;
use crate::telemetry::peer::Own;
use crate::threads::{Running, Sort, Threads};
use crate::tls::files::{self, Files};
use crate::trace::config::Tracer;
use crate::trace::exporter::Exporters;
use crate::upstream::cluster::Runtime;
use crate::worker::{Complain, Phase, Shared, Worker};
use crate::xds;
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::field::{Message, Path, Read};
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

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
    /// Where the last good configuration of a control plane is kept; `None` for nowhere.
    pub kept: Option<PathBuf>,
    /// Where spans of managers without a provider go; only with the feature `jaeger`.
    pub jaeger_agent: Option<SocketAddr>,
    pub complain: Complain,
    /// Takes what access logs write to standard output and error; `None` writes it there.
    pub output: Option<Output>,
    /// Those of the proxy's own log, which the admin port changes.
    pub levels: Arc<Levels>,
    /// The most pipes of each worker, through which the kernel moves bytes that nobody looks at; with none of them all is copied.
    pub pipes: usize,
    /// Threads that it shares with other proxies of the process; its own without.
    pub threads: Option<Arc<Threads>>,
    /// Called on the thread of the control plane when nothing has changed for a while after a change: what reading it took can be
    /// given back to the system.
    pub settled: Arc<dyn Fn() + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            workers: 1,
            drain: Duration::from_secs(600),
            flush: Duration::from_secs(1),
            hostname: "localhost".to_owned(),
            kept: None,
            jaeger_agent: None,
            complain: Arc::new(|_, _| {}),
            output: None,
            levels: Arc::default(),
            pipes: splice::PIPES,
            threads: None,
            settled: Arc::new(|| {}),
        }
    }
}

/// A running proxy.
pub struct Proxy {
    shared: Arc<Shared>,
    pub admin: Option<SocketAddr>,
    running: Vec<Running>,
    /// Shared threads end after what runs on them.
    _threads: Option<Arc<Threads>>,
}

impl Proxy {
    /// Starts serving a bootstrap. With a control plane the proxy serves what is static at once, and the rest as it comes.
    ///
    /// # Errors
    /// What stands in the way; nothing runs then.
    pub fn start(bootstrap: Bootstrap, settings: &Settings) -> Result<Proxy, StartError> {
        let compiler = Compiler::default();
        trace_of(&bootstrap.value, &compiler).map_err(|u| StartError::Configuration(vec![u]))?;
        if let Some(agent) = settings.jaeger_agent {
            trace_by_agent(agent, &compiler)?;
        }
        let snapshot = Snapshot::compile(bootstrap.resources(), &compiler).map_err(StartError::Configuration)?;
        // Secrets in files are there before the first connection, if they can be.
        let mut files = Files::new(compiler.secrets.clone());
        files.look().iter().for_each(|what| (settings.complain)(Logger::Secret, what));
        let tags = admin::tags::Tags::read(&bootstrap.value).map_err(|u| StartError::Configuration(vec![u]))?;
        let matcher = admin::matcher::Matcher::read(&bootstrap.value).map_err(|u| StartError::Configuration(vec![u]))?;
        let limits = Limits::read(&bootstrap.value).map_err(|u| StartError::Configuration(vec![u]))?;
        let plan = xds::Plan::read(&bootstrap.value, &snapshot).map_err(|u| StartError::Configuration(vec![u]))?;
        let complain = settings.complain.clone();
        let shared_threads = settings.threads.clone();
        let writer = Writer::start(shared_threads.as_ref().map(|t| &t.writer), move |what| complain(Logger::File, &what), settings.output.clone());
        let writer = writer.map_err(|e| StartError::System(format!("no thread for access logs: {e}")))?;
        let workers = settings.workers.max(1);
        let (mut shared, to_watch) = Shared::new(snapshot.clone(), &settings.hostname, Own::of(&bootstrap.value), writer, settings.complain.clone());
        (shared.overload, shared.pipes) = (Overload::new(limits), settings.pipes);
        let shared = Arc::new(shared);
        let to_accept: Vec<_> = (0..workers).map(|_| shared.listeners.attach()).collect();
        for listener in &*snapshot.listeners {
            let opened = shared.listeners.bind(listener).and_then(|bound| shared.listeners.open(listener, bound));
            opened.map_err(|e| StartError::System(format!("listener {}: {e}", listener.engine.name)))?;
        }
        let admin_socket = bootstrap.admin.map(TcpListener::bind).transpose().map_err(|e| StartError::System(format!("admin port: {e}")))?;
        let admin = admin_socket.as_ref().and_then(|s| s.local_addr().ok());
        let mut begin = Start { shared: shared.clone(), running: Vec::new(), threads: shared_threads };
        let (begun, is_begun) = std::sync::mpsc::channel();
        for (i, to_accept) in to_accept.into_iter().enumerate() {
            let (shared, begun, flush) = (shared.clone(), begun.clone(), settings.flush);
            begin.part(Sort::Worker, &format!("worker-{i}"), move || work(shared, to_accept, flush, begun))?;
        }
        drop(begun);
        // Nobody holds on to it who has not begun.
        while is_begun.recv().is_ok() {}
        // Names are resolved before the first request asks for them.
        shared.publish(snapshot.clone());
        let (secrets, exporters) = (compiler.secrets.clone(), compiler.exporters.clone());
        let beside_workers = Beside { to_watch, files, exporters, remotes: compiler.remotes.clone() };
        let (drain, kept, settled) = (settings.drain, settings.kept.clone(), settings.settled.clone());
        let control = plan.map(|plan| xds::Control::new(plan, shared.clone(), compiler, snapshot, drain, kept, settled));
        let dynamic = control.as_ref().map(|c| c.dynamic().clone());
        let background = shared.clone();
        let context = admin::Context {
            shared: shared.clone(),
            bootstrap: Arc::new(bootstrap.into()),
            workers,
            dynamic,
            secrets,
            tags,
            matcher,
            levels: settings.levels.clone(),
            drain: settings.drain,
        };
        begin.part(Sort::Background, "background", move || beside(background, admin_socket, context, beside_workers, drain))?;
        if let Some(control) = control {
            begin.part(Sort::ControlPlane, "control-plane", move || control.run())?;
        }
        Ok(begin.done(admin))
    }
    /// Listeners by name, with the address that they got.
    pub fn listeners(&self) -> Vec<(String, SocketAddr)> {
        self.shared.listeners.slots().iter().map(|s| (s.name.to_string(), s.address)).collect()
    }
    /// The address of a listener, by its name.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners().into_iter().find(|(name, _)| name == listener).map(|(_, a)| a)
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
        self.running.drain(..).for_each(Running::join);
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
        self.running.drain(..).for_each(Running::join);
    }
}

/// A proxy whose parts begin one after the other.
struct Start {
    shared: Arc<Shared>,
    running: Vec<Running>,
    threads: Option<Arc<Threads>>,
}

impl Start {
    fn part<F>(&mut self, sort: Sort, name: &str, body: impl FnOnce() -> F + Send + 'static) -> Result<(), StartError>
    where
        F: Future<Output = ()> + 'static,
    {
        let begun = Running::begin(self.threads.as_deref(), sort, name, body);
        self.running.push(begun.map_err(|e| StartError::System(format!("no thread {name}: {e}")))?);
        Ok(())
    }
    fn done(self, admin: Option<SocketAddr>) -> Proxy {
        Proxy { shared: self.shared, admin, running: self.running, _threads: self.threads }
    }
}

/// One worker. What still runs at its end is dropped with its tasks, and logs itself; its lines go out with the worker.
async fn work(shared: Arc<Shared>, mut to_accept: mpsc::UnboundedReceiver<Accept>, flush: Duration, begun: std::sync::mpsc::Sender<()>) {
    let worker = Rc::new(Worker::new(shared.clone()));
    let listen = |accept: Accept| drop(tokio::task::spawn_local(accept::listen(worker.clone(), accept)));
    while let Ok(accept) = to_accept.try_recv() {
        listen(accept);
    }
    drop(begun);
    let mut ended = std::pin::pin!(worker.ended());
    loop {
        tokio::select! {
            () = ended.as_mut() => break,
            Some(accept) = to_accept.recv() => listen(accept),
            () = tokio::time::sleep(flush) => worker.tick(),
        }
    }
    worker.tick();
}

/// What the thread beside the workers looks after.
struct Beside {
    /// Clusters with names to resolve or ejections to end.
    to_watch: mpsc::UnboundedReceiver<Weak<Runtime>>,
    files: Files,
    exporters: Arc<Exporters>,
    remotes: Arc<Remotes>,
}

/// How long workers may take to end.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// What runs beside the workers: the admin port, names, the health of hosts, the end.
async fn beside(
    shared: Arc<Shared>,
    admin_socket: Option<TcpListener>,
    context: admin::Context,
    Beside { mut to_watch, mut files, exporters, remotes }: Beside,
    drain: Duration,
) {
    if let Some(socket) = admin_socket {
        tokio::task::spawn_local(admin::serve(socket, Rc::new(context)));
    }
    let complain = shared.complain.clone();
    tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(files::INTERVAL).await;
            files.look().iter().for_each(|what| complain(Logger::Secret, what));
        }
    });
    tokio::task::spawn_local(async move {
        while let Some(runtime) = to_watch.recv().await {
            watch_cluster(&runtime);
        }
    });
    if let Some(refresh) = shared.overload.refresh() {
        let shared = shared.clone();
        tokio::task::spawn_local(async move {
            while shared.phase() < Phase::Stopping {
                shared.overload.look(overload::resident());
                tokio::time::sleep(refresh).await;
            }
        });
    }
    tokio::task::spawn_local(remotes.run(shared.clone()));
    let traces = tokio::task::spawn_local(exporters.clone().run(shared.clone()));
    shared.reached(Phase::Draining).await;
    let until = Instant::now() + drain;
    while Instant::now() < until && shared.phase() < Phase::Stopping && shared.active_connections() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shared.advance(Phase::Stopping);
    // Workers hand their last spans on as their connections end.
    let until = Instant::now() + LAST_SPANS;
    while Instant::now() < until && shared.active_connections() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    exporters.end();
    let _ = traces.await;
}

/// The provider of traces for managers that name none.
fn trace_of(bootstrap: &serde_json::Value, compiler: &Compiler) -> Read<()> {
    let m = Message::new(bootstrap, Path::root("bootstrap"))?;
    if let Some(provider) = m.message_or_empty("tracing")?.message("http")? {
        compiler.exporters.set_fallback(Tracer::read(&provider, &compiler.exporters)?);
    }
    Ok(())
}

/// An agent in place of that provider.
#[cfg(feature = "jaeger")]
fn trace_by_agent(agent: SocketAddr, compiler: &Compiler) -> Result<(), StartError> {
    compiler.exporters.set_fallback(Tracer::jaeger(agent, &compiler.exporters));
    Ok(())
}

#[cfg(not(feature = "jaeger"))]
fn trace_by_agent(agent: SocketAddr, _: &Compiler) -> Result<(), StartError> {
    Err(StartError::System(format!(
        "spans can't go to the Jaeger agent at {agent}: this mesh-proxy was built without the feature `jaeger`. Jaeger's collector takes Zipkin's JSON and OTLP, which need no feature"
    )))
}

/// Names that change, and hosts that come back; for as long as the cluster is in use.
fn watch_cluster(watched: &Weak<Runtime>) {
    let Some(config) = watched.upgrade().map(|r| r.config.clone()) else { return };
    if config.kind == crate::config::cluster::Kind::Dns {
        tokio::task::spawn_local(crate::upstream::dns::follow(watched.clone()));
    }
    if let Some(rules) = &config.outlier {
        let (watched, interval) = (watched.clone(), rules.interval.max(Duration::from_millis(1)));
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(runtime) = watched.upgrade() else { return };
                runtime.interval();
            }
        });
    }
}
