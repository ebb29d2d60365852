//! Buckets of local rate limits, shared by all workers. A bucket fills continuously, as Envoy's do.

use mesh_envoy::engine::gate::Bucket;
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A bucket's state: the time, in nanoseconds, at which it will be full, less the time it takes to fill it. One number,
/// so that taking a token is one exchange of it.
#[derive(Debug)]
pub struct Tokens {
    rules: Bucket,
    taken_until: AtomicU64,
}

impl Tokens {
    fn new(rules: &Bucket) -> Tokens {
        Tokens { rules: rules.clone(), taken_until: AtomicU64::new(0) }
    }
    /// Nanoseconds for a token, and for a whole bucket.
    fn spans(&self) -> (u64, u64) {
        let interval = u64::try_from(self.rules.fill_interval.as_nanos()).unwrap_or(u64::MAX);
        let token = interval / self.rules.tokens_per_fill.max(1);
        (token, token.saturating_mul(self.rules.max_tokens))
    }
    /// Takes a token at `now`, in nanoseconds since some beginning.
    pub fn take(&self, now: u64) -> bool {
        let (token, full) = self.spans();
        // The beginning is moved, so that a full bucket is not before it.
        let now = now.saturating_add(full);
        let step = |until: u64| {
            let next = until.max(now.saturating_sub(full)).saturating_add(token);
            (next <= now).then_some(next)
        };
        self.taken_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }
}

/// All buckets, by where they stand in the configuration. One that is configured otherwise begins anew.
#[derive(Debug)]
pub struct Buckets {
    begun: Instant,
    by_id: Mutex<FxHashMap<Box<str>, Arc<Tokens>>>,
}

impl Default for Buckets {
    fn default() -> Buckets {
        Buckets { begun: Instant::now(), by_id: Mutex::default() }
    }
}

impl Buckets {
    pub fn take(&self, rules: &Bucket) -> bool {
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut by_id = self.by_id.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let tokens = by_id.entry(rules.id.clone()).or_insert_with(|| Arc::new(Tokens::new(rules)));
        if tokens.rules != *rules {
            *tokens = Arc::new(Tokens::new(rules));
        }
        tokens.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_is_full_at_first_and_fills_with_time() {
        let rules = Bucket { id: "b".into(), max_tokens: 2, tokens_per_fill: 1, fill_interval: Duration::from_secs(10) };
        let (bucket, second) = (Tokens::new(&rules), 1_000_000_000);
        assert!(bucket.take(0) && bucket.take(0) && !bucket.take(0));
        assert!(!bucket.take(9 * second));
        assert!(bucket.take(10 * second) && !bucket.take(10 * second));
        // It never holds more than it may.
        assert!(bucket.take(1000 * second) && bucket.take(1000 * second) && !bucket.take(1000 * second));
    }
}
