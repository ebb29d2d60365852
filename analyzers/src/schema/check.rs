//! The walk over one object.

use super::fault::{Belongs, Bound, Expected, Fault, What};
use super::table::{Check, Field, Group, Shape, Type, TypeId};
use super::{group_of, is_istio, metadata, table};
use crate::rule::Options;
use crate::spelling;
use crate::validation::base64;
use mesh_model::{Kind, Node, Object, Scalar};
use std::cell::OnceCell;

/// Adds the faults of an object.
pub fn object<'a>(object: &'a Object, options: &Options, out: &mut Vec<Fault<'a>>) {
    let root = object.root();
    // Most objects are of Kubernetes' own kinds, which come after the custom ones.
    let table = if object.kind <= Kind::InferencePool || object.kind == Kind::Other { group_of(object, options) } else { None };
    let Some((group, minor)) = table else {
        if object.kind != Kind::Other {
            metadata::check(object, out);
        } else {
            foreign(object, out);
        }
        return;
    };
    let (kind, version) = (object.kind_name(), object.version());
    let api = root.get("apiVersion").unwrap_or(root);
    let served = group.versions.iter().filter(|v| v.kind == kind);
    if served.clone().next().is_none() {
        return foreign(object, out);
    }
    metadata::check(object, out);
    metadata::name(object, out);
    let family = if is_istio(object) { "Istio" } else { "Gateway API" };
    let Some(found) = group.version(kind, version) else {
        out.push(Fault { object, at: api, what: What::Version { served: served.map(|v| v.version).collect() } });
        return;
    };
    if !found.range.has(minor) {
        // Another version of the kind may be served in this minor.
        let others: Vec<&str> = served.filter(|v| v.range.has(minor)).map(|v| v.version).collect();
        let (at, what) = match others[..] {
            [] => (root.get("kind").unwrap_or(api), What::OtherVersion { range: found.range, family, minor }),
            _ => (api, What::Version { served: others }),
        };
        out.push(Fault { object, at, what });
        return;
    }
    walk(object, group, minor, family, found.ty, out);
}

/// Walks an object by a type; whether its form is right.
pub(super) fn walk<'a>(object: &'a Object, group: &Group<'a>, minor: u16, family: &'static str, ty: TypeId, out: &mut Vec<Fault<'a>>) -> bool {
    let from = out.len();
    let mut walk = Walk { object, group, minor, family, out, blocked: false, rules: Vec::new() };
    walk.root(object.root(), group.ty(ty));
    let (blocked, rules) = (walk.blocked, std::mem::take(&mut walk.rules));
    // As an API server does: rules are for objects whose form is right.
    if !blocked {
        out.extend(rules);
    }
    if let Some(new) = out.get_mut(from..) {
        new.sort_by_key(|f| f.at.id());
    }
    !blocked
}

/// An object of a kind that its group does not have: perhaps a known one in the wrong group, or misspelt.
fn foreign<'a>(object: &'a Object, out: &mut Vec<Fault<'a>>) {
    let root = object.root();
    let (group, kind) = (object.group(), object.kind_name());
    let has = |g: &str| table::group(g).is_some_and(|t| t.versions.iter().any(|v| v.kind == kind));
    let Some(own) = table::group(group) else {
        // Others have kinds of these names too; only a misspelt group is a fault.
        if let Some(meant) = spelling::nearest(group, table::groups()).filter(|g| has(g)) {
            out.push(Fault { object, at: root.get("apiVersion").unwrap_or(root), what: What::Kind { group: Some(meant), near: None } });
        }
        return;
    };
    if let Some(right) = table::groups().find(|g| has(g)) {
        out.push(Fault { object, at: root.get("apiVersion").unwrap_or(root), what: What::Kind { group: Some(right), near: None } });
    } else if let Some(near) = spelling::nearest(kind, own.versions.iter().map(|v| v.kind)) {
        out.push(Fault { object, at: root.get("kind").unwrap_or(root), what: What::Kind { group: None, near: Some(near) } });
    }
}

struct Walk<'a, 'g, 'o> {
    object: &'a Object,
    group: &'g Group<'a>,
    minor: u16,
    family: &'static str,
    out: &'o mut Vec<Fault<'a>>,
    /// A fault after which an API server evaluates no rules.
    blocked: bool,
    rules: Vec<Fault<'a>>,
}

/// The mappings around the one that is walked.
struct Frame<'f, 'a> {
    ty: &'f Type<'a>,
    node: Node<'a>,
    up: Option<&'f Frame<'f, 'a>>,
    /// Fields that are not there, found out when a wrong one needs them: once, however many are wrong.
    absent: OnceCell<Vec<&'a str>>,
}

impl<'f, 'a> Frame<'f, 'a> {
    fn new(ty: &'f Type<'a>, node: Node<'a>, up: Option<&'f Frame<'f, 'a>>) -> Frame<'f, 'a> {
        Frame { ty, node, up, absent: OnceCell::new() }
    }
}

impl<'a, 'g> Walk<'a, 'g, '_> {
    fn fault(&mut self, at: Node<'a>, what: What<'a>) {
        self.blocked |= !matches!(what, What::UnknownField { .. } | What::Rule { .. });
        self.out.push(Fault { object: self.object, at, what });
    }

    fn root(&mut self, root: Node<'a>, ty: &'g Type<'a>) {
        let frame = Frame::new(ty, root, None);
        for (key, value) in root.entries() {
            match key.text() {
                "apiVersion" | "kind" | "metadata" | "status" => {}
                name => match ty.field(name, self.minor) {
                    Some(field) => self.field(key, value, field, ty, &frame),
                    None => self.unknown(key, &frame, &["apiVersion", "kind", "metadata", "spec", "status"]),
                },
            }
        }
        self.items(root, ty);
    }

    fn field(&mut self, key: Node<'a>, value: Node<'a>, field: &'g Field<'a>, ty: &'g Type<'a>, frame: &Frame<'_, 'a>) {
        if !field.range.has(self.minor) {
            let range = ty.presence(field.name);
            if !range.has(self.minor) {
                self.fault(key, What::OtherVersion { range, family: self.family, minor: self.minor });
                return;
            }
        }
        let mismatch = self.value(value, field.ty, Some(frame));
        // A null field is as good as absent.
        if let Some(expected) = mismatch.filter(|_| !value.is_null()) {
            self.wrong_type(value, field.ty, expected);
        }
    }

    /// Judges a value by its type; the type that it should have, where it has another.
    fn value(&mut self, node: Node<'a>, id: TypeId, up: Option<&Frame<'_, 'a>>) -> Option<Expected> {
        let ty = self.group.ty(id);
        match ty.shape {
            Shape::Any => {}
            Shape::Object => {
                if !node.is_mapping() {
                    return Some(Expected::Object);
                }
                let frame = Frame::new(ty, node, up);
                for (key, value) in node.entries() {
                    match ty.field(key.text(), self.minor) {
                        Some(field) => self.field(key, value, field, ty, &frame),
                        None if ty.open => {}
                        None => self.unknown(key, &frame, &[]),
                    }
                }
            }
            Shape::Map(inner) => {
                if !node.is_mapping() {
                    return Some(Expected::Object);
                }
                for (_, value) in node.entries() {
                    if let Some(expected) = self.value(value, inner, up).filter(|_| !value.is_null()) {
                        self.wrong_type(value, inner, expected);
                    }
                }
            }
            Shape::List(inner) => {
                if !node.is_sequence() {
                    return Some(Expected::List);
                }
                for item in node.items() {
                    if let Some(expected) = self.value(item, inner, up).filter(|_| !(self.group.ty(inner).nullable && item.is_null())) {
                        self.wrong_type(item, inner, expected);
                    }
                }
            }
            Shape::Str => {
                if !node.is_scalar() || !matches!(node.value(), Scalar::Str(_)) {
                    return Some(Expected::String);
                }
            }
            Shape::Bool => {
                if node.bool().is_none() {
                    return Some(Expected::Boolean);
                }
            }
            Shape::Int => {
                if node.int().is_none() {
                    return Some(Expected::Integer);
                }
            }
            Shape::Num => {
                if node.float().is_none() {
                    return Some(Expected::Number);
                }
            }
            Shape::IntOrStr => {
                if !node.is_scalar() || node.int().is_none() && node.str().is_none() {
                    return Some(Expected::IntegerOrString);
                }
            }
        }
        self.items(node, ty);
        None
    }

    fn wrong_type(&mut self, node: Node<'a>, id: TypeId, expected: Expected) {
        let duration = self.group.ty(id).items.iter().any(|i| matches!(i.check, Check::Cel(rule) if rule.hash == super::cel::DURATION));
        self.fault(node, What::WrongType { expected, duration });
    }

    fn unknown(&mut self, key: Node<'a>, frame: &Frame<'_, 'a>, more: &[&'static str]) {
        let name = key.text();
        let fields = || frame.ty.fields.iter().filter(|f| f.range.has(self.minor)).map(|f| f.name).chain(more.iter().copied());
        let near = fields().find(|f| same_letters(f, name)).or_else(|| {
            // A field that is there already is hardly what was meant.
            let absent = frame.absent.get_or_init(|| fields().filter(|f| frame.node.get_entry(f).is_none()).collect());
            spelling::nearest(name, absent.iter().copied())
        });
        let belongs = if near.is_some() { None } else { self.belongs(name, frame) };
        self.fault(key, What::UnknownField { near, belongs });
    }

    /// The place of a field that stands one or more levels too deep, or one too high.
    fn belongs(&self, name: &str, frame: &Frame<'_, 'a>) -> Option<Belongs<'a>> {
        let below = frame.ty.fields.iter().filter(|f| f.range.has(self.minor)).find(|f| {
            let mut ty = self.group.ty(f.ty);
            if let Shape::List(inner) = ty.shape {
                ty = self.group.ty(inner);
            }
            ty.field(name, self.minor).is_some_and(|f| f.range.has(self.minor))
        });
        let mut up = frame.up;
        while let Some(f) = up {
            if f.ty.field(name, self.minor).is_some_and(|f| f.range.has(self.minor)) {
                return Some(Belongs::Above(f.node.path_from(self.object.root())));
            }
            up = f.up;
        }
        below.map(|f| Belongs::Below(f.name))
    }

    /// The bounds of a value whose type is right.
    fn items(&mut self, node: Node<'a>, ty: &'g Type<'a>) {
        // Most values have no bounds.
        if ty.items.is_empty() && ty.enums.is_empty() {
            return;
        }
        if !ty.enums.is_empty() {
            self.enumeration(node, ty);
        }
        let (minor, group) = (self.minor, self.group);
        for item in ty.items.iter().filter(|i| i.range.has(minor)) {
            match &item.check {
                Check::Cel(rule) => {
                    if let Some((at, message)) = (rule.check)(node) {
                        self.rules.push(Fault { object: self.object, at, what: What::Rule { message } });
                    }
                }
                // Of a list it says nothing, though some definitions have it there.
                Check::Required(name) => {
                    if node.is_mapping() && node.get(name).is_none() {
                        self.fault(node, What::Missing { field: name });
                    }
                }
                Check::AtMostOne(names) => self.exclusive(node, names, 0),
                Check::ExactlyOne(names) => self.exclusive(node, names, 1),
                Check::Min(min) => {
                    if node.float().is_some_and(|v| v < *min) {
                        self.fault(node, What::OutOfBounds(Bound::Min(*min)));
                    }
                }
                Check::Max(max) => {
                    if node.float().is_some_and(|v| v > *max) {
                        self.fault(node, What::OutOfBounds(Bound::Max(*max)));
                    }
                }
                Check::MinLength(min) => {
                    if node.text().chars().take(*min).count() < *min {
                        self.fault(node, What::OutOfBounds(Bound::MinLength(*min)));
                    }
                }
                Check::MaxLength(max) => {
                    if node.text().len() > *max && node.text().chars().count() > *max {
                        self.fault(node, What::OutOfBounds(Bound::MaxLength(*max)));
                    }
                }
                Check::MinItems(min) => {
                    if node.len() < *min {
                        self.fault(node, What::OutOfBounds(Bound::MinItems(*min)));
                    }
                }
                Check::MaxItems(max) => {
                    if node.len() > *max {
                        self.fault(node, What::OutOfBounds(Bound::MaxItems(*max)));
                    }
                }
                Check::Pattern(id) => {
                    if let Some(p) = group.pattern(*id).filter(|p| !p.accepts(node.text())) {
                        self.fault(node, What::OutOfBounds(Bound::Pattern(p.text.clone())));
                    }
                }
                Check::Format(format) => {
                    if !format_accepts(format, node) {
                        self.fault(node, What::OutOfBounds(Bound::Format(format)));
                    }
                }
                Check::Set => self.repeated(node, &[]),
                Check::Unique(keys) => self.repeated(node, keys),
                Check::Address => {
                    let ip = node.get("type").is_none_or(|t| t.text() == "IPAddress");
                    if let Some(value) = node.get("value").filter(|v| ip && v.text().parse::<std::net::IpAddr>().is_err()) {
                        self.fault(value, What::OutOfBounds(Bound::Format("ip")));
                    }
                }
            }
        }
    }

    fn enumeration(&mut self, node: Node<'a>, ty: &'g Type<'a>) {
        let (text, minor) = (node.text(), self.minor);
        let known = || ty.enums.iter().filter(|(_, r)| r.has(minor)).map(|(v, _)| *v);
        if known().next().is_none() || known().any(|v| v == text) {
            return;
        }
        if let Some((_, range)) = ty.enums.iter().find(|(v, _)| *v == text) {
            self.fault(node, What::OtherVersion { range: *range, family: self.family, minor });
            return;
        }
        let near = known().find(|v| same_letters(v, text)).or_else(|| spelling::nearest(text, known()));
        self.fault(node, What::UnknownValue { near, known: known().filter(|v| !v.is_empty()).collect() });
    }

    fn exclusive(&mut self, node: Node<'a>, names: &'g [&'a str], least: usize) {
        let there = || names.iter().filter_map(|n| node.get(n).and_then(|_| node.get_entry(n)).map(|(k, _)| (*n, k)));
        let count = there().count();
        if count > 1 || count < least {
            let at = there().map(|(_, k)| k).max_by_key(|k| k.id()).unwrap_or(node);
            self.fault(at, What::Exclusive { present: there().map(|(n, _)| n).collect(), among: names.to_vec() });
        }
    }

    fn repeated(&mut self, list: Node<'a>, keys: &'g [(&'a str, &'a str)]) {
        let same = |a: Node<'_>, b: Node<'_>| {
            if keys.is_empty() {
                return a.same_value(b);
            }
            keys.iter().all(|(key, default)| a.get(key).map_or(*default, |v| v.text()) == b.get(key).map_or(*default, |v| v.text()))
        };
        // Lists of this kind are bounded; longer ones are a fault of their own.
        for (i, item) in list.items().enumerate().skip(1).take(256) {
            if let Some(first) = list.items().take(i).find(|f| same(*f, item)) {
                let at = keys.first().and_then(|(k, _)| item.get(k)).unwrap_or(item);
                self.fault(at, What::Repeated { first, keys: keys.iter().map(|(k, _)| *k).collect() });
            }
        }
    }
}

/// Whether two names differ in case, `_` and `-` only.
fn same_letters(a: &str, b: &str) -> bool {
    let letters = |s: &'_ str| s.bytes().filter(|b| !matches!(b, b'_' | b'-' | b' ')).map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    a.len().abs_diff(b.len()) < 8 && letters(a) == letters(b)
}

fn format_accepts(format: &str, node: Node<'_>) -> bool {
    match format {
        "int32" => node.int().is_none_or(|v| i32::try_from(v).is_ok()),
        "byte" => !node.text().contains(['\r', '\n']) && base64::decode(node.text()).is_some(),
        "ipv4" => node.text().parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => node.text().parse::<std::net::Ipv6Addr>().is_ok(),
        _ => true,
    }
}
