//! Endpoints of a dump (`envoy.config.endpoint.v3`) and addresses.

use super::value::{Text, UInt, enum_name};
use serde::Deserialize;
use std::fmt;

/// `EndpointsConfigDump` (only with `?include_eds`); `E` is [`LoadAssignment`] or a whole JSON value.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "E: Deserialize<'de>"))]
pub struct Endpoints<E> {
    #[serde(default = "Vec::new", alias = "staticEndpointConfigs")]
    pub static_endpoint_configs: Vec<Entry<E>>,
    #[serde(default = "Vec::new", alias = "dynamicEndpointConfigs")]
    pub dynamic_endpoint_configs: Vec<Entry<E>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "E: Deserialize<'de>"))]
pub struct Entry<E> {
    #[serde(default = "none", alias = "endpointConfig")]
    pub endpoint_config: Option<E>,
}

fn none<E>() -> Option<E> {
    None
}

/// `ClusterLoadAssignment`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoadAssignment<'a> {
    #[serde(borrow, alias = "clusterName")]
    pub cluster_name: Text<'a>,
    #[serde(borrow)]
    pub endpoints: Vec<LocalityEndpoints<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LocalityEndpoints<'a> {
    #[serde(borrow)]
    pub locality: Locality<'a>,
    #[serde(borrow, alias = "lbEndpoints")]
    pub lb_endpoints: Vec<LbEndpoint<'a>>,
    #[serde(alias = "loadBalancingWeight")]
    pub load_balancing_weight: Option<UInt>,
    pub priority: UInt,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Locality<'a> {
    #[serde(borrow)]
    pub region: Text<'a>,
    #[serde(borrow)]
    pub zone: Text<'a>,
    #[serde(borrow, alias = "subZone")]
    pub sub_zone: Text<'a>,
}

impl fmt::Display for Locality<'_> {
    /// `region/zone/subzone`, as far as it is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.region)?;
        if !self.zone.is_empty() {
            write!(f, "/{}", self.zone)?;
        }
        if !self.sub_zone.is_empty() {
            write!(f, "/{}", self.sub_zone)?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LbEndpoint<'a> {
    #[serde(borrow)]
    pub endpoint: Endpoint<'a>,
    #[serde(borrow, rename = "health_status", alias = "healthStatus")]
    health: Text<'a>,
    #[serde(alias = "loadBalancingWeight")]
    pub load_balancing_weight: Option<UInt>,
}

impl LbEndpoint<'_> {
    pub fn health_status(&self) -> &str {
        health_name(&self.health)
    }
}

/// `HEALTHY`, `DRAINING`, …; `UNKNOWN` where absent.
pub fn health_name(text: &str) -> &str {
    enum_name(text, &["UNKNOWN", "HEALTHY", "UNHEALTHY", "DRAINING", "TIMEOUT", "DEGRADED"])
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Endpoint<'a> {
    #[serde(borrow)]
    pub address: Address<'a>,
    #[serde(borrow)]
    pub hostname: Text<'a>,
    #[serde(borrow, alias = "additionalAddresses")]
    pub additional_addresses: Vec<AdditionalAddress<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AdditionalAddress<'a> {
    #[serde(borrow)]
    pub address: Address<'a>,
}

/// `envoy.config.core.v3.Address`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Address<'a> {
    #[serde(borrow, alias = "socketAddress")]
    pub socket_address: Option<SocketAddress<'a>>,
    #[serde(borrow)]
    pub pipe: Option<Pipe<'a>>,
    #[serde(borrow, alias = "envoyInternalAddress")]
    pub envoy_internal_address: Option<InternalAddress<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SocketAddress<'a> {
    #[serde(borrow)]
    pub address: Text<'a>,
    #[serde(alias = "portValue")]
    pub port_value: UInt,
    #[serde(borrow)]
    pub protocol: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pipe<'a> {
    #[serde(borrow)]
    pub path: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct InternalAddress<'a> {
    #[serde(borrow, alias = "serverListenerName")]
    pub server_listener_name: Text<'a>,
    #[serde(borrow, alias = "endpointId")]
    pub endpoint_id: Text<'a>,
}

impl Address<'_> {
    /// The host part: an IP, a host name, `unix://path` or `envoy://listener/id`; "" for none.
    pub fn host(&self) -> String {
        match (&self.socket_address, &self.pipe, &self.envoy_internal_address) {
            (Some(s), _, _) => s.address.to_string(),
            (_, Some(p), _) => format!("unix://{}", p.path),
            (_, _, Some(i)) => format!("envoy://{}/{}", i.server_listener_name, i.endpoint_id),
            _ => String::new(),
        }
    }
    /// 0 where there is none.
    pub fn port(&self) -> u32 {
        self.socket_address.as_ref().map_or(0, |s| u32::try_from(s.port_value.0).unwrap_or(0))
    }
}

impl fmt::Display for Address<'_> {
    /// `10.0.0.1:80`, `[::1]:80`, `unix:///path`, `envoy://listener/id`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host(), self.port()) {
            (host, 0) => f.write_str(&host),
            (host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            (host, port) => write!(f, "{host}:{port}"),
        }
    }
}
