//! Metrics without a server: pages of text (`text`), series in memory (`series`), PromQL over them (`promql`), and Prometheus'
//! HTTP API as a function from parameters to JSON (`api`).
//!
//! Pure: no files, sockets or clock. Times are milliseconds since the Unix epoch (`i64`), handed in by the caller.

pub mod api;
pub mod promql;
pub mod series;
pub mod text;
