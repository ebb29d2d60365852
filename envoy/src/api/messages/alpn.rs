//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterConfig {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "alpn_override")]
    pub alpn_override: Vec<super::alpn::FilterConfigAlpnOverride>,
}

impl prost::Name for FilterConfig {
    const NAME: &'static str = "FilterConfig";
    const PACKAGE: &'static str = "istio.envoy.config.filter.http.alpn.v2alpha1";
    fn type_url() -> String {
        "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig".into()
    }
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig.AlpnOverride`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterConfigAlpnOverride {
    #[prost(enumeration = "super::alpn::FilterConfigProtocol", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "upstream_protocol",
        serialize_with = "json::enumeration::serialize::<super::alpn::FilterConfigProtocol, _>",
        deserialize_with = "json::enumeration::deserialize::<super::alpn::FilterConfigProtocol, _>"
    )]
    pub upstream_protocol: i32,
    #[prost(string, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "alpn_override")]
    pub alpn_override: Vec<String>,
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig.Protocol`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FilterConfigProtocol {
    Http10 = 0,
    Http11 = 1,
    Http2 = 2,
}

impl json::Names for FilterConfigProtocol {
    const NAMES: &'static [(&'static str, i32)] = &[("HTTP10", 0), ("HTTP11", 1), ("HTTP2", 2)];
}
