//! From Envoy's own JSON (snake_case, as `preserve_proto_field_names` prints it) to protobuf's canonical JSON
//! (camelCase), without descriptors: keys are rewritten everywhere but where they are data.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// Fields whose value is a map with free keys and message values: the keys stay, what is below is rewritten.
const MAPS: &[&str] = &[
    "typed_filter_metadata",
    "typed_per_filter_config",
    "typed_extension_protocol_options",
    "extension_protocol_options",
    "policies",
    "map",
    "typed_dns_resolver_map",
    "key_values",
    "per_socket_options",
    "providers",
    "requirement_map",
];
/// Fields whose value is a `google.protobuf.Struct` or a map of them: everything below stays as it is.
const STRUCTS: &[&str] =
    &["filter_metadata", "metadata_struct", "json_format", "opaque_config", "static_layer", "default_subset", "context_extensions", "filter_context"];
/// Fields whose camelCase name does not tell where their underscores were.
const NUMBERED: &[&str] =
    &["proxy_100_continue", "accept_http_10", "default_host_for_http_10", "consecutive_5xx", "enforcing_consecutive_5xx", "trace_id_128bit"];
/// Messages that wrap free JSON in `value`.
const STRUCT_TYPES: &[&str] = &["google.protobuf.Struct", "udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct", "google.protobuf.Value"];

/// A field by its snake_case name, in either spelling.
pub fn field<'v>(value: &'v Value, snake: &str) -> Option<&'v Value> {
    value.get(snake).or_else(|| value.get(camel(snake)))
}

/// The items of a repeated field, in either spelling; none where it is absent.
pub fn items<'v>(value: &'v Value, snake: &str) -> impl Iterator<Item = &'v Value> {
    field(value, snake).and_then(Value::as_array).into_iter().flatten()
}

/// A string field in either spelling, "" where it is absent.
pub fn text<'v>(value: &'v Value, snake: &str) -> &'v str {
    field(value, snake).and_then(Value::as_str).unwrap_or("")
}

/// Rewrites the keys of a value of Envoy's JSON, at any depth.
pub fn camel_case(value: Value) -> Value {
    rewrite(value, Zone::Message, camel)
}

/// The other way: as Envoy prints it, whatever spelling fields have.
pub fn proto_case(value: Value) -> Value {
    rewrite(value, Zone::Message, |key| match NUMBERED.iter().find(|name| camel(name) == key) {
        Some(name) => (*name).to_owned(),
        None => snake_case(key).into_owned(),
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Zone {
    Message,
    /// `node` of a bootstrap and its build version: their `metadata` is a Struct.
    Node,
    /// `transport_socket_matches` of a cluster: their `match` is a Struct, as that of routes is none.
    SocketMatches,
    Map,
    Free,
}

fn rewrite(value: Value, zone: Zone, spell: fn(&str) -> String) -> Value {
    match (value, zone) {
        (Value::Object(map), Zone::Message | Zone::Node | Zone::SocketMatches) => {
            let wraps_struct = map.get("@type").and_then(Value::as_str).is_some_and(|t| STRUCT_TYPES.iter().any(|s| t.ends_with(s)));
            let mut out = Map::with_capacity(map.len());
            for (key, v) in map {
                let below = match snake_case(&key).as_ref() {
                    "value" if wraps_struct => Zone::Free,
                    "metadata" if zone == Zone::Node => Zone::Free,
                    "match" if zone == Zone::SocketMatches => Zone::Free,
                    "transport_socket_matches" => Zone::SocketMatches,
                    "node" | "user_agent_build_version" => Zone::Node,
                    k if STRUCTS.contains(&k) => Zone::Free,
                    k if MAPS.contains(&k) => Zone::Map,
                    _ => Zone::Message,
                };
                out.insert(spell(&key), rewrite(v, below, spell));
            }
            Value::Object(out)
        }
        (Value::Object(map), Zone::Map) => Value::Object(map.into_iter().map(|(k, v)| (k, rewrite(v, Zone::Message, spell))).collect()),
        (Value::Array(items), z) => Value::Array(items.into_iter().map(|v| rewrite(v, z, spell)).collect()),
        (other, _) => other,
    }
}

/// `dynamicActiveClusters` → `dynamic_active_clusters`; names without a lower-case letter, such as `NAMESPACE`, stay.
pub fn snake_case(key: &str) -> Cow<'_, str> {
    if !key.bytes().any(|b| b.is_ascii_uppercase()) || key.bytes().all(|b| !b.is_ascii_lowercase()) {
        return Cow::Borrowed(key);
    }
    let mut out = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    Cow::Owned(out)
}

/// `dynamic_active_clusters` → `dynamicActiveClusters`; `@type` and names without an underscore stay.
fn camel(key: &str) -> String {
    if !key.contains('_') {
        return key.to_owned();
    }
    let mut out = String::with_capacity(key.len());
    let mut up = false;
    for c in key.chars() {
        match (c, up) {
            ('_', _) => up = true,
            (c, true) => {
                out.extend(c.to_uppercase());
                up = false;
            }
            (c, false) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_rewritten_except_where_they_are_data() {
        let v = json!({"alt_stat_name": "a_b", "metadata": {"filter_metadata": {"istio_x": {"services_x": 1}}},
            "typed_config": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": "x", "value": {"a_b": 1}},
            "rules": {"policies": {"ns_a": {"any_rules": []}}}});
        let want = json!({"altStatName": "a_b", "metadata": {"filterMetadata": {"istio_x": {"services_x": 1}}},
            "typedConfig": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "typeUrl": "x", "value": {"a_b": 1}},
            "rules": {"policies": {"ns_a": {"anyRules": []}}}});
        assert_eq!(camel_case(v.clone()), want);
        // What is camelCase already stays as it is, its data too.
        assert_eq!(camel_case(want.clone()), want);
        assert_eq!(proto_case(want), v);
        let odd = json!({"proxy_100_continue": true, "http2_protocol_options": {"initial_window_size": 1}, "node": {"metadata": {"someKey": 1}}});
        assert_eq!((proto_case(camel_case(odd.clone())), proto_case(odd.clone())), (odd.clone(), odd));
    }

    #[test]
    fn labels_that_sockets_are_chosen_by_are_data() {
        let v = json!({"transport_socket_matches": [{"match": {"tlsMode": "istio", "a_b": "c"}, "transport_socket": {"typed_config": {"sni": "x"}}}],
            "routes": [{"match": {"case_sensitive": false}}]});
        let want = json!({"transportSocketMatches": [{"match": {"tlsMode": "istio", "a_b": "c"}, "transportSocket": {"typedConfig": {"sni": "x"}}}],
            "routes": [{"match": {"caseSensitive": false}}]});
        assert_eq!((camel_case(v.clone()), proto_case(want.clone())), (want, v));
    }
}
