//! What shares a vertical line between two layers.
//!
//! A *net* is drawn as one vertical track with stubs to the left and to the right. Whoever gets on a track can leave it by
//! every stub on its right, so a net holds only lines of which all ends on the left call all ends on the right: all that
//! leaves one port, or all that arrives at one. The stubs of a port's nets follow each other on its row, and so do the
//! lines on them; that limits what may share a port:
//!
//! - what is on a track leaks into the nets that stand right of it on the row of one of its left ports. With several left
//!   ports a net must therefore be the *last* of each of them;
//! - what comes along the row of one of its right ports gets on a track. With several right ports a net must therefore be
//!   the *first* of each of them;
//! - a net with one port on each side must be the last of the one or the first of the other, or what gets on at the one
//!   leaves at the other;
//! - where a port on the left and one on the right have the same row, all nets of the first stand left of those of the
//!   second, or their stubs would overlap. If the one calls the other, that line is both the last and the first.
//!
//! A net that can't have its place, or whose place contradicts another's, is led over a free row ([`Part`]): then it may
//! stand anywhere.

use super::knots::knots;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// A link between a port on the left and one on the right, by their numbers in [`Ends`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire {
    pub left: usize,
    pub right: usize,
}

/// The rows of the ports on both sides; on one side no two are equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    pub left_rows: Vec<i32>,
    pub right_rows: Vec<i32>,
}

/// Which half of a net that was led over a free row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// From the ports on the left to a free row.
    First,
    /// From a free row to the ports on the right.
    Second,
}

#[derive(Clone, Debug)]
pub(super) struct Net {
    group: usize,
    pub part: Part,
    /// Ports; for a part, those of the whole.
    pub lefts: Vec<usize>,
    pub rights: Vec<usize>,
    /// The free row of a part.
    pub row: i32,
    /// Whether it must be the last of its left ports, the first of its right ones.
    is_last: bool,
    is_first: bool,
}

impl Net {
    /// The rows of its stubs on the left and on the right.
    pub fn rows<'n>(&'n self, ends: &'n Ends) -> (Vec<i32>, Vec<i32>) {
        let lefts = || self.lefts.iter().map(|&l| ends.left_rows[l]).collect();
        let rights = || self.rights.iter().map(|&r| ends.right_rows[r]).collect();
        match self.part {
            Part::Whole => (lefts(), rights()),
            Part::First => (lefts(), vec![self.row]),
            Part::Second => (vec![self.row], rights()),
        }
    }
    /// Ports whose row its stubs share.
    pub fn real_lefts(&self) -> &[usize] {
        if self.part == Part::Second { &[] } else { &self.lefts }
    }
    pub fn real_rights(&self) -> &[usize] {
        if self.part == Part::First { &[] } else { &self.rights }
    }
}

/// The tracks that a wire uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Both ends have the same row.
    Straight,
    Net(usize),
    /// Two nets and the row between.
    Detour(usize, i32, usize),
}

#[derive(Debug, Default)]
pub(super) struct Nets {
    pub nets: Vec<Net>,
    pub uses: Vec<Use>,
    /// `(a, b, distance)`: `b` stands at least so many columns right of `a`.
    pub limits: Vec<(usize, usize, i32)>,
}

/// Shares tracks and makes the limits free of contradictions.
pub(super) fn nets(wires: &[Wire], ends: &Ends) -> Nets {
    let mut groups = share(wires, ends);
    let mut taken: BTreeSet<i32> = ends.left_rows.iter().chain(&ends.right_rows).copied().collect();
    loop {
        for group in groups.iter_mut().filter(|g| g.claim == Claim::Detour && g.row.is_none()) {
            let rows = group.members.iter().flat_map(|&w| [ends.left_rows[wires[w].left], ends.right_rows[wires[w].right]]);
            let (sum, count) = rows.fold((0, 0), |(sum, count), row| (sum + row, count + 1));
            let row = free_row(&taken, sum / count.max(1));
            taken.insert(row);
            group.row = Some(row);
        }
        let nets = build(wires, ends, &groups);
        let victims = contradictions(&nets);
        if victims.is_empty() {
            return nets;
        }
        for victim in victims {
            let group = &mut groups[victim];
            if group.claim != Claim::Detour {
                group.claim = Claim::Detour;
            } else {
                // It has several ends, and even over a free row it can't have its place with all of them.
                let members = std::mem::take(&mut group.members);
                groups.extend(members.into_iter().map(|w| Group { members: vec![w], claim: Claim::Detour, row: None }));
            }
        }
    }
}

/// The row nearest to a wish that no port and no detour has.
fn free_row(taken: &BTreeSet<i32>, wish: i32) -> i32 {
    (0..).flat_map(|d| [wish - d, wish + d]).find(|row| *row >= 0 && !taken.contains(row)).unwrap_or(wish)
}

/// The place that a net has among those of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// The last of its left ports.
    Last,
    /// The first of its right ports.
    First,
    /// None, as it goes over a free row.
    Detour,
}

/// Wires that share a net; straight ones are in none.
struct Group {
    members: Vec<usize>,
    claim: Claim,
    row: Option<i32>,
}

fn share(wires: &[Wire], ends: &Ends) -> Vec<Group> {
    let (lefts, rights) = (ends.left_rows.len(), ends.right_rows.len());
    // Whether the place of the last net of a left port, of the first of a right one, is still free.
    let mut last_is_free = vec![true; lefts];
    let mut first_is_free = vec![true; rights];
    let mut open = vec![true; wires.len()];
    let mut of_left = vec![Vec::new(); lefts];
    let mut of_right = vec![Vec::new(); rights];
    for (i, w) in wires.iter().enumerate() {
        if ends.left_rows[w.left] == ends.right_rows[w.right] {
            last_is_free[w.left] = false;
            first_is_free[w.right] = false;
            open[i] = false;
        } else {
            of_left[w.left].push(i);
            of_right[w.right].push(i);
        }
    }
    let mut hubs: Vec<(std::cmp::Reverse<usize>, u8, usize)> = Vec::new();
    hubs.extend(of_left.iter().enumerate().filter(|(_, w)| w.len() > 1).map(|(p, w)| (std::cmp::Reverse(w.len()), 0, p)));
    hubs.extend(of_right.iter().enumerate().filter(|(_, w)| w.len() > 1).map(|(p, w)| (std::cmp::Reverse(w.len()), 1, p)));
    hubs.sort_unstable();
    let mut groups = Vec::new();
    for (_, side, port) in hubs {
        let is_left = side == 0;
        let candidates = if is_left { &of_left[port] } else { &of_right[port] };
        let fits = |&&w: &&usize| open[w] && if is_left { first_is_free[wires[w].right] } else { last_is_free[wires[w].left] };
        let members: Vec<usize> = candidates.iter().filter(fits).copied().collect();
        if members.len() < 2 {
            continue;
        }
        for &w in &members {
            open[w] = false;
            if is_left {
                first_is_free[wires[w].right] = false;
            } else {
                last_is_free[wires[w].left] = false;
            }
        }
        groups.push(Group { members, claim: if is_left { Claim::First } else { Claim::Last }, row: None });
    }
    for w in (0..wires.len()).filter(|&w| open[w]) {
        let Wire { left, right } = wires[w];
        let claim = match (last_is_free[left], first_is_free[right]) {
            // A port with a single line needs no place; it leaves it to others.
            (true, true) if of_left[left].len() > of_right[right].len() => Claim::First,
            (true, _) => Claim::Last,
            (false, true) => Claim::First,
            (false, false) => Claim::Detour,
        };
        match claim {
            Claim::Last => last_is_free[left] = false,
            Claim::First => first_is_free[right] = false,
            Claim::Detour => {}
        }
        groups.push(Group { members: vec![w], claim, row: None });
    }
    groups
}

/// The nets of groups, with their limits.
fn build(wires: &[Wire], ends: &Ends, groups: &[Group]) -> Nets {
    let mut out = Nets { uses: vec![Use::Straight; wires.len()], ..Nets::default() };
    for (number, group) in groups.iter().enumerate().filter(|(_, g)| !g.members.is_empty()) {
        let unique = |ports: BTreeSet<usize>| ports.into_iter().collect::<Vec<_>>();
        let lefts = unique(group.members.iter().map(|&w| wires[w].left).collect());
        let rights = unique(group.members.iter().map(|&w| wires[w].right).collect());
        let at = out.nets.len();
        let (is_last, is_first) = match group.claim {
            Claim::Last => (true, false),
            Claim::First => (false, true),
            Claim::Detour => (lefts.len() > 1, rights.len() > 1),
        };
        let net = Net { group: number, part: Part::Whole, lefts, rights, row: 0, is_last, is_first };
        let used = match group.row {
            None => {
                out.nets.push(net);
                Use::Net(at)
            }
            Some(row) => {
                out.nets.push(Net { part: Part::First, row, is_first: false, ..net.clone() });
                out.nets.push(Net { part: Part::Second, row, is_last: false, ..net });
                out.limits.push((at, at + 1, 1));
                Use::Detour(at, row, at + 1)
            }
        };
        for &w in &group.members {
            out.uses[w] = used;
        }
    }
    limits(&mut out, ends);
    out
}

fn limits(out: &mut Nets, ends: &Ends) {
    let mut of_left = vec![Vec::new(); ends.left_rows.len()];
    let mut of_right = vec![Vec::new(); ends.right_rows.len()];
    for (i, net) in out.nets.iter().enumerate() {
        net.real_lefts().iter().for_each(|&l| of_left[l].push(i));
        net.real_rights().iter().for_each(|&r| of_right[r].push(i));
    }
    for (i, net) in out.nets.iter().enumerate() {
        if net.is_last {
            let others = net.real_lefts().iter().flat_map(|&l| &of_left[l]).filter(|&&n| n != i);
            out.limits.extend(others.map(|&n| (n, i, 1)));
        }
        if net.is_first {
            let others = net.real_rights().iter().flat_map(|&r| &of_right[r]).filter(|&&n| n != i);
            out.limits.extend(others.map(|&n| (i, n, 1)));
        }
    }
    let by_row: FxHashMap<i32, usize> = ends.right_rows.iter().enumerate().map(|(r, &row)| (row, r)).collect();
    for (l, row) in ends.left_rows.iter().enumerate() {
        let Some(&r) = by_row.get(row) else { continue };
        for &a in &of_left[l] {
            // Two columns apart: corners beside each other read as one line where all corners look alike.
            out.limits.extend(of_right[r].iter().filter(|&&b| b != a).map(|&b| (a, b, 2)));
        }
    }
    out.limits.sort_unstable();
    out.limits.dedup();
}

/// One group of each set of nets whose limits contradict each other.
fn contradictions(nets: &Nets) -> Vec<usize> {
    let components = components(nets);
    let mut size: FxHashMap<usize, usize> = FxHashMap::default();
    components.iter().for_each(|c| *size.entry(*c).or_default() += 1);
    let mut degree = vec![(0usize, 0usize); nets.nets.len()];
    for &(a, b, _) in nets.limits.iter().filter(|(a, b, _)| components[*a] == components[*b]) {
        degree[a].0 += 1;
        degree[b].1 += 1;
    }
    let mut best: FxHashMap<usize, (usize, usize)> = FxHashMap::default();
    for (i, net) in nets.nets.iter().enumerate() {
        let is_single = net.lefts.len() == 1 && net.rights.len() == 1;
        // A single line over a free row contradicts nothing.
        if size[&components[i]] < 2 || (net.part != Part::Whole && is_single) {
            continue;
        }
        let weight = degree[i].0 * degree[i].1 * if is_single { 4 } else { 1 };
        let entry = best.entry(components[i]).or_insert((weight, i));
        if weight > entry.0 {
            *entry = (weight, i);
        }
    }
    let mut out: Vec<usize> = best.into_values().map(|(_, net)| nets.nets[net].group).collect();
    out.sort_unstable();
    out
}

fn components(nets: &Nets) -> Vec<usize> {
    let mut next = vec![Vec::new(); nets.nets.len()];
    nets.limits.iter().for_each(|&(a, b, _)| next[a].push(b));
    knots(&next)
}
