//! What proxies say of themselves: endpoints that they do not use, updates that they rejected, certificates that nobody takes.

use crate::commands::{certs, proxy_status};
use crate::dump;
use certs::read::Held;
use mesh_analyzers::ranking::{Distrust, Empty, Host, Rejection};
use mesh_collectors::dumps::admin::{Admin, AdminError, Options};
use mesh_collectors::dumps::{Dumps, Endpoint, Page, Proxy};
use mesh_envoy::admin::clusters::{self, ClusterStatus};
use mesh_envoy::identify::Content;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What proxies say of themselves.
#[derive(Default)]
pub struct State {
    pub hosts: Vec<Host>,
    pub empty: Vec<Empty>,
    pub(super) rejections: Vec<Rejection>,
    pub(super) distrusts: Vec<Distrust>,
    /// Proxies that have lost their control plane.
    pub(super) lost: Vec<String>,
    /// Those that were asked for it.
    pub(super) asked: usize,
    pub(super) problems: Vec<String>,
    /// Certificates that are held now.
    pub(super) held: Vec<Held>,
    /// Whether any proxy said anything.
    pub(super) is_there: bool,
}

impl State {
    pub fn sort(&mut self) {
        self.hosts.sort();
        self.empty.sort();
        self.rejections.sort();
        self.lost.sort();
    }

    /// What dumps say, but for certificates: those of dumps that were saved may have been renewed since.
    pub(super) fn of(dumps: &Dumps) -> State {
        let mut out = State::default();
        let (states, _) = proxy_status::states(dumps);
        for one in &states {
            for t in &one.types {
                let rejected = t.rejected.iter();
                out.rejections.extend(rejected.map(|(name, why)| Rejection { proxy: one.name.clone(), text: format!("{} {name}: {why}", t.short) }));
            }
        }
        dumps.proxies.iter().for_each(|proxy| endpoints(proxy, &mut out));
        out
    }

    pub(super) fn add(&mut self, other: State) {
        self.hosts.extend(other.hosts);
        self.empty.extend(other.empty);
        self.rejections.extend(other.rejections);
        self.distrusts.extend(other.distrusts);
        self.lost.extend(other.lost);
        self.asked += other.asked;
        self.problems.extend(other.problems);
        self.held.extend(other.held);
        self.is_there |= other.is_there;
    }

    /// Finds out whose certificates nobody takes.
    pub(super) fn judge(&mut self, now: i64) {
        let held = std::mem::take(&mut self.held);
        self.distrusts = certs::distrusts(&held, now).into_iter().map(|(proxy, why)| Distrust { proxy, why }).collect();
        self.sort();
    }
}

/// Adds the endpoints that a proxy does not use, and its clusters without any.
pub fn endpoints(proxy: &Proxy, out: &mut State) {
    let Some(page) = proxy.page(&[Content::Clusters]) else { return };
    let list: Vec<ClusterStatus<'_>> = match clusters::read(&page.text) {
        Ok(list) => list,
        Err(e) => {
            out.problems.push(format!("{}: {e}", page.origin));
            return;
        }
    };
    for cluster in &list {
        if cluster.host_statuses.is_empty() && cluster.name.starts_with("outbound|") {
            out.empty.push(Empty { proxy: proxy.name.clone(), cluster: cluster.name.to_string() });
        }
        for host in &cluster.host_statuses {
            let health = &host.health_status;
            let is_unhealthy = health.failed_active_health_check || matches!(health.eds_health_status(), "UNHEALTHY" | "TIMEOUT" | "DRAINING");
            if health.failed_outlier_check || is_unhealthy {
                let address = host.address.to_string();
                out.hosts.push(Host {
                    proxy: proxy.name.clone(),
                    cluster: cluster.name.to_string(),
                    address,
                    is_ejected: health.failed_outlier_check,
                    is_unhealthy,
                });
            }
        }
    }
}

/// An admin port among the sources.
#[derive(Clone, Debug)]
pub struct Port {
    /// As it was typed, without the address where it has a name.
    pub name: String,
    /// The proxy's own name, where it is known.
    pub known: Option<String>,
    pub endpoint: Endpoint,
}

/// What one proxy said. Its pages are not kept: those of a whole mesh are too much.
pub struct Said {
    /// Index into the ports.
    pub port: usize,
    pub state: State,
}

/// Proxies that are asked at once.
const AT_ONCE: usize = 64;
const CONNECTED: &str = "control_plane.connected_state";

/// Asks all ports beside each other and tells what each of them said, all of it within a time.
pub fn ask(ports: Vec<Port>, within: Duration, tell: &Sender<Said>) {
    let Ok(runtime) = dump::runtime() else { return };
    let options = Options { connect: within, answer: within, ..Options::default() };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let on_tcp = ports.iter().find(|p| matches!(p.endpoint, Endpoint::Url(_)));
    let shared = Arc::new(on_tcp.and_then(|p| Admin::new(&p.endpoint, options).ok()));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for (i, port) in ports.into_iter().enumerate() {
            let (tell, places, shared) = (tell.clone(), Arc::clone(&places), Arc::clone(&shared));
            tasks.spawn(async move {
                let _place = places.acquire_owned().await;
                let admin = shared.as_ref().as_ref().map_or_else(|| Admin::new(&port.endpoint, options), |a| a.of(&port.endpoint));
                let pages = pages(admin).await;
                // Reading a dump keeps nobody from asking on.
                let read = tokio::task::spawn_blocking(move || {
                    let _ = tell.send(Said { port: i, state: read(&port, pages) });
                });
                drop(read.await);
            });
        }
        let _ = tasks.join_all().await;
    });
}

type Answers = [Result<Page, AdminError>; 3];

async fn pages(admin: Result<Admin, AdminError>) -> Answers {
    let one = async |path: &str, contents: &[Content]| match &admin {
        Ok(admin) => admin.get(path, contents).await,
        Err(e) => Err(e.clone()),
    };
    let gauge = format!("/stats?filter={CONNECTED}");
    let (dump, clusters, stats) = tokio::join!(
        one("/config_dump?include_eds", &[Content::ConfigDump]),
        one("/clusters?format=json", &[Content::Clusters]),
        one(&gauge, &[Content::Stats, Content::Yaml, Content::OtherText]),
    );
    [dump, clusters, stats]
}

fn read(port: &Port, answers: Answers) -> State {
    let [dump, clusters, stats] = answers;
    let mut problems = Vec::new();
    let mut pages = Vec::new();
    for (answer, what) in [(dump, "what it rejected and its certificates are not known"), (clusters, "which endpoints it does not use is not known")] {
        match answer {
            Ok(page) => pages.push(page),
            Err(e) => problems.push(format!("proxy {}: {e}; without it {what}", port.name)),
        }
    }
    let is_there = !pages.is_empty();
    let name = port.known.clone().or_else(|| pages.first().map(|p| p.origin.clone())).unwrap_or_default();
    let dumps = Dumps { proxies: vec![Proxy { name, is_known: port.known.is_some(), pages }], ..Dumps::default() };
    let mut state = State::of(&dumps);
    state.problems.extend(problems);
    state.held = certs::held(&dumps);
    state.is_there = is_there;
    // What is no Envoy has no such gauge.
    if let Some(value) = stats.ok().and_then(|page| gauge(&page.text)) {
        state.asked = 1;
        state.lost.extend((value == 0).then(|| port.name.clone()));
    }
    state
}

/// The value of the gauge that says whether a control plane is there.
fn gauge(text: &str) -> Option<u64> {
    text.lines().find_map(|l| l.strip_prefix(CONNECTED)?.strip_prefix(':')?.trim().parse().ok())
}
