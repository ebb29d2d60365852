//! The names that istiod gives RBAC policies: `ns[default]-policy[deny-ns]-rule[0]`.

use std::fmt;

/// The AuthorizationPolicy behind an RBAC policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyName<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    /// Index in `spec.rules`.
    pub rule: &'a str,
    /// Whether the policy asks an outside party (`action: CUSTOM`).
    pub is_custom: bool,
}

/// What stands before the names of CUSTOM policies.
pub const CUSTOM_PREFIX: &str = "istio-ext-authz-";
/// What stands behind the name of a CUSTOM policy whose provider does not exist: it denies.
pub const BAD_CUSTOM: &str = "-deny-due-to-bad-CUSTOM-action";

impl<'a> PolicyName<'a> {
    /// `None` for names of another form, as EnvoyFilters and other control planes give them.
    pub fn parse(name: &'a str) -> Option<PolicyName<'a>> {
        let rest = name.strip_prefix(CUSTOM_PREFIX);
        let is_custom = rest.is_some();
        // Of a CUSTOM policy the provider's name may stand before it.
        let rest = match rest {
            Some(custom) => custom.find("ns[").and_then(|at| custom.get(at..))?,
            None => name,
        };
        let (namespace, rest) = rest.strip_prefix("ns[")?.split_once("]-policy[")?;
        let (policy, rest) = rest.strip_suffix(BAD_CUSTOM).unwrap_or(rest).split_once("]-rule[")?;
        Some(PolicyName { namespace, name: policy, rule: rest.strip_suffix(']')?, is_custom })
    }
}

/// "AuthorizationPolicy default/deny-ns, rule 0".
impl fmt::Display for PolicyName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorizationPolicy {}/{}, rule {}", self.namespace, self.name, self.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let n = PolicyName::parse("ns[a]-policy[b]-rule[3]").expect("a name");
        assert_eq!((n.namespace, n.name, n.rule, n.is_custom), ("a", "b", "3", false));
        assert!(PolicyName::parse("istio-ext-authz-ns[a]-policy[b]-rule[0]").is_some_and(|n| n.is_custom));
        let bad = PolicyName::parse("istio-ext-authz-opa-ns[a]-policy[b]-rule[0]-deny-due-to-bad-CUSTOM-action");
        assert!(bad.is_some_and(|n| n.is_custom && n.name == "b" && n.rule == "0"), "{bad:?}");
        assert_eq!(PolicyName::parse("_anonymous_match_nothing_"), None);
        assert_eq!(n.to_string(), "AuthorizationPolicy a/b, rule 3");
    }
}
