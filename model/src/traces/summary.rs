//! Many traces in one table: what was waited for, by service and operation.

use super::path::{critical_path, self_times};
use super::span::Kind;
use super::tree::Trace;
use std::collections::BTreeMap;

/// A service's operation over all traces. Times are in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub service: String,
    pub operation: String,
    pub kind: Kind,
    pub spans: usize,
    pub errors: usize,
    /// On critical paths, over all traces.
    pub on_path: i64,
    /// What its spans did themselves, over all traces.
    pub own: i64,
    /// Durations of its spans, sorted.
    pub durations: Vec<i64>,
}

impl Place {
    /// A quantile of the durations (0 to 1), by the nearest rank.
    pub fn quantile(&self, q: f64) -> i64 {
        let rank = (q * self.durations.len() as f64).ceil() as usize;
        self.durations.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }
}

/// Those with the most time on critical paths first.
pub fn summary<'t>(traces: impl IntoIterator<Item = &'t Trace>) -> Vec<Place> {
    let mut places: BTreeMap<(String, String, Kind), Place> = BTreeMap::new();
    for trace in traces {
        let own = self_times(trace);
        let mut on_path = vec![0; trace.spans.len()];
        critical_path(trace).iter().for_each(|s| on_path[s.span] += s.to - s.from);
        for ((placed, own), on_path) in trace.spans.iter().zip(own).zip(on_path) {
            let span = &placed.span;
            let place = places.entry((span.service.clone(), span.operation.clone(), span.kind)).or_insert_with(|| Place {
                service: span.service.clone(),
                operation: span.operation.clone(),
                kind: span.kind,
                ..Place::default()
            });
            place.spans += 1;
            place.errors += usize::from(span.is_error());
            place.on_path += on_path;
            place.own += own;
            place.durations.push(span.duration);
        }
    }
    let mut out: Vec<Place> = places.into_values().collect();
    out.iter_mut().for_each(|p| p.durations.sort_unstable());
    // Stable: of two alike the first by name stays first.
    out.sort_by_key(|p| std::cmp::Reverse((p.on_path, p.own)));
    out
}
