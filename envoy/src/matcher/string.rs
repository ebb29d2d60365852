//! `envoy.type.matcher.v3.StringMatcher`.

use super::Truth;
use crate::proto_json::{field, text};
use regex::Regex;
use serde_json::Value;
use std::fmt;

/// What a string is compared with, and whether case counts.
#[derive(Clone, Debug)]
pub struct StringMatcher {
    pub test: StringTest,
    /// ASCII letters of either case are the same; without meaning for a regular expression.
    pub ignore_case: bool,
}

#[derive(Clone, Debug)]
pub enum StringTest {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    /// Matches the whole string; the expression as it was written.
    Regex(Regex, String),
    /// A matcher that is not known, or an expression that can't be read: the reason.
    Unknown(String),
}

impl StringMatcher {
    pub fn exact(text: &str) -> StringMatcher {
        StringMatcher { test: StringTest::Exact(text.to_owned()), ignore_case: false }
    }
    /// Reads the message's JSON, in either spelling of its fields.
    pub fn compile(json: &Value) -> StringMatcher {
        let of = |name: &str| field(json, name).and_then(Value::as_str).map(str::to_owned);
        let test = if let Some(t) = of("exact") {
            StringTest::Exact(t)
        } else if let Some(t) = of("prefix") {
            StringTest::Prefix(t)
        } else if let Some(t) = of("suffix") {
            StringTest::Suffix(t)
        } else if let Some(t) = of("contains") {
            StringTest::Contains(t)
        } else if let Some(r) = field(json, "safe_regex") {
            StringTest::regex(text(r, "regex"))
        } else {
            let keys: Vec<&str> = json.as_object().into_iter().flatten().map(|(k, _)| k.as_str()).filter(|k| *k != "ignore_case").collect();
            StringTest::Unknown(format!("a string matcher of a kind that is not known: {}", keys.join(", ")))
        };
        StringMatcher { test, ignore_case: field(json, "ignore_case").and_then(Value::as_bool).unwrap_or(false) }
    }
    pub fn matches(&self, value: &str) -> Truth {
        let fold = self.ignore_case;
        Truth::from(match &self.test {
            StringTest::Exact(t) => value == t || fold && value.eq_ignore_ascii_case(t),
            StringTest::Prefix(t) => value.starts_with(&**t) || fold && part(value, 0, t.len()).is_some_and(|p| p.eq_ignore_ascii_case(t)),
            StringTest::Suffix(t) => {
                let at = value.len().checked_sub(t.len());
                value.ends_with(&**t) || fold && at.and_then(|at| part(value, at, t.len())).is_some_and(|p| p.eq_ignore_ascii_case(t))
            }
            StringTest::Contains(t) if fold => value.to_ascii_lowercase().contains(&t.to_ascii_lowercase()),
            StringTest::Contains(t) => value.contains(&**t),
            StringTest::Regex(r, _) => r.is_match(value),
            StringTest::Unknown(_) => return Truth::Unknown,
        })
    }
}

fn part(value: &str, at: usize, length: usize) -> Option<&str> {
    value.get(at..at.checked_add(length)?)
}

impl StringTest {
    /// An expression of RE2 that must match the whole string.
    pub fn regex(expression: &str) -> StringTest {
        match super::re2::whole(expression) {
            Ok(r) => StringTest::Regex(r, expression.to_owned()),
            Err(reason) => StringTest::Unknown(reason),
        }
    }
}

/// As the end of a sentence: "is `GET`", "starts with `/admin`".
impl fmt::Display for StringMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            StringTest::Exact(t) => write!(f, "is `{t}`")?,
            StringTest::Prefix(t) => write!(f, "starts with `{t}`")?,
            StringTest::Suffix(t) => write!(f, "ends with `{t}`")?,
            StringTest::Contains(t) => write!(f, "contains `{t}`")?,
            StringTest::Regex(_, source) => return write!(f, "matches `{source}` as a whole"),
            StringTest::Unknown(reason) => return write!(f, "matches {reason}"),
        }
        if self.ignore_case { f.write_str(" in either case") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_matcher_decides_both_ways() {
        for (matcher, yes, no) in [
            (json!({"exact": "a"}), "a", "A"),
            (json!({"exact": "a", "ignore_case": true}), "A", "b"),
            (json!({"prefix": "/a"}), "/a/b", "/b"),
            (json!({"prefix": "/a", "ignoreCase": true}), "/A/b", "/"),
            (json!({"suffix": ".x"}), "a.x", "a.X"),
            (json!({"suffix": ".x", "ignore_case": true}), "a.X", "x"),
            (json!({"contains": "b"}), "abc", "ABC"),
            (json!({"contains": "b", "ignore_case": true}), "ABC", "ac"),
            (json!({"safe_regex": {"regex": "a|bc"}}), "bc", "abc"),
            (json!({"safeRegex": {"regex": ".*/ns/bad/.*"}}), "spiffe://c/ns/bad/sa/x", "/ns/good/"),
        ] {
            let m = StringMatcher::compile(&matcher);
            assert_eq!(m.matches(yes), Truth::Yes, "{m} {yes}");
            assert_eq!(m.matches(no), Truth::No, "{m} {no}");
        }
        // A suffix that would begin inside a character.
        assert_eq!(StringMatcher::compile(&json!({"suffix": "xy", "ignore_case": true})).matches("ßy"), Truth::No);
    }

    #[test]
    fn what_is_not_understood_is_unknown() {
        for matcher in [json!({"custom": {}}), json!({"safe_regex": {"regex": "("}}), json!({})] {
            assert_eq!(StringMatcher::compile(&matcher).matches("x"), Truth::Unknown);
        }
    }
}
