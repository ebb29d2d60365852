//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.listener.v3.AdditionalAddress`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AdditionalAddress {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub address: Option<super::core::Address>,
}

/// `envoy.config.listener.v3.Filter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Filter {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "config_discovery")]
    pub config_discovery: Option<super::core::ExtensionConfigSource>,
}

/// `envoy.config.listener.v3.FilterChain`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterChain {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_chain_match")]
    pub filter_chain_match: Option<super::listener::FilterChainMatch>,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub filters: Vec<super::listener::Filter>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "use_proxy_proto")]
    pub use_proxy_proto: Option<bool>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::core::Metadata>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "transport_socket")]
    pub transport_socket: Option<super::core::TransportSocket>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "transport_socket_connect_timeout")]
    pub transport_socket_connect_timeout: Option<crate::api::Duration>,
    #[prost(string, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
}

/// `envoy.config.listener.v3.FilterChainMatch`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterChainMatch {
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "destination_port")]
    pub destination_port: Option<u32>,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "prefix_ranges")]
    pub prefix_ranges: Vec<super::core::CidrRange>,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "address_suffix")]
    pub address_suffix: String,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "suffix_len")]
    pub suffix_len: Option<u32>,
    #[prost(message, repeated, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "direct_source_prefix_ranges")]
    pub direct_source_prefix_ranges: Vec<super::core::CidrRange>,
    #[prost(enumeration = "super::listener::FilterChainMatchConnectionSourceType", tag = "12")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "source_type",
        serialize_with = "json::enumeration::serialize::<super::listener::FilterChainMatchConnectionSourceType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::listener::FilterChainMatchConnectionSourceType, _>"
    )]
    pub source_type: i32,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "source_prefix_ranges")]
    pub source_prefix_ranges: Vec<super::core::CidrRange>,
    #[prost(uint32, repeated, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "source_ports")]
    pub source_ports: Vec<u32>,
    #[prost(string, repeated, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "server_names")]
    pub server_names: Vec<String>,
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "transport_protocol")]
    pub transport_protocol: String,
    #[prost(string, repeated, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "application_protocols")]
    pub application_protocols: Vec<String>,
}

/// `envoy.config.listener.v3.Listener`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Listener {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub address: Option<super::core::Address>,
    #[prost(message, repeated, tag = "33")]
    #[serde(skip_serializing_if = "json::is_default", alias = "additional_addresses")]
    pub additional_addresses: Vec<super::listener::AdditionalAddress>,
    #[prost(string, tag = "28")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stat_prefix")]
    pub stat_prefix: String,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_chains")]
    pub filter_chains: Vec<super::listener::FilterChain>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "use_original_dst")]
    pub use_original_dst: Option<bool>,
    #[prost(message, optional, tag = "25")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_filter_chain")]
    pub default_filter_chain: Option<super::listener::FilterChain>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "per_connection_buffer_limit_bytes")]
    pub per_connection_buffer_limit_bytes: Option<u32>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::core::Metadata>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "deprecated_v1")]
    pub deprecated_v1: Option<super::listener::ListenerDeprecatedV1>,
    #[prost(enumeration = "super::listener::ListenerDrainType", tag = "8")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "drain_type",
        serialize_with = "json::enumeration::serialize::<super::listener::ListenerDrainType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::listener::ListenerDrainType, _>"
    )]
    pub drain_type: i32,
    #[prost(message, repeated, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "listener_filters")]
    pub listener_filters: Vec<super::listener::ListenerFilter>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "json::is_default", alias = "listener_filters_timeout")]
    pub listener_filters_timeout: Option<crate::api::Duration>,
    #[prost(bool, tag = "17")]
    #[serde(skip_serializing_if = "json::is_default", alias = "continue_on_listener_filters_timeout")]
    pub continue_on_listener_filters_timeout: bool,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub transparent: Option<bool>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub freebind: Option<bool>,
    #[prost(message, repeated, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "socket_options")]
    pub socket_options: Vec<super::core::SocketOption>,
    #[prost(enumeration = "super::core::TrafficDirection", tag = "16")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "traffic_direction",
        serialize_with = "json::enumeration::serialize::<super::core::TrafficDirection, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::TrafficDirection, _>"
    )]
    pub traffic_direction: i32,
    #[prost(message, optional, tag = "20")]
    #[serde(skip_serializing_if = "json::is_default", alias = "connection_balance_config")]
    pub connection_balance_config: Option<super::listener::ListenerConnectionBalanceConfig>,
    #[prost(message, repeated, tag = "22")]
    #[serde(skip_serializing_if = "json::is_default", alias = "access_log")]
    pub access_log: Vec<super::accesslog::AccessLog>,
    #[prost(message, optional, tag = "24")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tcp_backlog_size")]
    pub tcp_backlog_size: Option<u32>,
    #[prost(message, optional, tag = "34")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_connections_to_accept_per_socket_event")]
    pub max_connections_to_accept_per_socket_event: Option<u32>,
    #[prost(message, optional, tag = "26")]
    #[serde(skip_serializing_if = "json::is_default", alias = "bind_to_port")]
    pub bind_to_port: Option<bool>,
    #[prost(message, optional, tag = "27")]
    #[serde(skip_serializing_if = "json::is_default", alias = "internal_listener")]
    pub internal_listener: Option<super::listener::ListenerInternalListenerConfig>,
    #[prost(bool, tag = "31")]
    #[serde(skip_serializing_if = "json::is_default", alias = "ignore_global_conn_limit")]
    pub ignore_global_conn_limit: bool,
    #[prost(bool, tag = "35")]
    #[serde(skip_serializing_if = "json::is_default", alias = "bypass_overload_manager")]
    pub bypass_overload_manager: bool,
}

impl prost::Name for Listener {
    const NAME: &'static str = "Listener";
    const PACKAGE: &'static str = "envoy.config.listener.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.config.listener.v3.Listener".into()
    }
}

/// `envoy.config.listener.v3.Listener.ConnectionBalanceConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerConnectionBalanceConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "exact_balance")]
    pub exact_balance: Option<super::listener::ListenerConnectionBalanceConfigExactBalance>,
}

/// `envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerConnectionBalanceConfigExactBalance {}

/// `envoy.config.listener.v3.Listener.DeprecatedV1`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerDeprecatedV1 {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "bind_to_port")]
    pub bind_to_port: Option<bool>,
}

/// `envoy.config.listener.v3.Listener.InternalListenerConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerInternalListenerConfig {}

/// `envoy.config.listener.v3.ListenerFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerFilter {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_disabled")]
    pub filter_disabled: Option<super::listener::ListenerFilterChainMatchPredicate>,
}

/// `envoy.config.listener.v3.ListenerFilterChainMatchPredicate`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerFilterChainMatchPredicate {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "or_match")]
    pub or_match: Option<super::listener::ListenerFilterChainMatchPredicateMatchSet>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "and_match")]
    pub and_match: Option<super::listener::ListenerFilterChainMatchPredicateMatchSet>,
    #[prost(message, optional, boxed, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "not_match")]
    pub not_match: Option<Box<super::listener::ListenerFilterChainMatchPredicate>>,
    #[prost(bool, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "any_match")]
    pub any_match: Option<bool>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "destination_port_range")]
    pub destination_port_range: Option<super::common::Int32Range>,
}

/// `envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ListenerFilterChainMatchPredicateMatchSet {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub rules: Vec<super::listener::ListenerFilterChainMatchPredicate>,
}

/// `envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FilterChainMatchConnectionSourceType {
    Any = 0,
    SameIpOrLoopback = 1,
    External = 2,
}

impl json::Names for FilterChainMatchConnectionSourceType {
    const NAMES: &'static [(&'static str, i32)] = &[("ANY", 0), ("SAME_IP_OR_LOOPBACK", 1), ("EXTERNAL", 2)];
}

/// `envoy.config.listener.v3.Listener.DrainType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ListenerDrainType {
    Default = 0,
    ModifyOnly = 1,
}

impl json::Names for ListenerDrainType {
    const NAMES: &'static [(&'static str, i32)] = &[("DEFAULT", 0), ("MODIFY_ONLY", 1)];
}
