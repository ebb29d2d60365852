//! A whole mesh in one process, on loopback: a control plane, a sidecar for each workload of a bookshop or of a mesh of one's
//! own, the workloads themselves, a load, their metrics behind Prometheus' query API, their traces behind Jaeger's, and their
//! logs. Everything ends with [`Demo`].

mod apps;
mod bookinfo;
mod clusters;
pub mod control;
mod folders;
pub mod generate;
mod limits;
mod load;
mod logs;
mod manifests;
mod mesh;
mod metrics;
mod orders;
pub mod own;
pub mod process;
mod programs;
mod proxies;
pub mod scenarios;
pub mod state;
mod tokens;
pub mod topology;
mod traces;
mod workload;

pub use clusters::{NAMES as CLUSTERS, OF_BOOKINFO as CLUSTERS_OF_BOOKINFO};
pub use load::Counts;
pub use mesh_controlplane::places::Wanted as Loopback;

use logs::Logs;
use mesh_controlplane::ca::Authority;
use mesh_controlplane::places::Reserved;
use mesh_controlplane::{Manifests, Options as ControlPlane, Running, Settings};
use orders::{Parts, Scenery};
use process::Processes;
use proxies::Proxies;
use state::{Entry, State};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use traces::Traces;

/// The names of Bookinfo's workloads, all of which have proxies.
pub fn workloads() -> Vec<String> {
    mesh::workloads().iter().map(|w| w.name.clone()).collect()
}

/// Takes what control plane and proxies complain of.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Which mesh it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mesh {
    #[default]
    Bookinfo,
    /// Manifests in files and folders.
    Manifests(Vec<PathBuf>),
    /// A file of isotope's: `kind: MockServiceGraph`.
    Graph(PathBuf),
    /// So many services, made by the seed.
    Generated(usize),
}

#[derive(Clone)]
pub struct Options {
    pub mesh: Mesh,
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
    /// Names of the clusters that the mesh is spread over; there is one without any, and Bookinfo takes two.
    pub clusters: Vec<String>,
    /// Workloads of a mesh of one's own, `NAME` or `NAME.NAMESPACE`, and the cluster of each.
    pub places: Vec<(String, String)>,
    /// Proxies that have processes of their own; all are in this one without it.
    pub processes: Option<Processes>,
    pub say: Say,
}

/// Why there is no demo. Nothing runs then.
#[derive(Debug)]
pub enum DemoError {
    Folder(std::io::Error),
    ControlPlane(String),
    /// A workload or its proxy.
    Workload(String, String),
    System(String),
    /// Proxies that were not ready in time.
    NotReady(Vec<String>),
    /// What a mesh of one's own has, or lacks.
    Mesh(String),
    /// An option that makes no sense.
    Usage(String),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DemoError::Folder(e) => {
                write!(f, "no folder for the mesh's manifests in {}: {e}; TMPDIR names another place", std::env::temp_dir().display())
            }
            DemoError::ControlPlane(e) => write!(f, "the control plane does not start: {e}"),
            DemoError::Workload(name, e) => write!(f, "{name} does not start: {e}"),
            DemoError::System(e) | DemoError::Mesh(e) | DemoError::Usage(e) => f.write_str(e),
            DemoError::NotReady(names) => write!(f, "these proxies were not ready in time: {}", names.join(", ")),
        }
    }
}

impl std::error::Error for DemoError {}

/// How long proxies may take until they have their configuration.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// And how much longer for each of them.
const READY_EACH: Duration = Duration::from_millis(300);

/// A mesh that runs. It ends when this is dropped: threads, sockets and files.
pub struct Demo {
    follower: Option<own::Follower>,
    services: Option<(tokio::sync::oneshot::Sender<()>, JoinHandle<()>)>,
    parts: Option<Arc<Parts>>,
    control_plane: SocketAddr,
    counts: Arc<Counts>,
    /// And a host that it has routes for.
    gateway: Option<(SocketAddr, String)>,
    prometheus: SocketAddr,
    jaeger: SocketAddr,
    logs: Arc<Logs>,
    manifests: Vec<PathBuf>,
    clusters: Vec<state::Cluster>,
    said: Option<PathBuf>,
    admins: Vec<(String, SocketAddr)>,
    name: String,
    entry: Option<Arc<Entry>>,
    ends: Arc<AtomicBool>,
    _control: Arc<Running>,
    _folders: Vec<folders::Own>,
    _reserved: Vec<Reserved>,
}

impl Demo {
    /// Starts everything, and returns when every proxy is ready and the load begins.
    ///
    /// # Errors
    /// What stands in the way; nothing runs then.
    pub fn start(options: &Options) -> Result<Demo, DemoError> {
        let ends = Arc::new(AtomicBool::new(false));
        let options = &Options { say: until_it_ends(&options.say, &ends), ..options.clone() };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let system = |e: std::io::Error| DemoError::System(e.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
        let traces = Traces::new(options.zipkin.as_deref(), &options.say)?;
        let jaeger = traces.address;
        match folders::sweep() {
            0 => {}
            n => (options.say)(&format!("{n} folders of demos that were killed are removed from {}", std::env::temp_dir().display())),
        }
        let logs = Arc::new(Logs::new(options.say.clone()).map_err(|e| {
            DemoError::System(format!("no folder for the proxies' logs in {}: {e}; TMPDIR names another place", std::env::temp_dir().display()))
        })?);
        let given = Given { runtime: runtime.handle(), logs: &logs, traces: jaeger.port() };
        let Cast { control, proxies, scenery, manifests, clusters, said, gateway, own, folders, reserved } = match &options.mesh {
            Mesh::Bookinfo => bookinfo::cast(options, &given)?,
            other => own::cast::cast(other, options, &given)?,
        };
        let socket = listen(any).map_err(|e| DemoError::System(format!("no port for metrics: {e}")))?;
        let prometheus = socket.local_addr().map_err(system)?;
        let orders = listen(any).map_err(|e| DemoError::System(format!("no port for orders: {e}")))?;
        let orders_at = orders.local_addr().map_err(system)?;
        let token: Arc<str> = hex(&mesh_controlplane::serve::random().map_err(|e| DemoError::System(e.to_string()))?).into();
        let control_plane = control.http;
        let parts = Arc::new(Parts::new(proxies.clone(), scenery, options.say.clone()));
        let carried_out = orders::of(&parts);
        let counts: Arc<Counts> = Arc::default();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (counted, rate, seed, requests) = (counts.clone(), options.rate, options.seed, options.requests);
        let entries = own.as_ref().map(|own| (own.stages(), own.entries.clone()));
        let (scraped, all_carried_out) = (proxies.clone(), token.clone());
        let bookinfo = gateway.as_ref().map(|(at, _)| *at);
        let within = READY_WITHIN + READY_EACH * u32::try_from(proxies.pages().len()).unwrap_or(u32::MAX);
        let run = move || {
            runtime.block_on(async move {
                tokio::spawn(traces.run());
                // Answers before all is there would be counted as failures.
                let _ = ready.send(metrics::ready(scraped.pages(), within).await);
                tokio::spawn(metrics::run(scraped, socket));
                tokio::spawn(control::serve(orders, all_carried_out, carried_out));
                match (entries, bookinfo) {
                    (Some((stages, entries)), _) => drop(tokio::spawn(own::run(stages, entries, (rate, requests), seed, counted))),
                    (None, Some(at)) => drop(tokio::spawn(load::run(at, rate, seed, requests, counted))),
                    (None, None) => {}
                }
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("demo".into()).spawn(run).map_err(system)?;
        let mut demo = Demo {
            follower: None,
            services: Some((stop, thread)),
            parts: Some(parts),
            control_plane,
            counts,
            gateway,
            prometheus,
            jaeger,
            logs,
            manifests,
            clusters,
            said,
            admins: proxies.pages().into_iter().map(|(w, admin)| (w.name.clone(), admin)).collect(),
            name: String::new(),
            entry: None,
            ends,
            _control: control,
            _folders: folders,
            _reserved: reserved,
        };
        match is_ready.recv() {
            Ok(late) if late.is_empty() => {}
            Ok(late) => return Err(DemoError::NotReady(late)),
            Err(_) => return Err(DemoError::System("the services' thread has ended".to_owned())),
        }
        let own = own.map(|mut own| {
            own.load();
            demo.gateway = own.gateway();
            own
        });
        let state = State {
            name: options.name.clone(),
            pid: std::process::id(),
            started: now(),
            manifests: demo.manifests.first().cloned().unwrap_or_default(),
            also: demo.manifests.get(1..).unwrap_or_default().to_vec(),
            gateway: demo.gateway.as_ref().map(|(at, _)| *at),
            host: demo.gateway.as_ref().map_or_else(String::new, |(_, host)| host.clone()),
            prometheus,
            jaeger,
            logs: demo.logs.folder().to_owned(),
            control_plane,
            clusters: demo.clusters.clone(),
            said: demo.said.clone(),
            admins: proxies.admins(),
            control: orders_at,
            token: token.to_string(),
        };
        demo.tell(state, own, &proxies, options)?;
        Ok(demo)
    }

    /// Tells other processes of the demo, and follows a mesh whose manifests may change.
    fn tell(&mut self, mut state: State, own: Option<own::Own>, proxies: &Arc<Proxies>, options: &Options) -> Result<(), DemoError> {
        if let Some(folder) = &options.states {
            match state::enter(folder, &mut state) {
                Ok(entry) => self.entry = Some(Arc::new(entry)),
                Err(e) => (options.say)(&format!("`--from demo` does not find this demo: {}: {e}", folder.display())),
            }
        }
        self.name.clone_from(&state.name);
        let Some(own) = own else { return Ok(()) };
        let (entry, proxies, say) = (self.entry.clone(), proxies.clone(), options.say.clone());
        let changed = move || {
            let state = State { admins: proxies.admins(), ..state.clone() };
            if let Some(Err(e)) = entry.as_ref().map(|e| e.update(&state)) {
                say(&format!("`--from demo` does not find what has changed: {e}"));
            }
        };
        self.follower = Some(own::Follower::start(own, changed).map_err(|e| DemoError::System(e.to_string()))?);
        Ok(())
    }
    /// What other processes call it; `None` where they can't find it.
    pub fn name(&self) -> Option<&str> {
        self.entry.as_ref().map(|_| self.name.as_str())
    }
    /// The mesh's manifests: what is written there reaches the proxies.
    pub fn manifests(&self) -> &[PathBuf] {
        &self.manifests
    }
    /// Where requests go in, and a host that is asked for; `None` for a mesh without a gateway.
    pub fn gateway(&self) -> Option<(SocketAddr, &str)> {
        self.gateway.as_ref().map(|(at, host)| (*at, host.as_str()))
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
    /// Its clusters, where there are several: their manifests, and the debug pages of their control planes.
    pub fn clusters(&self) -> &[state::Cluster] {
        &self.clusters
    }
    /// Where processes of its own write what they say; `None` where it has none.
    pub fn said(&self) -> Option<&Path> {
        self.said.as_deref()
    }
    /// Admin ports by workload.
    pub fn admins(&self) -> &[(String, SocketAddr)] {
        &self.admins
    }
    /// What became of the load.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // First nobody finds it any more.
        drop(self.follower.take());
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

/// What is said while the mesh runs. Parts of it miss each other at the end, as proxies their collector of traces, and that is no news.
fn until_it_ends(say: &Say, ends: &Arc<AtomicBool>) -> Say {
    let (say, ends) = (say.clone(), ends.clone());
    Arc::new(move |what| {
        if !ends.load(Ordering::Relaxed) {
            say(what);
        }
    })
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

/// What all meshes are given.
struct Given<'g> {
    runtime: &'g tokio::runtime::Handle,
    /// Where proxies write their access logs.
    logs: &'g Arc<Logs>,
    /// The port of 127.0.0.1 that takes spans.
    traces: u16,
}

/// What a mesh is made of, before its proxies are ready.
struct Cast {
    control: Arc<Running>,
    proxies: Arc<Proxies>,
    /// What scenarios can break.
    scenery: Option<Scenery>,
    /// Where the control plane reads.
    manifests: Vec<PathBuf>,
    /// Where there are several.
    clusters: Vec<state::Cluster>,
    /// Where processes of its own write what they say.
    said: Option<PathBuf>,
    gateway: Option<(SocketAddr, String)>,
    own: Option<own::Own>,
    folders: Vec<folders::Own>,
    reserved: Vec<Reserved>,
}

/// More proxies than a demo has.
const MOST_CONNECTIONS: usize = 10_000;

/// Starts a control plane, and does not wait until it has read anything.
fn serve(input: Manifests, translation: Settings, authority: Authority, say: &Say) -> Result<Arc<Running>, DemoError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let say = say.clone();
    let options = ControlPlane {
        xds: any,
        tls: None,
        http: any,
        translation,
        authority,
        tokens: None,
        most_connections: MOST_CONNECTIONS,
        say: Arc::new(move |what| say(what)),
    };
    Running::start(options, Box::new(input)).map(Arc::new).map_err(|e| DemoError::ControlPlane(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn the_end_of_a_demo_is_no_news() {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = heard.clone();
        let options = Options {
            mesh: Mesh::Bookinfo,
            loopback: Loopback::Ports,
            rate: 5,
            seed: 1,
            requests: None,
            states: None,
            name: "end".to_owned(),
            zipkin: None,
            clusters: Vec::new(),
            places: Vec::new(),
            processes: None,
            say: Arc::new(move |what| listener.lock().expect("unbroken").push(what.to_owned())),
        };
        let demo = Demo::start(&options).expect("a demo");
        until(|| demo.counts().fine.load(Ordering::Relaxed) > 3).expect("requests are answered");
        let before = heard.lock().expect("unbroken").len();
        drop(demo);
        let after = &heard.lock().expect("unbroken")[before..];
        assert!(!after.iter().any(|what| what.contains("spans are lost")), "{after:?}");
    }
}
