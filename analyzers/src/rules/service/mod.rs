//! Services and the workloads behind them.

use crate::rule::Rule;

pub const RULES: &[Rule] = &[];
