//! When a request is tried again (`envoy.config.route.v3.RetryPolicy`), by policy or by headers of the request.

use crate::http::head::View;
use crate::message::HeaderMap;
use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::engine::header::HeaderCheck;
use mesh_envoy::engine::recorder::Off;
use mesh_envoy::engine::request::{Headers, Request};
use std::time::Duration;

/// The conditions of `retry_on` and `x-envoy-retry-grpc-on`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions(u32);

macro_rules! conditions {
    ($($name:ident $text:literal $bit:literal;)*) => {
        impl Conditions {
            $(pub const $name: Conditions = Conditions(1 << $bit);)*
            const NAMES: &'static [(&'static str, Conditions)] = &[$(($text, Conditions::$name)),*];
        }
    };
}

conditions! {
    SERVER_ERROR "5xx" 0;
    GATEWAY_ERROR "gateway-error" 1;
    RESET "reset" 2;
    RESET_BEFORE_REQUEST "reset-before-request" 3;
    CONNECT_FAILURE "connect-failure" 4;
    RATE_LIMITED "envoy-ratelimited" 5;
    RETRIABLE_4XX "retriable-4xx" 6;
    REFUSED_STREAM "refused-stream" 7;
    STATUS_CODES "retriable-status-codes" 8;
    HEADERS "retriable-headers" 9;
    GRPC_CANCELLED "cancelled" 10;
    GRPC_DEADLINE "deadline-exceeded" 11;
    GRPC_INTERNAL "internal" 12;
    GRPC_EXHAUSTED "resource-exhausted" 13;
    GRPC_UNAVAILABLE "unavailable" 14;
    HTTP3 "http3-post-connect-failure" 15;
}

impl Conditions {
    /// Words joined by commas; unknown ones are left out, as Envoy does in headers.
    pub fn parse(text: &str) -> Conditions {
        let one = |word: &str| Conditions::NAMES.iter().find(|(name, _)| *name == word.trim()).map_or(Conditions(0), |(_, c)| *c);
        text.split(',').map(one).fold(Conditions(0), Conditions::with)
    }
    pub fn with(self, other: Conditions) -> Conditions {
        Conditions(self.0 | other.0)
    }
    pub fn has(self, other: Conditions) -> bool {
        self.0 & other.0 != 0
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[derive(Clone, Debug)]
pub struct RetryPolicy {
    pub on: Conditions,
    pub times: u32,
    pub per_try_timeout: Option<Duration>,
    pub per_try_idle_timeout: Option<Duration>,
    pub status_codes: Vec<u16>,
    /// Answers with one of them are asked for again.
    pub headers: Vec<HeaderCheck>,
    /// Where there are any, only requests with one of them are sent again.
    pub request_headers: Vec<HeaderCheck>,
    pub base_interval: Duration,
    pub max_interval: Duration,
    /// Whether hosts that were tried are avoided.
    pub avoids_previous: bool,
    pub host_attempts: u32,
}

impl RetryPolicy {
    pub fn read(m: &Message<'_, '_>) -> Read<RetryPolicy> {
        let back_off = m.message_or_empty("retry_back_off")?;
        let base = back_off.duration("base_interval")?.unwrap_or(Duration::from_millis(25));
        let mut codes = Vec::new();
        for code in m.values("retriable_status_codes")? {
            let code = code.as_u64().and_then(|c| u16::try_from(c).ok());
            codes.push(code.ok_or_else(|| m.unknown_field("retriable_status_codes", "no status"))?);
        }
        let on = m.text("retry_on")?;
        if let Some(word) = on.split(',').map(str::trim).find(|w| !w.is_empty() && Conditions::parse(w).is_empty()) {
            return Err(m.unknown_field("retry_on", format!("the condition `{word}` is not known to mesh-proxy")));
        }
        Ok(RetryPolicy {
            on: Conditions::parse(on),
            times: u32::try_from(m.uint("num_retries")?.unwrap_or(1)).unwrap_or(u32::MAX),
            per_try_timeout: m.duration("per_try_timeout")?.filter(|d| !d.is_zero()),
            per_try_idle_timeout: m.duration("per_try_idle_timeout")?.filter(|d| !d.is_zero()),
            status_codes: codes,
            headers: m.messages("retriable_headers")?.iter().map(HeaderCheck::read).collect::<Read<_>>()?,
            request_headers: m.messages("retriable_request_headers")?.iter().map(HeaderCheck::read).collect::<Read<_>>()?,
            base_interval: base,
            max_interval: back_off.duration("max_interval")?.unwrap_or(base * 10),
            avoids_previous: !m.values("retry_host_predicate")?.is_empty(),
            host_attempts: u32::try_from(m.uint("host_selection_retry_max_attempts")?.unwrap_or(1)).unwrap_or(1),
        })
    }
}

/// What is left of a policy for one request.
#[derive(Clone, Debug)]
pub struct RetryState {
    pub on: Conditions,
    pub left: u32,
    codes: Vec<u16>,
    /// Names that the request gave.
    header_names: Vec<Box<str>>,
}

impl RetryState {
    /// `None` where nothing is ever retried. Headers of the request count where they were let in; `request` is the same one.
    pub fn new(policy: Option<&RetryPolicy>, headers: &HeaderMap, request: &Request<'_>) -> Option<RetryState> {
        let limiting = policy.map_or(&[][..], |p| &p.request_headers);
        if !limiting.is_empty() && !limiting.iter().any(|h| h.check(request, &mut Off)) {
            return None;
        }
        let asks = headers.speaks_to_envoy();
        let mut on = policy.map_or(Conditions(0), |p| p.on);
        if !asks && on.is_empty() {
            return None;
        }
        let text = |name: &str| Some(headers).filter(|_| asks)?.get(name).and_then(|v| v.to_str().ok());
        for name in ["x-envoy-retry-on", "x-envoy-retry-grpc-on"] {
            on = text(name).map_or(on, |t| on.with(Conditions::parse(t)));
        }
        let mut codes = policy.map(|p| p.status_codes.clone()).unwrap_or_default();
        if let Some(more) = text("x-envoy-retriable-status-codes") {
            codes.extend(more.split(',').filter_map(|c| c.trim().parse::<u16>().ok()));
        }
        if on.is_empty() {
            return None;
        }
        let times = policy.map_or(1, |p| p.times);
        // A header asks for its own number, more or fewer.
        let left = text("x-envoy-max-retries").and_then(|v| v.trim().parse().ok()).unwrap_or(times);
        let header_names = text("x-envoy-retriable-header-names").unwrap_or("").split(',').map(str::trim).filter(|n| !n.is_empty());
        Some(RetryState { on, left, codes, header_names: header_names.map(|n| n.to_ascii_lowercase().into()).collect() })
    }
    /// Whether an answer is one that is asked for again.
    pub fn wants_another_answer(&self, policy: Option<&RetryPolicy>, status: u16, headers: &HeaderMap) -> bool {
        let speaks = headers.speaks_to_envoy();
        if speaks && headers.contains_key("x-envoy-overloaded") {
            return false;
        }
        if speaks && headers.contains_key("x-envoy-ratelimited") {
            return self.on.has(Conditions::RATE_LIMITED);
        }
        let grpc = || headers.get("grpc-status").and_then(|v| v.to_str().ok()?.parse::<u8>().ok());
        let grpc_conditions = [
            (1, Conditions::GRPC_CANCELLED),
            (4, Conditions::GRPC_DEADLINE),
            (8, Conditions::GRPC_EXHAUSTED),
            (13, Conditions::GRPC_INTERNAL),
            (14, Conditions::GRPC_UNAVAILABLE),
        ];
        (self.on.has(Conditions::SERVER_ERROR) && (500..600).contains(&status))
            || (self.on.has(Conditions::GATEWAY_ERROR) && (502..=504).contains(&status))
            || (self.on.has(Conditions::RETRIABLE_4XX) && status == 409)
            || (self.on.has(Conditions::STATUS_CODES) && self.codes.contains(&status))
            || (self.on.has(Conditions::HEADERS) && self.names_header(policy, status, headers))
            || grpc_conditions.iter().any(|(code, condition)| self.on.has(*condition) && grpc() == Some(*code))
    }
    /// Whether an answer has one of the headers for which it is asked for again.
    fn names_header(&self, policy: Option<&RetryPolicy>, status: u16, headers: &HeaderMap) -> bool {
        let answer = Answer { view: View::new(headers), status: status.to_string() };
        let as_request = Request { method: "", scheme: "", authority: "", path: "", headers: &answer };
        self.header_names.iter().any(|n| headers.contains_key(&**n)) || policy.is_some_and(|p| p.headers.iter().any(|h| h.check(&as_request, &mut Off)))
    }
}

/// The headers of an answer, with its status among them.
struct Answer<'h> {
    view: View<'h>,
    status: String,
}

impl Headers for Answer<'_> {
    fn nth(&self, name: &str, n: usize) -> Option<&str> {
        if name == ":status" { Some(self.status.as_str()).filter(|_| n == 0) } else { self.view.nth(name, n) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_words_and_answers_are_judged_by_them() {
        let headers = HeaderMap::new();
        let state = |on: &str| RetryState { on: Conditions::parse(on), left: 1, codes: vec![418], header_names: vec!["x-a".into()] };
        assert!(state("5xx").wants_another_answer(None, 500, &headers));
        assert!(!state("gateway-error").wants_another_answer(None, 500, &headers));
        assert!(state("gateway-error, retriable-4xx").wants_another_answer(None, 409, &headers));
        assert!(state("retriable-status-codes").wants_another_answer(None, 418, &headers));
        let grpc = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), http::HeaderValue::from_static("14"))]);
        assert!(state("unavailable").wants_another_answer(None, 200, &grpc));
        let overloaded = HeaderMap::from_iter([(http::HeaderName::from_static("x-envoy-overloaded"), http::HeaderValue::from_static("true"))]);
        assert!(!state("5xx").wants_another_answer(None, 503, &overloaded));
        let empty: &[(&str, &str)] = &[];
        let request = Request { method: "GET", scheme: "http", authority: "", path: "/", headers: &empty };
        assert!(RetryState::new(None, &headers, &request).is_none());
        let named = HeaderMap::from_iter([(http::HeaderName::from_static("x-a"), http::HeaderValue::from_static(""))]);
        assert!(state("retriable-headers").wants_another_answer(None, 200, &named) && !state("5xx").wants_another_answer(None, 200, &named));
    }
}
