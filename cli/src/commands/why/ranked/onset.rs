//! When calls began to fail, and what was changed last before.

use crate::print::time::{parse_rfc3339, rfc3339};
use mesh_analyzers::ranking::{Fault, FaultKind};
use mesh_model::Snapshot;
use mesh_model::history::{History, Signals};

/// A share of failures below this part of its highest is no part of the fault.
const PART: f64 = 0.1;
/// A change longer before the errors than that did not bring them about, in seconds.
const BEFORE: i64 = 6 * 3600;

/// When errors began, and the change nearest before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onset {
    /// `namespace/name` of what is called.
    pub to: String,
    /// Seconds since the epoch, no later than a step of the chart after the first error; none where they were there all along.
    pub at: Option<i64>,
    /// The last change before.
    pub change: Option<Change>,
    /// How far is looked back.
    pub from: i64,
}

/// A change of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub object: String,
    /// Seconds since the epoch.
    pub at: i64,
    /// Who made it; "" where nobody is named.
    pub by: String,
}

/// Of the costliest call that fails and has a history.
pub fn onset(faults: &[Fault], history: &History, snapshot: &Snapshot) -> Option<Onset> {
    let fails = faults.iter().filter(|f| matches!(f.kind, FaultKind::Fails));
    let mut ordered: Vec<&Fault> = fails.collect();
    ordered.sort_by(|a, b| b.costs.total_cmp(&a.costs));
    ordered.into_iter().find_map(|fault| {
        let (namespace, name) = fault.to.split_once('/')?;
        let key = (namespace.to_owned(), name.to_owned());
        let signals = history.workloads.get(&key).or_else(|| history.services.get(&key))?;
        let (began, seen) = began(signals)?;
        let time = |point: usize| history.span.from + point as i64 * history.span.step;
        let at = began.map(time);
        let change = at.and_then(|at| nearest(snapshot, at));
        Some(Onset { to: fault.to.clone(), at, change, from: time(seen) })
    })
}

/// The first point of the last stretch of failures, where calls were seen before that did well, and the first point at which
/// any were seen. `None` where nothing fails. A point without calls tells nothing.
fn began(signals: &Signals) -> Option<(Option<usize>, usize)> {
    let shares = signals.shares();
    let highest = shares.iter().copied().fold(0.0, f64::max);
    let is_failing = |i: &usize| shares[*i] > 0.0 && shares[*i] >= highest * PART;
    let are_there = |i: &usize| signals.rate.get(*i).is_some_and(|r| *r > 0.0);
    let points = || 0..shares.len();
    let last = points().rev().find(is_failing)?;
    let well = (0..last).rev().find(|i| are_there(i) && !is_failing(i));
    Some((well.and_then(|well| (well..=last).find(is_failing)), points().find(are_there).unwrap_or(last)))
}

/// The last change before a time.
fn nearest(snapshot: &Snapshot, at: i64) -> Option<Change> {
    let all = snapshot.objects.iter().flat_map(|o| o.edits().into_iter().filter_map(move |e| Some((parse_rfc3339(e.at)?, o, e.by))));
    let before = all.filter(|(t, ..)| (at - BEFORE..=at).contains(t));
    // Of several of one moment the first by name.
    let last = before.max_by(|(a, x, _), (b, y, _)| a.cmp(b).then_with(|| y.origin().cmp(&x.origin())));
    last.map(|(at, o, by)| Change { object: o.origin(), at, by: by.to_owned() })
}

impl Onset {
    /// One line.
    pub fn text(&self) -> String {
        match (self.at, &self.change) {
            (None, _) => format!("calls to {} have failed since before {}", self.to, rfc3339(self.from)),
            (Some(at), None) => format!("calls to {} began to fail about {}; no change was seen in the 6 h before", self.to, rfc3339(at)),
            (Some(at), Some(Change { object, at: time, by })) => {
                let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
                format!(
                    "calls to {} began to fail about {}; the last change before: {object}{by}, {} s earlier ({})",
                    self.to,
                    rfc3339(at),
                    at - time,
                    rfc3339(*time)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stretch_of_failures_counts() {
        let of = |rate: &[f64], failed: &[f64]| began(&Signals { rate: rate.to_vec(), failed: failed.to_vec(), p95: Vec::new() });
        let always = [10.0; 6];
        assert_eq!(of(&always[..3], &[0.0, 0.0, 0.0]), None);
        assert_eq!(of(&always[..2], &[1.0, 1.0]), Some((None, 0)));
        assert_eq!(of(&always, &[0.0, 5.0, 0.0, 0.0, 5.0, 6.0]), Some((Some(4), 0)));
        // A trickle that was there before is not the fault.
        assert_eq!(of(&always[..5], &[0.1, 0.1, 8.0, 9.0, 9.0]), Some((Some(2), 0)));
        assert_eq!(of(&always[..4], &[0.0, 8.0, 9.0, 0.0]), Some((Some(1), 0)));
        // Nobody called before: nothing did well.
        assert_eq!(of(&[0.0, 0.0, 9.0, 9.0], &[0.0, 0.0, 9.0, 9.0]), Some((None, 2)));
        assert_eq!(of(&[9.0, 0.0, 9.0], &[0.0, 0.0, 9.0]), Some((Some(2), 0)));
    }
}
