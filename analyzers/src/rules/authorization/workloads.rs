//! ## IST0127 NoMatchingWorkloadsFound (Warning)
//!
//! **What it checks.** An AuthorizationPolicy whose selector picks no workload of the mesh, or that stands in a namespace
//! without one.
//!
//! **Why it matters.** The policy protects nothing.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: kart}}
//!   rules: [{}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadGroup
//! metadata: {name: vms, namespace: shop}
//! spec: {metadata: {labels: {app: cart}}, template: {serviceAccount: cart}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{}]
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! The Deployment names no namespace: it may be applied to `shop`.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: till, namespace: shop, labels: {app: till}}
//! spec: {containers: [{name: app, image: till}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart}
//! spec: {selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart}}}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: cart}}, rules: [{}]}
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! A policy of the root namespace is for the workloads of every namespace, of which the input shows one.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: till, namespace: shop, labels: {app: till}}
//! spec: {containers: [{name: app, image: till}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: ingress, namespace: istio-system}
//! spec: {selector: {matchLabels: {app: istio-ingressgateway}}, rules: [{}]}
//! ```

use crate::codes::{IST0127, MSH0002};
use crate::rule::{Context, NotJudged, Sink};
use crate::spelling;
use mesh_model::{Kind, Object, Role};
use mesh_resolver::{Place, Selector};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for policy in cx.mesh.objects(Kind::AuthorizationPolicy).iter().copied().filter(|p| p.role == Role::Judged) {
        check(cx, sink, policy);
    }
}

fn check<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object) {
    // A policy with targets selects by them, not by labels.
    if ["targetRef", "targetRefs"].iter().any(|f| policy.spec_at(&[f]).is_some_and(|t| !t.is_empty())) {
        return;
    }
    let mesh_wide = policy.namespace() == cx.mesh.config.root_namespace();
    let namespace = (!mesh_wide).then(|| policy.namespace());
    let node = policy.spec_at(&["selector"]);
    if node.is_none() && mesh_wide {
        return;
    }
    let selector = Selector::from_map(node.and_then(|n| n.get("matchLabels")));
    let workloads = || cx.mesh.workloads_everywhere().matching(namespace, &selector);
    if workloads().any(|w| cx.mesh.in_mesh(w).is_in()) || cx.mesh.machines_everywhere().any(namespace, &selector) {
        return;
    }
    // Of a part of a mesh, namespaces may lack the labels that would say that their workloads are in it.
    // A policy of the root namespace is for all namespaces, of which a part shows some.
    let seen = (cx.mesh.is_complete() || !mesh_wide)
        && cx.mesh.owns(policy, Place::Workloads(namespace.unwrap_or("")))
        && (cx.mesh.is_complete() || workloads().next().is_none())
        && !cx.mesh.may_pick(policy, namespace, &selector);
    let at = node.unwrap_or_else(|| policy.name_node());
    if !seen || (node.is_none() && !cx.mesh.is_complete()) {
        let mut values = Vec::new();
        let labels = |w: &mesh_resolver::Workload<'a>| w.labels().map(|(_, v)| v).collect::<Vec<_>>();
        match namespace {
            Some(ns) => values.extend(cx.mesh.workloads.in_namespace(ns).flat_map(labels).take(1000)),
            None => values.extend(cx.mesh.workloads.all().iter().flat_map(labels).take(1000)),
        }
        if let Some((_, v)) =
            node.and_then(|n| n.get("matchLabels")).and_then(|m| m.entries().find(|(_, v)| spelling::nearest(v.text(), values.iter().copied()).is_some()))
            && let Some(near) = spelling::nearest(v.text(), values.iter().copied())
        {
            sink.report(&MSH0002, policy, v, format!("label `{}` selects no workload in the input, but `{near}` would", v.text()))
                .help(format!("did you mean `{near}`?"));
        } else {
            sink.not_judged(NotJudged::WorkloadOutside);
        }
        return;
    }
    let what = match (node, selector.is_empty()) {
        (None, _) => format!("namespace `{}` has no workload of the mesh that the policy could apply to", policy.namespace()),
        (Some(_), true) => "the policy's empty selector finds no workload of the mesh".to_owned(),
        (Some(_), false) => format!("selector `{}` picks no workload of the mesh", selector.display()),
    };
    sink.report(&IST0127, policy, at, what).help("compare the labels with those of the pods, and check that the pods have a proxy");
}
