//! Whole resources, as protobuf's canonical JSON.

use super::filter::EndpointFilter;
use super::istioctl::endpoint::{eds_matches, host_matches};
use super::{Query, What, missing};
use crate::commands::proxy_config::filter::cluster_order;
use crate::commands::proxy_config::istioctl::route::sort;
use crate::context::Compat;
use crate::status::Failure;
use mesh_envoy::admin::clusters::{self, ClusterStatus};
use mesh_envoy::dump::endpoint::LbEndpoint;
use mesh_envoy::dump::listener::Listener;
use mesh_envoy::dump::{DumpError, SectionKind};
use mesh_envoy::proto_json::camel_case;
pub use mesh_envoy::proto_json::field;
use serde_json::{Map, Value};

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    field(value, key).and_then(Value::as_array).into_iter().flatten()
}

pub fn ecds_filters(section: &Value) -> impl Iterator<Item = &Value> {
    list(section, "ecds_filters")
}

/// The resources of one section that pass the query's filters.
pub fn section(query: &Query, values: Vec<(SectionKind, Value)>, found: &[String]) -> Result<Value, Failure> {
    let kind = match query.what {
        What::Bootstrap => SectionKind::Bootstrap,
        What::Cluster => SectionKind::Clusters,
        What::Listener => SectionKind::Listeners,
        What::Route => SectionKind::Routes,
        What::Secret => SectionKind::Secrets,
        What::Ecds => SectionKind::Ecds,
        What::Eds => SectionKind::Endpoints,
        What::All | What::Endpoint => return Ok(Value::Null),
    };
    if query.what == What::Ecds {
        if values.is_empty() {
            return Err(missing(kind, found));
        }
        let filters: Vec<Value> = values.iter().flat_map(|(_, v)| ecds_filters(v)).cloned().collect();
        let mut out = Map::new();
        out.insert("ecds_filters".to_owned(), Value::Array(filters));
        return Ok(camel_case(Value::Object(out)));
    }
    let Some((_, value)) = values.into_iter().next() else {
        // istioctl takes a dump without endpoints for one in which there are none.
        let is_none = query.what == What::Eds && query.compat == Compat::Istioctl;
        return if is_none { Ok(Value::Array(Vec::new())) } else { Err(missing(kind, found)) };
    };
    match query.what {
        What::Bootstrap | What::Secret => Ok(camel_case(value)),
        What::Cluster => some(clusters_of(&value, query), "no clusters found: the section `ClustersConfigDump` is empty"),
        What::Listener => some(listeners_of(&value, query)?, "no listeners found: the section `ListenersConfigDump` has no active ones"),
        What::Route => some(routes_of(&value, query), "no routes found: the section `RoutesConfigDump` is empty"),
        _ => Ok(eds_of(&value, &query.endpoints)),
    }
}

fn some(list: Option<Vec<Value>>, none: &str) -> Result<Value, Failure> {
    list.map(Value::Array).ok_or_else(|| Failure::none(none))
}

fn name(v: &Value) -> &str {
    v.get("name").and_then(Value::as_str).unwrap_or("")
}

/// A resource out of its `Any`: without the type it is known by.
fn resource(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("@type");
    }
    camel_case(value)
}

fn clusters_of(section: &Value, query: &Query) -> Option<Vec<Value>> {
    let mut all: Vec<&Value> = list(section, "dynamic_active_clusters").chain(list(section, "static_clusters")).filter_map(|e| e.get("cluster")).collect();
    if all.is_empty() {
        return None;
    }
    all.sort_by(|a, b| cluster_order(name(a), name(b)));
    Some(all.into_iter().filter(|c| query.clusters.matches(name(c))).map(resource).collect())
}

fn listeners_of(section: &Value, query: &Query) -> Result<Option<Vec<Value>>, Failure> {
    let active = list(section, "dynamic_listeners").filter_map(|d| field(d, "active_state"));
    let all: Vec<&Value> = active.chain(list(section, "static_listeners")).filter_map(|s| s.get("listener")).collect();
    if all.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::new();
    for l in all {
        let text = l.to_string();
        let view: Listener<'_> = serde_json::from_str(&text).map_err(|e| Failure::input(format!("listener `{}` can't be read: {e}", name(l))))?;
        if query.listeners.matches(&view) {
            out.push(resource(l));
        }
    }
    Ok(Some(out))
}

fn routes_of(section: &Value, query: &Query) -> Option<Vec<Value>> {
    let mut all: Vec<&Value> =
        list(section, "dynamic_route_configs").chain(list(section, "static_route_configs")).filter_map(|e| field(e, "route_config")).collect();
    if all.is_empty() {
        return None;
    }
    sort(&mut all, |r| name(r).parse().ok());
    Some(all.into_iter().filter(|r| query.route_name.is_empty() || name(r) == query.route_name).map(resource).collect())
}

fn eds_of(section: &Value, filter: &EndpointFilter) -> Value {
    let all = list(section, "dynamic_endpoint_configs").chain(list(section, "static_endpoint_configs")).filter_map(|e| field(e, "endpoint_config"));
    let mut out: Vec<Value> = Vec::new();
    for assignment in all {
        let mut kept = resource(assignment);
        let cluster = kept.get("clusterName").and_then(Value::as_str).unwrap_or("").to_owned();
        let mut count = 0;
        for group in kept.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(endpoints) = group.get_mut("lbEndpoints").and_then(Value::as_array_mut) else { continue };
            endpoints.retain(|e| {
                let text = e.to_string();
                serde_json::from_str::<LbEndpoint<'_>>(&text).is_ok_and(|view| eds_matches(filter, &view, &cluster))
            });
            count += endpoints.len();
            if endpoints.is_empty()
                && let Some(map) = group.as_object_mut()
            {
                map.shift_remove("lbEndpoints");
            }
        }
        if count > 0 {
            out.push(kept);
        }
    }
    out.sort_by(|a, b| {
        let name = |v: &Value| v.get("clusterName").and_then(Value::as_str).unwrap_or("").to_owned();
        cluster_order(&name(a), &name(b))
    });
    Value::Array(out)
}

/// Clusters of `/clusters` with at least one endpoint that passes the filter.
pub fn endpoints(text: &str, filter: &EndpointFilter) -> Result<Value, DumpError> {
    let all: Vec<Value> = clusters::read(text)?;
    let mut out = Vec::new();
    for c in all {
        let text = c.to_string();
        let view: ClusterStatus<'_> = serde_json::from_str(&text)?;
        if view.host_statuses.iter().any(|h| host_matches(filter, h, &view.name)) {
            out.push(camel_case(c));
        }
    }
    Ok(Value::Array(out))
}
