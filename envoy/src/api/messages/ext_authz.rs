//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AuthorizationRequest {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allowed_headers")]
    pub allowed_headers: Option<super::common::ListStringMatcher>,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "headers_to_add")]
    pub headers_to_add: Vec<super::core::HeaderValue>,
}

/// `envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AuthorizationResponse {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allowed_upstream_headers")]
    pub allowed_upstream_headers: Option<super::common::ListStringMatcher>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allowed_client_headers")]
    pub allowed_client_headers: Option<super::common::ListStringMatcher>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "dynamic_metadata_from_headers")]
    pub dynamic_metadata_from_headers: Option<super::common::ListStringMatcher>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allowed_client_headers_on_success")]
    pub allowed_client_headers_on_success: Option<super::common::ListStringMatcher>,
}

/// `envoy.extensions.filters.http.ext_authz.v3.BufferSettings`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BufferSettings {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_request_bytes")]
    pub max_request_bytes: u32,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_partial_message")]
    pub allow_partial_message: bool,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "pack_as_bytes")]
    pub pack_as_bytes: bool,
}

/// `envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExtAuthz {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "grpc_service")]
    pub grpc_service: Option<super::core::GrpcService>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_service")]
    pub http_service: Option<super::ext_authz::HttpService>,
    #[prost(enumeration = "super::core::ApiVersion", tag = "12")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "transport_api_version",
        serialize_with = "json::enumeration::serialize::<super::core::ApiVersion, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::ApiVersion, _>"
    )]
    pub transport_api_version: i32,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "failure_mode_allow")]
    pub failure_mode_allow: bool,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "with_request_body")]
    pub with_request_body: Option<super::ext_authz::BufferSettings>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "status_on_error")]
    pub status_on_error: Option<super::common::HttpStatus>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_enabled_metadata")]
    pub filter_enabled_metadata: Option<super::common::MetadataMatcher>,
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "include_peer_certificate")]
    pub include_peer_certificate: bool,
    #[prost(string, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stat_prefix")]
    pub stat_prefix: String,
}

impl prost::Name for ExtAuthz {
    const NAME: &'static str = "ExtAuthz";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.ext_authz.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz".into()
    }
}

/// `envoy.extensions.filters.http.ext_authz.v3.HttpService`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpService {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "server_uri")]
    pub server_uri: Option<super::core::HttpUri>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "path_prefix")]
    pub path_prefix: String,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "authorization_request")]
    pub authorization_request: Option<super::ext_authz::AuthorizationRequest>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "authorization_response")]
    pub authorization_response: Option<super::ext_authz::AuthorizationResponse>,
}
