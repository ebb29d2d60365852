//! Envoy's RBAC filters (`envoy.extensions.filters.{network,http}.rbac.v3.RBAC`): who may do what.
//!
//! [`Filter::compile`] reads a filter's configuration once; [`Rules::decide`] judges a [`Subject`]. Facts that are not
//! known and matchers that meshctl does not know give [`Truth::Unknown`], never a guess. A [`Recorder`] sees every
//! condition that was asked; `()` sees nothing and costs nothing.

mod condition;
mod policy_name;
mod recorder;
mod subject;

pub use condition::{Condition, Test};
pub use policy_name::{BAD_CUSTOM, PolicyName};
pub use recorder::{Failed, Node, Recorder, Step, Trace};
pub use subject::{Fact, Request, Source, Subject};

use crate::matcher::Truth;
use crate::proto_json::{field, text};
use serde_json::Value;

/// The configuration of one RBAC filter.
#[derive(Clone, Debug)]
pub struct Filter {
    pub rules: Ruling,
    /// Judged, counted and logged, never enforced: dry runs, and Istio's way to ask for a CUSTOM policy.
    pub shadow: Ruling,
    /// Prefix of the dynamic metadata that the shadow rules leave for later filters.
    pub shadow_prefix: String,
}

/// What a filter is told to enforce.
#[derive(Clone, Debug)]
pub enum Ruling {
    /// Nothing: every request passes.
    None,
    Rules(Rules),
    /// A form that meshctl does not know: the reason.
    Unknown(String),
}

#[derive(Clone, Debug)]
pub struct Rules {
    pub action: Action,
    /// In the order of their names, which is the order that Envoy asks them in.
    pub policies: Vec<Policy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Whoever matches a policy passes, nobody else.
    Allow,
    /// Whoever matches a policy is refused.
    Deny,
    /// Everybody passes.
    Log,
}

#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    /// One of them must hold: a condition of the sort [`Condition::Any`].
    pub permissions: Condition,
    pub principals: Condition,
    /// A CEL expression; meshctl has none to judge it with.
    pub expression: Option<Test>,
}

/// What rules say of a subject.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'r> {
    pub allowed: Truth,
    /// The first policy that matches for certain.
    pub policy: Option<&'r Policy>,
}

impl Decision<'_> {
    /// `RESPONSE_CODE_DETAILS` of a refusal by an HTTP filter: `rbac_access_denied_matched_policy[none]`.
    pub fn details(&self) -> String {
        format!("rbac_access_denied_matched_policy[{}]", self.policy.map_or("none", |p| &p.name))
    }
}

impl Filter {
    /// Reads the filter's `typed_config`, in either spelling of its fields.
    pub fn compile(typed_config: &Value) -> Filter {
        let ruling = |rules: &str, matcher: &str| match (field(typed_config, rules), field(typed_config, matcher)) {
            (Some(rules), _) if rules.is_object() => Ruling::Rules(Rules::compile(rules)),
            (_, Some(_)) => Ruling::Unknown(format!("`{matcher}`: a matcher tree instead of policies")),
            _ => Ruling::None,
        };
        Filter {
            rules: ruling("rules", "matcher"),
            shadow: ruling("shadow_rules", "shadow_matcher"),
            shadow_prefix: text(typed_config, "shadow_rules_stat_prefix").to_owned(),
        }
    }
}

impl Rules {
    /// Reads `envoy.config.rbac.v3.RBAC`. An absent action is ALLOW; ALLOW without policies lets nobody pass.
    pub fn compile(json: &Value) -> Rules {
        let action = match field(json, "action") {
            Some(Value::String(s)) if s == "DENY" => Action::Deny,
            Some(Value::String(s)) if s == "LOG" => Action::Log,
            Some(Value::Number(n)) if n.as_u64() == Some(1) => Action::Deny,
            Some(Value::Number(n)) if n.as_u64() == Some(2) => Action::Log,
            _ => Action::Allow,
        };
        let policies = field(json, "policies").and_then(Value::as_object).into_iter().flatten();
        let mut policies: Vec<Policy> = policies.map(|(name, p)| Policy::compile(name, p)).collect();
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        Rules { action, policies }
    }
    /// Judges a subject. Without a recorder the first policy that matches ends the search.
    pub fn decide<S: Subject, R: Recorder>(&self, subject: &S, recorder: &mut R) -> Decision<'_> {
        let mut matched = Truth::No;
        let mut policy = None;
        for p in &self.policies {
            let truth = p.matches(subject, recorder);
            matched = matched.or(truth);
            if truth.is_yes() && policy.is_none() {
                policy = Some(p);
                if !R::ON {
                    break;
                }
            }
        }
        let allowed = match self.action {
            Action::Allow => matched,
            Action::Deny => !matched,
            Action::Log => Truth::Yes,
        };
        Decision { allowed, policy }
    }
}

impl Policy {
    fn compile(name: &str, json: &Value) -> Policy {
        let cel = ["condition", "checked_condition", "cel_config"].into_iter().find(|key| field(json, key).is_some_and(|v| !v.is_null()));
        Policy {
            name: name.to_owned(),
            permissions: condition::permissions(json),
            principals: condition::principals(json),
            expression: cel.map(|key| Test::Unknown(format!("`{key}`: a CEL expression"))),
        }
    }
    pub fn matches<S: Subject, R: Recorder>(&self, subject: &S, recorder: &mut R) -> Truth {
        if R::ON {
            recorder.open(Node::Policy(&self.name));
        }
        let mut truth = self.permissions.holds(subject, recorder);
        if R::ON || truth != Truth::No {
            truth = truth.and(self.principals.holds(subject, recorder));
        }
        if let Some(expression) = &self.expression {
            truth = truth.and(expression.asked(subject, recorder));
        }
        if R::ON {
            recorder.close(truth);
        }
        truth
    }
}

#[cfg(test)]
mod tests;
