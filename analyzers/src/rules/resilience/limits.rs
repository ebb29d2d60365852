//! ## MSH0202 OutlierDetectionEjectsAll (Warning)
//!
//! **What it checks.** Outlier detection that may eject every endpoint: `maxEjectionPercent: 100` without a
//! `minHealthPercent`.
//!
//! **Why it matters.** When an error is everybody's, as that of a shared database is, all endpoints are ejected and every
//! request fails with 503 UH.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5, maxEjectionPercent: 100}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5, maxEjectionPercent: 50}}
//! ```
//!
//! ## MSH0203 PoolRejectsOrdinaryLoad (Warning)
//!
//! **What it checks.** A connection pool that lets one request wait, or one run, at a time.
//!
//! **Why it matters.** The second concurrent request is answered with 503 UO.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 1, maxRequestsPerConnection: 1}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 100}}}
//! ```
//!
//! ## MSH0204 FirstErrorEjects (Info)
//!
//! **What it checks.** Outlier detection that ejects an endpoint at its first error.
//!
//! **Why it matters.** One failed request takes an endpoint out for all callers of the proxy.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5}}
//! ```

use crate::codes::{MSH0202, MSH0203, MSH0204};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for rule in cx.mesh.objects(Kind::DestinationRule).iter().copied().filter(|d| d.role == Role::Judged) {
        let Some(spec) = rule.spec() else { continue };
        for policy in policies(spec) {
            if let Some(o) = policy.get("outlierDetection") {
                check_outlier(sink, rule, o);
            }
            if let Some(pool) = policy.get("connectionPool") {
                check_pool(sink, rule, pool);
            }
        }
    }
}

/// The traffic policies of a rule: its own, its subsets', and those of their ports.
pub fn policies<'a>(spec: Node<'a>) -> impl Iterator<Item = Node<'a>> {
    let own = spec.get("trafficPolicy").into_iter();
    let subsets = spec.list("subsets").filter_map(|s| s.get("trafficPolicy"));
    own.chain(subsets).flat_map(|p| std::iter::once(p).chain(p.list("portLevelSettings")))
}

fn int(node: Node<'_>, key: &str) -> Option<i64> {
    node.get(key)?.int()
}

fn check_outlier<'a>(sink: &mut Sink<'a>, rule: &'a Object, o: Node<'a>) {
    if let Some(at) = o.get("maxEjectionPercent").filter(|p| p.int() == Some(100) && int(o, "minHealthPercent").unwrap_or(0) == 0) {
        sink.report(&MSH0202, rule, at, "outlier detection can eject every endpoint: then each request fails with 503 UH")
            .help("lower `maxEjectionPercent` (the default is 10), or set `minHealthPercent`, below which ejection stops");
    }
    for field in ["consecutive5xxErrors", "consecutiveGatewayErrors"] {
        if let Some(at) = o.get(field).filter(|n| n.int() == Some(1)) {
            sink.report(&MSH0204, rule, at, format!("`{field}: 1` ejects an endpoint at its first error")).help("5 is the default");
        }
    }
}

fn check_pool<'a>(sink: &mut Sink<'a>, rule: &'a Object, pool: Node<'a>) {
    let Some(http) = pool.get("http") else { return };
    for field in ["http1MaxPendingRequests", "http2MaxRequests"] {
        let Some(at) = http.get(field).filter(|n| n.int() == Some(1)) else { continue };
        let what = if field == "http2MaxRequests" { "one request at a time" } else { "one request wait for a connection at a time" };
        sink.report(&MSH0203, rule, at, format!("`{field}: 1` lets {what} and rejects the second concurrent request with 503 UO"))
            .help("give the limit that the service can bear; leave it out for no limit")
            .related(rule, pool, "this connection pool");
        return;
    }
}
