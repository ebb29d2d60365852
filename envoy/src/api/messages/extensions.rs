//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CaresDnsResolverConfig {
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "udp_max_queries")]
    pub udp_max_queries: Option<u32>,
}

impl prost::Name for CaresDnsResolverConfig {
    const NAME: &'static str = "CaresDnsResolverConfig";
    const PACKAGE: &'static str = "envoy.extensions.network.dns_resolver.cares.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig".into()
    }
}

/// `envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UriTemplateMatchConfig {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "path_template")]
    pub path_template: String,
}

impl prost::Name for UriTemplateMatchConfig {
    const NAME: &'static str = "UriTemplateMatchConfig";
    const PACKAGE: &'static str = "envoy.extensions.path.match.uri_template.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig".into()
    }
}

/// `envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UuidRequestIdConfig {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "pack_trace_reason")]
    pub pack_trace_reason: Option<bool>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "use_request_id_for_trace_sampling")]
    pub use_request_id_for_trace_sampling: Option<bool>,
}

impl prost::Name for UuidRequestIdConfig {
    const NAME: &'static str = "UuidRequestIdConfig";
    const PACKAGE: &'static str = "envoy.extensions.request_id.uuid.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig".into()
    }
}

/// `envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PreviousHostsPredicate {}

impl prost::Name for PreviousHostsPredicate {
    const NAME: &'static str = "PreviousHostsPredicate";
    const PACKAGE: &'static str = "envoy.extensions.retry.host.previous_hosts.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate".into()
    }
}

/// `envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RawBuffer {}

impl prost::Name for RawBuffer {
    const NAME: &'static str = "RawBuffer";
    const PACKAGE: &'static str = "envoy.extensions.transport_sockets.raw_buffer.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer".into()
    }
}

/// `udpa.type.v1.TypedStruct`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TypedStruct {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "type_url")]
    pub type_url: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub value: Option<crate::api::Struct>,
}

impl prost::Name for TypedStruct {
    const NAME: &'static str = "TypedStruct";
    const PACKAGE: &'static str = "udpa.type.v1";
    fn type_url() -> String {
        "type.googleapis.com/udpa.type.v1.TypedStruct".into()
    }
}
