//! The proxies of a mesh that runs: one for each workload that has one.

use crate::logs::Logs;
use crate::process::{Apart, Order, Processes};
use crate::workload::Workload;
use crate::{DemoError, Say};
use mesh_controlplane::Running;
use mesh_controlplane::bootstrap::Bootstrap;
use mesh_controlplane::ca::Identity;
use mesh_proxy::Proxy;
use mesh_proxy::server::Settings;
use mesh_proxy::threads::Threads;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long connections may go on at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// Threads that serve connections, at most.
const MOST_THREADS: usize = 8;

/// Where a proxy's pages are.
pub type Page = (Arc<Workload>, SocketAddr);

/// A proxy that runs.
enum One {
    Here(Proxy),
    Apart(Apart),
}

impl One {
    fn admin(&self) -> Option<SocketAddr> {
        match self {
            One::Here(proxy) => proxy.admin,
            One::Apart(process) => Some(process.admin),
        }
    }
    fn stop(&self) {
        match self {
            One::Here(proxy) => proxy.stop(),
            One::Apart(process) => process.stop(),
        }
    }
}

/// Proxies by `NAME.NAMESPACE`.
pub struct Proxies {
    /// Of their identities.
    trust_domain: String,
    logs: Arc<Logs>,
    /// Those that have processes of their own, and the folder of what these say.
    processes: Option<(Processes, PathBuf)>,
    /// Of those that have none.
    threads: Mutex<Option<Arc<Threads>>>,
    all: Mutex<BTreeMap<String, (Arc<Workload>, One)>>,
}

impl Proxies {
    pub fn new(trust_domain: &str, logs: &Arc<Logs>) -> Proxies {
        Proxies { trust_domain: trust_domain.to_owned(), logs: logs.clone(), processes: None, threads: Mutex::default(), all: Mutex::default() }
    }
    /// Some or all of them in processes of their own, and the folder of what these say.
    ///
    /// # Errors
    /// A folder that can't be made.
    pub fn placed(self, processes: Option<&Processes>) -> Result<(Proxies, Option<crate::folders::Own>), DemoError> {
        let Some(processes) = processes else { return Ok((self, None)) };
        let folder = crate::folders::own("said-").map_err(DemoError::Folder)?;
        Ok((Proxies { processes: Some((processes.clone(), folder.path().to_owned())), ..self }, Some(folder)))
    }
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Arc<Workload>, One)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Starts the proxy of a workload.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn start(&self, w: &Arc<Workload>, control: &Running, say: &Say) -> Result<(), String> {
        let proxy = self.run(w, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), control, say)?;
        self.lock().insert(w.id(), (w.clone(), proxy));
        Ok(())
    }
    /// Ends a proxy and starts it anew, with the same admin port: connections that are there go on with the certificate
    /// that they began with, and a new proxy has none.
    pub fn restart(&self, id: &str, control: &Running, say: &Say) -> Result<(), String> {
        let mut all = self.lock();
        let (w, old) = all.remove(id).ok_or_else(|| format!("{id} has no proxy"))?;
        let admin = old.admin().ok_or_else(|| format!("the proxy of {id} has no admin port"))?;
        drop(old);
        let proxy = self.run(&w, admin, control, say).map_err(|e| format!("{id} does not start again: {e}"))?;
        all.insert(w.id(), (w, proxy));
        Ok(())
    }
    /// Ends all: at once, and then one after the other is waited for.
    pub fn stop(&self) {
        let all = std::mem::take(&mut *self.lock());
        all.values().for_each(|(_, p)| p.stop());
    }
    /// Ends one, and waits for that.
    pub fn end(&self, id: &str) {
        let ended = self.lock().remove(id);
        drop(ended);
    }
    pub fn has(&self, id: &str) -> bool {
        self.lock().contains_key(id)
    }
    /// Where a proxy listens for something: at the first of these listeners that it has.
    pub fn listener(&self, id: &str, names: &[&str]) -> Option<SocketAddr> {
        let slots = match &self.lock().get(id)?.1 {
            One::Here(proxy) => proxy.shared().listeners.slots(),
            One::Apart(_) => return None,
        };
        names.iter().find_map(|n| slots.iter().find(|s| *s.name == **n).map(|s| s.address))
    }
    /// The admin port of a proxy that has a process of its own: it alone knows where it listens.
    pub fn apart_at(&self, id: &str) -> Option<SocketAddr> {
        match &self.lock().get(id)?.1 {
            One::Here(_) => None,
            One::Apart(process) => Some(process.admin),
        }
    }
    /// Admin ports by `NAME.NAMESPACE`.
    pub fn admins(&self) -> BTreeMap<String, SocketAddr> {
        self.pages().into_iter().map(|(w, admin)| (w.id(), admin)).collect()
    }
    /// In the order of their names.
    pub fn pages(&self) -> Vec<Page> {
        self.lock().values().filter_map(|(w, p)| Some((w.clone(), p.admin()?))).collect()
    }

    /// The threads that proxies of this process share: for each core one of each sort.
    fn threads(&self) -> std::io::Result<Arc<Threads>> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(threads) = &*threads {
            return Ok(threads.clone());
        }
        let cores = std::thread::available_parallelism().map_or(MOST_THREADS, std::num::NonZero::get);
        let new = Arc::new(Threads::new(cores.clamp(2, MOST_THREADS))?);
        *threads = Some(new.clone());
        Ok(new)
    }

    /// The sidecar or the gateway of a workload, with a token of its own.
    fn run(&self, w: &Workload, admin: SocketAddr, control: &Running, say: &Say) -> Result<One, String> {
        let token = control.token(Identity::new(&self.trust_domain, &w.namespace, &w.account)).map_err(|e| e.to_string())?;
        let bootstrap = Bootstrap {
            kind: if w.is_gateway() { "router" } else { "sidecar" },
            name: &w.name,
            namespace: &w.namespace,
            account: &w.account,
            address: "127.0.0.1",
            labels: w.labels.clone(),
            xds: control.xds,
            admin,
            token: Some(&token),
            is_delta: true,
        };
        let mut value = bootstrap.envoy();
        value["node"]["metadata"]["WORKLOAD_NAME"] = w.owner.as_str().into();
        for (key, text) in &w.metadata {
            value["node"]["metadata"][key.as_str()] = text.as_str().into();
        }
        let (logs, log) = (self.logs.clone(), w.id());
        logs.add(&log).map_err(|e| format!("no file for its log: {e}"))?;
        let output = move |lines: &str| logs.take(&log, lines);
        if let Some((processes, said)) = self.processes.as_ref().filter(|(p, _)| p.has(w)) {
            let envoy = processes.envoy(w).cloned();
            let order = Order { bootstrap: value, hostname: w.name.clone(), drain: u64::try_from(DRAIN.as_millis()).unwrap_or(0), envoy };
            return Apart::start(&w.id(), &processes.program, &order, &said.join(format!("{}.log", w.id())), output).map(One::Apart);
        }
        let bootstrap = mesh_proxy::bootstrap::Bootstrap::new(value).map_err(|e| e.to_string())?;
        let (say, name) = (say.clone(), w.name.clone());
        let settings = Settings {
            drain: DRAIN,
            hostname: w.name.clone(),
            complain: Arc::new(move |_, what| say(&format!("{name}: {what}"))),
            output: Some(Arc::new(output)),
            threads: Some(self.threads().map_err(|e| format!("no threads for proxies: {e}"))?),
            ..Settings::default()
        };
        Proxy::start(bootstrap, &settings).map(One::Here).map_err(|e| e.to_string())
    }
}
