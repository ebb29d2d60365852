//! Waypoints: what stands behind one, and the configuration that istiod sends it.
//!
//! Requests come by HBONE to `connect_terminate`, which ends the tunnel and hands them to the internal listener
//! `main_internal`. There a chain is chosen by the service's address and port, policies and routes of that service are asked,
//! and an `inbound-vip` cluster sends them through `connect_originate` by HBONE again, to a Pod.
//!
//! Facts: istio/istio, pilot/pkg/networking/core (`waypoint.go`, `listener_waypoint.go`, `cluster_waypoint.go`).

mod chains;
mod clusters;
mod listeners;
mod matcher;
mod networks;
mod outbound;
mod policies;
mod routes;
mod sending;
mod tcp;
mod tunnel;

pub use policies::is_attached;
pub use sending::or_by_hbone;

use super::filters::Class;
use super::registry::{Endpoint, RegisteredService, Resolution};
use super::scope::Scope;
use super::supposed::Addresses;
use super::virtual_service::{Destination, VirtualService};
use super::{Context, Model, Proxy, ProxyKind, Translation, endpoint, envoy_filter, not_judged};
use crate::ambient::HBONE;
use crate::ambient::waypoint::{self, Bound, GATEWAY_NAME, Waypoint};
use crate::injection::{DATAPLANE_LABEL, REDIRECTION};
use crate::mesh::Mesh;
use crate::protocol::Protocol;
use mesh_envoy::api::{Struct, Value, core};
use mesh_model::{Kind, Node, Object};
use routes::ByHost;
use rustc_hash::FxHashMap;

pub use tunnel::upstream as upstream_metadata;

/// What the names of internal listeners, and of clusters that lead to them, are.
pub const TERMINATE: &str = "connect_terminate";
pub const MAIN: &str = "main_internal";
pub const ORIGINATE: &str = "connect_originate";
/// The cluster of connections to a workload's own address.
pub const ENCAP: &str = "encap";
/// Metadata of an endpoint that says where its tunnel leads.
pub const ORIGINAL_DST: &str = "envoy.filters.listener.original_dst";

/// What a waypoint stands before.
#[derive(Debug, Default)]
pub struct Served {
    /// Indexes into the registry, one a host, the oldest first.
    services: Vec<u32>,
    by_host: FxHashMap<String, u32>,
    /// Addresses of workloads that ask for it themselves.
    pub(super) workloads: Vec<String>,
    routes: ByHost,
}

impl Served {
    pub fn of<'a>(model: &Model<'_, 'a>, proxy: &Proxy, scope: &Scope<'_, 'a>) -> Served {
        let seen = scope.egress.iter().flat_map(|e| &e.virtual_services).copied();
        let mut out = Served { routes: ByHost::of(&model.virtual_services, seen), ..Served::default() };
        let Some(name) = proxy.label(GATEWAY_NAME) else { return out };
        let is_this = |w: Waypoint<'a>| match w {
            Waypoint::Stands(b, _) | Waypoint::PerhapsClosed(b, _) | Waypoint::Unseen(b) => is_named(&b, name, &proxy.namespace),
            _ => false,
        };
        for (id, service) in model.registry.services.iter().enumerate() {
            // The proxy would have to resolve what is inside the mesh.
            let is_left_out = service.resolution == Resolution::Alias || (service.resolution == Resolution::DynamicDns && !service.is_external);
            if !is_left_out && !out.by_host.contains_key(&service.host) && is_this(waypoint::of_service(model.mesh, service.object)) {
                out.by_host.insert(service.host.clone(), id as u32);
                out.services.push(id as u32);
            }
        }
        let all = model.mesh.workloads.all();
        let mut ids: Vec<u32> = (0..all.len() as u32).filter(|id| is_this(waypoint::of_workload(model.mesh, &all[*id as usize]))).collect();
        ids.sort_by_key(|id| (all[*id as usize].object.creation(), all[*id as usize].object.name(), all[*id as usize].namespace));
        out.workloads = ids.iter().filter_map(|id| model.registry.address_of_workload(model.mesh, *id)).collect();
        // Those that a ServiceEntry lists go by its labels.
        let listed =
            [Kind::WorkloadEntry, Kind::ServiceEntry].into_iter().flat_map(|k| model.mesh.objects(k)).filter(|o| is_this(waypoint::of_entry(model.mesh, o)));
        let addresses = listed.filter_map(|o| o.spec()).flat_map(|s| std::iter::once(s).chain(s.list("endpoints"))).map(|e| e.text_of("address"));
        out.workloads.extend(addresses.filter(|a| a.parse::<std::net::IpAddr>().is_ok()).map(str::to_owned));
        out
    }

    pub fn serves(&self, host: &str) -> bool {
        self.by_host.contains_key(host)
    }
}

fn is_named(bound: &Bound<'_>, name: &str, namespace: &str) -> bool {
    bound.name == name && bound.namespace == namespace
}

impl<'a> Context<'_, 'a> {
    /// The services behind the waypoint, the oldest first.
    pub fn served(&self) -> impl Iterator<Item = &RegisteredService<'a>> {
        self.waypoint.iter().flat_map(|w| &w.services).map(|id| self.model.registry.get(*id))
    }

    /// The VirtualServices that count for one of them.
    pub fn routes_behind(&self, service: &RegisteredService<'a>) -> Vec<&VirtualService<'a>> {
        routes::virtual_services(self, service)
    }

    /// The addresses by which one of them is known: of a ServiceEntry's the first, of a Service's both families.
    fn addresses_of(&self, service: &RegisteredService<'a>) -> Vec<String> {
        let mut out = vec![service.address_for(&self.proxy).to_owned()];
        if service.is_kubernetes() {
            let more = service.object.spec().into_iter().flat_map(|s| s.list("clusterIPs")).map(Node::text);
            let v6 = |a: &str| a.contains(':');
            let fits = |a: &&str| a.parse::<std::net::IpAddr>().is_ok() && self.proxy.addresses.iter().any(|own| v6(own) == v6(a));
            out.extend(more.filter(fits).map(str::to_owned));
        }
        out.sort();
        out.dedup();
        out
    }

    /// The cluster of a route's destination: one of the services behind it, or another one.
    fn waypoint_cluster(&self, d: &Destination, service: Option<&RegisteredService<'a>>, listener_port: u16) -> String {
        let only = service.filter(|s| s.ports.len() == 1).map(|s| s.ports[0].number);
        let port = d.port.or(only).unwrap_or(listener_port);
        if service.is_some_and(|s| !self.waypoint.as_ref().is_some_and(|w| w.serves(&s.host))) {
            return super::cluster::name(port, &d.subset, &d.host);
        }
        let protocol = match service.map(|s| s.port(port).map(|p| p.protocol)) {
            Some(Some(p)) if !p.is_http() && p != Protocol::Unsupported => "tcp",
            _ => "http",
        };
        let subset = if d.subset.is_empty() { protocol.to_owned() } else { format!("{protocol}/{}", d.subset) };
        name(&subset, &d.host, port)
    }
}

/// `inbound-vip|PORT|http|HOST`; behind the protocol `/` and a subset.
fn name(subset: &str, host: &str, port: u16) -> String {
    format!("inbound-vip|{port}|{subset}|{host}")
}

impl<'a> Context<'_, 'a> {
    /// The cluster of a destination as this kind of proxy names it.
    pub fn cluster_of(&self, d: &Destination, service: Option<&RegisteredService<'a>>, listener_port: u16) -> String {
        match self.waypoint {
            Some(_) => self.waypoint_cluster(d, service, listener_port),
            None => super::route::cluster_name(d, service, listener_port),
        }
    }
}

/// The configuration of a waypoint.
pub fn translate<'a>(cx: &mut Context<'_, 'a>) -> Translation<'a> {
    let mut out = Translation::default();
    let outside = outbound::services(cx);
    for service in &outside {
        super::cluster::of_service(cx, service, &mut out.clusters);
        out.endpoints.extend(super::endpoints_of(cx, service));
    }
    clusters::all(cx, &mut out);
    listeners::all(cx, &mut out);
    out.not_judged = not_judged::of(cx);
    envoy_filter::apply(cx, &mut out);
    out
}

/// What sidecars and gateways hold that send HBONE: the listener that makes tunnels, and the cluster of these.
pub fn originate<'a>(cx: &Context<'_, 'a>, out: &mut Translation<'a>) {
    let class = if cx.proxy.kind == ProxyKind::Router { Class::Gateway } else { Class::SidecarOutbound };
    out.listeners.push(super::Piece::fixed(tunnel::originate(cx, class)));
    out.clusters.push(super::Piece::fixed(tunnel::client(cx, None)));
}

/// Whether a mesh has anything in ambient mode, or its control plane is set up for that.
pub fn is_ambient(mesh: &Mesh<'_>) -> bool {
    let is_set = |o: &&Object| {
        let containers = o.spec_at(&["template", "spec"]).into_iter().flat_map(|s| s.list("containers"));
        let mut variables = containers.flat_map(|c| c.list("env"));
        o.name().starts_with("istiod") && variables.any(|v| v.text_of("name") == "PILOT_ENABLE_AMBIENT" && v.text_of("value") == "true")
    };
    mesh.objects(Kind::K8sGateway).iter().any(|g| waypoint::is_waypoint(g))
        || mesh.objects(Kind::Namespace).iter().any(|n| n.label(DATAPLANE_LABEL) == Some("ambient"))
        || mesh.objects(Kind::Deployment).iter().any(is_set)
        || mesh.workloads.all().iter().any(|w| w.label(DATAPLANE_LABEL) == Some("ambient") || w.annotation(REDIRECTION) == Some("enabled"))
}

/// Where an endpoint is reached by HBONE: the internal listener that makes the tunnel, and what is told it.
pub fn tunnelled(e: &Endpoint<'_>) -> (core::Address, Struct) {
    let to = endpoint::joined(&e.address, e.port);
    let local = std::iter::once(("local", Value::from(to.as_str()))).collect();
    (internal_address(ORIGINATE, &to), local)
}

/// The same of a waypoint's Pod, which is told that a service is meant.
pub fn through(e: &Endpoint<'_>, service: &str, port: u16) -> (core::Address, Struct) {
    let to = endpoint::joined(&e.address, e.port);
    let local = endpoint::joined(service, port);
    let told = [("local", Value::from(local.as_str())), ("waypoint", Value::from(to.as_str()))].into_iter().collect();
    (internal_address(ORIGINATE, &to), told)
}

/// The waypoint that a gateway sends requests to a service to: where the service has one, an address, and the label that asks
/// for it.
pub fn from_ingress<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>) -> Option<&'a Object> {
    let is_asked = cx.proxy.kind == ProxyKind::Router && cx.control_plane.ambient && service.address_for(&cx.proxy) != super::proxy::UNSPECIFIED;
    match waypoint::of_service(cx.model.mesh, service.object) {
        Waypoint::Stands(_, gateway) if is_asked && waypoint::is_used_from_ingress(cx.model.mesh, service.object) => Some(gateway),
        _ => None,
    }
}

/// The Pods of a waypoint, at the port of HBONE; one that is supposed to be there where manifests give none, as a controller
/// makes them.
pub fn pods<'a>(cx: &Context<'_, 'a>, gateway: &'a Object) -> Vec<Endpoint<'a>> {
    let all = cx.model.registry.services.iter().filter(|s| s.is_kubernetes() && s.namespace == gateway.namespace());
    let own = all.filter(|s| s.object.label(GATEWAY_NAME) == Some(gateway.name()));
    let at = |s: &RegisteredService<'a>| s.port(HBONE).map(|p| cx.model.registry.endpoints(cx.model.mesh, s, p)).unwrap_or_default();
    let out: Vec<Endpoint<'a>> = own.flat_map(at).collect();
    match cx.model.registry.addresses() {
        Addresses::Supposed if out.is_empty() => vec![Endpoint::supposed(crate::why::NOBODY.to_string(), HBONE, gateway)],
        _ => out,
    }
}

/// The address of an internal listener; `id` tells endpoints apart that have the same one.
pub fn internal_address(listener: &str, id: &str) -> core::Address {
    core::Address {
        envoy_internal_address: Some(core::EnvoyInternalAddress { server_listener_name: Some(listener.to_owned()), endpoint_id: id.to_owned() }),
        ..Default::default()
    }
}
