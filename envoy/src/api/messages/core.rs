//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.core.v3.Address`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Address {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "socket_address")]
    pub socket_address: Option<super::core::SocketAddress>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub pipe: Option<super::core::Pipe>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "envoy_internal_address")]
    pub envoy_internal_address: Option<super::core::EnvoyInternalAddress>,
}

/// `envoy.config.core.v3.AggregatedConfigSource`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AggregatedConfigSource {}

/// `envoy.config.core.v3.ApiConfigSource`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ApiConfigSource {
    #[prost(enumeration = "super::core::ApiConfigSourceApiType", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "api_type",
        serialize_with = "json::enumeration::serialize::<super::core::ApiConfigSourceApiType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::ApiConfigSourceApiType, _>"
    )]
    pub api_type: i32,
    #[prost(enumeration = "super::core::ApiVersion", tag = "8")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "transport_api_version",
        serialize_with = "json::enumeration::serialize::<super::core::ApiVersion, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::ApiVersion, _>"
    )]
    pub transport_api_version: i32,
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "grpc_services")]
    pub grpc_services: Vec<super::core::GrpcService>,
    #[prost(bool, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "set_node_on_first_message_only")]
    pub set_node_on_first_message_only: bool,
}

/// `envoy.config.core.v3.AsyncDataSource`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AsyncDataSource {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub local: Option<super::core::DataSource>,
}

/// `envoy.config.core.v3.BindConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BindConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "source_address")]
    pub source_address: Option<super::core::SocketAddress>,
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "extra_source_addresses")]
    pub extra_source_addresses: Vec<super::core::ExtraSourceAddress>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub freebind: Option<bool>,
}

/// `envoy.config.core.v3.CidrRange`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CidrRange {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "address_prefix")]
    pub address_prefix: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "prefix_len")]
    pub prefix_len: Option<u32>,
}

/// `envoy.config.core.v3.ConfigSource`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigSource {
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "api_config_source")]
    pub api_config_source: Option<super::core::ApiConfigSource>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub ads: Option<super::core::AggregatedConfigSource>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "initial_fetch_timeout")]
    pub initial_fetch_timeout: Option<crate::api::Duration>,
    #[prost(enumeration = "super::core::ApiVersion", tag = "6")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "resource_api_version",
        serialize_with = "json::enumeration::serialize::<super::core::ApiVersion, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::ApiVersion, _>"
    )]
    pub resource_api_version: i32,
}

/// `envoy.config.core.v3.DataSource`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DataSource {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub filename: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "inline_bytes", with = "json::optional::base64")]
    pub inline_bytes: Option<Vec<u8>>,
    #[prost(string, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "inline_string")]
    pub inline_string: Option<String>,
}

/// `envoy.config.core.v3.EnvoyInternalAddress`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvoyInternalAddress {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "server_listener_name")]
    pub server_listener_name: Option<String>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "endpoint_id")]
    pub endpoint_id: String,
}

/// `envoy.config.core.v3.ExtensionConfigSource`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExtensionConfigSource {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "config_source")]
    pub config_source: Option<super::core::ConfigSource>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_config")]
    pub default_config: Option<crate::api::Any>,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "apply_default_config_without_warming")]
    pub apply_default_config_without_warming: bool,
    #[prost(string, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "type_urls")]
    pub type_urls: Vec<String>,
}

/// `envoy.config.core.v3.ExtraSourceAddress`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExtraSourceAddress {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub address: Option<super::core::SocketAddress>,
}

/// `envoy.config.core.v3.GrpcService`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GrpcService {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "envoy_grpc")]
    pub envoy_grpc: Option<super::core::GrpcServiceEnvoyGrpc>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub timeout: Option<crate::api::Duration>,
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "initial_metadata")]
    pub initial_metadata: Vec<super::core::HeaderValue>,
}

/// `envoy.config.core.v3.GrpcService.EnvoyGrpc`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GrpcServiceEnvoyGrpc {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cluster_name")]
    pub cluster_name: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub authority: String,
}

/// `envoy.config.core.v3.HeaderValue`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HeaderValue {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub key: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub value: String,
}

/// `envoy.config.core.v3.HeaderValueOption`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub header: Option<super::core::HeaderValue>,
    #[prost(enumeration = "super::core::HeaderValueOptionHeaderAppendAction", tag = "3")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "append_action",
        serialize_with = "json::enumeration::serialize::<super::core::HeaderValueOptionHeaderAppendAction, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::HeaderValueOptionHeaderAppendAction, _>"
    )]
    pub append_action: i32,
    #[prost(bool, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "keep_empty_value")]
    pub keep_empty_value: bool,
}

/// `envoy.config.core.v3.HealthCheck`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HealthCheck {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub interval: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "unhealthy_threshold")]
    pub unhealthy_threshold: Option<u32>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "healthy_threshold")]
    pub healthy_threshold: Option<u32>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_health_check")]
    pub http_health_check: Option<super::core::HealthCheckHttpHealthCheck>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "tcp_health_check")]
    pub tcp_health_check: Option<super::core::HealthCheckTcpHealthCheck>,
}

/// `envoy.config.core.v3.HealthCheck.HttpHealthCheck`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HealthCheckHttpHealthCheck {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub host: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub path: String,
}

/// `envoy.config.core.v3.HealthCheck.TcpHealthCheck`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HealthCheckTcpHealthCheck {}

/// `envoy.config.core.v3.Http1ProtocolOptions`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Http1ProtocolOptions {
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "accept_http_10")]
    pub accept_http_10: bool,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_host_for_http_10")]
    pub default_host_for_http_10: String,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "header_key_format")]
    pub header_key_format: Option<super::core::Http1ProtocolOptionsHeaderKeyFormat>,
}

/// `envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Http1ProtocolOptionsHeaderKeyFormat {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "proper_case_words")]
    pub proper_case_words: Option<super::core::Http1ProtocolOptionsHeaderKeyFormatProperCaseWords>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stateful_formatter")]
    pub stateful_formatter: Option<super::core::TypedExtensionConfig>,
}

/// `envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Http1ProtocolOptionsHeaderKeyFormatProperCaseWords {}

/// `envoy.config.core.v3.Http2ProtocolOptions`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Http2ProtocolOptions {
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_concurrent_streams")]
    pub max_concurrent_streams: Option<u32>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "initial_stream_window_size")]
    pub initial_stream_window_size: Option<u32>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "initial_connection_window_size")]
    pub initial_connection_window_size: Option<u32>,
    #[prost(bool, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "allow_connect")]
    pub allow_connect: bool,
}

/// `envoy.config.core.v3.HttpProtocolOptions`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpProtocolOptions {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "idle_timeout")]
    pub idle_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_connection_duration")]
    pub max_connection_duration: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_headers_count")]
    pub max_headers_count: Option<u32>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_stream_duration")]
    pub max_stream_duration: Option<crate::api::Duration>,
    #[prost(enumeration = "super::core::HttpProtocolOptionsHeadersWithUnderscoresAction", tag = "5")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "headers_with_underscores_action",
        serialize_with = "json::enumeration::serialize::<super::core::HttpProtocolOptionsHeadersWithUnderscoresAction, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::HttpProtocolOptionsHeadersWithUnderscoresAction, _>"
    )]
    pub headers_with_underscores_action: i32,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_requests_per_connection")]
    pub max_requests_per_connection: Option<u32>,
}

/// `envoy.config.core.v3.HttpService`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpService {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_uri")]
    pub http_uri: Option<super::core::HttpUri>,
}

/// `envoy.config.core.v3.HttpUri`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpUri {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub uri: String,
    #[prost(string, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cluster: Option<String>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub timeout: Option<crate::api::Duration>,
}

/// `envoy.config.core.v3.JsonFormatOptions`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct JsonFormatOptions {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "sort_properties")]
    pub sort_properties: bool,
}

/// `envoy.config.core.v3.KeepaliveSettings`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KeepaliveSettings {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub interval: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub timeout: Option<crate::api::Duration>,
}

/// `envoy.config.core.v3.Locality`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Locality {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub region: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub zone: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "sub_zone")]
    pub sub_zone: String,
}

/// `envoy.config.core.v3.Metadata`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    #[prost(btree_map = "string, message", tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_metadata")]
    pub filter_metadata: std::collections::BTreeMap<String, crate::api::Struct>,
    #[prost(btree_map = "string, message", tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_filter_metadata")]
    pub typed_filter_metadata: std::collections::BTreeMap<String, crate::api::Any>,
}

impl prost::Name for Metadata {
    const NAME: &'static str = "Metadata";
    const PACKAGE: &'static str = "envoy.config.core.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.config.core.v3.Metadata".into()
    }
}

/// `envoy.config.core.v3.Pipe`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pipe {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub path: String,
}

/// `envoy.config.core.v3.ProxyProtocolConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProxyProtocolConfig {
    #[prost(enumeration = "super::core::ProxyProtocolConfigVersion", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::enumeration::serialize::<super::core::ProxyProtocolConfigVersion, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::ProxyProtocolConfigVersion, _>"
    )]
    pub version: i32,
}

/// `envoy.config.core.v3.ProxyProtocolPassThroughTLVs`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProxyProtocolPassThroughTLVs {
    #[prost(enumeration = "super::core::ProxyProtocolPassThroughTLVsPassTLVsMatchType", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "match_type",
        serialize_with = "json::enumeration::serialize::<super::core::ProxyProtocolPassThroughTLVsPassTLVsMatchType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::ProxyProtocolPassThroughTLVsPassTLVsMatchType, _>"
    )]
    pub match_type: i32,
}

/// `envoy.config.core.v3.RuntimeFeatureFlag`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuntimeFeatureFlag {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_value")]
    pub default_value: Option<bool>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "runtime_key")]
    pub runtime_key: String,
}

/// `envoy.config.core.v3.RuntimeFractionalPercent`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuntimeFractionalPercent {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_value")]
    pub default_value: Option<super::common::FractionalPercent>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "runtime_key")]
    pub runtime_key: String,
}

/// `envoy.config.core.v3.RuntimePercent`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuntimePercent {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_value")]
    pub default_value: Option<super::common::Percent>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "runtime_key")]
    pub runtime_key: String,
}

/// `envoy.config.core.v3.RuntimeUInt32`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuntimeUInt32 {
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "default_value")]
    pub default_value: u32,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "runtime_key")]
    pub runtime_key: String,
}

/// `envoy.config.core.v3.SchemeHeaderTransformation`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SchemeHeaderTransformation {
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "scheme_to_overwrite")]
    pub scheme_to_overwrite: Option<String>,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "match_upstream")]
    pub match_upstream: bool,
}

/// `envoy.config.core.v3.SocketAddress`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SocketAddress {
    #[prost(enumeration = "super::core::SocketAddressProtocol", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::enumeration::serialize::<super::core::SocketAddressProtocol, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::SocketAddressProtocol, _>"
    )]
    pub protocol: i32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub address: String,
    #[prost(uint32, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "port_value")]
    pub port_value: Option<u32>,
    #[prost(string, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "named_port")]
    pub named_port: Option<String>,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "resolver_name")]
    pub resolver_name: String,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "ipv4_compat")]
    pub ipv4_compat: bool,
}

/// `envoy.config.core.v3.SocketOption`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SocketOption {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub description: String,
    #[prost(int64, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", with = "json::int64")]
    pub level: i64,
    #[prost(int64, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", with = "json::int64")]
    pub name: i64,
    #[prost(int64, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "int_value", with = "json::optional::int64")]
    pub int_value: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "buf_value", with = "json::optional::base64")]
    pub buf_value: Option<Vec<u8>>,
    #[prost(enumeration = "super::core::SocketOptionSocketState", tag = "6")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::enumeration::serialize::<super::core::SocketOptionSocketState, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::SocketOptionSocketState, _>"
    )]
    pub state: i32,
}

/// `envoy.config.core.v3.SubstitutionFormatString`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubstitutionFormatString {
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "json_format")]
    pub json_format: Option<crate::api::Struct>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "text_format_source")]
    pub text_format_source: Option<super::core::DataSource>,
    #[prost(string, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "text_format")]
    pub text_format: Option<String>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "json_format_options")]
    pub json_format_options: Option<super::core::JsonFormatOptions>,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub formatters: Vec<super::core::TypedExtensionConfig>,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "omit_empty_values")]
    pub omit_empty_values: bool,
}

/// `envoy.config.core.v3.TcpKeepalive`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TcpKeepalive {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "keepalive_probes")]
    pub keepalive_probes: Option<u32>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "keepalive_time")]
    pub keepalive_time: Option<u32>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "keepalive_interval")]
    pub keepalive_interval: Option<u32>,
}

/// `envoy.config.core.v3.TransportSocket`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TransportSocket {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.core.v3.TypedExtensionConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TypedExtensionConfig {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.core.v3.ApiConfigSource.ApiType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ApiConfigSourceApiType {
    DeprecatedAndUnavailableDoNotUse = 0,
    Rest = 1,
    Grpc = 2,
    DeltaGrpc = 3,
    AggregatedGrpc = 5,
    AggregatedDeltaGrpc = 6,
}

impl json::Names for ApiConfigSourceApiType {
    const NAMES: &'static [(&'static str, i32)] =
        &[("DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE", 0), ("REST", 1), ("GRPC", 2), ("DELTA_GRPC", 3), ("AGGREGATED_GRPC", 5), ("AGGREGATED_DELTA_GRPC", 6)];
}

/// `envoy.config.core.v3.ApiVersion`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ApiVersion {
    Auto = 0,
    V2 = 1,
    V3 = 2,
}

impl json::Names for ApiVersion {
    const NAMES: &'static [(&'static str, i32)] = &[("AUTO", 0), ("V2", 1), ("V3", 2)];
}

/// `envoy.config.core.v3.HeaderValueOption.HeaderAppendAction`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HeaderValueOptionHeaderAppendAction {
    AppendIfExistsOrAdd = 0,
    AddIfAbsent = 1,
    OverwriteIfExistsOrAdd = 2,
    OverwriteIfExists = 3,
}

impl json::Names for HeaderValueOptionHeaderAppendAction {
    const NAMES: &'static [(&'static str, i32)] =
        &[("APPEND_IF_EXISTS_OR_ADD", 0), ("ADD_IF_ABSENT", 1), ("OVERWRITE_IF_EXISTS_OR_ADD", 2), ("OVERWRITE_IF_EXISTS", 3)];
}

/// `envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HttpProtocolOptionsHeadersWithUnderscoresAction {
    Allow = 0,
    RejectRequest = 1,
    DropHeader = 2,
}

impl json::Names for HttpProtocolOptionsHeadersWithUnderscoresAction {
    const NAMES: &'static [(&'static str, i32)] = &[("ALLOW", 0), ("REJECT_REQUEST", 1), ("DROP_HEADER", 2)];
}

/// `envoy.config.core.v3.ProxyProtocolConfig.Version`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ProxyProtocolConfigVersion {
    V1 = 0,
    V2 = 1,
}

impl json::Names for ProxyProtocolConfigVersion {
    const NAMES: &'static [(&'static str, i32)] = &[("V1", 0), ("V2", 1)];
}

/// `envoy.config.core.v3.ProxyProtocolPassThroughTLVs.PassTLVsMatchType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ProxyProtocolPassThroughTLVsPassTLVsMatchType {
    IncludeAll = 0,
    Include = 1,
}

impl json::Names for ProxyProtocolPassThroughTLVsPassTLVsMatchType {
    const NAMES: &'static [(&'static str, i32)] = &[("INCLUDE_ALL", 0), ("INCLUDE", 1)];
}

/// `envoy.config.core.v3.SocketAddress.Protocol`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SocketAddressProtocol {
    Tcp = 0,
    Udp = 1,
}

impl json::Names for SocketAddressProtocol {
    const NAMES: &'static [(&'static str, i32)] = &[("TCP", 0), ("UDP", 1)];
}

/// `envoy.config.core.v3.SocketOption.SocketState`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum SocketOptionSocketState {
    StatePrebind = 0,
    StateBound = 1,
    StateListening = 2,
}

impl json::Names for SocketOptionSocketState {
    const NAMES: &'static [(&'static str, i32)] = &[("STATE_PREBIND", 0), ("STATE_BOUND", 1), ("STATE_LISTENING", 2)];
}

/// `envoy.config.core.v3.HealthStatus`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HealthStatus {
    Unknown = 0,
    Healthy = 1,
    Unhealthy = 2,
    Draining = 3,
    Timeout = 4,
    Degraded = 5,
}

impl json::Names for HealthStatus {
    const NAMES: &'static [(&'static str, i32)] = &[("UNKNOWN", 0), ("HEALTHY", 1), ("UNHEALTHY", 2), ("DRAINING", 3), ("TIMEOUT", 4), ("DEGRADED", 5)];
}

/// `envoy.config.core.v3.RoutingPriority`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RoutingPriority {
    Default = 0,
    High = 1,
}

impl json::Names for RoutingPriority {
    const NAMES: &'static [(&'static str, i32)] = &[("DEFAULT", 0), ("HIGH", 1)];
}

/// `envoy.config.core.v3.TrafficDirection`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum TrafficDirection {
    Unspecified = 0,
    Inbound = 1,
    Outbound = 2,
}

impl json::Names for TrafficDirection {
    const NAMES: &'static [(&'static str, i32)] = &[("UNSPECIFIED", 0), ("INBOUND", 1), ("OUTBOUND", 2)];
}
