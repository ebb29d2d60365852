//! The tree of one document: a flat arena in document order, 16 bytes a node.

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

/// Builds a [`Tree`] front to back. A parser opens a collection, adds what is inside, and closes it.
#[derive(Default)]
pub struct Builder {
    nodes: Vec<Data>,
    owned: Vec<(NodeId, Box<str>)>,
    duplicate_keys: Vec<(NodeId, NodeId)>,
    /// Nodes that merge keys copied so far.
    merged: usize,
}

impl Builder {
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.owned.clear();
        self.duplicate_keys.clear();
        self.merged = 0;
    }
    /// Forgets the node `id` and all behind it.
    pub(super) fn truncate(&mut self, id: NodeId) {
        self.nodes.truncate(id as usize);
        while self.owned.last().is_some_and(|(i, _)| *i >= id) {
            self.owned.pop();
        }
    }
    fn push(&mut self, kind: u8, span: Span, owned: bool) -> NodeId {
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Data { span, next: id + 1, meta: u32::from(kind) | if owned { OWNED } else { 0 } });
        id
    }
    pub fn open_mapping(&mut self, start: usize) -> NodeId {
        self.push(KIND_MAPPING, Span::new(start, start), false)
    }
    pub fn open_sequence(&mut self, start: usize) -> NodeId {
        self.push(KIND_SEQUENCE, Span::new(start, start), false)
    }
    /// Closes a collection that ends before byte `end`.
    pub fn close(&mut self, id: NodeId, end: usize) {
        let next = self.nodes.len() as NodeId;
        let data = &mut self.nodes[id as usize];
        data.next = next;
        data.span.end = (end as u32).max(data.span.start);
    }
    /// A scalar whose text is the source's at `span` (without the quotes, for quoted styles).
    pub fn scalar(&mut self, style: Style, span: Span) -> NodeId {
        self.push(KIND_SCALAR + style as u8, span, false)
    }
    /// A scalar whose text had to be decoded.
    pub fn scalar_owned(&mut self, style: Style, span: Span, text: &str) -> NodeId {
        let id = self.push(KIND_SCALAR + style as u8, span, true);
        self.owned.push((id, text.into()));
        id
    }
    pub fn text<'b>(&'b self, source: &'b Source, id: NodeId) -> &'b str {
        let d = &self.nodes[id as usize];
        if d.owned() {
            return match self.owned.binary_search_by_key(&id, |(i, _)| *i) {
                Ok(i) => &self.owned[i].1,
                Err(_) => "",
            };
        }
        let quote = u32::from(matches!(d.kind(), 3 | 4));
        source.slice(Span { start: d.span.start + quote, end: d.span.end.saturating_sub(quote).max(d.span.start + quote) })
    }
    /// A plain scalar that is a key and whose text is the source's.
    pub(super) fn key(&mut self, span: Span, tag: u32, text: &[u8]) -> NodeId {
        let id = self.push(KIND_SCALAR, span, false);
        self.nodes[id as usize].mark_key(tag, text);
        id
    }
    /// Marks a scalar as a key. Every key is marked, once its text is what it stays.
    pub(super) fn mark_key(&mut self, id: NodeId, source: &Source) -> u32 {
        let text = self.text(source, id).as_bytes();
        let tag = tag(text);
        let mut data = self.nodes[id as usize];
        data.mark_key(tag, text);
        self.nodes[id as usize] = data;
        tag
    }
    /// Replaces the text of a scalar, keeping its span: keys that YAML resolves to another type.
    pub fn set_text(&mut self, id: NodeId, text: &str) {
        self.nodes[id as usize].meta |= OWNED;
        match self.owned.binary_search_by_key(&id, |(i, _)| *i) {
            Ok(i) => self.owned[i].1 = text.into(),
            Err(i) => self.owned.insert(i, (id, text.into())),
        }
    }
    pub fn is_plain_scalar(&self, id: NodeId) -> bool {
        self.nodes[id as usize].kind() == KIND_SCALAR
    }
    pub fn is_scalar(&self, id: NodeId) -> bool {
        self.nodes[id as usize].kind() >= KIND_SCALAR
    }
    pub fn is_mapping(&self, id: NodeId) -> bool {
        self.nodes[id as usize].kind() == KIND_MAPPING
    }
    pub fn is_sequence(&self, id: NodeId) -> bool {
        self.nodes[id as usize].kind() == KIND_SEQUENCE
    }
    pub fn span(&self, id: NodeId) -> Span {
        self.nodes[id as usize].span
    }
    pub fn next(&self, id: NodeId) -> NodeId {
        self.nodes[id as usize].next
    }
    /// Notes that `last` repeats the key `first` of `mapping`.
    pub fn duplicate_key(&mut self, mapping: NodeId, last: NodeId, first: NodeId) {
        self.nodes[mapping as usize].meta |= DUPLICATES;
        self.duplicate_keys.push((last, first));
    }
    /// Levels of nesting from a node down; 0 for a scalar. A cost of its size.
    pub fn height(&self, id: NodeId) -> usize {
        let (mut open, mut most) = (Vec::new(), 0);
        for at in id..self.next(id) {
            while open.last().is_some_and(|end| *end <= at) {
                open.pop();
            }
            if !self.is_scalar(at) {
                open.push(self.next(at));
                most = most.max(open.len());
            }
        }
        most
    }
    /// Appends a copy of the subtree at `id`, spans kept: an alias.
    pub fn copy(&mut self, id: NodeId) {
        let (from, to) = (id as usize, self.nodes[id as usize].next as usize);
        let shift = self.nodes.len() as NodeId - id;
        for i in from..to {
            let mut d = self.nodes[i];
            d.next += shift;
            if d.owned()
                && let Ok(k) = self.owned.binary_search_by_key(&(i as NodeId), |(n, _)| *n)
            {
                let text = self.owned[k].1.clone();
                self.owned.push((i as NodeId + shift, text));
            }
            self.nodes.push(d);
        }
    }
    /// Notes keys that stand twice in a closed mapping.
    pub fn find_duplicates(&mut self, mapping: NodeId, source: &Source) {
        let mut keys: Vec<NodeId> = Vec::new();
        let (mut at, end) = (mapping + 1, self.next(mapping));
        while at < end {
            keys.push(at);
            at = self.next(self.next(at));
        }
        if keys.len() < 2 {
            return;
        }
        let mut found = Vec::new();
        if keys.len() <= 12 {
            for (i, k) in keys.iter().enumerate().skip(1) {
                let text = self.text(source, *k);
                if let Some(first) = keys[..i].iter().rev().find(|f| self.text(source, **f) == text) {
                    found.push((*k, *first));
                }
            }
        } else {
            let mut seen: rustc_hash::FxHashMap<&str, NodeId> = rustc_hash::FxHashMap::default();
            for k in &keys {
                if let Some(first) = seen.insert(self.text(source, *k), *k) {
                    found.push((*k, first));
                }
            }
        }
        for (last, first) in found {
            self.duplicate_key(mapping, last, first);
        }
    }

    /// Expands the merge keys (`<<`) of a mapping that has just been closed and is the last thing in the arena:
    /// its own keys first, then those of the merged mappings that it lacks. All merges of a document may copy so many
    /// nodes as `limit` says.
    pub fn expand_merges(&mut self, mapping: NodeId, source: &Source, limit: usize) -> Result<(), &'static str> {
        let from = mapping + 1;
        let mut own: Vec<(NodeId, NodeId)> = Vec::new();
        let mut merged: Vec<NodeId> = Vec::new();
        let mut at = from;
        while at < self.next(mapping) {
            let value = self.next(at);
            if self.is_plain_scalar(at) && self.text(source, at) == "<<" {
                if self.is_mapping(value) {
                    merged.push(value);
                } else if self.is_sequence(value) {
                    let mut item = value + 1;
                    while item < self.next(value) {
                        if !self.is_mapping(item) {
                            return Err("a merge key takes a mapping or a list of mappings");
                        }
                        merged.push(item);
                        item = self.next(item);
                    }
                } else {
                    return Err("a merge key takes a mapping or a list of mappings");
                }
            } else {
                own.push((at, value));
            }
            at = self.next(value);
        }
        let mut pairs = own;
        let mut known: rustc_hash::FxHashSet<&str> = pairs.iter().map(|(k, _)| self.text(source, *k)).collect();
        for m in merged {
            let mut at = m + 1;
            while at < self.next(m) {
                let value = self.next(at);
                if known.insert(self.text(source, at)) {
                    pairs.push((at, value));
                }
                at = self.next(value);
            }
        }
        // Each level of nested mappings copies what the levels below it copied before.
        self.merged += pairs.iter().map(|(_, v)| (self.next(*v) - *v) as usize + 1).sum::<usize>();
        if self.merged > limit {
            return Err("merge keys expand to more values than a document may have");
        }
        // Rebuild behind the old children, then move everything down over them.
        let old_end = self.nodes.len() as NodeId;
        for (k, v) in pairs {
            self.copy(k);
            self.copy(v);
        }
        let shift = old_end - from;
        self.nodes.drain(from as usize..old_end as usize);
        for d in &mut self.nodes[from as usize..] {
            d.next -= shift;
        }
        // Both are in the order of the nodes as far as this mapping goes: what stands before it is not looked at.
        let first = self.owned.partition_point(|(i, _)| *i < from);
        let kept = self.owned.partition_point(|(i, _)| *i < old_end);
        self.owned.drain(first..kept);
        for (i, _) in &mut self.owned[first..] {
            *i -= shift;
        }
        while self.duplicate_keys.last().is_some_and(|(last, _)| *last >= from) {
            self.duplicate_keys.pop();
        }
        self.nodes[mapping as usize].next = self.nodes.len() as NodeId;
        Ok(())
    }

    /// The finished tree; the builder is empty again and keeps its memory.
    pub fn finish(&mut self, source: &Arc<Source>, span: Span) -> Tree {
        let tree = Tree {
            source: Arc::clone(source),
            span,
            nodes: self.nodes.as_slice().into(),
            owned: std::mem::take(&mut self.owned).into_boxed_slice(),
            duplicate_keys: self.duplicate_keys.as_slice().into(),
            places: OnceLock::new(),
        };
        self.clear();
        tree
    }
}
