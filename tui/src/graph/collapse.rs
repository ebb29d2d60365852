//! Namespaces drawn as one node each.

use super::view::{Edge, Health, Node, View};
use std::collections::BTreeSet;

/// The name that a collapsed namespace's node has: no Kubernetes object can be called so.
pub const COLLAPSED: &str = "*";

/// The view with the given namespaces as one node each, their edges joined.
pub fn collapse(view: &View, namespaces: &BTreeSet<String>) -> View {
    let mut nodes: Vec<Node> = Vec::new();
    let mut place = vec![0; view.nodes().len()];
    for (namespace, range) in view.namespaces() {
        if namespaces.contains(namespace) {
            let (health, _) = view.health_of(range.clone());
            let count = range.len();
            let figures = format!("{count} {}", if count == 1 { "node" } else { "nodes" });
            place[range].fill(nodes.len());
            nodes.push(Node { namespace: namespace.to_owned(), name: COLLAPSED.to_owned(), health, figures, badges: String::new() });
        } else {
            for i in range {
                place[i] = nodes.len();
                nodes.push(view.nodes()[i].clone());
            }
        }
    }
    let joined = |i: usize| nodes[i].name == COLLAPSED;
    let mut edges: Vec<Edge> = Vec::new();
    for e in view.edges() {
        let (from, to) = (place[e.from], place[e.to]);
        // Calls inside a collapsed namespace are what collapsing hides.
        if from == to && joined(from) {
            continue;
        }
        // A label speaks of one edge; a joined one may be many.
        let label = if joined(from) || joined(to) { String::new() } else { e.label.clone() };
        edges.push(Edge { from, to, health: e.health.max(Health::Unknown), label });
    }
    View::new(nodes, edges)
}

/// Every namespace collapsed.
pub fn all(view: &View) -> BTreeSet<String> {
    view.namespaces().into_iter().map(|(name, _)| name.to_owned()).collect()
}
