//! The rows of items: near their neighbours, in their order, inside their lane.

use super::layers::Layers;

/// How strongly a remembered row holds, against 1 for a node's and 4 for a bus's neighbours.
const REMEMBERED: f64 = 10_000.0;
const BUS: f64 = 4.0;
const SWEEPS: usize = 10;

/// The band of a lane: the row of its upper border, and the number of rows between its borders.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Band {
    pub top: i32,
    pub inner: i32,
}

pub(super) struct Placed {
    /// By lane.
    pub bands: Vec<Band>,
    pub height: i32,
}

/// Sets `top` of every item.
pub(super) fn place(graph: &mut Layers, lanes: usize, rows: Option<&[Option<i32>]>) -> Placed {
    let mut inner = vec![1; lanes];
    for layer in 0..graph.layers.len() {
        for run in graph.groups(layer) {
            let lane = graph.items[graph.layers[layer][run.start]].lane;
            let needed: i32 = graph.layers[layer][run].iter().map(|&i| graph.items[i].height).sum();
            inner[lane] = inner[lane].max(needed);
        }
    }
    let mut by_position: Vec<usize> = (0..lanes).collect();
    by_position.sort_by_key(|&l| graph.lane_order[l]);
    let mut bands = vec![Band::default(); lanes];
    let mut at = 0;
    for lane in by_position {
        bands[lane] = Band { top: at, inner: inner[lane] };
        at += inner[lane] + 2;
    }
    let runs: Vec<Vec<std::ops::Range<usize>>> = (0..graph.layers.len()).map(|l| graph.groups(l)).collect();
    start(graph, &bands, &runs);
    for sweep in 0..SWEEPS {
        let side = match sweep {
            s if s + 2 >= SWEEPS => Side::Both,
            s if s % 2 == 0 => Side::Left,
            _ => Side::Right,
        };
        let layers: Vec<usize> = if sweep % 2 == 0 { (0..runs.len()).collect() } else { (0..runs.len()).rev().collect() };
        for layer in layers {
            for run in &runs[layer] {
                settle(graph, &bands, layer, run, side, rows);
            }
        }
    }
    if rows.is_none() {
        straighten(graph, &bands, &runs);
    }
    Placed { bands, height: at }
}

fn start(graph: &mut Layers, bands: &[Band], runs: &[Vec<std::ops::Range<usize>>]) {
    for (layer, runs) in runs.iter().enumerate() {
        for run in runs {
            let ids = &graph.layers[layer][run.clone()];
            let Some(&first) = ids.first() else { continue };
            let band = bands[graph.items[first].lane];
            let needed: i32 = ids.iter().map(|&i| graph.items[i].height).sum();
            let mut at = band.top + 1 + (band.inner - needed) / 2;
            for i in run.clone().map(|at| graph.layers[layer][at]).collect::<Vec<_>>() {
                graph.items[i].top = at;
                at += graph.items[i].height;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Both,
}

/// The row at which an item would be level with the median of its neighbours.
fn wish(graph: &Layers, i: usize, side: Side) -> Option<f64> {
    let item = &graph.items[i];
    let mut rows: Vec<i32> = Vec::new();
    let sides = [(Side::Left, &graph.lefts[i]), (Side::Right, &graph.rights[i])];
    for (_, neighbours) in sides.into_iter().filter(|(of, _)| side == Side::Both || side == *of) {
        rows.extend(neighbours.iter().map(|&n| graph.items[n].top + graph.items[n].forward));
    }
    if rows.is_empty() {
        return None;
    }
    rows.sort_unstable();
    let middle = rows.len() / 2;
    let at = if rows.len() % 2 == 1 { f64::from(rows[middle]) } else { f64::from(rows[middle - 1] + rows[middle]) / 2.0 };
    Some(at - f64::from(item.forward))
}

/// Weighted isotonic regression (pool adjacent violators) towards the wishes; all gaps are constant, so clamping the
/// result to the band is exact.
fn settle(graph: &mut Layers, bands: &[Band], layer: usize, run: &std::ops::Range<usize>, side: Side, rows: Option<&[Option<i32>]>) {
    let ids: Vec<usize> = graph.layers[layer][run.clone()].to_vec();
    let Some(&first) = ids.first() else { return };
    let band = bands[graph.items[first].lane];
    // (sum of weight × wish, weight, items)
    let mut pools: Vec<(f64, f64, usize)> = Vec::with_capacity(ids.len());
    let mut offset = 0;
    for &i in &ids {
        let item = &graph.items[i];
        let (at, weight) = match (rows.and_then(|r| r[i]), wish(graph, i, side)) {
            (Some(row), _) => (f64::from(band.top + 1 + row), REMEMBERED),
            (None, Some(at)) => (at, if item.is_bus() { BUS } else { 1.0 }),
            (None, None) => (f64::from(item.top), 0.1),
        };
        pools.push(((at - f64::from(offset)) * weight, weight, 1));
        while let [.., a, b] = pools[..] {
            if a.0 / a.1 <= b.0 / b.1 {
                break;
            }
            pools.truncate(pools.len() - 2);
            pools.push((a.0 + b.0, a.1 + b.1, a.2 + b.2));
        }
        offset += item.height;
    }
    let (lowest, highest) = (band.top + 1, band.top + 1 + band.inner - offset);
    let mut ids = ids.into_iter();
    let mut offset = 0;
    for (sum, weight, count) in pools {
        let at = ((sum / weight).round() as i32).clamp(lowest, highest.max(lowest));
        for i in ids.by_ref().take(count) {
            graph.items[i].top = at + offset;
            offset += graph.items[i].height;
        }
    }
}

/// Moves items that have one neighbour on a side level with it, where there is room.
fn straighten(graph: &mut Layers, bands: &[Band], runs: &[Vec<std::ops::Range<usize>>]) {
    for round in 0..4 {
        let layers: Vec<usize> = if round % 2 == 0 { (0..runs.len()).collect() } else { (0..runs.len()).rev().collect() };
        for layer in layers {
            for run in &runs[layer] {
                for at in run.clone() {
                    let i = graph.layers[layer][at];
                    let side = if round % 2 == 0 { &graph.lefts[i] } else { &graph.rights[i] };
                    let &[only] = side.as_slice() else { continue };
                    let (item, other) = (&graph.items[i], &graph.items[only]);
                    let wish = other.top + other.forward - item.forward;
                    let band = bands[item.lane];
                    let above = if at == run.start { band.top + 1 } else { bottom(graph, graph.layers[layer][at - 1]) };
                    let below = if at + 1 == run.end { band.top + 1 + band.inner } else { graph.items[graph.layers[layer][at + 1]].top };
                    if wish >= above && wish + item.height <= below {
                        graph.items[i].top = wish;
                    }
                }
            }
        }
    }
}

fn bottom(graph: &Layers, i: usize) -> i32 {
    graph.items[i].top + graph.items[i].height
}
