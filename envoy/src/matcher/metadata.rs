//! `envoy.type.matcher.v3.MetadataMatcher`: a value at a path in a filter's metadata.

use super::{StringMatcher, Truth};
use crate::proto_json::{field, items, text};
use serde_json::Value;
use std::fmt;

#[derive(Clone, Debug)]
pub struct MetadataMatcher {
    /// The metadata's namespace, `envoy.filters.http.jwt_authn`.
    pub filter: String,
    pub path: Vec<String>,
    pub value: ValueMatcher,
    pub invert: bool,
}

#[derive(Clone, Debug)]
pub enum ValueMatcher {
    Null,
    Bool(bool),
    Present(bool),
    Number(f64),
    /// From and below.
    NumberRange(f64, f64),
    Text(StringMatcher),
    /// A list that has such an item.
    OneOf(Box<ValueMatcher>),
    Any(Vec<ValueMatcher>),
    Unknown,
}

impl MetadataMatcher {
    /// Reads the message's JSON, in either spelling of its fields.
    pub fn compile(json: &Value) -> MetadataMatcher {
        MetadataMatcher {
            filter: text(json, "filter").to_owned(),
            path: items(json, "path").map(|p| text(p, "key").to_owned()).collect(),
            value: field(json, "value").map_or(ValueMatcher::Unknown, ValueMatcher::compile),
            invert: field(json, "invert").and_then(Value::as_bool).unwrap_or(false),
        }
    }
    /// `metadata` is what stands under [`MetadataMatcher::filter`]; `None` where there is nothing.
    pub fn matches(&self, metadata: Option<&Value>) -> Truth {
        let value = metadata.and_then(|m| self.path.iter().try_fold(m, |v, key| v.get(key)));
        let truth = self.value.matches(value);
        if self.invert { !truth } else { truth }
    }
}

impl ValueMatcher {
    fn compile(json: &Value) -> ValueMatcher {
        let number = |v: Option<&Value>| v.and_then(Value::as_f64).unwrap_or(0.0);
        let flag = |v: &Value| v.as_bool().unwrap_or(false);
        if let Some(m) = field(json, "string_match") {
            ValueMatcher::Text(StringMatcher::compile(m))
        } else if let Some(m) = field(json, "list_match") {
            ValueMatcher::OneOf(Box::new(field(m, "one_of").map_or(ValueMatcher::Unknown, ValueMatcher::compile)))
        } else if let Some(m) = field(json, "or_match") {
            ValueMatcher::Any(items(m, "value_matchers").map(ValueMatcher::compile).collect())
        } else if let Some(m) = field(json, "double_match") {
            match field(m, "range") {
                Some(r) => ValueMatcher::NumberRange(number(field(r, "start")), number(field(r, "end"))),
                None => ValueMatcher::Number(number(field(m, "exact"))),
            }
        } else if let Some(v) = field(json, "bool_match") {
            ValueMatcher::Bool(flag(v))
        } else if let Some(v) = field(json, "present_match") {
            ValueMatcher::Present(flag(v))
        } else if field(json, "null_match").is_some() {
            ValueMatcher::Null
        } else {
            ValueMatcher::Unknown
        }
    }
    fn matches(&self, value: Option<&Value>) -> Truth {
        match self {
            ValueMatcher::Null => Truth::from(value.is_some_and(Value::is_null)),
            ValueMatcher::Bool(b) => Truth::from(value.and_then(Value::as_bool) == Some(*b)),
            ValueMatcher::Present(wanted) => Truth::from(value.is_some() == *wanted),
            ValueMatcher::Number(n) => Truth::from(value.and_then(Value::as_f64) == Some(*n)),
            ValueMatcher::NumberRange(from, below) => Truth::from(value.and_then(Value::as_f64).is_some_and(|v| *from <= v && v < *below)),
            ValueMatcher::Text(m) => value.and_then(Value::as_str).map_or(Truth::No, |v| m.matches(v)),
            ValueMatcher::OneOf(m) => value.and_then(Value::as_array).into_iter().flatten().fold(Truth::No, |t, v| t.or(m.matches(Some(v)))),
            ValueMatcher::Any(list) => list.iter().fold(Truth::No, |t, m| t.or(m.matches(value))),
            ValueMatcher::Unknown => Truth::Unknown,
        }
    }
}

impl fmt::Display for ValueMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueMatcher::Null => f.write_str("is null"),
            ValueMatcher::Bool(b) => write!(f, "is {b}"),
            ValueMatcher::Present(true) => f.write_str("is present"),
            ValueMatcher::Present(false) => f.write_str("is absent"),
            ValueMatcher::Number(n) => write!(f, "is {n}"),
            ValueMatcher::NumberRange(from, below) => write!(f, "is from {from} and below {below}"),
            ValueMatcher::Text(m) => m.fmt(f),
            ValueMatcher::OneOf(m) => write!(f, "has an item that {m}"),
            ValueMatcher::Any(list) => {
                for (i, m) in list.iter().enumerate() {
                    write!(f, "{}{m}", if i > 0 { ", or " } else { "" })?;
                }
                Ok(())
            }
            ValueMatcher::Unknown => f.write_str("matches something of a kind that is not known"),
        }
    }
}

/// Where Envoy's filter for tokens leaves their claims, below `payload`.
const TOKENS: &str = "envoy.filters.http.jwt_authn";

/// "the token's `iss` is `x`", "some.filter key is `x`".
impl fmt::Display for MetadataMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.split_first() {
            Some((first, claim)) if first == "payload" && !claim.is_empty() && self.filter == TOKENS => write!(f, "the token's `{}`", claim.join("."))?,
            _ => write!(f, "{} {}", self.filter, self.path.join("."))?,
        }
        if self.invert {
            f.write_str(" (not:)")?;
        }
        write!(f, " {}", self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_of_value_decides_both_ways() {
        let data = json!({"payload": {"iss": "a", "aud": ["x", "y"], "n": 5, "b": true, "z": null}});
        let truth = |key: &str, value: Value| {
            MetadataMatcher::compile(&json!({"filter": "f", "path": [{"key": "payload"}, {"key": key}], "value": value})).matches(Some(&data))
        };
        for (key, yes, no) in [
            ("iss", json!({"string_match": {"exact": "a"}}), json!({"string_match": {"exact": "b"}})),
            ("aud", json!({"list_match": {"one_of": {"string_match": {"exact": "y"}}}}), json!({"listMatch": {"oneOf": {"stringMatch": {"exact": "z"}}}})),
            ("iss", json!({"or_match": {"value_matchers": [{"present_match": true}]}}), json!({"or_match": {"value_matchers": []}})),
            ("n", json!({"double_match": {"exact": 5.0}}), json!({"double_match": {"range": {"start": 0.0, "end": 5.0}}})),
            ("b", json!({"bool_match": true}), json!({"bool_match": false})),
            ("z", json!({"null_match": {}}), json!({"string_match": {"exact": ""}})),
            ("absent", json!({"present_match": false}), json!({"null_match": {}})),
        ] {
            assert_eq!(truth(key, yes.clone()), Truth::Yes, "{key} {yes}");
            assert_eq!(truth(key, no.clone()), Truth::No, "{key} {no}");
        }
        assert_eq!(truth("iss", json!({"future": 1})), Truth::Unknown);
        let inverted = MetadataMatcher::compile(&json!({"filter": "f", "path": [{"key": "x"}], "value": {"present_match": true}, "invert": true}));
        assert_eq!(inverted.matches(None), Truth::Yes);
    }
}
