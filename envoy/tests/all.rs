//! The tests of this crate, in one program: a program for each would be linked in minutes and take
//! gigabytes.

#[path = "differential/envoy.rs"]
mod envoy;
#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/tally.rs"]
mod tally;
#[path = "differential/token.rs"]
mod token;

mod access_log;
mod api;
mod dump;
mod engine_differential;
mod engine_properties;
mod engine_refusals;
mod recordings;
