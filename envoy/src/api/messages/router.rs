//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.http.router.v3.Router`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Router {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "dynamic_stats")]
    pub dynamic_stats: Option<bool>,
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "start_child_span")]
    pub start_child_span: bool,
    #[prost(bool, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "suppress_envoy_headers")]
    pub suppress_envoy_headers: bool,
}

impl prost::Name for Router {
    const NAME: &'static str = "Router";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.router.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router".into()
    }
}
