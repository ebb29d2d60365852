//! The order of items in their layers: medians of neighbours, then swaps, keeping the order with the fewest crossings.

use super::layers::Layers;

/// Sweeps without a better order after which the search ends.
const PATIENCE: usize = 4;

/// Orders every layer. With remembered rows that order is kept, and what is new goes beside its neighbours.
pub(super) fn order(graph: &mut Layers, rows: Option<&[Option<i32>]>) {
    if let Some(rows) = rows {
        keep(graph, rows);
        return;
    }
    let sweeps = match graph.items.len() {
        0..=400 => 24,
        401..=2_000 => 12,
        _ => 8,
    };
    let mut position = positions(graph);
    let mut best = (crossings(graph, &position), graph.layers.clone());
    let mut idle = 0;
    for sweep in 0..sweeps {
        if best.0 == 0 || idle >= PATIENCE {
            break;
        }
        let layers: Vec<usize> = if sweep % 2 == 0 { (0..graph.layers.len()).collect() } else { (0..graph.layers.len()).rev().collect() };
        for layer in layers {
            sort_layer(graph, &mut position, layer, sweep);
            if graph.items.len() <= 1_200 {
                exchange(graph, &mut position, layer);
            }
        }
        let now = crossings(graph, &position);
        idle += 1;
        if now < best.0 {
            best = (now, graph.layers.clone());
            idle = 0;
        }
    }
    graph.layers = best.1;
    let mut position = positions(graph);
    for _ in 0..3 {
        let mut has_moved = false;
        for layer in 0..graph.layers.len() {
            has_moved |= exchange(graph, &mut position, layer);
        }
        if !has_moved {
            break;
        }
    }
}

fn positions(graph: &Layers) -> Vec<usize> {
    let mut out = vec![0; graph.items.len()];
    for layer in &graph.layers {
        for (at, &i) in layer.iter().enumerate() {
            out[i] = at;
        }
    }
    out
}

/// Sorts a layer's lanes by the median of the neighbours on the side that was sorted before.
fn sort_layer(graph: &mut Layers, position: &mut [usize], layer: usize, sweep: usize) {
    for run in graph.groups(layer) {
        let mut keyed: Vec<(u64, usize, usize)> = graph.layers[layer][run.clone()]
            .iter()
            .map(|&i| {
                let neighbours = if sweep.is_multiple_of(2) { &graph.lefts[i] } else { &graph.rights[i] };
                let key = median(neighbours, position).unwrap_or(position[i] as u64 * 2 * 1_000);
                // Equal ones turn round in every other pair of sweeps, so that a tie is not a dead end.
                let tie = if sweep % 4 < 2 { position[i] } else { usize::MAX - position[i] };
                (key, tie, i)
            })
            .collect();
        keyed.sort_unstable();
        for (at, (_, _, i)) in run.zip(keyed) {
            graph.layers[layer][at] = i;
            position[i] = at;
        }
    }
}

/// Twice the median position, in thousandths; the mean breaks ties between equal medians a little.
fn median(neighbours: &[usize], position: &[usize]) -> Option<u64> {
    if neighbours.is_empty() {
        return None;
    }
    let mut at: Vec<u64> = neighbours.iter().map(|&n| position[n] as u64).collect();
    at.sort_unstable();
    let middle = at.len() / 2;
    let twice = if at.len() % 2 == 1 { at[middle] * 2 } else { at[middle - 1] + at[middle] };
    let mean = at.iter().sum::<u64>() / at.len() as u64;
    Some(twice * 1_000 + mean.min(999))
}

/// Swaps neighbours in one lane while that removes crossings.
fn exchange(graph: &mut Layers, position: &mut [usize], layer: usize) -> bool {
    let mut has_moved = false;
    for run in graph.groups(layer) {
        for at in run.start..run.end.saturating_sub(1) {
            let (a, b) = (graph.layers[layer][at], graph.layers[layer][at + 1]);
            let count = |x: usize, y: usize| pair(&graph.lefts[x], &graph.lefts[y], position) + pair(&graph.rights[x], &graph.rights[y], position);
            if count(b, a) < count(a, b) {
                graph.layers[layer].swap(at, at + 1);
                position.swap(a, b);
                has_moved = true;
            }
        }
    }
    has_moved
}

/// Crossings between the lines of two items of which the first is above.
fn pair(upper: &[usize], lower: &[usize], position: &[usize]) -> usize {
    upper.iter().map(|&u| lower.iter().filter(|&&l| position[l] < position[u]).count()).sum()
}

/// All crossings between straight lines.
fn crossings(graph: &Layers, position: &[usize]) -> usize {
    let mut total = 0;
    let mut tree: Vec<usize> = Vec::new();
    let mut ends: Vec<(usize, usize)> = Vec::new();
    for channel in &graph.channels {
        let Some(first) = graph.links.get(channel.start).filter(|_| !channel.is_empty()) else { continue };
        let size = graph.layers[graph.items[first.right].layer].len();
        ends.clear();
        ends.extend(graph.links[channel.clone()].iter().map(|l| (position[l.left], position[l.right])));
        ends.sort_unstable();
        tree.clear();
        tree.resize(size + 1, 0);
        for (seen, &(_, right)) in ends.iter().enumerate() {
            // How many earlier lines end at or above this one.
            let mut above = 0;
            let mut at = right + 1;
            while at > 0 {
                above += tree[at];
                at &= at - 1;
            }
            total += seen - above;
            let mut at = right + 1;
            while at <= size {
                tree[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    total
}

/// Far more rows than any lane has.
const LANE: i64 = 1 << 24;

/// The order of before, and new items where their neighbours are.
fn keep(graph: &mut Layers, rows: &[Option<i32>]) {
    let lane = |i: usize| graph.lane_order[graph.items[i].lane] as i64 * LANE;
    let mut known: Vec<Option<i64>> = rows.iter().enumerate().map(|(i, r)| r.map(|r| lane(i) + i64::from(r))).collect();
    // A new item behind another new one finds its place in the second round.
    for _ in 0..2 {
        let before = known.clone();
        for i in 0..known.len() {
            if before[i].is_none() {
                let near: Vec<i64> = graph.lefts[i].iter().chain(&graph.rights[i]).filter_map(|&n| before[n]).collect();
                if !near.is_empty() {
                    let mean = near.iter().sum::<i64>() / near.len() as i64;
                    known[i] = Some(mean.clamp(lane(i), lane(i) + LANE - 1));
                }
            }
        }
    }
    for layer in &mut graph.layers {
        layer.sort_by_key(|&i| (graph.lane_order[graph.items[i].lane], known[i].unwrap_or(i64::MAX), rows[i].is_none(), i));
    }
}
