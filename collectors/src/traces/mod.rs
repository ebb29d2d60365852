//! Traces from Jaeger, Tempo and Zipkin, live and from files.
//!
//! What a text is is found out by its content: Jaeger's `{"data": [{"traceID", "spans", "processes"}]}`, Zipkin's lists of spans,
//! OpenTelemetry's `resourceSpans` (Jaeger's `/api/v3`, files of collectors, one object or one a line), Tempo's `batches`. A span
//! that can't be read costs itself, and is counted.

pub mod forward;
mod jaeger;
mod otlp;
pub mod query;
pub mod serve;
pub mod server;
mod zipkin;

use mesh_envoy::redact::{header_value, text};
use mesh_model::traces::Span;
use serde_json::Value;
use std::collections::BTreeMap;

/// Spans of a text, and what of it could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub spans: Vec<Span>,
    pub problems: Vec<String>,
}

/// Spans that are taken of one source.
const MOST: usize = 1_000_000;

/// Spans as a list in Zipkin's format, as [`read`] gave them.
pub fn to_json(spans: &[Span]) -> String {
    Value::Array(spans.iter().map(zipkin::value).collect()).to_string()
}

/// Whether a text begins as one of the formats does.
pub fn begins_so(head: &str) -> bool {
    let is_json = head.trim_start().starts_with(['{', '[']);
    is_json && ["\"traceID\"", "\"traceId\"", "\"resourceSpans\"", "\"batches\""].iter().any(|k| head.contains(k))
}

/// Reads any of the formats. The error says what the text is not.
pub fn read(name: &str, text: &str) -> Result<Found, String> {
    let mut found = Found::default();
    let mut unread = 0;
    // Some answers are several objects, one behind the other.
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = match value {
            Ok(value) => value,
            Err(e) if found.spans.is_empty() => return Err(format!("{name}:{}:{}: no JSON: {e}", e.line(), e.column())),
            Err(e) => {
                found.problems.push(format!("{name}:{}:{}: it ends early: {e}; what came before is used", e.line(), e.column()));
                break;
            }
        };
        let spans = of_value(&value).ok_or_else(|| format!("{name}: neither traces of Jaeger, Zipkin or Tempo nor OpenTelemetry's spans"))?;
        for span in spans {
            match span {
                Some(span) if found.spans.len() < MOST => found.spans.push(clean(span)),
                _ => unread += 1,
            }
        }
    }
    if unread > 0 {
        found.problems.push(format!("{name}: {unread} spans can't be read, and are left out"));
    }
    Ok(found)
}

/// Spans, `None` for each that can't be read; `None` for a value of another kind.
fn of_value(value: &Value) -> Option<Vec<Option<Span>>> {
    match value {
        Value::Array(_) => zipkin::spans(value),
        // A trace that Jaeger does not know.
        Value::Object(map) if map.contains_key("data") => jaeger::spans(value),
        Value::Object(map) if map.contains_key("processes") => Some(jaeger::trace(value)),
        Value::Object(_) => otlp::spans(value),
        _ => None,
    }
}

/// A span without what may be secret in its tags.
fn clean(mut span: Span) -> Span {
    for (name, value) in &mut span.tags {
        let header = name.rsplit('.').next().unwrap_or(name);
        *value = if name.contains("header") { header_value(header, value) } else { text(value) }.into_owned();
    }
    span.operation = text(&span.operation).into_owned();
    span
}

/// An id as it is compared: lower-case, without the zeros in front that some leave out.
fn id(text: &str) -> Option<String> {
    let is_hex = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let trimmed = text.trim_start_matches('0').to_ascii_lowercase();
    (is_hex && !trimmed.is_empty()).then_some(trimmed)
}

/// A parent's id: all zeros, empty and missing mean none.
fn parent(text: Option<&str>) -> String {
    text.and_then(id).unwrap_or_default()
}

/// A value as text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

type Tags = BTreeMap<String, String>;

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::traces::Kind;

    /// The same call in each of the formats.
    const JAEGER: &str = r#"{"data": [{"traceID": "00ab", "spans": [{"traceID": "00ab", "spanID": "1", "operationName": "op", "startTime": 1000, "duration": 50, "processID": "p1",
        "references": [{"refType": "CHILD_OF", "traceID": "00ab", "spanID": "02"}], "tags": [{"key": "span.kind", "type": "string", "value": "server"}, {"key": "error", "type": "bool", "value": true}]},
        {"spanID": 7}], "processes": {"p1": {"serviceName": "cart.shop", "tags": []}}}]}"#;
    const ZIPKIN: &str = r#"[[{"traceId": "ab", "id": "1", "parentId": "2", "name": "op", "kind": "SERVER", "timestamp": 1000, "duration": 50, "localEndpoint": {"serviceName": "cart.shop"}, "tags": {"error": "true"}}, {"id": 7}]]"#;
    const OTLP: &str = r#"{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cart.shop"}}]}, "scopeSpans": [{"spans": [
        {"traceId": "00ab", "spanId": "01", "parentSpanId": "02", "name": "op", "kind": 2, "startTimeUnixNano": "1000000", "endTimeUnixNano": "1050000", "attributes": [{"key": "error", "value": {"boolValue": true}}]}, {}]}]}]}"#;
    /// Ids in base64, as protobuf's JSON has bytes.
    const TEMPO: &str = r#"{"batches": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cart.shop"}}]}, "instrumentationLibrarySpans": [{"spans": [
        {"traceId": "AAAAAAAAAAAAAAAAAAAAqw==", "spanId": "AAAAAAAAAAE=", "parentSpanId": "AAAAAAAAAAI=", "name": "op", "kind": "SPAN_KIND_SERVER", "startTimeUnixNano": 1000000, "endTimeUnixNano": 1050000, "attributes": [{"key": "error", "value": {"stringValue": "true"}}]}, {}]}]}]}"#;

    #[test]
    fn one_call_is_the_same_in_every_format() {
        for (name, text) in [("jaeger", JAEGER), ("zipkin", ZIPKIN), ("otlp", OTLP), ("tempo", TEMPO)] {
            let found = read(name, text).expect("spans");
            assert_eq!(found.problems, [format!("{name}: 1 spans can't be read, and are left out")]);
            let [span] = found.spans.as_slice() else { panic!("{name}: {:?}", found.spans) };
            let said = (span.trace.as_str(), span.id.as_str(), span.parent.as_str(), span.service.as_str(), span.operation.as_str());
            assert_eq!(said, ("ab", "1", "2", "cart.shop", "op"), "{name}");
            assert_eq!(read("again", &to_json(&found.spans)).map(|f| f.spans), Ok(found.spans.clone()));
            assert_eq!((span.kind, span.start, span.duration, span.is_error()), (Kind::Server, 1000, 50, true), "{name}");
        }
    }

    #[test]
    fn what_is_no_trace_is_said_and_secrets_are_hidden() {
        assert_eq!(read("f", "{\"data\": null, \"errors\": [{\"code\": 404}]}").expect("nothing"), Found::default());
        for (text, says) in [("{\"a\": 1}", "neither"), ("7", "neither"), ("<html>", "f:1:1: no JSON"), ("[{\"a\": 1}", "no JSON")] {
            let error = read("f", text).expect_err("no traces");
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(read("f", "[]").expect("none").spans, []);
        let text =
            ZIPKIN.replace("\"error\": \"true\"", "\"http.url\": \"http://u:hunter2@a/b?token=hunter2\", \"http.request.header.authorization\": \"hunter2\"");
        let found = read("f", &text).expect("spans");
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }
}
