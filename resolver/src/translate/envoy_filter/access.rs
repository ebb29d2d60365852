//! Whether an EnvoyFilter may change who is let through.

use super::patches;
use mesh_model::{Node, Object};

/// Filters that never look at who calls.
const HARMLESS: &[&str] = &[
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
    "envoy.extensions.filters.http.compressor.v3.Compressor",
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    "envoy.extensions.filters.http.cors.v3.Cors",
];

/// Whether one of its patches may change which callers a sidecar lets in. Not those of clusters and of the way out, and not
/// those that put in a filter to which all callers are alike.
pub fn may_change_access(object: &Object) -> bool {
    patches(object).any(|p| {
        let context = p.at(&["match", "context"]).map_or("", Node::text);
        let is_inbound = matches!(context, "" | "ANY" | "SIDECAR_INBOUND");
        let Some(patch) = p.get("patch").filter(|_| is_inbound) else { return false };
        let value = patch.get("value");
        match (p.text_of("applyTo"), patch.text_of("operation")) {
            ("CLUSTER" | "BOOTSTRAP", _) => false,
            ("HTTP_FILTER" | "NETWORK_FILTER", "ADD" | "INSERT_BEFORE" | "INSERT_AFTER" | "INSERT_FIRST") => {
                !value.is_some_and(|v| is_harmless(v.get("typed_config")))
            }
            ("HTTP_ROUTE" | "VIRTUAL_HOST" | "ROUTE_CONFIGURATION", "MERGE") => value
                .is_some_and(|v| v.entries().any(|(k, v)| k.text() != "typed_per_filter_config" || v.entries().any(|(_, config)| !is_harmless(Some(config))))),
            _ => true,
        }
    })
}

fn is_harmless(config: Option<Node<'_>>) -> bool {
    let Some(config) = config else { return false };
    let url = config.text_of("@type");
    let url = if url.ends_with(".TypedStruct") { config.text_of("type_url") } else { url };
    HARMLESS.contains(&url.rsplit('/').next().unwrap_or(url))
}
