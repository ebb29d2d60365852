//! Findings as JSON and YAML values: istioctl's field names, and more.

use crate::entry::{Age, Entry, Place};
use mesh_model::Position;
use serde_json::{Map, Value, json};

/// One finding.
pub fn object(entry: &Entry) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("code", entry.code.id.into());
    put("level", entry.level.name().into());
    put("origin", entry.origin().into());
    put("message", entry.message.as_str().into());
    if let Some(place) = &entry.place {
        put("reference", reference(place).into());
    }
    put("documentationUrl", super::documentation(entry.code).into());
    put("name", entry.code.name.into());
    for (key, text) in [("world", &*entry.world), ("cluster", &*entry.cluster), ("path", entry.path().as_str())] {
        if !text.is_empty() {
            put(key, text.into());
        }
    }
    if let Some(place) = &entry.place {
        put("range", range(place));
    }
    if let Some(help) = &entry.help {
        put("help", help.as_ref().into());
    }
    if !entry.related.is_empty() {
        let related =
            entry.related.iter().map(|r| json!({"origin": r.origin(), "message": r.label, "reference": reference(&r.place), "range": range(&r.place)}));
        put("related", related.collect());
    }
    if let Some(fix) = &entry.fix {
        put("fix", json!({"title": fix.title, "range": range(&fix.place), "replacement": fix.replacement}));
    }
    put("fingerprint", entry.fingerprint.to_string().into());
    match entry.age {
        Some(Age::New) => put("baseline", "new".into()),
        Some(Age::Known) => put("baseline", "known".into()),
        None => {}
    }
    Value::Object(out)
}

/// One finding in istioctl's own shape: its seven fields, sorted.
pub fn istioctl(entry: &Entry, minor: u16) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: String| {
        out.insert(key.to_owned(), value.into());
    };
    let url = format!("https://istio.io/v1.{minor}/docs/reference/config/analysis/{}/?ref=istioctl-analyze", entry.code.id.to_ascii_lowercase());
    put("code", entry.code.id.to_owned());
    if !entry.cluster.is_empty() {
        put("cluster", entry.cluster.to_string());
    }
    put("documentationUrl", if entry.code.id.starts_with("IST") { url } else { super::documentation(entry.code) });
    put("level", entry.level.name().to_owned());
    put("message", entry.message.clone());
    put("origin", entry.origin());
    if let Some(place) = &entry.place {
        put("reference", reference(place));
    }
    Value::Object(out)
}

/// `file:line`.
pub fn reference(place: &Place) -> String {
    format!("{}:{}", place.file(), place.start().line)
}

fn range(place: &Place) -> Value {
    let position = |p: Position| json!({"line": p.line, "column": p.column});
    json!({"file": place.file(), "start": position(place.start()), "end": position(place.end()), "startByte": place.span.start, "endByte": place.span.end})
}
