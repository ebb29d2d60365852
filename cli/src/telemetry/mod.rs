//! Traffic for a command: metrics from whatever source is named, and the graph that they make.

mod answer;
pub mod edge;
pub mod folder;
pub mod history;
pub mod observed;
mod prometheus;
pub mod requests;
mod sources;
pub mod traces;

pub use answer::{Answer, asked, asked_of, at, options, requested};
pub use sources::read;

use crate::status::Failure;
use mesh_metrics::promql::parse_duration;

/// A flag's duration in milliseconds, a second at least.
pub fn duration(flag: &str, text: &str) -> Result<i64, Failure> {
    let found = parse_duration(text).filter(|d| *d >= 1000);
    found.ok_or_else(|| Failure::usage(format!("{flag} {text}: a duration such as 30s, 10m or 1h30m must stand here")))
}
