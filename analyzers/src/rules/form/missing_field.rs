//! ## MSH0505 MissingField (Error)
//!
//! **What it checks.** A field that must be there is not.
//!
//! **Why it matters.** The API server refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - name: http
//!     port: 80
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - name: http
//!     port: 80
//!     protocol: HTTP
//! ```

use crate::codes::MSH0505;
use crate::rule::{Context, Sink};
use crate::schema::What;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        let What::Missing { field } = fault.what else { continue };
        let message = match fault.at.path_from(fault.object.root()) {
            path if path.is_empty() => format!("{} has no `{field}`, which is required", fault.object.kind_name()),
            path => format!("`{path}` has no `{field}`, which is required"),
        };
        sink.report(&MSH0505, fault.object, fault.at, message).help(format!("add `{field}`"));
    }
}
