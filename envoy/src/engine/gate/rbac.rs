//! Role-based access control: [`crate::rbac`] judges; here is what it looks at, and what becomes of its answer.

use super::{Context, Gate, Live, Reply};
use crate::engine::field::{Message, Read, Unknown};
use crate::engine::recorder::{Candidate, Recorder};
use crate::engine::request::{Connection, Metadata, Request};
use crate::matcher::Truth;
use crate::rbac::{self, Fact, Filter, Ruling, Source};
use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;

/// What policies are judged by.
pub struct Subject<'x, 'a> {
    pub connection: &'x Connection<'a>,
    /// `None` for a connection that is judged as such: it has no headers.
    pub request: Option<&'x Request<'a>>,
    pub remote: IpAddr,
    pub metadata: &'x Metadata,
}

/// The decision of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'c> {
    pub allowed: bool,
    /// The policy that matched.
    pub policy: Option<&'c str>,
}

/// What a filter decided, for those who count: `None` where it has no such rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged<'c> {
    pub rules: Option<Verdict>,
    pub shadow: Option<Verdict>,
    /// What stands before the names of the statistics (`rules_stat_prefix`, `shadow_rules_stat_prefix`).
    pub rules_prefix: &'c str,
    pub shadow_prefix: &'c str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Denied,
}

impl Verdict {
    fn of(decision: &Decision<'_>) -> Verdict {
        if decision.allowed { Verdict::Allowed } else { Verdict::Denied }
    }
}

/// An RBAC filter, for connections or for requests.
#[derive(Clone, Debug)]
pub struct Rbac {
    filter: Filter,
    /// `rules_stat_prefix`, and `stat_prefix` of a filter for connections.
    rules_prefix: Box<str>,
    stat_prefix: Box<str>,
    /// What is said where a condition that is not known would decide.
    undecided: Unknown,
    undecided_shadow: Unknown,
}

const METADATA: &str = "envoy.filters.http.rbac";

impl Rbac {
    pub(in crate::engine) fn read(m: &Message<'_, '_>) -> Read<Rbac> {
        m.only(&[
            "rules",
            "shadow_rules",
            "shadow_rules_stat_prefix",
            "rules_stat_prefix",
            "stat_prefix",
            "enforcement_type",
            "track_per_rule_stats",
            "delay_deny",
        ])?;
        let undecided = |field: &str| m.unknown_field(field, "a condition that is not known to meshctl would decide");
        Ok(Rbac {
            filter: Filter::compile(&m.json()),
            rules_prefix: m.text("rules_stat_prefix")?.into(),
            stat_prefix: m.text("stat_prefix")?.into(),
            undecided: undecided("rules"),
            undecided_shadow: undecided("shadow_rules"),
        })
    }

    /// Its rules.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What stands before the statistics of a filter for connections.
    pub fn stat_prefix(&self) -> &str {
        &self.stat_prefix
    }
    /// What was decided, for those who count.
    pub fn judged(&self, decision: &Decision<'_>, shadow: Option<&Decision<'_>>) -> Judged<'_> {
        let has_rules = matches!(self.filter.rules, Ruling::Rules(_));
        Judged {
            rules: has_rules.then(|| Verdict::of(decision)),
            shadow: shadow.map(Verdict::of),
            rules_prefix: &self.rules_prefix,
            shadow_prefix: &self.filter.shadow_prefix,
        }
    }

    /// What is enforced, and what the shadow policies say. The recorder hears of each policy that did not match.
    ///
    /// # Errors
    /// A rule that would decide and is not known.
    pub fn decide<R: Recorder>(&self, subject: &Subject<'_, '_>, recorder: &mut R) -> Result<(Decision<'_>, Option<Decision<'_>>), &Unknown> {
        let shadow = match &self.filter.shadow {
            Ruling::None => None,
            Ruling::Unknown(_) => return Err(&self.undecided_shadow),
            Ruling::Rules(rules) => Some(decided(rules.decide(subject, &mut ())).ok_or(&self.undecided_shadow)?),
        };
        let decision = match &self.filter.rules {
            Ruling::None => Decision { allowed: true, policy: None },
            Ruling::Unknown(_) => return Err(&self.undecided),
            Ruling::Rules(rules) => {
                if R::ON {
                    let mut trace = rbac::Trace::default();
                    rules.decide(subject, &mut trace);
                    for step in trace.steps.iter().filter(|s| !s.truth.is_yes()) {
                        let failures = step.failures();
                        recorder.failed(|| failures.iter().map(|f| format!("wants: {}, is {}", f.wanted, f.found)).collect::<Vec<_>>().join("; "));
                        recorder.passed_over(|| Candidate { name: step.policy().to_owned(), source: String::new() });
                    }
                }
                let decision = decided(rules.decide(subject, &mut ())).ok_or(&self.undecided)?;
                if let Some(policy) = decision.policy {
                    recorder.decided_by(|| policy.to_owned());
                }
                decision
            }
        };
        Ok((decision, shadow))
    }

    pub(super) fn gate<'c, R: Recorder>(&'c self, filter: &'c Rbac, context: &mut Context<'c, '_>, live: &mut impl Live, recorder: &mut R) -> Gate<'c> {
        let subject = Subject { connection: context.connection, request: Some(context.request), remote: context.remote, metadata: context.metadata };
        let (decision, shadow) = match self.decide(&subject, recorder) {
            Ok(both) => both,
            Err(u) => return Gate::Unknown(u),
        };
        // A route's rules have the names of the filter's where they have none of their own.
        let or = |own: &'c str, filters: &'c str| if own.is_empty() { filters } else { own };
        let (rules_prefix, shadow_prefix) = (or(&self.rules_prefix, &filter.rules_prefix), or(&self.filter.shadow_prefix, &filter.filter.shadow_prefix));
        // Statistics have those of the filter in any case.
        live.judged(Judged { rules_prefix: &filter.rules_prefix, shadow_prefix: &filter.filter.shadow_prefix, ..self.judged(&decision, shadow.as_ref()) });
        if let Some(shadow) = shadow {
            let key = |name: &str| format!("{shadow_prefix}{name}");
            let result = if shadow.allowed { "allowed" } else { "denied" };
            context.metadata.set(METADATA, &key("shadow_engine_result"), Value::from(result));
            if let Some(policy) = shadow.policy {
                context.metadata.set(METADATA, &key("shadow_effective_policy_id"), Value::from(policy));
            }
        }
        if matches!(self.filter.rules, Ruling::Rules(_)) {
            let key = |name: &str| format!("{rules_prefix}{name}");
            let result = if decision.allowed { "allowed" } else { "denied" };
            context.metadata.set(METADATA, &key("enforced_engine_result"), Value::from(result));
            if let Some(policy) = decision.policy {
                context.metadata.set(METADATA, &key("enforced_effective_policy_id"), Value::from(policy));
            }
        }
        match decision.allowed {
            true => Gate::Continue,
            false => Gate::Reply(Reply { status: 403, flag: "", details: denied(decision.policy) }, None),
        }
    }
}

/// `None` where the answer is not known.
fn decided(decision: rbac::Decision<'_>) -> Option<Decision<'_>> {
    let policy = decision.policy.map(|p| p.name.as_str());
    match decision.allowed {
        Truth::Unknown => None,
        allowed => Some(Decision { allowed: allowed.is_yes(), policy }),
    }
}

/// `response_code_details` of a denial.
pub fn denied(policy: Option<&str>) -> String {
    format!("rbac_access_denied_matched_policy[{}]", policy.unwrap_or("none").replace(' ', "_"))
}

impl rbac::Subject for Subject<'_, '_> {
    fn header(&self, name: &str) -> Fact<Cow<'_, str>> {
        self.request.and_then(|r| r.joined(name)).map_or(Fact::Absent, Fact::Is)
    }
    fn header_values(&self, name: &str) -> Fact<Vec<Cow<'_, str>>> {
        let values: Vec<Cow<'_, str>> = self.request.into_iter().flat_map(|r| r.values(name).map(Cow::from).collect::<Vec<_>>()).collect();
        if values.is_empty() { Fact::Absent } else { Fact::Is(values) }
    }
    fn destination_ip(&self) -> Fact<IpAddr> {
        Fact::Is(self.connection.destination.ip())
    }
    fn destination_port(&self) -> Fact<u16> {
        Fact::Is(self.connection.destination.port())
    }
    fn source_ip(&self, which: Source) -> Fact<IpAddr> {
        Fact::Is(match which {
            Source::Direct => self.connection.direct_source,
            Source::Remote => self.remote,
            Source::Connection => self.connection.source.ip(),
        })
    }
    fn peer(&self) -> Fact<&[String]> {
        match &self.connection.tls {
            Some(tls) if !tls.passed_through => Fact::Is(tls.certificate.as_ref().map_or(&[], |c| &*c.names)),
            _ => Fact::Absent,
        }
    }
    fn server_name(&self) -> Fact<Cow<'_, str>> {
        self.connection.tls.as_ref().map_or(Fact::Absent, |t| Fact::Is(t.server_name.into()))
    }
    fn metadata(&self, filter: &str) -> Fact<&Value> {
        self.metadata.of(filter).map_or(Fact::Absent, Fact::Is)
    }
    fn filter_state(&self, key: &str) -> Fact<Cow<'_, str>> {
        let found = self.connection.filter_state.iter().find(|(k, _)| *k == key);
        found.map_or(Fact::Absent, |(_, v)| Fact::Is((*v).into()))
    }
}
