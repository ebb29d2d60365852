//! Which edges point backwards, so that the rest has an order.

use super::Arrow;
use super::knots::knots;

/// A knot of more nodes is ordered by the distance from where it is entered. A walk into its depth would find fewer edges that go
/// back, but a path through nearly all of it: as many layers as there are nodes, and every line passes through most of them.
const LARGE: usize = 24;

/// `true` for edges that close a cycle. Self-calls are none.
pub(super) fn back_edges(count: usize, edges: &[Arrow]) -> Vec<bool> {
    let mut next = vec![Vec::new(); count];
    for e in edges.iter().filter(|e| e.from != e.to) {
        next[e.from].push(e.to);
    }
    let knot = knots(&next);
    let mut size = vec![0usize; count];
    knot.iter().for_each(|&k| size[k] += 1);
    let mut back = walked(count, edges);
    if size.iter().all(|&s| s <= LARGE) {
        return back;
    }
    let place = distances(&next, &knot, edges);
    for (e, back) in edges.iter().zip(&mut back) {
        if knot[e.from] == knot[e.to] && size[knot[e.from]] > LARGE {
            *back = place[e.to] < place[e.from];
        }
    }
    back
}

/// How far each node is from where its knot is entered, and its place among those that are as far.
fn distances(next: &[Vec<usize>], knot: &[usize], edges: &[Arrow]) -> Vec<(usize, usize)> {
    const FAR: usize = usize::MAX;
    let count = next.len();
    let mut far = vec![FAR; count];
    let mut is_entered = vec![false; count];
    for e in edges.iter().filter(|e| knot[e.from] != knot[e.to]) {
        far[e.to] = 0;
        is_entered[knot[e.to]] = true;
    }
    // What nobody enters begins with what calls most in it: what else it calls must not turn it round.
    let within = |n: usize| next[n].iter().filter(|&&to| knot[to] == knot[n]).count();
    let mut first: Vec<Option<usize>> = vec![None; count];
    for n in 0..count {
        let best = &mut first[knot[n]];
        if best.is_none_or(|b| within(b) < within(n)) {
            *best = Some(n);
        }
    }
    for (k, n) in first.into_iter().enumerate().filter_map(|(k, n)| Some((k, n?))) {
        if !is_entered[k] {
            far[n] = 0;
        }
    }
    let mut queue: Vec<usize> = (0..count).filter(|&n| far[n] == 0).collect();
    let mut at = 0;
    while let Some(&n) = queue.get(at) {
        at += 1;
        for &to in next[n].iter().filter(|&&to| knot[to] == knot[n]) {
            if far[to] == FAR {
                far[to] = far[n] + 1;
                queue.push(to);
            }
        }
    }
    let mut place: Vec<(usize, usize)> = far.iter().map(|&f| (f, 0)).collect();
    for (at, &n) in queue.iter().enumerate() {
        place[n].1 = at;
    }
    place
}

/// `true` for edges that close a cycle when walked from what nobody calls.
fn walked(count: usize, edges: &[Arrow]) -> Vec<bool> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut degree = vec![(0i64, 0i64); count];
    for (i, e) in edges.iter().enumerate().filter(|(_, e)| e.from != e.to) {
        out[e.from].push(i);
        degree[e.from].0 += 1;
        degree[e.to].1 += 1;
    }
    let mut starts: Vec<usize> = (0..count).collect();
    // What nobody calls comes first, then what calls more than it is called.
    starts.sort_by_key(|&n| (degree[n].1 > 0, degree[n].1 - degree[n].0, n));
    let mut back = vec![false; edges.len()];
    let mut state = vec![State::New; count];
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for start in starts {
        if state[start] != State::New {
            continue;
        }
        state[start] = State::Open;
        stack.push((start, 0));
        while let Some((node, next)) = stack.last_mut() {
            let Some(&edge) = out[*node].get(*next) else {
                state[*node] = State::Done;
                stack.pop();
                continue;
            };
            *next += 1;
            let to = edges[edge].to;
            match state[to] {
                State::New => {
                    state[to] = State::Open;
                    stack.push((to, 0));
                }
                State::Open => back[edge] = true,
                State::Done => {}
            }
        }
    }
    back
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}
