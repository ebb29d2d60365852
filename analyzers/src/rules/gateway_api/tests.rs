//! What the rules of the area say of variations of one small set-up.

use crate::{Options, analyze};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{name: http, port: 80, targetPort: 8080}]}\n---\n";

fn gateway(listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: g, namespace: shop}}\nspec: {{gatewayClassName: istio, listeners: [{listeners}]}}\n---\n"
    )
}

fn route(kind: &str, namespace: &str, spec: &str) -> String {
    format!("apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: r, namespace: {namespace}}}\nspec: {spec}\n---\n")
}

fn codes(text: &str, completeness: Completeness) -> Vec<&'static str> {
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    snapshot.completeness = completeness;
    let mesh = mesh_resolver::Mesh::new(&snapshot);
    let options = Options::default();
    let of_area = |name: &str| super::RULES.iter().any(|r| r.name == name);
    analyze(&mesh, &options, |r| of_area(r.name)).findings.iter().map(|f| f.code.id).collect()
}

fn complete(text: &str) -> Vec<&'static str> {
    codes(text, Completeness::Complete)
}

const HTTP: &str = "{name: a, port: 80, protocol: HTTP, hostname: '*.example.com'}, {name: b, port: 81, protocol: HTTP, hostname: '*.example.org'}";
const TO_WEB: &str = "rules: [{backendRefs: [{name: web, port: 80}]}]";

#[test]
fn one_listener_that_takes_a_route_is_enough() {
    let base = SERVICE.to_owned() + &gateway(HTTP);
    let on = |parent: &str, hostnames: &str| {
        complete(&(base.clone() + &route("HTTPRoute", "shop", &format!("{{parentRefs: [{parent}], hostnames: {hostnames}, {TO_WEB}}}"))))
    };
    assert!(on("{name: g}", "[x.example.org]").is_empty());
    assert!(on("{name: g, port: 81}", "[x.example.org]").is_empty());
    assert!(on("{name: g}", "[]").is_empty());
    assert_eq!(on("{name: g, sectionName: a}", "[x.example.org]"), ["MSH0402"]);
    assert_eq!(on("{name: g, port: 80}", "[x.example.org]"), ["MSH0402"]);
    assert_eq!(on("{name: g, sectionName: a, port: 81}", "[]"), ["MSH0401"]);
    // One of two names is served by none.
    assert_eq!(on("{name: g}", "[x.example.org, x.example.net]"), ["MSH0402"]);
    assert_eq!(on("{name: other}", "[x.example.org]"), ["KIA1401"]);
    // Of other implementations nothing is known.
    assert!(on("{group: example.com, kind: Proxy, name: g}", "[x.example.org]").is_empty());
}

#[test]
fn kinds_and_namespaces_must_be_allowed() {
    let base = SERVICE.to_owned() + &gateway("{name: t, port: 9000, protocol: TCP}");
    assert_eq!(complete(&(base.clone() + &route("HTTPRoute", "shop", &format!("{{parentRefs: [{{name: g}}], {TO_WEB}}}")))), ["MSH0403"]);
    assert!(complete(&(base.clone() + &route("TCPRoute", "shop", &format!("{{parentRefs: [{{name: g}}], {TO_WEB}}}")))).is_empty());
    let elsewhere = "{parentRefs: [{name: g, namespace: shop}], rules: []}";
    assert_eq!(complete(&(base.clone() + &route("TCPRoute", "other", elsewhere))), ["MSH0403"]);
    let selected = gateway("{name: t, port: 9000, protocol: TCP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {x: y}}}}}");
    let of_other = route("TCPRoute", "other", elsewhere);
    // The labels of the namespace are not in a part.
    assert!(codes(&(selected.clone() + &of_other), Completeness::Part).is_empty());
    let labelled = "apiVersion: v1\nkind: Namespace\nmetadata: {name: other, labels: {x: y}}\n---\n";
    assert!(complete(&(selected + &of_other + labelled)).is_empty());
}

#[test]
fn backends_are_looked_up_where_they_are_owned() {
    let base = SERVICE.to_owned() + &gateway(HTTP);
    let to = |backend: &str| base.clone() + &route("HTTPRoute", "shop", &format!("{{parentRefs: [{{name: g}}], rules: [{{backendRefs: [{backend}]}}]}}"));
    assert_eq!(complete(&to("{name: reviews, port: 80}")), ["KIA1402"]);
    assert_eq!(complete(&to("{name: web, port: 8080}")), ["MSH0404"]);
    assert_eq!(complete(&to("{name: web.shop.svc.cluster.local, port: 80}")), ["KIA1402"]);
    assert_eq!(complete(&to("{name: web, namespace: other, port: 80}")), ["MSH0405"]);
    assert_eq!(complete(&to("{kind: Bucket, name: web, port: 80}")), ["MSH0406"]);
    assert!(complete(&to("{name: web, port: 80}")).is_empty());
    assert!(codes(&to("{name: web, namespace: other, port: 80}"), Completeness::Part).is_empty());
    // Routes of the mesh need no grant.
    let mesh = route(
        "HTTPRoute",
        "other",
        "{parentRefs: [{group: '', kind: Service, name: web, namespace: shop}], rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]}",
    );
    assert!(complete(&(SERVICE.to_owned() + &mesh)).is_empty());
}

#[test]
fn listeners_exclude_each_other_by_port_hostname_and_protocol() {
    for (listeners, conflict) in [
        ("{name: a, port: 443, protocol: HTTPS, hostname: a.com}, {name: b, port: 443, protocol: TLS, hostname: b.com}", false),
        ("{name: a, port: 443, protocol: HTTPS, hostname: a.com}, {name: b, port: 443, protocol: TLS, hostname: a.com}", true),
        ("{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP, hostname: a.com}", false),
        ("{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: TCP}", true),
        // The definition of the kind refuses it.
        ("{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}", false),
    ] {
        assert_eq!(complete(&gateway(listeners)).contains(&"MSH0407"), conflict, "{listeners}");
    }
}

#[test]
fn the_oldest_listener_set_wins() {
    let set = |name: &str, time: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {{name: {name}, namespace: shop, creationTimestamp: \"{time}\"}}\nspec: {{parentRef: {{name: g}}, listeners: [{{name: x, port: 90, protocol: HTTP, hostname: a.com}}]}}\n---\n"
        )
    };
    let sets = set("late", "2025-02-01T00:00:00Z") + &set("early", "2025-01-01T00:00:00Z");
    let closed = gateway("{name: a, port: 80, protocol: HTTP}");
    assert_eq!(complete(&(closed.clone() + &sets)), ["MSH0403", "MSH0403"]);
    let open = closed.replace("gatewayClassName: istio,", "gatewayClassName: istio, allowedListeners: {namespaces: {from: Same}},");
    assert_eq!(complete(&(open + &sets)), ["MSH0407"]);
}

#[test]
fn equal_matches_are_found_however_they_are_written() {
    let of = |matches: &str| complete(&route("HTTPRoute", "shop", &format!("{{rules: [{{matches: {matches}}}]}}")));
    assert_eq!(of("[{headers: [{name: A, value: x}, {name: b, value: y}]}, {headers: [{name: b, value: y, type: Exact}, {name: a, value: x}]}]"), ["MSH0409"]);
    assert!(of("[{headers: [{name: a, value: x}]}, {headers: [{name: a, value: x, type: RegularExpression}]}]").is_empty());
    assert!(of("[{method: GET}, {method: POST}, {}]").is_empty());
    assert_eq!(complete(&route("HTTPRoute", "shop", "{rules: [{name: a}, {matches: [{path: {value: /}}]}]}")), ["MSH0409"]);
}
