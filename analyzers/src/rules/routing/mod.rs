//! Which requests a route can get.

use crate::codes::{MSH0101, MSH0102};
use crate::rule::Rule;

mod http_match;
mod shadowed_route;

pub const RULES: &[Rule] = &[Rule { name: "shadowed-route", codes: &[&MSH0101, &MSH0102], analyzer: "", run: shadowed_route::run }];
