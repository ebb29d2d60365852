//! What the filters of a connection manager ask for: `io.istio.http.peer_metadata.Config` and `stats.PluginConfig`.

use super::overrides::Overrides;
use mesh_envoy::engine::field::{Message, Read};
use std::sync::Arc;
use std::time::Duration;

/// The side of its workload that a listener is on (`traffic_direction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    /// That of clients, and of gateways.
    Outbound,
    /// Counts as a client's, and is traced as a server's.
    #[default]
    Unspecified,
}

#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    pub direction: Direction,
    /// Clients are asked who they are, and told who answers.
    pub exchanges_downstream: bool,
    /// Upstreams are.
    pub exchanges_upstream: bool,
    /// How requests are counted; `None` for not at all.
    pub stats: Option<Arc<Stats>>,
}

/// `stats.PluginConfig`, for requests or for connections.
#[derive(Clone, Debug)]
pub struct Stats {
    /// A request that no service is known of counts for the host that it named.
    pub falls_back_to_host: bool,
    pub overrides: Overrides,
    /// How often bytes of a connection are counted while it lasts; `None` for at its end alone.
    pub interval: Option<Duration>,
}

impl Stats {
    /// # Errors
    /// What can't be read.
    pub fn read(config: &Message<'_, '_>) -> Read<Stats> {
        Ok(Stats {
            falls_back_to_host: !config.flag("disable_host_header_fallback")?,
            overrides: Overrides::read(config)?,
            interval: Some(config.duration("tcp_reporting_duration")?.unwrap_or(Duration::from_secs(5))).filter(|d| !d.is_zero()),
        })
    }
    /// From the filters of a chain or of a connection manager.
    ///
    /// # Errors
    /// What can't be read.
    pub fn find(filters: &[Message<'_, '_>]) -> Read<Option<Arc<Stats>>> {
        for filter in filters {
            if let Some(("stats.PluginConfig", config)) = filter.any("typed_config")? {
                return Ok(Some(Arc::new(Stats::read(&config)?)));
            }
        }
        Ok(None)
    }
}

impl Telemetry {
    /// From a connection manager.
    ///
    /// # Errors
    /// A field of another kind than it should be.
    pub fn read(manager: &Message<'_, '_>) -> Read<Telemetry> {
        let filters = manager.messages("http_filters")?;
        let mut out = Telemetry { stats: Stats::find(&filters)?, ..Telemetry::default() };
        for filter in filters {
            if let Some(("io.istio.http.peer_metadata.Config", config)) = filter.any("typed_config")? {
                let speaks = |side: &str| -> Read<bool> { Ok(config.messages(side)?.iter().any(|m| m.has("istio_headers"))) };
                out.exchanges_downstream = speaks("downstream_discovery")?;
                out.exchanges_upstream = speaks("upstream_discovery")? || speaks("upstream_propagation")?;
            }
        }
        Ok(out)
    }
}
