//! ## IST0151 EnvoyFilterUsesRelativeOperation (Warning)
//!
//! **What it checks.** A patch that refers to a filter or cluster of another patch (REMOVE, REPLACE, INSERT_BEFORE,
//! INSERT_AFTER) in an EnvoyFilter without a priority.
//!
//! **Why it matters.** Whether it finds what it refers to depends on the order in which filters happen to be applied.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: lua, namespace: shop}
//! spec:
//!   configPatches:
//!   - applyTo: HTTP_FILTER
//!     patch:
//!       operation: INSERT_BEFORE
//!       value: {name: lua, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: lua, namespace: shop}
//! spec:
//!   priority: 10
//!   configPatches:
//!   - applyTo: HTTP_FILTER
//!     patch:
//!       operation: INSERT_BEFORE
//!       value: {name: lua, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}
//! ```
//!
//! ## IST0155 EnvoyFilterUsesRelativeOperationWithProxyVersion (Warning)
//!
//! **What it checks.** The same, where an earlier patch of that name is for one proxy version.
//!
//! **Why it matters.** On other proxies the earlier patch is not applied, and this one finds nothing.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: lua, namespace: shop}
//! spec:
//!   configPatches:
//!   - applyTo: HTTP_FILTER
//!     match: {proxy: {proxyVersion: '^1\.30.*'}}
//!     patch:
//!       operation: INSERT_FIRST
//!       value: {name: lua, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}
//!   - applyTo: HTTP_FILTER
//!     patch:
//!       operation: REPLACE
//!       value: {name: lua, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: lua, namespace: shop}
//! spec:
//!   priority: 10
//!   configPatches:
//!   - applyTo: HTTP_FILTER
//!     patch:
//!       operation: REPLACE
//!       value: {name: lua, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}
//! ```
//!
//! ## IST0152 EnvoyFilterUsesReplaceOperationIncorrectly (Error)
//!
//! **What it checks.** REPLACE on something else than a network filter, an HTTP filter or a virtual host.
//!
//! **Why it matters.** The patch does nothing.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: c, namespace: shop}
//! spec:
//!   configPatches: [{applyTo: CLUSTER, patch: {operation: REPLACE, value: {connect_timeout: 5s}}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: c, namespace: shop}
//! spec:
//!   configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 5s}}}]
//! ```
//!
//! ## IST0153 EnvoyFilterUsesAddOperationIncorrectly (Error)
//!
//! **What it checks.** ADD on a route configuration or a route.
//!
//! **Why it matters.** The patch does nothing.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: r, namespace: shop}
//! spec:
//!   configPatches: [{applyTo: HTTP_ROUTE, patch: {operation: ADD, value: {name: r}}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: r, namespace: shop}
//! spec:
//!   configPatches: [{applyTo: HTTP_ROUTE, patch: {operation: INSERT_FIRST, value: {name: r}}}]
//! ```
//!
//! ## IST0154 EnvoyFilterUsesRemoveOperationIncorrectly (Error)
//!
//! **What it checks.** REMOVE on a route configuration or a route.
//!
//! **Why it matters.** The patch does nothing.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: r, namespace: shop}
//! spec:
//!   configPatches: [{applyTo: HTTP_ROUTE, patch: {operation: REMOVE}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: r, namespace: shop}
//! spec:
//!   priority: 1
//!   configPatches: [{applyTo: VIRTUAL_HOST, patch: {operation: REMOVE}}]
//! ```

use crate::codes::{IST0151, IST0152, IST0153, IST0154, IST0155};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};
use rustc_hash::FxHashSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    // Names of patches that are for one proxy version, across all filters in input order.
    let mut versioned: FxHashSet<&str> = FxHashSet::default();
    for filter in cx.mesh.objects(Kind::EnvoyFilter).iter().copied() {
        check(sink, filter, &mut versioned);
    }
}

fn check<'a>(sink: &mut Sink<'a>, filter: &'a Object, versioned: &mut FxHashSet<&'a str>) {
    let Some(spec) = filter.spec() else { return };
    let priority = spec.get("priority").and_then(Node::int).unwrap_or(0);
    let mut said: FxHashSet<&str> = FxHashSet::default();
    for cp in spec.list("configPatches") {
        let Some(patch) = cp.get("patch") else { break };
        let (operation, target) = (patch.text_of("operation"), cp.text_of("applyTo"));
        let route = matches!(target, "ROUTE_CONFIGURATION" | "HTTP_ROUTE");
        let at = patch.get("operation").unwrap_or(patch);
        let name = patch_name(cp, patch);
        let wrong = match operation {
            "ADD" if route => Some((&IST0153, "use INSERT_FIRST, INSERT_BEFORE or INSERT_AFTER")),
            "REMOVE" if route => Some((&IST0154, "remove the virtual host, or the object that the route comes from")),
            "REPLACE" if !matches!(target, "NETWORK_FILTER" | "HTTP_FILTER" | "VIRTUAL_HOST") => Some((&IST0152, "use MERGE")),
            _ => None,
        };
        if let Some((code, help)) = wrong {
            if said.insert(code.id) && filter.role == Role::Judged {
                sink.report(code, filter, at, format!("{operation} has no effect on {target}")).help(help);
            }
        } else if matches!(operation, "REMOVE" | "REPLACE" | "INSERT_BEFORE" | "INSERT_AFTER") && priority == 0 {
            let code = if versioned.contains(name) { &IST0155 } else { &IST0151 };
            if said.insert(code.id) {
                let why = if code == &IST0155 { ", and what it refers to is patched for one proxy version only" } else { "" };
                sink.report(code, filter, at, format!("{operation} depends on the order of EnvoyFilters, and this one has no `priority`{why}"))
                    .help("set `priority`, or use INSERT_FIRST, ADD or MERGE");
            }
        }
        if cp.at(&["match", "proxy", "proxyVersion"]).is_some_and(|v| !v.text().is_empty()) {
            versioned.insert(name);
        }
    }
}

/// The name of what is patched: in the value, else of the filter that is matched.
fn patch_name<'a>(cp: Node<'a>, patch: Node<'a>) -> &'a str {
    let Some(value) = patch.get("value").filter(|v| !v.is_empty()) else { return "" };
    value.get("name").or_else(|| cp.at(&["match", "listener", "filterChain", "filter", "name"])).map_or("", Node::text)
}
