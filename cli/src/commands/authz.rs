//! `meshctl authz`: who may call whom.

mod can;

use crate::args::authz::{AuthzArgs, AuthzCommand};
use crate::commands::proxy_config::{Answer, missing, not_a_dump, unread};
use crate::context::Context;
use crate::dump::{self, Need};
use crate::print::table::Table;
use crate::status::{Failure, Outcome};
use crate::watch;
use mesh_envoy::dump::listener::{Listener, Listeners, RbacOrOther};
use mesh_envoy::dump::{SectionKind, Sections};
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};

pub fn run(args: &AuthzArgs, context: &Context) -> Outcome {
    match &args.what {
        AuthzCommand::Check(a) => watch::run(a, context, || {
            let found = dump::page(a, Need::Sections(&[SectionKind::Listeners]), context)?;
            Ok(check(&found.page.text)?.with(found.problems))
        }),
        AuthzCommand::Can(a) => can::run(a, context),
    }
}

#[derive(Default)]
struct Wanted<'a>(Option<Listeners<'a, Listener<'a>>>);

impl<'a> Sections<'a> for Wanted<'a> {
    fn fresh(&self) -> Self {
        Wanted::default()
    }
    fn wants(&self, kind: SectionKind) -> bool {
        kind == SectionKind::Listeners
    }
    fn take<D: Deserializer<'a>>(&mut self, _: SectionKind, section: D) -> Result<(), D::Error> {
        self.0 = Some(Deserialize::deserialize(section)?);
        Ok(())
    }
}

/// Policies by action: the policies that a proxy holds, with how many of their rules.
#[derive(Default)]
struct Policies {
    by_action: BTreeMap<String, BTreeSet<String>>,
    rules: BTreeMap<String, BTreeSet<String>>,
}

impl Policies {
    fn add(&mut self, action: &str, name: String, rule: String) {
        self.by_action.entry(action.to_owned()).or_default().insert(name.clone());
        self.rules.entry(name).or_default().insert(rule);
    }
    fn filter(&mut self, rules: &RbacOrOther<'_>, shadow: &RbacOrOther<'_>) {
        let (action, count) = rules.rbac().map_or(("ALLOW", 0), |r| (r.action(), r.policies.len()));
        for name in rules.rbac().into_iter().flat_map(|r| r.policies.keys()) {
            let (policy, rule) = policy_name(name);
            self.add(action, policy, rule);
        }
        for name in shadow.rbac().into_iter().flat_map(|r| r.policies.keys()).filter(|n| n.starts_with(EXT_AUTHZ)) {
            let (policy, rule) = policy_name(name);
            self.add("CUSTOM", policy, rule);
        }
        if count == 0 {
            // An RBAC filter without a policy lets nothing through: Istio makes it of an ALLOW policy whose rules
            // can't be expressed here.
            self.add(action, "_anonymous_match_nothing_".to_owned(), "0".to_owned());
        }
    }
}

const EXT_AUTHZ: &str = "istio-ext-authz-";

/// `ns[default]-policy[deny-ns]-rule[0]` → (`deny-ns.default`, `0`); both "" for names of another form.
fn policy_name(name: &str) -> (String, String) {
    let parts = || {
        let rest = name.get(name.find("ns[")? + 3..)?;
        let (ns, rest) = rest.split_once("]-policy[")?;
        let (policy, rest) = rest.split_once("]-rule[")?;
        Some((format!("{policy}.{ns}"), rest.strip_suffix(']')?.to_owned()))
    };
    parts().unwrap_or_default()
}

/// The AuthorizationPolicies in a proxy's RBAC filters.
fn check(text: &str) -> Result<Answer, Failure> {
    let mut wanted = Wanted::default();
    let found = mesh_envoy::dump::read(text, &mut wanted).map_err(|e| not_a_dump(text, &e.to_string()))?;
    let section = wanted.0.ok_or_else(|| missing(SectionKind::Listeners, &found.types))?;
    let mut policies = Policies::default();
    for listener in section.dynamic_listeners.iter().filter_map(|d| d.active_state.as_ref()?.listener.as_ref()) {
        for filter in listener.filter_chains.iter().flat_map(|c| &c.filters) {
            if filter.is_http_connection_manager() {
                for f in filter.typed_config.http_filters.iter().filter(|f| &*f.name == "envoy.filters.http.rbac") {
                    policies.filter(&f.typed_config.rules, &f.typed_config.shadow_rules);
                }
            } else if &*filter.name == "envoy.filters.network.rbac" {
                policies.filter(&filter.typed_config.rules, &filter.typed_config.shadow_rules);
            }
        }
    }
    let mut table = Table::new(["ACTION", "AuthorizationPolicy", "RULES"]);
    for action in ["DENY", "ALLOW", "LOG", "CUSTOM"] {
        for name in policies.by_action.get(action).into_iter().flatten() {
            table.row(vec![action.to_owned(), name.clone(), policies.rules.get(name).map_or(0, BTreeSet::len).to_string()]);
        }
    }
    Ok(Answer { text: table.render(3), problems: unread(&found) })
}
