//! `meshctl graph diff` and `--why-edge`.

use crate::common;
use common::{Run, folder, meshctl};
use serde_json::{Value, json};

/// Calls of web to cart: code and how many in 100 s; and requests by bucket of latency.
fn series(list: &[(&str, f64)], latency: &[(&str, f64)], to: &str) -> String {
    let labels = |more: Value| {
        let mut labels = json!({
            "reporter": "destination", "source_workload": "web", "source_workload_namespace": "web", "source_canonical_service": "web",
            "source_cluster": "c", "source_canonical_revision": "v1", "destination_cluster": "c", "destination_canonical_revision": "v1",
            "destination_service": format!("{to}.shop.svc.cluster.local"), "destination_service_name": to, "destination_service_namespace": "shop",
            "destination_workload": format!("{to}-v1"), "destination_workload_namespace": "shop", "destination_canonical_service": to, "request_protocol": "http",
            "response_flags": "-"});
        labels.as_object_mut().expect("labels").extend(more.as_object().expect("labels").clone());
        labels
    };
    let mut all: Vec<Value> =
        list.iter().map(|(code, n)| json!({"metric": "istio_requests_total", "rate": n / 100.0, "labels": labels(json!({"response_code": code}))})).collect();
    all.extend(
        latency.iter().map(|(le, n)| json!({"metric": "istio_request_duration_milliseconds_bucket", "rate": n / 100.0, "labels": labels(json!({"le": le}))})),
    );
    json!({"series": all, "overSeconds": 100}).to_string()
}

fn diff(before: &str, after: &str) -> Run {
    let dir = folder(&[("a.json", before), ("b.json", after)]);
    meshctl(dir.path(), &["graph", "diff", "a.json", "b.json"])
}

const FAST: &[(&str, f64)] = &[("10", 900.0), ("100", 990.0), ("+Inf", 1000.0)];
const SLOW: &[(&str, f64)] = &[("10", 300.0), ("100", 700.0), ("+Inf", 1000.0)];

#[test]
fn what_is_more_than_chance_is_told_from_what_is_not() {
    let base = series(&[("200", 1000.0)], FAST, "cart");
    let same = diff(&base, &series(&[("200", 1020.0), ("503", 1.0)], FAST, "cart"));
    assert_eq!((same.status, same.out.as_str()), (0, "0 calls changed, 0 for the worse; 1 as before, from a.json to b.json\n"), "{}", same.err);
    let fails = diff(&base, &series(&[("200", 950.0), ("503", 50.0)], FAST, "cart"));
    assert!(fails.status == 79 && fails.out.contains("0.0% -> 5.0%") && fails.out.contains("fails more"), "{}", fails.out);
    let slow = diff(&base, &series(&[("200", 1000.0)], SLOW, "cart"));
    assert!(slow.status == 79 && slow.out.contains("slower"), "{}", slow.out);
    let less = diff(&base, &series(&[("200", 500.0)], &[("10", 450.0), ("100", 495.0), ("+Inf", 500.0)], "cart"));
    assert!(less.status == 0 && less.out.contains("10.00/s -> 5.00/s") && less.out.contains("less"), "{}", less.out);
    let moved = diff(&base, &series(&[("200", 1000.0)], FAST, "pay"));
    assert!(moved.status == 0 && moved.out.contains("new") && moved.out.contains("gone"), "{}", moved.out);
    let unknown = diff(&base, &series(&[("200", 950.0), ("503", 50.0)], FAST, "cart").replace("\"overSeconds\":100", "\"x\":1"));
    assert!(unknown.status == 75 && unknown.err.contains("nothing tells chance from change"), "{}{}", unknown.out, unknown.err);
}

#[test]
fn an_edge_says_which_series_made_it() {
    let dir = folder(&[("a.json", &series(&[("200", 1000.0), ("503", 20.0)], &[], "cart"))]);
    let run = |words: &[&str]| meshctl(dir.path(), &[&["graph", "--series", "a.json"], words].concat());
    let why = run(&["--why-edge", "web/web", "cart-v1"]);
    assert!(why.status == 0 && why.out.starts_with("web/web -> shop/cart-v1\n") && why.out.ends_with("2 series\n"), "{}{}", why.out, why.err);
    assert!(why.out.contains("0.2000/s  istio_requests_total{") && why.out.contains("response_code=\"503\""), "{}", why.out);
    let json: Value = serde_json::from_str(&run(&["--why-edge", "web/web", "cart-v1", "-o", "json"]).out).expect("JSON");
    assert_eq!(json["series"].as_array().map(Vec::len), Some(2));
    assert_eq!(run(&["--why-edge", "cart-v1", "web"]).status, 1);
    assert_eq!(run(&["--why-edge", "nobody", "cart-v1"]).status, 1);
}

#[test]
fn samples_that_span_exactly_what_is_asked_make_rates() {
    let labels = json!({"reporter": "destination", "source_workload": "web", "source_workload_namespace": "web", "source_cluster": "c", "source_canonical_service": "web",
        "source_canonical_revision": "v1", "destination_cluster": "c", "destination_canonical_service": "cart", "destination_canonical_revision": "v1", "destination_service": "cart.shop.svc.cluster.local",
        "destination_service_name": "cart", "destination_service_namespace": "shop", "destination_workload": "cart-v1", "destination_workload_namespace": "shop",
        "request_protocol": "http", "response_code": "200", "response_flags": "-"});
    let file = json!({"series": [{"metric": "istio_requests_total", "labels": labels, "values": [[1000, 0], [1060, 600]]}]}).to_string();
    let dir = folder(&[("a.json", &file)]);
    let run = meshctl(dir.path(), &["graph", "--series", "a.json", "--since", "60s"]);
    assert!(run.status == 0 && run.out.contains("shop/cart-v1") && run.out.contains("over 60 s"), "{}{}", run.out, run.err);
}
