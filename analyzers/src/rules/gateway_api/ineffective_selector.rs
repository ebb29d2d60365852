//! ## IST0166 IneffectiveSelector (Warning)
//!
//! **What it checks.** A policy that selects the pods of a Gateway API gateway by labels.
//!
//! **Why it matters.** Such gateways take policies by `targetRefs` only: the selector has no effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: gw, namespace: shop, labels: {gateway.networking.k8s.io/gateway-name: gw}}
//! spec: {containers: [{name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec:
//!   selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: gw}}
//!   jwtRules: [{issuer: a}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: gw, namespace: shop, labels: {gateway.networking.k8s.io/gateway-name: gw}}
//! spec: {containers: [{name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec:
//!   targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]
//!   jwtRules: [{issuer: a}]
//! ```

use crate::codes::IST0166;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Role};
use mesh_resolver::{Selector, Workload};
use std::collections::{BTreeMap, BTreeSet};

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut gateways: BTreeMap<&str, Vec<&Workload<'a>>> = BTreeMap::new();
    for w in cx.mesh.workloads.all().iter().filter(|w| w.label(GATEWAY_NAME).is_some()) {
        gateways.entry(w.namespace).or_default().push(w);
    }
    if gateways.is_empty() {
        return;
    }
    for kind in [Kind::AuthorizationPolicy, Kind::RequestAuthentication, Kind::Telemetry, Kind::WasmPlugin] {
        for policy in cx.mesh.objects(kind).iter().copied().filter(|p| p.role == Role::Judged) {
            let targeted = ["targetRef", "targetRefs"].iter().any(|f| policy.spec_at(&[f]).is_some_and(|t| !t.is_empty()));
            let Some(node) = policy.spec_at(&["selector"]).filter(|_| !targeted) else { continue };
            let selector = Selector::from_map(node.get("matchLabels"));
            let selected = gateways.get(policy.namespace()).into_iter().flatten().filter(|w| selector.pairs.iter().all(|(k, v)| w.label(k) == Some(*v)));
            let names: BTreeSet<&str> = selected.filter_map(|w| w.label(GATEWAY_NAME)).collect();
            for name in names {
                sink.report(&IST0166, policy, node, format!("the selector picks the pods of gateway `{name}`, which takes policies by `targetRefs` only"))
                    .help(format!("use `targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {name}}}]`"));
            }
        }
    }
}
