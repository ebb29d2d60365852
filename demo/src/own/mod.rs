//! Meshes of one's own: manifests that are followed, what runs for them, and what changes when they do.

mod app;
pub(crate) mod cast;
mod load;
mod places;
mod plan;
pub mod script;
mod spread;
mod supply;

pub(crate) use load::run;
pub use plan::{ENTRY, ERROR_RATE, RESPONSE_SIZE, SCRIPT};

use crate::proxies::Proxies;
use crate::{DemoError, Say, clusters, limits, listen};
use app::Stage;
use load::{Entries, Entry};
use mesh_collectors::manifests;
use mesh_controlplane::Running;
use mesh_controlplane::bind::Role as Side;
use mesh_model::{Role, Snapshot};
use plan::{Member, Plan};
use script::Carries;
use spread::Spread;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use supply::Supplied;

/// What a look at manifests shows before anything runs.
pub struct Seen {
    pub trust_domain: String,
    pub workloads: usize,
    pub services: usize,
    /// Those with a port that is no HTTP: sidecars have a listener for each.
    pub tcp_services: usize,
    /// Ports of services, of programs behind them, and of gateways, in order.
    pub ports: Vec<u16>,
    /// Workloads by `NAME.NAMESPACE`.
    pub names: Vec<String>,
}

/// Reads manifests once.
///
/// # Errors
/// Manifests in which there is no workload, and what could not be read of them.
pub fn look(paths: &[PathBuf]) -> Result<Seen, DemoError> {
    let mut snapshot = Snapshot::new();
    let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    manifests::read(&mut snapshot, &paths, Role::Judged, 0);
    let mesh = mesh_resolver::Mesh::new(&snapshot);
    if mesh.workloads.all().is_empty() {
        let line = |p: &mesh_model::Problem| {
            let line = p.place.as_ref().map_or_else(String::new, |(source, span)| format!(":{}", source.position(span.start).line));
            format!("\n  {}{line}: {}", p.subject, p.message)
        };
        let problems: String = snapshot.problems.iter().take(10).map(line).collect();
        let what = "a Deployment, StatefulSet, DaemonSet or Pod is needed, or a MockServiceGraph";
        return Err(DemoError::Mesh(format!("{}: there is no workload to run: {what}{problems}", paths.join(", "))));
    }
    let tcp = mesh.services.all().iter().filter(|s| s.ports.iter().any(|p| !s.protocol(p).is_http())).count();
    let (workloads, services) = (mesh.workloads.all().len(), mesh.services.all().len());
    let names = mesh.workloads.all().iter().map(|w| format!("{}.{}", w.object.name(), w.namespace)).collect();
    Ok(Seen { trust_domain: mesh.config.trust_domain().to_owned(), workloads, services, tcp_services: tcp, ports: ports(&mesh), names })
}

/// Ports that are served somewhere in a mesh, as far as manifests say so with numbers.
fn ports(mesh: &mesh_resolver::Mesh<'_>) -> Vec<u16> {
    let of_services = mesh.services.all().iter().flat_map(|s| &s.ports).flat_map(|p| [Some(p.number), p.target.parse().ok()]);
    let gateways = mesh.snapshot.objects.iter().filter(|o| o.kind.name() == "Gateway");
    let servers = gateways.filter_map(|g| g.at(&["spec"])).flat_map(|spec| {
        let of_istio = spec.list("servers").filter_map(|s| s.get("port")?.text_of("number").parse().ok());
        of_istio.chain(spec.list("listeners").filter_map(|l| l.text_of("port").parse().ok())).collect::<Vec<u16>>()
    });
    let mut all: Vec<u16> = of_services.flatten().chain(servers).filter(|p| *p > 0).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A program's port that is served, by where it is.
type Tasks = BTreeMap<SocketAddr, (Carries, String, tokio::task::AbortHandle)>;

/// A mesh that follows its manifests: what runs in each of its clusters.
pub struct Own {
    all: Vec<One>,
    pub entries: Entries,
    followed: Sources,
    runtime: tokio::runtime::Handle,
    /// The port of 127.0.0.1 that takes spans.
    traces: u16,
    say: Say,
    said: BTreeSet<String>,
}

/// What manifests are made of that the control planes read, and that is followed with them.
#[derive(Default)]
pub struct Sources {
    pub graph: Option<crate::topology::Followed>,
    pub spread: Option<Spread>,
}

/// Where a cluster's manifests are made up for.
pub struct Place {
    pub control: Arc<Running>,
    /// Where what the manifests lack is written.
    pub supplied: PathBuf,
    /// Its name; "" where there is one only.
    pub cluster: String,
}

/// What runs in a cluster.
struct One {
    stage: Arc<Stage>,
    place: Place,
    /// Its index in the input.
    index: u16,
    written: Supplied,
    tasks: Tasks,
    /// Of the control plane's input, as far as it was followed.
    generation: u64,
    is_whole: bool,
    /// Why what the manifests lack could not be written.
    unwritten: Option<std::io::Error>,
}

/// What is the same in all clusters.
struct Shared<'s> {
    runtime: &'s tokio::runtime::Handle,
    traces: u16,
    spread: Option<&'s Spread>,
    say: &'s Say,
    /// Says what was not said before.
    once: &'s mut dyn FnMut(&str),
}

/// How long callers wait for proxies that are new.
const READY: Duration = Duration::from_secs(10);
/// How long the control plane may take until it has taken in what it is given.
const TAKEN_IN: Duration = Duration::from_secs(60);
/// How often the control plane is asked whether the manifests have changed, and gateways what they have routes for.
const OFTEN: Duration = Duration::from_millis(200);
const ROUTES: Duration = Duration::from_secs(1);
/// After so many looks they are asked as seldom as this.
const LOOKS: u32 = 5;
const SELDOM: Duration = Duration::from_secs(30);

impl Own {
    /// Starts programs and proxies for what the control planes have read. Spans are taken at a port of 127.0.0.1.
    ///
    /// # Errors
    /// A control plane that does not take in what the mesh lacks.
    pub fn begin(
        places: Vec<Place>,
        followed: Sources,
        proxies: &Arc<Proxies>,
        (runtime, traces): (tokio::runtime::Handle, u16),
        say: Say,
        seed: u64,
    ) -> Result<Own, DemoError> {
        let one = |(index, place): (u16, Place)| One {
            stage: Arc::new(Stage::new(proxies.clone(), seed.wrapping_add(u64::from(index)))),
            place,
            index,
            written: Supplied::default(),
            tasks: Tasks::new(),
            generation: 0,
            is_whole: false,
            unwritten: None,
        };
        let all = (0..).zip(places).map(one).collect();
        let mut own = Own { all, entries: Entries::default(), followed, runtime, traces, say, said: BTreeSet::new() };
        let end = Instant::now() + TAKEN_IN;
        // What the mesh lacks is known by the first reading, and in the next.
        while !own.all.iter().all(|o| o.is_whole) {
            own.follow();
            if let Some(e) = own.all.iter_mut().find_map(|o| o.unwritten.take()) {
                return Err(DemoError::Folder(e));
            }
            if Instant::now() > end {
                return Err(DemoError::ControlPlane("its manifests are not taken in".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(own)
    }

    /// What the programs of each cluster share.
    pub fn stages(&self) -> Vec<Arc<Stage>> {
        self.all.iter().map(|o| o.stage.clone()).collect()
    }

    /// Takes up what has changed. Whether something runs otherwise then.
    fn follow(&mut self) -> bool {
        let Own { all, followed, runtime, traces, say, said, .. } = self;
        let mut once = |what: &str| {
            if said.insert(what.to_owned()) {
                say(what);
            }
        };
        if let Some(problem) = followed.graph.as_mut().and_then(crate::topology::Followed::follow) {
            say(&problem);
        }
        followed.spread.iter_mut().flat_map(Spread::follow).for_each(|note| once(&note));
        let mut shared = Shared { runtime, traces: *traces, spread: followed.spread.as_ref(), say, once: &mut once };
        // Each of them, whatever the ones before have done.
        all.iter_mut().fold(false, |changed, one| one.follow(&mut shared) | changed)
    }

    /// Learns from the gateways what they have routes for. The runtime is to run.
    pub fn load(&mut self) {
        let mut gateways = Vec::new();
        let Some(first) = self.all.first() else { return };
        for (w, admin) in first.stage.proxies.pages().into_iter().filter(|(w, _)| w.is_gateway()) {
            let (to, from) = channel();
            self.runtime.spawn(async move { to.send(app::json(admin, "/config_dump").await) });
            let Ok(Ok(dump)) = from.recv_timeout(Duration::from_secs(10)) else { continue };
            let (found, notes) = load::of_gateway(&dump);
            for note in notes.into_iter().map(|n| format!("{}: {n}", w.id())) {
                if self.said.insert(note.clone()) {
                    (self.say)(&note);
                }
            }
            gateways.extend(found);
        }
        let plans: Vec<Arc<Plan>> = self.all.iter().map(|o| o.stage.plan()).collect();
        let entries = load::entries(&plans, gateways);
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(entries);
    }

    /// Where the first gateway takes requests, and a host that it has routes for.
    pub fn gateway(&self) -> Option<(SocketAddr, String)> {
        let all = self.entries.read().unwrap_or_else(PoisonError::into_inner).clone();
        all.iter().find_map(|(_, e)| match e {
            Entry::Gateway { at, host, .. } => Some((*at, host.clone())),
            _ => None,
        })
    }
}

impl One {
    /// Takes up what has changed in the cluster's manifests. Whether something runs otherwise then.
    fn follow(&mut self, shared: &mut Shared<'_>) -> bool {
        if self.place.control.generation() == self.generation {
            return false;
        }
        let (folder, traces, cluster) = (self.place.supplied.clone(), shared.traces, self.index);
        let network = shared.spread.map(|s| (self.place.cluster.clone(), s.system.get(usize::from(cluster)).cloned().unwrap_or_default()));
        let count = shared.spread.map_or(0, |s| s.clusters.len());
        let asked = self.place.control.ask(move |model, world, bind| {
            let (plan, gateway) = match bind {
                None => Default::default(),
                Some(bind) => {
                    let gateway = network.as_ref().map(|(name, _)| format!("{}-{name}.{}", clusters::GATEWAY, clusters::SYSTEM));
                    let gateway = gateway.map(|g| bind.places.give(&g, Side::Inbound, "", clusters::PORT));
                    (plan::make(model, bind, cluster), gateway)
                }
            };
            let network = network.as_ref().map(|(name, labels)| supply::Network { cluster: name, gateway, labels });
            let supplied = supply::of(&world.snapshot, &supply::For { folder: &folder, traces, cluster, network });
            (supplied, plan, world.generation, clusters::known(&world.snapshot) >= count)
        });
        let Some((supplied, plan, generation, is_connected)) = asked else { return false };
        if generation == self.generation || generation == 0 {
            return false;
        }
        self.generation = generation;
        if supplied != self.written {
            self.is_whole = false;
            match crate::manifests::write(&self.place.supplied, &[("added.yaml", supplied.text.clone())], &[]) {
                Ok(()) => (self.written, self.unwritten) = (supplied, None),
                Err(e) => {
                    // It is tried again.
                    self.generation = 0;
                    if !self.stage.plan().members.is_empty() {
                        (shared.once)(&format!("{}: {e}; what runs stays as it is until it can be written", self.place.supplied.display()));
                    }
                    self.unwritten = Some(e);
                }
            }
            // It comes again with them.
            return false;
        }
        if !is_connected && !self.is_whole {
            // The others' gateways come as well.
            return false;
        }
        plan.notes.iter().chain(&self.written.notes).for_each(|n| (shared.once)(n));
        self.run(plan, shared);
        self.is_whole = true;
        true
    }

    /// Ends what is no longer there, and starts what is new.
    fn run(&mut self, plan: Plan, shared: &mut Shared<'_>) {
        let old = self.stage.plan();
        let goes = |m: &Member| plan.members.get(&m.id).is_none_or(|n| n.workload != m.workload);
        for m in old.members.values().filter(|m| goes(m)) {
            self.stage.proxies.end(&m.workload.id());
        }
        let mut wanted: BTreeMap<SocketAddr, (Carries, String)> = plan.outside.iter().map(|(at, (c, host))| (*at, (*c, host.clone()))).collect();
        for (id, m) in &plan.members {
            wanted.extend(m.serves.iter().map(|s| (s.at, (s.carries, id.clone()))));
        }
        self.tasks.retain(|at, (carries, id, task)| {
            let stays = wanted.get(at).is_some_and(|(c, i)| c == carries && i == id);
            if !stays {
                task.abort();
            }
            stays
        });
        let (plan, mut failed) = (Arc::new(plan), Vec::new());
        let mut started = Vec::new();
        for (at, (carries, id)) in wanted {
            if self.tasks.contains_key(&at) {
                continue;
            }
            match listen_soon(at) {
                Ok(socket) => {
                    let task = shared.runtime.spawn(app::serve(self.stage.clone(), id.clone(), carries, socket));
                    self.tasks.insert(at, (carries, id, task.abort_handle()));
                }
                Err(e) => failed.push(format!("{id} is not played at {at}: {e}")),
            }
        }
        for m in plan.members.values().filter(|m| m.workload.has_proxy()) {
            if !self.stage.proxies.has(&m.workload.id()) {
                match self.stage.proxies.start(&m.workload, &self.place.control, shared.say) {
                    Ok(()) => started.push(m.workload.id()),
                    Err(e) => failed.push(format!("the proxy of {} does not start: {e}", m.workload.id())),
                }
            }
        }
        // Nobody begins to call who is not ready; at the very beginning nothing calls yet.
        if !old.members.is_empty() {
            let admins = self.stage.proxies.admins();
            let end = Instant::now() + READY;
            for admin in started.iter().filter_map(|id| admins.get(id)) {
                while !is_ready(*admin) && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        self.stage.set(plan);
        failed.iter().for_each(|f| (shared.say)(f));
    }
}

/// Whether a proxy says that it serves.
fn is_ready(admin: SocketAddr) -> bool {
    use std::io::{Read, Write};
    let patience = Duration::from_secs(1);
    let ask = || -> std::io::Result<bool> {
        let mut stream = std::net::TcpStream::connect_timeout(&admin, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

/// A place that a task had which is just being ended is free a moment later.
fn listen_soon(at: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let end = Instant::now() + Duration::from_secs(2);
    loop {
        match listen(at) {
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse && Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
}

/// The thread that follows; it ends with this.
pub struct Follower {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// `changed` hears of every change of what runs.
    pub fn start(mut own: Own, changed: impl Fn() + Send + 'static) -> std::io::Result<Follower> {
        let (stop, stopped): (Sender<()>, Receiver<()>) = channel();
        let run = move || {
            let (mut looked, mut looks) = (Instant::now(), 0);
            while stopped.recv_timeout(OFTEN) == Err(RecvTimeoutError::Timeout) {
                if own.follow() {
                    changed();
                    looks = 0;
                }
                // A gateway takes a change up a moment later; a dump is large, and seldom another one by itself.
                if looked.elapsed() >= if looks < LOOKS { ROUTES } else { SELDOM } {
                    own.load();
                    looked = Instant::now();
                    looks += 1;
                }
            }
        };
        let thread = std::thread::Builder::new().name("follower".into()).spawn(run)?;
        Ok(Follower { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Open files that so many workloads need; more are asked of the system where it lets one have them.
///
/// # Errors
/// A limit that is too low.
pub fn provide(seen: &Seen) -> Result<(), DemoError> {
    // Sockets and runtimes of a proxy, its application's ports, and a few connections.
    let needed = 500 + 40 * seen.workloads as u64 + 2 * seen.services as u64;
    limits::open_files(needed).map_err(|limit| {
        let what = format!("{} workloads need about {needed} open files, and this system lets a process have {limit}", seen.workloads);
        DemoError::Mesh(format!("{what}: raise the hard limit (`ulimit -Hn`), or run fewer"))
    })
}
