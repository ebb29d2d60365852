//! ## MSH0101 ShadowedRoute (Warning)
//!
//! **What it checks.** A rule of a VirtualService whose every request an earlier rule takes: exact paths under a prefix,
//! expressions within expressions, matches that ask for more than one before them, several that share out all there is.
//!
//! **Why it matters.** The first rule that matches takes the request: the later rule never does anything.
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
//!   - match: [{uri: {prefix: /api}}]
//!     directResponse: {status: 200}
//!   - match: [{uri: {exact: /api/v1}}]
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
//!   - match: [{uri: {prefix: /api}, headers: {x-canary: {exact: "1"}}}]
//!     directResponse: {status: 200}
//!   - match: [{uri: {exact: /api/v1}}]
//!     directResponse: {status: 404}
//! ```
//!
//! ## MSH0102 ShadowedMatch (Info)
//!
//! **What it checks.** One match of several of a rule whose requests an earlier rule takes.
//!
//! **Why it matters.** The match has no effect; the rule's other matches have.
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
//!   - match: [{uri: {regex: "/api/.*"}}]
//!     directResponse: {status: 200}
//!   - match: [{uri: {exact: /api/v1}}, {uri: {exact: /v2}}]
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
//!   - match: [{uri: {regex: "/api/[0-9]+"}}]
//!     directResponse: {status: 200}
//!   - match: [{uri: {exact: /api/v1}}, {uri: {exact: /v2}}]
//!     directResponse: {status: 404}
//! ```

use super::http_match::{HttpMatch, matches_of};
use super::never_matches;
use crate::codes::{MSH0101, MSH0102};
use crate::containment::Requests;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};
use std::collections::BTreeSet;

/// Routes of one VirtualService beyond this are not compared with all before them.
const MOST_BEFORE: usize = 200;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for vs in cx.mesh.objects(Kind::VirtualService).iter().copied().filter(|v| v.role == Role::Judged) {
        // One without hosts is a delegate: what of it is in use depends on the matches of those that delegate to it.
        let is_root = |s: &Node<'_>| s.list("hosts").next().is_some();
        if let Some(spec) = vs.spec().filter(|s| is_root(s) && s.get("http").is_some_and(|h| h.len() > 1)) {
            check(sink, vs, spec);
        }
    }
}

/// The gateways that a VirtualService is bound to.
pub fn gateways_of(spec: Node<'_>) -> BTreeSet<&str> {
    let named: BTreeSet<&str> = spec.list("gateways").map(Node::text).collect();
    if named.is_empty() { BTreeSet::from(["mesh"]) } else { named }
}

fn check<'a>(sink: &mut Sink<'a>, vs: &'a Object, spec: Node<'a>) {
    let gateways = gateways_of(spec);
    let mut before: Vec<HttpMatch<'a>> = Vec::new();
    for (i, route) in spec.list("http").enumerate() {
        if !route.is_mapping() {
            continue;
        }
        let Some(mut own) = matches_of(route, &gateways) else { continue };
        // What no request meets is taken by nothing (MSH0104), and takes nothing.
        own.retain(|m| !never_matches::is_never(m.node));
        if own.is_empty() {
            continue;
        }
        let covering: Vec<Option<Vec<&HttpMatch<'a>>>> = own.iter().map(|m| cover(m, &before)).collect();
        let all = covering.iter().all(Option::is_some);
        // A rule that repeats earlier matches word for word is IST0130's.
        let repeats = own.iter().all(|m| before.iter().any(|b| b.requests == m.requests && b.gateways == m.gateways));
        if all && !repeats {
            report_rule(sink, vs, route, i, &own, covering.iter().flatten().flatten().copied());
        } else if !all {
            for (m, by) in own.iter().zip(&covering) {
                if let Some(by) = by.as_ref().filter(|by| !by.iter().any(|b| b.requests == m.requests)) {
                    report_match(sink, vs, m, by);
                }
            }
        }
        // What delegates takes only what the delegate matches too.
        if route.get("delegate").is_none() && before.len() < MOST_BEFORE {
            before.extend(own);
        }
        // After a rule without matches nothing is reached; IST0130 says so.
        if route.list("match").next().is_none() {
            return;
        }
    }
}

/// The earlier matches that take everything that `m` does, as few as are needed.
fn cover<'b, 'a>(m: &HttpMatch<'a>, before: &'b [HttpMatch<'a>]) -> Option<Vec<&'b HttpMatch<'a>>> {
    let candidates: Vec<&HttpMatch<'a>> = before.iter().filter(|b| m.gateways.is_subset(&b.gateways)).collect();
    if let Some(one) = candidates.iter().find(|b| m.requests.contained_in(&b.requests)) {
        return Some(vec![one]);
    }
    let sets: Vec<&Requests> = candidates.iter().map(|b| &b.requests).collect();
    (sets.len() > 1 && m.requests.contained_in_union(&sets)).then_some(candidates)
}

fn witness(m: &HttpMatch<'_>) -> String {
    m.requests.witness().map_or_else(String::new, |w| format!("; `{w}` is taken earlier"))
}

fn report_rule<'a, 'b>(sink: &mut Sink<'a>, vs: &'a Object, route: Node<'a>, i: usize, own: &[HttpMatch<'a>], by: impl Iterator<Item = &'b HttpMatch<'a>>)
where
    'a: 'b,
{
    let label = match route.text_of("name") {
        "" => format!("#{i}"),
        n => format!("`{n}`"),
    };
    let example = own.first().map(witness).unwrap_or_default();
    let finding =
        sink.report(&MSH0101, vs, own.first().map_or(route, |m| m.node), format!("rule {label} never takes a request: earlier rules take all of its{example}"));
    finding.help("put the narrower rule first, or remove it");
    let mut said = Vec::new();
    for b in by.take(4) {
        if !said.contains(&b.node) {
            said.push(b.node);
            finding.related(vs, b.node, "taken here");
        }
    }
}

fn report_match<'a>(sink: &mut Sink<'a>, vs: &'a Object, m: &HttpMatch<'a>, by: &[&HttpMatch<'a>]) {
    let finding = sink.report(&MSH0102, vs, m.node, format!("the match never takes a request: an earlier rule takes all of its{}", witness(m)));
    for b in by.iter().take(3) {
        finding.related(vs, b.node, "taken here");
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, analyze};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    fn codes(spec: &str) -> Vec<&'static str> {
        let source =
            Source::new("", format!("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a, namespace: shop}}\nspec: {spec}\n"));
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        analyze(&mesh, &Options::default(), |r| r.name == "shadowed-route").findings.iter().map(|f| f.code.id).collect()
    }

    #[test]
    fn what_follows_a_rule_without_matches_is_told_of_once() {
        let rest = "{match: [{uri: {prefix: /api}}], route: []}, {match: [{uri: {exact: /api/v1}}], route: []}";
        assert!(codes(&format!("{{hosts: [x.com], http: [{{name: first, route: []}}, {rest}]}}")).is_empty());
    }

    #[test]
    fn the_order_of_a_delegate_is_not_judged() {
        let rules = "http: [{match: [{uri: {prefix: /api}}], route: []}, {match: [{uri: {exact: /api/v1}}], route: []}]";
        assert_eq!(codes(&format!("{{hosts: [x.com], {rules}}}")), ["MSH0101"]);
        assert!(codes(&format!("{{{rules}}}")).is_empty());
    }

    #[test]
    fn the_caller_does_not_count_where_a_match_names_gateways() {
        let rules = |gateways| {
            format!(
                "{{hosts: [x.com], http: [{{match: [{{uri: {{prefix: /api}}, sourceLabels: {{app: web}}{gateways}}}], route: []}}, \
                 {{match: [{{uri: {{exact: /api/v1}}}}], route: []}}]}}"
            )
        };
        assert!(codes(&rules("")).is_empty());
        assert_eq!(codes(&rules(", gateways: [mesh]")), ["MSH0101"]);
    }
}
