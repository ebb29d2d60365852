//! `outlier_detection` of clusters, with Envoy's defaults.

use mesh_envoy::engine::field::{Message, Read};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct Outlier {
    pub consecutive_5xx: u64,
    pub consecutive_gateway: u64,
    pub consecutive_local: u64,
    /// How often a host is really ejected, in percent.
    pub enforcing_5xx: u64,
    pub enforcing_gateway: u64,
    pub enforcing_local: u64,
    /// Whether what became of connections counts by itself, and not as a failed request.
    pub splits_local: bool,
    pub rates: Rates,
    pub interval: Duration,
    pub base_ejection: Duration,
    pub max_ejection: Duration,
    /// By how much an ejection lasts longer, at most: by lot.
    pub jitter: Duration,
    pub max_percent: u64,
    /// One host may go, whatever the percentage.
    pub always_one: bool,
}

/// How hosts are compared by their shares of successes.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    pub success_hosts: u64,
    pub success_volume: u64,
    /// Standard deviations below the mean.
    pub success_factor: f64,
    pub enforcing_success: u64,
    pub enforcing_local_success: u64,
    pub failure_hosts: u64,
    pub failure_volume: u64,
    /// Percent.
    pub failure_threshold: f64,
    pub enforcing_failure: u64,
    pub enforcing_local_failure: u64,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            success_hosts: 5,
            success_volume: 100,
            success_factor: 1.9,
            enforcing_success: 100,
            enforcing_local_success: 100,
            failure_hosts: 5,
            failure_volume: 50,
            failure_threshold: 85.0,
            enforcing_failure: 0,
            enforcing_local_failure: 0,
        }
    }
}

impl Rates {
    /// Whether anything comes of them: as istiod configures it, nothing does, and nothing is counted.
    pub fn any(&self) -> bool {
        self.enforcing_success + self.enforcing_local_success + self.enforcing_failure + self.enforcing_local_failure > 0
    }
}

impl Default for Outlier {
    fn default() -> Outlier {
        Outlier {
            consecutive_5xx: 5,
            consecutive_gateway: 5,
            consecutive_local: 5,
            enforcing_5xx: 100,
            enforcing_gateway: 0,
            enforcing_local: 100,
            splits_local: false,
            rates: Rates::default(),
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            jitter: Duration::ZERO,
            max_percent: 10,
            always_one: false,
        }
    }
}

impl Outlier {
    /// # Errors
    /// What can't be read, with its path.
    pub fn read(m: &Message<'_, '_>) -> Read<Outlier> {
        let d = Outlier::default();
        let number = |name: &str, default: u64| -> Read<u64> { Ok(m.uint(name)?.unwrap_or(default)) };
        // Numbers of 32 bits.
        #[allow(clippy::cast_precision_loss, reason = "numbers of 32 bits")]
        let float = |name: &str, default: f64, unit: f64| -> Read<f64> { Ok(m.uint(name)?.map_or(default, |n| n as f64 / unit)) };
        let base = m.duration("base_ejection_time")?.unwrap_or(d.base_ejection);
        Ok(Outlier {
            consecutive_5xx: number("consecutive_5xx", d.consecutive_5xx)?,
            consecutive_gateway: number("consecutive_gateway_failure", d.consecutive_gateway)?,
            consecutive_local: number("consecutive_local_origin_failure", d.consecutive_local)?,
            enforcing_5xx: number("enforcing_consecutive_5xx", d.enforcing_5xx)?,
            enforcing_gateway: number("enforcing_consecutive_gateway_failure", d.enforcing_gateway)?,
            enforcing_local: number("enforcing_consecutive_local_origin_failure", d.enforcing_local)?,
            splits_local: m.flag("split_external_local_origin_errors")?,
            rates: Rates {
                success_hosts: number("success_rate_minimum_hosts", d.rates.success_hosts)?,
                success_volume: number("success_rate_request_volume", d.rates.success_volume)?,
                success_factor: float("success_rate_stdev_factor", d.rates.success_factor, 1000.0)?,
                enforcing_success: number("enforcing_success_rate", d.rates.enforcing_success)?,
                enforcing_local_success: number("enforcing_local_origin_success_rate", d.rates.enforcing_local_success)?,
                failure_hosts: number("failure_percentage_minimum_hosts", d.rates.failure_hosts)?,
                failure_volume: number("failure_percentage_request_volume", d.rates.failure_volume)?,
                failure_threshold: float("failure_percentage_threshold", d.rates.failure_threshold, 1.0)?,
                enforcing_failure: number("enforcing_failure_percentage", d.rates.enforcing_failure)?,
                enforcing_local_failure: number("enforcing_failure_percentage_local_origin", d.rates.enforcing_local_failure)?,
            },
            interval: m.duration("interval")?.unwrap_or(d.interval),
            base_ejection: base,
            max_ejection: m.duration("max_ejection_time")?.unwrap_or(d.max_ejection).max(base),
            jitter: m.duration("max_ejection_time_jitter")?.unwrap_or_default(),
            max_percent: number("max_ejection_percent", d.max_percent)?,
            always_one: m.flag("always_eject_one_host")?,
        })
    }
}
