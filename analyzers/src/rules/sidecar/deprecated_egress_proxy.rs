//! ## IST0002 Deprecated (Warning)
//!
//! **What it checks.** A Sidecar sets `outboundTrafficPolicy.egressProxy`.
//!
//! **Why it matters.** Istio ignores the field: the traffic does not go through the proxy that it names.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec:
//!   egress: [{hosts: ["./*"]}]
//!   outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: egress.istio-system.svc.cluster.local, port: {number: 80}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec: {egress: [{hosts: ["./*"]}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
//! ```

use crate::codes::IST0002;
use crate::rule::{Context, Sink};
use mesh_model::Kind;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for object in cx.mesh.objects(Kind::Sidecar).iter().copied() {
        if let Some(proxy) = object.spec_at(&["outboundTrafficPolicy", "egressProxy"]) {
            sink.report(&IST0002, object, proxy, "`outboundTrafficPolicy.egressProxy` is deprecated and ignored").help("remove it");
        }
    }
}
