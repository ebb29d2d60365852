//! Keys that are fetched: kept as long as they may be, asked for again before that where it is wanted, and by one request alone.

use super::keys::Keys;
use crate::logging::Logger;
use crate::upstream::client::{Client, SendError};
use crate::worker::Shared;
use bytes::Bytes;
use http::{Method, Request};
use mesh_envoy::engine::field::{Message, Read};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Bytes of a JWKS that are read.
const LONGEST: usize = 1 << 20;

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    cluster: Box<str>,
    uri: Box<str>,
    timeout: Duration,
    cached: Duration,
    /// Fetched without being asked for, and so long after a failure again.
    ahead: Option<Duration>,
    retries: u32,
    back_off: Duration,
}

#[derive(Debug)]
pub struct Remote {
    address: Address,
    state: Mutex<State>,
    wanted: Arc<Notify>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<Arc<Keys>>,
    until: Option<Instant>,
}

impl Remote {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Address> {
        let uri = m.message_or_empty("http_uri")?;
        let cluster = uri.text("cluster")?;
        if cluster.is_empty() {
            return Err(uri.unknown_field("cluster", "a cluster belongs here"));
        }
        let retry = m.message_or_empty("retry_policy")?;
        let failed = m.message("async_fetch")?.map(|a| a.duration("failed_refetch_duration")).transpose()?;
        Ok(Address {
            cluster: cluster.into(),
            uri: uri.text("uri")?.into(),
            timeout: uri.duration("timeout")?.filter(|t| !t.is_zero()).unwrap_or(Duration::from_secs(1)),
            cached: m.duration("cache_duration")?.unwrap_or(Duration::from_secs(600)),
            ahead: failed.map(|f| f.unwrap_or(Duration::from_secs(1))),
            retries: u32::try_from(retry.uint("num_retries")?.unwrap_or(u64::from(m.has("retry_policy")))).unwrap_or(0).min(10),
            back_off: retry.message_or_empty("retry_back_off")?.duration("base_interval")?.unwrap_or(Duration::from_secs(1)),
        })
    }
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Its keys, while they may be used.
    pub fn keys(&self) -> Option<Arc<Keys>> {
        let state = self.state();
        state.keys.clone().filter(|_| state.until.is_some_and(|u| u > Instant::now()))
    }
    /// Waits until there are keys, or fetching them came to nothing.
    pub async fn ready(&self) {
        if self.keys().is_some() {
            return;
        }
        let mut changed = self.changed.subscribe();
        self.wanted.notify_one();
        let tries = self.address.retries + 1;
        let longest = (self.address.timeout + self.address.back_off) * tries + Duration::from_secs(1);
        let _ = tokio::time::timeout(longest, changed.changed()).await;
    }
    fn put(&self, keys: Option<Keys>) {
        let mut state = self.state();
        if let Some(keys) = keys {
            *state = State { keys: Some(Arc::new(keys)), until: Some(Instant::now() + self.address.cached) };
        }
        drop(state);
        self.changed.send_modify(|n| *n += 1);
    }
}

/// All addresses that keys are fetched from, each once.
#[derive(Debug, Default)]
pub struct Remotes {
    known: Mutex<Vec<Weak<Remote>>>,
    fresh: Mutex<Vec<Weak<Remote>>>,
    changed: Notify,
}

impl Remotes {
    /// What is fetched from an address; one that is known already is shared.
    pub fn get(&self, address: Address) -> Arc<Remote> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|r| r.strong_count() > 0);
        if let Some(found) = known.iter().filter_map(Weak::upgrade).find(|r| r.address == address) {
            return found;
        }
        let remote = Arc::new(Remote { address, state: Mutex::default(), wanted: Arc::default(), changed: watch::Sender::new(0) });
        known.push(Arc::downgrade(&remote));
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&remote));
        self.changed.notify_one();
        remote
    }
    /// Fetches what is wanted, for as long as the thread runs.
    pub async fn run(self: Arc<Remotes>, shared: Arc<Shared>) {
        let client = Rc::new(Client::new(shared.clone()));
        loop {
            let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
            for remote in fresh {
                tokio::task::spawn_local(follow(remote, client.clone(), shared.clone()));
            }
            self.changed.notified().await;
        }
    }
}

/// How long nobody may ask for keys until it is looked whether anybody still could.
const LOOK: Duration = Duration::from_secs(30);

async fn follow(watched: Weak<Remote>, client: Rc<Client>, shared: Arc<Shared>) {
    let mut complained = false;
    let mut first = true;
    loop {
        let Some(remote) = watched.upgrade() else { return };
        let (wanted, ahead, cached) = (remote.wanted.clone(), remote.address.ahead, remote.address.cached);
        // Before the time of those that are there is over, nobody has to wait for the next ones.
        let pause = match (ahead, first, remote.keys().is_some()) {
            (Some(_), true, _) => Duration::ZERO,
            (Some(_), false, true) => cached.saturating_sub(Duration::from_secs(5)).max(Duration::from_millis(50)),
            (Some(failed), false, false) => failed,
            (None, ..) => LOOK,
        };
        drop(remote);
        let is_due = tokio::time::timeout(pause, wanted.notified()).await.is_ok() || ahead.is_some();
        let Some(remote) = watched.upgrade() else { return };
        if !is_due {
            continue;
        }
        first = false;
        if ahead.is_none() && remote.keys().is_some() {
            // Asked for while it was fetched.
            remote.changed.send_modify(|n| *n += 1);
            continue;
        }
        let fetched = fetch(&remote.address, &client).await;
        match &fetched {
            Ok(_) => complained = false,
            Err(why) if !complained => {
                complained = true;
                (shared.complain)(Logger::Jwt, &format!("no keys from {} at cluster {}: {why}", remote.address.uri, remote.address.cluster));
            }
            Err(_) => {}
        }
        remote.put(fetched.ok());
    }
}

async fn fetch(address: &Address, client: &Client) -> Result<Keys, String> {
    let mut tries = 0;
    loop {
        match once(address, client).await {
            Ok(keys) => return Ok(keys),
            Err(why) if tries == address.retries => return Err(why),
            Err(_) => {
                tokio::time::sleep(address.back_off * 2u32.saturating_pow(tries.min(5))).await;
                tries += 1;
            }
        }
    }
}

async fn once(address: &Address, client: &Client) -> Result<Keys, String> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::GET;
    let uri = if address.uri.contains("://") { address.uri.to_string() } else { format!("http://{}", address.uri) };
    *request.uri_mut() = uri.parse().map_err(|_| SendError::Malformed.to_string())?;
    let answer = client.send(&address.cluster, request, address.timeout, LONGEST).await.map_err(|e| e.to_string())?;
    if answer.status != 200 {
        return Err(SendError::Status(answer.status.to_string()).to_string());
    }
    Keys::parse(&answer.body).map_err(|e| e.to_string())
}
