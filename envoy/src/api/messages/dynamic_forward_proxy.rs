//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "dns_cache_config")]
    pub dns_cache_config: Option<super::dynamic_forward_proxy::DnsCacheConfig>,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_insecure_cluster_options")]
    pub allow_insecure_cluster_options: bool,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "sub_clusters_config")]
    pub sub_clusters_config: Option<super::dynamic_forward_proxy::SubClustersConfig>,
}

impl prost::Name for ClusterConfig {
    const NAME: &'static str = "ClusterConfig";
    const PACKAGE: &'static str = "envoy.extensions.clusters.dynamic_forward_proxy.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig".into()
    }
}

/// `envoy.extensions.clusters.dynamic_forward_proxy.v3.SubClustersConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubClustersConfig {}

/// `envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DnsCacheConfig {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(enumeration = "super::cluster::ClusterDnsLookupFamily", tag = "2")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "dns_lookup_family",
        serialize_with = "json::enumeration::serialize::<super::cluster::ClusterDnsLookupFamily, _>",
        deserialize_with = "json::enumeration::deserialize::<super::cluster::ClusterDnsLookupFamily, _>"
    )]
    pub dns_lookup_family: i32,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "dns_refresh_rate")]
    pub dns_refresh_rate: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "host_ttl")]
    pub host_ttl: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_hosts")]
    pub max_hosts: Option<u32>,
}

/// `envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "dns_cache_config")]
    pub dns_cache_config: Option<super::dynamic_forward_proxy::DnsCacheConfig>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "sub_cluster_config")]
    pub sub_cluster_config: Option<super::dynamic_forward_proxy::SubClusterConfig>,
}

impl prost::Name for FilterConfig {
    const NAME: &'static str = "FilterConfig";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.dynamic_forward_proxy.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig".into()
    }
}

/// `envoy.extensions.filters.http.dynamic_forward_proxy.v3.SubClusterConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubClusterConfig {}
