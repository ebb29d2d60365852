//! The sidecar: a proxy that takes Envoy's configuration and decides with the matching engine of `mesh-envoy`.
//!
//! The cold path ([`bootstrap`], [`config`]) turns configuration into a [`config::Snapshot`]; what can't be honoured is refused
//! there, with its field path. The hot path ([`http`], [`upstream`]) runs on one thread a worker, each with its own
//! connections; workers share nothing that a request waits for. Telemetry and the admin port are read beside it.

pub mod access_log;
pub mod admin;
pub mod bootstrap;
pub mod config;
pub mod decisions;
pub mod downstream;
pub mod format;
pub mod http;
pub mod http1;
pub mod http2;
pub mod jwt;
pub mod listeners;
pub mod logging;
pub mod message;
pub mod options;
pub mod overload;
pub mod percent;
pub mod proxy_protocol;
pub mod server;
pub mod splice;
pub mod stats;
pub mod tcp;
pub mod telemetry;
pub mod threads;
pub mod tls;
pub mod trace;
pub mod upstream;
mod worker;
pub mod xds;

pub use server::{Proxy, StartError};
pub use worker::Phase;
