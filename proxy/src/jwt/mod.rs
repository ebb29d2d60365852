//! Tokens of requests (JWT): taken from where providers say, parsed, checked, and handed on in headers and metadata.
//!
//! The engine decides what is required of whom (`mesh_envoy::engine::gate`); whether a token is genuine is found out here. Words
//! and order are Envoy's.

pub mod claims;
pub mod filter;
pub mod keys;
pub mod provider;
pub mod remote;
pub mod token;
