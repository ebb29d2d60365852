//! ## IST0101 ReferencedResourceNotFound (Error)
//!
//! **What it checks.** A Telemetry's selector picks a workload of its namespace.
//!
//! **Why it matters.** Without one the Telemetry has no effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: reviews, namespace: shop, labels: {app: reviews}}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {matchLabels: {app: reveiws}}, tracing: [{randomSamplingPercentage: 1}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: reviews, namespace: shop, labels: {app: reviews}}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, tracing: [{randomSamplingPercentage: 1}]}
//! ```
//!
//! **Good**
//!
//! Injection gives pods the label of their canonical name.
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: reviews-v1, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews}}}}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {matchLabels: {service.istio.io/canonical-name: reviews}}, accessLogging: [{providers: [{name: envoy}]}]}
//! ```
//!
//! ## IST0159 ConflictingTelemetryWorkloadSelectors (Error)
//!
//! **What it checks.** Two Telemetries of a namespace select the same workload.
//!
//! **Why it matters.** A workload takes one Telemetry with selector; which of them is undefined.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: reviews, namespace: shop, labels: {app: reviews, version: v1}}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: app, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, tracing: [{randomSamplingPercentage: 1}]}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: version, namespace: shop}
//! spec: {selector: {matchLabels: {version: v1}}, tracing: [{randomSamplingPercentage: 10}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: reviews, namespace: shop, labels: {app: reviews, version: v1}}
//! ---
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: app, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, tracing: [{randomSamplingPercentage: 1}]}
//! ```

use crate::codes::{IST0101, IST0159};
use crate::rule::{Context, NotJudged, Sink};
use crate::rules::selectors;
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut selected = selectors::Selected::default();
    for object in cx.mesh.objects(Kind::Telemetry).iter().copied() {
        let labels = object.spec_at(&["selector", "matchLabels"]).filter(|l| !l.is_empty());
        if let Some(labels) = labels
            && !selected.add(cx, object, labels)
        {
            selectors::none_selected(cx, sink, &IST0101, object, labels, NotJudged::WorkloadOutside);
        }
    }
    for (workload, list) in selected.conflicts() {
        for (object, other) in crate::rules::with_another(list) {
            let at = object.spec_at(&["selector", "matchLabels"]).unwrap_or(object.name_node());
            let workload = cx.mesh.workloads.get(workload);
            sink.report(
                &IST0159,
                object,
                at,
                format!("{} is selected by Telemetry `{}` too: which one holds for it is undefined", workload.object.origin(), other.full_name()),
            )
            .help("let only one of them select it")
            .related(other, other.spec_at(&["selector"]).map_or(other.name_node(), |s: Node<'a>| s), "selects it too");
        }
    }
}
