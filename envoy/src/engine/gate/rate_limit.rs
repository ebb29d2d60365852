//! Local rate limits (`envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`).

use super::descriptors::{Descriptor, Facts, Policies};
use super::{Chance, Context, Gate, Live, Reply, happens};
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
    pub share: Share,
}

/// Who has a bucket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All requests draw from one.
    Proxy,
    /// Each connection of a client.
    Connection,
}

/// A bucket that a request draws a token from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw<'c> {
    pub bucket: &'c Bucket,
    /// Where a descriptor leaves values open: each of them has a bucket of its own, and this many are kept, those that were
    /// used last.
    pub apart: Option<(Box<str>, usize)>,
}

/// Shortest interval that Envoy fills buckets in.
const SHORTEST: Duration = Duration::from_millis(50);

/// `max_dynamic_descriptors`
const KEPT: u64 = 20;

#[derive(Clone, Debug)]
pub(super) struct RateLimit {
    stat_prefix: Box<str>,
    status: u16,
    bucket: DefaultBucket,
    limited: Vec<Limited>,
    /// How many buckets are kept of a descriptor that leaves values open.
    kept: usize,
    consumes_default: bool,
    stage: u64,
    own: Policies,
    of_host: OfHost,
    enabled: Fraction,
    enforced: Fraction,
    exhausted: bool,
    tells: bool,
    headers: Vec<AddedHeader>,
    request_headers: Vec<AddedHeader>,
}

/// `token_bucket`
#[derive(Clone, Debug)]
enum DefaultBucket {
    /// Lets everything through.
    None,
    /// Lets nothing through.
    Empty(Bucket),
    Bucket(Bucket),
}

impl DefaultBucket {
    fn bucket(&self) -> Option<&Bucket> {
        match self {
            DefaultBucket::None => None,
            DefaultBucket::Empty(b) | DefaultBucket::Bucket(b) => Some(b),
        }
    }
}

/// `vh_rate_limits`: what a virtual host's descriptors are beside the route's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OfHost {
    /// They count where the route has none.
    Override,
    Include,
    Ignore,
}

/// A descriptor with a bucket.
#[derive(Clone, Debug)]
struct Limited {
    entries: Vec<(Box<str>, Box<str>)>,
    bucket: Bucket,
    /// Refusals are only counted.
    is_shadow: bool,
}

impl Limited {
    /// Whether a value is left open.
    fn is_open(&self) -> bool {
        self.entries.iter().any(|(_, v)| v.is_empty())
    }
    fn takes(&self, descriptor: &Descriptor<'_>) -> bool {
        let mut pairs = self.entries.iter().zip(descriptor);
        self.entries.len() == descriptor.len() && pairs.all(|(own, (key, value))| *own.0 == **key && (own.1.is_empty() || *own.1 == **value))
    }
    fn draw(&self, descriptor: &Descriptor<'_>, kept: usize) -> Draw<'_> {
        let values = || descriptor.iter().map(|(_, v)| &**v).collect::<Vec<_>>().join("\0");
        Draw { bucket: &self.bucket, apart: self.is_open().then(|| (values().into(), kept)) }
    }
    /// Tokens a second.
    fn rate(&self) -> f64 {
        self.bucket.tokens_per_fill as f64 / self.bucket.fill_interval.as_secs_f64()
    }
}

/// A header that a limit adds to the answer to a request that it refuses (`response_headers_to_add`), or to a request that it
/// would refuse (`request_headers_to_add_when_not_enforced`); its value is fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedHeader {
    pub name: Box<str>,
    pub value: Box<str>,
    pub append: Append,
}

/// `append_action`: what becomes of values that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    Always,
    IfAbsent,
    Overwrite,
    OverwriteIfExists,
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
        let actions = ["APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"];
        let append = match (m.enumeration("append_action", &actions)?, m.bool("append")?) {
            ("ADD_IF_ABSENT", _) => Append::IfAbsent,
            ("OVERWRITE_IF_EXISTS_OR_ADD", _) | (_, Some(false)) => Append::Overwrite,
            ("OVERWRITE_IF_EXISTS", _) => Append::OverwriteIfExists,
            _ => Append::Always,
        };
        Ok(AddedHeader { name: name.to_ascii_lowercase().into(), value: value.into(), append })
    }
    fn read_all(m: &Message<'_, '_>, field: &str) -> Read<Vec<AddedHeader>> {
        m.messages(field)?.iter().map(AddedHeader::read).collect()
    }
}

/// What a limit made of a request, for those who count and add headers.
#[derive(Clone, Debug)]
pub struct Outcome<'c> {
    /// The name of the limit's statistics.
    pub stat_prefix: &'c str,
    pub verdict: Verdict,
    /// The bucket whose state answers tell (`enable_x_ratelimit_headers`).
    pub tells: Option<Draw<'c>>,
    /// What a request that goes on gets.
    pub headers: &'c [AddedHeader],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// No token, which is only counted: its descriptor is a trial (`shadow_mode`).
    Shadowed,
    /// No token, and the lot let it through.
    NotEnforced,
    Refused,
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
    /// Whether clients that speak gRPC hear RESOURCE_EXHAUSTED, and not UNAVAILABLE.
    pub exhausted: bool,
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
    /// Of a filter.
    pub(super) fn read(m: &Message<'_, '_>) -> Read<RateLimit> {
        let share = |name: &str| Ok(m.message(name)?.map(|f| Fraction::read_runtime(&f)).transpose()?.unwrap_or(NEVER));
        let whose = if m.flag("local_rate_limit_per_downstream_connection")? { Share::Connection } else { Share::Proxy };
        // Statuses below 400 are no refusals: Envoy takes 429 then.
        let status = m.message_or_empty("status")?;
        let code = match status.value("code") {
            Some(serde_json::Value::String(name)) => status_of(name),
            Some(value) => value.as_u64().and_then(|c| u16::try_from(c).ok()),
            None => None,
        };
        let own = Policies::read(m, "rate_limits");
        if let Some(u) = own.unknown() {
            return Err(u.clone());
        }
        if own.is_staged() {
            return Err(m.unknown_field("rate_limits", "a filter's own have neither stage nor disable_key"));
        }
        let stage = m.uint("stage")?.unwrap_or(0);
        if stage > 10 {
            return Err(m.unknown_field("stage", "more than 10"));
        }
        Ok(RateLimit {
            stat_prefix: m.text("stat_prefix")?.into(),
            status: code.filter(|c| *c >= 400).unwrap_or(429),
            bucket: default_bucket(m, whose)?,
            limited: limited(m, whose)?,
            kept: m.uint("max_dynamic_descriptors")?.unwrap_or(KEPT).try_into().unwrap_or(usize::MAX),
            consumes_default: m.bool("always_consume_default_token_bucket")?.unwrap_or(true),
            stage,
            own,
            of_host: match m.enumeration("vh_rate_limits", &["OVERRIDE", "INCLUDE", "IGNORE"])? {
                "INCLUDE" => OfHost::Include,
                "IGNORE" => OfHost::Ignore,
                _ => OfHost::Override,
            },
            enabled: share("filter_enabled")?,
            enforced: share("filter_enforced")?,
            exhausted: m.flag("rate_limited_as_resource_exhausted")?,
            tells: m.enumeration("enable_x_ratelimit_headers", &["OFF", "DRAFT_VERSION_03"])? == "DRAFT_VERSION_03",
            headers: AddedHeader::read_all(m, "response_headers_to_add")?,
            request_headers: AddedHeader::read_all(m, "request_headers_to_add_when_not_enforced")?,
        })
    }
    /// Of a scope, where a bucket is a must.
    pub(super) fn read_own(m: &Message<'_, '_>) -> Read<RateLimit> {
        if !m.has("token_bucket") {
            return Err(m.unknown_field("token_bucket", "a limit of a route, a virtual host or a cluster needs one"));
        }
        RateLimit::read(m)
    }

    /// What it limits; `None` where it refuses nothing.
    pub(super) fn limit(&self) -> Option<Limit<'_>> {
        let works = (self.bucket.bucket().is_some() || !self.limited.is_empty()) && !self.enabled.is_never() && !self.enforced.is_never();
        let (headers, exhausted) = (self.headers.as_slice(), self.exhausted);
        works.then_some(Limit { bucket: self.bucket.bucket(), status: self.status, enforced: self.enforced, headers, exhausted })
    }

    pub(super) fn gate<'c>(&'c self, name: &str, context: &Context<'c, '_>, live: &mut impl Live) -> Gate<'c> {
        if !happens(live, Chance::RateLimitChecked, self.enabled) {
            return Gate::Continue;
        }
        let own_cluster = live.own_cluster().to_owned();
        let facts = Facts { request: context.request, remote: context.remote, cluster: context.cluster, own_cluster: &own_cluster, metadata: context.metadata };
        let mut descriptors = Vec::new();
        if !self.limited.is_empty() {
            if self.own.is_empty() {
                for policies in self.policies(context) {
                    if let Some(u) = policies.unknown() {
                        return Gate::Unknown(u);
                    }
                    policies.describe(self.stage, &facts, &mut descriptors);
                }
            } else {
                self.own.describe(0, &facts, &mut descriptors);
            }
        }
        let (found, shown) = self.draw(name, &descriptors, live);
        let mut outcome =
            Outcome { stat_prefix: &self.stat_prefix, verdict: Verdict::Allowed, tells: shown.filter(|_| self.tells), headers: &self.request_headers };
        outcome.verdict = match found {
            Found::Token => Verdict::Allowed,
            Found::NoTokenOnTrial => Verdict::Shadowed,
            Found::NoToken if happens(live, Chance::RateLimitEnforced, self.enforced) => Verdict::Refused,
            Found::NoToken => Verdict::NotEnforced,
        };
        let refused = outcome.verdict == Verdict::Refused;
        live.limited(outcome);
        if refused {
            return Gate::Reply(Reply { status: self.status, flag: "RL", details: "local_rate_limited".to_owned() }, None);
        }
        Gate::Continue
    }

    /// The policies that describe a request.
    fn policies<'c>(&self, context: &Context<'c, '_>) -> impl Iterator<Item = &'c Policies> + use<'c> {
        let limits = context.limits;
        let of_host = limits.is_some_and(|l| match self.of_host {
            _ if l.includes_host => true,
            OfHost::Include => true,
            OfHost::Override => l.route.is_empty(),
            OfHost::Ignore => false,
        });
        limits.map(|l| l.route).into_iter().chain(limits.filter(|_| of_host).map(|l| l.host))
    }

    /// Draws a token from each bucket that a request has to do with, the one that fills slowest first. Says which bucket
    /// decided.
    fn draw<'c>(&'c self, name: &str, descriptors: &[Descriptor<'_>], live: &mut impl Live) -> (Found, Option<Draw<'c>>) {
        let mut matched: Vec<(&Limited, Draw<'_>)> = Vec::new();
        for descriptor in descriptors {
            let fixed = self.limited.iter().find(|l| !l.is_open() && l.takes(descriptor));
            let found = fixed.or_else(|| self.limited.iter().find(|l| l.is_open() && l.takes(descriptor)));
            matched.extend(found.map(|l| (l, l.draw(descriptor, self.kept))));
        }
        matched.sort_by(|a, b| a.0.rate().total_cmp(&b.0.rate()));
        let mut on_trial = None;
        for (limited, draw) in &matched {
            if live.has_token(name, Some(draw)) {
                continue;
            }
            if !limited.is_shadow {
                return (Found::NoToken, Some(draw.clone()));
            }
            on_trial = on_trial.or(Some(draw.clone()));
        }
        let found = if on_trial.is_some() { Found::NoTokenOnTrial } else { Found::Token };
        let first = on_trial.or_else(|| matched.into_iter().next().map(|(_, draw)| draw));
        if first.is_some() && !self.consumes_default {
            return (found, first);
        }
        match &self.bucket {
            DefaultBucket::None => (found, first),
            DefaultBucket::Empty(_) => (Found::NoToken, None),
            DefaultBucket::Bucket(bucket) => {
                let draw = Draw { bucket, apart: None };
                match live.has_token(name, Some(&draw)) {
                    true => (found, Some(first.unwrap_or(draw))),
                    false => (Found::NoToken, Some(draw)),
                }
            }
        }
    }
}

/// What became of drawing tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Token,
    NoToken,
    NoTokenOnTrial,
}

/// `token_bucket`; one that is never filled is none, as with Envoy.
fn default_bucket(m: &Message<'_, '_>, share: Share) -> Read<DefaultBucket> {
    let Some(of) = m.message("token_bucket")? else { return Ok(DefaultBucket::None) };
    let bucket = Bucket::read(&of, share)?;
    if bucket.fill_interval.is_zero() {
        return Ok(DefaultBucket::None);
    }
    if bucket.max_tokens == 0 {
        return Ok(DefaultBucket::Empty(bucket));
    }
    if bucket.fill_interval < SHORTEST {
        return Err(of.unknown_field("fill_interval", "less than 0.05s"));
    }
    Ok(DefaultBucket::Bucket(bucket))
}

/// `descriptors`
fn limited(m: &Message<'_, '_>, share: Share) -> Read<Vec<Limited>> {
    let mut out: Vec<Limited> = Vec::new();
    for d in m.messages("descriptors")? {
        let entries: Vec<(Box<str>, Box<str>)> =
            d.messages("entries")?.iter().map(|e| Ok((e.text("key")?.into(), e.text("value")?.into()))).collect::<Read<_>>()?;
        let of = d.message("token_bucket")?.ok_or_else(|| d.unknown_field("token_bucket", "a descriptor needs one"))?;
        let bucket = Bucket::read(&of, share)?;
        if bucket.max_tokens != 0 && bucket.fill_interval < SHORTEST {
            return Err(of.unknown_field("fill_interval", "less than 0.05s"));
        }
        if entries.is_empty() || entries.iter().any(|(key, _)| key.is_empty()) {
            return Err(d.unknown_field("entries", "a descriptor has at least one, each with a key"));
        }
        if out.iter().any(|l| l.entries == entries) {
            return Err(d.unknown_field("entries", "a descriptor that stands twice"));
        }
        out.push(Limited { entries, bucket, is_shadow: d.flag("shadow_mode")? });
    }
    Ok(out)
}

impl Bucket {
    /// `envoy.type.v3.TokenBucket`
    ///
    /// # Errors
    /// What can't be read.
    pub fn read(m: &Message<'_, '_>, share: Share) -> Read<Bucket> {
        Ok(Bucket {
            id: m.path().into(),
            max_tokens: m.uint("max_tokens")?.unwrap_or(0),
            tokens_per_fill: m.uint("tokens_per_fill")?.unwrap_or(1),
            fill_interval: m.duration("fill_interval")?.unwrap_or_default(),
            share,
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
