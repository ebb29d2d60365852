//! What may be secret never stands in a finding, whatever rule speaks of it.

use mesh_analyzers::{Options, analyze};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;

const SECRET: &str = "hunter2x";

/// All that is said of a text.
fn said(yaml: &str) -> String {
    let source = Source::new("m.yaml", yaml);
    let mut snapshot = Snapshot::new();
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    snapshot.completeness = Completeness::Complete;
    let mesh = Mesh::new(&snapshot);
    let options = Options::default();
    let findings = analyze(&mesh, &options, |_| true).findings;
    let parts = findings.iter().flat_map(|f| {
        let related = f.related.iter().map(|r| r.label.as_str());
        let fix = f.fix.iter().flat_map(|f| [f.title.as_str(), f.replacement.as_str()]);
        [f.message.as_str(), f.help.as_deref().unwrap_or("")].into_iter().chain(related).chain(fix)
    });
    parts.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_finding_shows_a_value_that_may_be_secret() {
    let route = |inner: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a, namespace: b}}\nspec:\n  hosts: [a.example.com]\n  http:\n  - {inner}\n"
        )
    };
    let jwt = |inner: &str| {
        format!("apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: a, namespace: b}}\nspec:\n  jwtRules:\n  - {inner}\n")
    };
    for (yaml, says) in [
        (jwt(&format!("{{issuer: a, jwksUri: 'ftp://user:{SECRET}@a.example.com/x?key={SECRET}'}}")), "ftp"),
        (jwt(&format!("{{issuer: a, jwksUri: 'http://user:{SECRET}@a.example.com:b/x'}}")), "is no port"),
        (jwt(&format!("{{issuer: a, jwks: '{SECRET}'}}")), "jwks"),
        (route(&format!("{{headers: {{request: {{set: {{authorization: 'Bearer {SECRET}%'}}}}}}, route: [{{destination: {{host: a}}}}]}}")), "header value"),
        (route(&format!("{{headers: {{request: {{add: {{x-api-key: \"{SECRET}\\n\"}}}}}}, route: [{{destination: {{host: a}}}}]}}")), "control characters"),
        (route(&format!("{{match: [{{headers: {{cookie: {{regex: '{SECRET}['}}}}}}], route: [{{destination: {{host: a}}}}]}}")), "RE2"),
        (
            route(&format!(
                "{{match: [{{headers: {{authorization: {{exact: {SECRET}}}}}}}], route: [{{destination: {{host: a}}}}]}}\n  - {{match: [{{headers: {{authorization: {{exact: {SECRET}}}}}, uri: {{prefix: /x}}}}], route: [{{destination: {{host: a}}}}]}}"
            )),
            "",
        ),
        (format!("apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {{name: a, labels: {{x: '{SECRET} y'}}}}\n  data: {SECRET}\n"), ""),
    ] {
        let all = said(&yaml);
        assert!(!all.contains(SECRET), "{all}");
        assert!(all.contains(says) && (says.is_empty() || says == "control characters" || all.contains("[redacted: ") || says == "jwks"), "{yaml}{all}");
    }
}

#[test]
fn a_secret_is_called_by_its_name() {
    let yaml = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: edge}}\nspec:\n  gatewayClassName: istio\n  listeners:\n  - {{name: a, port: 443, protocol: HTTPS, tls: {{certificateRefs: [{{name: cert-of-shop}}]}}}}\n  - {{name: b, port: 444, protocol: HTTPS, tls: {{certificateRefs: [{{group: example.com, kind: Secret, name: x}}]}}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: cert-of-shop, namespace: edge}}\nstringData: {{tls.crt: {SECRET}, tls.key: {SECRET}}}\n"
    );
    let all = said(&yaml);
    assert!(all.contains("Secret `edge/cert-of-shop` is no valid TLS credential: its certificate is not PEM") && !all.contains(SECRET), "{all}");
    assert!(all.contains("not from example.com/Secret `x`"), "{all}");
}
