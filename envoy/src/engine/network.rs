//! Network filters of a chain: what becomes of a connection.

use super::action::{Target, Weighted, WeightedCluster};
use super::field::{Message, Path, Read, Unknown};
use super::gate::{Overrides, Rbac};
use super::http::Manager;

/// A network filter.
#[derive(Clone, Debug)]
pub struct NetworkFilter {
    pub name: Box<str>,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Rbac(Rbac),
    Http(Box<Manager>),
    /// Forwards bytes.
    Tcp(Target),
    /// The cluster's name is the server name of TLS.
    ClusterOfServerName,
    /// A service outside decides.
    ExtAuthz(Box<str>),
    /// A bucket of connections.
    RateLimit,
    /// Decides nothing.
    Transparent,
    Unknown(Unknown),
}

/// Network filters that let every connection through, with why.
const TRANSPARENT: &[&str] = &[
    // Exchanges peers' metadata.
    "envoy.tcp.metadataexchange.config.MetadataExchange",
    "istio.envoy.config.filter.network.metadata_exchange.MetadataExchange",
    // Telemetry.
    "stats.PluginConfig",
    // Values for the log and the upstream connection.
    "envoy.extensions.filters.network.set_filter_state.v3.Config",
];

/// What meshctl does not know of a network filter, by itself: its type or a field. The path begins with `filter`.
pub fn unjudged(filter: &serde_json::Value) -> Option<Unknown> {
    match Message::new(filter, Path::root("filter")).map(|m| NetworkFilter::read(&m).kind) {
        Ok(Kind::Unknown(u)) | Err(u) => Some(u),
        Ok(_) => None,
    }
}

impl NetworkFilter {
    pub(super) fn read(m: &Message<'_, '_>) -> NetworkFilter {
        let name = m.text("name").unwrap_or("").into();
        NetworkFilter { name, kind: Kind::read(m).unwrap_or_else(Kind::Unknown) }
    }
}

impl Kind {
    fn read(m: &Message<'_, '_>) -> Read<Kind> {
        m.only(&["name", "typed_config", "config_discovery"])?;
        let Some((type_name, config)) = m.any("typed_config")? else {
            return match m.text("name")? {
                "envoy.filters.network.sni_cluster" => Ok(Kind::ClusterOfServerName),
                other => Err(m.unknown(format!("the network filter {other} has no configuration"))),
            };
        };
        Ok(match type_name {
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => Kind::Http(Box::new(Manager::read(&config)?)),
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy" => Kind::Tcp(tcp_target(&config)?),
            "envoy.extensions.filters.network.rbac.v3.RBAC" => Kind::Rbac(Rbac::read(&config)?),
            "envoy.extensions.filters.network.sni_cluster.v3.SniCluster" => Kind::ClusterOfServerName,
            "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz" => {
                let grpc = config.message_or_empty("grpc_service")?;
                Kind::ExtAuthz(grpc.message_or_empty("envoy_grpc")?.text("cluster_name")?.into())
            }
            "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit" | "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit" => {
                Kind::RateLimit
            }
            name if TRANSPARENT.contains(&name) => Kind::Transparent,
            other => return Err(config.unknown(format!("the network filter {other} is not known to meshctl"))),
        })
    }
}

fn tcp_target(m: &Message<'_, '_>) -> Read<Target> {
    if let Some(weighted) = m.message("weighted_clusters")? {
        let mut clusters = Vec::new();
        for c in weighted.messages("clusters")? {
            let name = Some(c.text("name")?).filter(|n| !n.is_empty()).map(Into::into);
            clusters.push(WeightedCluster { name, header: "".into(), weight: c.uint32("weight")?.unwrap_or(0), overrides: Overrides::default() });
        }
        return Ok(Target::Weighted(Weighted { clusters, random_header: "".into() }));
    }
    match m.text("cluster")? {
        "" => Err(m.unknown("a way to name the cluster that is not known to meshctl")),
        name => Ok(Target::Cluster(name.into())),
    }
}
