//! Clusters of a waypoint: one for each port and subset of a service and each protocol that may be spoken there, and those
//! of the tunnels.

use super::{ENCAP, MAIN, ORIGINATE, name, networks, tunnel};
use crate::protocol::Protocol;
use crate::translate::cluster::{self, Wanted};
use crate::translate::locality::Setting;
use crate::translate::registry::{RegisteredService, Resolution, ServicePort};
use crate::translate::traffic_policy::{Rules, Subset, TrafficPolicy};
use crate::translate::{Context, Origin, Piece, Translation, endpoint, proxy_protocol, tls};
use mesh_envoy::api::cluster::{Cluster, ClusterCommonLbConfigLocalityWeightedLbConfig, ClusterCustomClusterType, ClusterDiscoveryType, ClusterLbPolicy};
use mesh_envoy::api::{Any, Value, core, dynamic_forward_proxy};

pub fn all<'a>(cx: &mut Context<'_, 'a>, out: &mut Translation<'a>) {
    out.clusters.push(Piece::fixed(tunnel::to_internal(MAIN, MAIN)));
    out.clusters.push(Piece::fixed(tunnel::to_internal(ENCAP, ORIGINATE)));
    let services: Vec<RegisteredService<'a>> = cx.served().cloned().collect();
    for service in &services {
        of_service(cx, service, out);
    }
    let own = tunnel::of_namespace(cx);
    out.clusters.push(Piece::fixed(tunnel::client(cx, Some(own))));
    out.clusters.push(Piece::fixed(networks::inner_client(cx)));
    out.clusters.push(Piece::fixed(networks::outer_client(cx)));
}

fn protocols(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Unsupported => &["tcp", "http"],
        p if p.is_http() => &["http"],
        _ => &["tcp"],
    }
}

fn of_service<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, out: &mut Translation<'a>) {
    let rules = Rules::inbound(cx.model, &cx.proxy, service);
    for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
        if service.resolution == Resolution::DynamicDns {
            // Of these names alone are resolved that are sent with HTTP.
            if port.protocol == Protocol::Http {
                out.clusters.push(piece(service, port, &rules, None, by_name(cx, service, port, &rules)));
            }
            continue;
        }
        let subsets = rules.subsets();
        for subset in std::iter::once(None).chain(subsets.iter().map(Some)) {
            let policy = subset.map_or_else(|| rules.policy(port.number), |s| rules.subset_policy(s, port.number));
            for protocol in protocols(port.protocol) {
                let of = subset.map_or_else(|| (*protocol).to_owned(), |s| format!("{protocol}/{}", s.name));
                let Some((message, assignment)) = one(cx, service, port, &rules, &policy, subset, &of) else { continue };
                out.clusters.push(piece(service, port, &rules, subset, message));
                let origin = Origin { object: service.object, node: port.node };
                out.endpoints.extend(assignment.map(|message| Piece { message, origins: vec![origin], parts: Vec::new() }));
            }
        }
    }
}

fn piece<'a>(service: &RegisteredService<'a>, port: &ServicePort<'a>, rules: &Rules<'a>, subset: Option<&Subset<'a>>, message: Cluster) -> Piece<'a, Cluster> {
    let mut origins = vec![Origin { object: service.object, node: port.node }];
    origins.extend(subset.map(|s| Origin { object: s.object, node: s.node }));
    origins.extend(rules.origins());
    Piece { message, origins, parts: Vec::new() }
}

type Assignment = mesh_envoy::api::endpoint::ClusterLoadAssignment;

/// A cluster, and its endpoints where these are sent apart; none for a name that nothing is known of.
fn one<'a>(
    cx: &Context<'_, 'a>,
    service: &RegisteredService<'a>,
    port: &ServicePort<'a>,
    rules: &Rules<'a>,
    policy: &TrafficPolicy<'a>,
    subset: Option<&Subset<'a>>,
    of: &str,
) -> Option<(Cluster, Option<Assignment>)> {
    let wanted = Wanted { service, port, rules, policy: *policy, subset: subset.copied(), accounts: &[] };
    let simple = policy.load_balancer.map_or("", |l| l.text_of("simple"));
    let kind = if simple == "PASSTHROUGH" { ClusterDiscoveryType::OriginalDst } else { cluster::discovery(cx, service) };
    let mut building = cluster::base(cx, name(of, &service.host, port.number), service, port, kind);
    let mut assignment = endpoint::assignment(cx, service, port, subset, policy, endpoint::From::Waypoint);
    if let Some(found) = &mut assignment {
        found.cluster_name.clone_from(&building.cluster.name);
    }
    if matches!(kind, ClusterDiscoveryType::StrictDns | ClusterDiscoveryType::LogicalDns) {
        building.cluster.load_assignment = Some(Box::new(assignment.take()?));
    }
    wanted.connections(cx, &mut building);
    cluster::outliers(&mut building.cluster, policy.outlier_detection);
    cluster::balance(&mut building.cluster, policy.load_balancer, simple);
    if Setting::of(cx, service, policy).is_some_and(|s| s.is_weighted(policy)) {
        building.cluster.common_lb_config.get_or_insert_default().locality_weighted_lb_config = Some(ClusterCommonLbConfigLocalityWeightedLbConfig {});
    }
    encrypt(cx, &mut building, policy);
    building.cluster.metadata = Some(metadata(service, rules, port, subset, of));
    Some((building.finish(), assignment.filter(|_| kind == ClusterDiscoveryType::Eds)))
}

/// HBONE; inside of it TLS of one's own, where a rule asks for that. Mutual TLS of the mesh is the tunnel's.
fn encrypt(cx: &Context<'_, '_>, building: &mut cluster::Building, policy: &TrafficPolicy<'_>) {
    let own = policy.tls.filter(|t| matches!(t.text_of("mode"), "SIMPLE" | "MUTUAL"));
    let inner = match own {
        Some(settings) => {
            if settings.text_of("sni").is_empty() {
                building.http.upstream_http_protocol_options = Some(cluster::automatic_sni(settings));
            }
            tls::own_client(settings, &[], building.is_http2(), cx.tls_defaults()).unwrap_or_else(tunnel::raw)
        }
        None => tunnel::raw(),
    };
    let inner = match policy.proxy_protocol {
        Some(protocol) => proxy_protocol::around(inner, protocol),
        None => inner,
    };
    building.cluster.transport_socket = Some(tunnel::within(inner));
}

/// The rule stands there that sets something for the port.
fn metadata(service: &RegisteredService<'_>, rules: &Rules<'_>, port: &ServicePort<'_>, subset: Option<&Subset<'_>>, of: &str) -> core::Metadata {
    let mut istio = cluster::services_metadata(std::iter::once(service));
    let has_policy = subset.is_some() || rules.has_policy(port.number);
    if let Some(config) = rules.config().filter(|_| has_policy) {
        istio.insert("config", Value::from(config.as_str()));
    }
    istio.insert("subset", Value::from(of));
    core::Metadata { filter_metadata: std::iter::once(("istio".to_owned(), istio)).collect(), ..Default::default() }
}

/// A cluster whose hosts are resolved by the name that a request has.
fn by_name<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>, rules: &Rules<'a>) -> Cluster {
    let policy = rules.policy(port.number);
    let wanted = Wanted { service, port, rules, policy, subset: None, accounts: &[] };
    let mut building = cluster::base(cx, name("http", &service.host, port.number), service, port, ClusterDiscoveryType::Static);
    let config = dynamic_forward_proxy::ClusterConfig { dns_cache_config: Some(name_cache(&service.host)), ..Default::default() };
    let out = &mut building.cluster;
    out.r#type = None;
    out.common_lb_config = None;
    out.lb_policy = ClusterLbPolicy::ClusterProvided as i32;
    out.cluster_type = Some(Box::new(ClusterCustomClusterType { name: "envoy.clusters.dynamic_forward_proxy".into(), typed_config: Some(Any::pack(&config)) }));
    wanted.connections(cx, &mut building);
    cluster::outliers(&mut building.cluster, policy.outlier_detection);
    encrypt(cx, &mut building, &policy);
    building.cluster.metadata = Some(metadata(service, rules, port, None, "http"));
    building.finish()
}

/// What the name of a cache of names ends in.
const CACHE: &str = "_dfp_dns_cache";

/// The cache of names of a wildcard host.
pub fn name_cache(host: &str) -> dynamic_forward_proxy::DnsCacheConfig {
    dynamic_forward_proxy::DnsCacheConfig {
        name: format!("{host}{CACHE}"),
        dns_lookup_family: mesh_envoy::api::cluster::ClusterDnsLookupFamily::V4Only as i32,
        ..Default::default()
    }
}
