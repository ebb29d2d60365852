//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** Every EnvoyFilter, since it writes into configuration that Istio generates; besides, patches that
//! name deprecated filters or that have no effect.
//!
//! **Why it matters.** What is generated changes from release to release, and a patch that no longer applies is not
//! reported by anybody.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: timeout, namespace: shop}
//! spec:
//!   workloadSelector: {labels: {app: cart}}
//!   configPatches:
//!   - applyTo: CLUSTER
//!     patch: {operation: MERGE, value: {connect_timeout: 5s}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   host: cart.example.com
//!   trafficPolicy:
//!     connectionPool: {tcp: {connectTimeout: 5s}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: cart, namespace: shop}
//! spec: {hosts: [cart.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
//! ```
//!
//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** An EnvoyFilter that Istio refuses: patches without target, operation or value, and matches of another
//! class than the target.
//!
//! **Why it matters.** The object never takes effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: timeout, namespace: shop}
//! spec:
//!   configPatches:
//!   - applyTo: CLUSTER
//!     patch: {operation: MERGE}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1alpha3
//! kind: EnvoyFilter
//! metadata: {name: timeout, namespace: shop}
//! spec:
//!   configPatches:
//!   - applyTo: CLUSTER
//!     patch: {operation: MERGE, value: {connect_timeout: 5s}}
//! ```

use super::envoy_patch;
use crate::rule::{Context, Sink};
use crate::validation::{Checks, each, fields, has_text, labels, message, regex, text};
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::EnvoyFilter, check);
}

fn check<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    if let Some(selector) = message(spec, "workloadSelector")
        && labels::check_selector(checks, selector, "labels")
    {
        return;
    }
    checks
        .warn(checks.object.name_node(), "an EnvoyFilter writes into generated configuration, which may change with any release")
        .help("use another Istio object where one can do it; test the filter with every upgrade");
    if let Some(selector) = message(spec, "workloadSelector").filter(|s| labels::is_empty_selector(*s, "labels")) {
        checks
            .warn(selector, "the workload selector has no labels, so the filter applies to every workload of the namespace")
            .help("give labels, or leave the selector out");
    }
    for patch in spec.list("configPatches") {
        if patch.is_null() {
            checks.error(patch, "a patch is null");
        } else if patch.is_mapping() {
            check_patch(checks, patch);
        }
    }
}

const LISTENER_CLASS: &[&str] = &["LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER"];
const ROUTE_CLASS: &[&str] = &["ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"];
const CONNECTION_MANAGER: &[&str] = &["envoy.filters.network.http_connection_manager", "envoy.http_connection_manager"];

fn check_patch<'a>(checks: &mut Checks<'a, '_>, cp: Node<'a>) {
    let matching = message(cp, "match");
    if matching.is_some_and(|m| text(m, "context") == "WAYPOINT") {
        return;
    }
    let apply_to = text(cp, "applyTo");
    let at = cp.get("applyTo").unwrap_or(cp);
    if matches!(apply_to, "" | "INVALID") {
        checks.error(at, "a patch has no `applyTo`");
        return;
    }
    let Some(patch) = message(cp, "patch") else {
        checks.error(cp, "an entry of `configPatches` has no `patch`");
        return;
    };
    let operation = text(patch, "operation");
    if matches!(operation, "" | "INVALID") {
        checks.error(patch, "a patch has no `operation`");
        return;
    }
    let value = message(patch, "value");
    if operation != "REMOVE" && patch.get("value").is_none() {
        checks.error_once("no value", patch, format!("a patch of the operation {operation} has no `value`"));
        return;
    }
    if let Some(version) = matching.and_then(|m| message(m, "proxy")).and_then(|p| p.get("proxyVersion")).filter(|v| v.str().is_some_and(|s| !s.is_empty())) {
        if version.text().len() > 1024 {
            checks.warn(version, "`proxyVersion` has more than 1024 characters and is ignored");
        } else if let Err(why) = regex::compiles(version.text()) {
            checks.error(version, format!("`proxyVersion` `{}` is not a valid regular expression: {why}", version.text()));
            return;
        }
    }
    if let Some(m) = matching
        && !check_match(checks, m, apply_to)
    {
        return;
    }
    if let Some(value) = value {
        envoy_patch::check(checks, apply_to, value);
    }
}

/// The class of the match and its filters. False where Istio looks no further.
fn check_match<'a>(checks: &mut Checks<'a, '_>, m: Node<'a>, apply_to: &str) -> bool {
    let has_class = ["listener", "routeConfiguration", "cluster", "waypoint"].iter().any(|c| m.get(c).is_some());
    if LISTENER_CLASS.contains(&apply_to) {
        let Some(listener) = message(m, "listener") else {
            if has_class {
                checks.error_once("listener class", m, format!("a patch of {apply_to} matches by something else than `listener`"));
                return false;
            }
            return true;
        };
        if let Some(filter) = message(listener, "filterChain").and_then(|c| message(c, "filter")) {
            return check_filter(checks, filter, apply_to);
        }
    } else if ROUTE_CLASS.contains(&apply_to) {
        if has_class && m.get("routeConfiguration").is_none() {
            checks.error_once("route class", m, format!("a patch of {apply_to} matches by something else than `routeConfiguration`"));
        }
    } else if apply_to == "CLUSTER" && has_class && m.get("cluster").is_none() {
        checks.error(m, "a patch of CLUSTER matches by something else than `cluster`");
    }
    true
}

fn check_filter<'a>(checks: &mut Checks<'a, '_>, filter: Node<'a>, apply_to: &str) -> bool {
    if matches!(apply_to, "LISTENER" | "FILTER_CHAIN") {
        checks.warn(filter, format!("matching by filter has no effect on a patch of {apply_to}"));
    }
    if !has_text(filter, "name") {
        checks.error(filter, "the match by filter has no `name`");
        return false;
    }
    let sub = message(filter, "subFilter");
    if let Some(sub) = sub {
        if apply_to != "HTTP_FILTER" {
            checks.error_once("subFilter", sub, format!("`subFilter` is only for patches of HTTP_FILTER, not of {apply_to}"));
            return false;
        }
        if !CONNECTION_MANAGER.contains(&text(filter, "name")) {
            checks.error(sub, format!("`subFilter` needs the filter `{}`", CONNECTION_MANAGER[0]));
            return false;
        }
        if fields::lacks_text(sub, "name") {
            checks.error(sub, "the match by `subFilter` has no `name`");
            return false;
        }
    }
    for node in std::iter::once(filter).chain(sub) {
        let name = text(node, "name");
        if let Some((_, new)) = DEPRECATED.iter().find(|(old, _)| *old == name) {
            checks.warn(node.get("name").unwrap_or(node), format!("filter name `{name}` is deprecated")).help(format!("use `{new}`"));
        }
    }
    true
}

/// Filter names of Envoy's v2 API and what they are called now.
const DEPRECATED: &[(&str, &str)] = &[
    ("envoy.buffer", "envoy.filters.http.buffer"),
    ("envoy.client_ssl_auth", "envoy.filters.network.client_ssl_auth"),
    ("envoy.cors", "envoy.filters.http.cors"),
    ("envoy.csrf", "envoy.filters.http.csrf"),
    ("envoy.echo", "envoy.filters.network.echo"),
    ("envoy.ext_authz", "envoy.filters.http.ext_authz"),
    ("envoy.fault", "envoy.filters.http.fault"),
    ("envoy.grpc_http1_bridge", "envoy.filters.http.grpc_http1_bridge"),
    ("envoy.grpc_json_transcoder", "envoy.filters.http.grpc_json_transcoder"),
    ("envoy.grpc_web", "envoy.filters.http.grpc_web"),
    ("envoy.gzip", "envoy.filters.http.gzip"),
    ("envoy.health_check", "envoy.filters.http.health_check"),
    ("envoy.http_connection_manager", "envoy.filters.network.http_connection_manager"),
    ("envoy.http_dynamo_filter", "envoy.filters.http.dynamo"),
    ("envoy.ip_tagging", "envoy.filters.http.ip_tagging"),
    ("envoy.listener.http_inspector", "envoy.filters.listener.http_inspector"),
    ("envoy.listener.original_dst", "envoy.filters.listener.original_dst"),
    ("envoy.listener.original_src", "envoy.filters.listener.original_src"),
    ("envoy.listener.proxy_protocol", "envoy.filters.listener.proxy_protocol"),
    ("envoy.listener.tls_inspector", "envoy.filters.listener.tls_inspector"),
    ("envoy.lua", "envoy.filters.http.lua"),
    ("envoy.mongo_proxy", "envoy.filters.network.mongo_proxy"),
    ("envoy.ratelimit", "envoy.filters.network.ratelimit"),
    ("envoy.rate_limit", "envoy.filters.http.ratelimit"),
    ("envoy.redis_proxy", "envoy.filters.network.redis_proxy"),
    ("envoy.router", "envoy.filters.http.router"),
    ("envoy.squash", "envoy.filters.http.squash"),
    ("envoy.tcp_proxy", "envoy.filters.network.tcp_proxy"),
];
