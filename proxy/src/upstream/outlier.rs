//! Outlier detection: hosts that fail in a row are left alone for a while.
//!
//! Envoy's rules: an ejection lasts base × the number of ejections so far, at most the maximum; every interval without an
//! ejection takes one off that number. No more than a percentage of a cluster's hosts, and always one, is ejected at once.

use crate::config::cluster::Outlier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Status(u16),
    /// The connection could not be made, or ended.
    LocalFailure,
}

/// What a host did lately. Times are milliseconds since the proxy began.
#[derive(Debug, Default)]
pub struct Record {
    errors: AtomicU32,
    gateway_errors: AtomicU32,
    local_errors: AtomicU32,
    /// How often it was ejected, less what good intervals took off.
    pub ejections: AtomicU32,
    /// When it comes back; 0 while it is not ejected.
    pub until: AtomicU64,
}

impl Record {
    /// Notes an outcome; true where the host should be ejected.
    pub fn note(&self, outcome: Outcome, rules: &Outlier, dice: impl Fn(u64) -> bool) -> bool {
        let (server, gateway, local) = match outcome {
            Outcome::LocalFailure if rules.splits_local => (false, false, true),
            Outcome::LocalFailure => (true, true, false),
            Outcome::Status(s) => ((500..600).contains(&s), (502..=504).contains(&s), false),
        };
        let count = |failed: bool, counter: &AtomicU32, limit: u64, enforcing: u64| {
            if !failed {
                counter.store(0, Ordering::Relaxed);
                return false;
            }
            let n = counter.fetch_add(1, Ordering::Relaxed) + 1;
            if u64::from(n) < limit {
                return false;
            }
            counter.store(0, Ordering::Relaxed);
            dice(enforcing)
        };
        let by_server = count(server, &self.errors, rules.consecutive_5xx, rules.enforcing_5xx);
        let by_gateway = count(gateway, &self.gateway_errors, rules.consecutive_gateway, rules.enforcing_gateway);
        let by_local = rules.splits_local && count(local, &self.local_errors, rules.consecutive_local, rules.enforcing_local);
        by_server || by_gateway || by_local
    }
    /// Ejects at `now`, and says for how long.
    pub fn eject(&self, now: u64, rules: &Outlier) -> Duration {
        let times = self.ejections.fetch_add(1, Ordering::Relaxed) + 1;
        let span = rules.base_ejection.saturating_mul(times).min(rules.max_ejection);
        self.until.store(now.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).max(1), Ordering::Relaxed);
        span
    }
    /// At the end of an interval; true where an ejected host comes back.
    pub fn interval(&self, now: u64) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until != 0 && until <= now {
            self.until.store(0, Ordering::Relaxed);
            return true;
        }
        if until == 0 {
            let _ = self.ejections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        }
        false
    }
}

/// Whether one more of `all` may be ejected.
pub fn may_eject(ejected: u64, all: u64, max_percent: u64) -> bool {
    ejected == 0 || (ejected + 1) * 100 <= max_percent * all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Outlier {
        Outlier {
            consecutive_5xx: 3,
            consecutive_gateway: 2,
            consecutive_local: 5,
            enforcing_5xx: 100,
            enforcing_gateway: 0,
            enforcing_local: 100,
            splits_local: false,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(50),
            max_percent: 10,
        }
    }

    #[test]
    fn failures_in_a_row_eject_for_longer_each_time() {
        let (record, rules) = (Record::default(), rules());
        let note = |o| record.note(o, &rules, |percent| percent == 100);
        assert!(!note(Outcome::Status(500)) && !note(Outcome::Status(503)));
        assert!(!note(Outcome::Status(200)) && !note(Outcome::Status(500)) && !note(Outcome::LocalFailure));
        assert!(note(Outcome::Status(500)));
        assert_eq!(record.eject(1000, &rules), Duration::from_secs(30));
        assert!(!record.interval(30_999) && record.interval(31_000));
        assert_eq!(record.eject(40_000, &rules), Duration::from_secs(50));
        assert!(record.interval(90_000));
        assert!(!record.interval(91_000) && !record.interval(92_000));
        assert_eq!(record.eject(100_000, &rules), Duration::from_secs(30));
    }

    #[test]
    fn one_host_may_always_go_and_then_a_share() {
        assert!(may_eject(0, 3, 10));
        assert!(!may_eject(1, 3, 10));
        assert!(may_eject(1, 20, 10));
        assert!(!may_eject(2, 20, 10));
    }
}
