//! Operators between scalars and vectors.

use super::sets::{Set, Sets};
use super::{Evaluator, Row, Rows};
use crate::promql::Error;
use crate::promql::ast::{BinaryOp, Cardinality, Comparison, Expr, Grouping, Matching, Side};
use crate::series::NAME;
use rustc_hash::{FxHashMap, FxHashSet};

/// Parts of a node's memo.
const SIGNATURE: u8 = 1;
const RESULT: u8 = 2;

fn arithmetic(op: BinaryOp, a: f64, b: f64) -> f64 {
    use BinaryOp::*;
    match op {
        Add => a + b,
        Subtract => a - b,
        Multiply => a * b,
        Divide => a / b,
        Modulo => a % b,
        Power => a.powf(b),
        Atan2 => a.atan2(b),
        _ => f64::from(u8::from(compares(op, a, b))),
    }
}

fn compares(op: BinaryOp, a: f64, b: f64) -> bool {
    use BinaryOp::*;
    match op {
        Equal => a == b,
        NotEqual => a != b,
        Less => a < b,
        LessEqual => a <= b,
        Greater => a > b,
        GreaterEqual => a >= b,
        _ => false,
    }
}

/// What a pair gives: a value, or nothing where a filter is not fulfilled. A filter keeps the vector's own value.
fn outcome(op: BinaryOp, result: Comparison, a: f64, b: f64, kept: f64) -> Option<f64> {
    if op.is_comparison() && result == Comparison::Filter { compares(op, a, b).then_some(kept) } else { Some(arithmetic(op, a, b)) }
}

impl Evaluator<'_> {
    pub(super) fn binary(&mut self, expr: &Expr, op: BinaryOp, left: Rows, right: Rows, matching: &Matching) -> Result<Rows, Error> {
        Ok(match (left, right) {
            (Rows::Scalar(a), Rows::Scalar(b)) => Rows::Scalar(arithmetic(op, a, b)),
            (Rows::Vector(rows), Rows::Scalar(b)) => Rows::Vector(self.with_scalar(expr, op, matching, rows, |v| (v, b))?),
            (Rows::Scalar(a), Rows::Vector(rows)) => Rows::Vector(self.with_scalar(expr, op, matching, rows, |v| (a, v))?),
            (Rows::Vector(left), Rows::Vector(right)) if op.is_set() => Rows::Vector(self.set_operation(expr, op, left, right, matching)),
            (Rows::Vector(left), Rows::Vector(right)) => Rows::Vector(self.matched(expr, op, left, right, matching)?),
            _ => return Err(Error::at(expr.span, "an operator takes scalars and instant vectors")),
        })
    }

    fn with_scalar(&mut self, expr: &Expr, op: BinaryOp, matching: &Matching, rows: Vec<Row>, sides: impl Fn(f64) -> (f64, f64)) -> Result<Vec<Row>, Error> {
        let keeps_name = op.is_comparison() && matching.result == Comparison::Filter;
        let mut out = Vec::with_capacity(rows.len());
        for (set, value) in rows {
            let (a, b) = sides(value);
            if let Some(value) = outcome(op, matching.result, a, b, value) {
                out.push((if keeps_name { set } else { self.unnamed(expr, set) }, value));
            }
        }
        if keeps_name { Ok(out) } else { self.unique(expr, out) }
    }

    fn signature(&mut self, expr: &Expr, set: Set, labels: &Grouping) -> Set {
        self.changed(expr, SIGNATURE, set, |sets, set| sets.group(set, labels))
    }

    fn set_operation(&mut self, expr: &Expr, op: BinaryOp, left: Vec<Row>, right: Vec<Row>, matching: &Matching) -> Vec<Row> {
        let mut signatures = |rows: &[Row]| -> FxHashSet<Set> { rows.iter().map(|(set, _)| self.signature(expr, *set, &matching.labels)).collect() };
        if op == BinaryOp::Or {
            let there = signatures(&left);
            let added: Vec<Row> = right.into_iter().filter(|(set, _)| !there.contains(&self.signature(expr, *set, &matching.labels))).collect();
            return left.into_iter().chain(added).collect();
        }
        let there = signatures(&right);
        let wanted = op == BinaryOp::And;
        left.into_iter().filter(|(set, _)| there.contains(&self.signature(expr, *set, &matching.labels)) == wanted).collect()
    }

    fn matched(&mut self, expr: &Expr, op: BinaryOp, left: Vec<Row>, right: Vec<Row>, matching: &Matching) -> Result<Vec<Row>, Error> {
        // The many are walked, the one side is looked up.
        let is_swapped = matching.cardinality == Cardinality::Many(Side::Right);
        let (many, one) = if is_swapped { (right, left) } else { (left, right) };
        if many.is_empty() || one.is_empty() {
            return Ok(Vec::new());
        }
        let side = |is_swapped: bool| if is_swapped { "left" } else { "right" };
        let mut by_signature: FxHashMap<Set, Row> = FxHashMap::default();
        for row in &one {
            let signature = self.signature(expr, row.0, &matching.labels);
            if let Some(other) = by_signature.insert(signature, *row) {
                let message = format!(
                    "several elements on the {} side match the group {}: {} and {}; matching many to many is not possible, `on` or `ignoring` must tell them apart",
                    side(is_swapped),
                    self.sets.show(signature),
                    self.sets.show(other.0),
                    self.sets.show(row.0)
                );
                return Err(Error::at(expr.span, message));
            }
        }
        let mut taken: FxHashSet<(Set, Set)> = FxHashSet::default();
        let mut out = Vec::with_capacity(many.len());
        for (set, value) in many {
            let signature = self.signature(expr, set, &matching.labels);
            let Some((other, other_value)) = by_signature.get(&signature).copied() else { continue };
            let (a, b) = if is_swapped { (other_value, value) } else { (value, other_value) };
            // A filter keeps the left side's value, on whichever side the many are.
            let Some(result) = outcome(op, matching.result, a, b, a) else { continue };
            let labels = self.result_labels(expr, op, matching, set, other);
            let is_one = matching.cardinality == Cardinality::OneToOne;
            if !taken.insert(if is_one { (signature, 0) } else { (signature, labels) }) {
                let message = if is_one {
                    format!("several elements on the left side match the group {}; `group_left` says that this is meant", self.sets.show(signature))
                } else {
                    format!("two elements of the result have the same labels: {}", self.sets.show(labels))
                };
                return Err(Error::at(expr.span, message));
            }
            out.push((labels, result));
        }
        Ok(out)
    }

    fn result_labels(&mut self, expr: &Expr, op: BinaryOp, matching: &Matching, set: Set, other: Set) -> Set {
        let keeps_name = op.is_comparison() && matching.result == Comparison::Filter;
        let base = |sets: &mut Sets<'_>, set: Set| {
            let set = if keeps_name { set } else { sets.without_name(set) };
            match (&matching.cardinality, &matching.labels) {
                (Cardinality::OneToOne, Grouping::By(_)) => sets.group(set, &matching.labels),
                (Cardinality::OneToOne, Grouping::Without(labels)) => labels.iter().fold(set, |set, label| sets.without(set, label)),
                _ => set,
            }
        };
        let mut result = self.changed(expr, RESULT, set, base);
        for label in &matching.include {
            let value = self.sets.get(other, label).to_owned();
            if label != NAME || keeps_name {
                result = self.sets.with(result, label, &value);
            }
        }
        result
    }
}
