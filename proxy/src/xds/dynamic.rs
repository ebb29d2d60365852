//! What came from a control plane, as the admin port sees it beside the thread that follows the stream.

use super::kind::Kind;
use super::resource::Refusal;
use super::table::Table;
use crate::config::cluster::Cluster;
use crate::config::listener::Listener;
use crate::config::route::Table as Routes;
use mesh_envoy::engine::pick::Assignment;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// A listener and the extensions that its filters are made of.
#[derive(Debug)]
pub struct Listening {
    pub listener: Arc<Listener>,
    /// Names over ECDS.
    pub extensions: Vec<String>,
}

/// Resources by kind and name.
#[derive(Debug, Default)]
pub struct Tables {
    pub clusters: Table<Cluster>,
    pub listeners: Table<Listening>,
    pub routes: Table<Routes>,
    pub endpoints: Table<Assignment>,
    pub extensions: Table<Value>,
    /// Their values stand in the store of secrets.
    pub secrets: Table<()>,
    /// The last ones that were refused, be they replaced since.
    pub refused: VecDeque<Refusal>,
}

/// Refusals that are remembered.
const REMEMBERED: usize = 100;
/// The resources of all of them; the last one is remembered whatever its size.
const REMEMBERED_BYTES: usize = 4 << 20;

impl Tables {
    pub fn remember(&mut self, refusal: Refusal) {
        self.refused.push_back(refusal);
        let mut bytes: usize = self.refused.iter().map(|r| r.body.value.len()).sum();
        while self.refused.len() > REMEMBERED || (bytes > REMEMBERED_BYTES && self.refused.len() > 1) {
            bytes -= self.refused.pop_front().map_or(0, |r| r.body.value.len());
        }
    }
    /// Refusals that still stand: nothing better came.
    pub fn standing(&self) -> impl Iterator<Item = &Refusal> {
        let clusters = self.clusters.refusals().chain(self.endpoints.refusals());
        let listeners = self.listeners.refusals().chain(self.routes.refusals());
        clusters.chain(listeners).chain(self.extensions.refusals()).chain(self.secrets.refusals())
    }
}

/// Counters of one kind of resource.
#[derive(Debug, Default)]
pub struct Counters {
    pub attempt: AtomicU64,
    pub success: AtomicU64,
    pub rejected: AtomicU64,
    /// Streams that could not be opened or broke, while the kind was asked for.
    pub failure: AtomicU64,
    pub fetch_timeout: AtomicU64,
    pub added: AtomicU64,
    pub modified: AtomicU64,
    pub removed: AtomicU64,
    /// Milliseconds since the epoch.
    pub time: AtomicU64,
}

#[derive(Debug, Default)]
pub struct Dynamic {
    tables: Mutex<Tables>,
    counters: [Counters; Kind::ALL.len()],
    /// Whether everything that was asked for first has come, or its time was over.
    pub is_ready: AtomicBool,
    pub is_connected: AtomicBool,
    /// Who the control plane says that it is.
    pub control_plane: Mutex<String>,
}

impl Dynamic {
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn counters(&self, kind: Kind) -> &Counters {
        &self.counters[kind as usize]
    }
    /// Adds one.
    pub fn count(&self, kind: Kind, which: impl Fn(&Counters) -> &AtomicU64) {
        which(self.counters(kind)).fetch_add(1, Ordering::Relaxed);
    }
    pub fn note_time(&self, kind: Kind) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        self.counters(kind).time.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::api::Any;

    #[test]
    fn what_was_refused_is_remembered_within_bounds() {
        let refused = |bytes: usize| {
            let mut tables = Tables::default();
            for n in 0..200 {
                let body = Any { type_url: Kind::Routes.url(), value: vec![0; bytes] };
                tables.remember(Refusal { kind: Kind::Routes, name: n.to_string(), version: String::new(), at: SystemTime::now(), problems: Vec::new(), body });
            }
            (tables.refused.len(), tables.refused.back().map(|r| r.name.clone()))
        };
        assert_eq!(refused(10), (REMEMBERED, Some("199".to_owned())));
        assert_eq!(refused(1 << 20), (4, Some("199".to_owned())));
        assert_eq!(refused(5 << 20), (1, Some("199".to_owned())));
    }
}
