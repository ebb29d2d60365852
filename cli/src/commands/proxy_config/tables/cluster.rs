//! Clusters: where traffic can go, and what limits it.

use super::{Stated, Width, cell, origin};
use crate::commands::proxy_config::filter::{ClusterFilter, cluster_order};
use crate::print::table::Table;
use mesh_envoy::ClusterName;
use mesh_envoy::dump::cluster::Cluster;
use mesh_envoy::dump::endpoint::LoadAssignment;
use std::collections::HashMap;

/// Healthy and all endpoints by the name they are asked for.
pub type EndpointCounts<'d> = HashMap<&'d str, (usize, usize)>;

pub fn counts<'d>(assignments: impl Iterator<Item = &'d LoadAssignment<'d>>) -> EndpointCounts<'d> {
    let mut out = EndpointCounts::new();
    for a in assignments {
        let all = a.endpoints.iter().flat_map(|g| &g.lb_endpoints);
        let entry = out.entry(&*a.cluster_name).or_default();
        for e in all {
            // Envoy sends to endpoints of unknown health as well.
            entry.0 += usize::from(matches!(e.health_status(), "HEALTHY" | "UNKNOWN" | "DEGRADED"));
            entry.1 += 1;
        }
    }
    out
}

pub fn table(clusters: &mut [Stated<'_, Cluster<'_>>], filter: &ClusterFilter, width: Width, endpoints: &EndpointCounts<'_>) -> Table {
    clusters.sort_by(|a, b| cluster_order(&a.resource.name, &b.resource.name));
    let mut header = vec!["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "LB", "TLS", "OUTLIER", "DESTINATION RULE", "STATE"];
    if width == Width::Wide {
        header.extend(["ENDPOINTS", "LIMITS", "CONNECT", "NAME"]);
    }
    let mut table = Table::new(header);
    for Stated { resource: c, state } in clusters.iter().filter(|c| filter.matches(&c.resource.name)) {
        let name = ClusterName::parse_any(&c.name);
        let kind = c.cluster_type.as_ref().map_or(c.discovery_type(), |t| t.name.rsplit('.').next().unwrap_or(""));
        let mut row = vec![
            name.map_or(c.name.to_string(), |n| cell(n.host)),
            name.map_or("-".to_owned(), |n| n.port.to_string()),
            name.map_or("-".to_owned(), |n| cell(n.subset)),
            name.map_or("-".to_owned(), |n| n.direction.to_owned()),
            kind.to_owned(),
            c.lb_policy().to_owned(),
            tls(c).to_owned(),
            cell(outlier(c)),
            origin(&c.metadata),
            state.show(),
        ];
        if width == Width::Wide {
            let inline = c.load_assignment.as_ref().map(|a| counts(std::iter::once(a)));
            let found = endpoints.get(c.service_name()).or_else(|| endpoints.get(&*c.name)).copied();
            let count = found.or_else(|| inline.and_then(|m| m.into_values().next()));
            row.push(count.map_or("-".to_owned(), |(up, all)| format!("{up}/{all}")));
            row.push(cell(limits(c)));
            row.push(cell(&*c.connect_timeout));
            row.push(c.name.to_string());
        }
        table.row(row);
    }
    table
}

/// How the cluster encrypts: `mTLS` (Istio's), `auto` (mTLS where the endpoint takes it), `TLS`, or none.
fn tls(c: &Cluster<'_>) -> &'static str {
    let istio = |sni: &str| sni.starts_with("outbound_");
    if c.transport_socket_matches.iter().any(|m| &*m.name == "tlsMode-istio") {
        return "auto";
    }
    match &c.transport_socket {
        Some(s) if s.typed_config.type_url.ends_with("UpstreamTlsContext") => {
            if istio(&s.typed_config.sni) {
                "mTLS"
            } else {
                "TLS"
            }
        }
        _ => "-",
    }
}

fn outlier(c: &Cluster<'_>) -> String {
    let Some(o) = &c.outlier_detection else { return String::new() };
    let mut parts = Vec::new();
    if let Some(n) = o.consecutive_5xx {
        parts.push(format!("{}x5xx", n.0));
    }
    if let Some(n) = o.consecutive_gateway_failure {
        parts.push(format!("{}xgw", n.0));
    }
    if !o.base_ejection_time.is_empty() {
        parts.push(o.base_ejection_time.to_string());
    }
    if let Some(n) = o.max_ejection_percent {
        parts.push(format!("max {}%", n.0));
    }
    if parts.is_empty() { "default".to_owned() } else { parts.join(" ") }
}

/// Thresholds that bind: Istio writes the largest number where there is no limit.
fn limits(c: &Cluster<'_>) -> String {
    let Some(t) = c.circuit_breakers.thresholds.iter().find(|t| &*t.priority != "HIGH") else { return String::new() };
    let named = [("conn", t.max_connections), ("pending", t.max_pending_requests), ("req", t.max_requests), ("retries", t.max_retries)];
    let bound: Vec<String> = named.iter().filter_map(|(n, v)| v.filter(|v| v.0 < u64::from(u32::MAX)).map(|v| format!("{n}={}", v.0))).collect();
    bound.join(",")
}
