//! `meshctl controlplane`: serves a mesh's configuration until it is interrupted.

use crate::args::controlplane::{ControlplaneArgs, Laptop};
use crate::cluster::{Access, Source};
use crate::context::Context;
use crate::followers::Followers;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use crate::worlds;
use mesh_collectors::manifests;
use mesh_controlplane::ca::{Authority, RENEW_AT};
use mesh_controlplane::places::{Reserved, Wanted};
use mesh_controlplane::{Cluster, Input, Manifests, Options, Reading, Running, Settings, StartError};
use mesh_model::{Completeness, ProblemKind, Role, Snapshot};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many ports are kept from other meshes of this machine where addresses can't be bound.
const PORTS: u16 = 1000;
/// Manifests beside a cluster are read again so often.
const POLL: Duration = Duration::from_secs(5);
/// It is looked so often whether a cluster has changed: what changes together is taken over together.
const LOOK: Duration = Duration::from_millis(100);

pub fn run(args: &ControlplaneArgs, context: &Context) -> Outcome {
    let (clusters, paths): (Vec<_>, Vec<_>) = args.from.iter().partition(|w| Source::parse(w, Role::Judged).is_some());
    let paths: Vec<String> = paths.into_iter().cloned().collect();
    let several: Vec<Cluster> = paths.iter().filter_map(|w| worlds::of_cluster(w, "")).map(|(name, path)| Cluster { name, paths: vec![path] }).collect();
    let own = own_cluster(args, &several)?;
    if !several.is_empty() && (several.len() < paths.len() || !clusters.is_empty()) {
        return Err(Failure::usage("--from takes NAME=DIR for each cluster, or none of that: what has no name is of no cluster"));
    }
    for path in paths.iter().map(Path::new).filter(|_| several.is_empty()) {
        if !path.exists() {
            return Err(Failure::input(format!("{}: there is no such file or folder", path.display())));
        }
    }
    let input: Box<dyn Input> = if !several.is_empty() {
        Box::new(Manifests::of_clusters(several, own, args.mesh_config.clone()))
    } else if clusters.is_empty() {
        Box::new(Manifests::new(paths, args.mesh_config.clone()))
    } else {
        if args.mesh_config.is_some() {
            return Err(Failure::usage("--meshConfigFile is for manifests; a cluster has a mesh configuration of its own"));
        }
        let followers = Arc::new(Followers::default());
        let access = Access::of_control_plane(&args.connect, &followers)?;
        let sources = clusters.iter().filter_map(|w| Source::parse(w, Role::Judged)).collect();
        Box::new(Clusters { access, followers, sources, paths, last: None, looked: None, unseen: Vec::new(), said: Vec::new() })
    };
    let reserved = args.laptop.map(reserve).transpose()?;
    let options = Options {
        xds: args.xds,
        tls: Some(args.tls),
        http: args.http,
        translation: Settings { laptop: reserved.as_ref().map(|r| r.loopback), cluster: own, ..Settings::default() },
        authority: authority(args, context.now)?,
        tokens: args.tokens.clone(),
        most_connections: args.max_proxies,
        say: Arc::new(stdio::note),
    };
    let interrupted = interruption()?;
    let running = Running::start(options, input).map_err(|e| match e {
        StartError::NotLoopback(_) => Failure::usage(e.to_string()),
        e => Failure::none(e.to_string()),
    })?;
    context.note(&format!(
        "xDS on {}, by TLS on {}, debug pages on http://{}; stop with Ctrl-C",
        running.xds,
        running.tls.map_or_else(String::new, |a| a.to_string()),
        running.http
    ));
    interrupted();
    drop((running, reserved));
    Ok(Status::Fine)
}

/// Places that no demo, and no other control plane, gives its proxies.
fn reserve(how: Laptop) -> Result<Reserved, Failure> {
    match how {
        Laptop::Addresses => Reserved::addresses(&[]).map_err(|e| {
            let what = "127.20.0.0 to 127.23.255.255 can't be had";
            Failure::none(format!("{what}: {e}; another mesh may run on this machine, as `meshctl demo` does: end it, or say --laptop ports"))
        }),
        Laptop::Ports => Reserved::new(Wanted::Ports, &[], PORTS).map_err(|e| Failure::none(format!("no ports for the proxies: {e}"))),
    }
}

/// The index of the own cluster.
fn own_cluster(args: &ControlplaneArgs, several: &[Cluster]) -> Result<u16, Failure> {
    let Some(id) = &args.cluster_id else { return Ok(0) };
    let names = || several.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    match several.iter().position(|c| c.name == *id).and_then(|at| u16::try_from(at).ok()) {
        Some(at) => Ok(at),
        None if several.is_empty() => Err(Failure::usage("--cluster-id names one of several clusters, which --from NAME=DIR gives")),
        None => Err(Failure::usage(format!("--cluster-id: no cluster is called `{id}`; there are {}", names()))),
    }
}

/// What waits for SIGINT or SIGTERM.
fn interruption() -> Result<impl FnOnce(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let bad = |e: std::io::Error| Failure::none(format!("signals can't be followed: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(bad)?;
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt()).map_err(bad)?, signal(SignalKind::terminate()).map_err(bad)?)
    };
    Ok(move || {
        runtime.block_on(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
    })
}

fn authority(args: &ControlplaneArgs, now: i64) -> Result<Authority, Failure> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())));
    let nanos = mesh_model::duration::parse(&args.cert_lifetime).and_then(|n| u64::try_from(n).ok()).map(Duration::from_nanos);
    let lifetime = nanos
        .filter(|t| *t >= Duration::from_secs(10))
        .ok_or_else(|| Failure::usage(format!("--cert-lifetime takes a time of 10s at least, such as 24h, not `{}`", args.cert_lifetime)))?;
    let authority = match (&args.ca_cert, &args.ca_key) {
        (Some(cert), Some(key)) => {
            let root = args.ca_root.as_deref().map(read).transpose()?;
            Authority::given(&read(cert)?, &read(key)?, root.as_deref(), now).map_err(|e| Failure::input(format!("{}: {e}", cert.display())))?
        }
        _ => Authority::self_signed("cluster.local", now).map_err(|e| Failure::none(e.to_string()))?,
    };
    Ok(authority.with_lifetime(lifetime, RENEW_AT))
}

/// Clusters, which are followed, and manifests beside them.
struct Clusters {
    access: Access,
    followers: Arc<Followers>,
    sources: Vec<Source>,
    paths: Vec<String>,
    /// A hash of all objects at the last time.
    last: Option<u64>,
    /// When everything was read last.
    looked: Option<Instant>,
    /// What could not be seen at that time.
    unseen: Vec<String>,
    said: Vec<String>,
}

impl Input for Clusters {
    fn read(&mut self) -> Reading {
        let files_are_due = !self.paths.is_empty() && self.looked.is_none_or(|at| at.elapsed() >= POLL);
        if self.looked.is_some() && !files_are_due && !self.followers.have_changed() {
            return Reading::Same;
        }
        self.looked = Some(Instant::now());
        let mut snapshot = Snapshot::new();
        snapshot.completeness = Completeness::Complete;
        let mut unseen = Vec::new();
        if let Err(failure) = self.access.read_all(&self.sources, crate::cluster::Input::Clusters, &mut snapshot, &mut unseen) {
            return self.failed(vec![failure.to_string()]);
        }
        let of_clusters = snapshot.objects.len();
        manifests::read(&mut snapshot, &self.paths, Role::Judged, 0);
        crate::cluster::forget_replaced(&mut snapshot, of_clusters);
        let broken = snapshot.problems.iter().filter(|p| matches!(p.kind, ProblemKind::Syntax | ProblemKind::Unreadable));
        unseen.extend(broken.map(|p| format!("{}: {}", p.subject, p.message)));
        // A part that is missing for once takes nothing from the proxies; one that was never there does.
        if self.last.is_some() && unseen.iter().any(|u| !self.unseen.contains(u)) {
            return self.failed(unseen);
        }
        self.unseen.clone_from(&unseen);
        let hash = fingerprint(&snapshot);
        if self.last == Some(hash) {
            return Reading::Same;
        }
        self.last = Some(hash);
        self.said.clear();
        Reading::New { snapshot: Box::new(snapshot), problems: unseen }
    }
    fn pause(&self) -> Duration {
        LOOK
    }
}

impl Clusters {
    /// The same trouble is told once.
    fn failed(&mut self, problems: Vec<String>) -> Reading {
        let new = problems.iter().filter(|p| !self.said.contains(p)).map(|p| format!("{p}; what was read before stays in force")).collect();
        self.said = problems;
        Reading::Failed(new)
    }
}

fn fingerprint(snapshot: &Snapshot) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hashes: Vec<u64> = snapshot
        .objects
        .iter()
        .map(|o| {
            let mut hasher = DefaultHasher::new();
            o.source().slice(o.root().span()).hash(&mut hasher);
            hasher.finish()
        })
        .collect();
    hashes.sort_unstable();
    let mut all = DefaultHasher::new();
    hashes.hash(&mut all);
    all.finish()
}
