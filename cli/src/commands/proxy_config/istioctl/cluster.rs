//! `proxy-config cluster`.

use super::{WIDE, management};
use crate::commands::proxy_config::filter::{ClusterFilter, cluster_order};
use crate::print::table::Table;
use mesh_envoy::ClusterName;
use mesh_envoy::dump::cluster::Cluster;

/// The table; with `prefix` the first column names the resource, as `proxy-config all` prints it.
pub fn table(clusters: &[&Cluster<'_>], filter: &ClusterFilter, prefix: Option<&str>) -> String {
    let mut sorted: Vec<&Cluster<'_>> = clusters.iter().copied().filter(|c| filter.matches(&c.name)).collect();
    sorted.sort_by(|a, b| cluster_order(&a.name, &b.name));
    let header = ["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"];
    let mut table = Table::new(prefix.map(|_| "NAME").into_iter().chain(header));
    for c in sorted {
        let named = prefix.map(|p| format!("{p}{}", c.name));
        let tail = [c.discovery_type().to_owned(), management(&c.metadata)];
        let row: Vec<String> = match ClusterName::parse(&c.name) {
            Some(n) => {
                let subset = if n.subset.is_empty() { "-" } else { n.subset };
                vec![n.host.to_owned(), n.port.to_string(), subset.to_owned(), n.direction.to_owned()]
            }
            None => {
                let shown = named.clone().filter(|_| !c.name.is_empty()).unwrap_or_else(|| c.name.to_string());
                vec![shown, "-".into(), "-".into(), "-".into()]
            }
        };
        table.row(named.into_iter().chain(row).chain(tail).collect());
    }
    table.render(WIDE)
}
