//! Calls that take long, and who makes them so.

use super::retries::TIMES;
use super::{Ending, Fault, FaultKind, Retried, Suspect, name_of};
use mesh_envoy::buckets::BUCKETS;
use mesh_model::graph::{Edge, EdgeRate, GRPC, Graph, HTTP};

/// Milliseconds of a call that are worth a word: a page of which one part takes so long is slow.
const LONG: f64 = 1000.0;
/// A callee's own calls take the blame for its slowness when they take so much of its time, one after the other.
const SHARE: f64 = 0.5;
/// The graph's time is the 95th percentile: so many requests are slow for certain.
const SLOW: f64 = 0.05;
/// Where the whole mesh is slow, as on a machine that is out of breath, it is nobody's own doing: who is named takes so many times what
/// is usual there.
const USUAL: f64 = 2.0;

/// What a call takes for sure: a quantile is known to lie above the end of the bucket below it, no more.
fn at_least(time: f64) -> f64 {
    BUCKETS.iter().copied().take_while(|b| *b <= time).last().unwrap_or(0.0)
}

/// What a call takes without the calls of its callee, in milliseconds; `None` where its time is not known.
fn own(graph: &Graph, edge: &Edge) -> Option<f64> {
    let callee = &graph.nodes[edge.to];
    let waits: f64 = callee.edges.iter().filter(|e| e.to != edge.to).filter_map(|e| e.response_time).sum();
    Some((edge.response_time? - waits).max(0.0))
}

/// What calls to others than one callee take of their own, of all times in order: the middle one. 0 where there are none.
fn usual(times: &[(f64, usize)], callee: usize) -> f64 {
    let others = || times.iter().filter(|(_, to)| *to != callee);
    // Of two in the middle the quicker one: several that are slow beside as many that are not are told.
    others().nth(others().count().saturating_sub(1) / 2).map_or(0.0, |(time, _)| *time)
}

fn stands_out(own: f64, usual: f64) -> bool {
    own >= usual * USUAL
}

/// The calls that are slow by their callee's own doing. Those whose callee waits for another are not told.
pub fn slow(graph: &Graph, retried: &[Retried]) -> Vec<Fault> {
    let mut out = Vec::new();
    let edges = graph.nodes.iter().flat_map(|n| &n.edges).filter(|e| matches!(e.protocol, GRPC | HTTP));
    let mut times: Vec<(f64, usize)> = edges.filter_map(|e| Some((own(graph, e)?, e.to))).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (from, node) in graph.nodes.iter().enumerate() {
        for edge in node.edges.iter().filter(|e| matches!(e.protocol, GRPC | HTTP)) {
            let Some(time) = edge.response_time.filter(|t| *t >= LONG) else { continue };
            let callee = &graph.nodes[edge.to];
            let waits: f64 = callee.edges.iter().filter(|e| e.to != edge.to).filter_map(|e| e.response_time).sum();
            if waits >= at_least(time) * SHARE || !stands_out((time - waits).max(0.0), usual(&times, edge.to)) {
                continue;
            }
            let (from, to) = (name_of(graph, from), name_of(graph, edge.to));
            // Each of its tries may be fast, and all of them together slow.
            if retried.iter().any(|r| r.from == to && r.received >= r.sent * TIMES) {
                continue;
            }
            let calls: Vec<String> = callee.edges.iter().map(|e| name_of(graph, e.to)).collect();
            let evidence = if calls.is_empty() { "it calls nobody".to_owned() } else { format!("its own calls ({}) are faster", calls.join(", ")) };
            let suspect = Suspect { subject: format!("workload {to}"), why: "it answers slowly".to_owned(), evidence: vec![evidence], score: 100 };
            let ending = Ending { code: 200, flags: String::new(), rate: edge.rate(EdgeRate::Total), host: String::new() };
            out.push(Fault { from, to, costs: ending.rate * SLOW, ending, share: 1.0, kind: FaultKind::Slow(time), suspects: vec![suspect] });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_known_as_far_as_its_bucket_is() {
        // A second and a bit, drawn towards the end of its bucket.
        assert_eq!([at_least(2_400.0), at_least(1_000.0), at_least(999.0), at_least(0.1)], [1_000.0, 1_000.0, 500.0, 0.0]);
    }

    #[test]
    fn who_is_slow_is_told_by_what_is_usual() {
        // Calls of one front to so many others, the first of which is asked about.
        let is_told = |times: &[f64]| {
            let mut all: Vec<(f64, usize)> = times.iter().enumerate().map(|(to, time)| (*time, to)).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            stands_out(times[0], usual(&all, 0))
        };
        assert!(is_told(&[2_400.0, 20.0, 30.0, 900.0]) && is_told(&[2_400.0]) && is_told(&[2_400.0, 2_300.0, 20.0]));
        // A machine that is out of breath, and one that is slow even there.
        assert!(!is_told(&[1_700.0, 900.0, 1_100.0, 600.0]) && is_told(&[2_700.0, 900.0, 1_100.0, 600.0]));
    }
}
