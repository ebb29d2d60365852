//! ## IST0160 MultipleTelemetriesWithoutWorkloadSelectors (Error)
//!
//! **What it checks.** A namespace has more than one Telemetry without selector. One with `targetRefs` holds for its
//! targets only and does not count.
//!
//! **Why it matters.** Only one Telemetry can hold for a whole namespace; which of them does is undefined.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: logs, namespace: shop}
//! spec: {accessLogging: [{providers: [{name: envoy}]}]}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: traces, namespace: shop}
//! spec: {tracing: [{randomSamplingPercentage: 1}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: all, namespace: shop}
//! spec: {accessLogging: [{providers: [{name: envoy}]}], tracing: [{randomSamplingPercentage: 1}]}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: edge, namespace: shop}
//! spec:
//!   targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
//!   tracing: [{randomSamplingPercentage: 100}]
//! ```

use crate::codes::IST0160;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Object};
use std::collections::BTreeMap;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut by_namespace: BTreeMap<&str, Vec<&'a Object>> = BTreeMap::new();
    let for_all = |o: &Object| ["selector", "targetRef", "targetRefs"].iter().all(|key| o.spec_at(&[key]).is_none());
    for object in cx.mesh.objects(Kind::Telemetry).iter().copied().filter(|o| for_all(o)) {
        by_namespace.entry(object.namespace()).or_default().push(object);
    }
    for (namespace, list) in by_namespace {
        for (object, other) in crate::rules::with_another(&list) {
            sink.report(
                &IST0160,
                object,
                object.name_node(),
                format!("namespace `{namespace}` has {} Telemetries without selector: which one holds is undefined", list.len()),
            )
            .help("merge them, or give all but one a selector")
            .related(other, other.name_node(), "another one");
        }
    }
}
