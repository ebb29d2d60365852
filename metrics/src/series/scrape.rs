//! Pages of one target, scraped again and again, into a store: as Prometheus does it, with `up` and stale markers.

use super::{Dropped, Labels, Metadata, NAME, STALE, Store};
use crate::text::{Kind, Page, unescape};
use rustc_hash::FxHashSet;
use std::borrow::Cow;

/// Labels of scraped metadata that a target's own would hide get this in front.
const EXPORTED: &str = "exported_";

/// What one page gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    pub samples: usize,
    pub dropped: Dropped,
    /// Series that the last page had and this one has not.
    pub ended: usize,
}

/// One thing that is scraped, and the series of its last page.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// `job`, `instance`, `pod` and the like, put on each series. A page's own label of that name becomes `exported_…`.
    pub labels: Vec<(String, String)>,
    last: FxHashSet<Labels>,
    /// The time of the last page.
    seen: Option<i64>,
    begins: Begins,
}

/// Where a counter begins that a page has and the page before had not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begins {
    /// With its first sample, as in Prometheus: what it had counted by then is in no rate.
    #[default]
    AsSeen,
    /// At 0 with the page before.
    AtZero,
}

impl Target {
    pub fn new(labels: Vec<(String, String)>) -> Target {
        Target { labels, ..Target::default() }
    }

    /// The same of a process that counts from its start on and is scraped by nobody else: a counter that is new was 0 when the page
    /// before was fetched, so that rates miss nothing. Prometheus does so where it is told when a counter began
    /// (`created-timestamp-zero-ingestion`).
    #[must_use]
    pub fn counting_from_zero(self) -> Target {
        Target { begins: Begins::AtZero, ..self }
    }

    /// Takes a page that was fetched at `at`. Series that are gone end there.
    pub fn ingest(&mut self, store: &mut Store, page: &Page<'_>, at: i64) -> Ingested {
        for family in &page.families {
            let metadata = Metadata { kind: family.kind, help: unescape(family.raw_help).into_owned(), unit: family.unit.to_owned() };
            store.metadata.insert(family.name.to_owned(), metadata);
        }
        let before = store.dropped;
        let zero = self.seen.filter(|_| self.begins == Begins::AtZero).map(|seen| (seen, counters(page)));
        let mut seen = FxHashSet::default();
        let mut samples = 0;
        for sample in &page.samples {
            let name = sample.name();
            let own: Vec<(Cow<'_, str>, Cow<'_, str>)> =
                sample.labels().map(|(n, v)| if self.labels.iter().any(|(t, _)| *t == n) { (format!("{EXPORTED}{n}").into(), v) } else { (n, v) }).collect();
            let labels = own.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).chain(self.pairs()).chain([(NAME, name.as_ref())]);
            if let Some((then, _)) = zero.as_ref().filter(|(_, counters)| sample.timestamp.is_none() && counters.contains(name.as_ref())) {
                store.begin(labels.clone(), *then, 0.0);
            }
            if let Ok(id) = store.append(labels, sample.timestamp.unwrap_or(at), sample.value) {
                samples += 1;
                // A sample with a time of its own goes on until the look-back ends, as in Prometheus.
                if let Some(series) = store.get(id).filter(|_| sample.timestamp.is_none()) {
                    seen.insert(series.labels.clone());
                }
            }
        }
        let ended = self.end(store, &seen, at);
        self.last = seen;
        self.seen = Some(at);
        self.report(store, at, 1.0);
        let after = store.dropped;
        let dropped = Dropped {
            too_many_series: after.too_many_series - before.too_many_series,
            out_of_order: after.out_of_order - before.out_of_order,
            repeated_label: after.repeated_label - before.repeated_label,
        };
        Ingested { samples, dropped, ended }
    }

    /// The target did not answer at `at`: all its series end, `up` is 0.
    pub fn failed(&mut self, store: &mut Store, at: i64) {
        self.end(store, &FxHashSet::default(), at);
        self.last.clear();
        self.seen = None;
        self.report(store, at, 0.0);
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    fn end(&self, store: &mut Store, seen: &FxHashSet<Labels>, at: i64) -> usize {
        let mut ended = 0;
        for labels in self.last.iter().filter(|l| !seen.contains(*l)) {
            if let Some(id) = store.by_labels.get(labels).copied() {
                ended += usize::from(store.append_to(id, at, f64::from_bits(STALE)).is_ok());
            }
        }
        ended
    }

    fn report(&self, store: &mut Store, at: i64, up: f64) {
        // A refusal is counted like any other.
        let _ = store.append(self.pairs().chain([(NAME, "up")]), at, up);
    }
}

/// The names of a page's samples that only grow.
fn counters(page: &Page<'_>) -> FxHashSet<String> {
    let of = |name: &str, ends: &[&str]| ends.iter().map(|end| format!("{name}{end}")).collect::<Vec<_>>();
    let all = page.families.iter().flat_map(|f| match f.kind {
        Kind::Counter => of(f.name, &["", "_total"]),
        Kind::Histogram => of(f.name, &["_bucket", "_count", "_sum"]),
        _ => Vec::new(),
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Data, Limits};
    use crate::text::scan;

    fn points(store: &Store, name: &str) -> Vec<(i64, f64)> {
        let named = store.series.values().find(|s| s.labels.iter().any(|(n, v)| store.symbols().text(*n) == NAME && store.symbols().text(*v) == name));
        match named.map(|s| &s.data) {
            Some(Data::Points(points)) => points.iter().map(|p| (p.at, p.value)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn a_counter_that_is_new_was_zero_before_where_the_target_counts_from_its_start() {
        let pages = [
            "# TYPE a counter\na 3\n# TYPE g gauge\ng 1\n",
            "# TYPE a counter\na 4\n# TYPE b counter\nb 2\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 5\nh_count 5\nh_sum 1\n# TYPE i gauge\ni 7\n",
        ];
        for (target, first) in [(Target::new(Vec::new()), None), (Target::new(Vec::new()).counting_from_zero(), Some((1000, 0.0)))] {
            let (mut store, mut target) = (Store::new(Limits::default()), target);
            for (page, at) in pages.iter().zip([1000, 2000]) {
                target.ingest(&mut store, &scan(page.as_bytes()), at);
            }
            // What it had counted when it was seen first may be of long ago.
            assert_eq!(points(&store, "a"), [(1000, 3.0), (2000, 4.0)]);
            assert_eq!(points(&store, "i"), [(2000, 7.0)]);
            for (name, value) in [("b", 2.0), ("h_bucket", 5.0), ("h_count", 5.0)] {
                assert_eq!(points(&store, name), first.into_iter().chain([(2000, value)]).collect::<Vec<_>>(), "{name}");
            }
            assert_eq!(store.dropped.out_of_order, 0);
            // One that comes again goes on where it was: less than before is a new beginning.
            target.failed(&mut store, 3000);
            target.ingest(&mut store, &scan(b"# TYPE a counter\na 1\n"), 4000);
            assert_eq!(points(&store, "a").last(), Some(&(4000, 1.0)));
        }
    }
}
