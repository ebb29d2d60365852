//! Traces: who called this request, whether it is told of, and the span that tells it. Contexts go from client to upstream in
//! headers; spans go to a collector by a bounded queue, and nobody waits for it.

pub mod config;
pub mod context;
pub mod exporter;
#[cfg(feature = "jaeger")]
pub mod jaeger;
pub mod otlp;
pub mod sampling;
pub mod span;
#[cfg(feature = "jaeger")]
pub mod uber;
pub mod zipkin;
