//! Reading protobuf JSON for matching: a field by its snake_case name, in either spelling; what can't be read, or is not
//! known, is an [`Unknown`] with its path and never silently ignored.

use serde_json::{Map, Value};
use std::time::Duration;
use std::{fmt, io};

/// Something that the engine does not know. It ends a verdict: "up to here".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where it stands, as `routes[2].match.cookies`.
    pub path: String,
    /// What it is, in a clause.
    pub what: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// What was read, or what is not known.
pub type Read<T> = Result<T, Unknown>;

/// A path of fields, a link a message.
#[derive(Clone, Copy, Debug)]
pub struct Path<'p> {
    up: Option<&'p Path<'p>>,
    name: &'p str,
    index: Option<usize>,
}

impl<'p> Path<'p> {
    pub fn root(name: &'p str) -> Path<'p> {
        Path { up: None, name, index: None }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(up) = self.up {
            write!(f, "{up}.")?;
        }
        f.write_str(self.name)?;
        if let Some(i) = self.index {
            write!(f, "[{i}]")?;
        }
        Ok(())
    }
}

/// So many fields are compared one by one.
const FEW: usize = 16;
/// Seconds.
const LONGEST_DURATION: f64 = 315_576_000_000.0;

/// A message: its fields and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Message<'v, 'p> {
    fields: Option<&'v Map<String, Value>>,
    path: Path<'p>,
}

/// Whether a key of JSON is the field `snake`, in that spelling or in camelCase.
fn is_field(key: &str, snake: &str) -> bool {
    if key == snake {
        return true;
    }
    let mut k = key.bytes();
    let mut up = false;
    for s in snake.bytes() {
        if s == b'_' {
            up = true;
            continue;
        }
        let wanted = if up { s.to_ascii_uppercase() } else { s };
        up = false;
        if k.next() != Some(wanted) {
            return false;
        }
    }
    k.next().is_none()
}

impl<'v, 'p> Message<'v, 'p> {
    /// A value that is to be a message. `null` and an absent one are the empty message.
    pub fn new(value: &'v Value, path: Path<'p>) -> Read<Message<'v, 'p>> {
        match value {
            Value::Object(map) => Ok(Message { fields: Some(map), path }),
            Value::Null => Ok(Message { fields: None, path }),
            other => Err(Unknown { path: path.to_string(), what: format!("{} where a message belongs", kind(other)) }),
        }
    }
    pub fn path(&self) -> String {
        self.path.to_string()
    }
    /// What the engine does not know, at this message.
    pub fn unknown(&self, what: impl Into<String>) -> Unknown {
        Unknown { path: self.path(), what: what.into() }
    }
    /// What the engine does not know, at one of its fields.
    pub fn unknown_field(&self, name: &str, what: impl Into<String>) -> Unknown {
        Unknown { path: format!("{}.{name}", self.path), what: what.into() }
    }
    /// The JSON value of a field; `None` where it is absent or null.
    pub fn value(&self, name: &str) -> Option<&'v Value> {
        let fields = self.fields?;
        // To compare few keys costs less than to hash one.
        let spelled = if fields.len() <= FEW { fields.iter().find(|(k, _)| *k == name).map(|(_, v)| v) } else { fields.get(name) };
        let found = spelled.or_else(|| fields.iter().find(|(k, _)| is_field(k, name)).map(|(_, v)| v))?;
        if found.is_null() { None } else { Some(found) }
    }
    /// Writes the message whole, as JSON, without a copy of it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_json(&self, out: impl io::Write) -> serde_json::Result<()> {
        serde_json::to_writer(out, &self.fields)
    }
    /// The message whole.
    pub fn json(&self) -> Value {
        self.fields.cloned().map_or(Value::Null, Value::Object)
    }
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
    /// Every key with its value, as spelled.
    pub fn entries(&self) -> impl Iterator<Item = (&'v str, &'v Value)> + use<'v> {
        self.fields.into_iter().flatten().map(|(k, v)| (k.as_str(), v))
    }
    /// Fails at the first field that is not on the list; `@type` is always allowed.
    pub fn only(&self, known: &[&str]) -> Read<()> {
        for (key, value) in self.entries() {
            if key != "@type" && !value.is_null() && !known.iter().any(|k| is_field(key, k)) {
                return Err(self.unknown_field(key, "not known to meshctl"));
            }
        }
        Ok(())
    }
    pub fn message<'s>(&'s self, name: &'s str) -> Read<Option<Message<'v, 's>>> {
        self.value(name).map(|v| Message::new(v, self.at(name, None))).transpose()
    }
    /// The message of a field, empty where it is absent.
    pub fn message_or_empty<'s>(&'s self, name: &'s str) -> Read<Message<'v, 's>> {
        Ok(self.message(name)?.unwrap_or(Message { fields: None, path: self.at(name, None) }))
    }
    fn at<'s>(&'s self, name: &'s str, index: Option<usize>) -> Path<'s> {
        Path { up: Some(&self.path), name, index }
    }
    pub fn values(&self, name: &str) -> Read<&'v [Value]> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.unknown_field(name, format!("{} where a list belongs", kind(other)))),
        }
    }
    /// The messages of a repeated field.
    pub fn messages<'s>(&'s self, name: &'s str) -> Read<Vec<Message<'v, 's>>> {
        self.values(name)?.iter().enumerate().map(|(i, v)| Message::new(v, self.at(name, Some(i)))).collect()
    }
    /// The entries of a map field whose values are messages.
    pub fn map<'s>(&'s self, name: &'s str) -> Read<Vec<(&'v str, Message<'v, 's>)>> {
        let Some(inner) = self.message(name)? else { return Ok(Vec::new()) };
        inner.entries().map(|(k, v)| Ok((k, Message::new(v, self.at(name, None))?))).collect()
    }
    pub fn text(&self, name: &str) -> Read<&'v str> {
        match self.value(name) {
            None => Ok(""),
            Some(Value::String(s)) => Ok(s),
            Some(other) => Err(self.unknown_field(name, format!("{} where a string belongs", kind(other)))),
        }
    }
    pub fn texts(&self, name: &str) -> Read<Vec<&'v str>> {
        let values = self.values(name)?;
        // Collected, a list that may fail has room for more than it holds, and is kept with it.
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            out.push(value.as_str().ok_or_else(|| self.unknown_field(name, format!("{} where a string belongs", kind(value))))?);
        }
        Ok(out)
    }
    pub fn bool(&self, name: &str) -> Read<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(other) => Err(self.unknown_field(name, format!("{} where true or false belongs", kind(other)))),
        }
    }
    pub fn flag(&self, name: &str) -> Read<bool> {
        Ok(self.bool(name)?.unwrap_or(false))
    }
    /// A whole number; 64-bit ones are strings in protobuf's JSON.
    pub fn int(&self, name: &str) -> Read<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let number = match value {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64)),
            Value::String(s) => s.parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.unknown_field(name, format!("{} where a number belongs", kind(value))))
    }
    pub fn uint(&self, name: &str) -> Read<Option<u64>> {
        match self.int(name)? {
            None => Ok(None),
            Some(n) => u64::try_from(n).map(Some).map_err(|_| self.unknown_field(name, "a number below zero")),
        }
    }
    /// The same of a field of 32 bits, such as a weight: sums of larger ones would not fit where they are kept.
    pub fn uint32(&self, name: &str) -> Read<Option<u64>> {
        match self.uint(name)? {
            Some(n) if n > u64::from(u32::MAX) => Err(self.unknown_field(name, "a number of more than 32 bits")),
            n => Ok(n),
        }
    }
    /// An enum value by name, from its name or its number; "" where the field is absent.
    pub fn enumeration(&self, name: &str, names: &[&'static str]) -> Read<&'static str> {
        let found = match self.value(name) {
            None => return Ok(names.first().copied().unwrap_or("")),
            Some(Value::String(s)) => names.iter().find(|n| *n == s),
            Some(Value::Number(n)) => n.as_u64().and_then(|n| names.get(usize::try_from(n).ok()?)),
            Some(_) => None,
        };
        found.copied().filter(|n| !n.is_empty()).ok_or_else(|| self.unknown_field(name, format!("none of {}", names.join(", "))))
    }
    /// A duration, `1.5s`.
    pub fn duration(&self, name: &str) -> Read<Option<Duration>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let seconds = value.as_str().and_then(|s| s.strip_suffix('s')).and_then(|s| s.parse::<f64>().ok());
        // Protobuf's bound: ten thousand years. With more, moments would not fit where they are kept.
        let duration = seconds.filter(|s| *s <= LONGEST_DURATION).and_then(|s| Duration::try_from_secs_f64(s).ok());
        duration.map(Some).ok_or_else(|| self.unknown_field(name, "no duration"))
    }
    /// The `@type` of an Any, without `type.googleapis.com/`; "" where there is none.
    pub fn type_name(&self) -> &'v str {
        let url = self.fields.and_then(|f| f.get("@type")).and_then(Value::as_str).unwrap_or("");
        url.rsplit('/').next().unwrap_or(url)
    }
    /// The message in an Any field, and its type. A TypedStruct is what it wraps.
    pub fn any<'s>(&'s self, name: &'s str) -> Read<Option<(&'v str, Message<'v, 's>)>> {
        let Some(message) = self.message(name)? else { return Ok(None) };
        let type_name = message.type_name();
        if matches!(type_name, "udpa.type.v1.TypedStruct" | "xds.type.v3.TypedStruct") {
            let url = message.text("type_url")?;
            let inner = message.value("value").unwrap_or(&Value::Null);
            return Ok(Some((url.rsplit('/').next().unwrap_or(url), Message::new(inner, self.at(name, None))?)));
        }
        Ok(Some((type_name, message)))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_in_either_spelling_and_strange_ones_are_named() {
        let v = json!({"prefixRanges": [{"addressPrefix": "10.0.0.0"}], "destination_port": 80, "x": null, "n": "7"});
        let m = Message::new(&v, Path::root("match")).expect("a message");
        assert_eq!(m.messages("prefix_ranges").expect("a list").len(), 1);
        assert_eq!((m.uint("destination_port"), m.int("n")), (Ok(Some(80)), Ok(Some(7))));
        assert!(m.only(&["prefix_ranges", "destination_port", "n"]).is_ok());
        assert_eq!(m.only(&["prefix_ranges", "n"]).map_err(|u| u.path), Err("match.destination_port".to_owned()));
        assert_eq!(m.text("destination_port").map_err(|u| u.to_string()), Err("match.destination_port: a number where a string belongs".to_owned()));
        let inner = m.messages("prefix_ranges").expect("a list");
        assert_eq!(inner[0].path(), "match.prefix_ranges[0]");
    }

    #[test]
    fn durations_are_those_that_moments_can_be_reckoned_with() {
        let v = json!({"a": "1.5s", "b": "315576000000s", "c": "9223372036854775807s", "d": "-1s", "e": "1e300s", "f": "infs", "g": 5});
        let m = Message::new(&v, Path::root("f")).expect("a message");
        let read = |name| m.duration(name).ok().flatten().map(|d| d.as_millis());
        assert_eq!((read("a"), read("b")), (Some(1500), Some(315_576_000_000_000)));
        assert!(["c", "d", "e", "f", "g"].into_iter().all(|name| m.duration(name).is_err()));
    }

    #[test]
    fn weights_are_those_that_can_be_added_up() {
        let v = json!({"a": u32::MAX, "b": 4_294_967_296u64, "c": i64::MAX, "d": "7"});
        let m = Message::new(&v, Path::root("f")).expect("a message");
        assert_eq!([m.uint32("a").ok().flatten(), m.uint32("d").ok().flatten(), m.uint32("e").ok().flatten()], [Some(u64::from(u32::MAX)), Some(7), None]);
        assert!(m.uint32("b").is_err() && m.uint32("c").is_err());
    }

    #[test]
    fn a_typed_struct_is_what_it_wraps() {
        let v = json!({"typed_config": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/a.B", "value": {"x": 1}}});
        let m = Message::new(&v, Path::root("f")).expect("a message");
        let (name, inner) = m.any("typed_config").expect("readable").expect("there");
        assert_eq!((name, inner.uint("x")), ("a.B", Ok(Some(1))));
    }
}
