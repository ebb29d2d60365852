//! ## MSH0410 ListenerNotSupported (Warning)
//!
//! **What it checks.** A listener of a Gateway that Istio implements has a protocol that Istio serves (HTTP, HTTPS, TLS,
//! TCP; HBONE for waypoints and east-west gateways), and the kinds of routes that it allows fit the protocol.
//!
//! **Why it matters.** A listener with another protocol is not served, and routes of a kind that does not fit are not
//! attached.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: dns, port: 53, protocol: UDP}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: private, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: TCPRoute}]}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {gatewayClassName: istio, listeners: [{name: dns, port: 53, protocol: TCP, allowedRoutes: {kinds: [{kind: TCPRoute}]}}]}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: waypoint, namespace: shop}
//! spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
//! ```

use super::listeners::{Listener, gateway_of, is_istio, listeners_of};
use super::refs::GROUP;
use crate::codes::MSH0410;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Object, Role};

const PROTOCOLS: [&str; 4] = ["HTTP", "HTTPS", "TLS", "TCP"];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for owner in [Kind::K8sGateway, Kind::ListenerSet].iter().flat_map(|k| cx.mesh.objects(*k)).copied().filter(|o| o.role == Role::Judged) {
        let Some(gateway) = gateway_of(cx, owner).filter(|g| is_istio(cx, g)) else { continue };
        for l in listeners_of(owner) {
            protocol(sink, gateway, &l);
            kinds(sink, &l);
        }
    }
}

fn protocol<'a>(sink: &mut Sink<'a>, gateway: &Object, l: &Listener<'a>) {
    let Some(at) = l.node.get("protocol") else { return };
    let class = gateway.spec().map_or("", |s| s.text_of("gatewayClassName"));
    let tunnel = at.text() == "HBONE" && class != "istio";
    if PROTOCOLS.contains(&at.text()) || tunnel {
        return;
    }
    let finding = sink.report(&MSH0410, l.owner, at, format!("Istio does not serve protocol `{}`: listener `{}` is not served", at.text(), l.name()));
    match PROTOCOLS.iter().find(|p| p.eq_ignore_ascii_case(at.text())) {
        Some(p) => finding.help(format!("write `{p}`")),
        None => finding.help("use HTTP, HTTPS, TLS or TCP"),
    };
}

fn kinds<'a>(sink: &mut Sink<'a>, l: &Listener<'a>) {
    let Some(fitting) = l.kinds_of_protocol() else { return };
    for kind in l.node.at(&["allowedRoutes", "kinds"]).into_iter().flat_map(mesh_model::Node::items) {
        let name = kind.text_of("kind");
        let group = kind.get("group").map_or(GROUP, mesh_model::Node::text);
        if name.is_empty() || (group == GROUP && fitting.contains(&name)) {
            continue;
        }
        sink.report(
            &MSH0410,
            l.owner,
            kind.get("kind").unwrap_or(kind),
            format!("listener `{}` can take no {name}: its protocol {} carries {}", l.name(), l.protocol(), fitting.join(" and ")),
        )
        .help("remove the kind, or use a listener of another protocol for it");
    }
}
