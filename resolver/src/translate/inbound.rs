//! Inbound listeners of a sidecar: chains for each port that it serves, by what PeerAuthentication says of it, and for
//! all others.

use super::cluster::{BLACK_HOLE, INBOUND_PASSTHROUGH};
use super::filters::{self, Class, Http, MTLS_ALL, MTLS_HTTP, MTLS_TCP, PLAINTEXT_HTTP, Routes, config_metadata, texts};
use super::proxy::Interception;
use super::{Context, Origin, Part, Piece, route, tls};
use crate::peer_authentication::MtlsMode;
use crate::protocol::Protocol;
use mesh_envoy::api::{common, core, listener, route as api};
use mesh_model::Node;
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// A port of the proxy and what stands behind it.
struct Port<'a> {
    /// The proxy's own port; 0 for all that have no chains of their own.
    number: u16,
    /// The service's, for names of operations.
    service_port: u16,
    host: String,
    protocol: Protocol,
    address: String,
    /// Binds to the port instead of taking what is redirected.
    binds: bool,
    /// What a Sidecar's ingress terminates.
    tls: Option<Node<'a>>,
    config: Option<String>,
    origin: Option<Origin<'a>>,
}

impl Port<'_> {
    fn is_passthrough(&self) -> bool {
        self.host.is_empty()
    }
    fn cluster(&self) -> String {
        if self.is_passthrough() { INBOUND_PASSTHROUGH.to_owned() } else { format!("inbound|{}||", self.number) }
    }
    fn name(&self, is_http: bool) -> String {
        match (self.is_passthrough(), is_http) {
            (true, true) => "virtualInbound-catchall-http".to_owned(),
            (true, false) => "virtualInbound".to_owned(),
            _ => format!("{}_{}", self.address, self.number),
        }
    }
}

/// One way in: what it matches, whether HTTP is spoken, whether TLS ends here.
struct Way {
    protocols: &'static [&'static str],
    transport: &'static str,
    is_http: bool,
    terminates: bool,
}

const fn way(protocols: &'static [&'static str], transport: &'static str, is_http: bool, terminates: bool) -> Way {
    Way { protocols, transport, is_http, terminates }
}

const TLS: &str = "tls";
const RAW: &str = "raw_buffer";

/// The ways into a port, by what it carries and what mutual TLS it asks for.
fn ways(protocol: Protocol, mode: MtlsMode) -> Vec<Way> {
    let is_http = protocol.is_http();
    match (mode, protocol) {
        (MtlsMode::Strict, Protocol::Unsupported) => vec![way(MTLS_HTTP, TLS, true, true), way(&[], TLS, false, true)],
        (MtlsMode::Strict, _) => vec![way(&[], TLS, is_http, true)],
        (MtlsMode::Disable, Protocol::Unsupported) => vec![way(PLAINTEXT_HTTP, RAW, true, false), way(&[], RAW, false, false)],
        (MtlsMode::Disable, _) => vec![way(&[], RAW, is_http, false)],
        (MtlsMode::Permissive, Protocol::Unsupported) => vec![
            way(MTLS_HTTP, TLS, true, true),
            way(PLAINTEXT_HTTP, RAW, true, false),
            way(MTLS_TCP, TLS, false, true),
            way(&[], RAW, false, false),
            way(&[], TLS, false, false),
        ],
        (MtlsMode::Permissive, _) if is_http => vec![way(MTLS_ALL, TLS, true, true), way(&[], RAW, true, false)],
        (MtlsMode::Permissive, _) => vec![way(MTLS_ALL, TLS, false, true), way(&[], TLS, false, false), way(&[], RAW, false, false)],
    }
}

pub fn listeners<'a>(cx: &Context<'_, 'a>) -> Vec<Piece<'a, listener::Listener>> {
    let mut chains: Vec<(listener::FilterChain, Option<Origin<'a>>)> = vec![(black_hole(cx), None)];
    for port in passthrough_ports(cx) {
        chains.extend(chains_of(cx, &port));
    }
    let mut bound = Vec::new();
    for port in ports(cx) {
        let of = chains_of(cx, &port);
        if port.binds {
            bound.push(finish(cx, port.name(false), &port.address, port.number, port.binds, of));
        } else {
            chains.extend(of);
        }
    }
    if cx.proxy.interception == Interception::None {
        return bound;
    }
    let number = cx.mesh_port("proxyInboundListenPort", 15006);
    let mut out = vec![finish(cx, "virtualInbound".into(), cx.proxy.wildcard(), number, false, chains)];
    out.append(&mut bound);
    out
}

/// The ports that have chains of their own: the Sidecar's ingress, else those that services have; of two services with
/// one port the oldest counts.
fn ports<'a>(cx: &Context<'_, 'a>) -> Vec<Port<'a>> {
    let mut out: Vec<Port<'a>> = Vec::new();
    if let (Some(ingress), Some(sidecar)) = (cx.ingress(), cx.scope.sidecar) {
        for node in ingress {
            // It is the proxy's own copy that names things, also where the Sidecar is the mesh's.
            let namespace = &cx.proxy.namespace;
            let Some(number) = node.at(&["port", "number"]).and_then(Node::int).and_then(|n| u16::try_from(n).ok()) else { continue };
            let binds = match node.text_of("captureMode") {
                "" | "DEFAULT" => cx.proxy.interception == Interception::None,
                mode => mode == "NONE",
            };
            let address = match node.text_of("bind") {
                "" => cx.proxy.bind_address(),
                bind => bind,
            };
            if out.iter().all(|p| p.number != number) {
                out.push(Port {
                    number,
                    service_port: number,
                    host: format!("{}.{namespace}", sidecar.name()),
                    protocol: Protocol::parse(node.at(&["port", "protocol"]).map_or("", Node::text)),
                    address: address.to_owned(),
                    binds,
                    tls: node.get("tls"),
                    config: Some(format!("/apis/networking.istio.io/v1/namespaces/{namespace}/sidecar/{}", sidecar.name())),
                    origin: Some(Origin { object: sidecar, node }),
                });
            }
        }
    } else if cx.proxy.interception != Interception::None {
        for t in &cx.targets {
            let service = cx.model.registry.get(t.service);
            let port = service.ports[t.port];
            if out.iter().all(|p| p.number != t.target) {
                out.push(Port {
                    number: t.target,
                    service_port: port.number,
                    host: service.host.clone(),
                    protocol: port.protocol,
                    address: cx.proxy.wildcard().to_owned(),
                    binds: false,
                    tls: None,
                    config: None,
                    origin: Some(Origin { object: service.object, node: port.node }),
                });
            }
        }
    }
    out.sort_by_key(|p| p.number);
    out
}

/// All other ports, and those that a policy sets a mode for though nothing is known of them.
fn passthrough_ports<'a>(cx: &Context<'_, 'a>) -> Vec<Port<'a>> {
    let own: FxHashSet<u16> = ports(cx).iter().map(|p| p.number).collect();
    let mut numbers: Vec<u16> = cx.peer_policy_ports().into_iter().filter(|p| !own.contains(p)).collect();
    numbers.sort_unstable();
    let of = |number: u16| Port {
        number,
        service_port: 0,
        host: String::new(),
        protocol: Protocol::Unsupported,
        address: String::new(),
        binds: false,
        tls: None,
        config: None,
        origin: cx.peer_mode(number).policy.map(Origin::whole),
    };
    std::iter::once(0).chain(numbers).map(of).collect()
}

fn black_hole(cx: &Context<'_, '_>) -> listener::FilterChain {
    let port = cx.mesh_port("proxyInboundListenPort", 15006);
    listener::FilterChain {
        name: "virtualInbound-blackhole".into(),
        filter_chain_match: Some(listener::FilterChainMatch { destination_port: Some(u32::from(port)), ..Default::default() }),
        filters: filters::listener_exchange(cx).into_iter().chain([filters::black_hole(BLACK_HOLE)]).collect(),
        ..Default::default()
    }
}

fn chains_of<'a>(cx: &Context<'_, 'a>, port: &Port<'a>) -> Vec<(listener::FilterChain, Option<Origin<'a>>)> {
    let mode = cx.peer_mode(port.number);
    let own_tls = port.tls.filter(|_| mode.mode == MtlsMode::Disable);
    let ways = match own_tls {
        Some(_) => vec![way(&[], TLS, matches!(port.protocol, Protocol::Https) || port.protocol.is_http(), true)],
        None => ways(port.protocol, mode.mode),
    };
    let chain = |w: Way| {
        let socket = w.terminates.then(|| match own_tls {
            Some(node) => tls::own_server(&tls::ServerSettings::of(node), false, cx.exchanges(), cx.tls_defaults()),
            None => tls::mesh_server(&cx.trust_domains(), w.is_http, cx.exchanges()),
        });
        let message = listener::FilterChain {
            name: port.name(w.is_http),
            filter_chain_match: Some(listener::FilterChainMatch {
                destination_port: Some(u32::from(port.number)).filter(|n| *n != 0),
                application_protocols: texts(w.protocols),
                transport_protocol: w.transport.to_owned(),
                ..Default::default()
            }),
            filters: if w.is_http { http(cx, port) } else { tcp(cx, port) },
            transport_socket: socket,
            metadata: port.config.as_deref().map(config_metadata),
            ..Default::default()
        };
        (message, port.origin)
    };
    ways.into_iter().map(chain).collect()
}

fn tcp(cx: &Context<'_, '_>, port: &Port<'_>) -> Vec<listener::Filter> {
    let mut out: Vec<listener::Filter> = filters::listener_exchange(cx).into_iter().collect();
    out.extend(cx.network_policies());
    out.extend(filters::tcp_to(cx, filters::Class::SidecarInbound, &port.cluster()));
    out
}

fn http(cx: &Context<'_, '_>, port: &Port<'_>) -> Vec<listener::Filter> {
    let cluster = port.cluster();
    let is_grpc = matches!(port.protocol, Protocol::Grpc | Protocol::GrpcWeb);
    let virtual_host = api::VirtualHost {
        name: format!("inbound|http|{}", port.service_port),
        domains: vec!["*".into()],
        routes: vec![route::inbound_default(&cluster, &port.host, port.service_port, is_grpc)],
        ..Default::default()
    };
    let routes = api::RouteConfiguration { name: cluster.clone(), virtual_hosts: vec![virtual_host], validate_clusters: Some(false), ..Default::default() };
    let http = Http {
        class: Class::SidecarInbound,
        routes: Routes::Inline(Box::new(routes)),
        stat_prefix: if port.is_passthrough() { format!("{cluster};") } else { format!("inbound_{};", port.name(true)) },
        protocol: port.protocol,
        policies: cx.http_policies(),
        resolves: Vec::new(),
    };
    filters::listener_exchange(cx).into_iter().chain([filters::connection_manager(cx, http)]).collect()
}

fn finish<'a>(
    cx: &Context<'_, 'a>,
    name: String,
    address: &str,
    number: u16,
    binds: bool,
    chains: Vec<(listener::FilterChain, Option<Origin<'a>>)>,
) -> Piece<'a, listener::Listener> {
    let parts: Vec<(Part, Origin<'a>)> = chains.iter().enumerate().filter_map(|(i, (_, o))| Some((Part::FilterChain(i as u32), (*o)?))).collect();
    let filter_chains: Vec<listener::FilterChain> = chains.into_iter().map(|(c, _)| c).collect();
    let mut listener_filters = Vec::new();
    if !binds {
        listener_filters.push(filters::original_dst());
    }
    let needs_tls = by_port(&filter_chains, |m| m.transport_protocol == TLS);
    let needs_http = by_port(&filter_chains, |m| m.application_protocols.iter().any(|p| PLAINTEXT_HTTP.contains(&p.as_str())));
    if needs_tls.values().any(|n| *n) {
        listener_filters.push(listener::ListenerFilter { filter_disabled: tls_disabled(&needs_tls), ..filters::tls_inspector() });
    }
    if needs_http.values().any(|n| *n) {
        // Detection is switched off port by port; port 0 stands for no port at all here.
        let others = needs_http.iter().filter(|(_, n)| !**n).map(|(p, _)| *p).collect();
        listener_filters.push(listener::ListenerFilter { filter_disabled: any_port(others), ..filters::http_inspector() });
    }
    let mut origins: Vec<Origin<'a>> = Vec::new();
    for (_, origin) in &parts {
        if origins.iter().all(|o| !std::ptr::eq(o.object, origin.object)) {
            origins.push(*origin);
        }
    }
    let access_log = if binds { Vec::new() } else { cx.records.of_listener(filters::Class::SidecarInbound) };
    let message = listener::Listener {
        name,
        access_log,
        address: Some(filters::socket_address(address, number)),
        filter_chains,
        listener_filters,
        listener_filters_timeout: Some(cx.mesh_duration("protocolDetectionTimeout", Default::default())),
        continue_on_listener_filters_timeout: true,
        traffic_direction: core::TrafficDirection::Inbound as i32,
        transparent: (!binds && cx.proxy.interception == Interception::Tproxy).then_some(true),
        max_connections_to_accept_per_socket_event: Some(1),
        ..Default::default()
    };
    Piece { message, origins, parts }
}

type Predicate = listener::ListenerFilterChainMatchPredicate;

/// Whether chains of a port need something; 0 are those without a port, for all that have none of their own.
fn by_port(chains: &[listener::FilterChain], needs: impl Fn(&listener::FilterChainMatch) -> bool) -> BTreeMap<u32, bool> {
    let mut out = BTreeMap::new();
    for m in chains.iter().filter_map(|c| c.filter_chain_match.as_ref()) {
        *out.entry(m.destination_port.unwrap_or(0)).or_default() |= needs(m);
    }
    out
}

/// Where the TLS inspector does not work: at the ports that need none, or but at those that do.
fn tls_disabled(needs: &BTreeMap<u32, bool>) -> Option<Predicate> {
    let everywhere = needs.get(&0) == Some(&true);
    let others = needs.iter().filter(|(p, n)| **p != 0 && **n != everywhere).map(|(p, _)| *p).collect();
    let any = any_port(others)?;
    Some(if everywhere { any } else { Predicate { not_match: Some(Box::new(any)), ..Default::default() } })
}

/// Any of these ports; nothing for none.
pub fn any_port(ports: Vec<u32>) -> Option<Predicate> {
    let range = |p: u32| Predicate { destination_port_range: Some(common::Int32Range { start: p as i32, end: p as i32 + 1 }), ..Default::default() };
    let mut rules: Vec<Predicate> = ports.into_iter().map(range).collect();
    match rules.len() {
        0 => None,
        1 => rules.pop(),
        _ => Some(Predicate { or_match: Some(listener::ListenerFilterChainMatchPredicateMatchSet { rules }), ..Default::default() }),
    }
}

impl<'a> Context<'_, 'a> {
    /// The trust domains that a server takes.
    pub fn trust_domains(&self) -> Vec<&'a str> {
        let config = &self.model.mesh.config;
        // In istiod's order (`pkg/config/mesh/mesh.go`, `ApplyMeshConfig`).
        let aliases: std::collections::BTreeSet<&'a str> = config.trust_domain_aliases().collect();
        std::iter::once(config.trust_domain()).chain(aliases).collect()
    }
    /// The mode of mutual TLS at one of the proxy's ports; 0 for the proxy's own.
    fn peer_mode(&self, port: u16) -> crate::peer_authentication::Effective<'a> {
        let policies = &self.model.mesh.peer_authentications;
        policies.of_labels(&self.proxy.namespace, |k| self.proxy.label(k), Some(port).filter(|p| *p != 0))
    }
    /// Ports that the policy selecting the proxy sets a mode for.
    fn peer_policy_ports(&self) -> Vec<u16> {
        self.model.mesh.peer_authentications.ports_of(&self.proxy.namespace, |k| self.proxy.label(k))
    }
}
