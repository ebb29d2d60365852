//! `google.protobuf.Any`: a message of any type, by its name.

use super::messages::CODECS;
use super::{unread, wire};
use prost::{Message, Name};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A message on the wire and the name of its type, `type.googleapis.com/PACKAGE.NAME`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Any {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Any {
    pub fn pack<M: Message + Name>(message: &M) -> Any {
        Any { type_url: M::type_url(), value: message.encode_to_vec() }
    }
    /// The message, if it is of this type and can be decoded.
    pub fn unpack<M: Message + Name + Default>(&self) -> Option<M> {
        (self.type_name() == M::full_name()).then(|| M::decode(self.value.as_slice()).ok()).flatten()
    }
    /// The message as protobuf's JSON with its `@type`; what of it is not known stands there by number (`#12.#3`).
    ///
    /// # Errors
    /// Bytes that are no message of the type, here or in a message inside.
    pub fn to_json(&self) -> Result<serde_json::Value, String> {
        serde_json::to_value(self).map_err(|e| e.to_string())
    }
    /// The type without the prefix.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or_default()
    }
}

type ToJson = fn(&[u8]) -> Result<serde_json::Value, String>;
type ToWire = fn(serde_json::Value) -> Result<Vec<u8>, String>;

/// How a type goes from the wire to JSON and back.
#[derive(Clone, Copy)]
pub struct Codec {
    to_json: ToJson,
    to_wire: ToWire,
}

pub const fn codec<M: Message + Default + Serialize + DeserializeOwned>() -> Codec {
    Codec {
        to_json: |bytes| {
            let message = M::decode(bytes).map_err(|e| e.to_string())?;
            let mut value = serde_json::to_value(&message).map_err(|e| e.to_string())?;
            // Most bytes are those that we would write: only others are looked at.
            if message.encoded_len() < bytes.len() {
                mark_lost(&mut value, wire::lost(bytes, &message.encode_to_vec()));
            }
            Ok(value)
        },
        to_wire: |json| Ok(serde_json::from_value::<M>(json).map_err(|e| e.to_string())?.encode_to_vec()),
    }
}

/// Fields that were not understood stand in the JSON by their numbers, so that whoever looks at its fields sees them.
fn mark_lost(value: &mut serde_json::Value, lost: Vec<String>) {
    if let serde_json::Value::Object(fields) = value {
        fields.extend(lost.into_iter().map(|path| (path, "a field that is not known".into())));
    }
}

/// Whether there is a type of ours for a message, by its full name.
pub fn is_known(name: &str) -> bool {
    find(&TO_JSON, name).is_some()
}

/// JSON in which each TypedStruct of a message that we have a type for is that message: Envoy takes one for the other, and
/// prints a TypedStruct without the fields that have their defaults.
pub fn plain(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(fields) => match of_struct(&fields) {
            Some(message) => message,
            None => fields.into_iter().map(|(k, v)| (k, plain(v))).collect(),
        },
        serde_json::Value::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

/// The message that a TypedStruct is.
fn of_struct(fields: &serde_json::Map<String, serde_json::Value>) -> Option<serde_json::Value> {
    let text = |key: &str| fields.get(key)?.as_str();
    text("@type").filter(|t| t.ends_with(".TypedStruct"))?;
    let url = text("typeUrl").or_else(|| text("type_url"))?.to_owned();
    let mut message = fields.get("value")?.as_object()?.clone();
    message.insert("@type".into(), url.clone().into());
    let written = serde_json::Value::from(message);
    is_known(url.rsplit('/').next().unwrap_or_default()).then_some(())?;
    let (mut read, lost) = unread::read::<Any>(&written).ok()?;
    // What our type lacks stays to be compared.
    read.as_object_mut()?.extend(lost.iter().filter_map(|path| Some((unread::shown(path), unread::at(&written, path)?.clone()))));
    Some(read)
}

/// Protobuf's own among them.
const STRING: (&str, Codec) = ("google.protobuf.StringValue", codec::<super::StringValue>());
const TYPES: usize = CODECS.len() + 1;

/// One way of each codec. A table of its own: a program that only goes one way is not linked with the other, which is megabytes.
static TO_JSON: [(&str, ToJson); TYPES] = {
    let mut out = [(STRING.0, STRING.1.to_json); TYPES];
    let mut i = 0;
    while i < CODECS.len() {
        out[i] = (CODECS[i].0, CODECS[i].1.to_json);
        i += 1;
    }
    out
};
static TO_WIRE: [(&str, ToWire); TYPES] = {
    let mut out = [(STRING.0, STRING.1.to_wire); TYPES];
    let mut i = 0;
    while i < CODECS.len() {
        out[i] = (CODECS[i].0, CODECS[i].1.to_wire);
        i += 1;
    }
    out
};

fn find<F: Copy>(table: &[(&str, F)], name: &str) -> Option<F> {
    table.iter().find(|(n, _)| *n == name).map(|(_, way)| *way)
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serde_json::Map::new();
        out.insert("@type".into(), self.type_url.clone().into());
        if let Some(to_json) = find(&TO_JSON, self.type_name()) {
            match to_json(&self.value).map_err(|e| S::Error::custom(format!("{}: {e}", self.type_name())))? {
                serde_json::Value::Object(fields) => out.extend(fields),
                other => drop(out.insert("value".into(), other)),
            }
        }
        out.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Any {
    /// The content of a type that is not known is dropped; [`super::unread`] reports it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Any, D::Error> {
        let mut fields = serde_json::Map::<String, serde_json::Value>::deserialize(deserializer)?;
        let type_url = match fields.shift_remove("@type") {
            Some(serde_json::Value::String(t)) => t,
            _ => return Err(D::Error::custom("an Any needs @type")),
        };
        let mut any = Any { type_url, value: Vec::new() };
        if let Some(to_wire) = find(&TO_WIRE, any.type_name()) {
            any.value = to_wire(serde_json::Value::Object(fields)).map_err(|e| D::Error::custom(format!("{}: {e}", any.type_name())))?;
        }
        Ok(any)
    }
}
