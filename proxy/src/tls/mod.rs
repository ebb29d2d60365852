//! TLS, both ways: secrets by name, contexts as configuration describes them, what handshakes find out, and why they fail.

pub mod context;
pub mod facts;
pub mod files;
pub mod hello;
pub mod material;
pub mod reason;
pub mod secrets;
pub mod session;
pub mod validation;
