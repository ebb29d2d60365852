//! RBAC filters of AuthorizationPolicies, by their actions: asking an outside authorizer, logging, denying, allowing.

mod custom;
mod told;

pub use custom::Provider;
pub(super) use custom::providers;
pub use told::PEER_PRINCIPAL;

use super::proxy::{Proxy, ProxyKind};
use super::scope::Scope;
use super::{Context, Model, RegisteredService, Whereabouts, filters};
use mesh_envoy::api::common::MetadataMatcher;
use mesh_envoy::api::rbac::{Permission, PermissionSet, Policy, Principal, PrincipalSet, RBAC, RBACAction};
use mesh_envoy::api::{Any, hcm, http_rbac, listener, network_filters};
use mesh_model::{Kind, Node, Object};
use std::borrow::Cow;
use told::{Told, What, Who, claim, one_principal, permission, request_principal};

/// Which of a proxy's policies are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Those that judge requests.
    Http,
    /// Those that judge connections that are no HTTP.
    Tcp,
}

/// Whether a filter judges requests, or connections only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Http,
    Tcp,
}

/// A condition that can't be told of connections, or that makes no sense. An ALLOW rule with it is dropped; of other
/// rules only the condition is, which makes them wider.
struct Untold;

impl<'a> Model<'_, 'a> {
    /// The configurations of the RBAC filters of a sidecar's inbound chains in their order, as protobuf JSON; of a waypoint's
    /// chains for a service where one is given.
    pub fn rbac_of(&self, proxy: &Proxy, layer: Layer, service: Option<&RegisteredService<'a>>) -> Vec<serde_json::Value> {
        let cx = Context {
            model: self,
            control_plane: self.control_plane,
            proxy: Cow::Borrowed(proxy),
            whereabouts: Whereabouts::default(),
            scope: Scope::nothing(),
            targets: Vec::new(),
            gateway: None,
            waypoint: None,
            records: super::records::Records::default(),
        };
        let configs = match layer {
            Layer::Http => {
                let custom = if self.mesh.knows_config() { cx.custom(service) } else { cx.custom_unseen(service) };
                let all = custom.into_iter().chain(cx.rules_of(service));
                all.filter(|f| f.name.contains("rbac")).map(|f| serde_json::to_value(&f)).collect::<Vec<_>>()
            }
            Layer::Tcp => {
                let mut custom = cx.custom_asked_bytes(service);
                if custom.is_empty() || self.mesh.knows_config() {
                    custom.splice(..0, cx.custom_denied_bytes(service));
                }
                custom.into_iter().chain(cx.network_rules_of(service)).map(|f| serde_json::to_value(&f)).collect()
            }
        };
        // Our own messages are JSON always.
        configs.into_iter().filter_map(Result::ok).filter_map(|mut f| f.get_mut("typedConfig").map(serde_json::Value::take)).collect()
    }
}

impl<'a> Context<'_, 'a> {
    /// The HTTP filters of policies, in the order in which they judge.
    pub fn http_policies(&self) -> Vec<hcm::HttpFilter> {
        self.http_policies_of(None)
    }

    /// The same of a waypoint's chain for a service.
    pub fn http_policies_of(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let mut out = self.custom(service);
        out.extend(self.request_authentication(service).map(|jwt| filters::jwt_http(&jwt)));
        out.extend(self.rules_of(service));
        out
    }

    /// The filters of rules that the proxy judges by itself.
    fn rules_of(&self, service: Option<&RegisteredService<'a>>) -> Vec<hcm::HttpFilter> {
        let filter = |(rules, shadow): (Option<RBAC>, Option<RBAC>)| {
            let shadow_rules_stat_prefix = shadow_prefix(shadow.as_ref());
            filters::rbac_http(&http_rbac::RBAC { shadow_rules_stat_prefix, rules, shadow_rules: shadow, ..Default::default() })
        };
        self.enforced(Level::Http, service).into_iter().map(filter).collect()
    }

    /// The same for connections that are no HTTP.
    pub fn network_policies(&self) -> Vec<listener::Filter> {
        self.network_policies_of(None)
    }

    /// The same of a waypoint's chain for a service.
    pub fn network_policies_of(&self, service: Option<&RegisteredService<'a>>) -> Vec<listener::Filter> {
        let mut out = self.custom_denied_bytes(service);
        out.extend(self.network_rules_of(service));
        out
    }

    fn network_rules_of(&self, service: Option<&RegisteredService<'a>>) -> Vec<listener::Filter> {
        let filter = |(rules, shadow): (Option<RBAC>, Option<RBAC>)| {
            let config = network_filters::RBAC {
                shadow_rules_stat_prefix: shadow_prefix(shadow.as_ref()),
                rules,
                shadow_rules: shadow,
                stat_prefix: "tcp.".into(),
                ..Default::default()
            };
            filters::network_filter("envoy.filters.network.rbac", Any::pack(&config))
        };
        self.enforced(Level::Tcp, service).into_iter().map(filter).collect()
    }

    /// The policies of a kind that are for this proxy, the root namespace's first.
    pub fn policies(&self, kind: Kind) -> Vec<&'a Object> {
        self.model.policies_for(kind, &self.proxy)
    }

    /// The AuthorizationPolicies of an action.
    pub fn with_action(&self, action: &str, service: Option<&RegisteredService<'a>>) -> Vec<&'a Object> {
        let of = |o: &&Object| Some(o.spec().map_or("", |s| s.text_of("action"))).filter(|a| !a.is_empty()).unwrap_or("ALLOW") == action;
        self.model.policies_at(Kind::AuthorizationPolicy, &self.proxy, service).into_iter().filter(of).collect()
    }

    /// Rules in force and on trial, by action.
    fn enforced(&self, level: Level, service: Option<&RegisteredService<'a>>) -> Vec<(Option<RBAC>, Option<RBAC>)> {
        let actions = [("AUDIT", RBACAction::Log), ("DENY", RBACAction::Deny), ("ALLOW", RBACAction::Allow)];
        let of = |(name, action)| {
            let all = self.with_action(name, service);
            let (trial, real): (Vec<_>, Vec<_>) = all.into_iter().partition(|o| is_on_trial(o));
            let rules = |list: &[&'a Object]| (!list.is_empty()).then(|| self.rbac(list, action, level, ""));
            let (real, trial) = (rules(&real), rules(&trial));
            (real.is_some() || trial.is_some()).then_some((real, trial))
        };
        actions.into_iter().filter_map(of).collect()
    }

    fn rbac(&self, policies: &[&'a Object], action: RBACAction, level: Level, prefix: &str) -> RBAC {
        let mut out = RBAC { action: action as i32, ..RBAC::default() };
        for object in policies {
            let name = |i: usize| format!("{prefix}ns[{}]-policy[{}]-rule[{i}]", object.namespace(), object.name());
            let rules: Vec<Node<'a>> = object.spec().into_iter().flat_map(|s| s.list("rules")).collect();
            if rules.is_empty() {
                out.policies.insert(name(0), never());
            }
            for (i, rule) in rules.into_iter().enumerate() {
                if let Ok(policy) = self.policy(object, rule, level, action == RBACAction::Allow) {
                    out.policies.insert(name(i), policy);
                }
            }
        }
        out
    }

    fn policy(&self, object: &'a Object, rule: Node<'a>, level: Level, is_allow: bool) -> Result<Policy, Untold> {
        let when: Vec<Node<'a>> = rule.list("when").collect();
        let mut permissions = Vec::new();
        let to: Vec<Option<Node<'a>>> = some_or_none(rule.list("to").map(|t| t.get("operation")));
        for operation in to {
            let mut and = Vec::new();
            for (what, key) in [(What::Host, "hosts"), (What::Method, "methods"), (What::Path, "paths"), (What::Port, "ports")] {
                let of = |key: &str| operation.into_iter().flat_map(|o| o.list(key)).map(Node::text).collect::<Vec<_>>();
                permission(&what, &of(key), &of(&not(key)), level, is_allow, &mut and)?;
            }
            for w in &when {
                if let Some(what) = What::of_permission(w.text_of("key")) {
                    permission(&what, &values(*w, "values"), &values(*w, "notValues"), level, is_allow, &mut and)?;
                } else if Who::of(w.text_of("key")).is_none() {
                    return Err(Untold);
                }
            }
            if and.is_empty() {
                and.push(Permission { any: Some(true), ..Default::default() });
            }
            permissions.push(Permission { and_rules: Some(PermissionSet { rules: and }), ..Default::default() });
        }
        let mut principals = Vec::new();
        let from: Vec<Option<Node<'a>>> = some_or_none(rule.list("from").map(|f| f.get("source")));
        for source in from {
            let mut and = Vec::new();
            for (who, key) in [
                (Who::Principal, "principals"),
                (Who::RequestPrincipal, "requestPrincipals"),
                (Who::ServiceAccount, "serviceAccounts"),
                (Who::TrustDomain, "trustDomains"),
                (Who::Namespace, "namespaces"),
                (Who::RemoteIp, "remoteIpBlocks"),
                (Who::DirectIp, "ipBlocks"),
            ] {
                let of = |key: &str| source.into_iter().flat_map(|o| o.list(key)).map(Node::text).collect::<Vec<_>>();
                self.principal(object, &who, &of(key), &of(&not(key)), level, is_allow, &mut and)?;
            }
            for w in &when {
                if let Some(who) = Who::of(w.text_of("key")) {
                    self.principal(object, &who, &values(*w, "values"), &values(*w, "notValues"), level, is_allow, &mut and)?;
                }
            }
            if and.is_empty() {
                and.push(Principal { any: Some(true), ..Default::default() });
            }
            principals.push(Principal { and_ids: Some(PrincipalSet { ids: and }), ..Default::default() });
        }
        Ok(Policy { permissions, principals })
    }

    #[allow(clippy::too_many_arguments)]
    fn principal(
        &self,
        object: &'a Object,
        who: &Who<'_>,
        values: &[&str],
        not_values: &[&str],
        level: Level,
        is_allow: bool,
        and: &mut Vec<Principal>,
    ) -> Result<(), Untold> {
        for (list, negated) in [(values, false), (not_values, true)] {
            if list.is_empty() {
                continue;
            }
            let one = match self.principal_of(object, who, list, level, is_allow) {
                Ok(one) => one,
                Err(Untold) if is_allow => return Err(Untold),
                Err(Untold) => continue,
            };
            and.push(if negated { Principal { not_id: Some(Box::new(one)), ..Default::default() } } else { one });
        }
        Ok(())
    }

    fn principal_of(&self, object: &'a Object, who: &Who<'_>, values: &[&str], level: Level, is_allow: bool) -> Result<Principal, Untold> {
        let any = |ids: Vec<Principal>| Principal { or_ids: Some(PrincipalSet { ids }), ..Default::default() };
        let metadata = |m: MetadataMatcher| Principal { metadata: Some(m), ..Default::default() };
        if who.is_http() && level == Level::Tcp {
            return Err(Untold);
        }
        match who {
            Who::RequestPrincipal => {
                let mut ids: Vec<Principal> = values.iter().map(|v| request_principal(v)).collect();
                return Ok(if ids.len() == 1 { ids.remove(0) } else { any(ids) });
            }
            Who::Claims(path) => return Ok(metadata(claim(path, values))),
            _ => {}
        }
        let mut expanded: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        match who {
            Who::Principal => expanded = expanded.iter().flat_map(|p| self.with_aliases(p)).collect(),
            Who::TrustDomain => {
                let domains = self.trust_domains();
                expanded = expanded
                    .iter()
                    .flat_map(|d| if domains.contains(&d.as_str()) { domains.iter().map(|d| (*d).to_owned()).collect() } else { vec![d.clone()] })
                    .collect();
                let mut seen = Vec::new();
                expanded.retain(|d| {
                    !seen.contains(d) && {
                        seen.push(d.clone());
                        true
                    }
                });
            }
            _ => {}
        }
        // Who has made a tunnel is not who shows a certificate inside of it.
        let told = if self.proxy.kind == ProxyKind::Waypoint { Told::ByFilterState } else { Told::ByCertificate };
        let ids: Vec<Principal> = expanded.iter().filter_map(|v| one_principal(object, who, v, told)).collect();
        // Where others than ALLOW are wider without a value, the rest counts still.
        if ids.is_empty() || (is_allow && ids.len() < expanded.len()) { Err(Untold) } else { Ok(any(ids)) }
    }

    /// A principal of this trust domain or of an alias, in all of them.
    fn with_aliases(&self, principal: &str) -> Vec<String> {
        let parts: Vec<&str> = principal.split('/').collect();
        let domains = self.trust_domains();
        let is_wildcard = parts[0] == "*";
        if parts.len() != 5 || is_wildcard {
            return vec![principal.to_owned()];
        }
        // A domain may be written with a wildcard in front.
        let is = |d: &str| {
            parts[0] == d
                || parts[0].strip_prefix('*').is_some_and(|suffix| d.ends_with(suffix))
                || parts[0].strip_suffix('*').is_some_and(|p| d.starts_with(p))
        };
        if !domains.iter().any(|d| is(d)) && parts[0] != crate::host::CLUSTER_DOMAIN {
            return vec![principal.to_owned()];
        }
        let mut out: Vec<String> = Vec::new();
        for d in domains {
            let new = if parts[0].strip_prefix('*').is_some_and(|suffix| d.ends_with(suffix)) || parts[0] == d {
                principal.to_owned()
            } else {
                format!("{d}/{}", parts[1..].join("/"))
            };
            if !out.contains(&new) {
                out.push(new);
            }
        }
        out
    }
}

/// Whether a policy is on trial (`istio.io/dry-run`): it is counted and decides nothing. The value is one that Go's `strconv.ParseBool` takes.
pub fn is_on_trial(policy: &Object) -> bool {
    policy.annotation("istio.io/dry-run").is_some_and(|v| matches!(v, "1" | "t" | "T" | "TRUE" | "true" | "True"))
}

fn shadow_prefix(shadow: Option<&RBAC>) -> String {
    match shadow.map(|s| s.action) {
        None => "istio_dry_run_allow_",
        Some(a) if a == RBACAction::Allow as i32 => "istio_dry_run_allow_",
        Some(a) if a == RBACAction::Deny as i32 => "istio_dry_run_deny_",
        Some(_) => "",
    }
    .to_owned()
}

fn not(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|c| format!("not{}{}", c.to_ascii_uppercase(), chars.as_str())).unwrap_or_default()
}

fn values<'a>(node: Node<'a>, key: &str) -> Vec<&'a str> {
    node.list(key).map(Node::text).collect()
}

/// The items of a list; one empty item for an empty list.
fn some_or_none<'a>(items: impl Iterator<Item = Option<Node<'a>>>) -> Vec<Option<Node<'a>>> {
    let out: Vec<_> = items.collect();
    if out.is_empty() { vec![None] } else { out }
}

/// A rule that nothing meets: a policy without rules.
fn never() -> Policy {
    Policy {
        permissions: vec![Permission { not_rule: Some(Box::new(Permission { any: Some(true), ..Default::default() })), ..Default::default() }],
        principals: vec![Principal { not_id: Some(Box::new(Principal { any: Some(true), ..Default::default() })), ..Default::default() }],
    }
}
