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

use crate::codes::KIA0105;
use crate::finding::Level;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{InMesh, MtlsMode, Selector};

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
    if ["targetRef", "targetRefs"].iter().any(|f| policy.spec_at(&[f]).is_some()) {
        return;
    }
    let selector = Selector::from_map(policy.spec_at(&["selector", "matchLabels"]));
    let namespace = (policy.namespace() != cx.mesh.config.root_namespace()).then(|| policy.namespace());
    let mut worst = None;
    let mut seen = false;
    for w in cx.mesh.workloads.matching(namespace, &selector).take(1000) {
        match cx.mesh.in_mesh(w) {
            InMesh::Ambient => {
                sink.not_judged(NotJudged::Ambient);
                return;
            }
            InMesh::No => {}
            InMesh::Sidecar | InMesh::Gateway => {
                seen = true;
                let mode = cx.mesh.peer_authentications.of_workload(w, None);
                if mode.mode == MtlsMode::Disable {
                    worst = Some((mode, w));
                    break;
                }
                if mode.mode == MtlsMode::Permissive && worst.is_none() {
                    worst = Some((mode, w));
                }
            }
        }
    }
    if !seen {
        // The namespace's mode is all there is to say of workloads that are not in the input.
        let mode = cx.mesh.peer_authentications.of_namespace(policy.namespace());
        if mode.mode == MtlsMode::Permissive && namespace.is_some() && mode.policy.is_none() {
            info(sink, policy, at, field, "PERMISSIVE, the default");
        }
        return;
    }
    let Some((mode, w)) = worst else { return };
    if mode.mode == MtlsMode::Disable {
        let finding =
            sink.report(&KIA0105, policy, at, format!("`{field}` needs mTLS, but the mode of `{}` is DISABLE: callers have no identity", w.object.name()));
        finding.help("use the mode STRICT, or tell callers by something else");
        if let Some(pa) = mode.policy {
            finding.related(pa, pa.spec_at(&["mtls", "mode"]).unwrap_or_else(|| pa.name_node()), "the mode is set here");
        }
    } else {
        let by = mode.policy.map_or("PERMISSIVE, the default".to_owned(), |p| format!("PERMISSIVE by `{}`", p.full_name()));
        info(sink, policy, at, field, &by);
    }
}

fn info<'a>(sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>, field: &str, mode: &str) {
    sink.report_at_level(
        Level::Info,
        &KIA0105,
        policy,
        at,
        format!("`{field}` needs mTLS; the mode here is {mode}, so callers without a sidecar have no identity and never match"),
    )
    .help("a PeerAuthentication of the mode STRICT makes sure that every caller has one");
}
