//! Connections that are no HTTP: which routes are for them, and the filters that forward them.

use crate::translate::registry::RegisteredService;
use crate::translate::virtual_service::{L4Match, L4Route, VirtualService, WeightedDestination, duration};
use crate::translate::{Context, endpoint, filters, route};
use mesh_envoy::api::{hash_policy, listener, tcp_proxy};
use mesh_model::Node;

/// What of a match can be told when the configuration is made.
pub fn l4_applies(cx: &Context<'_, '_>, m: &L4Match<'_>, gateway: &str, port: u16) -> bool {
    (m.gateways.is_empty() || m.gateways.iter().any(|g| g == gateway))
        && m.source_labels.iter().all(|(k, v)| cx.proxy.label(k) == Some(*v))
        && (m.port == 0 || m.port == port)
        && (m.source_namespace.is_empty() || m.source_namespace == cx.proxy.namespace)
}

/// The filters of a route of TCP or TLS.
pub fn l4_filters<'a>(cx: &Context<'_, 'a>, v: &VirtualService<'a>, route: &L4Route<'a>, port: u16, with_exchange: bool) -> Vec<listener::Filter> {
    let cluster_of = |d: &WeightedDestination| route::cluster_name(&d.destination, cx.scope.service(&d.destination.host), port);
    let first = &route.destinations[0];
    let service = cx.scope.service(&first.destination.host);
    let mut out: Vec<listener::Filter> = filters::listener_exchange(cx).filter(|_| with_exchange).into_iter().collect();
    if let [one] = route.destinations.as_slice() {
        out.extend(one_destination(cx, &cluster_of(one), &one.destination.subset, service));
        return out;
    }
    let clusters = route.destinations.iter().filter(|d| d.weight > 0).map(|d| tcp_proxy::TcpProxyWeightedClusterClusterWeight {
        name: cluster_of(d),
        weight: d.weight,
        ..Default::default()
    });
    let mut proxy = tcp(cx, &format!("{}.{}", v.name, v.namespace), "", service);
    proxy.weighted_clusters = Some(tcp_proxy::TcpProxyWeightedCluster { clusters: clusters.collect() });
    out.extend(filters::tcp(cx, filters::Class::SidecarOutbound, proxy));
    out
}

pub fn one_destination<'a>(cx: &Context<'_, 'a>, cluster: &str, subset: &str, service: Option<&RegisteredService<'a>>) -> Vec<listener::Filter> {
    let mut proxy = tcp(cx, cluster, subset, service);
    proxy.cluster = Some(cluster.to_owned());
    filters::tcp(cx, filters::Class::SidecarOutbound, proxy)
}

/// The request for a tunnel that a rule wants connections of bytes to be wrapped in.
fn tunneling(tunnel: Node<'_>) -> tcp_proxy::TcpProxyTunnelingConfig {
    let port = tunnel.get("targetPort").and_then(Node::int).and_then(|p| u16::try_from(p).ok()).unwrap_or_default();
    let hostname = endpoint::joined(tunnel.text_of("targetHost"), port);
    tcp_proxy::TcpProxyTunnelingConfig { hostname, use_post: tunnel.text_of("protocol") == "POST", ..Default::default() }
}

/// A TCP proxy with the timeouts of the service's rules.
pub fn tcp<'a>(cx: &Context<'_, 'a>, stat_prefix: &str, subset: &str, service: Option<&RegisteredService<'a>>) -> tcp_proxy::TcpProxy {
    let rules = service.map(|s| cx.rules(s)).unwrap_or_default();
    let top = crate::destination_rule::traffic_policy(&rules.0).map(|(_, n)| n);
    let pool = top.and_then(|n| n.at(&["connectionPool", "tcp"]));
    let own = rules.subsets().into_iter().find(|s| s.name == subset && !subset.is_empty()).and_then(|s| s.node.at(&["trafficPolicy", "loadBalancer"]));
    let balancer = own.or_else(|| top.and_then(|n| n.get("loadBalancer")));
    let by_source = balancer.and_then(|b| b.at(&["consistentHash", "useSourceIp"])).and_then(Node::bool) == Some(true);
    let time = |key: &str| pool.and_then(|p| p.get(key)).and_then(|n| duration(n.text()));
    tcp_proxy::TcpProxy {
        stat_prefix: stat_prefix.to_owned(),
        idle_timeout: time("idleTimeout"),
        max_downstream_connection_duration: time("maxConnectionDuration"),
        tunneling_config: rules.tunnel(subset).map(tunneling),
        hash_policy: if by_source { vec![hash_policy::HashPolicy { source_ip: Some(hash_policy::HashPolicySourceIp::default()) }] } else { Vec::new() },
        ..Default::default()
    }
}
