//! ## MSH0309 TokenRulesDiffer (Warning)
//!
//! **What it checks.** RequestAuthentications of one namespace for the same workloads (one selector or one target, or none)
//! with rules for one issuer that differ in keys or audiences.
//!
//! **Why it matters.** Istio unites them, and takes a token that any of the rules accepts: what one of them asks for, such
//! as an audience, is not asked of tokens that pass the other.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: login, namespace: shop}
//! spec: {jwtRules: [{issuer: "https://login.example.com", jwksUri: "https://login.example.com/keys"}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: strict, namespace: shop}
//! spec: {jwtRules: [{issuer: "https://login.example.com", jwksUri: "https://login.example.com/keys", audiences: [shop]}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: login, namespace: shop}
//! spec: {jwtRules: [{issuer: "https://login.example.com", jwksUri: "https://login.example.com/keys", audiences: [shop]}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: partners, namespace: shop}
//! spec: {jwtRules: [{issuer: "https://partners.example.com", jwksUri: "https://partners.example.com/keys"}]}
//! ```

use crate::codes::MSH0309;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::Selector;
use rustc_hash::FxHashMap;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut first: FxHashMap<(u16, &str, String, &str), (&'a Object, Node<'a>)> = FxHashMap::default();
    for policy in cx.mesh.objects(Kind::RequestAuthentication).iter().copied() {
        let Some(spec) = policy.spec() else { continue };
        let scope = scope(spec);
        for rule in spec.list("jwtRules") {
            let Some(issuer) = rule.get("issuer").filter(|i| !i.text().is_empty()) else { continue };
            let (other, known) = *first.entry((policy.cluster, policy.namespace(), scope.clone(), issuer.text())).or_insert((policy, rule));
            if std::ptr::eq(other, policy) {
                continue;
            }
            if let Some(what) = difference(known, rule) {
                sink.report(
                    &MSH0309,
                    policy,
                    issuer,
                    format!(
                        "issuer `{}` has other {what} in RequestAuthentication `{}`, for the same workloads: a token passes that either of them accepts",
                        issuer.text(),
                        other.name()
                    ),
                )
                .help("put the rules of an issuer into one RequestAuthentication, and say there what all its tokens need")
                .related(other, known.get("issuer").unwrap_or(known), "the other rule");
            }
        }
    }
}

/// What a policy is for, in its namespace.
fn scope(spec: Node<'_>) -> String {
    let selector = Selector::from_map(spec.at(&["selector", "matchLabels"]));
    let mut targets: Vec<String> =
        spec.get("targetRef").into_iter().chain(spec.list("targetRefs")).map(|t| format!("{} {}", t.text_of("kind"), t.text_of("name"))).collect();
    targets.sort();
    format!("{} {}", selector.display(), targets.join(","))
}

/// In what two rules for one issuer differ, as to the tokens that they accept.
fn difference(a: Node<'_>, b: Node<'_>) -> Option<&'static str> {
    let text = |n: Node<'_>, names: [&str; 2]| names.iter().find_map(|k| n.get(k)).map_or(String::new(), |v| v.text().to_owned());
    let audiences = |n: Node<'_>| {
        let mut list: Vec<String> = n.list("audiences").map(|a| a.text().to_owned()).collect();
        list.sort();
        list
    };
    if audiences(a) != audiences(b) {
        return Some("`audiences`");
    }
    let differ = |names| text(a, names) != text(b, names);
    (differ(["jwksUri", "jwks_uri"]) || differ(["jwks", "jwks"])).then_some("keys")
}
