//! The messages of Envoy's v3 API: names and types of fields, as facts of its wire format.
//!
//! `messages.txt` is made by `cargo xtask envoy`. Its lines:
//!
//! ```text
//! package NAME [frozen]
//! enum NAME VALUE…
//! message NAME FIELD:TYPE…
//! ```
//!
//! NAME is within the package. TYPE is `str`, `bool`, `bytes`, `i32`, `i64`, `u32`, `u64`, `num`, `duration`, `any`,
//! `struct`, `list`, `empty`, `*` (not judged), a message or enum of the package, one of another package with a dot in
//! front of its full name, `[TYPE]` (a list) or `{TYPE}` (a map with free keys). Wrappers are what they wrap.

use rustc_hash::FxHashMap;
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Str,
    Bool,
    Bytes,
    I32,
    I64,
    U32,
    U64,
    Number,
    Duration,
    Any,
    Struct,
    List,
    Empty,
    Unjudged,
    /// Index into [`Table::messages`].
    Message(u16),
    /// Index into [`Table::enums`].
    Enum(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    One,
    Repeated,
    Map,
}

#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub label: Label,
    pub ty: Type,
}

#[derive(Debug)]
pub struct Message {
    pub package: &'static str,
    pub name: &'static str,
    /// Its version of the API is not worked on any more.
    pub frozen: bool,
    pub fields: Vec<Field>,
}

impl Message {
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.package, self.name)
    }
    pub fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|f| f.name == field)
    }
}

#[derive(Debug)]
pub struct Enum {
    pub name: &'static str,
    pub values: &'static str,
}

impl Enum {
    pub fn values(&self) -> impl Iterator<Item = &'static str> {
        self.values.split(' ')
    }
}

#[derive(Debug, Default)]
pub struct Table {
    pub messages: Vec<Message>,
    pub enums: Vec<Enum>,
    by_name: FxHashMap<String, Type>,
}

impl Table {
    /// A message by its full name.
    pub fn find(&self, name: &str) -> Option<&Message> {
        match self.by_name.get(name)? {
            Type::Message(i) => self.message(*i),
            _ => None,
        }
    }
    pub fn message(&self, index: u16) -> Option<&Message> {
        self.messages.get(usize::from(index))
    }
    pub fn enumeration(&self, index: u16) -> Option<&Enum> {
        self.enums.get(usize::from(index))
    }
    /// Full names of all messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.iter().filter(|(_, t)| matches!(t, Type::Message(_))).map(|(n, _)| n.as_str())
    }
}

/// The table, read when an EnvoyFilter is first judged.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| read(include_str!("messages.txt")))
}

fn read(text: &'static str) -> Table {
    let mut table = Table::default();
    for (package, frozen, kind, name, rest) in lines(text) {
        let ty = if kind == "enum" {
            table.enums.push(Enum { name, values: rest });
            Type::Enum(index(table.enums.len()))
        } else {
            table.messages.push(Message { package, name, frozen, fields: Vec::new() });
            Type::Message(index(table.messages.len()))
        };
        table.by_name.insert(format!("{package}.{name}"), ty);
    }
    let messages = lines(text).filter(|(_, _, kind, ..)| *kind == "message");
    let fields: Vec<Vec<Field>> = messages.map(|(package, .., rest)| rest.split_whitespace().filter_map(|f| field(&table, package, f)).collect()).collect();
    for (message, fields) in table.messages.iter_mut().zip(fields) {
        message.fields = fields;
    }
    table
}

fn index(len: usize) -> u16 {
    u16::try_from(len - 1).unwrap_or(u16::MAX)
}

type Line = (&'static str, bool, &'static str, &'static str, &'static str);

/// (package, is it frozen, `enum` or `message`, name, the rest)
fn lines(text: &'static str) -> impl Iterator<Item = Line> {
    let (mut package, mut frozen) = ("", false);
    text.lines().filter_map(move |line| {
        let (kind, rest) = line.split_once(' ')?;
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if kind == "package" {
            (package, frozen) = (name, rest == "frozen");
            return None;
        }
        Some((package, frozen, kind, name, rest))
    })
}

fn field(table: &Table, package: &str, text: &'static str) -> Option<Field> {
    let (name, ty) = text.split_once(':')?;
    let (label, ty) = if let Some(item) = ty.strip_prefix('[') {
        (Label::Repeated, item.strip_suffix(']')?)
    } else if let Some(value) = ty.strip_prefix('{') {
        (Label::Map, value.strip_suffix('}')?)
    } else {
        (Label::One, ty)
    };
    let ty = match ty {
        "str" => Type::Str,
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "i32" => Type::I32,
        "i64" => Type::I64,
        "u32" => Type::U32,
        "u64" => Type::U64,
        "num" => Type::Number,
        "duration" => Type::Duration,
        "any" => Type::Any,
        "struct" => Type::Struct,
        "list" => Type::List,
        "empty" => Type::Empty,
        "*" => Type::Unjudged,
        _ => {
            let full = ty.strip_prefix('.').map_or_else(|| format!("{package}.{ty}"), str::to_owned);
            table.by_name.get(&full).copied().unwrap_or(Type::Unjudged)
        }
    };
    Some(Field { name, label, ty })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_table_is_there() {
        let table = table();
        let cluster = table.find("envoy.config.cluster.v3.Cluster").expect("Cluster");
        let field = |name: &str| cluster.fields.iter().find(|f| f.name == name).map(|f| (f.label, f.ty));
        assert_eq!(field("connect_timeout"), Some((Label::One, Type::Duration)));
        assert!(matches!(field("type"), Some((Label::One, Type::Enum(_)))));
        assert!(matches!(field("filters"), Some((Label::Repeated, Type::Message(_)))));
        assert_eq!(field("typed_extension_protocol_options"), Some((Label::Map, Type::Any)));
        for line in include_str!("messages.txt").lines().filter(|l| l.starts_with("message ")) {
            for text in line.split(' ').skip(2) {
                let known = text.split_once(':').is_some_and(|(_, t)| {
                    let t = t.trim_matches(['[', ']', '{', '}']);
                    !t.starts_with('.') || table.by_name.contains_key(&t[1..])
                });
                assert!(known, "{text}");
            }
        }
    }
}
