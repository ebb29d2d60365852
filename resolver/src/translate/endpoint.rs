//! Endpoints, as far as the input holds them.

use super::locality::{self, Setting};
use super::registry::{Endpoint, RegisteredService, ServicePort};
use super::traffic_policy::{Subset, TrafficPolicy};
use super::{Context, cluster, filters, waypoint};
use crate::mesh::Mesh;
use crate::peer_authentication::MtlsMode;
use mesh_envoy::api::cluster::ClusterDiscoveryType;
use mesh_envoy::api::{Struct, Value, core, endpoint as eds};
use mesh_model::{Node, Object};
use std::collections::BTreeMap;

/// Who finds the endpoints of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// They are sent to the proxy (EDS).
    ByControlPlane,
    /// The proxy asks DNS.
    ByName,
}

/// From where endpoints are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// By whoever calls the service.
    Caller,
    /// By the waypoint that stands before it: by HBONE wherever that is taken.
    Waypoint,
    /// By a gateway, through the waypoint: these are the waypoint's.
    Ingress,
}

/// The endpoints of a service's port, or of a subset, by locality; none where there are none. `policy` is that of the
/// port or subset.
pub fn assignment<'a>(
    cx: &Context<'_, 'a>,
    service: &RegisteredService<'a>,
    port: &ServicePort<'a>,
    subset: Option<&Subset<'a>>,
    policy: &TrafficPolicy<'a>,
    from: From,
) -> Option<eds::ClusterLoadAssignment> {
    let waypoint = waypoint::from_ingress(cx, service).filter(|_| from == From::Caller);
    let mut endpoints = match waypoint {
        Some(gateway) => waypoint::pods(cx, gateway),
        None => cx.model.registry.endpoints(cx.model.mesh, service, port),
    };
    let from = waypoint.map_or(from, |_| From::Ingress);
    let name = subset.map_or("", |s| s.name);
    if let Some(subset) = subset.filter(|_| from != From::Ingress) {
        let labels = subset.node.get("labels");
        endpoints.retain(|e| labels.into_iter().flat_map(Node::entries).all(|(k, v)| e.label(k.text()) == Some(v.text())));
    }
    if endpoints.is_empty() {
        return None;
    }
    let mut localities: BTreeMap<String, Vec<Endpoint<'a>>> = BTreeMap::new();
    for e in endpoints {
        localities.entry(e.locality.clone()).or_default().push(e);
    }
    let found = match cluster::discovery(cx, service) {
        ClusterDiscoveryType::Eds => Found::ByControlPlane,
        _ => Found::ByName,
    };
    let groups: Vec<(String, Vec<Endpoint<'a>>)> = localities.into_iter().map(|(l, list)| (l, cx.model.networks.seen_by(cx, list))).collect();
    let mut out = eds::ClusterLoadAssignment {
        cluster_name: cluster::name(port.number, name, &service.host),
        endpoints: groups.iter().map(|(l, list)| group(cx, l, list, from, (service.address_for(&cx.proxy), port.number))).collect(),
        ..Default::default()
    };
    if let Some(setting) = Setting::of(cx, service, policy) {
        let groups: Vec<&[Endpoint<'a>]> = groups.iter().map(|(_, list)| list.as_slice()).collect();
        setting.apply(cx, policy, found, &groups, &mut out);
    }
    // istiod knows it of EndpointSlices alone.
    if found == Found::ByControlPlane && service.is_kubernetes() {
        let all = out.endpoints.iter_mut().flat_map(|l| &mut l.lb_endpoints);
        all.for_each(|e| e.health_status = core::HealthStatus::Healthy as i32);
    }
    Some(out)
}

fn group<'a>(cx: &Context<'_, 'a>, locality: &str, list: &[Endpoint<'a>], from: From, meant: (&str, u16)) -> eds::LocalityLbEndpoints {
    let [region, zone, sub_zone] = locality::parts(locality).map(str::to_owned);
    let locality = core::Locality { region, zone, sub_zone };
    let weight = |e: &Endpoint<'_>| e.weight.max(1);
    let hosts: Vec<eds::LbEndpoint> = list.iter().map(|e| host(cx, e, weight(e), from, meant)).collect();
    eds::LocalityLbEndpoints {
        locality: Some(locality),
        load_balancing_weight: Some(list.iter().map(weight).fold(0, u32::saturating_add)).filter(|_| !list.is_empty()),
        lb_endpoints: hosts,
        ..Default::default()
    }
}

/// Leaves out who takes no mutual TLS: the TLS that passes through a gateway between networks ends there.
pub fn keep_mtls(out: &mut eds::ClusterLoadAssignment) {
    let takes_it = |e: &eds::LbEndpoint| e.metadata.as_ref().is_some_and(|m| m.filter_metadata.contains_key("envoy.transport_socket_match"));
    for group in &mut out.endpoints {
        group.lb_endpoints.retain(takes_it);
        group.load_balancing_weight = Some(group.lb_endpoints.iter().filter_map(|e| e.load_balancing_weight).fold(0, u32::saturating_add)).filter(|w| *w > 0);
    }
}

/// The name of an object's cluster as istiod has it.
pub fn cluster_of<'n>(cx: &'n Context<'_, '_>, object: &Object) -> &'n str {
    cluster_name(cx.model.mesh, object)
}

/// The same of a mesh.
pub fn cluster_name<'n>(mesh: &'n Mesh<'_>, object: &Object) -> &'n str {
    match mesh.snapshot.cluster_name(object) {
        "" => "Kubernetes",
        cluster => cluster,
    }
}

/// Whether clients are told that an endpoint takes mutual TLS: a policy for its workload may switch it off.
pub fn is_mtls(cx: &Context<'_, '_>, e: &Endpoint<'_>) -> bool {
    let is_off = || cx.model.mesh.peer_authentications.of_labels(e.namespace, |k| e.label(k), Some(e.port)).mode == MtlsMode::Disable;
    e.takes_mtls == Some(true) && (e.gateway.is_some() || !is_off())
}

/// Whether an endpoint is reached by HBONE.
fn is_tunnelled(cx: &Context<'_, '_>, e: &Endpoint<'_>, from: From) -> bool {
    // Who takes mutual TLS of sidecars is sent that.
    e.takes_hbone && e.gateway.is_none() && (from != From::Caller || (cx.sends_hbone() && e.takes_mtls != Some(true)))
}

/// `10.0.0.1:80`, `[::1]:80`
pub fn joined(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

fn address(e: &Endpoint<'_>) -> core::Address {
    match e.address.strip_prefix("unix://") {
        Some(path) => core::Address { pipe: Some(core::Pipe { path: path.to_owned() }), ..Default::default() },
        None => filters::socket_address(&e.address, e.port),
    }
}

/// `meant` is the address and port of the service.
fn host(cx: &Context<'_, '_>, e: &Endpoint<'_>, weight: u32, from: From, meant: (&str, u16)) -> eds::LbEndpoint {
    let mut metadata = core::Metadata::default();
    if is_mtls(cx, e) {
        let mode: Struct = std::iter::once(("tlsMode", Value::from("istio"))).collect();
        metadata.filter_metadata.insert("envoy.transport_socket_match".into(), mode);
    }
    let canonical = |keys: [&str; 3]| keys.into_iter().find_map(|k| e.label(k));
    let name = canonical(["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]).unwrap_or_else(|| e.object.name());
    let revision = canonical(["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]).unwrap_or_default();
    let cluster = cluster_of(cx, e.object);
    let workload = match &e.gateway {
        Some(gateway) => format!(";;;;{}", gateway.cluster),
        None => format!("{};{};{name};{revision};{cluster}", e.object.name(), e.namespace),
    };
    metadata.filter_metadata.insert("istio".into(), std::iter::once(("workload", Value::from(workload.as_str()))).collect());
    let socket = if is_tunnelled(cx, e, from) {
        let (inner, local) = if from == From::Ingress { waypoint::through(e, meant.0, meant.1) } else { waypoint::tunnelled(e) };
        if from != From::Waypoint {
            let tunnel: Struct = std::iter::once(("tunnel", Value::from("http"))).collect();
            metadata.filter_metadata.insert("envoy.transport_socket_match".into(), tunnel);
        }
        metadata.filter_metadata.insert(waypoint::ORIGINAL_DST.to_owned(), local);
        inner
    } else {
        address(e)
    };
    eds::LbEndpoint {
        endpoint: Some(eds::Endpoint { address: Some(socket), ..Default::default() }),
        metadata: Some(metadata),
        load_balancing_weight: Some(weight),
        ..Default::default()
    }
}
