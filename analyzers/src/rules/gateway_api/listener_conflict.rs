//! ## MSH0407 ListenerConflict (Warning)
//!
//! **What it checks.** Listeners of one Gateway, those of its ListenerSets included, that exclude each other: the same
//! port and hostname, or TCP beside HTTP or TLS on one port. What its definition refuses in one object is left to MSH0506.
//!
//! **Why it matters.** The Gateway's own listeners win, then the oldest ListenerSet's; the other listener is not served.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - {name: web, port: 8080, protocol: HTTP, hostname: shop.example.com}
//!   - {name: database, port: 8080, protocol: TCP}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - {name: web, port: 8080, protocol: HTTP, hostname: shop.example.com}
//!   - {name: api, port: 8080, protocol: HTTP, hostname: api.example.com}
//!   - {name: database, port: 5432, protocol: TCP}
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! A ListenerSet that is not in the input may be older, and take the port from the first.
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: g, namespace: edge}
//! spec:
//!   gatewayClassName: istio
//!   allowedListeners: {namespaces: {from: Same}}
//!   listeners: [{name: web, port: 80, protocol: HTTP}]
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: ListenerSet
//! metadata: {name: a, namespace: edge}
//! spec: {parentRef: {name: g}, listeners: [{name: x, port: 90, protocol: TCP}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: ListenerSet
//! metadata: {name: b, namespace: edge}
//! spec: {parentRef: {name: g}, listeners: [{name: x, port: 90, protocol: HTTP, hostname: a.com}]}
//! ```

use super::listeners::{Listener, admits, gateway_of, listeners_of};
use crate::codes::MSH0407;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Object};
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut sets: FxHashMap<(&str, &str), Vec<&'a Object>> = FxHashMap::default();
    for set in cx.mesh.objects(Kind::ListenerSet).iter().copied() {
        let Some(gateway) = gateway_of(cx, set) else { continue };
        let allowed = admits(cx, gateway.spec_at(&["allowedListeners", "namespaces"]), "None", gateway.namespace(), set.namespace());
        if allowed == Some(true) {
            sets.entry((gateway.namespace(), gateway.name())).or_default().push(set);
        }
    }
    for gateway in cx.mesh.objects(Kind::K8sGateway).iter().copied() {
        let mut own = sets.remove(&(gateway.namespace(), gateway.name())).unwrap_or_default();
        own.sort_by_key(|s| (s.creation(), s.namespace(), s.name()));
        check(cx, sink, std::iter::once(gateway).chain(own));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carries {
    /// TCP or UDP alone: one listener a port.
    Connections,
    /// Told apart by hostname.
    Hosts,
}

fn carries(l: &Listener<'_>) -> Option<Carries> {
    match l.protocol() {
        "TCP" => Some(Carries::Connections),
        "HTTP" | "HTTPS" | "TLS" => Some(Carries::Hosts),
        _ => None,
    }
}

/// The listeners that are served on a port.
#[derive(Default)]
struct OnPort<'a> {
    first: Option<(Carries, Listener<'a>)>,
    by_hostname: FxHashMap<&'a str, Listener<'a>>,
}

fn check<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, owners: impl Iterator<Item = &'a Object>) {
    let mut ports: FxHashMap<i64, OnPort<'a>> = FxHashMap::default();
    for l in owners.flat_map(listeners_of) {
        let (Some(port), Some(own)) = (l.port().filter(|p| *p > 0), carries(&l)) else { continue };
        let on_port = ports.entry(port).or_default();
        match (on_port.first, own) {
            (None, _) => on_port.first = Some((own, l)),
            (Some((other, winner)), _) if other != own || own == Carries::Connections => {
                // An older ListenerSet that is not in the input may take the port from the winner, and leave it to this one.
                if cx.mesh.is_complete() || other == own || winner.owner.kind == Kind::K8sGateway {
                    report(sink, &l, &winner, port);
                } else {
                    sink.not_judged(NotJudged::ObjectOutside);
                }
                continue;
            }
            _ => {}
        }
        if own == Carries::Hosts {
            // A listener without a hostname takes all that the others leave.
            match on_port.by_hostname.entry(if l.hostname() == "*" { "" } else { l.hostname() }) {
                Entry::Vacant(free) => {
                    free.insert(l);
                }
                Entry::Occupied(winner) => report(sink, &l, winner.get(), port),
            }
        }
    }
}

fn report<'a>(sink: &mut Sink<'a>, l: &Listener<'a>, winner: &Listener<'a>, port: i64) {
    let same_owner = std::ptr::eq(l.owner, winner.owner);
    if same_owner && l.protocol() == winner.protocol() {
        return;
    }
    let whose = if same_owner { String::new() } else { format!(" of {} `{}`", winner.owner.kind_name(), winner.owner.full_name()) };
    let (at, why) = if l.protocol() != winner.protocol() {
        (l.node.get("protocol"), format!("speaks {} where it speaks {}", winner.protocol(), l.protocol()))
    } else if l.protocol() == "TCP" {
        (l.node.get("port"), "carries TCP, of which a port can have one".to_owned())
    } else if l.hostname().is_empty() {
        (l.node.get("port"), "takes every hostname too".to_owned())
    } else {
        (l.node.get("hostname"), format!("serves `{}` too", l.hostname()))
    };
    sink.report(
        &MSH0407,
        l.owner,
        at.unwrap_or(l.node),
        format!("listener `{}` is not served: on port `{port}` listener `{}`{whose} {why}", l.name(), winner.name()),
    )
    .help("give one of them another port or, between HTTP, HTTPS and TLS, another hostname")
    .related(winner.owner, winner.node, "this one is served");
}
