//! TLS and TCP routes, and destinations.

use super::{Legacy, check_gateway_names};
use crate::validation::{Checks, domain, given, has, has_text, int, labels, message, net, strings, text};
use mesh_model::Node;
use mesh_resolver::host;

pub fn check_tls<'a>(checks: &mut Checks<'a, '_>, route: Node<'a>, spec: Node<'a>) {
    if !given(route, "match") {
        checks.error(route, "a TLS route has no `match`").help("TLS routes are chosen by `sniHosts`");
    }
    for m in route.list("match") {
        if m.is_null() {
            checks.error(m, "a match of a TLS route is null");
        } else if m.is_mapping() {
            check_tls_match(checks, m, spec);
        }
    }
    if !given(route, "route") {
        checks.error(route, "a TLS route has no `route`");
    }
    check_destinations(checks, route);
}

fn check_tls_match<'a>(checks: &mut Checks<'a, '_>, m: Node<'a>, spec: Node<'a>) {
    if !given(m, "sniHosts") {
        checks.error(m, "a match of a TLS route has no `sniHosts`");
    }
    // Generated SNI hosts are allowed unless the mesh is named, even where no gateway is.
    let on_mesh = strings(spec, "gateways").any(|(_, g)| g == "mesh");
    for (at, sni) in strings(m, "sniHosts") {
        let judged = if on_mesh { domain::wildcard(sni) } else { domain::gateway_bound(true, sni) };
        if let Err(why) = judged {
            if net::is_ip(sni) {
                checks.warn(at, format!("SNI host `{sni}` is an IP address, which clients do not send as SNI"));
            } else {
                checks.error_once(&domain::fault_key(sni), at, why);
            }
        } else if !strings(spec, "hosts").any(|(_, h)| host::covers(h, sni)) {
            checks
                .error(at, format!("SNI host `{sni}` is none of the hosts of the VirtualService"))
                .help("SNI hosts are hosts of the VirtualService, or narrower");
        }
    }
    check_l4_match(checks, m, Legacy::Warned);
}

pub fn check_tcp<'a>(checks: &mut Checks<'a, '_>, route: Node<'a>) {
    for m in route.list("match") {
        if m.is_null() {
            checks.error(m, "a match of a TCP route is null");
        } else if m.is_mapping() {
            check_l4_match(checks, m, Legacy::Accepted);
        }
    }
    if !given(route, "route") {
        checks.error(route, "a TCP route has no `route`");
    }
    check_destinations(checks, route);
}

fn check_l4_match<'a>(checks: &mut Checks<'a, '_>, m: Node<'a>, legacy: Legacy) {
    for (at, subnet) in strings(m, "destinationSubnets") {
        checks.valid(at, net::ip_or_cidr(subnet));
    }
    if let Some(port) = int(m, "port").filter(|p| *p != 0) {
        checks.valid(m.get("port").unwrap_or(m), net::port(port));
    }
    labels::check(checks, m, "sourceLabels");
    check_gateway_names(checks, m, legacy);
}

/// The weighted destinations under `route`.
pub fn check_destinations<'a>(checks: &mut Checks<'a, '_>, route: Node<'a>) {
    let mut total = 0;
    let mut count = 0;
    for entry in route.list("route") {
        count += 1;
        if entry.is_null() {
            checks.error(entry, "a destination of a route is null");
            continue;
        }
        if !entry.is_mapping() {
            continue;
        }
        if !has(entry, "destination") {
            checks.error(entry, "an entry of `route` has no `destination`");
        }
        super::http::check_headers(checks, entry);
        if let Some(d) = message(entry, "destination") {
            check_destination(checks, d);
        }
        let weight = int(entry, "weight").unwrap_or(0);
        if weight < 0 {
            checks.error(entry.get("weight").unwrap_or(entry), format!("weight {weight} is below zero"));
        }
        total += weight;
    }
    if count > 1 && total == 0 {
        checks.error(route.get("route").unwrap_or(route), "the weights of several destinations add up to 0").help("give each destination a `weight`");
    }
}

pub fn check_destination<'a>(checks: &mut Checks<'a, '_>, destination: Node<'a>) {
    let host = text(destination, "host");
    let at = destination.get("host").unwrap_or(destination);
    if host == "*" {
        checks.error(at, "destination host `*` is no service");
    } else if destination.get("host").is_none_or(|h| h.str().is_some()) {
        checks.valid_domain(at, domain::wildcard(host));
    }
    if has_text(destination, "subset") {
        checks.valid(destination.get("subset").unwrap_or(destination), domain::label("subset name", text(destination, "subset")));
    }
    if let Some(port) = message(destination, "port")
        && port.get("number").is_none_or(|n| n.int().is_some())
    {
        checks.valid(port.get("number").unwrap_or(port), net::port(int(port, "number").unwrap_or(0)));
    }
}
