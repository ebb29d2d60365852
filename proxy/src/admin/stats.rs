//! `/stats` and `/stats/prometheus`.

use super::{Context, parameter};
use crate::percent;
use crate::stats::Kind;
use crate::worker::Phase;
use std::collections::BTreeMap;
use std::fmt::Write;

/// All counters with those of the server itself.
fn all(context: &Context) -> BTreeMap<String, (Kind, u64)> {
    let shared = &context.shared;
    let mut out = shared.registry.read();
    let mut put = |name: &str, kind: Kind, value: u64| {
        out.insert(name.to_owned(), (kind, value));
    };
    // Envoy's numbers: LIVE, DRAINING, PRE_INITIALIZING, INITIALIZING.
    put("server.state", Kind::Gauge, if shared.phase() >= Phase::Draining { 1 } else { u64::from(!context.is_ready()) * 3 });
    put("server.live", Kind::Gauge, 1);
    put("server.uptime", Kind::Gauge, shared.begun.elapsed().as_secs());
    put("server.concurrency", Kind::Gauge, context.workers as u64);
    put("server.total_connections", Kind::Gauge, shared.active_connections());
    put("listener_manager.workers_started", Kind::Gauge, u64::from(context.is_ready()));
    put("listener_manager.total_listeners_active", Kind::Gauge, shared.snapshot().listeners.len() as u64);
    put("cluster_manager.active_clusters", Kind::Gauge, shared.snapshot().clusters.len() as u64);
    put("access_logs.write_dropped", Kind::Counter, shared.writer.dropped());
    shared.overload.each(|name, is_counter, value| put(&format!("overload.{name}"), if is_counter { Kind::Counter } else { Kind::Gauge }, value));
    if let Some(dynamic) = &context.dynamic {
        super::dynamic::stats(dynamic, &mut put);
    }
    for runtime in shared.runtimes() {
        let hosts = runtime.hosts();
        let name = runtime.config.stat_name();
        let healthy = hosts.assignment.endpoints.iter().filter(|e| e.health == mesh_envoy::engine::pick::Health::Healthy).count();
        put(&format!("cluster.{name}.membership_total"), Kind::Gauge, hosts.assignment.endpoints.len() as u64);
        put(&format!("cluster.{name}.membership_healthy"), Kind::Gauge, healthy as u64);
        if runtime.config.outlier.is_some() {
            put(&format!("cluster.{name}.outlier_detection.ejections_active"), Kind::Gauge, hosts.ejected());
            runtime.ejections.each(|counter, value| put(&format!("cluster.{name}.outlier_detection.{counter}"), Kind::Counter, value));
        }
    }
    out.retain(|name, _| context.matcher.keeps(name));
    out
}

/// # Errors
/// A filter that is no regular expression.
pub fn page(context: &Context, query: &str) -> Result<(String, &'static str), String> {
    let filter = match parameter(query, "filter") {
        None => None,
        Some(text) => Some(regex::Regex::new(&percent::decode(text)).map_err(|e| format!("filter: {e}"))?),
    };
    let used_only = parameter(query, "usedonly").is_some();
    // What was never counted is not used; gauges of the server always are.
    let is_wanted = |name: &str, value: u64| {
        filter.as_ref().is_none_or(|f| f.is_match(name)) && (!used_only || value > 0 || name.starts_with("server.") || name.starts_with("listener_manager."))
    };
    let list: Vec<(String, (Kind, u64))> = all(context).into_iter().filter(|(name, (_, v))| is_wanted(name, *v)).collect();
    match parameter(query, "format") {
        Some("prometheus") => Ok((prometheus(context, query), "text/plain; charset=UTF-8")),
        Some("json") => {
            let stats: Vec<_> = list.iter().map(|(name, (_, value))| serde_json::json!({"name": name, "value": value})).collect();
            Ok((serde_json::json!({"stats": stats}).to_string(), "application/json"))
        }
        Some(other) if !other.is_empty() && other != "text" => Err(format!("format: `{other}` is not one of text, json, prometheus")),
        _ => Ok((list.iter().map(|(name, (_, value))| format!("{name}: {value}\n")).collect(), "text/plain; charset=UTF-8")),
    }
}

/// Counters as Envoy gives them to Prometheus: parts of names are labels.
pub fn prometheus(context: &Context, query: &str) -> String {
    let used_only = parameter(query, "usedonly").is_some();
    let mut families: BTreeMap<String, (Kind, Vec<(String, u64)>)> = BTreeMap::new();
    for (name, (kind, value)) in all(context).into_iter().filter(|(_, (_, v))| !used_only || *v > 0) {
        let (family, labels) = context.tags.apply(&name);
        families.entry(family).or_insert((kind, Vec::new())).1.push((labels, value));
    }
    let mut out = String::new();
    for (family, (kind, series)) in families {
        let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
        let _ = writeln!(out, "# TYPE {family} {kind}");
        for (labels, value) in series {
            let _ = writeln!(out, "{family}{{{labels}}} {value}");
        }
    }
    context.shared.counted.write(&context.shared.own.version, &mut out);
    out
}
