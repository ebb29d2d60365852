//! The functions: their names, what they take and what they give. What they do is in `eval`.

use super::ast::ValueType;
use ValueType::{Matrix, Scalar, String, Vector};

#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub arguments: &'static [ValueType],
    /// How many of the arguments must be given; the last one may be repeated when `repeated` says so.
    pub least: usize,
    pub repeats: Repeats,
    pub result: ValueType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    No,
    LastArgument,
}

const fn function(name: &'static str, arguments: &'static [ValueType], result: ValueType) -> Function {
    Function { name, arguments, least: arguments.len(), repeats: Repeats::No, result }
}

const fn optional(name: &'static str, arguments: &'static [ValueType], least: usize, result: ValueType) -> Function {
    Function { name, arguments, least, repeats: Repeats::No, result }
}

/// Sorted by name.
pub(super) static FUNCTIONS: &[Function] = &[
    function("abs", &[Vector], Vector),
    function("absent", &[Vector], Vector),
    function("absent_over_time", &[Matrix], Vector),
    function("avg_over_time", &[Matrix], Vector),
    function("ceil", &[Vector], Vector),
    function("changes", &[Matrix], Vector),
    function("clamp", &[Vector, Scalar, Scalar], Vector),
    function("clamp_max", &[Vector, Scalar], Vector),
    function("clamp_min", &[Vector, Scalar], Vector),
    function("count_over_time", &[Matrix], Vector),
    function("delta", &[Matrix], Vector),
    function("exp", &[Vector], Vector),
    function("floor", &[Vector], Vector),
    function("histogram_quantile", &[Scalar, Vector], Vector),
    function("idelta", &[Matrix], Vector),
    function("increase", &[Matrix], Vector),
    function("irate", &[Matrix], Vector),
    Function { name: "label_join", arguments: &[Vector, String, String, String], least: 3, repeats: Repeats::LastArgument, result: Vector },
    function("label_replace", &[Vector, String, String, String, String], Vector),
    function("last_over_time", &[Matrix], Vector),
    function("ln", &[Vector], Vector),
    function("log10", &[Vector], Vector),
    function("log2", &[Vector], Vector),
    function("max_over_time", &[Matrix], Vector),
    function("min_over_time", &[Matrix], Vector),
    function("pi", &[], Scalar),
    function("present_over_time", &[Matrix], Vector),
    function("quantile_over_time", &[Scalar, Matrix], Vector),
    function("rate", &[Matrix], Vector),
    function("resets", &[Matrix], Vector),
    optional("round", &[Vector, Scalar], 1, Vector),
    function("scalar", &[Vector], Scalar),
    function("sgn", &[Vector], Vector),
    function("sort", &[Vector], Vector),
    function("sort_desc", &[Vector], Vector),
    function("sqrt", &[Vector], Vector),
    function("stddev_over_time", &[Matrix], Vector),
    function("stdvar_over_time", &[Matrix], Vector),
    function("sum_over_time", &[Matrix], Vector),
    function("time", &[], Scalar),
    function("timestamp", &[Vector], Vector),
    function("vector", &[Scalar], Vector),
];

/// Functions of Prometheus that are refused by name, so that they are not taken for misspelt ones.
pub(super) const UNSUPPORTED: &[&str] = &[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "deg",
    "deriv",
    "double_exponential_smoothing",
    "first_over_time",
    "histogram_avg",
    "histogram_count",
    "histogram_fraction",
    "histogram_quantiles",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "holt_winters",
    "hour",
    "info",
    "mad_over_time",
    "minute",
    "month",
    "predict_linear",
    "rad",
    "sin",
    "sinh",
    "sort_by_label",
    "sort_by_label_desc",
    "tan",
    "tanh",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "year",
];

pub(super) fn by_name(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_apart() {
        assert!(FUNCTIONS.is_sorted_by_key(|f| f.name) && UNSUPPORTED.is_sorted());
        assert!(UNSUPPORTED.iter().all(|n| by_name(n).is_none()));
    }
}
