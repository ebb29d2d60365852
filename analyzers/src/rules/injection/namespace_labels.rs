//! ## IST0102 NamespaceNotInjected (Info)
//!
//! **What it checks.** A namespace without a label that enables the mesh for it.
//!
//! **Why it matters.** Its pods get no proxy: they are outside the mesh.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ```
//!
//! ## IST0123 NamespaceMultipleInjectionLabels (Warning)
//!
//! **What it checks.** A namespace with several labels that choose how its pods join the mesh.
//!
//! **Why it matters.** `istio-injection` wins over a revision, so pods get another revision than the label says.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled, istio.io/rev: canary}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio.io/rev: canary}}
//! ```
//!
//! ## IST0148 NamespaceInjectionEnabledByDefault (Info)
//!
//! **What it checks.** A namespace without a label where the injector enables namespaces by default.
//!
//! **Why it matters.** Its pods do get a proxy, which the namespace does not show.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio-sidecar-injector, namespace: istio-system}
//! data: {values: '{"sidecarInjectorWebhook": {"enableNamespacesByDefault": true}}'}
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: istio-sidecar-injector, namespace: istio-system}
//! data: {values: '{"sidecarInjectorWebhook": {"enableNamespacesByDefault": true}}'}
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ```
//!
//! ## IST0103 PodMissingProxy (Warning)
//!
//! **What it checks.** A pod without a proxy in a namespace that injects one.
//!
//! **Why it matters.** The pod was made before the label was, or injection failed: it is outside the mesh.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   containers: [{name: app, image: cart}]
//!   initContainers: [{name: istio-proxy, image: proxyv2, restartPolicy: Always}]
//! ```

use crate::codes::{IST0102, IST0103, IST0123, IST0148};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::injection::{DATAPLANE_LABEL as DATAPLANE, NAMESPACE_LABEL as INJECTION, POD_LABEL, REVISION_LABEL as REVISION};

/// Where istiod stands; it is not injected.
const CONTROL_PLANE: &str = "istio-system";

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for namespace in cx.mesh.objects(Kind::Namespace).iter().copied().filter(|n| n.role == Role::Judged && n.name() != CONTROL_PLANE) {
        check_namespace(cx, sink, namespace);
    }
    for pod in cx.mesh.objects(Kind::Pod).iter().copied().filter(|p| p.role == Role::Judged) {
        check_pod(cx, sink, pod);
    }
}

fn check_namespace<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, ns: &'a Object) {
    let injection = ns.label(INJECTION);
    let mut labels: Vec<(Node<'a>, Node<'a>)> = ns.labels().filter(|(k, _)| k.text() == INJECTION).collect();
    if injection.is_none_or(|i| i == "enabled") {
        labels.extend(ns.labels().filter(|(k, _)| matches!(k.text(), REVISION | DATAPLANE)));
    }
    if labels.len() > 1 {
        let mut names: Vec<String> = labels.iter().map(|(k, v)| format!("`{}={}`", k.text(), v.text())).collect();
        names.sort();
        let at = labels.last().map_or(ns.name_node(), |(k, _)| *k);
        sink.report(&IST0123, ns, at, format!("namespace `{}` has several injection labels: {}", ns.name(), names.join(", ")))
            .help("keep one; `istio-injection` wins over `istio.io/rev`");
    }
    if ns.label(DATAPLANE) == Some("ambient") || injection.is_some_and(|i| !i.is_empty()) || ns.label(REVISION).is_some() {
        return;
    }
    if cx.mesh.enables_namespaces_by_default {
        sink.report(&IST0148, ns, ns.name_node(), format!("namespace `{}` is injected, because the injector enables namespaces by default", ns.name()))
            .help("label it with `istio-injection` to say what is meant");
    } else {
        sink.report(&IST0102, ns, ns.name_node(), format!("namespace `{}` is not enabled for the mesh", ns.name()))
            .help("label it `istio-injection=enabled` or `istio.io/dataplane-mode=ambient`, or `istio-injection=disabled` to say that this is meant");
    }
}

fn check_pod<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, pod: &'a Object) {
    let label = |key| cx.mesh.namespace_label(pod.namespace(), key);
    if pod.namespace() == CONTROL_PLANE || label(INJECTION) != Some("enabled") || label(DATAPLANE) == Some("ambient") {
        return;
    }
    let inject = pod.label(POD_LABEL).or_else(|| pod.annotation(POD_LABEL));
    if inject.is_some_and(|i| i.eq_ignore_ascii_case("false")) {
        return;
    }
    let Some(spec) = pod.spec() else { return };
    if spec.get("hostNetwork").and_then(Node::bool) == Some(true) {
        return;
    }
    let proxied = spec.list("containers").chain(spec.list("initContainers")).find(|c| c.text_of("name") == "istio-proxy");
    if proxied.is_none_or(|c| c.text_of("image").is_empty()) {
        sink.report(&IST0103, pod, pod.name_node(), format!("pod `{}` has no proxy, though its namespace injects one", pod.full_name()))
            .help("make the pod anew (`kubectl rollout restart`), or label it `sidecar.istio.io/inject: \"false\"` if it is meant to be outside the mesh");
    }
}
