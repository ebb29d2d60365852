//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpProtocolOptions {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "common_http_protocol_options")]
    pub common_http_protocol_options: Option<super::core::HttpProtocolOptions>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upstream_http_protocol_options")]
    pub upstream_http_protocol_options: Option<super::upstream_options::UpstreamHttpProtocolOptions>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "explicit_http_config")]
    pub explicit_http_config: Option<super::upstream_http::HttpProtocolOptionsExplicitHttpConfig>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "use_downstream_protocol_config")]
    pub use_downstream_protocol_config: Option<super::upstream_http::HttpProtocolOptionsUseDownstreamHttpConfig>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "auto_config")]
    pub auto_config: Option<super::upstream_http::HttpProtocolOptionsAutoHttpConfig>,
}

impl prost::Name for HttpProtocolOptions {
    const NAME: &'static str = "HttpProtocolOptions";
    const PACKAGE: &'static str = "envoy.extensions.upstreams.http.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions".into()
    }
}

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpProtocolOptionsAutoHttpConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_protocol_options")]
    pub http_protocol_options: Option<super::core::Http1ProtocolOptions>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http2_protocol_options")]
    pub http2_protocol_options: Option<super::core::Http2ProtocolOptions>,
}

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpProtocolOptionsExplicitHttpConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_protocol_options")]
    pub http_protocol_options: Option<super::core::Http1ProtocolOptions>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http2_protocol_options")]
    pub http2_protocol_options: Option<super::core::Http2ProtocolOptions>,
}

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpProtocolOptionsUseDownstreamHttpConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_protocol_options")]
    pub http_protocol_options: Option<super::core::Http1ProtocolOptions>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http2_protocol_options")]
    pub http2_protocol_options: Option<super::core::Http2ProtocolOptions>,
}
