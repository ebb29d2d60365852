//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.core.v3.UpstreamHttpProtocolOptions`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UpstreamHttpProtocolOptions {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "auto_sni")]
    pub auto_sni: bool,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "auto_san_validation")]
    pub auto_san_validation: bool,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "override_auto_sni_header")]
    pub override_auto_sni_header: String,
}
