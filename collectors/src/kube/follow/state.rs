//! What is known of a cluster that is followed, and whether a change of it is one.

use super::super::discovery::Served;
use super::super::error::ApiError;
use super::super::list::{Listed, Odd};
use super::super::read::Ask;
use super::FollowError;
use mesh_model::Object;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(super) struct Shared {
    pub state: Mutex<State>,
    pub changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// Counts what has changed.
    pub generation: u64,
    /// Of the context.
    pub name: String,
    pub served: Option<Served>,
    pub parts: BTreeMap<Ask, Part>,
    /// Namespaces that were asked where the whole cluster may not be seen.
    pub within: BTreeMap<Ask, Part>,
    /// Why nothing is known, or nothing new is.
    pub trouble: Option<FollowError>,
}

/// What is known of one list.
#[derive(Default)]
pub(super) struct Part {
    /// `None` until the first answer.
    pub known: Option<Result<Collection, ApiError>>,
    /// Why what is known may be old.
    pub late: Option<ApiError>,
}

/// Objects and what could not be read, by namespace and name.
pub(super) type Collection = BTreeMap<(String, String), Result<Object, Odd>>;

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Changes what is known; `change` tells whether anything has.
    pub fn change(&self, change: impl FnOnce(&mut State) -> Changed) {
        let mut state = self.lock();
        let was_settled = state.is_settled();
        let changed = change(&mut state);
        if changed == Changed::Yes {
            state.generation += 1;
        }
        if changed == Changed::Yes || was_settled != state.is_settled() {
            self.changed.notify_all();
        }
    }
    pub fn trouble(&self, trouble: FollowError) {
        self.change(|state| {
            let changed = if state.trouble.as_ref() == Some(&trouble) { Changed::No } else { Changed::Yes };
            state.trouble = Some(trouble);
            changed
        });
        self.changed.notify_all();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    Yes,
    No,
}

impl State {
    /// Whether everything that was asked has had an answer, of whatever kind.
    pub fn is_settled(&self) -> bool {
        self.served.is_some() && self.parts.values().chain(self.within.values()).all(|p| p.known.is_some())
    }
    pub fn knows_something(&self) -> bool {
        self.parts.values().chain(self.within.values()).any(|p| matches!(p.known, Some(Ok(_))))
    }
    pub fn part(&mut self, ask: &Ask) -> &mut Part {
        let parts = if self.parts.contains_key(ask) { &mut self.parts } else { &mut self.within };
        parts.entry(ask.clone()).or_default()
    }
}

impl Part {
    pub fn answer(&self, within: Duration) -> Result<Listed, ApiError> {
        match &self.known {
            None => Err(ApiError::OutOfTime(within)),
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(collection)) => {
                let mut out = Listed::default();
                for one in collection.values() {
                    match one {
                        Ok(object) => out.objects.push(object.clone()),
                        Err(odd) => out.odd.push(odd.clone()),
                    }
                }
                Ok(out)
            }
        }
    }
    pub fn late(&mut self, error: Option<ApiError>) -> Changed {
        if self.late == error {
            return Changed::No;
        }
        self.late = error;
        Changed::Yes
    }
    /// Takes the whole list anew.
    pub fn replace(&mut self, collection: Collection) -> Changed {
        let is_same =
            matches!(&self.known, Some(Ok(old)) if old.len() == collection.len() && old.iter().zip(&collection).all(|(a, b)| a.0 == b.0 && is_same(a.1, b.1)));
        self.known = Some(Ok(collection));
        let was_late = self.late(None);
        if is_same { was_late } else { Changed::Yes }
    }
    pub fn refuse(&mut self, error: ApiError) -> Changed {
        match &self.known {
            // What was known is kept.
            Some(Ok(_)) => self.late(Some(error)),
            Some(Err(old)) if *old == error => Changed::No,
            _ => {
                self.known = Some(Err(error));
                Changed::Yes
            }
        }
    }
}

/// Whether two readings of an object are alike, whatever their versions.
pub(super) fn is_same(a: &Result<Object, Odd>, b: &Result<Object, Odd>) -> bool {
    let lines = |o: &Object| o.source().text().lines().filter(|l| !l.starts_with("  resourceVersion:")).map(str::to_owned).collect::<Vec<_>>();
    match (a, b) {
        (Ok(a), Ok(b)) => lines(a) == lines(b),
        (Err(a), Err(b)) => a == b,
        _ => false,
    }
}

pub(super) fn collection(listed: Listed) -> Collection {
    let objects = listed.objects.into_iter().map(|o| ((o.namespace().to_owned(), o.name().to_owned()), Ok(o)));
    // What has no name that can be read is told by its subject.
    let odd: Vec<_> = listed.odd.into_iter().map(|o| (o.key.clone().unwrap_or_else(|| (String::new(), o.subject.clone())), Err(o))).collect();
    objects.chain(odd).collect()
}

impl State {
    /// Takes over what is served now.
    pub fn serve(&mut self, served: Served, wanted: &BTreeSet<Ask>) -> Changed {
        let is_new = self.trouble.take().is_some() || self.served.is_none();
        self.served = Some(served);
        let before = self.parts.len();
        self.parts.retain(|ask, _| wanted.contains(ask));
        self.within.retain(|within, _| wanted.iter().any(|ask| ask.resource == within.resource));
        let gone = before != self.parts.len();
        let mut added = false;
        for ask in wanted {
            added |= !self.parts.contains_key(ask);
            self.parts.entry(ask.clone()).or_default();
        }
        if is_new || gone || added { Changed::Yes } else { Changed::No }
    }
}
