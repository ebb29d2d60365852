//! ## KIA0105 IdentityNeedsMtls (Warning)
//!
//! **What it checks.** An AuthorizationPolicy that asks who the caller is (principals, namespaces, service accounts) for
//! workloads that serve without mTLS. Where mTLS is optional (PERMISSIVE) it is told as Info.
//!
//! **Why it matters.** A caller is known by its certificate: without mTLS an ALLOW rule by identity lets nobody in, and
//! a DENY rule by identity keeps nobody out.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: DISABLE}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{from: [{source: {principals: ["*/ns/shop/sa/default"]}}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{from: [{source: {principals: ["*/ns/shop/sa/default"]}}]}]
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! The PeerAuthentications of `shop` are not in the input.
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: istio-system}
//! spec: {mtls: {mode: DISABLE}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{from: [{source: {principals: ["*/ns/shop/sa/default"]}}]}]
//! ```
//!
//! **Good**
//!
//! A gateway's callers are known by the TLS of its servers.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: gateway, namespace: edge, labels: {istio: egress}}
//! spec: {containers: [{name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: egress, namespace: edge}
//! spec:
//!   selector: {matchLabels: {istio: egress}}
//!   rules: [{from: [{source: {namespaces: [edge]}}]}]
//! ---
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: edge, labels: {istio-injection: disabled}}
//! ```

use super::selected::selected;
use crate::codes::KIA0105;
use crate::finding::Level;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::peer_authentication::Effective;
use mesh_resolver::{InMesh, MtlsMode, Place};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for policy in cx.mesh.objects(Kind::AuthorizationPolicy).iter().copied().filter(|p| p.role == Role::Judged) {
        if let Some((at, field)) = identity(policy) {
            check(cx, sink, policy, at, field);
        }
    }
}

/// The first thing in a policy that asks for the caller's identity.
fn identity(policy: &Object) -> Option<(Node<'_>, &str)> {
    const FIELDS: &[&str] = &["principals", "notPrincipals", "namespaces", "notNamespaces", "serviceAccounts", "notServiceAccounts"];
    const KEYS: &[&str] = &["source.principal", "source.namespace", "source.serviceAccount"];
    policy.spec()?.list("rules").find_map(|rule| {
        let mut sources = rule.list("from").filter_map(|f| f.get("source"));
        let field = sources.find_map(|s| FIELDS.iter().find_map(|f| s.get(f).filter(|l| !l.is_empty()).map(|l| (l, *f))));
        field.or_else(|| rule.list("when").find_map(|w| KEYS.iter().find(|k| w.text_of("key") == **k).and_then(|k| Some((w.get("key")?, *k)))))
    })
}

fn check<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>, field: &str) {
    let workloads = match selected(cx, policy) {
        Ok(workloads) => workloads,
        // The namespace's mode is all there is to say of workloads that are not in the input.
        Err(Some(NotJudged::WorkloadOutside)) => Vec::new(),
        Err(reason) => return reason.into_iter().for_each(|r| sink.not_judged(r)),
    };
    if workloads.is_empty() {
        let mode = cx.mesh.peer_authentications.of_namespace(policy.namespace());
        if mode.mode == MtlsMode::Permissive && policy.namespace() != cx.mesh.config.root_namespace() && mode.policy.is_none() {
            info(sink, policy, at, field, &by(cx, &mode));
        }
        return;
    }
    // What gateways take from outside is a matter of their servers' TLS.
    let judged = workloads.iter().filter(|w| cx.mesh.in_mesh(w) != InMesh::Gateway);
    let modes = || judged.clone().map(|w| (cx.mesh.peer_authentications.of_workload(w, None), *w));
    if let Some((mode, w)) = modes().find(|(m, _)| m.mode == MtlsMode::Disable) {
        // The mode is the mesh's, and the namespace may have another.
        if !cx.mesh.owns(policy, Place::Objects(Kind::PeerAuthentication, w.namespace)) {
            return sink.not_judged(NotJudged::ObjectOutside);
        }
        let finding =
            sink.report(&KIA0105, policy, at, format!("`{field}` needs mTLS, but the mode of `{}` is DISABLE: callers have no identity", w.object.name()));
        finding.help("use the mode STRICT, or tell callers by something else");
        if let Some(pa) = mode.policy {
            finding.related(pa, pa.spec_at(&["mtls", "mode"]).unwrap_or_else(|| pa.name_node()), "the mode is set here");
        }
    } else if let Some((mode, _)) = modes().find(|(m, _)| m.mode == MtlsMode::Permissive) {
        info(sink, policy, at, field, &by(cx, &mode));
    }
}

/// PERMISSIVE, and what makes it so.
fn by(cx: &Context<'_>, mode: &Effective<'_>) -> String {
    match mode.policy {
        Some(policy) => format!("PERMISSIVE by `{}`", policy.full_name()),
        None if cx.mesh.is_complete() => "PERMISSIVE, the default".to_owned(),
        None => "PERMISSIVE, the default where no PeerAuthentication sets one (none of the input does)".to_owned(),
    }
}

fn info<'a>(sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>, field: &str, mode: &str) {
    let match_it = if field.starts_with("not") { "always match" } else { "never match" };
    sink.report_at_level(
        Level::Info,
        &KIA0105,
        policy,
        at,
        format!("`{field}` needs mTLS; the mode here is {mode}, so callers without a sidecar have no identity and {match_it}"),
    )
    .help("a PeerAuthentication of the mode STRICT makes sure that every caller has one");
}
