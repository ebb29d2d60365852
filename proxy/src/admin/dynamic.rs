//! What came from a control plane: in `/config_dump`, in `/rejected`, in `/stats`.

use super::Context;
use super::dump::timestamp;
use crate::stats::Kind as Number;
use crate::xds::Dynamic;
use crate::xds::dynamic::{Counters, Tables};
use crate::xds::kind::Kind;
use crate::xds::resource::Refusal;
use crate::xds::table::{Held, Table};
use mesh_envoy::api::Any;
use mesh_envoy::redact::{Mark, redact};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

fn body(any: &Any) -> Value {
    any.to_json().unwrap_or_else(|_| json!({"@type": any.type_url}))
}

/// `UpdateFailureState`
pub(super) fn failure(refusal: &Refusal) -> Value {
    json!({"failed_configuration": body(&refusal.body), "last_update_attempt": timestamp(refusal.at), "details": refusal.to_string(), "version_info": refusal.version})
}

pub(super) fn state<T>(key: &str, held: &Held<T>) -> Value {
    json!({"version_info": held.version, key: body(&held.body), "last_updated": timestamp(held.updated)})
}

/// The entries of a kind whose states stand beside each other.
fn flat<T>(table: &Table<T>, key: &str) -> Vec<Value> {
    let mut out = Vec::new();
    for entry in table.entries.values() {
        let mut value = match &entry.active {
            Some(held) => state(key, held),
            None => json!({}),
        };
        if let Some(refusal) = &entry.refused {
            value["error_state"] = failure(refusal);
        }
        out.push(value);
    }
    out
}

fn listeners(tables: &Tables) -> Vec<Value> {
    let one = |(name, entry): (&String, &crate::xds::table::Entry<_>)| {
        let mut out = Map::new();
        out.insert("name".to_owned(), name.as_str().into());
        let mut put = |key: &str, value: Option<Value>| drop(value.map(|v| out.insert(key.to_owned(), v)));
        put("active_state", entry.active.as_ref().map(|h| state("listener", h)));
        put("warming_state", entry.warming.as_ref().map(|w| state("listener", &w.held)));
        put("error_state", entry.refused.as_ref().map(failure));
        Value::Object(out)
    };
    tables.listeners.entries.iter().map(one).collect()
}

/// Adds what is dynamic to the sections of a dump.
pub fn add(dynamic: &Dynamic, sections: &mut Vec<Value>) {
    let tables = dynamic.tables();
    for section in sections.iter_mut() {
        let kind = section["@type"].as_str().unwrap_or("").to_owned();
        if kind.ends_with("ClustersConfigDump") {
            section["version_info"] = tables.clusters.version.as_str().into();
            section["dynamic_active_clusters"] = tables.clusters.active().map(|(_, h)| state("cluster", h)).collect();
            let warming = tables.clusters.warming().map(|(_, w)| state("cluster", &w.held));
            // As Envoy has it, a cluster that was refused stands among those that wait, with the error.
            let refused = tables.clusters.refusals().map(|r| json!({"version_info": r.version, "cluster": body(&r.body), "error_state": failure(r)}));
            section["dynamic_warming_clusters"] = warming.chain(refused).collect();
        } else if kind.ends_with("ListenersConfigDump") {
            section["version_info"] = tables.listeners.version.as_str().into();
            section["dynamic_listeners"] = listeners(&tables).into();
        } else if kind.ends_with("RoutesConfigDump") {
            section["dynamic_route_configs"] = flat(&tables.routes, "route_config").into();
        } else if kind.ends_with("EndpointsConfigDump") {
            let mut list = flat(&tables.endpoints, "endpoint_config");
            list.extend(tables.clusters.active().filter_map(|(_, held)| super::dump::assignment(&body(&held.body))));
            section["dynamic_endpoint_configs"] = list.into();
        }
    }
    if !tables.extensions.entries.is_empty() {
        let list = flat(&tables.extensions, "ecds_filter");
        sections.push(json!({"@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump", "ecds_filters": list}));
    }
}

fn entry(refusal: &Refusal, stands: bool) -> Value {
    let problems: Vec<Value> = refusal.problems.iter().map(|p| json!({"path": p.path, "value": p.value, "reason": p.what, "object": p.object})).collect();
    json!({"kind": refusal.kind.to_string(), "name": refusal.name, "version_info": refusal.version, "at": timestamp(refusal.at),
        "stands": stands, "problems": problems, "resource": body(&refusal.body)})
}

/// Whether a refusal is still the last word on its resource.
fn stands(tables: &Tables, refusal: &Refusal) -> bool {
    tables.standing().any(|r| r.kind == refusal.kind && r.name == refusal.name && r.at == refusal.at)
}

/// `/rejected?format=json`: the last refusals, the newest last.
pub fn rejected_json(context: &Context) -> Value {
    let Some(dynamic) = &context.dynamic else { return json!({"rejected": []}) };
    let tables = dynamic.tables();
    let list: Vec<Value> = tables.refused.iter().map(|r| entry(r, stands(&tables, r))).collect();
    redact(json!({"rejected": list}), Mark::Envoy).into_value()
}

/// `/rejected`
pub fn rejected(context: &Context) -> String {
    let Some(dynamic) = &context.dynamic else { return "there is no control plane: everything is static\n".to_owned() };
    let tables = dynamic.tables();
    let mut out = String::new();
    for refusal in &tables.refused {
        let now = if stands(&tables, refusal) { "" } else { ", replaced since" };
        let _ = writeln!(out, "{} {} of version {} at {}{now}", refusal.kind, refusal.name, refusal.version, timestamp(refusal.at));
        for problem in &refusal.problems {
            let _ = writeln!(out, "  {problem}");
        }
    }
    if out.is_empty() {
        out.push_str("nothing was refused\n");
    }
    mesh_envoy::redact::text(&out).into_owned()
}

/// Statistics by Envoy's names.
pub fn stats(dynamic: &Dynamic, put: &mut impl FnMut(&str, Number, u64)) {
    let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
    put("control_plane.connected_state", Number::Gauge, u64::from(dynamic.is_connected.load(Ordering::Relaxed)));
    let scopes = [
        (Kind::Cluster, "cluster_manager.cds", "cluster_manager.cluster"),
        (Kind::Listener, "listener_manager.lds", "listener_manager.listener"),
        (Kind::Endpoints, "xds.eds", "xds.endpoints"),
        (Kind::Routes, "xds.rds", "xds.routes"),
        (Kind::Secret, "xds.sds", "xds.secret"),
        (Kind::Extension, "xds.ecds", "xds.extension"),
    ];
    for (kind, scope, resource) in scopes {
        let c: &Counters = dynamic.counters(kind);
        let counters = [
            ("update_attempt", &c.attempt),
            ("update_success", &c.success),
            ("update_rejected", &c.rejected),
            ("update_failure", &c.failure),
            ("init_fetch_timeout", &c.fetch_timeout),
        ];
        counters.into_iter().for_each(|(name, counter)| put(&format!("{scope}.{name}"), Number::Counter, get(counter)));
        put(&format!("{scope}.update_time"), Number::Gauge, get(&c.time));
        if matches!(kind, Kind::Cluster | Kind::Listener) {
            for (name, counter) in [("added", &c.added), ("modified", &c.modified), ("removed", &c.removed)] {
                put(&format!("{resource}_{name}"), Number::Counter, get(counter));
            }
        }
    }
    let tables = dynamic.tables();
    put("cluster_manager.warming_clusters", Number::Gauge, tables.clusters.warming().count() as u64);
    put("listener_manager.total_listeners_warming", Number::Gauge, tables.listeners.warming().count() as u64);
}
