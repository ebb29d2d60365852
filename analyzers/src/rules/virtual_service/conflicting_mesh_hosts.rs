//! ## IST0109 ConflictingMeshGatewayVirtualServiceHosts (Error)
//!
//! **What it checks.** Two VirtualServices that apply to sidecars (no `gateways`, or `mesh` among them) have the same
//! host and are visible to the same namespace. `reviews` and `reviews.shop.svc.cluster.local` are the same host; one
//! VirtualService that lists both does not conflict with itself.
//!
//! **Why it matters.** Sidecars do not merge VirtualServices: one of the two is used, and the other has no effect.
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
//! metadata: {name: timeout, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}], timeout: 2s}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: retries, namespace: shop}
//! spec: {hosts: [reviews.shop.svc.cluster.local], http: [{route: [{destination: {host: reviews}}], retries: {attempts: 2}}]}
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
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   hosts: [reviews, reviews.shop.svc.cluster.local]
//!   http: [{route: [{destination: {host: reviews}}], timeout: 2s, retries: {attempts: 2}}]
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
//! # meshctl: cluster west
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews-west, namespace: shop}
//! spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}
//! ```

use super::destination::{export_to, on_mesh};
use crate::codes::IST0109;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::host;
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

struct Claim<'a> {
    object: &'a Object,
    host: Node<'a>,
    /// `*`, or one namespace.
    scope: &'a str,
}

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let default = cx.mesh.config.default_export_to("defaultVirtualServiceExportTo");
    let mut claims: FxHashMap<Cow<'a, str>, Vec<Claim<'a>>> = FxHashMap::default();
    let mut order = Vec::new();
    for object in cx.mesh.objects(Kind::VirtualService).iter().copied().filter(|o| on_mesh(o)) {
        let export = export_to(object, &default).0;
        let scopes = if export.contains(&"*") { vec!["*"] } else { export };
        for host in object.spec().into_iter().flat_map(|s| s.list("hosts")) {
            let fqdn = host::expand(host.text(), object.namespace(), cx.mesh.domain);
            let list = claims.entry(fqdn.clone()).or_default();
            if list.is_empty() {
                order.push(fqdn);
            }
            list.extend(scopes.iter().map(|s| Claim { object, host, scope: if *s == "." { object.namespace() } else { s } }));
        }
    }
    let mut reported: FxHashSet<*const Object> = FxHashSet::default();
    for fqdn in order {
        let Some(list) = claims.get(&fqdn).filter(|l| l.len() > 1) else { continue };
        // One entry a scope suffices to tell whether there is another.
        let mut first: FxHashMap<&str, &Claim<'a>> = FxHashMap::default();
        let mut second: FxHashMap<&str, &Claim<'a>> = FxHashMap::default();
        for claim in list {
            let known = first.entry(claim.scope).or_insert(claim);
            if !std::ptr::eq(known.object, claim.object) {
                second.entry(claim.scope).or_insert(claim);
            }
        }
        let named: Vec<&Claim<'a>> = list.iter().filter(|c| c.scope != "*").collect();
        for claim in list {
            let in_scope = [first.get(claim.scope), second.get(claim.scope)];
            let for_all = [first.get("*"), second.get("*")];
            let narrow = if claim.scope == "*" { [named.first(), named.last()] } else { [None, None] };
            let other = in_scope.into_iter().chain(for_all).chain(narrow).flatten().find(|other| !std::ptr::eq(other.object, claim.object)).copied();
            if let Some(other) = other
                && reported.insert(std::ptr::from_ref(claim.object))
            {
                sink.report(
                    &IST0109,
                    claim.object,
                    claim.host,
                    format!("host `{fqdn}` has another VirtualService for sidecars too, `{}`: only one of them is used", other.object.full_name()),
                )
                .help("merge the two into one VirtualService, or narrow `exportTo` so that no namespace sees both")
                .related(other.object, other.host, "the same host here");
            }
        }
    }
}
