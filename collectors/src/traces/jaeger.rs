//! Jaeger's `/api/traces`: `{"data": [{"traceID", "spans": […], "processes": {…}}]}`, times in microseconds.

use super::{Tags, id, parent, plain};
use mesh_model::traces::{Kind, Span};
use serde_json::Value;
use std::collections::BTreeMap;

/// The spans of an answer; none where its data is `null`, as for a trace that is not known.
pub(super) fn spans(value: &Value) -> Option<Vec<Option<Span>>> {
    match value.get("data")? {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => {
            let is_trace = |t: &Value| t.get("spans").is_some();
            list.iter().all(is_trace).then(|| list.iter().flat_map(trace).collect())
        }
        _ => None,
    }
}

/// The spans of one trace.
pub(super) fn trace(value: &Value) -> Vec<Option<Span>> {
    let processes: BTreeMap<&str, (String, Tags)> = value
        .get("processes")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, process)| (key.as_str(), (process.get("serviceName").map(plain).unwrap_or_default(), tags(process))))
        .collect();
    value.get("spans").and_then(Value::as_array).into_iter().flatten().map(|span| of(span, value, &processes)).collect()
}

fn of(value: &Value, trace: &Value, processes: &BTreeMap<&str, (String, Tags)>) -> Option<Span> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let own = value.get("process").map(|p| (p.get("serviceName").map(plain).unwrap_or_default(), tags(p)));
    let (service, of_process) = own.or_else(|| processes.get(text("processID")?).cloned()).unwrap_or_default();
    let mut all = of_process;
    all.extend(tags(value));
    let references = || value.get("references").and_then(Value::as_array).into_iter().flatten();
    let of_type = |wanted: &str| references().find(|r| r.get("refType").and_then(Value::as_str) == Some(wanted));
    let reference = of_type("CHILD_OF").or_else(|| of_type("FOLLOWS_FROM")).and_then(|r| r.get("spanID")).and_then(Value::as_str);
    Some(Span {
        trace: id(text("traceID").or_else(|| trace.get("traceID").and_then(Value::as_str))?)?,
        id: id(text("spanID")?)?,
        parent: parent(reference.or_else(|| text("parentSpanID"))),
        service,
        operation: text("operationName").unwrap_or_default().to_owned(),
        kind: match all.get("span.kind").map(String::as_str) {
            Some("client") => Kind::Client,
            Some("server") => Kind::Server,
            Some("producer") => Kind::Producer,
            Some("consumer") => Kind::Consumer,
            _ => Kind::Internal,
        },
        start: value.get("startTime")?.as_i64()?,
        duration: value.get("duration").and_then(Value::as_i64).unwrap_or(0).max(0),
        tags: all,
        is_shared: false,
    })
}

fn tags(value: &Value) -> Tags {
    let list = value.get("tags").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|t| Some((t.get("key")?.as_str()?.to_owned(), plain(t.get("value")?)))).collect()
}
