//! What a policy attaches to: `targetRef`, `targetRefs`, `selector`.

use super::fields::{has_text, lacks_text, message, messages, text};
use super::labels::check_policy_selector;
use super::report::Checks;
use mesh_model::Node;

/// Group and kind of what a policy may target.
const TARGETS: &[(&str, &str)] =
    &[("core", "Service"), ("networking.istio.io", "ServiceEntry"), ("gateway.networking.k8s.io", "Gateway"), ("gateway.networking.k8s.io", "GatewayClass")];

/// `selector`, `targetRef` and `targetRefs` of a policy: each of them, and that only one is given.
pub fn check_attachment<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    let given = [message(spec, "selector"), message(spec, "targetRef"), spec.get("targetRefs").filter(|l| l.is_sequence() && !l.is_empty())];
    if given.iter().flatten().count() > 1 {
        let at = given.into_iter().flatten().last().unwrap_or(spec);
        checks.error(at, "more than one of `selector`, `targetRef` and `targetRefs` is given").help("keep the one that is meant");
    }
    check_policy_selector(checks, message(spec, "selector"));
    for target in message(spec, "targetRef").into_iter().chain(messages(spec, "targetRefs")) {
        check_target(checks, target);
    }
}

pub fn check_target<'a>(checks: &mut Checks<'a, '_>, target: Node<'a>) {
    if lacks_text(target, "name") {
        checks.error(target.get("name").unwrap_or(target), "a target has no `name`");
    }
    if has_text(target, "namespace") {
        let at = target.get("namespace").unwrap_or(target);
        checks
            .error_once("targetRef namespace", at, format!("a target names the namespace `{}`; targets are always in the policy's own", at.text()))
            .help("remove `namespace`");
    }
    let (group, kind) = (text(target, "group"), text(target, "kind"));
    let canonical = if group.is_empty() { "core" } else { group };
    let wrong_type = [target.get("group"), target.get("kind")].into_iter().flatten().any(|v| v.str().is_none());
    if !wrong_type && !TARGETS.contains(&(canonical, kind)) {
        let at = target.get("kind").unwrap_or(target);
        let said = checks.error(at, format!("a policy cannot target `{kind}` of group `{group}`"));
        match TARGETS.iter().find(|(_, k)| *k == kind) {
            Some((g, _)) => said.help(format!("the group of a {kind} is `{}`", if *g == "core" { "" } else { g })),
            None => said.help("it can target a Service, a ServiceEntry, or a Gateway or GatewayClass of gateway.networking.k8s.io"),
        };
    }
}
