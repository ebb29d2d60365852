//! Listeners and their filter chains, in the order in which Envoy holds them.

use super::{Stated, Width, cell};
use crate::commands::proxy_config::filter::{ListenerFilter, listener_type};
use crate::commands::proxy_config::istioctl::listener::Detail;
use crate::print::table::Table;
use mesh_envoy::dump::Text;
use mesh_envoy::dump::listener::{CidrRange, Filter, FilterChain, FilterChainMatch, Listener};

pub fn table(listeners: &mut [Stated<'_, Listener<'_>>], filter: &ListenerFilter, detail: Detail, width: Width) -> Table {
    listeners.sort_by_cached_key(|l| (l.resource.address.port(), l.resource.address.host()));
    let mut header = vec!["LISTENER", "ADDRESS"];
    header.extend(if detail == Detail::Type { &["TYPE", "CHAINS", "STATE"][..] } else { &["CHAIN", "MATCH", "TLS", "DESTINATION", "STATE"] });
    if width == Width::Wide {
        header.extend(["DIRECTION", "FILTERS"]);
    }
    let mut table = Table::new(header);
    for Stated { resource: l, state } in listeners.iter().filter(|l| filter.matches(l.resource)) {
        let addresses: Vec<String> = l.addresses().map(|a| a.to_string()).collect();
        let head = [cell(&*l.name), if l.is_internal() { "internal".to_owned() } else { cell(addresses.join(",")) }];
        let direction = cell(&*l.traffic_direction);
        if detail == Detail::Type {
            let mut row = Vec::from(head);
            row.extend([listener_type(l).to_owned(), l.chains().count().to_string(), state.show()]);
            if width == Width::Wide {
                row.extend([direction, cell(names(l.listener_filters.iter().map(|f| &f.name)))]);
            }
            table.row(row);
            continue;
        }
        for (i, chain) in l.chains().enumerate() {
            let default = l.default_filter_chain.as_ref().is_some_and(|d| std::ptr::eq(d, chain));
            let name = match (chain.name.is_empty(), default) {
                (true, true) => "default".to_owned(),
                (true, false) => format!("#{i}"),
                (false, true) => format!("{} (default)", chain.name),
                (false, false) => chain.name.to_string(),
            };
            let mut row = Vec::from(head.clone());
            row.extend([name, match_text(&chain.filter_chain_match), tls(chain).to_owned(), destination(&chain.filters), state.show()]);
            if width == Width::Wide {
                row.extend([direction.clone(), cell(filters(chain))]);
            }
            table.row(row);
        }
    }
    table
}

fn names<'t, 'a: 't>(list: impl Iterator<Item = &'t Text<'a>>) -> String {
    list.map(|n| n.rsplit('.').next().unwrap_or("").to_owned()).collect::<Vec<_>>().join(",")
}

fn filters(chain: &FilterChain<'_>) -> String {
    let network = chain.filters.iter().map(|f| &f.name);
    let http = chain.filters.iter().flat_map(|f| f.typed_config.http_filters.iter().map(|h| &h.name));
    match (names(network), names(http)) {
        (n, h) if h.is_empty() => n,
        (n, h) => format!("{n}: {h}"),
    }
}

/// Every condition of a chain, in the order in which Envoy tries them.
pub fn match_text(m: &FilterChainMatch<'_>) -> String {
    let joined = |list: &[Text<'_>]| list.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(",");
    let ranges = |list: &[CidrRange<'_>]| list.iter().map(|r| format!("{}/{}", r.address_prefix, r.prefix_len.0)).collect::<Vec<_>>().join(",");
    let mut parts = Vec::new();
    if let Some(p) = m.destination_port {
        parts.push(format!("port {}", p.0));
    }
    if !m.prefix_ranges.is_empty() {
        parts.push(format!("to {}", ranges(&m.prefix_ranges)));
    }
    if !m.server_names.is_empty() {
        parts.push(format!("sni {}", joined(&m.server_names)));
    }
    if !m.transport_protocol.is_empty() {
        parts.push(m.transport_protocol.to_string());
    }
    if !m.application_protocols.is_empty() {
        parts.push(format!("alpn {}", joined(&m.application_protocols)));
    }
    if !m.direct_source_prefix_ranges.is_empty() {
        parts.push(format!("from peer {}", ranges(&m.direct_source_prefix_ranges)));
    }
    if !m.source_type.is_empty() && &*m.source_type != "ANY" {
        parts.push(format!("source {}", m.source_type));
    }
    if !m.source_prefix_ranges.is_empty() {
        parts.push(format!("from {}", ranges(&m.source_prefix_ranges)));
    }
    if !m.source_ports.is_empty() {
        parts.push(format!("from port {}", m.source_ports.iter().map(|p| p.0.to_string()).collect::<Vec<_>>().join(",")));
    }
    if parts.is_empty() { "any".to_owned() } else { parts.join("; ") }
}

fn tls(chain: &FilterChain<'_>) -> &'static str {
    match &chain.transport_socket {
        Some(s) if s.typed_config.type_url.ends_with("DownstreamTlsContext") => {
            if s.typed_config.require_client_certificate {
                "mTLS"
            } else {
                "TLS"
            }
        }
        _ => "-",
    }
}

fn destination(filters: &[Filter<'_>]) -> String {
    for f in filters {
        let c = &f.typed_config;
        if f.is_http_connection_manager() {
            return match (&c.route_config, &c.rds) {
                (_, Some(rds)) if !rds.route_config_name.is_empty() => format!("routes `{}`", rds.route_config_name),
                (Some(routes), _) => crate::commands::proxy_config::tables::route::summary(routes),
                _ => "HTTP, no routes".to_owned(),
            };
        }
        if f.is_tcp_proxy() {
            return match &c.weighted_clusters {
                Some(w) => super::route::weights(&w.clusters),
                None if f.is_black_hole() => format!("{} (drops)", c.cluster),
                None => c.cluster.to_string(),
            };
        }
    }
    "no proxy filter: closes".to_owned()
}
