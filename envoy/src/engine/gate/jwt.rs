//! Tokens of requests (`envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`): what RequestAuthentications become.
//!
//! Whether a token is genuine is not judged here: its state is an argument. What is judged is what the configuration
//! requires of whom.

use super::cors::is_preflight;
use super::{Context, Gate, Live, Reply};
use crate::engine::field::{Message, Read, Unknown};
use crate::engine::recorder::Off;
use crate::engine::route::Conditions;
use serde_json::Value;
use std::collections::BTreeMap;

/// Whom tokens are taken from.
#[derive(Clone, Debug)]
pub struct Provider {
    pub name: Box<str>,
    /// "" for any.
    pub issuer: Box<str>,
    pub audiences: Vec<Box<str>>,
    /// The metadata key that the claims are left under; "" for none.
    payload_key: Box<str>,
}

/// The state of a request's token, as a provider sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Missing,
    /// With its claims.
    Valid(Value),
    /// Why, in Envoy's words: `Jwt is expired`.
    Invalid(String),
}

#[derive(Clone, Debug)]
pub(super) struct Authentication {
    providers: BTreeMap<Box<str>, Provider>,
    /// The first whose conditions hold; without a requirement nothing is required.
    rules: Vec<(Conditions, Option<Requirement>)>,
    by_name: BTreeMap<Box<str>, Requirement>,
    bypass_preflight: bool,
    unknown: Option<Unknown>,
}

#[derive(Clone, Debug)]
enum Requirement {
    Provider(Box<str>),
    /// With audiences of its own.
    Audiences(Box<str>, Vec<Box<str>>),
    Any(Vec<Requirement>),
    All(Vec<Requirement>),
    AllowMissing,
    AllowMissingOrFailed,
}

#[derive(Clone, Debug)]
pub(super) enum Override {
    Off,
    Named(Box<str>),
}

impl Override {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Override> {
        m.only(&["disabled", "requirement_name"])?;
        Ok(if m.flag("disabled")? { Override::Off } else { Override::Named(m.text("requirement_name")?.into()) })
    }
}

/// How a requirement came out.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Fine,
    Missing,
    Invalid(String),
}

const UNKNOWN_ISSUER: &str = "Jwt issuer is not configured";
const METADATA: &str = "envoy.filters.http.jwt_authn";

impl Authentication {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Authentication> {
        let mut providers = BTreeMap::new();
        for (name, p) in m.map("providers")? {
            let provider = Provider {
                name: name.into(),
                issuer: p.text("issuer")?.into(),
                audiences: p.texts("audiences")?.into_iter().map(Into::into).collect(),
                payload_key: p.text("payload_in_metadata")?.into(),
            };
            providers.insert(name.into(), provider);
        }
        let mut by_name: BTreeMap<Box<str>, Requirement> = BTreeMap::new();
        for (name, r) in m.map("requirement_map")? {
            by_name.insert(name.into(), Requirement::read(&r)?);
        }
        let mut rules = Vec::new();
        for rule in m.messages("rules")? {
            rule.only(&["match", "requires", "requirement_name"])?;
            let requirement = match rule.message("requires")? {
                Some(r) => Some(Requirement::read(&r)?),
                None if rule.has("requirement_name") => {
                    let name = rule.text("requirement_name")?;
                    Some(by_name.get(name).cloned().ok_or_else(|| rule.unknown_field("requirement_name", format!("`{name}` is not in requirement_map")))?)
                }
                None => None,
            };
            rules.push((Conditions::read(&rule.message_or_empty("match")?)?, requirement));
        }
        let known = ["providers", "rules", "requirement_map", "bypass_cors_preflight", "strip_failure_response", "stat_prefix"];
        Ok(Authentication { providers, rules, by_name, bypass_preflight: m.flag("bypass_cors_preflight")?, unknown: m.only(&known).err() })
    }

    pub(super) fn gate<'c>(&'c self, own: Option<&Override>, context: &mut Context<'_, '_>, live: &mut impl Live) -> Gate<'c> {
        if let Some(u) = &self.unknown {
            return Gate::Unknown(u);
        }
        if self.bypass_preflight && is_preflight(context) {
            return Gate::Continue;
        }
        let requirement = match own {
            Some(Override::Off) => None,
            Some(Override::Named(name)) => match self.by_name.get(name) {
                Some(r) => Some(r),
                None => return Gate::Reply(Reply { status: 403, flag: "", details: "jwt_authn_access_denied".to_owned() }, None),
            },
            None => {
                let path = context.request.path_only();
                let holds = |c: &Conditions| c.check(path, context.request, context.connection, 0, &mut Off);
                self.rules.iter().find(|(c, _)| holds(c)).and_then(|(_, r)| r.as_ref())
            }
        };
        let Some(requirement) = requirement else { return Gate::Continue };
        let all: Vec<&Provider> = self.providers.values().collect();
        let reason = match self.judge(requirement, &all, context, live) {
            Verdict::Fine => return Gate::Continue,
            Verdict::Missing => "Jwt is missing".to_owned(),
            Verdict::Invalid(reason) => reason,
        };
        let status = if reason == "Audiences in Jwt are not allowed" { 403 } else { 401 };
        Gate::Reply(Reply { status, flag: "", details: format!("jwt_authn_access_denied{{{}}}", reason.replace(' ', "_")) }, None)
    }

    /// `around` are the providers whose tokens an "allow missing" beside them looks at.
    fn judge(&self, requirement: &Requirement, around: &[&Provider], context: &mut Context<'_, '_>, live: &mut impl Live) -> Verdict {
        match requirement {
            Requirement::Provider(name) => {
                let Some(provider) = self.providers.get(name) else { return Verdict::Invalid("Jwt issuer is not configured".to_owned()) };
                accepted(live.token(provider, context.request), provider, context)
            }
            Requirement::Audiences(name, audiences) => {
                let Some(provider) = self.providers.get(name) else { return Verdict::Invalid("Jwt issuer is not configured".to_owned()) };
                let own = Provider { audiences: audiences.clone(), ..provider.clone() };
                accepted(live.token(&own, context.request), provider, context)
            }
            Requirement::All(list) => {
                for r in list {
                    match self.judge(r, around, context, live) {
                        Verdict::Fine => {}
                        other => return other,
                    }
                }
                Verdict::Fine
            }
            Requirement::Any(list) => {
                let mut beside = Vec::new();
                list.iter().for_each(|r| self.providers_of(r, &mut beside));
                if beside.is_empty() {
                    beside.extend(self.providers.values());
                }
                // Those that let everybody through are asked last; the reason that says most is told.
                let mut worst = Verdict::Missing;
                let (last, first): (Vec<_>, Vec<_>) = list.iter().partition(|r| matches!(r, Requirement::AllowMissing | Requirement::AllowMissingOrFailed));
                for r in first.into_iter().chain(last) {
                    match self.judge(r, &beside, context, live) {
                        Verdict::Fine => return Verdict::Fine,
                        Verdict::Missing => {}
                        Verdict::Invalid(reason) if reason == UNKNOWN_ISSUER && worst != Verdict::Missing => {}
                        // What a provider says of its token says more.
                        Verdict::Invalid(_) if worst != Verdict::Missing && matches!(r, Requirement::AllowMissing) => {}
                        invalid => worst = invalid,
                    }
                }
                worst
            }
            Requirement::AllowMissing => {
                let (token, of) = live.any_token(around, context.request);
                match (token, around.get(of)) {
                    (Token::Missing, _) | (_, None) => Verdict::Fine,
                    (token, Some(provider)) => accepted(token, provider, context),
                }
            }
            Requirement::AllowMissingOrFailed => {
                let (token, of) = live.any_token(around, context.request);
                around.get(of).map(|provider| accepted(token, provider, context));
                Verdict::Fine
            }
        }
    }

    fn providers_of<'c>(&'c self, requirement: &Requirement, out: &mut Vec<&'c Provider>) {
        match requirement {
            Requirement::Provider(name) | Requirement::Audiences(name, _) => out.extend(self.providers.get(name)),
            Requirement::Any(list) | Requirement::All(list) => list.iter().for_each(|r| self.providers_of(r, out)),
            Requirement::AllowMissing | Requirement::AllowMissingOrFailed => {}
        }
    }
}

/// What a token makes of a requirement. The claims of one that is good are left for later filters.
fn accepted(token: Token, provider: &Provider, context: &mut Context<'_, '_>) -> Verdict {
    match token {
        Token::Missing => Verdict::Missing,
        Token::Invalid(reason) => Verdict::Invalid(reason),
        Token::Valid(claims) => {
            if !provider.payload_key.is_empty() {
                context.metadata.set(METADATA, &provider.payload_key, claims);
            }
            Verdict::Fine
        }
    }
}

impl Requirement {
    fn read(m: &Message<'_, '_>) -> Read<Requirement> {
        let list = |name: &str| m.message_or_empty(name)?.messages("requirements")?.iter().map(Requirement::read).collect::<Read<Vec<_>>>();
        if m.has("provider_name") {
            return Ok(Requirement::Provider(m.text("provider_name")?.into()));
        }
        if let Some(own) = m.message("provider_and_audiences")? {
            let audiences = own.texts("audiences")?.into_iter().map(Into::into).collect();
            return Ok(Requirement::Audiences(own.text("provider_name")?.into(), audiences));
        }
        if m.has("requires_any") {
            return Ok(Requirement::Any(list("requires_any")?));
        }
        if m.has("requires_all") {
            return Ok(Requirement::All(list("requires_all")?));
        }
        if m.has("allow_missing") {
            return Ok(Requirement::AllowMissing);
        }
        if m.has("allow_missing_or_failed") {
            return Ok(Requirement::AllowMissingOrFailed);
        }
        Err(m.unknown("a requirement that is not known to meshctl"))
    }
}
