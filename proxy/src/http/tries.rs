//! How long a request and each of its tries may take, by its route and its cluster, before its answer begins and after.

use super::alarm::Alarm;
use super::exchange::{Exchange, RouteRef};
use super::head::names;
use super::timeouts::{Late, Limits as StreamLimits, grpc_timeout};
use super::upload::Source;
use crate::config::cluster::Cluster;
use crate::stats::ClusterStats;
use http::header::HeaderName;
use mesh_envoy::engine::action::Forward;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// What a request may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub whole: Option<Duration>,
    pub one_try: Option<Duration>,
    /// Nothing comes of a try (`per_try_idle_timeout`).
    pub try_idle: Option<Duration>,
    /// A stream of the cluster (`max_stream_duration`), from when it has a connection.
    pub stream: Option<Duration>,
    /// Whether upstreams hear of it in `grpc-timeout`.
    pub tells_grpc: bool,
}

impl Limits {
    /// From the route and the cluster, or from headers of clients that are internal: others' were taken away before.
    pub fn new(forward: &Forward, route: &RouteRef, cluster: &Cluster, exchange: &Exchange) -> Limits {
        let asks = exchange.headers.speaks_to_envoy();
        let milliseconds = |name: &HeaderName| {
            Some(&exchange.headers).filter(|_| asks).and_then(|h| h.get(name)).and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_millis)
        };
        let extras = route.extras();
        let mut whole = forward.timeout.filter(|_| extras.stream.is_none());
        let mut tells_grpc = false;
        if let (Some(max), true, None) = (extras.max_grpc_timeout, exchange.is_grpc(), &extras.stream) {
            let asked = exchange.headers.get(names::GRPC_TIMEOUT).and_then(|v| grpc_timeout(v.to_str().ok()?));
            let asked = asked.map(|t| extras.grpc_timeout_offset.filter(|o| *o < t).map_or(t, |o| t - o)).filter(|t| !t.is_zero());
            whole = asked.map(|t| if max.is_zero() { t } else { t.min(max) }).or(Some(max)).filter(|d| !d.is_zero());
            tells_grpc = true;
        }
        if let Some(asked) = milliseconds(&names::TIMEOUT) {
            whole = Some(asked).filter(|d| !d.is_zero());
        }
        let policy = extras.retry.as_deref();
        let one_try = milliseconds(&names::TRY_TIMEOUT).or(policy.and_then(|r| r.per_try_timeout)).filter(|d| !d.is_zero());
        // One try can't take longer than all of them.
        let one_try = one_try.filter(|t| whole.is_none_or(|w| *t < w));
        Limits { whole, one_try, try_idle: policy.and_then(|r| r.per_try_idle_timeout), stream: cluster.max_stream_duration, tells_grpc }
    }
}

/// What a try takes too long for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Whole,
    Try,
    TryIdle,
    /// The cluster's `max_stream_duration`.
    Upstream,
    /// The client's stream.
    Stream(Late),
}

impl Due {
    /// Counts that an answer took too long.
    pub fn count_late_answer(self, stats: &ClusterStats) {
        match self {
            Due::Whole => stats.upstream_rq_timeout.inc(),
            Due::TryIdle => stats.upstream_rq_per_try_idle_timeout.inc(),
            Due::Upstream => stats.upstream_rq_max_duration_reached.inc(),
            Due::Try | Due::Stream(_) => {}
        }
    }
    /// The flag and `%RESPONSE_CODE_DETAILS%`.
    pub fn told(self) -> (&'static str, &'static str) {
        match self {
            Due::Whole => ("UT", "response_timeout"),
            Due::Try => ("UT", "upstream_per_try_timeout"),
            Due::TryIdle => ("UT", "upstream_per_try_idle_timeout"),
            Due::Upstream => ("UMSDR", "upstream_max_stream_duration_reached"),
            Due::Stream(late) => (late.flag(), late.details()),
        }
    }
}

/// A try that began at some time, and what it may take until its answer begins.
pub struct Watch<'w> {
    pub source: &'w Source,
    pub limits: Limits,
    /// Of the client's stream.
    pub stream: &'w StreamLimits,
    pub begun: Instant,
}

impl Watch<'_> {
    /// What is due first, and when. Whole and try count from when the request was read to its end; `connected` is when the try got
    /// its connection.
    fn due(&self, connected: Option<Instant>) -> Option<(Instant, Due)> {
        let completed = self.source.completed_at().map(Instant::from_std);
        let whole = self.limits.whole.zip(completed).map(|(span, at)| (at + span, Due::Whole));
        let one_try = self.limits.one_try.zip(completed).map(|(span, at)| (at.max(self.begun) + span, Due::Try));
        let idle = self.limits.try_idle.zip(completed.zip(connected)).map(|(span, (a, b))| (a.max(b) + span, Due::TryIdle));
        let upstream = self.limits.stream.zip(connected).map(|(span, at)| (at + span, Due::Upstream));
        let stream = self.stream.due(self.source).map(|(at, late)| (Instant::from_std(at), Due::Stream(late)));
        [whole, one_try, idle, upstream, stream].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
    pub fn poll(&self, connected: Option<Instant>, alarm: &mut Alarm, cx: &mut Context<'_>) -> Poll<Due> {
        // What limits count from may be on its way.
        if self.limits.whole.is_some() || self.limits.one_try.is_some() || self.limits.try_idle.is_some() {
            let _ = self.source.poll_completed(cx);
        }
        while let Some((at, what)) = self.due(connected) {
            ready!(alarm.poll(at, cx));
            if self.due(connected).is_some_and(|(now, _)| now <= at) {
                return Poll::Ready(what);
            }
        }
        Poll::Pending
    }
}

/// What an answer may still take once it has begun.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    limits: Limits,
    connected: std::time::Instant,
    heard: std::time::Instant,
}

impl Rest {
    /// `connected`: when the try got its connection. Both are looked at only where something counts from them.
    pub fn new(limits: Limits, connected: std::time::Instant, now: std::time::Instant) -> Rest {
        Rest { limits, connected, heard: now }
    }
    /// Whether there is anything that it may not take.
    pub fn has_limits(&self) -> bool {
        self.limits.whole.or(self.limits.try_idle).or(self.limits.stream).is_some()
    }
    /// Nothing more comes from the upstream.
    #[must_use]
    pub fn without_limits(self) -> Rest {
        Rest { limits: Limits::default(), ..self }
    }
    /// Something came from the upstream.
    pub fn hear(&mut self) {
        if self.limits.try_idle.is_some() {
            self.heard = std::time::Instant::now();
        }
    }
    /// What is due first. An answer may begin before its request is over: the route's time begins then.
    pub fn due(&self, source: &Source, cx: &mut Context<'_>) -> Option<(std::time::Instant, Due)> {
        if (self.limits.whole.is_some() || self.limits.try_idle.is_some()) && source.completed_at().is_none() {
            let _ = source.poll_completed(cx);
        }
        let completed = source.completed_at();
        let whole = self.limits.whole.zip(completed).map(|(span, at)| (at + span, Due::Whole));
        let idle = self.limits.try_idle.zip(completed).map(|(span, at)| (at.max(self.heard) + span, Due::TryIdle));
        let upstream = self.limits.stream.map(|span| (self.connected + span, Due::Upstream));
        [whole, idle, upstream].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}
