//! `proxy-config listener`.

use super::NARROW;
use super::route::inline_route_config;
use crate::commands::proxy_config::filter::{ListenerFilter, listener_type};
use crate::print::table::Table;
use mesh_envoy::dump::listener::{Filter, FilterChain, FilterChainMatch, Listener};
use serde_json::Value;

/// Which columns are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A line a filter chain.
    Chains,
    /// A line a listener, with its type.
    Type,
}

fn address(l: &Listener<'_>) -> String {
    let a = &l.address;
    match (&a.socket_address, &a.pipe) {
        (Some(s), _) => s.address.to_string(),
        (_, Some(p)) => p.path.to_string(),
        _ => String::new(),
    }
}

fn sorted<'l, 'a>(listeners: &[&'l Listener<'a>], filter: &ListenerFilter) -> Vec<&'l Listener<'a>> {
    let mut out: Vec<_> = listeners.iter().copied().filter(|l| filter.matches(l)).collect();
    out.sort_by_cached_key(|l| (l.address.port(), address(l), listener_type(l)));
    out
}

pub fn table(listeners: &[&Listener<'_>], filter: &ListenerFilter, detail: Detail, prefix: Option<&str>) -> String {
    let columns: &[&str] = if detail == Detail::Chains { &["ADDRESSES", "PORT", "MATCH", "DESTINATION"] } else { &["ADDRESSES", "PORT", "TYPE"] };
    let mut table = Table::new(prefix.map(|_| "NAME").into_iter().chain(columns.iter().copied()));
    for l in sorted(listeners, filter) {
        let addresses: Vec<String> = std::iter::once(address(l)).chain(l.additional_addresses.iter().map(|a| a.address.host())).collect();
        let head: Vec<String> = prefix.map(|p| format!("{p}{}", l.name)).into_iter().chain([addresses.join(","), l.address.port().to_string()]).collect();
        if detail == Detail::Type {
            table.row(head.into_iter().chain([listener_type(l).to_owned()]).collect());
            continue;
        }
        let mut chains: Vec<(String, String)> = l.chains().map(|c| (destination(&c.filters), match_text(&c.filter_chain_match))).collect();
        chains.sort_by(|a, b| b.0.cmp(&a.0));
        for (destination, matches) in chains {
            table.row(head.iter().cloned().chain([matches, destination]).collect());
        }
    }
    table.render(NARROW)
}

/// istioctl's words for a chain's conditions.
pub fn match_text(m: &FilterChainMatch<'_>) -> String {
    const KNOWN: &[(&str, &[&str])] = &[
        ("App: HTTP TLS", &["http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"]),
        ("App: Istio HTTP Plain", &["istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"]),
        ("App: TCP TLS", &["istio-peer-exchange", "istio"]),
        ("App: HTTP", &["http/1.0", "http/1.1", "h2c"]),
    ];
    let mut parts = Vec::new();
    let joined = |list: &[mesh_envoy::dump::Text<'_>]| list.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(",");
    if !m.server_names.is_empty() {
        parts.push(format!("SNI: {}", joined(&m.server_names)));
    }
    if !m.transport_protocol.is_empty() {
        parts.push(format!("Trans: {}", m.transport_protocol));
    }
    if !m.application_protocols.is_empty() {
        let known = KNOWN.iter().find(|(_, list)| m.application_protocols.iter().map(|p| &**p).eq(list.iter().copied()));
        parts.push(known.map_or_else(|| format!("App: {}", joined(&m.application_protocols)), |(name, _)| (*name).to_owned()));
    }
    let port = m.destination_port.map_or(String::new(), |p| format!(":{}", p.0));
    if !m.prefix_ranges.is_empty() {
        let ranges: Vec<String> = m.prefix_ranges.iter().map(|r| format!("{}/{}", r.address_prefix, r.prefix_len.0)).collect();
        parts.push(format!("Addr: {}{port}", ranges.join(",")));
    } else if !port.is_empty() {
        parts.push(format!("Addr: *{port}"));
    }
    if parts.is_empty() { "ALL".to_owned() } else { parts.join("; ") }
}

/// Where a chain sends what it takes.
pub fn destination(filters: &[Filter<'_>]) -> String {
    for f in filters {
        if f.is_http_connection_manager() {
            return match (&f.typed_config.route_config, &f.typed_config.rds) {
                (Some(routes), _) => inline_route_config(routes),
                (_, Some(rds)) if !rds.route_config_name.is_empty() => format!("Route: {}", rds.route_config_name),
                _ => "HTTP".to_owned(),
            };
        }
        if f.is_tcp_proxy() && !f.is_black_hole() {
            let cluster = &f.typed_config.cluster;
            return if cluster.contains("Cluster") { cluster.to_string() } else { format!("Cluster: {cluster}") };
        }
    }
    "Non-HTTP/Non-TCP".to_owned()
}

/// The hidden `--waypoint` form: chains by name, with the conditions of the listener's matcher tree.
pub fn waypoint_table(listeners: &[&Listener<'_>]) -> String {
    let mut sorted: Vec<_> = listeners.to_vec();
    sorted.sort_by_cached_key(|l| (l.address.port(), address(l), listener_type(l), l.name.to_string()));
    let mut table = Table::new(["LISTENER", "CHAIN", "MATCH", "DESTINATION"]);
    for l in sorted {
        let chains: Vec<&FilterChain<'_>> = l.chains().collect();
        let mut name = format!("envoy://{}", l.name);
        if l.is_internal() && chains.len() == 1 && *chains[0].name == *name {
            name = "internal".to_owned();
        }
        for chain in chains {
            for m in chain_matches(l, chain) {
                table.row(vec![name.clone(), chain.name.to_string(), m, destination(&chain.filters)]);
            }
        }
    }
    table.render(NARROW)
}

fn get<'v>(v: &'v Value, snake: &str, camel: &str) -> Option<&'v Value> {
    v.get(snake).or_else(|| v.get(camel))
}

fn chain_matches(l: &Listener<'_>, chain: &FilterChain<'_>) -> Vec<String> {
    let Some(matcher) = &l.filter_chain_matcher else { return vec![match_text(&chain.filter_chain_match)] };
    if let Some(other) = get(matcher, "on_no_match", "onNoMatch") {
        if action_name(other) == Some(&*chain.name) {
            return vec!["UNMATCHED".to_owned()];
        }
        if let Some(inner) = other.get("matcher") {
            return tree_matches(&chain.name, inner).unwrap_or_else(|| vec!["NONE".to_owned()]);
        }
    }
    tree_matches(&chain.name, matcher).unwrap_or_else(|| vec!["NONE".to_owned()])
}

fn action_name(on_match: &Value) -> Option<&str> {
    on_match.get("action")?.get("name")?.as_str()
}

fn tree_matches(name: &str, matcher: &Value) -> Option<Vec<String>> {
    if let Some(other) = get(matcher, "on_no_match", "onNoMatch") {
        if action_name(other) == Some(name) {
            return Some(vec!["ANY".to_owned()]);
        }
        if let Some(inner) = other.get("matcher") {
            return Some(tree_matches(name, inner).unwrap_or_else(|| vec!["NONE".to_owned()]));
        }
    }
    let tree = get(matcher, "matcher_tree", "matcherTree")?;
    let input = tree.get("input").and_then(|i| i.get("name")).and_then(Value::as_str).unwrap_or("");
    let (equality, mut entries) = tree_entries(tree);
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = Vec::new();
    for (key, on_match) in entries {
        if action_name(on_match) == Some(name) {
            out.push(format!("{input}{equality}{key}"));
        } else if let Some(children) = on_match.get("matcher").and_then(|m| tree_matches(name, m)) {
            out.extend(children.into_iter().map(|child| format!("{input}{equality}{key} -> {child}")));
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The branches of a matcher tree: key and `OnMatch`.
fn tree_entries(tree: &Value) -> (&'static str, Vec<(String, &Value)>) {
    fn map(m: Option<&Value>) -> Option<Vec<(String, &Value)>> {
        Some(m?.get("map")?.as_object()?.iter().map(|(k, v)| (k.clone(), v)).collect())
    }
    if let Some(entries) = map(get(tree, "exact_match_map", "exactMatchMap")) {
        return ("=", entries);
    }
    if let Some(entries) = map(get(tree, "prefix_match_map", "prefixMatchMap")) {
        return ("^", entries);
    }
    let ip = get(tree, "custom_match", "customMatch").and_then(|c| get(c, "typed_config", "typedConfig"));
    let mut entries = Vec::new();
    for range_matcher in ip.and_then(|t| get(t, "range_matchers", "rangeMatchers")).and_then(Value::as_array).into_iter().flatten() {
        let Some(on_match) = get(range_matcher, "on_match", "onMatch") else { continue };
        for r in range_matcher.get("ranges").and_then(Value::as_array).into_iter().flatten() {
            let prefix = get(r, "address_prefix", "addressPrefix").and_then(Value::as_str).unwrap_or("");
            let cidr = match get(r, "prefix_len", "prefixLen").and_then(Value::as_u64).unwrap_or(0) {
                32 | 128 => prefix.to_owned(),
                len => format!("{prefix}/{len}"),
            };
            entries.push((cidr, on_match));
        }
    }
    ("=", entries)
}
