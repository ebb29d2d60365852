//! Protobuf's own messages: Empty, and those with a JSON form of their own, Duration, Struct and Value.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// `google.protobuf.Empty`
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
pub struct Empty {}

/// `google.protobuf.Duration`; JSON `1.500s`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Duration {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Of the sign of the seconds.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Duration {
    pub fn from_seconds(seconds: i64) -> Duration {
        Duration { seconds, nanos: 0 }
    }
    pub fn from_millis(millis: i64) -> Duration {
        Duration { seconds: millis / 1000, nanos: (millis % 1000) as i32 * 1_000_000 }
    }
    pub fn from_nanos(nanos: i64) -> Duration {
        Duration { seconds: nanos / 1_000_000_000, nanos: (nanos % 1_000_000_000) as i32 }
    }
    /// `1.5s`, `-3s`; up to nine digits behind the point.
    pub fn parse(text: &str) -> Option<Duration> {
        let number = text.strip_suffix('s')?;
        let (sign, number) = number.strip_prefix('-').map_or((1, number), |n| (-1, n));
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 {
            return None;
        }
        let nanos: i32 = format!("{part:0<9}").parse().ok()?;
        Some(Duration { seconds: sign * whole.parse::<i64>().ok()?, nanos: sign as i32 * nanos })
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.seconds < 0 || self.nanos < 0 { "-" } else { "" };
        let (seconds, nanos) = (self.seconds.unsigned_abs(), self.nanos.unsigned_abs());
        match nanos {
            0 => write!(f, "{sign}{seconds}s"),
            n if n % 1_000_000 == 0 => write!(f, "{sign}{seconds}.{:03}s", n / 1_000_000),
            n if n % 1_000 == 0 => write!(f, "{sign}{seconds}.{:06}s", n / 1_000),
            n => write!(f, "{sign}{seconds}.{n:09}s"),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        Duration::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no duration such as \"1.5s\"")))
    }
}

/// `google.protobuf.Struct`: a JSON object.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

/// `google.protobuf.Value`: any JSON value; one field is set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    #[prost(int32, optional, tag = "1")]
    pub null_value: Option<i32>,
    #[prost(double, optional, tag = "2")]
    pub number_value: Option<f64>,
    #[prost(string, optional, tag = "3")]
    pub string_value: Option<String>,
    #[prost(bool, optional, tag = "4")]
    pub bool_value: Option<bool>,
    #[prost(message, optional, tag = "5")]
    pub struct_value: Option<Struct>,
    #[prost(message, optional, tag = "6")]
    pub list_value: Option<ListValue>,
}

/// `google.protobuf.ListValue`
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListValue {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value { string_value: Some(text.to_owned()), ..Value::default() }
    }
}

impl From<Struct> for Value {
    fn from(fields: Struct) -> Value {
        Value { struct_value: Some(fields), ..Value::default() }
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Value { list_value: Some(ListValue { values }), ..Value::default() }
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Struct {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Struct {
        Struct { fields: entries.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }
}

fn from_json(json: serde_json::Value) -> Value {
    let mut out = Value::default();
    match json {
        serde_json::Value::Null => out.null_value = Some(0),
        serde_json::Value::Bool(b) => out.bool_value = Some(b),
        serde_json::Value::Number(n) => out.number_value = n.as_f64(),
        serde_json::Value::String(s) => out.string_value = Some(s),
        serde_json::Value::Array(items) => out.list_value = Some(ListValue { values: items.into_iter().map(from_json).collect() }),
        serde_json::Value::Object(fields) => out.struct_value = Some(fields.into_iter().map(|(k, v)| (k, from_json(v))).collect()),
    }
    out
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(n) = self.number_value {
            super::json::float::serialize(&n, serializer)
        } else if let Some(s) = &self.string_value {
            serializer.serialize_str(s)
        } else if let Some(b) = self.bool_value {
            serializer.serialize_bool(b)
        } else if let Some(s) = &self.struct_value {
            s.serialize(serializer)
        } else if let Some(l) = &self.list_value {
            serializer.collect_seq(&l.values)
        } else {
            serializer.serialize_unit()
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        serde_json::Value::deserialize(deserializer).map(from_json)
    }
}

impl Serialize for Struct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.fields)
    }
}

impl<'de> Deserialize<'de> for Struct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Struct, D::Error> {
        BTreeMap::deserialize(deserializer).map(|fields| Struct { fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for text in ["0s", "1.500s", "-1.500s", "-0.000001s", "86400s", "0.000000001s"] {
            assert_eq!(Duration::parse(text).map(|d| d.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Duration::parse("1.5s"), Some(Duration::from_millis(1500)));
        assert!(["", "s", "1", "1.0000000001s", "1m", "+1s", "99999999999999999999s"].iter().all(|t| Duration::parse(t).is_none()));
    }
}
