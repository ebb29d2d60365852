//! `/config_dump`, read section by section in one pass: what is not asked for is skipped, not parsed.
//!
//! A dump is `{"configs": [{"@type": "…/envoy.admin.v3.ClustersConfigDump", …}, …]}`. The views of this module borrow
//! from the text and name the fields that tables show; a whole value is asked for as [`serde_json::Value`].

pub mod bootstrap;
pub mod cluster;
pub mod endpoint;
pub mod listener;
pub mod route;
pub mod secret;
mod value;

pub use value::{Text, UInt, enum_name};

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The sections of a config dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SectionKind {
    Bootstrap,
    Clusters,
    Endpoints,
    Listeners,
    Routes,
    ScopedRoutes,
    Secrets,
    Ecds,
}

impl SectionKind {
    pub const ALL: [SectionKind; 8] = [
        SectionKind::Bootstrap,
        SectionKind::Clusters,
        SectionKind::Endpoints,
        SectionKind::Listeners,
        SectionKind::Routes,
        SectionKind::ScopedRoutes,
        SectionKind::Secrets,
        SectionKind::Ecds,
    ];
    /// The message name, `ClustersConfigDump`.
    pub fn message(self) -> &'static str {
        match self {
            SectionKind::Bootstrap => "BootstrapConfigDump",
            SectionKind::Clusters => "ClustersConfigDump",
            SectionKind::Endpoints => "EndpointsConfigDump",
            SectionKind::Listeners => "ListenersConfigDump",
            SectionKind::Routes => "RoutesConfigDump",
            SectionKind::ScopedRoutes => "ScopedRoutesConfigDump",
            SectionKind::Secrets => "SecretsConfigDump",
            SectionKind::Ecds => "EcdsConfigDump",
        }
    }
    fn of(type_url: &str) -> Option<SectionKind> {
        let name = type_url.rsplit('.').next()?;
        SectionKind::ALL.into_iter().find(|k| k.message() == name)
    }
}

/// What takes the sections of a dump.
pub trait Sections<'a> {
    /// Whether a section is parsed at all.
    fn wants(&self, kind: SectionKind) -> bool;
    /// Takes one section: the entries of its map that follow `@type`. A section that occurs twice comes twice.
    fn take<D: Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error>;
}

/// Why a text is no config dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpError {
    pub message: String,
    /// From 1; 0 where there is no position.
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            _ => write!(f, "line {}, column {}: {}", self.line, self.column, self.message),
        }
    }
}
impl std::error::Error for DumpError {}

impl From<serde_json::Error> for DumpError {
    fn from(e: serde_json::Error) -> DumpError {
        let text = e.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(m, _)| m).to_owned();
        DumpError { message, line: e.line(), column: e.column() }
    }
}

/// Reads the wanted sections of a dump and returns the `@type` of every section met, in order.
pub fn read<'a, S: Sections<'a>>(text: &'a str, sections: &mut S) -> Result<Vec<String>, DumpError> {
    let mut found = Vec::new();
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Top { sections, found: &mut found })?;
    json.end()?;
    Ok(found)
}

struct Top<'s, S> {
    sections: &'s mut S,
    found: &'s mut Vec<String>,
}

impl<'a, S: Sections<'a>> Visitor<'a> for Top<'_, S> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an Envoy config dump, an object with `configs`")
    }
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = false;
        while let Some(key) = map.next_key::<Text<'a>>()? {
            if &*key == "configs" {
                seen = true;
                map.next_value_seed(Configs { sections: &mut *self.sections, found: &mut *self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if seen { Ok(()) } else { Err(A::Error::custom("no `configs` in it: this is not a config dump")) }
    }
}

struct Configs<'s, S> {
    sections: &'s mut S,
    found: &'s mut Vec<String>,
}

impl<'a, S: Sections<'a>> DeserializeSeed<'a> for Configs<'_, S> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'a, S: Sections<'a>> Visitor<'a> for Configs<'_, S> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of sections")
    }
    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Section { sections: &mut *self.sections, found: &mut *self.found })?.is_some() {}
        Ok(())
    }
}

struct Section<'s, S> {
    sections: &'s mut S,
    found: &'s mut Vec<String>,
}

impl<'a, S: Sections<'a>> DeserializeSeed<'a> for Section<'_, S> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'a, S: Sections<'a>> Visitor<'a> for Section<'_, S> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section, an object with `@type`")
    }
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(first) = map.next_key::<Text<'a>>()? else { return Ok(()) };
        if &*first == "@type" {
            let url = map.next_value::<Text<'a>>()?;
            self.found.push(url.to_string());
            return match SectionKind::of(&url).filter(|k| self.sections.wants(*k)) {
                Some(kind) => self.sections.take(kind, MapAccessDeserializer::new(map)),
                None => {
                    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    Ok(())
                }
            };
        }
        // `@type` comes first in what Envoy prints; tools that sort keys may have moved it.
        let mut entries: Vec<(String, &'a RawValue)> = vec![(first.to_string(), map.next_value()?)];
        while let Some((key, value)) = map.next_entry::<Text<'a>, &'a RawValue>()? {
            entries.push((key.to_string(), value));
        }
        let Some(at) = entries.iter().position(|(k, _)| k == "@type") else { return Ok(()) };
        let url: Text<'a> = serde_json::from_str(entries.remove(at).1.get()).map_err(A::Error::custom)?;
        self.found.push(url.to_string());
        let Some(kind) = SectionKind::of(&url).filter(|k| self.sections.wants(*k)) else { return Ok(()) };
        self.sections.take(kind, MapDeserializer::<_, serde_json::Error>::new(entries.into_iter())).map_err(A::Error::custom)
    }
}
