//! Counters. Each has one writer, its worker's thread: adding costs a load and a store, and nobody waits. Readers sum up the
//! workers' blocks.

use crate::proxy_protocol::Version;
use crate::tls::reason;
use mesh_envoy::engine::gate::{Judged, Judgement};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A counter, or a gauge when it is taken from as well.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }
    pub fn inc(&self) {
        self.add(1);
    }
    /// Of a gauge. A worker's part may wrap; the sum of the workers' does not.
    pub fn dec(&self) {
        self.add(u64::MAX);
    }
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// One worker's counters of one thing.
pub trait Block: Send + Sync {
    fn each(&self, visit: &mut dyn FnMut(&str, Kind, u64));
}

macro_rules! block {
    ($(#[$doc:meta])* $name:ident { $($kind:ident $field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name {
            $(pub $field: Counter,)*
        }
        impl Block for $name {
            fn each(&self, visit: &mut dyn FnMut(&str, Kind, u64)) {
                $(visit(stringify!($field), Kind::$kind, self.$field.get());)*
            }
        }
    };
}

block! {
    /// `cluster.NAME.`
    ClusterStats {
        Gauge upstream_cx_active, Counter upstream_cx_total, Counter upstream_cx_connect_fail, Counter upstream_cx_connect_timeout,
        Counter upstream_cx_destroy, Counter upstream_cx_http1_total, Counter upstream_cx_http2_total, Counter upstream_cx_overflow,
        Counter upstream_cx_idle_timeout, Counter upstream_cx_max_requests, Counter upstream_cx_connect_attempts_exceeded,
        Counter upstream_cx_rx_bytes_total, Counter upstream_cx_tx_bytes_total, Counter upstream_cx_none_healthy,
        Gauge upstream_rq_active, Counter upstream_rq_total, Counter upstream_rq_completed,
        Counter upstream_rq_1xx, Counter upstream_rq_2xx, Counter upstream_rq_3xx, Counter upstream_rq_4xx, Counter upstream_rq_5xx,
        Gauge upstream_rq_pending_active, Counter upstream_rq_pending_total, Counter upstream_rq_pending_overflow,
        Counter upstream_rq_timeout, Counter upstream_rq_per_try_timeout, Counter upstream_rq_per_try_idle_timeout,
        Counter upstream_rq_max_duration_reached, Counter upstream_cx_max_duration_reached, Counter upstream_rq_cancelled,
        Counter upstream_rq_retry, Counter upstream_rq_retry_success, Counter upstream_rq_retry_limit_exceeded, Counter upstream_rq_retry_overflow,
        Counter upstream_rq_rx_reset, Counter upstream_rq_tx_reset, Counter lb_healthy_panic,
    }
}

block! {
    /// `http.PREFIX.`
    HttpStats {
        Counter downstream_cx_max_duration_reached, Counter downstream_cx_overload_disable_keepalive, Counter downstream_rq_overload_close,
        Gauge downstream_cx_active, Counter downstream_cx_total, Counter downstream_cx_destroy, Counter downstream_cx_http1_total,
        Counter downstream_cx_http2_total, Counter downstream_cx_protocol_error, Counter downstream_cx_idle_timeout,
        Gauge downstream_rq_active, Counter downstream_rq_total, Counter downstream_rq_completed, Counter downstream_rq_http1_total,
        Counter downstream_rq_http2_total, Counter downstream_rq_1xx, Counter downstream_rq_2xx, Counter downstream_rq_3xx,
        Counter downstream_rq_4xx, Counter downstream_rq_5xx, Counter downstream_rq_rx_reset, Counter downstream_rq_idle_timeout,
        Counter downstream_rq_timeout, Counter downstream_rq_header_timeout, Counter downstream_rq_max_duration_reached,
        Counter no_route, Counter no_cluster, Counter rq_direct_response, Counter rq_redirect, Counter rq_total,
    }
}

block! {
    /// `listener.ADDRESS.`
    ListenerStats {
        Gauge downstream_cx_active, Counter downstream_cx_total, Counter downstream_cx_destroy, Counter no_filter_chain_match,
        Counter downstream_pre_cx_timeout, Counter downstream_cx_overflow, Counter downstream_global_cx_overflow, Counter downstream_cx_overload_reject,
        Counter downstream_listener_filter_remote_close,
    }
}

block! {
    /// `listener.ADDRESS.ssl.` and `cluster.NAME.ssl.`
    TlsStats {
        Counter handshake, Counter connection_error, Counter session_reused, Counter no_certificate, Counter fail_verify_no_cert,
        Counter fail_verify_error, Counter fail_verify_san, Counter fail_verify_cert_hash, Counter handshake_overflow,
    }
}

block! {
    /// `tcp.PREFIX.`
    TcpStats {
        Counter downstream_cx_total, Counter downstream_cx_no_route, Counter downstream_cx_rx_bytes_total, Counter downstream_cx_tx_bytes_total,
        Counter idle_timeout, Counter max_downstream_connection_duration,
    }
}

block! {
    /// `PREFIX.http_local_rate_limit.`
    LimitStats { Counter enabled, Counter enforced, Counter rate_limited, Counter ok, Counter shadow_mode }
}

block! {
    /// `connection_limit.PREFIX.`
    ConnectionLimitStats { Gauge active_connections, Counter limited_connections }
}

block! {
    /// `local_rate_limit.PREFIX.`, of connections
    ConnectionRateStats { Counter rate_limited }
}

block! {
    /// Of the proxy, without a prefix.
    RootStats { Counter downstream_cx_proxy_proto_error }
}

/// `proxy_proto.PREFIX.`
#[derive(Debug, Default)]
pub struct ProxyProtocolStats {
    pub not_found_allowed: Counter,
    pub not_found_disallowed: Counter,
    v1: VersionStats,
    v2: VersionStats,
}

/// `proxy_proto.PREFIX.versions.vN.`
#[derive(Debug, Default)]
pub struct VersionStats {
    pub found: Counter,
    pub disallowed: Counter,
    pub error: Counter,
}

impl ProxyProtocolStats {
    pub fn version(&self, version: Version) -> &VersionStats {
        match version {
            Version::V1 => &self.v1,
            Version::V2 => &self.v2,
        }
    }
}

impl Block for ProxyProtocolStats {
    fn each(&self, visit: &mut dyn FnMut(&str, Kind, u64)) {
        visit("not_found_allowed", Kind::Counter, self.not_found_allowed.get());
        visit("not_found_disallowed", Kind::Counter, self.not_found_disallowed.get());
        for (name, version) in [("v1", &self.v1), ("v2", &self.v2)] {
            visit(&format!("versions.{name}.found"), Kind::Counter, version.found.get());
            visit(&format!("versions.{name}.disallowed"), Kind::Counter, version.disallowed.get());
            visit(&format!("versions.{name}.error"), Kind::Counter, version.error.get());
        }
    }
}

/// `PREFIX.rbac.`, with what configuration wants before each name.
#[derive(Debug, Default)]
pub struct RbacStats {
    rules_prefix: Box<str>,
    shadow_prefix: Box<str>,
    allowed: Counter,
    denied: Counter,
    shadow_allowed: Counter,
    shadow_denied: Counter,
}

impl RbacStats {
    pub fn count(&self, judged: &Judged<'_>) {
        let count = |verdict: Option<Judgement>, allowed: &Counter, denied: &Counter| match verdict {
            Some(Judgement::Allowed) => allowed.inc(),
            Some(Judgement::Denied) => denied.inc(),
            None => {}
        };
        count(judged.rules, &self.allowed, &self.denied);
        count(judged.shadow, &self.shadow_allowed, &self.shadow_denied);
    }
    /// Nothing counted yet.
    pub fn of(judged: &Judged<'_>) -> RbacStats {
        // A part of a name of its own.
        let part = |prefix: &str| if prefix.is_empty() || prefix.ends_with('.') { prefix.into() } else { format!("{prefix}.").into() };
        RbacStats { rules_prefix: part(judged.rules_prefix), shadow_prefix: part(judged.shadow_prefix), ..RbacStats::default() }
    }
}

impl Block for RbacStats {
    fn each(&self, visit: &mut dyn FnMut(&str, Kind, u64)) {
        visit(&format!("{}allowed", self.rules_prefix), Kind::Counter, self.allowed.get());
        visit(&format!("{}denied", self.rules_prefix), Kind::Counter, self.denied.get());
        visit(&format!("{}shadow_allowed", self.shadow_prefix), Kind::Counter, self.shadow_allowed.get());
        visit(&format!("{}shadow_denied", self.shadow_prefix), Kind::Counter, self.shadow_denied.get());
    }
}

/// `http.PREFIX.tracing.`
#[derive(Debug, Default)]
pub struct TracingStats {
    pub random_sampling: Counter,
    pub service_forced: Counter,
    pub client_enabled: Counter,
    pub not_traceable: Counter,
}

impl Block for TracingStats {
    fn each(&self, visit: &mut dyn FnMut(&str, Kind, u64)) {
        let all = [
            ("tracing.random_sampling", &self.random_sampling),
            ("tracing.service_forced", &self.service_forced),
            ("tracing.client_enabled", &self.client_enabled),
            ("tracing.not_traceable", &self.not_traceable),
        ];
        all.into_iter().for_each(|(name, counter)| visit(name, Kind::Counter, counter.get()));
    }
}

block! {
    /// `tracing.zipkin.` and `tracing.opentelemetry.`
    TracerStats {
        Counter spans_sent, Counter spans_dropped, Counter timer_flushed, Counter reports_sent, Counter reports_dropped, Counter reports_failed,
        Counter reports_skipped_no_cluster,
    }
}

impl TlsStats {
    /// Counts why a handshake failed.
    pub fn count(&self, kind: reason::Kind) {
        match kind {
            reason::Kind::NoCertificate => self.fail_verify_no_cert.inc(),
            reason::Kind::Chain => self.fail_verify_error.inc(),
            reason::Kind::Names => self.fail_verify_san.inc(),
            reason::Kind::Hash => self.fail_verify_cert_hash.inc(),
            reason::Kind::Other => {}
        }
    }
}

/// Every block of every worker, by the prefix of its names.
#[derive(Default)]
pub struct Registry {
    blocks: Mutex<BTreeMap<String, Vec<Arc<dyn Block>>>>,
}

impl Registry {
    /// A new block of one worker.
    pub fn block<B: Block + Default + 'static>(&self, prefix: &str) -> Arc<B> {
        self.add(prefix, B::default())
    }
    /// One that is there already.
    pub fn add<B: Block + 'static>(&self, prefix: &str, block: B) -> Arc<B> {
        let block = Arc::new(block);
        if let Ok(mut blocks) = self.blocks.lock() {
            blocks.entry(prefix.to_owned()).or_default().push(block.clone());
        }
        block
    }
    /// Drops blocks that nobody adds to any more, of prefixes that are gone; how many are still held.
    pub fn forget(&self, is_gone: impl Fn(&str) -> bool) -> usize {
        let Ok(mut blocks) = self.blocks.lock() else { return 0 };
        let mut held = 0;
        blocks.retain(|prefix, list| {
            if is_gone(prefix) {
                list.retain(|block| Arc::strong_count(block) > 1);
                held += list.len();
            }
            !list.is_empty()
        });
        held
    }
    /// All counters by name, summed up.
    pub fn read(&self) -> BTreeMap<String, (Kind, u64)> {
        let mut out = BTreeMap::new();
        let Ok(blocks) = self.blocks.lock() else { return out };
        for (prefix, list) in &*blocks {
            for block in list {
                block.each(&mut |name, kind, value| {
                    let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
                    let entry: &mut (Kind, u64) = out.entry(name).or_insert((kind, 0));
                    entry.1 = entry.1.wrapping_add(value);
                });
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_goes_when_nobody_counts_any_more() {
        let registry = Registry::default();
        let (held, other) = (registry.block::<TlsStats>("cluster.a.ssl"), registry.block::<TlsStats>("cluster.b"));
        drop((registry.block::<TlsStats>("cluster.a.ssl"), registry.block::<TlsStats>("cluster.c"), other));
        let left = || registry.blocks.lock().expect("unbroken").iter().map(|(prefix, list)| (prefix.clone(), list.len())).collect::<Vec<_>>();
        assert_eq!(registry.forget(|prefix| prefix != "cluster.b"), 1);
        assert_eq!(left(), [("cluster.a.ssl".to_owned(), 1), ("cluster.b".to_owned(), 1)]);
        drop(held);
        assert_eq!(registry.forget(|prefix| prefix != "cluster.b"), 0);
        assert_eq!(left(), [("cluster.b".to_owned(), 1)]);
    }

    #[test]
    fn workers_are_summed_up_and_gauges_may_wrap_in_one() {
        let registry = Registry::default();
        let (a, b) = (registry.block::<ListenerStats>("listener.x"), registry.block::<ListenerStats>("listener.x"));
        a.downstream_cx_active.inc();
        a.downstream_cx_active.inc();
        b.downstream_cx_active.dec();
        b.downstream_cx_total.add(5);
        let all = registry.read();
        assert_eq!(all["listener.x.downstream_cx_active"], (Kind::Gauge, 1));
        assert_eq!(all["listener.x.downstream_cx_total"], (Kind::Counter, 5));
    }
}
