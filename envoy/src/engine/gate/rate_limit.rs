//! Local rate limits (`envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`).

use super::{Chance, Gate, Live, Reply, happens};
use crate::engine::field::{Message, Read};
use crate::engine::route::Fraction;
use std::time::Duration;

/// A bucket of tokens: full at first, and filled up by so many an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Where it stands in the configuration; one bucket each.
    pub id: Box<str>,
    pub max_tokens: u64,
    pub tokens_per_fill: u64,
    pub fill_interval: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct RateLimit {
    status: u16,
    /// Whether there is any bucket to take tokens from.
    limits: bool,
    bucket: Option<Bucket>,
    enabled: Fraction,
    enforced: Fraction,
    headers: Vec<AddedHeader>,
}

/// A header of the answer to a request that is refused (`response_headers_to_add`); its value is fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedHeader {
    pub name: Box<str>,
    pub value: Box<str>,
}

impl AddedHeader {
    fn read(m: &Message<'_, '_>) -> Read<AddedHeader> {
        let header = m.message_or_empty("header")?;
        let (name, value) = (header.text("key")?, header.text("value")?);
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(header.unknown_field("key", "no name of a header that meshctl adds"));
        }
        if value.contains('%') || !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Err(header.unknown_field("value", "a value that is not fixed text"));
        }
        // The answer has none of it before.
        if m.value("append_action").is_some_and(|a| a == "OVERWRITE_IF_EXISTS" || *a == 3) {
            return Err(m.unknown_field("append_action", "a header that is never there"));
        }
        Ok(AddedHeader { name: name.into(), value: value.into() })
    }
}

/// What a local rate limit does to a request that finds no token.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'c> {
    /// `None` where only descriptors have buckets.
    pub bucket: Option<&'c Bucket>,
    pub status: u16,
    /// The share of requests that are refused then; of the others it is only counted.
    pub enforced: Fraction,
    /// What the refusal has beside it.
    pub headers: &'c [AddedHeader],
}

impl std::fmt::Display for Limit<'_> {
    /// `4 requests per 60s`, `10 requests at once, 1 more per 1s, for 50% of requests`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bucket {
            None => f.write_str("as many requests as its descriptors say")?,
            Some(b) => {
                write!(f, "{} {}", b.max_tokens, if b.max_tokens == 1 { "request" } else { "requests" })?;
                if b.tokens_per_fill < b.max_tokens {
                    write!(f, " at once, {} more", b.tokens_per_fill)?;
                }
                write!(f, " per {:?}", b.fill_interval)?;
            }
        }
        if self.enforced.is_always() { Ok(()) } else { write!(f, ", for {} of requests", self.enforced) }
    }
}

const NEVER: Fraction = Fraction { numerator: 0, denominator: 100 };

impl RateLimit {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<RateLimit> {
        let share = |name: &str| Ok(m.message(name)?.map(|f| Fraction::read_runtime(&f)).transpose()?.unwrap_or(NEVER));
        // Statuses below 400 are no refusals: Envoy takes 429 then.
        let status = m.message_or_empty("status")?;
        let code = match status.value("code") {
            Some(serde_json::Value::String(name)) => status_of(name),
            Some(value) => value.as_u64().and_then(|c| u16::try_from(c).ok()),
            None => None,
        };
        Ok(RateLimit {
            status: code.filter(|c| *c >= 400).unwrap_or(429),
            bucket: m.message("token_bucket")?.map(|b| Bucket::read(&b)).transpose()?,
            limits: m.has("token_bucket") || !m.values("descriptors")?.is_empty(),
            enabled: share("filter_enabled")?,
            enforced: share("filter_enforced")?,
            headers: m.messages("response_headers_to_add")?.iter().map(AddedHeader::read).collect::<Read<_>>()?,
        })
    }

    /// What it limits; `None` where it refuses nothing.
    pub(super) fn limit(&self) -> Option<Limit<'_>> {
        let works = self.limits && !self.enabled.is_never() && !self.enforced.is_never();
        works.then_some(Limit { bucket: self.bucket.as_ref(), status: self.status, enforced: self.enforced, headers: &self.headers })
    }

    pub(super) fn gate<'c>(&self, name: &str, live: &mut impl Live) -> Gate<'c> {
        let refused = self.limits && happens(live, Chance::RateLimitChecked, self.enabled) && !live.has_token(name, self.bucket.as_ref());
        if refused && happens(live, Chance::RateLimitEnforced, self.enforced) {
            return Gate::Reply(Reply { status: self.status, flag: "RL", details: "local_rate_limited".to_owned() }, None);
        }
        Gate::Continue
    }
}

impl Bucket {
    fn read(m: &Message<'_, '_>) -> Read<Bucket> {
        Ok(Bucket {
            id: m.path().into(),
            max_tokens: m.uint("max_tokens")?.unwrap_or(0),
            tokens_per_fill: m.uint("tokens_per_fill")?.unwrap_or(1),
            fill_interval: m.duration("fill_interval")?.unwrap_or_default(),
        })
    }
}

/// The statuses of `envoy.type.v3.StatusCode` that refuse, by name.
fn status_of(name: &str) -> Option<u16> {
    Some(match name {
        "BadRequest" => 400,
        "Unauthorized" => 401,
        "PaymentRequired" => 402,
        "Forbidden" => 403,
        "NotFound" => 404,
        "MethodNotAllowed" => 405,
        "NotAcceptable" => 406,
        "RequestTimeout" => 408,
        "Conflict" => 409,
        "Gone" => 410,
        "PreconditionFailed" => 412,
        "UnprocessableEntity" => 422,
        "TooManyRequests" => 429,
        "InternalServerError" => 500,
        "NotImplemented" => 501,
        "BadGateway" => 502,
        "ServiceUnavailable" => 503,
        "GatewayTimeout" => 504,
        _ => return None,
    })
}
