//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.trace.v3.OpenTelemetryConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OpenTelemetryConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "grpc_service")]
    pub grpc_service: Option<super::core::GrpcService>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_service")]
    pub http_service: Option<super::core::HttpService>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "service_name")]
    pub service_name: String,
}

impl prost::Name for OpenTelemetryConfig {
    const NAME: &'static str = "OpenTelemetryConfig";
    const PACKAGE: &'static str = "envoy.config.trace.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig".into()
    }
}

/// `envoy.config.trace.v3.Tracing.Http`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TracingHttp {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.trace.v3.ZipkinConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ZipkinConfig {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "collector_cluster")]
    pub collector_cluster: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "collector_endpoint")]
    pub collector_endpoint: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "trace_id_128bit")]
    pub trace_id_128bit: bool,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "shared_span_context")]
    pub shared_span_context: Option<bool>,
    #[prost(enumeration = "super::trace::ZipkinConfigCollectorEndpointVersion", tag = "5")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "collector_endpoint_version",
        serialize_with = "json::enumeration::serialize::<super::trace::ZipkinConfigCollectorEndpointVersion, _>",
        deserialize_with = "json::enumeration::deserialize::<super::trace::ZipkinConfigCollectorEndpointVersion, _>"
    )]
    pub collector_endpoint_version: i32,
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "collector_hostname")]
    pub collector_hostname: String,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "collector_service")]
    pub collector_service: Option<super::core::HttpService>,
}

impl prost::Name for ZipkinConfig {
    const NAME: &'static str = "ZipkinConfig";
    const PACKAGE: &'static str = "envoy.config.trace.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig".into()
    }
}

/// `envoy.config.trace.v3.ZipkinConfig.CollectorEndpointVersion`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ZipkinConfigCollectorEndpointVersion {
    DeprecatedAndUnavailableDoNotUse = 0,
    HttpJson = 1,
    HttpProto = 2,
    Grpc = 3,
}

impl json::Names for ZipkinConfigCollectorEndpointVersion {
    const NAMES: &'static [(&'static str, i32)] = &[("DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE", 0), ("HTTP_JSON", 1), ("HTTP_PROTO", 2), ("GRPC", 3)];
}
