//! What ztunnel makes of AuthorizationPolicies: connections only, no HTTP.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::ambient::ztunnel::{Connection, Decision, Peer, Ztunnel};
use mesh_resolver::translate::Model;

/// How a connection to port 8080 of `cart` fares.
fn fares(policies: &[(&str, &str)], peer: Peer<'_>) -> String {
    let mut text = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}}\n---\n\
        {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {app: cart}}, spec: {}}\n"
        .to_owned();
    for (name, spec) in policies {
        text +=
            &format!("---\n{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: {name}, namespace: shop}}, spec: {{{spec}}}}}\n");
    }
    let source = Source::new("", text);
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    let connection = Connection { peer, source: Some("10.1.0.9".parse().expect("an address")), destination: None, port: 8080 };
    match Ztunnel::of(&model, 0).judge(&connection) {
        Decision::Allowed(None) => "allowed".to_owned(),
        Decision::Allowed(Some(r)) => format!("allowed by {} {}", r.policy.name(), r.index),
        Decision::Denied(r) => format!("denied by {} {}", r.policy.name(), r.index),
        Decision::NotAllowed(http, first) => format!("not allowed by {}, {} of HTTP", first.name(), http.len()),
        Decision::Open(list) => format!("{} open", list.len()),
    }
}

const WEB: Peer<'_> = Peer::Is("cluster.local/ns/shop/sa/web");

#[test]
fn rules_are_judged_by_what_a_connection_tells() {
    for (policies, peer, expected) in [
        (&[][..], WEB, "allowed"),
        (&[("a", "rules: [{}]")], Peer::Nobody, "allowed by a 0"),
        (&[("a", "{}")], WEB, "not allowed by a, 0 of HTTP"),
        (&[("a", "rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]")], WEB, "allowed by a 0"),
        (&[("a", "rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]")], Peer::Nobody, "not allowed by a, 0 of HTTP"),
        (&[("a", "rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]")], Peer::Somebody, "1 open"),
        (&[("a", "rules: [{from: [{source: {principals: ['*']}}]}]")], Peer::Somebody, "allowed by a 0"),
        (&[("a", "rules: [{from: [{source: {namespaces: [sh*]}}], to: [{operation: {ports: ['8080']}}]}]")], WEB, "allowed by a 0"),
        (&[("a", "rules: [{from: [{source: {serviceAccounts: [web]}}]}]")], WEB, "allowed by a 0"),
        (&[("a", "rules: [{from: [{source: {serviceAccounts: [jobs/web]}}]}]")], WEB, "not allowed by a, 0 of HTTP"),
        (&[("a", "rules: [{from: [{source: {ipBlocks: [10.1.0.0/16]}}]}]")], WEB, "allowed by a 0"),
        (&[("a", "rules: [{from: [{source: {notIpBlocks: [10.1.0.9]}}]}]")], WEB, "not allowed by a, 0 of HTTP"),
        (&[("a", "rules: [{when: [{key: destination.ip, values: [10.0.0.1]}]}]")], WEB, "1 open"),
        // An ALLOW rule that asks for HTTP allows nobody.
        (&[("a", "rules: [{to: [{operation: {methods: [GET]}}]}]")], WEB, "not allowed by a, 1 of HTTP"),
        (&[("a", "rules: [{when: [{key: 'request.headers[x]', values: ['1']}]}]")], WEB, "not allowed by a, 1 of HTTP"),
        // Of a DENY rule only that part is left out; what is empty then matches nothing.
        (&[("d", "action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]")], WEB, "allowed"),
        (&[("d", "action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['8080']}}]}]")], WEB, "denied by d 0"),
        (&[("d", "action: DENY, rules: [{from: [{source: {namespaces: [shop]}}], to: [{operation: {paths: [/admin]}}]}]")], WEB, "allowed"),
        (&[("d", "action: DENY, rules: [{from: [{source: {namespaces: [shop], requestPrincipals: ['*']}}]}]")], WEB, "denied by d 0"),
        (&[("d", "action: DENY, rules: [{from: [{source: {notPrincipals: ['*']}}]}]")], Peer::Nobody, "denied by d 0"),
        (&[("d", "action: DENY, rules: [{from: [{source: {notPrincipals: ['*']}}]}]")], WEB, "allowed"),
        // Denying goes first; what it lacks counts for nothing; policies with targetRefs are the waypoint's.
        (&[("a", "rules: [{}]"), ("d", "action: DENY, rules: [{}]")], WEB, "denied by d 0"),
        (&[("c", "action: CUSTOM, provider: {name: x}, rules: [{}]"), ("u", "action: AUDIT, rules: [{}]")], WEB, "allowed"),
        (&[("t", "targetRefs: [{kind: Service, group: '', name: cart}], rules: []")], WEB, "allowed"),
        (&[("s", "selector: {matchLabels: {app: other}}, rules: []")], WEB, "allowed"),
    ] {
        let spec: Vec<(&str, &str)> = policies.iter().map(|(n, s)| (*n, if *s == "{}" { "" } else { *s })).collect();
        assert_eq!(fares(&spec, peer), expected, "{policies:?} {peer:?}");
    }
}
