//! The native checks against an interpreter of CEL: every rule of the published CRDs on values made up for it.

// A test that can not run says so.
#![allow(clippy::print_stderr)]

use mesh_analyzers::schema::{cel, json};
use mesh_model::yaml::{Limits, documents, parse_document};
use mesh_model::{Source, Span};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Small, seeded, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        &from[self.below(from.len())]
    }
}

const WORDS: &[&str] = &[
    "",
    "a",
    "b",
    "*",
    "*.a.example",
    "a.example",
    "a*b",
    "A_b",
    "a-",
    "unix:///run/s",
    "unix://",
    "unix://@s",
    "unix://rel",
    "unix:///d/",
    "http://a.example/x",
    "https://a.example",
    "ftp://a",
    "a.example/img:tag",
    "localhost:5000/img",
    "oci://a/b",
    "/a",
    "/a//b",
    "/a/./b",
    "/a/../b",
    "/a/..",
    "/a/.",
    "/a%2Fb",
    "/a%2fb",
    "/a#b",
    "/a b",
    "a/b",
    "1.2.3.4",
    "10.0.0.0/8",
    "::1",
    "0s",
    "1ms",
    "1s",
    "2s",
    "1h",
    "90m",
    "2h",
    "soon",
    "443",
    "0",
    "70000",
    "svc.cluster.local",
    ".Pkg.Svc",
    "1x",
    "_m",
    "a.example/name",
    "-x",
    "http://a:b",
    "%zz",
];

/// Quoted words of an expression: values that it tells apart.
fn literals(rule: &str) -> Vec<String> {
    rule.split(['\'', '"']).skip(1).step_by(2).filter(|w| w.len() < 40).map(str::to_owned).collect()
}

fn make(schema: &Value, words: &[String], dice: &mut Dice) -> Value {
    if let Some(values) = schema["enum"].as_array().filter(|_| !dice.once_in(8)) {
        return dice.pick(values).clone();
    }
    let string = |dice: &mut Dice| if dice.once_in(2) && !words.is_empty() { dice.pick(words).clone() } else { (*dice.pick(WORDS)).to_owned() };
    match schema["type"].as_str() {
        Some("string") => Value::String(string(dice)),
        Some("boolean") => Value::Bool(dice.once_in(2)),
        Some("integer" | "number") => json!(*dice.pick(&[0, 1, 2, 80, 80, 100, 65535, 65536, -1])),
        Some("array") => {
            let mut items: Vec<Value> = (0..dice.below(4)).map(|_| make(&schema["items"], words, dice)).collect();
            if items.len() > 1 && dice.once_in(2) {
                items[1] = items[0].clone();
            }
            // Copies that differ in one field.
            if items.len() > 2 && dice.once_in(2) {
                let (first, other) = (items[0].clone(), items[2].clone());
                if let (Value::Object(mut copy), Value::Object(other)) = (first, other) {
                    if let Some((k, v)) = other.iter().nth(dice.below(other.len().max(1))) {
                        copy.insert(k.clone(), v.clone());
                    }
                    items[2] = Value::Object(copy);
                }
            }
            Value::Array(items)
        }
        Some("object") => {
            let mut map = Map::new();
            if schema["additionalProperties"].is_object() {
                for _ in 0..dice.below(3) {
                    let key = string(dice);
                    map.insert(key, make(&schema["additionalProperties"], words, dice));
                }
            }
            let required: Vec<&str> = schema["required"].as_array().map_or(Vec::new(), |r| r.iter().filter_map(Value::as_str).collect());
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                if required.contains(&name.as_str()) || dice.once_in(3) {
                    map.insert(name.clone(), make(field, words, dice));
                }
            }
            Value::Object(map)
        }
        _ => Value::Null,
    }
}

/// Drops the rules below the top.
fn without_rules(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => Value::Object(
            map.iter().filter(|(k, _)| *k != "x-kubernetes-validations" && *k != "description").map(|(k, v)| (k.clone(), without_rules(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_rules).collect()),
        other => other.clone(),
    }
}

/// Schemas by the rule that stands on them.
fn collect(schema: &Value, out: &mut BTreeMap<String, Vec<Value>>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let places = out.entry(rule["rule"].as_str().unwrap_or("").to_owned()).or_default();
        let bare = without_rules(schema);
        if places.len() < 2 && !places.contains(&bare) {
            places.push(bare);
        }
    }
    for (_, field) in schema["properties"].as_object().into_iter().flatten() {
        collect(field, out);
    }
    for inner in [&schema["items"], &schema["additionalProperties"]] {
        if inner.is_object() {
            collect(inner, out);
        }
    }
}

/// Rules on which the interpreter and the API server differ, and why.
const EXEMPT: &[(u32, &str)] = &[
    (0xef9b_97ed, "the interpreter looks for `jwks__uri`; Kubernetes escapes double underscores only"),
    (0xaf64_e5cb, "`validate` gives an optional, which never equals null: the rule as published refuses every name"),
];

/// Values that chance does not find.
fn rare(rule: &str) -> Vec<Value> {
    let replace = |filter: &str| json!({"type": "x", filter: {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}});
    let mut out = Vec::new();
    for filter in ["requestRedirect", "urlRewrite"].into_iter().filter(|f| rule.contains(*f) && rule.contains("matches[0]")) {
        for matches in [json!(null), json!([]), json!([{}]), json!([{"path": {"type": "Exact"}}]), json!([{}, {}]), json!([{"path": {"value": "/a"}}])] {
            let holder = json!({"filters": [replace(filter)]});
            let two = json!({"filters": [replace(filter), replace(filter)]});
            for (key, value) in [
                ("filters", holder["filters"].clone()),
                ("filters", two["filters"].clone()),
                ("backendRefs", json!([holder])),
                ("backendRefs", json!([holder, holder])),
                ("backendRefs", json!([two, holder])),
            ] {
                let mut rule = Map::from_iter([(key.to_owned(), value)]);
                if !matches.is_null() {
                    rule.insert("matches".to_owned(), matches.clone());
                }
                out.push(Value::Object(rule));
            }
        }
    }
    if rule.contains("self[15]") {
        let rules = |n: usize, each: usize| Value::Array(vec![json!({"matches": vec![json!({}); each]}); n]);
        out.extend([rules(16, 8), rules(16, 9), rules(2, 64), rules(2, 65)]);
    }
    if rule.contains("253") {
        out.extend([252, 253].map(|n| Value::Object(Map::from_iter([("a".repeat(n) + "/b", json!("x"))]))));
    }
    out
}

fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

fn native(value: &Value, rule: &cel::Rule) -> bool {
    let source = Source::new("value", value.to_string());
    let tree = parse_document(&source, Span::new(0, source.text().len()), Limits::default()).tree.expect("JSON is YAML");
    (rule.check)(tree.root()).is_none()
}

#[test]
fn native_checks_agree_with_an_interpreter() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/crds");
    if !dir.exists() {
        eprintln!("SKIPPED: {} is not there, no rules to compare", dir.display());
        return;
    }
    let mut rules = BTreeMap::new();
    let mut files: Vec<_> = std::fs::read_dir(dir).expect("folder").map(|e| e.expect("entry").path()).collect();
    files.sort();
    // The newest first: a rule is tried on what it stands on today.
    for file in files.iter().rev() {
        let source = Source::new("crds", std::fs::read_to_string(file).expect("text"));
        for chunk in documents(source.text()) {
            let Some(tree) = parse_document(&source, chunk.span, Limits::default()).tree else { continue };
            for version in tree.root().at(&["spec"]).into_iter().flat_map(|s| s.list("versions")) {
                if let Some(schema) = version.at(&["schema", "openAPIV3Schema", "properties", "spec"]) {
                    collect(&json::value(schema), &mut rules);
                }
            }
        }
    }
    assert!(rules.len() > 100, "{} rules", rules.len());
    let validator = kube_cel::Validator::new();
    let mut problems = Vec::new();
    let mut dice = Dice(7);
    for (rule, places) in &rules {
        let Some(check) = cel::find(hash(rule)) else {
            problems.push(format!("no native check for {rule}"));
            continue;
        };
        if EXEMPT.iter().any(|(h, _)| *h == check.hash) {
            continue;
        }
        let words = literals(rule);
        let (mut held, mut broken, mut differ) = (0, 0, 0);
        for place in places {
            let mut schema = place.clone();
            schema["x-kubernetes-validations"] = json!([{"rule": rule}]);
            let compiled = kube_cel::compile_schema(&schema);
            let mut rare = rare(rule);
            for round in 0..400 {
                if round > 20 && held > 4 && broken > 4 && rare.is_empty() {
                    break;
                }
                let value = rare.pop().unwrap_or_else(|| make(place, &words, &mut dice));
                // The interpreter's URLs need a host; Go's do not.
                if rule.contains("isURL") && matches!(value.as_str(), Some("" | "::1")) {
                    continue;
                }
                let want = validator.validate_compiled(&compiled, &kube_cel::apply_defaults(&schema, &value), None).is_ok();
                let got = native(&value, check);
                if want {
                    held += 1
                } else {
                    broken += 1
                }
                if want != got && differ < 2 {
                    differ += 1;
                    problems.push(format!("{:08x} {rule}\n  is {want}, native {got}, for {value}", check.hash));
                }
            }
        }
        if !rule.contains("oldSelf") && (held == 0 || broken == 0) {
            problems.push(format!("{:08x} {rule}\n  held {held}, broken {broken}: no value tells", check.hash));
        }
    }
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}
