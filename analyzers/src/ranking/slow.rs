//! Calls that take long, and who makes them so.

use super::retries::TIMES;
use super::{Ending, Fault, FaultKind, Retried, Suspect, name_of};
use mesh_envoy::buckets::BUCKETS;
use mesh_model::graph::{EdgeRate, GRPC, Graph, HTTP};

/// Milliseconds of a call that are worth a word: a page of which one part takes so long is slow.
const LONG: f64 = 1000.0;
/// A callee's own calls take the blame for its slowness when they take so much of its time, one after the other.
const SHARE: f64 = 0.5;

/// What a call takes for sure: a quantile is known to lie above the end of the bucket below it, no more.
fn at_least(time: f64) -> f64 {
    BUCKETS.iter().copied().take_while(|b| *b <= time).last().unwrap_or(0.0)
}

/// The calls that are slow by their callee's own doing. Those whose callee waits for another are not told.
pub fn slow(graph: &Graph, retried: &[Retried]) -> Vec<Fault> {
    let mut out = Vec::new();
    for (from, node) in graph.nodes.iter().enumerate() {
        for edge in node.edges.iter().filter(|e| matches!(e.protocol, GRPC | HTTP)) {
            let Some(time) = edge.response_time.filter(|t| *t >= LONG) else { continue };
            let callee = &graph.nodes[edge.to];
            let waits: f64 = callee.edges.iter().filter(|e| e.to != edge.to).filter_map(|e| e.response_time).sum();
            if waits >= at_least(time) * SHARE {
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
            out.push(Fault { from, to, ending, share: 1.0, kind: FaultKind::Slow(time), suspects: vec![suspect] });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::at_least;

    #[test]
    fn a_quantile_is_known_as_far_as_its_bucket_is() {
        // A second and a bit, drawn towards the end of its bucket.
        assert_eq!([at_least(2_400.0), at_least(1_000.0), at_least(999.0), at_least(0.1)], [1_000.0, 1_000.0, 500.0, 0.0]);
    }
}
