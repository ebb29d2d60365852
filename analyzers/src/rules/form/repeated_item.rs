//! ## MSH0510 RepeatedItem (Error)
//!
//! **What it checks.** A list whose items must differ, in whole or in their key fields, has two that agree.
//!
//! **Why it matters.** The API server refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   rules:
//!   - matches:
//!     - headers:
//!       - {name: x-version, value: v1}
//!       - {name: x-version, value: v2}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   rules:
//!   - matches:
//!     - headers: [{name: x-version, value: v1}]
//!     - headers: [{name: x-version, value: v2}]
//! ```

use crate::codes::MSH0510;
use crate::rule::{Context, Sink};
use crate::schema::What;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let What::Repeated { first, keys } = &fault.what else { continue };
        let path = fault.at.path_from(fault.object.root());
        let message = match keys[..] {
            [] => format!("`{}` of `{path}` is in the list twice", fault.at.text()),
            _ => format!("`{path}` repeats the {} of an earlier item", keys.join(", ")),
        };
        sink.report(&MSH0510, fault.object, fault.at, message).help("keep one of them").related(fault.object, *first, "first here");
    }
}
