//! ## MSH0501 UnknownField (Error)
//!
//! **What it checks.** A field that the kind does not have: misspelt, in the wrong place, or made up. `metadata` is
//! checked too.
//!
//! **Why it matters.** `kubectl apply` refuses such an object; other clients drop the field without a word, and what
//! it was meant to do does not happen. A field that is null, as the `creationTimestamp` that generators leave in
//! embedded templates, was meant to do nothing: only `kubectl apply` is in the way, and it is a Warning.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   host: reviews.shop.svc.cluster.local
//!   trafficPolic: {connectionPool: {tcp: {maxConnections: 100}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   host: reviews.shop.svc.cluster.local
//!   trafficPolicy: {connectionPool: {tcp: {maxConnections: 100}}}
//! ```

use crate::codes::MSH0501;
use crate::finding::Level;
use crate::rule::{Context, Sink};
use crate::schema::{Belongs, What};
use mesh_model::Node;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let What::UnknownField { near, belongs } = &fault.what else { continue };
        let path = fault.at.path_from(fault.object.root());
        let finding = sink.report(&MSH0501, fault.object, fault.at, format!("`{path}` is not a field of {}", fault.object.kind_name()));
        match (near, belongs) {
            (Some(near), _) => {
                finding.help(format!("did you mean `{near}`?"));
                super::replace(finding, fault.at, near);
            }
            (None, Some(Belongs::Below(field))) => {
                finding.help(format!("it belongs inside `{field}`, one level deeper"));
            }
            (None, Some(Belongs::Above(place))) if place.is_empty() => {
                finding.help("it belongs to the object itself: indent it less");
            }
            (None, Some(Belongs::Above(place))) => {
                finding.help(format!("it is a field of `{place}`: indent it less"));
            }
            (None, None) if is_null(fault.at) => {
                finding.level(Level::Warning).help("remove it: it is null, so nothing is lost, but `kubectl apply` refuses it");
            }
            (None, None) => {
                finding.help("remove it; nothing reads it");
            }
        }
    }
}

/// Whether the value under a key is null.
fn is_null(key: Node<'_>) -> bool {
    key.parent().and_then(|mapping| mapping.get_entry(key.text())).is_some_and(|(_, value)| value.is_null())
}
