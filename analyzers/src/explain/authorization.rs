//! Whether a request would be allowed by the RBAC filters of a chain, by which policy and rule, and why each other
//! rule did not match.

use super::proxy::{Chain, Compiled, Level, RbacFilter};
use mesh_envoy::engine::action::{Action as Does, Target};
use mesh_envoy::engine::gate::OwnRbac;
use mesh_envoy::engine::recorder::Off;
use mesh_envoy::engine::request::{Connection, Request as OfEngine};
use mesh_envoy::engine::route::{Choice, Route, Table, VirtualHost};
use mesh_envoy::matcher::Truth;
use mesh_envoy::rbac::{Action, Failed, Filter, PolicyName, Request, Rules, Ruling, Trace};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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

/// Judges a request by a chain's filters. `table` are the chain's routes, where they change filters.
pub fn judge(chain: &Chain, table: Option<&Compiled>, request: &Request) -> Judgement {
    let mut out = Judgement { allowed: Truth::Yes, reason: String::new(), rules: Vec::new(), assumptions: Vec::new() };
    let mut allowed_by = None;
    let scopes = table.map(|t| t.as_ref().map_err(Clone::clone).and_then(|t| scopes(t, request)));
    for of_chain in &chain.rbac {
        let filter = match running(of_chain, scopes.as_ref()) {
            Ok(Some(filter)) => filter,
            Ok(None) => continue,
            Err(why) => {
                out.settle(Truth::Unknown, why);
                continue;
            }
        };
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

/// Where a request is routed, as far as it decides which rules are asked: the route, its virtual host, the whole table.
type Scopes<'t> = Result<(Option<&'t Route>, Option<&'t VirtualHost>, &'t Table), String>;

fn scopes<'t>(table: &'t Table, request: &Request) -> Scopes<'t> {
    let known = |name: &str| if request.unknown_headers.iter().any(|h| h == name) { None } else { request.headers.get(name).map(String::as_str) };
    // One virtual host takes any host, or none.
    let authority = known(":authority").or((table.hosts.len() == 1).then_some(""));
    let (Some(method), Some(path), Some(authority)) = (known(":method"), known(":path"), authority) else {
        return Err("routes change the rules, and which one the request takes depends on its method, path or host (--host)".to_owned());
    };
    let headers: Vec<(&str, &str)> = request.headers.iter().filter(|(k, _)| !k.starts_with(':')).map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let of_engine = OfEngine { method, scheme: "http", authority, path, headers: &headers };
    let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let connection = Connection::plain(nobody, SocketAddr::new(nobody, 0));
    let host = match table.virtual_host(authority, &mut Off) {
        Choice::Found(host) => host,
        Choice::None => return Ok((None, None, table)),
        Choice::Unknown(u) => return Err(u.to_string()),
    };
    match table.route(host, &of_engine, &connection, 0, &mut Off) {
        Choice::Found(route) => Ok((Some(route), Some(host), table)),
        Choice::None => Ok((None, Some(host), table)),
        Choice::Unknown(u) => Err(u.to_string()),
    }
}

/// The filter as it runs for a request: its own rules, or those of the most specific scope; nothing where it is off.
fn running<'f>(filter: &'f RbacFilter, scopes: Option<&Scopes<'f>>) -> Result<Option<&'f Filter>, String> {
    let as_it_is = if filter.disabled { None } else { Some(&filter.filter) };
    let Some(scopes) = scopes.filter(|_| filter.of == Level::Requests) else { return Ok(as_it_is) };
    let (route, host, table) = scopes.as_ref().map_err(Clone::clone)?;
    let weighted = route.and_then(|r| match &r.action {
        Does::Forward(forward) => match &forward.target {
            Target::Weighted(weighted) => Some(&weighted.clusters),
            _ => None,
        },
        _ => None,
    });
    if weighted.into_iter().flatten().any(|c| c.overrides.rbac(&filter.name).is_some()) {
        return Err("clusters with weights change the rules, and which one is drawn is not known".to_owned());
    }
    let own = route.and_then(|r| r.overrides.rbac(&filter.name)).or_else(|| host.and_then(|h| h.overrides.rbac(&filter.name)));
    match own.or_else(|| table.overrides.rbac(&filter.name)) {
        None => Ok(as_it_is),
        Some(OwnRbac::Off) => Ok(None),
        Some(OwnRbac::On) => Ok(Some(&filter.filter)),
        Some(OwnRbac::Rules(rules)) => Ok(Some(rules)),
        Some(OwnRbac::Unknown(u)) => Err(u.to_string()),
    }
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
