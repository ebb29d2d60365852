//! What a part of a mesh tells of what is not in it.
//!
//! Of a complete input, what is missing does not exist. Of a part that is known only of places of which the input holds
//! something of the same sort. Objects that name no namespace are applied to one that their files do not tell: they own no
//! namespace, and one of them may be what an object of a namespace refers to, as the other way round. Among themselves
//! they belong together where their folders do: those beside, above or below each other, as they are applied together.

use crate::labels::Selector;
use crate::mesh::Mesh;
use mesh_model::{Kind, Object, Role};
use rustc_hash::FxHashSet;

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

impl<'p> Place<'p> {
    fn namespace(self) -> &'p str {
        match self {
            Place::Hosts(ns) | Place::Workloads(ns) | Place::Objects(_, ns) => ns,
        }
    }
}

/// What Istio's own installation brings into the root namespace, mostly from elsewhere.
const INSTALLED: &[Kind] = &[Kind::Service, Kind::ServiceAccount, Kind::Deployment, Kind::ConfigMap, Kind::Secret];

/// Folders that hold something.
#[derive(Debug, Default)]
struct Folders<'a> {
    own: FxHashSet<&'a str>,
    above: FxHashSet<&'a str>,
}

fn folder(object: &Object) -> &str {
    object.source().name().rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The folders above one, the nearest first.
fn above(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |f| if f.is_empty() { None } else { Some(f.rsplit_once('/').map_or("", |(up, _)| up)) }).skip(1)
}

impl<'a> Folders<'a> {
    fn insert(&mut self, folder: &'a str) {
        if self.own.insert(folder) {
            self.above.extend(above(folder));
        }
    }
    /// Whether something stands in the folder, above or below it.
    fn near(&self, folder: &str) -> bool {
        self.own.contains(folder) || self.above.contains(folder) || above(folder).any(|f| self.own.contains(f))
    }
}

/// Where things of one sort stand.
#[derive(Debug, Default)]
struct Sort<'a> {
    /// Namespaces that are written.
    namespaces: FxHashSet<&'a str>,
    /// Folders of those without.
    folders: Folders<'a>,
}

impl<'a> Sort<'a> {
    fn insert(&mut self, object: &'a Object) {
        match object.written_namespace() {
            "" => self.folders.insert(folder(object)),
            ns => _ = self.namespaces.insert(ns),
        }
    }
    fn is_empty(&self) -> bool {
        self.namespaces.is_empty() && self.folders.own.is_empty()
    }
}

/// The places that the objects of a snapshot own.
#[derive(Debug, Default)]
pub struct Ownership<'a> {
    hosts: Sort<'a>,
    workloads: Sort<'a>,
    by_kind: Vec<Sort<'a>>,
    /// Kind and name of every object, in whatever namespace.
    names: FxHashSet<(Kind, &'a str)>,
    /// istiod is among them.
    has_control_plane: bool,
}

impl<'a> Ownership<'a> {
    pub fn new(objects: &[&'a Object]) -> Ownership<'a> {
        let mut this = Ownership::default();
        this.by_kind.resize_with(Kind::Other as usize + 1, Sort::default);
        for object in objects.iter().copied().filter(|o| o.role != Role::Assumed && o.kind != Kind::Other) {
            this.by_kind[object.kind as usize].insert(object);
            this.names.insert((object.kind, object.name()));
            match object.kind {
                Kind::Service | Kind::ServiceEntry | Kind::WorkloadEntry => this.hosts.insert(object),
                kind if kind == Kind::Pod || Kind::TEMPLATES.contains(&kind) => this.workloads.insert(object),
                _ => {}
            }
            this.has_control_plane |= matches!(object.kind, Kind::Service | Kind::Deployment) && object.name().starts_with("istiod");
        }
        this
    }

    /// Whether a thing that is missing from a place is known not to exist, for a part of a mesh: a reference of `from`.
    pub fn owns(&self, from: &Object, place: Place<'_>, root: &str) -> bool {
        let (sort, installed) = match place {
            Place::Hosts(_) => (&self.hosts, true),
            Place::Workloads(_) => (&self.workloads, true),
            Place::Objects(kind, _) => (&self.by_kind[kind as usize], INSTALLED.contains(&kind)),
        };
        let namespace = place.namespace();
        if namespace.is_empty() {
            // A ServiceEntry for a host may stand in any namespace.
            return !matches!(place, Place::Hosts(_)) && !sort.is_empty();
        }
        if installed && namespace == root && !self.has_control_plane {
            return false;
        }
        let together = from.written_namespace().is_empty() && from.namespace() == namespace && sort.folders.near(folder(from));
        together || sort.namespaces.contains(namespace)
    }

    /// Whether an object of a name may be meant though it does not stand in the namespace: what names no namespace is
    /// applied to one, and the referring object may be.
    pub fn may_hold(&self, from: &Object, kind: Kind, namespace: &str, name: &str, mesh: &Mesh<'_>) -> bool {
        if from.written_namespace().is_empty() && from.namespace() == namespace {
            return self.names.contains(&(kind, name));
        }
        self.names.contains(&(kind, name)) && mesh.find(kind, UNWRITTEN, name).is_some_and(|o| o.written_namespace().is_empty())
    }

    /// The same of what a selector picks.
    pub fn may_pick<'s>(from: &Object, namespace: Option<&str>, selector: &Selector<'s>, mesh: &Mesh<'s>) -> bool {
        if from.written_namespace().is_empty() && namespace == Some(from.namespace()) {
            return mesh.picks(None, selector);
        }
        mesh.workloads_everywhere().matching(Some(UNWRITTEN), selector).any(|w| w.object.written_namespace().is_empty())
    }
}

/// The namespace in which objects stand that name none.
const UNWRITTEN: &str = "default";

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Snapshot, Source};

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        let mut snapshot = Snapshot::new();
        for (path, text) in files {
            let source = Source::new(*path, format!("apiVersion: v1\n{text}\n"));
            snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        }
        snapshot
    }

    #[test]
    fn what_names_no_namespace_belongs_to_its_folder() {
        let snapshot = snapshot(&[
            ("repo/a/service.yaml", "kind: Service\nmetadata: {name: cart}"),
            ("repo/a/istio/more.yaml", "kind: ConfigMap\nmetadata: {name: x}"),
            ("repo/b/other.yaml", "kind: ConfigMap\nmetadata: {name: y}"),
            ("top.yaml", "kind: ConfigMap\nmetadata: {name: z}"),
            ("repo/b/named.yaml", "kind: Service\nmetadata: {name: till, namespace: shop}"),
        ]);
        let mesh = Mesh::new(&snapshot);
        let owns = |object: usize, ns| mesh.owns(&snapshot.objects[object], Place::Hosts(ns));
        assert!(owns(1, "default") && owns(3, "default"));
        assert!(!owns(2, "default"), "folders beside each other are applied to namespaces of their own");
        assert!(owns(2, "shop") && owns(4, "shop") && !owns(4, "default"));
        assert!(!owns(4, ""), "a host of no namespace");
    }

    #[test]
    fn what_names_no_namespace_may_be_applied_to_any() {
        let snapshot = snapshot(&[
            ("a.yaml", "kind: Service\nmetadata: {name: cart}"),
            ("b.yaml", "kind: Service\nmetadata: {name: till, namespace: shop}"),
            ("c.yaml", "kind: ConfigMap\nmetadata: {name: x, namespace: shop}"),
        ]);
        let mesh = Mesh::new(&snapshot);
        let may = |object: usize, ns, name| mesh.may_hold(&snapshot.objects[object], Kind::Service, ns, name);
        assert!(may(2, "shop", "cart") && may(0, "default", "till"));
        assert!(!may(2, "web", "till") && !may(2, "shop", "bank") && !may(0, "web", "till"));
    }

    #[test]
    fn the_root_namespace_is_owned_with_the_control_plane_only() {
        let prometheus = ("a.yaml", "kind: Service\nmetadata: {name: prometheus, namespace: istio-system}");
        let istiod = ("b.yaml", "kind: Service\nmetadata: {name: istiod, namespace: istio-system}");
        for (files, owned) in [(&[prometheus][..], false), (&[prometheus, istiod], true)] {
            let snapshot = snapshot(files);
            assert_eq!(Mesh::new(&snapshot).owns(&snapshot.objects[0], Place::Hosts("istio-system")), owned);
        }
    }
}
