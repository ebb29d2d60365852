//! The language in which parts of a graph are found and hidden, Kiali's with its defects repaired:
//!
//! ```text
//! rt > 1000                       edges that are slow
//! ns = shop and ! healthy         nodes of a namespace that are ill
//! (app = web or app = api) and httpin > 10
//! name contains cart or grpc > 0  nodes, and edges
//! ```
//!
//! `and` binds tighter than `or`, parentheses group. Numbers are compared as numbers. `outofmesh` is what it says, and `sidecar` means
//! that there is one. Response flags are asked for as `flag = UO`. What is asked of nodes and what is asked of edges can be joined
//! by `or` alone.

mod eval;
mod parse;

use super::build::Graph;

pub use parse::FindError;

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Find(parse::Expr);

impl Find {
    /// The error says where: characters from the start.
    pub fn parse(text: &str) -> Result<Find, FindError> {
        parse::parse(text).map(Find)
    }
}

/// What an expression names in a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// By node.
    pub nodes: Vec<bool>,
    /// By node and place among its edges.
    pub edges: Vec<Vec<bool>>,
}

impl Hits {
    pub fn new(graph: &Graph, find: &Find) -> Hits {
        let ranks = eval::ranks(graph);
        let subject = |node, edge| eval::Subject { graph, ranks: &ranks, node, edge };
        let count = |node: usize| graph.nodes[node].edges.len();
        let is_hit = |node, edge| eval::eval(&find.0, &subject(node, edge)).unwrap_or(false);
        Hits {
            nodes: (0..graph.nodes.len()).map(|n| is_hit(n, None)).collect(),
            edges: (0..graph.nodes.len()).map(|n| (0..count(n)).map(|e| is_hit(n, Some(e))).collect()).collect(),
        }
    }
}

/// The graph without what an expression names: without its edges, and without nodes that have no edge left and had some.
pub fn hide(graph: Graph, find: &Find) -> Graph {
    let hits = Hits::new(&graph, find);
    let keeps = |from: usize, place: usize, to: usize| !hits.nodes[from] && !hits.nodes[to] && !hits.edges[from][place];
    let mut had = vec![false; graph.nodes.len()];
    let mut has = vec![false; graph.nodes.len()];
    for (from, node) in graph.nodes.iter().enumerate() {
        for (place, edge) in node.edges.iter().enumerate() {
            let is_kept = keeps(from, place, edge.to);
            for end in [from, edge.to] {
                had[end] = true;
                has[end] |= is_kept;
            }
        }
    }
    let nodes: Vec<bool> = (0..had.len()).map(|n| !hits.nodes[n] && (has[n] || !had[n])).collect();
    part(graph, &nodes, keeps)
}

/// What an expression names, with the edges of the nodes that it names and the nodes at their ends.
pub fn keep(graph: Graph, find: &Find) -> Graph {
    let hits = Hits::new(&graph, find);
    let keeps = |from: usize, place: usize, to: usize| hits.nodes[from] || hits.nodes[to] || hits.edges[from][place];
    let mut nodes = hits.nodes.clone();
    for (from, node) in graph.nodes.iter().enumerate() {
        for (_, edge) in node.edges.iter().enumerate().filter(|(place, e)| keeps(from, *place, e.to)) {
            nodes[from] = true;
            nodes[edge.to] = true;
        }
    }
    part(graph, &nodes, keeps)
}

/// Some nodes and some of the edges between them.
fn part(mut graph: Graph, keep: &[bool], keeps: impl Fn(usize, usize, usize) -> bool) -> Graph {
    let mut next = 0;
    let places: Vec<usize> = keep
        .iter()
        .map(|is_kept| {
            next += usize::from(*is_kept);
            if *is_kept { next - 1 } else { usize::MAX }
        })
        .collect();
    for (from, node) in graph.nodes.iter_mut().enumerate() {
        let mut place = 0;
        node.edges.retain(|edge| {
            place += 1;
            keeps(from, place - 1, edge.to)
        });
        node.move_edges(&places);
    }
    let mut kept = keep.iter();
    graph.nodes.retain(|_| *kept.next().unwrap_or(&false));
    graph
}

#[cfg(test)]
mod tests {
    use super::super::testing::graph;
    use super::super::{GRPC, HTTP, TCP};
    use super::*;

    fn sample() -> Graph {
        let mut graph = graph(&[
            ("web", "cart", HTTP, 10.0, 1.0),
            ("web", "api", HTTP, 30.0, 0.0),
            ("cart", "db", TCP, 900.0, 0.0),
            ("api", "db", GRPC, 5.0, 5.0),
            ("job", "db", TCP, 1.0, 0.0),
        ]);
        graph.nodes[0].marks.is_out_of_mesh = true;
        graph.nodes[0].edges[0].response_time = Some(1500.0);
        graph
    }

    /// Names of found nodes, and ends of found edges.
    fn found(text: &str) -> String {
        let graph = sample();
        let hits = Hits::new(&graph, &Find::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")));
        let name = |n: usize| graph.names.text(graph.nodes[n].workload);
        let nodes = (0..graph.nodes.len()).filter(|n| hits.nodes[*n]).map(|n| name(n).to_owned());
        let edges = (0..graph.nodes.len()).flat_map(|n| graph.nodes[n].edges.iter().zip(&hits.edges[n]).filter(|(_, hit)| **hit).map(move |(e, _)| (n, e.to)));
        nodes.chain(edges.map(|(from, to)| format!("{}>{}", name(from), name(to)))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_found() {
        for (text, want) in [
            ("name = web", "web"),
            ("wl contains a", "cart api"),
            ("workload *= a and not workload = api", "cart"),
            ("wl not contains a", "web db job"),
            ("wl !*= a", "web db job"),
            ("name ^= ca or name $= b", "web cart db job"),
            ("(name = web or name = cart) and ns = n", "web cart"),
            ("name = web or name = cart and ns = other", "web"),
            ("! (name = web or name = cart)", "api db job"),
            ("rt > 1000", "web>cart"),
            ("rt != NaN", "web>cart"),
            ("%httperr = 10", "web>cart"),
            ("%httperr = 0", "web>api"),
            ("%httptraffic >= 75", "web>api"),
            ("%grpcerr > 99 or name = job", "job api>db"),
            ("http > 0 and %httperr > 5", "web>cart"),
            ("protocol = tcp", "cart>db job>db"),
            ("rank = 1", "db"),
            ("rank != 1", "web cart api job"),
            ("rank <= 2", "web cart api db"),
            ("outofmesh", "web"),
            ("is sidecar", "cart api db job"),
            ("not has sc", "web"),
            ("healthy", "web cart api db job"),
            ("NAME = web", "web"),
            ("name = \"or\"", ""),
            ("label:tier = x", ""),
            ("cluster=c AND version=v1", ""),
        ] {
            assert_eq!(found(text), want, "{text}");
        }
    }

    #[test]
    fn what_can_not_be_read_says_where() {
        for (text, at, part) in [
            ("", 0, "missing"),
            ("name =", 6, "a value is missing"),
            ("name = web and http > 1", 0, "nothing is both"),
            ("(name = web", 11, "`)` is missing"),
            ("name = web name = api", 11, "not expected"),
            ("color = red", 0, "nothing that can be compared"),
            ("prety", 0, "no property"),
            ("rt > fast", 5, "no number"),
            ("name > 3", 0, "a text"),
            ("httpin contains 3", 0, "a number"),
            ("name = \"web", 7, "does not end"),
        ] {
            let error = Find::parse(text).expect_err(text);
            assert!(error.at == at && error.message.contains(part), "{text}: {error}");
        }
        assert!(Find::parse(&format!("{}healthy{}", "(".repeat(10_000), ")".repeat(10_000))).is_err());
        assert!(Find::parse(&format!("{}healthy", "! ".repeat(100_001))).is_ok());
    }

    #[test]
    fn hidden_things_take_their_edges_and_lonely_ends_with_them() {
        let names = |graph: &Graph| graph.nodes.iter().map(|n| graph.names.text(n.workload).to_owned()).collect::<Vec<_>>().join(" ");
        let edges = |graph: &Graph| graph.nodes.iter().map(|n| n.edges.len()).sum::<usize>();
        let find = |text| Find::parse(text).expect("an expression");
        let hidden = hide(sample(), &find("name = db"));
        assert_eq!((names(&hidden).as_str(), edges(&hidden)), ("web cart api", 2));
        let hidden = hide(sample(), &find("tcp > 0"));
        assert_eq!((names(&hidden).as_str(), edges(&hidden)), ("web cart api db", 3));
        let kept = keep(sample(), &find("name = cart or %grpcerr > 0"));
        assert_eq!((names(&kept).as_str(), edges(&kept)), ("web cart api db", 3));
        assert_eq!(kept.names.text(kept.nodes[kept.nodes[1].edges[0].to].workload), "db");
    }
}
