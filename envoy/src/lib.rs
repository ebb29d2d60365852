//! Envoy's configuration language: what a proxy's admin pages say, read as data.
//!
//! This crate is pure: no IO, no async, no clock, no randomness, no environment. Dumps are read section by
//! section, only what is asked for; fields and types that meshctl does not know survive wherever a value is shown whole.

pub mod access_log;
pub mod admin;
pub mod api;
pub mod buckets;
pub mod certificate;
pub mod cluster_name;
pub mod diff;
pub mod dump;
pub mod engine;
pub mod grpc;
pub mod identify;
pub mod matcher;
pub mod node;
pub mod proto_json;
pub mod rbac;
pub mod redact;
pub mod response_code_details;
pub mod response_flags;
pub mod strict_json;
pub mod ztunnel;

pub use cluster_name::{ClusterName, Direction};
