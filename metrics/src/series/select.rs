//! Which series a set of matchers selects, and what labels there are.

use super::{Matcher, Op, Series, SeriesId, Store};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

impl Store {
    /// Series that fulfil all matchers, in the order in which they were first seen.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<SeriesId> {
        // The rarest pair that must be there narrows the search.
        let mut fewest: Option<&[SeriesId]> = None;
        for matcher in matchers.iter().filter(|m| m.op == Op::Equal && !m.value.is_empty()) {
            let pair = self.symbols.find(&matcher.name).zip(self.symbols.find(&matcher.value));
            let ids = pair.and_then(|pair| self.postings.get(&pair)).map_or(&[][..], Vec::as_slice);
            if fewest.is_none_or(|f| ids.len() < f.len()) {
                fewest = Some(ids);
            }
        }
        let mut candidates = match fewest {
            Some(ids) => ids.to_vec(),
            None => self.series.keys().copied().collect(),
        };
        candidates.sort_unstable();
        for matcher in matchers {
            let name = self.symbols.find(&matcher.name);
            // A label has few values: each is judged once.
            let mut judged = FxHashMap::default();
            candidates.retain(|id| {
                let value = self.series.get(id).and_then(|s| s.labels.iter().find(|(n, _)| Some(*n) == name)).map(|(_, v)| *v);
                *judged.entry(value).or_insert_with(|| matcher.matches(value.map_or("", |v| self.symbols.text(v))))
            });
        }
        candidates
    }

    /// Series that any of the sets selects; all when there is no set.
    pub fn select_any(&self, sets: &[Vec<Matcher>]) -> Vec<SeriesId> {
        if sets.is_empty() {
            return self.select(&[]);
        }
        let all: BTreeSet<SeriesId> = sets.iter().flat_map(|set| self.select(set)).collect();
        all.into_iter().collect()
    }

    /// Names of labels of these series, sorted.
    pub fn label_names<'s>(&'s self, series: impl IntoIterator<Item = &'s Series>) -> BTreeSet<&'s str> {
        series.into_iter().flat_map(|s| s.labels.iter().map(|(n, _)| self.symbols.text(*n))).collect()
    }

    /// Values of one label in these series, sorted.
    pub fn label_values<'s>(&'s self, name: &str, series: impl IntoIterator<Item = &'s Series>) -> BTreeSet<&'s str> {
        let Some(name) = self.symbols.find(name) else { return BTreeSet::new() };
        series.into_iter().map(|s| self.value_of(s, name)).filter(|v| !v.is_empty()).collect()
    }
}
