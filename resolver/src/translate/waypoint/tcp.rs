//! Connections that are no HTTP to one service: to the destinations of TLSRoutes and TCPRoutes for it, else to itself.

use super::{name, routes};
use crate::translate::filters::{self, Class};
use crate::translate::virtual_service::{L4Match, L4Route, MESH, WeightedDestination};
use crate::translate::{Context, Origin, RegisteredService, ServicePort, outbound};
use mesh_envoy::api::{listener, tcp_proxy};

/// The filters that forward them, and where its route is written.
pub fn of_service<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>) -> (Vec<listener::Filter>, Option<Origin<'a>>) {
    let cluster = name("tcp", &service.host, port.number);
    let found = route(cx, service, port);
    let destinations: &[WeightedDestination] = found.as_ref().map_or(&[], |(_, d)| d.as_slice());
    // One of several destinations has the settings of the connection.
    let first = destinations.first().map(|d| &d.destination);
    let of = first.and_then(|d| cx.scope.service(&d.host)).or((first.is_none()).then_some(service));
    let subset = if let [one] = destinations { one.destination.subset.as_str() } else { "" };
    let mut proxy = outbound::tcp(cx, &cluster, subset, of);
    let named = |d: &WeightedDestination| cx.cluster_of(&d.destination, cx.scope.service(&d.destination.host), port.number);
    match destinations {
        [] => proxy.cluster = Some(cluster),
        [one] => proxy.cluster = Some(named(one)),
        several => {
            let weighted = several.iter().filter(|d| d.weight > 0);
            let clusters = weighted.map(|d| tcp_proxy::TcpProxyWeightedClusterClusterWeight { name: named(d), weight: d.weight, ..Default::default() });
            proxy.weighted_clusters = Some(tcp_proxy::TcpProxyWeightedCluster { clusters: clusters.collect() });
        }
    }
    (filters::tcp(cx, Class::Waypoint, proxy), found.map(|(origin, _)| origin))
}

/// The first route that applies, those of TLS before those of TCP.
fn route<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>) -> Option<(Origin<'a>, Vec<WeightedDestination>)> {
    let all = routes::virtual_services(cx, service);
    // Server names can't be told apart here: a route counts that names the service itself.
    let by_name = |m: &L4Match<'a>| m.sni_hosts.len() == 1 && m.sni_hosts[0] == service.host && applies(m, port.number);
    let takes = |r: &L4Route<'a>, matches: &dyn Fn(&L4Match<'a>) -> bool| r.matches.is_empty() || r.matches.iter().any(matches);
    let tls = all.iter().find_map(|v| Some((*v, v.tls.iter().find(|r| takes(r, &by_name))?)));
    let plain = |m: &L4Match<'a>| applies(m, port.number);
    let (v, r) = tls.or_else(|| all.iter().find_map(|v| Some((*v, v.tcp.iter().find(|r| takes(r, &plain))?))))?;
    Some((Origin { object: v.object, node: r.node }, r.destinations.clone()))
}

/// Of who connects nothing is known when the configuration is made.
fn applies(m: &L4Match<'_>, port: u16) -> bool {
    (m.gateways.is_empty() || m.gateways.iter().any(|g| g == MESH))
        && m.source_labels.is_empty()
        && m.source_namespace.is_empty()
        && (m.port == 0 || m.port == port)
}
