//! The listeners of a waypoint: the end of tunnels, what is inside, the start of tunnels.

use super::chains::{self, Chain, DIRECT_HTTP, DIRECT_TCP};
use super::matcher::{self, Reached};
use super::{MAIN, name, networks, tunnel};
use crate::protocol::Protocol;
use crate::translate::filters::{self, Class};
use crate::translate::registry::Resolution;
use crate::translate::{Context, Origin, Part, Piece, RegisteredService, Translation, inbound};
use mesh_envoy::api::{core, listener};
use std::collections::{BTreeMap, BTreeSet};

pub fn all<'a>(cx: &Context<'_, 'a>, out: &mut Translation<'a>) {
    out.listeners.push(Piece::fixed(tunnel::terminate(cx)));
    main(cx, out);
    out.listeners.push(Piece::fixed(tunnel::originate(cx, Class::Waypoint)));
    out.listeners.push(Piece::fixed(networks::inner(cx)));
    out.listeners.push(Piece::fixed(networks::outer(cx)));
}

/// What is spoken at a port, by all services that have it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Http,
    Bytes,
    Either,
}

fn main<'a>(cx: &Context<'_, 'a>, out: &mut Translation<'a>) {
    let mut chains: Vec<Chain<'a>> = Vec::new();
    let mut reached: Vec<Reached> = Vec::new();
    let mut spoken: BTreeMap<u16, Spoken> = BTreeMap::new();
    for service in cx.served() {
        let mut ports = BTreeMap::new();
        for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
            let [http, tcp] = ["http", "tcp"].map(|p| name(p, &service.host, port.number));
            let known = spoken.get(&port.number).copied();
            let (way, now) = match port.protocol {
                Protocol::Unsupported => {
                    chains.extend([chains::tcp(cx, service, port), chains::http(cx, service, port)]);
                    (matcher::by_protocol(&http, &tcp), Spoken::Either)
                }
                p if p.is_http() => {
                    chains.push(chains::http(cx, service, port));
                    (matcher::chain(&http), if known.is_none_or(|k| k == Spoken::Http) { Spoken::Http } else { Spoken::Either })
                }
                // Names in TLS are not resolved.
                p if p.is_tls() && service.is_wildcard() && service.resolution == Resolution::DynamicDns => continue,
                _ => {
                    chains.push(chains::tcp(cx, service, port));
                    (matcher::chain(&tcp), if known.is_none_or(|k| k == Spoken::Bytes) { Spoken::Bytes } else { Spoken::Either })
                }
            };
            ports.insert(port.number.to_string(), way);
            spoken.insert(port.number, now);
        }
        let addresses = cx.addresses_of(service);
        if !ports.is_empty() && !addresses.is_empty() {
            reached.push(Reached { addresses, on_match: matcher::by_port(ports) });
        }
    }
    chains.extend(chains::direct(cx));
    let workloads = cx.waypoint.as_ref().map(|w| w.workloads.clone()).unwrap_or_default();
    let any_port = !workloads.is_empty();
    if any_port {
        reached.push(Reached { addresses: workloads, on_match: matcher::by_protocol(DIRECT_HTTP, DIRECT_TCP) });
    }
    let known: Vec<u32> = spoken.iter().filter(|(_, s)| **s != Spoken::Either && !any_port).map(|(p, _)| u32::from(*p)).collect();
    let mut listener_filters =
        vec![filters::original_dst(), listener::ListenerFilter { filter_disabled: inbound::any_port(known), ..filters::http_inspector() }];
    listener_filters.extend(tls_inspector(cx));
    let parts = chains.iter().enumerate().filter_map(|(i, c)| Some((Part::FilterChain(i as u32), c.origin?))).collect();
    let mut origins: Vec<Origin<'a>> = Vec::new();
    for origin in chains.iter().filter_map(|c| c.origin) {
        if origins.iter().all(|o| !std::ptr::eq(o.object, origin.object)) {
            origins.push(origin);
        }
    }
    let mut filter_chains = Vec::new();
    for chain in chains {
        if !chain.routes.is_empty() {
            out.inline_routes.insert(chain.message.name.clone(), chain.routes);
        }
        filter_chains.push(chain.message);
    }
    let message = listener::Listener {
        traffic_direction: core::TrafficDirection::Inbound as i32,
        filter_chains,
        filter_chain_matcher: Some(Box::new(matcher::by_address(reached))),
        listener_filters,
        access_log: cx.records.of_listener(Class::Waypoint),
        ..tunnel::internal(MAIN)
    };
    out.listeners.push(Piece { message, origins, parts });
}

/// Where some port is TLS; but for ports where none is.
fn tls_inspector(cx: &Context<'_, '_>) -> Option<listener::ListenerFilter> {
    let ports = |is_tls: bool| {
        let of =
            move |s: &RegisteredService<'_>| s.ports.iter().filter(move |p| p.protocol.is_tls() == is_tls).map(|p| u32::from(p.number)).collect::<Vec<_>>();
        cx.served().flat_map(of).collect::<BTreeSet<u32>>()
    };
    let tls = ports(true);
    let others = ports(false).difference(&tls).copied().collect();
    (!tls.is_empty()).then(|| listener::ListenerFilter { filter_disabled: inbound::any_port(others), ..filters::tls_inspector() })
}
