//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.http.grpc_stats.v3.FilterConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterConfig {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "emit_filter_state")]
    pub emit_filter_state: bool,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stats_for_all_methods")]
    pub stats_for_all_methods: Option<bool>,
    #[prost(bool, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "enable_upstream_stats")]
    pub enable_upstream_stats: bool,
}

impl prost::Name for FilterConfig {
    const NAME: &'static str = "FilterConfig";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.grpc_stats.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig".into()
    }
}
