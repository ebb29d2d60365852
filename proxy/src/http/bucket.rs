//! Buckets of local rate limits, shared by all workers or kept for one connection. A bucket fills continuously, as Envoy's do.

use mesh_envoy::engine::gate::{Bucket, Draw};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A bucket's state: the time, in nanoseconds since it was made, at which it will be full, less the time it takes to fill it. One
/// number, so that taking a token is one exchange of it.
#[derive(Debug)]
pub struct Tokens {
    rules: Bucket,
    begun: Instant,
    taken_until: AtomicU64,
}

impl Tokens {
    fn new(rules: &Bucket) -> Tokens {
        Tokens { rules: rules.clone(), begun: Instant::now(), taken_until: AtomicU64::new(0) }
    }
    pub fn most(&self) -> u64 {
        self.rules.max_tokens
    }
    /// Nanoseconds for a token, and for a whole bucket.
    fn spans(&self) -> (u64, u64) {
        let interval = u64::try_from(self.rules.fill_interval.as_nanos()).unwrap_or(u64::MAX);
        let token = interval / self.rules.tokens_per_fill.max(1);
        (token, token.saturating_mul(self.rules.max_tokens))
    }
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
    /// Takes a token at `now`.
    fn take(&self, now: u64) -> bool {
        let (token, full) = self.spans();
        if self.rules.max_tokens == 0 {
            return false;
        }
        // The beginning is moved, so that a full bucket is not before it.
        let now = now.saturating_add(full);
        let step = |until: u64| {
            let next = until.max(now.saturating_sub(full)).saturating_add(token);
            (next <= now).then_some(next)
        };
        self.taken_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }
    /// Whole tokens that are left, and whole seconds until there is one.
    fn left(&self, now: u64) -> (u64, u64) {
        let (token, full) = self.spans();
        let now = now.saturating_add(full);
        let filled = now - self.taken_until.load(Ordering::Relaxed).clamp(now.saturating_sub(full), now);
        let tokens = filled.checked_div(token).unwrap_or(self.rules.max_tokens).min(self.rules.max_tokens);
        (tokens, if tokens > 0 { 0 } else { token.saturating_sub(filled) / 1_000_000_000 })
    }
    /// The same, as of now.
    pub fn state(&self) -> (u64, u64) {
        self.left(self.now())
    }
}

/// Buckets of a descriptor that leaves values open, those that were used last at the end.
type Apart = Vec<(Box<str>, Arc<Tokens>)>;

#[derive(Debug, Default)]
struct State {
    by_id: FxHashMap<Box<str>, Arc<Tokens>>,
    apart: FxHashMap<Box<str>, Apart>,
}

/// Buckets, by where they stand in the configuration. One that is configured otherwise begins anew.
#[derive(Debug, Default)]
pub struct Buckets(Mutex<State>);

impl Buckets {
    /// The bucket that a request draws from.
    pub fn find(&self, draw: &Draw<'_>) -> Arc<Tokens> {
        let rules = draw.bucket;
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &draw.apart {
            None => {
                if let Some(found) = state.by_id.get(&*rules.id).filter(|t| t.rules == *rules) {
                    return found.clone();
                }
                let tokens = Arc::new(Tokens::new(rules));
                state.by_id.insert(rules.id.clone(), tokens.clone());
                tokens
            }
            Some((values, most)) => {
                let apart = state.apart.entry(rules.id.clone()).or_default();
                apart.retain(|(_, t)| t.rules == *rules);
                let found = apart.iter().position(|(v, _)| v == values).map(|i| apart.remove(i).1);
                let tokens = found.unwrap_or_else(|| Arc::new(Tokens::new(rules)));
                apart.push((values.clone(), tokens.clone()));
                if apart.len() > (*most).max(1) {
                    apart.remove(0);
                }
                tokens
            }
        }
    }
    pub fn take(&self, draw: &Draw<'_>) -> bool {
        let tokens = self.find(draw);
        tokens.take(tokens.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::engine::gate::Share;
    use std::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    fn rules(max_tokens: u64) -> Bucket {
        Bucket { id: "b".into(), max_tokens, tokens_per_fill: 1, fill_interval: Duration::from_secs(10), share: Share::Proxy }
    }

    #[test]
    fn a_bucket_is_full_at_first_and_fills_with_time() {
        let bucket = Tokens::new(&rules(2));
        assert!(bucket.take(0) && bucket.take(0) && !bucket.take(0));
        assert!(!bucket.take(9 * SECOND));
        assert!(bucket.take(10 * SECOND) && !bucket.take(10 * SECOND));
        // It never holds more than it may.
        assert!(bucket.take(1000 * SECOND) && bucket.take(1000 * SECOND) && !bucket.take(1000 * SECOND));
        assert!(!Tokens::new(&rules(0)).take(1000 * SECOND));
    }

    #[test]
    fn what_is_left_is_told_in_whole_tokens_and_seconds() {
        let bucket = Tokens::new(&rules(2));
        assert_eq!(bucket.left(0), (2, 0));
        assert!(bucket.take(0));
        assert_eq!((bucket.left(0), bucket.left(9 * SECOND), bucket.left(99 * SECOND)), ((1, 0), (1, 0), (2, 0)));
        assert!(bucket.take(0));
        assert_eq!((bucket.left(0), bucket.left(SECOND / 2), bucket.left(10 * SECOND)), ((0, 10), (0, 9), (1, 0)));
    }

    #[test]
    fn values_that_are_left_open_have_buckets_of_their_own_and_the_oldest_goes() {
        let (buckets, rules) = (Buckets::default(), rules(1));
        let draw = |value: &str| Draw { bucket: &rules, apart: Some((value.into(), 2)) };
        assert!(buckets.take(&draw("a")) && buckets.take(&draw("b")) && !buckets.take(&draw("a")));
        // The third drives out the one that was used least of late.
        assert!(buckets.take(&draw("c")) && !buckets.take(&draw("a")) && buckets.take(&draw("b")));
    }
}
