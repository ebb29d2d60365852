//! ## MSH0409 RepeatedRouteMatch (Warning)
//!
//! **What it checks.** A match of an HTTPRoute or a GRPCRoute that stands in the route before, in whatever order its
//! parts are written and with the defaults filled in.
//!
//! **Why it matters.** The first of equal matches takes all requests: the later one never does anything.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   rules:
//!   - matches: [{path: {type: PathPrefix, value: /cart}}]
//!     filters: [{type: RequestRedirect, requestRedirect: {hostname: cart.example.com}}]
//!   - matches: [{path: {value: /cart}}]
//!     filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example.com}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: shop, namespace: shop}
//! spec:
//!   rules:
//!   - matches: [{path: {type: PathPrefix, value: /cart}}]
//!     filters: [{type: RequestRedirect, requestRedirect: {hostname: cart.example.com}}]
//!   - matches: [{path: {type: Exact, value: /cart}}]
//!     filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example.com}}]
//! ```

use crate::codes::MSH0409;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for kind in [Kind::HttpRoute, Kind::GrpcRoute] {
        for route in cx.mesh.objects(kind).iter().copied().filter(|r| r.role == Role::Judged) {
            check(sink, route);
        }
    }
}

fn check<'a>(sink: &mut Sink<'a>, route: &'a Object) {
    let Some(rules) = route.spec_at(&["rules"]) else { return };
    if rules.len() == 1 && rules.items().all(|r| r.list("matches").nth(1).is_none()) {
        return;
    }
    let mut seen: FxHashMap<Match<'a>, (usize, Node<'a>)> = FxHashMap::default();
    for (i, rule) in rules.items().filter(|r| r.is_mapping()).enumerate() {
        let mut matches = rule.list("matches").peekable();
        if matches.peek().is_none() {
            // Without matches a rule takes everything.
            judge(sink, route, &mut seen, i, Match::of(None), rule);
        }
        for node in matches {
            judge(sink, route, &mut seen, i, Match::of(Some(node)), node);
        }
    }
}

fn judge<'a>(sink: &mut Sink<'a>, route: &'a Object, seen: &mut FxHashMap<Match<'a>, (usize, Node<'a>)>, rule: usize, m: Match<'a>, at: Node<'a>) {
    match seen.entry(m) {
        Entry::Vacant(free) => {
            free.insert((rule, at));
        }
        Entry::Occupied(first) => {
            let (other, node) = *first.get();
            let (place, help) = if other == rule {
                ("before it in the same rule".to_owned(), "remove it, or change it if another was meant")
            } else {
                (format!("in rule #{other}"), "remove one of the two; to share requests out, give one rule several `backendRefs` with weights")
            };
            sink.report(&MSH0409, route, at, format!("the match in rule #{rule} never takes a request: the same stands {place}")).help(help).related(
                route,
                node,
                "the same match",
            );
        }
    }
}

/// What a match asks for, in one order and with the defaults.
#[derive(PartialEq, Eq, Hash)]
struct Match<'a> {
    path: (&'a str, &'a str),
    method: (&'a str, &'a str, &'a str),
    headers: BTreeMap<String, (&'a str, &'a str)>,
    query: BTreeMap<&'a str, (&'a str, &'a str)>,
}

impl<'a> Match<'a> {
    fn of(node: Option<Node<'a>>) -> Match<'a> {
        let or = |text: &'a str, default: &'static str| if text.is_empty() { default } else { text };
        let condition = |n: Node<'a>| (or(n.text_of("type"), "Exact"), n.text_of("value"));
        let path = node.and_then(|n| n.get("path"));
        let path = (or(path.map_or("", |p| p.text_of("type")), "PathPrefix"), or(path.map_or("", |p| p.text_of("value")), "/"));
        let method = node.and_then(|n| n.get("method"));
        let method = match method {
            Some(m) if m.is_mapping() => (or(m.text_of("type"), "Exact"), m.text_of("service"), m.text_of("method")),
            Some(m) => ("", "", m.text()),
            None => ("", "", ""),
        };
        let mut headers = BTreeMap::new();
        let mut query = BTreeMap::new();
        // Of several with one name the first counts.
        for h in node.into_iter().flat_map(|n| n.list("headers")) {
            headers.entry(h.text_of("name").to_ascii_lowercase()).or_insert(condition(h));
        }
        for q in node.into_iter().flat_map(|n| n.list("queryParams")) {
            query.entry(q.text_of("name")).or_insert(condition(q));
        }
        Match { path, method, headers, query }
    }
}
