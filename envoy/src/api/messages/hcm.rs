//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpConnectionManager {
    #[prost(enumeration = "super::hcm::HttpConnectionManagerCodecType", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "codec_type",
        serialize_with = "json::enumeration::serialize::<super::hcm::HttpConnectionManagerCodecType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::hcm::HttpConnectionManagerCodecType, _>"
    )]
    pub codec_type: i32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stat_prefix")]
    pub stat_prefix: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub rds: Option<super::hcm::Rds>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "route_config")]
    pub route_config: Option<super::route::RouteConfiguration>,
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_filters")]
    pub http_filters: Vec<super::hcm::HttpFilter>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "add_user_agent")]
    pub add_user_agent: Option<bool>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub tracing: Option<super::hcm::HttpConnectionManagerTracing>,
    #[prost(message, optional, tag = "35")]
    #[serde(skip_serializing_if = "json::is_default", alias = "common_http_protocol_options")]
    pub common_http_protocol_options: Option<super::core::HttpProtocolOptions>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_protocol_options")]
    pub http_protocol_options: Option<super::core::Http1ProtocolOptions>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http2_protocol_options")]
    pub http2_protocol_options: Option<super::core::Http2ProtocolOptions>,
    #[prost(string, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "server_name")]
    pub server_name: String,
    #[prost(enumeration = "super::hcm::HttpConnectionManagerServerHeaderTransformation", tag = "34")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "server_header_transformation",
        serialize_with = "json::enumeration::serialize::<super::hcm::HttpConnectionManagerServerHeaderTransformation, _>",
        deserialize_with = "json::enumeration::deserialize::<super::hcm::HttpConnectionManagerServerHeaderTransformation, _>"
    )]
    pub server_header_transformation: i32,
    #[prost(message, optional, tag = "48")]
    #[serde(skip_serializing_if = "json::is_default", alias = "scheme_header_transformation")]
    pub scheme_header_transformation: Option<super::core::SchemeHeaderTransformation>,
    #[prost(message, optional, tag = "29")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_request_headers_kb")]
    pub max_request_headers_kb: Option<u32>,
    #[prost(message, optional, tag = "24")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stream_idle_timeout")]
    pub stream_idle_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "28")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_timeout")]
    pub request_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "41")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_headers_timeout")]
    pub request_headers_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default", alias = "drain_timeout")]
    pub drain_timeout: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "26")]
    #[serde(skip_serializing_if = "json::is_default", alias = "delayed_close_timeout")]
    pub delayed_close_timeout: Option<crate::api::Duration>,
    #[prost(message, repeated, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "access_log")]
    pub access_log: Vec<super::accesslog::AccessLog>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "json::is_default", alias = "use_remote_address")]
    pub use_remote_address: Option<bool>,
    #[prost(uint32, tag = "19")]
    #[serde(skip_serializing_if = "json::is_default", alias = "xff_num_trusted_hops")]
    pub xff_num_trusted_hops: u32,
    #[prost(bool, tag = "21")]
    #[serde(skip_serializing_if = "json::is_default", alias = "skip_xff_append")]
    pub skip_xff_append: bool,
    #[prost(string, tag = "22")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub via: String,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "json::is_default", alias = "generate_request_id")]
    pub generate_request_id: Option<bool>,
    #[prost(bool, tag = "32")]
    #[serde(skip_serializing_if = "json::is_default", alias = "preserve_external_request_id")]
    pub preserve_external_request_id: bool,
    #[prost(bool, tag = "37")]
    #[serde(skip_serializing_if = "json::is_default", alias = "always_set_request_id_in_response")]
    pub always_set_request_id_in_response: bool,
    #[prost(enumeration = "super::hcm::HttpConnectionManagerForwardClientCertDetails", tag = "16")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "forward_client_cert_details",
        serialize_with = "json::enumeration::serialize::<super::hcm::HttpConnectionManagerForwardClientCertDetails, _>",
        deserialize_with = "json::enumeration::deserialize::<super::hcm::HttpConnectionManagerForwardClientCertDetails, _>"
    )]
    pub forward_client_cert_details: i32,
    #[prost(message, optional, tag = "17")]
    #[serde(skip_serializing_if = "json::is_default", alias = "set_current_client_cert_details")]
    pub set_current_client_cert_details: Option<super::hcm::HttpConnectionManagerSetCurrentClientCertDetails>,
    #[prost(bool, tag = "18")]
    #[serde(skip_serializing_if = "json::is_default", alias = "proxy_100_continue")]
    pub proxy_100_continue: bool,
    #[prost(message, repeated, tag = "23")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upgrade_configs")]
    pub upgrade_configs: Vec<super::hcm::HttpConnectionManagerUpgradeConfig>,
    #[prost(message, optional, tag = "30")]
    #[serde(skip_serializing_if = "json::is_default", alias = "normalize_path")]
    pub normalize_path: Option<bool>,
    #[prost(bool, tag = "33")]
    #[serde(skip_serializing_if = "json::is_default", alias = "merge_slashes")]
    pub merge_slashes: bool,
    #[prost(enumeration = "super::hcm::HttpConnectionManagerPathWithEscapedSlashesAction", tag = "45")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "path_with_escaped_slashes_action",
        serialize_with = "json::enumeration::serialize::<super::hcm::HttpConnectionManagerPathWithEscapedSlashesAction, _>",
        deserialize_with = "json::enumeration::deserialize::<super::hcm::HttpConnectionManagerPathWithEscapedSlashesAction, _>"
    )]
    pub path_with_escaped_slashes_action: i32,
    #[prost(message, optional, tag = "36")]
    #[serde(skip_serializing_if = "json::is_default", alias = "request_id_extension")]
    pub request_id_extension: Option<super::hcm::RequestIDExtension>,
    #[prost(message, optional, tag = "38")]
    #[serde(skip_serializing_if = "json::is_default", alias = "local_reply_config")]
    pub local_reply_config: Option<super::hcm::LocalReplyConfig>,
    #[prost(bool, optional, tag = "42")]
    #[serde(skip_serializing_if = "json::is_default", alias = "strip_any_host_port")]
    pub strip_any_host_port: Option<bool>,
    #[prost(bool, tag = "39")]
    #[serde(skip_serializing_if = "json::is_default", alias = "strip_matching_host_port")]
    pub strip_matching_host_port: bool,
}

impl prost::Name for HttpConnectionManager {
    const NAME: &'static str = "HttpConnectionManager";
    const PACKAGE: &'static str = "envoy.extensions.filters.network.http_connection_manager.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager".into()
    }
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpConnectionManagerSetCurrentClientCertDetails {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub subject: Option<bool>,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub cert: bool,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub chain: bool,
    #[prost(bool, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub dns: bool,
    #[prost(bool, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub uri: bool,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpConnectionManagerTracing {
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "client_sampling")]
    pub client_sampling: Option<super::common::Percent>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "random_sampling")]
    pub random_sampling: Option<super::common::Percent>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "overall_sampling")]
    pub overall_sampling: Option<super::common::Percent>,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub verbose: bool,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_path_tag_length")]
    pub max_path_tag_length: Option<u32>,
    #[prost(message, repeated, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "custom_tags")]
    pub custom_tags: Vec<super::common::CustomTag>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub provider: Option<super::trace::TracingHttp>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "spawn_upstream_span")]
    pub spawn_upstream_span: Option<bool>,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpConnectionManagerUpgradeConfig {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upgrade_type")]
    pub upgrade_type: String,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub filters: Vec<super::hcm::HttpFilter>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub enabled: Option<bool>,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpFilter {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "config_discovery")]
    pub config_discovery: Option<super::core::ExtensionConfigSource>,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "is_optional")]
    pub is_optional: bool,
    #[prost(bool, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub disabled: bool,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LocalReplyConfig {}

/// `envoy.extensions.filters.network.http_connection_manager.v3.Rds`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rds {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "config_source")]
    pub config_source: Option<super::core::ConfigSource>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "route_config_name")]
    pub route_config_name: String,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RequestIDExtension {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HttpConnectionManagerCodecType {
    Auto = 0,
    Http1 = 1,
    Http2 = 2,
    Http3 = 3,
}

impl json::Names for HttpConnectionManagerCodecType {
    const NAMES: &'static [(&'static str, i32)] = &[("AUTO", 0), ("HTTP1", 1), ("HTTP2", 2), ("HTTP3", 3)];
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertDetails`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HttpConnectionManagerForwardClientCertDetails {
    Sanitize = 0,
    ForwardOnly = 1,
    AppendForward = 2,
    SanitizeSet = 3,
    AlwaysForwardOnly = 4,
}

impl json::Names for HttpConnectionManagerForwardClientCertDetails {
    const NAMES: &'static [(&'static str, i32)] =
        &[("SANITIZE", 0), ("FORWARD_ONLY", 1), ("APPEND_FORWARD", 2), ("SANITIZE_SET", 3), ("ALWAYS_FORWARD_ONLY", 4)];
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathWithEscapedSlashesAction`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HttpConnectionManagerPathWithEscapedSlashesAction {
    ImplementationSpecificDefault = 0,
    KeepUnchanged = 1,
    RejectRequest = 2,
    UnescapeAndRedirect = 3,
    UnescapeAndForward = 4,
}

impl json::Names for HttpConnectionManagerPathWithEscapedSlashesAction {
    const NAMES: &'static [(&'static str, i32)] =
        &[("IMPLEMENTATION_SPECIFIC_DEFAULT", 0), ("KEEP_UNCHANGED", 1), ("REJECT_REQUEST", 2), ("UNESCAPE_AND_REDIRECT", 3), ("UNESCAPE_AND_FORWARD", 4)];
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ServerHeaderTransformation`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HttpConnectionManagerServerHeaderTransformation {
    Overwrite = 0,
    AppendIfAbsent = 1,
    PassThrough = 2,
}

impl json::Names for HttpConnectionManagerServerHeaderTransformation {
    const NAMES: &'static [(&'static str, i32)] = &[("OVERWRITE", 0), ("APPEND_IF_ABSENT", 1), ("PASS_THROUGH", 2)];
}
