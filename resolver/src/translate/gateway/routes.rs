//! The route configurations of a gateway.

use super::{MergedGateway, Server};
use crate::host;
use crate::translate::registry::RegisteredService;
use crate::translate::route::{self, Place};
use crate::translate::scope::virtual_services_on;
use crate::translate::virtual_service::VirtualService;
use crate::translate::{Context, Origin, Part, Piece};
use mesh_envoy::api::route as api;
use rustc_hash::FxHashMap;
use std::cmp::Ordering;

/// A virtual host of a gateway; its routes are those of VirtualServices, each once.
struct Host<'a> {
    name: String,
    requires_tls: bool,
    /// Indexes into the groups of routes.
    groups: Vec<usize>,
    origin: Origin<'a>,
}

type Group<'a> = Vec<(api::Route, Origin<'a>)>;

pub fn routes<'a>(cx: &Context<'_, 'a>) -> Vec<Piece<'a, api::RouteConfiguration>> {
    let Some(gateway) = &cx.gateway else { return Vec::new() };
    let mut out: Vec<Piece<'a, api::RouteConfiguration>> = Vec::new();
    for (name, servers) in &gateway.by_routes {
        out.push(configuration(cx, gateway, name, servers));
    }
    out.sort_by(|a, b| a.message.name.cmp(&b.message.name));
    out
}

/// Longest first, then by name; wildcards last.
fn by_specificity(a: &str, b: &str) -> Ordering {
    (a.starts_with('*'), std::cmp::Reverse(a.len()), a).cmp(&(b.starts_with('*'), std::cmp::Reverse(b.len()), b))
}

fn configuration<'a>(cx: &Context<'_, 'a>, gateway: &MergedGateway<'a>, name: &str, servers: &[usize]) -> Piece<'a, api::RouteConfiguration> {
    let mut hosts: FxHashMap<String, Host<'a>> = FxHashMap::default();
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut known: FxHashMap<(String, u32), usize> = FxHashMap::default();
    let mut origins = Vec::new();
    for s in servers.iter().map(|i| &gateway.servers[*i]) {
        let server = &s.server;
        let origin = Origin { object: s.object, node: server.node };
        origins.push(origin);
        for id in virtual_services_on(cx.model, &cx.proxy.namespace, &s.gateway) {
            let v = &cx.model.virtual_services[id as usize];
            let shared = intersection(server, v);
            if shared.is_empty() {
                continue;
            }
            let group = match known.get(&(s.gateway.clone(), id)) {
                Some(g) => *g,
                None => {
                    let lookup = |h: &str| service_for(cx, h, v.namespace);
                    let place = Place { gateway: &s.gateway, port: server.number, is_tls: server.tls.is_some(), lookup: &lookup };
                    let routes = route::of_virtual_service(cx, v, &place);
                    if routes.is_empty() {
                        continue;
                    }
                    groups.push(routes);
                    known.insert((s.gateway.clone(), id), groups.len() - 1);
                    groups.len() - 1
                }
            };
            for h in shared {
                let h = h.to_lowercase();
                let host = hosts.entry(h.clone()).or_insert_with(|| Host {
                    name: format!("{h}:{}", server.number),
                    requires_tls: false,
                    groups: Vec::new(),
                    origin: Origin::whole(v.object),
                });
                host.groups.push(group);
                host.requires_tls |= server.redirects();
            }
        }
        for h in server.hosts.iter().filter(|_| server.redirects()) {
            let h = h.to_lowercase();
            let new = Host { name: format!("{h}:{}", server.number), requires_tls: true, groups: Vec::new(), origin };
            hosts.entry(h).or_insert(new).requires_tls = true;
        }
    }
    let mut message = api::RouteConfiguration {
        name: name.to_owned(),
        validate_clusters: Some(false),
        max_direct_response_body_size_bytes: Some(1024 * 1024),
        ignore_port_in_host_matching: true,
        ..Default::default()
    };
    let mut parts = Vec::new();
    if hosts.is_empty() {
        let port = servers.first().map_or(0, |i| gateway.servers[*i].server.number);
        message.virtual_hosts.push(api::VirtualHost { name: format!("blackhole:{port}"), domains: vec!["*".into()], ..Default::default() });
        return Piece { message, origins, parts };
    }
    // Hosts with the very same routes are one, named by the most specific.
    let mut order: Vec<&String> = hosts.keys().collect();
    order.sort_by(|a, b| by_specificity(a, b));
    let mut merged: Vec<(&Host<'a>, Vec<String>)> = Vec::new();
    for h in order {
        let host = &hosts[h];
        match merged.iter_mut().find(|(m, _)| m.groups == host.groups && m.requires_tls == host.requires_tls) {
            Some((_, domains)) => domains.push(h.clone()),
            None => merged.push((host, vec![h.clone()])),
        }
    }
    merged.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    for (i, (host, domains)) in merged.into_iter().enumerate() {
        let all: Vec<&(api::Route, Origin<'a>)> = host.groups.iter().flat_map(|g| &groups[*g]).collect();
        // What takes everything goes last, whoever wrote it.
        let (last, first): (Vec<_>, Vec<_>) = all.into_iter().partition(|(r, _)| route::is_catch_all(r));
        let routes: Vec<_> = first.into_iter().chain(last).collect();
        parts.push((Part::VirtualHost(i as u32), host.origin));
        parts.extend(routes.iter().enumerate().map(|(j, (_, o))| (Part::Route(i as u32, j as u32), *o)));
        message.virtual_hosts.push(api::VirtualHost {
            name: host.name.clone(),
            domains,
            routes: routes.iter().map(|(r, _)| r.clone()).collect(),
            require_tls: if host.requires_tls { api::VirtualHostTlsRequirementType::All as i32 } else { 0 },
            include_request_attempt_count: true,
            ..Default::default()
        });
    }
    Piece { message, origins, parts }
}

/// The hosts that a server and a VirtualService share: of two that overlap the narrower.
fn intersection(server: &Server<'_>, v: &VirtualService<'_>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut add = |h: &str| {
        if out.iter().all(|o| o != h) {
            out.push(h.to_owned());
        }
    };
    for h in server.hosts.iter().filter_map(|h| super::in_namespace(h, v.namespace)) {
        for vh in &v.hosts {
            if host::covers(vh, h) {
                add(h);
            } else if host::covers(h, vh) {
                add(vh);
            }
        }
    }
    out
}

/// The service of a host: of the VirtualService's namespace where the proxy sees it, else as the proxy sees it.
fn service_for<'a>(cx: &Context<'_, 'a>, host: &str, namespace: &str) -> Option<RegisteredService<'a>> {
    let registry = &cx.model.registry;
    let own = registry.by_host(host).map(|(_, s)| s).find(|s| s.namespace == namespace && registry.is_visible(cx.model.mesh, s, &cx.proxy.namespace));
    own.or_else(|| cx.scope.service(host)).cloned()
}
