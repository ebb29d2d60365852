//! ## KIA1004 SidecarEgressHostNotFound (Warning)
//!
//! **What it checks.** An egress host of a Sidecar (`namespace/host`) that is a full name belongs to a Service, a
//! ServiceEntry or a VirtualService of that namespace. Wildcards are not judged.
//!
//! **Why it matters.** The Sidecar imports nothing for it. With `REGISTRY_ONLY` calls to the host fail; with `ALLOW_ANY`
//! they bypass routing, and mTLS with it.
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
//! kind: Sidecar
//! metadata: {name: default, namespace: web}
//! spec: {egress: [{hosts: [shop/reveiws.shop.svc.cluster.local]}]}
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
//! kind: Sidecar
//! metadata: {name: default, namespace: web}
//! spec: {egress: [{hosts: [shop/reviews.shop.svc.cluster.local, "istio-system/*"]}]}
//! ```

use crate::codes::KIA1004;
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Place, host};
use rustc_hash::FxHashSet;
use std::borrow::Cow;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut routed: Option<FxHashSet<(&str, Cow<'a, str>)>> = None;
    for object in cx.mesh.objects(Kind::Sidecar).iter().copied() {
        let hosts = object.spec().into_iter().flat_map(|s| s.list("egress")).flat_map(|e| e.list("hosts"));
        for node in hosts {
            let Some((ns, name)) = node.text().split_once('/') else { continue };
            if name.is_empty() || name.contains('*') || ns == "~" {
                continue;
            }
            let ns = if ns == "." { object.namespace() } else { ns };
            let services = cx.mesh.services_everywhere();
            let known = services.by_host(name).chain(services.by_wildcard(name)).any(|s| ns == "*" || s.namespace == ns);
            if known || is_routed(cx, &mut routed, ns, name) {
                continue;
            }
            judge(cx, sink, object, node, ns, name);
        }
    }
}

/// Whether a VirtualService of the namespace has the host: a Sidecar imports those too.
fn is_routed<'a>(cx: &Context<'a>, routed: &mut Option<FxHashSet<(&'a str, Cow<'a, str>)>>, ns: &str, name: &str) -> bool {
    let set = routed.get_or_insert_with(|| {
        let services = cx.mesh.objects(Kind::VirtualService).iter();
        services
            .flat_map(|o| o.spec().into_iter().flat_map(|s| s.list("hosts")).map(|h| (o.namespace(), host::expand(h.text(), o.namespace(), cx.mesh.domain))))
            .collect()
    });
    set.contains(&(ns, Cow::Borrowed(name))) || (ns == "*" && set.iter().any(|(_, h)| h == name))
}

fn judge<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, node: Node<'a>, ns: &str, name: &str) {
    let message = if ns == "*" {
        format!("egress host `{name}` is that of no Service or ServiceEntry: nothing is imported for it")
    } else {
        format!("egress host `{name}` is that of no Service or ServiceEntry in namespace `{ns}`: nothing is imported for it")
    };
    let place = if ns == "*" { cx.mesh.host_place(name) } else { Place::Hosts(ns) };
    let home = host::split_service(name, cx.mesh.domain).map_or(ns, |(_, ns)| ns);
    if !name.contains('.') && cx.mesh.owns(object, place) {
        let full = host::expand(name, home, cx.mesh.domain);
        sink.report(&KIA1004, object, node, message)
            .help(format!("egress hosts are full names: write `{}/{full}`", node.text().split_once('/').map_or("", |(ns, _)| ns)));
        return;
    }
    let prefix = node.text().split_once('/').map_or("", |(ns, _)| ns);
    let candidates: Vec<String> = cx.mesh.services.in_namespace(home).flat_map(|s| &s.hosts).map(|h| format!("{prefix}/{h}")).collect();
    let m = Missing { code: &KIA1004, object, at: node, what: "egress host", value: node.text(), place, reason: NotJudged::HostOutside };
    missing(cx, sink, &m, message, candidates.iter().map(String::as_str));
}
