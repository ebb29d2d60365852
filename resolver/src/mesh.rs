//! The snapshot, indexed: the one thing that rules ask.

use crate::accounts::Accounts;
use crate::destination_rule::DestinationRules;
use crate::host;
use crate::injection::{self, InMesh};
use crate::labels::Selector;
use crate::machine::Machines;
use crate::mesh_config::MeshConfig;
use crate::ownership::{Ownership, Place};
use crate::peer_authentication::PeerAuthentications;
use crate::service::{Service, Services};
use crate::watch::{LeftOut, Watch};
use crate::workload::{Workload, Workloads};
use mesh_envoy::matcher::Truth;
use mesh_model::{Completeness, Kind, Node, Object, Role, Snapshot};
use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

#[derive(Default)]
struct InNamespace<'a> {
    objects: Vec<&'a Object>,
    by_name: FxHashMap<&'a str, &'a Object>,
}

/// A snapshot and its indexes. Of several clusters there is one mesh each as well ([`Mesh::clusters`]): its objects,
/// workloads and services are those of the cluster, and what they refer to may stand in another one.
pub struct Mesh<'a> {
    pub snapshot: &'a Snapshot,
    /// Some object is in the input twice.
    pub repeats: bool,
    pub config: MeshConfig<'a>,
    pub workloads: Arc<Workloads<'a>>,
    pub machines: Arc<Machines<'a>>,
    pub services: Arc<Services<'a>>,
    pub peer_authentications: PeerAuthentications<'a>,
    pub destination_rules: DestinationRules<'a>,
    /// The cluster domain, `cluster.local`.
    pub domain: &'a str,
    /// Objects that a later one of the same name replaces; of a part only, where nobody knows which of them is applied.
    replaced: Option<Arc<Replaced<'a>>>,
    /// Whether namespaces without a label are injected.
    pub enables_namespaces_by_default: bool,
    places: Arc<Places<'a>>,
    ownership: Arc<Ownership<'a>>,
    /// The same of all clusters, for the mesh of one.
    everywhere: Option<Everywhere<'a>>,
    clusters: Vec<Mesh<'a>>,
    accounts: OnceLock<Arc<Accounts>>,
    /// Of a mesh as its control plane sees it what is not in it.
    left_out: LeftOut<'a>,
}

#[derive(Clone)]
struct Everywhere<'a> {
    workloads: Arc<Workloads<'a>>,
    machines: Arc<Machines<'a>>,
    services: Arc<Services<'a>>,
    places: Arc<Places<'a>>,
    ownership: Arc<Ownership<'a>>,
}

struct Replaced<'a> {
    objects: Vec<&'a Object>,
    workloads: Workloads<'a>,
    services: Services<'a>,
}

impl<'a> Replaced<'a> {
    fn new(snapshot: &'a Snapshot, effective: &[Named<'a>]) -> Option<Replaced<'a>> {
        if effective.len() == snapshot.objects.len() || snapshot.completeness == Completeness::Complete {
            return None;
        }
        let used: FxHashSet<*const Object> = effective.iter().map(|n| std::ptr::from_ref(n.object)).collect();
        let objects: Vec<&Object> = snapshot.objects.iter().filter(|o| o.role == Role::Judged && !used.contains(&std::ptr::from_ref(*o))).collect();
        let workloads = Workloads::new(&objects);
        let services = Services::new(&objects, host::CLUSTER_DOMAIN, &["*"]);
        Some(Replaced { objects, workloads, services })
    }
}

/// Kinds that the clusters of a mesh have in common: a namespace, a service or an identity is the same in all of them.
const COMMON: &[Kind] = &[Kind::Namespace, Kind::Service, Kind::ServiceAccount];

/// An object and what it is found by, looked up once.
#[derive(Clone, Copy)]
struct Named<'a> {
    object: &'a Object,
    namespace: &'a str,
    name: &'a str,
    hash: u64,
}

impl<'a> Named<'a> {
    fn new(object: &'a Object) -> Named<'a> {
        let mut named = Named { object, namespace: object.namespace(), name: object.name(), hash: 0 };
        named.hash = FxBuildHasher.hash_one(named.key());
        named
    }
    fn key(&self) -> (Kind, u16, &'a str, &'a str) {
        (self.object.kind, self.object.cluster, self.namespace, self.name)
    }
    fn counts_once(&self) -> bool {
        self.object.kind != Kind::Other && !self.name.is_empty()
    }
}

/// The objects that count: of those with one kind, namespace and name in a cluster the last judged one, or the last
/// where none is judged.
fn effective(snapshot: &Snapshot) -> Vec<Named<'_>> {
    let mut all: Vec<Named<'_>> = snapshot.objects.par_iter().with_min_len(256).map(Named::new).collect();
    // Mostly each is there once, and that is seen from hashes alone.
    let mut hashes = FxHashSet::default();
    hashes.reserve(all.len());
    if all.iter().filter(|n| n.counts_once()).all(|n| hashes.insert(n.hash)) {
        return all;
    }
    let mut best: FxHashMap<_, &Object> = FxHashMap::default();
    for n in all.iter().filter(|n| n.counts_once()) {
        let best = best.entry(n.key()).or_insert(n.object);
        if n.object.role == Role::Judged || best.role != Role::Judged {
            *best = n.object;
        }
    }
    all.retain(|n| !n.counts_once() || best.get(&n.key()).is_some_and(|best| std::ptr::eq(*best, n.object)));
    all
}

/// Objects by kind, and by kind and namespace.
#[derive(Default)]
struct Places<'a> {
    by_kind: Vec<Vec<&'a Object>>,
    by_namespace: Vec<FxHashMap<&'a str, InNamespace<'a>>>,
}

impl<'a> Places<'a> {
    fn objects(&self, kind: Kind) -> &[&'a Object] {
        &self.by_kind[kind as usize]
    }
    fn objects_in(&self, kind: Kind, namespace: &str) -> &[&'a Object] {
        self.by_namespace[kind as usize].get(namespace).map_or(&[], |n| &n.objects)
    }
    fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&'a Object> {
        self.by_namespace[kind as usize].get(namespace)?.by_name.get(name).copied()
    }
}

fn places<'a>(effective: &[Named<'a>]) -> Places<'a> {
    let mut places = Places::default();
    places.by_kind.resize_with(Kind::Other as usize + 1, Vec::new);
    places.by_namespace.resize_with(Kind::Other as usize + 1, FxHashMap::default);
    for n in effective {
        let kind = n.object.kind;
        places.by_kind[kind as usize].push(n.object);
        if kind == Kind::Other {
            continue;
        }
        let place = places.by_namespace[kind as usize].entry(n.namespace).or_default();
        place.objects.push(n.object);
        place.by_name.insert(n.name, n.object);
    }
    places
}

impl<'a> Mesh<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Mesh<'a> {
        Mesh::in_domain(snapshot, host::CLUSTER_DOMAIN)
    }

    /// With another cluster domain; none for a registry of files, which is no cluster: there the short name of a
    /// host ends in its namespace.
    pub fn in_domain(snapshot: &'a Snapshot, domain: &'a str) -> Mesh<'a> {
        Mesh::of_watch(snapshot, domain, &Watch::default())
    }

    /// As the control plane sees it: without the objects of namespaces that it does not watch ([`Watch`]).
    pub fn as_watched(snapshot: &'a Snapshot, domain: &'a str) -> Mesh<'a> {
        let watch = Watch::new(snapshot);
        let mut mesh = Mesh::of_watch(snapshot, domain, &watch);
        mesh.left_out = watch.left_out(snapshot);
        mesh
    }

    fn of_watch(snapshot: &'a Snapshot, domain: &'a str, watch: &Watch<'a>) -> Mesh<'a> {
        let mut named = effective(snapshot);
        let repeats = named.len() < snapshot.objects.len();
        let replaced = Replaced::new(snapshot, &named).map(Arc::new);
        named.retain(|n| watch.object(n.object) != Truth::No);
        let mut mesh = Mesh::of(snapshot, &named, domain, None, replaced.clone());
        mesh.repeats = repeats;
        let clusters: BTreeSet<u16> = named.iter().filter(|n| n.object.role == Role::Judged).map(|n| n.object.cluster).collect();
        if clusters.len() > 1 {
            let everywhere = Everywhere {
                workloads: Arc::clone(&mesh.workloads),
                machines: Arc::clone(&mesh.machines),
                services: Arc::clone(&mesh.services),
                places: Arc::clone(&mesh.places),
                ownership: Arc::clone(&mesh.ownership),
            };
            let of_cluster = |cluster: u16| {
                // What is only consulted is there for all of them.
                let own: Vec<_> = named.iter().filter(|n| n.object.cluster == cluster || n.object.role != Role::Judged).copied().collect();
                Mesh::of(snapshot, &own, domain, Some(everywhere.clone()), replaced.clone())
            };
            mesh.clusters = clusters.into_iter().map(of_cluster).collect();
        }
        mesh
    }

    fn of(snapshot: &'a Snapshot, named: &[Named<'a>], domain: &'a str, everywhere: Option<Everywhere<'a>>, replaced: Option<Arc<Replaced<'a>>>) -> Mesh<'a> {
        let objects: Vec<&Object> = named.iter().map(|n| n.object).collect();
        let config = MeshConfig::new(snapshot.mesh_config.as_ref().map(Object::root));
        let default_export_to = config.default_export_to("defaultServiceExportTo");
        let rules_export_to = config.default_export_to("defaultDestinationRuleExportTo");
        let root = config.root_namespace();
        // Of a complete input nobody asks.
        let ownership = || if snapshot.completeness == Completeness::Complete { Ownership::default() } else { Ownership::new(&objects) };
        let ((workloads, (places, ownership)), (services, (peer_authentications, destination_rules))) = rayon::join(
            || rayon::join(|| Workloads::new(&objects), || (places(named), ownership())),
            || {
                rayon::join(
                    || Services::new(&objects, domain, &default_export_to),
                    || (PeerAuthentications::new(&objects, root), DestinationRules::new(&objects, domain, &rules_export_to, root)),
                )
            },
        );
        Mesh {
            snapshot,
            repeats: false,
            config,
            workloads: Arc::new(workloads),
            machines: Arc::new(Machines::new(&objects)),
            services: Arc::new(services),
            peer_authentications,
            destination_rules,
            domain,
            replaced,
            enables_namespaces_by_default: injection::enabled_by_default(&objects),
            places: Arc::new(places),
            ownership: Arc::new(ownership),
            everywhere,
            clusters: Vec::new(),
            accounts: OnceLock::new(),
            left_out: LeftOut::default(),
        }
    }

    /// What is not in it because the control plane does not watch its namespace, and what may not be.
    pub fn left_out(&self) -> &LeftOut<'a> {
        &self.left_out
    }
    /// An object of a namespace that the control plane does not watch.
    pub fn find_unwatched(&self, kind: Kind, namespace: &str, name: &str) -> Option<&'a Object> {
        let is_it = |o: &&Object| o.kind == kind && o.namespace() == namespace && o.name() == name;
        self.left_out.unwatched.get(namespace).and_then(|_| self.snapshot.objects.iter().find(is_it))
    }

    /// The mesh of each cluster; empty where there is one only.
    pub fn clusters(&self) -> &[Mesh<'a>] {
        &self.clusters
    }
    /// Objects of a kind, in input order. Of two with one name only the last, which is the one that is applied.
    pub fn objects(&self, kind: Kind) -> &[&'a Object] {
        self.places.objects(kind)
    }
    /// The same in all clusters.
    pub fn objects_everywhere(&self, kind: Kind) -> &[&'a Object] {
        self.all_places().objects(kind)
    }
    /// Objects of a kind in a namespace (effective), in input order.
    pub fn objects_in(&self, kind: Kind, namespace: &str) -> &[&'a Object] {
        self.places.objects_in(kind, namespace)
    }
    /// An object by name; the namespace is the effective one, "" for cluster scope. Of a kind that clusters have in
    /// common it may be another cluster's.
    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&'a Object> {
        self.places.find(kind, namespace, name).or_else(|| self.all_places().find(kind, namespace, name).filter(|_| COMMON.contains(&kind)))
    }
    /// Labels of a Namespace object, and the one that every Namespace is given with its name.
    pub fn namespace_label(&self, namespace: &str, key: &str) -> Option<&'a str> {
        let object = self.find(Kind::Namespace, "", namespace)?;
        if key == "kubernetes.io/metadata.name" { Some(object.name()) } else { object.label(key) }
    }
    /// Whether what is missing does not exist. Objects that are only looked up by their names, such as Secrets, may be
    /// unseen all the same; [`Mesh::owns`] knows of them.
    pub fn is_complete(&self) -> bool {
        // EndpointSlices are asked for by Services without a selector alone, which look whether they were seen.
        let by_name = |kind: Kind| matches!(kind, Kind::Secret | Kind::ConfigMap | Kind::EndpointSlice);
        self.snapshot.completeness == Completeness::Complete && self.snapshot.unseen.iter().all(|(_, kind)| by_name(*kind))
    }
    /// Whether the mesh configuration is known, be it that there is none and the defaults hold.
    pub fn knows_config(&self) -> bool {
        self.config.is_known() || (self.is_complete() && !self.snapshot.mesh_config_unreadable)
    }
    /// Whether a thing that `from` refers to and that is missing from this place is known not to exist.
    pub fn owns(&self, from: &Object, place: Place<'_>) -> bool {
        let common = match place {
            Place::Hosts(_) => true,
            Place::Workloads(_) => false,
            Place::Objects(kind, _) => COMMON.contains(&kind),
        };
        let ownership = self.everywhere.as_ref().filter(|_| common).map_or(&self.ownership, |e| &e.ownership);
        self.is_complete() || ownership.owns(from, place, self.config.root_namespace())
    }
    /// Whether `from` may mean an object of another namespace, as one of the two names none; in a part of a mesh.
    pub fn may_hold(&self, from: &Object, kind: Kind, namespace: &str, name: &str) -> bool {
        !self.is_complete() && self.ownership.may_hold(from, kind, namespace, name, self)
    }
    /// Whether the selector of `from` may mean workloads of another namespace, as one of the two names none.
    pub fn may_pick(&self, from: &Object, namespace: Option<&str>, selector: &Selector<'a>) -> bool {
        !self.is_complete() && Ownership::may_pick(from, namespace, selector, self)
    }
    /// Objects of a kind that a later one of the same name replaces; of a part only, where nobody knows which
    /// of them is applied.
    pub fn replaced(&self, kind: Kind) -> impl Iterator<Item = &'a Object> {
        self.replaced.iter().flat_map(|r| &r.objects).copied().filter(move |o| o.kind == kind)
    }
    /// Whether a selector picks something that runs, in one namespace or (`None`) in any: Pods or the templates that
    /// make them, and machines, of any cluster.
    pub fn picks(&self, namespace: Option<&str>, selector: &Selector<'a>) -> bool {
        self.workloads_everywhere().matching(namespace, selector).next().is_some()
            || self.machines_everywhere().any(namespace, selector)
            || self.picks_replaced(namespace, selector)
    }
    /// Whether a selector picks a workload that a later one of the same name replaces ([`Mesh::replaced`]).
    pub fn picks_replaced(&self, namespace: Option<&str>, selector: &Selector<'a>) -> bool {
        self.replaced.iter().any(|r| r.workloads.matching(namespace, selector).next().is_some())
    }
    /// Whether something of the namespace runs as this service account, in any cluster.
    pub fn runs_as(&self, namespace: &str, account: &str) -> bool {
        self.workloads_everywhere().run_as(namespace, account) || self.machines_everywhere().run_as(namespace, account)
    }
    /// Whether a workload or a service stands in a namespace, in any cluster: it is there, though no Namespace object is.
    pub fn is_populated(&self, namespace: &str) -> bool {
        !self.workloads_everywhere().ids_in(namespace).is_empty() || self.services_everywhere().in_namespace(namespace).next().is_some()
    }
    fn all_places(&self) -> &Places<'a> {
        self.everywhere.as_ref().map_or(&self.places, |e| &e.places)
    }
    /// The workloads of all clusters.
    pub fn workloads_everywhere(&self) -> &Workloads<'a> {
        self.everywhere.as_ref().map_or(&self.workloads, |e| &e.workloads)
    }
    /// The machines of all clusters.
    pub fn machines_everywhere(&self) -> &Machines<'a> {
        self.everywhere.as_ref().map_or(&self.machines, |e| &e.machines)
    }
    /// The services of all clusters.
    pub fn services_everywhere(&self) -> &Services<'a> {
        self.everywhere.as_ref().map_or(&self.services, |e| &e.services)
    }
    /// The place that a full host name points to: the namespace of a cluster host. Any namespace may hold the
    /// ServiceEntry of another host.
    pub fn host_place<'h>(&self, fqdn: &'h str) -> Place<'h> {
        Place::Hosts(host::split_service(fqdn, self.domain).map_or("", |(_, ns)| ns))
    }
    /// The services that a full host name stands for, as seen from any of `viewers` (namespaces): those that have
    /// the very host, else those of the most specific wildcard.
    pub fn resolve<'s>(&'s self, fqdn: &str, viewers: &[&str]) -> Vec<&'s Service<'a>> {
        let seen = |s: &&Service<'a>| viewers.iter().any(|ns| s.export_to.visible_to(s.namespace, ns));
        let services = self.services_everywhere();
        let replaced = self.replaced.iter().flat_map(|r| r.services.by_host(fqdn));
        let exact: Vec<_> = services.by_host(fqdn).chain(replaced).filter(seen).collect();
        if exact.is_empty() { services.by_wildcard(fqdn).filter(seen).take(1).collect() } else { exact }
    }
    /// The field of a node's object, for messages.
    pub fn path(object: &'a Object, node: Node<'a>) -> String {
        node.path_from(object.root())
    }

    /// How service accounts take part in the mesh, found out once.
    pub fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(self.accounts.get_or_init(|| Arc::new(Accounts::new(self))))
    }

    /// How a workload takes part in the mesh.
    pub fn in_mesh(&self, w: &Workload<'_>) -> InMesh {
        *w.in_mesh.get_or_init(|| injection::decide(self, w))
    }
}
