//! Spans in OpenTelemetry's protocol: `opentelemetry.proto.collector.trace.v1`, as far as spans of a proxy need it.

use super::span::{Kind, Span as Told};
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    #[prost(string, optional, tag = "1")]
    pub string_value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Scope {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub name: String,
    /// 2 for a server's, 3 for a client's.
    #[prost(int32, tag = "6")]
    pub kind: i32,
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// 2 for an error.
    #[prost(int32, tag = "3")]
    pub code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { string_value: Some(value.to_owned()) }) }
}

fn nanoseconds(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// The flag that the trace may be sampled, and that it is known whether the parent is another process.
fn flags(told: &Told) -> u32 {
    u32::from(told.context.sampled) | 0x100 | if told.has_remote_parent { 0x200 } else { 0 }
}

/// One report of spans. `from_environment`: attributes of `OTEL_RESOURCE_ATTRIBUTES` as well.
pub fn report(spans: &[Told], service: &str, from_environment: bool) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let mut attributes = vec![
        attribute("service.name", service),
        attribute("telemetry.sdk.language", "rust"),
        attribute("telemetry.sdk.name", "mesh-proxy"),
        attribute("telemetry.sdk.version", version),
    ];
    if from_environment {
        let text = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        attributes.extend(text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| attribute(k.trim(), v.trim())));
    }
    let spans = spans
        .iter()
        .map(|told| Span {
            trace_id: told.context.trace.to_be_bytes().to_vec(),
            span_id: told.context.span.to_be_bytes().to_vec(),
            trace_state: told.context.state.clone(),
            parent_span_id: told.context.parent.map(|p| p.to_be_bytes().to_vec()).unwrap_or_default(),
            name: told.name.clone(),
            kind: if told.kind == Kind::Server { 2 } else { 3 },
            start_time_unix_nano: nanoseconds(told.started),
            end_time_unix_nano: nanoseconds(told.started + told.duration),
            attributes: told.tags.iter().map(|(k, v)| attribute(k, v)).collect(),
            status: told.is_error().then_some(Status { code: 2 }),
            flags: flags(told),
        })
        .collect();
    let scope = Some(Scope { name: "mesh-proxy".to_owned(), version: version.to_owned() });
    let all = ResourceSpans { resource: Some(Resource { attributes }), scope_spans: vec![ScopeSpans { scope, spans }] };
    Request { resource_spans: vec![all] }.encode_to_vec()
}

/// A message as gRPC frames it, not compressed.
pub fn framed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 5);
    out.put_u8(0);
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(message);
    out.freeze()
}

/// How many spans a collector did not take, by its answer.
pub fn rejected(answer: &[u8]) -> u64 {
    let said = Response::decode(answer).ok().and_then(|r| r.partial_success);
    said.map_or(0, |p| u64::try_from(p.rejected_spans).unwrap_or(0))
}
