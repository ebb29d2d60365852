//! Schema and semantic validation of single objects: what Istio's own webhook refuses or warns of.

use crate::codes::{IST0106, IST0133};
use crate::rule::Rule;

mod authorization_policy;
mod envoy_filter;
mod envoy_patch;
mod extensions;
mod peer_authentication;
mod proxy_config;
mod request_authentication;
mod telemetry;
mod workload_entry;
mod workload_group;

macro_rules! rules {
    ($($name:literal $analyzer:literal $module:ident;)*) => {
        pub const RULES: &[Rule] = &[$(Rule { name: $name, codes: &[&IST0106, &IST0133], analyzer: $analyzer, run: $module::run },)*];
    };
}

rules! {
    "schema-authorization-policy" "schema.ValidationAnalyzer.AuthorizationPolicy" authorization_policy;
    "schema-request-authentication" "schema.ValidationAnalyzer.RequestAuthentication" request_authentication;
    "schema-peer-authentication" "schema.ValidationAnalyzer.PeerAuthentication" peer_authentication;
    "schema-telemetry" "schema.ValidationAnalyzer.Telemetry" telemetry;
    "schema-envoy-filter" "schema.ValidationAnalyzer.EnvoyFilter" envoy_filter;
    "schema-workload-entry" "schema.ValidationAnalyzer.WorkloadEntry" workload_entry;
    "schema-workload-group" "schema.ValidationAnalyzer.WorkloadGroup" workload_group;
    "schema-proxy-config" "schema.ValidationAnalyzer.ProxyConfig" proxy_config;
    "schema-extensions" "schema.ValidationAnalyzer.WasmPlugin" extensions;
}
