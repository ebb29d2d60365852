//! Routes of requests to one service: those of VirtualServices and HTTPRoutes for it, else to the service itself.

use super::name;
use crate::host;
use crate::translate::registry::Resolution;
use crate::translate::route::{self, Place};
use crate::translate::traffic_policy::Rules;
use crate::translate::virtual_service::{MESH, VirtualService};
use crate::translate::{Context, Origin, RegisteredService, ServicePort};
use mesh_envoy::api::route as api;

/// Istio's bound for the body of an answer of the proxy's own.
const LONGEST_BODY: u32 = 1_048_576;

/// The VirtualServices for a service that count at a waypoint: of the service's namespace or the waypoint's.
pub fn virtual_services<'c, 'a>(cx: &Context<'c, 'a>, service: &RegisteredService<'a>) -> Vec<&'c VirtualService<'a>> {
    let all = cx.scope.egress.iter().flat_map(|e| &e.virtual_services).map(|id| &cx.model.virtual_services[*id as usize]);
    let is_near = |v: &&VirtualService<'a>| v.namespace == cx.proxy.namespace || v.namespace == service.namespace;
    all.filter(is_near).filter(|v| v.hosts.iter().any(|h| host::overlaps(h, &service.host))).collect()
}

/// A service's routes at a port, and where each is written; nowhere for the default one.
pub fn of_service<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>) -> (api::RouteConfiguration, Vec<Origin<'a>>) {
    let cluster = name("http", &service.host, port.number);
    let lookup = |h: &str| cx.scope.service(h).cloned();
    let place = Place { gateway: MESH, port: port.number, is_tls: false, lookup: &lookup };
    let found = virtual_services(cx, service).into_iter().flat_map(|v| route::of_virtual_service(cx, v, &place));
    let (routes, origins): (Vec<_>, Vec<_>) = found.unzip();
    // A host that anybody may send must not be resolved in place of the service's.
    let domain = if service.resolution == Resolution::DynamicDns { service.host.as_str() } else { "*" };
    if !routes.is_empty() {
        return (configuration(&cluster, port.number, domain, routes, None), origins);
    }
    let rules = Rules::inbound(cx.model, &cx.proxy, service);
    let hash = crate::destination_rule::traffic_policy(&rules.0).and_then(|(_, n)| n.at(&["loadBalancer", "consistentHash"]));
    let mut default = route::outbound_default(cx, &service.host, port.number, hash);
    default.route.get_or_insert_default().cluster = Some(cluster.clone());
    (configuration(&cluster, port.number, domain, vec![default], Some(LONGEST_BODY)), Vec::new())
}

/// All requests to one cluster.
pub fn to_cluster(cx: &Context<'_, '_>, cluster: &str) -> api::RouteConfiguration {
    let mut default = route::outbound_default(cx, "", 0, None);
    default.route.get_or_insert_default().cluster = Some(cluster.to_owned());
    configuration(cluster, 0, "*", vec![default], Some(LONGEST_BODY))
}

fn configuration(name: &str, port: u16, domain: &str, routes: Vec<api::Route>, longest: Option<u32>) -> api::RouteConfiguration {
    let host = api::VirtualHost { name: format!("inbound|http|{port}"), domains: vec![domain.to_owned()], routes, ..Default::default() };
    api::RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![host],
        validate_clusters: Some(false),
        max_direct_response_body_size_bytes: longest,
        ..Default::default()
    }
}
