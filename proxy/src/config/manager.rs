//! The HTTP connection manager: the engine's part, and beside it how messages are read, changed and logged.

use super::forwarded_cert::CertForwarding;
use super::header_format::Format;
use super::route::Table;
use super::{Compiler, alpn};
use crate::access_log::Log;
use crate::jwt;
use crate::telemetry::Telemetry;
use crate::trace::config::Tracing;
use http::{HeaderName, HeaderValue};
use mesh_envoy::engine::field::{Message, Path, Read};
use mesh_envoy::engine::http as engine;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub struct Manager {
    pub engine: engine::Manager,
    pub routes: Routes,
    pub stat_prefix: Box<str>,
    pub codec: Codec,
    /// Of names of headers, over HTTP/1.
    pub format: Format,
    pub logs: Vec<Log>,
    /// The headers of answers that somebody asks for when they are over; `None` for all.
    pub answer_headers: Option<Vec<HeaderName>>,
    /// Whether a log looks at trailers of answers.
    pub logs_trailers: bool,
    pub server: Server,
    pub generates_request_id: bool,
    pub preserves_external_request_id: bool,
    pub answers_request_id: bool,
    pub via: Option<HeaderValue>,
    pub skips_forwarded_for: bool,
    pub appends_forwarded_port: bool,
    pub trusted_hops: u64,
    /// Addresses of clients that may use the internal x-envoy headers.
    pub internal: Vec<(IpAddr, u32)>,
    pub scheme: Option<&'static str>,
    /// `x-envoy-` headers are neither made nor sent.
    pub suppresses_envoy_headers: bool,
    pub timeouts: Timeouts,
    pub limits: Limits,
    pub underscores: Underscores,
    /// Whether clients hear of answers before the answer what the upstream says, and not the proxy.
    pub forwards_interim: bool,
    pub forwarding: CertForwarding,
    pub telemetry: Telemetry,
    pub tracing: Option<Tracing>,
    /// Ids of requests tell whether they are traced.
    pub packs_trace_reason: bool,
    /// They decide it as well.
    pub samples_by_id: bool,
    pub alpn: Option<alpn::Filter>,
    /// What filters for tokens need to know of them.
    pub tokens: Vec<Arc<jwt::filter::Filter>>,
}

/// Where the route configuration stands.
#[derive(Clone, Debug)]
pub enum Routes {
    Inline(Arc<Table>),
    /// Over RDS.
    Named {
        name: Box<str>,
        fetch_timeout: Option<Duration>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Auto,
    Http1,
    Http2,
}

/// What becomes of the `server` header of answers.
#[derive(Clone, Debug)]
pub enum Server {
    Overwrite(HeaderValue),
    IfAbsent(HeaderValue),
    PassThrough,
}

/// `None` for no limit.
#[derive(Clone, Debug)]
pub struct Timeouts {
    pub stream_idle: Option<Duration>,
    pub connection_idle: Option<Duration>,
    pub headers: Option<Duration>,
    pub request: Option<Duration>,
    pub connection: Option<Duration>,
    pub stream: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Limits {
    pub headers: usize,
    pub header_bytes: usize,
    pub requests_per_connection: u64,
    pub concurrent_streams: u32,
    pub stream_window: u32,
    pub connection_window: u32,
    /// The longest body that is kept for a retry or a mirror.
    pub buffer: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underscores {
    Allow,
    Reject,
    Drop,
}

impl Manager {
    /// Whether any filter before the router has a say in what becomes of a request.
    pub fn asks_filters(&self) -> bool {
        self.engine.filters.iter().any(|f| !f.is_router() && !f.is_transparent())
    }
    /// `engine` was read from the same message.
    pub(super) fn read(m: &Message<'_, '_>, engine: &engine::Manager, buffer: usize, compiler: &Compiler) -> Read<Manager> {
        if let Some(u) = engine.unknown() {
            return Err(u.clone());
        }
        if let Some(u) = engine.filters.iter().find_map(|f| f.unknown()) {
            return Err(u.clone());
        }
        if !engine.filters.last().is_some_and(|f| f.is_router()) {
            return Err(m.unknown_field("http_filters", "the router belongs at the end"));
        }
        let routes = match &engine.routes {
            engine::Routes::Unknown(u) => return Err(u.clone()),
            engine::Routes::Named(name) => {
                Routes::Named { name: name.clone(), fetch_timeout: super::fetch_timeout(&m.message_or_empty("rds")?, "config_source")? }
            }
            engine::Routes::Inline(table) => {
                let value = m.value("route_config").unwrap_or(&Value::Null);
                Routes::Inline(Arc::new(Table::beside(table.clone(), value, &format!("{}.route_config", m.path()))?))
            }
        };
        let common = m.message_or_empty("common_http_protocol_options")?;
        let http2 = m.message_or_empty("http2_protocol_options")?;
        let name = match m.text("server_name")? {
            "" => "envoy",
            name => name,
        };
        let name = HeaderValue::from_str(name).map_err(|_| m.unknown_field("server_name", "no value of a header"))?;
        let via = Some(m.text("via")?).filter(|v| !v.is_empty()).map(HeaderValue::from_str).transpose();
        let extension = m.message_or_empty("request_id_extension")?;
        let id = extension.message_or_empty("typed_config")?;
        let (timeouts, limits) = (Timeouts::read(m, &common)?, Limits::read(m, &common, &http2, buffer)?);
        let (logs, telemetry, tracing) = (Log::read_all(m, compiler)?, Telemetry::read(m)?, Tracing::read(m, &compiler.exporters)?);
        let answer_headers = if telemetry.stats.as_ref().is_some_and(|s| !s.overrides.is_empty()) {
            None
        } else {
            let of_spans = tracing.as_ref().map(Tracing::answer_headers).unwrap_or_default();
            logs.iter().try_fold(of_spans, |mut all, log| {
                all.extend(log.answer_headers()?);
                Some(all)
            })
        };
        Ok(Manager {
            engine: engine.clone(),
            routes,
            stat_prefix: m.text("stat_prefix")?.into(),
            codec: match m.enumeration("codec_type", &["AUTO", "HTTP1", "HTTP2", "HTTP3"])? {
                "HTTP1" => Codec::Http1,
                "HTTP2" => Codec::Http2,
                _ => Codec::Auto,
            },
            format: Format::read(m)?,
            logs_trailers: logs.iter().any(Log::tells_trailers),
            logs,
            answer_headers,
            server: match m.enumeration("server_header_transformation", &["OVERWRITE", "APPEND_IF_ABSENT", "PASS_THROUGH"])? {
                "APPEND_IF_ABSENT" => Server::IfAbsent(name),
                "PASS_THROUGH" => Server::PassThrough,
                _ => Server::Overwrite(name),
            },
            generates_request_id: m.bool("generate_request_id")?.unwrap_or(true),
            preserves_external_request_id: m.flag("preserve_external_request_id")?,
            answers_request_id: m.flag("always_set_request_id_in_response")?,
            via: via.map_err(|_| m.unknown_field("via", "no value of a header"))?,
            skips_forwarded_for: m.flag("skip_xff_append")?,
            appends_forwarded_port: m.flag("append_x_forwarded_port")?,
            trusted_hops: m.uint("xff_num_trusted_hops")?.unwrap_or(0),
            internal: internal(m)?,
            scheme: match m.message_or_empty("scheme_header_transformation")?.text("scheme_to_overwrite")? {
                "" => None,
                "http" => Some("http"),
                "https" => Some("https"),
                _ => return Err(m.unknown_field("scheme_header_transformation.scheme_to_overwrite", "neither http nor https")),
            },
            suppresses_envoy_headers: suppresses(m)?,
            timeouts,
            limits,
            forwards_interim: m.flag("proxy_100_continue")?,
            forwarding: CertForwarding::read(m)?,
            telemetry,
            tracing,
            packs_trace_reason: id.bool("pack_trace_reason")?.unwrap_or(true),
            samples_by_id: id.bool("use_request_id_for_trace_sampling")?.unwrap_or(true),
            alpn: alpn::Filter::find(m)?,
            tokens: jwt::filter::Filter::find_all(m, &compiler.remotes)?,
            underscores: match common.enumeration("headers_with_underscores_action", &["ALLOW", "REJECT_REQUEST", "DROP_HEADER"])? {
                "REJECT_REQUEST" => Underscores::Reject,
                "DROP_HEADER" => Underscores::Drop,
                _ => Underscores::Allow,
            },
        })
    }

    /// The manager of a filter's `typed_config`.
    pub(super) fn of_filter(value: &Value, path: &str, engine: &engine::Manager, buffer: usize, compiler: &Compiler) -> Read<Manager> {
        Manager::read(&Message::new(value, Path::root(path))?, engine, buffer, compiler)
    }

    /// Whether an address is on the list of internal ones.
    pub fn is_internal(&self, address: IpAddr) -> bool {
        self.internal.iter().any(|(network, length)| match (network, address) {
            (IpAddr::V4(n), IpAddr::V4(a)) => shares_prefix(u128::from(n.to_bits()) << 96, u128::from(a.to_bits()) << 96, *length),
            (IpAddr::V6(n), IpAddr::V6(a)) => shares_prefix(n.to_bits(), a.to_bits(), *length),
            _ => false,
        })
    }
}

fn shares_prefix(a: u128, b: u128, length: u32) -> bool {
    length == 0 || (a ^ b) >> (128 - length.min(128)) == 0
}

fn internal(m: &Message<'_, '_>) -> Read<Vec<(IpAddr, u32)>> {
    let mut out = Vec::new();
    for range in m.message_or_empty("internal_address_config")?.messages("cidr_ranges")? {
        let address = range.text("address_prefix")?.parse().map_err(|_| range.unknown_field("address_prefix", "no address"))?;
        out.push((address, u32::try_from(range.uint("prefix_len")?.unwrap_or(0)).unwrap_or(128)));
    }
    Ok(out)
}

/// `suppress_envoy_headers` of the router.
fn suppresses(m: &Message<'_, '_>) -> Read<bool> {
    for filter in m.messages("http_filters")? {
        if let Some((name, config)) = filter.any("typed_config")?
            && name.ends_with(".Router")
        {
            return config.flag("suppress_envoy_headers");
        }
    }
    Ok(false)
}

impl Timeouts {
    fn read(m: &Message<'_, '_>, common: &Message<'_, '_>) -> Read<Timeouts> {
        let some = |d: Option<Duration>| d.filter(|d| !d.is_zero());
        Ok(Timeouts {
            stream_idle: some(Some(m.duration("stream_idle_timeout")?.unwrap_or(Duration::from_secs(300)))),
            connection_idle: some(Some(common.duration("idle_timeout")?.unwrap_or(Duration::from_secs(3600)))),
            headers: some(m.duration("request_headers_timeout")?),
            request: some(m.duration("request_timeout")?),
            connection: some(common.duration("max_connection_duration")?),
            stream: some(common.duration("max_stream_duration")?),
        })
    }
}

impl Limits {
    fn read(m: &Message<'_, '_>, common: &Message<'_, '_>, http2: &Message<'_, '_>, buffer: usize) -> Read<Limits> {
        let small = |n: Option<u64>, default: u32| n.map_or(default, |n| u32::try_from(n).unwrap_or(u32::MAX));
        // Envoy's bounds; HTTP/2 has no larger windows (RFC 9113 §6.9.1).
        let bounded = |name: &str, least: u64, default: u32| match http2.uint(name)? {
            Some(n) if !(least..=0x7fff_ffff).contains(&n) => Err(http2.unknown_field(name, format!("no number from {least} to 2147483647"))),
            n => Ok(small(n, default)),
        };
        Ok(Limits {
            headers: small(common.uint("max_headers_count")?, 100) as usize,
            header_bytes: small(m.uint("max_request_headers_kb")?, 60) as usize * 1024,
            requests_per_connection: common.uint("max_requests_per_connection")?.unwrap_or(0),
            concurrent_streams: bounded("max_concurrent_streams", 1, 1024)?,
            stream_window: bounded("initial_stream_window_size", 65_535, 16 << 20)?,
            connection_window: bounded("initial_connection_window_size", 65_535, 24 << 20)?,
            buffer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_share_a_prefix() {
        let bits = |a: [u8; 4]| u128::from(u32::from_be_bytes(a)) << 96;
        assert!(shares_prefix(bits([10, 0, 0, 0]), bits([10, 9, 8, 7]), 8));
        assert!(!shares_prefix(bits([10, 0, 0, 0]), bits([11, 0, 0, 0]), 8));
        assert!(shares_prefix(0, u128::MAX, 0));
        assert!(!shares_prefix(0, 1, 128));
    }
}
