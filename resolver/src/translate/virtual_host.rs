//! Route configurations of a sidecar: a virtual host for each service and VirtualService on a port.

use super::cluster::{ALLOW_ANY_BY_NAME, PASSTHROUGH};
use super::proxy::UNSPECIFIED;
use super::registry::{RegisteredService, Resolution, ServicePort};
use super::route::{self, Place};
use super::scope::{Egress, SeenService, Unknown, is_alias};
use super::virtual_service::{MESH, Semantics, VirtualService};
use super::{Context, Origin, Part, Piece};
use crate::host;
use crate::protocol::Protocol;
use mesh_envoy::api::route as api;
use mesh_model::Node;
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The largest body of a direct response.
const BODY_LIMIT: u32 = 1024 * 1024;

/// Where the routes of a VirtualService stand: index of the configuration, of the virtual host in it, and of the
/// VirtualService among all.
pub type Stands = (u32, u32, u32);

/// The configurations that listeners ask for by name: a port, or `host:port` for a service whose protocol is detected.
pub fn route_configurations<'a>(cx: &Context<'_, 'a>, names: &BTreeSet<String>, stands: &mut Vec<Stands>) -> Vec<Piece<'a, api::RouteConfiguration>> {
    let mut by_port: FxHashMap<u16, Hosts<'a>> = FxHashMap::default();
    let mut uses: FxHashMap<u16, usize> = FxHashMap::default();
    for (_, port) in names.iter().filter_map(|n| parts_of(n)) {
        *uses.entry(port).or_default() += 1;
    }
    let mut out = Vec::new();
    for name in names {
        let at = out.len() as u32;
        let Some((host, port)) = parts_of(name) else {
            out.push(configuration(name.clone(), Vec::new(), at, stands));
            continue;
        };
        let Some(egress) = cx.scope.egress_for(port) else { continue };
        let hosts = by_port.entry(port).or_insert_with(|| Hosts::on(cx, egress, port));
        let left = uses.entry(port).or_default();
        *left = left.saturating_sub(1);
        let mut virtual_hosts: Vec<Host<'a>> = match host {
            // Whoever comes last takes them: there may be thousands.
            None if *left == 0 => by_port.remove(&port).map(|h| h.all).unwrap_or_default(),
            None => hosts.all.clone(),
            Some(host) => hosts.by_domain(name, host),
        };
        if host.is_none() {
            virtual_hosts.sort_by(|a, b| a.message.name.cmp(&b.message.name));
            virtual_hosts.push(catch_all(&cx.scope.unknown));
        } else if let [only] = virtual_hosts.as_mut_slice() {
            only.message.domains = vec!["*".to_owned()];
        }
        out.push(configuration(name.clone(), virtual_hosts, at, stands));
    }
    out
}

/// The host, if there is one, and the port in the name of a configuration; `None` where it has no port.
pub fn parts_of(name: &str) -> Option<(Option<&str>, u16)> {
    let (host, port) = match name.rsplit_once(':') {
        Some((host, port)) => (Some(host), port),
        None => (None, name),
    };
    Some((host, port.parse().ok()?))
}

fn configuration<'a>(name: String, hosts: Vec<Host<'a>>, at: u32, stands: &mut Vec<Stands>) -> Piece<'a, api::RouteConfiguration> {
    let mut message = api::RouteConfiguration {
        name,
        validate_clusters: Some(false),
        max_direct_response_body_size_bytes: Some(BODY_LIMIT),
        ignore_port_in_host_matching: true,
        ..Default::default()
    };
    message.virtual_hosts.reserve_exact(hosts.len());
    let mut parts = Vec::new();
    let mut origins: Vec<Origin<'a>> = Vec::new();
    for (i, mut host) in hosts.into_iter().enumerate() {
        stands.extend(host.virtual_service.map(|id| (at, i as u32, id)));
        if let Some(origin) = host.origin {
            parts.push((Part::VirtualHost(i as u32), origin));
            if origins.iter().all(|o| !std::ptr::eq(o.object, origin.object)) && origins.len() < 16 {
                origins.push(origin);
            }
        }
        for (j, (_, origin)) in host.routes.iter().enumerate() {
            parts.extend(origin.map(|o| (Part::Route(i as u32, j as u32), o)));
        }
        let routes = Rc::try_unwrap(host.routes).unwrap_or_else(|shared| shared.as_ref().clone());
        host.message.routes = routes.into_iter().map(|(r, _)| r).collect();
        message.virtual_hosts.push(host.message);
    }
    Piece { message, origins, parts }
}

/// Whatever the others do not match.
pub fn catch_all<'a>(unknown: &Unknown) -> Host<'a> {
    let (name, to) = match unknown {
        Unknown::Allow => ("allow_any", Some(PASSTHROUGH)),
        Unknown::AllowByName => ("allow_any_dynamic_dns", Some(ALLOW_ANY_BY_NAME)),
        Unknown::Proxy(cluster) => ("allow_any", Some(cluster.as_str())),
        Unknown::Refuse => ("block_all", None),
    };
    let message = api::VirtualHost { name: name.to_owned(), domains: vec!["*".into()], include_request_attempt_count: true, ..Default::default() };
    Host { message, routes: Rc::new(vec![(route::catch_all(name, to), None)]), origin: None, virtual_service: None }
}

type Routes<'a> = Rc<Vec<(api::Route, Option<Origin<'a>>)>>;

/// A virtual host; its routes are shared by all hosts of one VirtualService.
#[derive(Clone)]
pub struct Host<'a> {
    pub message: api::VirtualHost,
    pub routes: Routes<'a>,
    pub origin: Option<Origin<'a>>,
    /// Whose routes they are, among all VirtualServices.
    pub virtual_service: Option<u32>,
}

/// Routes for some services on a port, and for hosts that are none.
struct Group<'a> {
    services: Vec<u32>,
    other_hosts: Vec<String>,
    routes: Routes<'a>,
    origin: Origin<'a>,
    virtual_service: Option<u32>,
}

/// The virtual hosts of one port.
struct Hosts<'a> {
    all: Vec<Host<'a>>,
    domains: FxHashMap<String, Vec<u32>>,
}

impl<'a> Hosts<'a> {
    fn on(cx: &Context<'_, 'a>, egress: &Egress<'_, 'a>, port: u16) -> Hosts<'a> {
        let all = on_port(cx, egress, port);
        let mut domains: FxHashMap<String, Vec<u32>> = FxHashMap::default();
        for (i, h) in all.iter().enumerate() {
            for d in &h.message.domains {
                domains.entry(d.clone()).or_default().push(i as u32);
            }
        }
        Hosts { all, domains }
    }
    fn by_domain(&self, with_port: &str, host: &str) -> Vec<Host<'a>> {
        let mut ids: Vec<u32> = [with_port, host].iter().filter_map(|d| self.domains.get(*d)).flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|i| self.all[i as usize].clone()).collect()
    }
}

/// A service of an egress listener as the port's routes see it; `None` where it has no such port.
fn seen_on<'s, 'a>(egress: &Egress<'_, 'a>, service: &SeenService<'s, 'a>, port: u16) -> Option<SeenService<'s, 'a>> {
    if egress.port.is_some_and(|(_, p)| p == Protocol::HttpProxy) {
        return Some(service.clone());
    }
    let found = *service.port(port)?;
    Some(if service.ports.len() == 1 { service.clone() } else { Cow::Owned(RegisteredService { ports: vec![found], ..(**service).clone() }) })
}

/// The service of a host on a port, as routes there look it up: of several with one host the last counts.
pub fn service_on<'a>(egress: &Egress<'_, 'a>, port: u16, name: &str) -> Option<RegisteredService<'a>> {
    let is_meant = |s: &&SeenService<'_, 'a>| s.host == name || (s.host.chars().any(char::is_uppercase) && s.host.to_lowercase() == name);
    let mut found = egress.services.iter().rev().filter(is_meant).filter_map(|s| seen_on(egress, s, port));
    found.next().map(Cow::into_owned)
}

fn on_port<'a>(cx: &Context<'_, 'a>, egress: &Egress<'_, 'a>, port: u16) -> Vec<Host<'a>> {
    // Services with the port, and only that port of them; a proxy port serves all.
    let is_proxy = egress.port.is_some_and(|(_, p)| p == Protocol::HttpProxy);
    let mut services: Vec<SeenService<'_, 'a>> = Vec::new();
    services.extend(egress.services.iter().filter_map(|s| seen_on(egress, s, port)));
    // Of several with one host the last counts.
    let mut by_host: FxHashMap<String, u32> = FxHashMap::default();
    for (i, s) in services.iter().enumerate() {
        by_host.insert(s.host.to_lowercase(), i as u32);
    }
    let lookup = |name: &str| by_host.get(name).map(|i| services[*i as usize].clone().into_owned());
    let place = Place { gateway: MESH, port, is_tls: false, lookup: &lookup };
    let wildcards: Vec<&str> = by_host.keys().filter(|h| h.starts_with('*')).map(String::as_str).collect();
    let specific = most_specific(cx, egress);

    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut taken: FxHashSet<u32> = FxHashSet::default();
    for id in &egress.virtual_services {
        let v = &cx.model.virtual_services[*id as usize];
        if port != 80 && !concerns(v, &by_host, &wildcards) {
            continue;
        }
        let (other_hosts, mut matched) = split_hosts(*id, v, &by_host, &services, &specific);
        if v.semantics == Semantics::GatewayApi {
            matched.retain(|i| services[*i as usize].namespace == v.namespace || cx.proxy.namespace == v.namespace);
            if matched.is_empty() {
                continue;
            }
        }
        let speaks_http = |i: &u32| services[*i as usize].ports.iter().any(|p| is_http_or_detected(p));
        let on: Vec<u32> = matched.iter().copied().filter(speaks_http).collect();
        if on.is_empty() && port != 80 {
            continue;
        }
        let routes = route::of_virtual_service(cx, v, &place);
        if routes.is_empty() {
            continue;
        }
        taken.extend(&on);
        let routes: Routes<'a> = Rc::new(routes.into_iter().map(|(r, o)| (r, Some(o))).collect());
        let origin = Origin::whole(v.object);
        groups.push(Group { services: on, other_hosts, routes, origin, virtual_service: Some(*id) });
    }
    let mut rest: Vec<u32> = by_host.values().copied().filter(|i| !taken.contains(i) && !is_alias(&services[*i as usize])).collect();
    rest.sort_unstable_by(|a, b| services[*a as usize].host.cmp(&services[*b as usize].host));
    for i in rest {
        let s = &services[i as usize];
        for p in s.ports.iter().filter(|p| is_http_or_detected(p)) {
            let rules = cx.rules(s);
            let top =
                rules.first().and_then(|_| crate::destination_rule::traffic_policy(&rules.0)).and_then(|(_, n)| n.at(&["loadBalancer", "consistentHash"]));
            let hash = rules.policy(p.number).consistent_hash().or(top);
            let origin = Origin { object: s.object, node: p.node };
            let routes: Routes<'a> = Rc::new(vec![(route::outbound_default(cx, &s.host.to_lowercase(), p.number, hash), Some(origin))]);
            groups.push(Group { services: vec![i], other_hosts: Vec::new(), routes, origin, virtual_service: None });
        }
    }
    assemble(cx, groups, &services, port, is_proxy)
}

fn is_http_or_detected(p: &ServicePort<'_>) -> bool {
    p.protocol.is_http() || p.protocol == Protocol::Unsupported
}

/// Virtual hosts with their names and domains; a domain belongs to the first who has it.
fn assemble<'a>(cx: &Context<'_, 'a>, groups: Vec<Group<'a>>, services: &[SeenService<'_, 'a>], port: u16, is_proxy: bool) -> Vec<Host<'a>> {
    let mut names: FxHashSet<String> = FxHashSet::default();
    let mut known: FxHashSet<String> = FxHashSet::default();
    let mut used: FxHashSet<String> = FxHashSet::default();
    for i in groups.iter().flat_map(|g| &g.services) {
        known.insert(services[*i as usize].host.to_lowercase());
    }
    let mut out = Vec::new();
    for group in groups {
        let hosts = group.other_hosts.iter().map(|h| (h.to_lowercase(), None));
        let of_services = group.services.iter().map(|i| (services[*i as usize].host.to_lowercase(), Some(&services[*i as usize])));
        for (name, service) in hosts.chain(of_services) {
            let with_port = format!("{name}:{port}");
            if !names.insert(with_port.clone()) {
                continue;
            }
            let mut domains = match service {
                None => vec![name.clone()],
                Some(s) => domains(cx, s, &name),
            };
            let mut first = 0;
            domains.retain(|d| {
                first += 1;
                // A short name never takes the place of a service that is really called so.
                let is_short = first > 1 && *d != name;
                !(is_short && known.contains(d)) && used.insert(d.to_lowercase())
            });
            if is_proxy && port != 80 {
                domains = domains.into_iter().map(|d| format!("{d}:{port}")).collect();
            }
            if domains.is_empty() {
                continue;
            }
            let origin = service.map_or(group.origin, |s| Origin { object: s.object, node: s.ports.first().map_or(s.object.name_node(), |p| p.node) });
            let message = api::VirtualHost { name: with_port, domains, include_request_attempt_count: true, ..Default::default() };
            out.push(Host { message, routes: Rc::clone(&group.routes), origin: Some(origin), virtual_service: group.virtual_service });
        }
    }
    out
}

/// The names by which a proxy calls a service: its host, shorter ones that resolve in its namespace, aliases, address.
fn domains(cx: &Context<'_, '_>, s: &RegisteredService<'_>, name: &str) -> Vec<String> {
    let mut out = Vec::new();
    for host in std::iter::once(name).chain(s.aliases.iter().map(String::as_str)) {
        out.push(host.to_owned());
        out.extend(short_names(host, &cx.proxy.dns_domain));
    }
    if s.resolution == Resolution::Passthrough && s.is_kubernetes() {
        let pods: Vec<String> = out.iter().map(|d| format!("*.{d}")).collect();
        out.extend(pods);
    }
    let address = s.address_for(&cx.proxy);
    if address != UNSPECIFIED {
        out.push(if address.contains(':') && !address.contains('/') { format!("[{address}]") } else { address.to_owned() });
    }
    out
}

/// Other spellings of a host for a proxy whose own domain is `dns_domain`.
pub fn short_names(host: &str, dns_domain: &str) -> Vec<String> {
    let mut out = Vec::new();
    if host.parse::<std::net::IpAddr>().is_err() {
        out.push(format!("{host}."));
    }
    let Some(at) = dns_domain.find(".svc.") else { return out };
    let (namespace, suffix) = (&dns_domain[..at], &dns_domain[at..]);
    let Some(short) = host.strip_suffix(suffix).filter(|s| !s.is_empty()) else { return out };
    let Some((name, of)) = short.split_once('.') else { return out };
    if of == namespace {
        out.extend([name.to_owned(), format!("{short}.svc"), short.to_owned()]);
    } else {
        out.extend([short.to_owned(), format!("{short}.svc")]);
    }
    out
}

/// Whether a VirtualService is about one of these services.
fn concerns(v: &VirtualService<'_>, by_host: &FxHashMap<String, u32>, wildcards: &[&str]) -> bool {
    v.hosts.iter().any(|h| {
        let h = h.to_lowercase();
        by_host.contains_key(&h)
            || if h.starts_with('*') { by_host.keys().any(|s| host::overlaps(&h, s)) } else { wildcards.iter().any(|w| host::overlaps(&h, w)) }
    })
}

/// For each service the VirtualService with the most specific of the hosts that match it.
fn most_specific(cx: &Context<'_, '_>, egress: &Egress<'_, '_>) -> FxHashMap<String, u32> {
    let mut exact: FxHashMap<&str, u32> = FxHashMap::default();
    let mut wild: Vec<(&str, u32)> = Vec::new();
    for id in &egress.virtual_services {
        for h in &cx.model.virtual_services[*id as usize].hosts {
            if h.starts_with('*') {
                if wild.iter().all(|(w, _)| w != h) {
                    wild.push((h, *id));
                }
            } else {
                exact.entry(h).or_insert(*id);
            }
        }
    }
    if wild.is_empty() {
        return FxHashMap::default();
    }
    wild.sort_by_key(|(h, _)| std::cmp::Reverse(h.len()));
    let of = |s: &SeenService<'_, '_>| {
        let found = exact.get(s.host.as_str()).copied().or_else(|| wild.iter().find(|(h, _)| host::covers(h, &s.host)).map(|(_, id)| *id))?;
        Some((s.host.to_lowercase(), found))
    };
    egress.services.iter().filter_map(of).collect()
}

/// The hosts of a VirtualService that are no services, and the services that are its.
fn split_hosts(
    id: u32,
    v: &VirtualService<'_>,
    by_host: &FxHashMap<String, u32>,
    services: &[SeenService<'_, '_>],
    specific: &FxHashMap<String, u32>,
) -> (Vec<String>, Vec<u32>) {
    let (mut others, mut matched) = (Vec::new(), Vec::new());
    let (wild, exact): (Vec<&String>, Vec<&String>) = v.hosts.iter().partition(|h| h.starts_with('*'));
    for h in exact {
        match by_host.get(&h.to_lowercase()) {
            Some(i) => matched.push(*i),
            None => others.push(h.clone()),
        }
    }
    for h in wild {
        let h = h.to_lowercase();
        if v.semantics == Semantics::GatewayApi {
            match by_host.get(&h) {
                Some(i) => matched.push(*i),
                None => others.push(h),
            }
            continue;
        }
        let mut any = false;
        let mut found: Vec<u32> = Vec::new();
        for (name, i) in by_host.iter().filter(|(name, _)| host::overlaps(name, &h)) {
            any = true;
            if specific.get(name) == Some(&id) {
                found.push(*i);
            }
        }
        found.sort_unstable_by(|a, b| services[*a as usize].host.cmp(&services[*b as usize].host));
        matched.extend(found);
        if !any {
            others.push(h);
        }
    }
    matched.dedup();
    (others, matched)
}

/// The node that a Sidecar's listener stands at.
pub fn listener_origin<'a>(cx: &Context<'_, 'a>, node: Option<Node<'a>>) -> Option<Origin<'a>> {
    Some(Origin { object: cx.scope.sidecar?, node: node? })
}
