//! Prometheus and what answers like it (Thanos, Mimir, VictoriaMetrics), over HTTP. Only `query`, `query_range`, `series` and
//! `labels` are called: others are not everywhere.

mod answer;
mod client;
mod error;
mod mesh;
mod split;

pub use answer::{Element, vector};
pub use client::{Client, Credentials, Options};
pub use error::{PrometheusError, QueryError};
pub use mesh::{Idle, Want, read};
