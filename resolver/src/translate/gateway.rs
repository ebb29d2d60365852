//! Gateways: the servers of all that select a proxy merged by port, their listeners and route configurations.

mod carries;
mod routes;

pub use carries::Carries;
pub use routes::routes;

use super::filters::{self, Class, Http, MTLS_ALL, Routes, texts};
use super::outbound::{HANDSHAKE, l4_filters};
use super::scope::virtual_services_on;
use super::virtual_service::{L4Match, VirtualService};
use super::{Context, Origin, Part, Piece, cluster, tls};
use crate::host;
use crate::mesh::Mesh;
use crate::protocol::Protocol;
use mesh_envoy::api::{core, listener};
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashMap;

/// A Gateway, whatever it was written as.
#[derive(Clone, Debug)]
pub struct GatewayConfig<'a> {
    pub object: &'a Object,
    pub namespace: &'a str,
    pub name: String,
    pub creation: &'a str,
    pub selects: Selects<'a>,
    pub servers: Vec<Server<'a>>,
}

/// Which proxies a Gateway is for.
#[derive(Clone, Debug)]
pub enum Selects<'a> {
    /// Those with the labels; all without any.
    Labels(Option<Node<'a>>),
    Pairs(Vec<(&'a str, String)>),
    /// Those behind services of a namespace, by host.
    Services {
        hosts: Vec<String>,
        namespace: &'a str,
    },
}

#[derive(Clone, Debug)]
pub struct Server<'a> {
    pub node: Node<'a>,
    pub number: u16,
    pub port_name: String,
    pub protocol: Protocol,
    /// As written: servers of one port with other spellings have listeners of their own.
    pub protocol_text: String,
    pub name: &'a str,
    /// `host`, or `namespace/host`.
    pub hosts: Vec<String>,
    pub bind: &'a str,
    pub tls: Option<ServerTls>,
}

#[derive(Clone, Debug)]
pub struct ServerTls {
    pub https_redirect: bool,
    pub settings: tls::ServerSettings,
}

impl ServerTls {
    pub fn mode(&self) -> &str {
        &self.settings.mode
    }
}

impl Server<'_> {
    pub fn is_passthrough(&self) -> bool {
        self.tls.as_ref().is_some_and(|t| matches!(t.mode(), "PASSTHROUGH" | "AUTO_PASSTHROUGH"))
    }
    /// HTTP, or HTTPS that ends here.
    pub fn is_http(&self) -> bool {
        self.protocol.is_http() || (self.protocol == Protocol::Https && !self.is_passthrough())
    }
    fn terminates_https(&self) -> bool {
        self.protocol == Protocol::Https && self.tls.is_some() && !self.is_passthrough()
    }
    pub fn is_tls(&self) -> bool {
        self.carries() == Carries::Tls
    }
    fn carries(&self) -> Carries {
        Carries::of(self.protocol, self.tls.is_some())
    }
    fn redirects(&self) -> bool {
        self.tls.as_ref().is_some_and(|t| t.https_redirect)
    }
    fn socket(&self, cx: &Context<'_, '_>) -> Option<core::TransportSocket> {
        let tls = self.tls.as_ref().filter(|_| !self.is_passthrough())?;
        let is_tcp = !self.protocol.is_http() && self.protocol != Protocol::Https;
        Some(tls::own_server(&tls.settings, is_tcp, cx.exchanges(), cx.tls_defaults()))
    }
}

/// Istio's own Gateways.
pub fn of_istio<'a>(mesh: &Mesh<'a>) -> Vec<GatewayConfig<'a>> {
    let of = |object: &&'a Object| {
        let namespace = object.namespace();
        let spec = object.spec();
        let services = object.annotation("internal.istio.io/gateway-service");
        GatewayConfig {
            object,
            namespace,
            name: object.name().to_owned(),
            creation: object.creation(),
            selects: match services {
                Some(list) => Selects::Services { hosts: list.split(',').map(str::to_owned).collect(), namespace },
                None => Selects::Labels(spec.and_then(|s| s.get("selector"))),
            },
            servers: spec.into_iter().flat_map(|s| s.list("servers")).filter_map(|n| server(n, namespace)).collect(),
        }
    };
    mesh.objects(Kind::Gateway).iter().map(of).collect()
}

fn server<'a>(node: Node<'a>, namespace: &str) -> Option<Server<'a>> {
    let port = node.get("port")?;
    let hosts = node.list("hosts").map(|h| match h.text().split_once('/') {
        Some((".", host)) => format!("{namespace}/{host}"),
        Some(("*", host)) => host.to_owned(),
        _ => h.text().to_owned(),
    });
    let tls = node.get("tls").map(|t| {
        let mut settings = tls::ServerSettings::of(t).with_known_ciphers();
        if settings.mode.is_empty() {
            settings.mode = "PASSTHROUGH".into();
        }
        ServerTls { https_redirect: t.get("httpsRedirect").and_then(Node::bool) == Some(true), settings }
    });
    Some(Server {
        node,
        number: port.get("number").and_then(Node::int).and_then(|n| u16::try_from(n).ok())?,
        port_name: port.text_of("name").to_owned(),
        protocol: Protocol::parse(port.text_of("protocol")),
        protocol_text: port.text_of("protocol").to_owned(),
        name: node.text_of("name"),
        hosts: hosts.collect(),
        bind: node.text_of("bind"),
        tls,
    })
}

/// A server in force on the proxy.
#[derive(Clone, Debug)]
pub struct MergedServer<'a> {
    pub server: Server<'a>,
    /// `namespace/name`
    gateway: String,
    object: &'a Object,
    /// The name of its routes; "" where it has none.
    routes: String,
    sni: Vec<String>,
}

/// The servers of one port and address.
#[derive(Debug)]
struct OnPort {
    number: u16,
    protocol: Protocol,
    protocol_text: String,
    bind: String,
    /// Of the first server, for all plain HTTP.
    routes: String,
    /// Indexes into [`MergedGateway::servers`].
    servers: Vec<usize>,
}

/// All servers of a proxy.
#[derive(Debug, Default)]
pub struct MergedGateway<'a> {
    servers: Vec<MergedServer<'a>>,
    ports: Vec<OnPort>,
    /// Servers by the name of their routes.
    by_routes: Vec<(String, Vec<usize>)>,
}

impl<'a> MergedGateway<'a> {
    /// `namespace/name` of what its servers come from, and the object; as often as there are servers.
    pub fn gateways(&self) -> impl Iterator<Item = (&str, &'a Object)> {
        self.servers.iter().map(|s| (s.gateway.as_str(), s.object))
    }
    /// Whether a server takes connections that are not HTTP.
    pub fn takes_bytes(&self) -> bool {
        self.servers.iter().any(|s| !s.server.is_http())
    }
    /// The ports of Gateways that a port of the proxy stands for.
    pub fn server_ports(&self, number: u16) -> Vec<u16> {
        self.ports.iter().filter(|p| p.number == number).flat_map(|p| &p.servers).map(|s| self.servers[*s].server.number).collect()
    }
    pub fn has_auto_passthrough(&self) -> bool {
        self.servers.iter().any(|s| s.server.tls.as_ref().is_some_and(|t| t.mode() == "AUTO_PASSTHROUGH"))
    }
}

/// The Gateways that select the proxy, merged: those of one port share it where their protocols allow, the oldest
/// first. What does not fit is dropped, as istiod drops it.
pub fn merge<'a>(cx: &Context<'_, 'a>) -> Option<MergedGateway<'a>> {
    let mut out = MergedGateway::default();
    let mut any = false;
    let mut plaintext: FxHashMap<u16, usize> = FxHashMap::default();
    let mut tls_binds: FxHashMap<u16, Vec<&'a str>> = FxHashMap::default();
    let mut known_hosts: FxHashMap<(u16, String), &'a str> = FxHashMap::default();
    let mut used: Vec<u16> = Vec::new();
    for gateway in &cx.model.gateways {
        let Some(chosen) = chosen_targets(cx, gateway) else { continue };
        any = true;
        let name = format!("{}/{}", gateway.namespace, gateway.name);
        for server in &gateway.servers {
            for number in resolve_port(cx, server.number, &chosen) {
                let routes = route_name(server, number, gateway);
                let merged =
                    MergedServer { server: server.clone(), gateway: name.clone(), object: gateway.object, routes: routes.clone(), sni: sni_hosts(server) };
                if server.tls.is_some() {
                    let taken = server.hosts.iter().any(|h| known_hosts.get(&(number, h.clone())) == Some(&server.bind));
                    if taken {
                        continue;
                    }
                    for h in &server.hosts {
                        known_hosts.insert((number, h.clone()), server.bind);
                    }
                }
                let same = |p: &OnPort| p.number == number && p.protocol_text == server.protocol_text && p.bind == server.bind;
                let is_new = !used.contains(&number);
                if is_new {
                    used.push(number);
                    out.add(number, merged, &mut plaintext);
                    continue;
                }
                if let Some(current) = plaintext.get(&number).copied() {
                    let port = &out.ports[current];
                    if port.bind == server.bind {
                        if server.carries().may_join(out.servers[port.servers[0]].server.carries()) && !routes.is_empty() {
                            out.join(current, merged);
                        }
                    } else if let Some(at) = out.ports.iter().position(same) {
                        out.join(at, merged);
                    } else {
                        out.add(number, merged, &mut plaintext);
                    }
                    continue;
                }
                if server.carries().is_plain() {
                    out.add(number, merged, &mut plaintext);
                    continue;
                }
                if server.is_http() && (routes.is_empty() || out.by_routes.iter().any(|(r, _)| *r == routes)) {
                    continue;
                }
                let binds = tls_binds.entry(number).or_default();
                if !binds.contains(&server.bind) {
                    binds.push(server.bind);
                }
                match out.ports.iter().position(same) {
                    Some(at) => out.join(at, merged),
                    None => out.add(number, merged, &mut plaintext),
                }
            }
        }
    }
    any.then_some(out)
}

impl<'a> MergedGateway<'a> {
    fn named(&mut self, routes: &str, server: usize, is_http: bool) {
        if !is_http {
            return;
        }
        match self.by_routes.iter_mut().find(|(r, _)| r == routes) {
            Some((_, list)) => list.push(server),
            None => self.by_routes.push((routes.to_owned(), vec![server])),
        }
    }
    /// As istiod does it: of a number's plain servers the last added one, whatever its address, is the one that later
    /// servers are compared with; and the routes of a name are those of the last added, and of what joined it.
    fn add(&mut self, number: u16, merged: MergedServer<'a>, plaintext: &mut FxHashMap<u16, usize>) {
        let server = &merged.server;
        if server.carries().is_plain() {
            plaintext.insert(number, self.ports.len());
        }
        let (protocol, protocol_text, bind, is_http, routes) =
            (server.protocol, server.protocol_text.clone(), server.bind.to_owned(), server.is_http(), merged.routes.clone());
        let at = self.servers.len();
        self.ports.push(OnPort { number, protocol, protocol_text, bind, routes: routes.clone(), servers: vec![at] });
        self.servers.push(merged);
        self.by_routes.retain(|(name, _)| !is_http || *name != routes);
        self.named(&routes, at, is_http);
    }
    fn join(&mut self, port: usize, merged: MergedServer<'a>) {
        let at = self.servers.len();
        let (routes, is_http) = (merged.routes.clone(), merged.server.is_http());
        self.ports[port].servers.push(at);
        self.servers.push(merged);
        self.named(&routes, at, is_http);
    }
}

/// The services by which a Gateway reaches the proxy, and whether it must be one of them; none where it does not
/// select the proxy.
fn chosen_targets<'a>(cx: &Context<'_, 'a>, gateway: &GatewayConfig<'a>) -> Option<Targets> {
    let all = || Targets { targets: cx.targets.clone(), is_by_service: false };
    match &gateway.selects {
        Selects::Labels(None) => Some(all()),
        Selects::Labels(map) => cx.proxy.has_labels(*map).then(all),
        Selects::Pairs(pairs) => pairs.iter().all(|(k, v)| cx.proxy.label(k) == Some(v.as_str())).then(all),
        Selects::Services { hosts, namespace } => {
            let is_it = |t: &super::registry::Target| {
                let service = cx.model.registry.get(t.service);
                service.namespace == *namespace && hosts.contains(&service.host)
            };
            let targets: Vec<_> = cx.targets.iter().copied().filter(is_it).collect();
            (!targets.is_empty()).then_some(Targets { targets, is_by_service: true })
        }
    }
}

struct Targets {
    targets: Vec<super::registry::Target>,
    is_by_service: bool,
}

/// The ports that a server's port is on the proxy: where a service has it, the one behind; else itself, unless the
/// Gateway names its services.
fn resolve_port(cx: &Context<'_, '_>, number: u16, chosen: &Targets) -> Vec<u16> {
    let mut out = Vec::new();
    for t in &chosen.targets {
        let service = cx.model.registry.get(t.service);
        let opted_out = service.object.label("experimental.istio.io/disable-gateway-port-translation").is_some();
        if service.ports[t.port].number != number || (opted_out && !chosen.is_by_service) {
            continue;
        }
        if !chosen.is_by_service {
            return vec![t.target];
        }
        if !out.contains(&t.target) {
            out.push(t.target);
        }
    }
    if out.is_empty() && !chosen.is_by_service {
        out.push(number);
    }
    out.sort_unstable();
    out
}

fn route_name(server: &Server<'_>, number: u16, gateway: &GatewayConfig<'_>) -> String {
    let bind = if server.bind.is_empty() { String::new() } else { format!(".{}", server.bind) };
    if server.protocol.is_http() {
        format!("http.{number}{bind}")
    } else if server.protocol == Protocol::Https && !server.is_passthrough() {
        format!("https.{}.{}.{}.{}{bind}", server.number, server.port_name, gateway.name, gateway.namespace)
    } else {
        String::new()
    }
}

fn sni_hosts(server: &Server<'_>) -> Vec<String> {
    if server.tls.is_none() {
        return Vec::new();
    }
    let mut out: Vec<String> = server.hosts.iter().map(|h| h.split_once('/').map_or(h.as_str(), |(_, h)| h).to_owned()).collect();
    out.sort();
    out.dedup();
    out
}

/// A filter chain under way.
struct Chain<'a> {
    sni: Vec<String>,
    protocols: &'static [&'static str],
    socket: Option<core::TransportSocket>,
    filters: Vec<listener::Filter>,
    metadata: Option<core::Metadata>,
    origin: Origin<'a>,
}

pub fn listeners<'a>(cx: &Context<'_, 'a>) -> Vec<Piece<'a, listener::Listener>> {
    let Some(gateway) = &cx.gateway else { return Vec::new() };
    let mut by_name: Vec<(String, u16, Vec<Chain<'a>>)> = Vec::new();
    let mut tls_hosts: FxHashMap<(u16, String), String> = FxHashMap::default();
    for port in &gateway.ports {
        let bind = if port.bind.is_empty() { cx.proxy.wildcard() } else { &port.bind };
        let name = format!("{bind}_{}", port.number);
        let chains = chains(cx, gateway, port, &name, &mut tls_hosts);
        match by_name.iter_mut().find(|(n, ..)| *n == name) {
            Some((_, _, list)) => list.extend(chains),
            None => by_name.push((name, port.number, chains)),
        }
    }
    by_name.retain(|(_, _, chains)| !chains.is_empty());
    let mut out: Vec<Piece<'a, listener::Listener>> = by_name.into_iter().map(|(name, number, chains)| finish(cx, name, number, chains)).collect();
    out.sort_by(|a, b| a.message.name.cmp(&b.message.name));
    out
}

fn finish<'a>(cx: &Context<'_, 'a>, name: String, number: u16, chains: Vec<Chain<'a>>) -> Piece<'a, listener::Listener> {
    let needs_tls = chains.iter().any(|c| !c.sni.is_empty() || c.socket.is_some());
    let parts: Vec<(Part, Origin<'a>)> = chains.iter().enumerate().map(|(i, c)| (Part::FilterChain(i as u32), c.origin)).collect();
    let mut origins: Vec<Origin<'a>> = Vec::new();
    for (_, o) in &parts {
        if origins.iter().all(|k| !std::ptr::eq(k.object, o.object)) {
            origins.push(*o);
        }
    }
    let bind = name.rsplit_once('_').map_or("", |(bind, _)| bind).to_owned();
    let of = |c: Chain<'a>| {
        let all = c.sni.iter().any(|s| s == "*");
        let mut sni = if all { Vec::new() } else { c.sni };
        sni.sort();
        let m = listener::FilterChainMatch { server_names: sni, application_protocols: texts(c.protocols), ..Default::default() };
        listener::FilterChain {
            filter_chain_match: Some(m).filter(|m| *m != listener::FilterChainMatch::default()),
            filters: c.filters,
            metadata: c.metadata,
            transport_socket: c.socket,
            transport_socket_connect_timeout: Some(HANDSHAKE),
            ..Default::default()
        }
    };
    let message = listener::Listener {
        address: Some(filters::socket_address(&bind, number)),
        name,
        filter_chains: chains.into_iter().map(of).collect(),
        listener_filters: if needs_tls { vec![filters::tls_inspector()] } else { Vec::new() },
        access_log: cx.records.of_listener(Class::Gateway),
        traffic_direction: core::TrafficDirection::Outbound as i32,
        max_connections_to_accept_per_socket_event: Some(1),
        ..Default::default()
    };
    Piece { message, origins, parts }
}

fn chains<'a>(
    cx: &Context<'_, 'a>,
    gateway: &MergedGateway<'a>,
    port: &OnPort,
    listener: &str,
    tls_hosts: &mut FxHashMap<(u16, String), String>,
) -> Vec<Chain<'a>> {
    let http = |routes: &str, stat_prefix: String| {
        let http = Http {
            class: Class::Gateway,
            routes: Routes::Named(routes.to_owned()),
            stat_prefix,
            protocol: port.protocol,
            policies: cx.http_policies(),
            resolves: Vec::new(),
        };
        vec![filters::connection_manager(cx, http)]
    };
    let default_prefix = format!("outbound_{listener};");
    let mut out = Vec::new();
    if port.protocol.is_http() {
        let first = &gateway.servers[port.servers[0]];
        let origin = Origin { object: first.object, node: first.server.node };
        out.push(Chain { sni: Vec::new(), protocols: &[], socket: None, filters: http(&port.routes, default_prefix), metadata: None, origin });
        return out;
    }
    for s in port.servers.iter().map(|i| &gateway.servers[*i]) {
        let origin = Origin { object: s.object, node: s.server.node };
        if s.server.terminates_https() {
            let prefix = if s.server.name.is_empty() { default_prefix.clone() } else { s.server.name.to_owned() };
            out.push(Chain { sni: s.sni.clone(), protocols: &[], socket: s.server.socket(cx), filters: http(&s.routes, prefix), metadata: None, origin });
        } else if !s.server.is_passthrough() {
            if let Some((v, filters)) = tcp_filters(cx, s) {
                let origin = Origin { object: v.object, node: origin.node };
                let origin = if std::ptr::eq(v.object, s.object) { origin } else { Origin::whole(v.object) };
                out.push(Chain { sni: s.sni.clone(), protocols: &[], socket: s.server.socket(cx), filters, metadata: None, origin });
            }
        } else if s.server.tls.as_ref().is_some_and(|t| t.mode() == "AUTO_PASSTHROUGH") {
            out.extend(auto_passthrough(cx, s));
        } else {
            out.extend(tls_chains(cx, s, port.number, tls_hosts));
        }
    }
    out
}

/// Whether a VirtualService has a host of the server's.
fn shares_host(server: &Server<'_>, v: &VirtualService<'_>) -> bool {
    server.hosts.iter().filter_map(|h| in_namespace(h, v.namespace)).any(|h| v.hosts.iter().any(|vh| host::overlaps(h, vh)))
}

/// A server's host for a VirtualService of a namespace.
fn in_namespace<'h>(host: &'h str, namespace: &str) -> Option<&'h str> {
    match host.split_once('/') {
        Some((ns, host)) => (ns == namespace).then_some(host),
        None => Some(host),
    }
}

fn l4_matches(m: &L4Match<'_>, s: &MergedServer<'_>) -> bool {
    (m.port == 0 || m.port == s.server.number) && (m.gateways.is_empty() || m.gateways.contains(&s.gateway))
}

fn with_policies(cx: &Context<'_, '_>, filters: Vec<listener::Filter>) -> Vec<listener::Filter> {
    let mut out = cx.network_policies();
    out.extend(filters);
    out
}

fn tcp_filters<'c, 'a>(cx: &'c Context<'_, 'a>, s: &MergedServer<'a>) -> Option<(&'c VirtualService<'a>, Vec<listener::Filter>)> {
    let with_exchange = s.server.tls.as_ref().is_some_and(|t| t.mode() == "ISTIO_MUTUAL");
    for id in virtual_services_on(cx.model, &cx.proxy.namespace, &s.gateway) {
        let v = &cx.model.virtual_services[id as usize];
        if !shares_host(&s.server, v) {
            continue;
        }
        let matching =
            |r: &&super::virtual_service::L4Route<'a>| !r.destinations.is_empty() && (r.matches.is_empty() || r.matches.iter().any(|m| l4_matches(m, s)));
        let of_tls = v.semantics == super::virtual_service::Semantics::GatewayApi;
        let tls = v.tls.iter().filter(|_| of_tls);
        if let Some(route) = v.tcp.iter().chain(tls).find(matching) {
            return Some((v, with_policies(cx, l4_filters(cx, v, route, s.server.number, with_exchange))));
        }
    }
    None
}

fn tls_chains<'a>(cx: &Context<'_, 'a>, s: &MergedServer<'a>, number: u16, known: &mut FxHashMap<(u16, String), String>) -> Vec<Chain<'a>> {
    let mut out = Vec::new();
    for id in virtual_services_on(cx.model, &cx.proxy.namespace, &s.gateway) {
        let v = &cx.model.virtual_services[id as usize];
        if !shares_host(&s.server, v) {
            continue;
        }
        for route in v.tls.iter().filter(|r| !r.destinations.is_empty()) {
            for m in route.matches.iter().filter(|m| l4_matches(m, s)) {
                // Envoy takes no two chains with one server name.
                if m.sni_hosts.iter().any(|h| known.get(&(number, h.clone())).is_some_and(|b| b == s.server.bind)) {
                    continue;
                }
                for h in &m.sni_hosts {
                    known.insert((number, h.clone()), s.server.bind.to_owned());
                }
                out.push(Chain {
                    sni: m.sni_hosts.clone(),
                    protocols: &[],
                    socket: None,
                    filters: with_policies(cx, l4_filters(cx, v, route, s.server.number, false)),
                    metadata: None,
                    origin: Origin { object: v.object, node: route.node },
                });
            }
        }
    }
    out
}

/// A chain for each cluster of the mesh under the server's hosts, told apart by the server name.
fn auto_passthrough<'a>(cx: &Context<'_, 'a>, s: &MergedServer<'a>) -> Vec<Chain<'a>> {
    let mut out = Vec::new();
    for service in cx.scope.services.iter().filter(|x| !x.is_external && s.sni.iter().any(|h| host::covers(h, &x.host))) {
        let subsets = cx.rules(service).subsets();
        for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
            for subset in std::iter::once("").chain(subsets.iter().map(|s| s.name)) {
                let name = cluster::sni(port.number, subset, &service.host);
                out.push(Chain {
                    sni: vec![name.clone()],
                    protocols: MTLS_ALL,
                    socket: None,
                    filters: filters::tcp_to(cx, filters::Class::Gateway, &name),
                    metadata: None,
                    origin: Origin { object: s.object, node: s.server.node },
                });
            }
        }
    }
    out
}
