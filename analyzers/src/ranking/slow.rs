//! Calls that take long, and who makes them so.

use super::objects::policies;
use super::retries::TIMES;
use super::{Counted, Ending, Evidence, Fault, FaultKind, Suspect, name_of};
use mesh_envoy::buckets::BUCKETS;
use mesh_model::Object;
use mesh_model::graph::{Edge, EdgeRate, GRPC, Graph, HTTP};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Milliseconds of a call that are worth a word: a page of which one part takes so long is slow.
const LONG: f64 = 1000.0;
/// A callee's own calls take the blame for its slowness when they take so much of its time, one after the other.
const SHARE: f64 = 0.5;
/// The graph's time is the 95th percentile: so many requests are slow for certain.
const SLOW: f64 = 0.05;
/// So many slow ones are no chance.
const FEW: f64 = 3.0;
/// Where the whole mesh is slow, as on a machine that is out of breath, it is nobody's own doing: who is named takes so many times what
/// is usual there.
const USUAL: f64 = 2.0;

/// What a call takes for sure: a quantile is known to lie above the end of the bucket below it, no more.
fn at_least(time: f64) -> f64 {
    BUCKETS.iter().copied().take_while(|b| *b <= time).last().unwrap_or(0.0)
}

/// A call and its times, in milliseconds.
struct Timed<'g> {
    from: usize,
    edge: &'g Edge,
    /// The 95th percentile.
    time: f64,
    /// What the callee's own calls take of that, one after the other.
    waits: f64,
    /// What half of the requests take at most, without the callee's own calls; `None` where it is not known.
    middle: Option<f64>,
}

impl Timed<'_> {
    fn own(&self) -> f64 {
        (self.time - self.waits).max(0.0)
    }
    /// The callee does not only wait for others.
    fn is_own(&self) -> bool {
        self.waits < at_least(self.time) * SHARE
    }
}

/// Calls whose times are known.
fn timed<'g>(graph: &'g Graph, middles: &BTreeMap<(String, String), f64>) -> Vec<Timed<'g>> {
    let mut out = Vec::new();
    let middle = |from: usize, to: usize| middles.get(&(name_of(graph, from), name_of(graph, to))).copied();
    // What a callee's own calls take, once for all of its callers.
    let further = |of: usize| graph.nodes[of].edges.iter().filter(move |e| e.to != of);
    let waits: Vec<f64> = (0..graph.nodes.len()).map(|of| further(of).filter_map(|e| e.response_time).sum()).collect();
    let middles: Vec<f64> = (0..graph.nodes.len()).map(|of| further(of).filter_map(|e| middle(of, e.to)).sum()).collect();
    for (from, node) in graph.nodes.iter().enumerate() {
        for edge in node.edges.iter().filter(|e| matches!(e.protocol, GRPC | HTTP)) {
            let Some(time) = edge.response_time else { continue };
            let own = middle(from, edge.to).map(|m| (m - middles[edge.to]).max(0.0));
            out.push(Timed { from, edge, time, waits: waits[edge.to], middle: own });
        }
    }
    out
}

/// What calls take of their own, sorted once for all questions.
struct Usual {
    times: Vec<f64>,
    /// Where the times of each callee are.
    places: FxHashMap<usize, Vec<usize>>,
}

impl Usual {
    /// Of times and callees.
    fn new(times: impl Iterator<Item = (f64, usize)>) -> Usual {
        let mut sorted: Vec<(f64, usize)> = times.collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut places: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
        for (place, (_, callee)) in sorted.iter().enumerate() {
            places.entry(*callee).or_default().push(place);
        }
        Usual { times: sorted.into_iter().map(|(time, _)| time).collect(), places }
    }
    /// What calls to others than one callee take: the middle one of all. 0 where there are none.
    fn beside(&self, callee: usize) -> f64 {
        let own = self.places.get(&callee).map_or(&[][..], Vec::as_slice);
        // Of two in the middle the quicker one: several that are slow beside as many that are not are told.
        let middle = (self.times.len() - own.len()).saturating_sub(1) / 2;
        // So many of the callee's come before it: those with no more than `middle` others before them. Both rise with the place.
        let (mut low, mut high) = (0, own.len());
        while low < high {
            let half = usize::midpoint(low, high);
            if own[half] - half <= middle { low = half + 1 } else { high = half }
        }
        self.times.get(middle + low).copied().unwrap_or(0.0)
    }
}

/// What is usual for the slowest requests, and for half of all.
struct Usuals {
    own: Usual,
    middle: Usual,
}

impl Usuals {
    fn of(all: &[Timed<'_>]) -> Usuals {
        let of = |time: fn(&Timed<'_>) -> Option<f64>| Usual::new(all.iter().filter_map(|t| Some((time(t)?, t.edge.to))));
        Usuals { own: of(|t| Some(t.own())), middle: of(|t| t.middle) }
    }
}

/// Whether a call takes far more than is usual. Its slowest requests do as far as that is known for certain, or half of all: where a machine is
/// out of breath any call has slow requests, and few have nothing else.
fn stands_out(call: &Timed<'_>, usual: &Usuals, window: f64) -> bool {
    // Of twenty requests the 95th percentile is one of them.
    let are_many = window <= 0.0 || call.edge.rate(EdgeRate::Total) * window * SLOW >= FEW;
    let tail = are_many && (at_least(call.time) - call.waits).max(0.0) >= usual.own.beside(call.edge.to) * USUAL;
    let half = call.middle.is_some_and(|m| at_least(m) >= LONG * SHARE && m >= usual.middle.beside(call.edge.to) * USUAL);
    tail || half
}

/// Each of its callee's tries may be fast, and all of them together slow.
fn is_retried(graph: &Graph, edge: &Edge, retrying: &FxHashSet<&str>) -> bool {
    retrying.contains(name_of(graph, edge.to).as_str())
}

/// Who tries its calls again and again.
fn retrying(counted: &Counted) -> FxHashSet<&str> {
    counted.retried.iter().filter(|r| r.received >= r.sent * TIMES).map(|r| r.from.as_str()).collect()
}

/// The calls that are slow by their callee's own doing. Those whose callee waits for another are not told.
pub fn slow(evidence: &Evidence<'_, '_>) -> Vec<Fault> {
    let (graph, counted) = (evidence.graph, evidence.counted);
    let all = timed(graph, &counted.middle);
    let (usual, retrying) = (Usuals::of(&all), retrying(counted));
    let slow = all.iter().filter(|t| t.time >= LONG && t.is_own() && stands_out(t, &usual, counted.window) && !is_retried(graph, t.edge, &retrying));
    slow.map(|t| fault(evidence, t)).collect()
}

fn fault(evidence: &Evidence<'_, '_>, call: &Timed<'_>) -> Fault {
    let graph = evidence.graph;
    let (from, to) = (name_of(graph, call.from), name_of(graph, call.edge.to));
    let calls: Vec<String> = graph.nodes[call.edge.to].edges.iter().map(|e| name_of(graph, e.to)).collect();
    let mut said = vec![if calls.is_empty() { "it calls nobody".to_owned() } else { format!("its own calls ({}) are faster", calls.join(", ")) }];
    let mut suspects = Vec::new();
    // Who answers fast is not slow: its callers wait before their requests go out, for a connection that a limit keeps from them.
    let half = call.middle.is_some_and(|m| at_least(m) >= LONG * SHARE);
    let served = evidence.counted.served.get(&(from.clone(), to.clone())).map(|[middle, slowest]| if half { middle } else { slowest });
    let served = served.filter(|served| **served * USUAL <= at_least(call.time));
    if let Some(served) = served {
        said.push(format!("its own proxy counts {:.1} s: the rest is lost before requests get there", served / 1000.0));
        for (object, path) in limits(evidence, &from, call.edge) {
            let why = format!("{path}: requests wait for its limits on connections (connectionPool)");
            suspects.push(Suspect { subject: object.origin(), why, evidence: said.clone(), score: 110 });
        }
    }
    suspects.push(Suspect { subject: format!("workload {to}"), why: "it answers slowly".to_owned(), evidence: said, score: 100 });
    let ending = Ending { code: 200, flags: String::new(), rate: call.edge.rate(EdgeRate::Total), host: String::new() };
    Fault { from, to, costs: ending.rate * SLOW, ending, share: 1.0, kind: FaultKind::Slow(call.time), suspects }
}

/// Rules with limits on connections that a caller goes by for the hosts of a call.
fn limits<'a>(evidence: &Evidence<'_, 'a>, from: &str, edge: &Edge) -> Vec<(&'a Object, String)> {
    let mut hosts: Vec<&str> = edge.by_code().flat_map(|(_, shares)| shares).map(|s| evidence.graph.names.text(s.host)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let client = from.split_once('/').map_or("", |(namespace, _)| namespace);
    let all = hosts.into_iter().flat_map(|host| policies(evidence.mesh, client, host));
    all.filter(|(_, _, policy)| policy.get("connectionPool").is_some()).map(|(object, path, _)| (object, path)).collect()
}

/// Calls that are slow, none of which stands out from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct AllSlow {
    /// How many take so long, and of how many that is known.
    pub slow: usize,
    pub of: usize,
    /// Milliseconds that a call takes of its own, in the middle of all (95th percentile).
    pub usual: f64,
    /// The callees that slow calls end in, the slowest first (`namespace/name`): they do not only wait for others.
    pub ends: Vec<String>,
}

/// What is to be said where calls are slow, and slow is usual, so that nobody is named for it. `None` where somebody is, or none is slow of its own.
pub fn all_slow(graph: &Graph, counted: &Counted) -> Option<AllSlow> {
    let all = timed(graph, &counted.middle);
    let is_slow = |t: &&Timed<'_>| t.time >= LONG;
    let (usual, retrying) = (Usuals::of(&all), retrying(counted));
    let mut own: Vec<&Timed<'_>> = all.iter().filter(is_slow).filter(|t| t.is_own() && !is_retried(graph, t.edge, &retrying)).collect();
    if own.is_empty() || own.iter().any(|t| stands_out(t, &usual, counted.window)) {
        return None;
    }
    let usual = usual.own.beside(usize::MAX);
    // Else it is but a few requests of a few calls.
    if usual * USUAL < LONG {
        return None;
    }
    own.sort_by(|a, b| b.time.total_cmp(&a.time));
    let mut seen = FxHashSet::default();
    let ends = own.iter().map(|t| name_of(graph, t.edge.to)).filter(|end| seen.insert(end.clone())).collect();
    Some(AllSlow { slow: all.iter().filter(is_slow).count(), of: all.len(), usual, ends })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_usual_beside_a_callee_is_the_middle_of_the_others(times in prop::collection::vec((0u8..6, 0usize..5), 0..40), callee in 0usize..6) {
            let times: Vec<(f64, usize)> = times.into_iter().map(|(time, to)| (f64::from(time), to)).collect();
            let mut others: Vec<f64> = times.iter().filter(|(_, to)| *to != callee).map(|(time, _)| *time).collect();
            others.sort_by(f64::total_cmp);
            let middle = others.get(others.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
            prop_assert_eq!(Usual::new(times.into_iter()).beside(callee), middle);
        }
    }

    #[test]
    fn a_quantile_is_known_as_far_as_its_bucket_is() {
        // A second and a bit, drawn towards the end of its bucket.
        assert_eq!([at_least(2_400.0), at_least(1_000.0), at_least(999.0), at_least(0.1)], [1_000.0, 1_000.0, 500.0, 0.0]);
    }

    /// Calls of one front to so many others, the first of which is asked about.
    fn is_told(times: &[f64], middles: &[f64]) -> bool {
        let edges: Vec<Edge> = (0..times.len()).map(|to| Edge::new(to, HTTP)).collect();
        let one = |(i, edge)| Timed { from: 99, edge, time: times[i], waits: 0.0, middle: middles.get(i).copied() };
        let all: Vec<Timed<'_>> = edges.iter().enumerate().map(one).collect();
        stands_out(&all[0], &Usuals::of(&all), 0.0)
    }

    #[test]
    fn who_is_slow_is_told_by_what_is_usual() {
        let told = |times: &[f64]| is_told(times, &[]);
        assert!(told(&[2_400.0, 20.0, 30.0, 900.0]) && told(&[2_400.0]) && told(&[2_400.0, 2_300.0, 20.0]));
        // A machine that is out of breath, and one that is slow even there.
        assert!(!told(&[1_700.0, 900.0, 1_100.0, 600.0]) && told(&[2_700.0, 900.0, 1_100.0, 600.0]));
        // 2.4 s is an end of a bucket that begins at one second: it may be no more than others take.
        assert!(!told(&[2_400.0, 900.0, 950.0, 600.0]));
    }

    #[test]
    fn where_all_calls_have_slow_requests_the_others_tell() {
        let times = [2_400.0, 2_300.0, 970.0, 2_200.0];
        assert!(is_told(&times, &[1_750.0, 40.0, 30.0, 90.0]));
        assert!(!is_told(&times, &[160.0, 40.0, 30.0, 90.0]), "most of its requests are fast");
        assert!(!is_told(&times, &[1_750.0, 1_600.0, 1_200.0, 1_700.0]), "everything is slow");
        // Few requests of one are slow, and of nobody else's.
        assert!(is_told(&[2_400.0, 60.0, 50.0, 40.0], &[20.0, 20.0, 10.0, 10.0]));
    }

    #[test]
    fn one_slow_request_of_a_few_is_chance() {
        let mut edge = Edge::new(0, HTTP);
        edge.rates[EdgeRate::Total as usize] = 2.0;
        let of = |middle| {
            let one = Timed { from: 99, edge: &edge, time: 2_400.0, waits: 0.0, middle: Some(middle) };
            let usual = Usuals::of(std::slice::from_ref(&one));
            [8.0, 60.0, 0.0].map(|window| stands_out(&one, &usual, window))
        };
        assert_eq!([of(30.0), of(1_700.0)], [[false, true, true], [true; 3]]);
    }
}
