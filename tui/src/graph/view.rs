//! What is to be drawn: nodes, edges, namespaces, health. A small model of its own, so that any source can fill it.

use super::flow::{Flow, Label};
use std::collections::BTreeMap;

/// How well something works, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Health {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// Known, and without traffic.
    Idle,
    Ok,
    Degraded,
    Failing,
}

/// A thing that calls or is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// "" for what belongs to none.
    pub namespace: String,
    /// Unique in its namespace.
    pub name: String,
    pub health: Health,
    /// A few words or figures that stand inside the box: `42/s 0.1%`.
    pub figures: String,
    /// One ASCII letter each: `V` routed, `C` circuit breaker, `F` fault, `M` mirror, `G` gateway, `E` external …
    pub badges: String,
    /// What enters it, where traffic is known.
    pub flow: Option<Flow>,
}

/// A caller and what it calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edge {
    /// Indexes into the nodes.
    pub from: usize,
    pub to: usize,
    pub health: Health,
    /// What may stand on the line: `51/s`, `8.0%`, `90%`.
    pub label: String,
    /// What goes over it, where traffic is known.
    pub flow: Option<Flow>,
}

/// Nodes sorted by namespace and name, edges by their ends; each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// What the edges' labels say of traffic.
    shown: Label,
}

impl View {
    /// Where one looks first: the worst node, of several the one into which most requests fail, then the first.
    pub fn worst(&self) -> Option<usize> {
        self.worst_of(0..self.nodes.len())
    }
    /// The same among some of the nodes.
    pub fn worst_of(&self, range: std::ops::Range<usize>) -> Option<usize> {
        let failed = |n: usize| self.nodes[n].flow.map_or(0.0, |f| f.failed);
        let order = |a: usize, b: usize| {
            let health = self.nodes[a].health.cmp(&self.nodes[b].health);
            health.then_with(|| failed(a).total_cmp(&failed(b))).then(b.cmp(&a))
        };
        range.filter(|n| *n < self.nodes.len()).max_by(|&a, &b| order(a, b))
    }
    /// Puts nodes and edges in order. Of a node or an edge given twice the worse health counts. Edges to nowhere are left out.
    pub fn new(nodes: Vec<Node>, edges: Vec<Edge>) -> View {
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by(|&a, &b| key(&nodes[a]).cmp(&key(&nodes[b])).then(nodes[b].health.cmp(&nodes[a].health)));
        let mut place = vec![0; nodes.len()];
        let mut sorted: Vec<Node> = Vec::with_capacity(nodes.len());
        for &i in &order {
            if sorted.last().is_none_or(|last| key(last) != key(&nodes[i])) {
                sorted.push(nodes[i].clone());
            }
            place[i] = sorted.len() - 1;
        }
        let mut edges: Vec<Edge> =
            edges.into_iter().filter(|e| e.from < place.len() && e.to < place.len()).map(|e| Edge { from: place[e.from], to: place[e.to], ..e }).collect();
        edges.sort_by(|a, b| (a.from, a.to, b.health, &a.label).cmp(&(b.from, b.to, a.health, &b.label)));
        edges.dedup_by(|b, a| (a.from, a.to) == (b.from, b.to));
        View { nodes: sorted, edges, shown: Label::default() }
    }
    /// The view with other labels at the edges whose traffic is known.
    pub fn labelled(mut self, label: Label) -> View {
        self.shown = label;
        for edge in &mut self.edges {
            if let Some(flow) = &edge.flow {
                edge.label = flow.label(label);
            }
        }
        self
    }
    pub fn shown(&self) -> Label {
        self.shown
    }
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
    /// The index of a node.
    pub fn find(&self, namespace: &str, name: &str) -> Option<usize> {
        self.nodes.binary_search_by(|n| key(n).cmp(&(namespace, name))).ok()
    }
    /// The namespaces, sorted, each with its nodes' indexes.
    pub fn namespaces(&self) -> Vec<(&str, std::ops::Range<usize>)> {
        let mut out: Vec<(&str, std::ops::Range<usize>)> = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            match out.last_mut() {
                Some((name, range)) if *name == node.namespace => range.end = i + 1,
                _ => out.push((&node.namespace, i..i + 1)),
            }
        }
        out
    }
    /// The nodes that `keep` names and the edges between them that `edge` lets through.
    pub fn part(&self, keep: &[bool], edge: impl Fn(&Edge) -> bool) -> View {
        let mut place = vec![usize::MAX; self.nodes.len()];
        let mut nodes = Vec::new();
        for (i, node) in self.nodes.iter().enumerate().filter(|(i, _)| keep.get(*i).copied().unwrap_or(false)) {
            place[i] = nodes.len();
            nodes.push(node.clone());
        }
        let kept = self.edges.iter().filter(|e| place[e.from] != usize::MAX && place[e.to] != usize::MAX && edge(e));
        let edges = kept.map(|e| Edge { from: place[e.from], to: place[e.to], ..e.clone() }).collect();
        View { nodes, edges, shown: self.shown }
    }
    /// Callers and callees of every node, as indexes of edges.
    pub fn neighbours(&self) -> Neighbours {
        let mut callers = vec![Vec::new(); self.nodes.len()];
        let mut callees = vec![Vec::new(); self.nodes.len()];
        for (i, e) in self.edges.iter().enumerate() {
            callees[e.from].push(i);
            callers[e.to].push(i);
        }
        Neighbours { callers, callees }
    }
    /// The worst health of a namespace and how many of its nodes have which.
    pub fn health_of(&self, range: std::ops::Range<usize>) -> (Health, BTreeMap<Health, usize>) {
        let mut counts = BTreeMap::new();
        for node in self.nodes.get(range).unwrap_or(&[]) {
            *counts.entry(node.health).or_insert(0) += 1;
        }
        (counts.keys().next_back().copied().unwrap_or_default(), counts)
    }
}

/// The edges of every node.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    pub callers: Vec<Vec<usize>>,
    pub callees: Vec<Vec<usize>>,
}

fn key(node: &Node) -> (&str, &str) {
    (&node.namespace, &node.name)
}
