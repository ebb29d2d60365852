//! The tests of this crate, but those in files of their own, in one program: a program for each would be linked in minutes and take
//! gigabytes.

#[path = "support/beside.rs"]
mod beside;
#[allow(dead_code, reason = "the engine's own test uses the rest")]
#[path = "../../envoy/tests/differential/envoy.rs"]
mod envoy;
#[allow(dead_code, reason = "the engine's own test uses the rest")]
#[path = "../../envoy/tests/differential/generate.rs"]
mod generate;
#[path = "support/pair.rs"]
mod pair;
#[path = "support/pki.rs"]
mod pki;
#[allow(dead_code, reason = "the test of time-outs uses the rest")]
#[path = "support/streams.rs"]
mod scripted;
mod support;
#[path = "../../envoy/tests/differential/token.rs"]
mod token;

mod access_log;
mod admin;
mod ads_default;
mod alpn;
mod binary;
mod connection_limits;
mod differential;
mod envoy_semantics;
mod h2spec;
mod header_names;
mod http;
mod http1;
mod http10;
mod http2;
mod jwt;
mod leaving;
mod life;
mod live;
mod log_operators;
mod malformed;
mod malformed_heads;
mod memory;
mod odd_requests;
mod odd_streams;
mod peers;
mod policies;
mod proxy_protocol;
mod rate_limits;
mod redirect;
mod refusals;
mod splice;
mod splice_bodies;
mod statistics;
mod streams;
mod tcp;
mod telemetry;
mod tls;
mod tls_envoy;
mod traces;
mod upstreams;
mod xds;
mod xds_swap;
