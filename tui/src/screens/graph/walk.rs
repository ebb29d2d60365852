//! Where a step leads in a picture: from node to node along edges, and from namespace to namespace.

use crate::action::Action;
use crate::graph::layout::Lane;
use crate::graph::{Layout, View};

/// The node that a step leads to: along an edge to the left and right, to the nearest beside up and down.
pub(super) fn step(view: &View, layout: &Layout, at: usize, action: Action, is_hit: &dyn Fn(usize) -> bool) -> Option<usize> {
    let here = layout.nodes.get(at)?;
    let row = |n: usize| layout.nodes[n].top + layout.nodes[n].bottom;
    let distance = |n: usize| (row(n) - row(at)).abs();
    match action {
        Action::Right => view.edges().iter().filter(|e| e.from == at && e.to != at).map(|e| e.to).min_by_key(|&n| (distance(n), n)),
        Action::Left => view.edges().iter().filter(|e| e.to == at && e.from != at).map(|e| e.from).min_by_key(|&n| (distance(n), n)),
        Action::Up | Action::Down => {
            let is_beyond = |n: usize| if action == Action::Down { row(n) > row(at) } else { row(n) < row(at) };
            let is_beside = |n: usize| layout.nodes[n].left == here.left;
            let candidates = || (0..layout.nodes.len()).filter(|&n| is_beyond(n));
            candidates()
                .filter(|&n| is_beside(n))
                .min_by_key(|&n| distance(n))
                .or_else(|| candidates().min_by_key(|&n| (distance(n), (layout.nodes[n].left - here.left).abs())))
        }
        Action::NextMatch => (1..=layout.nodes.len()).map(|i| (at + i) % layout.nodes.len()).find(|n| is_hit(*n)),
        Action::PreviousMatch => (1..=layout.nodes.len()).map(|i| (at + layout.nodes.len() - i) % layout.nodes.len()).find(|n| is_hit(*n)),
        _ => None,
    }
}

/// The box that a step leads to: up and down to the nearest one, left and right to a namespace that calls this one or is
/// called by it.
pub(super) fn lane<'l>(view: &View, layout: &'l Layout, at: &str, action: Action) -> Option<&'l Lane> {
    let here = layout.lanes.iter().find(|l| l.namespace == at)?;
    let distance = |l: &Lane| (l.area.top - here.area.top).abs();
    let others = || layout.lanes.iter().filter(|l| l.namespace != at);
    let edge = |from: &Lane, to: &Lane| view.edges().iter().any(|e| from.nodes.contains(&e.from) && to.nodes.contains(&e.to));
    match action {
        Action::Down => others().filter(|l| l.area.top > here.area.top).min_by_key(|l| distance(l)),
        Action::Up => others().filter(|l| l.area.top < here.area.top).min_by_key(|l| distance(l)),
        Action::Right => others().filter(|l| edge(here, l)).min_by_key(|l| distance(l)),
        Action::Left => others().filter(|l| edge(l, here)).min_by_key(|l| distance(l)),
        _ => None,
    }
}
