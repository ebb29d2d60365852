//! What layouts promise, on graphs of every shape.

use super::layout::{Area, Detail, Flow, Labels, Layout, layout};
use super::paint::{Look, paint};
use super::view::{Edge, Health, Node, View};
use super::{collapse, focus};
use crate::theme::Theme;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::collections::BTreeSet;

fn node(namespace: usize, name: usize) -> Node {
    let health = [Health::Ok, Health::Degraded, Health::Failing, Health::Idle, Health::Unknown][name % 5];
    let badges = ["", "V", "VC"][name % 3].to_owned();
    Node { namespace: format!("ns{namespace}"), name: format!("n{name}"), health, figures: format!("{name}/s 0.1%"), badges, flow: None }
}

fn edge(from: usize, to: usize) -> Edge {
    Edge { from, to, health: Health::Ok, label: format!("{from}/s"), flow: None }
}

/// Graphs as random as they can be: cycles, self-calls, duplicates, lonely nodes.
fn any_view(nodes: usize, edges: usize) -> impl Strategy<Value = View> {
    (1..=nodes, 1usize..5)
        .prop_flat_map(move |(n, namespaces)| (Just(n), proptest::collection::vec(0..namespaces, n), proptest::collection::vec((0..n, 0..n), 0..=edges)))
        .prop_map(|(n, namespaces, pairs)| View::new((0..n).map(|i| node(namespaces[i], i)).collect(), pairs.into_iter().map(|(a, b)| edge(a, b)).collect()))
}

/// A mesh as meshes are: namespaces, mostly calls inside them, a few hubs, a few calls backwards.
pub(crate) fn mesh(nodes: usize, edges: usize) -> View {
    let mut state = 0x2545_f491_u64 ^ nodes as u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound.max(1)
    };
    let namespaces = (nodes / 12).max(1);
    let all: Vec<Node> = (0..nodes).map(|i| node(i % namespaces, i)).collect();
    let mut pairs = Vec::new();
    while pairs.len() < edges {
        let from = next(nodes);
        let to = match next(20) {
            0 => 0,
            1 => next(nodes),
            _ => (from + namespaces * (1 + next(4))) % nodes,
        };
        pairs.push(if next(40) == 0 || from <= to { edge(from, to) } else { edge(to, from) });
    }
    View::new(all, pairs)
}

/// A knot: namespaces of 20 in rings, and as many calls between namespaces, so that each node leads to each other one.
fn knot(nodes: usize) -> View {
    let within = |i: usize| (i / 20 * 20 + (i + 1) % 20).min(nodes - 1);
    let calls = (0..nodes).flat_map(|i| [edge(i, within(i)), edge(i, (i * 7 + 13) % nodes)]).collect();
    View::new((0..nodes).map(|i| node(i / 20, i)).collect(), calls)
}

fn details() -> [(Detail, Labels); 5] {
    use {Detail::*, Labels::*};
    [(Full, Shown), (Full, Hidden), (Compact, Shown), (Compact, Hidden), (Name, Hidden)]
}

fn draw(layout: &Layout, view: &View, theme: &Theme) -> Buffer {
    let area = Rect::new(0, 0, layout.width.max(1) as u16, layout.height.max(1) as u16);
    let mut buffer = Buffer::empty(area);
    paint(layout, view, &Look { theme, origin: (0, 0), selected: None, boxed: None, found: &[] }, area, &mut buffer);
    buffer
}

/// Reads a picture as a person does: from a node's side along lines, never against the flow.
struct Reader<'r> {
    buffer: &'r Buffer,
    layout: &'r Layout,
}

const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const UP: u8 = 4;
const DOWN: u8 = 8;

impl Reader<'_> {
    fn symbol(&self, x: i32, y: i32) -> &str {
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else { return " " };
        self.buffer.cell((x, y)).map_or(" ", |c| c.symbol())
    }
    fn ways(&self, x: i32, y: i32) -> u8 {
        match self.symbol(x, y) {
            "─" | "╌" => LEFT | RIGHT,
            "│" | "╎" => UP | DOWN,
            "╯" => LEFT | UP,
            "╰" => RIGHT | UP,
            "╮" => LEFT | DOWN,
            "╭" => RIGHT | DOWN,
            "┴" => LEFT | RIGHT | UP,
            "┬" => LEFT | RIGHT | DOWN,
            "┤" => LEFT | UP | DOWN,
            "├" => RIGHT | UP | DOWN,
            "┼" => LEFT | RIGHT | UP | DOWN,
            // Heads take lines on both sides.
            "▶" | "◀" => LEFT | RIGHT,
            _ => 0,
        }
    }
    fn callees(&self, from: usize, flow: Flow) -> BTreeSet<usize> {
        let area = self.layout.nodes[from];
        let (ahead, x) = if flow == Flow::Forward { (RIGHT, area.right) } else { (LEFT, area.left - 1) };
        let row = match (self.layout.detail, flow) {
            (Detail::Full, Flow::Forward) => area.top + 1,
            (Detail::Full, _) => area.top + 2,
            (Detail::Compact | Detail::Name, Flow::Forward) => area.top,
            (Detail::Compact | Detail::Name, _) if area.height() < 2 => return BTreeSet::new(),
            (Detail::Compact | Detail::Name, _) => area.top + 1,
        };
        let mut reached = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![(x, row, ahead)];
        // Either nothing leaves here, or what stands here arrives.
        let arriving = if flow == Flow::Forward { "◀" } else { "▶" };
        if self.ways(x, row) & (LEFT | RIGHT) == 0 || self.symbol(x, row) == arriving {
            return reached;
        }
        while let Some((x, y, direction)) = open.pop() {
            if !seen.insert((x, y, direction)) {
                continue;
            }
            let is_head = self.symbol(x, y) == if flow == Flow::Forward { "▶" } else { "◀" };
            if is_head {
                let beside = if flow == Flow::Forward { x + 1 } else { x - 1 };
                reached.insert(self.layout.nodes.iter().position(|a| a.contains(beside, y)).expect("a head stands beside a node"));
                continue;
            }
            let opposite = match direction {
                LEFT => RIGHT,
                RIGHT => LEFT,
                UP => DOWN,
                _ => UP,
            };
            let ways = self.ways(x, y);
            let step = |d: u8| match d {
                LEFT => (x - 1, y, d),
                RIGHT => (x + 1, y, d),
                UP => (x, y - 1, d),
                _ => (x, y + 1, d),
            };
            if ways & opposite == 0 {
                // It passes under an upright line.
                assert!(ways == UP | DOWN && direction == ahead, "a line ends at {x},{y} in {:?} from {from}\n{}", self.symbol(x, y), text(self.buffer));
                open.push(step(direction));
                continue;
            }
            open.extend([ahead, UP, DOWN].into_iter().filter(|&d| ways & d != 0 && d != opposite).map(step));
        }
        reached
    }
}

fn text(buffer: &Buffer) -> String {
    let row = |y| (0..buffer.area.width).map(|x| buffer.cell((x, y)).map_or(" ", |c| c.symbol())).collect::<String>();
    (0..buffer.area.height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
}

/// Everything that a layout of a view promises.
fn check(view: &View, layout: &Layout) {
    for (i, a) in layout.nodes.iter().enumerate() {
        assert!(a.left >= 0 && a.top >= 0 && a.right <= layout.width && a.bottom <= layout.height, "node {i} lies outside");
        for (j, b) in layout.nodes.iter().enumerate().skip(i + 1) {
            assert!(!a.meets(b), "nodes {i} and {j} overlap");
        }
    }
    for (i, a) in layout.lanes.iter().enumerate() {
        for n in a.nodes.clone() {
            let inner = Area { left: a.area.left + 1, top: a.area.top + 1, right: a.area.right - 1, bottom: a.area.bottom - 1 };
            let at = layout.nodes[n];
            assert!(inner.contains(at.left, at.top) && inner.contains(at.right - 1, at.bottom - 1), "node {n} is not in its namespace");
        }
        for b in layout.lanes.iter().skip(i + 1) {
            assert!(!a.area.meets(&b.area), "namespaces overlap");
        }
    }
    for (e, path) in layout.paths.iter().enumerate() {
        let edge = &view.edges()[e];
        if path.flow == Flow::Own {
            assert_eq!(edge.from, edge.to);
            continue;
        }
        let (first, last) = (path.points[0], *path.points.last().expect("points"));
        let beside = if path.flow == Flow::Forward { (-1, 1) } else { (1, -1) };
        assert_eq!(layout.node_at(first.0 + beside.0, first.1), Some(edge.from), "edge {e} does not start at its caller");
        assert_eq!(layout.node_at(last.0 + beside.1, last.1), Some(edge.to), "edge {e} does not end at its callee");
        for pair in path.points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            assert!((x0 == x1) != (y0 == y1), "edge {e} is not orthogonal");
            let line = Area { left: x0.min(x1), top: y0.min(y1), right: x0.max(x1) + 1, bottom: y0.max(y1) + 1 };
            assert!(line.left >= 0 && line.top >= 0 && line.right <= layout.width && line.bottom <= layout.height, "edge {e} leaves the picture");
            assert!(layout.nodes.iter().all(|n| !n.meets(&line)), "edge {e} goes through a box");
        }
    }
}

/// What is read is what is so.
fn check_reading(view: &View, layout: &Layout) {
    let buffer = draw(layout, view, &Theme::default());
    let reader = Reader { buffer: &buffer, layout };
    for n in 0..view.nodes().len() {
        for flow in [Flow::Forward, Flow::Back] {
            let told: BTreeSet<usize> = view.edges().iter().zip(&layout.paths).filter(|(e, p)| e.from == n && p.flow == flow).map(|(e, _)| e.to).collect();
            assert_eq!(reader.callees(n, flow), told, "what {n} calls ({flow:?})\n{}", text(&buffer));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_overlaps_and_lines_keep_out_of_boxes(view in any_view(24, 60)) {
        for (detail, labels) in details() {
            check(&view, &layout(&view, detail, labels, None));
        }
    }

    #[test]
    fn the_picture_says_who_calls_whom_and_nothing_else(view in any_view(16, 40)) {
        for detail in [Detail::Full, Detail::Compact, Detail::Name] {
            check_reading(&view, &layout(&view, detail, Labels::Hidden, None));
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(view in any_view(16, 30), seed in any::<u64>()) {
        same_in_any_order(&view, seed)?;
    }

    #[test]
    fn any_part_of_the_picture_can_be_drawn_at_any_size(view in any_view(12, 30), x in -50i32..200, y in -50i32..100, w in 1u16..60, h in 1u16..30, selected in 0usize..14) {
        for (detail, labels) in details() {
            let layout = layout(&view, detail, labels, None);
            let area = Rect::new(0, 0, w, h);
            let mut buffer = Buffer::empty(area);
            paint(&layout, &view, &Look { theme: &Theme::default(), origin: (x, y), selected: Some(selected), boxed: None, found: &[] }, area, &mut buffer);
        }
    }

    #[test]
    fn parts_of_a_view_are_views(view in any_view(16, 40), centre in 0usize..16, hops in 0usize..4) {
        let near = focus::focus(&view, centre, hops);
        prop_assert!(near.nodes().len() <= view.nodes().len());
        check(&near, &layout(&near, Detail::Full, Labels::Shown, None));
        let all = collapse::collapse(&view, &collapse::all(&view));
        prop_assert_eq!(all.nodes().len(), view.namespaces().len());
        check(&all, &layout(&all, Detail::Full, Labels::Shown, None));
    }
}

fn same_in_any_order(view: &View, seed: u64) -> Result<(), TestCaseError> {
    let mut order: Vec<usize> = (0..view.nodes().len()).collect();
    order.sort_by_key(|&i| (i as u64).wrapping_mul(seed | 1).rotate_left(17));
    let place = |i: usize| order.iter().position(|&o| o == i).unwrap_or(0);
    let nodes = order.iter().map(|&i| view.nodes()[i].clone()).collect();
    let edges = view.edges().iter().rev().map(|e| Edge { from: place(e.from), to: place(e.to), ..e.clone() }).collect();
    let shuffled = View::new(nodes, edges);
    prop_assert_eq!(&shuffled, view);
    prop_assert_eq!(layout(&shuffled, Detail::Full, Labels::Shown, None), layout(view, Detail::Full, Labels::Shown, None));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Most of these have a knot of more nodes than are walked through.
    #[test]
    fn large_knots_are_pictures_like_others(view in any_view(90, 220), seed in any::<u64>()) {
        for detail in [Detail::Full, Detail::Compact] {
            let layout = layout(&view, detail, Labels::Hidden, None);
            check(&view, &layout);
            check_reading(&view, &layout);
        }
        same_in_any_order(&view, seed)?;
    }
}

/// Every line that passes through a layer costs: of a walk through all of it a knot of 300 nodes is 7,000 columns wide.
#[test]
fn a_large_knot_is_not_a_long_chain() {
    for (nodes, columns) in [(100, 600), (400, 1_200)] {
        let layout = layout(&knot(nodes), Detail::Full, Labels::Shown, None);
        check(&knot(nodes), &layout);
        assert!(layout.width < columns, "{nodes} nodes in a knot take {} columns", layout.width);
    }
}

/// Old nodes in the order of before, and hardly moved inside their namespaces.
#[test]
fn one_node_more_moves_hardly_anything() {
    for view in [mesh(10, 14), mesh(60, 91), mesh(300, 496), knot(300)] {
        let nodes = view.nodes().len();
        let old = layout(&view, Detail::Full, Labels::Hidden, None);
        assert_eq!(layout(&view, Detail::Full, Labels::Hidden, Some(old.seed())).nodes, old.nodes, "the same view stays where it is");
        for caller in [0, nodes / 2, nodes - 1] {
            let mut all = view.nodes().to_vec();
            all.push(Node { name: "new".into(), ..all[caller].clone() });
            let mut calls = view.edges().to_vec();
            calls.push(edge(caller, nodes));
            let grown = View::new(all, calls);
            let new = layout(&grown, Detail::Full, Labels::Hidden, Some(old.seed()));
            check(&grown, &new);
            let place = |n: usize| grown.find(&view.nodes()[n].namespace, &view.nodes()[n].name).expect("it is still there");
            let row = |l: &Layout, n: usize| {
                let lane = l.lanes.iter().find(|l| l.nodes.contains(&n)).expect("a lane");
                l.nodes[n].top - lane.area.top
            };
            let moved: i32 = (0..nodes).map(|n| (row(&old, n) - row(&new, place(n))).abs()).sum();
            assert!(f64::from(moved) / nodes as f64 <= 1.0, "{nodes} nodes moved {moved} rows");
            let mut inversions = 0;
            for a in 0..nodes {
                for b in 0..nodes {
                    inversions += usize::from(old.nodes[a].top < old.nodes[b].top && new.nodes[place(a)].top > new.nodes[place(b)].top);
                }
            }
            let bound = if nodes < 20 { 20 } else { 500 };
            assert!(inversions * bound <= nodes * nodes, "{inversions} pairs of {nodes} nodes changed their order");
        }
    }
}

#[test]
fn meshes_are_laid_out_without_false_joins() {
    for view in [mesh(60, 91), mesh(150, 260), knot(100)] {
        for detail in [Detail::Full, Detail::Compact] {
            let layout = layout(&view, detail, Labels::Hidden, None);
            check(&view, &layout);
            check_reading(&view, &layout);
        }
    }
}

#[test]
fn an_empty_view_is_an_empty_picture() {
    let layout = layout(&View::default(), Detail::Full, Labels::Shown, None);
    assert_eq!((layout.width, layout.height, layout.nodes.len()), (0, 0, 0));
}

#[test]
fn a_focus_leaves_out_what_only_the_outermost_say_to_each_other() {
    // 0 → 1 → 2 → 3, and 1 → 3 beside it.
    let view = View::new((0..5).map(|i| node(0, i)).collect(), vec![edge(0, 1), edge(1, 2), edge(2, 3), edge(1, 3), edge(3, 4)]);
    let near = focus::focus(&view, 2, 1);
    let names: Vec<&str> = near.nodes().iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    assert_eq!(near.edges().iter().map(|e| (e.from, e.to)).collect::<Vec<_>>(), [(0, 1), (1, 2)]);
}

#[test]
fn a_collapsed_namespace_is_one_node_with_the_worst_health() {
    let view = View::new(vec![node(0, 0), node(0, 1), node(1, 2)], vec![edge(0, 1), edge(1, 2), edge(0, 2)]);
    let small = collapse::collapse(&view, &BTreeSet::from(["ns0".to_owned()]));
    assert_eq!(small.nodes().iter().map(|n| (n.namespace.as_str(), n.name.as_str())).collect::<Vec<_>>(), [("ns0", "*"), ("ns1", "n2")]);
    assert_eq!((small.edges().len(), small.nodes()[0].health, small.nodes()[0].figures.as_str()), (1, Health::Degraded, "2 nodes"));
}
