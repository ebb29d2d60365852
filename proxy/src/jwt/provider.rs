//! One issuer that is believed: where its tokens stand, whom they are for, whose keys count, what is handed on.

use super::claims::Change;
use super::keys::Keys;
use super::remote::{Remote, Remotes};
use super::token::{Refusal, Token};
use crate::percent;
use http::HeaderName;
use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::engine::request::Request;
use mesh_envoy::matcher::{StringMatcher, StringTest, Truth};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
pub struct Provider {
    pub name: Box<str>,
    /// "" for any.
    pub issuer: Box<str>,
    /// With the text before the token, "" for none; by name and text.
    headers: Vec<(HeaderName, Box<str>)>,
    parameters: Vec<Box<str>>,
    cookies: Vec<Box<str>>,
    subjects: Option<StringMatcher>,
    skew: u64,
    requires_expiration: bool,
    /// Seconds.
    longest_life: Option<u64>,
    /// Whether the application sees the token.
    pub forwards: bool,
    pub payload_header: Option<HeaderName>,
    pub pads_payload: bool,
    pub claim_headers: Vec<(Box<str>, HeaderName)>,
    /// Claims that become lists in metadata.
    pub spaced: Vec<Box<str>>,
    pub keys: Source,
}

#[derive(Debug)]
pub enum Source {
    Local(Keys),
    Remote(Arc<Remote>),
}

/// Where a token was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Header(HeaderName),
    Parameter(Box<str>),
    Cookie,
}

/// A token as a request has it, and the issuers that it may be of at its place; an empty name is any.
#[derive(Debug)]
pub struct Found {
    pub text: String,
    pub place: Place,
    pub issuers: Vec<Box<str>>,
}

/// Envoy's where none is given, in seconds.
const SKEW: u64 = 60;

fn header(m: &Message<'_, '_>, field: &str, name: &str) -> Read<HeaderName> {
    HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| m.unknown_field(field, "no name of a header"))
}

impl Provider {
    pub(super) fn read(name: &str, m: &Message<'_, '_>, remotes: &Remotes) -> Read<Provider> {
        let mut headers = Vec::new();
        for from in m.messages("from_headers")? {
            headers.push((header(&from, "name", from.text("name")?)?, from.text("value_prefix")?.into()));
        }
        let texts = |field: &str| -> Read<Vec<Box<str>>> { Ok(m.texts(field)?.into_iter().map(Into::into).collect()) };
        let (mut parameters, cookies) = (texts("from_params")?, texts("from_cookies")?);
        if headers.is_empty() && parameters.is_empty() && cookies.is_empty() {
            headers.push((http::header::AUTHORIZATION, "Bearer ".into()));
            parameters.push("access_token".into());
        }
        let mut claim_headers = Vec::new();
        for claim in m.messages("claim_to_headers")? {
            claim_headers.push((claim.text("claim_name")?.into(), header(&claim, "header_name", claim.text("header_name")?)?));
        }
        let keys = if let Some(remote) = m.message("remote_jwks")? {
            Source::Remote(remotes.get(Remote::read(&remote)?))
        } else if let Some(local) = m.message("local_jwks")? {
            Source::Local(Keys::parse(&crate::config::data_source(&local)?).map_err(|e| m.unknown_field("local_jwks", e.to_string()))?)
        } else {
            return Err(m.unknown_field("local_jwks", "keys belong here"));
        };
        let normalized = m.message_or_empty("normalize_payload_in_metadata")?;
        let subjects = m.value("subjects").map(StringMatcher::compile);
        if let Some(StringMatcher { test: StringTest::Unknown(why), .. }) = &subjects {
            return Err(m.unknown_field("subjects", why.clone()));
        }
        Ok(Provider {
            name: name.into(),
            issuer: m.text("issuer")?.into(),
            headers,
            parameters,
            cookies,
            subjects,
            skew: m.uint("clock_skew_seconds")?.filter(|s| *s > 0).unwrap_or(SKEW),
            requires_expiration: m.flag("require_expiration")?,
            longest_life: m.duration("max_lifetime")?.map(|d| d.as_secs()),
            forwards: m.flag("forward")?,
            payload_header: Some(m.text("forward_payload_header")?).filter(|h| !h.is_empty()).map(|h| header(m, "forward_payload_header", h)).transpose()?,
            pads_payload: m.flag("pad_forward_payload_header")?,
            claim_headers,
            spaced: normalized.texts("space_delimited_claims")?.into_iter().map(Into::into).collect(),
            keys,
        })
    }
    /// Whether a token is one of this issuer's, for one of these audiences, now (seconds). Who signed it is not asked yet.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, token: &Token, audiences: &[Box<str>], now: u64) -> Result<(), Refusal> {
        token.check_time(now, self.skew)?;
        if self.subjects.as_ref().is_some_and(|s| s.matches(token.subject()) != Truth::Yes) {
            return Err(Refusal::SubjectNotAllowed);
        }
        let expires = token.expires();
        if self.requires_expiration && expires.is_none() {
            return Err(Refusal::NoExpiration);
        }
        if let Some(longest) = self.longest_life
            && expires.is_none_or(|e| e > now.saturating_add(longest))
        {
            return Err(Refusal::TooLong);
        }
        let sane = |text: &str| text.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_owned();
        let is_allowed = audiences.is_empty() || token.audiences.iter().any(|a| audiences.iter().any(|wanted| sane(wanted) == sane(a)));
        if is_allowed { Ok(()) } else { Err(Refusal::AudienceNotAllowed) }
    }
}

/// What follows a prefix, from the first character that a token may have.
fn behind<'v>(value: &'v str, prefix: &str) -> Option<&'v str> {
    if prefix.is_empty() {
        return Some(value);
    }
    let rest = &value[value.find(prefix)? + prefix.len()..];
    let starts = rest.find(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    Some(starts.map_or(value, |at| &rest[at..]))
}

impl Place {
    /// Whether a change took away what stood there.
    fn is_gone(&self, changes: &[Change]) -> bool {
        changes.iter().any(|change| match (self, change) {
            (Place::Header(name), Change::Remove(gone)) => name == gone,
            (Place::Parameter(name), Change::RemoveParameter(gone)) => name == gone,
            _ => false,
        })
    }
}

/// The tokens that a request has for any of these providers: those of headers, of parameters, of cookies. Those that were accepted for
/// others, and are not forwarded, are there no more.
pub fn extract(providers: &[&Provider], request: &Request<'_>, changes: &[Change]) -> Vec<Found> {
    let mut headers: BTreeMap<String, (&HeaderName, &str, Vec<Box<str>>)> = BTreeMap::new();
    let mut parameters: BTreeMap<&str, Vec<Box<str>>> = BTreeMap::new();
    let mut cookies: BTreeMap<&str, Vec<Box<str>>> = BTreeMap::new();
    for provider in providers {
        for (name, prefix) in &provider.headers {
            headers.entry(format!("{name}{prefix}")).or_insert_with(|| (name, prefix, Vec::new())).2.push(provider.issuer.clone());
        }
        provider.parameters.iter().for_each(|p| parameters.entry(p).or_default().push(provider.issuer.clone()));
        provider.cookies.iter().for_each(|c| cookies.entry(c).or_default().push(provider.issuer.clone()));
    }
    let mut out = Vec::new();
    for (name, prefix, issuers) in headers.into_values() {
        let mut add = |value: &str| {
            if let Some(text) = behind(value, prefix) {
                out.push(Found { text: text.to_owned(), place: Place::Header(name.clone()), issuers: issuers.clone() });
            }
        };
        // Envoy reads this header as one value, however often it comes: two tokens in it are none.
        if name == http::header::AUTHORIZATION {
            request.joined(name.as_str()).iter().for_each(|v| add(v));
        } else {
            request.values(name.as_str()).for_each(add);
        }
    }
    for (name, issuers) in parameters {
        if let Some(value) = request.query_parameter(name) {
            let text = percent::decode(value);
            out.push(Found { text, place: Place::Parameter(name.into()), issuers });
        }
    }
    for (name, issuers) in cookies {
        let all = request.values("cookie").flat_map(|c| c.split(';')).filter_map(|c| c.trim().split_once('='));
        if let Some((_, value)) = all.into_iter().find(|(k, _)| *k == name) {
            out.push(Found { text: value.trim_matches('"').to_owned(), place: Place::Cookie, issuers });
        }
    }
    out.retain(|found| !found.place.is_gone(changes));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_behind_their_prefix() {
        for (value, prefix, wanted) in [
            ("Bearer abc", "Bearer ", Some("abc")),
            ("Bearer  'abc", "Bearer ", Some("abc")),
            ("x Bearer a b", "Bearer ", Some("a b")),
            ("Basic abc", "Bearer ", None),
            ("abc", "", Some("abc")),
        ] {
            assert_eq!(behind(value, prefix), wanted, "{value}");
        }
        assert_eq!(percent::decode("a%2Eb%zz"), "a.b%zz");
    }
}
