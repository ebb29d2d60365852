//! Listeners of a dump (`envoy.config.listener.v3`), as far as tables show them.

use super::cluster::{Named, UpdateFailure};
use super::endpoint::{AdditionalAddress, Address};
use super::route::{RouteConfig, WeightedClusters};
use super::value::{Text, UInt};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `ListenersConfigDump`; `L` is [`Listener`] or a whole JSON value.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "L: Deserialize<'de>, 'de: 'a"))]
pub struct Listeners<'a, L> {
    #[serde(default = "Vec::new", alias = "staticListeners")]
    pub static_listeners: Vec<State<'a, L>>,
    #[serde(default = "Vec::new", alias = "dynamicListeners")]
    pub dynamic_listeners: Vec<Dynamic<'a, L>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "L: Deserialize<'de>, 'de: 'a"))]
pub struct Dynamic<'a, L> {
    #[serde(default, borrow)]
    pub name: Text<'a>,
    #[serde(default = "none", alias = "activeState")]
    pub active_state: Option<State<'a, L>>,
    #[serde(default = "none", alias = "warmingState")]
    pub warming_state: Option<State<'a, L>>,
    #[serde(default = "none", alias = "drainingState")]
    pub draining_state: Option<State<'a, L>>,
    #[serde(default, borrow, alias = "errorState")]
    pub error_state: Option<UpdateFailure<'a>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "L: Deserialize<'de>, 'de: 'a"))]
pub struct State<'a, L> {
    #[serde(default = "none")]
    pub listener: Option<L>,
    #[serde(default, borrow, alias = "versionInfo")]
    pub version_info: Text<'a>,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listener<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub address: Address<'a>,
    #[serde(borrow, alias = "additionalAddresses")]
    pub additional_addresses: Vec<AdditionalAddress<'a>>,
    #[serde(borrow, alias = "filterChains")]
    pub filter_chains: Vec<FilterChain<'a>>,
    #[serde(borrow, alias = "defaultFilterChain")]
    pub default_filter_chain: Option<FilterChain<'a>>,
    #[serde(alias = "filterChainMatcher")]
    pub filter_chain_matcher: Option<serde_json::Value>,
    #[serde(borrow, alias = "trafficDirection")]
    pub traffic_direction: Text<'a>,
    #[serde(borrow, alias = "listenerFilters")]
    pub listener_filters: Vec<Named<'a>>,
    #[serde(alias = "internalListener")]
    internal_listener: Option<serde::de::IgnoredAny>,
}

impl<'a> Listener<'a> {
    /// Chains in Envoy's own order, the default one last.
    pub fn chains(&self) -> impl Iterator<Item = &FilterChain<'a>> {
        self.filter_chains.iter().chain(&self.default_filter_chain)
    }
    /// Whether other listeners hand connections to it, and no socket does.
    pub fn is_internal(&self) -> bool {
        self.internal_listener.is_some()
    }
    pub fn addresses(&self) -> impl Iterator<Item = &Address<'a>> {
        std::iter::once(&self.address).chain(self.additional_addresses.iter().map(|a| &a.address))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FilterChain<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "filterChainMatch")]
    pub filter_chain_match: FilterChainMatch<'a>,
    #[serde(borrow)]
    pub filters: Vec<Filter<'a>>,
    #[serde(borrow, alias = "transportSocket")]
    pub transport_socket: Option<TransportSocket<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TransportSocket<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "typedConfig")]
    pub typed_config: DownstreamTls<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DownstreamTls<'a> {
    #[serde(borrow, rename = "@type")]
    pub type_url: Text<'a>,
    #[serde(alias = "requireClientCertificate")]
    pub require_client_certificate: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FilterChainMatch<'a> {
    #[serde(alias = "destinationPort")]
    pub destination_port: Option<UInt>,
    #[serde(borrow, alias = "prefixRanges")]
    pub prefix_ranges: Vec<CidrRange<'a>>,
    #[serde(borrow, alias = "sourceType")]
    pub source_type: Text<'a>,
    #[serde(borrow, alias = "sourcePrefixRanges")]
    pub source_prefix_ranges: Vec<CidrRange<'a>>,
    #[serde(alias = "sourcePorts")]
    pub source_ports: Vec<UInt>,
    #[serde(borrow, alias = "directSourcePrefixRanges")]
    pub direct_source_prefix_ranges: Vec<CidrRange<'a>>,
    #[serde(borrow, alias = "serverNames")]
    pub server_names: Vec<Text<'a>>,
    #[serde(borrow, alias = "transportProtocol")]
    pub transport_protocol: Text<'a>,
    #[serde(borrow, alias = "applicationProtocols")]
    pub application_protocols: Vec<Text<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CidrRange<'a> {
    #[serde(borrow, alias = "addressPrefix")]
    pub address_prefix: Text<'a>,
    #[serde(alias = "prefixLen")]
    pub prefix_len: UInt,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filter<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "typedConfig")]
    pub typed_config: FilterConfig<'a>,
}

/// The fields of an HTTP connection manager and of a TCP proxy that tables show.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FilterConfig<'a> {
    #[serde(borrow, rename = "@type")]
    pub type_url: Text<'a>,
    #[serde(borrow, alias = "statPrefix")]
    pub stat_prefix: Text<'a>,
    #[serde(borrow, alias = "routeConfig")]
    pub route_config: Option<RouteConfig<'a>>,
    #[serde(borrow)]
    pub rds: Option<Rds<'a>>,
    #[serde(borrow, alias = "httpFilters")]
    pub http_filters: Vec<HttpFilter<'a>>,
    #[serde(borrow)]
    pub cluster: Text<'a>,
    #[serde(borrow, alias = "weightedClusters")]
    pub weighted_clusters: Option<WeightedClusters<'a>>,
    #[serde(borrow)]
    pub rules: RbacOrOther<'a>,
    #[serde(borrow, alias = "shadowRules")]
    pub shadow_rules: RbacOrOther<'a>,
}

/// The policies of an RBAC filter, by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rbac<'a> {
    #[serde(borrow, rename = "action")]
    verdict: Text<'a>,
    #[serde(borrow)]
    pub policies: BTreeMap<Text<'a>, serde::de::IgnoredAny>,
}

impl Rbac<'_> {
    /// `ALLOW`, `DENY` or `LOG`.
    pub fn action(&self) -> &str {
        super::enum_name(&self.verdict, &["ALLOW", "DENY", "LOG"])
    }
}

impl Filter<'_> {
    pub fn is_http_connection_manager(&self) -> bool {
        self.typed_config.type_url.ends_with(".HttpConnectionManager")
    }
    pub fn is_tcp_proxy(&self) -> bool {
        self.typed_config.type_url.ends_with(".TcpProxy")
    }
    /// Whether the filter is there to drop what comes: Istio's `BlackHoleCluster`.
    pub fn is_black_hole(&self) -> bool {
        let c = &self.typed_config;
        c.cluster.contains("BlackHoleCluster") || c.stat_prefix.contains("BlackHoleCluster")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HttpFilter<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "typedConfig")]
    pub typed_config: HttpFilterConfig<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HttpFilterConfig<'a> {
    #[serde(borrow, rename = "@type")]
    pub type_url: Text<'a>,
    #[serde(borrow)]
    pub rules: RbacOrOther<'a>,
    #[serde(borrow, alias = "shadowRules")]
    pub shadow_rules: RbacOrOther<'a>,
}

/// `rules` of an RBAC filter; other filters use the field's name for other things.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum RbacOrOther<'a> {
    #[serde(borrow)]
    Rbac(Rbac<'a>),
    Other(serde::de::IgnoredAny),
}

impl Default for RbacOrOther<'_> {
    fn default() -> Self {
        RbacOrOther::Other(serde::de::IgnoredAny)
    }
}

impl<'a> RbacOrOther<'a> {
    pub fn rbac(&self) -> Option<&Rbac<'a>> {
        match self {
            RbacOrOther::Rbac(r) => Some(r),
            RbacOrOther::Other(_) => None,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rds<'a> {
    #[serde(borrow, alias = "routeConfigName")]
    pub route_config_name: Text<'a>,
}
