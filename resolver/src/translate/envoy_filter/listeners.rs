//! Patches of listeners, their filter chains and filters.

use super::clusters::merge_socket;
use super::lists::{Placed, Target, edit};
use super::patch::{ApplyTo, Operation, Patch, Reason, Side};
use super::routes::{self, Track};
use super::{Run, add_origin};
use crate::translate::proxy::ProxyKind;
use crate::translate::{Context, Origin, Part, Piece, waypoint};
use mesh_envoy::api::hcm::{HttpConnectionManager, HttpFilter};
use mesh_envoy::api::listener::{Filter, FilterChain, Listener, ListenerFilter};
use mesh_envoy::api::{Any, core};
use serde_json::Value;

const MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// Stands, while a list is patched, where a filter would be of which meshctl does not know what it does.
const UNTOLD: &str = "meshctl/not-judged";

/// A filter of any sort: a name and a configuration.
trait Named: Default {
    fn parts(&self) -> (&String, Option<&Any>);
    fn parts_mut(&mut self) -> (&mut String, &mut Option<Any>);
    fn is_untold(&self) -> bool {
        self.parts().1.is_some_and(|c| c.type_url == UNTOLD)
    }
}

impl Named for Filter {
    fn parts(&self) -> (&String, Option<&Any>) {
        (&self.name, self.typed_config.as_ref())
    }
    fn parts_mut(&mut self) -> (&mut String, &mut Option<Any>) {
        (&mut self.name, &mut self.typed_config)
    }
}
impl Named for HttpFilter {
    fn parts(&self) -> (&String, Option<&Any>) {
        (&self.name, self.typed_config.as_ref())
    }
    fn parts_mut(&mut self) -> (&mut String, &mut Option<Any>) {
        (&mut self.name, &mut self.typed_config)
    }
}
impl Named for ListenerFilter {
    fn parts(&self) -> (&String, Option<&Any>) {
        (&self.name, self.typed_config.as_ref())
    }
    fn parts_mut(&mut self) -> (&mut String, &mut Option<Any>) {
        (&mut self.name, &mut self.typed_config)
    }
}

/// A filter of a patch; a stand-in where it is not known.
fn filter<N: Named + serde::de::DeserializeOwned>(run: &Run<'_>, i: usize) -> Option<N> {
    run.message(i).or_else(|| {
        let mut out = N::default();
        (*out.parts_mut().0, *out.parts_mut().1) = (run.patches[i].name.to_owned(), Some(Any { type_url: UNTOLD.to_owned(), value: Vec::new() }));
        Some(out)
    })
}

/// Merges a patch into a filter: its name, and its configuration with one of the same type.
fn merge_filter<N: Named>(run: &Run<'_>, i: usize, own: &mut N) -> bool {
    let Some(value) = run.value(i) else { return false };
    if own.is_untold() {
        run.leave_out(i, Reason { node: run.patches[i].node, what: "what it is merged into is not applied either".to_owned() });
        return false;
    }
    let (name, Some(config)) = own.parts_mut() else { return false };
    if let Some(patch) = value.get("typedConfig") {
        let Some(merged) = run.merge_any(i, config, patch) else { return false };
        *config = merged;
    }
    if let Some(new) = value["name"].as_str().filter(|n| !n.is_empty()) {
        *name = new.to_owned();
    }
    true
}

fn side(cx: &Context<'_, '_>, l: &Listener) -> Side {
    match cx.proxy.kind {
        ProxyKind::Router => Side::Gateway,
        ProxyKind::Waypoint => Side::Inbound,
        _ if l.traffic_direction == core::TrafficDirection::Inbound as i32 => Side::Inbound,
        _ => Side::Outbound,
    }
}

/// What became of one chain.
#[derive(Default)]
struct ChainTrack<'a> {
    origins: Vec<Origin<'a>>,
    patches: Vec<Origin<'a>>,
    /// HTTP filters that patches put there, by their places.
    filters: Vec<(u32, Origin<'a>)>,
}

/// `has_own_routes` tells the chains of a waypoint whose routes are of VirtualServices: istiod patches the others', those of
/// tunnels aside.
pub(super) fn apply<'a>(run: &Run<'a>, cx: &Context<'_, 'a>, pieces: &mut Vec<Piece<'a, Listener>>, has_own_routes: &dyn Fn(&str) -> bool) {
    pieces.retain_mut(|piece| {
        let is_of_tunnel = cx.proxy.kind == ProxyKind::Waypoint && piece.message.name != waypoint::MAIN;
        let is_left = |chain: &str| is_of_tunnel || has_own_routes(chain);
        stays(run, side(cx, &piece.message), piece, &is_left)
    });
    let sides: &[Side] = match cx.proxy.kind {
        ProxyKind::Router => &[Side::Gateway],
        ProxyKind::Waypoint => &[Side::Inbound],
        _ => &[Side::Inbound, Side::Outbound],
    };
    for side in sides {
        for (i, patch) in run.of(ApplyTo::Listener).filter(|(_, p)| p.operation == Operation::Add && p.adds_on(*side)) {
            if let Some(message) = run.message::<Listener>(i) {
                pieces.push(Piece { message, origins: vec![patch.origin()], parts: Vec::new() });
            }
        }
    }
}

/// Patches a listener; false where it is removed.
fn stays<'a>(run: &Run<'a>, side: Side, piece: &mut Piece<'a, Listener>, has_own_routes: &dyn Fn(&str) -> bool) -> bool {
    let l = &mut piece.message;
    let mut touched: Vec<Origin<'a>> = Vec::new();
    let mut chains: Vec<ChainTrack<'a>> = l.filter_chains.iter().map(|_| ChainTrack::default()).collect();
    let mut default = ChainTrack::default();
    for (part, origin) in &piece.parts {
        match *part {
            Part::FilterChain(i) => {
                if let Some(chain) = chains.get_mut(i as usize) {
                    chain.origins.push(*origin);
                }
            }
            Part::DefaultFilterChain => default.origins.push(*origin),
            _ => {}
        }
    }
    if side == Side::Inbound && run.has(routes::KINDS, side) {
        for (chain, track) in l.filter_chains.iter_mut().zip(&mut chains).filter(|(chain, _)| !has_own_routes(&chain.name)) {
            inline_routes(run, side, chain, track);
        }
    }
    for (i, p) in run.of(ApplyTo::Listener).filter(|(_, p)| p.is_for(side)) {
        if !p.matches_listener(l) {
            continue;
        }
        if run.removes(i) {
            return false;
        }
        let Some(lists) = p.operation.lists() else { continue };
        if run.merge(i, l, lists) {
            touched.push(p.origin());
            let of_patch = || ChainTrack { origins: vec![p.origin()], ..ChainTrack::default() };
            if lists == super::Lists::Replace && run.value(i).is_some_and(|v| v.get("filterChains").is_some()) {
                chains.clear();
            }
            chains.resize_with(l.filter_chains.len(), of_patch);
        }
    }
    listener_filters(run, side, l, &mut touched);
    let mut removed = vec![false; chains.len()];
    for at in 0..chains.len() {
        let mut chain = std::mem::take(&mut l.filter_chains[at]);
        removed[at] = !chain_stays(run, side, l, &mut chain, &mut chains[at], &mut touched);
        l.filter_chains[at] = chain;
    }
    if let Some(mut chain) = l.default_filter_chain.take()
        && chain_stays(run, side, l, &mut chain, &mut default, &mut touched)
    {
        l.default_filter_chain = Some(chain);
    }
    let added: Vec<_> = run.of(ApplyTo::FilterChain).filter(|(_, p)| p.operation == Operation::Add && p.is_for(side) && p.matches_listener(l)).collect();
    for (i, p) in added {
        if let Some(chain) = run.message::<FilterChain>(i) {
            l.filter_chains.push(chain);
            removed.push(false);
            chains.push(ChainTrack { origins: vec![p.origin()], ..ChainTrack::default() });
            touched.push(p.origin());
        }
    }
    let mut at = removed.iter();
    l.filter_chains.retain(|_| at.next() != Some(&true));
    let mut at = removed.iter();
    chains.retain(|_| at.next() != Some(&true));
    touched.extend(chains.iter().chain([&default]).flat_map(|c| c.patches.iter().copied()));
    if !touched.is_empty() {
        piece.parts = parts(&chains, &default);
        touched.into_iter().for_each(|o| add_origin(&mut piece.origins, o));
    }
    true
}

fn parts<'a>(chains: &[ChainTrack<'a>], default: &ChainTrack<'a>) -> Vec<(Part, Origin<'a>)> {
    let mut out: Vec<(Part, Origin<'a>)> = Vec::new();
    for (i, chain) in chains.iter().enumerate() {
        let i = i as u32;
        out.extend(chain.origins.iter().map(|o| (Part::FilterChain(i), *o)));
        out.extend(chain.filters.iter().map(|(j, o)| (Part::HttpFilter(i, *j), *o)));
        out.extend(chain.patches.iter().map(|o| (Part::ChainPatch(i), *o)));
    }
    out.extend(default.origins.iter().map(|o| (Part::DefaultFilterChain, *o)));
    out
}

/// Routes that stand in a connection manager.
fn inline_routes<'a>(run: &Run<'a>, side: Side, chain: &mut FilterChain, track: &mut ChainTrack<'a>) {
    for filter in &mut chain.filters {
        let Some(mut manager) = manager(filter) else { continue };
        let Some(configuration) = &mut manager.route_config else { continue };
        let mut of_routes = Track::new(configuration, &[]);
        let touched = routes::patch(run, side, &|_| Vec::new(), configuration, &mut of_routes);
        if !touched.is_empty() {
            filter.typed_config = Some(Any::pack(&manager));
            touched.into_iter().for_each(|o| add_origin(&mut track.patches, o));
        }
    }
}

fn manager(filter: &Filter) -> Option<HttpConnectionManager> {
    filter.typed_config.as_ref().filter(|_| filter.name == MANAGER)?.unpack()
}

fn listener_filters<'a>(run: &Run<'a>, side: Side, l: &mut Listener, touched: &mut Vec<Origin<'a>>) {
    if !run.has(&[ApplyTo::ListenerFilter], side) {
        return;
    }
    let mut list: Vec<Placed<'a, ListenerFilter>> = std::mem::take(&mut l.listener_filters).into_iter().map(|f| (f, None)).collect();
    for (i, p) in run.of(ApplyTo::ListenerFilter).filter(|(_, p)| p.is_for(side) && p.matches_listener(l)) {
        let before = list.len();
        match (p.operation, p.listener_filter()) {
            (Operation::Merge, Some(name)) => {
                for (f, _) in list.iter_mut().filter(|(f, _)| f.name == name) {
                    // istiod leaves the name as it is.
                    let own = f.name.clone();
                    if merge_filter(run, i, f) {
                        f.name = own;
                        touched.push(p.origin());
                    }
                }
            }
            (_, wanted) => change(run, &mut list, i, p, wanted),
        }
        if list.len() != before || list.iter().any(|(_, o)| o.is_some_and(|o| std::ptr::eq(o.object, p.object))) {
            touched.push(p.origin());
        }
    }
    l.listener_filters = list.into_iter().map(|(f, _)| f).filter(|f| !f.is_untold()).collect();
}

/// An insertion, replacement or removal by the name of a filter.
fn change<'a, N: Named + serde::de::DeserializeOwned>(run: &Run<'a>, list: &mut Vec<Placed<'a, N>>, i: usize, p: &Patch<'a>, wanted: Option<&str>) {
    let is_it = |f: &N| wanted == Some(f.parts().0);
    let target = if wanted.is_some() { Target::One(&is_it) } else { Target::Any };
    if p.operation == Operation::Remove && (!list.iter().any(|(f, _)| is_it(f)) || !run.removes(i)) {
        return;
    }
    edit(list, p.operation, &target, || filter(run, i), p.origin());
}

/// Patches a chain; false where it is removed.
fn chain_stays<'a>(run: &Run<'a>, side: Side, l: &Listener, chain: &mut FilterChain, track: &mut ChainTrack<'a>, touched: &mut Vec<Origin<'a>>) -> bool {
    for (i, p) in run.of(ApplyTo::FilterChain).filter(|(_, p)| p.is_for(side)) {
        if !p.matches_listener(l) || !p.matches_chain(l, chain) {
            continue;
        }
        if run.removes(i) {
            touched.push(p.origin());
            return false;
        }
        let Some(lists) = p.operation.lists() else { continue };
        let socket = |v: &Value| v.get("transportSocket").cloned();
        let done = match (run.value(i).and_then(socket), &mut chain.transport_socket) {
            (Some(new), Some(own)) if new["name"].as_str() == Some(own.name.as_str()) => merge_socket(run, i, own, &new),
            _ => run.merge(i, chain, lists),
        };
        if done {
            track.patches.push(p.origin());
        }
    }
    network_filters(run, side, l, chain, track);
    true
}

fn network_filters<'a>(run: &Run<'a>, side: Side, l: &Listener, chain: &mut FilterChain, track: &mut ChainTrack<'a>) {
    if !run.has(&[ApplyTo::NetworkFilter, ApplyTo::HttpFilter], side) {
        return;
    }
    let of = |kind: ApplyTo, chain: &FilterChain| -> Vec<usize> {
        run.of(kind).filter(|(_, p)| p.is_for(side) && p.matches_listener(l) && p.matches_chain(l, chain)).map(|(i, _)| i).collect()
    };
    let (network, http) = (of(ApplyTo::NetworkFilter, chain), of(ApplyTo::HttpFilter, chain));
    if network.is_empty() && http.is_empty() {
        return;
    }
    let mut list: Vec<Placed<'a, Filter>> = std::mem::take(&mut chain.filters).into_iter().map(|f| (f, None)).collect();
    for i in &network {
        let p = &run.patches[*i];
        let before = list.len();
        change(run, &mut list, *i, p, p.network_filter());
        if list.len() != before {
            add_origin(&mut track.patches, p.origin());
        }
    }
    for (filter, placed) in &mut list {
        for i in &network {
            let p = &run.patches[*i];
            if p.operation == Operation::Merge && p.network_filter().is_none_or(|n| n == filter.name) && merge_filter(run, *i, filter) {
                add_origin(&mut track.patches, p.origin());
            }
        }
        if let Some(origin) = placed {
            add_origin(&mut track.patches, *origin);
        }
        http_filters(run, &http, filter, track);
    }
    chain.filters = list.into_iter().map(|(f, _)| f).filter(|f| !f.is_untold()).collect();
}

fn http_filters<'a>(run: &Run<'a>, patches: &[usize], filter: &mut Filter, track: &mut ChainTrack<'a>) {
    let matching: Vec<usize> = patches.iter().copied().filter(|i| run.patches[*i].network_filter().is_none_or(|n| n == filter.name)).collect();
    let Some(mut manager) = (if matching.is_empty() { None } else { manager(filter) }) else { return };
    let mut list: Vec<Placed<'a, HttpFilter>> = std::mem::take(&mut manager.http_filters).into_iter().map(|f| (f, None)).collect();
    for i in &matching {
        let p = &run.patches[*i];
        let before = list.len();
        change(run, &mut list, *i, p, p.http_filter());
        if list.len() < before {
            add_origin(&mut track.patches, p.origin());
        }
    }
    for (own, placed) in &mut list {
        for i in &matching {
            let p = &run.patches[*i];
            if p.operation == Operation::Merge && p.http_filter().is_none_or(|n| n == own.name) && merge_filter(run, *i, own) {
                *placed = placed.or(Some(p.origin()));
                add_origin(&mut track.patches, p.origin());
            }
        }
    }
    list.retain(|(f, _)| !f.is_untold());
    for (at, (own, placed)) in list.into_iter().enumerate() {
        manager.http_filters.push(own);
        if let Some(origin) = placed {
            track.filters.push((at as u32, origin));
            add_origin(&mut track.patches, origin);
        }
    }
    filter.typed_config = Some(Any::pack(&manager));
}
