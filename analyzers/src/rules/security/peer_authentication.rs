//! ## KIA0003 OverlappingPeerAuthentications (Warning)
//!
//! **What it checks.** PeerAuthentications with different selectors that pick the same workload and say different things.
//!
//! **Why it matters.** Istio takes the oldest; which one that is does not show in the manifests.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart, tier: backend}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: PERMISSIVE}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: backend, namespace: shop}
//! spec: {selector: {matchLabels: {tier: backend}}, mtls: {mode: STRICT}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart, tier: backend}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: PERMISSIVE}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ```
//!
//! ## KIA0004 SelectorFindsNoWorkload (Warning)
//!
//! **What it checks.** A PeerAuthentication or RequestAuthentication whose selector picks no workload.
//!
//! **Why it matters.** What it was meant to protect goes without it.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: kart}}, mtls: {mode: STRICT}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: STRICT}}
//! ```
//!
//! ## MSH0308 PeerAuthenticationWithoutEffect (Warning)
//!
//! **What it checks.** A PeerAuthentication that cannot do what it says: with a selector in the root namespace, with a mode for
//! a port that is the Service's and not the workload's, or STRICT for workloads without a proxy.
//!
//! **Why it matters.** The mode of the namespace or mesh holds instead; a workload without a proxy takes whatever comes.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}
//! ```

use super::ports::Ports;
use crate::codes::{KIA0003, KIA0004, MSH0308};
use crate::rule::{Context, NotJudged, Sink};
use crate::rules::selectors::{Selected, none_selected};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{InMesh, Selector};
use std::collections::BTreeSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut selected = Selected::default();
    for policy in cx.mesh.objects(Kind::PeerAuthentication) {
        let Some(labels) = labels(policy) else { continue };
        if policy.namespace() == cx.mesh.config.root_namespace() {
            sink.report(&MSH0308, policy, labels, "the policy has no effect: in the root namespace, selectors of PeerAuthentications are ignored")
                .help("put it into the namespace of the workloads, or remove the selector to have it for the mesh");
        } else if selected.add(cx, policy, labels) {
            check_effect(cx, sink, policy, labels);
        } else {
            selects_none(cx, sink, policy, labels);
        }
    }
    check_overlaps(cx, sink, &selected);
    for policy in cx.mesh.objects(Kind::RequestAuthentication) {
        let targeted = ["targetRef", "targetRefs"].iter().any(|f| policy.spec_at(&[f]).is_some_and(|t| !t.is_empty()));
        let Some(labels) = labels(policy).filter(|_| !targeted) else { continue };
        let mesh_wide = policy.namespace() == cx.mesh.config.root_namespace();
        let namespace = (!mesh_wide).then(|| policy.namespace());
        if cx.mesh.picks(namespace, &Selector::from_map(Some(labels))) {
            continue;
        }
        // A policy of the root namespace is for all namespaces, of which a part shows some.
        if mesh_wide && !cx.mesh.is_complete() {
            sink.not_judged(NotJudged::WorkloadOutside);
        } else {
            selects_none(cx, sink, policy, labels);
        }
    }
}

fn selects_none<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, labels: Node<'a>) {
    // Istio makes the pods of the Gateway API's gateways itself.
    if labels.get("gateway.networking.k8s.io/gateway-name").is_some() {
        sink.not_judged(NotJudged::WorkloadOutside);
    } else {
        none_selected(cx, sink, &KIA0004, policy, labels, NotJudged::WorkloadOutside);
    }
}

fn labels<'a>(policy: &'a Object) -> Option<Node<'a>> {
    policy.spec_at(&["selector", "matchLabels"]).filter(|l| !l.is_empty())
}

fn check_overlaps<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, selected: &Selected<'a>) {
    let mut said: BTreeSet<&str> = BTreeSet::new();
    for (id, policies) in selected.conflicts() {
        // The same selector twice is told of as one scope (KIA0002).
        let Some((first, rest)) = policies.split_first() else { continue };
        for policy in rest.iter().filter(|p| differ(first, p)) {
            if said.insert(policy.name()) {
                let workload = cx.mesh.workloads.get(id).object;
                let message =
                    format!("PeerAuthentications `{}` and `{}` both select `{}`; only the older one counts", first.name(), policy.name(), workload.name());
                sink.report(&KIA0003, policy, policy.spec_at(&["selector"]).unwrap_or_else(|| policy.name_node()), message)
                    .help("narrow the selectors, or put both into one PeerAuthentication")
                    .related(first, first.spec_at(&["selector"]).unwrap_or_else(|| first.name_node()), "selected here too")
                    .related(workload, workload.name_node(), "this workload");
            }
        }
    }
}

/// Whether two policies have other selectors and other modes.
fn differ(a: &Object, b: &Object) -> bool {
    let same = |field: &str| match (a.spec_at(&[field]), b.spec_at(&[field])) {
        (None, None) => true,
        (Some(x), Some(y)) => x.same_value(y),
        _ => false,
    };
    let same_modes = same("mtls") && same("portLevelMtls");
    !same("selector") && !same_modes
}

fn check_effect<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, labels: Node<'a>) {
    let strict = policy.spec_at(&["mtls", "mode"]).filter(|m| m.text() == "STRICT");
    let mut workloads = cx.mesh.workloads.matching(Some(policy.namespace()), &Selector::from_map(Some(labels)));
    if let Some(mode) = strict
        && workloads.all(|w| cx.mesh.in_mesh(w) == InMesh::No)
    {
        sink.report(&MSH0308, policy, mode, "the mode STRICT has no effect: the selected workloads have no proxy, and take what comes")
            .help("enable injection for them (label `istio-injection=enabled` of the namespace)");
        return;
    }
    let Some(by_port) = policy.spec_at(&["portLevelMtls"]) else { return };
    let Ok(ports) = Ports::behind(cx, policy) else { return };
    for (key, _) in by_port.entries() {
        if let Some((own, service)) = key.text().parse().ok().and_then(|p| ports.only_of_service(p)) {
            let message = format!("the mode for port `{}` has no effect: it is the Service's port, the workload listens on `{own}`", key.text());
            let finding = sink.report(&MSH0308, policy, key, message);
            finding.help(format!("write `{own}`"));
            if let Some((service, port)) = service {
                finding.related(service, port, "this port of the Service");
            }
        }
    }
}
