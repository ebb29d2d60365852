//! What of a token's claims is handed on: a header for one, metadata for all.

use super::provider::Provider;
use super::token::Token;
use crate::http::limit;
use crate::message::HeaderMap;
use http::{HeaderName, HeaderValue};
use mesh_envoy::engine::gate::Append;
use serde_json::Value;

/// A change that a filter makes to a request: an accepted token, a limit that is not enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Remove(HeaderName),
    Add(HeaderName, HeaderValue),
    Put(Vec<(HeaderName, HeaderValue, Append)>),
    /// A query parameter goes.
    RemoveParameter(Box<str>),
}

/// Makes the changes in a request.
pub fn apply(changes: Vec<Change>, headers: &mut HeaderMap, path: &mut String) {
    for change in changes {
        match change {
            Change::Remove(name) => drop(headers.remove(name)),
            Change::Add(name, value) => headers.append(name, value),
            Change::Put(list) => limit::put(headers, list),
            Change::RemoveParameter(name) => {
                let Some((before, query)) = path.split_once('?') else { continue };
                let left: Vec<&str> = query.split('&').filter(|p| p.split('=').next() != Some(&*name)).collect();
                *path = if left.iter().all(|p| p.is_empty()) { before.to_owned() } else { format!("{before}?{}", left.join("&")) };
            }
        }
    }
}

/// A claim by its path: `a.b`. Names may have dots in them: the longest that is there counts.
fn find<'c>(claims: &'c serde_json::Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(found) = claims.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(at, _)| find(claims.get(&path[..at])?.as_object()?, &path[at + 1..]))
}

/// A claim as a header has it: lists and objects as JSON in base64.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(match (n.as_u64(), n.as_f64()) {
            // Numbers of JSON are doubles, as protobuf reads them.
            (Some(whole), _) => format!("{}", whole as f64 as u64),
            (None, Some(f)) if f >= 0.0 && f.fract() == 0.0 && f < 1.8e19 => format!("{}", f as u64),
            (None, f) => format!("{:.6}", f.unwrap_or(0.0)),
        }),
        Value::Array(_) | Value::Object(_) => Some(data_encoding::BASE64.encode(value.to_string().as_bytes())),
        Value::Null => None,
    }
    .filter(|t| !t.is_empty())
}

/// The headers that a provider makes of a token.
pub fn headers(provider: &Provider, token: &Token, out: &mut Vec<Change>) {
    if let Some(name) = &provider.payload_header {
        let mut payload = token.payload().to_owned();
        while provider.pads_payload && !payload.len().is_multiple_of(4) {
            payload.push('=');
        }
        out.extend(HeaderValue::from_str(&payload).ok().map(|v| Change::Add(name.clone(), v)));
    }
    for (claim, name) in &provider.claim_headers {
        let value = find(&token.claims, claim).and_then(text).and_then(|t| HeaderValue::from_str(&t).ok());
        out.extend(value.map(|v| Change::Add(name.clone(), v)));
    }
}

/// The claims as metadata has them: those that are lists of words become lists.
pub fn metadata(provider: &Provider, token: &Token) -> Value {
    let mut claims = token.claims.clone();
    for name in &provider.spaced {
        if let Some(Value::String(words)) = claims.get(&**name) {
            let list = words.split(' ').filter(|w| !w.is_empty()).map(Value::from).collect();
            claims.insert(name.to_string(), Value::Array(list));
        }
    }
    Value::Object(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_have_paths_and_simple_values() {
        let claims = json!({"a": {"b": "c", "d.e": 7}, "x.y": true, "n": 1.5, "l": []});
        let claims = claims.as_object().expect("an object");
        let of = |path: &str| find(claims, path).and_then(text);
        assert_eq!((of("a.b").as_deref(), of("a.d.e").as_deref(), of("x.y").as_deref()), (Some("c"), Some("7"), Some("true")));
        assert_eq!(
            (of("n").as_deref(), of("l"), of("a"), of("no.one")),
            (Some("1.500000"), Some("W10=".to_owned()), Some("eyJiIjoiYyIsImQuZSI6N30=".to_owned()), None)
        );
    }
}
