//! What the schema rules say of single objects, and where they point.

use mesh_analyzers::{Options, analyze};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Role, Snapshot, Source};
use mesh_resolver::Mesh;

/// `line:column code message | help | fix` of every finding on form.
fn judged_for(minor: u16, yaml: &str) -> Vec<String> {
    let mut found = validated(minor, yaml);
    found.retain(|f| f.contains(" MSH05"));
    found
}

/// The same with what Istio's validation says.
fn validated(minor: u16, yaml: &str) -> Vec<String> {
    let source = Source::new("m.yaml", yaml);
    let mut snapshot = Snapshot::new();
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    let mesh = Mesh::new(&snapshot);
    let options = Options { istio_minor: minor };
    let found = analyze(&mesh, &options, |_| true).findings;
    let form = found.iter().filter(|f| f.code.id.starts_with("MSH05") || f.code.id == "IST0106");
    form.map(|f| {
        let p = f.at.position();
        let fix = f.fix.as_ref().map_or("", |f| f.replacement.as_str());
        format!("{}:{} {} {} | {} | {fix}", p.line, p.column, f.code.id, f.message, f.help.as_deref().unwrap_or(""))
    })
    .collect()
}

fn judged(yaml: &str) -> Vec<String> {
    judged_for(32, yaml)
}

const RULE: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec:\n  host: a.b.svc.cluster.local\n";

#[test]
fn a_misspelt_field_is_shown_at_its_key_with_a_fix() {
    assert_eq!(
        judged(&format!("{RULE}  trafficPolicy:\n    tsl: {{mode: SIMPLE}}\n    connection_pool: {{}}\n")),
        [
            "7:5 MSH0501 `spec.trafficPolicy.tsl` is not a field of DestinationRule | did you mean `tls`? | tls",
            "8:5 MSH0501 `spec.trafficPolicy.connection_pool` is not a field of DestinationRule | did you mean `connectionPool`? | connectionPool",
        ]
    );
}

#[test]
fn a_field_in_the_wrong_place_is_sent_home() {
    assert_eq!(
        judged(&format!("{RULE}  simple: ROUND_ROBIN\n  trafficPolicy:\n    simple: ROUND_ROBIN\n    exportTo: ['.']\nsubsets: []\n")),
        [
            "6:3 MSH0501 `spec.simple` is not a field of DestinationRule | remove it; nothing reads it | ",
            "8:5 MSH0501 `spec.trafficPolicy.simple` is not a field of DestinationRule | it belongs inside `loadBalancer`, one level deeper | ",
            "9:5 MSH0501 `spec.trafficPolicy.exportTo` is not a field of DestinationRule | it is a field of `spec`: indent it less | ",
            "10:1 MSH0501 `subsets` is not a field of DestinationRule | it belongs inside `spec`, one level deeper | ",
        ]
    );
}

#[test]
fn values_of_the_wrong_type_say_how_to_write_them() {
    assert_eq!(
        judged(&format!(
            "{RULE}  exportTo: '*'\n  subsets:\n  - name: v1\n    labels: {{version: 1.0}}\n  trafficPolicy:\n    connectionPool: {{tcp: {{connectTimeout: 10, maxConnections: '5'}}}}\n"
        )),
        [
            "6:13 MSH0502 `spec.exportTo` takes a list, not `*`, a string | write it as a list with one item, `[\"*\"]` | ",
            "9:23 MSH0502 `spec.subsets[0].labels.version` takes a string, not `1.0`, a number | put it in quotes | \"1.0\"",
            "11:44 MSH0502 `spec.trafficPolicy.connectionPool.tcp.connectTimeout` takes a string, not `10`, an integer | a duration has a unit, as in `10s` | ",
            "11:64 MSH0502 `spec.trafficPolicy.connectionPool.tcp.maxConnections` takes an integer, not `5`, a string | leave the quotes out | 5",
        ]
    );
}

#[test]
fn null_fields_are_absent_and_null_items_are_not() {
    assert_eq!(judged(&format!("{RULE}  subsets: ~\n  exportTo:\n")), Vec::<String>::new());
    assert_eq!(judged(&format!("{RULE}  exportTo: [~]\n")).len(), 1);
}

#[test]
fn an_unknown_field_that_is_null_is_a_warning() {
    let source = Source::new(
        "m.yaml",
        r"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: runs.example.com}
spec:
  group: example.com
  names: {kind: Run, plural: runs}
  versions:
  - name: v1
    served: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              template: {type: object, properties: {metadata: {type: object, properties: {labels: {type: object}}}}}
---
apiVersion: example.com/v1
kind: Run
metadata: {name: a, creationTimestamp: null}
spec: {template: {metadata: {creationTimestamp: null, uid: x}}}
",
    );
    let mut snapshot = Snapshot::new();
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    let mesh = Mesh::new(&snapshot);
    let options = Options::default();
    let found = analyze(&mesh, &options, |_| true).findings;
    let found: Vec<String> = found.iter().map(|f| format!("{} {} {}", f.code.id, f.level.name(), f.path())).collect();
    assert_eq!(found, ["MSH0501 Warning spec.template.metadata.creationTimestamp", "MSH0501 Error spec.template.metadata.uid"]);
}

#[test]
fn a_field_of_a_newer_minor_says_since_when() {
    let yaml = format!("{RULE}  trafficPolicy:\n    connectionPool: {{http: {{http2KeepAlive: {{interval: 5s}}}}}}\n");
    assert_eq!(judged(&yaml), Vec::<String>::new());
    let old = judged_for(30, &yaml);
    assert_eq!(old.len(), 1, "{old:?}");
    assert!(old[0].starts_with("7:29 MSH0508 `spec.trafficPolicy.connectionPool.http.http2KeepAlive` is not in Istio 1.30; it is there since 1.31"), "{old:?}");
}

#[test]
fn labels_and_annotations_are_strings_on_every_kind() {
    let yaml = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {app: -a}}\nspec:\n  template:\n    metadata:\n      annotations: {sidecar.istio.io/inject: true}\n";
    assert_eq!(
        judged(yaml),
        [
            "3:35 MSH0504 `-a` is no valid value of a label | use up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends | ",
            "7:46 MSH0502 `spec.template.metadata.annotations[\"sidecar.istio.io/inject\"]` takes a string, not `true`, a boolean | put it in quotes | \"true\"",
        ]
    );
}

#[test]
fn what_istio_validation_says_is_not_said_twice() {
    let found = validated(32, &format!("{RULE}  subsets: [{{labels: {{v: a}}}}]\n"));
    assert_eq!(found.iter().filter(|f| f.contains("IST0106")).count(), 1, "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
    let found = validated(32, &format!("{RULE}  trafficPolicy:\n    tsl: {{mode: SIMPLE}}\n"));
    assert!(found.len() == 1 && found[0].contains("MSH0501"), "{found:?}");
}

#[test]
fn versions_of_the_past_are_named_with_todays() {
    let yaml = |api: &str, kind: &str| format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{}}\n");
    for (api, kind, want) in [
        ("networking.istio.io/v1alpha1", "Sidecar", Some("use `networking.istio.io/v1`")),
        ("security.istio.io/v1", "Sidecar", Some("Sidecar is in the group `networking.istio.io`")),
        ("networking.istio.io/v1", "Sidecarr", Some("did you mean `Sidecar`?")),
        ("networking.istio.io/v1alpha3", "Sidecar", None),
        ("appmesh.k8s.aws/v1beta2", "VirtualService", None),
    ] {
        let found = judged(&yaml(api, kind));
        match want {
            Some(want) => assert!(found.len() == 1 && found[0].contains("MSH0509") && found[0].contains(want), "{api} {kind}: {found:?}"),
            None => assert_eq!(found, Vec::<String>::new(), "{api} {kind}"),
        }
    }
}

#[test]
fn settings_of_a_control_plane_that_cannot_be_read_are_an_error() {
    let map = |name: &str, data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: istio-system}}\ndata:\n{data}");
    let broken = "  mesh: |-\n    rootNamespace: a\n    trustDomain: [\n  meshNetworks: '- a'\n";
    for name in ["istio", "istio-canary"] {
        assert_eq!(
            validated(32, &map(name, broken)),
            [
                "6:5 IST0106 `mesh` can't be read: in line 2, column 14 of its text: unclosed bracket '[' | mend the text: istiod does not take it, and goes on with what it had | ",
                "8:17 IST0106 `meshNetworks` is no mapping of settings |  | ",
            ]
        );
    }
    assert!(validated(32, &map("other", broken)).is_empty() && validated(32, &map("istio", "  mesh: ''\n")).is_empty());
}

#[test]
fn the_default_revision_gives_the_mesh_configuration() {
    let map = |name: &str| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{mesh: 'trustDomain: {name}'}}\n");
    let domain = |yaml: &str| {
        let source = Source::new("m.yaml", yaml);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        snapshot.mesh_config.as_ref().map(|c| c.at(&["trustDomain"]).map(|t| t.text().to_owned()).unwrap_or_default())
    };
    assert_eq!(domain(&(map("istio-a") + &map("istio") + &map("istio-b"))).as_deref(), Some("istio"));
    assert_eq!(domain(&(map("istio-a") + &map("istio-b"))).as_deref(), Some("istio-a"));
    assert_eq!(domain(&map("other")), None);
}

/// The time is no part of the test, but with the square of it the test would not end.
#[test]
fn many_wrong_fields_cost_no_more_than_a_few() {
    let wrong: String = (0..5_000).map(|i| format!("  wrongField{i}: 1\n")).collect();
    assert_eq!(judged(&format!("{RULE}{wrong}")).len(), 5_000);
}
