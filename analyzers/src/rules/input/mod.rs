//! Rules about the input itself.

use crate::codes;
use crate::rule::Rule;

mod duplicate_object;

pub const RULES: &[Rule] = &[Rule { name: "duplicate-object", codes: &[&codes::MSH0003], analyzer: "", run: duplicate_object::run }];
