//! Protobuf's own messages: Empty, and those with a JSON form of their own, Duration, Struct and Value.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// `google.protobuf.Empty`
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
pub struct Empty {}

/// `google.protobuf.StringValue` in an `Any`: JSON `{"value": "text"}`. As a field it is a text.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
pub struct StringValue {
    #[prost(string, tag = "1")]
    #[serde(default)]
    pub value: String,
}

impl prost::Name for StringValue {
    const NAME: &'static str = "StringValue";
    const PACKAGE: &'static str = "google.protobuf";
    fn type_url() -> String {
        "type.googleapis.com/google.protobuf.StringValue".into()
    }
}

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

/// `google.protobuf.Struct`: a JSON object. On the wire a map is a list of its entries; every cluster and route has one of
/// a few entries, which a tree of the standard library makes ten times as large.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Struct {
    /// By key, unless it comes from a wire where they were not.
    #[prost(message, repeated, tag = "1")]
    pub fields: Vec<Field>,
}

/// An entry of a [`Struct`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Field {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<Value>,
}

impl Struct {
    pub fn insert(&mut self, key: &str, value: Value) {
        match self.fields.iter_mut().find(|f| f.key == key) {
            Some(field) => field.value = Some(value),
            None => {
                let at = self.fields.partition_point(|f| f.key.as_str() < key);
                self.fields.reserve_exact(1);
                self.fields.insert(at, Field { key: key.to_owned(), value: Some(value) });
            }
        }
    }

    /// The value of a key; of a key that the wire has twice, the last.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.fields.iter().rfind(|f| f.key == key)?.value.as_ref()
    }
}

/// `google.protobuf.Value`: any JSON value; null where nothing is said.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    #[prost(oneof = "Sort", tags = "1, 2, 3, 4, 5, 6")]
    sort: Option<Sort>,
}

/// What a [`Value`] is. Every cluster has a dozen of them: as fields side by side they would be three times as large.
#[derive(Clone, PartialEq, prost::Oneof)]
enum Sort {
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(message, tag = "5")]
    Object(Struct),
    #[prost(message, tag = "6")]
    List(ListValue),
}

impl Value {
    pub fn text(&self) -> Option<&str> {
        match &self.sort {
            Some(Sort::Text(text)) => Some(text),
            _ => None,
        }
    }
    pub fn bool(&self) -> Option<bool> {
        match self.sort {
            Some(Sort::Bool(b)) => Some(b),
            _ => None,
        }
    }
    pub fn object(&self) -> Option<&Struct> {
        match &self.sort {
            Some(Sort::Object(fields)) => Some(fields),
            _ => None,
        }
    }
}

impl From<Sort> for Value {
    fn from(sort: Sort) -> Value {
        Value { sort: Some(sort) }
    }
}

/// `google.protobuf.ListValue`
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListValue {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Sort::Text(text.to_owned()).into()
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Value {
        Sort::Bool(bool).into()
    }
}

impl From<Struct> for Value {
    fn from(fields: Struct) -> Value {
        Sort::Object(fields).into()
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Sort::List(ListValue { values }).into()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Struct {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Struct {
        let fields: BTreeMap<String, Value> = entries.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Struct { fields: fields.into_iter().map(|(key, value)| Field { key, value: Some(value) }).collect() }
    }
}

fn from_json(json: serde_json::Value) -> Value {
    let sort = match json {
        serde_json::Value::Null => Some(Sort::Null(0)),
        serde_json::Value::Bool(b) => Some(Sort::Bool(b)),
        serde_json::Value::Number(n) => n.as_f64().map(Sort::Number),
        serde_json::Value::String(s) => Some(Sort::Text(s)),
        serde_json::Value::Array(items) => Some(Sort::List(ListValue { values: items.into_iter().map(from_json).collect() })),
        serde_json::Value::Object(fields) => Some(Sort::Object(fields.into_iter().map(|(k, v)| (k, from_json(v))).collect())),
    };
    Value { sort }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.sort {
            Some(Sort::Number(n)) => super::json::float::serialize(n, serializer),
            Some(Sort::Text(s)) => serializer.serialize_str(s),
            Some(Sort::Bool(b)) => serializer.serialize_bool(*b),
            Some(Sort::Object(s)) => s.serialize(serializer),
            Some(Sort::List(l)) => serializer.collect_seq(&l.values),
            Some(Sort::Null(_)) | None => serializer.serialize_unit(),
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
        let null = Value::default();
        let by_key: BTreeMap<&str, &Value> = self.fields.iter().map(|f| (f.key.as_str(), f.value.as_ref().unwrap_or(&null))).collect();
        serializer.collect_map(by_key)
    }
}

impl<'de> Deserialize<'de> for Struct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Struct, D::Error> {
        BTreeMap::<String, Value>::deserialize(deserializer).map(Struct::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn objects_are_maps_on_the_wire_and_sorted_in_json() {
        #[derive(Clone, PartialEq, prost::Message)]
        struct Map {
            #[prost(btree_map = "string, message", tag = "1")]
            fields: BTreeMap<String, Value>,
        }
        let mut object = Struct::default();
        object.insert("b", Value::from("1"));
        object.insert("a", Value::from(true));
        object.insert("b", Value::from("2"));
        let wire = object.encode_to_vec();
        let map = Map::decode(wire.as_slice()).expect("a map");
        assert_eq!((map.fields.len(), map.encode_to_vec()), (2, wire.clone()));
        assert_eq!(Struct::decode(wire.as_slice()), Ok(object.clone()));
        // Entries of a wire that are in no order, one of them twice.
        let mut twice = Struct { fields: object.fields.iter().rev().cloned().collect() };
        twice.fields.push(Field { key: "a".into(), value: None });
        assert_eq!(twice.get("a"), None);
        assert_eq!(serde_json::to_string(&twice).expect("JSON"), r#"{"a":null,"b":"2"}"#);
    }

    #[test]
    fn durations_read_and_print() {
        for text in ["0s", "1.500s", "-1.500s", "-0.000001s", "86400s", "0.000000001s"] {
            assert_eq!(Duration::parse(text).map(|d| d.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Duration::parse("1.5s"), Some(Duration::from_millis(1500)));
        assert!(["", "s", "1", "1.0000000001s", "1m", "+1s", "99999999999999999999s"].iter().all(|t| Duration::parse(t).is_none()));
    }
}
