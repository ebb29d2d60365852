//! The snapshot, indexed: the one thing that rules ask.

use crate::destination_rule::DestinationRules;
use crate::host;
use crate::mesh_config::MeshConfig;
use crate::peer_authentication::PeerAuthentications;
use crate::service::{Service, Services};
use crate::workload::{InMesh, Workload, Workloads};
use mesh_model::{Completeness, Kind, Node, Object, Role, Snapshot};
use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use std::hash::BuildHasher;

/// A place that a reference can point to. The input owns it when it holds something of that sort there; only
/// then is a missing target known to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'p> {
    /// Hosts of a namespace: Services, ServiceEntries, WorkloadEntries; `""` for hosts that any namespace may hold.
    Hosts(&'p str),
    /// Workloads of a namespace: Pods or templates; `""` for any namespace.
    Workloads(&'p str),
    /// Objects of a kind in a namespace; `""` for any namespace and for cluster scope.
    Objects(Kind, &'p str),
}

#[derive(Default)]
struct InNamespace<'a> {
    objects: Vec<&'a Object>,
    by_name: FxHashMap<&'a str, &'a Object>,
}

/// A snapshot and its indexes.
pub struct Mesh<'a> {
    pub snapshot: &'a Snapshot,
    /// Some object is in the input twice.
    pub repeats: bool,
    pub config: MeshConfig<'a>,
    pub workloads: Workloads<'a>,
    pub services: Services<'a>,
    pub peer_authentications: PeerAuthentications<'a>,
    pub destination_rules: DestinationRules<'a>,
    /// The cluster domain, `cluster.local`.
    pub domain: &'a str,
    by_kind: Vec<Vec<&'a Object>>,
    /// By kind, then namespace.
    by_namespace: Vec<FxHashMap<&'a str, InNamespace<'a>>>,
    host_namespaces: FxHashSet<&'a str>,
}

/// An object and what it is found by, looked up once.
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
    host_namespaces: FxHashSet<&'a str>,
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
        if matches!(kind, Kind::Service | Kind::ServiceEntry | Kind::WorkloadEntry) && n.object.role != Role::Assumed {
            places.host_namespaces.insert(n.namespace);
        }
    }
    places
}

impl<'a> Mesh<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Mesh<'a> {
        let named = effective(snapshot);
        let objects: Vec<&Object> = named.iter().map(|n| n.object).collect();
        let config = MeshConfig::new(snapshot.mesh_config.as_ref().map(Object::root));
        let domain = host::CLUSTER_DOMAIN;
        let default_export_to = config.default_export_to("defaultServiceExportTo");
        let rules_export_to = config.default_export_to("defaultDestinationRuleExportTo");
        let root = config.root_namespace();
        let ((workloads, places), (services, (peer_authentications, destination_rules))) = rayon::join(
            || rayon::join(|| Workloads::new(&objects), || places(&named)),
            || {
                rayon::join(
                    || Services::new(&objects, domain, &default_export_to),
                    || (PeerAuthentications::new(&objects, root), DestinationRules::new(&objects, domain, &rules_export_to, root)),
                )
            },
        );
        let Places { by_kind, by_namespace, host_namespaces } = places;
        let repeats = named.len() < snapshot.objects.len();
        Mesh { snapshot, repeats, config, peer_authentications, destination_rules, workloads, services, domain, by_kind, by_namespace, host_namespaces }
    }

    /// Objects of a kind, in input order. Of two with one name only the last, which is the one that is applied.
    pub fn objects(&self, kind: Kind) -> &[&'a Object] {
        &self.by_kind[kind as usize]
    }
    /// Objects of a kind in a namespace (effective), in input order.
    pub fn objects_in(&self, kind: Kind, namespace: &str) -> &[&'a Object] {
        self.by_namespace[kind as usize].get(namespace).map_or(&[], |n| &n.objects)
    }
    /// An object by name; the namespace is the effective one, "" for cluster scope.
    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&'a Object> {
        self.by_namespace[kind as usize].get(namespace)?.by_name.get(name).copied()
    }
    /// Labels of a Namespace object.
    pub fn namespace_label(&self, namespace: &str, key: &str) -> Option<&'a str> {
        self.find(Kind::Namespace, "", namespace)?.label(key)
    }
    /// Whether what is missing does not exist. Objects that are only looked up by their names, such as Secrets, may be
    /// unseen all the same; [`Mesh::owns`] knows of them.
    pub fn is_complete(&self) -> bool {
        let by_name = |kind: Kind| matches!(kind, Kind::Secret | Kind::ConfigMap);
        self.snapshot.completeness == Completeness::Complete && self.snapshot.unseen.iter().all(|(_, kind)| by_name(*kind))
    }
    /// Whether the mesh configuration is known, be it that there is none and the defaults hold.
    pub fn knows_config(&self) -> bool {
        self.config.is_known() || (self.is_complete() && !self.snapshot.mesh_config_unreadable)
    }
    /// Whether a thing that is missing from this place is known not to exist.
    pub fn owns(&self, place: Place<'_>) -> bool {
        let unseen = |kind: Kind| self.snapshot.unseen.iter().any(|(_, k)| *k == kind);
        let may_be_unseen = match place {
            Place::Hosts(_) => [Kind::Service, Kind::ServiceEntry, Kind::WorkloadEntry].into_iter().any(unseen),
            Place::Workloads(_) => unseen(Kind::Pod) || Kind::TEMPLATES.iter().copied().any(unseen),
            Place::Objects(kind, _) => unseen(kind),
        };
        if may_be_unseen {
            return false;
        }
        self.snapshot.completeness == Completeness::Complete
            || match place {
                Place::Hosts(ns) => self.host_namespaces.contains(ns),
                Place::Workloads("") => self.workloads.all().iter().any(|w| w.object.role != Role::Assumed),
                Place::Workloads(ns) => self.workloads.in_namespace(ns).any(|w| w.object.role != Role::Assumed),
                Place::Objects(kind, "") => self.objects(kind).iter().any(|o| o.role != Role::Assumed),
                Place::Objects(kind, ns) => self.objects_in(kind, ns).iter().any(|o| o.role != Role::Assumed),
            }
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
        let exact: Vec<_> = self.services.by_host(fqdn).filter(seen).collect();
        if exact.is_empty() { self.services.by_wildcard(fqdn).filter(seen).take(1).collect() } else { exact }
    }
    /// The field of a node's object, for messages.
    pub fn path(object: &'a Object, node: Node<'a>) -> String {
        node.path_from(object.root())
    }

    /// How a workload takes part in the mesh: by its proxy container, else as injection and the ambient labels will
    /// have it (istioctl's order: container, pod label, pod annotation, namespace label).
    pub fn in_mesh(&self, w: &Workload<'_>) -> InMesh {
        *w.in_mesh.get_or_init(|| self.decide_in_mesh(w))
    }

    fn decide_in_mesh(&self, w: &Workload<'_>) -> InMesh {
        if w.annotation("ambient.istio.io/redirection") == Some("enabled") {
            return InMesh::Ambient;
        }
        if w.proxy_container().is_some_and(|c| !c.text_of("image").is_empty()) {
            let alone = w.spec().is_some_and(|s| s.list("containers").all(|c| c.text_of("name") == "istio-proxy"));
            let gateway = w.label("gateway.networking.k8s.io/gateway-name").is_some() || alone;
            return if gateway { InMesh::Gateway } else { InMesh::Sidecar };
        }
        if w.spec().and_then(|s| s.get("hostNetwork")).and_then(Node::bool) == Some(true) {
            return InMesh::No;
        }
        let asked = w.label("sidecar.istio.io/inject").or_else(|| w.annotation("sidecar.istio.io/inject"));
        if asked.is_some_and(|a| !a.eq_ignore_ascii_case("true")) {
            return InMesh::No;
        }
        let Some(namespace) = self.find(Kind::Namespace, "", w.namespace) else {
            return match asked.or(w.label("istio.io/rev")) {
                Some(_) => InMesh::Sidecar,
                None if w.label("istio.io/dataplane-mode") == Some("ambient") => InMesh::Ambient,
                None if self.is_complete() => InMesh::No,
                None => InMesh::Unknown,
            };
        };
        match (namespace.label("istio-injection"), namespace.label("istio.io/rev").or(asked).or(w.label("istio.io/rev"))) {
            (Some("enabled"), _) | (None | Some(""), Some(_)) => InMesh::Sidecar,
            // Whoever disables injection, namespace or pod, wins.
            (Some(_), _) => InMesh::No,
            _ if w.label("istio.io/dataplane-mode").or(namespace.label("istio.io/dataplane-mode")) == Some("ambient") => InMesh::Ambient,
            _ => InMesh::No,
        }
    }
}
