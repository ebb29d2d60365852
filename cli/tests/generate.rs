//! `meshctl gen`.

use crate::common;
use common::{Run, folder, meshctl, write};
use serde_json::Value;
use std::path::Path;

fn bookinfo() -> String {
    format!("{}/../testdata/bookinfo/apps.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// Makes something for Bookinfo.
fn of_bookinfo(kind: &[&str]) -> Run {
    let apps = bookinfo();
    let args: Vec<&str> = std::iter::once("gen").chain(kind.iter().copied()).chain(["-q", "-f", &apps]).collect();
    meshctl(Path::new("."), &args)
}

fn assert_makes(name: &str, kind: &[&str]) {
    let run = of_bookinfo(kind);
    assert_eq!(run.status, 0, "{kind:?}: {}{}", run.err, run.out);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "generated" }, {
        insta::assert_snapshot!(name, run.out);
    });
    // What is printed is taken as it is, and changes nothing when it is made again.
    let dir = folder(&[("apps.yaml", &std::fs::read_to_string(bookinfo()).expect("apps")), ("made.yaml", &run.out)]);
    let analyzed = meshctl(dir.path(), &["analyze", "--fail-on", "warning", "apps.yaml", "made.yaml"]);
    assert_eq!(analyzed.status, 0, "{}", analyzed.out);
}

#[test]
fn each_kind_is_made_whole() {
    assert_makes("canary", &["canary", "reviews.bookinfo", "--to", "v2", "--weight", "20"]);
    assert_makes("fault", &["fault", "ratings.bookinfo", "--delay", "5s", "--abort", "503", "--percent", "0.5", "-H", "end-user: jason"]);
    assert_makes("fault-of-a-caller", &["fault", "ratings.bookinfo", "--abort-grpc", "UNAVAILABLE", "--source-label", "app=reviews"]);
    assert_makes("timeout", &["timeout", "reviews.bookinfo", "3s", "--retries", "2", "--per-try", "1s", "--retry-on", "5xx,reset"]);
    assert_makes("breaker", &["breaker", "reviews.bookinfo", "--max-connections", "100", "--max-pending", "10", "--errors", "3"]);
    assert_makes("access-log", &["access-log", "-n", "bookinfo", "--errors"]);
    assert_makes("access-log-of-a-workload", &["access-log", "reviews.bookinfo", "--filter", "response.code == 503"]);
    let telemetry =
        ["telemetry", "reviews-v1.bookinfo", "--sampling", "0.5", "--tag", "team=literal:books", "--add-label", "request_count:method=request.method"];
    assert_makes("telemetry", &[&telemetry[..], &["--drop-label", "REQUEST_COUNT:response_flags", "--off-metric", "TCP_SENT_BYTES"]].concat());
}

#[test]
fn a_canary_is_what_why_says_of_it() {
    let made = of_bookinfo(&["canary", "reviews.bookinfo", "--to", "v2", "--weight", "20"]).out;
    let dir = folder(&[("canary.yaml", &made)]);
    let apps = bookinfo();
    let run = meshctl(dir.path(), &["why", "productpage-v1.bookinfo", "http://reviews:9080/", "-f", &apps, "-f", "canary.yaml"]);
    assert_eq!(run.status, 0, "{}", run.out);
    for (share, version) in [("80%", "v1"), ("20%", "v2")] {
        assert!(run.out.contains(&format!("{share} reaches Deployment bookinfo/reviews-{version}, port 9080")), "{}", run.out);
    }
    // The next step is made of the step before.
    let next = meshctl(dir.path(), &["gen", "canary", "reviews.bookinfo", "--to", "v2", "--weight", "50", "-f", &apps, "-f", "canary.yaml", "-o", "json"]);
    let items: Value = serde_json::from_str(&next.out).expect("json");
    assert_eq!(items["items"].as_array().map(Vec::len), Some(1), "the subsets are there: {}", next.out);
    assert_eq!(items["items"][0]["spec"]["http"][0]["route"][1]["weight"], 50);
}

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: web, labels: {istio-injection: enabled}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: web}
spec: {selector: {matchLabels: {app: front}}, template: {metadata: {labels: {app: front}}, spec: {containers: [{name: app}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-v1, namespace: shop}
spec: {selector: {matchLabels: {app: cart, version: v1}}, template: {metadata: {labels: {app: cart, version: v1}}, spec: {containers: [{name: app}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-v2, namespace: shop}
spec: {selector: {matchLabels: {app: cart, version: v2}}, template: {metadata: {labels: {app: cart, version: v2}}, spec: {containers: [{name: app}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80}, {name: tcp-admin, port: 9000}]}
";

fn of_shop(more: &str, args: &[&str]) -> Run {
    let dir = folder(&[("shop.yaml", &format!("{SHOP}{more}"))]);
    let args: Vec<&str> = std::iter::once("gen").chain(args.iter().copied()).chain(["-f", "shop.yaml"]).collect();
    meshctl(dir.path(), &args)
}

/// The object of a kind, of the answer in JSON.
fn made(run: &Run, kind: &str) -> Value {
    let all: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}{}", run.out, run.err));
    all["items"].as_array().into_iter().flatten().find(|o| o["kind"] == kind).cloned().unwrap_or_default()
}

#[test]
fn each_port_of_a_service_is_split() {
    let run = of_shop("", &["canary", "cart", "--to", "v2", "-o", "json"]);
    let spec = made(&run, "VirtualService")["spec"].clone();
    let ends = |list: &str| (spec[list][0]["match"][0]["port"].clone(), spec[list][0]["route"][1]["destination"]["port"]["number"].clone());
    assert_eq!((ends("http"), ends("tcp")), ((80.into(), 80.into()), (9000.into(), 9000.into())), "{}", run.out);
}

#[test]
fn what_decides_already_is_changed_and_the_rest_of_it_stays() {
    let rules = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: carts, namespace: shop, labels: {team: a}, uid: x, resourceVersion: '7', annotations: {kubectl.kubernetes.io/last-applied-configuration: secret}}
spec:
  hosts: [cart]
  http:
  - {match: [{headers: {who: {exact: tester}}}], route: [{destination: {host: cart, port: {number: 80}, subset: next}}]}
  - {timeout: 3s, route: [{destination: {host: cart, port: {number: 80}}, headers: {request: {set: {a: b}}}}]}
status: {}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: carts, namespace: shop}
spec: {host: cart, trafficPolicy: {loadBalancer: {simple: RANDOM}}, subsets: [{name: next, labels: {version: v2}}]}
";
    let run = of_shop(rules, &["canary", "cart", "--to", "v2", "--weight", "25", "-o", "json"]);
    let (vs, rule) = (made(&run, "VirtualService"), made(&run, "DestinationRule"));
    assert_eq!(vs["metadata"], serde_json::json!({"name": "carts", "namespace": "shop", "labels": {"team": "a"}}), "{}{}", run.out, run.err);
    assert!(vs.get("status").is_none());
    let http = &vs["spec"]["http"];
    assert_eq!(http[0]["route"].as_array().map(Vec::len), Some(1));
    let to =
        |i: usize| (http[1]["route"][i]["destination"]["subset"].clone(), http[1]["route"][i]["weight"].clone(), http[1]["route"][i]["headers"].is_object());
    assert_eq!((to(0), to(1), &http[1]["timeout"]), (("v1".into(), 75.into(), true), ("next".into(), 25.into(), true), &"3s".into()));
    let subsets: Vec<&str> = rule["spec"]["subsets"].as_array().into_iter().flatten().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!((subsets, &rule["spec"]["trafficPolicy"]["loadBalancer"]["simple"]), (vec!["next", "v1"], &"RANDOM".into()));
    assert!(run.err.contains("http[0] stays: what it matches goes to that version already"), "{}", run.err);
}

#[test]
fn a_rule_of_the_hosts_own_keeps_what_a_wildcard_said() {
    let wide = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: all, namespace: shop}
spec: {host: '*.shop.svc.cluster.local', trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, outlierDetection: {interval: 7s}}}
";
    let run = of_shop(wide, &["breaker", "cart", "--errors", "9", "-o", "json"]);
    let policy = made(&run, "DestinationRule")["spec"]["trafficPolicy"].clone();
    let ejects = &policy["outlierDetection"];
    assert_eq!((&policy["tls"]["mode"], &ejects["interval"], &ejects["consecutive5xxErrors"]), (&"ISTIO_MUTUAL".into(), &"7s".into(), &9.into()));
}

#[test]
fn what_would_break_a_caller_is_refused() {
    let own = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: web}
spec: {host: cart.shop.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
";
    let run = of_shop(own, &["canary", "cart", "--to", "v2"]);
    assert!(
        run.status == 79 && run.out.is_empty() && run.err.contains("refused: routes of cart.shop.svc.cluster.local:80 for front.web"),
        "{}{}",
        run.out,
        run.err
    );
    let logs = of_shop("", &["access-log", "--filter", "response.code >>> 1"]);
    assert!(logs.status == 79 && logs.out.is_empty() && logs.err.contains("refused: "), "{}{}", logs.out, logs.err);
    let wide = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: shop}
spec: {hosts: ['*.shop.svc.cluster.local'], http: [{route: [{destination: {host: cart.shop.svc.cluster.local, port: {number: 80}}}], fault: {abort: {httpStatus: 400, percentage: {value: 1}}}}]}
";
    let run = of_shop(wide, &["timeout", "cart", "2s"]);
    assert!(run.status == 1 && run.out.is_empty() && run.err.contains("decides for cart.shop.svc.cluster.local by a wildcard"), "{}{}", run.out, run.err);
}

#[test]
fn one_telemetry_of_a_place_is_enough() {
    let known = "---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: ours, namespace: shop}
spec: {tracing: [{randomSamplingPercentage: 3}], accessLogging: [{providers: [{name: envoy}], disabled: true}]}
";
    let run = of_shop(known, &["access-log", "-n", "shop", "-o", "json"]);
    let one = made(&run, "Telemetry");
    assert_eq!((&one["metadata"]["name"], &one["spec"]["tracing"][0]["randomSamplingPercentage"]), (&"ours".into(), &3.into()), "{}", run.err);
    assert_eq!(one["spec"]["accessLogging"], serde_json::json!([{"providers": [{"name": "envoy"}]}]));
}

#[test]
fn without_a_mesh_it_is_said_that_nothing_is_known() {
    let dir = folder(&[]);
    let run = meshctl(dir.path(), &["gen", "canary", "cart.shop", "--stable", "v1", "--to", "v2"]);
    assert!(run.status == 0 && run.err.contains("no mesh is named with -f") && run.out.contains("host: cart.shop.svc.cluster.local"), "{}{}", run.out, run.err);
    write(dir.path(), &[("made.yaml", &run.out)]);
    assert_eq!(meshctl(dir.path(), &["analyze", "made.yaml"]).status, 0);
    let outside = meshctl(dir.path(), &["gen", "timeout", "api.example.com", "2s", "-q"]);
    assert!(outside.out.contains("- api.example.com") && outside.err.is_empty(), "{}", outside.out);
}

#[test]
fn rubbish_is_answered_with_what_is_wrong() {
    for (args, says) in [
        (&["canary", "card", "--to", "v2"][..], "no service `card`"),
        (&["canary", "cart", "--to", "v9"], "no workload of cart.shop.svc.cluster.local has version=v9; there is v1, v2"),
        (&["fault", "cart"], "required"),
        (&["fault", "cart", "--abort", "503", "--percent", "0"], "--percent takes"),
        (&["timeout", "cart", "soon"], "TIMEOUT takes a time"),
        (&["access-log", "nobody"], "no workload or Service `nobody`"),
        (&["telemetry", "-n", "shop", "--tag", "x"], "--tag takes"),
        (&["nothing"], "unrecognized subcommand"),
    ] {
        let run = of_shop("", args);
        assert!(run.status == 64 && run.out.is_empty() && run.err.contains(says), "{args:?}: {} {}", run.status, run.err);
    }
}
