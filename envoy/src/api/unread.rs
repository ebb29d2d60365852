//! What a reader did not understand: the parts of a JSON text that its message does not give back.

use serde_json::Value;

/// Paths of `input` that reading lost: fields that our messages lack, and the content of unknown types. `output` is the
/// message that was read, as JSON again. Fields at their default are no loss.
pub fn unread(input: &Value, output: &Value) -> Vec<String> {
    let mut out = Vec::new();
    compare(input, Some(output), String::new(), &mut out);
    out
}

fn compare(input: &Value, output: Option<&Value>, path: String, out: &mut Vec<String>) {
    match (input, output) {
        (Value::Object(fields), Some(Value::Object(read))) => {
            for (key, value) in fields {
                let camel = camel(key);
                compare(value, read.get(&camel).or_else(|| read.get(key)), format!("{path}.{key}"), out);
            }
        }
        (Value::Array(items), Some(Value::Array(read))) if items.len() == read.len() => {
            for (i, (a, b)) in items.iter().zip(read).enumerate() {
                compare(a, Some(b), format!("{path}[{i}]"), out);
            }
        }
        (_, Some(read)) if scalar(input) == scalar(read) && !input.is_object() && !input.is_array() => {}
        // An enum may be written as a number, a duration with other digits.
        (Value::Number(_) | Value::String(_), Some(Value::String(_))) => {}
        (_, None) if is_default(input) => {}
        _ => out.push(path.trim_start_matches('.').to_owned()),
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty() || s == "0",
        Value::Array(items) => items.is_empty(),
        Value::Object(_) => false,
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), |f| f.to_string()),
        other => other.to_string(),
    }
}

/// `lb_policy` is `lbPolicy`.
fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut upper = false;
    for c in key.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}
