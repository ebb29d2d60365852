//! Which fields are honoured: everything that is configured is looked up in a table, before anything is compiled.
//!
//! The table, `fields.txt`, is the one list of what this proxy knows. What is not in it is refused with its path and value;
//! what is there as harmless is let in, with its reason.

use rustc_hash::FxHashMap;
use serde_json::Value;
use std::fmt;
use std::sync::OnceLock;

/// A field that is not honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    /// Its value, short.
    pub value: String,
    /// Why it may be ignored; `None` where it may not.
    pub harmless: Option<&'static str>,
    /// What is wrong, in a clause.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.path, self.value, self.what)
    }
}

/// What becomes of a field.
#[derive(Clone, Debug)]
enum Rule {
    /// Any value.
    Honoured,
    /// A message, or a list of them.
    Message(&'static str),
    /// A map of messages.
    Map(&'static str),
    /// A message by its `@type`.
    Any,
    /// Only these values.
    Only(Vec<&'static str>),
    Harmless(&'static str),
}

/// A message: what becomes of its fields.
#[derive(Debug, Default)]
struct Fields {
    /// Why nothing comes of the message as a whole, and may not.
    harmless: Option<&'static str>,
    /// In both spellings: JSON has `lbPolicy` and `lb_policy`.
    rules: FxHashMap<Box<str>, Rule>,
}

type Table = FxHashMap<&'static str, Fields>;

const TEXT: &str = include_str!("fields.txt");

/// `MESSAGE` at the start of a line, or `MESSAGE ~ why it is harmless`, then its fields, indented: `NAME`, `NAME MESSAGE`,
/// `NAME map MESSAGE`, `NAME any`, `NAME =VALUE|VALUE`, `NAME ~ why it is harmless`.
fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table::default();
        let mut current = "";
        for line in TEXT.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
            if !line.starts_with(' ') {
                let (name, why) = line.split_once('~').map_or((line, None), |(name, why)| (name, Some(why.trim())));
                current = name.trim();
                table.entry(current).or_default().harmless = why;
                continue;
            }
            let (name, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let rest = rest.trim();
            let rule = if rest.is_empty() {
                Rule::Honoured
            } else if let Some(why) = rest.strip_prefix('~') {
                Rule::Harmless(why.trim())
            } else if let Some(values) = rest.strip_prefix('=') {
                Rule::Only(values.split('|').collect())
            } else if rest == "any" {
                Rule::Any
            } else if let Some(message) = rest.strip_prefix("map ") {
                Rule::Map(message.trim())
            } else {
                Rule::Message(rest)
            };
            let rules = &mut table.entry(current).or_default().rules;
            rules.insert(camel(name).into(), rule.clone());
            rules.insert(name.into(), rule);
        }
        table
    })
}

/// Everything below `value` that is not honoured. `message` is its type, as the table names it.
pub fn findings(value: &Value, message: &str, path: &str) -> Vec<Finding> {
    let mut out = Vec::new();
    look(value, message, Place::Root(path), &mut out);
    out
}

/// Where a value stands; put into words only where something is found.
#[derive(Clone, Copy)]
enum Place<'p> {
    Root(&'p str),
    Field(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root(path) => f.write_str(path),
            Place::Field(Place::Root(""), name) => f.write_str(name),
            Place::Field(up, name) => write!(f, "{up}.{name}"),
            Place::Item(up, i) => write!(f, "{up}[{i}]"),
        }
    }
}

fn look(value: &Value, message: &str, place: Place<'_>, out: &mut Vec<Finding>) {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                look(item, message, Place::Item(&place, i), out);
            }
        }
        Value::Object(fields) => {
            let known = table().get(message);
            for (key, value) in fields.iter().filter(|(k, v)| *k != "@type" && !v.is_null()) {
                field(value, known.and_then(|k| k.rules.get(key.as_str())), Place::Field(&place, key), out);
            }
        }
        _ => {}
    }
}

fn field(value: &Value, rule: Option<&Rule>, place: Place<'_>, out: &mut Vec<Finding>) {
    let mut found = |harmless: Option<&'static str>, what: String| out.push(Finding { value: short(value), path: place.to_string(), harmless, what });
    match rule {
        None => found(None, "not supported by mesh-proxy".to_owned()),
        Some(Rule::Honoured) => {}
        Some(Rule::Harmless(why)) => found(Some(why), (*why).to_owned()),
        Some(Rule::Only(values)) => {
            let allowed = match value {
                Value::String(text) => values.contains(&text.as_str()),
                other => values.contains(&other.to_string().as_str()),
            };
            if !allowed {
                found(None, format!("mesh-proxy supports {}", values.join(", ")));
            }
        }
        Some(Rule::Message(message)) => look(value, message, place, out),
        Some(Rule::Map(message)) => {
            for (key, value) in value.as_object().into_iter().flatten() {
                any_or(value, message, Place::Field(&place, key), out);
            }
        }
        Some(Rule::Any) => any_or(value, "", place, out),
    }
}

/// A message whose type stands in it. A TypedStruct is of the type that it wraps.
fn any_or(value: &Value, message: &str, place: Place<'_>, out: &mut Vec<Finding>) {
    if !message.is_empty() && message != "any" {
        return look(value, message, place, out);
    }
    let name = type_of(value.get("@type"));
    if matches!(name, "udpa.type.v1.TypedStruct" | "xds.type.v3.TypedStruct") {
        let name = type_of(value.get("type_url").or_else(|| value.get("typeUrl")));
        return of_type(name, value.get("value").unwrap_or(&Value::Null), Place::Field(&place, "value"), out);
    }
    of_type(name, value, place, out);
}

fn type_of(url: Option<&Value>) -> &str {
    let url = url.and_then(Value::as_str).unwrap_or("");
    url.rsplit('/').next().unwrap_or(url)
}

fn of_type(name: &str, value: &Value, place: Place<'_>, out: &mut Vec<Finding>) {
    let mut found = |harmless: Option<&'static str>, what: &str| {
        let value = if name.is_empty() { short(value) } else { name.to_owned() };
        out.push(Finding { path: place.to_string(), value, harmless, what: what.to_owned() });
    };
    match table().get(name) {
        Some(Fields { harmless: Some(why), .. }) => found(Some(why), why),
        Some(_) => look(value, name, place, out),
        None if name.is_empty() => found(None, "a message needs its @type"),
        None => found(None, "a type that mesh-proxy does not support"),
    }
}

/// `lb_policy` is `lbPolicy`.
fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

/// Long values are cut. What is inside a message is not shown: it may be a key.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Object(fields) if !fields.is_empty() => "{…}".to_owned(),
        Value::Array(items) if !items.is_empty() => "[…]".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_message_that_is_named_is_there() {
        for (message, fields) in table() {
            assert!(fields.harmless.is_none_or(|why| why.len() > 10 && fields.rules.is_empty()), "{message}");
            for (name, rule) in &fields.rules {
                if let Rule::Message(inner) | Rule::Map(inner) = rule {
                    assert!(*inner == "any" || table().contains_key(inner), "{message}.{name}: no message {inner}");
                }
                if let Rule::Harmless(why) = rule {
                    assert!(why.len() > 10, "{message}.{name} has no reason");
                }
            }
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_refused_by_path_and_value() {
        let bootstrap = json!({"staticResources": {"clusters": [{"name": "a", "lbPolicy": "MAGLEV", "maglevLbConfig": {}, "connect_timeout": "1s"}]},
            "hds_config": {}});
        let found: Vec<String> = findings(&bootstrap, "Bootstrap", "").iter().filter(|f| f.harmless.is_none()).map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("staticResources.clusters[0].lbPolicy = \"MAGLEV\": mesh-proxy supports"), "{found:?}");
        assert!(found[1].starts_with("staticResources.clusters[0].maglevLbConfig = {}: not supported"), "{found:?}");
        assert!(found[2].starts_with("hds_config"), "{found:?}");
    }

    #[test]
    fn types_are_looked_up() {
        let filter = json!({"name": "x", "typed_config": {"@type": "type.googleapis.com/no.Such"}});
        let found = findings(&filter, "HttpFilter", "f");
        assert_eq!((found.len(), found[0].path.as_str(), found[0].value.as_str()), (1, "f.typed_config", "no.Such"));
    }

    /// The messages and fields that a control plane may send, as far as we have types for them.
    const TYPES: &str = include_str!("../../../xtask/src/envoy_types.txt");

    /// Names that the table has for messages of the API.
    fn in_table(package: &str, message: &str) -> Option<String> {
        let full = format!("{package}.{message}");
        let short = match full.as_str() {
            "envoy.config.listener.v3.Filter" => "NetworkFilter",
            "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy" => "AssignmentPolicy",
            "envoy.config.cluster.v3.CircuitBreakers.Thresholds" => "Thresholds",
            "envoy.config.cluster.v3.Cluster.CommonLbConfig" => "CommonLbConfig",
            "envoy.config.cluster.v3.Cluster.LbSubsetConfig" => "LbSubsetConfig",
            "envoy.config.route.v3.WeightedCluster" => "WeightedClusters",
            "envoy.config.route.v3.WeightedCluster.ClusterWeight" => "ClusterWeight",
            "envoy.config.route.v3.RouteAction.RequestMirrorPolicy" => "MirrorPolicy",
            "envoy.config.route.v3.DirectResponseAction" => "DirectResponse",
            _ if table().contains_key(full.as_str()) => return Some(full),
            _ => message,
        };
        let is_ours = package.starts_with("envoy.config.") || package.starts_with("envoy.type.");
        (is_ours && table().contains_key(short)).then(|| short.to_owned())
    }

    #[test]
    fn every_field_of_our_types_is_in_the_table_or_refused() {
        let (mut packages, mut checked, mut refused): (Vec<&str>, usize, usize) = (Vec::new(), 0, 0);
        for line in TYPES.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let mut words = line.split(' ');
            let first = words.next().unwrap_or_default().trim_start_matches('@');
            if first == "module" {
                packages = words.skip(1).collect();
                continue;
            }
            let Some(message) = packages.iter().find_map(|p| in_table(p, first)) else { continue };
            for field in words.map(|w| w.trim_end_matches('^')) {
                let name = camel(field);
                let value = json!({ name.as_str(): {"x": 1} });
                let found = findings(&value, &message, "");
                let known = table()[message.as_str()].rules.contains_key(field);
                checked += 1;
                if !known {
                    refused += 1;
                    assert!(found.len() == 1 && found[0].harmless.is_none() && found[0].path == name, "{message}.{field}: {found:?}");
                }
            }
        }
        assert!(checked > 300 && refused > 50, "{checked} fields, {refused} of them refused");
    }
}
