//! The value of an EnvoyFilter's patch, as far as the fields of its target are known here. Names and types are facts of
//! Envoy's v3 API; what is not in these tables is not judged.

use crate::validation::Checks;
use mesh_model::Node;

/// Fields of the messages that patches are made of; `*` ends the look.
const MESSAGES: &[(&str, &[(&str, &str)])] = &[
    ("Filter", &[("name", "s"), ("typed_config", "any"), ("config_discovery", "*")]),
    ("HttpFilter", &[("name", "s"), ("typed_config", "any"), ("config_discovery", "*"), ("is_optional", "b"), ("disabled", "b")]),
    (
        "VirtualHost",
        &[
            ("name", "s"),
            ("domains", "*"),
            ("routes", "*"),
            ("matcher", "*"),
            ("require_tls", "*"),
            ("virtual_clusters", "*"),
            ("rate_limits", "*"),
            ("request_headers_to_add", "*"),
            ("request_headers_to_remove", "*"),
            ("response_headers_to_add", "*"),
            ("response_headers_to_remove", "*"),
            ("cors", "*"),
            ("typed_per_filter_config", "*"),
            ("include_request_attempt_count", "b"),
            ("include_attempt_count_in_response", "b"),
            ("retry_policy", "*"),
            ("retry_policy_typed_config", "*"),
            ("hedge_policy", "*"),
            ("include_is_timeout_retry_header", "b"),
            ("per_request_buffer_limit_bytes", "*"),
            ("request_body_buffer_limit", "*"),
            ("request_mirror_policies", "*"),
            ("metadata", "*"),
        ],
    ),
    (
        "Route",
        &[
            ("name", "s"),
            ("match", "*"),
            ("route", "*"),
            ("redirect", "*"),
            ("direct_response", "*"),
            ("filter_action", "*"),
            ("non_forwarding_action", "*"),
            ("metadata", "*"),
            ("decorator", "*"),
            ("typed_per_filter_config", "*"),
            ("request_headers_to_add", "*"),
            ("request_headers_to_remove", "*"),
            ("response_headers_to_add", "*"),
            ("response_headers_to_remove", "*"),
            ("tracing", "*"),
            ("per_request_buffer_limit_bytes", "*"),
            ("request_body_buffer_limit", "*"),
            ("stat_prefix", "s"),
        ],
    ),
    (
        "FilterChain",
        &[
            ("filter_chain_match", "*"),
            ("filters", "*"),
            ("use_proxy_proto", "*"),
            ("metadata", "*"),
            ("transport_socket", "*"),
            ("transport_socket_connect_timeout", "*"),
            ("name", "s"),
        ],
    ),
];

/// Checks the value of a patch of `apply_to`.
pub fn check<'a>(checks: &mut Checks<'a, '_>, apply_to: &str, value: Node<'a>) {
    let message = match apply_to {
        "NETWORK_FILTER" | "LISTENER_FILTER" => "Filter",
        "HTTP_FILTER" => "HttpFilter",
        "VIRTUAL_HOST" => "VirtualHost",
        "HTTP_ROUTE" => "Route",
        "FILTER_CHAIN" => "FilterChain",
        _ => return,
    };
    let Some((_, fields)) = MESSAGES.iter().find(|(name, _)| *name == message) else { return };
    for (key, v) in value.entries() {
        let name = snake(key.text());
        let Some((_, kind)) = fields.iter().find(|(f, _)| *f == name) else {
            // `config` was a field of Envoy's v2 filters; any other may be one that this table lacks.
            if name == "config" {
                checks
                    .error(key, format!("`{}` is no field of Envoy's {message}", key.text()))
                    .help("put the configuration into `typed_config`, with its `@type`");
            } else {
                let said = checks.warn_once("unknown field of the patch", key, format!("`{}` is no known field of Envoy's {message}", key.text()));
                if let Some(near) = crate::spelling::nearest(&name, fields.iter().map(|(f, _)| *f)) {
                    said.help(format!("did you mean `{near}`?"));
                }
            }
            continue;
        };
        match *kind {
            "any" => check_any(checks, v),
            "s" if !v.is_scalar() || v.int().is_some() || v.bool().is_some() => {
                checks.error(v, format!("`{}` of Envoy's {message} is a string", key.text()));
            }
            "b" if v.bool().is_none() => {
                checks.error(v, format!("`{}` of Envoy's {message} is true or false", key.text()));
            }
            _ => {}
        }
    }
    let has = |field: &str| value.entries().any(|(k, v)| snake(k.text()) == field && !v.is_null());
    if matches!(message, "Filter" | "HttpFilter") && !has("typed_config") && !has("config_discovery") {
        checks.warn_once("no typed_config", value, format!("a filter of the patch has no `typed_config`, which Envoy's v3 API requires{}", named(value)));
    }
}

fn named(value: Node<'_>) -> String {
    match value.text_of("name") {
        "" => String::new(),
        n => format!(" (`{n}`)"),
    }
}

fn check_any<'a>(checks: &mut Checks<'a, '_>, any: Node<'a>) {
    if !any.is_mapping() {
        return;
    }
    let Some(url) = any.get("@type") else {
        if !any.is_empty() {
            checks.error(any, "`typed_config` has no `@type`").help("name the message, as in `type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua`");
        }
        return;
    };
    // The v2 API is gone from Envoy and from istiod.
    if url.text().contains(".v2.") || url.text().contains("envoy.config.filter.") {
        checks.error(url, format!("`{}` is a message of Envoy's v2 API, which is gone", url.text())).help("use the message of the v3 API");
    }
}

/// Protobuf's JSON takes either spelling.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}
