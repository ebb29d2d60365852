//! Matching of headers and query parameters of a request (`envoy.config.route.v3.HeaderMatcher`, `QueryParameterMatcher`).

use super::field::{Message, Read};
use super::recorder::Recorder;
use super::request::Request;
use super::text;
use crate::matcher::{HeaderMatcher, HeaderTest, StringMatcher, StringTest};
use std::borrow::Cow;
use std::fmt;

#[derive(Clone, Debug)]
pub struct HeaderCheck(HeaderMatcher);

impl HeaderCheck {
    pub fn read(m: &Message<'_, '_>) -> Read<HeaderCheck> {
        m.only(&[
            "name",
            "exact_match",
            "safe_regex_match",
            "range_match",
            "present_match",
            "prefix_match",
            "suffix_match",
            "contains_match",
            "string_match",
            "invert_match",
            "treat_missing_header_as_empty",
        ])?;
        if let Some(s) = m.message("string_match")? {
            text::string(&s)?;
        }
        let matcher = HeaderMatcher::compile(&m.json());
        match &matcher.test {
            HeaderTest::Text(StringMatcher { test: StringTest::Unknown(reason), .. }) => Err(m.unknown(reason)),
            _ => Ok(HeaderCheck(matcher)),
        }
    }

    pub fn check<R: Recorder>(&self, request: &Request<'_>, recorder: &mut R) -> bool {
        let holds = self.0.matches_any(request.values(&self.0.name)).is_yes();
        if !holds {
            recorder.failed(|| match request.joined(&self.0.name) {
                Some(value) => format!("{self}, is `{}`", shown(&self.0.name, &value)),
                None => format!("{self}, is absent"),
            });
        }
        holds
    }
}

impl fmt::Display for HeaderCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wants: {}", self.0)
    }
}

/// Values of headers that carry secrets are not shown.
fn shown<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    let secret = ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey"].iter().any(|s| name.contains(s));
    if secret { format!("({} bytes)", value.len()).into() } else { value.into() }
}

/// `envoy.config.route.v3.QueryParameterMatcher`.
#[derive(Clone, Debug)]
pub struct QueryMatcher {
    name: Box<str>,
    /// `None` asks for presence.
    value: Option<StringMatcher>,
}

impl QueryMatcher {
    pub fn read(m: &Message<'_, '_>) -> Read<QueryMatcher> {
        m.only(&["name", "string_match", "present_match"])?;
        Ok(QueryMatcher { name: m.text("name")?.into(), value: m.message("string_match")?.map(|s| text::string(&s)).transpose()? })
    }
    pub fn check<R: Recorder>(&self, request: &Request<'_>, recorder: &mut R) -> bool {
        let value = request.query_parameter(&self.name);
        let holds = value.is_some_and(|v| self.value.as_ref().is_none_or(|m| m.matches(v).is_yes()));
        if !holds {
            recorder.failed(|| match value {
                Some(v) => format!("{self}, is `{}`", shown(&self.name, v)),
                None => format!("{self}, is absent"),
            });
        }
        holds
    }
}

impl fmt::Display for QueryMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(m) => write!(f, "wants: query parameter {} {m}", self.name),
            None => write!(f, "wants: query parameter {} is present", self.name),
        }
    }
}
