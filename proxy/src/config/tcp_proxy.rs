//! `tcp_proxy`: the engine's target, and beside it how long connections may be quiet and what is logged of them.

use super::Compiler;
use crate::access_log::Log;
use crate::telemetry::{Direction, Stats};
use mesh_envoy::engine::action::Target;
use mesh_envoy::engine::field::{Message, Read};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub struct TcpProxy {
    target: Target,
    /// Whether the client's hello names the cluster.
    by_server_name: bool,
    pub stat_prefix: Box<str>,
    pub logs: Vec<Log>,
    /// How long nothing may be sent either way.
    pub idle_timeout: Option<Duration>,
    pub longest: Option<Duration>,
    pub connect_attempts: u32,
    pub direction: Direction,
    /// How connections are counted; `None` for not at all.
    pub stats: Option<Arc<Stats>>,
    /// Whether clients are told who this is where they agree to it, and tell it themselves.
    pub greets_clients: bool,
    /// The most bytes that may wait in one direction.
    pub buffer: usize,
    /// Labels that endpoints have to have, and those of each weighted cluster.
    subset: Option<Value>,
    weighted_subsets: Vec<Option<Value>>,
}

impl TcpProxy {
    /// # Errors
    /// What can't be read.
    pub(super) fn read(m: &Message<'_, '_>, target: &Target, by_server_name: bool, compiler: &Compiler) -> Read<TcpProxy> {
        let weighted = m.message_or_empty("weighted_clusters")?;
        let weighted_subsets = weighted.messages("clusters")?.iter().map(labels).collect::<Read<_>>()?;
        Ok(TcpProxy {
            target: target.clone(),
            by_server_name,
            stat_prefix: m.text("stat_prefix")?.into(),
            logs: Log::read_all(m, compiler)?,
            idle_timeout: Some(m.duration("idle_timeout")?.unwrap_or(Duration::from_secs(3600))).filter(|d| !d.is_zero()),
            longest: m.duration("max_downstream_connection_duration")?.filter(|d| !d.is_zero()),
            connect_attempts: u32::try_from(m.uint("max_connect_attempts")?.unwrap_or(1)).unwrap_or(u32::MAX).max(1),
            direction: Direction::Unspecified,
            stats: None,
            greets_clients: false,
            buffer: usize::MAX,
            subset: labels(m)?,
            weighted_subsets,
        })
    }
    /// The cluster for a connection, and the labels that its endpoint has to have; `None` where nothing names one.
    pub fn choose<'c>(&'c self, server_name: &'c str, random: u64) -> Option<(&'c str, Option<&'c Value>)> {
        if self.by_server_name && !server_name.is_empty() {
            return Some((server_name, self.subset.as_ref()));
        }
        match &self.target {
            Target::Cluster(name) => Some((name, self.subset.as_ref())),
            Target::Weighted(weighted) => {
                let chosen = weighted.choose(None, Some(random))?;
                let index = weighted.clusters.iter().position(|c| std::ptr::eq(c, chosen))?;
                let own = self.weighted_subsets.get(index).and_then(Option::as_ref);
                Some((chosen.name.as_deref()?, own.or(self.subset.as_ref())))
            }
            Target::Header(_) => None,
        }
    }
}

fn labels(m: &Message<'_, '_>) -> Read<Option<Value>> {
    Ok(m.message_or_empty("metadata_match")?.message_or_empty("filter_metadata")?.value("envoy.lb").cloned())
}
