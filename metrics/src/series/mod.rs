//! Series in memory: labels as interned symbols, samples in time order, an index from label to series. Bounded by the caller's
//! limits; what was not taken is counted and named, never lost in silence.

mod matcher;
mod samples;
mod scrape;
mod select;
mod symbols;

pub use matcher::{Matcher, Op, anchored};
pub use samples::Samples;
pub use scrape::{Ingested, Target};
pub use symbols::{Symbol, Symbols};

use crate::text::Kind;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The label that holds a metric's name.
pub const NAME: &str = "__name__";

/// The value that ends a series: a NaN with the bits that Prometheus gives its stale markers.
pub const STALE: u64 = 0x7ff0_0000_0000_0002;

pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE
}

/// Milliseconds since the epoch, and the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub at: i64,
    pub value: f64,
}

pub type SeriesId = u32;

/// Label pairs, sorted by the label's name. Samples have no empty values: an empty label is an absent one.
pub type Labels = Arc<[(Symbol, Symbol)]>;

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Samples in time order, one a time.
    Points(Samples),
    /// All that a recording kept is what `rate()` gave, per second. `rate`, `irate` and `increase` answer from it, at any time and over any
    /// range; nothing else does.
    Rate(f64),
}

/// What becomes of labels without value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Dropped,
    Kept,
}

#[derive(Clone, Debug)]
pub struct Series {
    pub labels: Labels,
    pub data: Data,
}

/// What a store may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub series: usize,
    /// Samples older than this, counted from the newest of their series, are dropped. Milliseconds.
    pub retention: i64,
    /// Of one series; the oldest are dropped.
    pub samples: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { series: 2_000_000, retention: 6 * 3600 * 1000, samples: 100_000 }
    }
}

/// Why a sample was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The limit of series is reached.
    TooManySeries,
    /// Older than the newest sample of its series, or another value at the same time.
    OutOfOrder,
    /// The same label twice.
    RepeatedLabel,
}

/// Samples that were not taken, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    pub too_many_series: u64,
    pub out_of_order: u64,
    pub repeated_label: u64,
}

impl Dropped {
    fn count(&mut self, reason: Refused) {
        match reason {
            Refused::TooManySeries => self.too_many_series += 1,
            Refused::OutOfOrder => self.out_of_order += 1,
            Refused::RepeatedLabel => self.repeated_label += 1,
        }
    }

    pub fn total(&self) -> u64 {
        self.too_many_series + self.out_of_order + self.repeated_label
    }
}

/// What pages said of a metric family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub kind: Kind,
    pub help: String,
    pub unit: String,
}

#[derive(Clone, Debug, Default)]
pub struct Store {
    symbols: Symbols,
    series: FxHashMap<SeriesId, Series>,
    by_labels: FxHashMap<Labels, SeriesId>,
    /// Series that carry a pair; ids ascend.
    postings: FxHashMap<(Symbol, Symbol), Vec<SeriesId>>,
    /// Ids are never given twice, so that an id that is kept can't come to mean another series.
    next: SeriesId,
    pub limits: Limits,
    pub dropped: Dropped,
    pub metadata: BTreeMap<String, Metadata>,
}

impl Store {
    pub fn new(limits: Limits) -> Store {
        Store { limits, ..Store::default() }
    }

    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    pub fn len(&self) -> usize {
        self.series.len()
    }

    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    pub fn get(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(&id)
    }

    /// A label's value in a series; empty when it has none.
    pub fn value_of(&self, series: &Series, name: Symbol) -> &str {
        series.labels.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| self.symbols.text(*v))
    }

    /// Sorted pairs of symbols. The metric's name is the label `__name__`.
    fn intern<'a>(&mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>, empty: Empty) -> Result<Vec<(Symbol, Symbol)>, Refused> {
        let mut pairs: Vec<(Symbol, Symbol)> = Vec::with_capacity(16);
        for (name, value) in labels {
            if empty == Empty::Kept || !value.is_empty() {
                pairs.push((self.symbols.intern(name), self.symbols.intern(value)));
            }
        }
        let symbols = &self.symbols;
        pairs.sort_unstable_by(|a, b| symbols.text(a.0).cmp(symbols.text(b.0)));
        if pairs.windows(2).any(|w| w[0].0 == w[1].0) { Err(Refused::RepeatedLabel) } else { Ok(pairs) }
    }

    fn series_of(&mut self, pairs: &[(Symbol, Symbol)], empty: Data) -> Result<SeriesId, Refused> {
        if let Some(id) = self.by_labels.get(pairs) {
            return Ok(*id);
        }
        if self.series.len() >= self.limits.series {
            return Err(Refused::TooManySeries);
        }
        let id = self.next;
        self.next += 1;
        for pair in pairs {
            self.postings.entry(*pair).or_default().push(id);
        }
        let labels: Labels = pairs.into();
        self.by_labels.insert(labels.clone(), id);
        self.series.insert(id, Series { labels, data: empty });
        Ok(id)
    }

    /// Adds a sample. A refusal is counted in `dropped` as well.
    pub fn append<'a>(&mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>, at: i64, value: f64) -> Result<SeriesId, Refused> {
        let added = self
            .intern(labels, Empty::Dropped)
            .and_then(|pairs| self.series_of(&pairs, Data::Points(Samples::default())))
            .and_then(|id| self.append_to(id, at, value).map(|()| id));
        added.inspect_err(|reason| self.dropped.count(*reason))
    }

    /// Begins a series with a sample, where it is not there yet.
    pub(crate) fn begin<'a>(&mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>, at: i64, value: f64) {
        let Ok(pairs) = self.intern(labels, Empty::Dropped) else { return };
        let Ok(id) = self.series_of(&pairs, Data::Points(Samples::default())) else { return };
        if self.series.get(&id).is_some_and(|s| matches!(&s.data, Data::Points(points) if points.is_empty())) {
            let _ = self.append_to(id, at, value);
        }
    }

    /// Adds a series of which only the rate is known. A second rate of the same series is added to the first. Its labels stay as
    /// they were recorded, the empty ones too: who reads the answer may tell an empty label from one that is missing.
    pub fn add_rate<'a>(&mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>, rate: f64) -> Result<SeriesId, Refused> {
        let added = self.intern(labels, Empty::Kept).and_then(|pairs| self.series_of(&pairs, Data::Rate(0.0)));
        if let Some(Series { data: Data::Rate(known), .. }) = added.ok().and_then(|id| self.series.get_mut(&id)) {
            *known += rate;
        }
        added.inspect_err(|reason| self.dropped.count(*reason))
    }

    fn append_to(&mut self, id: SeriesId, at: i64, value: f64) -> Result<(), Refused> {
        let limits = self.limits;
        let Some(Series { data: Data::Points(points), .. }) = self.series.get_mut(&id) else { return Err(Refused::OutOfOrder) };
        match points.last() {
            Some(last) if last.at == at && last.value.to_bits() == value.to_bits() => return Ok(()),
            Some(last) if last.at >= at => return Err(Refused::OutOfOrder),
            _ => {}
        }
        points.push(Point { at, value });
        points.limit(at.saturating_sub(limits.retention), limits.samples);
        Ok(())
    }

    /// Drops samples that are older than the retention at `now`, and series without samples.
    pub fn expire(&mut self, now: i64) {
        let oldest = now.saturating_sub(self.limits.retention);
        let mut gone: Vec<Labels> = Vec::new();
        for series in self.series.values_mut() {
            if let Data::Points(points) = &mut series.data {
                points.expire(oldest);
                if points.is_empty() {
                    gone.push(series.labels.clone());
                }
            }
        }
        for labels in gone {
            let Some(id) = self.by_labels.remove(&labels) else { continue };
            self.series.remove(&id);
            for pair in labels.iter() {
                if let Some(ids) = self.postings.get_mut(pair) {
                    if let Ok(index) = ids.binary_search(&id) {
                        ids.remove(index);
                    }
                    if ids.is_empty() {
                        self.postings.remove(pair);
                    }
                }
            }
        }
    }

    /// The times of the first and the last sample; none when there are rates alone.
    pub fn span(&self) -> Option<(i64, i64)> {
        let ends = self.series.values().filter_map(|s| match &s.data {
            Data::Points(points) => Some((points.first()?.at, points.last()?.at)),
            Data::Rate(_) => None,
        });
        ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}
