//! Filters of AuthorizationPolicy and RequestAuthentication.

use super::Context;
use mesh_envoy::api::{hcm, listener};

impl<'a> Context<'_, 'a> {
    /// The HTTP filters of policies, in the order in which they judge.
    pub fn http_policies(&self) -> Vec<hcm::HttpFilter> {
        Vec::new()
    }
    /// The same for connections that are no HTTP.
    pub fn network_policies(&self) -> Vec<listener::Filter> {
        Vec::new()
    }
}
