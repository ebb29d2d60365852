//! `/clusters`: every cluster in use, and every host with its health and its counters.

use super::Context;
use crate::upstream::host::Host;
use mesh_envoy::engine::pick::{Assignment, Endpoint, Health};
use rustc_hash::FxHashSet;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::atomic::Ordering;

/// Counters of a host, by Envoy's names: gauges, then counters.
fn counters(host: &Host) -> [(&'static str, bool, u64); 8] {
    let get = |c: &std::sync::atomic::AtomicU64| c.load(Ordering::Relaxed);
    [
        ("cx_active", true, u64::from(host.active_connections.load(Ordering::Relaxed))),
        ("cx_connect_fail", false, get(&host.stats.connect_failures)),
        ("cx_total", false, get(&host.stats.connections)),
        ("rq_active", true, u64::from(host.active_requests.load(Ordering::Relaxed))),
        ("rq_error", false, get(&host.stats.errors)),
        ("rq_success", false, get(&host.stats.successes)),
        ("rq_timeout", false, get(&host.stats.timeouts)),
        ("rq_total", false, get(&host.stats.requests)),
    ]
}

/// What configuration says of a host's health, without ejections.
fn configured(given: &Assignment, endpoint: &Endpoint) -> Health {
    given.endpoints.iter().find(|e| e.address == endpoint.address).map_or(Health::Healthy, |e| e.health)
}

fn flags(given: &Assignment, endpoint: &Endpoint, host: &Host) -> String {
    let mut out = String::new();
    if host.ejected.load(Ordering::Relaxed) {
        out.push_str("/failed_outlier_check");
    }
    match configured(given, endpoint) {
        Health::Unhealthy => out.push_str("/failed_eds_health"),
        Health::Degraded => out.push_str("/degraded_eds_health"),
        Health::Healthy => {}
    }
    if out.is_empty() { "healthy".to_owned() } else { out }
}

fn locality(endpoint: &Endpoint) -> [&str; 3] {
    let mut parts = endpoint.locality.split('/');
    std::array::from_fn(|_| parts.next().unwrap_or(""))
}

/// The clusters that a control plane sent.
fn added_via_api(context: &Context) -> FxHashSet<Box<str>> {
    context.dynamic.iter().flat_map(|d| d.tables().clusters.active().map(|(name, _)| name.into()).collect::<Vec<_>>()).collect()
}

pub fn text(context: &Context) -> String {
    let mut out = String::new();
    let from_control_plane = added_via_api(context);
    for runtime in context.shared.every_runtime() {
        let name = &runtime.config.name;
        let _ = writeln!(out, "{name}::observability_name::{name}");
        for (priority, t) in ["default", "high"].iter().zip(&runtime.config.thresholds) {
            for (what, limit) in
                [("max_connections", t.connections), ("max_pending_requests", t.pending), ("max_requests", t.requests), ("max_retries", t.retries)]
            {
                let _ = writeln!(out, "{name}::{priority}_priority::{what}::{limit}");
            }
        }
        let _ = writeln!(out, "{name}::added_via_api::{}", from_control_plane.contains(name));
        let (hosts, given) = (runtime.hosts(), runtime.given());
        for endpoint in &hosts.assignment.endpoints {
            let Some(host) = hosts.hosts.get(&endpoint.address) else { continue };
            let at = format!("{name}::{}", endpoint.address);
            for (counter, _, value) in counters(host) {
                let _ = writeln!(out, "{at}::{counter}::{value}");
            }
            let [region, zone, sub_zone] = locality(endpoint);
            let rest = [
                ("hostname", &*endpoint.hostname),
                ("health_flags", &*flags(&given, endpoint, host)),
                ("weight", &endpoint.weight.to_string()),
                ("region", region),
                ("zone", zone),
                ("sub_zone", sub_zone),
                ("canary", "false"),
                ("priority", &endpoint.priority.to_string()),
                ("success_rate", "-1"),
                ("local_origin_success_rate", "-1"),
            ];
            for (what, value) in rest {
                let _ = writeln!(out, "{at}::{what}::{value}");
            }
        }
    }
    out
}

pub fn json(context: &Context) -> Value {
    let mut list = Vec::new();
    let from_control_plane = added_via_api(context);
    for runtime in context.shared.every_runtime() {
        let (set, given) = (runtime.hosts(), runtime.given());
        let mut hosts = Vec::new();
        for endpoint in &set.assignment.endpoints {
            let Some(host) = set.hosts.get(&endpoint.address) else { continue };
            let address = match host.address.socket() {
                Some(a) => json!({"socket_address": {"address": a.ip().to_string(), "port_value": a.port()}}),
                None => json!({"pipe": {"path": &*host.label}}),
            };
            let stats: Vec<Value> = counters(host)
                .iter()
                .map(|(name, is_gauge, value)| match is_gauge {
                    true => json!({"name": name, "value": value.to_string(), "type": "GAUGE"}),
                    false => json!({"name": name, "value": value.to_string()}),
                })
                .collect();
            let health = match configured(&given, endpoint) {
                Health::Healthy => "HEALTHY",
                Health::Degraded => "DEGRADED",
                Health::Unhealthy => "UNHEALTHY",
            };
            let mut status = json!({"eds_health_status": health});
            if host.ejected.load(Ordering::Relaxed) {
                status["failed_outlier_check"] = true.into();
            }
            let [region, zone, sub_zone] = locality(endpoint);
            hosts.push(json!({
                "address": address, "stats": stats, "health_status": status, "weight": endpoint.weight, "hostname": &*endpoint.hostname,
                "priority": endpoint.priority, "locality": {"region": region, "zone": zone, "sub_zone": sub_zone},
            }));
        }
        let name = &runtime.config.name;
        let thresholds = ["DEFAULT", "HIGH"].iter().zip(&runtime.config.thresholds).map(|(priority, t)| {
            json!({"priority": priority, "max_connections": t.connections, "max_pending_requests": t.pending, "max_requests": t.requests, "max_retries": t.retries})
        });
        let thresholds: Vec<Value> = thresholds.collect();
        list.push(json!({
            "name": &**name, "added_via_api": from_control_plane.contains(name), "observability_name": &**name, "host_statuses": hosts,
            "circuit_breakers": {"thresholds": thresholds},
        }));
    }
    json!({"cluster_statuses": list})
}
