//! Evaluation: a tree over a store, at one time or at many.

mod aggregate;
mod binary;
mod call;
mod histogram;
mod range;
mod sets;

pub use call::value_text;

use super::ast::{At, Expr, ExprKind, Selector, ValueType};
use super::{Error, Span};
use crate::series::{Data, Point, SeriesId, Store, is_stale};
use rustc_hash::FxHashMap;
use sets::{Set, Sets};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where Prometheus changed its mind, by major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// A range and the look-back hold the sample at their very start too.
    Prometheus2,
    /// They don't.
    Prometheus3,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How old a sample may be and still be current. Milliseconds.
    pub lookback: i64,
    pub rules: Rules,
    /// A query that touches more samples than this is refused.
    pub samples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { lookback: 300_000, rules: Rules::Prometheus3, samples: 50_000_000 }
    }
}

/// Most steps of a range query, as in Prometheus.
pub const STEPS: i64 = 11_000;

/// Names and values, sorted by name. The metric's name is `__name__`.
pub type LabelTexts = Vec<(Arc<str>, Arc<str>)>;

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: LabelTexts,
    pub at: i64,
    pub value: f64,
}

/// One series of a range query's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    pub labels: LabelTexts,
    pub points: Vec<Point>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(Point),
    String(String),
    Vector(Vec<Sample>),
    Matrix(Vec<Track>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub value: Value,
    /// What the answer lacks, and why.
    pub warnings: Vec<String>,
}

/// The query's value at one time. Vectors are sorted by labels, unless the query sorts by value.
pub fn query(store: &Store, expr: &Expr, at: i64, options: &Options) -> Result<Answer, Error> {
    let mut answer = query_in_order(store, expr, at, options)?;
    if let Value::Vector(samples) = &mut answer.value
        && !is_sorted_by_value(expr)
    {
        samples.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    Ok(answer)
}

/// The same, with a vector in the order in which its series were first added to the store.
pub fn query_in_order(store: &Store, expr: &Expr, at: i64, options: &Options) -> Result<Answer, Error> {
    let mut eval = Evaluator::new(store, options, (at, at));
    if let (ExprKind::Selector(selector), ValueType::Matrix) = (&expr.bare().kind, expr.value_type()) {
        let value = Value::Matrix(eval.raw(expr.bare(), selector, at)?);
        return Ok(Answer { value, warnings: eval.warnings.into_iter().collect() });
    }
    let value = match eval.at(expr, at)? {
        Rows::Scalar(value) => Value::Scalar(Point { at, value }),
        Rows::String(text) => Value::String(text),
        Rows::Vector(rows) => Value::Vector(rows.iter().map(|(set, value)| Sample { labels: eval.sets.texts(*set), at, value: *value }).collect()),
    };
    Ok(Answer { value, warnings: eval.warnings.into_iter().collect() })
}

/// The query's value at `start`, `start + step`, … up to `end`: always a matrix, sorted by labels.
pub fn query_range(store: &Store, expr: &Expr, start: i64, end: i64, step: i64, options: &Options) -> Result<Answer, Error> {
    let whole = expr.span;
    if matches!(expr.value_type(), ValueType::Matrix | ValueType::String) {
        return Err(Error::at(
            whole,
            format!("a query over a range of time gives a scalar or an instant vector at each step, not a {}", expr.value_type().name()),
        ));
    }
    if step <= 0 || end < start {
        return Err(Error::at(whole, "the step must be longer than 0 and the end not before the start"));
    }
    if (end - start) / step > STEPS {
        return Err(Error::at(whole, format!("more than {STEPS} steps; take a longer step")));
    }
    let mut eval = Evaluator::new(store, options, (start, end));
    let mut tracks: FxHashMap<Set, Vec<Point>> = FxHashMap::default();
    let mut at = start;
    while at <= end {
        match eval.at(expr, at)? {
            Rows::Scalar(value) => tracks.entry(Sets::EMPTY).or_default().push(Point { at, value }),
            Rows::String(_) => {}
            Rows::Vector(rows) => {
                for (set, value) in rows {
                    tracks.entry(set).or_default().push(Point { at, value });
                }
            }
        }
        at += step;
    }
    let mut order: Vec<(Set, f64)> = tracks.keys().map(|set| (*set, 0.0)).collect();
    eval.sets.sort(&mut order);
    let points = order.into_iter().map(|(set, _)| Track { labels: eval.sets.texts(set), points: tracks.remove(&set).unwrap_or_default() });
    Ok(Answer { value: Value::Matrix(points.collect()), warnings: eval.warnings.into_iter().collect() })
}

fn is_sorted_by_value(expr: &Expr) -> bool {
    use super::ast::Aggregator::{Bottomk, Topk};
    match &expr.bare().kind {
        ExprKind::Call { function, .. } => matches!(function.name, "sort" | "sort_desc"),
        ExprKind::Aggregate { op, .. } => matches!(op, Topk | Bottomk),
        _ => false,
    }
}

pub(super) type Row = (Set, f64);

pub(super) enum Rows {
    Scalar(f64),
    String(String),
    Vector(Vec<Row>),
}

/// Nodes are told apart by their place in memory: the tree does not move while it is evaluated.
type Node = usize;

fn node(expr: &Expr) -> Node {
    std::ptr::from_ref(expr) as Node
}

pub(super) struct Evaluator<'s> {
    store: &'s Store,
    options: &'s Options,
    /// Start and end of the query, for `@ start()`.
    ends: (i64, i64),
    pub sets: Sets<'s>,
    /// What each selector selects: found once a query.
    selected: FxHashMap<Node, Arc<[(SeriesId, Set)]>>,
    /// What an operation makes of a label set: worked out once a query.
    memo: FxHashMap<(Node, u8, Set), Set>,
    samples: usize,
    pub warnings: BTreeSet<String>,
}

impl<'s> Evaluator<'s> {
    fn new(store: &'s Store, options: &'s Options, ends: (i64, i64)) -> Self {
        Evaluator {
            store,
            options,
            ends,
            sets: Sets::new(store.symbols()),
            selected: FxHashMap::default(),
            memo: FxHashMap::default(),
            samples: 0,
            warnings: BTreeSet::new(),
        }
    }

    fn at(&mut self, expr: &Expr, at: i64) -> Result<Rows, Error> {
        Ok(match &expr.kind {
            ExprKind::Number(n) => Rows::Scalar(*n),
            ExprKind::String(text) => Rows::String(text.clone()),
            ExprKind::Paren(inner) => self.at(inner, at)?,
            ExprKind::Selector(selector) => Rows::Vector(self.instant(expr, selector, at)?.into_iter().map(|(set, p)| (set, p.value)).collect()),
            ExprKind::Negate(inner) => match self.at(inner, at)? {
                Rows::Vector(rows) => Rows::Vector(self.map_unnamed(expr, rows, |v| -v)?),
                Rows::Scalar(n) => Rows::Scalar(-n),
                text => text,
            },
            ExprKind::Binary { op, left, right, matching } => {
                let left = self.at(left, at)?;
                let right = self.at(right, at)?;
                self.binary(expr, *op, left, right, matching)?
            }
            ExprKind::Aggregate { op, of, parameter, grouping } => {
                let parameter = parameter.as_ref().map(|p| self.at(p, at)).transpose()?;
                let rows = self.vector(of, at)?;
                Rows::Vector(self.aggregate(expr, *op, rows, parameter, grouping)?)
            }
            ExprKind::Call { function, arguments } => self.call(expr, function, arguments, at)?,
        })
    }

    fn vector(&mut self, expr: &Expr, at: i64) -> Result<Vec<Row>, Error> {
        match self.at(expr, at)? {
            Rows::Vector(rows) => Ok(rows),
            _ => Err(Error::at(expr.span, "an instant vector must stand here")),
        }
    }

    fn scalar(&mut self, expr: &Expr, at: i64) -> Result<f64, Error> {
        match self.at(expr, at)? {
            Rows::Scalar(n) => Ok(n),
            _ => Err(Error::at(expr.span, "a scalar must stand here")),
        }
    }

    fn charge(&mut self, samples: usize, span: Span) -> Result<(), Error> {
        self.samples += samples;
        if self.samples > self.options.samples {
            return Err(Error::at(span, format!("the query touches more than {} samples", self.options.samples)));
        }
        Ok(())
    }

    fn selected(&mut self, expr: &Expr, selector: &Selector) -> Arc<[(SeriesId, Set)]> {
        if let Some(known) = self.selected.get(&node(expr)) {
            return known.clone();
        }
        let store = self.store;
        let ids = store.select(&selector.matchers);
        let found: Arc<[(SeriesId, Set)]> = ids.into_iter().filter_map(|id| store.get(id).map(|s| (id, self.sets.add(s.labels.to_vec())))).collect();
        self.selected.insert(node(expr), found.clone());
        found
    }

    /// The time at which a selector looks when the query's is `at`.
    fn moment(&self, selector: &Selector, at: i64) -> i64 {
        let at = match selector.at {
            None => at,
            Some(At::Time(time)) => time,
            Some(At::Start) => self.ends.0,
            Some(At::End) => self.ends.1,
        };
        at.saturating_sub(selector.offset)
    }

    /// The first time of the window of `length` that ends at `end`.
    fn opens(&self, end: i64, length: i64) -> i64 {
        let start = end.saturating_sub(length);
        match self.options.rules {
            Rules::Prometheus2 => start,
            Rules::Prometheus3 => start.saturating_add(1),
        }
    }

    /// The current sample of each selected series.
    fn instant(&mut self, expr: &Expr, selector: &Selector, at: i64) -> Result<Vec<(Set, Point)>, Error> {
        let selected = self.selected(expr, selector);
        let end = self.moment(selector, at);
        let mut rows = Vec::with_capacity(selected.len());
        let mut rates = 0_usize;
        for (id, set) in selected.iter() {
            match self.store.get(*id).map(|s| &s.data) {
                Some(Data::Points(points)) => {
                    let opens = self.opens(end, self.options.lookback);
                    if let Some(point) = points.at(end).filter(|p| p.at >= opens && !is_stale(p.value)) {
                        rows.push((*set, point));
                    }
                }
                Some(Data::Rate(_)) => rates += 1,
                None => {}
            }
        }
        if rates > 0 {
            self.warn_of_rates(rates);
        }
        self.charge(rows.len(), expr.span)?;
        Ok(rows)
    }

    fn warn_of_rates(&mut self, count: usize) {
        self.warnings.insert(format!("{count} series are known by their rate alone: `rate`, `irate` and `increase` answer for them, nothing else"));
    }

    fn raw(&mut self, expr: &Expr, selector: &Selector, at: i64) -> Result<Vec<Track>, Error> {
        let selected = self.selected(expr, selector);
        let (end, range) = (self.moment(selector, at), selector.range.unwrap_or(0));
        let mut order: Vec<Row> = Vec::new();
        let mut found: FxHashMap<Set, Vec<Point>> = FxHashMap::default();
        let (mut rates, mut room) = (0_usize, Vec::new());
        for (id, set) in selected.iter() {
            match self.store.get(*id).map(|s| &s.data) {
                Some(Data::Points(points)) => {
                    let points: Vec<Point> = points.between(self.opens(end, range), end, &mut room).iter().copied().filter(|p| !is_stale(p.value)).collect();
                    if !points.is_empty() {
                        self.charge(points.len(), expr.span)?;
                        order.push((*set, 0.0));
                        found.insert(*set, points);
                    }
                }
                Some(Data::Rate(_)) => rates += 1,
                None => {}
            }
        }
        if rates > 0 {
            self.warn_of_rates(rates);
        }
        self.sets.sort(&mut order);
        Ok(order.into_iter().map(|(set, _)| Track { labels: self.sets.texts(set), points: found.remove(&set).unwrap_or_default() }).collect())
    }

    /// A label set as an operation changes it; `part` tells operations of one node apart.
    fn changed(&mut self, expr: &Expr, part: u8, set: Set, change: impl FnOnce(&mut Sets<'s>, Set) -> Set) -> Set {
        if let Some(known) = self.memo.get(&(node(expr), part, set)) {
            return *known;
        }
        let new = change(&mut self.sets, set);
        self.memo.insert((node(expr), part, set), new);
        new
    }

    fn unnamed(&mut self, expr: &Expr, set: Set) -> Set {
        self.changed(expr, 0, set, Sets::without_name)
    }

    /// Applies a function to each value, and drops the metric's name.
    fn map_unnamed(&mut self, expr: &Expr, rows: Vec<Row>, f: impl Fn(f64) -> f64) -> Result<Vec<Row>, Error> {
        let rows = rows.into_iter().map(|(set, value)| (self.unnamed(expr, set), f(value))).collect();
        self.unique(expr, rows)
    }

    /// Refuses a vector in which two elements have the same labels.
    fn unique(&self, expr: &Expr, rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        let mut seen = rustc_hash::FxHashSet::default();
        match rows.iter().find(|(set, _)| !seen.insert(*set)) {
            None => Ok(rows),
            Some((set, _)) => Err(Error::at(expr.span, format!("two elements of the result have the same labels: {}", self.sets.show(*set)))),
        }
    }
}
