//! What routes send to.

use super::{domain, is_granted};
use crate::mesh::Mesh;
use crate::translate::registry::Registry;
use crate::translate::virtual_service::Destination;
use mesh_model::{Kind, Node, Object};

/// Whether a ReferenceGrant is asked for: not where the mesh routes to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grants {
    Needed,
    Waived,
}

/// The backends that a route may name.
pub struct Backends<'m, 'a> {
    pub mesh: &'m Mesh<'a>,
    pub registry: &'m Registry<'a>,
    pub object: &'a Object,
    pub grants: Grants,
}

pub enum Backend {
    Found(Destination),
    /// It keeps its name: its cluster is not found, and the answer is 500.
    Missing(Destination),
    /// Not let in, or of a kind that Istio does not know: to nowhere.
    Refused,
    /// The whole route does not count.
    Invalid,
}

impl Destination {
    /// Where nothing is: an answer of 500.
    pub fn nowhere() -> Destination {
        Destination { host: String::new(), subset: String::new(), port: None }
    }
}

impl Backends<'_, '_> {
    pub fn find(&self, b: Node<'_>) -> Backend {
        let (mesh, own) = (self.mesh, self.object.namespace());
        let namespace = Some(b.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(own);
        let (kind, name) = (Some(b.text_of("kind")).filter(|k| !k.is_empty()).unwrap_or("Service"), b.text_of("name"));
        if self.grants == Grants::Needed && namespace != own && !is_granted(mesh, self.object, namespace, kind, name) {
            return Backend::Refused;
        }
        let of_service = || format!("{name}.{namespace}.svc.{}", domain(mesh));
        let is_there = || mesh.find(Kind::Service, namespace, name).is_some();
        let (host, is_there) = match (b.text_of("group"), kind) {
            ("" | "core", "Service") if name.contains('.') => return Backend::Invalid,
            ("" | "core", "Service") | ("multicluster.x-k8s.io", "ServiceImport") => (of_service(), is_there()),
            ("networking.istio.io", "Hostname") if b.get("namespace").is_some() => return Backend::Invalid,
            ("networking.istio.io", "Hostname") => (name.to_owned(), self.registry.by_host(name).next().is_some()),
            _ => return Backend::Refused,
        };
        let Some(port) = b.get("port").and_then(Node::int).and_then(|p| u16::try_from(p).ok()) else { return Backend::Invalid };
        let destination = Destination { host, subset: String::new(), port: Some(port) };
        if is_there || !mesh.is_complete() { Backend::Found(destination) } else { Backend::Missing(destination) }
    }
}
