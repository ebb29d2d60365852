//! What traffic policies set of a cluster: connections, outliers, balancing.

use super::{Building, either_protocol};
use crate::translate::Context;
use crate::translate::virtual_service::duration;
use mesh_envoy::api::cluster::{self, Cluster, ClusterDiscoveryType, ClusterLbPolicy};
use mesh_envoy::api::{common::Percent, core};
use mesh_model::Node;

pub fn unlimited() -> cluster::CircuitBreakers {
    cluster::CircuitBreakers { thresholds: vec![thresholds()] }
}

fn thresholds() -> cluster::CircuitBreakersThresholds {
    let most = Some(u32::MAX);
    cluster::CircuitBreakersThresholds { max_connections: most, max_pending_requests: most, max_requests: most, max_retries: most, ..Default::default() }
}

/// A number, plain or as a message with a value.
fn percent_of(node: Node<'_>) -> Option<f64> {
    if node.is_mapping() { node.get("value").and_then(Node::float) } else { node.float() }
}

/// Retries at once as a share of the requests, where connections are limited already.
pub fn retry_budget(building: &mut Building, node: Option<Node<'_>>) {
    let Some(node) = node else { return };
    let budget = cluster::CircuitBreakersThresholdsRetryBudget {
        budget_percent: Some(Percent { value: node.get("percent").and_then(percent_of).unwrap_or(20.0) }),
        budget_interval: node.get("budgetInterval").and_then(|n| duration(n.text())),
        min_retry_concurrency: Some(node.get("minRetryConcurrency").and_then(Node::int).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(3)),
    };
    let thresholds = building.cluster.circuit_breakers.iter_mut().flat_map(|c| &mut c.thresholds);
    thresholds.for_each(|t| t.retry_budget = Some(budget.clone()));
}

/// Whether the protocol is the one that the client speaks.
pub fn keeps_protocol(pool: Option<Node<'_>>) -> bool {
    pool.and_then(|p| p.at(&["http", "useClientProtocol"])).and_then(Node::bool) == Some(true)
}

/// Keeping connections alive, where either asks for it: each setting of the second counts before that of the first.
fn keepalive(mesh: Option<Node<'_>>, own: Option<Node<'_>>) -> Option<cluster::UpstreamConnectionOptions> {
    if mesh.is_none() && own.is_none() {
        return None;
    }
    let first = |key: &str| own.and_then(|n| n.get(key)).or_else(|| mesh.and_then(|n| n.get(key)));
    let seconds = |key: &str| first(key).and_then(|n| duration(n.text())).map(|d| d.seconds as u32);
    Some(cluster::UpstreamConnectionOptions {
        tcp_keepalive: Some(core::TcpKeepalive {
            keepalive_probes: first("probes").and_then(Node::int).and_then(|p| u32::try_from(p).ok()).filter(|p| *p > 0),
            keepalive_time: seconds("time"),
            keepalive_interval: seconds("interval"),
        }),
    })
}

pub fn connection_pool(cx: &Context<'_, '_>, building: &mut Building, pool: Option<Node<'_>>) {
    let mut limits = thresholds();
    let number = |path: &[&str]| pool.and_then(|p| p.at(path)).and_then(Node::int).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    let time = |path: &[&str]| pool.and_then(|p| p.at(path)).and_then(|n| duration(n.text()));
    let or = |own: Option<u32>, default| own.or(default);
    limits.max_requests = or(number(&["http", "http2MaxRequests"]), limits.max_requests);
    limits.max_pending_requests = or(number(&["http", "http1MaxPendingRequests"]), limits.max_pending_requests);
    limits.max_retries = or(number(&["http", "maxRetries"]), limits.max_retries);
    limits.max_connections = or(number(&["tcp", "maxConnections"]), limits.max_connections);
    building.cluster.circuit_breakers = Some(cluster::CircuitBreakers { thresholds: vec![limits] });
    if let Some(timeout) = time(&["tcp", "connectTimeout"]) {
        building.cluster.connect_timeout = Some(timeout);
    }
    building.cluster.upstream_connection_options = keepalive(cx.model.mesh.config.at(&["tcpKeepalive"]), pool.and_then(|p| p.at(&["tcp", "tcpKeepalive"])));
    let common = core::HttpProtocolOptions {
        idle_timeout: time(&["http", "idleTimeout"]).or_else(|| time(&["tcp", "idleTimeout"])),
        max_connection_duration: time(&["tcp", "maxConnectionDuration"]),
        max_requests_per_connection: number(&["http", "maxRequestsPerConnection"]),
        ..Default::default()
    };
    let streams = number(&["http", "maxConcurrentStreams"]);
    let alive = pool.and_then(|p| p.at(&["http", "http2KeepAlive"]));
    if common != core::HttpProtocolOptions::default() || streams.is_some() || alive.is_some() {
        building.http.common_http_protocol_options = Some(common);
    }
    if let Some(h2) = building.http.explicit_http_config.as_mut().and_then(|c| c.http2_protocol_options.as_mut()) {
        h2.max_concurrent_streams = streams;
    }
    if keeps_protocol(pool) {
        building.http.explicit_http_config = None;
        building.http.use_downstream_protocol_config = Some(either_protocol());
    }
}

pub fn outliers(out: &mut Cluster, node: Option<Node<'_>>) {
    let Some(node) = node else { return };
    let number = |key: &str| node.get(key).and_then(Node::int).and_then(|n| u32::try_from(n).ok());
    let enforced = |n: Option<u32>| n.map(|n| if n > 0 { 100 } else { 0 });
    let consecutive_5xx = number("consecutive5xxErrors");
    let gateway = number("consecutiveGatewayErrors");
    let local = number("consecutiveLocalOriginFailures").filter(|n| *n > 0);
    let splits = node.get("splitExternalLocalOriginErrors").and_then(Node::bool) == Some(true);
    out.outlier_detection = Some(Box::new(cluster::OutlierDetection {
        consecutive_5xx,
        enforcing_consecutive_5xx: enforced(consecutive_5xx),
        consecutive_gateway_failure: gateway,
        enforcing_consecutive_gateway_failure: enforced(gateway),
        interval: node.get("interval").and_then(|n| duration(n.text())),
        base_ejection_time: node.get("baseEjectionTime").and_then(|n| duration(n.text())),
        max_ejection_percent: number("maxEjectionPercent").filter(|n| *n > 0),
        enforcing_success_rate: Some(0),
        split_external_local_origin_errors: splits,
        consecutive_local_origin_failure: local.filter(|_| splits),
        enforcing_consecutive_local_origin_failure: local.filter(|_| splits).map(|_| 100),
        enforcing_local_origin_success_rate: splits.then_some(0),
        ..Default::default()
    }));
    let least = node.get("minHealthPercent").and_then(Node::float).unwrap_or(0.0);
    out.common_lb_config.get_or_insert_default().healthy_panic_threshold = Some(Percent { value: least });
}

pub fn balance(out: &mut Cluster, node: Option<Node<'_>>, simple: &str) {
    let common = out.common_lb_config.get_or_insert_default();
    common.healthy_panic_threshold.get_or_insert_default();
    if out.r#type == Some(ClusterDiscoveryType::OriginalDst as i32) {
        out.lb_policy = ClusterLbPolicy::ClusterProvided as i32;
        return;
    }
    out.lb_policy = match simple {
        "RANDOM" => ClusterLbPolicy::Random,
        "ROUND_ROBIN" => ClusterLbPolicy::RoundRobin,
        _ => ClusterLbPolicy::LeastRequest,
    } as i32;
    let warmup = node.and_then(|n| n.at(&["warmup", "duration"]).or_else(|| n.get("warmupDurationSecs"))).and_then(|n| duration(n.text()));
    if let Some(window) = warmup {
        let least = node.and_then(|n| n.get("warmup")).map(|w| Percent { value: w.get("minimumPercent").and_then(percent_of).unwrap_or(10.0) });
        let slow = Some(cluster::ClusterSlowStartConfig { slow_start_window: Some(window), min_weight_percent: least });
        match simple {
            "ROUND_ROBIN" => out.round_robin_lb_config = Some(Box::new(cluster::ClusterRoundRobinLbConfig { slow_start_config: slow })),
            "" | "LEAST_CONN" | "LEAST_REQUEST" | "UNSPECIFIED" => {
                out.least_request_lb_config = Some(Box::new(cluster::ClusterLeastRequestLbConfig { slow_start_config: slow, ..Default::default() }));
            }
            _ => {}
        }
    }
    let Some(hash) = node.and_then(|n| n.get("consistentHash")) else { return };
    let size = |node: Node<'_>, key: &str| node.get(key).and_then(Node::int).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
    if let Some(maglev) = hash.get("maglev") {
        out.lb_policy = ClusterLbPolicy::Maglev as i32;
        out.maglev_lb_config = size(maglev, "tableSize").map(|n| cluster::ClusterMaglevLbConfig { table_size: Some(n) });
    } else {
        out.lb_policy = ClusterLbPolicy::RingHash as i32;
        let ring = match hash.get("ringHash") {
            Some(ring) => size(ring, "minimumRingSize"),
            None => size(hash, "minimumRingSize").or(Some(1024)),
        };
        out.ring_hash_lb_config = ring.map(|n| Box::new(cluster::ClusterRingHashLbConfig { minimum_ring_size: Some(n), ..Default::default() }));
    }
}
