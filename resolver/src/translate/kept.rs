//! A translation that follows another, of an input that was read again: what can't differ is not made again.
//!
//! Two models stand side by side for a moment; of the older one nothing is borrowed. What a piece is made of decides
//! whether it is taken over:
//!
//! - the clusters and endpoints of a service, unless the service is seen otherwise, a DestinationRule for its host or
//!   something behind the services of its namespace differs;
//! - the outbound listeners of a sidecar, unless a service, a DestinationRule, a VirtualService for bytes or the Sidecar
//!   does; its inbound ones, unless a policy or something behind its services does;
//! - the route configurations of a sidecar, all or none.
//!
//! A proxy that EnvoyFilters patch has nothing taken over. What reaches everything (EnvoyFilters, the mesh configuration,
//! Namespaces, Nodes, kinds of the Gateway API, …) has the whole translation made again, and [`Renewed::whole`] says why.

use super::cluster;
use super::differences::Differences;
use super::outbound;
use super::records::Records;
use super::registry::{RegisteredService, Resolution};
use super::supposed::Addresses;
use super::{Alike, Context, ControlPlane, Model, Piece, Proxy, ProxyKind, Translation, endpoints_of, envoy_filter, gateway, inbound, virtual_host};
use crate::host;
use crate::protocol::Protocol;
use crate::service::ServiceKind;
use mesh_envoy::api::{cluster::Cluster, endpoint::ClusterLoadAssignment, listener::Listener, route::RouteConfiguration};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Messages of one sort, after a change.
#[derive(Clone, Debug)]
pub enum Section<'a, M> {
    /// Every one is what it was.
    Same,
    /// All of them, in their order.
    Changed(Vec<Entry<'a, M>>),
}

#[derive(Clone, Debug)]
pub enum Entry<'a, M> {
    /// The message of this name is what it was.
    Same(String),
    New(Piece<'a, M>),
}

/// A translation in terms of the one before it.
#[derive(Debug)]
pub struct Renewed<'a> {
    pub clusters: Section<'a, Cluster>,
    pub endpoints: Section<'a, ClusterLoadAssignment>,
    pub listeners: Section<'a, Listener>,
    pub routes: Section<'a, RouteConfiguration>,
    /// Why everything was made again, where it was: `Namespace shop differs`.
    pub whole: Option<String>,
    /// What the next one needs to know of this one.
    pub kept: Kept,
}

/// What a translation was made of, as far as that decides what of it can be taken over. It borrows nothing.
#[derive(Clone, Debug)]
pub struct Kept {
    alike: Alike,
    control_plane: ControlPlane,
    base: Base,
    /// They stand in every listener.
    records: Records,
    /// Of a gateway: services have endpoints by server names too.
    passes_through: bool,
    services: Vec<Arc<OfService>>,
    by_host: FxHashMap<String, usize>,
    /// Names of the outbound listeners of a sidecar, and of the route configurations that they ask for.
    outbound: Vec<String>,
    asked: BTreeSet<String>,
}

/// What every piece is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Base {
    domain: String,
    addresses: Addresses,
    networks: String,
    asked_labels: Vec<String>,
}

/// A service, and what was made of it.
#[derive(Debug)]
struct OfService {
    seen: Seen,
    clusters: Vec<String>,
    endpoints: Vec<String>,
}

/// A service as a proxy sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    host: String,
    namespace: String,
    name: String,
    kind: ServiceKind,
    addresses: [String; 2],
    ports: Vec<(u16, String, Protocol, String)>,
    resolution: Resolution,
    is_external: bool,
    aliases: Vec<String>,
}

impl Seen {
    fn of(service: &RegisteredService<'_>, proxy: &Proxy) -> Seen {
        Seen {
            host: service.host.clone(),
            namespace: service.namespace.to_owned(),
            name: service.name.to_owned(),
            kind: service.kind,
            addresses: [service.address.clone(), service.address_for(proxy).to_owned()],
            ports: service.ports.iter().map(|p| (p.number, p.name.to_owned(), p.protocol, p.target.to_owned())).collect(),
            resolution: service.resolution,
            is_external: service.is_external,
            aliases: service.aliases.clone(),
        }
    }
}

impl<'a> Model<'_, 'a> {
    /// The configuration of one proxy; where one was made for it, or for a proxy that was alike, of an earlier reading,
    /// only what may differ is made. The messages are those of [`Model::translate_as`], name by name.
    pub fn renew(&self, proxy: &Proxy, control_plane: ControlPlane, before: Option<(&Kept, &Differences)>) -> Renewed<'a> {
        let base = Base {
            domain: self.mesh.domain.to_owned(),
            addresses: self.registry.addresses(),
            networks: self.networks.described(),
            asked_labels: self.asked_labels.iter().map(|l| (*l).to_owned()).collect(),
        };
        let alike = self.alike(proxy).without_targets();
        let mut cx = self.context_as(proxy, control_plane);
        // Patches are taken into what stands, and there is no telling which of it they reached.
        let is_patched = envoy_filter::is_patched(self, proxy);
        let whole = before.and_then(|(kept, differences)| kept.barrier(differences, &base, &alike, &cx));
        let whole = whole.or_else(|| (is_patched && before.is_some()).then(|| "EnvoyFilters patch it".to_owned()));
        let before = before.filter(|_| whole.is_none());
        let mut renewed = Renewing { cx: &mut cx, before }.run(alike, base);
        renewed.whole = whole;
        if is_patched {
            patch(&cx, &mut renewed);
        }
        renewed
    }
}

/// Takes the patches of EnvoyFilters into a translation that is new as a whole.
fn patch<'a>(cx: &Context<'_, 'a>, renewed: &mut Renewed<'a>) {
    let mut whole = Translation {
        clusters: pieces(&mut renewed.clusters),
        routes: pieces(&mut renewed.routes),
        listeners: pieces(&mut renewed.listeners),
        ..Translation::default()
    };
    envoy_filter::apply(cx, &mut whole);
    let Translation { clusters, routes, listeners, .. } = whole;
    renewed.clusters = Section::Changed(clusters.into_iter().map(Entry::New).collect());
    renewed.routes = Section::Changed(routes.into_iter().map(Entry::New).collect());
    renewed.listeners = Section::Changed(listeners.into_iter().map(Entry::New).collect());
}

fn pieces<'a, M>(section: &mut Section<'a, M>) -> Vec<Piece<'a, M>> {
    match std::mem::replace(section, Section::Same) {
        Section::Same => Vec::new(),
        Section::Changed(list) => list.into_iter().filter_map(|e| if let Entry::New(piece) = e { Some(piece) } else { None }).collect(),
    }
}

impl Kept {
    /// Why nothing can be taken over.
    fn barrier(&self, differences: &Differences, base: &Base, alike: &Alike, cx: &Context<'_, '_>) -> Option<String> {
        if let Some(why) = differences.whole() {
            return Some(why.to_owned());
        }
        if self.alike != *alike || self.control_plane != cx.control_plane {
            return Some("the proxy differs".to_owned());
        }
        if self.base != *base {
            return Some("networks, localities or the domain differ".to_owned());
        }
        if self.records != cx.records {
            return Some("access logs or traces differ".to_owned());
        }
        // Of names that would have the same supposed address one has another.
        let moves = !differences.services.is_empty() || !differences.workloads.is_empty();
        (base.addresses == Addresses::Supposed && moves).then(|| "addresses are supposed, and services or workloads differ".to_owned())
    }
}

fn whole<M>(pieces: Vec<Piece<'_, M>>) -> Section<'_, M> {
    Section::Changed(pieces.into_iter().map(Entry::New).collect())
}

struct Renewing<'r, 'c, 'a> {
    cx: &'r mut Context<'c, 'a>,
    before: Option<(&'r Kept, &'r Differences)>,
}

/// Hosts that DestinationRules which differ are for.
struct Rules(Vec<String>);

impl Rules {
    fn touch(&self, name: &str) -> bool {
        self.0.iter().any(|h| h == name || host::overlaps(h, name))
    }
}

impl<'a> Renewing<'_, '_, 'a> {
    fn run(mut self, alike: Alike, base: Base) -> Renewed<'a> {
        if self.cx.proxy.kind == ProxyKind::Router {
            self.cx.gateway = gateway::merge(self.cx);
        }
        let mut kept = Kept {
            alike,
            control_plane: self.cx.control_plane,
            base,
            records: self.cx.records.clone(),
            passes_through: self.cx.gateway.as_ref().is_some_and(gateway::MergedGateway::has_auto_passthrough),
            services: Vec::new(),
            by_host: FxHashMap::default(),
            outbound: Vec::new(),
            asked: BTreeSet::new(),
        };
        if self.cx.proxy.kind == ProxyKind::Waypoint {
            let all = super::waypoint::translate(self.cx);
            return Renewed {
                clusters: whole(all.clusters),
                endpoints: whole(all.endpoints),
                listeners: whole(all.listeners),
                routes: whole(all.routes),
                whole: self.before.map(|_| "what a waypoint holds is always made again".to_owned()),
                kept,
            };
        }
        let (clusters, endpoints) = self.clusters(&mut kept);
        let listeners = self.listeners(&mut kept);
        let routes = self.routes(&kept);
        Renewed { clusters, endpoints, listeners, routes, whole: None, kept }
    }

    fn is(&self, holds: impl Fn(&Kept, &Differences) -> bool) -> bool {
        self.before.is_some_and(|(kept, d)| holds(kept, d))
    }

    /// Whether nothing differs behind the proxy's own ports.
    fn serves_the_same(&self) -> bool {
        self.is(|_, d| d.services.is_empty() && d.workloads.is_empty() && d.rules.is_empty() && !d.sidecars)
    }

    fn sees_the_same(&self, kept: &Kept) -> bool {
        self.is(|before, _| before.services.len() == kept.services.len() && before.services.iter().zip(&kept.services).all(|(a, b)| a.seen == b.seen))
    }

    fn clusters(&mut self, kept: &mut Kept) -> (Section<'a, Cluster>, Section<'a, ClusterLoadAssignment>) {
        let (mut clusters, mut endpoints) = (Vec::new(), Vec::new());
        let (mut names, mut all_same) = (FxHashSet::default(), self.serves_the_same());
        let expand = |(namespace, host): &(String, String)| host::expand(host, namespace, self.cx.model.mesh.domain).into_owned();
        let rules = Rules(self.before.map(|(_, d)| d.rules.iter().map(expand).collect()).unwrap_or_default());
        let root = self.cx.model.mesh.config.root_namespace();
        for i in 0..self.cx.scope.services.len() {
            let service = self.cx.scope.services[i].clone();
            let seen = Seen::of(&service, &self.cx.proxy);
            let namespace = service.namespace;
            let is_left_alone = |d: &Differences| {
                !d.services.contains(namespace)
                    && !d.workloads.contains(namespace)
                    && !d.peers.contains(namespace)
                    && !d.peers.contains(root)
                    && !rules.touch(&service.host)
            };
            let before = self.before.filter(|(before, d)| before.passes_through == kept.passes_through && is_left_alone(d));
            let known = before.and_then(|(before, _)| before.services.get(*before.by_host.get(&service.host)?));
            let of_service = match known.filter(|k| k.seen == seen) {
                Some(known) => {
                    clusters.extend(known.clusters.iter().filter(|n| names.insert((*n).clone())).cloned().map(Entry::Same));
                    endpoints.extend(known.endpoints.iter().cloned().map(Entry::Same));
                    Arc::clone(known)
                }
                None => {
                    all_same = false;
                    let mut made = Vec::new();
                    cluster::of_service(self.cx, &service, &mut made);
                    let own = endpoints_of(self.cx, &service);
                    let of_service = OfService {
                        seen,
                        clusters: made.iter().map(|p| p.message.name.clone()).collect(),
                        endpoints: own.iter().map(|p| p.message.cluster_name.clone()).collect(),
                    };
                    clusters.extend(made.into_iter().filter(|p| names.insert(p.message.name.clone())).map(Entry::New));
                    endpoints.extend(own.into_iter().map(Entry::New));
                    Arc::new(of_service)
                }
            };
            kept.by_host.insert(of_service.seen.host.clone(), kept.services.len());
            kept.services.push(of_service);
        }
        if all_same && self.sees_the_same(kept) && !kept.passes_through {
            return (Section::Same, Section::Same);
        }
        let mut rest = Vec::new();
        cluster::rest(self.cx, &mut rest);
        clusters.extend(rest.into_iter().filter(|p| names.insert(p.message.name.clone())).map(Entry::New));
        (Section::Changed(clusters), Section::Changed(endpoints))
    }

    fn listeners(&self, kept: &mut Kept) -> Section<'a, Listener> {
        if self.cx.proxy.kind == ProxyKind::Router {
            if self.is(|_, d| d.is_empty()) {
                return Section::Same;
            }
            return Section::Changed(gateway::listeners(self.cx).into_iter().map(Entry::New).collect());
        }
        let follows_pods = || self.cx.scope.services.iter().any(|s| s.resolution == Resolution::Passthrough);
        let is_outbound_same = self.is(|_, d| {
            d.services.is_empty()
                && d.rules.is_empty()
                && !d.sidecars
                && !d.routes_of_bytes
                && (d.workloads.is_empty() || !follows_pods())
                && (!d.routes || self.sees_the_same(kept))
        });
        let is_inbound_same = self.serves_the_same() && self.is(|_, d| d.peers.is_empty() && !d.policies);
        let mut out = Vec::new();
        match self.before.filter(|_| is_outbound_same) {
            Some((before, _)) => {
                kept.outbound.clone_from(&before.outbound);
                kept.asked.clone_from(&before.asked);
                if is_inbound_same {
                    return Section::Same;
                }
                out.extend(kept.outbound.iter().cloned().map(Entry::Same));
            }
            None => {
                let (made, asked) = outbound::listeners(self.cx);
                kept.outbound = made.iter().map(|p| p.message.name.clone()).collect();
                kept.asked = asked;
                out.extend(made.into_iter().map(Entry::New));
            }
        }
        out.extend(inbound::listeners(self.cx).into_iter().map(Entry::New));
        Section::Changed(out)
    }

    fn routes(&self, kept: &Kept) -> Section<'a, RouteConfiguration> {
        let is_router = self.cx.proxy.kind == ProxyKind::Router;
        let is_same = match is_router {
            true => self.is(|_, d| d.is_empty()),
            false => {
                self.is(|before, d| !d.routes && d.services.is_empty() && !d.sidecars && !d.hashes && before.asked == kept.asked) && self.sees_the_same(kept)
            }
        };
        if is_same {
            return Section::Same;
        }
        let made = if is_router { gateway::routes(self.cx) } else { virtual_host::route_configurations(self.cx, &kept.asked, &mut Vec::new()) };
        Section::Changed(made.into_iter().map(Entry::New).collect())
    }
}
