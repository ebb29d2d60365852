//! A layered layout in character cells, from left to right, one horizontal band for each namespace.
//!
//! 1. [`cycles`] finds the calls that go backwards, in large [`knots`] by the distance from where these are entered.
//! 2. [`rank`] gives every node a layer.
//! 3. [`lanes`] orders the namespaces.
//! 4. [`layers`] makes the graph of items: nodes, and *buses*, which carry everything that goes to one node through the
//!    layers between.
//! 5. [`order`] orders the items of each layer inside their lanes so that few lines cross.
//! 6. [`place`] gives them rows.
//! 7. [`nets`] and [`tracks`] route what goes between two layers.
//! 8. [`assemble`] turns all that into rectangles and polylines.
//!
//! A [`Seed`] of the layout before keeps what was there where it was.

mod assemble;
mod cycles;
mod knots;
mod lanes;
mod layers;
mod nets;
mod order;
mod place;
mod rank;
mod tracks;

use super::view::{Node, View};
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// How much of a node is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A box of three rows: the name in its upper border, figures inside, badges in its lower border.
    Full,
    /// One row: health, name, badges.
    Compact,
    /// One row: health and a short name.
    Name,
}

/// Whether lines carry their labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    Shown,
    Hidden,
}

/// A rectangle of cells; the right and the lower bound are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Area {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl Area {
    pub fn contains(&self, x: i32, y: i32) -> bool {
        x >= self.left && x < self.right && y >= self.top && y < self.bottom
    }
    pub fn meets(&self, other: &Area) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
    pub fn width(&self) -> i32 {
        self.right - self.left
    }
    pub fn height(&self) -> i32 {
        self.bottom - self.top
    }
}

/// Which way a line leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// To the right.
    Forward,
    /// To the left: it closes a cycle. Drawn dashed.
    Back,
    /// A call to itself: it has no line, but a mark on its node.
    Own,
}

/// A namespace's frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    pub namespace: String,
    pub area: Area,
    /// How many columns its title may take.
    pub title: i32,
    /// Indexes of its nodes.
    pub nodes: std::ops::Range<usize>,
}

/// A line: from the cell beside the caller's box to the cell beside the callee's, which holds the arrow head.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub flow: Flow,
    /// Corners, each two of them in one row or one column; empty for [`Flow::Own`].
    pub points: Vec<(i32, i32)>,
    /// Where the label starts, if it has a place of its own.
    pub label: Option<(i32, i32)>,
}

/// Where everything is. Node `i` and path `i` are those of the view's node and edge `i`.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub detail: Detail,
    pub labels: Labels,
    pub nodes: Vec<Area>,
    pub lanes: Vec<Lane>,
    pub paths: Vec<Path>,
    pub width: i32,
    pub height: i32,
    seed: Seed,
}

/// What a layout hands to the next one, so that what stays the same stays where it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seed {
    lanes: Vec<String>,
    /// Rows below the tops of their lanes, sorted by [`node_key`] and [`bus_key`]. Of large meshes there are many: names in full
    /// would make copying and dropping this cost more than a key may.
    rows: Vec<(u64, i32)>,
}

impl Seed {
    fn new(lanes: Vec<String>, mut rows: Vec<(u64, i32)>) -> Seed {
        rows.sort_unstable();
        Seed { lanes, rows }
    }
    fn row(&self, key: u64) -> Option<i32> {
        let at = self.rows.binary_search_by_key(&key, |(k, _)| *k).ok()?;
        Some(self.rows[at].1)
    }
}

/// A node by its name. Should two be the same, one of them moves where it need not.
fn node_key(node: &Node) -> u64 {
    hashed(&(&node.namespace, &node.name))
}

/// A bus by its target, layer and direction.
fn bus_key(target: &Node, layer: usize, flow: Flow) -> u64 {
    hashed(&(&target.namespace, &target.name, layer, flow))
}

/// The same for the same, always.
fn hashed(of: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    of.hash(&mut hasher);
    hasher.finish()
}

impl Layout {
    pub fn seed(&self) -> &Seed {
        &self.seed
    }
    /// The node at a cell.
    pub fn node_at(&self, x: i32, y: i32) -> Option<usize> {
        self.nodes.iter().position(|a| a.contains(x, y))
    }
}

/// An edge by the indexes of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arrow {
    from: usize,
    to: usize,
}

/// Lays a view out. `seed` is the layout before, if there was one.
pub fn layout(view: &View, detail: Detail, labels: Labels, seed: Option<&Seed>) -> Layout {
    let count = view.nodes().len();
    let arrows: Vec<Arrow> = view.edges().iter().map(|e| Arrow { from: e.from, to: e.to }).collect();
    let is_back = cycles::back_edges(count, &arrows);
    let forward: Vec<Arrow> = arrows.iter().zip(&is_back).map(|(a, back)| if *back { Arrow { from: a.to, to: a.from } } else { *a }).collect();
    let mut ranks = rank::ranks(count, &forward);

    let namespaces = view.namespaces();
    let mut lane_of = vec![0; count];
    for (lane, (_, range)) in namespaces.iter().enumerate() {
        lane_of[range.clone()].fill(lane);
    }
    let mut is_alone = vec![true; count];
    for a in arrows.iter().filter(|a| a.from != a.to) {
        is_alone[a.from] = false;
        is_alone[a.to] = false;
    }
    rank::spread(&mut ranks, &is_alone, &lane_of, namespaces.len());

    let between: Vec<(usize, usize)> = arrows.iter().map(|a| (lane_of[a.from], lane_of[a.to])).filter(|(a, b)| a != b).collect();
    let old: Vec<Option<usize>> = namespaces.iter().map(|(name, _)| seed.and_then(|s| s.lanes.iter().position(|l| l == name))).collect();
    let lane_order = lanes::order(namespaces.len(), &between, &old);

    let heights = layers::Heights { detail };
    let flows: Vec<Flow> = arrows
        .iter()
        .zip(&is_back)
        .map(|(a, back)| match (a.from == a.to, back) {
            (true, _) => Flow::Own,
            (_, true) => Flow::Back,
            _ => Flow::Forward,
        })
        .collect();
    let mut graph = layers::Layers::new(&layers::Input { ranks: &ranks, lane_of: &lane_of, lane_order: &lane_order, edges: &forward, flows: &flows, heights });
    let rows = remembered(view, &graph, seed);
    order::order(&mut graph, rows.as_deref());
    let placed = place::place(&mut graph, namespaces.len(), rows.as_deref());
    assemble::assemble(view, &graph, &placed, &assemble::Options { detail, labels, lane_order: &lane_order })
}

/// The remembered row of every item, below the top of its lane.
fn remembered(view: &View, graph: &layers::Layers, seed: Option<&Seed>) -> Option<Vec<Option<i32>>> {
    let seed = seed?;
    let row = |item: &layers::Item| match item.body {
        layers::Body::Node(n) => seed.row(node_key(view.nodes().get(n)?)),
        layers::Body::Bus { target, flow } => seed.row(bus_key(view.nodes().get(target)?, item.layer, flow)),
    };
    Some(graph.items.iter().map(row).collect())
}
