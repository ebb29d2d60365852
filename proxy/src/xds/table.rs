//! What is held of one kind of resource, by name: in use, on its way, refused.

use super::resource::Refusal;
use mesh_envoy::api::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A resource that was taken.
#[derive(Debug)]
pub struct Held<T> {
    pub value: Arc<T>,
    /// As it came; what is equal is kept as it runs.
    pub body: Any,
    pub version: String,
    pub updated: SystemTime,
    /// Secrets that it does not come into use without.
    pub secrets: Vec<Need>,
}

/// A secret that is waited for; without a time for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub name: String,
    pub timeout: Option<Duration>,
}

/// When waiting for several things ends: with the last of them, or never.
pub fn until(timeouts: impl Iterator<Item = Option<Duration>>) -> Option<Instant> {
    let all: Option<Vec<Duration>> = timeouts.collect();
    all?.into_iter().max().map(|longest| Instant::now() + longest)
}

/// A resource that waits for others.
#[derive(Debug)]
pub struct Warming<T> {
    pub held: Held<T>,
    /// When it waits no longer; `None` for never.
    pub until: Option<Instant>,
}

#[derive(Debug)]
pub struct Entry<T> {
    pub active: Option<Held<T>>,
    pub warming: Option<Warming<T>>,
    /// The last one that came, where it was refused.
    pub refused: Option<Refusal>,
}

impl<T> Default for Entry<T> {
    fn default() -> Entry<T> {
        Entry { active: None, warming: None, refused: None }
    }
}

impl<T> Entry<T> {
    /// The newest that was taken.
    pub fn newest(&self) -> Option<&Held<T>> {
        self.warming.as_ref().map(|w| &w.held).or(self.active.as_ref())
    }
    /// Whether a body is the newest already; it is of another version then.
    pub fn is_known(&mut self, body: &Any, version: &str) -> bool {
        let newest = self.warming.as_mut().map(|w| &mut w.held).or(self.active.as_mut());
        let known = newest.filter(|h| h.body == *body);
        if let Some(held) = known {
            version.clone_into(&mut held.version);
            self.refused = None;
            return true;
        }
        false
    }
}

#[derive(Debug)]
pub struct Table<T> {
    pub entries: BTreeMap<String, Entry<T>>,
    /// Of the last answer that something was taken of.
    pub version: String,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { entries: BTreeMap::new(), version: String::new() }
    }
}

impl<T> Table<T> {
    pub fn active(&self) -> impl Iterator<Item = (&str, &Held<T>)> + Clone {
        self.entries.iter().filter_map(|(name, e)| e.active.as_ref().map(|a| (name.as_str(), a)))
    }
    pub fn warming(&self) -> impl Iterator<Item = (&str, &Warming<T>)> {
        self.entries.iter().filter_map(|(name, e)| e.warming.as_ref().map(|w| (name.as_str(), w)))
    }
    /// In use or on their way.
    pub fn taken(&self) -> impl Iterator<Item = &Held<T>> {
        self.entries.values().flat_map(|e| e.active.iter().chain(e.warming.as_ref().map(|w| &w.held)))
    }
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.entries.values().filter_map(|e| e.refused.as_ref())
    }
    pub fn is_warm(&self) -> bool {
        self.entries.values().all(|e| e.warming.is_none())
    }
    pub fn value(&self, name: &str) -> Option<&Arc<T>> {
        self.entries.get(name)?.active.as_ref().map(|a| &a.value)
    }
    /// The next time that something waits no longer.
    pub fn deadline(&self) -> Option<Instant> {
        self.entries.values().filter_map(|e| e.warming.as_ref()?.until).min()
    }
}
