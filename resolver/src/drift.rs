//! What a proxy holds against what the manifests say that it should: the translation compared with a config dump, by
//! resource and field. Pure.

use crate::laptop;
use crate::translate::{ControlPlane, Effect, Model, NotJudged, Translation};
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
    let held = Resources::sent_in(dump).document();
    let report = diff(&plain(without_records(wished)).to_string(), &plain(without_records(held)).to_string())?;
    Ok(Drift { report, not_judged: not_judged(&translation) })
}

/// Compares what a proxy of a mesh on one machine is to be sent with its dump. Both have places of that machine, which differ from
/// one translation to another: what they stand for is compared.
///
/// # Errors
/// A dump that is none.
pub fn compare_on_one_machine(wished: Resources, dump: &Value) -> Result<Report, (Side, DumpError)> {
    let text = |r: Resources| plain(without_records(r.without_places().document())).to_string();
    diff(&text(wished), &text(Resources::sent_in(dump)))
}

/// What touches a proxy and is not in its translation, in a sentence each.
pub fn not_judged(translation: &Translation<'_>) -> Vec<String> {
    let said = |n: &NotJudged<'_>| n.origin.map_or_else(|| n.what.to_string(), |o| format!("{}: {}", o.object.origin(), n.what));
    translation.not_judged.iter().filter(|n| n.effect == Effect::Traffic).map(said).collect()
}

/// Resources of one proxy, each as our messages are written in JSON.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    pub clusters: Vec<Value>,
    pub listeners: Vec<Value>,
    pub routes: Vec<Value>,
}

impl Resources {
    /// Those that a control plane sent, of a dump.
    fn sent_in(dump: &Value) -> Resources {
        let mut out = Resources::default();
        sent(dump, &mut |url, value| {
            if url.ends_with("v3.Cluster") {
                out.clusters.push(again::<Cluster>(value));
            } else if url.ends_with("v3.Listener") {
                out.listeners.push(again::<Listener>(value));
            } else {
                out.routes.push(again::<RouteConfiguration>(value));
            }
        });
        out
    }

    fn without_places(self) -> Resources {
        let all = |list: Vec<Value>| list.into_iter().map(laptop::without_places).collect();
        Resources { clusters: all(self.clusters), listeners: all(self.listeners), routes: self.routes }
    }

    fn document(&self) -> Value {
        document(&self.clusters, &self.listeners, &self.routes)
    }
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

/// States of a resource that are not what the proxy goes by: an update that it refused, and a listener that it takes leave of.
const NOT_HELD: &[&str] = &["error_state", "errorState", "draining_state", "drainingState"];

/// The resources that a control plane sent, as the proxy goes by them: what is static or of the bootstrap is not its.
fn sent(value: &Value, take: &mut dyn FnMut(&str, Value)) {
    match value {
        Value::Object(fields) => {
            let url = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
            if ["v3.Cluster", "v3.Listener", "v3.RouteConfiguration"].iter().any(|t| url.ends_with(t)) {
                let mut message = value.clone();
                message.as_object_mut().map(|m| m.shift_remove("@type"));
                take(url, message);
            } else {
                fields
                    .iter()
                    .filter(|(k, _)| !k.starts_with("static_") && *k != "bootstrap" && !NOT_HELD.contains(&k.as_str()))
                    .for_each(|(_, v)| sent(v, take));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_was_refused_is_not_held() {
        let route = |name: &str| json!({"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": name});
        let dump = json!({"configs": [{"dynamic_route_configs": [{"route_config": route("80"), "error_state": {"failed_configuration": route("refused")}}]}]});
        let held = Resources::sent_in(&dump);
        assert_eq!(held.routes.iter().map(|r| r["name"].as_str().unwrap_or("")).collect::<Vec<_>>(), ["80"]);
    }
}
