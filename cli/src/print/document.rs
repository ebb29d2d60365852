//! Whole values as JSON or YAML.

use mesh_model::yaml::push_string;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    Json,
    Yaml,
}

/// The value with its line end.
pub fn render(value: &Value, as_: Document) -> String {
    match as_ {
        Document::Json => {
            let mut out = Vec::new();
            let mut ser = serde_json::Serializer::with_formatter(&mut out, serde_json::ser::PrettyFormatter::with_indent(b"    "));
            // Writing a Value into memory cannot fail.
            let _ = serde::Serialize::serialize(value, &mut ser);
            let mut text = String::from_utf8(out).unwrap_or_default();
            text.push('\n');
            text
        }
        Document::Yaml => {
            let mut out = String::new();
            yaml(&mut out, value, 0, Place::Line);
            out
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// At the start of a line that is indented already.
    Line,
    /// Behind `key:`.
    AfterKey,
}

fn yaml(out: &mut String, value: &Value, indent: usize, place: Place) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            if place == Place::AfterKey {
                out.push('\n');
            }
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for (i, key) in keys.into_iter().enumerate() {
                if place == Place::AfterKey || i > 0 {
                    pad(out, indent);
                }
                push_string(out, key);
                out.push(':');
                let child = &map[key];
                // Lists stand at the level of their key.
                let deeper = if child.is_array() { indent } else { indent + 2 };
                yaml(out, child, deeper, Place::AfterKey);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            if place == Place::AfterKey {
                out.push('\n');
            }
            for (i, item) in items.iter().enumerate() {
                if place == Place::AfterKey || i > 0 {
                    pad(out, indent);
                }
                out.push_str("- ");
                yaml(out, item, indent + 2, Place::Line);
            }
        }
        leaf => {
            if place == Place::AfterKey {
                out.push(' ');
            }
            match leaf {
                Value::Object(_) => out.push_str("{}"),
                Value::Array(_) => out.push_str("[]"),
                Value::String(s) => push_string(out, s),
                other => out.push_str(&other.to_string()),
            }
            out.push('\n');
        }
    }
}

fn pad(out: &mut String, n: usize) {
    out.extend(std::iter::repeat_n(' ', n));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_has_sorted_keys_and_quotes_what_needs_it() {
        let v = json!({"b": [{"y": "yes", "x": 1}, [2]], "a": {}, "c": {"d": "1", "e": "a: b", "f": null, "@type": "t.g/x"}});
        let want = "a: {}\nb:\n- x: 1\n  \"y\": \"yes\"\n- - 2\nc:\n  \"@type\": t.g/x\n  d: \"1\"\n  e: \"a: b\"\n  f: null\n";
        assert_eq!(render(&v, Document::Yaml), want);
    }
}
