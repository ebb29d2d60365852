//! ## IST0140 IngressRouteRulesNotAffected (Warning)
//!
//! **What it checks.** A VirtualService on a gateway sends traffic to a host without naming a subset, while a
//! VirtualService for that host, spelled the same way, routes to its subsets.
//!
//! **Why it matters.** The rules of the second one hold for requests from sidecars. A gateway routes by its own
//! VirtualService alone, so its requests are spread over all versions.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: ratings, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: ratings, namespace: shop}
//! spec: {hosts: [ratings], http: [{route: [{destination: {host: ratings, subset: v1}}]}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: ingress, namespace: shop}
//! spec: {hosts: [shop.example.com], gateways: [public], http: [{route: [{destination: {host: ratings}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: ratings, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: ratings, namespace: shop}
//! spec: {hosts: [ratings], http: [{route: [{destination: {host: ratings, subset: v1}}]}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: ingress, namespace: shop}
//! spec: {hosts: [shop.example.com], gateways: [public], http: [{route: [{destination: {host: ratings, subset: v1}}]}]}
//! ```

use super::destination::{Destination, Sort, destinations};
use crate::codes::IST0140;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Object};
use mesh_resolver::host;
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// Routes to subsets by full host and spelling: the same words must mean the same service.
type Split<'a> = FxHashMap<(Cow<'a, str>, &'a str), Vec<(&'a Object, Destination<'a>)>>;

/// So many others are named one by one.
const NAMED: usize = 20;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let objects = cx.mesh.objects(Kind::VirtualService);
    let full = |host: &'a str, object: &'a Object| host::expand(host, object.namespace(), cx.mesh.domain);
    let mut split: Split<'a> = FxHashMap::default();
    for object in objects.iter().copied() {
        for d in destinations(object).into_iter().filter(|d| d.sort == Sort::Http && !d.subset.is_empty()) {
            let own = object.spec().into_iter().flat_map(|s| s.list("hosts")).any(|h| h.text() == d.host);
            let list = if own { split.entry((full(d.host, object), d.host)).or_default() } else { continue };
            if !list.last().is_some_and(|(o, _)| std::ptr::eq(*o, object)) {
                list.push((object, d));
            }
        }
    }
    if split.is_empty() {
        return;
    }
    for object in objects.iter().copied().filter(|o| o.spec_at(&["gateways"]).is_some_and(|g| !g.is_empty())) {
        for d in destinations(object).into_iter().filter(|d| d.sort == Sort::Http && d.subset.is_empty() && !d.host.is_empty()) {
            for (other, to) in split.get(&(full(d.host, object), d.host)).into_iter().flatten().take(NAMED) {
                let whose = if std::ptr::eq(*other, object) {
                    "another route of this VirtualService".to_owned()
                } else {
                    format!("VirtualService `{}`", other.full_name())
                };
                sink.report(
                    &IST0140,
                    object,
                    d.host_node(),
                    format!(
                        "this gateway route sends to `{}` without a subset although {whose} sends to subset `{}`: its requests go to every version",
                        d.host, to.subset
                    ),
                )
                .help("name the subset here too, if one version is meant")
                .related(other, to.subset_node(), "routes to a subset here");
            }
        }
    }
}
