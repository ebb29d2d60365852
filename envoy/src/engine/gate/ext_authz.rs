//! Authorization by a service outside (`envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`): what CUSTOM policies become.

use super::{Chance, Context, Gate, Live, Reply, Routed, happens};
use crate::engine::field::{Message, Read, Unknown};
use crate::engine::route::Fraction;
use crate::matcher::{MetadataMatcher, Truth};

#[derive(Clone, Debug)]
pub(super) struct ExtAuthz {
    /// The cluster of the service.
    service: Box<str>,
    lets_on_failure: bool,
    status_on_error: u16,
    enabled: Option<Fraction>,
    enabled_by: Option<MetadataMatcher>,
    unknown: Option<Unknown>,
}

/// What somebody outside is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'c> {
    /// The cluster of the one who is asked; "" where the configuration names none.
    pub service: &'c str,
    what: What,
    lets_on_failure: bool,
    status_on_error: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Authorization,
    RateLimit,
}

/// What they said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Allowed,
    /// With the status that they ask for.
    Denied(u16),
    /// No answer.
    Failed,
}

impl<'c> Question<'c> {
    pub(super) fn rate_limit(service: &'c str, denies_on_failure: bool) -> Question<'c> {
        Question { service, what: What::RateLimit, lets_on_failure: !denies_on_failure, status_on_error: 500 }
    }
    /// What is asked, in a word.
    pub fn what(&self) -> &'static str {
        match self.what {
            What::Authorization => "authorization",
            What::RateLimit => "a rate limit",
        }
    }
    /// What the filter does with the answer.
    pub fn answered(&self, answer: Answer) -> Gate<'c> {
        let reply = |status, flag, details: &str| Gate::Reply(Reply { status, flag, details: details.to_owned() }, None);
        match (self.what, answer) {
            (_, Answer::Allowed) => Gate::Continue,
            (_, Answer::Failed) if self.lets_on_failure => Gate::Continue,
            (What::Authorization, Answer::Denied(status)) => reply(status, "UAEX", "ext_authz_denied"),
            (What::Authorization, Answer::Failed) => reply(self.status_on_error, "UAEX", "ext_authz_error"),
            (What::RateLimit, Answer::Denied(_)) => reply(429, "RL", "request_rate_limited"),
            (What::RateLimit, Answer::Failed) => reply(self.status_on_error, "RLSE", "rate_limiter_error"),
        }
    }
}

impl ExtAuthz {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<ExtAuthz> {
        let grpc = m.message_or_empty("grpc_service")?;
        let envoy_grpc = grpc.message_or_empty("envoy_grpc")?;
        let http = m.message_or_empty("http_service")?;
        let uri = http.message_or_empty("server_uri")?;
        let service = match envoy_grpc.text("cluster_name")? {
            "" => uri.text("cluster")?,
            name => name,
        };
        let status = m.message_or_empty("status_on_error")?;
        let code = status.value("code").and_then(serde_json::Value::as_u64).and_then(|c| u16::try_from(c).ok());
        Ok(ExtAuthz {
            service: service.into(),
            lets_on_failure: m.flag("failure_mode_allow")?,
            status_on_error: code.unwrap_or(403),
            enabled: m.message("filter_enabled")?.map(|f| Fraction::read_runtime(&f)).transpose()?,
            enabled_by: m.message("filter_enabled_metadata")?.map(|x| metadata(&x)).transpose()?,
            unknown: m.has("deny_at_disable").then(|| m.unknown_field("deny_at_disable", "not known to meshctl")),
        })
    }

    pub(super) fn gate<'c>(&'c self, context: &Context<'_, '_>, live: &mut impl Live) -> Gate<'c> {
        if let Some(u) = &self.unknown {
            return Gate::Unknown(u);
        }
        // Envoy asks nobody about a request that has no route.
        let asks = context.routed != Routed::Nowhere
            && self.enabled.is_none_or(|share| happens(live, Chance::ExternalAuthorization, share))
            && self.enabled_by.as_ref().is_none_or(|m| m.matches(context.metadata.of(&m.filter)).is_yes());
        if !asks {
            return Gate::Continue;
        }
        Gate::Ask(Question { service: &self.service, what: What::Authorization, lets_on_failure: self.lets_on_failure, status_on_error: self.status_on_error })
    }
}

/// `MetadataMatcher`, where every kind of value is known.
fn metadata(m: &Message<'_, '_>) -> Read<MetadataMatcher> {
    let matcher = MetadataMatcher::compile(&m.json());
    match matcher.matches(Some(&serde_json::Value::Null)) {
        Truth::Unknown => Err(m.unknown("a metadata matcher of a kind that is not known to meshctl")),
        _ => Ok(matcher),
    }
}
