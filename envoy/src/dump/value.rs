//! Leaf values of protobuf JSON.

use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// A string that borrows from the dump unless it holds escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl<'a> From<&'a str> for Text<'a> {
    fn from(s: &'a str) -> Text<'a> {
        Text(Cow::Borrowed(s))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> serde::de::Visitor<'de> for V {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, s: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(s)))
            }
            fn visit_str<E>(self, s: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(s.to_owned())))
            }
            fn visit_string<E>(self, s: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(s)))
            }
            // Enums may come by number; numbers and booleans keep their spelling.
            fn visit_u64<E>(self, n: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(n.to_string())))
            }
            fn visit_i64<E>(self, n: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(n.to_string())))
            }
            fn visit_f64<E>(self, n: f64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(n.to_string())))
            }
            fn visit_bool<E>(self, b: bool) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(b.to_string())))
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        d.deserialize_any(V)
    }
}

/// An unsigned number: 64-bit ones are strings in protobuf's JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UInt(pub u64);

impl<'de> Deserialize<'de> for UInt {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl serde::de::Visitor<'_> for V {
            type Value = UInt;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E>(self, n: u64) -> Result<UInt, E> {
                Ok(UInt(n))
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<UInt, E> {
                u64::try_from(n).map(UInt).map_err(|_| E::custom("a number below zero"))
            }
            fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<UInt, E> {
                if n >= 0.0 && n.fract() == 0.0 { Ok(UInt(n as u64)) } else { Err(E::custom("no whole number")) }
            }
            fn visit_str<E: serde::de::Error>(self, s: &str) -> Result<UInt, E> {
                s.parse().map(UInt).map_err(|_| E::custom("a text that is no number"))
            }
            fn visit_unit<E>(self) -> Result<UInt, E> {
                Ok(UInt(0))
            }
        }
        d.deserialize_any(V)
    }
}

/// The name of an enum value that may have come by number: `names` in the order of their numbers, "" where a number
/// is not used. Unknown spellings stay as they are; an absent value is the first.
pub fn enum_name<'t>(text: &'t str, names: &[&'static str]) -> &'t str {
    if text.is_empty() {
        return names.first().copied().unwrap_or("");
    }
    match text.parse::<usize>() {
        Ok(n) => names.get(n).copied().filter(|s| !s.is_empty()).unwrap_or(text),
        Err(_) => text,
    }
}
