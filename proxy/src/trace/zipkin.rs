//! Spans as Zipkin's JSON, version 2.

use super::span::{Kind, Span};
use crate::telemetry::peer::Own;
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

fn microseconds(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// A list of spans. `shares_span`: a server's span is its client's.
pub fn report(spans: &[Span], own: &Own, shares_span: bool) -> Vec<u8> {
    let mut here = json!({"serviceName": &*own.service, "port": 0});
    if let Some(ip) = own.ip {
        here[if ip.is_ipv4() { "ipv4" } else { "ipv6" }] = ip.to_string().into();
    }
    let list: Vec<Value> = spans
        .iter()
        .map(|span| {
            let (kind, end) = match span.kind {
                Kind::Client => ("CLIENT", "cr"),
                Kind::Server => ("SERVER", "ss"),
            };
            let tags: Map<String, Value> = span.tags.iter().map(|(k, v)| (k.to_string(), v.as_str().into())).collect();
            let mut out = json!({
                "traceId": span.context.trace_id(), "id": format!("{:016x}", span.context.span), "kind": kind, "name": span.name,
                "timestamp": microseconds(span.started), "duration": u64::try_from(span.duration.as_micros()).unwrap_or(u64::MAX).max(1),
                "localEndpoint": here, "tags": tags,
                "annotations": [{"timestamp": microseconds(span.started + span.duration), "value": end}],
            });
            if let Some(parent) = span.context.parent {
                out["parentId"] = format!("{parent:016x}").into();
            }
            if shares_span && span.kind == Kind::Server {
                out["shared"] = true.into();
            }
            out
        })
        .collect();
    Value::Array(list).to_string().into_bytes()
}
