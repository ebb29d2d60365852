//! Proxies as their dumps show them: listener → filter chain → route → cluster → endpoint. Private keys are never read.

mod certificates;
mod clusters;
mod listeners;
mod routes;

pub use certificates::{Certificate, by_expiry};

use super::drift::Drift;
use super::percent;
use crate::graph::Health;
use mesh_envoy::admin::clusters::{ClusterStatus, read as read_endpoints};
use mesh_envoy::cluster_name::ClusterName;
use mesh_envoy::dump::bootstrap::BootstrapDump;
use mesh_envoy::dump::cluster::{Cluster as EnvoyCluster, Clusters, Metadata, UpdateFailure};
use mesh_envoy::dump::endpoint::{Endpoints, LoadAssignment};
use mesh_envoy::dump::listener::{Listener as EnvoyListener, Listeners};
use mesh_envoy::dump::route::{RouteConfig, Routes, WeightedClusters};
use mesh_envoy::dump::secret::{Secret, Secrets};
use mesh_envoy::dump::{SectionKind, Sections, read as read_dump};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Whose word pages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Teller {
    #[default]
    Proxy,
    /// What istiod would send, whatever the proxy holds.
    ControlPlane,
}

/// The pages of one proxy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pages<'p> {
    /// What it is called where the dump does not say: the file or folder.
    pub name: &'p str,
    /// The file or address that the pages come from.
    pub from: &'p str,
    /// What `meshctl proxy-config` takes to find them: `--from dump.json`, `reviews-v1.shop --from report.tgz`.
    pub arguments: &'p str,
    pub teller: Teller,
    pub config_dump: Option<&'p str>,
    /// `/clusters?format=json`.
    pub clusters: Option<&'p str>,
}

/// What one proxy holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proxy {
    pub name: String,
    pub namespace: String,
    pub from: String,
    /// As of [`Pages`].
    pub arguments: String,
    pub version: String,
    pub listeners: Vec<Listener>,
    pub routes: BTreeMap<String, Vec<Route>>,
    pub clusters: BTreeMap<String, Cluster>,
    pub certificates: Vec<Certificate>,
    /// Whether the pages have a section of clusters: without one nobody knows that a cluster is missing.
    pub has_clusters: bool,
    pub problems: Vec<Trouble>,
    /// Against the manifests.
    pub drift: Option<Drift>,
    /// Why a part of it is not shown.
    pub missing: Vec<String>,
    /// It did not answer the last time: this is what it held before.
    pub is_old: bool,
}

impl Proxy {
    pub fn full_name(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}.{}", self.name, self.namespace) }
    }
    pub fn health(&self) -> Health {
        self.problems.iter().map(|p| p.health).max().unwrap_or(Health::Ok)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub health: Health,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listener {
    pub name: String,
    pub address: String,
    pub direction: String,
    pub health: Health,
    pub state: String,
    pub chains: Vec<Chain>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// Its place in the listener.
    pub place: usize,
    pub name: String,
    /// What a connection must be to take it.
    pub accepts: String,
    pub tls: String,
    pub filters: Vec<String>,
    pub leads: Lead,
}

/// A cluster that requests or connections go to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    pub cluster: String,
    /// `20%`; "" where all of them go there.
    pub share: String,
}

impl std::fmt::Display for Destination {
    /// `20% reviews.bookinfo v1 :9080`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gap = if self.share.is_empty() { "" } else { " " };
        write!(f, "{}{gap}{}", self.share, short(&self.cluster))
    }
}

/// Where a filter chain leads.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Lead {
    /// A route configuration by name.
    Routes(String),
    Clusters(Vec<Destination>),
    #[default]
    Nowhere,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// The places of its virtual host and of itself in that.
    pub at: (usize, usize),
    pub host: String,
    pub domains: Vec<String>,
    pub name: String,
    pub accepts: String,
    pub clusters: Vec<Destination>,
    /// `→ reviews v1`, `redirect to …`, `503`.
    pub action: String,
    pub more: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    pub name: String,
    pub health: Health,
    pub facts: Vec<(String, String)>,
    /// `None` where the pages do not hold them.
    pub endpoints: Option<Vec<Endpoint>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
    pub address: String,
    pub health: Health,
    pub state: String,
    pub locality: String,
}

#[derive(Default)]
struct Wanted<'a> {
    bootstrap: Option<BootstrapDump<'a>>,
    clusters: Vec<Clusters<'a, EnvoyCluster<'a>>>,
    listeners: Vec<Listeners<'a, EnvoyListener<'a>>>,
    routes: Vec<Routes<'a, RouteConfig<'a>>>,
    endpoints: Vec<Endpoints<LoadAssignment<'a>>>,
    secrets: Vec<Secrets<'a, Secret<'a>>>,
}

impl<'a> Sections<'a> for Wanted<'a> {
    fn fresh(&self) -> Self {
        Wanted::default()
    }
    fn wants(&self, kind: SectionKind) -> bool {
        !matches!(kind, SectionKind::Ecds | SectionKind::ScopedRoutes)
    }
    fn take<D: serde::Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error> {
        match kind {
            SectionKind::Bootstrap => self.bootstrap = Some(Deserialize::deserialize(section)?),
            SectionKind::Clusters => self.clusters.push(Deserialize::deserialize(section)?),
            SectionKind::Listeners => self.listeners.push(Deserialize::deserialize(section)?),
            SectionKind::Routes => self.routes.push(Deserialize::deserialize(section)?),
            SectionKind::Endpoints => self.endpoints.push(Deserialize::deserialize(section)?),
            SectionKind::Secrets => self.secrets.push(Deserialize::deserialize(section)?),
            SectionKind::Ecds | SectionKind::ScopedRoutes => {
                serde::de::IgnoredAny::deserialize(section)?;
            }
        }
        Ok(())
    }
}

pub(super) fn read(pages: &Pages<'_>) -> Proxy {
    let mut proxy = Proxy { name: pages.name.to_owned(), from: pages.from.to_owned(), arguments: pages.arguments.to_owned(), ..Proxy::default() };
    let mut wanted = Wanted::default();
    if pages.teller == Teller::ControlPlane {
        proxy.missing.push("what the proxy holds: this is what istiod would send to it".to_owned());
    }
    match pages.config_dump {
        None => proxy.missing.push("no config dump: listeners, routes and clusters are not known".to_owned()),
        Some(text) => match read_dump(text, &mut wanted) {
            Ok(found) => proxy.missing.extend(found.unread.iter().map(|u| format!("an entry of the dump could not be read: {u}"))),
            Err(e) => proxy.problems.push(Trouble { health: Health::Failing, text: format!("its config dump can't be read: {e}") }),
        },
    }
    if let Some(bootstrap) = &wanted.bootstrap {
        name(&mut proxy, bootstrap);
    }
    let live: Vec<ClusterStatus<'_>> = match pages.clusters.map(read_endpoints) {
        None => Vec::new(),
        Some(Ok(list)) => list,
        Some(Err(e)) => {
            proxy.problems.push(Trouble { health: Health::Failing, text: format!("its endpoints can't be read: {e}") });
            Vec::new()
        }
    };
    proxy.has_clusters = !wanted.clusters.is_empty();
    clusters::read(&mut proxy, &wanted, &live);
    routes::read(&mut proxy, &wanted);
    listeners::read(&mut proxy, &wanted);
    certificates::read(&mut proxy, &wanted);
    for (missing, section) in [(wanted.listeners.is_empty(), "listeners"), (wanted.clusters.is_empty(), "clusters"), (wanted.routes.is_empty(), "routes")] {
        if missing && pages.config_dump.is_some() {
            proxy.missing.push(format!("the dump has no section of {section}"));
        }
    }
    if wanted.endpoints.is_empty() && live.is_empty() {
        proxy.missing.push("no endpoints: take the dump with `config_dump?include_eds`, or add `clusters?format=json`".to_owned());
    }
    proxy
}

fn name(proxy: &mut Proxy, bootstrap: &BootstrapDump<'_>) {
    let node = &bootstrap.bootstrap.node;
    // `sidecar~10.1.2.3~reviews-v1-7d9.bookinfo~bookinfo.svc.cluster.local`
    let mut parts = node.id.split('~');
    if let Some(full) = parts.nth(2).filter(|f| !f.is_empty()) {
        let (pod, namespace) = full.rsplit_once('.').unwrap_or((full, ""));
        pod.clone_into(&mut proxy.name);
        namespace.clone_into(&mut proxy.namespace);
    }
    proxy.version = node.metadata.istio_version.to_string();
}

fn rejected(proxy: &mut Proxy, what: &str, error: Option<&UpdateFailure<'_>>) -> bool {
    let Some(error) = error else { return false };
    proxy.problems.push(Trouble { health: Health::Failing, text: format!("it rejected an update of {what}: {}", error.details) });
    true
}

fn origin(metadata: &Metadata<'_>) -> Option<String> {
    let capital = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>();
    // Istio writes `destination-rule` where it means DestinationRule.
    let kind = |kind: &str| kind.split('-').map(capital).collect::<String>();
    metadata.config_ref().map(|c| format!("from {} {}/{}", kind(c.kind), c.namespace, c.name))
}

/// One cluster, and those that share by weight.
fn destinations(one: &str, weighted: Option<&WeightedClusters<'_>>) -> Vec<Destination> {
    let weighted = weighted.map_or(&[][..], |w| &w.clusters);
    let total = weighted.iter().map(|c| c.weight.0).sum();
    let one = Some(one).filter(|name| !name.is_empty()).map(|name| Destination { cluster: name.to_owned(), share: String::new() });
    one.into_iter().chain(weighted.iter().map(|c| Destination { cluster: c.name.to_string(), share: percent(c.weight.0, total) })).collect()
}

/// `reviews.bookinfo v1 :9080` of `outbound|9080|v1|reviews.bookinfo.svc.cluster.local`.
pub fn short(cluster: &str) -> String {
    match ClusterName::parse_any(cluster) {
        None => cluster.to_owned(),
        Some(n) => {
            let host = n.host.split_once(".svc.").map_or(n.host, |(h, _)| h);
            let subset = if n.subset.is_empty() { String::new() } else { format!(" {}", n.subset) };
            if n.host.is_empty() { format!("{} :{}", n.direction, n.port) } else { format!("{host}{subset} :{}", n.port) }
        }
    }
}
