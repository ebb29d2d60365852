//! Istio's telemetry: who the peers of requests are, and the standard metrics that speak of them.

pub mod config;
pub mod connections;
pub mod exchange;
pub mod expression;
pub mod greeting;
pub mod labels;
pub mod overrides;
pub mod peer;
pub mod requests;
pub mod series;

pub use config::{Direction, Stats, Telemetry};
