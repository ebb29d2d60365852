//! Clusters and their endpoints.

use super::{Cluster, Endpoint, Proxy, Trouble, Wanted, origin, rejected, short};
use crate::graph::Health;
use mesh_envoy::admin::clusters::{self, ClusterStatus};
use mesh_envoy::dump::cluster::{Cluster as EnvoyCluster, Named};
use mesh_envoy::dump::endpoint::LoadAssignment;
use std::collections::BTreeMap;

pub(super) fn read(proxy: &mut Proxy, wanted: &Wanted<'_>, live: &[ClusterStatus<'_>]) {
    let mut assigned: BTreeMap<&str, Vec<Endpoint>> = BTreeMap::new();
    for section in &wanted.endpoints {
        for a in section.static_endpoint_configs.iter().chain(&section.dynamic_endpoint_configs).filter_map(|e| e.endpoint_config.as_ref()) {
            assigned.insert(&a.cluster_name, endpoints(a));
        }
    }
    let live: BTreeMap<&str, Vec<Endpoint>> = live.iter().map(|c| (&*c.name, live_endpoints(c))).collect();
    for section in &wanted.clusters {
        let all = [(&section.static_clusters, "static"), (&section.dynamic_active_clusters, "active"), (&section.dynamic_warming_clusters, "warming")];
        for (entry, state) in all.into_iter().flat_map(|(list, state)| list.iter().map(move |e| (e, state))) {
            let Some(c) = &entry.cluster else { continue };
            let failed = rejected(proxy, &format!("cluster {}", short(&c.name)), entry.error_state.as_ref());
            if state == "warming" {
                proxy.problems.push(Trouble {
                    health: Health::Degraded,
                    text: format!("cluster {} is warming: its endpoints or certificates have not come", short(&c.name)),
                });
            }
            let own = c.load_assignment.as_ref().map(endpoints);
            let found = live.get(&*c.name).cloned().or_else(|| assigned.get(c.service_name()).or_else(|| assigned.get(&*c.name)).cloned()).or(own);
            proxy.clusters.insert(c.name.to_string(), cluster(c, state, failed, found));
        }
    }
}

fn cluster(c: &EnvoyCluster<'_>, state: &str, failed: bool, endpoints: Option<Vec<Endpoint>>) -> Cluster {
    let mut facts = vec![
        ("type".to_owned(), c.discovery_type().to_owned()),
        ("state".to_owned(), if failed { format!("{state}, update rejected") } else { state.to_owned() }),
    ];
    facts.push(("balancing".to_owned(), c.lb_policy().to_owned()));
    facts.push(("TLS".to_owned(), tls(c)));
    for t in &c.circuit_breakers.thresholds {
        let limit = |name: &str, n: Option<&mesh_envoy::dump::UInt>| n.filter(|n| n.0 < u64::from(u32::MAX)).map(|n| format!("{name} {}", n.0));
        let limits: Vec<String> = [
            limit("connections", t.max_connections.as_ref()),
            limit("pending", t.max_pending_requests.as_ref()),
            limit("requests", t.max_requests.as_ref()),
            limit("retries", t.max_retries.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !limits.is_empty() {
            facts.push(("limits".to_owned(), limits.join(", ")));
        }
    }
    if let Some(o) = &c.outlier_detection {
        let after = o.consecutive_5xx.as_ref().or(o.consecutive_gateway_failure.as_ref()).map_or(5, |n| n.0);
        facts.push(("outliers".to_owned(), format!("ejected after {after} errors, checked every {}, for {}", o.interval, o.base_ejection_time)));
    }
    if let Some(from) = origin(&c.metadata) {
        facts.push(("made".to_owned(), from));
    }
    let has_none = matches!(c.discovery_type(), "EDS" | "STATIC" | "STRICT_DNS") && endpoints.as_ref().is_some_and(Vec::is_empty);
    let list = endpoints.as_deref().unwrap_or_default();
    let bad = list.iter().filter(|e| e.health >= Health::Degraded).count();
    let health = match (failed, has_none, bad) {
        (true, ..) => Health::Failing,
        (_, true, _) => Health::Idle,
        (_, _, 0) => Health::Ok,
        (_, _, n) if n == list.len() => Health::Failing,
        _ => Health::Degraded,
    };
    Cluster { name: c.name.to_string(), health, facts, endpoints }
}

/// To which endpoints TLS is spoken, and with which name.
fn tls(c: &EnvoyCluster<'_>) -> String {
    // What matches an endpoint's labels goes before what holds for all.
    let with = c.transport_socket_matches.iter().find(|s| is_tls(s));
    let (socket, when) = match (with, c.transport_socket.as_ref().filter(|s| is_tls(s))) {
        (Some(socket), None) => (socket, "where the endpoint takes it"),
        (_, Some(socket)) => (socket, "yes"),
        (None, None) => return "none".to_owned(),
    };
    let sni = &socket.typed_config.sni;
    if sni.is_empty() { when.to_owned() } else { format!("{when}, SNI {sni}") }
}

fn is_tls(socket: &Named<'_>) -> bool {
    socket.typed_config.type_url.ends_with("UpstreamTlsContext")
}

fn of_health(name: &str) -> Health {
    match name {
        "HEALTHY" | "UNKNOWN" => Health::Ok,
        "DRAINING" | "DEGRADED" => Health::Degraded,
        _ => Health::Failing,
    }
}

fn endpoints(a: &LoadAssignment<'_>) -> Vec<Endpoint> {
    let each = a.endpoints.iter().flat_map(|l| l.lb_endpoints.iter().map(move |e| (l, e)));
    each.map(|(l, e)| Endpoint {
        address: e.endpoint.address.to_string(),
        health: of_health(e.health_status()),
        state: e.health_status().to_lowercase(),
        locality: l.locality.to_string(),
    })
    .collect()
}

fn live_endpoints(c: &ClusterStatus<'_>) -> Vec<Endpoint> {
    let endpoint = |h: &clusters::HostStatus<'_>| {
        let mut states = vec![h.health_status.eds_health_status().to_lowercase()];
        let mut health = of_health(h.health_status.eds_health_status());
        for (is_so, text) in [
            (h.health_status.failed_outlier_check, "ejected as an outlier"),
            (h.health_status.failed_active_health_check, "fails its health check"),
            (h.health_status.failed_active_degraded_check, "degraded"),
            (h.health_status.pending_dynamic_removal, "about to be removed"),
        ] {
            if is_so {
                states.push(text.to_owned());
                health = Health::Failing;
            }
        }
        let (requests, errors) = (h.stat("rq_total"), h.stat("rq_error"));
        if requests > 0 {
            states.push(format!("{requests} requests, {errors} errors"));
        }
        Endpoint { address: h.address.to_string(), health, state: states.join(", "), locality: h.locality.to_string() }
    };
    c.host_statuses.iter().map(endpoint).collect()
}
