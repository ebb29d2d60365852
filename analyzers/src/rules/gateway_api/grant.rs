//! ## KIA1601 GrantFromUnknownNamespace (Warning)
//!
//! **What it checks.** The namespaces that a ReferenceGrant trusts (`from`) exist.
//!
//! **Why it matters.** A grant for a misspelt namespace grants nothing, and the references that it was made for stay
//! forbidden.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: edge}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1beta1
//! kind: ReferenceGrant
//! metadata: {name: edge, namespace: shop}
//! spec:
//!   from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: egde}]
//!   to: [{group: "", kind: Service}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: edge}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1beta1
//! kind: ReferenceGrant
//! metadata: {name: edge, namespace: shop}
//! spec:
//!   from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}]
//!   to: [{group: "", kind: Service}]
//! ```

use super::refs::ROUTES;
use crate::codes::KIA1601;
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Role};
use mesh_resolver::Place;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for grant in cx.mesh.objects(Kind::ReferenceGrant).iter().copied().filter(|g| g.role == Role::Judged) {
        let from = grant.spec().into_iter().flat_map(|s| s.list("from"));
        for at in from.filter_map(|f| f.get("namespace")).filter(|n| !n.text().is_empty() && !exists(cx, n.text())) {
            let namespace = at.text();
            // Namespaces are listed one by one in repositories: only a complete input shows that one is missing.
            let place = if cx.mesh.is_complete() { Place::Objects(Kind::Namespace, "") } else { Place::Objects(Kind::Other, "-") };
            let m = Missing { code: &KIA1601, object: grant, at, what: "namespace", value: namespace, place, reason: NotJudged::NamespaceOutside };
            let known = cx.mesh.objects(Kind::Namespace).iter().map(|n| n.name());
            missing(cx, sink, &m, format!("namespace `{namespace}` does not exist: the grant for it has no effect"), known);
        }
    }
}

/// A Namespace, or something that stands in it and may make use of a grant.
fn exists(cx: &Context<'_>, namespace: &str) -> bool {
    cx.mesh.find(Kind::Namespace, "", namespace).is_some()
        || cx.mesh.is_populated(namespace)
        || ROUTES.iter().chain(&[Kind::K8sGateway, Kind::ListenerSet]).any(|kind| !cx.mesh.objects_in(*kind, namespace).is_empty())
}
