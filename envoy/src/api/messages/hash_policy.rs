//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.type.v3.HashPolicy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HashPolicy {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "source_ip")]
    pub source_ip: Option<super::hash_policy::HashPolicySourceIp>,
}

/// `envoy.type.v3.HashPolicy.SourceIp`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HashPolicySourceIp {}
