//! `meshctl canary`: a recorded mesh, a subset that selects nothing, and too few requests.

use crate::common;
use common::{Run, folder, meshctl};
use serde_json::{Value, json};
use std::path::Path;

const MANIFESTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80, name: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-v1, namespace: shop}
spec: {selector: {matchLabels: {app: cart, version: v1}}, template: {metadata: {labels: {app: cart, version: v1}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-v2, namespace: shop}
spec: {selector: {matchLabels: {app: cart, version: v2}}, template: {metadata: {labels: {app: cart, version: v2}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec: {host: cart, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec: {hosts: [cart], http: [{name: canary, route: [{destination: {host: cart, subset: v1}, weight: 80}, {destination: {host: cart, subset: v2}, weight: 20}]}]}
";

/// Requests of web to each version of cart: workload, code, flags, and how many in 100 s.
fn series(list: &[(&str, &str, &str, f64)]) -> String {
    let one = |(workload, code, flags, count): &(&str, &str, &str, f64)| {
        let (namespace, revision) = if *workload == "unknown" { ("unknown", "unknown") } else { ("shop", workload.rsplit('-').next().unwrap_or("")) };
        json!({"metric": "istio_requests_total", "rate": count / 100.0, "labels": {
            "reporter": "source", "source_workload": "web", "source_workload_namespace": "web", "source_cluster": "c", "source_canonical_service": "web",
            "source_canonical_revision": "v1", "destination_cluster": "c", "destination_canonical_service": "cart", "destination_service": "cart.shop.svc.cluster.local",
            "destination_service_name": "cart", "destination_service_namespace": "shop", "destination_workload": workload,
            "destination_workload_namespace": namespace, "destination_canonical_revision": revision, "request_protocol": "http",
            "response_code": code, "response_flags": flags}})
    };
    json!({"series": list.iter().map(one).collect::<Vec<_>>(), "overSeconds": 100}).to_string()
}

fn canary(manifests: &str, list: &[(&str, &str, &str, f64)]) -> (Run, Value) {
    let dir = folder(&[("k8s/a.yaml", manifests), ("mesh.json", &series(list))]);
    let words = ["canary", "cart", "--from", "k8s", "--from", "mesh.json"];
    let text = meshctl(dir.path(), &words);
    let json = meshctl(dir.path(), &[&words[..], &["-o", "json"]].concat());
    let value = serde_json::from_str(&json.out).unwrap_or_else(|e| panic!("{e}: {}{}", json.out, json.err));
    (text, value)
}

#[test]
fn the_recorded_split_of_bookinfo() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    let run = meshctl(
        &root,
        &["canary", "reviews", "--from", "recorded/bookinfo/k8s", "--from", "traffic/bookinfo.json", "--over", "80s", "-o", "json", "--allow-partial"],
    );
    let value: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}{}", run.out, run.err));
    let split = &value["splits"][0];
    assert_eq!((&split["source"], value["splits"].as_array().map(Vec::len)), (&json!("bookinfo/productpage-v1"), Some(1)), "{value:#}");
    let versions = split["versions"].as_array().expect("versions");
    let of = |i: usize| (versions[i]["version"].as_str(), versions[i]["wantedLeast"].as_f64(), versions[i]["verdict"].as_str());
    assert_eq!((of(0), of(1)), ((Some("v1"), Some(0.8), Some("as wanted")), (Some("v2"), Some(0.2), Some("as wanted"))), "{value:#}");
    // The recorded v2 fails more than v1, and was ejected for it.
    assert_eq!(versions[1]["failuresAgainstMain"], "higher", "{value:#}");
    assert!(split["unplaced"]["UH"].as_f64().is_some_and(|n| n > 20.0), "{value:#}");
    assert_eq!((run.status, value["unexplained"].as_array().map(Vec::len)), (79, Some(0)), "{value:#}");
}

#[test]
fn shares_that_are_as_wanted_and_others() {
    let (run, value) = canary(MANIFESTS, &[("cart-v1", "200", "-", 800.0), ("cart-v2", "200", "-", 200.0)]);
    assert_eq!((run.status, value["verdict"].as_str()), (0, Some("as wanted")), "{}{}", run.out, run.err);
    assert!(run.out.contains("80.0%  ") && run.out.contains("from web/web: 1000 requests in 100 s"), "{}", run.out);
    let (run, _) = canary(MANIFESTS, &[("cart-v1", "200", "-", 950.0), ("cart-v2", "200", "-", 50.0)]);
    assert!(run.status == 79 && run.out.contains("differs v2: less than the 20.0% that is wanted"), "{}", run.out);
    let (run, _) = canary(MANIFESTS, &[("cart-v1", "200", "-", 800.0), ("cart-v2", "200", "-", 170.0), ("cart-v2", "503", "UC", 30.0)]);
    assert!(run.status == 79 && run.out.contains("15.0% (worse)"), "{}", run.out);
}

#[test]
fn a_subset_with_a_misspelt_label_gets_nothing_and_is_named() {
    let manifests = MANIFESTS.replace("{name: v2, labels: {version: v2}}", "{name: v2, labels: {version: v22}}");
    let (run, value) = canary(&manifests, &[("cart-v1", "200", "-", 800.0), ("unknown", "503", "UH", 200.0)]);
    // The requests without a healthy host may have been those of v2: nothing rules it out.
    assert_eq!(value["splits"][0]["versions"][1]["observed"], 0.0);
    assert!(run.out.contains("200 UH"), "{}", run.out);
    let (run, value) = canary(&manifests, &[("cart-v1", "200", "-", 800.0)]);
    assert_eq!((run.status, &value["splits"][0]["versions"][1]["verdict"]), (79, &json!("differs")), "{}", run.out);
    assert!(run.out.contains("no workload that is known has the labels of the subset v2: version=v22"), "{}", run.out);
}

#[test]
fn twenty_requests_are_too_few() {
    let (run, value) = canary(MANIFESTS, &[("cart-v1", "200", "-", 17.0), ("cart-v2", "200", "-", 3.0)]);
    assert_eq!((run.status, value["verdict"].as_str()), (75, Some("undecided")), "{}", run.out);
    assert!(run.out.contains("too few requests to tell: 20"), "{}", run.out);
}

#[test]
fn traffic_that_no_rule_explains_and_rules_that_share_a_version() {
    let more = format!("{MANIFESTS}---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: cart-v3, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: cart, version: v3}}}}, template: {{metadata: {{labels: {{app: cart, version: v3}}}}, spec: {{containers: [{{name: a, image: a}}]}}}}}}
");
    let (run, _) = canary(&more, &[("cart-v1", "200", "-", 800.0), ("cart-v2", "200", "-", 200.0), ("cart-v3", "200", "-", 9.0)]);
    assert!(
        run.status == 79 && run.out.contains("9 requests from web/web to cart.shop.svc.cluster.local went to shop/cart-v3, to which no rule sends"),
        "{}",
        run.out
    );
    let shared = MANIFESTS.replace("http: [", "http: [{match: [{headers: {end-user: {exact: jason}}}], route: [{destination: {host: cart, subset: v2}}]}, ");
    let (run, _) = canary(&shared, &[("cart-v1", "200", "-", 700.0), ("cart-v2", "200", "-", 300.0)]);
    assert!(run.status == 75 && run.out.contains("between 20.0% and 100.0% are wanted"), "{}", run.out);
    let (run, _) = canary(&shared, &[("cart-v1", "200", "-", 950.0), ("cart-v2", "200", "-", 50.0)]);
    assert_eq!(run.status, 79, "{}", run.out);
}

#[test]
fn what_is_not_there_is_said() {
    let dir = folder(&[("k8s/a.yaml", MANIFESTS), ("mesh.json", &series(&[("cart-v1", "200", "-", 1.0)]))]);
    let run = |words: &[&str]| meshctl(dir.path(), words);
    assert_eq!(run(&["canary", "--from", "k8s"]).status, 64);
    let none = run(&["canary", "pay", "--from", "k8s", "--from", "mesh.json"]);
    assert!(none.status == 1 && none.err.contains("no rule splits the traffic of pay"), "{}", none.err);
    assert_eq!(run(&["canary", "--from", "k8s", "--from", "mesh.json", "-o", "xml"]).status, 64);
}
