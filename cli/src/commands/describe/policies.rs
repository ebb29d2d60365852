//! Policies that name what they are for (`targetRefs`), in place of selecting workloads.

use super::Facts;
use mesh_model::{Kind, Node, Object};
use mesh_resolver::Mesh;
use mesh_resolver::translate::is_on_trial;

/// Kinds that choose workloads by `spec.selector.matchLabels`, or by the older names of that field, or name their targets.
pub const KINDS: &[Kind] = &[Kind::AuthorizationPolicy, Kind::RequestAuthentication, Kind::Sidecar, Kind::EnvoyFilter, Kind::Telemetry, Kind::WasmPlugin];

pub const ABOUT: &str = "policies and settings";

/// What a policy names: `kind` and `name`, in its own namespace.
pub fn targets(policy: &Object) -> Vec<Node<'_>> {
    policy.spec().into_iter().flat_map(|s| s.list("targetRefs").chain(s.get("targetRef"))).collect()
}

/// The policies that name an object.
pub fn targeting(mesh: &Mesh<'_>, kind: &str, namespace: &str, name: &str, facts: &mut Facts) -> bool {
    let mut any = false;
    for policy in KINDS.iter().flat_map(|k| mesh.objects_in(*k, namespace)) {
        if targets(policy).iter().any(|t| t.text_of("kind") == kind && t.text_of("name") == name) {
            any = true;
            facts.of(ABOUT, policy, format!("{}names the {kind} {name}", action(policy)));
        }
    }
    any
}

/// `DENY, ` of an AuthorizationPolicy.
pub fn action(policy: &Object) -> String {
    if policy.kind != Kind::AuthorizationPolicy {
        return String::new();
    }
    let action = policy.spec_at(&["action"]).map(Node::text).filter(|a| !a.is_empty()).unwrap_or("ALLOW");
    let trial = if is_on_trial(policy) { "on trial (dry-run), " } else { "" };
    let rules = policy.spec().map_or(0, |s| s.list("rules").count());
    let empty = match (rules, action) {
        (0, "ALLOW") => " without rules (lets nobody in)",
        (0, _) => " without rules (matches nothing)",
        _ => "",
    };
    format!("{action}{empty}, {trial}")
}
