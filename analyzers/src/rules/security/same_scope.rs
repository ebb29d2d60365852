//! ## KIA0002 SeveralPeerAuthentications (Warning)
//!
//! **What it checks.** Several PeerAuthentications without a selector in one namespace, or several with the same selector.
//!
//! **Why it matters.** Istio takes the oldest; which one that is does not show in the manifests.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: a, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: b, namespace: shop}
//! spec: {mtls: {mode: PERMISSIVE}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: a, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: b, namespace: shop}
//! spec: {selector: {matchLabels: {app: old}}, mtls: {mode: PERMISSIVE}}
//! ```
//!
//! ## KIA0201 SeveralDestinationRules (Warning)
//!
//! **What it checks.** DestinationRules of one namespace for the same host that both set the traffic policy of the host, or
//! define a subset of one name.
//!
//! **Why it matters.** Istio unites them: of each it takes the oldest one's and drops the other's.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: a, namespace: shop}
//! spec: {host: api.example.com, trafficPolicy: {tls: {mode: DISABLE}}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: b, namespace: shop}
//! spec: {host: api.example.com, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: a, namespace: shop}
//! spec: {host: api.example.com, trafficPolicy: {tls: {mode: DISABLE}, loadBalancer: {simple: RANDOM}}}
//! ```

use crate::codes::{KIA0002, KIA0201};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Selector, host};
use std::collections::BTreeMap;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    check_peer_authentications(cx, sink);
    check_destination_rules(cx, sink);
}

fn check_peer_authentications<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut by_scope: BTreeMap<(u16, &str, String), Vec<&'a Object>> = BTreeMap::new();
    for policy in cx.mesh.objects(Kind::PeerAuthentication) {
        let selector = Selector::from_map(policy.spec_at(&["selector", "matchLabels"]));
        by_scope.entry((policy.cluster, policy.namespace(), selector.display())).or_default().push(policy);
    }
    for ((_, namespace, selector), policies) in by_scope.into_iter().filter(|(_, p)| p.len() > 1) {
        let scope = if selector.is_empty() { format!("for the whole namespace `{namespace}`") } else { format!("for `{selector}` in namespace `{namespace}`") };
        for policy in policies.iter().skip(1) {
            let first = policies[0];
            if first.name() == policy.name() {
                continue;
            }
            sink.report(
                &KIA0002,
                policy,
                policy.name_node(),
                format!("PeerAuthentication `{}` is one of {} {scope}; only the oldest counts", policy.name(), policies.len()),
            )
            .help("keep one of them")
            .related(first, first.name_node(), "this one too");
        }
    }
}

fn check_destination_rules<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut by_host: BTreeMap<(u16, &str, String), Vec<&'a Object>> = BTreeMap::new();
    for rule in cx.mesh.objects(Kind::DestinationRule) {
        let Some(spec) = rule.spec().filter(|s| s.get("workloadSelector").is_none()) else { continue };
        let host = host::expand(spec.text_of("host"), rule.namespace(), cx.mesh.domain).into_owned();
        by_host.entry((rule.cluster, rule.namespace(), host)).or_default().push(rule);
    }
    for ((_, _, host), rules) in by_host.into_iter().filter(|(_, r)| r.len() > 1) {
        for (i, rule) in rules.iter().enumerate().skip(1) {
            for first in rules[..i].iter().filter(|f| f.name() != rule.name()) {
                if let Some((at, other, what)) = conflict(first, rule) {
                    sink.report(
                        &KIA0201,
                        rule,
                        at,
                        format!("DestinationRules `{}` and `{}` both set {what} of host `{host}`; only the older one's counts", first.name(), rule.name()),
                    )
                    .help("put them into one DestinationRule")
                    .related(first, other, "set here too");
                    break;
                }
            }
        }
    }
}

/// What both set, with its places.
fn conflict<'a>(a: &'a Object, b: &'a Object) -> Option<(Node<'a>, Node<'a>, String)> {
    let (spec_a, spec_b) = (a.spec()?, b.spec()?);
    if !same_exports(spec_a, spec_b) {
        return None;
    }
    if let (Some(pa), Some(pb)) = (spec_a.get("trafficPolicy"), spec_b.get("trafficPolicy"))
        && !pa.same_value(pb)
    {
        return Some((pb, pa, "the traffic policy".to_owned()));
    }
    spec_b.list("subsets").find_map(|sb| {
        let sa = spec_a.list("subsets").find(|sa| sa.text_of("name") == sb.text_of("name") && !sa.same_value(sb))?;
        Some((sb.get("name").unwrap_or(sb), sa.get("name").unwrap_or(sa), format!("subset `{}`", sb.text_of("name"))))
    })
}

/// Rules with different exports are not united; which one is used depends on the client.
fn same_exports(a: Node<'_>, b: Node<'_>) -> bool {
    let exports = |n: Node<'_>| {
        let mut list: Vec<String> = n.list("exportTo").map(|e| e.text().to_owned()).collect();
        list.sort();
        list
    };
    exports(a) == exports(b)
}
