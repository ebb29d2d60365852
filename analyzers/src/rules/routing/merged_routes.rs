//! ## MSH0103 ShadowedByMerge (Warning)
//!
//! **What it checks.** VirtualServices with the same hosts on the same gateway, which Istio merges: a rule whose every
//! request rules of an older VirtualService take. Where the objects' ages are not known, two rules that take exactly
//! the same requests: the younger of them is never used. Rules that take everything come last, whatever their age.
//!
//! **Why it matters.** The first rule that matches takes the request: the other never does anything, and which one that
//! is depends on when the objects were created.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
//! spec: {hosts: [shop.example.com], gateways: [edge/public], http: [{match: [{uri: {prefix: /cart}}], directResponse: {status: 200}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart-v2, namespace: shop, creationTimestamp: "2025-02-01T00:00:00Z"}
//! spec: {hosts: [shop.example.com], gateways: [edge/public], http: [{match: [{uri: {prefix: /cart/v2}}], directResponse: {status: 204}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: all, namespace: shop, creationTimestamp: "2025-01-01T00:00:00Z"}
//! spec: {hosts: [shop.example.com], gateways: [edge/public], http: [{match: [{uri: {prefix: /}}], directResponse: {status: 200}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: shop, creationTimestamp: "2025-02-01T00:00:00Z"}
//! spec: {hosts: [shop.example.com], gateways: [edge/public], http: [{match: [{uri: {prefix: /cart}}], directResponse: {status: 204}}]}
//! ```

use super::http_match::{HttpMatch, matches_of};
use super::shadowed_route::gateways_of;
use crate::codes::MSH0103;
use crate::containment::Requests;
use crate::rule::{Context, Sink};
use crate::rules::virtual_service::gateway_reference::split_name;
use mesh_model::{Kind, Node, Object, Role};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// Rules of one host on one gateway beyond this are not compared with all others.
const MOST: usize = 100;

/// A gateway, and the hosts that a VirtualService has there.
type Key<'a> = (&'a str, &'a str, Vec<&'a str>);

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut groups: BTreeMap<Key<'a>, Vec<(&'a Object, &'a str)>> = BTreeMap::new();
    for vs in cx.mesh.objects(Kind::VirtualService).iter().copied() {
        let Some(spec) = vs.spec().filter(|s| s.get("http").is_some_and(|h| !h.is_empty())) else { continue };
        let exported = spec.list("exportTo").next().is_none() || spec.list("exportTo").any(|e| e.text() == "*");
        let mut hosts: Vec<&str> = spec.list("hosts").map(Node::text).collect();
        if hosts.is_empty() || !exported {
            continue;
        }
        hosts.sort_unstable();
        hosts.dedup();
        for gateway in gateways_of(spec).into_iter().filter(|g| *g != "mesh") {
            let (namespace, name) = split_name(gateway, vs.namespace());
            groups.entry((namespace, name, hosts.clone())).or_default().push((vs, gateway));
        }
    }
    let mut said = FxHashSet::default();
    for ((namespace, name, _), members) in groups.iter().filter(|(_, m)| m.len() > 1) {
        let gateway = format!("{namespace}/{name}");
        if members.iter().all(|(vs, _)| is_time(vs.creation())) {
            ordered(sink, &gateway, members, &mut said);
        } else {
            unordered(sink, &gateway, members, &mut said);
        }
    }
}

/// `2025-01-01T00:00:00Z`, which sorts as text.
fn is_time(text: &str) -> bool {
    text.len() == 20 && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T')
}

/// A rule, and what it takes on the gateway.
struct Rule<'a> {
    vs: &'a Object,
    index: usize,
    node: Node<'a>,
    matches: Vec<HttpMatch<'a>>,
}

fn rules_of<'a>(vs: &'a Object, gateway: &str) -> Vec<Rule<'a>> {
    let Some(spec) = vs.spec() else { return Vec::new() };
    let gateways = gateways_of(spec);
    let mut out = Vec::new();
    for (index, node) in spec.list("http").enumerate().filter(|(_, n)| n.is_mapping()) {
        let Some(all) = matches_of(node, &gateways) else { continue };
        let mut matches: Vec<_> = all.into_iter().filter(|m| m.gateways.contains(gateway)).collect();
        // What delegates takes only what the delegate matches too.
        if node.get("delegate").is_some() {
            continue;
        }
        // Istio gives the gateway nothing of an object that comes behind what takes everything.
        let end = matches.iter().position(|m| is_catch_all(m) && m.node.get("port").is_none() && m.node.get("sourceLabels").is_none());
        if let Some(end) = end {
            matches.truncate(end + 1);
        }
        if !matches.is_empty() {
            out.push(Rule { vs, index, node, matches });
        }
        if end.is_some() {
            break;
        }
    }
    out
}

/// Whether Istio moves a match behind all others: any path, and nothing of the request's headers.
fn is_catch_all(m: &HttpMatch<'_>) -> bool {
    let of_headers = ["method", "authority", "scheme", "headers", "withoutHeaders", "queryParams"];
    let any_path = m.node.get("uri").is_none_or(|u| u.text_of("prefix") == "/" || u.text_of("regex") == ".*" || u.is_empty());
    m.requests == Requests::default() || (any_path && !of_headers.iter().any(|f| m.node.get(f).is_some_and(|v| !v.is_empty())))
}

/// Oldest first, then by name and namespace: each rule against those of older objects.
fn ordered<'a>(sink: &mut Sink<'a>, gateway: &str, members: &[(&'a Object, &'a str)], said: &mut FxHashSet<(usize, u32)>) {
    let mut members = members.to_vec();
    members.sort_by_key(|(vs, _)| (vs.creation(), vs.name(), vs.namespace()));
    let mut before: Vec<Rule<'a>> = Vec::new();
    for (vs, name) in members {
        let own = rules_of(vs, name);
        for rule in &own {
            let covers: Option<Vec<_>> = rule.matches.iter().map(|m| cover(m, &before)).collect();
            if let Some(other) = covers.and_then(|c| c.into_iter().next())
                && vs.role == Role::Judged
                && said.insert(id(rule.node))
            {
                let at = rule.matches.first().map_or(rule.node, |m| m.node);
                let message = format!(
                    "rule {} never takes a request at gateway `{gateway}`: VirtualService `{}` has the same hosts, is older, and takes all of its{}",
                    label(rule),
                    other.0.full_name(),
                    witness(rule)
                );
                sink.report(&MSH0103, vs, at, message).help("put the rules of one host into one VirtualService, the narrower first").related(
                    other.0,
                    other.1,
                    "taken here",
                );
            }
        }
        if before.len() < MOST {
            before.extend(own);
        }
    }
}

fn id(node: Node<'_>) -> (usize, u32) {
    (std::ptr::from_ref(node.tree()) as usize, node.id())
}

/// The first of the older matches that take everything that `m` does.
fn cover<'a>(m: &HttpMatch<'a>, before: &[Rule<'a>]) -> Option<(&'a Object, Node<'a>)> {
    let last = is_catch_all(m);
    let candidates: Vec<(&'a Object, &HttpMatch<'a>)> =
        before.iter().flat_map(|r| r.matches.iter().map(|b| (r.vs, b))).filter(|(_, b)| last || !is_catch_all(b)).collect();
    if let Some((vs, one)) = candidates.iter().find(|(_, b)| m.requests.contained_in(&b.requests)) {
        return Some((vs, one.node));
    }
    let sets: Vec<&Requests> = candidates.iter().map(|(_, b)| &b.requests).collect();
    let all = sets.len() > 1 && m.requests.contained_in_union(&sets);
    candidates.first().filter(|_| all).map(|(vs, b)| (*vs, b.node))
}

/// Rules that take the same requests, where nobody knows which object is older.
fn unordered<'a>(sink: &mut Sink<'a>, gateway: &str, members: &[(&'a Object, &'a str)], said: &mut FxHashSet<(usize, u32)>) {
    let mut before: Vec<Rule<'a>> = Vec::new();
    for (vs, name) in members {
        let own = rules_of(vs, name);
        for rule in &own {
            let Some(other) = before.iter().find(|b| within(rule, b) && within(b, rule)) else { continue };
            let (told, other) = if vs.role == Role::Judged { (rule, other) } else { (other, rule) };
            if !said.insert(id(told.node)) {
                continue;
            }
            let at = told.matches.first().map_or(told.node, |m| m.node);
            let message = format!(
                "rule {} takes the same requests at gateway `{gateway}` as rule {} of VirtualService `{}`, which has the same hosts: that of the younger object never takes one{}",
                label(told),
                label(other),
                other.vs.full_name(),
                witness(told)
            );
            let at_other = other.matches.first().map_or(other.node, |m| m.node);
            sink.report(&MSH0103, told.vs, at, message).help("keep one of the two, or put the rules of one host into one VirtualService").related(
                other.vs,
                at_other,
                "the same requests",
            );
        }
        if before.len() < MOST {
            before.extend(own);
        }
    }
}

/// Whether each match of a rule is within one of another, of the same place in the order.
fn within(inner: &Rule<'_>, outer: &Rule<'_>) -> bool {
    inner
        .matches
        .iter()
        .all(|m| outer.matches.iter().any(|o| is_catch_all(m) == is_catch_all(o) && (m.requests == o.requests || m.requests.contained_in(&o.requests))))
}

fn label(rule: &Rule<'_>) -> String {
    match rule.node.text_of("name") {
        "" => format!("#{}", rule.index),
        name => format!("`{name}`"),
    }
}

fn witness(rule: &Rule<'_>) -> String {
    rule.matches.first().and_then(|m| m.requests.witness()).map_or_else(String::new, |w| format!("; for example `{w}`"))
}

#[cfg(test)]
mod tests {
    use crate::{Options, analyze};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    /// Names of the objects told of: `a` is older than `b` where the times say so.
    fn told(a: &str, b: &str, times: [&str; 2]) -> Vec<String> {
        let one = |name, time: &str, spec: &str| {
            let time = if time.is_empty() { String::new() } else { format!(", creationTimestamp: \"{time}\"") };
            format!("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: shop{time}}}\nspec: {spec}\n---\n")
        };
        let source = Source::new("", one("a", times[0], a) + &one("b", times[1], b));
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        let options = Options::default();
        analyze(&mesh, &options, |r| r.name == "merged-routes").findings.iter().map(|f| f.object.name().to_owned()).collect()
    }

    const UNKNOWN: [&str; 2] = ["", ""];
    const A_FIRST: [&str; 2] = ["2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z"];
    const B_FIRST: [&str; 2] = ["2025-01-02T00:00:00Z", "2025-01-01T00:00:00Z"];
    const CART: &str = "{hosts: [x.com], gateways: [edge/g], http: [{match: [{uri: {prefix: /cart}}], route: []}]}";
    const CART_2: &str = "{hosts: [x.com], gateways: [edge/g], http: [{match: [{uri: {exact: /cart/2}}], route: []}]}";
    const ALL: &str = "{hosts: [x.com], gateways: [edge/g], http: [{route: []}]}";

    #[test]
    fn the_younger_is_told_of_where_ages_are_known() {
        assert_eq!(told(CART, CART_2, A_FIRST), ["b"]);
        assert!(told(CART, CART_2, B_FIRST).is_empty());
        assert_eq!(told(CART, CART, B_FIRST), ["a"]);
        assert_eq!(told(CART, CART, [A_FIRST[0], A_FIRST[0]]), ["b"]);
    }

    #[test]
    fn the_same_requests_are_told_of_where_they_are_not() {
        assert_eq!(told(CART, CART, UNKNOWN), ["b"]);
        assert!(told(CART, CART_2, UNKNOWN).is_empty() && told(CART_2, CART, UNKNOWN).is_empty());
    }

    #[test]
    fn what_takes_everything_comes_last() {
        assert!(told(ALL, CART, A_FIRST).is_empty());
        assert_eq!(told(ALL, ALL, A_FIRST), ["b"]);
        let on_port = "{hosts: [x.com], gateways: [edge/g], http: [{match: [{uri: {prefix: /}, port: 80}], route: []}]}";
        let narrow = "{hosts: [x.com], gateways: [edge/g], http: [{match: [{uri: {prefix: /a}, port: 80}], route: []}]}";
        assert!(told(on_port, narrow, A_FIRST).is_empty());
    }

    #[test]
    fn an_object_ends_with_what_takes_everything() {
        let unreached = "{hosts: [x.com], gateways: [edge/g], http: [{match: [{uri: {prefix: /}}, {uri: {prefix: /cart}}], route: []}, {match: [{uri: {prefix: /cart}}], route: []}]}";
        assert!(told(unreached, CART, A_FIRST).is_empty());
        assert!(told(unreached, CART, UNKNOWN).is_empty());
        // On one port only: the rest is for the others.
        let on_port = unreached.replace("{uri: {prefix: /}}", "{uri: {prefix: /}, port: 80}");
        assert_eq!(told(&on_port, CART, A_FIRST), ["b"]);
    }

    #[test]
    fn only_what_is_merged_counts() {
        for other in [
            "{hosts: [y.com], gateways: [edge/g], http: [{match: [{uri: {prefix: /cart}}], route: []}]}",
            "{hosts: [x.com, y.com], gateways: [edge/g], http: [{match: [{uri: {prefix: /cart}}], route: []}]}",
            "{hosts: [x.com], gateways: [edge/h], http: [{match: [{uri: {prefix: /cart}}], route: []}]}",
            "{hosts: [x.com], gateways: [edge/g], exportTo: [.], http: [{match: [{uri: {prefix: /cart}}], route: []}]}",
            "{hosts: [x.com], gateways: [edge/g, mesh], http: [{match: [{uri: {prefix: /cart}, gateways: [mesh]}], route: []}]}",
        ] {
            assert!(told(CART, other, A_FIRST).is_empty(), "{other}");
        }
    }
}
