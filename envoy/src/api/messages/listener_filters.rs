//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.listener.http_inspector.v3.HttpInspector`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpInspector {}

impl prost::Name for HttpInspector {
    const NAME: &'static str = "HttpInspector";
    const PACKAGE: &'static str = "envoy.extensions.filters.listener.http_inspector.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector".into()
    }
}

/// `envoy.extensions.filters.listener.original_dst.v3.OriginalDst`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OriginalDst {}

impl prost::Name for OriginalDst {
    const NAME: &'static str = "OriginalDst";
    const PACKAGE: &'static str = "envoy.extensions.filters.listener.original_dst.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst".into()
    }
}

/// `envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TlsInspector {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "enable_ja3_fingerprinting")]
    pub enable_ja3_fingerprinting: Option<bool>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "initial_read_buffer_size")]
    pub initial_read_buffer_size: Option<u32>,
}

impl prost::Name for TlsInspector {
    const NAME: &'static str = "TlsInspector";
    const PACKAGE: &'static str = "envoy.extensions.filters.listener.tls_inspector.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector".into()
    }
}
