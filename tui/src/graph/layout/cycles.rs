//! Which edges point backwards, so that the rest has an order.

use super::Arrow;

/// `true` for edges that close a cycle when walked from what nobody calls. Self-calls are none.
pub(super) fn back_edges(count: usize, edges: &[Arrow]) -> Vec<bool> {
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
