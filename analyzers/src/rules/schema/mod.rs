//! Schema and semantic validation of single objects: what Istio's own webhook refuses or warns of.

use crate::codes::{IST0106, IST0130, IST0131, IST0133};
use crate::rule::Rule;

mod authorization_policy;
mod destination_rule;
mod envoy_filter;
mod envoy_patch;
mod extensions;
mod gateway;
mod mesh_config;
mod mesh_networks;
mod peer_authentication;
mod proxy_config;
mod request_authentication;
mod service_entry;
mod sidecar;
mod telemetry;
mod virtual_service;
mod workload_entry;
mod workload_group;

macro_rules! rules {
    ($($name:literal $analyzer:literal $module:ident;)*) => {
        pub const RULES: &[Rule] = &[$(Rule { name: $name, codes: &[&IST0106, &IST0130, &IST0131, &IST0133], analyzer: $analyzer, run: $module::run },)*];
    };
}

rules! {
    "schema-virtual-service" "schema.ValidationAnalyzer.VirtualService" virtual_service;
    "schema-destination-rule" "schema.ValidationAnalyzer.DestinationRule" destination_rule;
    "schema-gateway" "schema.ValidationAnalyzer.Gateway" gateway;
    "schema-service-entry" "schema.ValidationAnalyzer.ServiceEntry" service_entry;
    "schema-sidecar" "schema.ValidationAnalyzer.Sidecar" sidecar;
    "schema-authorization-policy" "schema.ValidationAnalyzer.AuthorizationPolicy" authorization_policy;
    "schema-request-authentication" "schema.ValidationAnalyzer.RequestAuthentication" request_authentication;
    "schema-peer-authentication" "schema.ValidationAnalyzer.PeerAuthentication" peer_authentication;
    "schema-telemetry" "schema.ValidationAnalyzer.Telemetry" telemetry;
    "schema-envoy-filter" "schema.ValidationAnalyzer.EnvoyFilter" envoy_filter;
    "schema-workload-entry" "schema.ValidationAnalyzer.WorkloadEntry" workload_entry;
    "schema-workload-group" "schema.ValidationAnalyzer.WorkloadGroup" workload_group;
    "schema-proxy-config" "schema.ValidationAnalyzer.ProxyConfig" proxy_config;
    "schema-extensions" "schema.ValidationAnalyzer.WasmPlugin" extensions;
    "schema-mesh-config" "schema.ValidationAnalyzer.MeshConfig" mesh_config;
    "schema-mesh-networks" "schema.ValidationAnalyzer.MeshNetworks" mesh_networks;
}
