//! Pages of metrics that were saved: what `/stats/prometheus` of a proxy answered. Two pages of one target make rates.

use mesh_metrics::series::{NAME, Store};
use mesh_metrics::text::{Kind, Page, Sample, scan};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

pub struct Saved<'a> {
    pub name: &'a str,
    pub bytes: &'a [u8],
}

/// Two pages of one target.
pub struct Pair<'a> {
    pub before: Saved<'a>,
    pub after: Saved<'a>,
}

/// The name and the labels of a series, sorted.
type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

fn labels<'a>(sample: &Sample<'a>) -> Labels<'a> {
    let mut labels: Labels<'a> = sample.labels().chain([(Cow::Borrowed(NAME), sample.name())]).collect();
    labels.sort_unstable();
    labels
}

/// Adds what counters grew by in the `seconds` between the pages, as rates: a second. A proxy makes a counter with the first
/// event that it counts, so one that only the later page has grew from zero. What was not understood is said.
pub fn add(store: &mut Store, pairs: &[Pair<'_>], seconds: f64) -> Vec<String> {
    let mut problems = Vec::new();
    for Pair { before, after } in pairs {
        let (old, new) = (scan(before.bytes), scan(after.bytes));
        problems.extend(said(before.name, &old));
        problems.extend(said(after.name, &new));
        let counted = difference(&old, &new);
        if counted.known == 0 {
            problems.push(format!("{} and {}: no series is in both, so there are no rates: are they pages of one proxy?", before.name, after.name));
            continue;
        }
        let from_zero = usize::from(old.problems.is_empty()) * counted.fresh.len();
        let mut refused = 0_usize;
        for (labels, growth) in counted.grown.iter().chain(&counted.fresh[..from_zero]) {
            let pairs = labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref()));
            refused += usize::from(store.add_rate(pairs, growth / seconds).is_err());
        }
        let reasons = [
            (counted.restarted, "counters had started again: their rates are too low"),
            (counted.fresh.len() - from_zero, "series are left out: the page from before was not read whole and may have had them"),
            (counted.unusable, "samples are left out: repeated, negative or no number"),
            (refused, "series are left out: a label twice, or beyond the limit of series"),
        ];
        problems.extend(reasons.iter().filter(|(count, _)| *count > 0).map(|(count, reason)| format!("{}: {count} {reason}", after.name)));
    }
    problems
}

#[derive(Default)]
struct Difference<'a> {
    /// Series that both pages have.
    known: usize,
    grown: Vec<(Labels<'a>, f64)>,
    /// Series that only the later page has.
    fresh: Vec<(Labels<'a>, f64)>,
    restarted: usize,
    unusable: usize,
}

fn difference<'a>(before: &Page<'a>, after: &Page<'a>) -> Difference<'a> {
    let is_counted = |kind| matches!(kind, Kind::Counter | Kind::Histogram | Kind::Unknown);
    let others: BTreeSet<&str> = after.families.iter().filter(|f| !is_counted(f.kind)).map(|f| f.name).collect();
    let old: BTreeMap<Labels<'_>, f64> = before.samples.iter().map(|s| (labels(s), s.value)).collect();
    let mut seen = BTreeSet::new();
    let mut out = Difference::default();
    for sample in after.samples.iter().filter(|s| !others.contains(s.raw_name)) {
        let labels = labels(sample);
        let value = sample.value;
        if !(0.0..f64::INFINITY).contains(&value) || !seen.insert(labels.clone()) {
            out.unusable += 1;
            continue;
        }
        match old.get(&labels) {
            None => out.fresh.push((labels, value)),
            Some(old) if *old > value => {
                out.known += 1;
                out.restarted += 1;
                out.grown.push((labels, value));
            }
            Some(old) => {
                out.known += 1;
                // A page from before with NaN or -Inf says nothing of the growth.
                if (0.0..f64::INFINITY).contains(old) { out.grown.push((labels, value - old)) } else { out.unusable += 1 }
            }
        }
    }
    out
}

/// The problems of a page, the first few with their places.
fn said(name: &str, page: &Page<'_>) -> Vec<String> {
    let shown = page.problems.first.iter().take(3).map(|p| format!("{name}:{}:{}: {}", p.line, p.column, p.message));
    let mut out: Vec<String> = shown.collect();
    if page.problems.total > out.len() {
        out.push(format!("{name}: {} more lines were not understood", page.problems.total - out.len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_metrics::series::Limits;

    fn rates(before: &str, after: &str) -> (Vec<(String, f64)>, Vec<String>) {
        let mut store = Store::new(Limits::default());
        let pair = Pair { before: Saved { name: "old", bytes: before.as_bytes() }, after: Saved { name: "new", bytes: after.as_bytes() } };
        let problems = add(&mut store, &[pair], 30.0);
        let (samples, _) = super::super::ask(&store, "rate({__name__=~\".+\"}[5m])", 0).expect("an answer");
        (samples.iter().map(|s| (s.labels.iter().map(|(_, v)| v.as_ref()).collect::<Vec<_>>().join(","), s.value)).collect(), problems)
    }

    #[test]
    fn growth_over_the_time_between_and_from_zero_where_a_counter_is_new() {
        let (found, problems) = rates("m{a=\"b\"} 10\n", "m{a=\"b\"} 40\nm{a=\"c\"} 6\n");
        assert_eq!((found, problems), (vec![("b".to_owned(), 1.0), ("c".to_owned(), 0.2)], vec![]));
    }

    #[test]
    fn what_makes_no_right_rate_is_said() {
        let (found, problems) = rates("m{a=\"b\"} 10\nbad line\n", "m{a=\"b\"} 3\nm{a=\"c\"} 6\nm{a=\"d\"} NaN\n");
        assert_eq!(found, [("b".to_owned(), 0.1)]);
        assert_eq!(
            problems,
            [
                "old:2:5: the value is no number",
                "new: 1 counters had started again: their rates are too low",
                "new: 1 series are left out: the page from before was not read whole and may have had them",
                "new: 1 samples are left out: repeated, negative or no number",
            ]
        );
        let (found, problems) = rates("m{a=\"x\"} 10\n", "m{a=\"b\"} 3\n");
        assert!(found.is_empty() && problems[0].contains("no series is in both"), "{problems:?}");
    }
}
