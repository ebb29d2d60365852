//! Cross-origin requests (`envoy.extensions.filters.http.cors.v3.CorsPolicy`): preflights are answered here.

use super::{Chance, Context, Gate, Live, Reply, Routed, happens};
use crate::engine::field::{Message, Read};
use crate::engine::request::Request;
use crate::engine::route::Fraction;
use crate::engine::text;
use crate::matcher::StringMatcher;

/// What a scope says of other origins.
#[derive(Clone, Debug)]
pub struct Policy {
    origins: Vec<StringMatcher>,
    /// All requests where the policy says nothing.
    enabled: Option<Fraction>,
    forwards_other_preflights: bool,
    /// What answers tell, as spelled; "" for nothing.
    pub allow_methods: Box<str>,
    pub allow_headers: Box<str>,
    pub expose_headers: Box<str>,
    pub max_age: Box<str>,
    pub allow_credentials: bool,
}

impl Policy {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Policy> {
        Ok(Policy {
            origins: m.messages("allow_origin_string_match")?.iter().map(text::string).collect::<Read<_>>()?,
            enabled: m.message("filter_enabled")?.map(|f| Fraction::read_runtime(&f)).transpose()?,
            forwards_other_preflights: m.bool("forward_not_matching_preflights")?.unwrap_or(true),
            allow_methods: m.text("allow_methods")?.into(),
            allow_headers: m.text("allow_headers")?.into(),
            expose_headers: m.text("expose_headers")?.into(),
            max_age: m.text("max_age")?.into(),
            allow_credentials: m.flag("allow_credentials")?,
        })
    }

    /// Whether answers to an origin say that it may read them.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|o| o.matches("*").is_yes() || o.matches(origin).is_yes())
    }
    /// Whether the policy is switched off, whoever asks.
    pub fn is_off(&self) -> bool {
        self.enabled.is_some_and(Fraction::is_never)
    }
    /// The origin of a request that the policy looks at.
    pub fn origin<'a>(request: &Request<'a>, routed: Routed) -> Option<&'a str> {
        request.header("origin", 0).filter(|o| !o.is_empty() && routed == Routed::Forwarded)
    }

    pub(super) fn gate<'c>(&self, context: &Context<'_, '_>, live: &mut impl Live) -> Gate<'c> {
        let Some(origin) = Policy::origin(context.request, context.routed) else { return Gate::Continue };
        if !self.enabled.is_none_or(|share| happens(live, Chance::Cors, share)) {
            return Gate::Continue;
        }
        let answers = is_preflight(context) && (self.allows(origin) || !self.forwards_other_preflights);
        if answers { Gate::Reply(Reply { status: 200, flag: "", details: "cors_response".to_owned() }, None) } else { Gate::Continue }
    }
}

/// A browser's question before the request itself.
pub(super) fn is_preflight(context: &Context<'_, '_>) -> bool {
    let has = |name: &str| context.request.header(name, 0).is_some_and(|v| !v.is_empty());
    context.request.method == "OPTIONS" && has("origin") && has("access-control-request-method")
}
