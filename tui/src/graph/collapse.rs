//! Namespaces drawn as one node each.

use super::flow::Flow;
use super::view::{Edge, Node, View};
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
            let words = format!("{count} {}", if count == 1 { "node" } else { "nodes" });
            // What stays inside counts as well: it is the namespace's traffic.
            let flow = sum(view.nodes()[range.clone()].iter().map(|n| n.flow));
            let figures = flow.filter(|f| !f.is_idle()).map_or(words.clone(), |f| format!("{words} {}", f.figures()));
            place[range].fill(nodes.len());
            nodes.push(Node { namespace: namespace.to_owned(), name: COLLAPSED.to_owned(), health, figures, badges: String::new(), flow });
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
        // A label speaks of one edge; a joined one may be many. Traffic adds up.
        let label = if joined(from) || joined(to) { String::new() } else { e.label.clone() };
        edges.push(Edge { from, to, label, ..e.clone() });
    }
    View::new(nodes, join(edges)).labelled(view.shown())
}

/// Edges with the same ends as one: the worse health, and the traffic of all.
fn join(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.sort_by_key(|e| (e.from, e.to));
    let mut out: Vec<Edge> = Vec::with_capacity(edges.len());
    for edge in edges {
        match out.last_mut().filter(|last| (last.from, last.to) == (edge.from, edge.to)) {
            Some(last) => {
                last.health = last.health.max(edge.health);
                last.flow = sum([last.flow, edge.flow].into_iter());
            }
            None => out.push(edge),
        }
    }
    out
}

/// The known ones added; `None` where none is known.
fn sum(flows: impl Iterator<Item = Option<Flow>>) -> Option<Flow> {
    flows.flatten().reduce(|a, b| a.and(&b))
}

/// Every namespace collapsed.
pub fn all(view: &View) -> BTreeSet<String> {
    view.namespaces().into_iter().map(|(name, _)| name.to_owned()).collect()
}
