//! Outlier detection: hosts that fail are left alone for a while.
//!
//! Envoy's rules. What a host did is counted as it is done, and ejects by failures in a row; at the end of an interval hosts are
//! compared by their shares of failures. An ejection lasts base × the number of ejections so far, at most the maximum; every
//! interval without one takes one off that number. No more than a percentage of a cluster's hosts is ejected at once.

use crate::config::outlier::{Outlier, Rates};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Status(u16),
    /// The connection could not be made, or ended.
    LocalFailure,
}

/// Why a host is to be ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    ServerErrors,
    GatewayErrors,
    LocalErrors,
    SuccessRate,
    LocalSuccessRate,
    FailurePercentage,
    LocalFailurePercentage,
}

impl Cause {
    pub const ALL: [Cause; 7] = [
        Cause::ServerErrors,
        Cause::GatewayErrors,
        Cause::LocalErrors,
        Cause::SuccessRate,
        Cause::LocalSuccessRate,
        Cause::FailurePercentage,
        Cause::LocalFailurePercentage,
    ];
    /// As statistics end in it.
    pub fn name(self) -> &'static str {
        match self {
            Cause::ServerErrors => "consecutive_5xx",
            Cause::GatewayErrors => "consecutive_gateway_failure",
            Cause::LocalErrors => "consecutive_local_origin_failure",
            Cause::SuccessRate => "success_rate",
            Cause::LocalSuccessRate => "local_origin_success_rate",
            Cause::FailurePercentage => "failure_percentage",
            Cause::LocalFailurePercentage => "local_origin_failure_percentage",
        }
    }
    /// How often, in percent, a host is really ejected for it.
    fn enforcing(self, rules: &Outlier) -> u64 {
        match self {
            Cause::ServerErrors => rules.enforcing_5xx,
            Cause::GatewayErrors => rules.enforcing_gateway,
            Cause::LocalErrors => rules.enforcing_local,
            Cause::SuccessRate => rules.rates.enforcing_success,
            Cause::LocalSuccessRate => rules.rates.enforcing_local_success,
            Cause::FailurePercentage => rules.rates.enforcing_failure,
            Cause::LocalFailurePercentage => rules.rates.enforcing_local_failure,
        }
    }
}

/// `cluster.NAME.outlier_detection.`
#[derive(Debug, Default)]
pub struct Ejections {
    detected: [AtomicU64; 7],
    enforced: [AtomicU64; 7],
    overflow: AtomicU64,
}

impl Ejections {
    /// Whether a host goes, where `ejected` of `all` are gone.
    pub fn decide(&self, cause: Cause, (ejected, all): (u64, u64), rules: &Outlier, dice: impl Fn(u64) -> bool) -> bool {
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        add(&self.detected[cause as usize]);
        if !may_eject(ejected, all, rules) {
            add(&self.overflow);
            return false;
        }
        let goes = dice(cause.enforcing(rules));
        if goes {
            add(&self.enforced[cause as usize]);
        }
        goes
    }
    /// Counters by name.
    pub fn each(&self, mut visit: impl FnMut(&str, u64)) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for cause in Cause::ALL {
            visit(&format!("ejections_detected_{}", cause.name()), get(&self.detected[cause as usize]));
            visit(&format!("ejections_enforced_{}", cause.name()), get(&self.enforced[cause as usize]));
        }
        visit("ejections_enforced_total", self.enforced.iter().map(get).sum());
        visit("ejections_overflow", get(&self.overflow));
    }
}

/// Requests of an interval, and those that succeeded.
#[derive(Debug, Default)]
struct Tally {
    all: AtomicU32,
    good: AtomicU32,
}

impl Tally {
    fn note(&self, good: bool) {
        self.all.fetch_add(1, Ordering::Relaxed);
        if good {
            self.good.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn take(&self) -> Share {
        Share { all: self.all.swap(0, Ordering::Relaxed), good: self.good.swap(0, Ordering::Relaxed) }
    }
}

/// What a host did in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub all: u32,
    pub good: u32,
}

impl Share {
    /// Of successes, in percent.
    fn success(self) -> f64 {
        100.0 * f64::from(self.good) / f64::from(self.all.max(1))
    }
}

/// What a host did lately. Times are milliseconds since the proxy began.
#[derive(Debug, Default)]
pub struct Record {
    errors: AtomicU32,
    gateway_errors: AtomicU32,
    local_errors: AtomicU32,
    /// What it answered.
    answers: Tally,
    /// What became of the connections to it, where that is told apart.
    connections: Tally,
    /// How often it was ejected, less what good intervals took off.
    pub ejections: AtomicU32,
    /// When it comes back; 0 while it is not ejected.
    pub until: AtomicU64,
}

impl Record {
    /// Notes an outcome; `found` hears why the host should be ejected.
    pub fn note(&self, outcome: Outcome, rules: &Outlier, mut found: impl FnMut(Cause)) {
        let (server, gateway, local) = match outcome {
            Outcome::LocalFailure if rules.splits_local => (false, false, true),
            Outcome::LocalFailure => (true, true, false),
            Outcome::Status(s) => ((500..600).contains(&s), (502..=504).contains(&s), false),
        };
        if rules.rates.any() {
            if !local {
                self.answers.note(!server);
            }
            if rules.splits_local {
                self.connections.note(!local);
            }
        }
        let mut count = |failed: bool, counter: &AtomicU32, limit: u64, cause: Cause| {
            if !failed {
                counter.store(0, Ordering::Relaxed);
                return;
            }
            let n = counter.fetch_add(1, Ordering::Relaxed) + 1;
            if u64::from(n) >= limit {
                counter.store(0, Ordering::Relaxed);
                found(cause);
            }
        };
        // What came of the connection alone says nothing of the answers before.
        if !local {
            count(server, &self.errors, rules.consecutive_5xx, Cause::ServerErrors);
            count(gateway, &self.gateway_errors, rules.consecutive_gateway, Cause::GatewayErrors);
        }
        if rules.splits_local {
            count(local, &self.local_errors, rules.consecutive_local, Cause::LocalErrors);
        }
    }
    /// Ejects at `now`, and says for how long. `jitter` is added to it.
    pub fn eject(&self, now: u64, rules: &Outlier, jitter: Duration) -> Duration {
        let times = self.ejections.fetch_add(1, Ordering::Relaxed) + 1;
        let span = rules.base_ejection.saturating_mul(times).min(rules.max_ejection) + jitter;
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
    /// What it answered, and what became of connections to it, since the last call.
    pub fn take_shares(&self) -> (Share, Share) {
        (self.answers.take(), self.connections.take())
    }
}

/// The hosts whose shares stand out, by their places, each with what it is compared by: less successes than `success_factor`
/// standard deviations below the mean, or more failures than a fixed percentage. `hosts` are all of the cluster, those that are
/// ejected as `None`; it takes a number of them with enough requests.
pub fn outliers(hosts: &[Option<Share>], rates: &Rates) -> Vec<(usize, Comparison)> {
    let with = |volume: u64| -> Vec<(usize, f64)> {
        let known = hosts.iter().enumerate().filter_map(|(i, s)| s.map(|s| (i, s))).filter(|(_, s)| s.all > 0 && u64::from(s.all) >= volume);
        known.map(|(i, s)| (i, s.success())).collect()
    };
    let mut out = Vec::new();
    let compared = with(rates.success_volume);
    if !compared.is_empty() && compared.len() as u64 >= rates.success_hosts {
        #[allow(clippy::cast_precision_loss, reason = "numbers of hosts are small")]
        let n = compared.len() as f64;
        let mean = compared.iter().map(|(_, s)| s).sum::<f64>() / n;
        let deviation = (compared.iter().map(|(_, s)| (s - mean).powi(2)).sum::<f64>() / n).sqrt();
        let least = mean - deviation * rates.success_factor;
        out.extend(compared.iter().filter(|(_, s)| *s < least).map(|(i, _)| (*i, Comparison::SuccessRate)));
    }
    let compared = with(rates.failure_volume);
    if !compared.is_empty() && compared.len() as u64 >= rates.failure_hosts {
        out.extend(compared.iter().filter(|(_, s)| 100.0 - s >= rates.failure_threshold).map(|(i, _)| (*i, Comparison::FailurePercentage)));
    }
    out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    SuccessRate,
    FailurePercentage,
}

/// Whether one more of `all` may be ejected.
fn may_eject(ejected: u64, all: u64, rules: &Outlier) -> bool {
    (rules.always_one && ejected == 0) || (ejected + 1) * 100 <= rules.max_percent.min(100) * all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Outlier {
        Outlier { consecutive_5xx: 3, consecutive_gateway: 2, enforcing_gateway: 0, max_ejection: Duration::from_secs(50), ..Outlier::default() }
    }

    #[test]
    fn failures_in_a_row_eject_for_longer_each_time() {
        let (record, rules, counts) = (Record::default(), rules(), Ejections::default());
        let note = |o| {
            let mut goes = false;
            record.note(o, &rules, |cause| goes |= counts.decide(cause, (0, 10), &rules, |percent| percent == 100));
            goes
        };
        assert!(!note(Outcome::Status(500)) && !note(Outcome::Status(503)));
        assert!(!note(Outcome::Status(200)) && !note(Outcome::Status(500)) && !note(Outcome::LocalFailure));
        assert!(note(Outcome::Status(500)));
        let eject = |now| record.eject(now, &rules, Duration::ZERO);
        assert_eq!(eject(1000), Duration::from_secs(30));
        assert!(!record.interval(30_999) && record.interval(31_000));
        assert_eq!(eject(40_000), Duration::from_secs(50));
        assert!(record.interval(90_000));
        assert!(!record.interval(91_000) && !record.interval(92_000));
        assert_eq!(eject(100_000), Duration::from_secs(30));
        let mut told = Vec::new();
        counts.each(|name, value| told.extend((value > 0).then(|| format!("{name} {value}"))));
        assert_eq!(told, ["ejections_detected_consecutive_5xx 1", "ejections_enforced_consecutive_5xx 1", "ejections_enforced_total 1"]);
    }

    #[test]
    fn a_share_of_the_hosts_may_go_and_one_where_that_is_said() {
        let may = |ejected, all, always_one| may_eject(ejected, all, &Outlier { always_one, ..Outlier::default() });
        assert!(!may(0, 3, false) && may(0, 3, true) && !may(1, 3, true));
        assert!(may(0, 10, false) && !may(1, 10, false));
        assert!(may(1, 20, false) && !may(2, 20, false));
    }

    #[test]
    fn hosts_that_differ_from_the_others_stand_out() {
        let of = |percents: &[u32]| percents.iter().map(|p| Some(Share { all: 100, good: *p })).collect::<Vec<_>>();
        let rates = Rates::default();
        // The mean is 88, the deviation 16.6: 1.9 of it below are 56.5.
        assert_eq!(outliers(&of(&[95, 97, 96, 94, 95, 51]), &rates), [(5, Comparison::SuccessRate)]);
        assert!(outliers(&of(&[60, 97, 96, 94, 50, 51]), &rates).is_empty());
        assert!(outliers(&of(&[95, 97, 96, 0]), &rates).is_empty(), "four hosts are too few");
        let mut quiet = of(&[95, 97, 96, 94, 95]);
        quiet.push(Some(Share { all: 40, good: 0 }));
        quiet.push(None);
        assert!(outliers(&quiet, &rates).is_empty(), "40 requests are too few");
        quiet[5] = Some(Share { all: 60, good: 9 });
        assert_eq!(outliers(&quiet, &rates), [(5, Comparison::FailurePercentage)], "60 are enough for a percentage");
    }

    #[test]
    fn what_became_of_connections_is_told_apart_where_that_is_asked_for() {
        let record = Record::default();
        let rules = Outlier { splits_local: true, ..Outlier::default() };
        [Outcome::LocalFailure, Outcome::Status(500), Outcome::Status(200)].into_iter().for_each(|o| record.note(o, &rules, |_| {}));
        assert_eq!(record.take_shares(), (Share { all: 2, good: 1 }, Share { all: 3, good: 2 }));
        [Outcome::LocalFailure, Outcome::Status(200)].into_iter().for_each(|o| record.note(o, &Outlier::default(), |_| {}));
        assert_eq!(record.take_shares(), (Share { all: 2, good: 1 }, Share::default()));
    }
}
