//! One module a source: each returns a partial snapshot and the problems it met.

pub mod kube;
pub mod manifests;
