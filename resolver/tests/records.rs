//! Access logs and traces, as mesh configuration and Telemetry have them. That istiod makes the same of the same is compared in
//! `translation.rs`, where its recordings are.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{ControlPlane, Model};
use serde_json::{Value, json};

const MESH: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogEncoding: JSON
    extensionProviders:
    - name: zipkin
      zipkin: {service: traces.example.org, port: 9411}
    - name: otel
      opentelemetry: {service: traces.example.org, port: 9411, maxTagLength: 64, http: {path: /v1/traces, timeout: 3s, headers: [{name: x-a, value: b}]}}
    - name: file
      envoyFileAccessLog: {path: /dev/stderr, logFormat: {text: '%RESPONSE_CODE%'}}
    - name: datadog
      datadog: {service: traces.example.org, port: 8126}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: traces, namespace: istio-system}
spec: {hosts: [traces.example.org], resolution: STATIC, ports: [{number: 9411, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.9}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-v1, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web, version: v1}}, spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}}
";

fn telemetry(name: &str, namespace: &str, spec: &str) -> String {
    format!("---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{spec}")
}

/// The connection managers of the workload that serve others, or that ask others; what is not translated.
fn managers(more: &str, direction: &str) -> (Value, Vec<String>) {
    let text = format!("{MESH}{more}");
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    let source = Source::new("manifests", text.as_str());
    snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    let translation = model.translate_as(&model.proxy_of(0), ControlPlane { records: true, ..ControlPlane::default() });
    let listeners: Vec<Value> = translation.listeners.iter().map(|l| serde_json::to_value(&l.message).expect("JSON")).collect();
    let of = listeners.iter().filter(|l| l["trafficDirection"] == direction).flat_map(|l| l["filterChains"].as_array().cloned().unwrap_or_default());
    let filters = of.flat_map(|c| c["filters"].as_array().cloned().unwrap_or_default());
    let manager = filters.map(|f| f["typedConfig"].clone()).find(|c| c["@type"].as_str().is_some_and(|t| t.ends_with("HttpConnectionManager")));
    (manager.expect("a connection manager"), translation.not_judged.iter().map(|n| n.what.to_string()).collect())
}

fn tags(manager: &Value) -> Vec<(String, String)> {
    let all = manager["tracing"]["customTags"].as_array().into_iter().flatten();
    all.filter_map(|t| Some((t["tag"].as_str()?.to_owned(), t["literal"]["value"].as_str()?.to_owned()))).collect()
}

fn sampling(manager: &Value) -> f64 {
    manager["tracing"]["randomSampling"]["value"].as_f64().unwrap_or(-1.0)
}

#[test]
fn without_telemetry_the_mesh_says_what_is_logged_and_ids_are_marked() {
    let (m, not_judged) = managers("", "INBOUND");
    assert_eq!((sampling(&m), &m["tracing"]["provider"]), (1.0, &Value::Null));
    let log = &m["accessLog"][0]["typedConfig"];
    assert_eq!((&log["path"], &log["logFormat"]["jsonFormat"]["response_code_details"]), (&json!("/dev/stdout"), &json!("%RESPONSE_CODE_DETAILS%")));
    assert_eq!(not_judged, Vec::<String>::new());
    assert_eq!(managers("", "OUTBOUND").0["accessLog"], m["accessLog"]);
}

#[test]
fn the_nearest_telemetry_decides_and_says_nothing_of_what_it_does_not_name() {
    let of_mesh = telemetry(
        "a",
        "istio-system",
        "  tracing: [{providers: [{name: zipkin}], randomSamplingPercentage: 100, customTags: {a: {literal: {value: mesh}}}}]\n",
    );
    let (m, _) = managers(&of_mesh, "OUTBOUND");
    let zipkin = &m["tracing"]["provider"]["typedConfig"];
    let uri = json!({"uri": "http://traces.example.org/api/v2/spans", "cluster": "outbound|9411||traces.example.org", "timeout": "5s"});
    assert_eq!((&zipkin["collectorService"]["httpUri"], &zipkin["traceId128bit"]), (&uri, &json!(true)), "{zipkin}");
    let istio = [
        ("istio.canonical_revision", "v1"),
        ("istio.canonical_service", "web"),
        ("istio.cluster_id", "Kubernetes"),
        ("istio.mesh_id", "cluster.local"),
        ("istio.namespace", "shop"),
    ];
    let expected: Vec<(String, String)> = std::iter::once(("a", "mesh")).chain(istio).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    assert_eq!((sampling(&m), tags(&m)), (100.0, expected));
    // Of a namespace, for clients alone, by another provider; then of the workload.
    let of_namespace = telemetry("b", "shop", "  tracing: [{match: {mode: CLIENT}, providers: [{name: otel}], randomSamplingPercentage: 7}]\n");
    let both = format!("{of_mesh}{of_namespace}");
    let (client, server) = (managers(&both, "OUTBOUND").0, managers(&both, "INBOUND").0);
    assert_eq!((sampling(&client), sampling(&server)), (7.0, 100.0));
    let otel = &client["tracing"]["provider"]["typedConfig"];
    assert_eq!((&otel["serviceName"], &otel["httpService"]["httpUri"]["uri"]), (&json!("web.shop"), &json!("traces.example.org/v1/traces")));
    assert_eq!((&client["tracing"]["maxPathTagLength"], tags(&client)[0].1.as_str()), (&json!(64), "mesh"));
    let of_workload = telemetry("c", "shop", "  selector: {matchLabels: {app: web}}\n  tracing: [{disableSpanReporting: true}]\n");
    assert_eq!(managers(&format!("{both}{of_workload}"), "OUTBOUND").0["tracing"], Value::Null);
    let of_others = of_workload.replace("app: web", "app: other");
    assert_eq!(sampling(&managers(&format!("{both}{of_others}"), "OUTBOUND").0), 7.0);
}

#[test]
fn logs_are_those_of_the_providers_in_force() {
    let paths = |more: &str, direction: &str| {
        let logs = managers(more, direction).0["accessLog"].as_array().cloned().unwrap_or_default();
        logs.iter().map(|l| l["typedConfig"]["path"].as_str().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    let of_mesh = telemetry("a", "istio-system", "  accessLogging: [{providers: [{name: envoy}, {name: file}], filter: {expression: response.code >= 400}}]\n");
    assert_eq!(paths(&of_mesh, "INBOUND"), ["/dev/stdout", "/dev/stderr"]);
    let filter = &managers(&of_mesh, "INBOUND").0["accessLog"][0]["filter"]["extensionFilter"]["typedConfig"]["expression"];
    assert_eq!(filter, "response.code >= 400");
    let off = telemetry("b", "shop", "  accessLogging: [{disabled: true, match: {mode: SERVER}, providers: [{name: file}]}]\n");
    // Without a format of its own `envoy` has the mesh's, which is JSON here.
    assert!(managers(&of_mesh, "INBOUND").0["accessLog"][0]["typedConfig"]["logFormat"]["jsonFormat"].is_object());
    let both = format!("{of_mesh}{off}");
    // `envoy` is not among the providers of the last level.
    assert_eq!((paths(&both, "INBOUND"), paths(&both, "OUTBOUND")), (vec![], vec!["/dev/stderr".to_owned()]));
}

#[test]
fn what_is_not_translated_is_named() {
    let more = telemetry("a", "istio-system", "  tracing: [{providers: [{name: datadog}]}]\n  metrics: [{overrides: [{disabled: true}]}]\n");
    let (m, mut not_judged) = managers(&more, "INBOUND");
    not_judged.sort();
    assert_eq!(
        (&m["tracing"], not_judged),
        (&Value::Null, vec!["changes of metrics are not translated".to_owned(), "the provider datadog is not translated".to_owned()])
    );
}
