//! Pages of one target, scraped again and again, into a store: as Prometheus does it, with `up` and stale markers.

use super::{Dropped, Labels, Metadata, NAME, STALE, Store};
use crate::text::{Page, unescape};
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
}

impl Target {
    pub fn new(labels: Vec<(String, String)>) -> Target {
        Target { labels, last: FxHashSet::default() }
    }

    /// Takes a page that was fetched at `at`. Series that are gone end there.
    pub fn ingest(&mut self, store: &mut Store, page: &Page<'_>, at: i64) -> Ingested {
        for family in &page.families {
            let metadata = Metadata { kind: family.kind, help: unescape(family.raw_help).into_owned(), unit: family.unit.to_owned() };
            store.metadata.insert(family.name.to_owned(), metadata);
        }
        let before = store.dropped;
        let mut seen = FxHashSet::default();
        let mut samples = 0;
        for sample in &page.samples {
            let name = sample.name();
            let own: Vec<(Cow<'_, str>, Cow<'_, str>)> =
                sample.labels().map(|(n, v)| if self.labels.iter().any(|(t, _)| *t == n) { (format!("{EXPORTED}{n}").into(), v) } else { (n, v) }).collect();
            let labels = own.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).chain(self.pairs()).chain([(NAME, name.as_ref())]);
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
        self.report(store, at, 0.0);
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
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
