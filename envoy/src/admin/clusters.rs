//! `/clusters?format=json`: the endpoints that Envoy uses now, with their health and counters.

use crate::dump::endpoint::{Address, Locality, health_name};
use crate::dump::{DumpError, Text, UInt};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub struct ClusterStatuses<C> {
    #[serde(default = "Vec::new", alias = "clusterStatuses")]
    pub cluster_statuses: Vec<C>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClusterStatus<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "hostStatuses")]
    pub host_statuses: Vec<HostStatus<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HostStatus<'a> {
    #[serde(borrow)]
    pub address: Address<'a>,
    #[serde(borrow)]
    pub hostname: Text<'a>,
    #[serde(borrow, alias = "healthStatus")]
    pub health_status: HostHealth<'a>,
    #[serde(borrow)]
    pub stats: Vec<Stat<'a>>,
    pub weight: UInt,
    pub priority: UInt,
    #[serde(borrow)]
    pub locality: Locality<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HostHealth<'a> {
    #[serde(borrow, rename = "eds_health_status", alias = "edsHealthStatus")]
    eds: Text<'a>,
    #[serde(alias = "failedActiveHealthCheck")]
    pub failed_active_health_check: bool,
    #[serde(alias = "failedOutlierCheck")]
    pub failed_outlier_check: bool,
    #[serde(alias = "failedActiveDegradedCheck")]
    pub failed_active_degraded_check: bool,
    #[serde(alias = "pendingDynamicRemoval")]
    pub pending_dynamic_removal: bool,
    #[serde(alias = "pendingActiveHc")]
    pub pending_active_hc: bool,
}

impl HostHealth<'_> {
    pub fn eds_health_status(&self) -> &str {
        health_name(&self.eds)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Stat<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub value: UInt,
}

impl HostStatus<'_> {
    /// A counter or gauge of the host, 0 where it was never touched.
    pub fn stat(&self, name: &str) -> u64 {
        self.stats.iter().find(|s| &*s.name == name).map_or(0, |s| s.value.0)
    }
}

/// Reads the page; `C` is [`ClusterStatus`] or a whole JSON value.
pub fn read<'a, C: Deserialize<'a>>(text: &'a str) -> Result<Vec<C>, DumpError> {
    Ok(serde_json::from_str::<ClusterStatuses<C>>(text)?.cluster_statuses)
}
