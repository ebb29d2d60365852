//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.common.fault.v3.FaultDelay`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FaultDelay {
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "fixed_delay")]
    pub fixed_delay: Option<crate::api::Duration>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "header_delay")]
    pub header_delay: Option<super::fault::FaultDelayHeaderDelay>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub percentage: Option<super::common::FractionalPercent>,
}

/// `envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FaultDelayHeaderDelay {}

/// `envoy.extensions.filters.http.fault.v3.FaultAbort`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FaultAbort {
    #[prost(uint32, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "http_status")]
    pub http_status: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "grpc_status")]
    pub grpc_status: Option<u32>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "header_abort")]
    pub header_abort: Option<super::fault::FaultAbortHeaderAbort>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub percentage: Option<super::common::FractionalPercent>,
}

/// `envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FaultAbortHeaderAbort {}

/// `envoy.extensions.filters.http.fault.v3.HTTPFault`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HTTPFault {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub delay: Option<super::fault::FaultDelay>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub abort: Option<super::fault::FaultAbort>,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "upstream_cluster")]
    pub upstream_cluster: String,
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub headers: Vec<super::route::HeaderMatcher>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "max_active_faults")]
    pub max_active_faults: Option<u32>,
}

impl prost::Name for HTTPFault {
    const NAME: &'static str = "HTTPFault";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.fault.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault".into()
    }
}
