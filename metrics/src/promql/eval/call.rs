//! Functions.

use super::aggregate::{average, by_value};
use super::range::{self, Change, Window, greater, smaller};
use super::sets::{Set, Sets};
use super::{Evaluator, Row, Rows, histogram};
use crate::promql::Error;
use crate::promql::ast::{Expr, ExprKind, Selector};
use crate::promql::functions::Function;
use crate::series::{Data, NAME, Op, Point, anchored, is_stale};
use rustc_hash::FxHashMap;

/// A label's name, as `label_replace` takes it.
pub(super) fn is_label(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A number as Prometheus writes it: the shortest decimal that reads back, without exponent; `NaN`, `+Inf`, `-Inf`.
pub fn value_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

impl Evaluator<'_> {
    pub(super) fn call(&mut self, expr: &Expr, function: &'static Function, arguments: &[Expr], at: i64) -> Result<Rows, Error> {
        let vector = |e: &mut Self, index: usize| e.vector(&arguments[index], at);
        let rows = match function.name {
            "time" => return Ok(Rows::Scalar(at as f64 / 1000.0)),
            "pi" => return Ok(Rows::Scalar(std::f64::consts::PI)),
            "scalar" => {
                let rows = vector(self, 0)?;
                return Ok(Rows::Scalar(if let [(_, value)] = rows.as_slice() { *value } else { f64::NAN }));
            }
            "vector" => vec![(Sets::EMPTY, self.scalar(&arguments[0], at)?)],
            "timestamp" => self.timestamps(expr, &arguments[0], at)?,
            "absent" => {
                if vector(self, 0)?.is_empty() {
                    vec![(self.absent_labels(&arguments[0]), 1.0)]
                } else {
                    Vec::new()
                }
            }
            "sort" | "sort_desc" => {
                let mut rows = vector(self, 0)?;
                self.sets.sort(&mut rows);
                let is_ascending = function.name == "sort";
                rows.sort_by(|a, b| {
                    let order = by_value(a.1, b.1);
                    if is_ascending || a.1.is_nan() || b.1.is_nan() { order } else { order.reverse() }
                });
                rows
            }
            "abs" => self.each(expr, arguments, at, f64::abs)?,
            "ceil" => self.each(expr, arguments, at, f64::ceil)?,
            "floor" => self.each(expr, arguments, at, f64::floor)?,
            "exp" => self.each(expr, arguments, at, f64::exp)?,
            "ln" => self.each(expr, arguments, at, f64::ln)?,
            "log2" => self.each(expr, arguments, at, f64::log2)?,
            "log10" => self.each(expr, arguments, at, f64::log10)?,
            "sqrt" => self.each(expr, arguments, at, f64::sqrt)?,
            "sgn" => self.each(expr, arguments, at, |v| if v == 0.0 || v.is_nan() { v } else { v.signum() })?,
            "round" => {
                let nearest = if arguments.len() > 1 { self.scalar(&arguments[1], at)? } else { 1.0 };
                // Ties go up; the inverse is what Prometheus divides by.
                let inverse = 1.0 / nearest;
                self.each(expr, arguments, at, |v| (v * inverse + 0.5).floor() / inverse)?
            }
            "clamp" => {
                let (low, high) = (self.scalar(&arguments[1], at)?, self.scalar(&arguments[2], at)?);
                if low > high { Vec::new() } else { self.each(expr, arguments, at, |v| clamp(v, low, high))? }
            }
            "clamp_min" => {
                let low = self.scalar(&arguments[1], at)?;
                self.each(expr, arguments, at, |v| clamp(v, low, f64::INFINITY))?
            }
            "clamp_max" => {
                let high = self.scalar(&arguments[1], at)?;
                self.each(expr, arguments, at, |v| clamp(v, f64::NEG_INFINITY, high))?
            }
            "histogram_quantile" => {
                let phi = self.scalar(&arguments[0], at)?;
                let rows = vector(self, 1)?;
                self.histogram_quantile(expr, phi, rows)
            }
            "label_replace" => self.label_replace(expr, arguments, at)?,
            "label_join" => self.label_join(expr, arguments, at)?,
            _ => self.over_range(expr, function, arguments, at)?,
        };
        Ok(Rows::Vector(rows))
    }

    fn each(&mut self, expr: &Expr, arguments: &[Expr], at: i64, f: impl Fn(f64) -> f64) -> Result<Vec<Row>, Error> {
        let rows = self.vector(&arguments[0], at)?;
        self.map_unnamed(expr, rows, f)
    }

    fn timestamps(&mut self, expr: &Expr, of: &Expr, at: i64) -> Result<Vec<Row>, Error> {
        let rows: Vec<Row> = match &of.bare().kind {
            ExprKind::Selector(selector) => self.instant(of.bare(), selector, at)?.into_iter().map(|(set, p)| (set, p.at as f64 / 1000.0)).collect(),
            _ => self.vector(of, at)?.into_iter().map(|(set, _)| (set, at as f64 / 1000.0)).collect(),
        };
        self.map_unnamed(expr, rows, |v| v)
    }

    /// The labels that a selector gives by `=`, each once: all that is known of what is absent.
    fn absent_labels(&mut self, of: &Expr) -> Set {
        let ExprKind::Selector(Selector { matchers, .. }) = &of.bare().kind else { return Sets::EMPTY };
        let mut set = Sets::EMPTY;
        for matcher in matchers.iter().filter(|m| m.op == Op::Equal && m.name != NAME) {
            if matchers.iter().filter(|m| m.name == matcher.name).count() == 1 {
                set = self.sets.with(set, &matcher.name, &matcher.value);
            }
        }
        set
    }

    fn histogram_quantile(&mut self, expr: &Expr, phi: f64, rows: Vec<Row>) -> Vec<Row> {
        let mut index: FxHashMap<Set, usize> = FxHashMap::default();
        let mut groups: Vec<(Set, Vec<histogram::Bucket>)> = Vec::new();
        for (set, value) in rows {
            let Ok(bound) = self.sets.get(set, "le").parse::<f64>() else {
                let name = self.sets.get(set, NAME).to_owned();
                self.warnings.insert(format!("`histogram_quantile`: an element of `{name}` has no number in its label `le`; it is left out"));
                continue;
            };
            let group = self.changed(expr, 0, set, |sets, set| {
                let set = sets.without_name(set);
                sets.without(set, "le")
            });
            let at = *index.entry(group).or_insert_with(|| {
                groups.push((group, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push((bound, value));
        }
        groups.into_iter().map(|(group, buckets)| (group, histogram::quantile(phi, buckets))).collect()
    }

    fn text<'e>(&self, argument: &'e Expr) -> Result<&'e str, Error> {
        match &argument.bare().kind {
            ExprKind::String(text) => Ok(text),
            _ => Err(Error::at(argument.span, "a string must stand here")),
        }
    }

    fn label_name<'e>(&self, argument: &'e Expr) -> Result<&'e str, Error> {
        let name = self.text(argument)?;
        if is_label(name) { Ok(name) } else { Err(Error::at(argument.span, format!("`{}` is no label's name", name.escape_default()))) }
    }

    fn label_replace(&mut self, expr: &Expr, arguments: &[Expr], at: i64) -> Result<Vec<Row>, Error> {
        let rows = self.vector(&arguments[0], at)?;
        let target = self.label_name(&arguments[1])?;
        let replacement = self.text(&arguments[2])?;
        let source = self.text(&arguments[3])?;
        let regex = anchored(self.text(&arguments[4])?).map_err(|e| Error::at(arguments[4].span, format!("not a regular expression: {e}")))?;
        let mut out = Vec::with_capacity(rows.len());
        for (set, value) in rows {
            let new = self.changed(expr, 0, set, |sets, set| {
                let text = sets.get(set, source);
                let Some(captures) = regex.captures(text) else { return set };
                let mut expanded = String::new();
                captures.expand(replacement, &mut expanded);
                sets.with(set, target, &expanded)
            });
            out.push((new, value));
        }
        self.unique(expr, out)
    }

    fn label_join(&mut self, expr: &Expr, arguments: &[Expr], at: i64) -> Result<Vec<Row>, Error> {
        let rows = self.vector(&arguments[0], at)?;
        let target = self.label_name(&arguments[1])?;
        let separator = self.text(&arguments[2])?;
        let sources = arguments[3..].iter().map(|a| self.text(a)).collect::<Result<Vec<&str>, Error>>()?;
        let mut out = Vec::with_capacity(rows.len());
        for (set, value) in rows {
            let new = self.changed(expr, 0, set, |sets, set| {
                let joined = sources.iter().map(|s| sets.get(set, s)).collect::<Vec<_>>().join(separator);
                sets.with(set, target, &joined)
            });
            out.push((new, value));
        }
        self.unique(expr, out)
    }

    /// Functions of a range vector: one value a series that has enough samples.
    fn over_range(&mut self, expr: &Expr, function: &'static Function, arguments: &[Expr], at: i64) -> Result<Vec<Row>, Error> {
        let phi = if function.name == "quantile_over_time" { self.scalar(&arguments[0], at)? } else { 0.0 };
        let Some(argument) = arguments.last() else { return Err(Error::at(expr.span, "a range vector must be given")) };
        let ExprKind::Selector(selector @ Selector { range: Some(length), .. }) = &argument.bare().kind else {
            return Err(Error::at(argument.span, "a selector with a range must stand here"));
        };
        let selected = self.selected(argument.bare(), selector);
        let end = self.moment(selector, at);
        // `last_over_time` gives a sample as it is, with its name.
        let keeps_name = function.name == "last_over_time";
        let mut out = Vec::with_capacity(selected.len());
        let (mut fresh, mut room): (Vec<Point>, Vec<Point>) = (Vec::new(), Vec::new());
        let opens = self.opens(end, *length);
        let mut rates = 0_usize;
        for (id, set) in selected.iter() {
            let value = match self.store.get(*id).map(|s| &s.data) {
                Some(Data::Points(points)) => {
                    let mut points = points.between(opens, end, &mut room);
                    if points.iter().any(|p| is_stale(p.value)) {
                        fresh.clear();
                        fresh.extend(points.iter().copied().filter(|p| !is_stale(p.value)));
                        points = &fresh;
                    }
                    let count = points.len();
                    let value = if points.is_empty() {
                        None
                    } else {
                        over_points(function.name, &Window { points, end, length: *length, rules: self.options.rules }, phi)
                    };
                    self.charge(count, expr.span)?;
                    value
                }
                Some(Data::Rate(rate)) => match function.name {
                    "rate" | "irate" => Some(*rate),
                    "increase" => Some(*rate * (*length as f64 / 1000.0)),
                    _ => {
                        rates += 1;
                        None
                    }
                },
                None => None,
            };
            if let Some(value) = value {
                out.push((if keeps_name { *set } else { self.unnamed(expr, *set) }, value));
            }
        }
        if rates > 0 {
            self.warn_of_rates(rates);
        }
        if function.name == "absent_over_time" {
            return Ok(if out.is_empty() { vec![(self.absent_labels(argument), 1.0)] } else { Vec::new() });
        }
        self.unique(expr, out)
    }
}

fn clamp(value: f64, low: f64, high: f64) -> f64 {
    if low.is_nan() || high.is_nan() || value.is_nan() { f64::NAN } else { value.min(high).max(low) }
}

fn over_points(name: &str, window: &Window<'_>, phi: f64) -> Option<f64> {
    let points = window.points;
    let values = || points.iter().map(|p| p.value);
    Some(match name {
        "rate" => range::extrapolated(window, Change::Rate)?,
        "increase" => range::extrapolated(window, Change::Increase)?,
        "delta" => range::extrapolated(window, Change::Delta)?,
        "irate" => range::instant(window, Change::Rate)?,
        "idelta" => range::instant(window, Change::Delta)?,
        "changes" => points.windows(2).filter(|w| w[0].value != w[1].value && !(w[0].value.is_nan() && w[1].value.is_nan())).count() as f64,
        "resets" => points.windows(2).filter(|w| w[1].value < w[0].value).count() as f64,
        "sum_over_time" => range::sum(values()),
        "avg_over_time" => average(&values().collect::<Vec<_>>()),
        "max_over_time" => values().reduce(greater)?,
        "min_over_time" => values().reduce(smaller)?,
        "count_over_time" => points.len() as f64,
        "last_over_time" => points.last()?.value,
        "present_over_time" | "absent_over_time" => 1.0,
        "stddev_over_time" => range::variance(&values().collect::<Vec<_>>()).sqrt(),
        "stdvar_over_time" => range::variance(&values().collect::<Vec<_>>()),
        "quantile_over_time" => range::quantile(phi, &mut values().collect::<Vec<_>>()),
        _ => return None,
    })
}
