//! Objects of the input as JSON.

use mesh_model::Node;
use mesh_model::yaml::Scalar;
use serde_json::{Map, Value};

/// A node and what is in it.
pub fn value(node: Node<'_>) -> Value {
    if node.is_mapping() {
        return Value::Object(node.entries().map(|(k, v)| (k.text().to_owned(), value(v))).collect::<Map<String, Value>>());
    }
    if node.is_sequence() {
        return Value::Array(node.items().map(value).collect());
    }
    match node.value() {
        Scalar::Null => Value::Null,
        Scalar::Bool(b) => Value::Bool(b),
        Scalar::Int(n) => Value::from(n),
        Scalar::Float(n) => Value::from(n),
        _ => Value::from(node.text()),
    }
}
