//! Kubernetes objects over a document's tree.

use crate::kind::{Kind, Scope};
use crate::yaml::{Node, NodeId, Tree};
use std::sync::Arc;

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
    name: Option<NodeId>,
    namespace: Option<NodeId>,
    pub kind: Kind,
    pub role: Role,
    /// Index into [`crate::Snapshot::clusters`].
    pub cluster: u16,
}

impl Object {
    /// The object at a node, if the node looks like one: a mapping with `apiVersion` and `kind`.
    pub fn new(tree: &Arc<Tree>, node: NodeId) -> Option<Object> {
        let root = tree.node(node);
        let api = root.get("apiVersion")?;
        let kind = root.get("kind")?;
        if !api.is_scalar() || !kind.is_scalar() || kind.text().is_empty() {
            return None;
        }
        let group = api.text().rsplit_once('/').map_or("", |(g, _)| g);
        let meta = root.get("metadata");
        let id = |key| meta.and_then(|m| m.get(key)).filter(|n| n.is_scalar()).map(Node::id);
        Some(Object {
            tree: Arc::clone(tree),
            root: node,
            name: id("name"),
            namespace: id("namespace"),
            kind: Kind::find(group, kind.text()),
            role: Role::Judged,
            cluster: 0,
        })
    }

    /// The mesh configuration, from a file of its own or from its ConfigMap; istioctl's name for it.
    pub fn mesh_config(tree: Arc<Tree>) -> Object {
        Object { tree, root: 0, name: None, namespace: None, kind: Kind::MeshConfig, role: Role::Judged, cluster: 0 }
    }

    /// Mesh networks from a file of their own; istioctl's name for them.
    pub fn mesh_networks(tree: Arc<Tree>) -> Object {
        Object { tree, root: 0, name: None, namespace: None, kind: Kind::MeshNetworks, role: Role::Judged, cluster: 0 }
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
        self.root().get("spec")
    }
    /// A field of `spec`.
    pub fn spec_at(&self, path: &[&str]) -> Option<Node<'_>> {
        self.spec()?.at(path)
    }
    pub fn metadata(&self) -> Option<Node<'_>> {
        self.root().get("metadata")
    }
    pub fn kind_name(&self) -> &str {
        match self.root().text_of("kind") {
            "" => self.kind.name(),
            kind => kind,
        }
    }
    pub fn api_version(&self) -> &str {
        self.root().text_of("apiVersion")
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
        self.name.map_or(unnamed, |n| self.tree.node(n).text())
    }
    /// The node that names the object: `metadata.name`, else its `kind`.
    pub fn name_node(&self) -> Node<'_> {
        match self.name {
            Some(n) => self.tree.node(n),
            None => self.root().get("kind").unwrap_or(self.root()),
        }
    }
    /// The namespace as written; "" where none is. Origins print this.
    pub fn written_namespace(&self) -> &str {
        match self.kind.scope() {
            Scope::Cluster => "",
            Scope::Namespaced if matches!(self.kind, Kind::MeshConfig | Kind::MeshNetworks) => "istio-system",
            Scope::Namespaced => self.namespace.map_or("", |n| self.tree.node(n).text()),
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
        self.at(&["metadata", "labels"])?.get(key).map(Node::text)
    }
    pub fn labels(&self) -> crate::yaml::Entries<'_> {
        self.metadata().unwrap_or(self.root()).map("labels")
    }
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at(&["metadata", "annotations"])?.get(key).map(Node::text)
    }
    pub fn annotations(&self) -> crate::yaml::Entries<'_> {
        self.metadata().unwrap_or(self.root()).map("annotations")
    }
    /// `metadata.creationTimestamp` as written, "" where absent.
    pub fn creation(&self) -> &str {
        self.metadata().map_or("", |m| m.text_of("creationTimestamp"))
    }
}
