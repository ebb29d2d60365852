//! ## IST0139 InvalidWebhook (Error)
//!
//! **What it checks.** Injection webhooks that select the same pods, and webhooks whose Service does not exist.
//!
//! **Why it matters.** A pod that two webhooks select is injected twice; a webhook without its Service fails every pod.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: istio-sidecar-injector}
//! webhooks:
//! - name: sidecar-injector.istio.io
//!   clientConfig: {service: {name: istiod, namespace: istio-system}}
//!   namespaceSelector: {matchLabels: {istio-injection: enabled}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: istiod, namespace: istio-system}
//! spec: {ports: [{name: https-webhook, port: 443}]}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: istio-sidecar-injector}
//! webhooks:
//! - name: sidecar-injector.istio.io
//!   clientConfig: {service: {name: istiod, namespace: istio-system}}
//!   namespaceSelector: {matchLabels: {istio-injection: enabled}}
//! ```

use crate::codes::IST0139;
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{Place, Selector};
use std::collections::{BTreeMap, BTreeSet};

const REVISION: &str = "istio.io/rev";

struct Webhook<'a> {
    object: &'a Object,
    node: Node<'a>,
    namespaces: Selector<'a>,
    objects: Selector<'a>,
}

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut webhooks = Vec::new();
    let mut revisions: BTreeSet<&'a str> = BTreeSet::new();
    for object in cx.mesh.objects(Kind::MutatingWebhookConfiguration) {
        let own: Vec<Node<'a>> = object.root().list("webhooks").collect();
        let found = revisions_of(object, &own);
        if found.is_empty() && !own.iter().any(|w| w.text_of("name").ends_with("istio.io")) {
            continue;
        }
        revisions.extend(found);
        webhooks.extend(own.into_iter().map(|node| Webhook {
            object,
            node,
            namespaces: Selector::from_label_selector(node.get("namespaceSelector")),
            objects: Selector::from_label_selector(node.get("objectSelector")),
        }));
    }
    check_overlaps(sink, &webhooks, &revisions);
    // A configuration names its Service once a webhook; one missing Service is one fault of the configuration.
    let mut said: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    for w in webhooks.iter().filter(|w| w.object.role == Role::Judged) {
        let service = w.node.at(&["clientConfig", "service"]);
        if service.is_some_and(|s| said.insert((w.object.name(), s.text_of("namespace"), s.text_of("name")))) {
            check_service(cx, sink, w);
        }
    }
}

/// Revisions that a configuration is for: of its own label and of its selectors.
fn revisions_of<'a>(object: &'a Object, webhooks: &[Node<'a>]) -> Vec<&'a str> {
    let mut out: Vec<&str> = object.label(REVISION).into_iter().collect();
    for selector in webhooks.iter().flat_map(|w| [w.get("namespaceSelector"), w.get("objectSelector")]).flatten() {
        out.extend(selector.at(&["matchLabels"]).and_then(|l| l.get(REVISION)).map(Node::text));
        out.extend(selector.list("matchExpressions").filter(|e| e.text_of("key") == REVISION).flat_map(|e| e.list("values")).map(Node::text));
    }
    out
}

/// Every combination of labels that injection knows may be selected once.
fn check_overlaps<'a>(sink: &mut Sink<'a>, webhooks: &[Webhook<'a>], revisions: &BTreeSet<&'a str>) {
    let with_revisions = || std::iter::once(None).chain(revisions.iter().copied().map(Some));
    let mut overlapping: BTreeMap<(usize, Vec<usize>), ()> = BTreeMap::new();
    for namespace in [None, Some("enabled"), Some("disabled")] {
        for namespace_revision in with_revisions() {
            let by_namespace: Vec<usize> = (0..webhooks.len())
                .filter(|i| {
                    webhooks[*i].namespaces.matches(|k| match k {
                        "istio-injection" => namespace,
                        REVISION => namespace_revision,
                        _ => None,
                    })
                })
                .collect();
            if by_namespace.len() < 2 {
                continue;
            }
            for inject in [None, Some("true"), Some("false")] {
                for revision in with_revisions() {
                    let selected: Vec<usize> = by_namespace
                        .iter()
                        .copied()
                        .filter(|i| {
                            webhooks[*i].objects.matches(|k| match k {
                                "sidecar.istio.io/inject" => inject,
                                REVISION => revision,
                                _ => None,
                            })
                        })
                        .collect();
                    if selected.len() > 1 {
                        for i in &selected {
                            overlapping.insert((*i, selected.iter().copied().filter(|j| j != i).collect()), ());
                        }
                    }
                }
            }
        }
    }
    for (i, others) in overlapping.into_keys() {
        let w = &webhooks[i];
        let mut names: Vec<String> = others.iter().map(|j| format!("`{}/{}`", webhooks[*j].object.name(), webhooks[*j].node.text_of("name"))).collect();
        names.sort();
        names.dedup();
        let at = w.node.get("name").unwrap_or(w.node);
        let finding = sink.report(
            &IST0139,
            w.object,
            at,
            format!("webhook `{}` selects pods that {} select too, so they are injected twice", w.node.text_of("name"), names.join(", ")),
        );
        finding.help("remove the configuration of the old revision, or narrow the selectors");
        for j in others.into_iter().take(5) {
            finding.related(webhooks[j].object, webhooks[j].node, "this webhook");
        }
    }
}

fn check_service<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, w: &Webhook<'a>) {
    let Some(service) = w.node.at(&["clientConfig", "service"]) else { return };
    let (namespace, name) = (service.text_of("namespace"), service.text_of("name"));
    if cx.mesh.find(Kind::Service, namespace, name).is_some() {
        return;
    }
    let at = service.get("name").unwrap_or(service);
    let m = Missing {
        code: &IST0139,
        object: w.object,
        at,
        what: "Service",
        value: name,
        place: Place::Objects(Kind::Service, namespace),
        reason: NotJudged::ObjectOutside,
    };
    let message = format!("webhook `{}` calls the Service `{namespace}/{name}`, which does not exist", w.node.text_of("name"));
    missing(cx, sink, &m, message, cx.mesh.objects_in(Kind::Service, namespace).iter().map(|s| s.name()));
}
