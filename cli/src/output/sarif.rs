//! SARIF 2.1.0, for code scanning.

use super::{documentation, message_in_world, uri};
use crate::entry::{Age, Entry, Place};
use mesh_analyzers::{Code, Level};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The log of one run; its results are made as they are written.
#[derive(Serialize)]
pub struct Log<'e> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'e>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'e> {
    tool: Value,
    column_kind: &'static str,
    invocations: Value,
    results: Results<'e>,
}

impl<'e> Log<'e> {
    pub fn new(entries: &'e [&'e Entry], status: u8) -> Log<'e> {
        let codes: BTreeMap<&str, &Code> = entries.iter().map(|e| (e.code.id, e.code)).collect();
        let index: BTreeMap<&str, usize> = codes.keys().enumerate().map(|(i, id)| (*id, i)).collect();
        let tool = json!({"driver": {
            "name": "meshctl",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "informationUri": env!("CARGO_PKG_REPOSITORY"),
            "rules": codes.values().map(|c| rule(c)).collect::<Vec<_>>(),
        }});
        let run = Run {
            tool,
            column_kind: "unicodeCodePoints",
            // The exit status speaks of the findings; the run itself went well.
            invocations: json!([{"executionSuccessful": true, "exitCode": status}]),
            results: Results { entries, index },
        };
        Log { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] }
    }
}

struct Results<'e> {
    entries: &'e [&'e Entry],
    /// Of rules, by their codes.
    index: BTreeMap<&'e str, usize>,
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.iter().map(|e| result(e, self.index.get(e.code.id).copied().unwrap_or(0))))
    }
}

fn rule(code: &Code) -> Value {
    let mut out = json!({
        "id": code.id,
        "name": code.name,
        "shortDescription": {"text": code.summary},
        "helpUri": documentation(code),
        "defaultConfiguration": {"level": level(code.level)},
    });
    if let (Some(object), Some(text)) = (out.as_object_mut(), crate::explain::page(code.id)) {
        object.insert("help".to_owned(), json!({"text": text, "markdown": text}));
    }
    out
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
    }
}

fn result(entry: &Entry, rule: usize) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("ruleId", entry.code.id.into());
    put("ruleIndex", rule.into());
    put("level", level(entry.level).into());
    let help = entry.help.as_ref().map_or_else(String::new, |h| format!("\nHelp: {h}"));
    put("message", json!({"text": format!("{}{help}", message_in_world(entry))}));
    let place = match &entry.place {
        Some(place) => physical(place),
        None => json!({"artifactLocation": {"uri": uri(entry.file())}}),
    };
    let (origin, path) = (entry.origin(), entry.path());
    let name = if path.is_empty() { origin } else { format!("{origin} {path}") };
    put("locations", json!([{"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": name, "kind": "object"}]}]));
    if !entry.related.is_empty() {
        let related = entry.related.iter().enumerate();
        put(
            "relatedLocations",
            related
                .map(|(i, r)| json!({"id": i, "physicalLocation": physical(&r.place), "message": {"text": format!("{}: {}", r.origin(), r.label)}}))
                .collect(),
        );
    }
    if let Some(fix) = &entry.fix {
        let (start, end) = (fix.place.start(), fix.place.end());
        let region = json!({"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column});
        let replacement = json!({"deletedRegion": region, "insertedContent": {"text": fix.replacement}});
        let changes = json!([{"artifactLocation": {"uri": uri(fix.place.file())}, "replacements": [replacement]}]);
        put("fixes", json!([{"description": {"text": fix.title}, "artifactChanges": changes}]));
    }
    put("partialFingerprints", json!({"meshctl/v1": entry.fingerprint.to_string()}));
    match entry.age {
        Some(Age::New) => put("baselineState", "new".into()),
        Some(Age::Known) => put("baselineState", "unchanged".into()),
        None => {}
    }
    let mut properties = Map::new();
    for (key, text) in [("world", &entry.world), ("cluster", &entry.cluster)] {
        if !text.is_empty() {
            properties.insert(key.to_owned(), (**text).into());
        }
    }
    if !properties.is_empty() {
        put("properties", Value::Object(properties));
    }
    Value::Object(out)
}

fn physical(place: &Place) -> Value {
    let (start, end) = (place.start(), place.end());
    // An end is exclusive; an empty range is one character long for viewers.
    let end_column = if start == end { start.column + 1 } else { end.column };
    json!({
        "artifactLocation": {"uri": uri(place.file())},
        "region": {"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end_column},
    })
}
