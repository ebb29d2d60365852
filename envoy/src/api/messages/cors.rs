//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.http.cors.v3.Cors`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cors {}

impl prost::Name for Cors {
    const NAME: &'static str = "Cors";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.cors.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors".into()
    }
}

/// `envoy.extensions.filters.http.cors.v3.CorsPolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CorsPolicy {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_origin_string_match")]
    pub allow_origin_string_match: Vec<super::common::StringMatcher>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_methods")]
    pub allow_methods: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_headers")]
    pub allow_headers: String,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "expose_headers")]
    pub expose_headers: String,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_age")]
    pub max_age: String,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_credentials")]
    pub allow_credentials: Option<bool>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_enabled")]
    pub filter_enabled: Option<super::core::RuntimeFractionalPercent>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "shadow_enabled")]
    pub shadow_enabled: Option<super::core::RuntimeFractionalPercent>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_private_network_access")]
    pub allow_private_network_access: Option<bool>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "forward_not_matching_preflights")]
    pub forward_not_matching_preflights: Option<bool>,
}

impl prost::Name for CorsPolicy {
    const NAME: &'static str = "CorsPolicy";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.cors.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy".into()
    }
}
