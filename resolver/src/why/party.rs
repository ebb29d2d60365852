//! A proxy on the way of a request: what it holds, and where each piece of that was written.

use super::answer::{Miss, Thing};
use crate::held::{Held, entry_inbound, entry_outbound};
use crate::mesh::Mesh;
use crate::translate::{Model, Origin, Part, Proxy, ProxyKind, Translation};
use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::recorder::PassedOver;
use mesh_envoy::engine::request::Entry;
use mesh_envoy::engine::walk::Verdict;
use mesh_envoy::rbac::PolicyName;
use mesh_model::{Kind, Node, Object};
use std::borrow::Cow;
use std::net::IpAddr;

/// Kinds whose rules become routes.
const ROUTING: &[Kind] = &[Kind::VirtualService, Kind::HttpRoute, Kind::GrpcRoute];

pub(super) struct Party<'w, 'a> {
    /// `Kind namespace/name` of a workload, or the name in a dump.
    pub name: String,
    pub workload: Option<u32>,
    pub proxy: Option<Proxy>,
    /// What the manifests make of it; `None` where only a dump is given.
    pub translation: Option<Translation<'a>>,
    pub configuration: Cow<'w, Configuration>,
    pub held: Option<&'w Held>,
    pub addresses: Vec<IpAddr>,
    /// SPIFFE id.
    pub principal: String,
    pub namespace: String,
}

impl<'w, 'a> Party<'w, 'a> {
    /// The proxy of a workload as the manifests make it; what it holds instead, where its dump is given.
    pub fn of_workload(model: &Model<'_, 'a>, id: u32, held: Option<&'w Held>) -> Party<'w, 'a> {
        let w = model.mesh.workloads.get(id);
        let proxy = model.proxy_of(id);
        let translation = model.translate(&proxy);
        let configuration = match held {
            Some(held) => Cow::Borrowed(&held.configuration),
            // What the translation makes is of a form that can be read.
            None => Cow::Owned(Configuration::read(&translation.resources()).unwrap_or_default()),
        };
        let given = proxy.addresses.iter().filter_map(|a| a.parse().ok());
        let addresses = held.map(|h| h.addresses.clone()).filter(|a| !a.is_empty()).unwrap_or_else(|| given.collect());
        Party {
            name: w.object.origin(),
            workload: Some(id),
            addresses,
            principal: format!("spiffe://{}/ns/{}/sa/{}", model.mesh.config.trust_domain(), w.namespace, w.service_account()),
            namespace: w.namespace.to_owned(),
            translation: Some(translation),
            configuration,
            held,
            proxy: Some(proxy),
        }
    }

    /// A proxy that stands before no workload: as the manifests make it, or as its dump says.
    pub fn of_proxy(model: &Model<'_, 'a>, name: String, proxy: Proxy, principal: String, held: Option<&'w Held>) -> Party<'w, 'a> {
        let translation = model.translate(&proxy);
        let configuration = match held {
            Some(held) => Cow::Borrowed(&held.configuration),
            None => Cow::Owned(Configuration::read(&translation.resources()).unwrap_or_default()),
        };
        Party {
            name,
            workload: None,
            addresses: proxy.addresses.iter().filter_map(|a| a.parse().ok()).collect(),
            principal,
            namespace: proxy.namespace.clone(),
            translation: Some(translation),
            configuration,
            held,
            proxy: Some(proxy),
        }
    }

    /// A proxy of which nothing but its dump is known.
    pub fn of_dump(mesh: &Mesh<'_>, held: &'w Held, assumptions: &mut Vec<String>) -> Party<'w, 'a> {
        Party {
            name: held.name.clone(),
            workload: None,
            proxy: None,
            translation: None,
            configuration: Cow::Borrowed(&held.configuration),
            addresses: held.addresses.clone(),
            principal: held.principal(mesh.config.trust_domain(), assumptions),
            namespace: held.namespace.clone(),
            held: Some(held),
        }
    }

    pub fn is_waypoint(&self) -> bool {
        self.proxy.as_ref().is_some_and(|p| p.kind == ProxyKind::Waypoint)
    }

    pub fn is_gateway(&self) -> bool {
        match &self.proxy {
            Some(proxy) => proxy.kind == ProxyKind::Router,
            None => entry_outbound(&self.configuration) == Entry::Direct,
        }
    }
    pub fn entry_outbound(&self) -> Entry {
        entry_outbound(&self.configuration)
    }
    pub fn entry_inbound(&self) -> Entry {
        entry_inbound(&self.configuration)
    }

    /// Whether its dump is an excerpt without the listener that takes captured connections.
    pub fn lacks_capture(&self) -> bool {
        self.held.is_some() && !self.is_gateway() && !self.configuration.listeners.iter().any(|l| l.hands_off)
    }

    pub fn listener(&self, name: &str) -> Option<Thing> {
        let piece = self.translation.as_ref()?.listeners.iter().find(|l| l.message.name == name)?;
        piece.origins.first().map(|o| Thing::at(o.object, o.node))
    }

    /// The EnvoyFilter that an HTTP filter of the taken chain comes from, or its configuration for the taken route.
    pub fn filter(&self, verdict: &Verdict, name: &str) -> Option<Thing> {
        let translation = self.translation.as_ref()?;
        let has_it = |o: &&Origin<'a>| o.object.kind == Kind::EnvoyFilter && names_filter(o.node, name);
        let routes = translation.routes.iter().find(|r| r.message.name == verdict.route_configuration);
        let of_route = routes.and_then(|piece| {
            let host = u32::try_from(piece.message.virtual_hosts.iter().position(|h| h.name == verdict.virtual_host)?).ok()?;
            let route = u32::try_from(verdict.route_index?).ok()?;
            let of = |part: Part| piece.parts.iter().rev().find(|(p, o)| *p == part && has_it(&o)).map(|(_, o)| *o);
            of(Part::RoutePatch(host, route)).or_else(|| of(Part::HostPatch(host))).or_else(|| piece.origins.iter().rev().find(has_it).copied())
        });
        // A proxy of one machine may bind its chains to listeners of their own: then the chain alone tells.
        let of_listener = |is_named: bool| {
            translation.listeners.iter().filter(|l| !is_named || l.message.name == verdict.listener).find_map(|piece| {
                // Chains of one port share a name.
                let is_chain = |i: u32| piece.message.filter_chains.get(i as usize).is_some_and(|c| c.name == verdict.filter_chain);
                let is_of_chain = |p: &Part| matches!(*p, Part::ChainPatch(i) | Part::HttpFilter(i, _) if is_chain(i));
                // The last patch that names it: what is merged into it, or into the route, comes behind what puts it there.
                piece.parts.iter().rev().filter(|(p, _)| is_of_chain(p)).map(|(_, o)| o).find(has_it).copied()
            })
        };
        of_route.or_else(|| of_listener(true)).or_else(|| of_listener(false)).map(|o| Thing::at(o.object, o.node))
    }

    /// Where the route that was taken is written: its match or its rule.
    pub fn route(&self, verdict: &Verdict) -> Option<Origin<'a>> {
        let translation = self.translation.as_ref()?;
        if let Some(inline) = translation.inline_routes.get(&verdict.route_configuration) {
            return inline.get(verdict.route_index?).copied();
        }
        let piece = translation.routes.iter().find(|r| r.message.name == verdict.route_configuration)?;
        let host = piece.message.virtual_hosts.iter().position(|h| h.name == verdict.virtual_host)?;
        self.route_at(piece.message.name.as_str(), host, verdict.route_index?)
    }
    /// The objects whose rules stand in the virtual host that was taken: the one that it is made of, be it of delegates alone, and theirs.
    pub fn rules_of_host(&self, verdict: &Verdict) -> Vec<&'a Object> {
        let Some(piece) = self.translation.as_ref().and_then(|t| t.routes.iter().find(|r| r.message.name == verdict.route_configuration)) else {
            return Vec::new();
        };
        let host = piece.message.virtual_hosts.iter().position(|h| h.name == verdict.virtual_host).and_then(|i| u32::try_from(i).ok());
        let is_of_host = |p: Part| matches!(p, Part::Route(h, _) | Part::VirtualHost(h) if Some(h) == host);
        let of_host = piece.parts.iter().filter(|(p, o)| is_of_host(*p) && ROUTING.contains(&o.object.kind));
        let mut out: Vec<&'a Object> = Vec::new();
        for (_, origin) in of_host {
            if !out.iter().any(|o| std::ptr::eq(*o, origin.object)) {
                out.push(origin.object);
            }
        }
        out
    }
    fn route_at(&self, configuration: &str, host: usize, index: usize) -> Option<Origin<'a>> {
        let piece = self.translation.as_ref()?.routes.iter().find(|r| r.message.name == configuration)?;
        let part = Part::Route(u32::try_from(host).ok()?, u32::try_from(index).ok()?);
        piece.parts.iter().find(|(p, _)| *p == part).map(|(_, o)| *o)
    }

    /// What a cluster was made of: the port, then the subset, then the rules.
    pub fn cluster(&self, name: &str) -> &[Origin<'a>] {
        let piece = self.translation.as_ref().and_then(|t| t.clusters.iter().find(|c| c.message.name == name));
        piece.map_or(&[], |p| &p.origins)
    }

    /// Candidates that were passed over, the nearest first, with where they are written.
    pub fn misses(&self, mesh: &Mesh<'a>, passed: &[PassedOver]) -> Vec<Miss> {
        let of = |p: &PassedOver| {
            let policy = PolicyName::parse(&p.candidate.name).and_then(|n| policy(mesh, &n));
            let thing = policy.or_else(|| named(mesh, &p.candidate.source));
            let name = PolicyName::parse(&p.candidate.name).map_or_else(|| p.candidate.name.clone(), |n| n.to_string());
            Miss { name, thing, why: p.why.clone() }
        };
        passed.iter().map(of).collect()
    }
}

/// Whether a patch puts in, merges or configures a filter of a name.
fn names_filter(patch: Node<'_>, name: &str) -> bool {
    let Some(value) = patch.at(&["patch", "value"]) else { return false };
    value.text_of("name") == name || value.map("typed_per_filter_config").any(|(k, _)| k.text() == name)
}

/// The object that Envoy's metadata names, with its place where the input holds it.
pub(super) fn named(mesh: &Mesh<'_>, source: &str) -> Option<Thing> {
    let thing = Thing::of_metadata(source)?;
    Some(placed(mesh, thing))
}

fn placed(mesh: &Mesh<'_>, thing: Thing) -> Thing {
    let found = (|| {
        let (kind, rest) = thing.object.split_once(' ')?;
        let (namespace, name) = rest.split_once('/')?;
        let groups = ["networking.istio.io", "security.istio.io", "gateway.networking.k8s.io"];
        groups.iter().map(|g| Kind::find(g, kind)).filter(|k| *k != Kind::Other).find_map(|k| mesh.find(k, namespace, name))
    })();
    found.map_or(thing, Thing::whole)
}

/// The rule of an AuthorizationPolicy that an RBAC policy was made of.
pub(super) fn policy(mesh: &Mesh<'_>, name: &PolicyName<'_>) -> Option<Thing> {
    let bare =
        Thing { object: format!("AuthorizationPolicy {}/{}", name.namespace, name.name), place: String::new(), field: format!("spec.rules[{}]", name.rule) };
    let Some(object) = mesh.find(Kind::AuthorizationPolicy, name.namespace, name.name) else { return Some(bare) };
    let rule = |o: &'_ Object| -> Option<Thing> {
        let n: usize = name.rule.parse().ok()?;
        let node: Node<'_> = o.spec()?.list("rules").nth(n)?;
        Some(Thing::at(o, node))
    };
    Some(rule(object).unwrap_or_else(|| Thing::whole(object)))
}
