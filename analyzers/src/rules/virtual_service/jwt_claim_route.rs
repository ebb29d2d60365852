//! ## IST0149 JwtClaimBasedRoutingWithoutRequestAuthN (Error)
//!
//! **What it checks.** A VirtualService on a gateway matches a claim (`@request.auth.claims…`), and no
//! RequestAuthentication applies to the gateway's pods.
//!
//! **Why it matters.** Claims exist only after a RequestAuthentication has read the token; the match is never true.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: admin, namespace: edge}
//! spec:
//!   hosts: [shop.example.com]
//!   gateways: [public]
//!   http: [{match: [{headers: {"@request.auth.claims.group": {exact: admin}}}], directResponse: {status: 204}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: edge, namespace: istio-system}
//! spec:
//!   selector: {matchLabels: {istio: ingressgateway}}
//!   jwtRules: [{issuer: "https://id.example.com", jwksUri: "https://id.example.com/keys"}]
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: admin, namespace: edge}
//! spec:
//!   hosts: [shop.example.com]
//!   gateways: [public]
//!   http: [{match: [{headers: {"@request.auth.claims.group": {exact: admin}}}], directResponse: {status: 204}}]
//! ```

use super::gateway_reference::split_name;
use crate::codes::IST0149;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Place, Selector, Workload};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for object in cx.mesh.objects(Kind::VirtualService).iter().copied() {
        let Some(claim) = claim_key(object) else { continue };
        for name in object.spec().into_iter().flat_map(|s| s.list("gateways")).filter(|g| g.text() != "mesh") {
            let (ns, gateway) = split_name(name.text(), object.namespace());
            if let Some(gateway) = cx.mesh.find(Kind::Gateway, ns, gateway) {
                judge(cx, sink, object, claim, gateway);
            }
        }
    }
}

/// The first match on a claim, as `@request.auth.claims.group` or `@request.auth.claims[group]`.
fn claim_key(object: &Object) -> Option<Node<'_>> {
    let matches = object.spec()?.list("http").flat_map(|rule| rule.list("match"));
    matches.flat_map(|m| m.map("headers").chain(m.map("withoutHeaders"))).map(|(key, _)| key).find(|key| {
        let rest = key.text().get(..20).filter(|p| p.eq_ignore_ascii_case("@request.auth.claims")).and(key.text().get(20..));
        rest.is_some_and(|r| r.len() > 1 && (r.starts_with('.') || r.starts_with('[')))
    })
}

fn judge<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, claim: Node<'a>, gateway: &'a Object) {
    let selector = Selector::from_map(gateway.spec_at(&["selector"]));
    let root = cx.mesh.config.root_namespace();
    let owned = |ns| cx.mesh.owns(object, Place::Objects(Kind::RequestAuthentication, ns));
    for workload in cx.mesh.workloads.matching(None, &selector) {
        if applies(cx, root, workload) || applies(cx, workload.namespace, workload) {
            continue;
        }
        if !owned(root) || !owned(workload.namespace) {
            sink.not_judged(NotJudged::ObjectOutside);
            continue;
        }
        sink.report(
            &IST0149,
            object,
            claim,
            format!("`{}` never matches: no RequestAuthentication applies to {} of gateway `{}`", claim.text(), workload.object.origin(), gateway.full_name()),
        )
        .help(format!("add a RequestAuthentication in namespace `{}` that selects the gateway and accepts the token's issuer", workload.namespace))
        .related(gateway, gateway.name_node(), "the gateway");
    }
}

fn applies(cx: &Context<'_>, namespace: &str, workload: &Workload<'_>) -> bool {
    cx.mesh.objects_in(Kind::RequestAuthentication, namespace).iter().any(|policy| {
        let labels = policy.spec_at(&["selector", "matchLabels"]);
        labels.into_iter().flat_map(Node::entries).all(|(k, v)| workload.label(k.text()) == Some(v.text()))
    })
}
