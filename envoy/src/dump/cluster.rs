//! Clusters of a dump (`envoy.config.cluster.v3`), as far as tables show them.

use super::endpoint::LoadAssignment;
use super::value::{Text, UInt, enum_name};
use serde::Deserialize;

/// `ClustersConfigDump`; `C` is [`Cluster`] or a whole JSON value.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>, 'de: 'a"))]
pub struct Clusters<'a, C> {
    #[serde(default = "Vec::new", alias = "staticClusters")]
    pub static_clusters: Vec<Entry<'a, C>>,
    #[serde(default = "Vec::new", alias = "dynamicActiveClusters")]
    pub dynamic_active_clusters: Vec<Entry<'a, C>>,
    #[serde(default = "Vec::new", alias = "dynamicWarmingClusters")]
    pub dynamic_warming_clusters: Vec<Entry<'a, C>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>, 'de: 'a"))]
pub struct Entry<'a, C> {
    #[serde(default = "none")]
    pub cluster: Option<C>,
    #[serde(default, borrow, alias = "errorState")]
    pub error_state: Option<UpdateFailure<'a>>,
}

fn none<C>() -> Option<C> {
    None
}

/// Why the last update of a resource was rejected (a NACK).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct UpdateFailure<'a> {
    #[serde(borrow)]
    pub details: Text<'a>,
    #[serde(borrow, alias = "lastUpdateAttempt")]
    pub last_update_attempt: Text<'a>,
    #[serde(borrow, alias = "versionInfo")]
    pub version_info: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cluster<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, rename = "type")]
    discovery: Text<'a>,
    #[serde(borrow, alias = "clusterType")]
    pub cluster_type: Option<Named<'a>>,
    #[serde(borrow, rename = "lb_policy", alias = "lbPolicy")]
    lb: Text<'a>,
    #[serde(borrow, alias = "connectTimeout")]
    pub connect_timeout: Text<'a>,
    #[serde(borrow)]
    pub metadata: Metadata<'a>,
    #[serde(borrow, alias = "transportSocket")]
    pub transport_socket: Option<Named<'a>>,
    #[serde(borrow, alias = "transportSocketMatches")]
    pub transport_socket_matches: Vec<Named<'a>>,
    #[serde(borrow, alias = "circuitBreakers")]
    pub circuit_breakers: CircuitBreakers<'a>,
    #[serde(borrow, alias = "outlierDetection")]
    pub outlier_detection: Option<OutlierDetection<'a>>,
    #[serde(borrow, alias = "edsClusterConfig")]
    pub eds_cluster_config: EdsConfig<'a>,
    #[serde(borrow, alias = "loadAssignment")]
    pub load_assignment: Option<LoadAssignment<'a>>,
}

impl Cluster<'_> {
    /// `STATIC`, `STRICT_DNS`, `LOGICAL_DNS`, `EDS` or `ORIGINAL_DST`.
    pub fn discovery_type(&self) -> &str {
        enum_name(&self.discovery, &["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"])
    }
    pub fn lb_policy(&self) -> &str {
        enum_name(&self.lb, &["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "", "MAGLEV", "CLUSTER_PROVIDED", "LOAD_BALANCING_POLICY_CONFIG"])
    }
    /// The name that endpoints are asked for by: `eds_cluster_config.service_name`, else the cluster's.
    pub fn service_name(&self) -> &str {
        if self.eds_cluster_config.service_name.is_empty() { &self.name } else { &self.eds_cluster_config.service_name }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Named<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, alias = "typedConfig")]
    pub typed_config: Typed<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Typed<'a> {
    #[serde(borrow, rename = "@type")]
    pub type_url: Text<'a>,
    #[serde(borrow)]
    pub sni: Text<'a>,
}

/// `metadata`, of which the object that Istio made a resource from is shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata<'a> {
    #[serde(borrow, alias = "filterMetadata")]
    filter_metadata: FilterMetadata<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct FilterMetadata<'a> {
    #[serde(borrow)]
    istio: Istio<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Istio<'a> {
    #[serde(borrow)]
    config: Text<'a>,
    #[serde(borrow)]
    services: Vec<ServiceRef<'a>>,
}

/// A service that a cluster belongs to, as Istio notes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServiceRef<'a> {
    #[serde(borrow)]
    pub host: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub namespace: Text<'a>,
}

/// The Istio object behind a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigRef<'t> {
    /// `destination-rule`, `virtual-service`.
    pub kind: &'t str,
    pub namespace: &'t str,
    pub name: &'t str,
}

impl Metadata<'_> {
    /// `/apis/networking.istio.io/v1/namespaces/default/destination-rule/reviews`, "" where absent.
    pub fn istio_config(&self) -> &str {
        &self.filter_metadata.istio.config
    }
    pub fn services(&self) -> &[ServiceRef<'_>] {
        &self.filter_metadata.istio.services
    }
    pub fn config_ref(&self) -> Option<ConfigRef<'_>> {
        let mut parts = self.istio_config().strip_prefix("/apis/")?.split('/');
        let (_group, _version, _namespaces, namespace, kind, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then_some(ConfigRef { kind, namespace, name })
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CircuitBreakers<'a> {
    #[serde(borrow)]
    pub thresholds: Vec<Thresholds<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Thresholds<'a> {
    #[serde(borrow)]
    pub priority: Text<'a>,
    #[serde(alias = "maxConnections")]
    pub max_connections: Option<UInt>,
    #[serde(alias = "maxPendingRequests")]
    pub max_pending_requests: Option<UInt>,
    #[serde(alias = "maxRequests")]
    pub max_requests: Option<UInt>,
    #[serde(alias = "maxRetries")]
    pub max_retries: Option<UInt>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OutlierDetection<'a> {
    #[serde(alias = "consecutive5xx")]
    pub consecutive_5xx: Option<UInt>,
    #[serde(alias = "consecutiveGatewayFailure")]
    pub consecutive_gateway_failure: Option<UInt>,
    #[serde(borrow)]
    pub interval: Text<'a>,
    #[serde(borrow, alias = "baseEjectionTime")]
    pub base_ejection_time: Text<'a>,
    #[serde(alias = "maxEjectionPercent")]
    pub max_ejection_percent: Option<UInt>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EdsConfig<'a> {
    #[serde(borrow, alias = "serviceName")]
    pub service_name: Text<'a>,
}
