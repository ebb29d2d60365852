//! ## MSH0301 PrincipalNeverMatches (Warning)
//!
//! **What it checks.** A principal of an AuthorizationPolicy that no workload can have: with `spiffe://` in front, not of the
//! form `trust-domain/ns/namespace/sa/service-account`, or with a `*` that stands at neither end.
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
//! **What it checks.** A principal or `serviceAccounts` entry whose service account does not exist.
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
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: web, namespace: shop}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadEntry
//! metadata: {name: vm, namespace: shop}
//! spec: {address: 10.0.0.1, serviceAccount: vms}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec: {rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/vms]}}]}]}
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
            for at in values(rule, &["principals", "notPrincipals"], "source.principal") {
                check_principal(cx, sink, policy, at);
            }
            for at in values(rule, &["serviceAccounts", "notServiceAccounts"], "source.serviceAccount") {
                let (namespace, account) = at.text().split_once('/').unwrap_or((policy.namespace(), at.text()));
                if !at.text().contains('*') && !account.is_empty() {
                    check_account(cx, sink, policy, at, namespace, account);
                }
            }
        }
    }
}

/// What a rule says of its sources in some fields, or in conditions of a key.
fn values<'a>(rule: Node<'a>, fields: &'static [&'static str], key: &'static str) -> impl Iterator<Item = Node<'a>> {
    let of_sources = rule.list("from").filter_map(|f| f.get("source")).flat_map(|s| fields.iter().flat_map(move |f| s.list(f)));
    let conditions = rule.list("when").filter(move |w| w.text_of("key") == key);
    of_sources.chain(conditions.flat_map(|w| w.list("values").chain(w.list("notValues")))).filter(|n| n.str().is_some_and(|t| !t.is_empty()))
}

fn check_principal<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>) {
    let principal = at.text();
    if let Some(plain) = principal.strip_prefix("spiffe://") {
        sink.report(&MSH0301, policy, at, format!("principal `{principal}` never matches: principals are written without `spiffe://`"))
            .help(format!("write `{plain}`"))
            .fix(format!("replace with `{plain}`"), at.span(), format!("{plain:?}"));
        return;
    }
    // A wildcard stands for anything at one end; in the middle it is an ordinary character.
    let (literal, whole) = match (principal.strip_prefix('*'), principal.strip_suffix('*')) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, false),
        _ => (principal, true),
    };
    if literal.contains('*') {
        sink.report(
            &MSH0301,
            policy,
            at,
            format!("principal `{principal}` never matches: `*` is a wildcard at one end only, and no identity has that character"),
        )
        .help("name the callers one by one, or use `namespaces` or `serviceAccounts`");
        return;
    }
    match literal.split('/').collect::<Vec<_>>().as_slice() {
        [domain, "ns", namespace, "sa", account] if whole => {
            let known = knows_domain(cx, sink, policy, at, domain);
            known.then(|| check_account(cx, sink, policy, at, namespace, account));
        }
        // `*/ns/shop/sa/web`
        ["", "ns", namespace, "sa", account] if principal.starts_with('*') => check_account(cx, sink, policy, at, namespace, account),
        // `cluster.local/ns/shop/*`
        [domain, "ns", ..] if principal.ends_with('*') => {
            knows_domain(cx, sink, policy, at, domain);
        }
        _ if whole => {
            sink.report(
                &MSH0301,
                policy,
                at,
                format!("principal `{principal}` never matches: it is not of the form `trust-domain/ns/namespace/sa/service-account`"),
            )
            .help(format!("write `{}/ns/NAMESPACE/sa/SERVICE-ACCOUNT`, or begin with `*/`", cx.mesh.config.trust_domain()));
        }
        _ => {}
    }
}

fn knows_domain<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>, domain: &str) -> bool {
    let config = &cx.mesh.config;
    // `cluster.local` stands for the mesh's own domain, whatever that is.
    if domain == "cluster.local" || domain == config.trust_domain() || config.trust_domain_aliases().any(|a| a == domain) {
        return true;
    }
    if cx.mesh.knows_config() {
        sink.report(
            &KIA0108,
            policy,
            at,
            format!("trust domain `{domain}` of principal `{}` is not the mesh's (`{}`) nor an alias", at.text(), config.trust_domain()),
        )
        .help("use the mesh's trust domain, or add an alias to `trustDomainAliases` of the mesh configuration");
    } else {
        sink.not_judged(NotJudged::MeshConfig);
    }
    false
}

fn check_account<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>, namespace: &str, account: &str) {
    let exists = account == "default" || cx.mesh.find(Kind::ServiceAccount, namespace, account).is_some() || cx.mesh.runs_as(namespace, account);
    if exists || is_of_gateway(cx, namespace, account) {
        return;
    }
    if !cx.mesh.owns(policy, Place::Objects(Kind::ServiceAccount, namespace)) || cx.mesh.may_hold(policy, Kind::ServiceAccount, namespace, account) {
        sink.not_judged(NotJudged::ServiceAccountOutside);
        return;
    }
    let near = crate::spelling::nearest(account, cx.mesh.objects_in(Kind::ServiceAccount, namespace).iter().map(|s| s.name()));
    let message = format!("service account `{account}` of namespace `{namespace}` does not exist, so `{}` never matches", at.text());
    let finding = sink.report(&KIA0106, policy, at, message);
    match near {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("name the service account that the callers' pods run as"),
    };
}

/// Istio makes the service accounts of Gateway API gateways, and its installation brings those of its own gateways.
fn is_of_gateway(cx: &Context<'_>, namespace: &str, account: &str) -> bool {
    let made = cx.mesh.objects_in(Kind::K8sGateway, namespace).iter().any(|g| {
        let class = g.spec().map_or("", |s| s.text_of("gatewayClassName"));
        let annotated = g.annotation("gateway.istio.io/service-account").or_else(|| g.annotation("gateway.istio.io/name-override"));
        annotated == Some(account) || account == g.name() || account.strip_prefix(g.name()).and_then(|a| a.strip_prefix('-')) == Some(class)
    });
    let installed = matches!(account, "istio-ingressgateway-service-account" | "istio-egressgateway-service-account");
    made || (installed && namespace == cx.mesh.config.root_namespace())
}

#[cfg(test)]
mod tests {
    use crate::{Options, analyze};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Completeness, Role, Snapshot, Source};

    fn codes(principal: &str) -> Vec<&'static str> {
        let text = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: web, namespace: shop}}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: shop}}\nspec: {{gatewayClassName: istio}}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a, namespace: shop}}\nspec: {{rules: [{{from: [{{source: {{principals: ['{principal}']}}}}]}}]}}\n"
        );
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        snapshot.completeness = Completeness::Complete;
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        let options = Options::default();
        analyze(&mesh, &options, |r| r.name == "authorization-principals").findings.iter().map(|f| f.code.id).collect()
    }

    #[test]
    fn forms_of_principals() {
        for good in
            ["*", "cluster.local/ns/shop/sa/web", "*/ns/shop/sa/web", "*/sa/web", "cluster.local/ns/other/*", "cluster.local/ns/shop/sa/gw-istio", "cluster*"]
        {
            assert!(codes(good).is_empty(), "{good}");
        }
        for (bad, code) in [
            ("spiffe://cluster.local/ns/shop/sa/web", "MSH0301"),
            ("shop/web", "MSH0301"),
            ("cluster.local/ns/*/sa/web", "MSH0301"),
            ("*/ns/shop/*", "MSH0301"),
            ("example.com/ns/shop/*", "KIA0108"),
            ("*/ns/shop/sa/wbe", "KIA0106"),
        ] {
            assert_eq!(codes(bad), [code], "{bad}");
        }
    }
}
