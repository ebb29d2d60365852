//! The graph of items: every link goes from one layer to the next.

use super::{Arrow, Detail, Flow};
use rustc_hash::FxHashMap;

/// What an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Node(usize),
    /// Everything that goes to one node through a layer: one line instead of many beside each other.
    Bus {
        target: usize,
        flow: Flow,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub body: Body,
    pub layer: usize,
    pub lane: usize,
    /// Rows that it takes.
    pub height: i32,
    /// The row, below its own top, at which lines of each flow meet it.
    pub forward: i32,
    pub back: i32,
    /// The row of its top in the picture.
    pub top: i32,
}

impl Item {
    pub fn port(&self, flow: Flow) -> i32 {
        match (self.body, flow) {
            (Body::Bus { .. }, _) | (_, Flow::Own) => self.top,
            (Body::Node(_), Flow::Forward) => self.top + self.forward,
            (Body::Node(_), Flow::Back) => self.top + self.back,
        }
    }
    pub fn is_bus(&self) -> bool {
        matches!(self.body, Body::Bus { .. })
    }
}

/// From an item to one of the next layer. A back link still has its left end here first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Link {
    pub left: usize,
    pub right: usize,
    pub flow: Flow,
}

/// How high nodes are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heights {
    pub detail: Detail,
}

pub(super) struct Input<'i> {
    pub ranks: &'i [usize],
    pub lane_of: &'i [usize],
    /// The position of each lane from the top.
    pub lane_order: &'i [usize],
    /// With the backward ones turned round.
    pub edges: &'i [Arrow],
    pub flows: &'i [Flow],
    pub heights: Heights,
}

#[derive(Debug)]
pub(super) struct Layers {
    /// The first items are the nodes, by their indexes.
    pub items: Vec<Item>,
    /// The items of each layer from top to bottom: sorted by the position of their lanes.
    pub layers: Vec<Vec<usize>>,
    /// Sorted by layer.
    pub links: Vec<Link>,
    /// The links between a layer and the next.
    pub channels: Vec<std::ops::Range<usize>>,
    /// The links of each edge from left to right.
    pub chains: Vec<Vec<usize>>,
    /// Items on the left and on the right of each item.
    pub lefts: Vec<Vec<usize>>,
    pub rights: Vec<Vec<usize>>,
    /// Position of each lane from the top.
    pub lane_order: Vec<usize>,
}

impl Layers {
    pub fn new(input: &Input<'_>) -> Layers {
        let count = input.ranks.len();
        let mut has_back = vec![false; count];
        for (e, _) in input.edges.iter().zip(input.flows).filter(|(_, f)| **f == Flow::Back) {
            has_back[e.from] = true;
            has_back[e.to] = true;
        }
        let mut items: Vec<Item> = (0..count)
            .map(|n| {
                let (height, forward, back) = match (input.heights.detail, has_back[n]) {
                    (Detail::Full, _) => (3, 1, 2),
                    (Detail::Compact | Detail::Name, false) => (1, 0, 0),
                    // A row of its own for what comes back: one row must not carry two directions.
                    (Detail::Compact | Detail::Name, true) => (2, 0, 1),
                };
                Item { body: Body::Node(n), layer: input.ranks[n], lane: input.lane_of[n], height, forward, back, top: 0 }
            })
            .collect();
        let depth = input.ranks.iter().map(|r| r + 1).max().unwrap_or(0);
        let mut buses: FxHashMap<(usize, usize, Flow), usize> = FxHashMap::default();
        let mut chains_of_items: Vec<Vec<usize>> = Vec::with_capacity(input.edges.len());
        for (e, &flow) in input.edges.iter().zip(input.flows) {
            let mut chain = Vec::new();
            if flow != Flow::Own {
                // The end that the arrow points to shares its lines with the other calls to it.
                let target = if flow == Flow::Back { e.from } else { e.to };
                chain.push(e.from);
                for layer in input.ranks[e.from] + 1..input.ranks[e.to] {
                    chain.push(*buses.entry((target, layer, flow)).or_insert_with(|| {
                        items.push(Item { body: Body::Bus { target, flow }, layer, lane: input.lane_of[target], height: 1, forward: 0, back: 0, top: 0 });
                        items.len() - 1
                    }));
                }
                chain.push(e.to);
            }
            chains_of_items.push(chain);
        }
        let pairs = |chain: &[usize], flow: Flow| chain.windows(2).map(|w| Link { left: w[0], right: w[1], flow }).collect::<Vec<_>>();
        let mut links: Vec<Link> = chains_of_items.iter().zip(input.flows).flat_map(|(c, f)| pairs(c, *f)).collect();
        links.sort_by_key(|l| (items[l.left].layer, *l));
        links.dedup();
        let index: FxHashMap<Link, usize> = links.iter().enumerate().map(|(i, l)| (*l, i)).collect();
        let chains = chains_of_items.iter().zip(input.flows).map(|(c, f)| pairs(c, *f).iter().map(|l| index[l]).collect()).collect();
        let mut channels = vec![0..0; depth.saturating_sub(1)];
        for (i, l) in links.iter().enumerate() {
            let range = &mut channels[items[l.left].layer];
            *range = if range.end == 0 { i..i + 1 } else { range.start..i + 1 };
        }
        let mut lefts = vec![Vec::new(); items.len()];
        let mut rights = vec![Vec::new(); items.len()];
        for l in &links {
            rights[l.left].push(l.right);
            lefts[l.right].push(l.left);
        }
        let mut layers = vec![Vec::new(); depth];
        for (i, item) in items.iter().enumerate() {
            layers[item.layer].push(i);
        }
        for layer in &mut layers {
            layer.sort_by_key(|&i| (input.lane_order[items[i].lane], i));
        }
        Layers { items, layers, links, channels, chains, lefts, rights, lane_order: input.lane_order.to_vec() }
    }

    /// The runs of one lane in each layer: ranges of positions.
    pub fn groups(&self, layer: usize) -> Vec<std::ops::Range<usize>> {
        let mut out: Vec<std::ops::Range<usize>> = Vec::new();
        for (at, &i) in self.layers[layer].iter().enumerate() {
            match out.last_mut() {
                Some(run) if self.items[self.layers[layer][run.start]].lane == self.items[i].lane => run.end = at + 1,
                _ => out.push(at..at + 1),
            }
        }
        out
    }
}
