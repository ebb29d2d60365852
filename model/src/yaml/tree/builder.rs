//! Trees as they are made.

use super::{DUPLICATES, Data, KIND_MAPPING, KIND_SCALAR, KIND_SEQUENCE, NodeId, OWNED, Style, Tree};
use crate::source::{Source, Span};
use crate::yaml::names::tag;
use std::sync::{Arc, OnceLock};

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
    pub(in crate::yaml) fn truncate(&mut self, id: NodeId) {
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
    pub(in crate::yaml) fn key(&mut self, span: Span, tag: u32, text: &[u8]) -> NodeId {
        let id = self.push(KIND_SCALAR, span, false);
        self.nodes[id as usize].mark_key(tag, text);
        id
    }
    /// Marks a scalar as a key. Every key is marked, once its text is what it stays.
    pub(in crate::yaml) fn mark_key(&mut self, id: NodeId, source: &Source) -> u32 {
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
