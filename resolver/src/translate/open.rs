//! A translation that is kept, and brought up to date when an object changes: what a VirtualService's routes are made
//! into is remade in its places, and all else stays as it is. What is not provably local is left to a whole
//! translation.
//!
//! Local is a new content of a VirtualService for HTTP whose hosts, gateways and visibility are what they were, that
//! neither is nor has a delegate, and that leads to services which the proxy sees anyway: then which services stand on
//! which port, the names and domains of virtual hosts, clusters and listeners can't differ.

use super::registry::RegisteredService;
use super::route::{self, Place};
use super::scope::{Egress, destinations};
use super::virtual_host::{Stands, parts_of, service_on};
use super::virtual_service::{self, MESH, Semantics, VirtualService};
use super::{Context, Origin, Part, Proxy, ProxyKind, Translation, envoy_filter, not_judged};
use mesh_envoy::api::route as api;
use mesh_model::{Kind, Object};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

/// The configuration of one proxy with what it takes to change it.
pub struct Open<'c, 'a> {
    cx: Context<'c, 'a>,
    translation: Translation<'a>,
    /// By VirtualService.
    stands: FxHashMap<u32, Vec<(u32, u32)>>,
    /// VirtualServices that have changed since the model was read.
    changed: FxHashMap<u32, VirtualService<'a>>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revised {
    /// It is in the translation. Route configurations that differ now, by their indexes; of an object that the proxy
    /// does not look at, none.
    Done(Vec<u32>),
    /// It may reach further than can be told: the translation is what it was, and a whole one is needed.
    Whole,
}

/// The routes of one VirtualService on a port, each with its origin.
type Made<'a> = Vec<(api::Route, Origin<'a>)>;

impl<'c, 'a> Open<'c, 'a> {
    pub(super) fn new(mut cx: Context<'c, 'a>) -> Open<'c, 'a> {
        let mut list: Vec<Stands> = Vec::new();
        let translation = cx.translate(&mut list);
        let mut stands: FxHashMap<u32, Vec<(u32, u32)>> = FxHashMap::default();
        for (configuration, host, id) in list {
            stands.entry(id).or_default().push((configuration, host));
        }
        Open { cx, translation, stands, changed: FxHashMap::default() }
    }

    pub fn translation(&self) -> &Translation<'a> {
        &self.translation
    }
    pub fn proxy(&self) -> &Proxy {
        &self.cx.proxy
    }

    /// Takes in that `new` stands where `old` stood. `old` is an object of the model, or what was put in its place before.
    pub fn revise(&mut self, old: &Object, new: &'a Object) -> Revised {
        match self.prepare(old, new) {
            Some((id, v, made)) => self.commit(old, id, v, made),
            None => Revised::Whole,
        }
    }

    fn current(&self, id: u32) -> &VirtualService<'a> {
        self.changed.get(&id).unwrap_or(&self.cx.model.virtual_services[id as usize])
    }

    /// The VirtualService that an object is, if its places and no others hold what it says.
    fn find(&self, old: &Object) -> Option<u32> {
        let all = 0..u32::try_from(self.cx.model.virtual_services.len()).ok()?;
        let is_named = |id: &u32| {
            let v = self.current(*id);
            v.name == old.name() && v.namespace == old.namespace() && v.semantics == Semantics::Istio && std::ptr::eq(v.object, old)
        };
        all.into_iter().find(is_named)
    }

    /// What is to be put where; `None` where that is not all. Changes nothing.
    fn prepare(&self, old: &Object, new: &'a Object) -> Option<(u32, VirtualService<'a>, FxHashMap<u16, Made<'a>>)> {
        let cx = &self.cx;
        // Patches are taken in when all routes stand.
        let is_patched = || envoy_filter::patches_routes(cx);
        if cx.proxy.kind != ProxyKind::Sidecar || old.kind != Kind::VirtualService || !is_same_place(old, new) || is_patched() {
            return None;
        }
        let id = self.find(old)?;
        let before = self.current(id);
        let after = virtual_service::one(cx.model.mesh, new);
        let is_plain = |v: &VirtualService<'_>| {
            let own = |r: &virtual_service::HttpRoute<'_>| r.delegate.is_none() && r.object.is_some_and(|o| std::ptr::eq(o, v.object));
            v.tcp.is_empty() && v.tls.is_empty() && !v.hosts.is_empty() && v.http.iter().all(own)
        };
        let is_alike = before.hosts == after.hosts && before.gateways == after.gateways && before.export_to == after.export_to;
        if !is_alike || !is_plain(before) || !is_plain(&after) {
            return None;
        }
        for egress in cx.scope.egress.iter().filter(|e| e.virtual_services.contains(&id)) {
            let (old, new) = (destinations(before, &cx.proxy.namespace), destinations(&after, &cx.proxy.namespace));
            if old != new && !old.iter().chain(&new).all(|(host, _)| self.is_seen_anyway(egress, host)) {
                return None;
            }
        }
        // Where it has virtual hosts it must keep routes; where it has none because it had no routes, it must get none.
        let places = self.stands.get(&id).map_or(&[][..], Vec::as_slice);
        let mut made: FxHashMap<u16, Made<'a>> = FxHashMap::default();
        for (_, port) in places.iter().filter_map(|(c, _)| parts_of(&self.translation.routes[*c as usize].message.name)) {
            made.entry(port).or_insert_with(|| self.routes(&after, port).unwrap_or_default());
        }
        if made.values().any(Vec::is_empty) {
            return None;
        }
        let mut tried = FxHashSet::default();
        for (_, port) in self.translation.routes.iter().filter_map(|r| parts_of(&r.message.name)) {
            let is_in = || cx.scope.egress_for(port).is_some_and(|e| e.virtual_services.contains(&id));
            if made.contains_key(&port) || !tried.insert(port) || !is_in() {
                continue;
            }
            let is_none = |v: &VirtualService<'a>| self.routes(v, port).is_none_or(|r| r.is_empty());
            if is_none(before) != is_none(&after) {
                return None;
            }
        }
        Some((id, after, made))
    }

    /// Whether a host adds nothing to what the proxy sees: no service, or the only one of its name, which the listener
    /// has with all of its ports.
    fn is_seen_anyway(&self, egress: &Egress<'_, 'a>, host: &str) -> bool {
        let mut found = self.cx.model.registry.by_host(host).map(|(_, s)| s);
        let is_whole = |s: &RegisteredService<'a>| egress.services.iter().any(|e| matches!(e, Cow::Borrowed(b) if std::ptr::eq(*b, s)));
        match (found.next(), found.next()) {
            (None, _) => true,
            (Some(only), None) => is_whole(only),
            _ => false,
        }
    }

    fn routes(&self, v: &VirtualService<'a>, port: u16) -> Option<Made<'a>> {
        let egress = self.cx.scope.egress_for(port)?;
        let lookup = |name: &str| service_on(egress, port, name);
        Some(route::of_virtual_service(&self.cx, v, &Place { gateway: MESH, port, is_tls: false, lookup: &lookup }))
    }

    fn commit(&mut self, old: &Object, id: u32, v: VirtualService<'a>, made: FxHashMap<u16, Made<'a>>) -> Revised {
        let whole = Origin::whole(v.object);
        let replace = |origin: &mut Origin<'a>| {
            if std::ptr::eq(origin.object, old) {
                *origin = whole;
            }
        };
        let mut touched: Vec<u32> = Vec::new();
        for (configuration, host) in self.stands.get(&id).into_iter().flatten() {
            let piece = &mut self.translation.routes[*configuration as usize];
            let Some(routes) = parts_of(&piece.message.name).and_then(|(_, port)| made.get(&port)) else { continue };
            piece.message.virtual_hosts[*host as usize].routes = routes.iter().map(|(r, _)| r.clone()).collect();
            // Parts stand by virtual host.
            let of = |part: &Part| match part {
                Part::VirtualHost(i) | Part::Route(i, _) | Part::HostPatch(i) | Part::RoutePatch(i, _) => *i,
                Part::FilterChain(_) | Part::DefaultFilterChain | Part::HttpFilter(..) | Part::ChainPatch(_) => 0,
            };
            let (start, end) = (piece.parts.partition_point(|(p, _)| of(p) < *host), piece.parts.partition_point(|(p, _)| of(p) <= *host));
            let mut parts: Vec<(Part, Origin<'a>)> = piece.parts[start..end].iter().filter(|(p, _)| matches!(p, Part::VirtualHost(_))).copied().collect();
            parts.iter_mut().for_each(|(_, origin)| replace(origin));
            parts.extend(routes.iter().enumerate().map(|(j, (_, origin))| (Part::Route(*host, j as u32), *origin)));
            piece.parts.splice(start..end, parts);
            if touched.last() != Some(configuration) {
                piece.origins.iter_mut().for_each(replace);
                touched.push(*configuration);
            }
        }
        let list = &mut self.translation.not_judged;
        list.retain(|n| n.origin.is_none_or(|o| !std::ptr::eq(o.object, old)));
        if self.cx.scope.egress.iter().any(|e| e.virtual_services.contains(&id)) {
            list.extend(not_judged::of_fields(v.object));
        }
        not_judged::in_order(list);
        self.changed.insert(id, v);
        Revised::Done(touched)
    }
}

/// Whether one object may stand for the other: everything but its content is the same.
fn is_same_place(old: &Object, new: &Object) -> bool {
    old.kind == new.kind
        && old.role == new.role
        && old.cluster == new.cluster
        && old.creation() == new.creation()
        && old.namespace() == new.namespace()
        && old.name() == new.name()
}
