//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.cluster.v3.CircuitBreakers`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CircuitBreakers {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub thresholds: Vec<super::cluster::CircuitBreakersThresholds>,
}

/// `envoy.config.cluster.v3.CircuitBreakers.Thresholds`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CircuitBreakersThresholds {
    #[prost(enumeration = "super::core::RoutingPriority", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::enumeration::serialize::<super::core::RoutingPriority, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::RoutingPriority, _>"
    )]
    pub priority: i32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_connections")]
    pub max_connections: Option<u32>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_pending_requests")]
    pub max_pending_requests: Option<u32>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_requests")]
    pub max_requests: Option<u32>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_retries")]
    pub max_retries: Option<u32>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "retry_budget")]
    pub retry_budget: Option<super::cluster::CircuitBreakersThresholdsRetryBudget>,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "track_remaining")]
    pub track_remaining: bool,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_connection_pools")]
    pub max_connection_pools: Option<u32>,
}

/// `envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CircuitBreakersThresholdsRetryBudget {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "budget_percent")]
    pub budget_percent: Option<super::common::Percent>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "budget_interval")]
    pub budget_interval: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "min_retry_concurrency")]
    pub min_retry_concurrency: Option<u32>,
}

/// `envoy.config.cluster.v3.Cluster`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cluster {
    #[prost(message, repeated, tag = "43")]
    #[serde(skip_serializing_if = "json::is_default", alias = "transport_socket_matches")]
    pub transport_socket_matches: Vec<super::cluster::ClusterTransportSocketMatch>,
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(string, tag = "28")]
    #[serde(skip_serializing_if = "json::is_default", alias = "alt_stat_name")]
    pub alt_stat_name: String,
    #[prost(enumeration = "super::cluster::ClusterDiscoveryType", optional, tag = "2")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::optional::enumeration::serialize::<super::cluster::ClusterDiscoveryType, _>",
        deserialize_with = "json::optional::enumeration::deserialize::<super::cluster::ClusterDiscoveryType, _>"
    )]
    pub r#type: Option<i32>,
    #[prost(message, optional, tag = "38")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cluster_type")]
    pub cluster_type: Option<super::cluster::ClusterCustomClusterType>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "eds_cluster_config")]
    pub eds_cluster_config: Option<super::cluster::ClusterEdsClusterConfig>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "connect_timeout")]
    pub connect_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "per_connection_buffer_limit_bytes")]
    pub per_connection_buffer_limit_bytes: Option<u32>,
    #[prost(enumeration = "super::cluster::ClusterLbPolicy", tag = "6")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "lb_policy",
        serialize_with = "json::enumeration::serialize::<super::cluster::ClusterLbPolicy, _>",
        deserialize_with = "json::enumeration::deserialize::<super::cluster::ClusterLbPolicy, _>"
    )]
    pub lb_policy: i32,
    #[prost(message, optional, tag = "33")]
    #[serde(skip_serializing_if = "json::is_default", alias = "load_assignment")]
    pub load_assignment: Option<super::endpoint::ClusterLoadAssignment>,
    #[prost(message, repeated, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "health_checks")]
    pub health_checks: Vec<super::core::HealthCheck>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_requests_per_connection")]
    pub max_requests_per_connection: Option<u32>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "circuit_breakers")]
    pub circuit_breakers: Option<super::cluster::CircuitBreakers>,
    #[prost(message, optional, tag = "29")]
    #[serde(skip_serializing_if = "json::is_default", alias = "common_http_protocol_options")]
    pub common_http_protocol_options: Option<super::core::HttpProtocolOptions>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_protocol_options")]
    pub http_protocol_options: Option<super::core::Http1ProtocolOptions>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http2_protocol_options")]
    pub http2_protocol_options: Option<super::core::Http2ProtocolOptions>,
    #[prost(btree_map = "string, message", tag = "36")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_extension_protocol_options")]
    pub typed_extension_protocol_options: std::collections::BTreeMap<String, crate::api::Any>,
    #[prost(message, optional, tag = "16")]
    #[serde(skip_serializing_if = "json::is_default", alias = "dns_refresh_rate")]
    pub dns_refresh_rate: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "58")]
    #[serde(skip_serializing_if = "json::is_default", alias = "dns_jitter")]
    pub dns_jitter: Option<crate::api::Duration>,
    #[prost(bool, tag = "39")]
    #[serde(skip_serializing_if = "json::is_default", alias = "respect_dns_ttl")]
    pub respect_dns_ttl: bool,
    #[prost(enumeration = "super::cluster::ClusterDnsLookupFamily", tag = "17")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "dns_lookup_family",
        serialize_with = "json::enumeration::serialize::<super::cluster::ClusterDnsLookupFamily, _>",
        deserialize_with = "json::enumeration::deserialize::<super::cluster::ClusterDnsLookupFamily, _>"
    )]
    pub dns_lookup_family: i32,
    #[prost(message, optional, tag = "55")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_dns_resolver_config")]
    pub typed_dns_resolver_config: Option<super::core::TypedExtensionConfig>,
    #[prost(message, optional, tag = "19")]
    #[serde(skip_serializing_if = "json::is_default", alias = "outlier_detection")]
    pub outlier_detection: Option<super::cluster::OutlierDetection>,
    #[prost(message, optional, tag = "20")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cleanup_interval")]
    pub cleanup_interval: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "21")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upstream_bind_config")]
    pub upstream_bind_config: Option<super::core::BindConfig>,
    #[prost(message, optional, tag = "22")]
    #[serde(skip_serializing_if = "json::is_default", alias = "lb_subset_config")]
    pub lb_subset_config: Option<super::cluster::ClusterLbSubsetConfig>,
    #[prost(message, optional, tag = "23")]
    #[serde(skip_serializing_if = "json::is_default", alias = "ring_hash_lb_config")]
    pub ring_hash_lb_config: Option<super::cluster::ClusterRingHashLbConfig>,
    #[prost(message, optional, tag = "52")]
    #[serde(skip_serializing_if = "json::is_default", alias = "maglev_lb_config")]
    pub maglev_lb_config: Option<super::cluster::ClusterMaglevLbConfig>,
    #[prost(message, optional, tag = "34")]
    #[serde(skip_serializing_if = "json::is_default", alias = "original_dst_lb_config")]
    pub original_dst_lb_config: Option<super::cluster::ClusterOriginalDstLbConfig>,
    #[prost(message, optional, tag = "37")]
    #[serde(skip_serializing_if = "json::is_default", alias = "least_request_lb_config")]
    pub least_request_lb_config: Option<super::cluster::ClusterLeastRequestLbConfig>,
    #[prost(message, optional, tag = "56")]
    #[serde(skip_serializing_if = "json::is_default", alias = "round_robin_lb_config")]
    pub round_robin_lb_config: Option<super::cluster::ClusterRoundRobinLbConfig>,
    #[prost(message, optional, tag = "27")]
    #[serde(skip_serializing_if = "json::is_default", alias = "common_lb_config")]
    pub common_lb_config: Option<super::cluster::ClusterCommonLbConfig>,
    #[prost(message, optional, tag = "24")]
    #[serde(skip_serializing_if = "json::is_default", alias = "transport_socket")]
    pub transport_socket: Option<super::core::TransportSocket>,
    #[prost(message, optional, tag = "25")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::core::Metadata>,
    #[prost(message, optional, tag = "30")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upstream_connection_options")]
    pub upstream_connection_options: Option<super::cluster::UpstreamConnectionOptions>,
    #[prost(bool, tag = "31")]
    #[serde(skip_serializing_if = "json::is_default", alias = "close_connections_on_host_health_failure")]
    pub close_connections_on_host_health_failure: bool,
    #[prost(bool, tag = "32")]
    #[serde(skip_serializing_if = "json::is_default", alias = "ignore_health_on_host_removal")]
    pub ignore_health_on_host_removal: bool,
    #[prost(message, repeated, tag = "40")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub filters: Vec<super::cluster::Filter>,
    #[prost(message, optional, tag = "41")]
    #[serde(skip_serializing_if = "json::is_default", alias = "load_balancing_policy")]
    pub load_balancing_policy: Option<super::cluster::LoadBalancingPolicy>,
}

impl prost::Name for Cluster {
    const NAME: &'static str = "Cluster";
    const PACKAGE: &'static str = "envoy.config.cluster.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.config.cluster.v3.Cluster".into()
    }
}

/// `envoy.config.cluster.v3.Cluster.CommonLbConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterCommonLbConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "healthy_panic_threshold")]
    pub healthy_panic_threshold: Option<super::common::Percent>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "zone_aware_lb_config")]
    pub zone_aware_lb_config: Option<super::cluster::ClusterCommonLbConfigZoneAwareLbConfig>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "locality_weighted_lb_config")]
    pub locality_weighted_lb_config: Option<super::cluster::ClusterCommonLbConfigLocalityWeightedLbConfig>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "update_merge_window")]
    pub update_merge_window: Option<crate::api::Duration>,
}

/// `envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterCommonLbConfigLocalityWeightedLbConfig {}

/// `envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterCommonLbConfigZoneAwareLbConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "routing_enabled")]
    pub routing_enabled: Option<super::common::Percent>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "min_cluster_size", with = "json::optional::int64")]
    pub min_cluster_size: Option<u64>,
}

/// `envoy.config.cluster.v3.Cluster.CustomClusterType`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterCustomClusterType {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.cluster.v3.Cluster.EdsClusterConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterEdsClusterConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "eds_config")]
    pub eds_config: Option<super::core::ConfigSource>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "service_name")]
    pub service_name: String,
}

/// `envoy.config.cluster.v3.Cluster.LbSubsetConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterLbSubsetConfig {
    #[prost(enumeration = "super::cluster::ClusterLbSubsetConfigLbSubsetFallbackPolicy", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "fallback_policy",
        serialize_with = "json::enumeration::serialize::<super::cluster::ClusterLbSubsetConfigLbSubsetFallbackPolicy, _>",
        deserialize_with = "json::enumeration::deserialize::<super::cluster::ClusterLbSubsetConfigLbSubsetFallbackPolicy, _>"
    )]
    pub fallback_policy: i32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_subset")]
    pub default_subset: Option<crate::api::Struct>,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "subset_selectors")]
    pub subset_selectors: Vec<super::cluster::ClusterLbSubsetConfigLbSubsetSelector>,
}

/// `envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterLbSubsetConfigLbSubsetSelector {
    #[prost(string, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub keys: Vec<String>,
    #[prost(enumeration = "super::cluster::ClusterLbSubsetConfigLbSubsetSelectorLbSubsetSelectorFallbackPolicy", tag = "2")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "fallback_policy",
        serialize_with = "json::enumeration::serialize::<super::cluster::ClusterLbSubsetConfigLbSubsetSelectorLbSubsetSelectorFallbackPolicy, _>",
        deserialize_with = "json::enumeration::deserialize::<super::cluster::ClusterLbSubsetConfigLbSubsetSelectorLbSubsetSelectorFallbackPolicy, _>"
    )]
    pub fallback_policy: i32,
}

/// `envoy.config.cluster.v3.Cluster.LeastRequestLbConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterLeastRequestLbConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "choice_count")]
    pub choice_count: Option<u32>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "slow_start_config")]
    pub slow_start_config: Option<super::cluster::ClusterSlowStartConfig>,
}

/// `envoy.config.cluster.v3.Cluster.MaglevLbConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterMaglevLbConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "table_size", with = "json::optional::int64")]
    pub table_size: Option<u64>,
}

/// `envoy.config.cluster.v3.Cluster.OriginalDstLbConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterOriginalDstLbConfig {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "use_http_header")]
    pub use_http_header: bool,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_header_name")]
    pub http_header_name: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upstream_port_override")]
    pub upstream_port_override: Option<u32>,
}

/// `envoy.config.cluster.v3.Cluster.RingHashLbConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRingHashLbConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "minimum_ring_size", with = "json::optional::int64")]
    pub minimum_ring_size: Option<u64>,
    #[prost(enumeration = "super::cluster::ClusterRingHashLbConfigHashFunction", tag = "3")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "hash_function",
        serialize_with = "json::enumeration::serialize::<super::cluster::ClusterRingHashLbConfigHashFunction, _>",
        deserialize_with = "json::enumeration::deserialize::<super::cluster::ClusterRingHashLbConfigHashFunction, _>"
    )]
    pub hash_function: i32,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "maximum_ring_size", with = "json::optional::int64")]
    pub maximum_ring_size: Option<u64>,
}

/// `envoy.config.cluster.v3.Cluster.RoundRobinLbConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRoundRobinLbConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "slow_start_config")]
    pub slow_start_config: Option<super::cluster::ClusterSlowStartConfig>,
}

/// `envoy.config.cluster.v3.Cluster.SlowStartConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterSlowStartConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "slow_start_window")]
    pub slow_start_window: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "min_weight_percent")]
    pub min_weight_percent: Option<super::common::Percent>,
}

/// `envoy.config.cluster.v3.Cluster.TransportSocketMatch`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterTransportSocketMatch {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub r#match: Option<crate::api::Struct>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "transport_socket")]
    pub transport_socket: Option<super::core::TransportSocket>,
}

/// `envoy.config.cluster.v3.Filter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Filter {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.cluster.v3.LoadBalancingPolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadBalancingPolicy {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub policies: Vec<super::cluster::LoadBalancingPolicyPolicy>,
}

/// `envoy.config.cluster.v3.LoadBalancingPolicy.Policy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadBalancingPolicyPolicy {
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_extension_config")]
    pub typed_extension_config: Option<super::core::TypedExtensionConfig>,
}

/// `envoy.config.cluster.v3.OutlierDetection`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OutlierDetection {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "consecutive_5xx")]
    pub consecutive_5xx: Option<u32>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub interval: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "base_ejection_time")]
    pub base_ejection_time: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_ejection_percent")]
    pub max_ejection_percent: Option<u32>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "enforcing_consecutive_5xx")]
    pub enforcing_consecutive_5xx: Option<u32>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "enforcing_success_rate")]
    pub enforcing_success_rate: Option<u32>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "consecutive_gateway_failure")]
    pub consecutive_gateway_failure: Option<u32>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "enforcing_consecutive_gateway_failure")]
    pub enforcing_consecutive_gateway_failure: Option<u32>,
    #[prost(bool, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default", alias = "split_external_local_origin_errors")]
    pub split_external_local_origin_errors: bool,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "consecutive_local_origin_failure")]
    pub consecutive_local_origin_failure: Option<u32>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default", alias = "enforcing_consecutive_local_origin_failure")]
    pub enforcing_consecutive_local_origin_failure: Option<u32>,
    #[prost(message, optional, tag = "21")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_ejection_time")]
    pub max_ejection_time: Option<crate::api::Duration>,
}

/// `envoy.config.cluster.v3.UpstreamConnectionOptions`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UpstreamConnectionOptions {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tcp_keepalive")]
    pub tcp_keepalive: Option<super::core::TcpKeepalive>,
}

/// `envoy.config.cluster.v3.Cluster.DiscoveryType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ClusterDiscoveryType {
    Static = 0,
    StrictDns = 1,
    LogicalDns = 2,
    Eds = 3,
    OriginalDst = 4,
}

impl json::Names for ClusterDiscoveryType {
    const NAMES: &'static [(&'static str, i32)] = &[("STATIC", 0), ("STRICT_DNS", 1), ("LOGICAL_DNS", 2), ("EDS", 3), ("ORIGINAL_DST", 4)];
}

/// `envoy.config.cluster.v3.Cluster.DnsLookupFamily`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ClusterDnsLookupFamily {
    Auto = 0,
    V4Only = 1,
    V6Only = 2,
    V4Preferred = 3,
    All = 4,
}

impl json::Names for ClusterDnsLookupFamily {
    const NAMES: &'static [(&'static str, i32)] = &[("AUTO", 0), ("V4_ONLY", 1), ("V6_ONLY", 2), ("V4_PREFERRED", 3), ("ALL", 4)];
}

/// `envoy.config.cluster.v3.Cluster.LbPolicy`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ClusterLbPolicy {
    RoundRobin = 0,
    LeastRequest = 1,
    RingHash = 2,
    Random = 3,
    Maglev = 5,
    ClusterProvided = 6,
    LoadBalancingPolicyConfig = 7,
}

impl json::Names for ClusterLbPolicy {
    const NAMES: &'static [(&'static str, i32)] = &[
        ("ROUND_ROBIN", 0),
        ("LEAST_REQUEST", 1),
        ("RING_HASH", 2),
        ("RANDOM", 3),
        ("MAGLEV", 5),
        ("CLUSTER_PROVIDED", 6),
        ("LOAD_BALANCING_POLICY_CONFIG", 7),
    ];
}

/// `envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetFallbackPolicy`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ClusterLbSubsetConfigLbSubsetFallbackPolicy {
    NoFallback = 0,
    AnyEndpoint = 1,
    DefaultSubset = 2,
}

impl json::Names for ClusterLbSubsetConfigLbSubsetFallbackPolicy {
    const NAMES: &'static [(&'static str, i32)] = &[("NO_FALLBACK", 0), ("ANY_ENDPOINT", 1), ("DEFAULT_SUBSET", 2)];
}

/// `envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector.LbSubsetSelectorFallbackPolicy`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ClusterLbSubsetConfigLbSubsetSelectorLbSubsetSelectorFallbackPolicy {
    NotDefined = 0,
    NoFallback = 1,
    AnyEndpoint = 2,
    DefaultSubset = 3,
    KeysSubset = 4,
}

impl json::Names for ClusterLbSubsetConfigLbSubsetSelectorLbSubsetSelectorFallbackPolicy {
    const NAMES: &'static [(&'static str, i32)] = &[("NOT_DEFINED", 0), ("NO_FALLBACK", 1), ("ANY_ENDPOINT", 2), ("DEFAULT_SUBSET", 3), ("KEYS_SUBSET", 4)];
}

/// `envoy.config.cluster.v3.Cluster.RingHashLbConfig.HashFunction`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ClusterRingHashLbConfigHashFunction {
    XxHash = 0,
    MurmurHash2 = 1,
}

impl json::Names for ClusterRingHashLbConfigHashFunction {
    const NAMES: &'static [(&'static str, i32)] = &[("XX_HASH", 0), ("MURMUR_HASH_2", 1)];
}
