//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.rbac.v3.Permission`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Permission {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "and_rules")]
    pub and_rules: Option<super::rbac::PermissionSet>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "or_rules")]
    pub or_rules: Option<super::rbac::PermissionSet>,
    #[prost(bool, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub any: Option<bool>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub header: Option<super::route::HeaderMatcher>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "url_path")]
    pub url_path: Option<super::common::PathMatcher>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "destination_ip")]
    pub destination_ip: Option<super::core::CidrRange>,
    #[prost(uint32, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default", alias = "destination_port")]
    pub destination_port: Option<u32>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "destination_port_range")]
    pub destination_port_range: Option<super::common::Int32Range>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::common::MetadataMatcher>,
    #[prost(message, optional, boxed, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "not_rule")]
    pub not_rule: Option<Box<super::rbac::Permission>>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "requested_server_name")]
    pub requested_server_name: Option<super::common::StringMatcher>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub matcher: Option<super::core::TypedExtensionConfig>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "json::is_default", alias = "uri_template")]
    pub uri_template: Option<super::core::TypedExtensionConfig>,
}

/// `envoy.config.rbac.v3.Permission.Set`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PermissionSet {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub rules: Vec<super::rbac::Permission>,
}

/// `envoy.config.rbac.v3.Policy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Policy {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub permissions: Vec<super::rbac::Permission>,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub principals: Vec<super::rbac::Principal>,
}

/// `envoy.config.rbac.v3.Principal`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Principal {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "and_ids")]
    pub and_ids: Option<super::rbac::PrincipalSet>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "or_ids")]
    pub or_ids: Option<super::rbac::PrincipalSet>,
    #[prost(bool, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub any: Option<bool>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub authenticated: Option<super::rbac::PrincipalAuthenticated>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "source_ip")]
    pub source_ip: Option<super::core::CidrRange>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "json::is_default", alias = "direct_remote_ip")]
    pub direct_remote_ip: Option<super::core::CidrRange>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "json::is_default", alias = "remote_ip")]
    pub remote_ip: Option<super::core::CidrRange>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub header: Option<super::route::HeaderMatcher>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default", alias = "url_path")]
    pub url_path: Option<super::common::PathMatcher>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::common::MetadataMatcher>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "json::is_default", alias = "filter_state")]
    pub filter_state: Option<super::common::FilterStateMatcher>,
    #[prost(message, optional, boxed, tag = "8")]
    #[serde(skip_serializing_if = "json::is_default", alias = "not_id")]
    pub not_id: Option<Box<super::rbac::Principal>>,
}

/// `envoy.config.rbac.v3.Principal.Authenticated`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PrincipalAuthenticated {
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "principal_name")]
    pub principal_name: Option<super::common::StringMatcher>,
}

/// `envoy.config.rbac.v3.Principal.Set`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PrincipalSet {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub ids: Vec<super::rbac::Principal>,
}

/// `envoy.config.rbac.v3.RBAC`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RBAC {
    #[prost(enumeration = "super::rbac::RBACAction", tag = "1")]
    #[serde(
        skip_serializing_if = "json::is_default",
        serialize_with = "json::enumeration::serialize::<super::rbac::RBACAction, _>",
        deserialize_with = "json::enumeration::deserialize::<super::rbac::RBACAction, _>"
    )]
    pub action: i32,
    #[prost(btree_map = "string, message", tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub policies: std::collections::BTreeMap<String, super::rbac::Policy>,
}

/// `envoy.config.rbac.v3.RBAC.Action`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RBACAction {
    Allow = 0,
    Deny = 1,
    Log = 2,
}

impl json::Names for RBACAction {
    const NAMES: &'static [(&'static str, i32)] = &[("ALLOW", 0), ("DENY", 1), ("LOG", 2)];
}
