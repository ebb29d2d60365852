//! What controllers wrote into the status of objects.

use crate::codes::IST0171;
use crate::rule::Rule;

mod negative_condition;

pub const RULES: &[Rule] = &[Rule { name: "negative-condition", codes: &[&IST0171], analyzer: "conditions.ConditionAnalyzer", run: negative_condition::run }];
