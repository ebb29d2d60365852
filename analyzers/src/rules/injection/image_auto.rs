//! ## IST0146 ImageAutoWithoutInjectionWarning (Warning)
//!
//! **What it checks.** A Deployment whose proxy has the image `auto` and that no injection webhook selects.
//!
//! **Why it matters.** `auto` is replaced by injection only; without it the pods cannot pull their image.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: gateway, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: gateway}}
//!   template:
//!     metadata: {labels: {app: gateway}}
//!     spec: {containers: [{name: istio-proxy, image: auto}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: istio-sidecar-injector}
//! webhooks:
//! - name: object.sidecar-injector.istio.io
//!   clientConfig: {url: "https://istiod.example.com/inject"}
//!   objectSelector: {matchLabels: {sidecar.istio.io/inject: "true"}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: gateway, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: gateway}}
//!   template:
//!     metadata: {labels: {app: gateway, sidecar.istio.io/inject: "true"}}
//!     spec: {containers: [{name: istio-proxy, image: auto}]}
//! ```
//!
//! **Good**
//!
//! The injector is not in the input: the label asks for it.
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: gateway, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: gateway}}
//!   template:
//!     metadata: {labels: {app: gateway, sidecar.istio.io/inject: "true"}}
//!     spec: {containers: [{name: istio-proxy, image: auto}]}
//! ```
//!
//! ## IST0147 ImageAutoWithoutInjectionError (Error)
//!
//! **What it checks.** A Pod whose proxy has the image `auto`.
//!
//! **Why it matters.** Injection would have replaced it: the pod was not injected and cannot start.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: gateway, namespace: shop}
//! spec: {containers: [{name: istio-proxy, image: auto}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: gateway, namespace: shop}
//! spec: {containers: [{name: istio-proxy, image: "docker.io/istio/proxyv2:1.31.0"}]}
//! ```

use crate::codes::{IST0146, IST0147};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{Place, Selector};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for pod in cx.mesh.objects(Kind::Pod).iter().copied().filter(|p| p.role == Role::Judged) {
        if let Some(image) = auto_image(pod.root()) {
            sink.report(&IST0147, pod, image, format!("pod `{}` runs the image `auto`, which only injection replaces", pod.name()))
                .help("enable injection for the pod, then make it anew");
        }
    }
    let webhooks: Vec<Node<'a>> = cx
        .mesh
        .objects(Kind::MutatingWebhookConfiguration)
        .iter()
        .flat_map(|c| c.root().list("webhooks"))
        .filter(|w| w.text_of("name").ends_with("istio.io"))
        .collect();
    for deployment in cx.mesh.objects(Kind::Deployment).iter().copied().filter(|d| d.role == Role::Judged) {
        let Some(template) = deployment.spec_at(&["template"]) else { continue };
        let Some(image) = auto_image(template) else { continue };
        if webhooks.iter().any(|w| selects(cx, *w, deployment, template)) {
            continue;
        }
        // The injector comes from another source mostly: where it is not in the input, labels tell what it does.
        if webhooks.is_empty() && asks_for_injection(cx, deployment, template) {
            sink.not_judged(NotJudged::ObjectOutside);
            continue;
        }
        if !cx.mesh.owns(deployment, Place::Objects(Kind::MutatingWebhookConfiguration, "")) || !cx.mesh.owns(deployment, Place::Objects(Kind::Namespace, "")) {
            sink.not_judged(NotJudged::ObjectOutside);
            continue;
        }
        sink.report(&IST0146, deployment, image, format!("Deployment `{}` runs the image `auto`, but no injection webhook selects it", deployment.name()))
            .help("label the pod template or the namespace for injection");
    }
}

/// Whether labels of a pod or its namespace ask Istio's own webhooks for a proxy.
fn asks_for_injection(cx: &Context<'_>, deployment: &Object, template: Node<'_>) -> bool {
    let namespace = cx.mesh.find(Kind::Namespace, "", deployment.namespace());
    let own = |key: &str| template.at(&["metadata", "labels"]).and_then(|l| l.get(key)).map(Node::text);
    let of_namespace = |key: &str| namespace.and_then(|n| n.label(key));
    let is_asked = of_namespace("istio-injection") == Some("enabled") || of_namespace("istio.io/rev").is_some() || own("istio.io/rev").is_some();
    match own("sidecar.istio.io/inject") {
        Some(inject) => inject == "true",
        None => is_asked && of_namespace("istio-injection") != Some("disabled"),
    }
}

fn auto_image(pod: Node<'_>) -> Option<Node<'_>> {
    pod.get("spec")?.list("containers").find(|c| c.text_of("name") == "istio-proxy" && c.text_of("image") == "auto")?.get("image")
}

fn selects(cx: &Context<'_>, webhook: Node<'_>, deployment: &Object, template: Node<'_>) -> bool {
    let namespace = cx.mesh.find(Kind::Namespace, "", deployment.namespace());
    let of_namespace = Selector::from_label_selector(webhook.get("namespaceSelector"));
    let of_object = Selector::from_label_selector(webhook.get("objectSelector"));
    let labels = template.at(&["metadata", "labels"]);
    of_namespace.matches(|k| namespace.and_then(|n| n.label(k))) && of_object.matches(|k| labels.and_then(|l| l.get(k)).map(Node::text))
}
