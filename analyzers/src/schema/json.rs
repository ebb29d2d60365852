//! Values as `serde_json` has them, for evaluators that know no positions.

use mesh_model::{Node, NodeKind, Scalar};
use serde_json::{Map, Number, Value};

/// The value of a node. Numbers that JSON can't hold become null.
pub fn value(node: Node<'_>) -> Value {
    match node.kind() {
        NodeKind::Mapping => {
            let mut map = Map::new();
            for (k, v) in node.entries() {
                map.insert(k.text().to_owned(), value(v));
            }
            Value::Object(map)
        }
        NodeKind::Sequence => Value::Array(node.items().map(value).collect()),
        NodeKind::Scalar => match node.value() {
            Scalar::Null => Value::Null,
            Scalar::Bool(b) => Value::Bool(b),
            Scalar::Int(i) => Value::Number(i.into()),
            Scalar::Float(f) => Number::from_f64(f).map_or(Value::Null, Value::Number),
            Scalar::Str(s) => Value::String(s.to_owned()),
        },
    }
}
