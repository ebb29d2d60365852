//! References to things that are not in the input: broken, or not judged.
//!
//! ## MSH0002 ProbableMisspelling (Warning)
//!
//! **What it checks.** In a part of a mesh a reference leads out of the input, and something of nearly that name is in
//! it: a host, a gateway, a subset, a secret; or a gateway of that very name that stands in another namespace and serves
//! the VirtualService's hosts. Where the input owns the place that is referred to, the reference is
//! reported as broken (IST0101) instead.
//!
//! **Why it matters.** A reference to nothing is as good as none: its requests get 503, or its rule has no effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: partner, namespace: shop}
//! spec: {hosts: [partner.example.com], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: partner, namespace: shop}
//! spec: {hosts: [partner.example.com], http: [{route: [{destination: {host: parnter.example.com}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: partner, namespace: shop}
//! spec: {hosts: [partner.example.com], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: partner, namespace: shop}
//! spec: {hosts: [partner.example.com], http: [{route: [{destination: {host: partner.example.com}}]}]}
//! ```
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*.example.com"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: shop, namespace: shop}
//! spec: {hosts: [shop.example.com], gateways: [public], http: [{directResponse: {status: 204}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*.example.com"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: shop, namespace: shop}
//! spec: {hosts: [shop.example.com], gateways: [edge/public], http: [{directResponse: {status: 204}}]}
//! ```

use crate::codes::{self, Code};
use crate::rule::{Context, NotJudged, Sink};
use crate::spelling;
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Place, host};

/// A reference whose target was not found.
pub struct Missing<'a, 'm> {
    pub code: &'static Code,
    pub object: &'a Object,
    pub at: Node<'a>,
    /// What sort of thing, as a person says it: `host`, `gateway`, `subset`.
    pub what: &'m str,
    pub value: &'m str,
    pub place: Place<'m>,
    pub reason: NotJudged,
}

/// Reports a missing target as broken when the input owns the place; otherwise as a probable misspelling where
/// one of `candidates` is near (MSH0002), and else counts it as not judged.
pub fn missing<'a, 'c>(cx: &Context<'a>, sink: &mut Sink<'a>, m: &Missing<'a, '_>, message: String, candidates: impl IntoIterator<Item = &'c str>) {
    let near = spelling::nearest(m.value, candidates).map(str::to_owned);
    if may_be_there(cx, m) {
        sink.not_judged(m.reason);
    } else if cx.mesh.owns(m.object, m.place) {
        let finding = sink.report(m.code, m.object, m.at, message);
        if let Some(near) = near {
            finding.help(format!("did you mean `{near}`?"));
            fix_scalar(finding, m.at, &near);
        }
    } else if let Some(near) = near {
        let finding = sink.report(&codes::MSH0002, m.object, m.at, format!("{} `{}` is not in the input, but `{near}` is", m.what, m.value));
        finding.help(format!("did you mean `{near}`? Otherwise give the objects it refers to as well, or with `--world`"));
        fix_scalar(finding, m.at, &near);
    } else {
        sink.not_judged(m.reason);
    }
}

/// Whether the target may be what is in the input for another namespace, as one of the two names none.
fn may_be_there(cx: &Context<'_>, m: &Missing<'_, '_>) -> bool {
    match m.place {
        Place::Objects(kind, namespace) => cx.mesh.may_hold(m.object, kind, namespace, m.value.rsplit('/').next().unwrap_or(m.value)),
        // Behind a namespace in hosts of Sidecars.
        Place::Hosts(_) => {
            let fqdn = host::expand(m.value.rsplit('/').next().unwrap_or(m.value), m.object.namespace(), cx.mesh.domain);
            host::split_service(&fqdn, cx.mesh.domain).is_some_and(|(name, namespace)| cx.mesh.may_hold(m.object, Kind::Service, namespace, name))
        }
        Place::Workloads(_) => false,
    }
}

/// Reports a host that no visible Service or ServiceEntry has. `m.value` is the host as written, `m.place` is
/// worked out here.
pub fn missing_host<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, m: &Missing<'a, '_>, message: String) {
    let namespace = m.object.namespace();
    let fqdn = host::expand(m.value, namespace, cx.mesh.domain);
    let m = Missing { place: cx.mesh.host_place(&fqdn), ..*m };
    if let Some(full) = half_qualified(cx, m.value) {
        let finding = if cx.mesh.owns(m.object, m.place) {
            sink.report(m.code, m.object, m.at, message)
        } else {
            sink.report(&codes::MSH0002, m.object, m.at, format!("{} `{}` is taken as a full name, not as a Service of the cluster", m.what, m.value))
        };
        finding.help(format!("Istio expands only names without a dot; write `{full}`"));
        fix_scalar(finding, m.at, &full);
        return;
    }
    match host::split_service(&fqdn, cx.mesh.domain) {
        Some((_, ns)) if m.value.contains('.') => {
            missing(cx, sink, &m, message, cx.mesh.services.in_namespace(ns).flat_map(|s| s.hosts.iter().map(String::as_str)));
        }
        Some((_, ns)) => missing(
            cx,
            sink,
            &m,
            message,
            cx.mesh.services.in_namespace(ns).flat_map(|s| &s.hosts).filter_map(|h| host::split_service(h, cx.mesh.domain)).map(|(name, _)| name),
        ),
        None => missing(cx, sink, &m, message, cx.mesh.services.in_namespace(namespace).flat_map(|s| s.hosts.iter().map(String::as_str))),
    }
}

/// `reviews.shop` and `reviews.shop.svc` where the full name is a Service that exists.
fn half_qualified(cx: &Context<'_>, host: &str) -> Option<String> {
    let short = host.strip_suffix(".svc").unwrap_or(host);
    let (name, namespace) = short.split_once('.').filter(|(_, ns)| !ns.contains('.'))?;
    let full = host::expand(name, namespace, cx.mesh.domain);
    let exists = cx.mesh.services_everywhere().by_host(&full).next().is_some();
    exists.then(|| full.into_owned())
}

/// Offers another value for a scalar, where it is written plainly.
pub fn fix_scalar<'a>(finding: &mut crate::Finding<'a>, at: Node<'a>, value: &str) {
    if at.is_scalar() && !at.text().is_empty() && at.source().slice(at.span()) == at.text() {
        finding.fix(format!("replace with `{value}`"), at.span(), value);
    }
}
