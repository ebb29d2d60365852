//! OpenTelemetry's spans as JSON: `resourceSpans` (alone, in `result` as Jaeger's `/api/v3` has them, or in `trace`), or `batches` as
//! Tempo has them. Ids are hexadecimal, in Tempo's JSON base64; times are nanoseconds, as numbers or text.

use super::{Tags, id, plain};
use data_encoding::{BASE64, HEXLOWER};
use mesh_model::traces::{Kind, Span};
use serde_json::Value;

pub(super) fn spans(value: &Value) -> Option<Vec<Option<Span>>> {
    let holder = ["result", "trace"].iter().find_map(|k| value.get(*k)).unwrap_or(value);
    let list = ["resourceSpans", "resource_spans", "batches"].iter().find_map(|k| holder.get(*k))?.as_array()?;
    Some(list.iter().flat_map(of_resource).collect())
}

fn of_resource(value: &Value) -> Vec<Option<Span>> {
    let resource = value.get("resource").map(attributes).unwrap_or_default();
    let scopes = ["scopeSpans", "scope_spans", "instrumentationLibrarySpans"].iter().find_map(|k| value.get(*k)).and_then(Value::as_array);
    let spans = scopes.into_iter().flatten().filter_map(|s| s.get("spans")?.as_array()).flatten();
    spans.map(|span| of(span, &resource)).collect()
}

fn of(value: &Value, resource: &Tags) -> Option<Span> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let start = nanos(value.get("startTimeUnixNano")?)?;
    let end = value.get("endTimeUnixNano").and_then(nanos).unwrap_or(start);
    let mut tags = attributes(value);
    if let Some(code) = value.get("status").and_then(|s| s.get("code")).map(plain)
        && matches!(code.as_str(), "2" | "STATUS_CODE_ERROR")
    {
        tags.insert("otel.status_code".to_owned(), "ERROR".to_owned());
    }
    let service = resource.get("service.name").cloned().unwrap_or_default();
    for (key, value) in resource.iter().filter(|(k, _)| *k != "service.name") {
        tags.entry(key.clone()).or_insert_with(|| value.clone());
    }
    Some(Span {
        trace: binary(text("traceId")?, 32)?,
        id: binary(text("spanId")?, 16)?,
        parent: text("parentSpanId").and_then(|p| binary(p, 16)).unwrap_or_default(),
        service,
        operation: text("name").unwrap_or_default().to_owned(),
        kind: match value.get("kind").map(plain).as_deref() {
            Some("2" | "SPAN_KIND_SERVER") => Kind::Server,
            Some("3" | "SPAN_KIND_CLIENT") => Kind::Client,
            Some("4" | "SPAN_KIND_PRODUCER") => Kind::Producer,
            Some("5" | "SPAN_KIND_CONSUMER") => Kind::Consumer,
            _ => Kind::Internal,
        },
        start: start / 1000,
        duration: (end.saturating_sub(start) / 1000).max(0),
        tags,
        is_shared: false,
    })
}

/// An id of so many hexadecimal digits, written in base64 where it is not that long.
fn binary(text: &str, digits: usize) -> Option<String> {
    let is_base64 = text.len() == (digits / 2).div_ceil(3) * 4 && text.ends_with('=');
    if is_base64 {
        return id(&HEXLOWER.encode(&BASE64.decode(text.as_bytes()).ok()?));
    }
    id(text)
}

fn nanos(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn attributes(value: &Value) -> Tags {
    let list = value.get("attributes").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|a| {
        let held = a.get("value")?;
        // `{"stringValue": "x"}`: whatever the type is.
        let held = held.as_object().and_then(|m| m.values().next()).unwrap_or(held);
        Some((a.get("key")?.as_str()?.to_owned(), plain(held)))
    })
    .collect()
}
