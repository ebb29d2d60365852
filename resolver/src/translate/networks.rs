//! Networks: which one an endpoint is in, and the gateways through which others reach it.
//!
//! A network is said by the label `topology.istio.io/network` of a Pod or the field of an entry, else of the namespace of
//! the cluster's control plane, else by the mesh's networks. Its gateways are those of the mesh's networks, and Services
//! with that label.

use super::endpoint::{cluster_name, cluster_of};
use super::registry::Endpoint;
use super::{Context, Model, Proxy};
use crate::mesh::Mesh;
use crate::workload::Workload;
use mesh_model::{Kind, Node, Object, Source, Span, yaml};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

pub const LABEL: &str = "topology.istio.io/network";
/// The port at which a gateway takes what is for other clusters, unless a label says otherwise.
const PORT: u16 = 15443;
const PORT_LABEL: &str = "networking.istio.io/gatewayPort";

/// A way into a network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gateway {
    pub address: String,
    pub port: u16,
    pub network: String,
    /// The name of its cluster; "" where it is of the mesh's networks.
    pub cluster: String,
}

/// What is known of networks.
#[derive(Debug, Default)]
pub struct Networks<'a> {
    /// By cluster, of its control plane's namespace.
    of_clusters: BTreeMap<u16, &'a str>,
    /// Registries (clusters' names) and ranges of addresses, with their networks.
    registries: Vec<(String, String)>,
    ranges: Vec<(super::outbound::Range, String)>,
    gateways: Vec<Gateway>,
    /// Networks with a gateway whose addresses only the control plane knows: a name, a Service without an address.
    hidden: Vec<String>,
    /// What declares networks and can't be read.
    pub unreadable: Vec<&'a Object>,
}

impl<'a> Networks<'a> {
    /// All of it that a proxy's configuration can hold, to compare two.
    pub fn described(&self) -> String {
        format!("{:?} {:?} {:?} {:?} {:?}", self.of_clusters, self.registries, self.ranges, self.gateways, self.hidden)
    }

    pub fn new(mesh: &Mesh<'a>) -> Networks<'a> {
        let mut out = Networks::default();
        let system = mesh.config.root_namespace();
        for namespace in mesh.objects(Kind::Namespace).iter().filter(|n| n.name() == system) {
            if let Some(network) = namespace.label(LABEL).filter(|n| !n.is_empty()) {
                out.of_clusters.insert(namespace.cluster, network);
            }
        }
        for service in mesh.objects(Kind::Service) {
            if let Some(network) = service.label(LABEL).filter(|n| !n.is_empty()) {
                let port = service.label(PORT_LABEL).and_then(|p| p.parse().ok()).unwrap_or(PORT);
                out.of_service(mesh, service, network, port);
            }
        }
        if let Some(object) = &mesh.snapshot.mesh_networks {
            out.declared(mesh, object.root());
        } else {
            for map in mesh.objects(Kind::ConfigMap) {
                let Some(text) = map.control_plane_text("meshNetworks") else { continue };
                let source = Source::new("meshNetworks", text.text());
                let parsed = yaml::parse_document(&source, Span::new(0, source.text().len()), yaml::Limits::default());
                if parsed.tree.is_none() || parsed.error.is_some_and(|e| !e.after_document) {
                    out.unreadable.push(map);
                }
                if let Some(tree) = parsed.tree {
                    out.declared(mesh, tree.root());
                }
            }
        }
        out.gateways.sort();
        out.gateways.dedup();
        out
    }

    fn declared(&mut self, mesh: &Mesh<'a>, root: Node<'_>) {
        for (name, network) in root.map("networks") {
            let name = name.text();
            for endpoint in network.list("endpoints") {
                let (registry, range) = (endpoint.text_of("fromRegistry"), endpoint.text_of("fromCidr"));
                if !registry.is_empty() {
                    self.registries.push((registry.to_owned(), name.to_owned()));
                }
                self.ranges.extend(super::outbound::Range::parse(range).map(|r| (r, name.to_owned())));
            }
            for gateway in network.list("gateways") {
                let port = gateway.get("port").and_then(Node::int).and_then(|p| u16::try_from(p).ok()).unwrap_or(PORT);
                let (address, host) = (gateway.text_of("address"), gateway.text_of("registryServiceName"));
                if address.parse::<IpAddr>().is_ok() {
                    self.gateways.push(Gateway { address: address.to_owned(), port, network: name.to_owned(), cluster: String::new() });
                } else if let Some(service) = mesh.services.by_host(host).next().filter(|_| !host.is_empty()) {
                    self.of_service(mesh, service.object, name, port);
                } else {
                    self.hidden.push(name.to_owned());
                }
            }
        }
    }

    fn of_service(&mut self, mesh: &Mesh<'_>, service: &Object, network: &str, port: u16) {
        let mut any = false;
        for address in given(service) {
            any = true;
            let cluster = cluster_name(mesh, service);
            self.gateways.push(Gateway { address: address.to_owned(), port, network: network.to_owned(), cluster: cluster.to_owned() });
        }
        if !any {
            self.hidden.push(network.to_owned());
        }
    }

    /// The network of an endpoint; "" where nothing says.
    pub fn of_endpoint(&self, cx: &Context<'_, 'a>, e: &Endpoint<'a>) -> String {
        if !e.network.is_empty() {
            return e.network.to_owned();
        }
        if let Some(network) = self.of_clusters.get(&e.object.cluster) {
            return (*network).to_owned();
        }
        let cluster = cluster_of(cx, e.object);
        if let Some((_, network)) = self.registries.iter().find(|(r, _)| r == cluster) {
            return network.clone();
        }
        let ip = e.address.parse::<IpAddr>().ok();
        self.ranges.iter().find(|(r, _)| ip.is_some_and(|ip| r.contains(ip))).map(|(_, n)| n.clone()).unwrap_or_default()
    }

    /// The network of a proxy, by its label, what it says of itself (the injector tells it), or its cluster's control plane; "" where nothing says.
    pub fn of_proxy(&self, proxy: &Proxy, pod: Option<&Workload<'_>>) -> String {
        if let Some(own) = proxy.label(LABEL).or_else(|| proxy.says("NETWORK")).filter(|n| !n.is_empty()) {
            return own.to_owned();
        }
        let of = |cluster: u16| self.of_clusters.get(&cluster).map(|n| (*n).to_owned());
        pod.map_or_else(|| if self.of_clusters.len() == 1 { self.of_clusters.values().next().map(|n| (*n).to_owned()) } else { None }, |w| of(w.object.cluster))
            .unwrap_or_default()
    }

    /// Whether there is more than one network to tell apart: without a gateway everything is reached directly.
    fn is_enabled(&self) -> bool {
        !self.gateways.is_empty()
    }

    /// The ways into a network: of the very cluster where it has any.
    fn gateways(&self, network: &str, cluster: &str) -> Vec<&Gateway> {
        let of = |g: &&Gateway| g.network == network && g.cluster == cluster;
        let own: Vec<&Gateway> = self.gateways.iter().filter(of).collect();
        if own.is_empty() { self.gateways.iter().filter(|g| g.network == network).collect() } else { own }
    }

    /// Whether how a proxy reaches an endpoint of another network can be told.
    pub fn is_judged(&self, cx: &Context<'_, 'a>, e: &Endpoint<'a>) -> bool {
        let (own, other) = (&cx.whereabouts.network, self.of_endpoint(cx, e));
        if other.is_empty() || other == *own {
            return true;
        }
        !own.is_empty() && !self.hidden.contains(&other) && !self.gateways(&other, cluster_of(cx, e.object)).is_empty()
    }

    /// So much larger are all weights, for shares of gateways to be whole numbers.
    fn scale(&self) -> u32 {
        let mut counts: BTreeMap<(&str, Option<&str>), u32> = BTreeMap::new();
        for g in &self.gateways {
            *counts.entry((&g.network, None)).or_default() += 1;
            *counts.entry((&g.network, Some(&g.cluster))).or_default() += 1;
        }
        counts.values().fold(1, |all: u32, n| (all / divisor(all, *n)).saturating_mul(*n))
    }

    /// The endpoints of a locality as a proxy reaches them: gateways stand for those of other networks, with the weight
    /// of all that are behind them. Who takes no mutual TLS is not reached there: only its server name tells a gateway
    /// where to.
    pub fn seen_by(&self, cx: &Context<'_, 'a>, endpoints: Vec<Endpoint<'a>>) -> Vec<Endpoint<'a>> {
        // A gateway between networks that saw others than its own would send requests in circles.
        let view = &cx.proxy.network_view;
        let is_seen = |network: &str| view.is_empty() || network.is_empty() || view.iter().any(|n| n == network);
        if !self.is_enabled() {
            let mut endpoints = endpoints;
            endpoints.retain(|e| view.is_empty() || is_seen(&self.of_endpoint(cx, e)));
            return endpoints;
        }
        let scale = self.scale();
        let mut out = Vec::new();
        let mut behind: BTreeMap<&Gateway, (u32, &'a Object)> = BTreeMap::new();
        for mut e in endpoints {
            e.weight = e.weight.max(1).saturating_mul(scale);
            let network = self.of_endpoint(cx, &e);
            if !is_seen(&network) {
                continue;
            }
            let own = &cx.whereabouts.network;
            let gateways = self.gateways(&network, cluster_of(cx, e.object));
            if gateways.is_empty() || network.is_empty() || own.is_empty() || network == *own {
                out.push(e);
            } else if super::endpoint::is_mtls(cx, &e) {
                let part = e.weight / gateways.len() as u32;
                for gateway in gateways {
                    let (weight, _) = behind.entry(gateway).or_insert((0, e.object));
                    *weight = weight.saturating_add(part);
                }
            }
        }
        out.extend(behind.into_iter().map(|(gateway, (weight, object))| Endpoint {
            address: gateway.address.clone(),
            port: gateway.port,
            labels: Vec::new(),
            takes_mtls: Some(true),
            locality: String::new(),
            zone: "",
            node: "",
            network: "",
            takes_hbone: false,
            weight: weight.max(1),
            service_account: None,
            namespace: "",
            object,
            gateway: Some(gateway.clone()),
        }));
        out
    }
}

/// The addresses that a Service has for those outside of its cluster.
fn given(service: &Object) -> impl Iterator<Item = &str> {
    let balancer = service.at(&["status", "loadBalancer"]).into_iter().flat_map(|l| l.list("ingress"));
    let given = balancer.map(|i| i.get("ip").or_else(|| i.get("hostname")).map_or("", Node::text));
    let external = service.spec().into_iter().flat_map(|s| s.list("externalIPs")).map(Node::text);
    given.chain(external).filter(|a| a.parse::<IpAddr>().is_ok())
}

impl Model<'_, '_> {
    /// The gateway between networks at an address.
    pub fn gateway_at(&self, address: SocketAddr) -> Option<&Gateway> {
        self.networks.gateways.iter().find(|g| g.port == address.port() && g.address.parse() == Ok(address.ip()))
    }

    /// The workload that a gateway between networks is, and where its proxy takes what comes there; `None` where the input
    /// has no Service with that address, or nothing behind it.
    pub fn behind_gateway(&self, gateway: &Gateway) -> Option<(u32, SocketAddr)> {
        let mesh = self.mesh;
        let is_of = |o: &Object| gateway.cluster.is_empty() || cluster_name(mesh, o) == gateway.cluster;
        let mut services = mesh.services.all().iter().filter(|s| s.object.kind == Kind::Service && !s.selector().is_empty());
        let service = services.find(|s| is_of(s.object) && given(s.object).any(|a| a == gateway.address))?;
        let ids = mesh.workloads.matching_ids(Some(service.namespace), &service.selector());
        let mut ids: Vec<u32> = ids.into_iter().filter(|id| mesh.workloads.get(*id).object.cluster == service.object.cluster).collect();
        ids.sort_by_key(|id| mesh.workloads.get(*id).object.name());
        let id = *ids.first()?;
        // Outside it may have another port than the Service has.
        let port = service.port(gateway.port).or_else(|| service.port(PORT))?.of_workload(mesh.workloads.get(id))?;
        let ip = self.proxy_of(id).addresses.first()?.parse().ok()?;
        Some((id, SocketAddr::new(ip, port)))
    }
}

fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { divisor(b, a % b) }
}
