//! What a proxy wants of one type, what it was sent of it, and what it said to that.

use super::{Protocol, Request};
use crate::resource::{Named, Resource, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Names are data of the other side: so many of a type are kept at most.
const MOST_NAMES: usize = 65_536;

/// An answer that the proxy would not take (a NACK).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub nonce: String,
    pub reason: String,
    /// When, in the caller's milliseconds.
    pub at: u64,
}

#[derive(Clone, Debug)]
pub struct Subscription {
    kind: Type,
    /// All there are.
    pub is_wildcard: bool,
    pub names: BTreeSet<String>,
    /// Versions of what it was sent last, or said that it holds.
    sent: BTreeMap<String, String>,
    /// Of the last answer; "" before the first.
    pub nonce: String,
    pub version: String,
    /// Of the last answer that was taken.
    pub acked: String,
    pub sent_at: u64,
    /// The last refusal, until a later answer is taken.
    pub refused: Option<Refusal>,
    /// How often it refused.
    pub refusals: u64,
    heard: bool,
    /// Of what was compared last with what the proxy has, with nothing left to send.
    pub(super) looked_at: Option<[u8; 32]>,
}

/// What a request means.
pub(super) struct Asked {
    /// The first of this type on the stream.
    pub is_first: bool,
    /// It knows the last answer; others are of no interest.
    pub is_current: bool,
    /// Resources that are to be sent though the proxy may have them.
    pub again: BTreeSet<String>,
}

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub resources: Vec<Arc<Resource>>,
    /// Of these the names that are new or differ.
    pub changed: BTreeSet<String>,
    pub removed: Vec<String>,
}

impl Change {
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Subscription {
    pub(super) fn new(kind: Type) -> Subscription {
        Subscription {
            kind,
            is_wildcard: false,
            names: BTreeSet::new(),
            sent: BTreeMap::new(),
            nonce: String::new(),
            version: String::new(),
            acked: String::new(),
            sent_at: 0,
            refused: None,
            refusals: 0,
            heard: false,
            looked_at: None,
        }
    }

    /// Whether the last answer was taken or refused.
    pub fn is_settled(&self) -> bool {
        self.nonce == self.acked || self.is_refused()
    }
    /// Whether the last answer was refused.
    pub fn is_refused(&self) -> bool {
        self.refused.as_ref().is_some_and(|r| r.nonce == self.nonce)
    }
    pub fn wants(&self, name: &str) -> bool {
        self.is_wildcard || self.names.contains(name)
    }
    /// Whether it was sent what it is to have of this name.
    pub fn has(&self, name: &str) -> bool {
        self.sent.contains_key(name)
    }
    pub fn count(&self) -> usize {
        self.sent.len()
    }
    pub(super) fn forget(&mut self, names: &[String]) {
        for name in names {
            self.sent.remove(name);
        }
        self.looked_at = None;
    }

    pub(super) fn take(&mut self, protocol: Protocol, request: &Request, now: u64) -> Asked {
        let is_first = !self.heard;
        self.heard = true;
        let mut asked = Asked { is_first, is_current: true, again: BTreeSet::new() };
        // It confirms nothing that was not confirmed before.
        let is_spontaneous = !is_first && request.error.is_none() && request.nonce == self.acked;
        if !is_first && !request.nonce.is_empty() {
            if request.nonce != self.nonce {
                // Of an answer that a later one has replaced; delta's subscriptions count all the same.
                if protocol == Protocol::StateOfTheWorld {
                    asked.is_current = false;
                    return asked;
                }
            } else if let Some(reason) = &request.error {
                self.refusals += 1;
                self.refused = Some(Refusal { nonce: request.nonce.clone(), reason: reason.clone(), at: now });
            } else {
                self.acked.clone_from(&request.nonce);
                self.refused = None;
            }
        }
        match protocol {
            Protocol::StateOfTheWorld => {
                let before = self.names.clone();
                self.replace(&request.names, is_first);
                if is_first || before != self.names {
                    self.looked_at = None;
                }
                // Dropped and asked for again while the proxy took up something else: it waits for an answer.
                if is_spontaneous && before == self.names && !self.kind.is_whole() {
                    asked.again = before;
                }
            }
            Protocol::Delta => {
                if is_first || !request.subscribe.is_empty() || !request.unsubscribe.is_empty() {
                    self.looked_at = None;
                }
                self.extend(request, is_first, &mut asked.again);
            }
        }
        asked
    }

    fn replace(&mut self, names: &[String], is_first: bool) {
        if names.is_empty() {
            // No name ever: all of them. None any more: none.
            if is_first && self.kind.is_wildcard_by_default() {
                self.is_wildcard = true;
            } else if !self.is_wildcard {
                self.names.clear();
            }
        } else {
            self.is_wildcard = names.iter().any(|n| n == "*");
            self.names = names.iter().filter(|n| *n != "*").take(MOST_NAMES).cloned().collect();
        }
        if !self.is_wildcard {
            let names = &self.names;
            self.sent.retain(|name, _| names.contains(name));
        }
    }

    fn extend(&mut self, request: &Request, is_first: bool, again: &mut BTreeSet<String>) {
        if is_first {
            self.sent = request.held.iter().take(MOST_NAMES).map(|(k, v)| (k.clone(), v.clone())).collect();
            self.is_wildcard = request.subscribe.is_empty() && self.kind.is_wildcard_by_default();
        }
        for name in &request.subscribe {
            if name == "*" {
                self.is_wildcard = true;
            } else if self.names.len() < MOST_NAMES {
                self.names.insert(name.clone());
                // Asked for by name it is sent, unless the proxy has just said that it holds it.
                if !(is_first && request.held.contains_key(name)) {
                    again.insert(name.clone());
                }
            }
        }
        for name in &request.unsubscribe {
            if name == "*" {
                self.is_wildcard = false;
            }
            self.names.remove(name);
            if !self.is_wildcard {
                self.sent.remove(name);
            }
        }
    }

    /// What differs between what the proxy has and what it is to have.
    pub(super) fn change(&self, protocol: Protocol, target: &Named, again: Option<&BTreeSet<String>>) -> Change {
        let is_new = |r: &Resource| self.sent.get(&r.name) != Some(&r.version) || again.is_some_and(|a| a.contains(&r.name));
        let mut change = Change::default();
        let wanted: Vec<&Arc<Resource>> = if self.is_wildcard { target.values().collect() } else { self.names.iter().filter_map(|n| target.get(n)).collect() };
        for resource in &wanted {
            if is_new(resource) {
                change.changed.insert(resource.name.clone());
                change.resources.push(Arc::clone(resource));
            }
        }
        change.removed = self.sent.keys().filter(|n| !target.contains_key(*n)).cloned().collect();
        match protocol {
            Protocol::StateOfTheWorld if self.kind.is_whole() => {
                if !change.is_empty() {
                    change.resources = wanted.into_iter().cloned().collect();
                }
            }
            // What is gone can't be said: it is not asked for any more as soon as nothing refers to it.
            Protocol::StateOfTheWorld => change.removed.clear(),
            // Asked for by name and not there: that is an answer too.
            Protocol::Delta => change.removed.extend(again.into_iter().flatten().filter(|n| !target.contains_key(*n) && !self.sent.contains_key(*n)).cloned()),
        }
        change
    }

    pub(super) fn note(&mut self, change: &Change, nonce: &str, version: &str, now: u64) {
        for resource in &change.resources {
            self.sent.insert(resource.name.clone(), resource.version.clone());
        }
        for name in &change.removed {
            self.sent.remove(name);
        }
        nonce.clone_into(&mut self.nonce);
        version.clone_into(&mut self.version);
        self.sent_at = now;
    }
}
