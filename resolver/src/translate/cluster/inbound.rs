//! Clusters to the application itself.

use super::{Building, bind_to, connection_pool, either_protocol, fixed, http2, retry_budget, services_metadata};
use crate::protocol::Protocol;
use crate::translate::proxy::Interception;
use crate::translate::registry::{RegisteredService, Target};
use crate::translate::{Context, Origin, Piece, filters};
use mesh_envoy::api::cluster::{self, Cluster, ClusterDiscoveryType, ClusterLbPolicy};
use mesh_envoy::api::endpoint as eds;
use mesh_envoy::api::{Duration, Value, core, upstream_http};
use mesh_model::Node;

/// One for each port that the proxy serves.
pub fn all<'a>(cx: &Context<'_, 'a>) -> Vec<Piece<'a, Cluster>> {
    if let Some(ingress) = cx.ingress() {
        return ingress.iter().filter_map(|node| inbound_of_sidecar(cx, *node)).collect();
    }
    if cx.proxy.interception == Interception::None {
        return Vec::new();
    }
    let mut ports: Vec<u16> = cx.targets.iter().map(|t| t.target).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.into_iter().map(|p| inbound_of_services(cx, p)).collect()
}

fn inbound_base(cx: &Context<'_, '_>, port: u16, protocol: Protocol) -> Building {
    let mut out = fixed(cx, &format!("inbound|{port}||"), ClusterDiscoveryType::OriginalDst);
    out.lb_policy = ClusterLbPolicy::ClusterProvided as i32;
    out.cleanup_interval = Some(Duration::from_seconds(9_223_372_035));
    out.common_lb_config = Some(cluster::ClusterCommonLbConfig::default());
    out.upstream_bind_config = Some(Box::new(bind_to(cx.proxy.inbound_source())));
    let mut http = upstream_http::HttpProtocolOptions::default();
    match protocol {
        Protocol::Http2 | Protocol::Grpc | Protocol::GrpcWeb => http.explicit_http_config = Some(http2()),
        Protocol::Unsupported => http.use_downstream_protocol_config = Some(either_protocol()),
        _ => {}
    }
    Building { cluster: out, http }
}

fn inbound_of_services<'a>(cx: &Context<'_, 'a>, port: u16) -> Piece<'a, Cluster> {
    let targets: Vec<&Target> = cx.targets.iter().filter(|t| t.target == port).collect();
    let first = targets[0];
    let service = cx.model.registry.get(first.service);
    let service_port = service.ports[first.port];
    let mut building = inbound_base(cx, port, service_port.protocol);
    if cx.model.mesh.config.at(&["inboundTrafficPolicy", "mode"]).map(Node::text) == Some("LOCALHOST") {
        building.cluster.upstream_bind_config = None;
        send_to(&mut building.cluster, filters::socket_address(cx.proxy.loopback(), port));
    }
    let rules = cx.rules(service);
    let sidecar = cx.scope.sidecar.and_then(|s| s.spec_at(&["inboundConnectionPool"]));
    let policy = rules.policy(service_port.number).or_of_mesh(&cx.model.mesh.config);
    connection_pool(cx, &mut building, sidecar.or(policy.connection_pool));
    retry_budget(&mut building, policy.retry_budget);
    if !service.is_external {
        let mut known: Vec<&RegisteredService<'a>> = Vec::new();
        for t in &targets {
            let s = cx.model.registry.get(t.service);
            if s.ports[t.port].number == service_port.number && known.iter().all(|k| k.host != s.host) {
                known.push(s);
            }
        }
        let mut istio = services_metadata(known.into_iter());
        if let Some(config) = rules.config().filter(|_| crate::destination_rule::traffic_policy(&rules.0).is_some()) {
            istio.insert("config", Value::from(config.as_str()));
        }
        building.cluster.metadata = Some(core::Metadata { filter_metadata: std::iter::once(("istio".to_owned(), istio)).collect(), ..Default::default() });
    }
    let origins = targets.iter().map(|t| {
        let s = cx.model.registry.get(t.service);
        Origin { object: s.object, node: s.ports[t.port].node }
    });
    Piece { origins: origins.collect(), message: building.finish(), parts: Vec::new() }
}

/// To one address instead of where the connection was meant to go.
fn send_to(out: &mut Cluster, address: core::Address) {
    let host = eds::LbEndpoint { endpoint: Some(eds::Endpoint { address: Some(address), ..Default::default() }), ..Default::default() };
    out.r#type = Some(ClusterDiscoveryType::Static as i32);
    out.lb_policy = ClusterLbPolicy::RoundRobin as i32;
    out.cleanup_interval = None;
    out.load_assignment = Some(Box::new(eds::ClusterLoadAssignment {
        cluster_name: out.name.clone(),
        endpoints: vec![eds::LocalityLbEndpoints { lb_endpoints: vec![host], ..Default::default() }],
        ..Default::default()
    }));
}

fn inbound_of_sidecar<'a>(cx: &Context<'_, 'a>, node: Node<'a>) -> Option<Piece<'a, Cluster>> {
    let port = node.at(&["port", "number"]).and_then(Node::int).and_then(|n| u16::try_from(n).ok())?;
    let protocol = Protocol::parse(node.at(&["port", "protocol"]).map_or("", Node::text));
    let mut building = inbound_base(cx, port, protocol);
    let endpoint = node.text_of("defaultEndpoint");
    let address = if let Some(path) = endpoint.strip_prefix("unix://") {
        Some(core::Address { pipe: Some(core::Pipe { path: path.to_owned() }), ..Default::default() })
    } else if endpoint.is_empty() {
        None
    } else {
        let (ip, number) = endpoint.rsplit_once(':')?;
        let number: u16 = number.parse().ok()?;
        match ip {
            // The Pod's own address keeps the source address of capture.
            "0.0.0.0" | "[::]" => {
                let own = cx.proxy.addresses.iter().find(|a| a.contains(':') == (ip == "[::]"));
                Some(filters::socket_address(own.map_or(cx.proxy.loopback(), String::as_str), number))
            }
            _ => {
                building.cluster.upstream_bind_config = None;
                let loopback = match ip {
                    "[::1]" if cx.proxy.addresses.iter().any(|a| a.contains(':')) => "::1",
                    "127.0.0.1" => "127.0.0.1",
                    _ => cx.proxy.loopback(),
                };
                Some(filters::socket_address(loopback, number))
            }
        }
    };
    if let Some(address) = address {
        send_to(&mut building.cluster, address);
    }
    // A service with the port lends its name.
    if let Some(t) = cx.targets.iter().find(|t| t.target == port).filter(|t| !cx.model.registry.get(t.service).is_external) {
        let istio = services_metadata(std::iter::once(cx.model.registry.get(t.service)));
        building.cluster.metadata = Some(core::Metadata { filter_metadata: std::iter::once(("istio".to_owned(), istio)).collect(), ..Default::default() });
    }
    let pool = node.get("connectionPool").or_else(|| cx.scope.sidecar.and_then(|s| s.spec_at(&["inboundConnectionPool"])));
    connection_pool(cx, &mut building, pool.or_else(|| cx.model.mesh.config.at(&["defaultTrafficPolicy", "connectionPool"])));
    let object = cx.scope.sidecar?;
    Some(Piece { message: building.finish(), origins: vec![Origin { object, node }], parts: Vec::new() })
}
