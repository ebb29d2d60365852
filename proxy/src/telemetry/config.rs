//! What the filters of a connection manager ask for: `io.istio.http.peer_metadata.Config` and `stats.PluginConfig`.

use mesh_envoy::engine::field::{Message, Read};

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
    /// Requests are counted.
    pub counts: bool,
    /// A request that no service is known of counts for the host that it named.
    pub falls_back_to_host: bool,
}

impl Telemetry {
    /// From a connection manager.
    ///
    /// # Errors
    /// A field of another kind than it should be.
    pub fn read(manager: &Message<'_, '_>) -> Read<Telemetry> {
        let mut out = Telemetry::default();
        for filter in manager.messages("http_filters")? {
            match filter.any("typed_config")? {
                Some(("io.istio.http.peer_metadata.Config", config)) => {
                    let speaks = |side: &str| -> Read<bool> { Ok(config.messages(side)?.iter().any(|m| m.has("istio_headers"))) };
                    out.exchanges_downstream = speaks("downstream_discovery")?;
                    out.exchanges_upstream = speaks("upstream_discovery")? || speaks("upstream_propagation")?;
                }
                Some(("stats.PluginConfig", config)) => {
                    out.counts = true;
                    out.falls_back_to_host = !config.flag("disable_host_header_fallback")?;
                }
                _ => {}
            }
        }
        Ok(out)
    }
}
