//! What traffic did: series and pages of metrics, from files, proxies and Prometheus; and series as a Prometheus of our own.

pub mod pages;
pub mod prometheus;
pub mod scrape;
pub mod series;
pub mod serve;

use mesh_metrics::promql::{self, Options, Sample, Value};
use mesh_metrics::series::Store;

/// Asks a store what Prometheus would be asked: samples come in the order in which their series were added. The error names
/// the query.
pub fn ask(store: &Store, query: &str, at: i64) -> Result<(Vec<Sample>, Vec<String>), String> {
    let expr = promql::parse(query).map_err(|e| format!("{query}: {}", e.render(query)))?;
    let answer = promql::query_in_order(store, &expr, at, &Options::default()).map_err(|e| format!("{query}: {}", e.render(query)))?;
    match answer.value {
        Value::Vector(samples) => Ok((samples, answer.warnings)),
        _ => Err(format!("{query}: no instant vector")),
    }
}
