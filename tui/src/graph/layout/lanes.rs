//! The order of the namespaces from top to bottom: what talks to each other lies close.

/// Up to how many namespaces the order is improved by trying every swap.
const TRY_ALL: usize = 64;

/// The position of each lane. `calls` are the pairs of different lanes between which calls go, each as often as there
/// are calls. `old` are positions to keep, of lanes that were there before.
pub(super) fn order(lanes: usize, calls: &[(usize, usize)], old: &[Option<usize>]) -> Vec<usize> {
    let mut weight = vec![vec![0i64; lanes]; lanes];
    for &(a, b) in calls {
        weight[a][b] += 1;
        weight[b][a] += 1;
    }
    let mut sequence: Vec<usize> = (0..lanes).filter(|&l| old[l].is_some()).collect();
    sequence.sort_by_key(|&l| (old[l], l));
    let is_seeded = !sequence.is_empty();
    // New lanes go where they are closest to what they talk to.
    for lane in (0..lanes).filter(|&l| old[l].is_none()) {
        let best = (0..=sequence.len()).min_by_key(|&at| {
            let length: i64 = sequence.iter().enumerate().map(|(i, &o)| weight[lane][o] * (if i < at { at - i } else { i + 1 - at }) as i64).sum();
            let split: i64 = sequence[..at].iter().map(|&a| sequence[at..].iter().map(|&b| weight[a][b]).sum::<i64>()).sum();
            (length + split, std::cmp::Reverse(at))
        });
        sequence.insert(best.unwrap_or(0), lane);
    }
    if !is_seeded && lanes <= TRY_ALL {
        improve(&mut sequence, &weight);
    }
    let mut position = vec![0; lanes];
    for (at, &lane) in sequence.iter().enumerate() {
        position[lane] = at;
    }
    position
}

fn improve(sequence: &mut [usize], weight: &[Vec<i64>]) {
    let count = sequence.len();
    let length = |s: &[usize], i: usize, lane: usize, skip: usize| -> i64 {
        s.iter().enumerate().filter(|(j, _)| *j != i && *j != skip).map(|(j, &o)| weight[lane][o] * i.abs_diff(j) as i64).sum()
    };
    for _ in 0..6 {
        let mut has_moved = false;
        for i in 0..count {
            for j in i + 1..count {
                let (a, b) = (sequence[i], sequence[j]);
                let now = length(sequence, i, a, j) + length(sequence, j, b, i);
                let then = length(sequence, i, b, j) + length(sequence, j, a, i);
                if then < now {
                    sequence.swap(i, j);
                    has_moved = true;
                }
            }
        }
        if !has_moved {
            return;
        }
    }
}
