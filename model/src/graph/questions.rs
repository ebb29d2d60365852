//! Questions to a finished graph: how to get from one node to another, whom a failure hurts, what calls itself in the end.

use super::build::Graph;
use super::names::{GRPC, HTTP};
use super::traffic::{Edge, EdgeRate, NodeType};
use petgraph::algo::{all_simple_paths, tarjan_scc};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, Reversed};
use std::collections::{BTreeMap, BTreeSet};

/// A graph that questions can be asked of. Nodes are known by their index in [`Graph::nodes`], edges by the caller's index and
/// their place among its edges.
pub struct Questions<'g> {
    graph: &'g Graph,
    /// Node and edge weights: the indexes.
    directed: DiGraph<usize, usize>,
}

/// One call on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub from: usize,
    /// Places among the caller's edges: one for each protocol.
    pub edges: Vec<usize>,
    pub to: usize,
}

/// A way from one node to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    pub steps: Vec<Step>,
    /// The share of requests that would get through if each step failed on its own as it does now; none where a step has no
    /// requests to judge by.
    pub success: Option<f64>,
    /// The rate of the step that carries least, per second; none where steps count different things.
    pub least: Option<f64>,
}

/// What a node loses when another one fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Hurt {
    pub node: usize,
    /// Calls between it and what fails.
    pub distance: usize,
    /// The share of the requests that it sends that need what fails, directly or further down, from 0 to 1; none where it sends
    /// bytes alone. A callee is taken to call on in the same way for all its callers.
    pub share: Option<f64>,
    /// Requests per second of that share.
    pub rate: f64,
    /// Nobody calls it: what its own callers are is not seen.
    pub is_root: bool,
}

/// Nodes that call each other in a circle, or one that calls itself; by index.
pub type Cycle = Vec<usize>;

/// Ways that are looked at; of a knot of calls there are more than anybody reads.
const WAYS: usize = 2_000;
/// Rounds in which shares settle where calls go in circles.
const ROUNDS: usize = 500;

/// The share of requests that succeed; none for bytes and for what carried nothing.
pub fn success(edge: &Edge) -> Option<f64> {
    let total = edge.rate(EdgeRate::Total);
    let failed = edge.rate(EdgeRate::NoResponse) + edge.rate(EdgeRate::ClientError) + edge.rate(EdgeRate::ServerError);
    (matches!(edge.protocol, GRPC | HTTP) && total > 0.0).then(|| ((total - failed) / total).clamp(0.0, 1.0))
}

fn requests(edge: &Edge) -> f64 {
    if matches!(edge.protocol, GRPC | HTTP) { edge.rate(EdgeRate::Total) } else { 0.0 }
}

impl<'g> Questions<'g> {
    pub fn new(graph: &'g Graph) -> Questions<'g> {
        let edges = graph.nodes.iter().map(|n| n.edges.len()).sum();
        let mut directed = DiGraph::with_capacity(graph.nodes.len(), edges);
        for index in 0..graph.nodes.len() {
            directed.add_node(index);
        }
        for (from, node) in graph.nodes.iter().enumerate() {
            for (place, edge) in node.edges.iter().enumerate() {
                directed.add_edge(NodeIndex::new(from), NodeIndex::new(edge.to), place);
            }
        }
        Questions { graph, directed }
    }

    /// Nodes that a word names: a workload, app, service or operation; `namespace/name` and `cluster:namespace/name` narrow it.
    pub fn find(&self, word: &str) -> Vec<usize> {
        let (place, name) = word.rsplit_once('/').map_or((None, word), |(place, name)| (Some(place), name));
        let (cluster, namespace) = match place.map(|p| p.split_once(':').map_or((None, p), |(c, ns)| (Some(c), ns))) {
            None => (None, None),
            Some((cluster, namespace)) => (cluster, Some(namespace)),
        };
        let names = &self.graph.names;
        let text = |name| names.text(name);
        let fits = |index: &usize| {
            let node = &self.graph.nodes[*index];
            let own = match node.node_type {
                NodeType::Service => vec![node.service],
                NodeType::Workload => vec![node.workload],
                NodeType::App => vec![node.app, node.workload],
                NodeType::Aggregate => vec![node.aggregate],
                NodeType::Unknown => return name == "unknown" && place.is_none(),
            };
            own.into_iter().any(|n| !text(n).is_empty() && text(n) == name)
                && namespace.is_none_or(|ns| text(node.namespace) == ns)
                && cluster.is_none_or(|c| text(node.cluster) == c)
        };
        (0..self.graph.nodes.len()).filter(fits).collect()
    }

    /// Ways from any of some nodes to any of others: those with the fewest calls, and up to `extra` calls more. Sorted by calls,
    /// then by what they carry.
    pub fn ways(&self, from: &[usize], to: &[usize], extra: usize) -> Vec<Way> {
        let mut found: Vec<Vec<usize>> = Vec::new();
        for start in from {
            let distances = self.distances(&[*start], Direction::Down);
            for end in to.iter().filter(|e| *e != start) {
                let Some(shortest) = distances.get(end) else { continue };
                let most = shortest + extra;
                let paths = all_simple_paths::<Vec<NodeIndex>, _, rustc_hash::FxBuildHasher>(
                    &self.directed,
                    NodeIndex::new(*start),
                    NodeIndex::new(*end),
                    0,
                    Some(most.saturating_sub(1)),
                );
                found.extend(paths.take(WAYS).map(|p| p.into_iter().map(NodeIndex::index).collect()));
            }
        }
        found.sort();
        found.dedup();
        let mut ways: Vec<Way> = found.iter().map(|path| self.way(path)).collect();
        ways.sort_by(|a, b| a.steps.len().cmp(&b.steps.len()).then(b.least.unwrap_or(0.0).total_cmp(&a.least.unwrap_or(0.0))));
        ways
    }

    fn way(&self, path: &[usize]) -> Way {
        let steps: Vec<Step> = path
            .windows(2)
            .map(|pair| {
                let edges = &self.graph.nodes[pair[0]].edges;
                Step { from: pair[0], edges: (0..edges.len()).filter(|p| edges[*p].to == pair[1]).collect(), to: pair[1] }
            })
            .collect();
        let of = |step: &Step| -> (f64, f64) {
            let edges = step.edges.iter().map(|p| &self.graph.nodes[step.from].edges[*p]);
            edges.fold((0.0, 0.0), |(all, good), e| (all + requests(e), good + requests(e) * success(e).unwrap_or(0.0)))
        };
        let rates: Vec<(f64, f64)> = steps.iter().map(of).collect();
        let is_judged = !rates.is_empty() && rates.iter().all(|(all, _)| *all > 0.0);
        Way {
            success: is_judged.then(|| rates.iter().map(|(all, good)| good / all).product()),
            least: is_judged.then(|| rates.iter().map(|(all, _)| *all).fold(f64::INFINITY, f64::min)),
            steps,
        }
    }

    /// Calls from some nodes to all that can be reached.
    fn distances(&self, from: &[usize], direction: Direction) -> BTreeMap<usize, usize> {
        let mut out: BTreeMap<usize, usize> = from.iter().map(|n| (*n, 0)).collect();
        let mut front: Vec<usize> = from.to_vec();
        let mut distance = 0;
        while !front.is_empty() {
            distance += 1;
            let mut next = Vec::new();
            for node in front {
                let index = NodeIndex::new(node);
                let near: Vec<NodeIndex> = match direction {
                    Direction::Down => self.directed.neighbors(index).collect(),
                    Direction::Up => petgraph::visit::IntoNeighbors::neighbors(Reversed(&self.directed), index).collect(),
                };
                for other in near {
                    if let std::collections::btree_map::Entry::Vacant(place) = out.entry(other.index()) {
                        place.insert(distance);
                        next.push(other.index());
                    }
                }
            }
            front = next;
        }
        out
    }

    /// Who is hurt when nodes fail, those that lose most first.
    pub fn impact(&self, failing: &[usize]) -> Vec<Hurt> {
        let distances = self.distances(failing, Direction::Up);
        let count = self.graph.nodes.len();
        let mut lost = vec![0.0_f64; count];
        failing.iter().for_each(|n| lost[*n] = 1.0);
        let sent: Vec<f64> = self.graph.nodes.iter().map(|n| n.edges.iter().map(requests).sum()).collect();
        // From nothing upwards: where calls go in circles the shares grow until they are what they must be.
        for _ in 0..ROUNDS {
            let mut change = 0.0_f64;
            for node in distances.keys().filter(|n| !failing.contains(n) && sent[**n] > 0.0) {
                let share = self.graph.nodes[*node].edges.iter().map(|e| requests(e) * lost[e.to]).sum::<f64>() / sent[*node];
                change = change.max((share - lost[*node]).abs());
                lost[*node] = share;
            }
            if change < 1e-9 {
                break;
            }
        }
        let called: BTreeSet<usize> = self.directed.edge_references().map(|e| e.target().index()).collect();
        let hurt = distances.into_iter().filter(|(n, _)| !failing.contains(n)).map(|(node, distance)| Hurt {
            node,
            distance,
            share: (sent[node] > 0.0).then(|| lost[node].min(1.0)),
            rate: sent[node] * lost[node].min(1.0),
            is_root: !called.contains(&node),
        });
        let mut hurt: Vec<Hurt> = hurt.collect();
        hurt.sort_by(|a, b| b.rate.total_cmp(&a.rate).then(a.distance.cmp(&b.distance)).then(a.node.cmp(&b.node)));
        hurt
    }

    /// What calls itself in the end; the largest first.
    pub fn cycles(&self) -> Vec<Cycle> {
        let is_loop = |part: &[NodeIndex]| part.len() > 1 || part.first().is_some_and(|n| self.directed.find_edge(*n, *n).is_some());
        let parts = tarjan_scc(&self.directed).into_iter().filter(|p| is_loop(p));
        let mut cycles: Vec<Cycle> = parts
            .map(|part| {
                let mut nodes: Vec<usize> = part.into_iter().map(NodeIndex::index).collect();
                nodes.sort_unstable();
                nodes
            })
            .collect();
        cycles.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        cycles
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

#[cfg(test)]
mod tests {
    use super::super::TCP;
    use super::super::testing::graph;
    use super::*;

    #[test]
    fn the_shortest_ways_come_first_with_what_gets_through() {
        let graph = graph(&[
            ("web", "cart", HTTP, 10.0, 1.0),
            ("cart", "db", HTTP, 5.0, 2.5),
            ("web", "db", TCP, 900.0, 0.0),
            ("web", "mail", HTTP, 1.0, 0.0),
            ("mail", "db", HTTP, 1.0, 0.0),
        ]);
        let questions = Questions::new(&graph);
        let find = |name| questions.find(name);
        let ways = questions.ways(&find("web"), &find("n/db"), 1);
        let lengths: Vec<usize> = ways.iter().map(|w| w.steps.len()).collect();
        assert_eq!(lengths, [1, 2, 2]);
        assert_eq!(ways[0].success, None);
        assert_eq!((ways[1].success, ways[1].least), (Some(0.9 * 0.5), Some(5.0)));
        assert_eq!((ways[2].success, ways[2].least), (Some(1.0), Some(1.0)));
        assert!(questions.ways(&find("db"), &find("web"), 1).is_empty());
        assert!(find("other").is_empty() && find("x/web").is_empty() && find("c:n/web") == find("web"));
    }

    #[test]
    fn impact_goes_up_by_shares_and_settles_in_circles() {
        let graph = graph(&[
            ("user", "web", HTTP, 10.0, 0.0),
            ("web", "cart", HTTP, 5.0, 0.0),
            ("web", "mail", HTTP, 15.0, 0.0),
            ("cart", "db", HTTP, 4.0, 0.0),
            ("cart", "web", HTTP, 4.0, 0.0),
        ]);
        let questions = Questions::new(&graph);
        let hurt = questions.impact(&questions.find("db"));
        let of = |name: &str| hurt.iter().find(|h| h.node == questions.find(name)[0]).expect("hurt").clone();
        // web = cart / 4, cart = 1/2 + web / 2.
        assert!((of("web").share.unwrap_or(0.0) - 1.0 / 7.0).abs() < 1e-6, "{hurt:?}");
        assert!((of("user").rate - 10.0 / 7.0).abs() < 1e-5 && of("user").is_root && of("user").distance == 3);
        assert_eq!(hurt.len(), 3);
        assert_eq!(
            questions.cycles(),
            [{
                let mut cycle = vec![questions.find("web")[0], questions.find("cart")[0]];
                cycle.sort_unstable();
                cycle
            }]
        );
    }
}
