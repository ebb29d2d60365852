//! What protobuf's JSON writes otherwise than serde: enums by name, bytes in base64, 64-bit numbers as text.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether a field has its default value, which JSON leaves out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The names of an enum's values.
pub trait Names {
    const NAMES: &'static [(&'static str, i32)];
}

fn name<E: Names>(number: i32) -> Option<&'static str> {
    E::NAMES.iter().find(|(_, n)| *n == number).map(|(name, _)| *name)
}

/// An enum's value: by name, or by a number that has none.
struct Written<E>(i32, std::marker::PhantomData<E>);

impl<E: Names> Serialize for Written<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match name::<E>(self.0) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_i32(self.0),
        }
    }
}

impl<'de, E: Names> Deserialize<'de> for Written<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(i32),
            Name(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(n) => Ok(Written(n, std::marker::PhantomData)),
            Either::Name(text) => {
                let value = E::NAMES.iter().find(|(name, _)| *name == text);
                value.map(|(_, n)| Written(*n, std::marker::PhantomData)).ok_or_else(|| D::Error::custom(format!("no value is named {text:?}")))
            }
        }
    }
}

/// 64-bit numbers: text out, text or a number in.
struct Long<T>(T);

impl<T: std::fmt::Display> Serialize for Long<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: std::str::FromStr> Deserialize<'de> for Long<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(s) => s,
            other => other.to_string(),
        };
        text.parse().map(Long).map_err(|_| D::Error::custom(format!("{text} is no such number")))
    }
}

struct Bytes<B>(B);

impl<B: AsRef<[u8]>> Serialize for Bytes<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&data_encoding::BASE64.encode(self.0.as_ref()))
    }
}

impl<'de> Deserialize<'de> for Bytes<Vec<u8>> {
    /// Ordinary or URL-safe, with or without padding.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
        data_encoding::BASE64_NOPAD.decode(plain.as_bytes()).map(Bytes).map_err(D::Error::custom)
    }
}

/// A number without a fraction is written without one.
struct Float(f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_nan() {
            serializer.serialize_str("NaN")
        } else if self.0.is_infinite() {
            serializer.serialize_str(if self.0 > 0.0 { "Infinity" } else { "-Infinity" })
        } else if self.0.fract() == 0.0 && self.0.abs() < 9e15 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(n) => n.as_f64().map(Float),
            serde_json::Value::String(s) => match s.as_str() {
                "Infinity" => Some(Float(f64::INFINITY)),
                "-Infinity" => Some(Float(f64::NEG_INFINITY)),
                other => other.parse().ok().map(Float),
            },
            _ => None,
        }
        .ok_or_else(|| D::Error::custom("no number"))
    }
}

pub mod enumeration {
    use super::*;
    pub fn serialize<E: Names, S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        Written::<E>(*value, std::marker::PhantomData).serialize(serializer)
    }
    pub fn deserialize<'de, E: Names, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        Written::<E>::deserialize(deserializer).map(|w| w.0)
    }
}

pub mod int64 {
    use super::*;
    pub fn serialize<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }
    pub fn deserialize<'de, T: std::str::FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        Long::deserialize(deserializer).map(|l| l.0)
    }
}

pub mod float {
    use super::*;
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Float(*value).serialize(serializer)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Float::deserialize(deserializer).map(|f| f.0)
    }
}

pub mod base64 {
    use super::*;
    pub fn serialize<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        Bytes(value).serialize(serializer)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Bytes::deserialize(deserializer).map(|b| b.0)
    }
}

/// The same for values that may be absent.
pub mod optional {
    use super::*;

    pub mod enumeration {
        use super::*;
        pub fn serialize<E: Names, S: Serializer>(value: &Option<i32>, serializer: S) -> Result<S::Ok, S::Error> {
            value.map(|v| Written::<E>(v, std::marker::PhantomData)).serialize(serializer)
        }
        pub fn deserialize<'de, E: Names, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
            Option::<Written<E>>::deserialize(deserializer).map(|w| w.map(|w| w.0))
        }
    }
    pub mod int64 {
        use super::*;
        pub fn serialize<T: std::fmt::Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
            value.as_ref().map(Long).serialize(serializer)
        }
        pub fn deserialize<'de, T: std::str::FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
            Option::<Long<T>>::deserialize(deserializer).map(|l| l.map(|l| l.0))
        }
    }
    pub mod float {
        use super::*;
        pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
            value.map(Float).serialize(serializer)
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
            Option::<Float>::deserialize(deserializer).map(|f| f.map(|f| f.0))
        }
    }
    pub mod base64 {
        use super::*;
        pub fn serialize<S: Serializer>(value: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
            value.as_ref().map(Bytes).serialize(serializer)
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
            Option::<Bytes<Vec<u8>>>::deserialize(deserializer).map(|b| b.map(|b| b.0))
        }
    }
}

/// The same for lists.
pub mod repeated {
    use super::*;

    pub mod enumeration {
        use super::*;
        pub fn serialize<E: Names, S: Serializer>(values: &[i32], serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(values.iter().map(|v| Written::<E>(*v, std::marker::PhantomData)))
        }
        pub fn deserialize<'de, E: Names, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i32>, D::Error> {
            Vec::<Written<E>>::deserialize(deserializer).map(|all| all.into_iter().map(|w| w.0).collect())
        }
    }
}
