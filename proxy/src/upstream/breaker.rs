//! Circuit breakers: counts that all workers share, and what they may rise to.

use crate::config::cluster::Thresholds;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of a cluster's one priority.
#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicU64,
    pub pending: AtomicU64,
    pub requests: AtomicU64,
    pub retries: AtomicU64,
}

/// Which count a slot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Connections,
    Pending,
    Requests,
    Retries,
}

/// One of a count; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    counts: Arc<Counts>,
    what: What,
}

impl Counts {
    fn of(&self, what: What) -> &AtomicU64 {
        match what {
            What::Connections => &self.connections,
            What::Pending => &self.pending,
            What::Requests => &self.requests,
            What::Retries => &self.retries,
        }
    }
    pub fn get(&self, what: What) -> u64 {
        self.of(what).load(Ordering::Relaxed)
    }
    /// How many there may be.
    pub fn limit(&self, what: What, thresholds: &Thresholds) -> u64 {
        match what {
            What::Connections => thresholds.connections,
            What::Pending => thresholds.pending,
            What::Requests => thresholds.requests,
            What::Retries => match thresholds.budget {
                None => thresholds.retries,
                Some((percent, least)) => {
                    let active = self.get(What::Requests) + self.get(What::Pending);
                    least.max((percent * active as f64 / 100.0) as u64)
                }
            },
        }
    }
}

/// A slot where the limit leaves one. Two workers may pass a limit at once, as Envoy's do.
pub fn take(counts: &Arc<Counts>, what: What, thresholds: &Thresholds) -> Option<Slot> {
    (counts.get(what) < counts.limit(what, thresholds)).then(|| force(counts, what))
}

/// A slot, whatever the limit.
pub fn force(counts: &Arc<Counts>, what: What) -> Slot {
    counts.of(what).fetch_add(1, Ordering::Relaxed);
    Slot { counts: counts.clone(), what }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counts.of(self.what).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back_and_budgets_follow_the_load() {
        let counts = Arc::new(Counts::default());
        let mut t = Thresholds { connections: 1, pending: 0, requests: 100, retries: 0, budget: None };
        let slot = take(&counts, What::Connections, &t);
        assert!(slot.is_some() && take(&counts, What::Connections, &t).is_none() && take(&counts, What::Pending, &t).is_none());
        drop(slot);
        assert!(take(&counts, What::Connections, &t).is_some());
        assert!(take(&counts, What::Retries, &t).is_none());
        t.budget = Some((20.0, 1));
        let _requests: Vec<Slot> = (0..10).map(|_| force(&counts, What::Requests)).collect();
        assert_eq!(counts.limit(What::Retries, &t), 2);
    }
}
