//! ## IST0175 JwksUriFetchUnrestricted (Warning)
//!
//! **What it checks.** An istiod that may fetch JWKS from any address, in a mesh that has RequestAuthentications.
//!
//! **Why it matters.** Whoever may write a RequestAuthentication can make istiod call addresses inside the cluster.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
//! spec:
//!   selector: {matchLabels: {app: istiod}}
//!   template: {metadata: {labels: {app: istiod}}, spec: {containers: [{name: discovery, image: pilot}]}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec: {jwtRules: [{issuer: a, jwksUri: "https://a.example.com/keys"}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
//! spec:
//!   selector: {matchLabels: {app: istiod}}
//!   template:
//!     metadata: {labels: {app: istiod}}
//!     spec:
//!       containers:
//!       - {name: discovery, image: pilot, env: [{name: BLOCKED_CIDRS_IN_JWKS_URIS, value: 10.0.0.0/8}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec: {jwtRules: [{issuer: a, jwksUri: "https://a.example.com/keys"}]}
//! ```

use crate::codes::IST0175;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Role};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let requests = cx.mesh.objects(Kind::RequestAuthentication);
    if requests.is_empty() {
        return;
    }
    for istiod in cx.mesh.objects(Kind::Deployment).iter().copied().filter(|d| d.role == Role::Judged && d.label("app") == Some("istiod")) {
        let Some(pod) = istiod.spec_at(&["template", "spec"]) else { continue };
        let restricted =
            pod.list("containers").flat_map(|c| c.list("env")).any(|e| e.text_of("name") == "BLOCKED_CIDRS_IN_JWKS_URIS" && !e.text_of("value").is_empty());
        if restricted {
            continue;
        }
        let mut names: Vec<String> = requests.iter().map(|r| format!("`{}`", r.full_name())).collect();
        names.sort();
        let more = names.len().saturating_sub(5);
        names.truncate(5);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("istiod fetches JWKS from any address for {} RequestAuthentications: {}{tail}", requests.len(), names.join(", "));
        sink.report(&IST0175, istiod, istiod.name_node(), message).help("set BLOCKED_CIDRS_IN_JWKS_URIS to the blocks that istiod must not call");
    }
}
