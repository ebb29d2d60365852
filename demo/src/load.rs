//! The load: so many requests a second, chosen by a seed.

use crate::apps;
use crate::mesh::HOST;
use http::HeaderMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// Answered with 200.
    pub fine: AtomicU64,
    pub failed: AtomicU64,
}

const PATHS: &[&str] = &["/productpage", "/productpage?u=normal", "/productpage?u=test", "/api/v1/products"];
/// Requests on their way at once; beyond, a turn is left out.
const AT_ONCE: usize = 64;

/// Sends requests to the gateway until there were `most` of them, or the runtime ends.
pub async fn run(gateway: SocketAddr, rate: u32, seed: u64, most: Option<u64>, counts: Arc<Counts>) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut turns = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sent = 0;
    while most.is_none_or(|most| sent < most) {
        turns.tick().await;
        let path = PATHS[dice.usize(..PATHS.len())];
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        sent += 1;
        let counts = counts.clone();
        tokio::spawn(async move {
            counts.sent.fetch_add(1, Ordering::Relaxed);
            let got = apps::ask(gateway, HOST, path, &HeaderMap::new()).await;
            if matches!(got, Ok((200, _))) { &counts.fine } else { &counts.failed }.fetch_add(1, Ordering::Relaxed);
            drop(place);
        });
    }
}
