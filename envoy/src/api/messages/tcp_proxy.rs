//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TcpProxy {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stat_prefix")]
    pub stat_prefix: String,
    #[prost(string, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cluster: Option<String>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "weighted_clusters")]
    pub weighted_clusters: Option<super::tcp_proxy::TcpProxyWeightedCluster>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "metadata_match")]
    pub metadata_match: Option<super::core::Metadata>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "idle_timeout")]
    pub idle_timeout: Option<crate::api::Duration>,
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "access_log")]
    pub access_log: Vec<super::accesslog::AccessLog>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_connect_attempts")]
    pub max_connect_attempts: Option<u32>,
    #[prost(message, repeated, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "hash_policy")]
    pub hash_policy: Vec<super::hash_policy::HashPolicy>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tunneling_config")]
    pub tunneling_config: Option<super::tcp_proxy::TcpProxyTunnelingConfig>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_downstream_connection_duration")]
    pub max_downstream_connection_duration: Option<crate::api::Duration>,
}

impl prost::Name for TcpProxy {
    const NAME: &'static str = "TcpProxy";
    const PACKAGE: &'static str = "envoy.extensions.filters.network.tcp_proxy.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy".into()
    }
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TcpProxyTunnelingConfig {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub hostname: String,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "use_post")]
    pub use_post: bool,
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "headers_to_add")]
    pub headers_to_add: Vec<super::core::HeaderValueOption>,
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TcpProxyWeightedCluster {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub clusters: Vec<super::tcp_proxy::TcpProxyWeightedClusterClusterWeight>,
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TcpProxyWeightedClusterClusterWeight {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub weight: u32,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "metadata_match")]
    pub metadata_match: Option<super::core::Metadata>,
}
