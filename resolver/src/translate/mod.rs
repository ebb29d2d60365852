//! Translation: from what exists and a proxy to the Envoy configuration that istiod would send it.
//!
//! Pure, and the same bytes for the same input. The order in which objects stand changes no answer: endpoints alone stand in
//! the order of their Pods, slices and entries. Every piece carries the objects it came from, with the node of each: that is a source and a span. What is not modelled is named in
//! [`Translation::not_judged`].

mod alike;
mod attachment;
mod authorization;
mod cluster;
mod differences;
mod endpoint;
mod envoy_filter;
mod filters;
mod gateway;
mod gateway_api;
mod inbound;
mod ingress;
mod kept;
mod locality;
mod lost_delegates;
mod networks;
mod not_judged;
mod open;
mod outbound;
mod overlooked;
mod proxy;
mod proxy_protocol;
mod records;
mod registry;
mod request_authentication;
mod resources;
mod route;
mod scope;
mod servers;
pub mod supposed;
mod tls;
mod traffic_policy;
mod unattached;
mod virtual_host;
mod virtual_service;
mod waypoint;
mod witnesses;

pub use alike::Alike;
pub use authorization::{Layer, PEER_PRINCIPAL, Provider, is_on_trial};
pub use differences::Differences;
pub use envoy_filter::may_change_access;
pub use gateway::Carries;
pub use kept::{Entry, Kept, Renewed, Section};
pub use locality::Whereabouts;
pub use lost_delegates::LostDelegate;
pub use networks::Gateway;
pub use not_judged::{Effect, NotJudged, OF_BYTES};
pub use open::{Open, Revised};
pub use overlooked::{Overlooked, Wanted};
pub use proxy::{Interception, Proxy, ProxyKind, networks as read_networks};
pub use registry::{Endpoint, RegisteredService, Registry, Resolution, ServicePort};
pub use scope::{Lead, Unknown};
pub use servers::ServerOf;
pub use supposed::Addresses;
pub use waypoint::ENCAP;
pub use waypoint::ORIGINATE;
pub use witnesses::Witness;

use crate::mesh::Mesh;
use crate::protocol::Protocol;
use attachment::Attachments;
use gateway::{GatewayConfig, MergedGateway};
use mesh_envoy::api::{
    Duration, cluster::Cluster, cluster::ClusterDiscoveryType, endpoint::ClusterLoadAssignment, listener::Listener, route::RouteConfiguration,
};
use mesh_model::{Kind, Node, Object};
use networks::Networks;
use records::Records;
use registry::Target;
use rustc_hash::FxHashMap;
use scope::Scope;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use virtual_host::Stands;
use virtual_service::Semantics;
pub(crate) use virtual_service::VirtualService;

/// An object, and the place in it, that something came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub object: &'a Object,
    pub node: Node<'a>,
}

impl<'a> Origin<'a> {
    pub fn whole(object: &'a Object) -> Origin<'a> {
        Origin { object, node: object.name_node() }
    }
}

/// A part of a message that has an origin of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Index into a listener's filter chains.
    FilterChain(u32),
    DefaultFilterChain,
    /// Index into a configuration's virtual hosts.
    VirtualHost(u32),
    /// Virtual host, and the route in it.
    Route(u32, u32),
    /// Filter chain, and the HTTP filter of its connection manager that an EnvoyFilter put there or changed.
    HttpFilter(u32, u32),
    /// A filter chain that an EnvoyFilter changed.
    ChainPatch(u32),
    /// A virtual host that an EnvoyFilter changed.
    HostPatch(u32),
    /// The same of a route: virtual host, and the route in it.
    RoutePatch(u32, u32),
}

/// A message and where it came from; nothing for what every proxy has.
#[derive(Clone, Debug)]
pub struct Piece<'a, M> {
    pub message: M,
    pub origins: Vec<Origin<'a>>,
    pub parts: Vec<(Part, Origin<'a>)>,
}

impl<M> Piece<'_, M> {
    fn fixed(message: M) -> Self {
        Piece { message, origins: Vec::new(), parts: Vec::new() }
    }
}

/// What istiod would send to a proxy.
#[derive(Debug, Default)]
pub struct Translation<'a> {
    pub listeners: Vec<Piece<'a, Listener>>,
    pub routes: Vec<Piece<'a, RouteConfiguration>>,
    pub clusters: Vec<Piece<'a, Cluster>>,
    /// Of the clusters whose endpoints the input holds.
    pub endpoints: Vec<Piece<'a, ClusterLoadAssignment>>,
    /// Where the routes of configurations that stand in listeners were written, by the configuration's name and in its order.
    pub inline_routes: BTreeMap<String, Vec<Origin<'a>>>,
    /// What touches this proxy and is not translated: its effect is unknown.
    pub not_judged: Vec<NotJudged<'a>>,
}

/// How the control plane is set up where that changes what it sends: its environment, which objects do not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControlPlane {
    /// `PILOT_ENABLE_METADATA_EXCHANGE`: proxies tell each other who they are.
    pub metadata_exchange: bool,
    /// `PILOT_ENABLE_ALPN_FILTER`: HTTP over mutual TLS is told apart by its ALPN.
    pub alpn_filter: bool,
    /// Proxies count requests by `istio.stats`, as mesh-wide Telemetry of Istio's installation has it.
    pub metrics: bool,
    /// Access logs and traces are translated as well: whoever serves proxies wants them, whoever compares has them left out.
    pub records: bool,
    /// `PILOT_ENABLE_AMBIENT`: sidecars and gateways send HBONE to what takes it.
    pub ambient: bool,
}

impl ControlPlane {
    /// With the defaults; in ambient mode where the mesh is.
    pub fn of_mesh(mesh: &Mesh<'_>) -> ControlPlane {
        ControlPlane { ambient: waypoint::is_ambient(mesh), ..ControlPlane::default() }
    }
}

impl Default for ControlPlane {
    fn default() -> ControlPlane {
        ControlPlane { metadata_exchange: true, alpn_filter: true, metrics: false, records: false, ambient: false }
    }
}

/// What all proxies of a mesh share: the registry, VirtualServices and Gateways, read once.
pub struct Model<'m, 'a> {
    pub mesh: &'m Mesh<'a>,
    pub control_plane: ControlPlane,
    pub registry: Registry<'a>,
    virtual_services: Vec<VirtualService<'a>>,
    /// VirtualServices by gateway, the oldest first.
    on_gateway: FxHashMap<String, Vec<u32>>,
    gateways: Vec<GatewayConfig<'a>>,
    networks: Networks<'a>,
    /// Labels by which endpoints may be preferred.
    asked_labels: BTreeSet<&'a str>,
    attachments: OnceLock<Attachments<'a>>,
}

impl<'m, 'a> Model<'m, 'a> {
    pub fn new(mesh: &'m Mesh<'a>) -> Model<'m, 'a> {
        Model::of(mesh, ControlPlane::of_mesh(mesh))
    }

    pub fn of(mesh: &'m Mesh<'a>, control_plane: ControlPlane) -> Model<'m, 'a> {
        Model::build(mesh, control_plane, Addresses::Given)
    }

    /// Of manifests: what has no address yet counts as if it had one ([`supposed`]).
    pub fn supposing(mesh: &'m Mesh<'a>) -> Model<'m, 'a> {
        Model::build(mesh, ControlPlane::of_mesh(mesh), Addresses::Supposed)
    }

    pub fn build(mesh: &'m Mesh<'a>, control_plane: ControlPlane, addresses: Addresses) -> Model<'m, 'a> {
        let registry = Registry::new(mesh, addresses);
        let mut virtual_services = virtual_service::all(mesh);
        let mut gateways = gateway::of_istio(mesh);
        ingress::add(mesh, &registry, &mut virtual_services, &mut gateways);
        gateway_api::add(mesh, &registry, &mut virtual_services, &mut gateways);
        // Of one instant what stands for objects of Kubernetes comes first.
        let place = |v: &VirtualService<'a>| (v.object.creation(), v.semantics == Semantics::Istio, v.name.clone(), v.namespace);
        virtual_services.sort_by_cached_key(place);
        let place = |g: &GatewayConfig<'a>| (g.creation, g.object.kind.is_istio(), g.name.clone(), g.namespace);
        gateways.sort_by_cached_key(place);
        let mut on_gateway: FxHashMap<String, Vec<u32>> = FxHashMap::default();
        for (i, v) in virtual_services.iter().enumerate() {
            for gateway in &v.gateways {
                let list = on_gateway.entry(gateway.clone()).or_default();
                if list.last() != Some(&(i as u32)) {
                    list.push(i as u32);
                }
            }
        }
        Model {
            mesh,
            control_plane,
            registry,
            virtual_services,
            on_gateway,
            gateways,
            networks: Networks::new(mesh),
            asked_labels: locality::asked_labels(mesh),
            attachments: OnceLock::new(),
        }
    }

    fn context<'c>(&'c self, proxy: &'c Proxy) -> Context<'c, 'a> {
        self.context_as(proxy, self.control_plane)
    }

    fn context_as<'c>(&'c self, proxy: &'c Proxy, control_plane: ControlPlane) -> Context<'c, 'a> {
        self.context_of(Cow::Borrowed(proxy), control_plane)
    }

    fn context_of<'c>(&'c self, proxy: Cow<'c, Proxy>, control_plane: ControlPlane) -> Context<'c, 'a> {
        let targets = self.registry.targets_of(self.mesh, &proxy);
        let scope = Scope::new(self, &proxy);
        let whereabouts = self.whereabouts(&proxy);
        let waypoint = (proxy.kind == ProxyKind::Waypoint).then(|| waypoint::Served::of(self, &proxy, &scope));
        let mut cx = Context { model: self, control_plane, proxy, whereabouts, scope, targets, gateway: None, waypoint, records: Records::default() };
        if control_plane.records {
            cx.records = Records::of(&cx);
        }
        cx
    }

    /// The Sidecar that a proxy goes by.
    pub fn sidecar_of(&self, proxy: &Proxy) -> Option<&'a Object> {
        scope::sidecar_of(self, proxy)
    }

    /// The proxy of a workload, by its id among [`crate::Workloads`], with an address if it is to have one.
    pub fn proxy_of(&self, workload: u32) -> Proxy {
        let mut proxy = Proxy::of_workload(self.mesh, self.mesh.workloads.get(workload));
        proxy.addresses.retain(|a| !a.is_empty());
        if proxy.addresses.is_empty() {
            proxy.addresses.extend(self.registry.address_of_workload(self.mesh, workload));
        }
        proxy
    }

    /// The configuration of one proxy.
    pub fn translate(&self, proxy: &Proxy) -> Translation<'a> {
        self.translate_as(proxy, self.control_plane)
    }

    /// The same as a control plane that is set up in another way would make it: for a proxy that lacks a filter.
    pub fn translate_as(&self, proxy: &Proxy, control_plane: ControlPlane) -> Translation<'a> {
        self.context_as(proxy, control_plane).translate(&mut Vec::new())
    }

    /// The same, kept so that a change can be taken into it.
    pub fn open<'c>(&'c self, proxy: Proxy, control_plane: ControlPlane) -> Open<'c, 'a> {
        Open::new(self.context_of(Cow::Owned(proxy), control_plane))
    }
}

impl<'a> Context<'_, 'a> {
    /// The configuration, and where the routes of VirtualServices stand in it.
    fn translate(&mut self, stands: &mut Vec<Stands>) -> Translation<'a> {
        let cx = self;
        if cx.proxy.kind == ProxyKind::Waypoint {
            return waypoint::translate(cx);
        }
        let mut out = Translation::default();
        if cx.proxy.kind == ProxyKind::Router {
            cx.gateway = gateway::merge(cx);
            out.clusters = cluster::all(cx);
            out.listeners = gateway::listeners(cx);
            out.routes = gateway::routes(cx);
        } else {
            out.clusters = cluster::all(cx);
            let (listeners, names) = outbound::listeners(cx);
            out.listeners = listeners;
            out.listeners.extend(inbound::listeners(cx));
            out.routes = virtual_host::route_configurations(cx, &names, stands);
        }
        out.endpoints = cx.scope.services.iter().flat_map(|s| endpoints_of(cx, s)).collect();
        out.not_judged = not_judged::of(cx);
        envoy_filter::apply(cx, &mut out);
        if cx.control_plane.ambient {
            // Patches reach neither.
            waypoint::originate(cx, &mut out);
        }
        out
    }
}

/// Those of one service that the control plane knows; none where others are asked.
fn endpoints_of<'a>(cx: &Context<'_, 'a>, service: &RegisteredService<'a>) -> Vec<Piece<'a, ClusterLoadAssignment>> {
    let mut out = Vec::new();
    if cluster::discovery(cx, service) != ClusterDiscoveryType::Eds {
        return out;
    }
    let passes_through = cx.gateway.as_ref().is_some_and(MergedGateway::has_auto_passthrough);
    let rules = cx.rules(service);
    for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
        let subsets = rules.subsets();
        let wanted = std::iter::once(None).chain(subsets.iter().map(Some));
        for subset in wanted {
            let policy = subset.map_or_else(|| rules.policy(port.number), |s| rules.subset_policy(s, port.number));
            let Some(message) = endpoint::assignment(cx, service, port, subset, &policy, endpoint::From::Caller) else { continue };
            let piece = Piece { message, origins: vec![Origin { object: service.object, node: port.node }], parts: Vec::new() };
            // What comes from another network asks by the server name.
            if passes_through && !service.is_external {
                let mut second = piece.clone();
                second.message.cluster_name = cluster::sni(port.number, subset.map_or("", |s| s.name), &service.host);
                endpoint::keep_mtls(&mut second.message);
                out.push(second);
            }
            out.push(piece);
        }
    }
    out
}

/// The domain of the short host names in an input: that of the cluster, or none where the input holds Istio's kinds
/// alone. Such an input is read as istiod reads its own files, which are no cluster: `reviews` in `shop` is
/// `reviews.shop` there.
pub fn domain_of(snapshot: &mesh_model::Snapshot) -> &'static str {
    let is_of_cluster = |o: &Object| !o.kind.is_istio() && !matches!(o.kind, Kind::MeshConfig | Kind::MeshNetworks | Kind::Other);
    if snapshot.objects.iter().any(is_of_cluster) { crate::host::CLUSTER_DOMAIN } else { "" }
}

/// One translation under way.
struct Context<'c, 'a> {
    model: &'c Model<'c, 'a>,
    control_plane: ControlPlane,
    proxy: Cow<'c, Proxy>,
    whereabouts: Whereabouts,
    scope: Scope<'c, 'a>,
    /// The ports that the proxy serves.
    targets: Vec<Target>,
    gateway: Option<MergedGateway<'a>>,
    /// What stands behind it, where it is a waypoint.
    waypoint: Option<waypoint::Served>,
    records: Records,
}

impl<'a> Context<'_, 'a> {
    /// Whether what takes HBONE is sent it.
    fn sends_hbone(&self) -> bool {
        self.proxy.kind == ProxyKind::Waypoint || self.control_plane.ambient
    }
    /// Whether proxies tell each other who they are.
    fn exchanges(&self) -> bool {
        self.control_plane.metadata_exchange
    }
    fn mesh_duration(&self, key: &str, default: Duration) -> Duration {
        self.model.mesh.config.at(&[key]).and_then(|n| virtual_service::duration(n.text())).unwrap_or(default)
    }
    /// What the mesh asks of TLS that is not its own.
    fn tls_defaults(&self) -> Option<Node<'a>> {
        self.model.mesh.config.at(&["tlsDefaults"])
    }
    /// How long the proxy itself asks idle connections to live.
    fn idle_timeout(&self) -> Option<Duration> {
        self.proxy.says("IDLE_TIMEOUT").and_then(virtual_service::duration)
    }
    fn connect_timeout(&self) -> Duration {
        self.mesh_duration("connectTimeout", Duration::from_seconds(10))
    }
    fn mesh_port(&self, key: &str, default: u16) -> u16 {
        self.model.mesh.config.at(&[key]).and_then(Node::int).and_then(|n| u16::try_from(n).ok()).unwrap_or(default)
    }
    /// Ingress listeners of the Sidecar, which stand instead of the services' ports.
    fn ingress(&self) -> Option<Vec<Node<'a>>> {
        let list: Vec<Node<'a>> = self.scope.sidecar?.spec()?.list("ingress").collect();
        (!list.is_empty()).then_some(list)
    }
}
