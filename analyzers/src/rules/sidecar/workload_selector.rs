//! ## IST0101 ReferencedResourceNotFound (Error)
//!
//! **What it checks.** A Sidecar's workload selector picks a workload of its namespace.
//!
//! **Why it matters.** Without one the Sidecar has no effect, and the workload keeps the namespace's defaults.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews}}}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: reviews, namespace: shop}
//! spec: {workloadSelector: {labels: {app: reveiws}}, egress: [{hosts: ["./*"]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: reviews, namespace: shop}
//! spec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews}}}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: reviews, namespace: shop}
//! spec: {workloadSelector: {labels: {app: reviews}}, egress: [{hosts: ["./*"]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadEntry
//! metadata: {name: vm, namespace: shop}
//! spec: {address: 10.0.0.1, labels: {app: reviews}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: reviews, namespace: shop}
//! spec: {workloadSelector: {labels: {app: reviews}}, egress: [{hosts: ["./*"]}]}
//! ```
//!
//! ## IST0110 ConflictingSidecarWorkloadSelectors (Error)
//!
//! **What it checks.** Two Sidecars of a namespace select the same workload.
//!
//! **Why it matters.** A workload takes one Sidecar; which of them is undefined.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: reviews, namespace: shop, labels: {app: reviews, version: v1}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: app, namespace: shop}
//! spec: {workloadSelector: {labels: {app: reviews}}, egress: [{hosts: ["./*"]}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: version, namespace: shop}
//! spec: {workloadSelector: {labels: {version: v1}}, egress: [{hosts: ["*/*"]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: reviews, namespace: shop, labels: {app: reviews, version: v1}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: app, namespace: shop}
//! spec: {workloadSelector: {labels: {app: reviews}}, egress: [{hosts: ["./*"]}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec: {egress: [{hosts: ["*/*"]}]}
//! ```
//!
//! ## IST0111 MultipleSidecarsWithoutWorkloadSelectors (Error)
//!
//! **What it checks.** A namespace has more than one Sidecar without workload selector.
//!
//! **Why it matters.** Only one of them can be the namespace's default; which one is undefined.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: one, namespace: shop}
//! spec: {egress: [{hosts: ["./*"]}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: two, namespace: shop}
//! spec: {egress: [{hosts: ["*/*"]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec: {egress: [{hosts: ["./*"]}]}
//! ```
//!
//! ## IST0167 IneffectivePolicy (Warning)
//!
//! **What it checks.** A Sidecar applies to workloads in ambient mode.
//!
//! **Why it matters.** They have no sidecar that it could configure.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec: {egress: [{hosts: ["./*"]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Sidecar
//! metadata: {name: default, namespace: shop}
//! spec: {egress: [{hosts: ["./*"]}]}
//! ```

use crate::codes::{IST0101, IST0110, IST0111, IST0167};
use crate::rule::{Context, NotJudged, Sink};
use crate::rules::{selectors, with_another};
use mesh_model::{Kind, Object};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut selected = selectors::Selected::default();
    let mut defaults: BTreeMap<&str, Vec<&'a Object>> = BTreeMap::new();
    for object in cx.mesh.objects(Kind::Sidecar).iter().copied() {
        match object.spec_at(&["workloadSelector", "labels"]).filter(|l| !l.is_empty()) {
            None => defaults.entry(object.namespace()).or_default().push(object),
            Some(labels) if !selected.add(cx, object, labels) => {
                selectors::none_selected(cx, sink, &IST0101, object, labels, NotJudged::WorkloadOutside);
            }
            Some(_) => {}
        }
    }
    let mut ineffective: FxHashSet<*const Object> = FxHashSet::default();
    for (workload, list) in selected.all() {
        let workload = cx.mesh.workloads.get(workload);
        if workload.annotation("ambient.istio.io/redirection") == Some("enabled") {
            for object in list.iter().filter(|o| ineffective.insert(std::ptr::from_ref(**o))) {
                let at = object.spec_at(&["workloadSelector"]).unwrap_or(object.name_node());
                sink.report(
                    &IST0167,
                    object,
                    at,
                    format!("{} is in ambient mode and has no sidecar: this Sidecar does nothing for it", workload.object.origin()),
                )
                .help("remove it, or use a waypoint");
            }
            continue;
        }
        for (object, other) in with_another(list) {
            let at = object.spec_at(&["workloadSelector", "labels"]).unwrap_or(object.name_node());
            sink.report(
                &IST0110,
                object,
                at,
                format!("{} is selected by Sidecar `{}` too: which one holds for it is undefined", workload.object.origin(), other.full_name()),
            )
            .help("let only one of them select it")
            .related(other, other.spec_at(&["workloadSelector"]).unwrap_or(other.name_node()), "selects it too");
        }
    }
    for (namespace, list) in defaults {
        if is_ambient(cx, namespace) {
            for object in list {
                sink.report(
                    &IST0167,
                    object,
                    object.name_node(),
                    format!("namespace `{namespace}` is in ambient mode: there are no sidecars that this could configure"),
                )
                .help("remove it, or use a waypoint");
            }
            continue;
        }
        for (object, other) in with_another(&list) {
            sink.report(
                &IST0111,
                object,
                object.name_node(),
                format!("namespace `{namespace}` has {} Sidecars without workload selector: which one holds is undefined", list.len()),
            )
            .help("keep one of them, or give the others a `workloadSelector`")
            .related(other, other.name_node(), "another one");
        }
    }
}

/// Labelled for ambient mode, and for no sidecar injection.
fn is_ambient(cx: &Context<'_>, namespace: &str) -> bool {
    let label = |key| cx.mesh.namespace_label(namespace, key);
    label("istio.io/dataplane-mode") == Some("ambient") && label("istio-injection") != Some("enabled") && label("istio.io/rev").is_none_or(str::is_empty)
}
