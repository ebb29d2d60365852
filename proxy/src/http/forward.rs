//! The router: a request goes to an upstream, again if need be, and its answer comes back.

use super::alarm::Lent;
use super::body::{Body, Stream};
use super::changes::{OF_RETRIES, OF_TIMEOUTS, change_answer, change_request, remove_own};
use super::exchange::{Answered, Exchange, RouteRef};
use super::head::{Upgrades, answer_bytes, finish_answer, names, upgrade};
use super::incoming::Incoming;
use super::limit;
use super::outgoing::{self, OfTry};
use super::respond::Reply;
use super::service::Onward;
use super::spelling::Names;
use super::timeouts::grpc_timeout_value;
use super::tries::{Due, Limits, Rest, Watch};
use super::upload::{Source, Upload};
use super::{mirror, upgrade as upgrades};
use crate::config::alpn::Offers;
use crate::config::cluster::Protocol;
use crate::config::hash_policy;
use crate::config::retry::{Conditions, RetryPolicy, RetryState};
use crate::format::digits;
use crate::message::Response;
use crate::telemetry::exchange as peers;
use crate::trace::span;
use crate::upstream::breaker::Slot;
use crate::upstream::cluster::{Handle, Wanted};
use crate::upstream::host::Host;
use crate::upstream::outlier::Outcome as Failed;
use crate::upstream::pool::{Lease, Via};
use crate::upstream::{Failure, Reason};
use http::header::{self, HeaderValue};
use mesh_envoy::engine::action::Forward;
use mesh_envoy::engine::request as engine;
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// Rewrites host and path, and leaves what they were.
fn rewrite(exchange: &mut Exchange, forward: &Forward, route: &RouteRef) {
    if forward.rewrite.is_nothing() {
        return;
    }
    let (host, path) = {
        let view = super::head::View::new(&exchange.headers);
        let request =
            engine::Request { method: exchange.method.as_str(), scheme: exchange.scheme, authority: &exchange.authority, path: &exchange.path, headers: &view };
        let host = forward.rewrite.host(&request);
        ((host != exchange.authority).then(|| host.to_owned()), forward.rewrite.path(&request))
    };
    if let Some(host) = host {
        rename(exchange, host, route);
    }
    if path != exchange.path {
        if let (Ok(value), false) = (HeaderValue::from_str(&exchange.path), exchange.connection.manager.suppresses_envoy_headers) {
            exchange.headers.insert(names::ORIGINAL_PATH, value);
        }
        exchange.path = path;
    }
}

/// Another host is asked for than the client did.
fn rename(exchange: &mut Exchange, host: String, route: &RouteRef) {
    if route.extras().appends_forwarded_host {
        super::head::append(&mut exchange.headers, names::FORWARDED_HOST, &exchange.authority.clone());
    }
    if let (Ok(value), false) = (HeaderValue::from_str(&exchange.authority), exchange.connection.manager.suppresses_envoy_headers) {
        exchange.headers.insert(names::ORIGINAL_HOST, value);
    }
    exchange.authority = host;
}

/// What the request is hashed to, by the policies of its route.
fn hash_of(exchange: &Exchange, route: &RouteRef) -> Option<u64> {
    let policies = &route.extras().hash;
    if policies.is_empty() {
        return None;
    }
    let view = super::head::View::new(&exchange.headers);
    let request =
        engine::Request { method: exchange.method.as_str(), scheme: exchange.scheme, authority: &exchange.authority, path: &exchange.path, headers: &view };
    hash_policy::hash(policies, &request, exchange.remote.ip())
}

/// Forwards a request, and answers with what comes of it.
pub async fn forward(mut exchange: Box<Exchange>, action: &Forward, onward: Onward) -> Response<Body> {
    let Some(route) = exchange.route.clone() else { return Reply::new(404, "NR", "route_not_found", "").send(exchange) };
    let Some(cluster) = exchange.upstream.clone() else {
        exchange.connection.stats.no_cluster.inc();
        return Reply::new(action.not_found, "NC", "cluster_not_found", "").send(exchange);
    };
    exchange.limits.reach_router();
    let limits = Limits::new(action, &route, cluster.config(), &exchange);
    remove_own(&mut exchange.headers, OF_TIMEOUTS);
    let hash = hash_of(&exchange, &route);
    change_request(&mut exchange);
    rewrite(&mut exchange, action, &route);
    let retry = {
        let view = super::head::View::new(&exchange.headers);
        let request =
            engine::Request { method: exchange.method.as_str(), scheme: exchange.scheme, authority: &exchange.authority, path: &exchange.path, headers: &view };
        RetryState::new(route.extras().retry.as_deref(), &exchange.headers, &request)
    };
    remove_own(&mut exchange.headers, OF_RETRIES);
    let mirrors: Vec<_> = action.mirrors.iter().filter(|m| m.fraction.is_none_or(|f| f.holds(onward.random.rotate_left(17)))).collect();
    if retry.is_some() || !mirrors.is_empty() {
        exchange.body.keep(exchange.connection.manager.limits.buffer);
    }
    for mirror in mirrors {
        mirror::send(&exchange, mirror, &onward, limits.whole);
    }
    let router = Router {
        cluster,
        priority: usize::from(route.extras().high_priority),
        host_of_endpoint: action.rewrite.host_of_endpoint,
        subset: action.subset.as_deref(),
        limits,
        retry,
        policy: route.extras().retry.as_deref(),
        tried: Vec::new(),
        slot: None,
        begun: Instant::now(),
        connected: None,
        route: &route,
        hash,
        upgrade: onward.upgrade,
        offers: onward.offers,
    };
    router.run(exchange).await
}

struct Router<'r> {
    hash: Option<u64>,
    cluster: Rc<Handle>,
    priority: usize,
    host_of_endpoint: bool,
    subset: Option<&'r serde_json::Value>,
    limits: Limits,
    retry: Option<RetryState>,
    policy: Option<&'r RetryPolicy>,
    tried: Vec<Arc<Host>>,
    /// Leave for the retry that is on its way, until the next one or the answer.
    slot: Option<Slot>,
    begun: Instant,
    /// When the last try got its connection, where that counts.
    connected: Option<Instant>,
    route: &'r RouteRef,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
    offers: Option<Arc<Offers>>,
}

/// So often a request goes out again that an upstream says it has not looked at.
const UNSEEN: u32 = 3;

/// How a try ended.
enum Outcome {
    Answer(Box<(Response<Incoming>, Lease)>),
    Failed(Failure),
    /// Something took too long.
    Late(Due),
}

impl Outcome {
    /// For its span.
    fn tried(&self) -> span::Tried {
        match self {
            Outcome::Answer(a) => span::Tried::Answer { status: a.0.status.as_u16(), is_whole: http_body::Body::is_end_stream(&a.0.body) },
            Outcome::Failed(failure) => span::Tried::Failed(failure.reason),
            Outcome::Late(_) => span::Tried::Late,
        }
    }
}

/// What is done about it.
enum Next {
    Again,
    No,
    /// Retries are used up.
    Exhausted,
    /// The breaker for retries is open.
    Overflow,
}

impl Router<'_> {
    async fn run(mut self, mut exchange: Box<Exchange>) -> Response<Body> {
        let body = exchange.body.clone();
        let connection = exchange.connection.clone();
        let mut alarm = Lent::of(&connection.client.worker.alarms);
        let (mut unseen, mut first) = (0, Some(self.begun));
        loop {
            exchange.attempts += 1;
            span::begin_attempt(&mut exchange);
            let Some(host) = self.choose(&exchange) else {
                self.cluster.stats.upstream_cx_none_healthy.inc();
                return Reply::new(503, "UH", "no_healthy_upstream", "no healthy upstream").send(exchange);
            };
            if self.host_of_endpoint && !host.hostname.is_empty() && *host.hostname != *exchange.authority {
                rename(&mut exchange, host.hostname.to_string(), self.route);
            }
            let begun = first.take().unwrap_or_else(Instant::now);
            let Some(wanted) = self.request(&exchange, begun) else {
                return Reply::new(400, "DPE", "invalid_path", "").send(exchange);
            };
            let outcome = {
                let via: Cell<Option<Via>> = Cell::new(None);
                let connected = Cell::new(None);
                let sending = self.cluster.send(&host, wanted, |v| {
                    via.set(Some(v));
                    // Most requests have nothing that counts from it.
                    if self.limits.try_idle.or(self.limits.stream).is_some() {
                        connected.set(Some(Instant::now()));
                    }
                });
                let mut sending = std::pin::pin!(sending);
                let mut is_noted = false;
                let outcome = std::future::poll_fn(|cx| {
                    if let Poll::Ready(result) = sending.as_mut().poll(cx) {
                        return Poll::Ready(result.map_or_else(Outcome::Failed, |answer| Outcome::Answer(Box::new(answer))));
                    }
                    // A client may leave before there is an outcome: whom it waited for is known then.
                    if let Some(via) = via.take() {
                        self.note(&mut exchange, &host, true, via);
                        is_noted = true;
                    }
                    let watch = Watch { source: &body, limits: self.limits, stream: &exchange.limits, begun };
                    let since = connected.get();
                    watch.poll(since, &mut alarm, cx).map(Outcome::Late)
                })
                .await;
                self.connected = connected.get();
                let has_host = !matches!(&outcome, Outcome::Failed(f) if f.reason == Reason::Overflow);
                match via.take() {
                    None if is_noted && has_host => {}
                    via => self.note(&mut exchange, &host, has_host, via.unwrap_or_default()),
                }
                outcome
            };
            if let Outcome::Late(due) = &outcome {
                self.count(*due, &host);
            }
            if unseen < UNSEEN && matches!(&outcome, Outcome::Failed(f) if f.is_unseen()) && body.is_repeatable() && !body.has_failed() {
                span::note_attempt(&mut exchange, outcome.tried());
                span::end_attempt(&mut exchange);
                unseen += 1;
                exchange.attempts -= 1;
                continue;
            }
            let next = self.judge(&outcome, &body);
            span::note_attempt(&mut exchange, outcome.tried());
            match next {
                Next::Again => {
                    self.tried.push(host);
                    drop(outcome);
                    span::end_attempt(&mut exchange);
                    let pause = Box::pin(tokio::time::timeout_at(self.end(&body), self.back_off(exchange.attempts, &exchange)));
                    match exchange.limits.within(&body, pause).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return self.late(exchange, Due::Whole),
                        Err(late) => {
                            let reply = late.reply(&exchange);
                            return reply.send(exchange);
                        }
                    }
                    self.cluster.stats.upstream_rq_retry.inc();
                    exchange.flags.retain(|f| *f == "DI");
                    exchange.transport_failure.clear();
                    continue;
                }
                Next::Exhausted => {
                    self.cluster.stats.upstream_rq_retry_limit_exceeded.inc();
                    exchange.raise("URX");
                }
                Next::Overflow => {
                    self.cluster.stats.upstream_rq_retry_overflow.inc();
                    exchange.raise("UO");
                }
                Next::No => {}
            }
            return match outcome {
                Outcome::Answer(answer) => self.answer(exchange, answer.0, answer.1),
                Outcome::Failed(failure) => self.fail(exchange, failure),
                Outcome::Late(due) => self.late(exchange, due),
            };
        }
    }

    /// When the route's timeout is over; far away without one.
    fn end(&self, body: &Source) -> Instant {
        let from = body.completed_at().map_or_else(Instant::now, Instant::from_std);
        from + self.limits.whole.unwrap_or(Duration::from_secs(86_400 * 365))
    }
    fn choose(&self, exchange: &Exchange) -> Option<Arc<Host>> {
        let avoids = self.policy.is_some_and(|p| p.avoids_previous);
        let tried: &[Arc<Host>] = if avoids { &self.tried } else { &[] };
        let attempts = self.policy.map_or(1, |p| p.host_attempts);
        let connection = &exchange.connection;
        self.cluster.choose(self.hash, self.subset, connection.client.original(), tried, attempts, &mut connection.client.worker.dice())
    }
    fn note(&self, exchange: &mut Exchange, host: &Arc<Host>, has_host: bool, via: Via) {
        exchange.host = has_host.then(|| host.clone());
        exchange.upstream_local = via.local.or(exchange.upstream_local);
        exchange.upstream_tls = via.tls;
        if has_host && !via.protocol.is_empty() {
            exchange.upstream_protocol = via.protocol;
        }
    }

    /// The request of one try that begins at `begun`. `None` where its path is none that can be sent.
    fn request(&self, exchange: &Exchange, begun: Instant) -> Option<Wanted> {
        let mut headers = Cow::Borrowed(&exchange.headers);
        if peers::tells_upstream(exchange) {
            peers::tell_upstream(exchange, headers.to_mut());
        }
        if span::is_injected(exchange) {
            span::inject(exchange, headers.to_mut());
        }
        let expected = self.expected(exchange.attempts);
        let of_try = OfTry {
            expected_timeout: expected.filter(|_| !exchange.connection.manager.suppresses_envoy_headers),
            grpc_timeout: expected.filter(|_| self.limits.tells_grpc).map(|ms| grpc_timeout_value(Duration::from_millis(ms))),
            attempts: self.route.host_extras().tells_attempts_upstream.then_some(exchange.attempts),
        };
        let downstream_is_http2 = exchange.protocol == "HTTP/2";
        let config = self.cluster.config();
        let protocol = config.protocol;
        let server_name = config.names_request.then(|| asked_by(&exchange.authority)).flatten();
        let body = Upload::new(&exchange.body);
        let request = if protocol == Protocol::Http2 || (protocol == Protocol::Downstream && downstream_is_http2) {
            let mut headers = headers.into_owned();
            of_try.apply(&mut headers);
            outgoing::message(exchange, headers, &exchange.authority, outgoing::Version::Http2, body)?
        } else {
            outgoing::http1(exchange, &headers, of_try, body)?
        };
        let interim = if exchange.connection.manager.forwards_interim { exchange.interim() } else { None };
        let client = if config.transports.introduce_clients() { exchange.connection.client.addresses() } else { None };
        let (offers, begun) = (self.offers.clone(), begun.into_std());
        Some(Wanted { request, protocol, downstream_is_http2, priority: self.priority, server_name, offers, interim, client, begun })
    }
    /// Milliseconds that the upstream has; one try's where that is less than what is left.
    fn expected(&self, attempt: u32) -> Option<u64> {
        // The first has all of it, however busy the machine is.
        let spent = if attempt <= 1 { Duration::ZERO } else { self.begun.elapsed() };
        let left = self.limits.whole.map(|w| w.saturating_sub(spent));
        let span = match (left, self.limits.one_try) {
            (Some(left), Some(one)) => left.min(one),
            (left, one) => left.or(one)?,
        };
        Some(u64::try_from(span.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
    }

    fn judge(&mut self, outcome: &Outcome, body: &Source) -> Next {
        let Some(retry) = &mut self.retry else { return Next::No };
        let wants = match outcome {
            Outcome::Answer(answer) => retry.wants_another_answer(self.policy, answer.0.status.as_u16(), &answer.0.headers),
            Outcome::Failed(failure) => !body.has_failed() && wants_another_try(retry.on, failure),
            Outcome::Late(Due::Whole | Due::Stream(_)) => false,
            // As Envoy has it, a try that took too long is a reset by the proxy.
            Outcome::Late(_) => retry.on.has(Conditions::RESET.with(Conditions::SERVER_ERROR).with(Conditions::GATEWAY_ERROR)),
        };
        if !wants || !body.is_repeatable() {
            return Next::No;
        }
        if retry.left == 0 {
            return Next::Exhausted;
        }
        retry.left -= 1;
        self.slot = None;
        self.slot = self.cluster.retry_slot(self.priority);
        if self.slot.is_some() { Next::Again } else { Next::Overflow }
    }
    /// Waits a random span, longer at most with every try.
    async fn back_off(&self, attempts: u32, exchange: &Exchange) {
        let (base, max) = self.policy.map_or((Duration::from_millis(25), Duration::from_millis(250)), |p| (p.base_interval, p.max_interval));
        let longest = base.saturating_mul(2u32.saturating_pow(attempts.min(20)).saturating_sub(1)).min(max);
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
        let span = exchange.connection.client.worker.dice().u64(..longest);
        tokio::time::sleep(Duration::from_micros(span)).await;
    }

    /// Counts a try that took too long.
    fn count(&self, due: Due, host: &Arc<Host>) {
        let stats = &self.cluster.stats;
        match due {
            Due::Stream(_) => return,
            // Counted with the answer to it.
            Due::Whole => return self.cluster.runtime.note(host, Failed::LocalFailure),
            Due::Upstream => return stats.upstream_rq_max_duration_reached.inc(),
            Due::Try => &stats.upstream_rq_per_try_timeout,
            Due::TryIdle => &stats.upstream_rq_per_try_idle_timeout,
        }
        .inc();
        host.stats.timeouts.fetch_add(1, Ordering::Relaxed);
        // As with Envoy, a host that does not answer in time is one that fails.
        self.cluster.runtime.note(host, Failed::LocalFailure);
    }
    fn late(&self, exchange: Box<Exchange>, due: Due) -> Response<Body> {
        if let Due::Stream(late) = due {
            let reply = late.reply(&exchange);
            return reply.send(exchange);
        }
        if due == Due::Whole {
            self.cluster.stats.upstream_rq_timeout.inc();
            if let Some(host) = &exchange.host {
                host.stats.timeouts.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (flag, details) = due.told();
        if due == Due::Upstream {
            return Reply::new(408, flag, details, "upstream max stream duration reached").with_grpc_status(14).send(exchange);
        }
        Reply::new(504, flag, details, "upstream request timeout").send(exchange)
    }
    fn fail(&self, mut exchange: Box<Exchange>, failure: Failure) -> Response<Body> {
        if exchange.body.has_failed() {
            if exchange.connection.wire.wrong().is_none() {
                // The client ended in the middle of its body, or its stream did: it is logged so, and nobody reads this.
                let mut out = Response::new(Body::plain(bytes::Bytes::new()));
                out.status = http::StatusCode::BAD_REQUEST;
                out.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
                return out;
            }
            let details = exchange.connection.wire.details();
            return Reply::new(400, "DPE", details, "").closing().send(exchange);
        }
        let retried = if exchange.attempts > 1 { "retried and the latest reset reason: " } else { "reset reason: " };
        let text = format!("upstream connect error or disconnect/reset before headers. {retried}{}", failure.reason.words());
        let details = format!("upstream_reset_before_response_started{{{failure}}}");
        let reason = failure.reason;
        exchange.transport_failure = failure.transport;
        let mut reply = Reply::new(reason.status(), reason.flag(), details, text);
        if reason == Reason::Overflow && !exchange.connection.manager.suppresses_envoy_headers {
            reply = reply.with(names::OVERLOADED, HeaderValue::from_static("true"));
        }
        reply.send(exchange)
    }

    fn answer(self, mut exchange: Box<Exchange>, response: Response<Incoming>, lease: Lease) -> Response<Body> {
        let Response { status, mut headers, extensions, body: incoming, .. } = response;
        peers::hear_upstream(&mut exchange, &mut headers);
        exchange.status = status.as_u16();
        exchange.details = "via_upstream".into();
        exchange.upstream_protocol = if lease.is_http2() { "HTTP/2" } else { "HTTP/1.1" };
        exchange.grpc_status = headers.get(names::GRPC_STATUS).and_then(|v| v.to_str().ok()?.parse().ok());
        let now = std::time::Instant::now();
        exchange.answer_begun = u64::try_from(now.saturating_duration_since(exchange.begun).as_millis()).ok();
        if exchange.attempts > 1 && exchange.status < 500 {
            self.cluster.stats.upstream_rq_retry_success.inc();
        }
        let switches = status == http::StatusCode::SWITCHING_PROTOCOLS;
        let connection = exchange.connection.clone();
        let manager = &connection.manager;
        if !manager.suppresses_envoy_headers {
            let from = exchange.body.completed_at().map_or(self.begun, |c| Instant::from_std(c).max(self.begun));
            let spent = u64::try_from(Instant::from_std(now).saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX);
            headers.insert(names::SERVICE_TIME, number(spent));
        }
        if self.route.host_extras().tells_attempts_downstream {
            headers.insert(names::ATTEMPT_COUNT, HeaderValue::from(exchange.attempts));
        }
        span::answer(&mut exchange, &mut headers);
        change_answer(&mut headers, &exchange);
        if let Some(cors) = &exchange.cors {
            cors.apply(&mut headers, &exchange.details);
        }
        limit::tell(&exchange.told, &mut headers);
        let request_id = exchange.headers.get(names::REQUEST_ID).cloned();
        let keep = if switches && upgrade(&headers).is_some() { Upgrades::Yes } else { Upgrades::No };
        finish_answer(&mut headers, manager, request_id.as_ref(), keep);
        peers::tell_client(&exchange, &mut headers);
        exchange.connection.client.worker.close_if_draining(&exchange, &mut headers);
        exchange.answer = Answered::of(&headers, manager.answer_headers.as_deref());
        if manager.telemetry.stats.is_some() {
            exchange.answer_head_bytes = answer_bytes(&headers, status);
        }
        if switches {
            return upgrades::switch(exchange, (status, headers), extensions, lease, self.upgrade);
        }
        exchange.limits.stir();
        let rest = Rest::new(self.limits, self.connected.map_or(now, Instant::into_std), now);
        let stream = Stream::new(incoming, lease, rest);
        let mut out = Response { status, headers, ..Response::new(Body::stream(stream, exchange)) };
        if let Some(names) = extensions.get::<Names>() {
            out.extensions.insert(names.clone());
        }
        out
    }
}

/// A number as a header's value. Most are a few milliseconds.
fn number(n: u64) -> HeaderValue {
    digits::small(n).map_or_else(|| HeaderValue::from(n), HeaderValue::from_static)
}

/// The name that a server is asked by, of the host of a request; `None` for addresses.
pub fn asked_by(authority: &str) -> Option<Box<str>> {
    let host = mesh_envoy::engine::domain::without_port(authority);
    let is_address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    (!is_address && !host.is_empty()).then(|| host.into())
}

fn wants_another_try(on: Conditions, failure: &Failure) -> bool {
    if failure.reason == Reason::Overflow {
        return false;
    }
    on.has(Conditions::RESET.with(Conditions::SERVER_ERROR).with(Conditions::GATEWAY_ERROR))
        || (on.has(Conditions::RESET_BEFORE_REQUEST) && !failure.sent)
        || (on.has(Conditions::CONNECT_FAILURE) && failure.reason.is_connection_failure())
        || (on.has(Conditions::REFUSED_STREAM) && failure.reason == Reason::RemoteRefusedStream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_repeated_for_what_the_policy_names() {
        let refused = Failure::unsent(Reason::RemoteConnectionFailure);
        let reset = Failure::sent(Reason::ConnectionTermination);
        let on = Conditions::parse;
        assert!(wants_another_try(on("connect-failure"), &refused) && !wants_another_try(on("connect-failure"), &reset));
        assert!(wants_another_try(on("reset-before-request"), &refused) && !wants_another_try(on("reset-before-request"), &reset));
        assert!(wants_another_try(on("5xx"), &reset));
        assert!(!wants_another_try(on("5xx,reset"), &Failure::unsent(Reason::Overflow)));
        assert!(wants_another_try(on("refused-stream"), &Failure::sent(Reason::RemoteRefusedStream)));
    }
}
