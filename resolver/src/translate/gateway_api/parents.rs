//! Where routes attach: to listeners, or to services in the mesh.

use super::domain;
use super::listeners::Listener;
use crate::host;
use crate::mesh::Mesh;
use crate::translate::virtual_service::MESH;
use mesh_model::{Kind, Node, Object};

/// Where a route is attached.
pub enum Parent<'l, 'a> {
    /// A listener, and all of its Gateway: of one port and protocol the narrower hostname takes what it covers.
    Listener(&'l Listener<'a>, Vec<&'l str>),
    Service {
        hosts: Vec<String>,
        port: Option<u16>,
    },
}

impl Parent<'_, '_> {
    pub fn name(&self) -> &str {
        match self {
            Parent::Listener(l, _) => &l.name,
            Parent::Service { .. } => MESH,
        }
    }
    /// Whether a route's host is this listener's to serve, and not that of a narrower one.
    pub fn serves(&self, host: &str) -> bool {
        let Parent::Listener(own, others) = self else { return true };
        let own = own.hostname;
        if !own.is_empty() && !own.starts_with('*') {
            return true;
        }
        if !own.is_empty() && !host::overlaps(host, own) {
            return false;
        }
        others.iter().all(|other| own.len() > other.len() || !host::covers(other, host))
    }
}

/// The parents of a route that let it in, by name.
pub fn of<'l, 'a>(mesh: &Mesh<'a>, object: &'a Object, listeners: &'l [Listener<'a>]) -> Vec<Parent<'l, 'a>> {
    let mut out = Vec::new();
    let mut references: Vec<Node<'a>> = object.spec().into_iter().flat_map(|s| s.list("parentRefs")).collect();
    references.sort_by_key(|r| written(*r, object));
    for r in references {
        let namespace = Some(r.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(object.namespace());
        let name = r.text_of("name");
        let port = r.get("port").and_then(Node::int).and_then(|p| u16::try_from(p).ok());
        match (r.get_entry("group").map_or("gateway.networking.k8s.io", |(_, g)| g.text()), r.text_of("kind")) {
            ("" | "core", "Service") => {
                let is_there = mesh.find(Kind::Service, namespace, name).is_some() || !mesh.is_complete();
                out.extend(is_there.then(|| Parent::Service { hosts: vec![format!("{name}.{namespace}.svc.{}", domain(mesh))], port }));
            }
            ("networking.istio.io", "ServiceEntry") => {
                let hosts = mesh.find(Kind::ServiceEntry, namespace, name).and_then(|s| s.spec());
                let hosts: Vec<String> = hosts.into_iter().flat_map(|s| s.list("hosts")).map(|h| h.text().to_owned()).collect();
                out.extend((!hosts.is_empty()).then_some(Parent::Service { hosts, port }));
            }
            ("gateway.networking.k8s.io", kind @ ("" | "Gateway" | "ListenerSet")) => {
                let kind = if kind == "ListenerSet" { Kind::ListenerSet } else { Kind::K8sGateway };
                let of_parent = |l: &&'l Listener<'a>| l.object.kind == kind && l.object.name() == name && l.object.namespace() == namespace;
                let section = r.text_of("sectionName");
                let is_meant = |l: &&'l Listener<'a>| {
                    (section.is_empty() || l.section == section) && port.is_none_or(|p| p == l.port) && l.kinds.contains(&object.kind) && lets_in(l, object)
                };
                for l in listeners.iter().filter(of_parent).filter(is_meant) {
                    let beside = |o: &&'l Listener<'a>| o.port == l.port && o.protocol == l.protocol && o.hostname != l.hostname;
                    let others = listeners.iter().filter(of_parent).filter(beside).map(|o| o.hostname).collect();
                    out.push(Parent::Listener(l, others));
                }
            }
            _ => {}
        }
    }
    out.sort_by(|a, b| a.name().cmp(b.name()));
    out
}

/// A reference in the form by which istiod sorts them.
fn written(r: Node<'_>, object: &Object) -> String {
    let or = |key: &str, default: &str| r.get_entry(key).map_or(default, |(_, v)| v.text()).to_owned();
    format!(
        "{}/{}/{}/{}/{}.{}",
        or("group", "gateway.networking.k8s.io"),
        or("kind", "Gateway"),
        r.text_of("name"),
        r.text_of("sectionName"),
        or("port", "0"),
        or("namespace", object.namespace())
    )
}

/// Whether a hostname of the route is one of the listener's, for the route's namespace.
fn lets_in(l: &Listener<'_>, object: &Object) -> bool {
    let mut own: Vec<&str> = Vec::new();
    if object.kind != Kind::TcpRoute {
        own.extend(object.spec().into_iter().flat_map(|s| s.list("hostnames")).map(Node::text));
    }
    if own.is_empty() {
        own.push("*");
    }
    own.iter().any(|h| {
        l.hosts.iter().any(|allowed| {
            let (namespace, hostname) = allowed.split_once('/').unwrap_or(("*", allowed));
            (namespace == "*" || namespace == object.namespace()) && host::overlaps(hostname, h)
        })
    })
}
