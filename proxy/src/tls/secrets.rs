//! Secrets by name: certificates with their keys, and what peers are validated by. Static resources, files and SDS fill the
//! store; contexts look secrets up at every handshake, so that a rotation is seen by the next one and ends no connection.
//!
//! A context asks for a [`Slot`] when it is compiled. The slot may still be empty, and is filled later or never; what stands in
//! it is replaced as a whole.

use super::material::{Identity, Secret};
use super::validation::Validation;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;
use tokio::sync::watch;

/// The secrets of a proxy.
#[derive(Debug)]
pub struct Secrets {
    slots: Mutex<BTreeMap<Box<str>, Arc<Slot>>>,
    changes: watch::Sender<u64>,
}

/// Where one secret stands, or will.
#[derive(Debug)]
pub struct Slot {
    pub name: Box<str>,
    current: RwLock<Option<Secret>>,
    told: RwLock<Option<Arc<Told>>>,
    /// Grows with every change; 0 until there is a secret.
    version: AtomicU64,
    wanted: Mutex<Option<Value>>,
    changes: watch::Sender<u64>,
}

/// A secret of a file as dumps show it.
#[derive(Debug)]
pub struct Told {
    pub version: String,
    pub updated: SystemTime,
    /// `Secret`, without a key.
    pub body: Value,
}

/// What a dump has to show of a name that somebody was asked for.
#[derive(Clone, Debug)]
pub enum Shown {
    Filled(Arc<Told>),
    /// There is no secret yet.
    Awaited,
}

/// A secret that a context asks somebody for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub name: Box<str>,
    /// `envoy.config.core.v3.ConfigSource`: whom.
    pub source: Value,
}

impl Default for Secrets {
    fn default() -> Secrets {
        Secrets { slots: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Secrets {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The place of a name, filled or not.
    pub fn slot(&self, name: &str) -> Arc<Slot> {
        let mut slots = self.slots();
        if let Some(found) = slots.get(name) {
            return found.clone();
        }
        let slot = Arc::new(Slot {
            name: name.into(),
            current: RwLock::default(),
            told: RwLock::default(),
            version: AtomicU64::new(0),
            wanted: Mutex::default(),
            changes: self.changes.clone(),
        });
        slots.insert(name.into(), slot.clone());
        slot
    }
    /// The place of a name that somebody is to be asked for.
    ///
    /// # Errors
    /// Another context asks somebody else for the same name: the first one's source.
    pub fn want(&self, name: &str, source: &Value) -> Result<Arc<Slot>, Value> {
        let slot = self.slot(name);
        let mut wanted = slot.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        match &*wanted {
            Some(other) if other != source => return Err(other.clone()),
            Some(_) => {}
            None => {
                *wanted = Some(source.clone());
                self.changes.send_modify(|n| *n += 1);
            }
        }
        drop(wanted);
        Ok(slot)
    }
    /// Puts a secret in its place, over the one that was there.
    pub fn set(&self, name: &str, secret: Secret) {
        self.slot(name).set(secret);
    }
    /// The same of a file, with what is shown of it.
    pub fn set_told(&self, name: &str, secret: Secret, told: Told) {
        let slot = self.slot(name);
        *slot.told.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(told));
        slot.set(secret);
    }
    /// What somebody was asked for: secrets of files, and those that are still to come. Control planes' stand in their tables.
    pub fn shown(&self) -> Vec<(Box<str>, Shown)> {
        let of = |slot: &Arc<Slot>| {
            slot.wanted.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?;
            let told = slot.told.read().unwrap_or_else(PoisonError::into_inner).clone();
            let shown = told.map(Shown::Filled).or_else(|| (!slot.is_filled()).then_some(Shown::Awaited))?;
            Some((slot.name.clone(), shown))
        };
        self.slots().values().filter_map(of).collect()
    }
    /// Whether there is a secret of a name.
    pub fn has(&self, name: &str) -> bool {
        self.slots().get(name).is_some_and(|s| s.is_filled())
    }
    /// What contexts ask others for, by name.
    pub fn wanted(&self) -> Vec<Wanted> {
        let of = |s: &Arc<Slot>| Some(Wanted { name: s.name.clone(), source: s.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()? });
        self.slots().values().filter_map(of).collect()
    }
    /// Forgets the places that nothing but this store knows of and that somebody was asked for. Returns their names.
    pub fn forget_unwanted(&self) -> Vec<Box<str>> {
        let is_asked_for = |s: &Arc<Slot>| s.wanted.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let mut gone = Vec::new();
        self.slots().retain(|name, slot| {
            let stays = Arc::strong_count(slot) > 1 || !is_asked_for(slot);
            if !stays {
                gone.push(name.clone());
            }
            stays
        });
        gone
    }
    /// Hears of every secret that is put, and of every name that is newly asked for.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
    /// The secrets that there are, by name.
    pub fn all(&self) -> Vec<(Box<str>, Secret)> {
        self.slots().values().filter_map(|s| Some((s.name.clone(), s.get()?))).collect()
    }
}

impl Slot {
    pub fn set(&self, secret: Secret) {
        if let Ok(mut current) = self.current.write() {
            *current = Some(secret);
        }
        self.version.fetch_add(1, Ordering::AcqRel);
        self.changes.send_modify(|n| *n += 1);
    }
    pub fn get(&self) -> Option<Secret> {
        self.current.read().ok()?.clone()
    }
    pub fn is_filled(&self) -> bool {
        self.version() > 0
    }
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
    /// The certificate, if one stands here.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        match self.get()? {
            Secret::Certificate(identity) => Some(identity),
            Secret::Validation(_) => None,
        }
    }
    /// What peers are validated by, if that stands here.
    pub fn validation(&self) -> Option<Arc<Validation>> {
        match self.get()? {
            Secret::Validation(validation) => Some(validation),
            Secret::Certificate(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn validation() -> Secret {
        Secret::Validation(Arc::new(Validation::default()))
    }

    #[test]
    fn a_place_is_there_before_its_secret_and_hears_of_it() {
        let secrets = Secrets::default();
        let mut changes = secrets.changes();
        let slot = secrets.want("ROOTCA", &json!({"ads": {}})).expect("the only one who asks");
        assert!(!slot.is_filled() && slot.validation().is_none() && !secrets.has("ROOTCA"));
        assert!(changes.has_changed().expect("a store"));
        changes.mark_unchanged();
        secrets.set("ROOTCA", validation());
        assert!(slot.validation().is_some() && slot.identity().is_none() && changes.has_changed().expect("a store"));
        let before = slot.version();
        secrets.set("ROOTCA", validation());
        assert!(slot.version() > before);
    }

    #[test]
    fn one_name_is_asked_of_one_source() {
        let secrets = Secrets::default();
        let (a, b) = (json!({"ads": {}}), json!({"path": "/x"}));
        let first = secrets.want("default", &a).expect("the first");
        assert!(Arc::ptr_eq(&first, &secrets.want("default", &a).expect("the same")));
        assert_eq!(secrets.want("default", &b).err(), Some(a.clone()));
        assert_eq!(secrets.wanted(), [Wanted { name: "default".into(), source: a }]);
        assert!(secrets.forget_unwanted().is_empty());
        drop(first);
        assert_eq!(secrets.forget_unwanted(), ["default".into()]);
        assert!(secrets.wanted().is_empty());
    }
}
