//! A node's callers and callees as an indented list: for narrow windows, for ASCII, for screen readers.

use super::view::{Health, View};
use rustc_hash::FxHashSet;

/// One line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub depth: usize,
    /// The node; `None` for headings.
    pub node: Option<usize>,
    pub text: String,
    pub health: Health,
}

/// How deep the tree goes.
const DEPTH: usize = 4;

/// The tree of a node. What stands above in the same half already is marked and not opened again.
pub fn tree(view: &View, node: usize) -> Vec<Line> {
    let mut out = Vec::new();
    let Some(centre) = view.nodes().get(node) else { return out };
    let near = view.neighbours();
    for (heading, is_upwards) in [("called by", true), ("calls", false)] {
        out.push(Line { depth: 0, node: None, text: heading.to_owned(), health: Health::Unknown });
        let before = out.len();
        let mut seen = FxHashSet::default();
        seen.insert(node);
        walk(view, &near, node, is_upwards, 1, &mut seen, &mut out);
        if out.len() == before {
            out.push(Line { depth: 1, node: None, text: "nothing that is known".to_owned(), health: Health::Unknown });
        }
        if is_upwards {
            let text = format!("{}/{}  {}", centre.namespace, centre.name, centre.figures);
            out.push(Line { depth: 0, node: Some(node), text, health: centre.health });
        }
    }
    out
}

fn walk(view: &View, near: &super::view::Neighbours, at: usize, is_upwards: bool, depth: usize, seen: &mut FxHashSet<usize>, out: &mut Vec<Line>) {
    let edges = if is_upwards { &near.callers[at] } else { &near.callees[at] };
    for &e in edges {
        let edge = &view.edges()[e];
        let other = if is_upwards { edge.from } else { edge.to };
        let node = &view.nodes()[other];
        let is_new = seen.insert(other);
        let label = if edge.label.is_empty() { String::new() } else { format!("  {}", edge.label) };
        let more = if is_new { "" } else { " …" };
        out.push(Line {
            depth,
            node: Some(other),
            text: format!("{}/{}{label}  {}{more}", node.namespace, node.name, node.figures),
            health: node.health.max(edge.health),
        });
        if is_new && depth < DEPTH {
            walk(view, near, other, is_upwards, depth + 1, seen, out);
        }
    }
}
