//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** An AuthorizationPolicy that Istio refuses: values that no rule can hold, conditions on unknown
//! attributes, `CUSTOM` with what an outside party cannot decide, rules without content.
//!
//! **Why it matters.** The object never takes effect; the traffic goes on as if it were not there.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: office, namespace: shop}
//! spec:
//!   rules:
//!   - from:
//!     - source: {ipBlocks: [10.0.0.0/33]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: office, namespace: shop}
//! spec:
//!   rules:
//!   - from:
//!     - source: {ipBlocks: [10.0.0.0/8]}
//! ```
//!
//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** A `DENY` rule that looks at HTTP only and names no port.
//!
//! **Why it matters.** On TCP ports the HTTP conditions drop out and what is left denies everything there.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: no-admin, namespace: shop}
//! spec:
//!   action: DENY
//!   rules:
//!   - to:
//!     - operation: {paths: [/admin*]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: no-admin, namespace: shop}
//! spec:
//!   action: DENY
//!   rules:
//!   - to:
//!     - operation: {paths: [/admin*], ports: ["8080"]}
//! ```

use crate::rule::{Context, Sink};
use crate::spelling;
use crate::validation::{Checks, each, fields, message, messages, net, strings, target, text};
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::AuthorizationPolicy, check);
}

fn check<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    target::check_attachment(checks, spec);
    let action = text(spec, "action");
    // An empty list is none to Istio.
    let no_rules = spec.get("rules").is_none_or(|r| r.is_sequence() && r.is_empty());
    let provider = message(spec, "provider");
    let at = spec.get("action").unwrap_or(spec);
    if action == "CUSTOM" {
        if no_rules {
            checks.error(at, "a CUSTOM policy without `rules` never asks its provider").help("an empty rule, `rules: [{}]`, asks for every request");
        } else if provider.is_none_or(|p| fields::lacks_text(p, "name")) {
            checks.error(provider.unwrap_or(at), "a CUSTOM policy names no `provider.name`").help("name an extension provider of the mesh configuration");
        }
        for rule in messages(spec, "rules") {
            custom_rule(checks, rule);
        }
    } else if let Some(p) = provider {
        checks.error(p, "`provider` is only for the action CUSTOM").help("remove it, or set `action: CUSTOM`");
    }
    if action == "DENY" && no_rules {
        checks.error(at, "a DENY policy without `rules` never denies anything").help("an empty rule, `rules: [{}]`, denies every request");
    }
    for (i, rule) in spec.list("rules").enumerate() {
        if rule.is_null() {
            checks.error(rule, format!("rule #{i} is null"));
        } else if rule.is_mapping() {
            check_rule(checks, rule, i, action);
        }
    }
}

/// What an outside party cannot be asked about.
fn custom_rule<'a>(checks: &mut Checks<'a, '_>, rule: Node<'a>) {
    const SOURCE: &[&str] = &[
        "namespaces",
        "notNamespaces",
        "serviceAccounts",
        "notServiceAccounts",
        "trustDomains",
        "notTrustDomains",
        "principals",
        "notPrincipals",
        "requestPrincipals",
        "notRequestPrincipals",
    ];
    let unsupported = |checks: &mut Checks<'a, '_>, at: Node<'a>, what: &str| {
        checks.error(at, format!("`{what}` is not supported with the action CUSTOM")).help("the provider itself must look at identities and tokens");
    };
    for source in messages(rule, "from").filter_map(|f| message(f, "source")) {
        for field in SOURCE {
            if let Some(list) = source.get(field).filter(|l| !l.is_empty()) {
                unsupported(checks, list, field);
            }
        }
    }
    for when in messages(rule, "when") {
        let key = text(when, "key");
        if matches!(key, "source.namespace" | "source.serviceAccount" | "source.trustDomain" | "source.principal") || key.starts_with("request.auth.") {
            unsupported(checks, when.get("key").unwrap_or(when), key);
        }
    }
}

const SOURCE_FIELDS: &[&str] = &[
    "principals",
    "requestPrincipals",
    "namespaces",
    "ipBlocks",
    "remoteIpBlocks",
    "notPrincipals",
    "notRequestPrincipals",
    "notNamespaces",
    "notIpBlocks",
    "notRemoteIpBlocks",
    "serviceAccounts",
    "notServiceAccounts",
    "trustDomains",
    "notTrustDomains",
];
/// Source fields that a TCP proxy can look at.
const TCP_SOURCE_FIELDS: &[&str] = &[
    "notPrincipals",
    "principals",
    "ipBlocks",
    "notIpBlocks",
    "namespaces",
    "notNamespaces",
    "remoteIpBlocks",
    "notRemoteIpBlocks",
    "serviceAccounts",
    "notServiceAccounts",
];
const OPERATION_FIELDS: &[&str] = &["ports", "methods", "paths", "hosts", "notPorts", "notMethods", "notPaths", "notHosts"];

fn given(node: Node<'_>, fields: &[&str]) -> bool {
    fields.iter().any(|f| node.get(f).is_some_and(|l| !l.is_empty()))
}

fn check_rule<'a>(checks: &mut Checks<'a, '_>, rule: Node<'a>, i: usize, action: &str) {
    let (mut source_seen, mut tcp_source, mut operation_seen, mut tcp_operation) = (false, false, false, false);
    for from in rule.list("from") {
        let Some(source) = message(from, "source") else {
            if from.is_null() || (from.is_mapping() && from.get("source").is_none()) {
                checks.error(from, format!("an entry of `from` in rule #{i} has no `source`"));
            }
            continue;
        };
        source_seen = true;
        check_source(checks, source, i);
        tcp_source |= given(source, TCP_SOURCE_FIELDS);
    }
    for to in rule.list("to") {
        let Some(operation) = message(to, "operation") else {
            if to.is_null() || (to.is_mapping() && to.get("operation").is_none()) {
                checks.error(to, format!("an entry of `to` in rule #{i} has no `operation`"));
            }
            continue;
        };
        operation_seen = true;
        check_operation(checks, operation, i);
        tcp_operation |= given(operation, &["ports", "notPorts"]);
    }
    for when in messages(rule, "when") {
        check_condition(checks, when);
    }
    let http_only = (source_seen && !operation_seen && !tcp_source) || (operation_seen && !tcp_operation);
    if http_only && action == "DENY" {
        checks
            .warn_once("DENY by HTTP only", rule, format!("rule #{i} denies by HTTP attributes only, which denies everything on TCP ports"))
            .help("name the HTTP ports in `to.operation.ports`");
    }
}

fn check_source<'a>(checks: &mut Checks<'a, '_>, source: Node<'a>, i: usize) {
    if given(source, &["principals", "notPrincipals", "namespaces", "notNamespaces"]) && given(source, &["serviceAccounts", "notServiceAccounts"]) {
        checks
            .error(source, format!("a source of rule #{i} has `serviceAccounts` beside principals or namespaces"))
            .help("use one of them; a service account names its namespace itself");
    }
    if !given(source, SOURCE_FIELDS) {
        checks.error(source, format!("a `source` of rule #{i} is empty")).help("leave `from` out where any source matches");
    }
    for field in ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] {
        check_ips(checks, source, field);
    }
    for field in SOURCE_FIELDS {
        match *field {
            "serviceAccounts" | "notServiceAccounts" => check_service_accounts(checks, source, field),
            "trustDomains" | "notTrustDomains" => check_wildcards(checks, source, field, NoSlash::Yes),
            _ => check_empty(checks, source, field),
        }
    }
}

/// The first empty value of a list.
fn check_empty<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str) {
    if let Some((at, _)) = strings(node, field).find(|(_, s)| s.is_empty()) {
        checks.error(at, format!("`{field}` holds an empty value"));
    }
}

fn check_ips<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str) {
    for (at, value) in strings(node, field) {
        checks.valid(at, if value.is_empty() { Err("an IP address is empty".to_owned()) } else { net::ip_or_cidr(value) });
    }
}

#[derive(Clone, Copy, PartialEq)]
enum NoSlash {
    Yes,
    No,
}

fn check_wildcards<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str, slash: NoSlash) {
    if let Some((at, _)) = strings(node, field).find(|(_, s)| s.is_empty()) {
        checks.error(at, format!("`{field}` holds an empty value"));
        return;
    }
    for (at, v) in strings(node, field) {
        let stars = v.matches('*').count();
        if stars > 1 {
            checks.error(at, format!("`{v}` of `{field}` has more than one wildcard"));
            return;
        }
        if stars == 1 && v != "*" && !v.starts_with('*') && !v.ends_with('*') {
            checks.error(at, format!("`{v}` of `{field}` has a wildcard in its middle")).help("a wildcard stands at the start or at the end");
            return;
        }
    }
    if slash == NoSlash::Yes
        && let Some((at, v)) = strings(node, field).find(|(_, s)| s.contains('/'))
    {
        checks.error(at, format!("`{v}` of `{field}` is no trust domain: it has a `/`"));
    }
}

fn check_service_accounts<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str) {
    if let Some(list) = node.get(field).filter(|l| l.len() > 16) {
        checks.error(list, "a list of service accounts has more than 16 entries");
        return;
    }
    for (at, v) in strings(node, field) {
        let parts: Vec<&str> = v.split('/').collect();
        if v.contains('*') {
            let message = format!("`{v}` of `{field}` has a wildcard; service accounts are compared literally");
            checks.error_once(&format!("wildcard in {field}"), at, message);
            return;
        }
        let why = if v.is_empty() {
            format!("`{field}` holds an empty value")
        } else if parts.len() > 2 || parts.iter().any(|p| p.is_empty()) {
            format!("`{v}` of `{field}` is neither `serviceAccount` nor `namespace/serviceAccount`")
        } else if v.len() > 320 {
            format!("a value of `{field}` has {} characters, more than 320", v.len())
        } else {
            continue;
        };
        checks.error(at, why);
        return;
    }
}

fn check_operation<'a>(checks: &mut Checks<'a, '_>, operation: Node<'a>, i: usize) {
    if !given(operation, OPERATION_FIELDS) {
        checks.error(operation, format!("an `operation` of rule #{i} is empty")).help("leave `to` out where any operation matches");
    }
    for field in ["ports", "notPorts"] {
        check_ports(checks, operation, field);
    }
    for field in OPERATION_FIELDS {
        check_empty(checks, operation, field);
    }
    for field in ["paths", "notPaths"] {
        for (at, path) in strings(operation, field) {
            if let Err(why) = path_template(path) {
                checks.error(at, format!("path `{path}` of `{field}` {why}"));
                break;
            }
        }
    }
}

fn check_ports<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>, field: &str) {
    for (at, port) in strings(node, field) {
        if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || !port.parse::<u64>().is_ok_and(|p| p <= 65535) {
            checks.error(at, format!("`{port}` is no port"));
        }
    }
}

/// `{*}` stands for one segment, `{**}` for the rest; literals beside them hold few characters.
fn path_template(path: &str) -> Result<(), String> {
    let templated = path.contains("{*}") || path.contains("{**}");
    let mut rest_taken = false;
    for segment in path.trim_matches('/').split('/') {
        match (segment, rest_taken) {
            ("{*}", false) => continue,
            ("{**}", false) => {
                rest_taken = true;
                continue;
            }
            ("{*}" | "{**}", true) => return Err("has an operator behind `{**}`, which takes the rest".to_owned()),
            _ => {}
        }
        if segment.contains(['{', '}']) {
            return Err("has braces outside of `{*}` and `{**}`".to_owned());
        }
        let literal = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&b));
        if templated && !literal {
            return Err(format!("has the segment `{segment}`, which is no literal beside a template"));
        }
    }
    Ok(())
}

fn check_condition<'a>(checks: &mut Checks<'a, '_>, when: Node<'a>) {
    if fields::lacks_text(when, "key") {
        checks.error(when.get("key").unwrap_or(when), "a condition has no `key`");
        return;
    }
    let key = text(when, "key");
    if key.is_empty() {
        return;
    }
    if !given(when, &["values", "notValues"]) {
        checks.error(when, format!("the condition on `{key}` has neither `values` nor `notValues`"));
        return;
    }
    for field in ["values", "notValues"] {
        check_attribute(checks, when, key, field);
    }
}

const ATTRIBUTES: &[&str] = &[
    "request.headers",
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.serviceAccount",
    "source.principal",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "request.auth.claims",
    "destination.ip",
    "destination.port",
    "connection.sni",
];

/// One message for `values` and one for `notValues`, as Istio has them.
fn check_attribute<'a>(checks: &mut Checks<'a, '_>, when: Node<'a>, key: &str, field: &str) {
    let at = when.get("key").unwrap_or(when);
    if let Some((at, _)) = strings(when, field).find(|(_, s)| s.is_empty()) {
        checks.error(at, format!("`{field}` of the condition on `{key}` holds an empty value"));
        return;
    }
    let label = |message: String| format!("{message} (condition on `{key}`, `{field}`)");
    let bracketed = key.ends_with(']') && key.find('[').is_some_and(|open| open > 0 && open + 2 < key.len());
    let fail = match key {
        "source.ip" | "remote.ip" | "destination.ip" => strings(when, field).find_map(|(n, v)| net::ip_or_cidr(v).err().map(|e| (n, e))),
        "destination.port" => strings(when, field)
            .find(|(_, p)| !p.bytes().all(|b| b.is_ascii_digit()) || !p.parse::<u64>().is_ok_and(|p| p <= 65535))
            .map(|(n, p)| (n, format!("`{p}` is no port"))),
        "source.serviceAccount" => {
            check_service_accounts(checks, when, field);
            None
        }
        "source.trustDomain" => {
            check_wildcards(checks, when, field, NoSlash::No);
            None
        }
        "source.namespace" | "source.principal" | "request.auth.principal" | "request.auth.audiences" | "request.auth.presenter" | "connection.sni" => None,
        "destination.namespace" => Some((at, "`destination.namespace` is no attribute any more: a policy applies in its own namespace".to_owned())),
        "destination.name" | "destination.user" => Some((at, format!("`{key}` is no attribute any more"))),
        _ if key.starts_with("destination.labels") => Some((at, "`destination.labels` is no attribute any more: use the policy's selector".to_owned())),
        _ if ["request.headers", "request.auth.claims", "experimental.envoy.filters."].iter().any(|p| key.starts_with(p)) => {
            (!bracketed).then(|| (at, format!("`{key}` lacks its name in brackets, as in `{}[name]`", key.split('[').next().unwrap_or(key))))
        }
        _ => Some((at, format!("`{key}` is no attribute"))),
    };
    if let Some((at, why)) = fail {
        let said = checks.error(at, label(why));
        if let Some(near) = spelling::nearest(key, ATTRIBUTES.iter().copied()) {
            said.help(format!("did you mean `{near}`?"));
        }
    }
}
