//! Methods and paths of policies, from the requests that access logs tell.

use crate::args::generate::Operations;
use crate::telemetry::requests::Asked;
use mesh_model::{Kind, Node};
use mesh_resolver::{Mesh, Workload, host};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Of more values than that in one place of a path, each one is taken for one of many.
const SIBLINGS: usize = 10;
/// A policy with more patterns than that says methods alone.
const PATTERNS: usize = 200;
/// Behind so many segments a path is told by its beginning: whoever asks for `////…` may neither fill a policy nor take our time.
const DEEPEST: usize = 32;

/// The operations of one caller at a port: what it asked for, and what somebody did of whom the log does not tell.
pub fn of(asked: &Asked, identity: &str, port: u16, level: Operations) -> Vec<Value> {
    let own = asked.iter().filter(|(_, whose)| whose.iter().any(|w| w.as_deref().is_none_or(|w| w == identity)));
    let mut by_method: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    own.for_each(|((method, path), _)| _ = by_method.entry(method).or_default().insert(path));
    let ports = [port.to_string()];
    let methods = |methods: &[&str]| json!({"ports": ports, "methods": methods});
    // A request without a path, and what no pattern can say, needs its method alone.
    let is_plain = |paths: &BTreeSet<&str>| paths.iter().all(|p| p.starts_with('/'));
    let (with_paths, without): (Vec<_>, Vec<_>) = by_method.into_iter().partition(|(_, paths)| level == Operations::Paths && is_plain(paths));
    let patterns: Vec<(&str, BTreeSet<String>)> = with_paths.into_iter().map(|(method, paths)| (method, patterns(&paths))).collect();
    let is_too_much = patterns.iter().map(|(_, p)| p.len()).sum::<usize>() > PATTERNS;
    let mut out = Vec::new();
    let mut bare: Vec<&str> = without.into_iter().map(|(method, _)| method).collect();
    if is_too_much {
        bare.extend(patterns.iter().map(|(method, _)| *method));
    } else {
        // Paths with the same methods stand together.
        let mut by_pattern: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (method, pattern) in patterns.into_iter().flat_map(|(m, p)| p.into_iter().map(move |p| (m, p))) {
            by_pattern.entry(pattern).or_default().push(method);
        }
        let mut by_methods: BTreeMap<Vec<&str>, Vec<String>> = BTreeMap::new();
        by_pattern.into_iter().for_each(|(pattern, methods)| by_methods.entry(methods).or_default().push(pattern));
        out.extend(by_methods.into_iter().map(|(methods, paths)| json!({"ports": ports, "methods": methods, "paths": paths})));
    }
    bare.sort_unstable();
    if !bare.is_empty() {
        out.push(methods(&bare));
    }
    out
}

/// The methods with which operations let through every path, though paths were to be told.
pub fn open(operations: &[Value]) -> BTreeSet<&str> {
    let is_open = |o: &&Value| o["paths"].as_array().is_none_or(|paths| paths.iter().any(|p| p == "/*"));
    let methods = operations.iter().filter(is_open).filter_map(|o| o["methods"].as_array()).flatten();
    // A CONNECT has no path.
    methods.filter_map(Value::as_str).filter(|m| *m != "CONNECT").collect()
}

/// The paths as Istio matches them: whole, or by a prefix before what differs from request to request.
fn patterns(paths: &BTreeSet<&str>) -> BTreeSet<String> {
    // How many values stand in one place.
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in paths {
        for (before, segment) in segments(path).take(DEEPEST) {
            values.entry(before).or_default().insert(segment);
        }
    }
    let cut = |path: &str| {
        segments(path).take(DEEPEST + 1).enumerate().find_map(|(depth, (before, segment))| {
            // Of the first place many are many things, and not many of one; its prefix is everything.
            let is_first = before == "/";
            let is_one_of_many = values.get(before).is_some_and(|v| v.len() > SIBLINGS);
            let is_cut = if is_first { is_secret(segment) } else { is_number(segment) || is_secret(segment) || is_one_of_many };
            (is_cut || depth == DEEPEST).then(|| format!("{before}*"))
        })
    };
    let all: BTreeSet<String> = paths.iter().map(|p| cut(p).unwrap_or_else(|| (*p).to_owned())).collect();
    let prefixes: Vec<&str> = all.iter().filter_map(|p| p.strip_suffix('*')).collect();
    let is_covered = |p: &str| prefixes.iter().any(|prefix| p.starts_with(prefix) && p != format!("{prefix}*"));
    all.iter().filter(|p| !is_covered(p)).cloned().collect()
}

/// The segments of a path, each with all that stands before it: `/a/b` is (`/`, `a`), (`/a/`, `b`).
fn segments(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let starts = path.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(i, _)| i + 1);
    starts.map(move |at| {
        let (before, rest) = path.split_at(at);
        (before, rest.split('/').next().unwrap_or(""))
    })
}

/// Whether a segment is one of something that there are many of.
fn is_number(segment: &str) -> bool {
    segment.bytes().any(|b| b.is_ascii_digit()) && segment.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.' | b',' | b'_'))
}

/// Whether a segment may be a UUID, a hash or a token, or can't be written in a policy.
fn is_secret(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment.bytes().filter(|b| b.is_ascii_hexdigit() || *b == b'-').count();
    let length = segment.len();
    let is_hash = length >= 8 && hex == length && digits > 0 && !is_number(segment);
    let is_token = length >= 16 && digits >= 2;
    // `*` and `{` mean something in a policy, and what is no plain text may be another's.
    let is_odd = segment.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'*' | b'{' | b'}' | b'"' | b'\\')) || length > 64;
    is_hash || is_token || is_odd
}

/// Whether something rewrites the paths of requests to a workload: logs have the path from before, policies see the one after.
pub fn rewrites(mesh: &Mesh<'_>, w: &Workload<'_>) -> Option<String> {
    let services = mesh.services.selecting(w);
    let is_own = |fqdn: &str| services.iter().any(|s| s.hosts.iter().any(|h| h == fqdn));
    let of_istio = mesh.objects_everywhere(Kind::VirtualService).iter().find(|vs| {
        let routes = vs.spec().into_iter().flat_map(|s| s.list("http"));
        routes.into_iter().any(|r| {
            let leads = |d: Node<'_>| is_own(&host::expand(d.at(&["destination", "host"]).map_or("", Node::text), vs.namespace(), mesh.domain));
            let changes = |r: Node<'_>| r.get("uri").is_some() || r.get("uriRegexRewrite").is_some();
            r.get("rewrite").is_some_and(changes) && r.list("route").any(leads)
        })
    });
    let of_gateways = || {
        let all = [Kind::HttpRoute, Kind::GrpcRoute].into_iter().flat_map(|k| mesh.objects_everywhere(k));
        all.into_iter().find(|route| {
            let rules = route.spec().into_iter().flat_map(|s| s.list("rules"));
            rules.into_iter().any(|rule| {
                let leads = |b: Node<'_>| {
                    let namespace = Some(b.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(route.namespace());
                    services.iter().any(|s| s.object.name() == b.text_of("name") && s.namespace == namespace)
                };
                let changes = |f: Node<'_>| f.text_of("type") == "URLRewrite" && f.at(&["urlRewrite", "path"]).is_some();
                rule.list("filters").any(changes) && rule.list("backendRefs").any(leads)
            })
        })
    };
    of_istio.or_else(of_gateways).map(|o| o.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_paths(paths: &[&str]) -> Vec<String> {
        patterns(&paths.iter().copied().collect()).into_iter().collect()
    }

    #[test]
    fn what_differs_from_request_to_request_becomes_a_prefix() {
        assert_eq!(of_paths(&["/reviews/1", "/reviews/22", "/health"]), ["/health", "/reviews/*"]);
        assert_eq!(of_paths(&["/orders/7d5a9f7e-11aa-4a5b-9d61-0a1b2c3d4e5f/items"]), ["/orders/*"]);
        assert_eq!(of_paths(&["/t/eyJhbGciOiJIUzI1NiIsInR5cCI6"]), ["/t/*"]);
        // Words are words, however long; a version is no id.
        assert_eq!(of_paths(&["/productpage", "/api/v1/products", "/shop.Cart/GetItems"]), ["/api/v1/products", "/productpage", "/shop.Cart/GetItems"]);
        assert_eq!(of_paths(&["/a/*", "/b/{x}", "/c/\u{e4}"]), ["/a/*", "/b/*", "/c/*"]);
        // A prefix takes what it covers with it.
        assert_eq!(of_paths(&["/reviews/1", "/reviews/new", "/reviews"]), ["/reviews", "/reviews/*"]);
        let many: Vec<String> = ('a'..='l').map(|c| format!("/products/{c}-shoe")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(of_paths(&many), ["/products/*"]);
        assert_eq!(of_paths(&many[..SIBLINGS]).len(), SIBLINGS);
        // Nothing is known of the first place.
        let first: Vec<String> = ('a'..='l').map(|c| format!("/{c}")).collect();
        assert_eq!(of_paths(&first.iter().map(String::as_str).collect::<Vec<_>>()).len(), 12);
    }

    #[test]
    fn every_path_is_matched_by_its_pattern() {
        let deep = "/d".repeat(100_000);
        let paths = ["/", "/a", "/a/1", "/a/1/b", "//", "/a//b", "/x/0123456789abcdef/y", "/q/%20", "/1", &"/".repeat(60_000), &deep];
        let patterns = of_paths(&paths);
        assert!(patterns.iter().all(|p| p.len() < 1000), "a policy is no place for such paths");
        for path in paths {
            assert!(patterns.iter().any(|p| p.strip_suffix('*').map_or(p == path, |prefix| path.starts_with(prefix))), "{path}: {patterns:?}");
        }
    }

    #[test]
    fn methods_that_are_open_to_every_path_are_told() {
        let of = |paths: &[(&str, &str)]| {
            let asked: Asked = paths.iter().map(|(m, p)| (((*m).to_owned(), (*p).to_owned()), [None].into())).collect();
            let operations = super::of(&asked, "a", 80, Operations::Paths);
            open(&operations).into_iter().collect::<Vec<_>>().join(",")
        };
        assert_eq!(of(&[("GET", "/a"), ("POST", "/a/1"), ("CONNECT", "")]), "");
        assert_eq!(of(&[("GET", "/eyJhbGciOiJIUzI1NiIsInR5cCI6"), ("POST", "/a")]), "GET");
        assert_eq!(of(&[("OPTIONS", "*"), ("GET", "/a")]), "OPTIONS");
        let many: Vec<String> = (0..=PATTERNS).map(|i| format!("/p{i}")).collect();
        assert_eq!(of(&many.iter().map(|p| ("GET", p.as_str())).collect::<Vec<_>>()), "GET");
    }

    #[test]
    fn a_caller_has_what_it_asked_for_and_what_nobody_claims() {
        let whose = |list: &[Option<&str>]| list.iter().map(|w| w.map(str::to_owned)).collect();
        let asked: Asked = [
            (("GET".to_owned(), "/own".to_owned()), whose(&[Some("a")])),
            (("POST".to_owned(), "/own".to_owned()), whose(&[Some("a")])),
            (("GET".to_owned(), "/other".to_owned()), whose(&[Some("b")])),
            (("PUT".to_owned(), "/any".to_owned()), whose(&[None])),
        ]
        .into();
        let of = |id, level| super::of(&asked, id, 80, level);
        assert_eq!(
            of("a", Operations::Paths),
            [json!({"ports": ["80"], "methods": ["GET", "POST"], "paths": ["/own"]}), json!({"ports": ["80"], "methods": ["PUT"], "paths": ["/any"]})]
        );
        assert_eq!(of("b", Operations::Methods), [json!({"ports": ["80"], "methods": ["GET", "PUT"]})]);
        let connect: Asked = [(("CONNECT".to_owned(), String::new()), whose(&[None]))].into();
        assert_eq!(super::of(&connect, "a", 80, Operations::Paths), [json!({"ports": ["80"], "methods": ["CONNECT"]})]);
    }
}
