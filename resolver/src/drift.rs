//! What a proxy holds against what the manifests say that it should: the translation compared with a config dump, by
//! resource and field. Pure.

use crate::translate::{ControlPlane, Effect, Model, NotJudged};
use mesh_envoy::api::{cluster::Cluster, listener::Listener, plain, route::RouteConfiguration};
use mesh_envoy::diff::{Report, Side, diff};
use mesh_envoy::dump::DumpError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What stands in both and is no difference: it records what happens and does not decide it, and the translation leaves
/// it out.
const LEFT_OUT: &[&str] = &["tracing", "accessLog", "access_log"];
/// Filters that record, by their names.
const RECORDING: &[&str] = &["istio.stats", "istio_stats", "envoy.filters.http.grpc_stats"];

/// The answer for one proxy; left is what the manifests say, right what it holds.
#[derive(Clone, Debug)]
pub struct Drift {
    pub report: Report,
    /// What touches the proxy and is not translated, in a sentence each: differences may come of it.
    pub not_judged: Vec<String>,
}

/// How the control plane that made a dump was set up, as far as the dump shows it.
pub fn control_plane_of(dump: &str) -> ControlPlane {
    ControlPlane {
        metadata_exchange: dump.contains("istio.metadata_exchange") || dump.contains("peer_metadata"),
        alpn_filter: dump.contains("istio.alpn"),
        metrics: false,
        records: false,
        ambient: dump.contains(crate::translate::ORIGINATE),
    }
}

/// Compares a workload's translation with its proxy's dump.
///
/// # Errors
/// A dump that is none.
pub fn compare(model: &Model<'_, '_>, workload: u32, dump: &Value) -> Result<Drift, (Side, DumpError)> {
    let translation = model.translate(&model.proxy_of(workload));
    let mut wished = translation.dump();
    // Endpoints come and go; they are no matter of configuration.
    if let Some(sections) = wished["configs"].as_array_mut() {
        sections.retain(|s| !s["@type"].as_str().is_some_and(|t| t.ends_with(".EndpointsConfigDump")));
    }
    let (mut clusters, mut listeners, mut routes) = (Vec::new(), Vec::new(), Vec::new());
    sent(dump, &mut |url, value| {
        if url.ends_with("v3.Cluster") {
            clusters.push(again::<Cluster>(value));
        } else if url.ends_with("v3.Listener") {
            listeners.push(again::<Listener>(value));
        } else {
            routes.push(again::<RouteConfiguration>(value));
        }
    });
    let held = document(&clusters, &listeners, &routes);
    let report = diff(&plain(without_records(wished)).to_string(), &plain(without_records(held)).to_string())?;
    let said = |n: &NotJudged<'_>| n.origin.map_or_else(|| n.what.to_string(), |o| format!("{}: {}", o.object.origin(), n.what));
    let not_judged = translation.not_judged.iter().filter(|n| n.effect == Effect::Traffic).map(said).collect();
    Ok(Drift { report, not_judged })
}

/// Resources in the form of a config dump.
fn document(clusters: &[Value], listeners: &[Value], routes: &[Value]) -> Value {
    let section = |name: &str, key: &str, list: Vec<Value>| json!({"@type": format!("type.googleapis.com/envoy.admin.v3.{name}"), key: list});
    let named = |l: &Value| json!({"name": l["name"], "activeState": {"listener": l}});
    json!({"configs": [
        section("ClustersConfigDump", "dynamicActiveClusters", clusters.iter().map(|c| json!({"cluster": c})).collect()),
        section("ListenersConfigDump", "dynamicListeners", listeners.iter().map(named).collect()),
        section("RoutesConfigDump", "dynamicRouteConfigs", routes.iter().map(|r| json!({"routeConfig": r})).collect()),
    ]})
}

/// The resources that a control plane sent: what is static or of the bootstrap is not its.
fn sent(value: &Value, take: &mut dyn FnMut(&str, Value)) {
    match value {
        Value::Object(fields) => {
            let url = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
            if ["v3.Cluster", "v3.Listener", "v3.RouteConfiguration"].iter().any(|t| url.ends_with(t)) {
                let mut message = value.clone();
                message.as_object_mut().map(|m| m.shift_remove("@type"));
                take(url, message);
            } else {
                fields.iter().filter(|(k, _)| !k.starts_with("static_") && *k != "bootstrap").for_each(|(_, v)| sent(v, take));
            }
        }
        Value::Array(items) => items.iter().for_each(|v| sent(v, take)),
        _ => {}
    }
}

/// A message as our types write it; as it is where they do not know it.
fn again<M: Serialize + DeserializeOwned>(message: Value) -> Value {
    serde_json::from_value::<M>(message.clone()).ok().and_then(|m| serde_json::to_value(m).ok()).unwrap_or(message)
}

fn without_records(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().filter(|(k, _)| !LEFT_OUT.contains(&k.as_str())).map(|(k, v)| (k, without_records(v))).collect(),
        Value::Array(items) => {
            let records = |v: &Value| v["name"].as_str().is_some_and(|n| RECORDING.contains(&n));
            items.into_iter().filter(|v| !records(v)).map(without_records).collect()
        }
        other => other,
    }
}
