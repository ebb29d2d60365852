//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A ServiceEntry that Istio refuses: no host or a host that can't be, addresses, endpoints and ports
//! that don't fit the resolution.
//!
//! **Why it matters.** The object never takes effect: the mesh does not know the service.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: ["*.example.com"]
//!   ports: [{number: 443, name: tls, protocol: TLS}]
//!   resolution: DNS
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   ports: [{number: 443, name: tls, protocol: TLS}]
//!   resolution: DNS
//! ```
//!
//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** A ServiceEntry that is accepted but probably not what was meant: partial wildcards, selectors without
//! labels or without use, TCP ports without addresses.
//!
//! **Why it matters.** Traffic may match more or less than was meant.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: ["*-api.example.com"]
//!   ports: [{number: 443, name: tls, protocol: TLS}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: ["*.example.com"]
//!   ports: [{number: 443, name: tls, protocol: TLS}]
//! ```

use super::workload_entry::{self, Addresses};
use crate::rule::{Context, Sink};
use crate::validation::{Checks, Protocol, domain, each, given, int, labels, message, messages, net, protocol, strings, text, visibility};
use mesh_model::{Kind, Node};
use rustc_hash::FxHashSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::ServiceEntry, check);
}

fn check<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    let selector = message(spec, "workloadSelector");
    if let Some(selector) = selector
        && labels::check_selector(checks, selector, "labels")
    {
        return;
    }
    if let Some(selector) = selector.filter(|s| labels::is_empty_selector(*s, "labels")) {
        checks.warn(selector, "the workload selector has no labels, so it selects every workload of the namespace");
    }
    if let Some(selector) = selector.filter(|_| given(spec, "endpoints")) {
        checks.error(selector, "both `workloadSelector` and `endpoints` are given").help("keep the one that is meant");
    }
    let resolution = match text(spec, "resolution") {
        "" => "NONE",
        r => r,
    };
    check_hosts(checks, spec, resolution);
    check_addresses(checks, spec, resolution);
    let names = check_ports(checks, spec, resolution);
    match resolution {
        "NONE" => {
            if given(spec, "endpoints") {
                checks
                    .error(
                        spec.get("endpoints").unwrap_or(spec),
                        "`endpoints` are given with the resolution NONE, which goes to the address that the client asked for",
                    )
                    .help("use the resolution STATIC or DNS");
            }
            if let Some(selector) = selector {
                checks.warn(selector, "`workloadSelector` has no use with the resolution NONE");
            }
        }
        "STATIC" => {
            for endpoint in endpoints(checks, spec) {
                workload_entry::check(checks, endpoint, Addresses::Ips, Some(&names));
            }
        }
        "DNS" | "DNS_ROUND_ROBIN" => check_dns(checks, spec, resolution, &names),
        "DYNAMIC_DNS" => check_dynamic_dns(checks, spec),
        _ => {}
    }
    if resolution != "NONE" && spec.get("hosts").is_some_and(|h| h.len() > 1) {
        let other = messages(spec, "ports").find(|p| {
            let p = Protocol::parse(text(*p, "protocol"));
            !p.is_http() && !p.is_tls()
        });
        if let Some(port) = other {
            checks
                .error(port, format!("several hosts share a port that is neither HTTP nor TLS, with the resolution {resolution}"))
                .help("use one ServiceEntry a host");
        }
    }
    visibility::check_export_to(checks, spec, None);
}

/// Endpoints that are messages; null ones are reported.
fn endpoints<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) -> Vec<Node<'a>> {
    if let Some(null) = spec.list("endpoints").find(|e| e.is_null()) {
        checks.error(null, "an endpoint is null");
    }
    messages(spec, "endpoints").collect()
}

fn check_hosts<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>, resolution: &str) {
    if spec.get("hosts").is_none_or(|h| h.is_sequence() && h.is_empty()) {
        checks.error(spec, "a ServiceEntry has no `hosts`");
    }
    for (at, host) in strings(spec, "hosts") {
        if host == "*" {
            checks.error(at, "host `*` is not allowed in a ServiceEntry");
            continue;
        }
        checks.valid_domain(at, domain::wildcard(host));
        if resolution != "DYNAMIC_DNS"
            && let Err(why) = domain::whole_wildcard(host)
        {
            checks.warn(at, why);
        }
    }
}

fn check_addresses<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>, resolution: &str) {
    for (at, address) in strings(spec, "addresses") {
        checks.valid(at, net::ip_or_cidr(address));
    }
    if !matches!(resolution, "NONE" | "STATIC")
        && let Some((at, address)) = strings(spec, "addresses").find(|(_, a)| a.contains('/'))
    {
        checks.error(at, format!("address `{address}` is a block, which only the resolutions NONE and STATIC allow"));
    }
}

/// Whether Istio gives the entry an address of its own.
fn allocates(checks: &Checks<'_, '_>, spec: Node<'_>, resolution: &str) -> bool {
    let forbidden = checks.object.label("networking.istio.io/enable-autoallocate-ip").is_some_and(|v| v.eq_ignore_ascii_case("false"));
    resolution != "NONE" && !given(spec, "addresses") && !forbidden
}

/// The names of the ports, each once.
fn check_ports<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>, resolution: &str) -> Vec<&'a str> {
    let mut names: FxHashSet<&str> = FxHashSet::default();
    let mut numbers: FxHashSet<i64> = FxHashSet::default();
    let lacks_address = !given(spec, "addresses") && !allocates(checks, spec, resolution);
    if let Some(null) = spec.list("ports").find(|p| p.is_null()) {
        checks.error(null, "a port is null");
    }
    for port in messages(spec, "ports") {
        let name = text(port, "name");
        let name_at = port.get("name").unwrap_or(port);
        if port.get("name").is_none_or(|n| n.str().is_some()) && !names.insert(name) {
            checks.error(name_at, format!("port name `{name}` is defined twice"));
        }
        let number = int(port, "number").unwrap_or(0);
        let number_at = port.get("number").unwrap_or(port);
        if port.get("number").is_none_or(|n| n.int().is_some()) && !numbers.insert(number) {
            checks.error(number_at, format!("port {number} is defined twice"));
        }
        if let Some(target) = int(port, "targetPort").filter(|t| *t != 0) {
            checks.valid(port.get("targetPort").unwrap_or(port), net::port(target));
        }
        let proto = text(port, "protocol");
        if lacks_address && matches!(proto, "" | "TCP") {
            checks
                .warn(port, "a TCP port of a ServiceEntry without `addresses` cannot be told from other TCP services")
                .help("give `addresses`, or a protocol that tells its host (TLS, HTTP)");
        }
        if port.get("name").is_none_or(|n| n.str().is_some()) {
            checks.valid(name_at, domain::label("port name", name));
        }
        if let Err(why) = protocol::known(proto) {
            let said = checks.error(port.get("protocol").unwrap_or(port), why);
            if let Some(near) = protocol::nearest(proto) {
                said.help(format!("did you mean `{near}`?")).fix_value(near);
            }
        }
        if port.get("number").is_none_or(|n| n.int().is_some()) {
            checks.valid(number_at, net::port(number));
        }
    }
    let mut listed: Vec<&str> = messages(spec, "ports").map(|p| text(p, "name")).collect();
    listed.sort_unstable();
    listed.dedup();
    listed
}

fn check_dns<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>, resolution: &str, names: &[&str]) {
    let all = endpoints(checks, spec);
    if !given(spec, "endpoints")
        && let Some((at, host)) = strings(spec, "hosts").find(|(_, h)| domain::fqdn(h).is_err())
    {
        checks
            .error(at, format!("host `{host}` cannot be looked up, and the resolution {resolution} has no endpoints"))
            .help("use a full host name, or give `endpoints`");
    }
    if resolution == "DNS_ROUND_ROBIN" && all.len() > 1 {
        checks.error(spec.get("endpoints").unwrap_or(spec), "the resolution DNS_ROUND_ROBIN takes at most one endpoint");
    }
    for endpoint in all {
        let address = text(endpoint, "address");
        let at = endpoint.get("address").unwrap_or(endpoint);
        if endpoint.get("address").is_none_or(|a| a.str().is_some()) && !net::is_ip(address) && domain::fqdn(address).is_err() {
            checks.error(at, format!("endpoint address `{address}` is neither an IP address nor a domain name"));
        }
        labels::check(checks, endpoint, "labels");
        workload_entry::check_ports(checks, endpoint, Some(names));
    }
    let tcp = messages(spec, "ports").any(|p| Protocol::parse(text(p, "protocol")).is_tcp());
    if given(spec, "addresses") && tcp && spec.get("hosts").is_some_and(|h| h.len() > 1) {
        checks.warn(spec.get("hosts").unwrap_or(spec), "several hosts share an address and a TCP port; only one of them can be told apart");
    }
}

fn check_dynamic_dns<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    if !given(spec, "hosts") {
        checks.error_once("dynamic hosts", spec, "the resolution DYNAMIC_DNS needs a wildcard host");
    }
    for (at, _) in strings(spec, "hosts").filter(|(_, h)| !h.starts_with('*')) {
        checks.error(at, "a host is no wildcard, with the resolution DYNAMIC_DNS").help("use the resolution DNS for a plain host");
    }
    for field in ["addresses", "endpoints"] {
        if given(spec, field) {
            checks.error(
                spec.get(field).unwrap_or(spec),
                format!("`{field}` are given with the resolution DYNAMIC_DNS, which looks up the host of each request"),
            );
        }
    }
    for port in messages(spec, "ports") {
        if !matches!(Protocol::parse(text(port, "protocol")), Protocol::Http | Protocol::Tls | Protocol::Grpc | Protocol::Http2) {
            checks.error(port, "the resolution DYNAMIC_DNS supports HTTP, HTTP2, GRPC and TLS ports only");
        }
    }
    let waypoint = checks.object.label("istio.io/use-waypoint").is_some_and(|w| !w.is_empty() && !w.eq_ignore_ascii_case("none"));
    if text(spec, "location") == "MESH_INTERNAL" && waypoint {
        checks.error(spec.get("location").unwrap_or(spec), "MESH_INTERNAL with the resolution DYNAMIC_DNS does not work with waypoints");
    }
}
