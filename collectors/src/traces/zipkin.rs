//! Zipkin's v2 format: a list of spans, or a list of traces, each a list of spans; times in microseconds.
//! <https://zipkin.io/zipkin-api/>

use super::{Tags, id, parent, plain};
use mesh_model::traces::{Kind, Span};
use serde_json::{Value, json};

/// The spans of a list; `None` where its members are no spans.
pub(super) fn spans(value: &Value) -> Option<Vec<Option<Span>>> {
    let list = value.as_array()?;
    if list.iter().all(Value::is_array) {
        return Some(list.iter().flat_map(|t| t.as_array().into_iter().flatten()).map(of).collect());
    }
    let is_span = |v: &Value| v.get("traceId").is_some() || v.get("id").is_some();
    list.iter().all(is_span).then(|| list.iter().map(of).collect())
}

/// A span as it is written.
pub(super) fn value(span: &Span) -> Value {
    let mut out = json!({
        "traceId": span.trace, "id": span.id, "name": span.operation, "timestamp": span.start, "duration": span.duration,
        "localEndpoint": {"serviceName": span.service}, "tags": span.tags,
    });
    if let Some(map) = out.as_object_mut() {
        if !span.parent.is_empty() {
            map.insert("parentId".to_owned(), span.parent.as_str().into());
        }
        if span.kind != Kind::Internal {
            map.insert("kind".to_owned(), span.kind.word().to_uppercase().into());
        }
        if span.is_shared {
            map.insert("shared".to_owned(), true.into());
        }
    }
    out
}

fn of(value: &Value) -> Option<Span> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let tags: Tags = value.get("tags").and_then(Value::as_object).into_iter().flatten().map(|(k, v)| (k.clone(), plain(v))).collect();
    Some(Span {
        trace: id(text("traceId")?)?,
        id: id(text("id")?)?,
        parent: parent(text("parentId")),
        service: value.get("localEndpoint").and_then(|e| e.get("serviceName")).and_then(Value::as_str).unwrap_or_default().to_owned(),
        operation: text("name").unwrap_or_default().to_owned(),
        kind: match text("kind") {
            Some("CLIENT") => Kind::Client,
            Some("SERVER") => Kind::Server,
            Some("PRODUCER") => Kind::Producer,
            Some("CONSUMER") => Kind::Consumer,
            _ => Kind::Internal,
        },
        start: value.get("timestamp")?.as_i64()?,
        duration: value.get("duration").and_then(Value::as_i64).unwrap_or(0).max(0),
        tags,
        is_shared: value.get("shared").and_then(Value::as_bool).unwrap_or(false),
    })
}
