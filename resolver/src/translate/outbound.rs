//! Outbound listeners of a sidecar: for each port of a service, by address and protocol, and the one that takes the rest.

mod bytes;
mod virtual_outbound;

pub use bytes::{l4_applies, l4_filters, tcp};

use bytes::one_destination;
use virtual_outbound::{egress_cluster, virtual_outbound};

use super::cluster;
use super::filters::{self, Class, Http, PLAINTEXT_HTTP, Routes, config_metadata, texts};
use super::proxy::{Interception, UNSPECIFIED};
use super::registry::{RegisteredService, Resolution, ServicePort};
use super::scope::{Egress, Unknown, is_alias};
use super::virtual_host::{self, listener_origin};
use super::virtual_service::{L4Match, MESH, VirtualService};
use super::{Context, Origin, Part, Piece};
use crate::host;
use crate::protocol::Protocol;
use mesh_envoy::api::{Duration, core, listener};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The listeners, and the names of the route configurations that they ask for.
pub fn listeners<'a>(cx: &Context<'_, 'a>) -> (Vec<Piece<'a, listener::Listener>>, BTreeSet<String>) {
    let mut building = Building { cx, entries: Vec::new(), by_key: FxHashMap::default(), on_host: FxHashMap::default() };
    for (i, egress) in cx.scope.egress.iter().enumerate() {
        building.on_host = by_host(cx, egress);
        building.egress(i, egress);
    }
    let mut names = BTreeSet::new();
    let mut out: Vec<Piece<'a, listener::Listener>> = building.entries.iter().map(|e| finish(cx, e, &mut names)).collect();
    out.sort_by(|a, b| a.message.name.cmp(&b.message.name));
    out.extend(virtual_outbound(cx));
    (out, names)
}

/// VirtualServices with routes of TCP or TLS by the hosts they are for.
fn by_host(cx: &Context<'_, '_>, egress: &Egress<'_, '_>) -> FxHashMap<String, Vec<u32>> {
    let mut out: FxHashMap<String, Vec<u32>> = FxHashMap::default();
    for id in &egress.virtual_services {
        let v = &cx.model.virtual_services[*id as usize];
        if !v.tcp.is_empty() || !v.tls.is_empty() {
            for h in &v.hosts {
                out.entry(h.clone()).or_default().push(*id);
            }
        }
    }
    out
}

/// What a chain matches and does.
#[derive(Clone)]
struct Chain<'a> {
    sni: Vec<String>,
    ranges: Vec<String>,
    protocols: &'static [&'static str],
    transport: &'static str,
    metadata: Option<core::Metadata>,
    what: What,
    origin: Option<Origin<'a>>,
}

#[derive(Clone)]
enum What {
    /// HTTP, with the routes of this name.
    Http {
        routes: String,
        /// The host that stands for many, whose names the proxy resolves.
        wildcard: Option<String>,
    },
    Network(Vec<listener::Filter>),
}

impl Chain<'_> {
    fn matches_all(&self) -> bool {
        (self.sni.is_empty() || self.sni.iter().any(|s| s == "*")) && self.protocols.is_empty() && self.transport.is_empty() && self.ranges.is_empty()
    }

    /// Envoy refuses two chains with one match.
    fn conflicts(&self, other: &Chain<'_>) -> bool {
        let sni = |c: &Chain<'_>| c.sni.iter().filter(|s| *s != "*").cloned().collect::<BTreeSet<_>>();
        let ranges =
            |c: &Chain<'_>| c.ranges.iter().filter_map(|r| Range::parse(r)).filter(|r| !r.is_unspecified()).map(Range::masked).collect::<BTreeSet<_>>();
        self.transport == other.transport && self.protocols == other.protocols && sni(self) == sni(other) && ranges(self) == ranges(other)
    }
}

/// An address or a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range(IpAddr, u8);

impl Range {
    pub fn parse(text: &str) -> Option<Range> {
        let all = |ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 };
        match text.split_once('/') {
            None => text.parse::<IpAddr>().ok().map(|ip| Range(ip, all(ip))),
            Some((ip, bits)) => {
                let ip: IpAddr = ip.parse().ok()?;
                bits.parse().ok().filter(|b| *b <= all(ip)).map(|b| Range(ip, b))
            }
        }
    }
    fn is_unspecified(&self) -> bool {
        self.0.to_string() == UNSPECIFIED
    }
    fn masked(self) -> Range {
        let ip = match self.0 {
            IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & u32::MAX.checked_shl(32 - u32::from(self.1)).unwrap_or(0)).into()),
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & u128::MAX.checked_shl(128 - u32::from(self.1)).unwrap_or(0)).into()),
        };
        Range(ip, self.1)
    }
    pub fn contains(self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.0.is_ipv4() && Range(ip, self.1).masked() == self.masked()
    }
    pub fn message(self) -> core::CidrRange {
        core::CidrRange { address_prefix: self.0.to_string(), prefix_len: Some(u32::from(self.1)) }
    }
}

struct Entry<'a> {
    address: String,
    port: u16,
    binds: bool,
    chains: Vec<Chain<'a>>,
    protocol: Sort,
    /// Of the port that made it.
    of: Protocol,
    /// Takes all addresses, whatever the service's own.
    is_wildcard: bool,
    /// Made for a listener of the Sidecar with a port: later ones leave it alone.
    is_locked: bool,
    origins: Vec<Origin<'a>>,
    named: Option<Origin<'a>>,
}

/// What a listener must tell apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Http,
    Tcp,
    /// Both: the protocol is detected.
    Auto,
}

fn sort_of(p: Protocol) -> Option<Sort> {
    match p {
        Protocol::Unsupported => Some(Sort::Auto),
        Protocol::Udp => None,
        p if p.is_http() => Some(Sort::Http),
        _ => Some(Sort::Tcp),
    }
}

struct Building<'b, 'c, 'a> {
    cx: &'b Context<'c, 'a>,
    entries: Vec<Entry<'a>>,
    by_key: FxHashMap<(String, u16), usize>,
    on_host: FxHashMap<String, Vec<u32>>,
}

/// A service's port, and where a listener for it goes.
struct Wanted<'w, 'a> {
    service: &'w RegisteredService<'a>,
    /// The listener's own, where the Sidecar gives it a port.
    port: ServicePort<'a>,
    address: String,
    ranges: Vec<String>,
    binds: bool,
    is_wildcard: bool,
    named: Option<Origin<'a>>,
}

impl<'a> Building<'_, '_, 'a> {
    fn egress(&mut self, index: usize, egress: &Egress<'_, 'a>) {
        let cx = self.cx;
        let is_unix = egress.bind.starts_with("unix://");
        let binds = cx.proxy.interception == Interception::None || egress.captures_none || is_unix;
        let address = match egress.bind {
            "" if binds => cx.proxy.loopback().to_owned(),
            bind => bind.to_owned(),
        };
        let named = listener_origin(cx, egress.node);
        if let Some((number, protocol)) = egress.port {
            for service in &egress.services {
                let node = egress.node.unwrap_or(service.object.name_node());
                let port = ServicePort { number, name: "", protocol, target: "", object: service.object, node };
                self.add(Wanted { service, port, address: address.clone(), ranges: Vec::new(), binds, is_wildcard: false, named });
            }
            return;
        }
        for e in &mut self.entries {
            e.is_locked = true;
        }
        let _ = index;
        for service in &egress.services {
            for port in &service.ports {
                let wanted = |address: String| Wanted { service, port: *port, address, ranges: Vec::new(), binds, is_wildcard: false, named };
                let by_pod = address.is_empty()
                    && service.resolution == Resolution::Passthrough
                    && service.address_for(&cx.proxy) == UNSPECIFIED
                    && matches!(sort_of(port.protocol), Some(Sort::Tcp | Sort::Auto));
                if !by_pod {
                    self.add(wanted(address.clone()));
                    continue;
                }
                // A headless service is reached at the addresses of its Pods.
                let endpoints = cx.model.registry.endpoints(cx.model.mesh, service, port);
                let has_selector = service.object.spec_at(&["workloadSelector"]).is_some();
                if !service.is_kubernetes() && endpoints.is_empty() && !has_selector {
                    self.add(wanted(address.clone()));
                    continue;
                }
                let own = cx.proxy.addresses.first();
                for e in endpoints.iter().filter(|e| e.address.parse::<IpAddr>().is_ok() && Some(&e.address) != own) {
                    self.add(wanted(e.address.clone()));
                }
            }
        }
    }

    fn add(&mut self, mut wanted: Wanted<'_, 'a>) {
        if is_alias(wanted.service) {
            return;
        }
        let wildcard = self.cx.proxy.wildcard();
        let Some(mut sort) = sort_of(wanted.port.protocol) else { return };
        let own = wanted.service.address_for(&self.cx.proxy);
        if wanted.address.is_empty() {
            wanted.is_wildcard = sort == Sort::Http || own.contains('/') || (own == UNSPECIFIED && !wanted.service.is_kubernetes());
            match (sort, own) {
                (Sort::Http, _) => wanted.address = wildcard.to_owned(),
                (_, range) if range.contains('/') => {
                    wanted.ranges = vec![range.to_owned()];
                    wanted.address = wildcard.to_owned();
                }
                (_, UNSPECIFIED) => wanted.address = wildcard.to_owned(),
                (_, address) => wanted.address = address.to_owned(),
            }
        }
        let key = (wanted.address.clone(), wanted.port.number);
        let current = self.by_key.get(&key).copied();
        if current.is_some_and(|i| self.entries[i].is_locked) {
            return;
        }
        let known = current.map(|i| self.entries[i].protocol);
        let chains = match (sort, known) {
            (Sort::Http, Some(Sort::Http | Sort::Auto)) => return self.note(current, &wanted),
            (Sort::Http, _) => {
                let mut http = self.http(&wanted, false);
                if wanted.address == wildcard && wanted.port.protocol != Protocol::HttpProxy {
                    // What is no HTTP must pass by: another service may be meant.
                    detected(&mut http);
                    sort = Sort::Auto;
                }
                vec![http]
            }
            (Sort::Tcp, _) | (Sort::Auto, Some(Sort::Auto)) => self.tcp(&wanted),
            (Sort::Auto, _) => {
                let mut chains = self.tcp(&wanted);
                let mut http = self.http(&wanted, true);
                detected(&mut http);
                chains.push(http);
                chains
            }
        };
        let Some(i) = current else {
            self.by_key.insert(key, self.entries.len());
            let origin = Origin { object: wanted.service.object, node: wanted.port.node };
            self.entries.push(Entry {
                address: wanted.address,
                port: wanted.port.number,
                binds: wanted.binds,
                chains,
                protocol: sort,
                of: wanted.port.protocol,
                is_wildcard: wanted.is_wildcard,
                is_locked: false,
                origins: vec![origin],
                named: wanted.named,
            });
            return;
        };
        // Servers that speak first leave nothing to detect.
        let first = |p: Protocol| matches!(p, Protocol::Mongo | Protocol::MySql);
        let entry = &mut self.entries[i];
        if (first(wanted.port.protocol) || first(entry.of)) && wanted.port.protocol != entry.of {
            return;
        }
        if sort == Sort::Auto && entry.protocol == Sort::Http {
            entry.chains = chains;
            entry.protocol = Sort::Auto;
        } else {
            for chain in chains {
                if entry.chains.iter().all(|c| !c.conflicts(&chain)) {
                    entry.chains.push(chain);
                }
            }
            if entry.protocol != sort {
                entry.protocol = Sort::Auto;
            }
        }
        self.note(current, &wanted);
    }

    /// A listener that more than one service shares names its first services.
    fn note(&mut self, current: Option<usize>, wanted: &Wanted<'_, 'a>) {
        if let Some(entry) = current.map(|i| &mut self.entries[i])
            && entry.origins.len() < 16
        {
            entry.origins.push(Origin { object: wanted.service.object, node: wanted.port.node });
        }
    }

    fn http(&self, wanted: &Wanted<'_, 'a>, is_detected: bool) -> Chain<'a> {
        let name = if wanted.port.number == 0 {
            wanted.address.clone()
        } else if is_detected && wanted.address != self.cx.proxy.wildcard() {
            format!("{}:{}", wanted.service.host, wanted.port.number)
        } else {
            wanted.port.number.to_string()
        };
        let origin = Origin { object: wanted.service.object, node: wanted.port.node };
        let wildcard = wanted.service.resolves_wildcard().then(|| wanted.service.host.clone());
        Chain {
            sni: Vec::new(),
            ranges: Vec::new(),
            protocols: &[],
            transport: "",
            metadata: None,
            what: What::Http { routes: name, wildcard },
            origin: Some(origin),
        }
    }

    /// The VirtualServices for a host, in their order.
    fn virtual_services(&self, host: &str) -> Vec<&VirtualService<'a>> {
        if self.on_host.is_empty() {
            return Vec::new();
        }
        let mut ids: Vec<u32> = self.on_host.get(host).cloned().unwrap_or_default();
        for (h, list) in self.on_host.iter().filter(|(h, _)| h.starts_with('*') || host.starts_with('*')) {
            if host::overlaps(h, host) {
                ids.extend(list);
            }
        }
        let order = |id: &u32| self.cx.scope.egress.iter().find_map(|e| e.virtual_services.iter().position(|v| v == id));
        ids.sort_by_key(order);
        ids.dedup();
        ids.into_iter().map(|i| &self.cx.model.virtual_services[i as usize]).collect()
    }

    fn tcp(&self, wanted: &Wanted<'_, 'a>) -> Vec<Chain<'a>> {
        let services = self.virtual_services(&wanted.service.host);
        if wanted.port.protocol.is_tls() { self.tls_chains(wanted, &services) } else { self.tcp_chains(wanted, &services) }
    }

    fn chain(&self, sni: Vec<String>, ranges: Vec<String>, v: Option<&VirtualService<'a>>, filters: Vec<listener::Filter>, origin: Origin<'a>) -> Chain<'a> {
        let metadata = v.map(|v| config_metadata(&v.config));
        Chain { sni, ranges, protocols: &[], transport: "", metadata, what: What::Network(filters), origin: Some(origin) }
    }

    fn tls_chains(&self, wanted: &Wanted<'_, 'a>, services: &[&VirtualService<'a>]) -> Vec<Chain<'a>> {
        let mut out = Vec::new();
        let mut seen = BTreeSet::new();
        let mut ranges = wanted.ranges.clone();
        for v in services {
            for route in v.tls.iter().filter(|r| !r.destinations.is_empty()) {
                for m in route.matches.iter().filter(|m| l4_applies(self.cx, m, MESH, wanted.port.number)) {
                    if !m.destination_subnets.is_empty() && wanted.port.number > 0 {
                        ranges.clone_from(&m.destination_subnets);
                    }
                    if seen.insert((m.sni_hosts.clone(), m.destination_subnets.clone())) {
                        let filters = l4_filters(self.cx, v, route, wanted.port.number, false);
                        out.push(self.chain(m.sni_hosts.clone(), ranges.clone(), Some(v), filters, Origin { object: v.object, node: route.node }));
                    }
                }
            }
        }
        if out.is_empty() {
            let service = wanted.service;
            let wildcard = self.cx.proxy.wildcard();
            let own = service.address_for(&self.cx.proxy);
            let is_range = own.contains('/');
            let mut sni = Vec::new();
            if !wanted.ranges.is_empty() || is_range || (own == UNSPECIFIED && wanted.address == wildcard) || service.resolves_wildcard() {
                sni.push(service.host.clone());
                for alias in &service.aliases {
                    sni.push(alias.clone());
                    sni.extend(virtual_host::short_names(alias, &self.cx.proxy.dns_domain));
                }
            }
            out.push(self.to_service(wanted, sni));
        }
        out
    }

    fn tcp_chains(&self, wanted: &Wanted<'_, 'a>, services: &[&VirtualService<'a>]) -> Vec<Chain<'a>> {
        let mut out = Vec::new();
        let mut has_default = false;
        'all: for v in services {
            for route in v.tcp.iter().filter(|r| !r.destinations.is_empty()) {
                let origin = Origin { object: v.object, node: route.node };
                let mut subnets: Vec<String> = Vec::new();
                let applying: Vec<&L4Match<'a>> = route.matches.iter().filter(|m| l4_applies(self.cx, m, MESH, wanted.port.number)).collect();
                let ends = route.matches.is_empty() || applying.iter().any(|m| m.destination_subnets.is_empty() || wanted.port.number == 0);
                let filters = || l4_filters(self.cx, v, route, wanted.port.number, false);
                if ends {
                    out.push(self.chain(Vec::new(), wanted.ranges.clone(), Some(v), filters(), origin));
                    has_default = true;
                    break 'all;
                }
                subnets.extend(applying.iter().flat_map(|m| m.destination_subnets.iter().cloned()));
                if !subnets.is_empty() {
                    out.push(self.chain(Vec::new(), subnets.clone(), None, filters(), origin));
                    subnets.sort();
                    let mut own = wanted.ranges.clone();
                    own.sort();
                    has_default |= subnets == own;
                }
            }
        }
        if !has_default {
            out.push(self.to_service(wanted, Vec::new()));
        }
        out
    }

    /// To the service itself.
    fn to_service(&self, wanted: &Wanted<'_, 'a>, sni: Vec<String>) -> Chain<'a> {
        let service = wanted.service;
        // A listener's own port stands for the service's, if it has one only.
        let port = if let [one] = service.ports.as_slice() { one.number } else { wanted.port.number };
        let filters = one_destination(self.cx, &cluster::name(port, "", &service.host), "", Some(service));
        self.chain(sni, wanted.ranges.clone(), None, filters, Origin { object: service.object, node: wanted.port.node })
    }
}

fn detected(chain: &mut Chain<'_>) {
    chain.protocols = PLAINTEXT_HTTP;
    chain.transport = "raw_buffer";
}

/// The match of a chain; nothing for one that takes everything.
fn chain_match(chain: &Chain<'_>) -> Option<listener::FilterChainMatch> {
    if chain.matches_all() {
        return None;
    }
    let mut sni = chain.sni.clone();
    sni.sort();
    if sni.iter().any(|s| s == "*") {
        sni.clear();
    }
    let mut ranges = chain.ranges.clone();
    ranges.sort();
    Some(listener::FilterChainMatch {
        server_names: sni,
        prefix_ranges: ranges.iter().filter_map(|r| Range::parse(r)).filter(|r| !r.is_unspecified()).map(Range::message).collect(),
        application_protocols: texts(chain.protocols),
        transport_protocol: chain.transport.to_owned(),
        ..Default::default()
    })
}

/// How long a TLS handshake may take.
pub const HANDSHAKE: Duration = Duration { seconds: 15, nanos: 0 };

fn finish<'a>(cx: &Context<'_, 'a>, entry: &Entry<'a>, names: &mut BTreeSet<String>) -> Piece<'a, listener::Listener> {
    let name = format!("{}_{}", entry.address, entry.port);
    let mut out = listener::Listener {
        address: Some(match entry.address.strip_prefix("unix://") {
            Some(path) => core::Address { pipe: Some(core::Pipe { path: path.to_owned() }), ..Default::default() },
            None => filters::socket_address(&entry.address, entry.port),
        }),
        traffic_direction: core::TrafficDirection::Outbound as i32,
        continue_on_listener_filters_timeout: true,
        ..Default::default()
    };
    if entry.binds {
        out.max_connections_to_accept_per_socket_event = Some(1);
    } else {
        out.bind_to_port = Some(false);
    }
    if entry.chains.iter().any(|c| !c.sni.is_empty()) {
        out.listener_filters.push(filters::tls_inspector());
    }
    let detects = entry.chains.iter().any(|c| !c.protocols.is_empty());
    if detects {
        out.listener_filters.push(filters::http_inspector());
    }
    out.listener_filters_timeout = Some(if detects { cx.mesh_duration("protocolDetectionTimeout", Duration::default()) } else { Duration::default() });
    if cx.proxy.is_dual() && entry.is_wildcard {
        out.additional_addresses = vec![listener::AdditionalAddress { address: Some(filters::socket_address("::", entry.port)) }];
    }
    let mut parts = Vec::new();
    for chain in &entry.chains {
        let filters = match &chain.what {
            What::Network(filters) => filters.clone(),
            What::Http { routes, wildcard } => {
                names.insert(routes.clone());
                let http = Http {
                    class: Class::SidecarOutbound,
                    routes: Routes::Named(routes.clone()),
                    stat_prefix: format!("outbound_{name};"),
                    protocol: entry.of,
                    policies: Vec::new(),
                    resolves: wildcard
                        .iter()
                        .map(|h| filters::wildcard_cache(cx, h))
                        .chain((cx.scope.unknown == Unknown::AllowByName).then(filters::name_cache))
                        .collect(),
                };
                vec![filters::connection_manager(cx, http)]
            }
        };
        let message = listener::FilterChain {
            filters,
            metadata: chain.metadata.clone(),
            transport_socket_connect_timeout: Some(HANDSHAKE),
            filter_chain_match: chain_match(chain),
            ..Default::default()
        };
        if chain.matches_all() {
            parts.extend(chain.origin.map(|o| (Part::DefaultFilterChain, o)));
            out.default_filter_chain = Some(message);
        } else {
            parts.extend(chain.origin.map(|o| (Part::FilterChain(out.filter_chains.len() as u32), o)));
            out.filter_chains.push(message);
        }
    }
    match out.default_filter_chain.take() {
        Some(only) if out.filter_chains.is_empty() => {
            out.filter_chains.push(only);
            for (part, _) in &mut parts {
                *part = Part::FilterChain(0);
            }
        }
        Some(default) => out.default_filter_chain = Some(default),
        None => {
            out.default_filter_chain = Some(listener::FilterChain {
                filter_chain_match: Some(listener::FilterChainMatch::default()),
                name: "PassthroughFilterChain".into(),
                filters: filters::tcp_to(cx, filters::Class::SidecarOutbound, egress_cluster(cx)),
                ..Default::default()
            });
        }
    }
    out.name = name;
    let mut origins = entry.origins.clone();
    origins.extend(entry.named);
    Piece { message: out, origins, parts }
}
