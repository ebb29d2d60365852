//! Columns for the nets between two layers.

use super::nets::{Ends, Nets};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The columns of nets, from 0, and how many there are.
pub(super) struct Tracks {
    pub columns: Vec<i32>,
    pub width: i32,
}

struct Shape {
    lefts: Vec<i32>,
    rights: Vec<i32>,
    low: i32,
    high: i32,
}

impl Shape {
    /// How many of the rows lie inside.
    fn hit_by(&self, rows: &[i32]) -> i64 {
        rows.iter().filter(|r| **r > self.low && **r < self.high).count() as i64
    }
}

/// Gives every net the leftmost column that the limits and the nets before it leave. The order is the one that crosses
/// least, pair by pair.
pub(super) fn tracks(nets: &Nets, ends: &Ends) -> Tracks {
    let shapes: Vec<Shape> = nets
        .nets
        .iter()
        .map(|net| {
            let (lefts, rights) = net.rows(ends);
            let low = lefts.iter().chain(&rights).copied().min().unwrap_or(0);
            let high = lefts.iter().chain(&rights).copied().max().unwrap_or(0);
            Shape { lefts, rights, low, high }
        })
        .collect();
    let score = scores(&shapes);
    let mut before = vec![0usize; shapes.len()];
    let mut after = vec![Vec::new(); shapes.len()];
    for &(a, b, distance) in &nets.limits {
        before[b] += 1;
        after[a].push((b, distance));
    }
    let mut ready: BinaryHeap<Reverse<(i64, usize)>> = (0..shapes.len()).filter(|&n| before[n] == 0).map(|n| Reverse((score[n], n))).collect();
    let mut earliest = vec![0; shapes.len()];
    let mut columns = vec![0; shapes.len()];
    let top = shapes.iter().map(|s| s.low).min().unwrap_or(0) - 1;
    let bottom = shapes.iter().map(|s| s.high).max().unwrap_or(0) + 1;
    // The first free column of each row.
    let mut skyline = vec![0; (bottom - top + 1).max(1) as usize];
    let mut width = 0;
    while let Some(Reverse((_, n))) = ready.pop() {
        let shape = &shapes[n];
        // A row above and one below stay free, so that two corners never touch.
        let rows = (shape.low - 1 - top) as usize..=(shape.high + 1 - top) as usize;
        let column = skyline[rows].iter().copied().max().unwrap_or(0).max(earliest[n]);
        skyline[(shape.low - top) as usize..=(shape.high - top) as usize].fill(column + 1);
        columns[n] = column;
        width = width.max(column + 1);
        for &(to, distance) in &after[n] {
            earliest[to] = earliest[to].max(column + distance);
            before[to] -= 1;
            if before[to] == 0 {
                ready.push(Reverse((score[to], to)));
            }
        }
    }
    Tracks { columns, width }
}

/// For each net, how many of the nets that it overlaps should better stand left of it, less those that should stand right.
fn scores(shapes: &[Shape]) -> Vec<i64> {
    let mut by_low: Vec<usize> = (0..shapes.len()).collect();
    by_low.sort_by_key(|&n| (shapes[n].low, n));
    let mut score = vec![0i64; shapes.len()];
    for (at, &a) in by_low.iter().enumerate() {
        for &b in by_low[at + 1..].iter().take_while(|&&b| shapes[b].low <= shapes[a].high) {
            let a_first = shapes[b].hit_by(&shapes[a].rights) + shapes[a].hit_by(&shapes[b].lefts);
            let b_first = shapes[a].hit_by(&shapes[b].rights) + shapes[b].hit_by(&shapes[a].lefts);
            let verdict = (a_first - b_first).signum();
            score[a] += verdict;
            score[b] -= verdict;
        }
    }
    score
}
