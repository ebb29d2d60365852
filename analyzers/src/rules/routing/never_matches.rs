//! ## MSH0104 MatchNeverHolds (Warning)
//!
//! **What it checks.** An HTTP match of a VirtualService that no request meets: an `exact` or `prefix` of `uri` that does
//! not begin with `/`, holds a query, or ends with a `*`, which is a letter like any other there; a method that is not in capitals; a
//! gateway that the VirtualService is not bound to.
//!
//! **Why it matters.** The rule is passed over: its requests take a later one, or get 404.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   hosts: [cart.example.com]
//!   http:
//!   - match: [{uri: {prefix: api/}}]
//!     directResponse: {status: 200}
//!   - match: [{uri: {prefix: "/items/*"}}]
//!     directResponse: {status: 200}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   hosts: [cart.example.com]
//!   http:
//!   - match: [{uri: {prefix: /api/}}, {uri: {regex: "/v[0-9]+/.*"}}]
//!     directResponse: {status: 200}
//!   - match: [{uri: {exact: /items}, queryParams: {page: {exact: "2"}}, method: {exact: GET}, gateways: [mesh]}]
//!     directResponse: {status: 200}
//! ```

use super::shadowed_route::gateways_of;
use crate::codes::MSH0104;
use crate::rule::{Context, Sink};
use crate::rules::virtual_service::gateway_reference::split_name;
use mesh_model::{Kind, Node, Role};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for vs in cx.mesh.objects(Kind::VirtualService).iter().copied().filter(|v| v.role == Role::Judged) {
        let Some(spec) = vs.spec() else { continue };
        let bound: Vec<_> = gateways_of(spec).into_iter().map(|g| split_name(g, vs.namespace())).collect();
        // A delegate is bound to the gateways of those that delegate to it.
        let is_root = spec.list("hosts").next().is_some();
        for m in spec.list("http").flat_map(|route| route.list("match")) {
            for never in of_match(m) {
                let finding = sink.report(&MSH0104, vs, never.at, never.says);
                finding.help(never.help);
                if let Some(instead) = never.instead.filter(|_| never.at.source().slice(never.at.span()) == never.at.text()) {
                    finding.fix(format!("replace with `{instead}`"), never.at.span(), instead);
                }
            }
            let own: Vec<Node<'a>> = m.list("gateways").collect();
            if let Some(first) = own.first().filter(|_| is_root && own.iter().all(|g| !bound.contains(&split_name(g.text(), vs.namespace())))) {
                sink.report(&MSH0104, vs, *first, format!("the match never holds: the VirtualService is not bound to gateway `{}`", first.text()))
                    .help("name it in the VirtualService's `gateways` too; those of a match only narrow them");
            }
        }
    }
}

/// Why a match holds for no request.
struct Never<'a> {
    at: Node<'a>,
    says: String,
    help: String,
    /// What may be written in its place.
    instead: Option<String>,
}

/// Whether a match holds for no request, whatever stands before it.
pub fn is_never(m: Node<'_>) -> bool {
    of_match(m).next().is_some()
}

fn of_match<'a>(m: Node<'a>) -> impl Iterator<Item = Never<'a>> {
    let of = |field: &str, kind: &str| m.get(field).and_then(|f| f.get(kind)).filter(|v| v.str().is_some_and(|t| !t.is_empty()));
    let paths = [of("uri", "exact").map(|at| (at, "exact")), of("uri", "prefix").map(|at| (at, "prefix"))];
    paths.into_iter().flatten().filter_map(|(at, kind)| path(at, kind)).chain(of("method", "exact").and_then(method))
}

fn path<'a>(at: Node<'a>, kind: &str) -> Option<Never<'a>> {
    let path = at.text();
    // `OPTIONS *` asks for no path.
    if path == "*" && kind == "exact" {
        return None;
    }
    let (says, help, instead) = if path.contains("://") {
        ("paths begin with `/`", "hosts stand in `hosts` and `authority`".to_owned(), None)
    } else if !path.starts_with('/') {
        ("paths begin with `/`", format!("write `/{path}`"), Some(format!("/{path}")))
    } else if path.contains(['?', '#']) {
        ("paths are compared without the query", "leave it out, and match it in `queryParams`".to_owned(), None)
    } else {
        let before = path.strip_suffix('*').map(|p| p.trim_end_matches('*'))?;
        let help = match kind {
            "prefix" => format!("write `{before}`: a prefix takes whatever follows"),
            _ => format!("write `prefix: {before}`"),
        };
        let instead = (kind == "prefix").then(|| before.to_owned());
        let says = format!("`{kind}: {path}` matches only paths that have a `*` there: it is no wildcard in `exact` and `prefix`");
        return Some(Never { at, says, help, instead });
    };
    Some(Never { at, says: format!("`{kind}: {path}` never matches: {says}"), help, instead })
}

fn method(at: Node<'_>) -> Option<Never<'_>> {
    let method = at.text();
    let upper = method.to_ascii_uppercase();
    (method != upper).then(|| Never {
        at,
        says: format!("method `{method}` never matches: methods are in capitals"),
        help: format!("write `{upper}`"),
        instead: Some(upper),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Options, analyze};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Role, Snapshot, Source};

    fn told(spec: &str) -> Vec<String> {
        let text = format!("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a, namespace: shop}}\nspec: {spec}\n");
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        let is = |name: &str| name == "never-matches" || name == "shadowed-route";
        analyze(&mesh, &Options::default(), |r| is(r.name)).findings.iter().map(|f| format!("{} {}", f.code.id, f.at.text())).collect()
    }

    #[test]
    fn what_no_request_meets_is_told_and_is_not_called_shadowed() {
        for (matches, want) in [
            ("{uri: {prefix: api}}", "MSH0104 api"),
            ("{uri: {exact: '/x?y=1'}}", "MSH0104 /x?y=1"),
            ("{uri: {exact: 'http://web/x'}}", "MSH0104 http://web/x"),
            ("{uri: {prefix: '/api/*'}}", "MSH0104 /api/*"),
            ("{method: {exact: get}}", "MSH0104 get"),
            ("{gateways: [other], uri: {prefix: /x}}", "MSH0104 other"),
        ] {
            let rules = format!("http: [{{match: [{{uri: {{prefix: /y}}}}], route: []}}, {{match: [{matches}], route: []}}]");
            assert_eq!(told(&format!("{{hosts: [x.com], gateways: [gw], {rules}}}")), [want], "{matches}");
        }
    }

    #[test]
    fn what_requests_meet_is_not() {
        for matches in [
            "{uri: {prefix: /}}",
            "{uri: {exact: '*'}, method: {exact: OPTIONS}}",
            "{uri: {regex: 'api.*'}}",
            "{uri: {exact: '/a*b'}}",
            "{uri: {prefix: ''}}",
            "{gateways: [shop/gw], uri: {prefix: /x}}",
            "{method: {exact: PROPFIND}}",
        ] {
            let spec = format!("{{hosts: [x.com], gateways: [gw], http: [{{match: [{matches}], route: []}}]}}");
            assert!(told(&spec).is_empty(), "{matches}: {:?}", told(&spec));
        }
        assert!(told("{http: [{match: [{gateways: [edge/gw], uri: {prefix: /x}}], route: []}]}").is_empty(), "a delegate");
    }
}
