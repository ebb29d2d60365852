//! What all connections share.

use crate::ca::{Authority, Identity, Tokens};
use crate::client::Client;
use crate::metrics::Metrics;
use crate::pushes::Stream;
use crate::translator::{Translator, World};
use mesh_model::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// A mutex that a panic elsewhere does not close.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what there is to say: refusals, unreadable files.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

pub struct Shared {
    pub translator: Translator,
    pub authority: Authority,
    pub tokens: Mutex<Tokens>,
    pub metrics: Metrics,
    pub connections: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    pub most_connections: usize,
    /// The newest reading of the input.
    pub world: Mutex<World>,
    /// When a reading was taken up, by its generation.
    pub read_at: Mutex<BTreeMap<u64, Instant>>,
    pub counts: Mutex<Counts>,
    pub started: Instant,
    /// Whether it plays dead: no connection is served.
    pub away: watch::Sender<bool>,
    /// Proxies, by `NAME.NAMESPACE`, that are given something else than their right certificate.
    pub certify: Mutex<BTreeMap<String, Certify>>,
    pub say: Say,
}

/// What a proxy is given in place of its right certificate: to show what comes of that.
#[derive(Clone, Debug)]
pub enum Certify {
    /// One that has expired.
    Expired,
    /// One of another authority, and that authority's root to check others against.
    By(Arc<Authority>),
    /// One for its name in another trust domain.
    InTrustDomain(String),
}

/// What the last reading holds.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub services: usize,
    pub virtual_services: usize,
    pub trust_domain: String,
}

/// A proxy that is connected.
pub struct Connection {
    /// `cart-v1.shop-3`
    pub id: String,
    pub client: Arc<Client>,
    pub identity: Option<Identity>,
    pub address: SocketAddr,
    pub connected_at: SystemTime,
    /// A stream of secrets alone, which the pages do not count as a proxy.
    pub is_secrets_only: bool,
    pub stream: Mutex<Stream>,
    /// Secrets that it asked for and does not get, and why.
    pub refused: Mutex<BTreeMap<String, String>>,
}

impl Shared {
    pub fn new(translator: Translator, authority: Authority, most_connections: usize, say: Say) -> Shared {
        let world = World { snapshot: Arc::new(mesh_model::Snapshot::new()), version: String::new(), generation: 0 };
        Shared {
            translator,
            authority,
            tokens: Mutex::default(),
            metrics: Metrics::default(),
            connections: Mutex::default(),
            next: AtomicU64::new(1),
            most_connections,
            world: Mutex::new(world),
            read_at: Mutex::default(),
            counts: Mutex::default(),
            started: Instant::now(),
            away: watch::Sender::new(false),
            certify: Mutex::default(),
            say,
        }
    }
    pub fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
    /// Milliseconds since the control plane started: the clock of the streams.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
    /// The instant of such a count.
    pub fn at(&self, millis: u64) -> SystemTime {
        let ago = self.started.elapsed().saturating_sub(std::time::Duration::from_millis(millis));
        SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH)
    }
    pub fn say(&self, text: &str) {
        (self.say)(text);
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

/// `2026-11-22T11:30:31.418Z`
pub fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
    let of_day = seconds.rem_euclid(86_400);
    format!("{}T{:02}:{:02}:{:02}.{:03}Z", Timestamp(seconds).date(), of_day / 3600, of_day / 60 % 60, of_day % 60, since.subsec_millis())
}
