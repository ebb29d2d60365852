//! ## MSH0501 UnknownField (Error)
//!
//! **What it checks.** A field that the kind does not have: misspelt, in the wrong place, or made up. `metadata` is
//! checked too.
//!
//! **Why it matters.** `kubectl apply` refuses such an object; other clients drop the field without a word, and what
//! it was meant to do does not happen.
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
use crate::rule::{Context, Sink};
use crate::schema::{Belongs, What};

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
            (None, None) => {
                finding.help("remove it; nothing reads it");
            }
        }
    }
}
