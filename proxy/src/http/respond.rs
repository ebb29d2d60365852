//! Answers of the proxy's own.

use super::body::Body;
use super::changes::change_answer;
use super::exchange::{Answered, Exchange, RouteRef};
use super::head::{Upgrades, answer_bytes, finish_answer, names};
use super::limit;
use crate::message::{HeaderMap, Response};
use crate::telemetry::exchange as peers;
use crate::trace::span;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderValue};
use mesh_envoy::engine::gate::AddedHeader;
use std::borrow::Cow;
use std::fmt::Write;

/// An answer that no upstream gave.
pub struct Reply {
    pub status: u16,
    pub flag: &'static str,
    pub details: Cow<'static, str>,
    pub body: Bytes,
    pub headers: HeaderMap,
    pub closes: Closes,
    /// For clients that speak gRPC; `None` for what follows from the status.
    pub grpc_status: Option<u8>,
}

/// Whether the client's connection ends with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    Yes,
    No,
}

impl Reply {
    pub fn new(status: u16, flag: &'static str, details: impl Into<Cow<'static, str>>, body: impl Into<Bytes>) -> Reply {
        Reply { status, flag, details: details.into(), body: body.into(), headers: HeaderMap::new(), closes: Closes::No, grpc_status: None }
    }
    pub fn closing(mut self) -> Reply {
        self.closes = Closes::Yes;
        self
    }
    pub fn with_grpc_status(mut self, status: u8) -> Reply {
        self.grpc_status = Some(status);
        self
    }
    pub fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Reply {
        self.headers.insert(name, value);
        self
    }
    /// Of a filter: the body follows from the details.
    pub fn of_gate(reply: mesh_envoy::engine::gate::Reply, request: &Exchange) -> Reply {
        let mut out = Reply::new(reply.status, reply.flag, reply.details, Bytes::new());
        if out.details.starts_with("rbac_access_denied") {
            out.body = "RBAC: access denied".into();
        } else if out.details == "fault_filter_abort" {
            out.body = "fault filter abort".into();
        } else if out.details == "local_rate_limited" {
            out.body = "local_rate_limited".into();
        } else if let Some(reason) = out.details.strip_prefix("jwt_authn_access_denied{").and_then(|d| d.strip_suffix('}')) {
            let path = &request.path[..(0..=request.path.len().min(256)).rev().find(|i| request.path.is_char_boundary(*i)).unwrap_or(0)];
            let realm = format!("Bearer realm=\"{}://{}{path}\"", request.scheme, request.authority);
            let realm = if reason == "Jwt_is_missing" { realm } else { format!("{realm}, error=\"invalid_token\"") };
            let reason = reason.replace('_', " ");
            if let Ok(value) = HeaderValue::from_str(&realm) {
                out.headers.insert(header::WWW_AUTHENTICATE, value);
            }
            out.body = reason.into();
        }
        out
    }

    /// With headers that configuration adds, each beside what is there.
    pub fn with_added(mut self, added: &[AddedHeader]) -> Reply {
        limit::put(&mut self.headers, limit::read(added));
        self
    }

    /// Sends it. Clients that speak gRPC get it as a gRPC status.
    pub fn send(self, mut exchange: Box<Exchange>) -> Response<Body> {
        exchange.raise(self.flag);
        exchange.details = self.details;
        let mut headers = self.headers;
        // As in Envoy, values that speak of the status see none yet, and a route that does not forward changes its own answer alone.
        let is_routes_own = exchange.details == "direct_response";
        if is_routes_own || (exchange.route.as_ref().is_some_and(RouteRef::forwards) && exchange.details != "cors_response") {
            change_answer(&mut headers, &exchange);
        }
        let (mut status, mut body) = (self.status, self.body);
        // The answer to a preflight is one for browsers.
        if exchange.is_grpc() && exchange.details != "cors_response" {
            let grpc = self.grpc_status.unwrap_or_else(|| grpc_status(status));
            exchange.grpc_status = Some(u64::from(grpc));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(names::GRPC_STATUS, HeaderValue::from(u16::from(grpc)));
            if !body.is_empty()
                && let Ok(message) = HeaderValue::from_str(&percent(&body))
            {
                headers.insert(names::GRPC_MESSAGE, message);
            }
            (status, body) = (200, Bytes::new());
        } else if !body.is_empty() {
            headers.insert_absent(header::CONTENT_TYPE, || HeaderValue::from_static("text/plain"));
        }
        if !headers.contains_key(header::CONTENT_LENGTH) && status >= 200 && status != 204 {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        exchange.status = status;
        exchange.answer_begun = Some(exchange.milliseconds());
        exchange.is_own_answer = true;
        if exchange.attempts > 0 && exchange.route.as_ref().is_some_and(|r| r.host_extras().tells_attempts_downstream) {
            headers.insert(names::ATTEMPT_COUNT, HeaderValue::from(exchange.attempts));
        }
        let manager = exchange.connection.manager.clone();
        let request_id = exchange.headers.get(names::REQUEST_ID).cloned();
        finish_answer(&mut headers, &manager, request_id.as_ref(), Upgrades::No);
        if self.closes == Closes::Yes && exchange.protocol != "HTTP/2" {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        span::answer(&mut exchange, &mut headers);
        if let Some(cors) = &exchange.cors {
            cors.apply(&mut headers, &exchange.details);
        }
        limit::tell(&exchange.told, &mut headers);
        peers::tell_client(&exchange, &mut headers);
        exchange.connection.client.worker.close_if_draining(&exchange, &mut headers);
        exchange.answer = Answered::of(&headers, manager.answer_headers.as_deref());
        let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        exchange.answer_head_bytes = answer_bytes(&headers, code);
        let mut response = Response::new(Body::text(body, exchange));
        response.status = code;
        response.headers = headers;
        response
    }
}

/// gRPC's status for one of HTTP (the mapping of gRPC's documentation).
pub fn grpc_status(http: u16) -> u8 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// `grpc-message`: what is not printable ASCII is escaped.
fn percent(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text {
        if (0x20..0x7f).contains(b) && *b != b'%' {
            out.push(char::from(*b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_messages_are_escaped() {
        assert_eq!(percent(b"a%b\n\xc3\xa9"), "a%25b%0A%C3%A9");
        assert_eq!((grpc_status(404), grpc_status(503), grpc_status(500)), (12, 14, 2));
    }
}
