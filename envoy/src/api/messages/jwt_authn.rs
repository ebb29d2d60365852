//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwksAsyncFetch {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "fast_listener")]
    pub fast_listener: bool,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "failed_refetch_duration")]
    pub failed_refetch_duration: Option<crate::api::Duration>,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtAuthentication {
    #[prost(btree_map = "string, message", tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub providers: std::collections::BTreeMap<String, super::jwt_authn::JwtProvider>,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub rules: Vec<super::jwt_authn::RequirementRule>,
    #[prost(bool, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "bypass_cors_preflight")]
    pub bypass_cors_preflight: bool,
}

impl prost::Name for JwtAuthentication {
    const NAME: &'static str = "JwtAuthentication";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.jwt_authn.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication".into()
    }
}

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtClaimToHeader {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "header_name")]
    pub header_name: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "claim_name")]
    pub claim_name: String,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtHeader`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtHeader {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "value_prefix")]
    pub value_prefix: String,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtProvider`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtProvider {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub issuer: String,
    #[prost(string, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub audiences: Vec<String>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "remote_jwks")]
    pub remote_jwks: Option<super::jwt_authn::RemoteJwks>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "local_jwks")]
    pub local_jwks: Option<super::core::DataSource>,
    #[prost(bool, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub forward: bool,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "from_headers")]
    pub from_headers: Vec<super::jwt_authn::JwtHeader>,
    #[prost(string, repeated, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "from_params")]
    pub from_params: Vec<String>,
    #[prost(string, repeated, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "from_cookies")]
    pub from_cookies: Vec<String>,
    #[prost(string, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "forward_payload_header")]
    pub forward_payload_header: String,
    #[prost(bool, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "pad_forward_payload_header")]
    pub pad_forward_payload_header: bool,
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "payload_in_metadata")]
    pub payload_in_metadata: String,
    #[prost(message, optional, tag = "18")]
    #[serde(skip_serializing_if = "json::is_default", alias = "normalize_payload_in_metadata")]
    pub normalize_payload_in_metadata: Option<super::jwt_authn::JwtProviderNormalizePayload>,
    #[prost(message, repeated, tag = "15")]
    #[serde(skip_serializing_if = "json::is_default", alias = "claim_to_headers")]
    pub claim_to_headers: Vec<super::jwt_authn::JwtClaimToHeader>,
    #[prost(uint32, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "clock_skew_seconds")]
    pub clock_skew_seconds: u32,
    #[prost(bool, tag = "20")]
    #[serde(skip_serializing_if = "json::is_default", alias = "require_expiration")]
    pub require_expiration: bool,
    #[prost(message, optional, tag = "21")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_lifetime")]
    pub max_lifetime: Option<crate::api::Duration>,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtProvider.NormalizePayload`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtProviderNormalizePayload {
    #[prost(string, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "space_delimited_claims")]
    pub space_delimited_claims: Vec<String>,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtRequirement {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "provider_name")]
    pub provider_name: Option<String>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "provider_and_audiences")]
    pub provider_and_audiences: Option<super::jwt_authn::ProviderWithAudiences>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "requires_any")]
    pub requires_any: Option<super::jwt_authn::JwtRequirementOrList>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "requires_all")]
    pub requires_all: Option<super::jwt_authn::JwtRequirementAndList>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_missing_or_failed")]
    pub allow_missing_or_failed: Option<crate::api::Empty>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_missing")]
    pub allow_missing: Option<crate::api::Empty>,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementAndList`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtRequirementAndList {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub requirements: Vec<super::jwt_authn::JwtRequirement>,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementOrList`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JwtRequirementOrList {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub requirements: Vec<super::jwt_authn::JwtRequirement>,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.ProviderWithAudiences`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProviderWithAudiences {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "provider_name")]
    pub provider_name: String,
    #[prost(string, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub audiences: Vec<String>,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RemoteJwks {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_uri")]
    pub http_uri: Option<super::core::HttpUri>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cache_duration")]
    pub cache_duration: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "async_fetch")]
    pub async_fetch: Option<super::jwt_authn::JwksAsyncFetch>,
}

/// `envoy.extensions.filters.http.jwt_authn.v3.RequirementRule`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RequirementRule {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub r#match: Option<super::route::RouteMatch>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub requires: Option<super::jwt_authn::JwtRequirement>,
    #[prost(string, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "requirement_name")]
    pub requirement_name: Option<String>,
}
