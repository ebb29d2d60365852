//! Benchmarks.

mod analyze;

use crate::Outcome;

pub fn run(args: &[String]) -> Outcome {
    match args.split_first() {
        Some((name, rest)) if name == "analyze" => analyze::run(rest),
        _ => Err("which benchmark? `cargo xtask bench analyze`".into()),
    }
}
