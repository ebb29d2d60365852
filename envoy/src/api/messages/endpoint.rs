//! Made by `cargo xtask envoy-types`.

use crate::api::json;

/// `envoy.config.endpoint.v3.ClusterLoadAssignment`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterLoadAssignment {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "cluster_name")]
    pub cluster_name: String,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub endpoints: Vec<super::endpoint::LocalityLbEndpoints>,
    #[prost(btree_map = "string, message", tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "named_endpoints")]
    pub named_endpoints: std::collections::BTreeMap<String, super::endpoint::Endpoint>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub policy: Option<super::endpoint::ClusterLoadAssignmentPolicy>,
}

impl prost::Name for ClusterLoadAssignment {
    const NAME: &'static str = "ClusterLoadAssignment";
    const PACKAGE: &'static str = "envoy.config.endpoint.v3";
    fn type_url() -> String {
        "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment".into()
    }
}

/// `envoy.config.endpoint.v3.ClusterLoadAssignment.Policy`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterLoadAssignmentPolicy {
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "overprovisioning_factor")]
    pub overprovisioning_factor: Option<u32>,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "drop_overloads")]
    pub drop_overloads: Vec<super::endpoint::ClusterLoadAssignmentPolicyDropOverload>,
}

/// `envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterLoadAssignmentPolicyDropOverload {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub category: String,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "drop_percentage")]
    pub drop_percentage: Option<super::common::FractionalPercent>,
}

/// `envoy.config.endpoint.v3.Endpoint`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoint {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub address: Option<super::core::Address>,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "health_check_config")]
    pub health_check_config: Option<super::endpoint::EndpointHealthCheckConfig>,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub hostname: String,
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "additional_addresses")]
    pub additional_addresses: Vec<super::endpoint::EndpointAdditionalAddress>,
}

/// `envoy.config.endpoint.v3.Endpoint.AdditionalAddress`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointAdditionalAddress {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub address: Option<super::core::Address>,
}

/// `envoy.config.endpoint.v3.Endpoint.HealthCheckConfig`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointHealthCheckConfig {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default", alias = "port_value")]
    pub port_value: u32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub hostname: String,
}

/// `envoy.config.endpoint.v3.LbEndpoint`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LbEndpoint {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub endpoint: Option<super::endpoint::Endpoint>,
    #[prost(string, optional, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default", alias = "endpoint_name")]
    pub endpoint_name: Option<String>,
    #[prost(enumeration = "super::core::HealthStatus", tag = "2")]
    #[serde(
        skip_serializing_if = "json::is_default",
        alias = "health_status",
        serialize_with = "json::enumeration::serialize::<super::core::HealthStatus, _>",
        deserialize_with = "json::enumeration::deserialize::<super::core::HealthStatus, _>"
    )]
    pub health_status: i32,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::core::Metadata>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "json::is_default", alias = "load_balancing_weight")]
    pub load_balancing_weight: Option<u32>,
}

/// `envoy.config.endpoint.v3.LocalityLbEndpoints`
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LocalityLbEndpoints {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub locality: Option<super::core::Locality>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub metadata: Option<super::core::Metadata>,
    #[prost(message, repeated, tag = "2")]
    #[serde(skip_serializing_if = "json::is_default", alias = "lb_endpoints")]
    pub lb_endpoints: Vec<super::endpoint::LbEndpoint>,
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "json::is_default", alias = "load_balancing_weight")]
    pub load_balancing_weight: Option<u32>,
    #[prost(uint32, tag = "5")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub priority: u32,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "json::is_default")]
    pub proximity: Option<u32>,
}
