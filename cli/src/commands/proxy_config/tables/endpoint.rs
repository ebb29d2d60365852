//! Endpoints: as Envoy uses them now, or as the control plane assigned them.

use super::{Width, cell};
use crate::commands::proxy_config::filter::{EndpointFilter, cluster_order};
use crate::commands::proxy_config::istioctl::endpoint::{eds_addresses, eds_matches, host_matches};
use crate::print::table::Table;
use mesh_envoy::admin::clusters::{ClusterStatus, HostHealth, HostStatus};
use mesh_envoy::dump::endpoint::LoadAssignment;

pub fn live(clusters: &[ClusterStatus<'_>], filter: &EndpointFilter, width: Width) -> Table {
    let mut rows: Vec<(&str, &HostStatus<'_>)> =
        clusters.iter().flat_map(|c| c.host_statuses.iter().map(move |h| (&*c.name, h))).filter(|(c, h)| host_matches(filter, h, c)).collect();
    rows.sort_by(|a, b| cluster_order(a.0, b.0).then_with(|| (a.1.priority, a.1.address.to_string()).cmp(&(b.1.priority, b.1.address.to_string()))));
    let mut header = vec!["ENDPOINT", "STATUS", "WEIGHT", "PRIORITY", "LOCALITY", "REQUESTS", "ERRORS", "ACTIVE", "CLUSTER"];
    if width == Width::Wide {
        header.extend(["CONNECTIONS", "CONNECT FAILURES", "TIMEOUTS", "HOSTNAME"]);
    }
    let mut table = Table::new(header);
    for (cluster, h) in rows {
        let mut row = vec![
            cell(h.address.to_string()),
            status(&h.health_status),
            h.weight.0.max(1).to_string(),
            h.priority.0.to_string(),
            cell(h.locality.to_string()),
            h.stat("rq_total").to_string(),
            h.stat("rq_error").to_string(),
            h.stat("rq_active").to_string(),
            cluster.to_owned(),
        ];
        if width == Width::Wide {
            row.extend([h.stat("cx_total").to_string(), h.stat("cx_connect_fail").to_string(), h.stat("rq_timeout").to_string(), cell(&*h.hostname)]);
        }
        table.row(row);
    }
    table
}

/// The control plane's word, then what Envoy found itself.
fn status(h: &HostHealth<'_>) -> String {
    let mut parts = vec![h.eds_health_status().to_owned()];
    let found = [
        (h.failed_outlier_check, "EJECTED"),
        (h.failed_active_health_check, "FAILED HEALTH CHECK"),
        (h.failed_active_degraded_check, "DEGRADED"),
        (h.pending_active_hc, "HEALTH CHECK PENDING"),
        (h.pending_dynamic_removal, "REMOVAL PENDING"),
    ];
    parts.extend(found.iter().filter(|(yes, _)| *yes).map(|(_, name)| (*name).to_owned()));
    parts.join(", ")
}

pub fn assigned(assignments: &[&LoadAssignment<'_>], filter: &EndpointFilter) -> Table {
    let mut sorted = assignments.to_vec();
    sorted.sort_by(|a, b| cluster_order(&a.cluster_name, &b.cluster_name));
    let mut table = Table::new(["ENDPOINT", "STATUS", "WEIGHT", "PRIORITY", "LOCALITY", "CLUSTER"]);
    for a in sorted {
        for group in &a.endpoints {
            for e in group.lb_endpoints.iter().filter(|e| eds_matches(filter, e, &a.cluster_name)) {
                table.row(vec![
                    eds_addresses(e).join(","),
                    e.health_status().to_owned(),
                    e.load_balancing_weight.map_or(1, |w| w.0).to_string(),
                    group.priority.0.to_string(),
                    cell(group.locality.to_string()),
                    a.cluster_name.to_string(),
                ]);
            }
        }
    }
    table
}
