//! `envoy.config.route.v3.HeaderMatcher`.

use super::{StringMatcher, StringTest, Truth};
use crate::proto_json::{field, text};
use serde_json::Value;
use std::fmt;

/// What one header must be.
#[derive(Clone, Debug)]
pub struct HeaderMatcher {
    /// In lower case; `:method`, `:authority`, `:path` and the like included.
    pub name: String,
    pub test: HeaderTest,
    pub invert: bool,
    /// An absent header is compared as an empty one.
    pub missing_as_empty: bool,
}

#[derive(Clone, Debug)]
pub enum HeaderTest {
    Present(bool),
    /// A whole number, from and below.
    Range(i64, i64),
    Text(StringMatcher),
}

impl HeaderMatcher {
    /// Reads the message's JSON, in either spelling of its fields.
    pub fn compile(json: &Value) -> HeaderMatcher {
        let of = |name: &str| field(json, name).and_then(Value::as_str).map(str::to_owned);
        let flag = |name: &str| field(json, name).and_then(Value::as_bool).unwrap_or(false);
        let case_counts = |test| HeaderTest::Text(StringMatcher { test, ignore_case: false });
        let test = if let Some(m) = field(json, "string_match") {
            HeaderTest::Text(StringMatcher::compile(m))
        } else if let Some(t) = of("exact_match") {
            // Deprecated; an empty value asks for presence.
            if t.is_empty() { HeaderTest::Present(true) } else { case_counts(StringTest::Exact(t)) }
        } else if let Some(r) = field(json, "safe_regex_match") {
            case_counts(StringTest::regex(text(r, "regex")))
        } else if let Some(t) = of("prefix_match") {
            case_counts(StringTest::Prefix(t))
        } else if let Some(t) = of("suffix_match") {
            case_counts(StringTest::Suffix(t))
        } else if let Some(t) = of("contains_match") {
            case_counts(StringTest::Contains(t))
        } else if let Some(r) = field(json, "range_match") {
            HeaderTest::Range(number(field(r, "start")), number(field(r, "end")))
        } else if let Some(present) = field(json, "present_match") {
            HeaderTest::Present(present.as_bool().unwrap_or(true))
        } else {
            HeaderTest::Present(true)
        };
        HeaderMatcher {
            name: text(json, "name").to_ascii_lowercase(),
            test,
            invert: flag("invert_match"),
            missing_as_empty: flag("treat_missing_header_as_empty"),
        }
    }
    /// `values` are what the request has under [`HeaderMatcher::name`]: one that passes is enough (Envoy 1.40).
    ///
    /// An absent header fails every test but that of presence, inverted or not (Envoy's header_utility).
    pub fn matches_any<V: AsRef<str>>(&self, values: impl IntoIterator<Item = V>) -> Truth {
        let mut seen = false;
        let mut truth = Truth::No;
        for value in values {
            seen = true;
            truth = truth.or(self.passes(value.as_ref()));
        }
        truth = match (&self.test, seen) {
            (_, true) => truth,
            (_, false) if self.missing_as_empty => self.passes(""),
            (HeaderTest::Present(wanted), false) => Truth::from(!wanted),
            (_, false) => return Truth::No,
        };
        if self.invert { !truth } else { truth }
    }
    /// The same for a header that occurs once at most.
    pub fn matches(&self, value: Option<&str>) -> Truth {
        self.matches_any(value)
    }
    fn passes(&self, value: &str) -> Truth {
        match &self.test {
            HeaderTest::Present(wanted) => Truth::from(*wanted),
            HeaderTest::Range(from, below) => Truth::from(value.trim().parse::<i64>().is_ok_and(|n| *from <= n && n < *below)),
            HeaderTest::Text(m) => m.matches(value),
        }
    }
}

/// 64-bit numbers are strings in protobuf's JSON.
fn number(value: Option<&Value>) -> i64 {
    value.and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok())).unwrap_or(0)
}

/// "method is `GET`", "header x-user is present".
impl fmt::Display for HeaderMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.strip_prefix(':') {
            Some("authority") => f.write_str("host")?,
            Some(pseudo) => f.write_str(pseudo)?,
            None => write!(f, "header {}", self.name)?,
        }
        if self.invert {
            f.write_str(" (not:)")?;
        }
        match &self.test {
            HeaderTest::Present(true) => f.write_str(" is present"),
            HeaderTest::Present(false) => f.write_str(" is absent"),
            HeaderTest::Range(from, below) => write!(f, " is a number from {from} and below {below}"),
            HeaderTest::Text(m) => write!(f, " {m}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_test_decides_both_ways() {
        for (matcher, yes, no) in [
            (json!({"name": "X-A", "string_match": {"exact": "1"}}), Some("1"), Some("2")),
            (json!({"name": "x", "exactMatch": "1"}), Some("1"), None),
            (json!({"name": "x", "exact_match": ""}), Some("1"), None),
            (json!({"name": "x", "prefix_match": "a"}), Some("ab"), Some("b")),
            (json!({"name": "x", "suffix_match": "b"}), Some("ab"), Some("a")),
            (json!({"name": "x", "contains_match": "b"}), Some("abc"), Some("a")),
            (json!({"name": "x", "safe_regex_match": {"regex": "a+"}}), Some("aa"), Some("ab")),
            (json!({"name": "x", "range_match": {"start": "-10", "end": "0"}}), Some("-10"), Some("0")),
            (json!({"name": "x", "present_match": true}), Some(""), None),
            (json!({"name": "x", "present_match": false}), None, Some("")),
            (json!({"name": "x", "present_match": true, "invert_match": true}), None, Some("")),
            (json!({"name": "x"}), Some("v"), None),
            (json!({"name": "x", "string_match": {"exact": "1"}, "invert_match": true}), Some("2"), Some("1")),
            // Absent: neither the test nor its inverse.
            (json!({"name": "x", "string_match": {"exact": "1"}, "invert_match": true}), Some("2"), None),
            (json!({"name": "x", "string_match": {"exact": "1"}, "invert_match": true, "treat_missing_header_as_empty": true}), None, Some("1")),
        ] {
            let m = HeaderMatcher::compile(&matcher);
            assert_eq!(m.matches(yes), Truth::Yes, "{m} {yes:?}");
            assert_eq!(m.matches(no), Truth::No, "{m} {no:?}");
        }
        assert_eq!(HeaderMatcher::compile(&json!({"name": "X-A"})).name, "x-a");
    }
}
