//! Fields as proto3 reads them: absent, null and the default are one.

use mesh_model::Node;

/// The text of a string field, "" where absent or of another type.
pub fn text<'a>(node: Node<'a>, key: &str) -> &'a str {
    node.get(key).and_then(Node::str).unwrap_or("")
}

/// Whether a string field holds something.
pub fn has_text(node: Node<'_>, key: &str) -> bool {
    !text(node, key).is_empty()
}

/// Whether a string field is absent or empty; a value of another type is neither.
pub fn lacks_text(node: Node<'_>, key: &str) -> bool {
    node.get(key).is_none_or(|v| v.str() == Some(""))
}

/// Whether a field is there at all, of whatever type.
pub fn has(node: Node<'_>, key: &str) -> bool {
    node.get(key).is_some()
}

/// Whether a repeated field has items.
pub fn given(node: Node<'_>, key: &str) -> bool {
    node.get(key).is_some_and(|list| list.is_sequence() && !list.is_empty())
}

pub fn int(node: Node<'_>, key: &str) -> Option<i64> {
    node.get(key)?.int()
}

pub fn float(node: Node<'_>, key: &str) -> Option<f64> {
    node.get(key)?.float()
}

/// A boolean field, false where absent.
pub fn flag(node: Node<'_>, key: &str) -> bool {
    node.get(key).and_then(Node::bool).unwrap_or(false)
}

/// A field that holds a message.
pub fn message<'a>(node: Node<'a>, key: &str) -> Option<Node<'a>> {
    node.get(key).filter(|n| n.is_mapping())
}

/// The messages of a repeated field.
pub fn messages<'a>(node: Node<'a>, key: &str) -> impl Iterator<Item = Node<'a>> + Clone {
    node.list(key).filter(|n| n.is_mapping())
}

/// The strings of a repeated field.
pub fn strings<'a>(node: Node<'a>, key: &str) -> impl Iterator<Item = (Node<'a>, &'a str)> + Clone {
    node.list(key).filter_map(|n| n.str().map(|s| (n, s)))
}

/// The entries of a map of strings, without those of another type: (key, value, its text).
pub fn string_map<'a>(node: Node<'a>, key: &str) -> impl Iterator<Item = (Node<'a>, Node<'a>, &'a str)> {
    node.map(key).filter_map(|(k, v)| v.str().map(|s| (k, v, s)))
}
