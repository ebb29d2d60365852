//! `proxy-config endpoint` (from `/clusters`) and `proxy-config eds` (from a dump).

use super::WIDE;
use crate::commands::proxy_config::filter::{EndpointFilter, cluster_order};
use crate::print::table::Table;
use mesh_envoy::admin::clusters::{ClusterStatus, HostStatus};
use mesh_envoy::dump::endpoint::{Address, LbEndpoint, LoadAssignment};

/// The address of a host without its port.
pub fn host_address(host: &HostStatus<'_>) -> String {
    match host.address.host() {
        a if a.is_empty() => "unknown".to_owned(),
        a => a,
    }
}

pub fn host_matches(filter: &EndpointFilter, host: &HostStatus<'_>, cluster: &str) -> bool {
    filter.is_empty() || filter.matches(&[host_address(host)], host.address.port(), cluster, host.health_status.eds_health_status())
}

pub fn table(clusters: &[ClusterStatus<'_>], filter: &EndpointFilter) -> String {
    let mut rows: Vec<(String, u32, &str, &HostStatus<'_>)> = clusters
        .iter()
        .flat_map(|c| c.host_statuses.iter().map(move |h| (c, h)))
        .filter(|(c, h)| host_matches(filter, h, &c.name))
        .map(|(c, h)| (host_address(h), h.address.port(), &*c.name, h))
        .collect();
    rows.sort_by(|a, b| (&a.0, a.1, a.2).cmp(&(&b.0, b.1, b.2)));
    let mut table = Table::new(["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"]);
    for (address, port, cluster, host) in rows {
        let endpoint = if port == 0 { address } else { format!("{address}:{port}") };
        let outlier = if host.health_status.failed_outlier_check { "FAILED" } else { "OK" };
        table.row(vec![endpoint, host.health_status.eds_health_status().to_owned(), outlier.to_owned(), cluster.to_owned()]);
    }
    table.render(WIDE)
}

/// `ip:port`, a bare path, or `envoy://listener/id`.
fn eds_address(address: &Address<'_>) -> String {
    match (&address.socket_address, &address.pipe, &address.envoy_internal_address) {
        (Some(s), _, _) => format!("{}:{}", s.address, s.port_value.0),
        (_, Some(p), _) => p.path.to_string(),
        (_, _, Some(_)) => address.host(),
        _ => "unknown".to_owned(),
    }
}

pub fn eds_addresses(e: &LbEndpoint<'_>) -> Vec<String> {
    std::iter::once(&e.endpoint.address).chain(e.endpoint.additional_addresses.iter().map(|a| &a.address)).map(eds_address).collect()
}

pub fn eds_matches(filter: &EndpointFilter, e: &LbEndpoint<'_>, cluster: &str) -> bool {
    filter.is_empty() || filter.matches(&eds_addresses(e), e.endpoint.address.port(), cluster, e.health_status())
}

pub fn eds_table(assignments: &[&LoadAssignment<'_>], filter: &EndpointFilter, prefix: Option<&str>) -> String {
    let mut sorted: Vec<&LoadAssignment<'_>> = assignments.to_vec();
    sorted.sort_by(|a, b| cluster_order(&a.cluster_name, &b.cluster_name));
    let mut table = Table::new(["NAME", "STATUS", "LOCALITY", "CLUSTER"]);
    for a in sorted {
        for group in &a.endpoints {
            for e in group.lb_endpoints.iter().filter(|e| eds_matches(filter, e, &a.cluster_name)) {
                let name = format!("{}{}", prefix.unwrap_or(""), eds_addresses(e).join(","));
                table.row(vec![name, e.health_status().to_owned(), group.locality.to_string(), a.cluster_name.to_string()]);
            }
        }
    }
    table.render(WIDE)
}
