//! Knots: nodes of which each leads to each other one.

/// The knot of every node: strongly connected components (Tarjan, without recursion), numbered so that what a knot leads to has
/// a lower number. `next` are the indexes that each node leads to.
pub(super) fn knots(next: &[Vec<usize>]) -> Vec<usize> {
    const NEW: usize = usize::MAX;
    let count = next.len();
    let (mut index, mut low, mut knot) = (vec![NEW; count], vec![0; count], vec![NEW; count]);
    let (mut counter, mut found) = (0, 0);
    let mut open: Vec<usize> = Vec::new();
    let mut calls: Vec<(usize, usize)> = Vec::new();
    for start in 0..count {
        if index[start] != NEW {
            continue;
        }
        calls.push((start, 0));
        while let Some(&mut (node, ref mut at)) = calls.last_mut() {
            if *at == 0 {
                index[node] = counter;
                low[node] = counter;
                counter += 1;
                open.push(node);
            }
            if let Some(&to) = next[node].get(*at) {
                *at += 1;
                if index[to] == NEW {
                    calls.push((to, 0));
                } else if knot[to] == NEW {
                    low[node] = low[node].min(index[to]);
                }
                continue;
            }
            calls.pop();
            if let Some(&(caller, _)) = calls.last() {
                low[caller] = low[caller].min(low[node]);
            }
            if low[node] == index[node] {
                while let Some(member) = open.pop() {
                    knot[member] = found;
                    if member == node {
                        break;
                    }
                }
                found += 1;
            }
        }
    }
    knot
}
