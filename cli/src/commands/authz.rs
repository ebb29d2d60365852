//! `meshctl authz`: who may call whom.

mod can;
mod who_can;

use crate::args::authz::{AuthzArgs, AuthzCommand};
use crate::commands::proxy_config::{Answer, Format, format, missing, not_a_dump, unread};
use crate::context::{Compat, Context};
use crate::dump::{self, Need};
use crate::print::dump::document;
use crate::print::table::Table;
use crate::status::{Failure, Outcome};
use crate::watch;
use mesh_envoy::dump::listener::{Listener, Listeners, RbacOrOther};
use mesh_envoy::dump::{SectionKind, Sections};
use mesh_envoy::rbac::PolicyName;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub fn run(args: &AuthzArgs, context: &Context) -> Outcome {
    match &args.what {
        AuthzCommand::Check(a) => {
            let format = format(a.output.as_deref().unwrap_or("table"))?;
            watch::run(a, context, || {
                dump::answers(a, Need::Sections(&[SectionKind::Listeners]), context, &|found| check(&found.page.text, found.problems, format, context.compat))
            })
        }
        AuthzCommand::Can(a) => can::run(a, context),
        AuthzCommand::WhoCan(a) => who_can::run(a, context),
        AuthzCommand::Matrix(a) => who_can::matrix(a, context),
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

/// The rules of each policy that a proxy holds, by action and policy.
struct Policies {
    rules: BTreeMap<(String, String), BTreeSet<String>>,
    compat: Compat,
}

/// What istioctl calls an RBAC filter without a policy.
const NOTHING: &str = "_anonymous_match_nothing_";

impl Policies {
    fn add(&mut self, action: &str, policy: String, rule: &str) {
        self.rules.entry((action.to_owned(), policy)).or_default().insert(rule.to_owned());
    }
    /// A policy by the name that the filter has for it.
    fn named(&mut self, action: &str, name: &str) {
        match (PolicyName::parse(name), self.compat) {
            (Some(p), _) => self.add(action, format!("{}.{}", p.name, p.namespace), p.rule),
            // Not of istiod's making. istioctl has no name for it.
            (None, Compat::Istioctl) => self.add(action, String::new(), ""),
            (None, Compat::Meshctl) => self.add(action, name.to_owned(), ""),
        }
    }
    fn filter(&mut self, rules: &RbacOrOther<'_>, shadow: &RbacOrOther<'_>) {
        let (action, is_empty) = rules.rbac().map_or(("ALLOW", true), |r| (r.action(), r.policies.is_empty()));
        for name in rules.rbac().into_iter().flat_map(|r| r.policies.keys()) {
            self.named(action, name);
        }
        for name in shadow.rbac().into_iter().flat_map(|r| r.policies.keys()) {
            if PolicyName::parse(name).is_some_and(|p| p.is_custom) {
                self.named("CUSTOM", name);
            }
        }
        // An RBAC filter with rules and without a policy lets nothing through: Istio makes it of an ALLOW policy whose rules
        // can't be expressed here. One without rules enforces nothing, which istioctl does not tell apart.
        if is_empty && (rules.rbac().is_some() || self.compat == Compat::Istioctl) {
            self.add(action, NOTHING.to_owned(), "0");
        }
    }
    /// Action, policy and number of rules, in the order in which istioctl prints them.
    fn rows(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        ["DENY", "ALLOW", "LOG", "CUSTOM"].into_iter().flat_map(|action| {
            self.rules.iter().filter(move |((a, _), _)| a == action).map(|((action, policy), rules)| (action.as_str(), policy.as_str(), rules.len()))
        })
    }
}

/// Action and name (`policy.namespace`) of the AuthorizationPolicies in a proxy's RBAC filters.
pub fn policies_in(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let (policies, _) = held(text, Compat::Meshctl)?;
    Ok(policies.rows().filter(|(_, policy, _)| *policy != NOTHING).map(|(action, policy, _)| (action.to_owned(), policy.to_owned())).collect())
}

/// The policies of a dump, and what of it could not be read.
fn held(text: &str, compat: Compat) -> Result<(Policies, Vec<String>), Failure> {
    let mut wanted = Wanted::default();
    let found = mesh_envoy::dump::read(text, &mut wanted).map_err(|e| not_a_dump(text, &e.to_string()))?;
    let section = wanted.0.ok_or_else(|| missing(SectionKind::Listeners, &found.types))?;
    let mut policies = Policies { rules: BTreeMap::new(), compat };
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
    Ok((policies, unread(&found).into_iter().collect()))
}

/// The AuthorizationPolicies in a proxy's RBAC filters, as a table.
fn check(text: &str, mut problems: Vec<String>, format: Format, compat: Compat) -> Result<Answer, Failure> {
    let (policies, unread) = held(text, compat)?;
    problems.splice(0..0, unread);
    let mut table = Table::new(["ACTION", "AuthorizationPolicy", "RULES"]);
    for (action, policy, rules) in policies.rows() {
        table.row(vec![action.to_owned(), policy.to_owned(), rules.to_string()]);
    }
    let text = match format {
        Format::Table | Format::Wide => table.render(3),
        Format::Csv => table.csv(),
        Format::Document(as_) => {
            let list: Vec<Value> = policies.rows().map(|(action, policy, rules)| json!({"action": action, "policy": policy, "rules": rules})).collect();
            document(json!({"complete": problems.is_empty(), "problems": problems, "policies": list}), as_, compat)
        }
    };
    Ok(Answer { text, problems })
}
