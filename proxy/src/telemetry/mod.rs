//! Istio's telemetry: who the peers of requests are, and the standard metrics that speak of them.

pub mod config;
pub mod exchange;
pub mod peer;
pub mod requests;

pub use config::{Direction, Telemetry};
