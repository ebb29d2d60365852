//! ## IST0130 VirtualServiceUnreachableRule (Warning)
//!
//! **What it checks.** A rule after one that has no matches, and a rule all of whose matches stand in earlier rules.
//!
//! **Why it matters.** The rule is never used: the first rule that matches a request takes it.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - route: [{destination: {host: api.example.com}}]
//!   - match: [{uri: {prefix: /admin}}]
//!     directResponse: {status: 403}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - match: [{uri: {prefix: /admin}}]
//!     directResponse: {status: 403}
//!   - route: [{destination: {host: api.example.com}}]
//! ```
//!
//! ## IST0131 VirtualServiceIneffectiveMatch (Info)
//!
//! **What it checks.** A match that stands in an earlier rule too, or whose prefix an earlier match with the same other
//! conditions covers.
//!
//! **Why it matters.** The match has no effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - match: [{uri: {prefix: /a}}]
//!     directResponse: {status: 403}
//!   - match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}]
//!     directResponse: {status: 404}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - match: [{uri: {prefix: /a}}]
//!     directResponse: {status: 403}
//!   - match: [{uri: {prefix: /b}}]
//!     directResponse: {status: 404}
//! ```

use crate::codes::{IST0130, IST0131};
use crate::validation::{Checks, message, text};
use mesh_model::{Node, NodeKind, Scalar};
use rustc_hash::FxHashMap;

pub fn check<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    for kind in ["http", "tcp", "tls"] {
        let routes: Vec<Node<'a>> = spec.list(kind).collect();
        if routes.len() > 1 || routes.iter().any(|r| r.get("match").is_some_and(|m| m.len() > 1)) {
            check_routes(checks, &routes, kind);
        }
    }
}

/// `"name"` or `#index`.
fn label(node: Node<'_>, i: usize) -> String {
    match text(node, "name") {
        "" => format!("#{i}"),
        n => format!("\"{n}\""),
    }
}

fn check_routes<'a>(checks: &mut Checks<'a, '_>, routes: &[Node<'a>], kind: &str) {
    let named = kind == "http";
    let name = |node: Node<'_>, i: usize| if named { label(node, i) } else { format!("#{i}") };
    let mut seen: FxHashMap<String, (usize, Node<'a>)> = FxHashMap::default();
    let mut without: Option<(usize, Node<'a>)> = None;
    let mut prefixes: Vec<PrefixMatch<'a>> = Vec::new();
    for (i, route) in routes.iter().copied().enumerate().filter(|(_, r)| r.is_mapping()) {
        let this = name(route, i);
        let matches: Vec<Node<'a>> = route.list("match").collect();
        if matches.is_empty() {
            if let Some((_, before)) = without {
                unreachable(checks, route, &this, Why::SecondWithout, before);
            }
            without = Some((i, route));
            continue;
        }
        let mut duplicates = 0;
        let mut original = None;
        for (n, m) in matches.iter().copied().enumerate() {
            if let Some((_, before)) = without {
                unreachable(checks, route, &this, Why::AfterOneWithout, before);
                continue;
            }
            let canonical = canonical(m, named);
            if let Some((first, at)) = seen.get(&canonical) {
                let (first, at) = (*first, *at);
                let object = checks.object;
                let message = format!("match {} of rule {this} stands in rule {} already", name(m, n), name(routes[first], first));
                checks.report(&IST0131, m, None, message).related(object, at, "first here");
                duplicates += 1;
                original = Some(at);
                continue;
            }
            seen.insert(canonical, (i, m));
            if named {
                prefixes.extend(PrefixMatch::new(m, this.clone(), name(m, n)));
            }
        }
        if duplicates == matches.len() {
            unreachable(checks, route, &this, Why::Repeated, original.unwrap_or(route));
        }
    }
    for (i, wide) in prefixes.iter().enumerate() {
        for narrow in prefixes[i + 1..].iter().filter(|n| n.prefix != wide.prefix && wide.covers(n)) {
            let object = checks.object;
            let message = format!(
                "match {} of rule {} (prefix `{}`) is covered by match {} of rule {} (prefix `{}`)",
                narrow.name, narrow.rule, narrow.prefix, wide.name, wide.rule, wide.prefix
            );
            checks.report(&IST0131, narrow.node, None, message).related(object, wide.node, "taken here").help("put the narrower match first");
        }
    }
}

/// Why a rule is never used. Istio tells the first two apart, though a person need not.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// Neither it nor an earlier rule has matches.
    SecondWithout,
    /// It has matches and an earlier rule has none.
    AfterOneWithout,
    Repeated,
}

fn unreachable<'a>(checks: &mut Checks<'a, '_>, route: Node<'a>, rule: &str, why: Why, before: Node<'a>) {
    let object = checks.object;
    let reason = match why {
        Why::SecondWithout | Why::AfterOneWithout => "an earlier rule has no matches and takes every request",
        Why::Repeated => "all its matches stand in earlier rules",
    };
    checks
        .report(&IST0130, route, Some(&format!("{why:?} {rule}")), format!("rule {rule} is never used: {reason}"))
        .related(object, before, "requests stop here")
        .help("put the rule before it, or remove it");
}

/// A match as text that is equal for equal conditions: sorted keys, without nulls, defaults and empty collections.
fn canonical(m: Node<'_>, named: bool) -> String {
    let mut out = String::new();
    write(&mut out, m, named);
    out
}

fn write(out: &mut String, node: Node<'_>, skip_name: bool) {
    match node.kind() {
        NodeKind::Scalar => out.push_str(&format!("{:?}", node.value())),
        NodeKind::Sequence => {
            out.push('[');
            for item in node.items() {
                write(out, item, false);
                out.push(',');
            }
            out.push(']');
        }
        NodeKind::Mapping => {
            let mut entries: Vec<_> = node.entries().filter(|(k, v)| !is_default(k.text(), *v) && (!skip_name || k.text() != "name")).collect();
            entries.sort_by_key(|(k, _)| k.text());
            out.push('{');
            for (k, v) in entries {
                out.push_str(k.text());
                out.push(':');
                write(out, v, false);
                out.push(',');
            }
            out.push('}');
        }
    }
}

/// Whether a field says no more than its absence. An empty message, such as `authority: {}`, and an empty pattern do.
fn is_default(key: &str, value: Node<'_>) -> bool {
    match value.kind() {
        NodeKind::Scalar => match value.value() {
            Scalar::Null | Scalar::Bool(false) | Scalar::Int(0) => true,
            Scalar::Str("") => !matches!(key, "exact" | "prefix" | "regex"),
            _ => false,
        },
        NodeKind::Sequence => value.is_empty(),
        NodeKind::Mapping => value.is_empty() && matches!(key, "headers" | "withoutHeaders" | "queryParams" | "sourceLabels"),
    }
}

/// A match by URI prefix, with its other conditions as Istio's own overlap check compares them.
struct PrefixMatch<'a> {
    node: Node<'a>,
    rule: String,
    name: String,
    prefix: &'a str,
    port: Option<i64>,
    method: String,
    authority: String,
    conditions: [Vec<(&'a str, String)>; 3],
}

/// `exact` and `prefix` with their value; "" for everything else.
fn exact_or_prefix(m: Option<Node<'_>>) -> String {
    let Some(m) = m else { return String::new() };
    match (text(m, "exact"), text(m, "prefix")) {
        ("", "") => String::new(),
        ("", p) => format!("prefix:{p}"),
        (e, _) => format!("exact:{e}"),
    }
}

impl<'a> PrefixMatch<'a> {
    fn new(m: Node<'a>, rule: String, name: String) -> Option<PrefixMatch<'a>> {
        let prefix = text(message(m, "uri")?, "prefix");
        if prefix.is_empty() {
            return None;
        }
        // Without a method Istio's check takes GET, which makes no difference between matches that have none.
        let method = match exact_or_prefix(message(m, "method")) {
            s if s.is_empty() => "exact:GET".to_owned(),
            s => s,
        };
        let map = |field: &str| {
            let mut entries: Vec<(&'a str, String)> = m.map(field).map(|(k, v)| (k.text(), exact_or_prefix(Some(v)))).collect();
            entries.sort();
            entries
        };
        Some(PrefixMatch {
            node: m,
            rule,
            name,
            prefix,
            port: m.get("port").and_then(Node::int),
            method,
            authority: exact_or_prefix(message(m, "authority")),
            conditions: [map("headers"), map("queryParams"), map("withoutHeaders")],
        })
    }

    fn covers(&self, narrow: &PrefixMatch<'_>) -> bool {
        let begins = |wide: &str, narrow: &str| wide.starts_with(narrow);
        narrow.prefix.starts_with(self.prefix)
            && self.port == narrow.port
            && begins(&self.method, &narrow.method)
            && begins(&self.authority, &narrow.authority)
            && self.conditions.iter().zip(&narrow.conditions).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(|((k, v), (l, w))| k == l && begins(v, w)))
    }
}
