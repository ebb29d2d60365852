//! What a running demo is made of, and what it does when it is told to.

use crate::Say;
use crate::clusters::Clusters;
use crate::control::Orders;
use crate::manifests::{self, Object};
use crate::programs::Programs;
use crate::proxies::Proxies;
use crate::scenarios::{self, Breakage, Certificate, Change};
use mesh_controlplane::ca::Authority;
use mesh_controlplane::serve::Certify;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What scenarios change: manifests and programs of Bookinfo.
pub struct Scenery {
    pub clusters: Clusters,
    pub programs: Arc<Programs>,
}

/// The mesh that runs.
pub struct Parts {
    proxies: Arc<Proxies>,
    /// `None` for a mesh of one's own, which scenarios know nothing of.
    scenery: Option<Scenery>,
    say: Say,
    broken: Mutex<Broken>,
}

/// What is broken now.
#[derive(Default)]
struct Broken {
    /// By scenario.
    active: Vec<(&'static str, Breakage)>,
    /// What proxies run with.
    certificates: BTreeMap<&'static str, Certificate>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Parts {
    pub fn new(proxies: Arc<Proxies>, scenery: Option<Scenery>, say: Say) -> Parts {
        Parts { proxies, scenery, say, broken: Mutex::default() }
    }

    /// Ends the proxies: all at once, and then one after the other is waited for.
    pub fn stop(&self) {
        self.proxies.stop();
    }

    fn list(&self) -> Value {
        let broken = lock(&self.broken);
        let is_active = |name: &str| broken.active.iter().any(|(n, _)| *n == name);
        scenarios::all().map(|s| json!({"name": s.name, "what": s.what, "active": is_active(s.name)})).collect()
    }

    fn break_by(&self, name: &str, seed: u64) -> (u16, Value) {
        if self.scenery.is_none() {
            return (409, json!({"error": "scenarios break Bookinfo, and this is another mesh: change its manifests, which are followed"}));
        }
        let Some(scenario) = scenarios::find(name) else { return (404, json!({"error": format!("no scenario is called {name}")})) };
        let mut broken = lock(&self.broken);
        if broken.active.iter().any(|(n, _)| *n == name) {
            return (409, json!({"error": format!("{name} is active already; `--undo` ends it")}));
        }
        let breakage = {
            let held = |thing: &str| broken.active.iter().flat_map(|(_, b)| &b.changes).any(|c| service(&c.holds()) == service(thing));
            scenario.breakage(seed, &held)
        };
        let Some(breakage) = breakage else {
            return (409, json!({"error": format!("what {name} would break is broken by another scenario; `--undo` ends that")}));
        };
        let told = json!({"scenario": name, "cause": breakage.cause, "also": breakage.also, "seen": breakage.seen});
        broken.active.push((scenario.name, breakage));
        match self.apply(&mut broken) {
            Ok(()) => (200, told),
            Err(why) => (500, json!({"error": why})),
        }
    }

    fn undo(&self) -> (u16, Value) {
        let mut broken = lock(&self.broken);
        let ended: Vec<&str> = std::mem::take(&mut broken.active).into_iter().map(|(n, _)| n).collect();
        match self.apply(&mut broken) {
            Ok(()) => (200, json!({"ended": ended})),
            Err(why) => (500, json!({"error": why})),
        }
    }

    /// Makes the mesh what the active scenarios say.
    fn apply(&self, broken: &mut Broken) -> Result<(), String> {
        let Some(Scenery { clusters, programs: behaviours }) = &self.scenery else { return Ok(()) };
        let mut objects: Vec<Object> = Vec::new();
        let mut programs = BTreeMap::new();
        let mut certificates = BTreeMap::new();
        let mut is_away = false;
        for change in broken.active.iter().flat_map(|(_, b)| &b.changes) {
            match change {
                Change::Object(object) => objects.push(object.clone()),
                Change::Program(workload, behaviour) => drop(programs.insert(*workload, *behaviour)),
                Change::Certificate(workload, certificate) => drop(certificates.insert(*workload, *certificate)),
                Change::ControlPlane => is_away = true,
            }
        }
        for c in clusters.all() {
            manifests::write(c.folder.path(), &c.files, &objects).map_err(|e| format!("{}: {e}", c.folder.path().display()))?;
        }
        behaviours.set(programs);
        // A proxy that is given another certificate must be able to fetch it.
        clusters.all().iter().for_each(|c| c.control.away(false));
        for (c, w) in clusters.all().iter().flat_map(|c| c.workloads.iter().map(move |w| (c, w))) {
            let wanted = certificates.get(w.name.as_str());
            if wanted != broken.certificates.get(w.name.as_str()) {
                c.control.certify(&w.id(), wanted.map(|how| certify(*how)).transpose()?);
                self.proxies.restart(&w.id(), &c.control, &self.say)?;
            }
        }
        broken.certificates = certificates;
        clusters.all().iter().for_each(|c| c.control.away(is_away));
        Ok(())
    }
}

fn certify(certificate: Certificate) -> Result<Certify, String> {
    Ok(match certificate {
        Certificate::Expired => Certify::Expired,
        Certificate::OtherRoot => Certify::By(Arc::new(Authority::self_signed(crate::mesh::TRUST_DOMAIN, crate::now()).map_err(|e| e.to_string())?)),
        Certificate::OtherTrustDomain => Certify::InTrustDomain("other.example".to_owned()),
    })
}

/// Carries out what comes over the control port, for as long as the demo is there.
pub fn of(parts: &Arc<Parts>) -> Orders {
    let parts = Arc::downgrade(parts);
    Arc::new(move |method, path| {
        let Some(parts) = parts.upgrade() else { return (503, json!({"error": "the demo is ending"})) };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let value = |key: &str| query.split('&').find_map(|p| p.split_once('=').filter(|(k, _)| *k == key)).map(|(_, v)| v);
        match (method, path) {
            ("GET", "/") => (200, json!({"pid": std::process::id()})),
            ("GET", "/scenarios") => (200, parts.list()),
            ("POST", "/break") => parts.break_by(value("name").unwrap_or(""), value("seed").and_then(|s| s.parse().ok()).unwrap_or(1)),
            ("POST", "/undo") => parts.undo(),
            _ => (404, json!({"error": format!("{method} {path} is no order")})),
        }
    })
}

/// The service that something held belongs to. What nobody is let into, say, hides what its programs do.
fn service(held: &str) -> &str {
    let name = held.rsplit([' ', '/']).next().unwrap_or(held);
    name.rsplit_once("-v").filter(|(_, version)| version.bytes().all(|b| b.is_ascii_digit())).map_or(name, |(service, _)| service)
}
