//! ## MSH0303 TokenNeverRequired (Warning)
//!
//! **What it checks.** A RequestAuthentication for workloads where no AuthorizationPolicy and no route asks for a token.
//!
//! **Why it matters.** A wrong token is refused, but a request without any token passes.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec: {jwtRules: [{issuer: a, jwksUri: "https://a.example.com/keys"}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec: {jwtRules: [{issuer: a, jwksUri: "https://a.example.com/keys"}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: jwt, namespace: shop}
//! spec: {rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! What asks for a token may stand in the root namespace, of which nothing is in the input.
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec: {jwtRules: [{issuer: a, jwksUri: "https://a.example.com/keys"}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{from: [{source: {namespaces: [web]}}]}]}
//! ```

use crate::codes::MSH0303;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::Place;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let requests = cx.mesh.objects(Kind::RequestAuthentication);
    if requests.is_empty() {
        return;
    }
    let root = cx.mesh.config.root_namespace();
    let asking: Vec<&Object> = cx.mesh.objects(Kind::AuthorizationPolicy).iter().copied().filter(|p| asks_for_token(p)).collect();
    let routes_ask = cx.mesh.objects(Kind::VirtualService).iter().any(|v| routes_by_claim(v));
    for request in requests.iter().copied().filter(|r| r.role == Role::Judged) {
        let Some(rules) = request.spec_at(&["jwtRules"]).filter(|r| !r.is_empty()) else { continue };
        // A policy of the same namespace or of the root may ask, whatever it selects: this looks for none at all.
        let asked = asking.iter().any(|p| p.namespace() == request.namespace() || p.namespace() == root || request.namespace() == root);
        if asked || routes_ask {
            continue;
        }
        // What asks may stand in the namespace or in the root's, and routes in any.
        let owns = |kind, namespace| cx.mesh.owns(request, Place::Objects(kind, namespace));
        let policies = owns(Kind::AuthorizationPolicy, request.namespace()) && owns(Kind::AuthorizationPolicy, root);
        if !policies || !owns(Kind::VirtualService, "") {
            sink.not_judged(NotJudged::ObjectOutside);
            continue;
        }
        sink.report(&MSH0303, request, rules, "tokens are checked but never required: a request without a token passes")
            .help("add an AuthorizationPolicy whose source asks for `requestPrincipals: [\"*\"]`");
    }
}

fn asks_for_token(policy: &Object) -> bool {
    // An outside party may ask for the token itself.
    if policy.spec().is_some_and(|s| s.text_of("action") == "CUSTOM") {
        return true;
    }
    policy.spec().into_iter().flat_map(|s| s.list("rules")).any(|rule| {
        let by_source =
            rule.list("from").filter_map(|f| f.get("source")).any(|s| ["requestPrincipals", "notRequestPrincipals"].iter().any(|f| s.get(f).is_some()));
        by_source || rule.list("when").any(|w| w.text_of("key").starts_with("request.auth."))
    })
}

fn routes_by_claim(vs: &Object) -> bool {
    let matches = vs.spec().into_iter().flat_map(|s| s.list("http")).flat_map(|h| h.list("match"));
    let claims = |n: Node<'_>, field: &str| n.map(field).any(|(k, _)| crate::validation::http::is_jwt_claim(k.text()));
    matches.into_iter().any(|m| claims(m, "headers") || claims(m, "withoutHeaders"))
}
