//! Calls that are slow where nobody is named for it: how many, what they end in, and since when.

use crate::print::time::rfc3339;
use mesh_analyzers::ranking::AllSlow;
use mesh_model::history::{History, Signals};
use serde_json::{Value, json};

/// Milliseconds that are slow, as the ranking has it.
const LONG: f64 = 1000.0;
/// Callees that a line names.
const NAMED: usize = 3;

pub struct Slow {
    all: AllSlow,
    since: Option<Since>,
}

/// When the slowest callee became slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// Seconds since the epoch.
    About(i64),
    /// It was slow as far as is looked back.
    Before(i64),
}

impl Slow {
    pub fn new(all: AllSlow, history: Option<&History>) -> Slow {
        let since = history.and_then(|h| {
            let (namespace, name) = all.ends.first()?.split_once('/')?;
            let points = began(h.workloads.get(&(namespace.to_owned(), name.to_owned()))?)?;
            let time = |point: usize| h.span.from + point as i64 * h.span.step;
            Some(match points {
                (Some(began), _) => Since::About(time(began)),
                (None, seen) => Since::Before(time(seen)),
            })
        });
        Slow { all, since }
    }

    /// One line.
    pub fn text(&self) -> String {
        let AllSlow { slow, of, usual, ends } = &self.all;
        let since = match self.since {
            Some(Since::About(at)) => format!("; {} has been slow since about {}", ends[0], rfc3339(at)),
            Some(Since::Before(at)) => format!("; {} has been slow since before {}", ends[0], rfc3339(at)),
            None => String::new(),
        };
        let where_to = match ends.as_slice() {
            [one] => format!("the slow ones all end in {one}"),
            several => {
                let more = several.len().checked_sub(NAMED).filter(|n| *n > 0).map_or_else(String::new, |n| format!(" and {n} more"));
                format!("the slow ones end in {}{more}", several.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "))
            }
        };
        format!(
            "slow: {slow} of {of} calls take a second or more (p95), and nobody is named for it, as none stands out ({:.1} s are usual); {where_to}; what they share (machine, network) may be slow{since}",
            usual / 1000.0
        )
    }

    pub fn value(&self) -> Value {
        let AllSlow { slow, of, usual, ends } = &self.all;
        let (since, before) = match self.since {
            Some(Since::About(at)) => (Some(rfc3339(at)), None),
            Some(Since::Before(at)) => (None, Some(rfc3339(at))),
            None => (None, None),
        };
        json!({"calls": slow, "of": of, "usualMs": usual, "endIn": ends, "since": since, "sinceBefore": before})
    }
}

/// The first point of the last stretch that is slow, where it was faster before, and the first point at which its time is known.
fn began(signals: &Signals) -> Option<(Option<usize>, usize)> {
    let is_known = |i: &usize| signals.p95[*i].is_finite() && signals.p95[*i] > 0.0;
    let is_slow = |i: &usize| is_known(i) && signals.p95[*i] >= LONG;
    let points = || 0..signals.p95.len();
    let last = points().rev().find(is_slow)?;
    let fast = (0..last).rev().find(|i| is_known(i) && !is_slow(i));
    Some((fast.and_then(|fast| (fast..=last).find(is_slow)), points().find(is_known).unwrap_or(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stretch_counts() {
        let of = |p95: &[f64]| began(&Signals { rate: Vec::new(), failed: Vec::new(), p95: p95.to_vec() });
        let nobody = f64::NAN;
        assert_eq!([of(&[]), of(&[10.0, 20.0])], [None, None]);
        assert_eq!(of(&[nobody, 10.0, 2_000.0, nobody, 1_500.0]), Some((Some(2), 1)));
        assert_eq!(of(&[nobody, 1_200.0, 2_000.0]), Some((None, 1)));
    }

    #[test]
    fn one_line_says_all_of_it() {
        let all = AllSlow { slow: 4, of: 5, usual: 940.0, ends: ["n/a", "n/b", "n/c", "n/d"].map(str::to_owned).to_vec() };
        let text = Slow { all: all.clone(), since: Some(Since::About(0)) }.text();
        assert!(
            text.contains("4 of 5 calls")
                && text.contains("n/a, n/b, n/c and 1 more")
                && text.contains("0.9 s are usual")
                && text.ends_with("since about 1970-01-01T00:00:00Z"),
            "{text}"
        );
        let one = Slow { all: AllSlow { ends: vec!["n/a".to_owned()], ..all }, since: None }.text();
        assert!(one.contains("all end in n/a; what they share"), "{one}");
    }
}
