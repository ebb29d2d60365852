//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.accesslog.v3.AccessLog`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AccessLog {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub filter: Option<super::accesslog::AccessLogFilter>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.accesslog.v3.AccessLogFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AccessLogFilter {
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "not_health_check_filter")]
    pub not_health_check_filter: Option<super::accesslog::NotHealthCheckFilter>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "runtime_filter")]
    pub runtime_filter: Option<super::accesslog::RuntimeFilter>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "and_filter")]
    pub and_filter: Option<super::accesslog::AndFilter>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default", alias = "or_filter")]
    pub or_filter: Option<super::accesslog::OrFilter>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "response_flag_filter")]
    pub response_flag_filter: Option<super::accesslog::ResponseFlagFilter>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "extension_filter")]
    pub extension_filter: Option<super::accesslog::ExtensionFilter>,
}

/// `envoy.config.accesslog.v3.AndFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AndFilter {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub filters: Vec<super::accesslog::AccessLogFilter>,
}

/// `envoy.config.accesslog.v3.ExtensionFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ExtensionFilter {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub name: String,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "typed_config")]
    pub typed_config: Option<crate::api::Any>,
}

/// `envoy.config.accesslog.v3.NotHealthCheckFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NotHealthCheckFilter {}

/// `envoy.config.accesslog.v3.OrFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OrFilter {
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub filters: Vec<super::accesslog::AccessLogFilter>,
}

/// `envoy.config.accesslog.v3.ResponseFlagFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResponseFlagFilter {
    #[prost(string, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub flags: Vec<String>,
}

/// `envoy.config.accesslog.v3.RuntimeFilter`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuntimeFilter {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "runtime_key")]
    pub runtime_key: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "percent_sampled")]
    pub percent_sampled: Option<super::common::FractionalPercent>,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "use_independent_randomness")]
    pub use_independent_randomness: bool,
}

/// `envoy.extensions.access_loggers.file.v3.FileAccessLog`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FileAccessLog {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub path: String,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "log_format")]
    pub log_format: Option<super::core::SubstitutionFormatString>,
}

impl prost::Name for FileAccessLog {
    const NAME: &'static str = "FileAccessLog";
    const PACKAGE: &'static str = "envoy.extensions.access_loggers.file.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog".into()
    }
}
