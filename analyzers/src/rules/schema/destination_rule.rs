//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A DestinationRule that Istio refuses: subsets twice, policies without content, limits and percentages
//! that can't be, TLS without certificates, locality weights that don't add up.
//!
//! **Why it matters.** The object never takes effect: its subsets are missing and requests to them fail with 503.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy:
//!     outlierDetection: {maxEjectionPercent: 120}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy:
//!     outlierDetection: {maxEjectionPercent: 50}
//! ```
//!
//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** Deprecated fields, and failover without outlier detection.
//!
//! **Why it matters.** Without outlier detection Envoy never finds an endpoint unhealthy, so it never fails over.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy:
//!     loadBalancer: {localityLbSetting: {failover: [{from: east, to: west}]}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: api, namespace: shop}
//! spec:
//!   host: api.example.com
//!   trafficPolicy:
//!     outlierDetection: {consecutive5xxErrors: 5}
//!     loadBalancer: {localityLbSetting: {failover: [{from: east, to: west}]}}
//! ```

use crate::rule::{Context, Sink};
use crate::validation::traffic_policy::{self, Of};
use crate::validation::{Checks, domain, each, labels, message, visibility};
use mesh_model::{Kind, Node};
use rustc_hash::FxHashSet;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::DestinationRule, check);
}

fn check<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    match spec.get("host") {
        None => {
            checks.error(spec, "a DestinationRule has no `host`");
        }
        Some(host) if host.str().is_some() => checks.valid_domain(host, domain::wildcard(host.text())),
        Some(_) => {}
    }
    if let Some(policy) = message(spec, "trafficPolicy") {
        traffic_policy::check(checks, policy, Of::Rule);
    }
    let mut names: FxHashSet<&str> = FxHashSet::default();
    for subset in spec.list("subsets") {
        if subset.is_null() {
            checks.error(subset, "a subset is null");
            continue;
        }
        if !subset.is_mapping() {
            continue;
        }
        let name = crate::validation::text(subset, "name");
        let at = subset.get("name").unwrap_or(subset);
        if subset.get("name").is_none_or(|n| n.str().is_some()) && !names.insert(name) {
            checks.error(at, format!("subset `{name}` is defined twice"));
        }
        if subset.get("name").is_none_or(|n| n.str().is_some()) {
            checks.valid(at, if name.is_empty() { Err("a subset has no `name`".to_owned()) } else { domain::label("subset name", name) });
        }
        labels::check(checks, subset, "labels");
        if let Some(policy) = message(subset, "trafficPolicy") {
            traffic_policy::check(checks, policy, Of::Part);
        }
    }
    let selector = message(spec, "workloadSelector");
    visibility::check_export_to(checks, spec, selector);
    labels::check_policy_selector(checks, selector);
}
