//! `meshctl why` with one name or none: the right suspect first for each fault of the recorded mesh, from metrics and state alone.

use crate::common;
use common::{Run, folder, meshctl};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn why(args: &[&str]) -> Run {
    meshctl(&root(), &[&["why", "-f", "recorded/bookinfo", "-f", "traffic/bookinfo.json", "--allow-partial"], args].concat())
}

/// The first suspect of the call that ends so.
fn first(value: &Value, from: &str, to: &str, ending: (u64, &str)) -> String {
    let faults = value["faults"].as_array().expect("faults");
    let is_it = |f: &&Value| f["from"] == from && f["to"] == to && f["status"] == ending.0 && f["flags"] == ending.1;
    let fault = faults.iter().find(is_it).unwrap_or_else(|| panic!("{from} -> {to} {ending:?} is not among {faults:#?}"));
    fault["suspects"][0]["subject"].as_str().unwrap_or_default().to_owned()
}

/// What was set up to fail in the recorded mesh, and how it shows.
const FAULTS: &[(&str, &str, (u64, &str), &str)] = &[
    ("bookinfo/reviews-v2", "bookinfo/ratings", (503, "FI"), "VirtualService bookinfo/ratings"),
    ("bookinfo/reviews-v3", "bookinfo/ratings", (503, "FI"), "VirtualService bookinfo/ratings"),
    ("bookinfo/productpage-v1", "bookinfo/reviews", (503, "UO"), "DestinationRule bookinfo/reviews"),
    ("bookinfo/productpage-v1", "bookinfo/reviews", (503, "UH"), "workload bookinfo/reviews-v2"),
    ("bookinfo/productpage-v1", "bookinfo/ratings-v1", (403, ""), "AuthorizationPolicy bookinfo/ratings-callers"),
    ("bookinfo/productpage-v1", "bookinfo/reviews-v2", (500, ""), "VirtualService bookinfo/ratings"),
    ("bookinfo/productpage-v1", "bookinfo/reviews-v1", (504, "UT"), "VirtualService bookinfo/reviews"),
    ("istio-system/istio-ingressgateway", "bookinfo/productpage-v1", (502, ""), "workload bookinfo/reviews-v2"),
    ("istio-system/istio-ingressgateway", "bookinfo/productpage-v1", (503, ""), "workload bookinfo/productpage-v1"),
    ("unknown", "istio-system/istio-ingressgateway", (404, "NR"), "VirtualService bookinfo/bookinfo"),
];

#[test]
fn the_right_suspect_is_first_for_each_fault_of_the_recorded_mesh() {
    let run = why(&["-o", "json"]);
    assert_eq!(run.status, 79, "{}", run.err);
    let value: Value = serde_json::from_str(&run.out).expect("JSON");
    for (from, to, ending, suspect) in FAULTS {
        assert_eq!(first(&value, from, to, *ending), *suspect, "{from} -> {to} {ending:?}: {:#}", value["faults"]);
    }
}

#[test]
fn five_lines_each_with_a_command() {
    let run = why(&[]);
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(run.status == 79 && (5..=6).contains(&lines.len()), "{}{}", run.out, run.err);
    assert!(lines.iter().take(5).enumerate().all(|(i, l)| l.starts_with(&format!("{}. ", i + 1)) && l.contains(" | meshctl ")), "{}", run.out);
    let one = why(&["ratings"]);
    assert!(one.status == 79 && one.out.starts_with("1. ") && one.out.contains("VirtualService bookinfo/ratings") && !one.out.contains("UO"), "{}", one.out);
    let fine = why(&["istiod"]);
    assert_ne!(fine.status, 79, "{}", fine.out);
    assert_eq!(why(&["nobody"]).status, 1);
}

#[test]
fn json_has_every_line_of_the_text_and_those_that_it_leaves_out() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: N, namespace: shop}\nspec: {hosts: [N], http: [{route: [{destination: {host: cart.shop.svc.cluster.local, subset: v1}}]}]}\n---\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\nspec: {ports: [{name: http, port: 80}]}\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: cart, namespace: shop}\nspec: {host: cart, subsets: [{name: v2, labels: {version: v2}}]}\n---\n";
    let rules: String = (1..=7).map(|i| rule.replace('N', &format!("w{i}"))).collect();
    let dir = folder(&[("k8s/a.yaml", &format!("{service}{rules}"))]);
    let text = meshctl(dir.path(), &["why", "-f", "k8s"]);
    let json = meshctl(dir.path(), &["why", "-f", "k8s", "-o", "json"]);
    let value: Value = serde_json::from_str(&json.out).expect("JSON");
    let lines = value["lines"].as_array().expect("lines");
    let left_out = lines.len().checked_sub(5).expect("more than five");
    assert!(left_out > 0 && text.out.contains(&format!("and {left_out} more: -o json lists all")), "{}", text.out);
    for (told, line) in text.out.lines().zip(lines).take(5) {
        let (what, more) = (line["what"].as_str().expect("a text"), line["more"].as_str().expect("a command"));
        assert!(told.ends_with(&format!("{what} | {more}")), "{told} {line}");
    }
}

#[test]
fn what_was_not_seen_is_said() {
    let dir = folder(&[("k8s/a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\nspec: {ports: [{name: http, port: 80}]}\n")]);
    let nothing = meshctl(dir.path(), &["why"]);
    assert!(nothing.status == 64 && nothing.err.contains("--prometheus"), "{}", nothing.err);
    let part = meshctl(dir.path(), &["why", "-f", "k8s"]);
    assert!(part.status == 75 && part.out.contains("there were no metrics"), "{}{}", part.out, part.err);
}

/// Samples of a call every 15 s over 50 minutes, that fails from one of them on.
fn samples(fails_from: i64) -> String {
    let series = |code: &str, of: &dyn Fn(i64) -> i64| {
        let values: Vec<Value> = (0..200).map(|i| serde_json::json!([1_795_950_000 + i * 15, of(i)])).collect();
        serde_json::json!({"metric": "istio_requests_total", "values": values, "labels": {
            "reporter": "source", "source_workload": "web", "source_workload_namespace": "shop", "source_canonical_service": "web",
            "destination_workload": "cart", "destination_workload_namespace": "shop", "destination_canonical_service": "cart",
            "destination_service": "cart.shop.svc.cluster.local", "destination_service_name": "cart", "destination_service_namespace": "shop",
            "source_cluster": "c", "source_canonical_revision": "v1", "destination_cluster": "c", "destination_canonical_revision": "v1",
            "request_protocol": "http", "response_code": code, "response_flags": if code == "200" { "-" } else { "FI" },
        }})
    };
    let all = [series("200", &|i| i.min(fails_from) * 30), series("503", &|i| (i - fails_from).max(0) * 30)];
    serde_json::json!({"series": all, "clusterName": "c"}).to_string()
}

#[test]
fn the_last_change_before_the_errors_is_named() {
    let rule = |name: &str, at: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: shop, creationTimestamp: '{at}'}}\nspec: {{hosts: [{name}.example.com], http: [{{route: [{{destination: {{host: cart}}}}]}}]}}\n"
        )
    };
    let early = "---\napiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop, creationTimestamp: '2026-11-01T00:00:00Z', managedFields: [{manager: a, time: 'EDITED'}, {manager: b, subresource: status, time: 'MOVED'}]}\nspec: {selector: {app: cart}, ports: [{name: http, port: 80}]}\n";
    let service = |edited: &str| early.replace("EDITED", edited).replace("MOVED", "@3");
    let ask = |objects: String| {
        let dir = folder(&[("k8s/mesh.yaml", &objects), ("seen.json", &samples(160))]);
        meshctl(dir.path(), &["why", "-f", "k8s", "-f", "seen.json", "--allow-partial"])
    };
    let rules = rule("before", "@1") + &rule("cause", "@2") + &rule("after", "@4");
    let run = ask(at(&(rules.clone() + &service("2026-11-02T00:00:00Z"))));
    let last = run.out.lines().last().unwrap_or("");
    assert!(
        last.starts_with("calls to shop/cart began to fail about 2026-11-") && last.contains("the last change before: VirtualService shop/cause, "),
        "{}{}",
        run.out,
        run.err
    );
    // Who edited it last counts, and a status that moves on does not.
    let run = ask(at(&(rules + &service("@3"))));
    assert!(run.out.lines().last().unwrap_or("").contains("the last change before: Service shop/cart by a, "), "{}", run.out);
    let dir = folder(&[("k8s/mesh.yaml", &at(&service("2026-11-02T00:00:00Z"))), ("seen.json", &samples(-1))]);
    let always = meshctl(dir.path(), &["why", "-f", "k8s", "-f", "seen.json", "--allow-partial"]);
    assert!(always.out.lines().last().unwrap_or("").contains("have failed since before"), "{}", always.out);
}

/// Samples of `web`'s calls to `a`, `b` and `c`, a tenth of which take more than a second from a moment on; of those to the victim all do.
fn slow_samples(victim: &str) -> String {
    let of = |to: &str, reporter: &str| {
        let labels = |more: &[(&str, &str)]| {
            let mut all = serde_json::json!({
                "reporter": reporter, "source_workload": "web", "source_workload_namespace": "shop", "source_canonical_service": "web",
                "destination_workload": to, "destination_workload_namespace": "shop", "destination_canonical_service": to,
                "destination_service": format!("{to}.shop.svc.cluster.local"), "destination_service_name": to, "destination_service_namespace": "shop",
                "source_cluster": "c", "source_canonical_revision": "v1", "destination_cluster": "c", "destination_canonical_revision": "v1",
                "request_protocol": "http", "response_code": "200", "response_flags": "-",
            });
            more.iter().for_each(|(k, v)| all[*k] = (*v).into());
            all
        };
        let series = |metric: &str, more: &[(&str, &str)], each: &dyn Fn(i64) -> i64| {
            let values: Vec<Value> = (0..200).map(|i| serde_json::json!([1_795_950_000 + i * 15, each(i)])).collect();
            serde_json::json!({"metric": metric, "values": values, "labels": labels(more)})
        };
        let is_always = to == victim;
        // Twenty requests a step; from the hundredth on two of them, or all, take more than a second.
        let bucket = move |le: &'static str| {
            move |i: i64| {
                let slow = (i - 100).max(0) * if is_always { 20 } else { 2 };
                if le == "100" || le == "1000" { i * 20 - slow } else { i * 20 }
            }
        };
        let mut all = vec![series("istio_requests_total", &[], &|i| i * 20)];
        all.extend(["100", "1000", "2500", "+Inf"].map(|le| series("istio_request_duration_milliseconds_bucket", &[("le", le)], &bucket(le))));
        all
    };
    let all: Vec<Value> = ["a", "b", "c"].iter().flat_map(|to| [of(to, "source"), of(to, "destination")].concat()).collect();
    serde_json::json!({"series": all, "clusterName": "c"}).to_string()
}

#[test]
fn where_everything_is_slow_that_is_said_and_nobody_is_named_for_it() {
    let ask = |victim: &str, more: &[&str]| {
        let dir = folder(&[("seen.json", &slow_samples(victim))]);
        meshctl(dir.path(), &[&["why", "-f", "seen.json", "--allow-partial"], more].concat())
    };
    let run = ask("", &[]);
    assert!(run.out.starts_with("slow: 3 of 3 calls take a second or more (p95), and nobody is named for it"), "{}{}", run.out, run.err);
    assert!(run.out.contains("the slow ones end in shop/a, shop/b, shop/c") && run.out.contains("has been slow since about 2026-11-"), "{}", run.out);
    let value: Value = serde_json::from_str(&ask("", &["-o", "json"]).out).expect("JSON");
    assert!(value["lines"] == serde_json::json!([]) && value["slow"]["calls"] == 3, "{value:#}");
    // Who does nothing else is named all the same.
    let run = ask("b", &[]);
    assert!(run.status == 79 && run.out.starts_with("1. workload shop/b: it answers slowly") && !run.out.contains("shop/a:"), "{}{}", run.out, run.err);
}

/// `@1` to `@4`: times before, before, shortly before and after the first error.
fn at(text: &str) -> String {
    [("@1", "2026-11-29T11:10:00Z"), ("@2", "2026-11-29T11:39:40Z"), ("@3", "2026-11-29T11:39:50Z"), ("@4", "2026-11-29T11:46:40Z")]
        .iter()
        .fold(text.to_owned(), |text, (mark, time)| text.replace(mark, time))
}
