//! Applications that do not hand trace headers on: their proxies begin new traces for the calls that they make while they serve a request.
//!
//! A proxy can't know which request a call belongs to; that the headers have to be handed on is said by Istio's documentation of
//! distributed tracing (and Envoy's of trace context propagation). What is judged is what one proxy timed itself, by one clock.

use super::span::{Kind, Span};
use super::tree::Trace;
use std::collections::BTreeMap;
use std::fmt;

/// Fewer inbound requests, or fewer calls that began traces, are not judged.
pub const LEAST: usize = 5;
/// Of a workload's calls so many begin traces where that is worth a word.
const SHARE: f64 = 0.2;
/// Of its calls that begin traces so many are made while it serves a request: others are its own, or of requests that were not sampled.
const WITHIN: f64 = 0.5;
/// Standard errors by which that has to be more often than chance would have it.
const ERRORS: f64 = 3.0;

/// A workload whose outgoing calls begin traces though it was serving requests that had one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// As its spans name it: `reviews.bookinfo`.
    pub service: String,
    /// Istio's tags of the workload: namespace, canonical service and revision.
    pub namespace: String,
    pub canonical: String,
    pub revision: String,
    /// Outgoing calls that were seen.
    pub calls: usize,
    /// Those that began traces while a request was served.
    pub begun: usize,
}

impl Dropped {
    /// The workload as its tags name it: `reviews-v2`, `reviews` without a version.
    pub fn name(&self) -> String {
        match self.revision.as_str() {
            "" | "latest" => self.canonical.clone(),
            revision => format!("{}-{revision}", self.canonical),
        }
    }

    /// What was seen of a workload under a name, and what is to be done.
    pub fn text(&self, name: &str) -> String {
        format!(
            "{} of {} outgoing calls of {name} began traces of their own while it served requests that had one; traces end there. \
             The application must hand on the headers traceparent, b3 or x-b3-*, and x-request-id",
            self.begun, self.calls
        )
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&self.name()))
    }
}

/// Namespace, canonical service, revision, and the service's name in spans.
type Key<'s> = (&'s str, &'s str, &'s str, &'s str);

/// What one proxy timed, in microseconds by its own clock.
#[derive(Default)]
struct Seen {
    /// Requests that it served: start and end.
    served: Vec<(i64, i64)>,
    /// Starts of the calls that began traces.
    begun: Vec<i64>,
    /// Calls in all.
    calls: Vec<i64>,
}

/// What is made of all proxies of a workload.
#[derive(Default)]
struct Sum {
    served: usize,
    calls: usize,
    /// Calls that began traces, and those of them during a request.
    roots: usize,
    within: usize,
    /// So many of them would begin during a request by chance.
    chance: f64,
}

/// Those that drop the headers, by namespace and name. Not judged are gateways and waypoints, whose requests go through them whole;
/// workloads without inbound requests, as those do begin traces; and few spans. Calls are told from what a workload does by itself, and
/// from calls of requests that were not sampled, by their times: most must fall into requests, and more than chance would have it.
pub fn dropped(traces: &[Trace]) -> Vec<Dropped> {
    let mut nodes: BTreeMap<(Key<'_>, &str), Seen> = BTreeMap::new();
    for placed in traces.iter().flat_map(|t| &t.spans) {
        let span = &placed.span;
        let Some(key) = of_sidecar(span) else { continue };
        // Clocks that were put right against another's are not the proxy's any more.
        let start = span.start.saturating_sub(placed.shift);
        let seen = nodes.entry((key, span.tag("node_id"))).or_default();
        match span.kind {
            Kind::Server => seen.served.push((start, start.saturating_add(span.duration.max(0)))),
            Kind::Client => {
                seen.calls.push(start);
                seen.begun.extend(span.parent.is_empty().then_some(start));
            }
            _ => {}
        }
    }
    let mut sums: BTreeMap<Key<'_>, Sum> = BTreeMap::new();
    for ((key, _), seen) in &mut nodes {
        sums.entry(*key).or_default().add(seen);
    }
    sums.iter().filter(|(_, sum)| sum.is_dropping()).map(|(key, sum)| found(*key, sum)).collect()
}

fn found((namespace, canonical, revision, service): Key<'_>, sum: &Sum) -> Dropped {
    let text = str::to_owned;
    Dropped { service: text(service), namespace: text(namespace), canonical: text(canonical), revision: text(revision), calls: sum.calls, begun: sum.within }
}

/// The workload of a sidecar's span. What applications report themselves, and other proxies, are not judged.
fn of_sidecar(span: &Span) -> Option<Key<'_>> {
    let is_sidecar = span.tag("node_id").starts_with("sidecar~");
    let canonical = span.tag("istio.canonical_service");
    let key = (span.tag("istio.namespace"), canonical, span.tag("istio.canonical_revision"), span.service.as_str());
    (is_sidecar && !canonical.is_empty() && canonical != "unknown").then_some(key)
}

impl Sum {
    fn add(&mut self, seen: &mut Seen) {
        self.served += seen.served.len();
        seen.served.sort_unstable();
        let (Some(from), Some(to)) = (seen.served.first().map(|s| s.0), seen.served.iter().map(|s| s.1).max()) else { return };
        // Beside each other, so that each moment counts once.
        let mut busy: Vec<(i64, i64)> = Vec::new();
        for (start, end) in &seen.served {
            match busy.last_mut() {
                Some(last) if *start <= last.1 => last.1 = last.1.max(*end),
                _ => busy.push((*start, *end)),
            }
        }
        let during = |at: i64| busy.get(busy.partition_point(|b| b.0 <= at).wrapping_sub(1)).is_some_and(|b| at <= b.1);
        // Before the first request that was seen and after the last nothing is known of what it served.
        let is_seen = |at: &&i64| (from..=to).contains(*at);
        let roots = seen.begun.iter().filter(is_seen).count();
        self.calls += seen.calls.iter().filter(is_seen).count();
        self.roots += roots;
        self.within += seen.begun.iter().filter(|at| during(**at)).count();
        let covered: i64 = busy.iter().map(|b| b.1 - b.0).sum();
        self.chance += roots as f64 * if to > from { covered as f64 / (to - from) as f64 } else { 1.0 };
    }

    fn is_dropping(&self) -> bool {
        if self.served < LEAST || self.within < LEAST {
            return false;
        }
        let (roots, within) = (self.roots as f64, self.within as f64);
        let chance = (self.chance / roots).clamp(0.0, 1.0);
        let error = (chance * (1.0 - chance) / roots).sqrt();
        within >= SHARE * self.calls as f64 && within >= WITHIN * roots && within / roots > chance + ERRORS * error
    }
}
