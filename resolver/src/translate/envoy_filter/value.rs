//! The value of a patch: a message of Envoy's API, written as JSON in YAML.

use mesh_envoy::api::unread::{self, Step};
use mesh_model::Node;
use mesh_model::yaml::Scalar;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

/// What of a value is not known: where it stands in the value, and what is wrong with it, in a clause.
pub(super) struct Fault {
    /// Empty for the value as a whole.
    pub path: Vec<Step>,
    pub what: String,
}

/// A node as JSON. Nulls are left out: protobuf's JSON reads them as absent.
pub(super) fn json(node: Node<'_>) -> Value {
    if node.is_mapping() {
        return node.entries().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.text().to_owned(), json(v))).collect();
    }
    if node.is_sequence() {
        return Value::Array(node.items().map(json).collect());
    }
    match node.value() {
        Scalar::Null => Value::Null,
        Scalar::Bool(b) => Value::Bool(b),
        Scalar::Int(i) => Value::Number(i.into()),
        Scalar::Float(f) => Number::from_f64(f).map_or_else(|| Value::String(node.text().to_owned()), Value::Number),
        Scalar::Str(s) => Value::String(s.to_owned()),
    }
}

/// A message, in the spelling that our types write; an error where they do not hold all of it.
pub(super) fn message<M: Serialize + DeserializeOwned>(written: &Value) -> Result<Value, Fault> {
    // What serde says would quote the value, which may be a secret.
    let wrong = |_| Fault { path: Vec::new(), what: "a value in it is not of its field's type, or not one of its values".to_owned() };
    let (read, lost) = unread::read::<M>(written).map_err(wrong)?;
    match lost.into_iter().next() {
        None => Ok(read),
        Some(path) => {
            let what = match unknown_type(written, &path) {
                Some(name) => format!("what {name} does is not known to meshctl"),
                None => "a field that is not known to meshctl".to_owned(),
            };
            Err(Fault { path, what })
        }
    }
}

/// The type of the message that a path leads through, where there is none of ours for it.
fn unknown_type<'v>(written: &'v Value, path: &[Step]) -> Option<&'v str> {
    let around = (0..path.len()).filter_map(|n| unread::at(written, &path[..n])?.get("@type")?.as_str());
    around.map(|url| url.rsplit('/').next().unwrap_or(url)).next_back().filter(|name| !mesh_envoy::api::is_known(name))
}

/// The node at a path below another; the last one that there is.
pub(super) fn node_at<'a>(node: Node<'a>, path: &[Step]) -> Node<'a> {
    let mut at = node;
    for step in path {
        let next = match step {
            Step::Key(key) => at.get(key),
            Step::Item(i) => at.items().nth(*i),
        };
        let Some(next) = next else { break };
        at = next;
    }
    at
}

/// The steps of a path of field names, `a.b[0]`.
pub(super) fn steps(path: &str) -> Vec<Step> {
    let step = |s: &str| match s.strip_suffix(']').and_then(|n| n.parse().ok()) {
        Some(i) => Step::Item(i),
        None => Step::Key(s.to_owned()),
    };
    path.split(['.', '[']).filter(|s| !s.is_empty()).map(step).collect()
}
