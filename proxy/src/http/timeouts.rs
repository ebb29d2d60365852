//! How long a request and its answer may take together, and how long nothing may happen on them: the time-outs of the connection
//! manager and of routes, as Envoy has them.

use super::alarm::Alarm;
use super::exchange::{Exchange, RouteRef};
use super::head::names;
use super::respond::Reply;
use super::upload::Source;
use crate::config::manager::Timeouts;
use crate::config::route::MaxStreamDuration;
use crate::message::HeaderMap;
use crate::stats::HttpStats;
use http::HeaderValue;
use std::future::Future;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The head of the request (`request_headers_timeout`).
    Head,
    /// The request until filters and the upstream had all of it (`request_timeout`).
    Request,
    /// Nothing came and nothing went (`stream_idle_timeout`, or `idle_timeout` of the route).
    Idle,
    /// The whole of it (`max_stream_duration`).
    Duration,
}

impl Late {
    /// What a head that has begun may take, and what it is late for behind that; `None` for no limit.
    pub fn of_head(t: &Timeouts) -> Option<(Duration, Late)> {
        let all = [(t.headers, Late::Head), (t.request, Late::Request), (t.stream_idle, Late::Idle), (t.stream, Late::Duration)];
        all.into_iter().filter_map(|(span, late)| span.map(|s| (s, late))).min_by_key(|(span, _)| *span)
    }
    /// What the client reads.
    pub fn text(self) -> &'static str {
        match self {
            Late::Head => "request header timeout",
            Late::Request => "request timeout",
            Late::Idle => "stream timeout",
            Late::Duration => "downstream duration timeout",
        }
    }
    /// `%RESPONSE_CODE_DETAILS%`
    pub fn details(self) -> &'static str {
        match self {
            Late::Head => "request_header_timeout",
            Late::Request => "request_overall_timeout",
            Late::Idle => "stream_idle_timeout",
            Late::Duration => "max_duration_timeout",
        }
    }
    /// "" where Envoy raises none.
    pub fn flag(self) -> &'static str {
        if self == Late::Idle { "SI" } else { "" }
    }
    pub fn count(self, stats: &HttpStats) {
        match self {
            Late::Head => &stats.downstream_rq_header_timeout,
            Late::Request => &stats.downstream_rq_timeout,
            Late::Idle => &stats.downstream_rq_idle_timeout,
            Late::Duration => &stats.downstream_rq_max_duration_reached,
        }
        .inc();
    }
    /// Counts it, and says so to the client: whose fault it is follows from whether all of the request was there.
    pub fn reply(self, exchange: &Exchange) -> Reply {
        self.count(&exchange.connection.stats);
        let is_whole = exchange.body.completed_at().is_some();
        let reply = Reply::new(if is_whole { 504 } else { 408 }, self.flag(), self.details(), self.text());
        let reply = if self == Late::Duration { reply.with_grpc_status(4) } else { reply };
        if is_whole { reply } else { reply.closing() }
    }
}

/// Those of one request.
#[derive(Debug)]
pub struct Limits {
    /// When it began, or something was sent last.
    quiet_since: Instant,
    /// Something was sent since, and nobody has looked at the clock.
    is_stirred: bool,
    idle: Option<Duration>,
    request: Option<Instant>,
    end: Option<Instant>,
    /// Whether the request is with the router: `request_timeout` is over when all of it is there.
    is_with_router: bool,
}

impl Limits {
    /// As the connection manager has them.
    pub fn new(timeouts: &Timeouts, begun: Instant) -> Limits {
        let at = |span: Option<Duration>| span.map(|s| begun + s);
        Limits {
            quiet_since: begun,
            is_stirred: false,
            idle: timeouts.stream_idle,
            request: at(timeouts.request),
            end: at(timeouts.stream),
            is_with_router: false,
        }
    }
    pub fn idle(&self) -> Option<Duration> {
        self.idle
    }
    pub fn end(&self) -> Option<Instant> {
        self.end
    }
    pub fn reach_router(&mut self) {
        self.is_with_router = true;
    }
    /// The answer is there whole: what is left is that the client takes it (Envoy's codecs have `stream_idle_timeout` for that).
    pub fn flush(&mut self, timeouts: &Timeouts) {
        (self.idle, self.request, self.end) = (timeouts.stream_idle, None, None);
    }
    /// Something is sent.
    pub fn stir(&mut self) {
        self.is_stirred = true;
    }
    /// There is nothing to be sent for now.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.is_stirred) {
            self.quiet_since = Instant::now();
        }
    }
    /// What is over first.
    pub fn due(&self, source: &Source) -> Option<(Instant, Late)> {
        let idle = self.idle.map(|span| (source.last_read().map_or(self.quiet_since, |l| l.max(self.quiet_since)) + span, Late::Idle));
        let request = self.request.filter(|_| !self.is_with_router || source.completed_at().is_none()).map(|at| (at, Late::Request));
        let end = self.end.map(|at| (at, Late::Duration));
        [idle, request, end].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
    /// Completes when something took too long.
    pub async fn late(&self, source: &Source) -> Late {
        loop {
            let Some((at, late)) = self.due(source) else { return std::future::pending().await };
            if at <= Instant::now() {
                return late;
            }
            tokio::time::sleep_until(at.into()).await;
        }
    }
    /// What a future gives, if nothing takes too long before.
    ///
    /// # Errors
    /// What took too long.
    pub async fn within<T>(&self, source: &Source, future: impl Future<Output = T>) -> Result<T, Late> {
        tokio::select! {
            biased;
            value = future => Ok(value),
            late = self.late(source) => Err(late),
        }
    }
}

/// Waits beside an answer that is on its way: for what its stream may take, and its route's timeout. The timer is made when there
/// is something to wait for.
#[derive(Debug, Default)]
pub struct Watch {
    alarm: Alarm,
}

impl Watch {
    /// Ready when something took too long; `None` is the route's timeout, which is over at `whole`.
    pub fn poll(&mut self, cx: &mut Context<'_>, limits: &Limits, source: &Source, whole: Option<Instant>) -> Poll<Option<Late>> {
        loop {
            let stream = limits.due(source).map(|(at, late)| (at, Some(late)));
            let first = [stream, whole.map(|at| (at, None))].into_iter().flatten().min_by_key(|(at, _)| *at);
            let Some((at, late)) = first else { return Poll::Pending };
            ready!(self.alarm.poll(at.into(), cx));
            let now = limits.due(source).map(|(at, _)| at).into_iter().chain(whole).min();
            if now.is_some_and(|now| now <= at) {
                return Poll::Ready(late);
            }
        }
    }
}

/// Applies a route's own limits, and rewrites `grpc-timeout` where they follow from it.
pub fn of_route(exchange: &mut Exchange, route: &RouteRef, headers: &mut HeaderMap) {
    let extras = route.extras();
    if let Some(own) = extras.idle_timeout {
        exchange.limits.idle = Some(own).filter(|d| !d.is_zero());
    }
    let Some(stream) = &extras.stream else { return };
    let asked = headers.get(names::GRPC_TIMEOUT).and_then(|v| grpc_timeout(v.to_str().ok()?));
    let span = span(stream, asked, exchange.connection.manager.timeouts.stream);
    let begun = exchange.begun;
    exchange.limits.end = span.map(|s| begun + s);
    if let (Some(span), true) = (span, headers.contains_key(names::GRPC_TIMEOUT)) {
        headers.insert(names::GRPC_TIMEOUT, grpc_timeout_value(span));
    }
}

/// How long a stream may take, by its route, what a client of gRPC asked for, and the connection manager.
fn span(route: &MaxStreamDuration, asked: Option<Duration>, of_manager: Option<Duration>) -> Option<Duration> {
    let (Some(asked), Some(max)) = (asked, route.grpc_max) else {
        return match route.duration {
            Some(own) => Some(own).filter(|d| !d.is_zero()),
            None => of_manager,
        };
    };
    let capped = if max.is_zero() { asked } else { asked.min(max) };
    Some(capped.saturating_sub(route.grpc_offset.unwrap_or_default()))
}

/// `grpc-timeout`: digits and a unit.
pub fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let n: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

/// The same as text, in the finest unit from milliseconds on whose number fits.
pub fn grpc_timeout_value(span: Duration) -> HeaderValue {
    let (milliseconds, seconds) = (span.as_millis(), u128::from(span.as_secs()));
    let fits = |n: u128| n <= 99_999_999;
    let text = match () {
        () if fits(milliseconds) => format!("{milliseconds}m"),
        () if fits(seconds) => format!("{seconds}S"),
        () if fits(seconds / 60) => format!("{}M", seconds / 60),
        () => format!("{}H", (seconds / 3600).min(99_999_999)),
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_of_grpc_have_units() {
        for (text, want) in [("5S", Some(5000u32)), ("100m", Some(100)), ("1H", Some(3_600_000)), ("1", None), ("", None), ("123456789S", None), ("xS", None)] {
            assert_eq!(grpc_timeout(text).map(|d| d.as_millis()), want.map(u128::from), "{text}");
        }
        for (span, want) in [(0, "0m"), (8000, "8000m"), (99_999_999, "99999999m"), (100_000_000, "100000S"), (200_000_000_000, "3333333M")] {
            assert_eq!(grpc_timeout_value(Duration::from_millis(span)), want);
        }
    }

    #[test]
    fn streams_last_as_long_as_their_route_says() {
        let ms = Duration::from_millis;
        let route = |duration, grpc_max, grpc_offset| MaxStreamDuration { duration, grpc_max, grpc_offset };
        let (manager, asked) = (Some(ms(300)), Some(ms(800)));
        assert_eq!(span(&route(None, None, None), None, manager), manager);
        assert_eq!(span(&route(Some(ms(0)), None, None), None, manager), None);
        assert_eq!(span(&route(Some(ms(5)), None, None), asked, manager), Some(ms(5)));
        assert_eq!(span(&route(Some(ms(5)), Some(ms(0)), None), asked, manager), asked);
        assert_eq!(span(&route(Some(ms(5)), Some(ms(700)), Some(ms(100))), asked, manager), Some(ms(600)));
        assert_eq!(span(&route(None, Some(ms(700)), Some(ms(900))), asked, manager), Some(ms(0)));
        assert_eq!(span(&route(Some(ms(5)), Some(ms(700)), None), None, manager), Some(ms(5)));
    }
}
