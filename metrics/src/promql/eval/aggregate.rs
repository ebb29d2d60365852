//! Aggregations.

use super::range::{Sum, greater, quantile, smaller, variance};
use super::sets::Set;
use super::{Evaluator, Row, Rows};
use crate::promql::Error;
use crate::promql::ast::{Aggregator, Expr, Grouping};
use rustc_hash::FxHashMap;
use std::cmp::Ordering;

impl Evaluator<'_> {
    /// Groups in the order in which they first occur.
    fn groups(&mut self, expr: &Expr, rows: &[Row], grouping: &Grouping) -> Vec<(Set, Vec<Row>)> {
        let mut index: FxHashMap<Set, usize> = FxHashMap::default();
        let mut groups: Vec<(Set, Vec<Row>)> = Vec::new();
        for row in rows {
            let group = self.changed(expr, 0, row.0, |sets, set| sets.group(set, grouping));
            let at = *index.entry(group).or_insert_with(|| {
                groups.push((group, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(*row);
        }
        groups
    }

    pub(super) fn aggregate(&mut self, expr: &Expr, op: Aggregator, rows: Vec<Row>, parameter: Option<Rows>, grouping: &Grouping) -> Result<Vec<Row>, Error> {
        let number = if let Some(Rows::Scalar(n)) = parameter { n } else { f64::NAN };
        if let (Aggregator::CountValues, Some(Rows::String(label))) = (op, &parameter) {
            return self.count_values(expr, rows, label, grouping);
        }
        let groups = self.groups(expr, &rows, grouping);
        let mut out = Vec::with_capacity(groups.len());
        for (group, rows) in groups {
            let mut values: Vec<f64> = rows.iter().map(|(_, v)| *v).collect();
            let value = match op {
                Aggregator::Sum => sum(&values),
                Aggregator::Avg => average(&values),
                Aggregator::Max => values.into_iter().reduce(greater).unwrap_or(f64::NAN),
                Aggregator::Min => values.into_iter().reduce(smaller).unwrap_or(f64::NAN),
                Aggregator::Count => values.len() as f64,
                Aggregator::Group => 1.0,
                Aggregator::Stddev => variance(&values).sqrt(),
                Aggregator::Stdvar => variance(&values),
                Aggregator::Quantile => quantile(number, &mut values),
                Aggregator::Topk | Aggregator::Bottomk => {
                    out.extend(self.best(expr, op, rows, number)?);
                    continue;
                }
                Aggregator::CountValues => continue,
            };
            out.push((group, value));
        }
        Ok(out)
    }

    /// `topk` and `bottomk`: the best first; equal values in the order of their labels; NaN is the worst.
    fn best(&self, expr: &Expr, op: Aggregator, mut rows: Vec<Row>, count: f64) -> Result<Vec<Row>, Error> {
        if count.is_nan() {
            return Err(Error::at(expr.span, "the count is NaN"));
        }
        let count = if count < 1.0 { 0 } else { count.min(u32::MAX as f64) as usize };
        self.sets.sort(&mut rows);
        rows.sort_by(|a, b| {
            let by_value = a.1.partial_cmp(&b.1).map(|order| if op == Aggregator::Topk { order.reverse() } else { order });
            by_value.unwrap_or_else(|| a.1.is_nan().cmp(&b.1.is_nan()))
        });
        rows.truncate(count);
        Ok(rows)
    }

    fn count_values(&mut self, expr: &Expr, rows: Vec<Row>, label: &str, grouping: &Grouping) -> Result<Vec<Row>, Error> {
        if !super::call::is_label(label) {
            return Err(Error::at(expr.span, format!("`{}` is no label's name", label.escape_default())));
        }
        let mut counts: Vec<Row> = Vec::new();
        let mut index: FxHashMap<Set, usize> = FxHashMap::default();
        for (set, value) in rows {
            let group = self.changed(expr, 0, set, |sets, set| sets.group(set, grouping));
            let group = self.sets.with(group, label, &crate::promql::eval::call::value_text(value));
            let at = *index.entry(group).or_insert_with(|| {
                counts.push((group, 0.0));
                counts.len() - 1
            });
            counts[at].1 += 1.0;
        }
        Ok(counts)
    }
}

fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|v| sum.add(*v));
    sum.value()
}

/// The mean; where the sum is too large for a float, found step by step.
pub(super) fn average(values: &[f64]) -> f64 {
    let total = sum(values);
    if total.is_finite() || values.iter().any(|v| !v.is_finite()) {
        return total / values.len() as f64;
    }
    values.iter().enumerate().fold(0.0, |mean, (index, v)| {
        let n = (index + 1) as f64;
        mean + (v / n - mean / n)
    })
}

/// The order of `sort`: NaN last either way.
pub(super) fn by_value(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
