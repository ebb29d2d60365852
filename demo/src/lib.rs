//! A whole mesh in one process, on loopback: a control plane, a sidecar for each workload of a bookshop, the workloads
//! themselves, a load, their metrics behind Prometheus' query API, their traces behind Jaeger's, and their logs. Everything ends with [`Demo`].

mod apps;
pub mod control;
mod load;
mod logs;
mod manifests;
mod mesh;
mod metrics;
mod orders;
mod places;
mod programs;
pub mod scenarios;
pub mod state;
mod tokens;
mod traces;

pub use load::Counts;
pub use mesh::WORKLOADS;

use apps::Outbound;
use logs::Logs;
use mesh::Workload;
use mesh_controlplane::bind::Role;
use mesh_controlplane::bootstrap::Bootstrap;
use mesh_controlplane::ca::{Authority, Identity};
use mesh_controlplane::{Manifests, Options as ControlPlane, Running, Settings};
use mesh_proxy::Proxy;
use mesh_proxy::server::Settings as ProxySettings;
use orders::Parts;
use places::Reserved;
use programs::Programs;
use state::{Entry, State};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use traces::Traces;

/// Which addresses the workloads get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loopback {
    /// Addresses of their own in 127.20.0.0/14 where they can be bound and nobody else has them, else ports.
    #[default]
    Any,
    /// Ports of 127.0.0.1.
    Ports,
}

/// Takes what control plane and proxies complain of.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

pub struct Options {
    pub loopback: Loopback,
    /// Requests a second.
    pub rate: u32,
    /// Chooses what is requested.
    pub seed: u64,
    /// After so many requests the load ends; the mesh goes on.
    pub requests: Option<u64>,
    /// The folder where it tells other processes of itself; nowhere without one.
    pub states: Option<PathBuf>,
    /// What others call it; a number is added where a demo of the name runs.
    pub name: String,
    /// A Zipkin that gets all traces too.
    pub zipkin: Option<String>,
    pub say: Say,
}

/// Why there is no demo. Nothing runs then.
#[derive(Debug)]
pub enum DemoError {
    Folder(std::io::Error),
    ControlPlane(String),
    /// A workload or its proxy.
    Workload(&'static str, String),
    System(String),
    /// Proxies that were not ready in time.
    NotReady(Vec<&'static str>),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DemoError::Folder(e) => write!(f, "no folder for the mesh's manifests: {e}"),
            DemoError::ControlPlane(e) => write!(f, "the control plane does not start: {e}"),
            DemoError::Workload(name, e) => write!(f, "{name} does not start: {e}"),
            DemoError::System(e) => f.write_str(e),
            DemoError::NotReady(names) => write!(f, "these proxies were not ready within {} seconds: {}", READY_WITHIN.as_secs(), names.join(", ")),
        }
    }
}

impl std::error::Error for DemoError {}

/// How long proxies may take until they have their configuration.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long connections may go on at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// A mesh that runs. It ends when this is dropped: threads, sockets and files.
pub struct Demo {
    services: Option<(tokio::sync::oneshot::Sender<()>, JoinHandle<()>)>,
    parts: Option<Arc<Parts>>,
    control_plane: SocketAddr,
    counts: Arc<Counts>,
    gateway: SocketAddr,
    prometheus: SocketAddr,
    jaeger: SocketAddr,
    logs: Arc<Logs>,
    manifests: PathBuf,
    admins: Vec<(&'static str, SocketAddr)>,
    name: String,
    entry: Option<Entry>,
    _reserved: Reserved,
}

impl Demo {
    /// Starts everything, and returns when every proxy is ready and the load begins.
    pub fn start(options: &Options) -> Result<Demo, DemoError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let outside = listen(any).map_err(|e| DemoError::System(format!("no port for {}: {e}", mesh::OUTSIDE)))?;
        let traces = Traces::new(options.zipkin.as_deref(), &options.say)?;
        let jaeger = traces.address;
        let logs = Logs::new(WORKLOADS.iter().map(|w| format!("{}.{}", w.name, mesh::NAMESPACE)));
        let logs = Arc::new(logs.map_err(|e| DemoError::System(format!("no folder for the proxies' logs: {e}")))?);
        let files = mesh::files(outside.local_addr().map_err(|e| DemoError::System(e.to_string()))?.port(), jaeger.port());
        let folder = mesh::folder(&files).map_err(DemoError::Folder)?;
        let programs: Arc<Programs> = Arc::default();
        let reserved = Reserved::new(options.loopback).map_err(|e| DemoError::System(format!("no addresses for the workloads: {e}")))?;
        let control = control_plane(folder.path(), reserved.loopback, options)?;
        until(|| control.is_ready()).map_err(|()| DemoError::ControlPlane("its manifests are not read".to_owned()))?;
        let place = |w: &'static Workload, role: Role, port: u16| {
            let none = || DemoError::Workload(w.name, "it has no place".to_owned());
            control.place(&format!("{}.{}", w.name, mesh::NAMESPACE), role, port).ok_or_else(none)
        };
        let mut apps = Vec::new();
        for w in WORKLOADS.iter().filter(|w| !w.is_gateway()) {
            let at = place(w, Role::Application, mesh::PORT)?;
            let outbound = Outbound { services: place(w, Role::Outbound, mesh::PORT)?, outside: place(w, Role::Outbound, mesh::OUTSIDE_PORT)? };
            let socket = listen(at).map_err(|e| DemoError::Workload(w.name, format!("{at}: {e}")))?;
            apps.push((w, socket, outbound));
        }
        let mut proxies: BTreeMap<&'static str, Proxy> = BTreeMap::new();
        for w in WORKLOADS {
            proxies.insert(w.name, proxy(w, any, &control, &options.say, &logs).map_err(|e| DemoError::Workload(w.name, e))?);
        }
        let entry = WORKLOADS.iter().find(|w| w.app == mesh::GATEWAY).ok_or_else(|| DemoError::System("there is no gateway".to_owned()))?;
        let gateway = place(entry, Role::Inbound, mesh::GATEWAY_PORT)?;
        let socket = listen(any).map_err(|e| DemoError::System(format!("no port for metrics: {e}")))?;
        let prometheus = socket.local_addr().map_err(|e| DemoError::System(e.to_string()))?;
        let orders = listen(any).map_err(|e| DemoError::System(format!("no port for orders: {e}")))?;
        let token: Arc<str> = hex(&mesh_controlplane::serve::random().map_err(|e| DemoError::System(e.to_string()))?).into();
        let mut state = State {
            name: options.name.clone(),
            pid: std::process::id(),
            started: now(),
            manifests: folder.path().to_owned(),
            gateway,
            host: mesh::HOST.to_owned(),
            prometheus,
            jaeger,
            logs: logs.folder().to_owned(),
            control_plane: control.http,
            admins: proxies.iter().filter_map(|(w, p)| Some((format!("{w}.{}", mesh::NAMESPACE), p.admin?))).collect(),
            control: orders.local_addr().map_err(|e| DemoError::System(e.to_string()))?,
            token: token.to_string(),
        };
        let pages: Vec<(&'static Workload, SocketAddr)> = WORKLOADS.iter().filter_map(|w| Some((w, proxies.get(w.name)?.admin?))).collect();
        let admins = pages.iter().map(|(w, admin)| (w.name, *admin)).collect();
        let control_plane = control.http;
        let manifests = folder.path().to_owned();
        let parts = Arc::new(Parts::new(control, proxies, (folder, files), programs.clone(), options.say.clone(), logs.clone()));
        let carried_out = orders::of(&parts);
        let counts: Arc<Counts> = Arc::default();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| DemoError::System(e.to_string()))?;
        let (counted, rate, seed, requests) = (counts.clone(), options.rate, options.seed, options.requests);
        let run = move || {
            runtime.block_on(async move {
                for (w, socket, outbound) in apps {
                    tokio::spawn(apps::serve(w, socket, outbound, programs.clone()));
                }
                tokio::spawn(apps::serve_outside(outside));
                tokio::spawn(traces.run());
                // Answers before all is there would be counted as failures.
                let _ = ready.send(metrics::ready(&pages, READY_WITHIN).await);
                tokio::spawn(metrics::run(pages, socket));
                tokio::spawn(control::serve(orders, token, carried_out));
                tokio::spawn(load::run(gateway, rate, seed, requests, counted));
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("demo".into()).spawn(run).map_err(|e| DemoError::System(e.to_string()))?;
        let mut demo = Demo {
            services: Some((stop, thread)),
            parts: Some(parts),
            control_plane,
            counts,
            gateway,
            prometheus,
            jaeger,
            logs,
            manifests,
            admins,
            name: String::new(),
            entry: None,
            _reserved: reserved,
        };
        match is_ready.recv() {
            Ok(late) if late.is_empty() => {}
            Ok(late) => return Err(DemoError::NotReady(late)),
            Err(_) => return Err(DemoError::System("the services' thread has ended".to_owned())),
        }
        if let Some(folder) = &options.states {
            match state::enter(folder, &mut state) {
                Ok(entry) => demo.entry = Some(entry),
                Err(e) => (options.say)(&format!("`--from demo` does not find this demo: {}: {e}", folder.display())),
            }
        }
        demo.name = state.name;
        Ok(demo)
    }
    /// What other processes call it; `None` where they can't find it.
    pub fn name(&self) -> Option<&str> {
        self.entry.as_ref().map(|_| self.name.as_str())
    }
    /// The mesh's manifests: what is written there reaches the proxies.
    pub fn manifests(&self) -> &Path {
        &self.manifests
    }
    /// Where the load goes in, for requests to the host [`Demo::host`].
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }
    pub fn host(&self) -> &'static str {
        mesh::HOST
    }
    /// Prometheus' query API.
    pub fn prometheus(&self) -> SocketAddr {
        self.prometheus
    }
    /// Jaeger's query API.
    pub fn jaeger(&self) -> SocketAddr {
        self.jaeger
    }
    /// The folder of the proxies' access logs, a file for each.
    pub fn logs(&self) -> &Path {
        self.logs.folder()
    }
    /// The control plane's debug pages.
    pub fn control_plane(&self) -> SocketAddr {
        self.control_plane
    }
    /// Admin ports by workload.
    pub fn admins(&self) -> &[(&'static str, SocketAddr)] {
        &self.admins
    }
    /// What became of the load.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // First nobody finds it any more.
        drop(self.entry.take());
        if let Some((stop, thread)) = self.services.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
        let Some(mut parts) = self.parts.take() else { return };
        parts.stop();
        // An order that is being carried out is waited for: what it holds is to go with the rest.
        for _ in 0..500 {
            match Arc::try_unwrap(parts) {
                Ok(last) => return drop(last),
                Err(shared) => parts = shared,
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Seconds since the epoch.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn listen(at: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = std::net::TcpListener::bind(at)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn until(holds: impl Fn() -> bool) -> Result<(), ()> {
    let end = Instant::now() + READY_WITHIN;
    while !holds() {
        if Instant::now() > end {
            return Err(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn control_plane(folder: &Path, loopback: mesh_controlplane::bind::Loopback, options: &Options) -> Result<Running, DemoError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let say = options.say.clone();
    let options = ControlPlane {
        xds: any,
        tls: None,
        http: any,
        translation: Settings { laptop: Some(loopback), ..Settings::default() },
        authority: Authority::self_signed(mesh::TRUST_DOMAIN, now()).map_err(|e| DemoError::ControlPlane(e.to_string()))?,
        tokens: None,
        most_connections: 100,
        say: Arc::new(move |what| say(what)),
    };
    let input = Manifests::new(vec![folder.display().to_string()], None);
    Running::start(options, Box::new(input)).map_err(|e| DemoError::ControlPlane(e.to_string()))
}

/// The sidecar or the gateway of a workload, with a token of its own.
fn proxy(w: &'static Workload, admin: SocketAddr, control: &Running, say: &Say, logs: &Arc<Logs>) -> Result<Proxy, String> {
    let token = control.token(Identity::new(mesh::TRUST_DOMAIN, mesh::NAMESPACE, w.app)).map_err(|e| e.to_string())?;
    let bootstrap = Bootstrap {
        kind: if w.is_gateway() { "router" } else { "sidecar" },
        name: w.name,
        namespace: mesh::NAMESPACE,
        account: w.app,
        address: "127.0.0.1",
        labels: w.labels(),
        xds: control.xds,
        admin,
        token: Some(&token),
        is_delta: true,
    };
    let mut value = bootstrap.envoy();
    value["node"]["metadata"]["WORKLOAD_NAME"] = w.name.into();
    let bootstrap = mesh_proxy::bootstrap::Bootstrap::new(value).map_err(|e| e.to_string())?;
    let (say, name) = (say.clone(), w.name);
    let (logs, log) = (logs.clone(), format!("{}.{}", w.name, mesh::NAMESPACE));
    let settings = ProxySettings {
        drain: DRAIN,
        hostname: w.name.to_owned(),
        complain: Arc::new(move |_, what| say(&format!("{name}: {what}"))),
        output: Some(Arc::new(move |lines| logs.take(&log, lines))),
        ..ProxySettings::default()
    };
    Proxy::start(bootstrap, &settings).map_err(|e| e.to_string())
}
