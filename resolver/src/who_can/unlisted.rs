//! A request of somebody who, where it is not known who that is, is none of the identities that a list has.

use mesh_envoy::rbac::{Fact, Request, Source, Subject};
use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Clone, Copy)]
pub struct Unlisted<'r> {
    pub request: &'r Request,
    /// SPIFFE ids without their scheme, in their order.
    pub identities: &'r [Arc<str>],
}

impl Subject for Unlisted<'_> {
    fn header(&self, name: &str) -> Fact<Cow<'_, str>> {
        self.request.header(name)
    }
    fn destination_ip(&self) -> Fact<IpAddr> {
        self.request.destination_ip()
    }
    fn destination_port(&self) -> Fact<u16> {
        self.request.destination_port()
    }
    fn source_ip(&self, which: Source) -> Fact<IpAddr> {
        self.request.source_ip(which)
    }
    fn peer(&self) -> Fact<&[String]> {
        self.request.peer()
    }
    fn server_name(&self) -> Fact<Cow<'_, str>> {
        self.request.server_name()
    }
    fn metadata(&self, filter: &str) -> Fact<&Value> {
        self.request.metadata(filter)
    }
    fn filter_state(&self, key: &str) -> Fact<Cow<'_, str>> {
        self.request.filter_state(key)
    }
    fn is_not_peer(&self, name: &str) -> bool {
        let id = name.strip_prefix("spiffe://").unwrap_or(name);
        self.identities.binary_search_by(|known| (**known).cmp(id)).is_ok()
    }
}
