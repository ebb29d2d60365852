//! Whether a request would be allowed by the RBAC filters of a chain, by which policy and rule, and why each other
//! rule did not match.

use super::proxy::Chain;
use mesh_envoy::matcher::Truth;
use mesh_envoy::rbac::{Action, Failed, PolicyName, Request, Rules, Ruling, Trace};

/// The answer of a chain.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub allowed: Truth,
    /// What decided: `DENY by AuthorizationPolicy a/b, rule 0`.
    pub reason: String,
    /// Every rule in the order in which it is asked: CUSTOM, DENY, ALLOW as istiod puts the filters.
    pub rules: Vec<RuleAsked>,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
}

/// One rule of a policy.
#[derive(Clone, Debug)]
pub struct RuleAsked {
    /// `CUSTOM`, `DENY`, `ALLOW`, `LOG`, or with `dry run` behind.
    pub action: &'static str,
    /// `AuthorizationPolicy a/b, rule 0`, or the RBAC policy's own name.
    pub name: String,
    pub matches: Truth,
    /// Why it does not match, or why that is not known.
    pub failed: Vec<Failed>,
}

/// Judges a request by a chain's filters.
pub fn judge(chain: &Chain, request: &Request) -> Judgement {
    let mut out = Judgement { allowed: Truth::Yes, reason: String::new(), rules: Vec::new(), assumptions: Vec::new() };
    let mut allowed_by = None;
    for filter in &chain.rbac {
        if let Ruling::Rules(shadow) = &filter.shadow {
            shadow_rules(shadow, request, &mut out);
        }
        let rules = match &filter.rules {
            Ruling::None => continue,
            Ruling::Rules(rules) => rules,
            Ruling::Unknown(why) => {
                out.settle(Truth::Unknown, format!("an RBAC filter has {why}"));
                continue;
            }
        };
        let action = match rules.action {
            Action::Allow => "ALLOW",
            Action::Deny => "DENY",
            Action::Log => "LOG",
        };
        let mut trace = Trace::default();
        let decision = rules.decide(request, &mut trace);
        out.take(&trace, action);
        let by = decision.policy.map(|p| shown(&p.name));
        match (rules.action, decision.allowed) {
            (Action::Log, _) | (Action::Deny, Truth::Yes) => {}
            (Action::Allow, Truth::Yes) => allowed_by = by,
            (Action::Deny, Truth::No) => out.settle(Truth::No, format!("DENY by {}", by.unwrap_or_default())),
            (Action::Allow, Truth::No) if rules.policies.is_empty() => out.settle(Truth::No, "an ALLOW policy without rules lets nothing pass".to_owned()),
            (Action::Allow, Truth::No) => out.settle(Truth::No, "no rule of the ALLOW policies matches".to_owned()),
            (Action::Deny, Truth::Unknown) => out.settle(Truth::Unknown, "whether a DENY rule matches depends on what is not known".to_owned()),
            (Action::Allow, Truth::Unknown) => out.settle(Truth::Unknown, "whether an ALLOW rule matches depends on what is not known".to_owned()),
        }
    }
    if out.allowed.is_yes() {
        out.reason = allowed_by.map_or_else(|| "no ALLOW policy applies, and no DENY rule matches".to_owned(), |by| format!("ALLOW by {by}"));
    }
    out
}

/// CUSTOM policies are shadow rules whose match makes a later filter ask; other shadow rules are dry runs.
fn shadow_rules(shadow: &Rules, request: &Request, out: &mut Judgement) {
    let mut trace = Trace::default();
    shadow.decide(request, &mut trace);
    let is_custom = trace.steps.iter().any(|s| PolicyName::parse(s.policy()).is_some_and(|n| n.is_custom));
    out.take(&trace, if is_custom { "CUSTOM" } else { "dry run" });
    let asks = trace.steps.iter().map(|s| s.truth).fold(Truth::No, Truth::or);
    if is_custom && asks != Truth::No {
        out.assumptions.push("a CUSTOM policy asks its provider about this request; it is assumed to allow it".to_owned());
    }
}

impl Judgement {
    /// What refuses for certain counts before what is not known; of equals the first.
    fn settle(&mut self, allowed: Truth, reason: String) {
        if self.allowed.is_yes() || self.allowed == Truth::Unknown && allowed == Truth::No {
            self.allowed = allowed;
            self.reason = reason;
        }
    }
    fn take(&mut self, trace: &Trace, action: &'static str) {
        for step in &trace.steps {
            let failed = if step.truth.is_yes() { Vec::new() } else { step.failures() };
            self.rules.push(RuleAsked { action, name: shown(step.policy()), matches: step.truth, failed });
        }
    }
}

fn shown(policy: &str) -> String {
    PolicyName::parse(policy).map_or_else(|| policy.to_owned(), |n| n.to_string())
}
