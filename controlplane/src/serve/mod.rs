//! Sockets: xDS, secrets and certificates over gRPC, in plaintext on loopback and by TLS; istiod's debug pages over HTTP.

mod caller;
pub mod csr;
mod debug;
mod grpc;
mod listen;
mod shared;
mod xds;

pub use listen::{NoRandomness, Options, Running, StartError, random};
pub use shared::{Certify, Say};
