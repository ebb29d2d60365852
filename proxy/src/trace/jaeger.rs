//! Spans to an old Jaeger agent: batches in thrift's compact protocol, over UDP, by `opentelemetry-jaeger`.
//!
//! The crate is deprecated, and so is what it speaks; Jaeger's collectors take Zipkin's JSON and OTLP. It makes packets of spans
//! and nothing else: the queue, what is counted and when it is sent are those of all exporters.

// All of the crate is.
#![allow(deprecated)]

use super::span::{Kind, Span};
use crate::telemetry::peer::Own;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationLibrary, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::export::trace::{SpanData, SpanExporter};
use opentelemetry_sdk::trace::{Config, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::net::SocketAddr;

/// Bytes of a packet. Agents read no longer ones.
const LONGEST_PACKET: usize = 65_000;
/// Bytes of a name or a tag's value: one span that fits into no packet would cost all that are reported with it.
const LONGEST_TEXT: usize = 1024;

/// The way to an agent.
pub struct Agent {
    pub address: SocketAddr,
    exporter: Option<opentelemetry_jaeger::Exporter>,
}

impl Agent {
    pub fn new(address: SocketAddr) -> Agent {
        Agent { address, exporter: None }
    }
    /// Sends spans, in as many packets as they need. Whether somebody reads them UDP tells only sometimes, and late.
    ///
    /// # Errors
    /// Why they did not go out.
    pub async fn report(&mut self, own: &Own, spans: &[Span]) -> Result<(), String> {
        let exporter = match &mut self.exporter {
            Some(exporter) => exporter,
            none => none.insert(open(self.address, own)?),
        };
        let sent = exporter.export(spans.iter().map(convert).collect()).await;
        if sent.is_err() {
            // The next report has a new socket: ways and addresses of this machine may have changed.
            self.exporter = None;
        }
        sent.map_err(|e| e.to_string())
    }
}

fn open(address: SocketAddr, own: &Own) -> Result<opentelemetry_jaeger::Exporter, String> {
    let ip = own.ip.map(|ip| KeyValue::new("ip", ip.to_string()));
    let node = KeyValue::new("node_id", own.id.to_str().unwrap_or("").to_owned());
    opentelemetry_jaeger::new_agent_pipeline()
        .with_endpoint(address.to_string())
        .with_service_name(&*own.service)
        // One of our own: the crate's default is read from the environment.
        .with_trace_config(Config::default().with_resource(Resource::new(ip.into_iter().chain([node]))))
        .with_max_packet_size(LONGEST_PACKET)
        .with_auto_split_batch(true)
        .with_instrumentation_library_tags(false)
        // Its sockets of tokio are ones that tokio takes no more. A datagram is sent at once, and this is no worker's thread.
        .build_sync_agent_exporter()
        .map_err(|e| e.to_string())
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_TEXT)].to_owned()
}

/// A tag; `error` is a truth value, by which Jaeger finds spans that failed.
fn tag((key, value): &(Cow<'static, str>, String)) -> KeyValue {
    let value = if key == "error" && value == "true" { Value::Bool(true) } else { cut(value).into() };
    KeyValue::new(key.clone(), value)
}

fn convert(span: &Span) -> SpanData {
    let context = &span.context;
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(context.trace.to_be_bytes()),
            SpanId::from_bytes(context.span.to_be_bytes()),
            if context.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() },
            false,
            TraceState::NONE,
        ),
        parent_span_id: SpanId::from_bytes(context.parent.unwrap_or(0).to_be_bytes()),
        span_kind: if span.kind == Kind::Server { SpanKind::Server } else { SpanKind::Client },
        name: cut(&span.name).into(),
        start_time: span.started,
        end_time: span.started + span.duration,
        attributes: span.tags.iter().map(tag).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        // The tags say it, in Envoy's way.
        status: Status::Unset,
        resource: Cow::Owned(Resource::empty()),
        instrumentation_lib: InstrumentationLibrary::default(),
    }
}
