//! Benchmarks.

mod analyze;
mod cluster;
mod controlplane;
mod graph;
mod inspect;
pub mod proxy;
mod resolver;
mod tui;
mod tui_whole;
mod why;

use crate::Outcome;

pub fn run(args: &[String]) -> Outcome {
    match args.split_first() {
        Some((name, rest)) if name == "analyze" => analyze::run(rest),
        Some((name, rest)) if name == "cluster" => cluster::run(rest),
        Some((name, rest)) if name == "controlplane" => controlplane::run(rest),
        Some((name, rest)) if name == "graph" => graph::run(rest),
        Some((name, rest)) if name == "inspect" => inspect::run(rest),
        Some((name, rest)) if name == "proxy" => proxy::run(rest),
        Some((name, rest)) if name == "resolver" => resolver::run(rest),
        Some((name, rest)) if name == "tui" => tui::run(rest),
        Some((name, rest)) if name == "why" => why::run(rest),
        _ => Err("which benchmark? `cargo xtask bench analyze`, `cargo xtask bench cluster`, `cargo xtask bench controlplane`, `cargo xtask bench graph`, `cargo xtask bench inspect`, `cargo xtask bench proxy`, `cargo xtask bench resolver`, `cargo xtask bench tui`, `cargo xtask bench why`".into()),
    }
}
