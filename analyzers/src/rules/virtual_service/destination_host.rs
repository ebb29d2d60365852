//! ## IST0101 ReferencedResourceNotFound (Error)
//!
//! **What it checks.** The host of every destination and mirror is that of a Service or ServiceEntry (a wildcard
//! counts) that the VirtualService's namespace can see, and the port given is one of its ports. With `exportTo` the
//! namespaces it is exported to are asked. Only names without a dot are completed: `reviews.shop` is no Service.
//!
//! **Why it matters.** A destination that does not exist answers every request with 503.
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
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reveiws}}]}]}
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
//! kind: VirtualService
//! metadata: {name: reviews, namespace: web}
//! spec: {hosts: [reviews.shop.svc.cluster.local], http: [{route: [{destination: {host: reviews.shop.svc.cluster.local, port: {number: 80}}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! # meshctl: cluster east
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}
//! ---
//! # meshctl: cluster west
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! The Service names no namespace: it may be applied to `shop`.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: till, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! Istio's own Services stand in the root namespace, mostly from another source.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: prometheus, namespace: istio-system}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: out, namespace: shop}
//! spec: {hosts: [example.com], http: [{route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local}}]}]}
//! ```
//!
//! ## IST0112 VirtualServiceDestinationPortSelectorRequired (Error)
//!
//! **What it checks.** A destination without a port goes to a service that has several.
//!
//! **Why it matters.** Which port is meant is ambiguous: the request goes to the port number it came in on, which the
//! service may not have.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}, {name: http-admin, port: 9000}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews, namespace: shop}
//! spec: {ports: [{name: http, port: 80}, {name: http-admin, port: 9000}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, port: {number: 80}}}]}]}
//! ```

use super::destination::{Destination, Sort, destinations, export_to, viewers};
use crate::codes::{IST0101, IST0112};
use crate::reference::{Missing, missing_host};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Object};
use mesh_resolver::{Place, Service, ServiceKind, host};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let default = cx.mesh.config.default_export_to("defaultVirtualServiceExportTo");
    for object in cx.mesh.objects(Kind::VirtualService).iter().copied() {
        let list = destinations(object);
        if list.is_empty() {
            continue;
        }
        let export = export_to(object, &default);
        let viewers = viewers(&export, object.namespace());
        for d in &list {
            judge(cx, sink, object, &viewers, d);
        }
    }
}

fn judge<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, viewers: &[&str], d: &Destination<'a>) {
    let fqdn = host::expand(d.host, object.namespace(), cx.mesh.domain);
    let found = cx.mesh.resolve(&fqdn, viewers);
    if found.is_empty() {
        not_found(cx, sink, object, viewers, d, &fqdn);
        return;
    }
    // A Service and a ServiceEntry of one host: the Service's ports are the ones that the registry keeps.
    let kubernetes = found.iter().any(|s| s.kind == ServiceKind::Kubernetes);
    let used: Vec<&Service<'a>> = found.into_iter().filter(|s| !kubernetes || s.kind == ServiceKind::Kubernetes).collect();
    let ports = || {
        let mut list: Vec<u16> = used.iter().flat_map(|s| &s.ports).map(|p| p.number).collect();
        list.sort_unstable();
        list.dedup();
        list.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ")
    };
    match d.port() {
        None if used.iter().all(|s| s.ports.len() > 1) => {
            sink.report(
                &IST0112,
                object,
                d.host_node(),
                format!("`{}` has several ports ({}) and the destination names none: which one is meant is ambiguous", d.host, ports()),
            )
            .help("give `port.number` in the destination");
        }
        Some(port) if !used.iter().flat_map(|s| &s.ports).any(|p| i64::from(p.number) == port) => {
            let at = d.node.at(&["port", "number"]).unwrap_or(d.host_node());
            let finding = sink.report(&IST0101, object, at, format!("`{}` has no port `{port}`: requests that are routed there fail", d.host));
            match ports() {
                list if list.is_empty() => finding.help(format!("`{}` declares no ports; add the port there", d.host)),
                list => finding.help(format!("its ports are {list}")),
            };
            if let Some(s) = used.first() {
                finding.related(s.object, s.object.name_node(), "the service");
            }
        }
        _ => {}
    }
}

fn not_found<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, viewers: &[&str], d: &Destination<'a>, fqdn: &str) {
    let what = if d.sort == Sort::Mirror { "mirror host" } else { "host" };
    let effect = if d.sort == Sort::Mirror { "nothing is mirrored" } else { "requests that are routed there get 503" };
    let missing = |value| Missing { code: &IST0101, object, at: d.host_node(), what, value, place: Place::Hosts(""), reason: NotJudged::HostOutside };
    if d.host.is_empty() {
        sink.report(&IST0101, object, d.node, format!("the destination names no {what}: {effect}")).help("give `destination.host`");
    } else if let Some(hidden) = cx.mesh.services_everywhere().by_host(fqdn).next() {
        let by = viewers.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
        if cx.mesh.owns(object, cx.mesh.host_place(fqdn)) {
            sink.report(
                &IST0101,
                object,
                d.host_node(),
                format!("{what} `{}` is not visible to namespace {by}, which uses this VirtualService: {effect}", d.host),
            )
            .help(format!("export {} to it", hidden.object.origin()))
            .related(hidden.object, hidden.object.name_node(), "exported elsewhere only");
        } else {
            sink.not_judged(NotJudged::HostOutside);
        }
    } else {
        let message = format!("{what} `{}` does not exist, no Service or ServiceEntry has it: {effect}", d.host);
        missing_host(cx, sink, &missing(d.host), message);
    }
}
