//! Cross-origin requests (`envoy.extensions.filters.http.cors.v3.CorsPolicy`): preflights are answered here.

use super::{Chance, Context, Gate, Live, Reply, Routed, happens};
use crate::engine::field::{Message, Read};
use crate::engine::route::Fraction;
use crate::engine::text;
use crate::matcher::StringMatcher;

#[derive(Clone, Debug)]
pub(super) struct Policy {
    origins: Vec<StringMatcher>,
    /// All requests where the policy says nothing.
    enabled: Option<Fraction>,
    forwards_other_preflights: bool,
}

impl Policy {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Policy> {
        Ok(Policy {
            origins: m.messages("allow_origin_string_match")?.iter().map(text::string).collect::<Read<_>>()?,
            enabled: m.message("filter_enabled")?.map(|f| Fraction::read_runtime(&f)).transpose()?,
            forwards_other_preflights: m.bool("forward_not_matching_preflights")?.unwrap_or(true),
        })
    }

    pub(super) fn gate<'c>(&self, context: &Context<'_, '_>, live: &mut impl Live) -> Gate<'c> {
        let request = context.request;
        if context.routed != Routed::Forwarded {
            return Gate::Continue;
        }
        let Some(origin) = request.header("origin", 0).filter(|o| !o.is_empty()) else { return Gate::Continue };
        if !self.enabled.is_none_or(|share| happens(live, Chance::Cors, share)) {
            return Gate::Continue;
        }
        let allowed = self.origins.iter().any(|o| o.matches("*").is_yes() || o.matches(origin).is_yes());
        let answers = is_preflight(context) && (allowed || !self.forwards_other_preflights);
        if answers { Gate::Reply(Reply { status: 200, flag: "", details: "cors_response".to_owned() }, None) } else { Gate::Continue }
    }
}

/// A browser's question before the request itself.
pub(super) fn is_preflight(context: &Context<'_, '_>) -> bool {
    let has = |name: &str| context.request.header(name, 0).is_some_and(|v| !v.is_empty());
    context.request.method == "OPTIONS" && has("origin") && has("access-control-request-method")
}
