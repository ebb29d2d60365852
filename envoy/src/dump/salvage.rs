//! What is left of a dump in which something has the wrong form: every entry is tried alone, and those that can't be
//! read are left out and named. This takes twice the time of a plain read, and happens only after one has failed.

use super::{DumpError, Found, SectionKind, Sections, Unread};
use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow)]
    configs: Option<&'a RawValue>,
}

/// Reads what can be read; `Err` where the text is no JSON or no dump at all.
pub fn read<'a, S: Sections<'a>>(text: &'a str, sections: &mut S) -> Result<Found, DumpError> {
    let top: Top<'a> = serde_json::from_str(text)?;
    let configs = top.configs.map_or("null", RawValue::get);
    let mut salvage = Salvage { text, sections, found: Found::default(), within: Cursor::default() };
    let mut at = Cursor::default();
    for (i, section) in elements(configs)?.into_iter().enumerate() {
        at.move_to(text, section);
        salvage.within = at;
        salvage.section(&format!("configs[{i}]"), section, at);
    }
    Ok(salvage.found)
}

fn elements(list: &str) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_str(list)
}

struct Salvage<'a, 's, S> {
    text: &'a str,
    sections: &'s mut S,
    found: Found,
    /// In the section.
    within: Cursor,
}

/// A place in the text that only moves on, so that all places together cost one pass.
#[derive(Clone, Copy, Default)]
struct Cursor {
    offset: usize,
    /// From 0.
    line: usize,
    line_start: usize,
}

impl Cursor {
    /// Moves to a value, which borrows from the text: their addresses tell where it stands.
    fn move_to(&mut self, text: &str, value: &RawValue) {
        let offset = (value.get().as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        let Some(passed) = text.as_bytes().get(self.offset..offset) else { return };
        self.line += passed.iter().filter(|b| **b == b'\n').count();
        self.line_start = passed.iter().rposition(|b| *b == b'\n').map_or(self.line_start, |n| self.offset + n + 1);
        self.offset = offset;
    }
    /// The place of an error that counts from here.
    fn place(self, error: DumpError) -> DumpError {
        let column = self.offset - self.line_start;
        let (line, column) = match error.line {
            0 | 1 => (self.line + 1, column + error.column.max(1)),
            further => (self.line + further, error.column),
        };
        DumpError { message: error.message, line, column }
    }
}

impl<'a, S: Sections<'a>> Salvage<'a, '_, S> {
    fn section(&mut self, path: &str, section: &'a RawValue, start: Cursor) {
        let entries: Entries<'a> = match serde_json::from_str(section.get()) {
            Ok(entries) => entries,
            Err(e) => return self.note(path, section, &e),
        };
        let Some((_, url)) = entries.0.iter().find(|(key, _)| key == "@type") else { return };
        let url: super::Text<'a> = match serde_json::from_str(url.get()) {
            Ok(url) => url,
            Err(e) => return self.note(&format!("{path}[\"@type\"]"), url, &e),
        };
        self.found.types.push(url.to_string());
        let Some(kind) = SectionKind::of(&url).filter(|k| self.sections.wants(*k)) else { return };
        let mut kept: Vec<(String, Field<'a>)> = Vec::new();
        for (key, value) in entries.0.into_iter().filter(|(key, _)| key != "@type") {
            let path = format!("{path}.{key}");
            match elements(value.get()) {
                Ok(list) => {
                    let mut good = Vec::new();
                    for (i, element) in list.into_iter().enumerate() {
                        match self.try_alone(kind, &key, Field::List(vec![element])) {
                            Ok(()) => good.push(element),
                            Err(e) => self.note(&format!("{path}[{i}]"), element, &e),
                        }
                    }
                    kept.push((key, Field::List(good)));
                }
                Err(_) => match self.try_alone(kind, &key, Field::One(value)) {
                    Ok(()) => kept.push((key, Field::One(value))),
                    Err(e) => self.note(&path, value, &e),
                },
            }
        }
        if let Err(e) = self.sections.take(kind, fields(kept)) {
            self.within = start;
            self.note(path, section, &e);
        }
    }

    fn try_alone(&self, kind: SectionKind, key: &str, field: Field<'a>) -> Result<(), serde_json::Error> {
        self.sections.fresh().take(kind, fields(vec![(key.to_owned(), field)]))
    }

    fn note(&mut self, path: &str, value: &'a RawValue, error: &serde_json::Error) {
        self.within.move_to(self.text, value);
        let why = self.within.place(DumpError::from_parts(error));
        self.found.unread.push(Unread { path: path.to_owned(), name: name(value), why });
    }
}

/// The name that stands in an entry or one level below it, for people to find it by; "" where there is none.
fn name(value: &RawValue) -> String {
    let name_of = |v: &RawValue| -> Option<String> {
        let entries: Entries<'_> = serde_json::from_str(v.get()).ok()?;
        let name = entries.0.iter().find(|(k, _)| matches!(k.as_str(), "name" | "cluster_name" | "clusterName"))?;
        serde_json::from_str::<String>(name.1.get()).ok()
    };
    name_of(value)
        .or_else(|| {
            let entries: Entries<'_> = serde_json::from_str(value.get()).ok()?;
            entries.0.iter().find_map(|(_, v)| name_of(v))
        })
        .unwrap_or_default()
}

/// The entries of a mapping, unparsed.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        d.deserialize_map(V)
    }
}

fn fields<'a>(kept: Vec<(String, Field<'a>)>) -> MapDeserializer<'a, std::vec::IntoIter<(String, Field<'a>)>, serde_json::Error> {
    MapDeserializer::new(kept.into_iter())
}

/// A field of a section: whole, or a list of some of its elements.
enum Field<'a> {
    One(&'a RawValue),
    List(Vec<&'a RawValue>),
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Field<'de> {
    type Deserializer = Field<'de>;
    fn into_deserializer(self) -> Field<'de> {
        self
    }
}

impl<'de> Deserializer<'de> for Field<'de> {
    type Error = serde_json::Error;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match self {
            Field::One(raw) => raw.deserialize_any(visitor),
            Field::List(list) => SeqDeserializer::new(list.into_iter()).deserialize_any(visitor),
        }
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        match self {
            Field::One(raw) => raw.deserialize_option(visitor),
            list => visitor.visit_some(list),
        }
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
