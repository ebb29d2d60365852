//! Time-outs, retries, pools, outlier detection.

use crate::codes::{MSH0201, MSH0202, MSH0203, MSH0204, MSH0205};
use crate::rule::Rule;

mod limits;
mod retries;
mod retry_chain;

pub const RULES: &[Rule] = &[
    Rule { name: "retries-fit", codes: &[&MSH0201], analyzer: "", run: retries::run },
    Rule { name: "limits", codes: &[&MSH0202, &MSH0203, &MSH0204], analyzer: "", run: limits::run },
    Rule { name: "retry-chain", codes: &[&MSH0205], analyzer: "", run: retry_chain::run },
];
