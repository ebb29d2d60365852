//! Fields of a file of tests, each mistake with its place.

use mesh_analyzers::spelling;
use mesh_analyzers::validation::duration;
use mesh_model::{Node, Position};
use std::time::Duration;

/// What is wrong with a file of tests, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub at: Position,
    pub message: String,
}

pub type Read<T> = Result<T, Complaint>;

pub fn wrong<T>(node: Node<'_>, message: impl Into<String>) -> Read<T> {
    Err(Complaint { at: node.position(), message: message.into() })
}

/// A mapping with these keys and no others.
pub fn mapping(node: Node<'_>, what: &str, known: &[&str]) -> Read<()> {
    if !node.is_mapping() {
        return wrong(node, format!("{what} is a mapping of {}", known.join(", ")));
    }
    for (key, _) in node.entries() {
        let name = key.text();
        if known.contains(&name) {
            continue;
        }
        let near = spelling::nearest(name, known.iter().copied());
        let meant = near.map_or_else(|| format!("there is {}", known.join(", ")), |n| format!("did you mean `{n}`?"));
        return wrong(key, format!("{what} has no `{name}`; {meant}"));
    }
    Ok(())
}

/// The text of a scalar.
pub fn text<'a>(node: Node<'a>, key: &str) -> Read<Option<&'a str>> {
    match node.get(key) {
        None => Ok(None),
        Some(value) if value.is_scalar() && !value.text().is_empty() => Ok(Some(value.text())),
        Some(value) => wrong(value, format!("`{key}` is a text")),
    }
}

/// The text of the value itself.
pub fn scalar<'a>(value: Node<'a>, key: &str) -> Read<&'a str> {
    if value.is_scalar() && !value.text().is_empty() { Ok(value.text()) } else { wrong(value, format!("`{key}` is a text")) }
}

/// A word that switches something on; absent is off.
pub fn flag(node: Node<'_>, key: &str) -> Read<bool> {
    match node.get(key) {
        None => Ok(false),
        Some(value) => value.bool().map_or_else(|| wrong(value, format!("`{key}` is true or false")), Ok),
    }
}

pub fn number<T: TryFrom<i64>>(value: Node<'_>, key: &str, what: &str) -> Read<T> {
    value.int().and_then(|n| T::try_from(n).ok()).map_or_else(|| wrong(value, format!("`{key}` is {what}")), Ok)
}

pub fn address(node: Node<'_>, key: &str) -> Read<Option<std::net::IpAddr>> {
    let Some(value) = node.get(key) else { return Ok(None) };
    value.text().parse().map_or_else(|_| wrong(value, format!("`{key}` is an IP address")), |ip| Ok(Some(ip)))
}

/// One text, or a list of them.
pub fn texts(node: Node<'_>, key: &str) -> Read<Vec<String>> {
    let Some(value) = node.get(key) else { return Ok(Vec::new()) };
    if value.is_sequence() {
        return value.items().map(|item| scalar(item, key).map(str::to_owned)).collect();
    }
    Ok(vec![scalar(value, key)?.to_owned()])
}

/// `3s`, `250ms`, `1m30s`.
pub fn time(value: Node<'_>, key: &str) -> Read<Duration> {
    let nanos = duration::parse(value.text()).and_then(|n| u64::try_from(n).ok());
    nanos.map_or_else(|| wrong(value, format!("`{key}` is a duration such as 3s or 250ms")), |n| Ok(Duration::from_nanos(n)))
}
