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
        let name = &runtime.config.name;
        let healthy = hosts.assignment.endpoints.iter().filter(|e| e.health == mesh_envoy::engine::pick::Health::Healthy).count();
        put(&format!("cluster.{name}.membership_total"), Kind::Gauge, hosts.assignment.endpoints.len() as u64);
        put(&format!("cluster.{name}.membership_healthy"), Kind::Gauge, healthy as u64);
        if runtime.config.outlier.is_some() {
            put(&format!("cluster.{name}.outlier_detection.ejections_active"), Kind::Gauge, hosts.ejected());
            runtime.ejections.each(|counter, value| put(&format!("cluster.{name}.outlier_detection.{counter}"), Kind::Counter, value));
        }
    }
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

/// Counters as Envoy gives them to Prometheus: the changing part of a name is a label.
pub fn prometheus(context: &Context, query: &str) -> String {
    let used_only = parameter(query, "usedonly").is_some();
    let mut families: BTreeMap<String, (Kind, Vec<(String, u64)>)> = BTreeMap::new();
    for (name, (kind, value)) in all(context).into_iter().filter(|(_, (_, v))| !used_only || *v > 0) {
        let (family, labels) = labelled(&name);
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

/// `cluster.a.b.upstream_rq_2xx` is `envoy_cluster_upstream_rq_xx` with the labels of the cluster and the class.
fn labelled(name: &str) -> (String, String) {
    let kinds =
        [("cluster", "envoy_cluster_name"), ("http", "envoy_http_conn_manager_prefix"), ("listener", "envoy_listener_address"), ("tcp", "envoy_tcp_prefix")];
    for (prefix, label) in kinds {
        let Some((thing, counter)) = name.strip_prefix(prefix).and_then(|r| r.strip_prefix('.')).and_then(|r| r.rsplit_once('.')) else { continue };
        let groups = [(".ssl", "ssl_"), (".tracing", "tracing_"), (".outlier_detection", "outlier_detection_")];
        let (thing, group) = groups.into_iter().find_map(|(suffix, group)| Some((thing.strip_suffix(suffix)?, group))).unwrap_or((thing, ""));
        let thing = thing.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let class = counter.strip_suffix("xx").and_then(|c| c.rsplit_once('_')).filter(|(_, digit)| digit.len() == 1);
        return match class {
            Some((family, digit)) => (format!("envoy_{prefix}_{family}_xx"), format!("envoy_response_code_class=\"{digit}\",{label}=\"{thing}\"")),
            None => (format!("envoy_{prefix}_{group}{counter}"), format!("{label}=\"{thing}\"")),
        };
    }
    (format!("envoy_{}", name.replace('.', "_")), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_families_and_labels() {
        let of = |name: &str| {
            let (family, labels) = labelled(name);
            format!("{family}{{{labels}}}")
        };
        assert_eq!(of("cluster.a.b.upstream_rq_total"), "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"a.b\"}");
        assert_eq!(of("http.in.downstream_rq_2xx"), "envoy_http_downstream_rq_xx{envoy_response_code_class=\"2\",envoy_http_conn_manager_prefix=\"in\"}");
        assert_eq!(of("listener.0.0.0.0_80.ssl.handshake"), "envoy_listener_ssl_handshake{envoy_listener_address=\"0.0.0.0_80\"}");
        assert_eq!(of("server.uptime"), "envoy_server_uptime{}");
    }
}
