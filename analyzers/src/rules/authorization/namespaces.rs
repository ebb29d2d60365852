//! ## IST0101 ReferencedResourceNotFound (Error)
//!
//! **What it checks.** A namespace named in the sources of an AuthorizationPolicy that does not exist.
//!
//! **Why it matters.** No request comes from there: the rule never matches.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: frontend, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: frontend}
//! spec:
//!   rules: [{from: [{source: {namespaces: [fronted]}}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: frontend, labels: {istio-injection: enabled}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: frontend}
//! spec:
//!   rules: [{from: [{source: {namespaces: [front*]}}]}]
//! ```

use crate::codes::IST0101;
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::Place;
use rustc_hash::FxHashSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for policy in cx.mesh.objects(Kind::AuthorizationPolicy).iter().copied().filter(|p| p.role == Role::Judged) {
        let Some(spec) = policy.spec() else { continue };
        // A namespace that is missing in several places is told of once a line; istioctl knows the lines of `namespaces`
        // only, and takes those of the like entries for `notNamespaces`.
        let mut said: FxHashSet<(&str, u32)> = FxHashSet::default();
        for source in spec.list("rules").flat_map(|r| r.list("from")).filter_map(|f| f.get("source")) {
            let line = |i: usize| source.list("namespaces").nth(i).map_or(0, |n| n.position().line);
            for list in [source.list("namespaces"), source.list("notNamespaces")] {
                for (i, at) in list.enumerate().filter(|(_, n)| n.is_scalar() && !n.is_null()) {
                    if !exists(cx, at.text()) && said.insert((at.text(), line(i))) {
                        report(cx, sink, policy, at);
                    }
                }
            }
        }
    }
}

/// Whether a pattern stands for a namespace that is there.
fn exists(cx: &Context<'_>, pattern: &str) -> bool {
    let all = cx.mesh.objects_everywhere(Kind::Namespace);
    let found = match (pattern, pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        ("*", _, _) => !all.is_empty() || !cx.mesh.is_complete(),
        (_, Some(suffix), _) => all.iter().any(|n| n.name().ends_with(suffix)),
        (_, _, Some(prefix)) => all.iter().any(|n| n.name().starts_with(prefix)),
        _ => cx.mesh.find(Kind::Namespace, "", pattern).is_some() || all.iter().any(|n| n.name().eq_ignore_ascii_case(pattern)),
    };
    // Something that stands in a namespace shows that it is there, though no Namespace object is in the input.
    found || (!cx.mesh.is_complete() && cx.mesh.is_populated(pattern))
}

fn report<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>) {
    let pattern = at.text();
    // Namespaces are listed one by one in repositories: only a complete input shows that one is missing.
    let place = if cx.mesh.is_complete() { Place::Objects(Kind::Namespace, "") } else { Place::Objects(Kind::Other, "-") };
    let m = Missing { code: &IST0101, object: policy, at, what: "namespace", value: pattern, place, reason: NotJudged::NamespaceOutside };
    missing(cx, sink, &m, format!("namespace `{pattern}` does not exist"), cx.mesh.objects(Kind::Namespace).iter().map(|n| n.name()));
}
