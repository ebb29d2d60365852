//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A VirtualService that Istio refuses: hosts, gateways and destinations that can't be, routes without
//! a target or with two, matches, retries, faults and header changes that can't be.
//!
//! **Why it matters.** The object never takes effect: requests go where they went before.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - route: [{destination: {host: api.example.com}}]
//!     redirect: {uri: /new}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - route: [{destination: {host: api.example.com}}]
//! ```
//!
//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** Deprecated spellings, and settings of a VirtualService without effect.
//!
//! **Why it matters.** They go away with a later release, or do nothing now.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - route: [{destination: {host: api.example.com}}]
//!     mirror: {host: api.example.com}
//!     mirrorPercent: 10
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - route: [{destination: {host: api.example.com}}]
//!     mirror: {host: api.example.com}
//!     mirrorPercentage: {value: 10}
//! ```

mod http;
mod layer4;
pub mod unreachable;

use crate::rule::{Context, Sink};
use crate::validation::{Checks, domain, each, given, http as header, net, strings, visibility};
use mesh_model::{Kind, Node};
use mesh_resolver::host;

pub(super) use http::check_retries;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::VirtualService, check);
}

/// What a VirtualService is bound to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Mesh,
    Gateway,
}

fn check<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    let delegate = spec.get("hosts").is_none_or(|h| h.is_sequence() && h.is_empty());
    if delegate {
        for (field, what) in [("gateways", "gateways"), ("tls", "TLS routes"), ("tcp", "TCP routes")] {
            if given(spec, field) {
                checks
                    .error(spec.get(field).unwrap_or(spec), format!("a VirtualService without `hosts` is a delegate, which has no {what}"))
                    .help("give it `hosts`, or leave the field to the VirtualService that delegates");
            }
        }
    }
    let bound = match given(spec, "gateways") && strings(spec, "gateways").all(|(_, g)| g != "mesh") {
        true => Bound::Gateway,
        false => Bound::Mesh,
    };
    check_gateway_names(checks, spec, Legacy::Warned);
    if bound == Bound::Mesh {
        check_claims(checks, spec);
    }
    check_hosts(checks, spec, bound);
    if !["http", "tcp", "tls"].iter().any(|k| spec.get(k).is_some_and(|l| !l.is_empty())) {
        checks.error(spec, "a VirtualService has none of `http`, `tcp` and `tls`");
    }
    let kind = if delegate { http::Place::Delegate } else { http::Place::Root };
    for route in spec.list("http") {
        if route.is_null() {
            checks.error(route, "an HTTP route is null");
        } else if route.is_mapping() {
            http::check(checks, route, kind);
        }
    }
    for route in spec.list("tls").filter(|r| r.is_mapping()) {
        layer4::check_tls(checks, route, spec);
    }
    for route in spec.list("tcp").filter(|r| r.is_mapping()) {
        layer4::check_tcp(checks, route);
    }
    visibility::check_export_to(checks, spec, None);
    unreachable::check(checks, spec);
}

/// JWT claims are known at gateways only.
fn check_claims<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    for m in spec.list("http").flat_map(|r| r.list("match")) {
        for field in ["headers", "withoutHeaders"] {
            for (key, _) in m.map(field).filter(|(k, _)| header::is_jwt_claim(k.text())) {
                checks
                    .error(key, format!("route matches the JWT claim `{}`, but the VirtualService is bound to the mesh", key.text()))
                    .help("claims can be matched at gateways; name them in `gateways`");
            }
        }
    }
}

fn check_hosts<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>, bound: Bound) {
    let hosts: Vec<(Node<'a>, &str)> = strings(spec, "hosts").collect();
    let sni = spec.list("tls").flat_map(|r| r.list("match")).any(|m| given(m, "sniHosts"));
    let mut all_valid = true;
    for (at, name) in &hosts {
        let judged = if bound == Bound::Gateway { domain::gateway_bound(sni, name) } else { domain::wildcard(name) };
        match judged {
            Err(why) if !net::is_ip(name) => {
                checks.error_once(&domain::fault_key(name), *at, why);
                all_valid = false;
            }
            Ok(()) if bound == Bound::Mesh && *name == "*" => {
                checks.error(*at, "host `*` is not allowed on the mesh").help("name the hosts, or bind the VirtualService to a gateway");
                all_valid = false;
            }
            _ => {}
        }
    }
    if !all_valid {
        return;
    }
    for (i, (_, a)) in hosts.iter().enumerate() {
        for (at, b) in hosts.iter().skip(i + 1).filter(|(_, b)| host::overlaps(a, b)) {
            checks.error(*at, format!("hosts `{a}` and `{b}` of one VirtualService overlap"));
        }
    }
}

/// Whether the old spelling `name.namespace` of a gateway is warned of. In the matches of HTTP and TCP routes Istio
/// accepts it silently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Legacy {
    Warned,
    Accepted,
}

/// `gateways`: `namespace/name`, or a bare name. Istio stops at the first bare one.
pub(super) fn check_gateway_names<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, legacy: Legacy) {
    for (at, gateway) in strings(node, "gateways") {
        let Some((namespace, name)) = gateway.split_once('/') else {
            if gateway.contains('.') && legacy == Legacy::Warned {
                let mut parts = gateway.split('.');
                let (name, namespace) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
                checks
                    .warn(at, format!("gateway `{gateway}` is in the old spelling `name.namespace`"))
                    .help(format!("write `{namespace}/{name}`"))
                    .fix_value(&format!("{namespace}/{name}"));
            }
            checks.valid(at, domain::fqdn(gateway));
            return;
        };
        if namespace.is_empty() || name.is_empty() {
            checks.error_once("half a gateway", at, format!("gateway `{gateway}` lacks its namespace or name"));
        }
        checks.valid(at, domain::label("namespace of a gateway", namespace));
        checks.valid(at, domain::label("gateway name", name));
    }
}
