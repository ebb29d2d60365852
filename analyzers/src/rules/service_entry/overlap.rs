//! ## MSH0124 ServiceEntryConflict (Warning)
//!
//! **What it checks.** Two ServiceEntries that are exported to the same namespaces declare one host with different
//! `resolution` or `location`.
//!
//! **Why it matters.** Only entries that agree are merged. Of these, one is used and the other has no effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: one, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: two, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: STATIC, endpoints: [{address: 10.0.0.1}], ports: [{number: 8443, name: tls, protocol: TLS}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: one, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: two, namespace: web}
//! spec: {hosts: [api.example.com], exportTo: ["."], resolution: STATIC, endpoints: [{address: 10.0.0.1}], ports: [{number: 443, name: tls, protocol: TLS}]}
//! ```
//!
//! ## MSH0125 ServiceEntryAddressOverlap (Warning)
//!
//! **What it checks.** Two ServiceEntries for different hosts have the same address and TCP port.
//!
//! **Why it matters.** TCP connections are told apart by address and port alone: those for one host go to the other.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: one, namespace: shop}
//! spec: {hosts: [a.example.com], addresses: [240.0.0.1], resolution: DNS, ports: [{number: 5432, name: tcp, protocol: TCP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: two, namespace: shop}
//! spec: {hosts: [b.example.com], addresses: [240.0.0.1], resolution: DNS, ports: [{number: 5432, name: tcp, protocol: TCP}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: one, namespace: shop}
//! spec: {hosts: [a.example.com], addresses: [240.0.0.1], resolution: DNS, ports: [{number: 5432, name: tcp, protocol: TCP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: two, namespace: shop}
//! spec: {hosts: [b.example.com], addresses: [240.0.0.1], resolution: DNS, ports: [{number: 3306, name: tcp, protocol: TCP}]}
//! ```
//!
//! ## MSH0126 ServiceEntryShadowsService (Warning)
//!
//! **What it checks.** A ServiceEntry's host is that of a Kubernetes Service.
//!
//! **Why it matters.** In the Service's own namespace the Service wins and the ServiceEntry has no effect; elsewhere it
//! hides the Service from those who see it.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews.shop.svc.cluster.local], resolution: STATIC, endpoints: [{address: 10.0.0.1}], ports: [{number: 80, name: http, protocol: HTTP}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews.example.com], resolution: STATIC, endpoints: [{address: 10.0.0.1}], ports: [{number: 80, name: http, protocol: HTTP}]}
//! ```

use crate::codes::{MSH0124, MSH0125, MSH0126};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Service, ServiceKind};
use rustc_hash::FxHashMap;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let entries = || cx.mesh.services.all().iter().filter(|s| s.kind == ServiceKind::ServiceEntry);
    conflicts(sink, entries());
    addresses(sink, entries());
    for entry in entries() {
        for host in entry.object.spec().into_iter().flat_map(|s| s.list("hosts")) {
            let shadowed = cx.mesh.services.by_host(host.text()).find(|s| s.object.kind == Kind::Service && s.object.cluster == entry.object.cluster);
            let Some(service) = shadowed else { continue };
            let effect = if service.namespace == entry.namespace {
                "the Service wins and this has no effect"
            } else {
                "namespaces that see this one may lose the Service"
            };
            sink.report(&MSH0126, entry.object, host, format!("host `{}` is that of Service `{}`: {effect}", host.text(), service.object.full_name()))
                .help("use another host, or select the workloads from the Service")
                .related(service.object, service.object.name_node(), "the Service");
        }
    }
}

fn scopes<'a>(service: &Service<'a>) -> Vec<&'a str> {
    if service.export_to.0.contains(&"*") {
        return vec!["*"];
    }
    service.export_to.0.iter().filter(|s| **s != "~").map(|s| if *s == "." { service.namespace } else { *s }).collect()
}

fn location(object: &Object) -> &str {
    match object.spec().map_or("", |s| s.text_of("location")) {
        "" => "MESH_EXTERNAL",
        other => other,
    }
}

fn conflicts<'a, 'm>(sink: &mut Sink<'a>, entries: impl Iterator<Item = &'m Service<'a>>)
where
    'a: 'm,
{
    let mut first: FxHashMap<(&str, &str), &'m Service<'a>> = FxHashMap::default();
    for entry in entries {
        let mut reported = false;
        for host in entry.object.spec().into_iter().flat_map(|s| s.list("hosts")) {
            for scope in scopes(entry) {
                let other = *first.entry((host.text(), scope)).or_insert(entry);
                if reported || std::ptr::eq(other.object, entry.object) {
                    continue;
                }
                let differ = if other.resolution() != entry.resolution() {
                    ("resolution", entry.resolution(), other.resolution())
                } else if location(other.object) != location(entry.object) {
                    ("location", location(entry.object), location(other.object))
                } else {
                    continue;
                };
                reported = true;
                let (field, own, theirs) = differ;
                let at = entry.object.spec_at(&[field]).unwrap_or(host);
                sink.report(
                    &MSH0124,
                    entry.object,
                    at,
                    format!(
                        "`{}` has {field} `{own}` here and `{theirs}` in ServiceEntry `{}`: only one of the two is used",
                        host.text(),
                        other.object.full_name()
                    ),
                )
                .help("merge the two, or narrow `exportTo` so that no namespace sees both")
                .related(other.object, other.object.spec_at(&[field]).unwrap_or(other.object.name_node()), "declared here too");
            }
        }
    }
}

fn addresses<'a, 'm>(sink: &mut Sink<'a>, entries: impl Iterator<Item = &'m Service<'a>>)
where
    'a: 'm,
{
    let mut first: FxHashMap<(&str, i64, &str), &'m Service<'a>> = FxHashMap::default();
    for entry in entries {
        let Some(spec) = entry.object.spec() else { continue };
        let mut reported = false;
        for address in spec.list("addresses") {
            let opaque = |p: &Node<'a>| matches!(p.text_of("protocol").to_ascii_uppercase().as_str(), "" | "TCP" | "MONGO" | "MYSQL" | "REDIS");
            for port in spec.list("ports").filter(opaque).filter_map(|p| p.get("number")?.int()) {
                for scope in scopes(entry) {
                    let other = *first.entry((address.text(), port, scope)).or_insert(entry);
                    let same_host = other.hosts.iter().any(|h| entry.hosts.contains(h));
                    if reported || same_host || std::ptr::eq(other.object, entry.object) {
                        continue;
                    }
                    reported = true;
                    sink.report(
                        &MSH0125,
                        entry.object,
                        address,
                        format!(
                            "address `{}` with TCP port `{port}` is that of ServiceEntry `{}` too: connections for one go to the other",
                            address.text(),
                            other.object.full_name()
                        ),
                    )
                    .help("give each of them an address of its own")
                    .related(other.object, other.object.spec_at(&["addresses"]).unwrap_or(other.object.name_node()), "the same address");
                }
            }
        }
    }
}
