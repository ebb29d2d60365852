//! ## MSH0301 PrincipalNeverMatches (Warning)
//!
//! **What it checks.** A principal of an AuthorizationPolicy that no workload can have: with `spiffe://` in front, or not of
//! the form `trust-domain/ns/namespace/sa/service-account`.
//!
//! **Why it matters.** An ALLOW rule lets nobody in, a DENY rule keeps nobody out.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{from: [{source: {principals: ["spiffe://cluster.local/ns/shop/sa/web"]}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: web, namespace: shop}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]}
//! ```
//!
//! ## KIA0106 ServiceAccountNotFound (Warning)
//!
//! **What it checks.** A principal whose service account does not exist.
//!
//! **Why it matters.** No workload can have it: the rule never matches.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web, namespace: shop}
//! spec: {serviceAccountName: web, containers: [{name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]}
//! ```
//!
//! ## KIA0108 UnknownTrustDomain (Warning)
//!
//! **What it checks.** A principal of a trust domain that is neither the mesh's nor one of its aliases.
//!
//! **Why it matters.** The mesh issues no such identity, and accepts none unless it is told to trust the domain.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{from: [{source: {principals: ["example.com/ns/shop/sa/web"]}}]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: web, namespace: shop}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]}
//! ```

use crate::codes::{KIA0106, KIA0108, MSH0301};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::Place;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for policy in cx.mesh.objects(Kind::AuthorizationPolicy).iter().copied().filter(|p| p.role == Role::Judged) {
        for rule in policy.spec().into_iter().flat_map(|s| s.list("rules")) {
            let sources = rule.list("from").filter_map(|f| f.get("source"));
            let named = sources.flat_map(|s| s.list("principals").chain(s.list("notPrincipals")));
            let conditions = rule.list("when").filter(|w| w.text_of("key") == "source.principal");
            let values = conditions.flat_map(|w| w.list("values").chain(w.list("notValues")));
            for at in named.chain(values).filter(|n| n.str().is_some()) {
                check(cx, sink, policy, at);
            }
        }
    }
}

fn check<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>) {
    let principal = at.text();
    if principal.starts_with("spiffe://") {
        let plain = principal.trim_start_matches("spiffe://");
        sink.report(&MSH0301, policy, at, format!("principal `{principal}` never matches: principals are written without `spiffe://`"))
            .help(format!("write `{plain}`"))
            .fix(format!("replace with `{plain}`"), at.span(), format!("{plain:?}"));
        return;
    }
    // A wildcard stands at one end; what it hides is not looked at.
    if principal.contains('*') || principal.is_empty() {
        return;
    }
    let parts: Vec<&str> = principal.split('/').collect();
    let [domain, "ns", namespace, "sa", account] = parts.as_slice() else {
        sink.report(
            &MSH0301,
            policy,
            at,
            format!("principal `{principal}` never matches: it is not of the form `trust-domain/ns/namespace/sa/service-account`"),
        )
        .help(format!("write `{}/ns/NAMESPACE/sa/SERVICE-ACCOUNT`, or begin with `*/`", cx.mesh.config.trust_domain()));
        return;
    };
    let config = &cx.mesh.config;
    let known = *domain == "cluster.local" || *domain == config.trust_domain() || config.trust_domain_aliases().any(|a| a == *domain);
    if !known {
        if config.is_known() || cx.mesh.is_complete() {
            sink.report(
                &KIA0108,
                policy,
                at,
                format!("trust domain `{domain}` of principal `{principal}` is not the mesh's (`{}`) nor an alias", config.trust_domain()),
            )
            .help("use the mesh's trust domain, or add an alias to `trustDomainAliases` of the mesh configuration");
        } else {
            sink.not_judged(NotJudged::MeshConfig);
        }
        return;
    }
    check_account(cx, sink, policy, at, namespace, account);
}

fn check_account<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>, namespace: &str, account: &str) {
    let exists = account == "default"
        || cx.mesh.find(Kind::ServiceAccount, namespace, account).is_some()
        || cx.mesh.workloads.in_namespace(namespace).any(|w| w.service_account() == account);
    if exists {
        return;
    }
    let owned = cx.mesh.owns(Place::Objects(Kind::ServiceAccount, namespace));
    // The gateways that Istio makes bring accounts of their own.
    let generated = account.ends_with("-istio") || account.ends_with("-waypoint") || account.contains("istio");
    if !owned || (generated && !cx.mesh.is_complete()) {
        sink.not_judged(NotJudged::ServiceAccountOutside);
        return;
    }
    let near = crate::spelling::nearest(account, cx.mesh.objects_in(Kind::ServiceAccount, namespace).iter().map(|s| s.name()));
    let finding =
        sink.report(&KIA0106, policy, at, format!("service account `{account}` of namespace `{namespace}` does not exist, so the principal never matches"));
    if let Some(near) = near {
        finding.help(format!("did you mean `{near}`?"));
    }
}
