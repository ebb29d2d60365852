//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.http.compressor.v3.Compressor`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Compressor {
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "compressor_library")]
    pub compressor_library: Option<super::core::TypedExtensionConfig>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_direction_config")]
    pub response_direction_config: Option<super::compressor::CompressorResponseDirectionConfig>,
}

impl prost::Name for Compressor {
    const NAME: &'static str = "Compressor";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.compressor.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor".into()
    }
}

/// `envoy.extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CompressorCommonDirectionConfig {
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "min_content_length")]
    pub min_content_length: Option<u32>,
    #[prost(string, repeated, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "content_type")]
    pub content_type: Vec<String>,
}

/// `envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CompressorResponseDirectionConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "common_config")]
    pub common_config: Option<super::compressor::CompressorCommonDirectionConfig>,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "disable_on_etag_header")]
    pub disable_on_etag_header: bool,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "remove_accept_encoding_header")]
    pub remove_accept_encoding_header: bool,
}
