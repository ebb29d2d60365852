//! Filters and orders that every form of a table shares; istioctl's meaning.

use mesh_envoy::ClusterName;
use mesh_envoy::dump::listener::Listener;
use std::cmp::Ordering;

/// Parts of a cluster's name, each tested as a substring.
#[derive(Clone, Debug, Default)]
pub struct ClusterFilter {
    pub fqdn: String,
    pub direction: String,
    pub subset: String,
    pub port: u32,
}

impl ClusterFilter {
    pub fn matches(&self, name: &str) -> bool {
        name.contains(&self.fqdn)
            && name.contains(&self.direction)
            && name.contains(&self.subset)
            && (self.port == 0 || name.contains(&format!("|{}|", self.port)))
    }
}

/// By host, subset, port and direction.
pub fn cluster_order(a: &str, b: &str) -> Ordering {
    fn key(name: &str) -> (&str, &str, u16, &str) {
        ClusterName::parse(name).map_or((name, "", 0, ""), |n| (n.host, n.subset, n.port, n.direction))
    }
    key(a).cmp(&key(b))
}

#[derive(Clone, Debug, Default)]
pub struct ListenerFilter {
    pub address: String,
    pub port: u32,
    pub kind: String,
}

impl ListenerFilter {
    pub fn matches(&self, l: &Listener<'_>) -> bool {
        (self.address.is_empty() || l.addresses().any(|a| a.host().eq_ignore_ascii_case(&self.address)))
            && (self.port == 0 || l.address.port() == self.port)
            && (self.kind.is_empty() || listener_type(l).eq_ignore_ascii_case(&self.kind))
    }
}

/// `HTTP`, `TCP`, `HTTP+TCP` or `UNKNOWN`, by the filters of its chains; what only drops does not count.
pub fn listener_type(l: &Listener<'_>) -> &'static str {
    let filters = || l.chains().flat_map(|c| &c.filters);
    let http = filters().any(|f| f.is_http_connection_manager());
    let tcp = filters().any(|f| f.is_tcp_proxy() && !f.is_black_hole());
    match (http, tcp) {
        (true, true) => "HTTP+TCP",
        (true, false) => "HTTP",
        (false, true) => "TCP",
        (false, false) => "UNKNOWN",
    }
}

#[derive(Clone, Debug, Default)]
pub struct EndpointFilter {
    pub address: String,
    pub port: u32,
    pub cluster: String,
    pub status: String,
}

impl EndpointFilter {
    pub fn is_empty(&self) -> bool {
        self.address.is_empty() && self.port == 0 && self.cluster.is_empty() && self.status.is_empty()
    }
    /// `addresses` are the endpoint's, in the spelling that this kind of answer is filtered by.
    pub fn matches(&self, addresses: &[String], port: u32, cluster: &str, status: &str) -> bool {
        (self.address.is_empty() || addresses.iter().any(|a| a.eq_ignore_ascii_case(&self.address)))
            && (self.port == 0 || port == self.port)
            && (self.cluster.is_empty() || cluster.eq_ignore_ascii_case(&self.cluster))
            && (self.status.is_empty() || status.eq_ignore_ascii_case(&self.status))
    }
}
