//! Functions over the samples of a range. Each takes samples in time order, and gives nothing where there are too few.

use super::Rules;
use crate::series::Point;

/// A window: its samples, its end and its length in milliseconds.
pub(super) struct Window<'p> {
    pub points: &'p [Point],
    pub end: i64,
    pub length: i64,
    pub rules: Rules,
}

/// What `rate`, `increase` and `delta` have apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Rate,
    Increase,
    Delta,
}

/// The change over the window, extrapolated to its borders: where the samples reach near to a border (1.1 times their mean
/// distance) it is taken to have gone on to it, else for half that distance; a counter is never taken below zero.
pub(super) fn extrapolated(window: &Window<'_>, change: Change) -> Option<f64> {
    let points = window.points;
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < 2 {
        return None;
    }
    let is_counter = change != Change::Delta;
    let mut result = last.value - first.value;
    if is_counter {
        result += points.windows(2).filter(|w| w[1].value < w[0].value).map(|w| w[0].value).sum::<f64>();
    }
    let seconds = |milliseconds: i64| milliseconds as f64 / 1000.0;
    let mut to_start = seconds(first.at - (window.end - window.length));
    let mut to_end = seconds(window.end - last.at);
    let sampled = seconds(last.at - first.at);
    let distance = sampled / (points.len() - 1) as f64;
    let near = distance * 1.1;
    let to_zero = if is_counter && result > 0.0 && first.value >= 0.0 { sampled * (first.value / result) } else { f64::INFINITY };
    if window.rules == Rules::Prometheus2 {
        // There the border at zero came first, and a near one was near.
        to_start = to_start.min(to_zero);
    }
    if to_start >= near {
        to_start = distance / 2.0;
    }
    to_start = to_start.min(to_zero);
    if to_end >= near {
        to_end = distance / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if change == Change::Rate {
        factor /= seconds(window.length);
    }
    Some(result * factor)
}

/// `irate` and `idelta`: of the last two samples.
pub(super) fn instant(window: &Window<'_>, change: Change) -> Option<f64> {
    let [.., before, last] = window.points else { return None };
    let is_reset = change == Change::Rate && last.value < before.value;
    let difference = if is_reset { last.value } else { last.value - before.value };
    match change {
        Change::Rate => Some(difference / ((last.at - before.at) as f64 / 1000.0)),
        _ => Some(difference),
    }
}

/// A sum that keeps what single additions lose (Neumaier's).
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub fn add(&mut self, value: f64) {
        let next = self.total + value;
        if next.is_infinite() {
            self.lost = 0.0;
        } else if self.total.abs() >= value.abs() {
            self.lost += (self.total - next) + value;
        } else {
            self.lost += (value - next) + self.total;
        }
        self.total = next;
    }

    pub fn value(self) -> f64 {
        if self.total.is_infinite() { self.total } else { self.total + self.lost }
    }
}

pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = Sum::default();
    values.for_each(|v| sum.add(v));
    sum.value()
}

/// Population variance.
pub(super) fn variance(values: &[f64]) -> f64 {
    let mut mean = 0.0;
    let mut squares = 0.0;
    for (index, value) in values.iter().enumerate() {
        let delta = value - mean;
        mean += delta / (index + 1) as f64;
        squares += delta * (value - mean);
    }
    squares / values.len() as f64
}

/// The φ-quantile, linear between neighbours; ±Inf for φ outside of 0…1.
pub(super) fn quantile(phi: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || phi.is_nan() {
        return f64::NAN;
    }
    if phi < 0.0 {
        return f64::NEG_INFINITY;
    }
    if phi > 1.0 {
        return f64::INFINITY;
    }
    // NaN is the smallest.
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    let rank = phi * (values.len() - 1) as f64;
    let low = rank.floor() as usize;
    let high = (low + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[low] * (1.0 - weight) + values[high] * weight
}

/// The greater of the two; NaN loses against everything.
pub(super) fn greater(a: f64, b: f64) -> f64 {
    if b > a || a.is_nan() { b } else { a }
}

pub(super) fn smaller(a: f64, b: f64) -> f64 {
    if b < a || a.is_nan() { b } else { a }
}
