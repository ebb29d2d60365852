//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LocalRateLimitDescriptor {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub entries: Vec<super::local_ratelimit::RateLimitDescriptorEntry>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "token_bucket")]
    pub token_bucket: Option<super::common::TokenBucket>,
}

/// `envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RateLimitDescriptorEntry {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub key: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub value: String,
}

/// `envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LocalRateLimit {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stat_prefix")]
    pub stat_prefix: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub status: Option<super::common::HttpStatus>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "token_bucket")]
    pub token_bucket: Option<super::common::TokenBucket>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_enabled")]
    pub filter_enabled: Option<super::core::RuntimeFractionalPercent>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_enforced")]
    pub filter_enforced: Option<super::core::RuntimeFractionalPercent>,
    #[prost(message, repeated, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_to_add_when_not_enforced")]
    pub request_headers_to_add_when_not_enforced: Vec<super::core::HeaderValueOption>,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_headers_to_add")]
    pub response_headers_to_add: Vec<super::core::HeaderValueOption>,
    #[prost(message, repeated, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub descriptors: Vec<super::local_ratelimit::LocalRateLimitDescriptor>,
    #[prost(uint32, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub stage: u32,
    #[prost(bool, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "local_rate_limit_per_downstream_connection")]
    pub local_rate_limit_per_downstream_connection: bool,
    #[prost(enumeration = "super::local_ratelimit::XRateLimitHeadersRFCVersion", tag = "12")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "enable_x_ratelimit_headers",
        serialize_with = "json::enumeration::serialize::<super::local_ratelimit::XRateLimitHeadersRFCVersion, _>",
        deserialize_with = "json::enumeration::deserialize::<super::local_ratelimit::XRateLimitHeadersRFCVersion, _>"
    )]
    pub enable_x_ratelimit_headers: i32,
}

impl prost::Name for LocalRateLimit {
    const NAME: &'static str = "LocalRateLimit";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.local_ratelimit.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit".into()
    }
}

/// `envoy.extensions.common.ratelimit.v3.XRateLimitHeadersRFCVersion`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum XRateLimitHeadersRFCVersion {
    Off = 0,
    DraftVersion03 = 1,
}

impl json::Names for XRateLimitHeadersRFCVersion {
    const NAMES: &'static [(&'static str, i32)] = &[("OFF", 0), ("DRAFT_VERSION_03", 1)];
}
