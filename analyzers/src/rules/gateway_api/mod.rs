//! The Gateway API.

use crate::codes::IST0166;
use crate::rule::Rule;

mod ineffective_selector;

pub const RULES: &[Rule] =
    &[Rule { name: "ineffective-selector", codes: &[&IST0166], analyzer: "k8sgateway.SelectorAnalyzer", run: ineffective_selector::run }];
