//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.extensions.filters.network.rbac.v3.RBAC`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RBAC {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub rules: Option<super::rbac::RBAC>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "shadow_rules")]
    pub shadow_rules: Option<super::rbac::RBAC>,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "shadow_rules_stat_prefix")]
    pub shadow_rules_stat_prefix: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "stat_prefix")]
    pub stat_prefix: String,
    #[prost(enumeration = "super::network_filters::RBACEnforcementType", tag = "4")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "enforcement_type",
        serialize_with = "json::enumeration::serialize::<super::network_filters::RBACEnforcementType, _>",
        deserialize_with = "json::enumeration::deserialize::<super::network_filters::RBACEnforcementType, _>"
    )]
    pub enforcement_type: i32,
}

impl prost::Name for RBAC {
    const NAME: &'static str = "RBAC";
    const PACKAGE: &'static str = "envoy.extensions.filters.network.rbac.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC".into()
    }
}

/// `envoy.extensions.filters.network.sni_cluster.v3.SniCluster`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SniCluster {}

impl prost::Name for SniCluster {
    const NAME: &'static str = "SniCluster";
    const PACKAGE: &'static str = "envoy.extensions.filters.network.sni_cluster.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.extensions.filters.network.sni_cluster.v3.SniCluster".into()
    }
}

/// `envoy.extensions.filters.network.rbac.v3.RBAC.EnforcementType`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RBACEnforcementType {
    OneTimeOnFirstByte = 0,
    Continuous = 1,
}

impl json::Names for RBACEnforcementType {
    const NAMES: &'static [(&'static str, i32)] = &[("ONE_TIME_ON_FIRST_BYTE", 0), ("CONTINUOUS", 1)];
}
