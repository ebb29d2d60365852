//! ## MSH0507 ExclusiveFields (Error)
//!
//! **What it checks.** Fields of which only one can be set are set together.
//!
//! **Why it matters.** The API server refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   hosts: [reviews.example.com]
//!   http:
//!   - match: [{uri: {exact: /login, prefix: /log}}]
//!     directResponse: {status: 200}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   hosts: [reviews.example.com]
//!   http:
//!   - match: [{uri: {exact: /login}}, {uri: {prefix: /log}}]
//!     directResponse: {status: 200}
//! ```

use crate::codes::MSH0507;
use crate::rule::{Context, Sink};
use crate::schema::What;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let What::Exclusive { present, among } = &fault.what else { continue };
        let list = |names: &[&str]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        if present.is_empty() {
            let path = fault.at.path_from(fault.object.root());
            sink.report(&MSH0507, fault.object, fault.at, format!("`{path}` has none of {}", list(among))).help("set one of them");
        } else {
            sink.report(&MSH0507, fault.object, fault.at, format!("{} exclude each other", list(present))).help("keep one of them");
        }
    }
}
