//! What a reader did not understand: the parts of a JSON text that its message does not give back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A step from a value to one in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Item(usize),
}

/// Steps as they are written: `a.b[0]`.
pub fn shown(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) if out.is_empty() => out.push_str(key),
            Step::Key(key) => out.extend([".", key]),
            Step::Item(i) => out.push_str(&format!("[{i}]")),
        }
    }
    out
}

/// The value at the end of a path.
pub fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |v, step| match step {
        Step::Key(key) => v.get(key),
        Step::Item(i) => v.get(i),
    })
}

/// Paths of `input` that reading lost: fields that our messages lack, and the content of unknown types. `output` is the
/// message that was read, as JSON again. Fields at their default are no loss.
pub fn unread(input: &Value, output: &Value) -> Vec<String> {
    paths(input, output).iter().map(|p| shown(p)).collect()
}

/// A message as our types write it, and what of it they lack. Names of defaults, such as `HUNDRED`, are no loss.
///
/// # Errors
/// A value that is no such message.
pub fn read<M: Serialize + DeserializeOwned>(written: &Value) -> Result<(Value, Vec<Vec<Step>>), serde_json::Error> {
    let read = serde_json::to_value(serde_json::from_value::<M>(written.clone())?)?;
    let mut lost = paths(written, &read);
    lost.retain(|path| !is_name::<M>(written, path));
    Ok((read, lost))
}

/// Whether a lost text is the name of an enum's default: no other text would do there.
fn is_name<M: DeserializeOwned>(written: &Value, path: &[Step]) -> bool {
    let mut other = written.clone();
    let place = path.iter().try_fold(&mut other, |v, step| match step {
        Step::Key(key) => v.get_mut(key),
        Step::Item(i) => v.get_mut(i),
    });
    match place {
        Some(place) if place.is_string() => *place = Value::String("\0".to_owned()),
        _ => return false,
    }
    serde_json::from_value::<M>(other).is_err()
}

fn paths(input: &Value, output: &Value) -> Vec<Vec<Step>> {
    let mut out = Vec::new();
    compare(input, Some(output), &mut Vec::new(), &mut out);
    out
}

fn compare(input: &Value, output: Option<&Value>, path: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
    match (input, output) {
        (Value::Object(fields), Some(Value::Object(read))) => {
            for (key, value) in fields {
                let camel = camel(key);
                path.push(Step::Key(key.clone()));
                compare(value, read.get(&camel).or_else(|| read.get(key)), path, out);
                path.pop();
            }
        }
        (Value::Array(items), Some(Value::Array(read))) if items.len() == read.len() => {
            for (i, (a, b)) in items.iter().zip(read).enumerate() {
                path.push(Step::Item(i));
                compare(a, Some(b), path, out);
                path.pop();
            }
        }
        (_, Some(read)) if scalar(input) == scalar(read) && !input.is_object() && !input.is_array() => {}
        // An enum may be written as a number, a duration with other digits.
        (Value::Number(_) | Value::String(_), Some(Value::String(_))) => {}
        (_, None) if is_default(input) => {}
        _ => out.push(path.clone()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Any;
    use serde_json::json;

    #[test]
    fn names_of_defaults_are_read_and_fields_that_are_not_ours_are_not() {
        let limit = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}, "no.such": "HUNDRED"}, "descriptors": [{"nonsense": 1}]});
        let (read, lost) = read::<Any>(&limit).expect("a message");
        assert_eq!(read["filterEnabled"], json!({"defaultValue": {"numerator": 100}}));
        assert_eq!(lost.iter().map(|p| shown(p)).collect::<Vec<_>>(), ["filter_enabled.no.such", "descriptors[0].nonsense"]);
        assert_eq!(at(&limit, &lost[0]), Some(&json!("HUNDRED")));
        assert_eq!(super::read::<Any>(&json!({"@type": "no.Such", "x": 1})).expect("an Any").1, [[Step::Key("x".into())]]);
    }
}
