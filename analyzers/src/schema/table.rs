//! The tables' format, and their compiled form.
//!
//! A table is the schemas of one API group:
//!
//! ```text
//! minors FIRST LAST
//! kind KIND VERSION namespaced|cluster TYPE[@RANGE]
//! type NAME
//!  (ITEMS)
//!  FIELD EXPR[@RANGE]
//! ```
//!
//! EXPR is `str`, `int`, `num`, `bool`, `intstr`, `any`, `[EXPR]` (a list), `{EXPR}` (a map with free keys) or
//! `#NAME`, with `(ITEMS)` behind it where it is bounded. A RANGE is `since-until`, in minor versions, counted
//! within those of what it stands in; an open side is left out. A type stands before it is used.

use super::cel;
use regex::Regex;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::OnceLock;

/// The minor versions in which something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub since: u16,
    pub until: u16,
}

impl Range {
    pub const ALL: Range = Range { since: 0, until: u16::MAX };

    pub fn has(self, minor: u16) -> bool {
        self.since <= minor && minor <= self.until
    }
}

pub type TypeId = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Str,
    Int,
    Num,
    Bool,
    IntOrStr,
    Any,
    List(TypeId),
    Map(TypeId),
    Object,
}

/// A bound, a format or a rule on a value.
#[derive(Clone, Debug)]
pub enum Check<'s> {
    Required(&'s str),
    AtMostOne(Box<[&'s str]>),
    ExactlyOne(Box<[&'s str]>),
    Min(f64),
    Max(f64),
    MinLength(usize),
    MaxLength(usize),
    /// Items of a list or keys of a map.
    MinItems(usize),
    MaxItems(usize),
    /// Index of [`Group::patterns`].
    Pattern(u16),
    Format(&'s str),
    /// No item stands twice.
    Set,
    /// No two items agree in these fields; each with its default.
    Unique(Box<[(&'s str, &'s str)]>),
    /// A Gateway's address: an IP where its type says so.
    Address,
    Cel(&'static cel::Rule),
}

#[derive(Clone, Debug)]
pub struct Item<'s> {
    pub check: Check<'s>,
    pub range: Range,
}

#[derive(Clone, Debug)]
pub struct Field<'s> {
    pub name: &'s str,
    pub ty: TypeId,
    pub range: Range,
}

/// A compiled type.
#[derive(Clone, Debug)]
pub struct Type<'s> {
    pub shape: Shape,
    /// Unknown fields are kept.
    pub open: bool,
    /// Null is a value of it.
    pub nullable: bool,
    /// In the order of [`Type::sort_fields`]; a field whose type changed stands once for each.
    pub fields: Vec<Field<'s>>,
    pub enums: Vec<(&'s str, Range)>,
    pub items: Vec<Item<'s>>,
}

/// The order of fields: lengths are compared faster than texts.
fn by_length(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl<'s> Type<'s> {
    /// Brings the fields into the order that they are looked up by.
    pub fn sort_fields(&mut self) {
        self.fields.sort_by(|a, b| by_length(a.name, b.name));
    }

    pub fn new(shape: Shape) -> Type<'s> {
        Type { shape, open: false, nullable: false, fields: Vec::new(), enums: Vec::new(), items: Vec::new() }
    }
    /// The field of a name: the one that counts in `minor`, else any.
    pub fn field(&self, name: &str, minor: u16) -> Option<&Field<'s>> {
        let at = self.fields.binary_search_by(|f| by_length(f.name, name)).ok()?;
        let found = self.fields.get(at)?;
        if found.range.has(minor) {
            return Some(found);
        }
        self.fields.iter().filter(|f| f.name == name).find(|f| f.range.has(minor)).or(Some(found))
    }
    /// Every minor in which the field is there, whatever its type.
    pub fn presence(&self, name: &str) -> Range {
        let ranges = || self.fields.iter().filter(|f| f.name == name).map(|f| f.range);
        Range { since: ranges().map(|r| r.since).min().unwrap_or(0), until: ranges().map(|r| r.until).max().unwrap_or(u16::MAX) }
    }
}

pub struct Pattern<'s> {
    pub text: Cow<'s, str>,
    compiled: OnceLock<Option<Regex>>,
}

impl<'s> Pattern<'s> {
    pub fn new(text: Cow<'s, str>) -> Pattern<'s> {
        Pattern { text, compiled: OnceLock::new() }
    }
    /// Whether `value` is fine; a pattern that this engine can't read accepts everything.
    pub fn accepts(&self, value: &str) -> bool {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref().is_none_or(|r| r.is_match(value))
    }
}

/// One served version of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Version<'s> {
    pub kind: &'s str,
    pub version: &'s str,
    pub ty: TypeId,
    pub range: Range,
}

/// The schemas of an API group.
#[derive(Default)]
pub struct Group<'s> {
    /// First and last minor version that the table knows.
    pub minors: (u16, u16),
    pub versions: Vec<Version<'s>>,
    types: Vec<Type<'s>>,
    patterns: Vec<Pattern<'s>>,
}

const MAX_PATTERNS: usize = 1000;

static ANYTHING: Type<'static> = Type { shape: Shape::Any, open: true, nullable: true, fields: Vec::new(), enums: Vec::new(), items: Vec::new() };

impl<'s> Group<'s> {
    pub fn ty(&self, id: TypeId) -> &Type<'s> {
        // A table that refers to a type it lacks judges nothing there.
        self.types.get(id as usize).unwrap_or(&ANYTHING)
    }
    pub fn pattern(&self, id: u16) -> Option<&Pattern<'s>> {
        self.patterns.get(id as usize)
    }
    pub fn add_type(&mut self, ty: Type<'s>) -> TypeId {
        self.types.push(ty);
        self.types.len() as TypeId - 1
    }
    /// Index of a pattern; `None` beyond what any schema has.
    pub fn add_pattern(&mut self, text: Cow<'s, str>) -> Option<u16> {
        let at = self.patterns.iter().position(|p| p.text == text).unwrap_or(self.patterns.len());
        if at == self.patterns.len() {
            if at == MAX_PATTERNS {
                return None;
            }
            self.patterns.push(Pattern::new(text));
        }
        u16::try_from(at).ok()
    }
    pub fn version(&self, kind: &str, version: &str) -> Option<&Version<'s>> {
        self.versions.iter().find(|v| v.kind == kind && v.version == version)
    }
}

const TABLES: [(&str, &str); 6] = [
    ("networking.istio.io", include_str!("tables/networking.istio.io.txt")),
    ("security.istio.io", include_str!("tables/security.istio.io.txt")),
    ("telemetry.istio.io", include_str!("tables/telemetry.istio.io.txt")),
    ("extensions.istio.io", include_str!("tables/extensions.istio.io.txt")),
    ("gateway.networking.k8s.io", include_str!("tables/gateway.networking.k8s.io.txt")),
    ("gateway.networking.x-k8s.io", include_str!("tables/gateway.networking.x-k8s.io.txt")),
];

/// The API groups that have tables.
pub fn groups() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(name, _)| *name)
}

/// The table of an API group, read when it is first asked for.
pub fn group(name: &str) -> Option<&'static Group<'static>> {
    static READ: [OnceLock<Group<'static>>; TABLES.len()] = [const { OnceLock::new() }; TABLES.len()];
    let at = TABLES.iter().position(|(n, _)| *n == name)?;
    Some(READ.get(at)?.get_or_init(|| parse(TABLES.get(at).map_or("", |t| t.1))))
}

fn parse<'s>(text: &'s str) -> Group<'s> {
    let mut reader = Reader::default();
    let mut kinds = Vec::new();
    let mut open: Option<(&str, Type<'s>)> = None;
    for line in text.lines() {
        if let Some(body) = line.strip_prefix(' ') {
            let Some((_, ty)) = &mut open else { continue };
            if let Some(items) = body.strip_prefix('(').and_then(|b| b.strip_suffix(')')) {
                reader.items(items, ty);
            } else if let Some((name, expr)) = body.split_once(' ') {
                let mut rest = expr;
                let id = reader.expr(&mut rest);
                ty.fields.push(Field { name, ty: id, range: range(rest) });
            }
            continue;
        }
        if let Some((name, ty)) = open.take() {
            reader.define(name, ty);
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["minors", first, last] => reader.group.minors = (first.parse().unwrap_or(0), last.parse().unwrap_or(0)),
            ["kind", kind, version, _, ty] => kinds.push((kind, version, ty)),
            ["type", name] => open = Some((name, Type::new(Shape::Object))),
            _ => {}
        }
    }
    if let Some((name, ty)) = open.take() {
        reader.define(name, ty);
    }
    for (kind, version, ty) in kinds {
        let (name, there) = ty.split_at(ty.find('@').unwrap_or(ty.len()));
        if let Some(&ty) = reader.by_name.get(name) {
            reader.group.versions.push(Version { kind, version, ty, range: range(there) });
        }
    }
    reader.group
}

/// `@since-until`.
fn range(text: &str) -> Range {
    let Some((since, until)) = text.strip_prefix('@').and_then(|t| t.split_once('-')) else { return Range::ALL };
    Range { since: since.parse().unwrap_or(0), until: until.parse().unwrap_or(u16::MAX) }
}

#[derive(Default)]
struct Reader<'s> {
    group: Group<'s>,
    by_name: FxHashMap<&'s str, TypeId>,
    /// Plain types without bounds, by their word.
    plain: FxHashMap<&'s str, TypeId>,
}

impl<'s> Reader<'s> {
    fn define(&mut self, name: &'s str, mut ty: Type<'s>) {
        ty.sort_fields();
        let id = self.group.add_type(ty);
        self.by_name.insert(name, id);
    }

    /// Reads an expression off the front of `rest`.
    fn expr(&mut self, rest: &mut &'s str) -> TypeId {
        let (head, shape) = match rest.as_bytes().first() {
            Some(b'[') => (None, self.nested(rest, Shape::List)),
            Some(b'{') => (None, self.nested(rest, Shape::Map)),
            Some(b'#') => {
                let name = take_word(&mut &rest[1..]);
                *rest = &rest[1 + name.len()..];
                return self.by_name.get(name).copied().unwrap_or(TypeId::MAX);
            }
            _ => {
                let word = take_word(rest);
                let shape = match word {
                    "str" => Shape::Str,
                    "int" => Shape::Int,
                    "num" => Shape::Num,
                    "bool" => Shape::Bool,
                    "intstr" => Shape::IntOrStr,
                    _ => Shape::Any,
                };
                (Some(word), shape)
            }
        };
        let mut ty = Type::new(shape);
        if let Some(inside) = rest.strip_prefix('(') {
            let (items, after) = inside.split_once(')').unwrap_or((inside, ""));
            self.items(items, &mut ty);
            *rest = after;
        } else if let Some(word) = head {
            if let Some(&id) = self.plain.get(word) {
                return id;
            }
            let id = self.group.add_type(ty);
            self.plain.insert(word, id);
            return id;
        }
        self.group.add_type(ty)
    }

    fn nested(&mut self, rest: &mut &'s str, shape: fn(TypeId) -> Shape) -> Shape {
        *rest = rest.get(1..).unwrap_or("");
        let inner = self.expr(rest);
        *rest = rest.get(1..).unwrap_or("");
        shape(inner)
    }

    fn items(&mut self, text: &'s str, ty: &mut Type<'s>) {
        for item in text.split(' ') {
            let (item, there) = item.split_at(item.find('@').unwrap_or(item.len()));
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            let range = range(there);
            let count = || value.parse().unwrap_or(0);
            let number = || value.parse().unwrap_or(0.0);
            let check = match key {
                "open" => {
                    ty.open = true;
                    continue;
                }
                "enum" => {
                    ty.enums.push((value, range));
                    continue;
                }
                "required" => Check::Required(value),
                "atmostone" => Check::AtMostOne(value.split(',').collect()),
                "exactlyone" => Check::ExactlyOne(value.split(',').collect()),
                "min" => Check::Min(number()),
                "max" => Check::Max(number()),
                "minlen" => Check::MinLength(count()),
                "maxlen" => Check::MaxLength(count()),
                "minitems" | "minkeys" => Check::MinItems(count()),
                "maxitems" | "maxkeys" => Check::MaxItems(count()),
                "pattern" => match self.group.add_pattern(unquote(value)) {
                    Some(id) => Check::Pattern(id),
                    None => continue,
                },
                "format" => Check::Format(value),
                "set" => Check::Set,
                "unique" => Check::Unique(value.split(',').map(|k| k.split_once(':').unwrap_or((k, ""))).collect()),
                "address" => Check::Address,
                "cel" => match u32::from_str_radix(value, 16).ok().and_then(cel::find) {
                    Some(rule) => Check::Cel(rule),
                    None => continue,
                },
                _ => continue,
            };
            ty.items.push(Item { check, range });
        }
    }
}

fn take_word<'s>(rest: &mut &'s str) -> &'s str {
    let end = rest.find(['(', ')', '[', ']', '{', '}', '@', ' ']).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    word
}

/// Undoes the generator's `%xx`.
fn unquote(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        match after.get(..2).and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(b) => {
                out.push(char::from(b));
                rest = &after[2..];
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_reads_whole() {
        for (name, text) in TABLES {
            let group = group(name).expect("table");
            assert_eq!(group.versions.len(), text.lines().filter(|l| l.starts_with("kind ")).count(), "{name}");
            for ty in &group.types {
                for id in ty.fields.iter().map(|f| f.ty).chain(match ty.shape {
                    Shape::List(i) | Shape::Map(i) => Some(i),
                    _ => None,
                }) {
                    assert!((id as usize) < group.types.len(), "{name}: a field of an unknown type");
                }
            }
            for rule in text.split(['(', ' ']).filter_map(|w| w.strip_prefix("cel=")) {
                let hash = rule.get(..8).and_then(|h| u32::from_str_radix(h, 16).ok()).expect("a hash");
                assert!(cel::find(hash).is_some(), "{name}: no check for the rule {hash:08x}");
            }
            for p in &group.patterns {
                assert!(Regex::new(&p.text).is_ok(), "{name}: {}", p.text);
            }
        }
    }

    #[test]
    fn the_ranges_of_fields_and_values_are_kept() {
        let group = parse("minors 27 31\nkind A v1 namespaced A@28-\ntype A\n (required=x)\n x [str(enum=a enum=b@30-)](maxitems=2)@29-\n y {int}@-28\n");
        let a = group.version("A", "v1").expect("kind");
        assert_eq!(a.range, Range { since: 28, until: u16::MAX });
        let ty = group.ty(a.ty);
        assert_eq!(ty.field("x", 31).map(|f| f.range.since), Some(29));
        assert_eq!(ty.field("y", 31).map(|f| f.range.until), Some(28));
        let Shape::List(inner) = group.ty(ty.field("x", 31).expect("x").ty).shape else { panic!("a list") };
        assert_eq!(group.ty(inner).enums, [("a", Range::ALL), ("b", Range { since: 30, until: u16::MAX })]);
    }
}
