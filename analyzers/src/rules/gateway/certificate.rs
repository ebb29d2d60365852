//! ## IST0138 GatewayDuplicateCertificate (Warning)
//!
//! **What it checks.** Two Gateways for the same workloads use the same certificate.
//!
//! **Why it matters.** Browsers reuse an HTTP/2 connection for every host of its certificate. Requests for a host of
//! the other Gateway then arrive on the wrong connection and get 404.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: a, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: [a.example.com], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: wildcard}}]
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: b, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: [b.example.com], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: wildcard}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: all, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: [a.example.com, b.example.com], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: wildcard}}]
//! ```

use super::picked::{Pairs, selector};
use crate::codes::IST0138;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object};
use rustc_hash::{FxHashMap, FxHashSet};

/// A secret's name, or the files of a certificate and its key.
type Certificate<'a> = (&'a str, &'a str);

struct User<'a> {
    gateway: &'a Object,
    at: Node<'a>,
    selector: Pairs<'a>,
}

/// So many others are named one by one.
const NAMED: usize = 20;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut users: FxHashMap<Certificate<'a>, Vec<User<'a>>> = FxHashMap::default();
    let mut order = Vec::new();
    for gateway in cx.mesh.objects(Kind::Gateway).iter().copied() {
        for tls in gateway.spec().into_iter().flat_map(|s| s.list("servers")).filter_map(|s| s.get("tls")) {
            let Some((certificate, at)) = certificate(tls) else { continue };
            let list = users.entry(certificate).or_default();
            if list.is_empty() {
                order.push(certificate);
            }
            if !list.last().is_some_and(|u| std::ptr::eq(u.gateway, gateway)) {
                list.push(User { gateway, at, selector: selector(gateway).pairs });
            }
        }
    }
    let mut reported: FxHashSet<(*const Object, *const Object)> = FxHashSet::default();
    for certificate in order {
        let Some(list) = users.get(&certificate).filter(|l| l.len() > 1) else { continue };
        for user in list {
            let others = list.iter().filter(|o| !std::ptr::eq(o.gateway, user.gateway) && user.selector.iter().all(|p| o.selector.contains(p)));
            for other in others.take(NAMED) {
                if reported.insert((std::ptr::from_ref(user.gateway), std::ptr::from_ref(other.gateway))) {
                    sink.report(
                        &IST0138,
                        user.gateway,
                        user.at,
                        format!(
                            "Gateway `{}` uses certificate `{}` too: a reused HTTP/2 connection reaches the wrong one and gets 404",
                            other.gateway.full_name(),
                            certificate.0
                        ),
                    )
                    .help("put the hosts of one certificate into one Gateway, or use a certificate for each")
                    .related(other.gateway, other.at, "used here too");
                }
            }
        }
    }
}

fn certificate(tls: Node<'_>) -> Option<(Certificate<'_>, Node<'_>)> {
    if let Some(name) = tls.get("credentialName").filter(|n| !n.text().is_empty()) {
        return Some(((name.text(), ""), name));
    }
    let file = tls.get("serverCertificate").filter(|n| !n.text().is_empty())?;
    let key = tls.get("privateKey").filter(|n| !n.text().is_empty())?;
    Some(((file.text(), key.text()), file))
}
