//! A mesh on one machine without traffic capture: where each proxy listens, and where its application does.
//!
//! The configuration is made for the addresses that the mesh has, real or supposed; then each of them is replaced. A
//! workload has three places: `inbound`, where its proxy takes what others send to it; `application`, where the proxy
//! hands that on; `outbound`, where the application finds the services that it calls, each at the service's own port.
//! They are loopback addresses of their own, or ports of 127.0.0.1 where only that can be bound. A place that was given
//! stays, whatever the configuration becomes.

use mesh_envoy::api::cluster::{Cluster, ClusterDiscoveryType, ClusterLbPolicy};
use mesh_envoy::api::endpoint::{self as eds, ClusterLoadAssignment};
use mesh_envoy::api::listener::{self, Listener};
use mesh_envoy::api::route::RouteConfiguration;
use mesh_envoy::api::{Any, Value, core, tls};
use mesh_resolver::InMesh;
use mesh_resolver::laptop::{METADATA, PLAYS, STANDS_FOR};
use mesh_resolver::translate::{Model, ProxyKind};
use mesh_resolver::workload::Workload;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a proxy is sent, before it is encoded.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    pub listeners: Vec<Listener>,
    pub routes: Vec<RouteConfiguration>,
    pub clusters: Vec<Cluster>,
    pub endpoints: Vec<ClusterLoadAssignment>,
}

/// What can be bound on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loopback {
    /// All of 127.0.0.0/8, as on Linux.
    Addresses,
    /// The same, with numbers of workloads behind this one: for another control plane on the machine.
    AddressesAfter(u16),
    /// 127.0.0.1 alone: ports from this one on.
    Ports(u16),
}

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Inbound,
    Application,
    Outbound,
    /// Somebody outside of the mesh, who is played here.
    Outside,
}

/// What becomes of endpoints that are none of the mesh's workloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// They are reached where they are.
    #[default]
    AsWritten,
    /// Those that are not on this machine are given a place on it: nothing leaves it.
    Played,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Inbound => "inbound",
            Role::Application => "application",
            Role::Outbound => "outbound",
            Role::Outside => "outside",
        }
    }
    /// The second byte of its loopback addresses.
    fn network(self) -> u8 {
        match self {
            Role::Inbound => 20,
            Role::Application => 21,
            Role::Outbound => 22,
            Role::Outside => 23,
        }
    }
}

/// A workload's place: its role, the service's address where that matters, and the port that it stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub workload: String,
    pub role: Role,
    pub port: u16,
    /// "" for all services of the port.
    pub service: String,
}

/// Which places were given.
#[derive(Debug)]
pub struct Places {
    loopback: Loopback,
    numbers: BTreeMap<String, u16>,
    given: BTreeMap<Place, SocketAddr>,
    taken: BTreeSet<SocketAddr>,
    next: u16,
}

/// Ports below belong to the system's administrator.
const PRIVILEGED: u16 = 1024;
/// The port at which one is served here: 80 is 10080, which anybody may bind.
pub fn unprivileged(port: u16) -> u16 {
    if port < PRIVILEGED { port + 10_000 } else { port }
}

/// Ports that were taken are given from here on.
const FREE: u16 = 20_000;

impl Places {
    pub fn new(loopback: Loopback) -> Places {
        let next = match loopback {
            Loopback::Ports(first) => first,
            Loopback::Addresses | Loopback::AddressesAfter(_) => FREE,
        };
        Places { loopback, numbers: BTreeMap::new(), given: BTreeMap::new(), taken: BTreeSet::new(), next }
    }

    /// The place for something; the same for the same question.
    pub fn give(&mut self, workload: &str, role: Role, service: &str, port: u16) -> SocketAddr {
        let place = Place { workload: workload.to_owned(), role, port, service: service.to_owned() };
        if let Some(known) = self.given.get(&place) {
            return *known;
        }
        let address = match self.loopback {
            Loopback::Ports(_) => self.free(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Loopback::Addresses | Loopback::AddressesAfter(_) => {
                let number = self.number(workload);
                let ip = IpAddr::V4(Ipv4Addr::new(127, role.network(), (number >> 8) as u8, number as u8));
                let wanted = SocketAddr::new(ip, unprivileged(port));
                if self.taken.contains(&wanted) { self.free(ip) } else { wanted }
            }
        };
        self.taken.insert(address);
        self.given.insert(place, address);
        address
    }

    /// The number of a workload, by which its addresses are told from others'.
    fn number(&mut self, workload: &str) -> u16 {
        let before = if let Loopback::AddressesAfter(n) = self.loopback { n } else { 0 };
        let next = before.saturating_add(u16::try_from(self.numbers.len()).unwrap_or(u16::MAX)).saturating_add(1);
        *self.numbers.entry(workload.to_owned()).or_insert(next)
    }

    /// A port that was not given. Where all were, one is given again: whoever comes second there can't listen, and says so.
    fn free(&mut self, ip: IpAddr) -> SocketAddr {
        let mut address = SocketAddr::new(ip, self.next);
        for _ in 0..=u16::MAX {
            address.set_port(self.next);
            self.next = self.next.checked_add(1).unwrap_or(FREE);
            if !self.taken.contains(&address) {
                break;
            }
        }
        address
    }

    /// All that were given, in order.
    pub fn all(&self) -> impl Iterator<Item = (&Place, SocketAddr)> {
        self.given.iter().map(|(p, a)| (p, *a))
    }
    /// Where the proxy of a workload takes requests, or where its application does.
    pub fn find(&self, workload: &str, role: Role, port: u16) -> Option<SocketAddr> {
        self.given.iter().find(|(p, _)| p.workload == workload && p.role == role && p.port == port).map(|(_, a)| *a)
    }
}

/// Who is where in one model of the mesh.
#[derive(Debug)]
pub struct Bind {
    pub places: Places,
    /// Whose workloads have places here.
    cluster: u16,
    outside: Outside,
    /// Names of workloads by their ids.
    names: Vec<String>,
    /// Those of other clusters.
    far: BTreeSet<u32>,
    /// Workloads by the address that the mesh has for them, and whether a proxy stands before them.
    at: FxHashMap<String, (u32, bool)>,
    /// The addresses that the mesh has for workloads, by their ids.
    addresses: FxHashMap<u32, IpAddr>,
}

impl Bind {
    pub fn new(places: Places) -> Bind {
        Bind {
            places,
            cluster: 0,
            outside: Outside::AsWritten,
            names: Vec::new(),
            far: BTreeSet::new(),
            at: FxHashMap::default(),
            addresses: FxHashMap::default(),
        }
    }

    /// For the workloads of one of several clusters, by its index in the input.
    pub fn of_cluster(self, cluster: u16) -> Bind {
        Bind { cluster, ..self }
    }

    pub fn with_outside(self, outside: Outside) -> Bind {
        Bind { outside, ..self }
    }

    /// Takes up a new model; workloads keep their places by their names.
    pub fn learn(&mut self, model: &Model<'_, '_>) {
        let workloads = &model.mesh.workloads;
        let name = |w: &Workload<'_>| {
            let name = format!("{}.{}", w.object.name(), w.namespace);
            // Another cluster's control plane gives those their places.
            if w.object.cluster == self.cluster { name } else { format!("{name}@{}", model.mesh.snapshot.cluster_name(w.object)) }
        };
        self.names = workloads.all().iter().map(name).collect();
        self.far = (0..).zip(workloads.all()).filter(|(_, w)| w.object.cluster != self.cluster).map(|(id, _)| id).collect();
        self.at.clear();
        self.addresses.clear();
        for (id, w) in workloads.all().iter().enumerate() {
            let id = id as u32;
            if let Some(address) = model.registry.address_of_workload(model.mesh, id) {
                let has_proxy = matches!(model.mesh.in_mesh(w), InMesh::Sidecar | InMesh::Gateway | InMesh::Unknown);
                self.addresses.extend(address.parse().ok().map(|ip| (id, ip)));
                self.at.insert(address, (id, has_proxy));
            }
        }
        let mut sorted = self.names.clone();
        sorted.sort();
        for name in sorted {
            self.places.number(&name);
        }
    }

    fn name(&self, id: u32) -> String {
        self.names.get(id as usize).cloned().unwrap_or_default()
    }

    /// Replaces the addresses of what a workload's proxy is sent.
    pub fn bind(&mut self, workload: u32, kind: ProxyKind, m: &mut Messages) {
        let own = self.name(workload);
        let mut listeners = Vec::new();
        for l in std::mem::take(&mut m.listeners) {
            match (l.name.as_str(), l.traffic_direction == core::TrafficDirection::Inbound as i32) {
                // What goes to unknown places has no way here.
                ("virtualOutbound", _) => {}
                ("virtualInbound", _) => listeners.extend(self.split(&own, self.addresses.get(&workload).copied(), &l)),
                (_, is_inbound) => listeners.push(self.listen(&own, kind == ProxyKind::Router || is_inbound, l)),
            }
        }
        for l in &mut listeners {
            l.filter_chains.iter_mut().chain(l.default_filter_chain.as_mut()).filter_map(|c| c.transport_socket.as_mut()).for_each(secrets_by_ads);
        }
        m.listeners = listeners;
        for c in &mut m.clusters {
            self.serve(&own, c);
            c.transport_socket.iter_mut().for_each(secrets_by_ads);
            c.transport_socket_matches.iter_mut().filter_map(|t| t.transport_socket.as_mut()).for_each(secrets_by_ads);
            let is_outside = c.load_assignment.as_mut().is_some_and(|a| self.reach(a));
            if is_outside && c.r#type.is_some_and(|t| t == ClusterDiscoveryType::StrictDns as i32 || t == ClusterDiscoveryType::LogicalDns as i32) {
                // Addresses stand for the names that would be asked for.
                c.r#type = Some(ClusterDiscoveryType::Static as i32);
                c.dns_lookup_family = Default::default();
                c.dns_refresh_rate = None;
                c.dns_jitter = None;
                c.respect_dns_ttl = false;
                c.typed_dns_resolver_config = None;
            }
        }
        for a in &mut m.endpoints {
            self.reach(a);
        }
    }

    /// A listener for each port that the proxy serves, in place of one that takes what is captured.
    fn split(&mut self, own: &str, ip: Option<IpAddr>, whole: &Listener) -> Vec<Listener> {
        let mut by_port: BTreeMap<u16, Vec<listener::FilterChain>> = BTreeMap::new();
        for chain in &whole.filter_chains {
            let Some(port) = chain.filter_chain_match.as_ref().and_then(|m| m.destination_port).and_then(|p| u16::try_from(p).ok()) else { continue };
            if chain.name == "virtualInbound-blackhole" {
                continue;
            }
            let mut chain = chain.clone();
            if let Some(m) = chain.filter_chain_match.as_mut() {
                m.destination_port = None;
            }
            by_port.entry(port).or_default().push(chain);
        }
        let inspects = |l: &Listener, name: &str| l.listener_filters.iter().find(|f| f.name.ends_with(name)).cloned();
        by_port
            .into_iter()
            .map(|(port, chains)| {
                let needs = |f: &dyn Fn(&listener::FilterChainMatch) -> bool| chains.iter().filter_map(|c| c.filter_chain_match.as_ref()).any(f);
                let mut filters = Vec::new();
                if needs(&|m| m.transport_protocol == "tls") {
                    filters.extend(inspects(whole, "tls_inspector"));
                }
                if needs(&|m| m.application_protocols.iter().any(|p| p == "http/1.1")) {
                    filters.extend(inspects(whole, "http_inspector"));
                }
                for f in &mut filters {
                    f.filter_disabled = None;
                }
                let place = self.places.give(own, Role::Inbound, "", port);
                Listener {
                    name: format!("{}_{}", place.ip(), place.port()),
                    address: Some(address(place)),
                    metadata: ip.map_or_else(|| whole.metadata.clone(), |ip| Some(stands_for(whole.metadata.clone(), SocketAddr::new(ip, port)))),
                    filter_chains: chains,
                    listener_filters: filters,
                    ..whole.clone()
                }
            })
            .collect()
    }

    fn listen(&mut self, own: &str, is_inbound: bool, mut l: Listener) -> Listener {
        let Some(socket) = l.address.as_ref().and_then(|a| a.socket_address.as_ref()) else { return l };
        let port = socket.port_value.and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
        let ip = socket.address.as_str();
        let service = if matches!(ip, "0.0.0.0" | "::") || is_inbound { "" } else { ip };
        let place = self.places.give(own, if is_inbound { Role::Inbound } else { Role::Outbound }, service, port);
        if let Ok(ip) = ip.parse() {
            l.metadata = Some(stands_for(l.metadata.take(), SocketAddr::new(ip, port)));
        }
        l.address = Some(address(place));
        l.additional_addresses.clear();
        l.bind_to_port = None;
        l
    }

    /// The cluster of a port that the proxy serves leads to the application's place.
    fn serve(&mut self, own: &str, c: &mut Cluster) {
        if c.name.ends_with("PassthroughCluster") {
            // To where the client meant: nobody knows that here, and it says so with 503 UH.
            c.r#type = Some(ClusterDiscoveryType::Static as i32);
            c.lb_policy = ClusterLbPolicy::RoundRobin as i32;
            c.upstream_bind_config = None;
        }
        let Some(port) = c.name.strip_prefix("inbound|").and_then(|n| n.split('|').next()).and_then(|p| p.parse().ok()) else { return };
        let place = self.places.give(own, Role::Application, "", port);
        let host = eds::LbEndpoint { endpoint: Some(eds::Endpoint { address: Some(address(place)), ..Default::default() }), ..Default::default() };
        c.r#type = Some(ClusterDiscoveryType::Static as i32);
        c.lb_policy = ClusterLbPolicy::RoundRobin as i32;
        c.original_dst_lb_config = None;
        c.cleanup_interval = None;
        c.upstream_bind_config = None;
        c.load_assignment = Some(Box::new(ClusterLoadAssignment {
            cluster_name: c.name.clone(),
            endpoints: vec![eds::LocalityLbEndpoints { lb_endpoints: vec![host], ..Default::default() }],
            ..Default::default()
        }));
    }

    /// Endpoints that are workloads of the mesh are reached at their proxies, or at their own places where they have none.
    /// Whether one of them is outside and played here.
    fn reach(&mut self, assignment: &mut ClusterLoadAssignment) -> bool {
        let mut is_outside = false;
        for host in assignment.endpoints.iter_mut().flat_map(|g| &mut g.lb_endpoints) {
            let Some(at) = host.endpoint.as_mut().and_then(|e| e.address.as_mut()) else { continue };
            let Some(socket) = at.socket_address.as_ref() else { continue };
            let Some(port) = socket.port_value.and_then(|p| u16::try_from(p).ok()) else { continue };
            let Some((place, stands_for_address)) = self.endpoint(&socket.address, port) else { continue };
            is_outside |= stands_for_address.is_none();
            host.metadata = Some(match stands_for_address {
                Some(ip) => stands_for(host.metadata.take(), SocketAddr::new(ip, port)),
                None => says(host.metadata.take(), PLAYS, &format!("{}:{port}", socket.address)),
            });
            *at = address(place);
        }
        is_outside
    }

    /// Where an endpoint is on this machine, and the address of the workload that it stands for; `None` where it stays as it is.
    fn endpoint(&mut self, address: &str, port: u16) -> Option<(SocketAddr, Option<IpAddr>)> {
        if let Some((id, has_proxy)) = self.at.get(address).copied() {
            let name = self.name(id);
            let place = self.places.give(&name, if has_proxy { Role::Inbound } else { Role::Application }, "", port);
            return Some((place, self.addresses.get(&id).copied()));
        }
        let is_here = address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        (self.outside == Outside::Played && !is_here && !address.is_empty()).then(|| (self.places.give(address, Role::Outside, "", port), None))
    }

    /// Where an endpoint is reached on this machine, and whether it is a workload of the mesh: its proxy, its application where
    /// it has none, or who plays it. `None` where that is elsewhere, or a workload of another cluster: gateways lead there.
    pub fn reached(&mut self, address: &str, port: u16) -> Option<(SocketAddr, bool)> {
        if self.at.get(address).is_some_and(|(id, _)| self.far.contains(id)) {
            return None;
        }
        let is_workload = self.at.contains_key(address);
        let here = || address.parse().ok().filter(IpAddr::is_loopback).map(|ip| SocketAddr::new(ip, port));
        self.endpoint(address, port).map(|(place, _)| place).or_else(here).map(|place| (place, is_workload))
    }
}

/// Says which address of the mesh a place stands for.
fn stands_for(metadata: Option<core::Metadata>, address: SocketAddr) -> core::Metadata {
    says(metadata, STANDS_FOR, &address.to_string())
}

fn says(metadata: Option<core::Metadata>, key: &str, what: &str) -> core::Metadata {
    let mut metadata = metadata.unwrap_or_default();
    let field = std::iter::once((key, Value::from(what))).collect();
    metadata.filter_metadata.insert(METADATA.to_owned(), field);
    metadata
}

fn address(place: SocketAddr) -> core::Address {
    let socket = core::SocketAddress { address: place.ip().to_string(), port_value: Some(u32::from(place.port())), ..Default::default() };
    core::Address { socket_address: Some(socket), ..Default::default() }
}

/// There is no agent with a socket for secrets here: they come on the stream that the rest comes on.
fn secrets_by_ads(socket: &mut core::TransportSocket) {
    let Some(any) = socket.typed_config.as_mut() else { return };
    let change = |common: Option<&mut tls::CommonTlsContext>| {
        let Some(common) = common else { return };
        files(common);
        let combined = common.combined_validation_context.as_mut().and_then(|c| c.validation_context_sds_secret_config.as_mut());
        for secret in common.tls_certificate_sds_secret_configs.iter_mut().chain(common.validation_context_sds_secret_config.as_mut()).chain(combined) {
            let timeout = secret.sds_config.as_ref().and_then(|s| s.initial_fetch_timeout);
            secret.sds_config = Some(core::ConfigSource {
                ads: Some(core::AggregatedConfigSource::default()),
                initial_fetch_timeout: timeout,
                resource_api_version: core::ApiVersion::V3 as i32,
                ..Default::default()
            });
        }
    };
    if let Some(mut context) = any.unpack::<tls::DownstreamTlsContext>() {
        change(context.common_tls_context.as_mut());
        *any = Any::pack(&context);
    } else if let Some(mut context) = any.unpack::<tls::UpstreamTlsContext>() {
        change(context.common_tls_context.as_mut());
        *any = Any::pack(&context);
    }
}

/// Where a system keeps the roots that it trusts.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Names that stand for files of the proxy's machine, which an agent would read: the proxy reads them by itself.
fn files(common: &mut tls::CommonTlsContext) {
    let file = |path: &str| Some(core::DataSource { filename: Some(path.to_owned()), ..Default::default() });
    let pairs: Vec<tls::SdsSecretConfig> = common.tls_certificate_sds_secret_configs.extract_if(.., |s| s.name.starts_with("file-cert:")).collect();
    for pair in pairs {
        let (chain, key) = pair.name["file-cert:".len()..].split_once('~').unwrap_or_default();
        common.tls_certificates.push(tls::TlsCertificate { certificate_chain: file(chain), private_key: file(key) });
    }
    let root = common.combined_validation_context.as_ref().and_then(|c| c.validation_context_sds_secret_config.as_ref());
    if let Some(path) = root.and_then(|s| s.name.strip_prefix("file-root:")).map(|p| if p == "system" { SYSTEM.to_owned() } else { p.to_owned() }) {
        let names = common.combined_validation_context.take().and_then(|c| c.default_validation_context).unwrap_or_default();
        common.validation_context = Some(tls::CertificateValidationContext { trusted_ca: file(&path), ..names });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_once_and_stays() {
        let mut p = Places::new(Loopback::Addresses);
        let http = p.give("a.ns", Role::Outbound, "", 9080);
        assert_eq!(http.to_string(), "127.22.0.1:9080");
        assert_eq!(p.give("a.ns", Role::Outbound, "", 80).to_string(), "127.22.0.1:10080");
        // Another service at the same port has a port of its own.
        assert_eq!(p.give("a.ns", Role::Outbound, "10.0.0.9", 9080).to_string(), "127.22.0.1:20000");
        assert_eq!(p.give("b.ns", Role::Inbound, "", 9080).to_string(), "127.20.0.2:9080");
        assert_eq!(p.give("a.ns", Role::Outbound, "", 9080), http);
        assert_eq!(p.find("b.ns", Role::Inbound, 9080).map(|a| a.to_string()).as_deref(), Some("127.20.0.2:9080"));
    }

    #[test]
    fn more_places_than_ports_end_nothing() {
        let mut p = Places::new(Loopback::Ports(FREE));
        for port in 0..=u16::MAX - FREE {
            p.give("a.ns", Role::Inbound, "", port);
        }
        assert_eq!(p.taken.len(), usize::from(u16::MAX - FREE) + 1);
        assert_eq!(p.give("b.ns", Role::Inbound, "", 1).ip().to_string(), "127.0.0.1");
    }

    #[test]
    fn files_are_read_by_the_proxy_itself() {
        let sds = |name: &str| tls::SdsSecretConfig { name: name.to_owned(), sds_config: None };
        let context = tls::CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![sds("file-cert:/a.pem~/a.key"), sds("default")],
            combined_validation_context: Some(tls::CommonTlsContextCombinedCertificateValidationContext {
                default_validation_context: Some(tls::CertificateValidationContext { allow_expired_certificate: true, ..Default::default() }),
                validation_context_sds_secret_config: Some(sds("file-root:system")),
            }),
            ..Default::default()
        };
        let config = Any::pack(&tls::UpstreamTlsContext { common_tls_context: Some(context), ..Default::default() });
        let mut socket = core::TransportSocket { name: "tls".into(), typed_config: Some(config) };
        secrets_by_ads(&mut socket);
        let context: tls::UpstreamTlsContext = socket.typed_config.and_then(|a| a.unpack()).expect("a context");
        let common = context.common_tls_context.expect("a context");
        let names: Vec<&str> = common.tls_certificate_sds_secret_configs.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["default"]);
        assert!(common.tls_certificate_sds_secret_configs[0].sds_config.as_ref().is_some_and(|s| s.ads.is_some()));
        assert_eq!(common.tls_certificates[0].private_key.as_ref().and_then(|k| k.filename.as_deref()), Some("/a.key"));
        let validation = common.validation_context.expect("a context");
        assert!(validation.allow_expired_certificate && validation.trusted_ca.and_then(|c| c.filename).as_deref() == Some(SYSTEM));
    }

    #[test]
    fn where_one_address_is_all_there_is_ports_tell_places_apart() {
        let mut p = Places::new(Loopback::Ports(40_000));
        let all: Vec<String> = [("a", Role::Inbound), ("a", Role::Application), ("b", Role::Inbound), ("a", Role::Inbound)]
            .into_iter()
            .map(|(w, r)| p.give(w, r, "", 9080).to_string())
            .collect();
        assert_eq!(all, ["127.0.0.1:40000", "127.0.0.1:40001", "127.0.0.1:40002", "127.0.0.1:40000"]);
    }
}
