//! Patches of route configurations, their virtual hosts and routes.

use super::lists::{Target, edit};
use super::merge::Lists;
use super::patch::{ApplyTo, Operation, Side};
use super::{Run, add_origin};
use crate::translate::proxy::ProxyKind;
use crate::translate::{Context, Origin, Part, Piece};
use mesh_envoy::api::route::{Route, RouteConfiguration, VirtualHost};
use rustc_hash::FxHashSet;

pub(super) const KINDS: &[ApplyTo] = &[ApplyTo::RouteConfiguration, ApplyTo::VirtualHost, ApplyTo::HttpRoute];

/// Where a configuration's parts come from, beside it: each virtual host and route, and the patches of it.
#[derive(Default)]
pub(super) struct Track<'a> {
    /// Patches of the configuration as a whole.
    pub whole: Vec<Origin<'a>>,
    hosts: Vec<HostTrack<'a>>,
}

#[derive(Clone, Default)]
struct HostTrack<'a> {
    origins: Vec<Origin<'a>>,
    patches: Vec<Origin<'a>>,
    routes: Vec<RouteTrack<'a>>,
}

#[derive(Clone, Default)]
struct RouteTrack<'a> {
    origins: Vec<Origin<'a>>,
    patches: Vec<Origin<'a>>,
}

impl<'a> Track<'a> {
    /// Beside a configuration, of the parts of its piece.
    pub fn new(message: &RouteConfiguration, parts: &[(Part, Origin<'a>)]) -> Track<'a> {
        let mut out = Track::default();
        out.fit(message, None);
        for (part, origin) in parts {
            match *part {
                Part::VirtualHost(i) => {
                    if let Some(host) = out.hosts.get_mut(i as usize) {
                        host.origins.push(*origin);
                    }
                }
                Part::Route(i, j) => {
                    if let Some(route) = out.hosts.get_mut(i as usize).and_then(|h| h.routes.get_mut(j as usize)) {
                        route.origins.push(*origin);
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// Makes room for virtual hosts and routes that a patch has put at the ends.
    fn fit(&mut self, message: &RouteConfiguration, by: Option<Origin<'a>>) {
        let origins: Vec<Origin<'a>> = by.into_iter().collect();
        self.hosts.resize_with(message.virtual_hosts.len(), || HostTrack { origins: origins.clone(), ..HostTrack::default() });
        for (host, track) in message.virtual_hosts.iter().zip(&mut self.hosts) {
            track.routes.resize_with(host.routes.len(), || RouteTrack { origins: origins.clone(), ..RouteTrack::default() });
        }
    }

    fn all_patches(&self) -> impl Iterator<Item = Origin<'a>> + '_ {
        let of_hosts = self.hosts.iter().flat_map(|h| h.patches.iter().chain(h.routes.iter().flat_map(|r| r.patches.iter())));
        self.whole.iter().chain(of_hosts).copied()
    }

    fn parts(&self) -> Vec<(Part, Origin<'a>)> {
        let mut out = Vec::new();
        for (i, host) in self.hosts.iter().enumerate() {
            let i = i as u32;
            out.extend(host.origins.iter().map(|o| (Part::VirtualHost(i), *o)));
            out.extend(host.patches.iter().map(|o| (Part::HostPatch(i), *o)));
            for (j, route) in host.routes.iter().enumerate() {
                out.extend(route.origins.iter().map(|o| (Part::Route(i, j as u32), *o)));
                out.extend(route.patches.iter().map(|o| (Part::RoutePatch(i, j as u32), *o)));
            }
        }
        out
    }
}

pub(super) fn apply<'a>(run: &Run<'a>, cx: &Context<'_, 'a>, pieces: &mut [Piece<'a, RouteConfiguration>]) {
    let side = if cx.proxy.kind == ProxyKind::Router { Side::Gateway } else { Side::Outbound };
    if !run.has(KINDS, side) {
        return;
    }
    let ports = |number: u16| cx.gateway.as_ref().map(|g| g.server_ports(number)).unwrap_or_default();
    for piece in pieces {
        if !run.patches.iter().any(|p| KINDS.contains(&p.apply_to) && p.is_for(side) && p.matches_routes(side, &piece.message.name, &ports)) {
            continue;
        }
        let mut track = Track::new(&piece.message, &piece.parts);
        let touched = patch(run, side, &ports, &mut piece.message, &mut track);
        if !touched.is_empty() {
            piece.parts = track.parts();
            touched.into_iter().for_each(|o| add_origin(&mut piece.origins, o));
        }
    }
}

/// Patches one configuration; what did.
pub(super) fn patch<'a>(
    run: &Run<'a>,
    side: Side,
    ports: &dyn Fn(u16) -> Vec<u16>,
    message: &mut RouteConfiguration,
    track: &mut Track<'a>,
) -> Vec<Origin<'a>> {
    let mut touched: Vec<Origin<'a>> = Vec::new();
    let name = message.name.clone();
    let of = |kind: ApplyTo| run.of(kind).filter(|(_, p)| p.is_for(side) && p.matches_routes(side, &name, ports));
    for (i, p) in of(ApplyTo::RouteConfiguration) {
        let Some(lists) = p.operation.lists() else { continue };
        if run.merge(i, message, lists) {
            if lists == Lists::Replace && run.value(i).is_some_and(|v| v.get("virtualHosts").is_some()) {
                track.hosts.clear();
            }
            track.fit(message, Some(p.origin()));
            track.whole.push(p.origin());
        }
    }
    let mut removed: FxHashSet<String> = FxHashSet::default();
    for at in 0..message.virtual_hosts.len() {
        let mut stays = true;
        for (i, p) in of(ApplyTo::VirtualHost) {
            let host = &mut message.virtual_hosts[at];
            if !p.matches_host(&host.name) {
                continue;
            }
            match (p.operation, p.operation.lists()) {
                (Operation::Remove, _) if !run.removes(i) => {}
                (Operation::Remove, _) => {
                    removed.insert(host.name.clone());
                    touched.push(p.origin());
                    stays = false;
                    break;
                }
                (Operation::Replace, _) => {
                    if let Some(new) = run.message::<VirtualHost>(i) {
                        *host = new;
                        track.hosts[at] = HostTrack { origins: vec![p.origin()], ..HostTrack::default() };
                    }
                }
                (_, Some(lists)) if run.merge(i, host, lists) => {
                    track.hosts[at].patches.push(p.origin());
                    if lists == Lists::Replace && run.value(i).is_some_and(|v| v.get("routes").is_some()) {
                        track.hosts[at].routes.clear();
                    }
                }
                _ => {}
            }
            track.fit(message, Some(p.origin()));
        }
        if stays {
            let matching = |kind| of(kind).map(|(i, _)| i).collect::<Vec<_>>();
            routes(run, &matching(ApplyTo::HttpRoute), &mut message.virtual_hosts[at], &mut track.hosts[at], &mut touched);
        }
    }
    for (i, p) in of(ApplyTo::VirtualHost).filter(|(_, p)| p.operation == Operation::Add) {
        if let Some(new) = run.message::<VirtualHost>(i) {
            message.virtual_hosts.push(new);
            track.fit(message, Some(p.origin()));
            touched.push(p.origin());
        }
    }
    if !removed.is_empty() {
        let stays: Vec<bool> = message.virtual_hosts.iter().map(|h| !removed.contains(&h.name)).collect();
        keep(&mut message.virtual_hosts, &stays);
        keep(&mut track.hosts, &stays);
    }
    touched.extend(track.all_patches());
    touched.extend(track.hosts.iter().flat_map(|h| h.origins.iter().chain(h.routes.iter().flat_map(|r| &r.origins))).filter(|o| is_patch(run, **o)));
    touched
}

/// Whether something came of one of these patches.
fn is_patch(run: &Run<'_>, origin: Origin<'_>) -> bool {
    run.patches.iter().any(|p| std::ptr::eq(p.object, origin.object))
}

fn keep<T>(list: &mut Vec<T>, stays: &[bool]) {
    let mut at = stays.iter();
    list.retain(|_| at.next().copied().unwrap_or(true));
}

fn routes<'a>(run: &Run<'a>, matching: &[usize], host: &mut VirtualHost, track: &mut HostTrack<'a>, touched: &mut Vec<Origin<'a>>) {
    let matching: Vec<usize> = matching.iter().copied().filter(|i| run.patches[*i].matches_host(&host.name)).collect();
    if matching.is_empty() {
        return;
    }
    let mut stays = vec![true; host.routes.len()];
    for (at, route) in host.routes.iter_mut().enumerate() {
        for i in &matching {
            let p = &run.patches[*i];
            if !p.matches_route(route) {
                continue;
            }
            if run.removes(*i) {
                stays[at] = false;
                touched.push(p.origin());
                break;
            }
            if let Some(lists) = p.operation.lists()
                && run.merge(*i, route, lists)
            {
                track.routes[at].patches.push(p.origin());
            }
        }
    }
    keep(&mut host.routes, &stays);
    keep(&mut track.routes, &stays);
    // Elements with their origins, while others are put between them.
    let mut list: Vec<((Route, RouteTrack<'a>), Option<Origin<'a>>)> =
        std::mem::take(&mut host.routes).into_iter().zip(std::mem::take(&mut track.routes)).map(|r| (r, None)).collect();
    for i in &matching {
        let p = &run.patches[*i];
        let is_it = |(route, _): &(Route, RouteTrack<'a>)| p.matches_route(route);
        let is_insertion = matches!(p.operation, Operation::Add | Operation::InsertBefore | Operation::InsertAfter | Operation::InsertFirst);
        let is_missing = p.operation == Operation::InsertFirst && p.asks_for_route() && !list.iter().any(|(r, _)| is_it(r));
        if !is_insertion || is_missing {
            continue;
        }
        let target = if p.asks_for_route() { Target::One(&is_it) } else { Target::Any };
        let make = || Some((run.message::<Route>(*i)?, RouteTrack { origins: vec![p.origin()], ..RouteTrack::default() }));
        edit(&mut list, p.operation, &target, make, p.origin());
    }
    for ((route, of_route), _) in list {
        host.routes.push(route);
        track.routes.push(of_route);
    }
}
