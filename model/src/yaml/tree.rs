//! The tree of one document: a flat arena in document order, 16 bytes a node.

mod builder;

pub use builder::Builder;

use super::names::{self, tag};
use super::scalar::{Scalar, resolve_plain};
use crate::source::{Position, Source, Span};
use std::sync::{Arc, OnceLock};

/// Index of a node in its [`Tree`]; a parent comes before its children.
pub type NodeId = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    Mapping,
    Sequence,
    Scalar,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

const KIND_MAPPING: u8 = 0;
const KIND_SEQUENCE: u8 = 1;
const KIND_SCALAR: u8 = 2; // + style

/// 16 bytes a node.
#[derive(Clone, Copy, Debug)]
struct Data {
    span: Span,
    /// The node after this one's subtree.
    next: NodeId,
    /// The kind in the lowest bits, then flags; of a key its tag in the upper three bytes.
    meta: u32,
}

/// The key is the common name of its tag.
const COMMON: u32 = 1 << 5;
/// The scalar's text differs from the source's and stands in `owned`.
const OWNED: u32 = 1 << 6;
/// The mapping holds a key twice; the last one counts.
const DUPLICATES: u32 = 1 << 7;

impl Data {
    fn kind(self) -> u8 {
        (self.meta & 7) as u8
    }
    fn owned(self) -> bool {
        self.meta & OWNED != 0
    }
    fn duplicates(self) -> bool {
        self.meta & DUPLICATES != 0
    }
    fn tag(self) -> u32 {
        self.meta >> 8
    }
    /// Whether the node is a key whose text is the common name of its tag.
    fn is_common(self) -> bool {
        self.meta & COMMON != 0
    }
    fn mark_key(&mut self, tag: u32, text: &[u8]) {
        let common = names::common(tag).is_some_and(|name| name.as_bytes() == text);
        self.meta = self.meta & 0xff | tag << 8 | if common { COMMON } else { 0 };
    }
}

/// One parsed document. Node 0 is its root.
#[derive(Debug)]
pub struct Tree {
    source: Arc<Source>,
    span: Span,
    nodes: Box<[Data]>,
    owned: Box<[(NodeId, Box<str>)]>,
    duplicate_keys: Box<[(NodeId, NodeId)]>,
    /// Made when the first path is asked for: a path then costs its depth, however much stands beside it.
    places: OnceLock<Box<[Place]>>,
}

/// Where a node stands in its parent.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    parent: NodeId,
    /// The index of a list's item; the key of a mapping's value or key.
    at: u32,
}

impl Tree {
    pub fn root(&self) -> Node<'_> {
        self.node(0)
    }
    pub fn node(&self, id: NodeId) -> Node<'_> {
        debug_assert!((id as usize) < self.nodes.len());
        Node { tree: self, id }
    }
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }
    /// The document's bytes in its source.
    pub fn span(&self) -> Span {
        self.span
    }
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
    /// Every node on a line of its own, for comparing trees.
    pub(super) fn dump(&self) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        for id in 0..self.nodes.len() as NodeId {
            let n = self.node(id);
            let d = n.data();
            let _ = writeln!(out, "{id} {:?} {:?} {}..{} next {} {:?} {:x}", n.kind(), n.style(), d.span.start, d.span.end, d.next, n.text(), d.meta & !OWNED);
        }
        let _ = writeln!(out, "{:?}", self.duplicate_keys);
        out
    }
    /// Whether the text of a key with this tag is `key`.
    fn key_is(&self, id: NodeId, tag: u32, key: &str) -> bool {
        let d = self.nodes[id as usize];
        if d.is_common() {
            return names::common(tag) == Some(key);
        }
        if d.owned() {
            return self.node(id).text() == key;
        }
        let quotes = 2 * usize::from(matches!(d.kind(), 3 | 4));
        let start = d.span.start as usize + quotes / 2;
        d.span.len() == key.len() + quotes && self.source.text().as_bytes().get(start..start + key.len()) == Some(key.as_bytes())
    }
    fn places(&self) -> &[Place] {
        self.places.get_or_init(|| {
            let mut places = vec![Place::default(); self.nodes.len()];
            for parent in 0..self.nodes.len() as NodeId {
                let node = self.node(parent);
                for (key, value) in node.entries() {
                    places[key.id as usize] = Place { parent, at: key.id };
                    places[value.id as usize] = Place { parent, at: key.id };
                }
                for (i, item) in node.items().enumerate() {
                    places[item.id as usize] = Place { parent, at: i as u32 };
                }
            }
            places.into_boxed_slice()
        })
    }
    /// Keys that stand twice in one mapping: (the one that counts, the one it overrides).
    pub fn duplicate_keys(&self) -> impl Iterator<Item = (Node<'_>, Node<'_>)> {
        self.duplicate_keys.iter().map(|(last, first)| (self.node(*last), self.node(*first)))
    }
}

/// A value in a tree. Cheap to copy; every accessor is total.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    tree: &'a Tree,
    id: NodeId,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind() {
            NodeKind::Mapping => f.debug_map().entries(self.entries()).finish(),
            NodeKind::Sequence => f.debug_list().entries(self.items()).finish(),
            NodeKind::Scalar => write!(f, "{:?}", self.value()),
        }
    }
}

impl PartialEq for Node<'_> {
    /// The same node of the same tree, not an equal value.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && std::ptr::eq(self.tree, other.tree)
    }
}
impl Eq for Node<'_> {}

impl<'a> Node<'a> {
    fn data(self) -> &'a Data {
        &self.tree.nodes[self.id as usize]
    }
    pub fn id(self) -> NodeId {
        self.id
    }
    pub fn tree(self) -> &'a Tree {
        self.tree
    }
    pub fn kind(self) -> NodeKind {
        match self.data().kind() {
            KIND_MAPPING => NodeKind::Mapping,
            KIND_SEQUENCE => NodeKind::Sequence,
            _ => NodeKind::Scalar,
        }
    }
    pub fn is_mapping(self) -> bool {
        self.data().kind() == KIND_MAPPING
    }
    pub fn is_sequence(self) -> bool {
        self.data().kind() == KIND_SEQUENCE
    }
    pub fn is_scalar(self) -> bool {
        self.data().kind() >= KIND_SCALAR
    }
    /// How a scalar was written; `Plain` for anything else.
    pub fn style(self) -> Style {
        match self.data().kind() {
            3 => Style::SingleQuoted,
            4 => Style::DoubleQuoted,
            5 => Style::Literal,
            6 => Style::Folded,
            _ => Style::Plain,
        }
    }
    pub fn span(self) -> Span {
        self.data().span
    }
    pub fn source(self) -> &'a Arc<Source> {
        &self.tree.source
    }
    pub fn position(self) -> Position {
        self.tree.source.position(self.span().start)
    }

    /// The content of a scalar after unescaping, whatever its type; "" for mappings and sequences.
    pub fn text(self) -> &'a str {
        let d = self.data();
        if d.owned() {
            match self.tree.owned.binary_search_by_key(&self.id, |(id, _)| *id) {
                Ok(i) => &self.tree.owned[i].1,
                Err(_) => "",
            }
        } else if d.kind() >= KIND_SCALAR {
            let s = d.span;
            let quote = u32::from(matches!(d.kind(), 3 | 4));
            self.tree.source.slice(Span { start: s.start + quote, end: s.end.saturating_sub(quote).max(s.start + quote) })
        } else {
            ""
        }
    }

    /// The scalar's value as Kubernetes reads it; `Null` for mappings and sequences.
    pub fn value(self) -> Scalar<'a> {
        match self.data().kind() {
            KIND_SCALAR => resolve_plain(self.text()),
            k if k > KIND_SCALAR => Scalar::Str(self.text()),
            _ => Scalar::Null,
        }
    }
    pub fn is_null(self) -> bool {
        let d = self.data();
        // `null` and `~` are short; no need to look at longer text.
        d.kind() == KIND_SCALAR && (d.owned() || d.span.len() <= 4) && self.value() == Scalar::Null
    }
    /// The text of a string; `None` for other types.
    pub fn str(self) -> Option<&'a str> {
        match self.value() {
            Scalar::Str(s) => Some(s),
            _ => None,
        }
    }
    pub fn bool(self) -> Option<bool> {
        match self.value() {
            Scalar::Bool(b) => Some(b),
            _ => None,
        }
    }
    /// An integer; whole floats count, as they do in JSON.
    pub fn int(self) -> Option<i64> {
        match self.value() {
            Scalar::Int(i) => Some(i),
            Scalar::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 => Some(f as i64),
            _ => None,
        }
    }
    pub fn float(self) -> Option<f64> {
        match self.value() {
            Scalar::Int(i) => Some(i as f64),
            Scalar::Float(f) => Some(f),
            _ => None,
        }
    }

    /// The value under `key`, nulls counting as absent (as they do in Kubernetes).
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        self.get_entry(key).map(|(_, v)| v).filter(|v| !v.is_null())
    }
    /// Key and value under `key`, null values included.
    pub fn get_entry(self, key: &str) -> Option<(Node<'a>, Node<'a>)> {
        let mapping = self.data();
        if mapping.kind() != KIND_MAPPING {
            return None;
        }
        let tag = tag(key.as_bytes());
        let (nodes, mut at) = (&self.tree.nodes, self.id + 1);
        let mut found = None;
        while at < mapping.next {
            // A key is one node; its value follows.
            let value = at + 1;
            if nodes[at as usize].tag() == tag && self.tree.key_is(at, tag, key) {
                found = Some((self.tree.node(at), self.tree.node(value)));
                if !mapping.duplicates() {
                    break;
                }
            }
            at = nodes[value as usize].next;
        }
        found
    }
    /// The value at a path of keys.
    pub fn at(self, path: &[&str]) -> Option<Node<'a>> {
        path.iter().try_fold(self, |n, key| n.get(key))
    }
    /// The text of a scalar under `key`, "" when absent. Numbers and booleans give their spelling.
    pub fn text_of(self, key: &str) -> &'a str {
        self.get(key).map_or("", Node::text)
    }
    /// The items of the sequence under `key`; empty when absent.
    pub fn list(self, key: &str) -> Items<'a> {
        self.get(key).map_or_else(|| self.no_children(), Node::items)
    }
    /// The entries of the mapping under `key`; empty when absent.
    pub fn map(self, key: &str) -> Entries<'a> {
        Entries(self.get(key).filter(|n| n.is_mapping()).map_or_else(|| self.no_children(), Node::children))
    }

    /// Keys and values of a mapping in their order; empty for anything else. A key written twice comes twice.
    pub fn entries(self) -> Entries<'a> {
        Entries(if self.is_mapping() { self.children() } else { self.no_children() })
    }
    /// The items of a sequence; empty for anything else.
    pub fn items(self) -> Items<'a> {
        if self.is_sequence() { self.children() } else { self.no_children() }
    }
    fn children(self) -> Items<'a> {
        Items { tree: self.tree, at: self.id + 1, end: self.data().next }
    }
    fn no_children(self) -> Items<'a> {
        Items { tree: self.tree, at: 0, end: 0 }
    }
    /// Items of a sequence or entries of a mapping; 0 for scalars.
    pub fn len(self) -> usize {
        match self.kind() {
            NodeKind::Mapping => self.entries().count(),
            NodeKind::Sequence => self.items().count(),
            NodeKind::Scalar => 0,
        }
    }
    pub fn is_empty(self) -> bool {
        self.is_scalar() || self.data().next == self.id + 1
    }

    /// The node after this one's subtree: `id..end` are this node and all below it.
    pub fn end_id(self) -> NodeId {
        self.data().next
    }

    /// The mapping or list around a value (and around a key); `None` for the root.
    pub fn parent(self) -> Option<Node<'a>> {
        (self.id > 0).then(|| self.tree.node(self.tree.places()[self.id as usize].parent))
    }
    /// The key that a value of a mapping stands under (and a key itself); `None` for items and the root.
    pub fn key(self) -> Option<&'a str> {
        self.parent().filter(|parent| parent.is_mapping())?;
        Some(self.tree.node(self.tree.places()[self.id as usize].at).text())
    }

    /// The path from `from` (an ancestor) down to this node, as `spec.http[0].route[1].destination.host`.
    /// Keys that are no plain words are quoted: `metadata.annotations["a.b/c"]`.
    pub fn path_from(self, from: Node<'a>) -> String {
        let mut out = String::new();
        if self.id <= from.id || self.id >= from.end_id() {
            return out;
        }
        let places = self.tree.places();
        let mut steps = Vec::new();
        let mut at = self.id;
        while at != from.id {
            let place = places[at as usize];
            steps.push(place);
            at = place.parent;
        }
        for step in steps.into_iter().rev() {
            if self.tree.node(step.parent).is_mapping() {
                push_key(&mut out, self.tree.node(step.at).text());
            } else {
                out.push_str(&format!("[{}]", step.at));
            }
        }
        out
    }

    /// Whether two values are equal, mappings regardless of order.
    pub fn same_value(self, other: Node<'_>) -> bool {
        match (self.kind(), other.kind()) {
            (NodeKind::Scalar, NodeKind::Scalar) => self.value() == other.value(),
            (NodeKind::Sequence, NodeKind::Sequence) => self.len() == other.len() && self.items().zip(other.items()).all(|(a, b)| a.same_value(b)),
            (NodeKind::Mapping, NodeKind::Mapping) => {
                if self.len() != other.len() {
                    return false;
                }
                // Of large mappings no key may be searched for among all of the other's.
                let known: Option<rustc_hash::FxHashMap<&str, Node<'_>>> = (self.len() > 16).then(|| other.entries().map(|(k, v)| (k.text(), v)).collect());
                let find = |key: &str| known.as_ref().map_or_else(|| other.get_entry(key).map(|(_, v)| v), |k| k.get(key).copied());
                self.entries().all(|(k, v)| find(k.text()).is_some_and(|o| v.same_value(o)))
            }
            _ => false,
        }
    }
}

fn push_key(out: &mut String, key: &str) {
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(key);
    } else {
        out.push_str(&format!("[{key:?}]"));
    }
}

#[derive(Clone, Copy)]
pub struct Items<'a> {
    tree: &'a Tree,
    at: NodeId,
    end: NodeId,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;
    fn next(&mut self) -> Option<Node<'a>> {
        if self.at >= self.end {
            return None;
        }
        let node = Node { tree: self.tree, id: self.at };
        self.at = node.data().next;
        Some(node)
    }
}

#[derive(Clone, Copy)]
pub struct Entries<'a>(Items<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (Node<'a>, Node<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?;
        Some((key, self.0.next()?))
    }
}
