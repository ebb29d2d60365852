//! Where a VirtualService sends traffic, in one list.

use mesh_model::{Node, Object};
use mesh_resolver::ExportTo;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Tcp,
    Tls,
    Http,
    Mirror,
}

/// One destination of a route, or of a mirror.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    pub sort: Sort,
    /// The `destination` (or `mirror`) itself; the route item where it has none.
    pub node: Node<'a>,
    /// As written; "" when absent.
    pub host: &'a str,
    pub subset: &'a str,
    /// The part of the rule's traffic that goes here, in percent.
    pub share: f64,
}

impl<'a> Destination<'a> {
    /// The node that names the host.
    pub fn host_node(&self) -> Node<'a> {
        self.node.get("host").unwrap_or(self.node)
    }
    pub fn subset_node(&self) -> Node<'a> {
        self.node.get("subset").unwrap_or(self.node)
    }
    /// The port number, where a port is given at all; 0 where it has no number.
    pub fn port(&self) -> Option<i64> {
        Some(self.node.get("port")?.get("number").and_then(Node::int).unwrap_or(0))
    }
    /// `80%`, `33.3%`.
    pub fn share_text(&self) -> String {
        percent(self.share)
    }
}

pub fn percent(share: f64) -> String {
    if (share - share.round()).abs() < 0.05 { format!("{share:.0}%") } else { format!("{share:.1}%") }
}

/// Destinations of all rules: TCP, TLS, HTTP, then mirrors.
pub fn destinations<'a>(object: &'a Object) -> Vec<Destination<'a>> {
    let mut out = Vec::new();
    let Some(spec) = object.spec() else { return out };
    for (key, sort) in [("tcp", Sort::Tcp), ("tls", Sort::Tls), ("http", Sort::Http)] {
        for rule in spec.list(key) {
            let total: f64 = rule.list("route").map(weight).sum();
            let single = rule.get("route").is_some_and(|r| r.len() == 1);
            for route in rule.list("route") {
                let share = if single {
                    100.0
                } else if total > 0.0 {
                    100.0 * weight(route) / total
                } else {
                    0.0
                };
                out.push(destination(route.get("destination").unwrap_or(route), sort, share));
            }
        }
    }
    for rule in spec.list("http") {
        if let Some(mirror) = rule.get("mirror").filter(|m| m.is_mapping()) {
            let share = rule.at(&["mirrorPercentage", "value"]).and_then(Node::float).unwrap_or(100.0);
            out.push(destination(mirror, Sort::Mirror, share));
        }
        for mirror in rule.list("mirrors") {
            let share = mirror.at(&["percentage", "value"]).and_then(Node::float).unwrap_or(100.0);
            out.push(destination(mirror.get("destination").unwrap_or(mirror), Sort::Mirror, share));
        }
    }
    out
}

fn weight(route: Node<'_>) -> f64 {
    route.get("weight").and_then(Node::float).unwrap_or(0.0)
}

fn destination(node: Node<'_>, sort: Sort, share: f64) -> Destination<'_> {
    Destination { sort, node, host: node.text_of("host"), subset: node.text_of("subset"), share }
}

/// `spec.exportTo`, or the mesh's default.
pub fn export_to<'a>(object: &'a Object, default: &[&'a str]) -> ExportTo<'a> {
    let list: Vec<&str> = object.spec().map(|s| s.list("exportTo").map(Node::text).collect()).unwrap_or_default();
    ExportTo(if list.is_empty() { default.to_vec() } else { list })
}

/// The namespaces from whose view destinations are judged: those that a VirtualService is exported to by name,
/// else its own.
pub fn viewers<'v>(export_to: &ExportTo<'v>, own: &'v str) -> Vec<&'v str> {
    if export_to.0.iter().any(|e| matches!(*e, "*" | "~")) {
        return vec![own];
    }
    export_to.0.iter().map(|e| if *e == "." { own } else { *e }).collect()
}

/// Whether it applies to sidecars: no gateways, or `mesh` among them.
pub fn on_mesh(object: &Object) -> bool {
    let mut gateways = object.spec().map(|s| s.list("gateways")).into_iter().flatten().peekable();
    gateways.peek().is_none() || gateways.any(|g| g.text() == "mesh")
}
