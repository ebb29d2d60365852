//! `/config_dump`, read section by section in one pass: what is not asked for is skipped, not parsed.
//!
//! A dump is `{"configs": [{"@type": "…/envoy.admin.v3.ClustersConfigDump", …}, …]}`. The views of this module borrow
//! from the text and name the fields that tables show; a whole value is asked for as [`serde_json::Value`].

pub mod bootstrap;
pub mod cluster;
pub mod endpoint;
pub mod listener;
pub mod route;
mod salvage;
pub mod secret;
pub mod status;
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
    /// What one of its resources is called in front of its name.
    pub fn word(self) -> &'static str {
        match self {
            SectionKind::Bootstrap => "bootstrap",
            SectionKind::Clusters => "cluster",
            SectionKind::Endpoints => "endpoints of",
            SectionKind::Listeners => "listener",
            SectionKind::Routes => "routes",
            SectionKind::ScopedRoutes => "scoped routes",
            SectionKind::Secrets => "secret",
            SectionKind::Ecds => "extension",
        }
    }
    fn of(type_url: &str) -> Option<SectionKind> {
        let name = type_url.rsplit('.').next()?;
        SectionKind::ALL.into_iter().find(|k| k.message() == name)
    }
}

/// What takes the sections of a dump.
pub trait Sections<'a>: Sized {
    /// Another that wants the same and has taken nothing.
    fn fresh(&self) -> Self;
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
        DumpError::from_parts(&e)
    }
}

impl DumpError {
    fn from_parts(e: &serde_json::Error) -> DumpError {
        let text = e.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(m, _)| m);
        DumpError { message: without_value(message), line: e.line(), column: e.column() }
    }
}

/// A message without the text that it quotes, which may be a secret, and without the names of our types.
fn without_value(message: &str) -> String {
    let plain = match message.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected an object"),
        None => message.to_owned(),
    };
    match (plain.split_once("string \""), plain.rsplit_once("\", expected ")) {
        (Some((before, _)), Some((_, expected))) => format!("{before}a string, expected {expected}"),
        _ => plain,
    }
}

/// An entry of a dump that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// `configs[1].dynamic_active_clusters[3]`.
    pub path: String,
    /// The name in it, "" where none is found.
    pub name: String,
    pub why: DumpError,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "{} can't be read: {}", self.path, self.why),
            name => write!(f, "{} (`{name}`) can't be read: {}", self.path, self.why),
        }
    }
}

/// What a dump holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The `@type` of every section met, in order.
    pub types: Vec<String>,
    /// Entries of wanted sections that could not be read; the others were.
    pub unread: Vec<Unread>,
}

/// Reads the wanted sections of a dump. An entry of the wrong form costs that entry only.
pub fn read<'a, S: Sections<'a>>(text: &'a str, sections: &mut S) -> Result<Found, DumpError> {
    match read_whole(text, sections) {
        Ok(types) => Ok(Found { types, unread: Vec::new() }),
        Err(e) if e.is_data() => {
            *sections = sections.fresh();
            let found = salvage::read(text, sections).map_err(|_| DumpError::from(e))?;
            Ok(found)
        }
        Err(e) => Err(e.into()),
    }
}

fn read_whole<'a, S: Sections<'a>>(text: &'a str, sections: &mut S) -> Result<Vec<String>, serde_json::Error> {
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

#[cfg(test)]
mod tests {
    use super::cluster::{Cluster, Clusters};
    use super::route::{RouteConfig, Routes};
    use super::*;
    use serde::Deserialize;

    #[derive(Default)]
    struct Both<'a> {
        clusters: Option<Clusters<'a, Cluster<'a>>>,
        routes: Option<Routes<'a, RouteConfig<'a>>>,
    }

    impl<'a> Sections<'a> for Both<'a> {
        fn fresh(&self) -> Self {
            Both::default()
        }
        fn wants(&self, kind: SectionKind) -> bool {
            matches!(kind, SectionKind::Clusters | SectionKind::Routes)
        }
        fn take<D: Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error> {
            match kind {
                SectionKind::Clusters => self.clusters = Some(Deserialize::deserialize(section)?),
                _ => self.routes = Some(Deserialize::deserialize(section)?),
            }
            Ok(())
        }
    }

    const CLUSTERS: &str = r#""@type": "x/envoy.admin.v3.ClustersConfigDump""#;
    const BODY: &str = r#""dynamic_active_clusters": [
  {"cluster": {"name": "a"}},
  {"cluster": {"name": "b",
    "connect_timeout": ["hunter2"]}},
  {"cluster": {"name": {"deep": "hunter2"}}}, 5,
  {"cluster": {"name": "c", "circuit_breakers": "hunter2"}},
  {"cluster": {"name": "d"}}
],
"static_clusters": {"no": "list"}"#;
    const ROUTES: &str = r#"{"@type": "x/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [{"route_config": {"name": "r"}}]}"#;

    fn said(text: &str) -> (Vec<String>, Vec<String>, usize) {
        let mut both = Both::default();
        let found = read(text, &mut both).expect("a dump");
        let names = both.clusters.iter().flat_map(|c| &c.dynamic_active_clusters).filter_map(|e| Some(e.cluster.as_ref()?.name.to_string())).collect();
        let routes = both.routes.map_or(0, |r| r.dynamic_route_configs.len());
        (names, found.unread.iter().map(Unread::to_string).collect(), routes)
    }

    #[test]
    fn an_entry_of_the_wrong_form_costs_itself_only() {
        for (entries, shift) in [(format!("{CLUSTERS},\n{BODY}"), 1), (format!("{BODY},\n{CLUSTERS}"), 0)] {
            let (names, unread, routes) = said(&format!("{{\"configs\": [\n{{{entries}}},\n{ROUTES}, 7]}}"));
            assert_eq!((names, routes), (vec!["a".to_owned(), "d".to_owned()], 1));
            let line = |n: usize| n + shift;
            let at = "configs[0].dynamic_active_clusters";
            assert_eq!(
                unread,
                [
                    format!("{at}[1] (`b`) can't be read: line {}, column 24: invalid type: sequence, expected a string", line(5)),
                    format!("{at}[2] can't be read: line {}, column 24: invalid type: map, expected a string", line(6)),
                    format!("{at}[3] can't be read: line {}, column 47: invalid type: integer `5`, expected an object", line(6)),
                    format!("{at}[4] (`c`) can't be read: line {}, column 57: invalid type: a string, expected an object", line(7)),
                    format!("configs[0].static_clusters can't be read: line {}, column 20: invalid type: map, expected a sequence", line(10)),
                    "configs[2] can't be read: line 12, column 109: invalid type: integer `7`, expected an object".to_owned(),
                ]
            );
        }
    }

    #[test]
    fn what_is_no_dump_is_no_part_of_one() {
        for text in ["", "{}", "[]", "{\"configs\": 5}", "{\"configs\": [{\"@type\": \"a\"]}", "{\"configs\": [5}"] {
            assert!(read(text, &mut Both::default()).is_err(), "{text}");
        }
    }
}
