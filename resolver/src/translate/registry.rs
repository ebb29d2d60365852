//! The registry as istiod keeps it: a service for each host and address, the oldest first, and the endpoints behind.

use super::locality;
use super::networks::Gateway;
use super::proxy::{Proxy, UNSPECIFIED};
use super::supposed::{self, Addresses, Taken};
use crate::ambient::waypoint;
use crate::injection::InMesh;
use crate::labels::Selector;
use crate::mesh::Mesh;
use crate::protocol::Protocol;
use crate::service::{Service, ServiceKind};
use crate::workload::Workload;
use mesh_model::{Kind, Node, Object, Role};
use rustc_hash::FxHashMap;
use std::net::IpAddr;

/// How the endpoints of a service are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Known to the control plane (EDS).
    Static,
    Dns,
    DnsRoundRobin,
    /// To wherever the client meant: headless services, ServiceEntries with resolution NONE.
    Passthrough,
    DynamicDns,
    /// An ExternalName Service: another name of a service, or of a host outside.
    Alias,
}

#[derive(Clone, Copy, Debug)]
pub struct ServicePort<'a> {
    pub number: u16,
    pub name: &'a str,
    pub protocol: Protocol,
    /// A number or the name of a container's port; "" for the port's own number.
    pub target: &'a str,
    pub object: &'a Object,
    pub node: Node<'a>,
}

/// One host of a Service or ServiceEntry at one address.
#[derive(Clone, Debug)]
pub struct RegisteredService<'a> {
    pub host: String,
    pub namespace: &'a str,
    /// A Service's name, or the host.
    pub name: &'a str,
    pub kind: ServiceKind,
    /// An address, a CIDR range, or `0.0.0.0` for none.
    pub address: String,
    /// The address that istiod gives to the host of a ServiceEntry without one, for proxies that capture DNS.
    pub(super) allocated: Option<String>,
    pub ports: Vec<ServicePort<'a>>,
    pub resolution: Resolution,
    pub is_external: bool,
    /// Other names of it: ExternalName Services that point here.
    pub aliases: Vec<String>,
    /// Index into [`crate::Services::all`].
    pub(super) id: u32,
    pub object: &'a Object,
}

impl<'a> RegisteredService<'a> {
    pub fn port(&self, number: u16) -> Option<&ServicePort<'a>> {
        self.ports.iter().find(|p| p.number == number)
    }
    /// The address as a proxy knows it.
    pub fn address_for(&self, proxy: &Proxy) -> &str {
        match &self.allocated {
            Some(allocated) if proxy.auto_allocated_addresses && self.address == UNSPECIFIED => allocated,
            _ => &self.address,
        }
    }
    pub fn is_wildcard(&self) -> bool {
        self.host.starts_with('*')
    }
    /// Whether the proxy resolves the names under its wildcard.
    pub fn resolves_wildcard(&self) -> bool {
        self.is_wildcard() && self.resolution == Resolution::DynamicDns
    }
    pub fn is_kubernetes(&self) -> bool {
        self.kind == ServiceKind::Kubernetes
    }
}

/// An instance of a service at a port.
#[derive(Clone, Debug)]
pub struct Endpoint<'a> {
    /// An IP address, or a host name where DNS is asked.
    pub address: String,
    pub port: u16,
    pub labels: Vec<(&'a str, &'a str)>,
    /// Whether a sidecar takes mutual TLS there; `None` when not seen.
    pub takes_mtls: Option<bool>,
    /// `region/zone/subzone`, "" where nothing says.
    pub locality: String,
    /// Its zone, where that alone is known.
    pub zone: &'a str,
    /// The node that it runs on; "" where nothing says.
    pub node: &'a str,
    /// The network that it is in; "" where nothing says.
    pub network: &'a str,
    /// Whether clients reach it over HBONE: it is in ambient mode, or says so.
    pub takes_hbone: bool,
    pub weight: u32,
    pub service_account: Option<&'a str>,
    pub namespace: &'a str,
    pub object: &'a Object,
    /// Set where it is a gateway that stands for endpoints of another network; the object is one of theirs.
    pub gateway: Option<Gateway>,
}

impl<'a> Endpoint<'a> {
    /// One without a workload, which takes HBONE: what a controller makes, at an address that nobody has.
    pub(super) fn supposed(address: String, port: u16, object: &'a Object) -> Endpoint<'a> {
        Endpoint {
            address,
            port,
            labels: Vec::new(),
            takes_mtls: None,
            locality: String::new(),
            zone: "",
            node: "",
            network: "",
            takes_hbone: true,
            weight: 0,
            service_account: None,
            namespace: object.namespace(),
            object,
            gateway: None,
        }
    }
    pub fn label(&self, key: &str) -> Option<&'a str> {
        self.labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
    }
}

/// All services, the oldest first, and where to find them.
#[derive(Debug, Default)]
pub struct Registry<'a> {
    pub services: Vec<RegisteredService<'a>>,
    by_host: FxHashMap<String, Vec<u32>>,
    /// EndpointSlices by namespace and Service.
    slices: FxHashMap<(&'a str, &'a str), Vec<&'a Object>>,
    addresses: Addresses,
    taken: Taken,
    /// Workloads' places by namespace and name, for the addresses that they are supposed to have: the order of the input
    /// gives no address.
    places: Vec<u32>,
    /// Services by an address of one of their endpoints, for the endpoints that manifests write down.
    by_endpoint: FxHashMap<&'a str, Vec<u32>>,
}

impl<'a> Registry<'a> {
    pub fn new(mesh: &Mesh<'a>, addresses: Addresses) -> Registry<'a> {
        let mut this = Registry { addresses, ..Registry::default() };
        for slice in mesh.objects(Kind::EndpointSlice) {
            if let Some(service) = slice.label("kubernetes.io/service-name") {
                this.slices.entry((slice.namespace(), service)).or_default().push(slice);
            }
        }
        let mut places = Vec::new();
        if addresses == Addresses::Supposed {
            this.taken = Taken::new(mesh);
            // What is only assumed to be there takes nothing from what is: who does not assume it gives the same addresses.
            let key = |o: &'a Object, namespace: &'a str| (o.role == Role::Assumed, o.cluster, namespace, o.name(), o.kind.name());
            this.places = supposed::places(mesh.workloads.all().iter().map(|w| key(w.object, w.namespace)));
            places = supposed::places(mesh.services.all().iter().map(|s| key(s.object, s.namespace)));
        }
        for (id, service) in mesh.services.all().iter().enumerate() {
            let supposed = || supposed::of_service(*places.get(id)?, &this.taken);
            register(&mut this.services, service, id as u32, supposed);
        }
        // Of one instant Services come first, then the name decides, and where ServiceEntries share a host theirs.
        let key = |s: &RegisteredService<'a>| (s.object.creation(), !s.is_kubernetes(), s.name, s.namespace, s.object.name(), s.object.cluster);
        this.services.sort_by(|a, b| key(a).cmp(&key(b)));
        this.resolve_aliases();
        allocate(&mut this.services);
        for (i, service) in this.services.iter().enumerate() {
            this.by_host.entry(service.host.clone()).or_default().push(i as u32);
        }
        for i in 0..this.services.len() {
            let service = &this.services[i];
            let addresses: Vec<&str> = match service.kind {
                ServiceKind::ServiceEntry => service.object.spec().into_iter().flat_map(|s| s.list("endpoints")).map(|e| e.text_of("address")).collect(),
                ServiceKind::Kubernetes => {
                    let slices = this.slices.get(&(service.namespace, service.name)).into_iter().flatten();
                    slices.flat_map(|s| s.root().list("endpoints")).flat_map(|e| e.list("addresses")).map(Node::text).collect()
                }
            };
            for address in addresses {
                let list = this.by_endpoint.entry(address).or_default();
                if list.last() != Some(&(i as u32)) {
                    list.push(i as u32);
                }
            }
        }
        this
    }

    /// An ExternalName Service whose name is another service's is an alias of it.
    fn resolve_aliases(&mut self) {
        let aliases: Vec<(String, String)> = self
            .services
            .iter()
            .filter(|s| s.resolution == Resolution::Alias)
            .filter_map(|s| Some((s.object.spec()?.text_of("externalName").to_owned(), s.host.clone())))
            .collect();
        for (target, alias) in aliases {
            for s in self.services.iter_mut().filter(|s| s.host == target && s.resolution != Resolution::Alias) {
                s.aliases.push(alias.clone());
            }
        }
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.addresses
    }
    pub fn get(&self, id: u32) -> &RegisteredService<'a> {
        &self.services[id as usize]
    }
    /// Services that have exactly this host, the oldest first.
    pub fn by_host(&self, host: &str) -> impl Iterator<Item = (u32, &RegisteredService<'a>)> {
        self.by_host.get(host).into_iter().flatten().map(|id| (*id, self.get(*id)))
    }
    pub fn is_visible(&self, mesh: &Mesh<'a>, service: &RegisteredService<'a>, namespace: &str) -> bool {
        mesh.services.get(service.id).export_to.visible_to(service.namespace, namespace)
    }

    /// The endpoints of a service at a port that the input shows. Where it shows none, none are known: that says
    /// nothing about the cluster.
    pub fn endpoints(&self, mesh: &Mesh<'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>) -> Vec<Endpoint<'a>> {
        match service.kind {
            ServiceKind::ServiceEntry => self.of_service_entry(mesh, service, port),
            ServiceKind::Kubernetes => {
                let slices = self.slices.get(&(service.namespace, service.name)).map_or(&[][..], Vec::as_slice);
                let mut out: Vec<Endpoint<'a>> = slices.iter().flat_map(|s| of_slice(mesh, s, port)).collect();
                let selector = mesh.services.get(service.id).selector();
                // What a cluster will see is what it sees and what Kubernetes' own controller will add to it.
                let complete = self.addresses == Addresses::Given || slices.iter().any(|s| is_of_pods(s));
                if selector.is_empty() || (complete && !slices.is_empty()) {
                    return out;
                }
                let all = mesh.services.get(service.id).object.spec_at(&["publishNotReadyAddresses"]).and_then(Node::bool) == Some(true);
                let ids = mesh.workloads.matching_ids(Some(service.namespace), &selector);
                let ready = ids.into_iter().filter(|id| all || mesh.workloads.get(*id).is_ready());
                let pods: Vec<Endpoint<'a>> = ready.filter_map(|id| self.of_workload(mesh, id, target_port(port, mesh.workloads.get(id))?)).collect();
                out.extend(pods.into_iter().filter(|p| slices.is_empty() || !listed(slices, &p.address)));
                out
            }
        }
    }

    fn of_service_entry(&self, mesh: &Mesh<'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>) -> Vec<Endpoint<'a>> {
        let Some(spec) = port.object.spec() else { return Vec::new() };
        let target = port.target.parse().ok().filter(|p| *p != 0).unwrap_or(port.number);
        let mut out: Vec<Endpoint<'a>> = spec.list("endpoints").map(|e| of_entry(port.object, e, port, target)).collect();
        if let Some(labels) = spec.at(&["workloadSelector", "labels"]) {
            let selector = Selector::from_map(Some(labels));
            for entry in mesh.objects_in(Kind::WorkloadEntry, service.namespace) {
                let Some(e) = entry.spec() else { continue };
                let label = |k: &str| e.at(&["labels", k]).map(Node::text).or_else(|| entry.label(k));
                if selector.matches(label) {
                    out.push(of_entry(entry, e, port, target));
                }
            }
            let ids = mesh.workloads.matching_ids(Some(service.namespace), &selector);
            out.extend(ids.into_iter().filter_map(|id| self.of_workload(mesh, id, target)));
        } else if out.is_empty() && matches!(service.resolution, Resolution::Dns | Resolution::DnsRoundRobin) {
            // The host itself is asked for.
            let host = Endpoint::supposed(service.host.clone(), target, port.object);
            out.push(Endpoint { takes_hbone: false, namespace: service.namespace, ..host });
        }
        out
    }

    /// The services that a proxy serves, and the port of its own behind each of theirs; the oldest first.
    pub fn targets_of(&self, mesh: &Mesh<'a>, proxy: &Proxy) -> Vec<Target> {
        let mut ids: Vec<u32> = proxy.addresses.iter().filter_map(|a| self.by_endpoint.get(a.as_str())).flatten().copied().collect();
        for (i, service) in self.services.iter().enumerate().filter(|(_, s)| s.namespace == proxy.namespace) {
            let selector = mesh.services.get(service.id).selector;
            if selector.is_some() && proxy.has_labels(selector) {
                ids.push(i as u32);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let mut out = Vec::new();
        for id in ids {
            let service = self.get(id);
            for (index, port) in service.ports.iter().enumerate() {
                let target = self.target_at(mesh, service, port, proxy);
                out.extend(target.map(|target| Target { service: id, port: index, target }));
            }
        }
        out
    }

    fn target_at(&self, mesh: &Mesh<'a>, service: &RegisteredService<'a>, port: &ServicePort<'a>, proxy: &Proxy) -> Option<u16> {
        let is_own = |e: &Endpoint<'a>| proxy.addresses.contains(&e.address);
        if let Some(own) = self.endpoints(mesh, service, port).into_iter().find(is_own) {
            return Some(own.port);
        }
        if service.kind == ServiceKind::ServiceEntry && service.object.spec().is_some_and(|s| s.get("workloadSelector").is_none()) {
            return None;
        }
        match port.target {
            "" | "0" => Some(port.number),
            target => target.parse().ok().or_else(|| {
                let (name, namespace) = proxy.id.split_once('.')?;
                mesh.workloads.in_namespace(namespace).find(|w| w.object.name() == name)?.target_port(target)
            }),
        }
    }
}

/// Whether an EndpointSlice is one that Kubernetes' controller makes of the Pods that a Service selects.
fn is_of_pods(slice: &Object) -> bool {
    slice.label("endpointslice.kubernetes.io/managed-by") == Some("endpointslice-controller.k8s.io")
}

/// Whether an address stands in EndpointSlices, ready or not.
fn listed(slices: &[&Object], address: &str) -> bool {
    slices.iter().flat_map(|s| s.root().list("endpoints")).flat_map(|e| e.list("addresses")).any(|a| a.text() == address)
}

/// A port of a service that a proxy serves.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Index into [`Registry::services`].
    pub service: u32,
    /// Index into the service's ports.
    pub port: usize,
    /// The proxy's own port.
    pub target: u16,
}

fn register<'a>(out: &mut Vec<RegisteredService<'a>>, service: &Service<'a>, id: u32, supposed: impl Fn() -> Option<String>) {
    let object = service.object;
    let spec = object.spec();
    let ports: Vec<ServicePort<'a>> = service
        .ports
        .iter()
        .filter(|p| p.number != 0)
        .map(|p| ServicePort { number: p.number, name: p.name, protocol: service.protocol(p), target: p.target, object, node: p.node })
        .collect();
    let addresses: Vec<String> = match service.kind {
        ServiceKind::Kubernetes => {
            let ip = spec.map_or("", |s| s.text_of("clusterIP"));
            let is_name = spec.is_some_and(|s| s.text_of("type") == "ExternalName");
            let supposed = if ip.is_empty() && !is_name { supposed() } else { None };
            vec![supposed.unwrap_or_else(|| if matches!(ip, "" | "None") { UNSPECIFIED.to_owned() } else { ip.to_owned() })]
        }
        ServiceKind::ServiceEntry => {
            let listed: Vec<String> = spec.into_iter().flat_map(|s| s.list("addresses")).filter_map(|a| address(a.text())).collect();
            if listed.is_empty() { vec![UNSPECIFIED.to_owned()] } else { listed }
        }
    };
    let resolution = match (service.kind, service.resolution()) {
        (ServiceKind::Kubernetes, _) if spec.is_some_and(|s| s.text_of("type") == "ExternalName") => Resolution::Alias,
        (ServiceKind::Kubernetes, _) if service.is_headless() => Resolution::Passthrough,
        (ServiceKind::Kubernetes, _) | (_, "STATIC") => Resolution::Static,
        (_, "DNS") => Resolution::Dns,
        (_, "DNS_ROUND_ROBIN") => Resolution::DnsRoundRobin,
        (_, "DYNAMIC_DNS") => Resolution::DynamicDns,
        _ => Resolution::Passthrough,
    };
    let is_external = match service.kind {
        ServiceKind::Kubernetes => resolution == Resolution::Alias,
        ServiceKind::ServiceEntry => spec.is_none_or(|s| s.text_of("location") != "MESH_INTERNAL"),
    };
    // A ServiceEntry's hosts are read off the object, for names that live as long as it does.
    let names: Vec<&'a str> = match service.kind {
        ServiceKind::Kubernetes => vec![object.name()],
        ServiceKind::ServiceEntry => spec.into_iter().flat_map(|s| s.list("hosts")).map(Node::text).collect(),
    };
    for (host, name) in service.hosts.iter().zip(names) {
        for address in &addresses {
            out.push(RegisteredService {
                host: host.clone(),
                namespace: service.namespace,
                name,
                kind: service.kind,
                address: address.clone(),
                allocated: object_address(object, host, address),
                ports: ports.clone(),
                resolution,
                is_external,
                aliases: Vec::new(),
                id,
                object,
            });
        }
    }
}

/// The address that the control plane gave to a host of a ServiceEntry (`status.addresses`).
fn object_address(object: &Object, host: &str, address: &str) -> Option<String> {
    if object.kind != Kind::ServiceEntry || address != UNSPECIFIED {
        return None;
    }
    let given = object.at(&["status", "addresses"])?.items().find(|a| a.text_of("host") == host)?;
    Some(given.text_of("value").to_owned()).filter(|v| !v.is_empty())
}

/// So many addresses are there to give: 240.240.0.0/16 without those ending in 0 and 255.
const ADDRESSES: u32 = 256 * 254;
/// Of the second hash, for hosts whose first is taken.
const PRIME: u32 = 65011;

/// Gives addresses to the hosts of ServiceEntries that have none, as istiod does where no controller writes them into
/// the status: by a hash of namespace and host, so that the same host gets the same one.
fn allocate(services: &mut [RegisteredService<'_>]) {
    let mut slots: FxHashMap<u32, usize> = FxHashMap::default();
    for (i, s) in services.iter().enumerate() {
        let wants = s.kind == ServiceKind::ServiceEntry && s.allocated.is_none() && s.address == UNSPECIFIED;
        if !wants || s.is_wildcard() || s.resolution == Resolution::Passthrough || slots.len() >= ADDRESSES as usize {
            continue;
        }
        let hash = fnv(format!("{}/{}", s.namespace, s.host).as_bytes());
        let second = PRIME - hash % PRIME;
        let tries = std::iter::once(hash % ADDRESSES).chain((1..ADDRESSES).map(|n| hash.wrapping_add(n.wrapping_mul(second)) % (ADDRESSES - 1)));
        if let Some(slot) = tries.into_iter().find(|t| !slots.contains_key(t)) {
            slots.insert(slot, i);
        }
    }
    let mut taken: Vec<(u32, usize)> = slots.into_iter().collect();
    taken.sort_unstable();
    let mut known: FxHashMap<(&str, String), u32> = FxHashMap::default();
    // A number that would end in 0 moves on by one, and all behind it.
    let mut shift = 0;
    for (slot, i) in taken {
        let mut x = slot + 1 + shift;
        if x.is_multiple_of(255) {
            x += 1;
            shift += 1;
        }
        let x = *known.entry((services[i].namespace, services[i].host.clone())).or_insert(x);
        services[i].allocated = Some(format!("240.240.{}.{}", x / 255, x % 255));
    }
}

/// FNV-1a of 32 bits.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

/// An address as a ServiceEntry writes it; a range of one address is that address.
fn address(text: &str) -> Option<String> {
    if text.parse::<IpAddr>().is_ok() {
        return Some(text.to_owned());
    }
    let (ip, bits) = text.split_once('/')?;
    let (parsed, bits) = (ip.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
    let all = if parsed.is_ipv4() { 32 } else { 128 };
    (bits <= all).then(|| if bits == all { ip.to_owned() } else { text.to_owned() })
}

fn target_port(port: &ServicePort<'_>, w: &Workload<'_>) -> Option<u16> {
    if matches!(port.target, "" | "0") { Some(port.number) } else { w.target_port(port.target) }
}

/// The label of a Pod, or the field of an entry, that says the network.
const NETWORK: &str = "topology.istio.io/network";

fn takes_hbone(mesh: &Mesh<'_>, w: &Workload<'_>) -> bool {
    mesh.in_mesh(w) == InMesh::Ambient || w.label(TUNNEL) == Some("http") || waypoint::is_own(|k| w.label(k))
}

/// The label of what speaks HBONE by itself.
const TUNNEL: &str = "networking.istio.io/tunnel";

impl<'a> Registry<'a> {
    /// The address of a workload: its Pod's, or one that it is supposed to have.
    pub fn address_of_workload(&self, mesh: &Mesh<'a>, id: u32) -> Option<String> {
        let w = mesh.workloads.get(id);
        let given = w.object.at(&["status", "podIP"]).map(Node::text).filter(|ip| !ip.is_empty());
        match (given, self.addresses) {
            (Some(ip), _) => Some(ip.to_owned()),
            (None, Addresses::Supposed) if w.replicas > 0 => supposed::of_workload(*self.places.get(id as usize)?, &self.taken),
            (None, _) => None,
        }
    }

    fn of_workload(&self, mesh: &Mesh<'a>, id: u32, port: u16) -> Option<Endpoint<'a>> {
        let address = self.address_of_workload(mesh, id)?;
        let w = mesh.workloads.get(id);
        // Injection gives sidecars the label, and gateways none; what is not injected yet will be.
        let will_have = self.addresses == Addresses::Supposed && matches!(mesh.in_mesh(w), InMesh::Sidecar | InMesh::Unknown);
        Some(endpoint(mesh, w, address, port, will_have || w.label("security.istio.io/tlsMode") == Some("istio")))
    }
}

fn endpoint<'a>(mesh: &Mesh<'a>, w: &Workload<'a>, address: String, port: u16, takes_mtls: bool) -> Endpoint<'a> {
    Endpoint {
        address,
        port,
        labels: w.labels().collect(),
        takes_mtls: Some(takes_mtls),
        locality: locality::of_workload(mesh, w),
        zone: "",
        node: w.spec().map_or("", |s| s.text_of("nodeName")),
        network: w.label(NETWORK).unwrap_or_default(),
        takes_hbone: takes_hbone(mesh, w),
        weight: 0,
        service_account: Some(w.service_account()),
        namespace: w.namespace,
        object: w.object,
        gateway: None,
    }
}

/// An endpoint of a ServiceEntry, or a WorkloadEntry.
fn of_entry<'a>(object: &'a Object, e: Node<'a>, port: &ServicePort<'a>, target: u16) -> Endpoint<'a> {
    let own = e.at(&["ports", port.name]).and_then(Node::int).and_then(|p| u16::try_from(p).ok());
    let labels: Vec<(&str, &str)> = e.map("labels").map(|(k, v)| (k.text(), v.text())).collect();
    let label = |key: &str| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    let network = Some(e.text_of("network")).filter(|n| !n.is_empty()).or_else(|| label(NETWORK)).unwrap_or_default();
    let takes_hbone = label(TUNNEL) == Some("http");
    let tls_mode = label("security.istio.io/tlsMode").map(|v| v == "istio");
    Endpoint {
        address: e.text_of("address").to_owned(),
        port: own.unwrap_or(target),
        takes_mtls: Some(tls_mode.unwrap_or(!e.text_of("serviceAccount").is_empty())),
        labels,
        locality: e.text_of("locality").to_owned(),
        zone: "",
        node: "",
        network,
        takes_hbone,
        weight: e.get("weight").and_then(Node::int).and_then(|w| u32::try_from(w).ok()).unwrap_or(0),
        service_account: Some(e.text_of("serviceAccount")).filter(|s| !s.is_empty()),
        namespace: object.namespace(),
        object,
        gateway: None,
    }
}

fn of_slice<'a>(mesh: &Mesh<'a>, slice: &'a Object, port: &ServicePort<'a>) -> Vec<Endpoint<'a>> {
    let own = slice.root().list("ports").find(|p| p.text_of("name") == port.name);
    let Some(number) = own.and_then(|p| p.get("port")).and_then(Node::int).and_then(|p| u16::try_from(p).ok()) else { return Vec::new() };
    let mut out = Vec::new();
    for e in slice.root().list("endpoints") {
        let is_ready = e.at(&["conditions", "ready"]).and_then(Node::bool).unwrap_or(true);
        let Some(address) = e.list("addresses").next().filter(|_| is_ready) else { continue };
        // Of the slice's own cluster: another may have a Pod of that name as well.
        let named = mesh.workloads.ids_named(slice.namespace(), e.get("targetRef").map_or("", |t| t.text_of("name"))).iter();
        let workload = named.map(|id| mesh.workloads.get(*id)).find(|w| w.object.kind == Kind::Pod && w.object.cluster == slice.cluster);
        let locality = workload.map_or_else(|| locality::of_node(mesh, slice.cluster, e.text_of("nodeName")), |w| locality::of_workload(mesh, w));
        out.push(Endpoint {
            address: address.text().to_owned(),
            port: number,
            labels: workload.map(|w| w.labels().collect()).unwrap_or_default(),
            takes_mtls: workload.map(|w| w.label("security.istio.io/tlsMode") == Some("istio")),
            zone: if locality.is_empty() { e.text_of("zone") } else { "" },
            locality,
            node: e.text_of("nodeName"),
            network: workload.and_then(|w| w.label(NETWORK)).unwrap_or_default(),
            takes_hbone: workload.is_some_and(|w| takes_hbone(mesh, w)),
            weight: 0,
            service_account: workload.map(Workload::service_account),
            namespace: slice.namespace(),
            object: workload.map_or(slice, |w| w.object),
            gateway: None,
        });
    }
    out
}
