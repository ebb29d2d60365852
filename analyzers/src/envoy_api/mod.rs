//! Whether a value is a message of Envoy's, as istiod decodes the patches of EnvoyFilters: by the names and types of
//! Envoy's v3 API. A type that the table does not know is not judged.

mod table;

use crate::spelling;
use crate::validation::{base64, duration};
use mesh_model::{Node, Scalar};
use table::{Enum, Field, Label, Message, Table, Type, table};

/// What is wrong with one value.
#[derive(Debug)]
pub struct Fault<'a> {
    pub at: Node<'a>,
    pub message: String,
    /// Faults with one key are one fault.
    pub key: String,
    /// What was probably meant.
    pub near: Option<String>,
}

/// What came of a value.
#[derive(Debug, Default)]
pub struct Verdict<'a> {
    /// Why it can't be decoded, in the order of the message's fields.
    pub errors: Vec<Fault<'a>>,
    /// Fields that its messages do not have.
    pub unknown: Vec<Fault<'a>>,
    /// Extensions named without their configuration, and their names.
    pub untyped: Vec<(Node<'a>, &'a str)>,
    /// Types of a version that is not worked on any more.
    pub frozen: Vec<Node<'a>>,
}

/// Judges a value as a message; `None` where the message is not in the table.
pub fn judge<'a>(message: &str, value: Node<'a>) -> Option<Verdict<'a>> {
    let table = table();
    let mut walk = Walk { table, verdict: Verdict::default(), within: String::new() };
    walk.message(table.find(message)?, value, Reach::Chain, None);
    Some(walk.verdict)
}

/// Whether a message was reached through single messages only: as far as istiod looks for what is deprecated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Chain,
    Aside,
}

struct Walk<'a> {
    table: &'static Table,
    verdict: Verdict<'a>,
    /// The types of the `Any`s around.
    within: String,
}

impl<'a> Walk<'a> {
    fn error(&mut self, at: Node<'a>, key: &str, message: String) {
        self.verdict.errors.push(Fault { at, message, key: format!("{}{key}", self.within), near: None });
    }

    /// `type_key` is the `@type` beside the fields of a message in an `Any`.
    fn message(&mut self, message: &'static Message, node: Node<'a>, reach: Reach, type_key: Option<&str>) {
        if node.is_null() {
            return;
        }
        if !node.is_mapping() {
            self.error(node, &format!("{} as a message", kind_of(node)), format!("Envoy's {} is a mapping of fields, not {}", message.name, described(node)));
            return;
        }
        for field in &message.fields {
            let value = node.entries().filter(|(k, _)| is_name_of(k.text(), field.name)).last();
            if let Some((_, value)) = value.filter(|(_, v)| !v.is_null()) {
                self.field(message, field, value, reach);
            }
        }
        for (key, _) in node.entries() {
            let name = key.text();
            if Some(name) != type_key && !name.starts_with('[') && !message.fields.iter().any(|f| is_name_of(name, f.name)) {
                self.unknown_field(message, key);
            }
        }
        let is_set = |name: &str| node.entries().any(|(k, v)| is_name_of(k.text(), name) && !v.is_null());
        if reach == Reach::Chain && message.has("typed_config") && !is_set("typed_config") && !is_set("config_discovery") {
            self.verdict.untyped.push((node, node.text_of("name")));
        }
    }

    fn unknown_field(&mut self, message: &'static Message, key: Node<'a>) {
        let name = key.text();
        let full = message.full_name();
        let near = spelling::nearest(&snake(name), message.fields.iter().map(|f| f.name)).map(str::to_owned);
        self.verdict.unknown.push(Fault {
            at: key,
            message: format!("`{name}` is no field of Envoy's `{full}`: it is dropped"),
            key: format!("{}unknown field {name} of {full}", self.within),
            near,
        });
    }

    fn field(&mut self, message: &'static Message, field: &'static Field, value: Node<'a>, reach: Reach) {
        let name = field.name;
        match field.label {
            Label::One => self.value(message, field, value, reach),
            Label::Repeated if value.is_sequence() => {
                value.items().filter(|v| !v.is_null()).for_each(|item| self.value(message, field, item, Reach::Aside));
            }
            Label::Map if value.is_mapping() => {
                value.entries().filter(|(_, v)| !v.is_null()).for_each(|(_, item)| self.value(message, field, item, Reach::Aside));
            }
            Label::Repeated => {
                self.error(
                    value,
                    &format!("{} as a list", kind_of(value)),
                    format!("`{name}` of Envoy's {} is a list, not {}", message.name, described(value)),
                );
            }
            Label::Map => {
                self.error(
                    value,
                    &format!("{} as a map", kind_of(value)),
                    format!("`{name}` of Envoy's {} is a mapping, not {}", message.name, described(value)),
                );
            }
        }
    }

    fn value(&mut self, message: &'static Message, field: &'static Field, value: Node<'a>, reach: Reach) {
        match field.ty {
            Type::Unjudged => {}
            Type::Any => self.any(field, value, reach),
            Type::Message(index) => {
                if let Some(inner) = self.table.message(index) {
                    self.message(inner, value, reach, None);
                }
            }
            Type::Enum(index) => {
                if let Some(known) = self.table.enumeration(index) {
                    self.enumeration(message, field, known, value);
                }
            }
            ty => {
                let Err(wanted) = scalar(ty, value) else { return };
                let key = format!("{} as {wanted}", kind_of(value));
                // A value of the right kind that is refused for what it says is a fault of its own.
                let key = if value.is_scalar() && matches!(ty, Type::Str | Type::Bool) { key } else { format!("{key} {}", value.text()) };
                self.error(value, &key, format!("`{}` of Envoy's {} is {wanted}, not {}", field.name, message.name, described(value)));
            }
        }
    }

    fn enumeration(&mut self, message: &'static Message, field: &'static Field, known: &'static Enum, value: Node<'a>) {
        match value.value() {
            Scalar::Str(text) if known.values().any(|v| v == text) => {}
            Scalar::Str(text) => {
                let near = spelling::nearest(text, known.values()).map(str::to_owned);
                self.error(value, &format!("{text} of {}", known.name), format!("`{text}` is no value of `{}` of Envoy's {}", field.name, message.name));
                if let Some(fault) = self.verdict.errors.last_mut() {
                    fault.near = near;
                }
            }
            _ if value.is_scalar() && value.int().is_some_and(|i| i32::try_from(i).is_ok()) => {}
            _ => {
                let key = format!("{} as an enum", kind_of(value));
                self.error(value, &key, format!("`{}` of Envoy's {} is one of {}, not {}", field.name, message.name, some(known), described(value)));
            }
        }
    }

    fn any(&mut self, field: &'static Field, any: Node<'a>, reach: Reach) {
        const EXAMPLE: &str = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua";
        let name = field.name;
        if !any.is_mapping() {
            self.error(any, &format!("{} as an any", kind_of(any)), format!("`{name}` is a mapping with an `@type`, not {}", described(any)));
            return;
        }
        let Some(url) = any.get("@type") else {
            self.error(any, "no @type", format!("`{name}` has no `@type`, which says what message it is, such as `{EXAMPLE}`"));
            return;
        };
        let Some(text) = url.str() else {
            self.error(url, "bad @type", format!("`@type` is the name of a message, such as `{EXAMPLE}`, not {}", described(url)));
            return;
        };
        let full = text.rsplit('/').next().unwrap_or(text);
        if let Some(well_known) = full.strip_prefix("google.protobuf.") {
            if well_known != "Empty" && any.get_entry("value").is_none() {
                self.error(any, "no value", format!("`{name}` of the type `{text}` has no `value`"));
            }
        } else if let Some(message) = self.table.find(full) {
            if message.frozen && reach == Reach::Chain {
                self.verdict.frozen.push(url);
            }
            let outer = self.within.len();
            self.within.push_str(full);
            self.within.push(' ');
            // Istiod looks for deprecated types no further than here.
            self.message(message, any, Reach::Aside, Some("@type"));
            self.within.truncate(outer);
        } else if is_gone(full) {
            self.error(url, full, format!("`{text}` is a message of Envoy's v2 API, which is gone"));
        } else if let Some(near) = full.starts_with("envoy.").then(|| nearest_type(self.table, full)).flatten() {
            self.error(url, full, format!("`{text}` is no message of Envoy's"));
            if let Some(fault) = self.verdict.errors.last_mut() {
                fault.near = Some(format!("{}{near}", &text[..text.len() - full.len()]));
            }
        }
    }
}

/// The type that an unknown one is a misspelling of: at most two edits away.
fn nearest_type(table: &'static Table, full: &str) -> Option<&'static str> {
    let near = spelling::nearest(full, table.names())?;
    spelling::distance(full, near, 2).map(|_| near)
}

/// Whether a type is of a version of the API that Envoy had before v3.
fn is_gone(full: &str) -> bool {
    full.starts_with("envoy.")
        && (full.starts_with("envoy.config.filter.") || full.split('.').any(|part| matches!(part, "v1" | "v2") || part.starts_with("v2alpha")))
}

/// Protobuf's JSON takes a field's own name, and the same in lowerCamelCase.
fn is_name_of(key: &str, field: &str) -> bool {
    if key == field {
        return true;
    }
    let mut key = key.bytes();
    let mut up = false;
    for b in field.bytes() {
        if b == b'_' {
            up = true;
            continue;
        }
        let wanted = if up { b.to_ascii_uppercase() } else { b };
        up = false;
        if key.next() != Some(wanted) {
            return false;
        }
    }
    key.next().is_none()
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// `Err` says what the type takes.
fn scalar(ty: Type, node: Node<'_>) -> Result<(), &'static str> {
    let value = node.value();
    let whole = |low: i128, high: i128| match value {
        Scalar::Str(s) => s.parse::<i128>().is_ok_and(|i| (low..=high).contains(&i)),
        _ => node.is_scalar() && node.int().is_some_and(|i| (low..=high).contains(&i128::from(i))),
    };
    let (good, wanted) = match ty {
        Type::Str => (matches!(value, Scalar::Str(_)), "a string"),
        Type::Bool => (matches!(value, Scalar::Bool(_)), "true or false"),
        Type::Bytes => (matches!(value, Scalar::Str(s) if base64::decode(s).is_some()) || node.is_sequence(), "bytes in base64"),
        Type::I32 => (whole(i32::MIN.into(), i32::MAX.into()), "a whole number"),
        Type::I64 => (whole(i64::MIN.into(), i64::MAX.into()), "a whole number"),
        Type::U32 => (whole(0, u32::MAX.into()), "a whole number from 0 to 4294967295"),
        Type::U64 => (whole(0, u64::MAX.into()), "a whole number from 0"),
        Type::Number => {
            let text = |s: &str| {
                matches!(s, "NaN" | "Infinity" | "-Infinity") || (s.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && s.parse::<f64>().is_ok())
            };
            (matches!(value, Scalar::Int(_) | Scalar::Float(_)) || matches!(value, Scalar::Str(s) if text(s)), "a number")
        }
        Type::Duration => (matches!(value, Scalar::Str(s) if duration::parse(s).is_some()), "a duration such as `1.5s`"),
        Type::Struct => (node.is_mapping(), "a mapping"),
        Type::List => (node.is_sequence(), "a list"),
        Type::Empty => (node.is_mapping(), "an empty mapping, `{}`"),
        Type::Any | Type::Unjudged | Type::Message(_) | Type::Enum(_) => (true, ""),
    };
    if good { Ok(()) } else { Err(wanted) }
}

fn kind_of(node: Node<'_>) -> &'static str {
    match node.value() {
        _ if node.is_mapping() => "mapping",
        _ if node.is_sequence() => "list",
        Scalar::Null => "null",
        Scalar::Bool(_) => "bool",
        Scalar::Int(_) | Scalar::Float(_) => "number",
        Scalar::Str(_) => "string",
    }
}

fn described(node: Node<'_>) -> String {
    let text = node.text();
    match kind_of(node) {
        "mapping" => "a mapping".to_owned(),
        "list" => "a list".to_owned(),
        "string" if text.chars().count() > 40 => "a long text".to_owned(),
        "string" => format!("the string `{text}`"),
        _ => format!("`{text}`"),
    }
}

/// The first values of an enum.
fn some(known: &Enum) -> String {
    let mut out: Vec<String> = known.values().take(6).map(|v| format!("`{v}`")).collect();
    if known.values().nth(6).is_some() {
        out.push("…".to_owned());
    }
    out.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::{Source, Span, yaml};

    const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
    const FILTER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter";

    /// Errors, unknown fields, extensions without configuration.
    fn of(message: &str, yaml: &str) -> (Vec<String>, Vec<String>, usize) {
        let source = Source::new("a", yaml);
        let tree = yaml::parse_document(&source, Span::new(0, yaml.len()), yaml::Limits::default()).tree.expect("yaml");
        let verdict = judge(message, tree.root()).expect("a known message");
        let texts = |list: &[Fault<'_>]| list.iter().map(|f| f.at.text().to_owned()).collect();
        (texts(&verdict.errors), texts(&verdict.unknown), verdict.untyped.len())
    }

    #[test]
    fn what_istiod_decodes_is_fine() {
        let cluster = "
name: a
connectTimeout: 1m30s
type: STRICT_DNS
dns_lookup_family: 1
per_connection_buffer_limit_bytes: '32768'
circuit_breakers: {thresholds: [{max_connections: 10, priority: HIGH}]}
metadata: {filter_metadata: {istio: {anything: [1, a]}}}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http2_protocol_options: {}}
cleanup_interval: null
";
        assert_eq!(of(CLUSTER, cluster), (vec![], vec![], 0));
        let unknown_type = "{name: a, typed_config: {'@type': type.googleapis.com/my.company.Filter, anything: 1}}";
        assert_eq!(of(FILTER, unknown_type), (vec![], vec![], 0));
        let stated = "{name: a, typed_config: {'@type': type.googleapis.com/udpa.type.v1.TypedStruct, type_url: x, value: {a: {b: 1}}}}";
        assert_eq!(of(FILTER, stated), (vec![], vec![], 0));
    }

    #[test]
    fn wrong_types_and_values() {
        for (yaml, at) in [
            ("connect_timeout: 5", "5"),
            ("connect_timeout: 5 s", "5 s"),
            ("name: 1", "1"),
            ("type: STRICT", "STRICT"),
            ("respect_dns_ttl: 'true'", "true"),
            ("per_connection_buffer_limit_bytes: -1", "-1"),
            ("per_connection_buffer_limit_bytes: 1.5", "1.5"),
            ("health_checks: {a: 1}", ""),
            ("metadata: text", "text"),
        ] {
            assert_eq!(of(CLUSTER, yaml), (vec![at.to_owned()], vec![], 0), "{yaml}");
        }
    }

    #[test]
    fn unknown_fields_are_found_at_any_depth() {
        assert_eq!(of(CLUSTER, "circuit_breakers: {thresholds: [{max_conections: 1}]}\nlb: 1").1, ["max_conections", "lb"]);
        let lua = "{name: a, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, inlineCode: x, code: y}}";
        assert_eq!(of(FILTER, lua).1, ["code"]);
    }

    #[test]
    fn extensions_need_their_type() {
        assert_eq!(of(FILTER, "name: a"), (vec![], vec![], 1));
        assert_eq!(of(CLUSTER, "transport_socket: {name: tls}").2, 1);
        assert_eq!(of(FILTER, "{name: a, config_discovery: {}}").2, 0);
        assert_eq!(of(FILTER, "{name: a, typed_config: {}}").0.len(), 1);
        for gone in ["envoy.config.filter.http.lua.v2.Lua", "envoy.config.filter.network.tcp_proxy.v2.TcpProxy", "envoy.extensions.filters.http.lua.v3.Lu"] {
            let yaml = format!("{{name: a, typed_config: {{'@type': type.googleapis.com/{gone}}}}}");
            assert_eq!(of(FILTER, &yaml).0.len(), 1, "{gone}");
        }
        let istio = "{name: a, typed_config: {'@type': type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig, a: 1}}";
        assert_eq!(of(FILTER, istio), (vec![], vec![], 0));
    }
}
