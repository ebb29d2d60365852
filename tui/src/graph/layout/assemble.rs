//! Columns for the layers, and out of rows, columns and tracks the rectangles and polylines.

use super::layers::{Body, Item, Layers};
use super::nets::{Ends, Use, Wire, nets};
use super::place::Placed;
use super::tracks::tracks;
use super::{Area, Detail, Flow, Labels, Lane, Layout, Path, Seed, bus_key, node_key};
use crate::graph::paint::node_width;
use crate::graph::view::View;
use crate::text::width;
use rustc_hash::FxHashMap;

/// Columns beside a layer's nodes: the namespace's frame, and an arrow head or a blank.
const PAD: i32 = 2;
/// The least width of a channel; none where room is all that counts.
const CHANNEL: i32 = 2;
/// Longer labels are not drawn.
const LABEL: i32 = 8;

pub(super) struct Options<'o> {
    pub detail: Detail,
    pub labels: Labels,
    pub lane_order: &'o [usize],
}

/// One channel with its tracks.
struct Channel {
    uses: Vec<Use>,
    columns: Vec<i32>,
    width: i32,
    /// Columns for labels on both sides.
    left_label: i32,
    right_label: i32,
    /// The column of its first cell.
    at: i32,
    /// Rows below the lanes that its detours need.
    bottom: i32,
}

/// Where an edge's label goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LabelSide {
    Caller,
    Callee,
}

pub(super) fn assemble(view: &View, graph: &Layers, placed: &Placed, options: &Options<'_>) -> Layout {
    let sides = label_sides(view, graph, options.labels);
    let mut channels: Vec<Channel> = graph.channels.iter().map(|range| channel(graph, range.clone())).collect();
    for ((e, chain), side) in view.edges().iter().zip(&graph.chains).zip(&sides) {
        let needed = width(&e.label) as i32 + 1;
        match (side, chain.first(), chain.last()) {
            (Some(LabelSide::Callee), _, Some(&l)) => grow(&mut channels[graph.items[graph.links[l].left].layer].right_label, needed),
            (Some(LabelSide::Caller), Some(&l), _) => grow(&mut channels[graph.items[graph.links[l].left].layer].left_label, needed),
            _ => {}
        }
    }
    // Layers from left to right.
    let widths: Vec<i32> = graph.layers.iter().map(|layer| layer_width(view, graph, layer, options.detail)).collect();
    let mut lefts = Vec::with_capacity(widths.len());
    let mut at = 0;
    for (layer, w) in widths.iter().enumerate() {
        lefts.push(at + PAD);
        at += PAD + w + PAD;
        if let Some(c) = channels.get_mut(layer) {
            c.at = at;
            let least = if options.detail == Detail::Name { 0 } else { CHANNEL };
            at += c.left_label + c.width.max(least) + c.right_label;
        }
    }
    let nodes: Vec<Area> = view
        .nodes()
        .iter()
        .enumerate()
        .map(|(n, node)| {
            let item = &graph.items[n];
            let left = lefts[item.layer];
            let w = match options.detail {
                Detail::Full => widths[item.layer],
                Detail::Compact | Detail::Name => node_width(node, options.detail),
            };
            Area { left, top: item.top, right: left + w, bottom: item.top + item.height }
        })
        .collect();
    let paths: Vec<Path> =
        view.edges().iter().zip(&graph.chains).zip(&sides).map(|((e, chain), side)| path(graph, &channels, &nodes, &lefts, chain, e, *side)).collect();
    let mut lanes = frames(view, graph, placed, &lefts, &widths);
    limit_titles(&mut lanes, &paths);
    let seed = seed(view, graph, placed, options.lane_order);
    let height = channels.iter().map(|c| c.bottom).max().unwrap_or(0).max(placed.height);
    Layout { detail: options.detail, labels: options.labels, nodes, lanes, paths, width: at, height, seed }
}

fn grow(value: &mut i32, needed: i32) {
    *value = (*value).max(needed);
}

/// A label stands only on a line that belongs to its edge alone.
fn label_sides(view: &View, graph: &Layers, labels: Labels) -> Vec<Option<LabelSide>> {
    let mut into = vec![0; view.nodes().len()];
    let mut out = vec![0; view.nodes().len()];
    let flow = |chain: &[usize]| chain.first().map(|&l| graph.links[l].flow);
    for (e, _) in view.edges().iter().zip(&graph.chains).filter(|(_, c)| flow(c) == Some(Flow::Forward)) {
        into[e.to] += 1;
        out[e.from] += 1;
    }
    let side = |(e, chain): (&crate::graph::view::Edge, &Vec<usize>)| {
        let has_place = labels == Labels::Shown && flow(chain) == Some(Flow::Forward);
        match (has_place && !e.label.is_empty() && width(&e.label) as i32 <= LABEL, into[e.to], out[e.from]) {
            (true, 1, _) => Some(LabelSide::Callee),
            (true, _, 1) => Some(LabelSide::Caller),
            _ => None,
        }
    };
    view.edges().iter().zip(&graph.chains).map(side).collect()
}

fn layer_width(view: &View, graph: &Layers, layer: &[usize], detail: Detail) -> i32 {
    let nodes = layer.iter().filter_map(|&i| match graph.items[i].body {
        Body::Node(n) => view.nodes().get(n),
        Body::Bus { .. } => None,
    });
    nodes.map(|n| node_width(n, detail)).max().unwrap_or(1)
}

fn channel(graph: &Layers, range: std::ops::Range<usize>) -> Channel {
    let mut ends = Ends::default();
    let mut left_ports: FxHashMap<(usize, Flow), usize> = FxHashMap::default();
    let mut right_ports: FxHashMap<(usize, Flow), usize> = FxHashMap::default();
    let wires: Vec<Wire> = graph.links[range]
        .iter()
        .map(|l| {
            let left = *left_ports.entry((l.left, l.flow)).or_insert_with(|| {
                ends.left_rows.push(graph.items[l.left].port(l.flow));
                ends.left_rows.len() - 1
            });
            let right = *right_ports.entry((l.right, l.flow)).or_insert_with(|| {
                ends.right_rows.push(graph.items[l.right].port(l.flow));
                ends.right_rows.len() - 1
            });
            Wire { left, right }
        })
        .collect();
    let nets = nets(&wires, &ends);
    let tracks = tracks(&nets, &ends);
    let bottom = nets.nets.iter().map(|n| n.row + 1).max().unwrap_or(0);
    Channel { uses: nets.uses, columns: tracks.columns, width: tracks.width, left_label: 0, right_label: 0, at: 0, bottom }
}

fn path(graph: &Layers, channels: &[Channel], nodes: &[Area], lefts: &[i32], chain: &[usize], e: &crate::graph::view::Edge, side: Option<LabelSide>) -> Path {
    let (Some(&first), Some(&last)) = (chain.first(), chain.last()) else {
        return Path { flow: Flow::Own, points: Vec::new(), label: None };
    };
    let (start, end) = (graph.links[first], graph.links[last]);
    let flow = start.flow;
    let row = |item: usize| graph.items[item].port(flow);
    let mut points = vec![(nodes[start.left].right, row(start.left))];
    for &l in chain {
        let link = graph.links[l];
        let layer = graph.items[link.left].layer;
        let c = &channels[layer];
        let x = |net: usize| c.at + c.left_label + c.columns[net];
        match c.uses[l - graph.channels[layer].start] {
            Use::Straight => {}
            Use::Net(n) => points.extend([(x(n), row(link.left)), (x(n), row(link.right))]),
            Use::Detour(a, free, b) => points.extend([(x(a), row(link.left)), (x(a), free), (x(b), free), (x(b), row(link.right))]),
        }
    }
    points.push((lefts[graph.items[end.right].layer] - 1, row(end.right)));
    let label = side.map(|side| match side {
        LabelSide::Callee => {
            let c = &channels[graph.items[end.left].layer];
            (c.at + c.left_label + c.width.max(CHANNEL) + c.right_label - width(&e.label) as i32, row(end.right))
        }
        LabelSide::Caller => (channels[graph.items[start.left].layer].at, row(start.left)),
    });
    if flow == Flow::Back {
        points.reverse();
    }
    Path { flow, points: corners(points), label }
}

/// Without points that lie on the line between their neighbours.
fn corners(points: Vec<(i32, i32)>) -> Vec<(i32, i32)> {
    let mut out: Vec<(i32, i32)> = Vec::with_capacity(points.len());
    for p in points {
        if out.last() == Some(&p) {
            continue;
        }
        if let [.., a, b] = out[..]
            && ((a.0 == b.0 && b.0 == p.0) || (a.1 == b.1 && b.1 == p.1))
        {
            out.pop();
        }
        out.push(p);
    }
    out
}

fn frames(view: &View, graph: &Layers, placed: &Placed, lefts: &[i32], widths: &[i32]) -> Vec<Lane> {
    let frame = |(lane, (namespace, range)): (usize, (&str, std::ops::Range<usize>))| {
        let layers = range.clone().map(|n| graph.items[n].layer);
        let (first, last) = (layers.clone().min().unwrap_or(0), layers.max().unwrap_or(0));
        let band = placed.bands[lane];
        let area = Area { left: lefts[first] - PAD, top: band.top, right: lefts[last] + widths[last] + PAD, bottom: band.top + band.inner + 2 };
        Lane { namespace: namespace.to_owned(), title: area.width() - 2, area, nodes: range }
    };
    view.namespaces().into_iter().enumerate().map(frame).collect()
}

/// A title ends before the first line that crosses the upper border.
fn limit_titles(lanes: &mut [Lane], paths: &[Path]) {
    let mut by_top: Vec<usize> = (0..lanes.len()).collect();
    by_top.sort_by_key(|&l| lanes[l].area.top);
    for pair in paths.iter().flat_map(|p| p.points.windows(2)) {
        let (x, low, high) = (pair[0].0.min(pair[1].0), pair[0].1.min(pair[1].1), pair[0].1.max(pair[1].1));
        let from = by_top.partition_point(|&l| lanes[l].area.top < low);
        for &l in &by_top[from..] {
            let lane = &mut lanes[l];
            if lane.area.top > high {
                break;
            }
            if pair[0].0.max(pair[1].0) > lane.area.left {
                lane.title = lane.title.min((x - lane.area.left - 1).max(0));
            }
        }
    }
}

fn seed(view: &View, graph: &Layers, placed: &Placed, lane_order: &[usize]) -> Seed {
    let mut lanes: Vec<(usize, String)> = view.namespaces().into_iter().enumerate().map(|(i, (name, _))| (lane_order[i], name.to_owned())).collect();
    lanes.sort();
    let row = |item: &Item| {
        let key = match item.body {
            Body::Node(n) => node_key(&view.nodes()[n]),
            Body::Bus { target, flow } => bus_key(&view.nodes()[target], item.layer, flow),
        };
        (key, item.top - placed.bands[item.lane].top - 1)
    };
    Seed::new(lanes.into_iter().map(|(_, name)| name).collect(), graph.items.iter().map(row).collect())
}
