//! Label sets of a query by number, so that they are compared, hashed and changed once each.

use crate::promql::ast::Grouping;
use crate::series::{NAME, Symbol, Symbols};
use rustc_hash::FxHashMap;
use std::rc::Rc;
use std::sync::Arc;

pub(in crate::promql) type Set = u32;
type Pairs = Rc<[(Symbol, Symbol)]>;

pub(in crate::promql) struct Sets<'s> {
    /// The store's texts, and behind their numbers those that the query itself made.
    known: &'s Symbols,
    made: Symbols,
    sets: Vec<Pairs>,
    by_pairs: FxHashMap<Pairs, Set>,
}

impl<'s> Sets<'s> {
    /// The set without labels.
    pub const EMPTY: Set = 0;

    pub fn new(known: &'s Symbols) -> Self {
        let mut sets = Sets { known, made: Symbols::default(), sets: Vec::new(), by_pairs: FxHashMap::default() };
        sets.add(Vec::new());
        sets
    }

    fn symbol(&mut self, text: &str) -> Symbol {
        self.known.find(text).unwrap_or_else(|| self.known.len() as Symbol + self.made.intern(text))
    }

    pub fn text(&self, symbol: Symbol) -> &str {
        let known = self.known.len() as Symbol;
        if symbol < known { self.known.text(symbol) } else { self.made.text(symbol - known) }
    }

    fn shared(&self, symbol: Symbol) -> Arc<str> {
        let known = self.known.len() as Symbol;
        if symbol < known { self.known.shared(symbol) } else { self.made.shared(symbol - known) }
    }

    /// Pairs must be sorted by name.
    pub fn add(&mut self, pairs: Vec<(Symbol, Symbol)>) -> Set {
        if let Some(set) = self.by_pairs.get(pairs.as_slice()) {
            return *set;
        }
        let set = self.sets.len() as Set;
        let pairs: Pairs = pairs.into();
        self.sets.push(pairs.clone());
        self.by_pairs.insert(pairs, set);
        set
    }

    fn pairs(&self, set: Set) -> Pairs {
        self.sets[set as usize].clone()
    }

    pub fn get(&self, set: Set, name: &str) -> &str {
        self.sets[set as usize].iter().find(|(n, _)| self.text(*n) == name).map_or("", |(_, v)| self.text(*v))
    }

    pub fn texts(&self, set: Set) -> Vec<(Arc<str>, Arc<str>)> {
        self.sets[set as usize].iter().map(|(n, v)| (self.shared(*n), self.shared(*v))).collect()
    }

    /// As a query writes it, for messages.
    pub fn show(&self, set: Set) -> String {
        let pairs: Vec<String> = self.sets[set as usize].iter().map(|(n, v)| format!("{}={:?}", self.text(*n), self.text(*v))).collect();
        format!("{{{}}}", pairs.join(", "))
    }

    fn filter(&mut self, set: Set, keep: impl Fn(&str) -> bool) -> Set {
        let kept = self.pairs(set).iter().copied().filter(|(n, _)| keep(self.text(*n))).collect();
        self.add(kept)
    }

    pub fn without_name(&mut self, set: Set) -> Set {
        self.filter(set, |n| n != NAME)
    }

    pub fn without(&mut self, set: Set, name: &str) -> Set {
        self.filter(set, |n| n != name)
    }

    /// `by` keeps the labels that are listed; `without` drops them and the metric's name.
    pub fn group(&mut self, set: Set, grouping: &Grouping) -> Set {
        match grouping {
            Grouping::By(labels) => self.filter(set, |n| labels.iter().any(|l| l == n)),
            Grouping::Without(labels) => self.filter(set, |n| n != NAME && !labels.iter().any(|l| l == n)),
        }
    }

    /// With one label set to a value; an empty value removes it.
    pub fn with(&mut self, set: Set, name: &str, value: &str) -> Set {
        let name_symbol = self.symbol(name);
        let mut pairs: Vec<_> = self.pairs(set).iter().copied().filter(|(n, _)| *n != name_symbol).collect();
        if !value.is_empty() {
            let value = self.symbol(value);
            let at = pairs.partition_point(|(n, _)| self.text(*n) < name);
            pairs.insert(at, (name_symbol, value));
        }
        self.add(pairs)
    }

    /// Orders rows by their labels: name by name, value by value.
    pub fn sort(&self, rows: &mut [(Set, f64)]) {
        let compare = |a: Set, b: Set| {
            let (a, b) = (&self.sets[a as usize], &self.sets[b as usize]);
            let different = a.iter().zip(b.iter()).find(|(x, y)| x != y);
            different.map_or(a.len().cmp(&b.len()), |(x, y)| (self.text(x.0), self.text(x.1)).cmp(&(self.text(y.0), self.text(y.1))))
        };
        rows.sort_by(|a, b| compare(a.0, b.0));
    }
}
