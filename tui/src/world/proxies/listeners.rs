//! Listeners and their filter chains.

use super::{Chain, Lead, Listener, Proxy, Trouble, Wanted, destinations, rejected, routes};
use crate::graph::Health;
use mesh_envoy::dump::listener::{FilterChain, FilterChainMatch, Listener as EnvoyListener};

pub(super) fn read(proxy: &mut Proxy, wanted: &Wanted<'_>) {
    for section in &wanted.listeners {
        for state in &section.static_listeners {
            if let Some(l) = &state.listener {
                let listener = listener(proxy, l, "static", Health::Ok);
                proxy.listeners.push(listener);
            }
        }
        for d in &section.dynamic_listeners {
            let failed = rejected(proxy, &format!("listener {}", d.name), d.error_state.as_ref());
            for (state, name, health) in
                [(&d.active_state, "active", Health::Ok), (&d.warming_state, "warming", Health::Degraded), (&d.draining_state, "draining", Health::Idle)]
            {
                if let Some(l) = state.as_ref().and_then(|s| s.listener.as_ref()) {
                    let health = if failed { Health::Failing } else { health };
                    let name = if failed { format!("{name}, update rejected") } else { name.to_owned() };
                    let listener = listener(proxy, l, &name, health);
                    proxy.listeners.push(listener);
                }
            }
            if d.warming_state.is_some() {
                proxy.problems.push(Trouble { health: Health::Degraded, text: format!("listener {} is warming: it waits for something it refers to", d.name) });
            }
        }
    }
    proxy.listeners.sort_by(|a, b| (&a.direction, &a.address, &a.name).cmp(&(&b.direction, &b.address, &b.name)));
}

fn listener(proxy: &mut Proxy, l: &EnvoyListener<'_>, state: &str, health: Health) -> Listener {
    let address = l.addresses().map(ToString::to_string).filter(|a| !a.is_empty()).collect::<Vec<_>>().join(" ");
    let address = if address.is_empty() { "internal".to_owned() } else { address };
    let chains = l.chains().enumerate().map(|(i, c)| chain(proxy, &l.name, i, c, i >= l.filter_chains.len())).collect();
    Listener { name: l.name.to_string(), address, direction: l.traffic_direction.to_lowercase(), health, state: state.to_owned(), chains }
}

fn chain(proxy: &mut Proxy, listener: &str, index: usize, c: &FilterChain<'_>, is_default: bool) -> Chain {
    let mut leads = Lead::Nowhere;
    let mut filters = Vec::new();
    for f in &c.filters {
        let config = &f.typed_config;
        filters.push(f.name.to_string());
        if f.is_http_connection_manager() {
            filters.extend(config.http_filters.iter().map(|h| format!("  {}", h.name)));
            leads = match (&config.rds, &config.route_config) {
                (Some(rds), _) => Lead::Routes(rds.route_config_name.to_string()),
                (None, Some(inline)) => {
                    let name = if inline.name.is_empty() { format!("{listener} chain {index}") } else { format!("{} ({listener})", inline.name) };
                    proxy.routes.insert(name.clone(), routes::routes(inline));
                    Lead::Routes(name)
                }
                (None, None) => Lead::Nowhere,
            };
        } else if f.is_tcp_proxy() {
            leads = Lead::Clusters(destinations(&config.cluster, config.weighted_clusters.as_ref()));
        }
    }
    let accepts = if is_default { "anything else".to_owned() } else { accepts(&c.filter_chain_match) };
    let tls = match &c.transport_socket {
        Some(s) if s.typed_config.require_client_certificate => "mutual TLS",
        Some(s) if s.typed_config.type_url.ends_with("DownstreamTlsContext") => "TLS",
        Some(_) => "",
        None => "",
    };
    Chain { place: index, name: c.name.to_string(), accepts, tls: tls.to_owned(), filters, leads }
}

/// The conditions of a filter chain, as few words as possible.
fn accepts(m: &FilterChainMatch<'_>) -> String {
    let list = |items: Vec<String>| items.join(",");
    let texts = |items: &[mesh_envoy::dump::Text<'_>]| list(items.iter().map(ToString::to_string).collect());
    let ranges = |items: &[mesh_envoy::dump::listener::CidrRange<'_>]| list(items.iter().map(|r| format!("{}/{}", r.address_prefix, r.prefix_len.0)).collect());
    let mut out = Vec::new();
    if let Some(port) = &m.destination_port {
        out.push(format!("port {}", port.0));
    }
    for (what, text) in [
        ("to", ranges(&m.prefix_ranges)),
        ("from", ranges(&m.source_prefix_ranges)),
        ("from directly", ranges(&m.direct_source_prefix_ranges)),
        ("SNI", texts(&m.server_names)),
        ("", m.transport_protocol.to_string()),
        ("ALPN", texts(&m.application_protocols)),
        ("", m.source_type.to_lowercase()),
    ] {
        if !text.is_empty() {
            out.push(if what.is_empty() { text } else { format!("{what} {text}") });
        }
    }
    if !m.source_ports.is_empty() {
        out.push(format!("from ports {}", list(m.source_ports.iter().map(|p| p.0.to_string()).collect())));
    }
    if out.is_empty() { "any connection".to_owned() } else { out.join(" · ") }
}
