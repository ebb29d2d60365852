//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.http.rbac.v3.RBAC`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RBAC {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub rules: Option<super::rbac::RBAC>,
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "rules_stat_prefix")]
    pub rules_stat_prefix: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "shadow_rules")]
    pub shadow_rules: Option<super::rbac::RBAC>,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "shadow_rules_stat_prefix")]
    pub shadow_rules_stat_prefix: String,
}

impl prost::Name for RBAC {
    const NAME: &'static str = "RBAC";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.rbac.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC".into()
    }
}

/// `envoy.extensions.filters.http.rbac.v3.RBACPerRoute`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RBACPerRoute {
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub rbac: Option<super::http_rbac::RBAC>,
}

impl prost::Name for RBACPerRoute {
    const NAME: &'static str = "RBACPerRoute";
    const PACKAGE: &'static str = "envoy.extensions.filters.http.rbac.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute".into()
    }
}
