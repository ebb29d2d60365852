//! Filter chains of `main_internal`: for each port of a service one that speaks HTTP, one of bytes, or both; and two for
//! connections to workloads' own addresses.

use super::{ENCAP, clusters, name, routes, tcp, tunnel};
use crate::protocol::Protocol;
use crate::translate::filters::{self, Class, Http, Routes};
use crate::translate::registry::{RegisteredService, Resolution, ServicePort};
use crate::translate::{Context, Origin};
use mesh_envoy::api::{listener, route};

/// A chain, the port that it is for, and where the routes in it are written.
pub struct Chain<'a> {
    pub message: listener::FilterChain,
    pub origin: Option<Origin<'a>>,
    /// Of the route configuration in it, by index.
    pub routes: Vec<Origin<'a>>,
}

pub fn http<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>) -> Chain<'a> {
    let (config, origins) = routes::of_service(cx, service, port);
    let manager = manager(cx, Some(service), config, port.number, port.protocol);
    let message = listener::FilterChain { name: name("http", &service.host, port.number), filters: vec![manager], ..Default::default() };
    Chain { message, origin: Some(Origin { object: service.object, node: port.node }), routes: origins }
}

pub fn tcp<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>) -> Chain<'a> {
    let (forward, origin) = tcp::of_service(cx, service, port);
    let filters = bytes(cx, Some(service), forward);
    let message = listener::FilterChain { name: name("tcp", &service.host, port.number), filters, ..Default::default() };
    Chain { message, origin: Some(Origin { object: service.object, node: port.node }), routes: origin.into_iter().collect() }
}

/// Those of workloads that are called by their own addresses.
pub fn direct<'a>(cx: &Context<'_, 'a>) -> [Chain<'a>; 2] {
    let chain = |name: &str, filters: Vec<listener::Filter>| {
        let filters = std::iter::once(tunnel::destination()).chain(filters).collect();
        Chain { message: listener::FilterChain { name: name.to_owned(), filters, ..Default::default() }, origin: None, routes: Vec::new() }
    };
    let forward = filters::tcp_to(cx, Class::Waypoint, ENCAP);
    let manager = manager(cx, None, routes::to_cluster(cx, ENCAP), 0, Protocol::Tcp);
    [chain(DIRECT_TCP, bytes(cx, None, forward)), chain(DIRECT_HTTP, vec![manager])]
}

pub const DIRECT_TCP: &str = "direct-tcp";
pub const DIRECT_HTTP: &str = "direct-http";

fn bytes<'a>(cx: &Context<'_, 'a>, service: Option<&RegisteredService<'a>>, forward: Vec<listener::Filter>) -> Vec<listener::Filter> {
    let mut out: Vec<listener::Filter> = filters::listener_exchange(cx).into_iter().collect();
    out.extend(cx.network_policies_of(service));
    out.extend(forward);
    out
}

fn manager<'a>(
    cx: &Context<'_, 'a>,
    service: Option<&RegisteredService<'a>>,
    config: route::RouteConfiguration,
    port: u16,
    protocol: Protocol,
) -> listener::Filter {
    let resolved = service.filter(|s| s.is_wildcard() && s.resolution == Resolution::DynamicDns).map(|s| clusters::name_cache(&s.host));
    filters::connection_manager(
        cx,
        Http {
            class: Class::Waypoint,
            routes: Routes::Inline(Box::new(config)),
            stat_prefix: format!("inbound_0.0.0.0_{port};"),
            protocol,
            policies: cx.http_policies_of(service),
            resolves: resolved.into_iter().collect(),
        },
    )
}
