//! Which requests a route can get.

use crate::codes::{MSH0101, MSH0102, MSH0103, MSH0104};
use crate::rule::Rule;

mod http_match;
mod merged_routes;
mod never_matches;
mod shadowed_route;

pub const RULES: &[Rule] = &[
    Rule { name: "shadowed-route", codes: &[&MSH0101, &MSH0102], analyzer: "", run: shadowed_route::run },
    Rule { name: "never-matches", codes: &[&MSH0104], analyzer: "", run: never_matches::run },
    Rule { name: "merged-routes", codes: &[&MSH0103], analyzer: "", run: merged_routes::run },
];
