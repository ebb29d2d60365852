//! Layers from left to right: every call goes at least one layer to the right.

use super::Arrow;

/// How often nodes are moved towards their neighbours.
const PASSES: usize = 8;

/// The layer of every node; `edges` must be free of cycles (turn the backward ones round first). Nodes without edges get
/// layer 0 here; see [`spread`].
pub(super) fn ranks(count: usize, edges: &[Arrow]) -> Vec<usize> {
    let mut out = vec![Vec::new(); count];
    let mut into = vec![Vec::new(); count];
    for e in edges.iter().filter(|e| e.from != e.to) {
        out[e.from].push(e.to);
        into[e.to].push(e.from);
    }
    let order = topological(&out, &into);
    let mut rank = vec![0usize; count];
    for &n in &order {
        for &to in &out[n] {
            rank[to] = rank[to].max(rank[n] + 1);
        }
    }
    for _ in 0..PASSES {
        let mut has_moved = false;
        for &n in order.iter().rev() {
            let latest = out[n].iter().map(|&t| rank[t] - 1).min();
            let earliest = into[n].iter().map(|&f| rank[f] + 1).max().unwrap_or(0);
            let target = match latest {
                // Moving right shortens as many edges as there are callees and lengthens those of the callers.
                Some(latest) if out[n].len() > into[n].len() => latest,
                Some(_) | None if into[n].len() > out[n].len() => earliest,
                _ => rank[n],
            };
            has_moved |= target != rank[n];
            rank[n] = target;
        }
        if !has_moved {
            break;
        }
    }
    let least = order.iter().filter(|&&n| !(out[n].is_empty() && into[n].is_empty())).map(|&n| rank[n]).min().unwrap_or(0);
    rank.iter_mut().for_each(|r| *r = r.saturating_sub(least));
    rank
}

fn topological(out: &[Vec<usize>], into: &[Vec<usize>]) -> Vec<usize> {
    let mut left: Vec<usize> = into.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = (0..out.len()).filter(|&n| left[n] == 0).collect();
    let mut next = 0;
    while let Some(&n) = order.get(next) {
        next += 1;
        for &to in &out[n] {
            left[to] -= 1;
            if left[to] == 0 {
                order.push(to);
            }
        }
    }
    order
}

/// Gives nodes without edges layers, so that a namespace of many becomes a block and not a tower.
pub(super) fn spread(rank: &mut [usize], is_alone: &[bool], lane_of: &[usize], lanes: usize) {
    let mut alone: Vec<Vec<usize>> = vec![Vec::new(); lanes];
    for n in (0..rank.len()).filter(|&n| is_alone[n]) {
        alone[lane_of[n]].push(n);
    }
    let used = (0..rank.len()).filter(|&n| !is_alone[n]).map(|n| rank[n] + 1).max().unwrap_or(0);
    let most = alone.iter().map(Vec::len).max().unwrap_or(0);
    // Boxes are about three times as wide as high in cells, windows too.
    let wanted = (1..=8).find(|c| c * c * 2 >= most).unwrap_or(8);
    let layers = used.max(wanted).max(1);
    for (lane, nodes) in alone.into_iter().enumerate().filter(|(_, nodes)| !nodes.is_empty()) {
        let mut heights = vec![0usize; layers];
        for n in (0..rank.len()).filter(|&n| !is_alone[n] && lane_of[n] == lane) {
            heights[rank[n]] += 1;
        }
        for n in nodes {
            let layer = (0..layers).min_by_key(|&l| (heights[l], l)).unwrap_or(0);
            heights[layer] += 1;
            rank[n] = layer;
        }
    }
}
