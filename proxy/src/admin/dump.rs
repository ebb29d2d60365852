//! `/config_dump` and `/server_info`.

use super::Context;
use crate::bootstrap::get;
use mesh_envoy::proto_json::proto_case;
use mesh_envoy::redact::{Mark, redact};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub fn timestamp(at: SystemTime) -> String {
    let mut out = String::new();
    crate::format::TimeFormat::Default.write(at, &mut out);
    out
}

/// Whether endpoints are part of a dump (`?include_eds`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointsIn {
    Yes,
    No,
}

pub(super) fn typed(kind: &str, value: &Value) -> Value {
    let mut out = serde_json::Map::new();
    out.insert("@type".to_owned(), format!("type.googleapis.com/{kind}").into());
    out.extend(value.as_object().cloned().unwrap_or_default());
    Value::Object(out)
}

/// Configuration as Envoy dumps it, with its names of fields. Secrets are replaced.
pub fn page(context: &Context, with_endpoints: EndpointsIn) -> Value {
    proto_case(redact(all(context, with_endpoints), Mark::Envoy).into_value())
}

/// The node of a bootstrap, with what Envoy adds to it: the program and its version.
fn node(bootstrap: &Value) -> Value {
    let mut node = get(bootstrap, "node").and_then(Value::as_object).cloned().unwrap_or_default();
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let mut version = Map::new();
    for (name, text) in
        [("major_number", env!("CARGO_PKG_VERSION_MAJOR")), ("minor_number", env!("CARGO_PKG_VERSION_MINOR")), ("patch", env!("CARGO_PKG_VERSION_PATCH"))]
    {
        // As protobuf prints numbers: nothing for zero.
        if number(text) > 0 {
            version.insert(name.to_owned(), number(text).into());
        }
    }
    let kind = if cfg!(debug_assertions) { "DEBUG" } else { "RELEASE" };
    node.insert("user_agent_name".to_owned(), "mesh-proxy".into());
    node.insert("user_agent_build_version".to_owned(), json!({"version": version, "metadata": {"build.type": kind, "ssl.version": "rustls"}}));
    node.into()
}

/// The same with its secrets: nothing of it may leave as it is.
pub(super) fn all(context: &Context, with_endpoints: EndpointsIn) -> Value {
    let updated = timestamp(context.shared.started);
    let mut bootstrap = context.bootstrap.value();
    bootstrap["node"] = node(&bootstrap);
    let list = |name: &str| get(&bootstrap, "static_resources").and_then(|r| get(r, name)).and_then(Value::as_array).cloned().unwrap_or_default();
    let entry = |key: &str, kind: &str, value: &Value| json!({key: typed(kind, value), "last_updated": updated});
    let clusters: Vec<Value> = list("clusters").iter().map(|c| entry("cluster", "envoy.config.cluster.v3.Cluster", c)).collect();
    let listeners: Vec<Value> = list("listeners").iter().map(|l| entry("listener", "envoy.config.listener.v3.Listener", l)).collect();
    let mut routes = Vec::new();
    for listener in list("listeners") {
        collect_routes(&listener, &mut routes);
    }
    let routes: Vec<Value> = routes.iter().map(|r| entry("route_config", "envoy.config.route.v3.RouteConfiguration", r)).collect();
    let mut sections = [
        json!({"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": bootstrap, "last_updated": updated}),
        json!({"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "static_clusters": clusters}),
        json!({"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "static_listeners": listeners}),
        json!({"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "static_route_configs": routes}),
    ]
    .to_vec();
    if with_endpoints == EndpointsIn::Yes {
        let assignments: Vec<Value> = list("clusters").iter().filter_map(assignment).collect();
        sections.push(json!({"@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump", "static_endpoint_configs": assignments}));
    }
    if let Some(dynamic) = &context.dynamic {
        super::dynamic::add(dynamic, &mut sections);
    }
    sections.push(super::secrets::section(context, &list("secrets")));
    json!({"configs": sections})
}

/// The endpoints that a cluster has in place, as an entry of `EndpointsConfigDump`.
pub(super) fn assignment(cluster: &Value) -> Option<Value> {
    Some(json!({"endpoint_config": typed("envoy.config.endpoint.v3.ClusterLoadAssignment", get(cluster, "load_assignment")?)}))
}

/// Route configurations that stand in a connection manager.
fn collect_routes(value: &Value, out: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                if key == "route_config" || key == "routeConfig" {
                    out.push(inner.clone());
                } else {
                    collect_routes(inner, out);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|i| collect_routes(i, out)),
        _ => {}
    }
}

pub fn server_info(context: &Context) -> Value {
    let uptime = format!("{}s", context.shared.begun.elapsed().as_secs());
    let started = context.shared.started.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let node = node(&context.bootstrap.value());
    let info = json!({
        "version": format!("mesh-proxy/{}", env!("CARGO_PKG_VERSION")),
        "state": context.state(),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": {"concurrency": context.workers},
        "node": node,
        "started": started,
    });
    proto_case(redact(info, Mark::Envoy).into_value())
}
