//! The neighbourhood of a node: what is within a number of hops, in both directions.

use super::view::View;

/// The nodes within `hops` calls of `centre`, upwards and downwards. Edges between two of the outermost nodes are left
/// out: they say nothing of the centre and cost the most lines.
pub fn focus(view: &View, centre: usize, hops: usize) -> View {
    let count = view.nodes().len();
    if centre >= count {
        return View::default();
    }
    let distance = distances(view, centre, hops);
    let keep: Vec<bool> = distance.iter().map(|d| *d <= hops).collect();
    let is_outer = |i: usize| distance[i] == hops && hops > 0;
    view.part(&keep, |e| !(is_outer(e.from) && is_outer(e.to)))
}

/// Hops from the centre along calls in one direction, whichever is shorter; `usize::MAX` beyond `hops`.
fn distances(view: &View, centre: usize, hops: usize) -> Vec<usize> {
    let count = view.nodes().len();
    let mut best = vec![usize::MAX; count];
    best[centre] = 0;
    for is_upwards in [false, true] {
        let (starts, others) = adjacency(view, is_upwards);
        let mut seen = vec![false; count];
        seen[centre] = true;
        let mut front = vec![centre];
        for step in 1..=hops {
            let mut next = Vec::new();
            for node in front {
                for &other in &others[starts[node]..starts[node + 1]] {
                    if !std::mem::replace(&mut seen[other], true) {
                        best[other] = best[other].min(step);
                        next.push(other);
                    }
                }
            }
            front = next;
        }
    }
    best
}

/// Ends of edges by their starts, in one vector.
fn adjacency(view: &View, is_reversed: bool) -> (Vec<usize>, Vec<usize>) {
    let ends = |e: &super::view::Edge| if is_reversed { (e.to, e.from) } else { (e.from, e.to) };
    let mut starts = vec![0; view.nodes().len() + 1];
    for e in view.edges() {
        starts[ends(e).0 + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut next = starts.clone();
    let mut others = vec![0; view.edges().len()];
    for e in view.edges() {
        let (from, to) = ends(e);
        others[next[from]] = to;
        next[from] += 1;
    }
    (starts, others)
}
