//! Kubernetes objects over a document's tree.

use crate::kind::{Kind, Scope};
use crate::yaml::{Node, NodeId, Tree};
use std::num::NonZero;
use std::sync::Arc;

/// A node that is not its tree's root.
type Inner = Option<NonZero<NodeId>>;

/// Whether an object is judged, or only looked up by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Judged,
    /// From `--world` or another cluster.
    Consulted,
    /// Not in the input at all, but taken to exist: it answers look-ups and never makes a place owned.
    Assumed,
}

/// One object. Cheap to clone: it shares its document's tree.
#[derive(Clone, Debug)]
pub struct Object {
    tree: Arc<Tree>,
    root: NodeId,
    /// `apiVersion` and `kind`: of the object itself, or, before its root, of the list that holds it.
    api: Inner,
    kind_at: Inner,
    metadata: Inner,
    name: Inner,
    namespace: Inner,
    spec: Inner,
    pub kind: Kind,
    pub role: Role,
    /// Index into [`crate::Snapshot::clusters`].
    pub cluster: u16,
}

impl Object {
    /// The object at a node, if the node looks like one: a mapping with `apiVersion` and `kind`.
    pub fn new(tree: &Arc<Tree>, node: NodeId) -> Option<Object> {
        let root = tree.node(node);
        let (api, kind) = (root.get("apiVersion")?, root.get("kind")?);
        Object::of(tree, root, api, kind)
    }

    /// An item of a typed list (`kind: ServiceList`), which carries neither `apiVersion` nor `kind`: the list says both.
    pub fn item(list: &Object, item: NodeId) -> Option<Object> {
        let tree = &list.tree;
        let root = tree.node(item);
        let said = |key| root.get(key).is_some();
        if said("apiVersion") || said("kind") || !root.get("metadata").is_some_and(Node::is_mapping) {
            return None;
        }
        Object::of(tree, root, list.inner(list.api)?, list.inner(list.kind_at)?)
    }

    fn of(tree: &Arc<Tree>, root: Node<'_>, api: Node<'_>, kind: Node<'_>) -> Option<Object> {
        if !api.is_scalar() || !kind.is_scalar() {
            return None;
        }
        let id = |node: Node<'_>| NonZero::new(node.id());
        let meta = root.get("metadata");
        let text = |key| meta.and_then(|m| m.get(key)).filter(|n| n.is_scalar()).and_then(id);
        let mut object = Object {
            tree: Arc::clone(tree),
            root: root.id(),
            api: id(api),
            kind_at: id(kind),
            metadata: meta.and_then(id),
            name: text("name"),
            namespace: text("namespace"),
            spec: root.get("spec").and_then(id),
            kind: Kind::Other,
            role: Role::Judged,
            cluster: 0,
        };
        object.kind = Kind::find(object.group(), object.kind_name());
        (!object.kind_name().is_empty()).then_some(object)
    }

    fn settings(tree: Arc<Tree>, kind: Kind) -> Object {
        let spec = tree.root().get("spec").and_then(|spec| NonZero::new(spec.id()));
        Object { tree, root: 0, api: None, kind_at: None, metadata: None, name: None, namespace: None, spec, kind, role: Role::Judged, cluster: 0 }
    }

    /// The mesh configuration, from a file of its own or from its ConfigMap; istioctl's name for it.
    pub fn mesh_config(tree: Arc<Tree>) -> Object {
        Object::settings(tree, Kind::MeshConfig)
    }

    /// Mesh networks from a file of their own; istioctl's name for them.
    pub fn mesh_networks(tree: Arc<Tree>) -> Object {
        Object::settings(tree, Kind::MeshNetworks)
    }

    /// A text of the ConfigMap that a control plane reads its settings from (`istio`, or `istio-REVISION`): `mesh` or
    /// `meshNetworks`. `None` for every other object.
    pub fn control_plane_text(&self, key: &str) -> Option<Node<'_>> {
        if self.kind != Kind::ConfigMap || !(self.name() == "istio" || self.name().starts_with("istio-")) {
            return None;
        }
        self.at(&["data", key]).filter(|text| text.str().is_some())
    }

    fn inner(&self, id: Inner) -> Option<Node<'_>> {
        id.map(|id| self.tree.node(id.get()))
    }

    pub fn root(&self) -> Node<'_> {
        self.tree.node(self.root)
    }
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }
    pub fn source(&self) -> &Arc<crate::Source> {
        self.tree.source()
    }
    /// The value at a path from the object's root.
    pub fn at(&self, path: &[&str]) -> Option<Node<'_>> {
        self.root().at(path)
    }
    pub fn spec(&self) -> Option<Node<'_>> {
        self.inner(self.spec)
    }
    /// A field of `spec`.
    pub fn spec_at(&self, path: &[&str]) -> Option<Node<'_>> {
        self.spec()?.at(path)
    }
    pub fn metadata(&self) -> Option<Node<'_>> {
        self.inner(self.metadata)
    }
    pub fn kind_name(&self) -> &str {
        let written = match self.inner(self.kind_at) {
            // The list's kind: `Service` of `ServiceList`.
            Some(kind) if kind.id() < self.root => kind.text().strip_suffix("List").unwrap_or(""),
            Some(kind) => kind.text(),
            None => "",
        };
        if written.is_empty() { self.kind.name() } else { written }
    }
    pub fn api_version(&self) -> &str {
        self.inner(self.api).map_or("", Node::text)
    }
    /// `networking.istio.io` of `networking.istio.io/v1`; "" for the core group.
    pub fn group(&self) -> &str {
        self.api_version().rsplit_once('/').map_or("", |(group, _)| group)
    }
    /// `v1` of `networking.istio.io/v1`.
    pub fn version(&self) -> &str {
        self.api_version().rsplit('/').next().unwrap_or("")
    }
    pub fn name(&self) -> &str {
        let unnamed = match self.kind {
            Kind::MeshConfig => "meshconfig",
            Kind::MeshNetworks => "meshnetworks",
            _ => "",
        };
        self.inner(self.name).map_or(unnamed, Node::text)
    }
    /// The node that names the object: `metadata.name`, else its `kind`.
    pub fn name_node(&self) -> Node<'_> {
        self.inner(self.name).or_else(|| self.root().get("kind")).unwrap_or(self.root())
    }
    /// The namespace as written; "" where none is. Origins print this.
    pub fn written_namespace(&self) -> &str {
        match self.kind.scope() {
            Scope::Cluster => "",
            Scope::Namespaced if matches!(self.kind, Kind::MeshConfig | Kind::MeshNetworks) => "istio-system",
            Scope::Namespaced => self.inner(self.namespace).map_or("", Node::text),
        }
    }
    /// The namespace that the object is looked up in: `default` where none is written, "" for cluster scope.
    pub fn namespace(&self) -> &str {
        match (self.kind.scope(), self.written_namespace()) {
            (Scope::Namespaced, "") => "default",
            (_, ns) => ns,
        }
    }
    /// `ns/name`, or the bare name where no namespace is written.
    pub fn full_name(&self) -> String {
        match self.written_namespace() {
            "" => self.name().to_owned(),
            ns => format!("{ns}/{}", self.name()),
        }
    }
    /// `Kind [ns/]name`.
    pub fn origin(&self) -> String {
        format!("{} {}", self.kind_name(), self.full_name())
    }
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata()?.at(&["labels", key]).map(Node::text)
    }
    pub fn labels(&self) -> crate::yaml::Entries<'_> {
        self.metadata().unwrap_or(self.root()).map("labels")
    }
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata()?.at(&["annotations", key]).map(Node::text)
    }
    pub fn annotations(&self) -> crate::yaml::Entries<'_> {
        self.metadata().unwrap_or(self.root()).map("annotations")
    }
    /// `metadata.creationTimestamp` as written, "" where absent.
    pub fn creation(&self) -> &str {
        self.metadata().map_or("", |m| m.text_of("creationTimestamp"))
    }
    /// When it was made, and when each of those who set fields of it did so last (`metadata.managedFields`), as far as it says.
    /// A status that moves on is no edit, nor is a lock that a leader renews every few seconds.
    pub fn edits(&self) -> Vec<Edit<'_>> {
        if self.annotation(LEADER).is_some() {
            return Vec::new();
        }
        let fields = self.metadata().into_iter().flat_map(|m| m.list("managedFields"));
        let set = fields.filter(|f| f.text_of("subresource").is_empty()).map(|f| Edit { at: f.text_of("time"), by: f.text_of("manager") });
        let mut out: Vec<Edit<'_>> = set.filter(|e| !e.at.is_empty()).collect();
        let made = self.creation();
        if !made.is_empty() && out.iter().all(|e| e.at != made) {
            out.push(Edit { at: made, by: "" });
        }
        out
    }
}

/// The annotation of what is a lock for the election of a leader, as Kubernetes' client library writes it.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

/// A moment at which an object was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'o> {
    /// RFC 3339, as written.
    pub at: &'o str,
    /// The field manager, such as `kubectl-edit`; "" where nobody is named.
    pub by: &'o str,
}
