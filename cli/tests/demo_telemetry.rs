//! What a demo tells of its requests: metrics, traces and logs are of the same requests, as many as were sent; and real parts beside
//! it show the same.
#![cfg(unix)]

use crate::common;
use common::component;
use common::demo::{Demo, json, total_query, totals, until};
use common::zipkin::Zipkin;
use mesh_testserver::prometheus;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// So few, and so slowly, that none of them takes too long on a busy machine: what is given up is told otherwise.
const SENT: u64 = 60;
const BY: &str = "reporter,source_workload,destination_workload";

/// Requests that were counted, by the workload whose proxy did so.
fn by_proxy(counted: &BTreeMap<Vec<String>, u64>) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for (labels, n) in counted {
        let own = if labels[0] == "source" { &labels[1] } else { &labels[2] };
        *out.entry(format!("{own}.bookinfo")).or_default() += n;
    }
    out
}

fn tag<'v>(span: &'v Value, name: &str) -> &'v str {
    let all = span["tags"].as_array().into_iter().flatten();
    all.filter(|t| t["key"] == name).find_map(|t| t["value"].as_str()).unwrap_or("")
}

fn spans(trace: &Value) -> impl Iterator<Item = &Value> {
    trace["spans"].as_array().into_iter().flatten()
}

/// A service's name with the kind of the span.
fn kinds(trace: &Value) -> Vec<String> {
    let mut all: Vec<String> = spans(trace)
        .map(|s| {
            let service = trace["processes"][s["processID"].as_str().unwrap_or("")]["serviceName"].as_str().unwrap_or("");
            format!("{} {}", service.trim_end_matches(".bookinfo"), tag(s, "span.kind"))
        })
        .collect();
    all.sort();
    all
}

/// What a request through the shop is told by; with ratings where reviews ask for them.
fn expected(version: &str) -> Vec<String> {
    let mut all: Vec<String> = [
        "gateway server",
        "gateway client",
        "productpage server",
        "productpage client",
        "productpage client",
        "details server",
        "details client",
        "egress server",
        "egress client",
        "reviews server",
    ]
    .map(str::to_owned)
    .into();
    if version != "v1" {
        all.extend(["reviews client", "ratings server"].map(str::to_owned));
    }
    all.sort();
    all
}

/// The version of reviews that answered.
fn version(trace: &Value) -> String {
    spans(trace)
        .find(|s| tag(s, "istio.canonical_service") == "reviews" && tag(s, "span.kind") == "server")
        .map_or("none", |s| tag(s, "istio.canonical_revision"))
        .to_owned()
}

/// Lines of access logs by pod, with the requests' ids.
fn lines(demo: &Demo) -> BTreeMap<String, Vec<String>> {
    let run = demo.run(&["logs", "--from", "demo", "--tail", "100000", "-o", "json"]);
    let value: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}{}", run.out, run.err));
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in value["lines"].as_array().into_iter().flatten() {
        let id = line["line"].as_str().unwrap_or("").split('"').nth(9).unwrap_or("").to_owned();
        out.entry(line["pod"].as_str().unwrap_or("").to_owned()).or_default().push(id);
    }
    out
}

#[test]
fn metrics_traces_and_logs_are_of_the_requests_that_were_sent() {
    let demo = Demo::start(&["--rate", "6", "--requests", &SENT.to_string()]);
    assert!(demo.said.iter().any(|line| line.contains("(Jaeger's API)")), "{:?}", demo.said);
    // Proxies are scraped one after the other: all of them have to have told of the last request.
    let whole = |counted: &BTreeMap<Vec<String>, u64>| {
        let of = |reporter: &str, source: &str, to: &str| {
            counted.iter().filter(|(l, _)| l[0] == reporter && l[1].starts_with(source) && l[2].starts_with(to)).map(|(_, n)| n).sum::<u64>()
        };
        let both = |source: &str, to: &str| [of("source", source, to), of("destination", source, to)];
        let [asked, answered] = both("reviews", "ratings");
        let all = [("gateway", "productpage"), ("productpage", "details"), ("productpage", "reviews")];
        all.iter().all(|(source, to)| both(source, to) == [SENT, SENT])
            && [("details", "egress"), ("egress", "isbn")].iter().all(|(source, to)| of("source", source, to) == SENT)
            && asked == answered
            && asked == of("destination", "productpage", "reviews-v2") + of("destination", "productpage", "reviews-v3")
    };
    let counted = until("metrics", || demo.requests(BY), whole);
    let number = |reporter: &str, source: &str, to: &str| counted.get(&[reporter, source, to].map(str::to_owned)[..]).copied().unwrap_or(0);
    // Each request is one trace of all its hops.
    let is_whole = |traces: &Vec<Value>| traces.len() as u64 == SENT && traces.iter().all(|t| kinds(t) == expected(&version(t)));
    let traces = until("traces", || demo.traces("gateway.bookinfo"), is_whole);
    let mut split: BTreeMap<String, u64> = BTreeMap::new();
    traces.iter().for_each(|t| *split.entry(version(t)).or_default() += 1);
    let of_versions: BTreeMap<String, u64> = ["v1", "v2", "v3"]
        .map(|v| (v.to_owned(), number("destination", "productpage-v1", &format!("reviews-{v}"))))
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .collect();
    assert_eq!(split, of_versions);
    // And one line of each proxy that counted it.
    let counted = by_proxy(&counted);
    let logs = until("logs", || lines(&demo), |l| l.iter().map(|(pod, ids)| (pod.clone(), ids.len() as u64)).collect::<BTreeMap<_, _>>() == counted);
    let ids: BTreeSet<&str> = logs["gateway.bookinfo"].iter().map(String::as_str).collect();
    // A gateway gives what comes to it an id of its own: the way out has another one.
    let of_gateway = traces.iter().flat_map(spans).filter(|s| tag(s, "istio.canonical_service") == "gateway");
    let told: BTreeSet<&str> = of_gateway.map(|s| tag(s, "guid:x-request-id")).filter(|id| !id.is_empty()).collect();
    assert_eq!((ids.len() as u64, &ids), (SENT, &told));
    tags(&traces[0]);
    commands(&demo, traces[0]["traceID"].as_str().expect("an id"));
    recorded(&demo);
}

/// What Istio's proxies tell, under their names.
fn tags(trace: &Value) {
    let of = |service: &str, kind: &str| {
        spans(trace).find(|s| tag(s, "istio.canonical_service") == service && tag(s, "span.kind") == kind).unwrap_or_else(|| panic!("{service} {kind}"))
    };
    let inbound = of("details", "server");
    assert_eq!(inbound["operationName"], "details.bookinfo.svc.cluster.local:9080/*");
    let expected = [
        ("istio.namespace", "bookinfo"),
        ("istio.canonical_revision", "v1"),
        ("istio.cluster_id", "Kubernetes"),
        ("istio.mesh_id", "cluster.local"),
        ("component", "proxy"),
        ("http.method", "GET"),
        ("http.url", "http://details:9080/details/0"),
        ("http.status_code", "200"),
        ("response_flags", "-"),
        ("upstream_cluster", "inbound|9080||"),
    ];
    for (name, value) in expected {
        assert_eq!(tag(inbound, name), value, "{name}: {inbound}");
    }
    assert!(tag(inbound, "node_id").starts_with("sidecar~") && !tag(inbound, "peer.address").is_empty(), "{inbound}");
    assert_eq!(tag(of("productpage", "client"), "downstream_cluster"), "-");
    let out: BTreeSet<&str> = spans(trace)
        .filter(|s| tag(s, "istio.canonical_service") == "productpage" && tag(s, "span.kind") == "client")
        .map(|s| tag(s, "upstream_cluster"))
        .collect();
    assert!(out.contains("outbound|9080||details.bookinfo.svc.cluster.local"), "{out:?}");
    let router =
        spans(trace).find(|s| s["operationName"].as_str().is_some_and(|n| n.starts_with("router outbound|9080||productpage"))).expect("the gateway's try");
    assert_eq!(router["references"].as_array().map(Vec::len), Some(1));
}

/// Every command that shows them finds them.
fn commands(demo: &Demo, id: &str) {
    let says = |words: &[&str], status: i32, says: &[&str]| {
        let run = demo.run(words);
        assert!(run.status == status && says.iter().all(|s| run.out.contains(s)), "{words:?}: {} {}{}", run.status, run.out, run.err);
        run.out
    };
    says(&["traces", "--from", "demo"], 0, &["gateway.bookinfo"]);
    says(&["traces", "--from", "demo", "--service", "ratings", "--tag", "http.status_code=200", "-o", "json"], 0, &["ratings.bookinfo"]);
    says(&["traces", id, "--from", "demo"], 0, &["egress.bookinfo", "The end waited for"]);
    let one = says(&["logs", "reviews-v1", "--from", "demo"], 0, &["/reviews/0"]);
    assert!(one.lines().all(|l| l.contains("inbound|9080||")), "{one}");
    says(&["logs", "productpage-v1.bookinfo", "--from", "demo", "--host", "details"], 0, &["outbound|9080||details"]);
    assert_eq!(says(&["logs", "--from", "demo", "--failed"], 0, &[]), "");
    assert!(demo.run(&["logs", "nobody", "--from", "demo"]).err.contains("there are logs of"));
    let shown = says(&["tui", "--no-tui", "--from", "demo"], 0, &[]);
    assert!(shown.contains("lines of access logs") && shown.contains(" traces"), "{shown}");
    // What other services asked, by Jaeger's other pages.
    let names = |path: &str| demo.ask("jaeger", path)["data"].as_array().cloned().unwrap_or_default();
    assert_eq!(
        names("/api/services"),
        ["details.bookinfo", "egress.bookinfo", "gateway.bookinfo", "productpage.bookinfo", "ratings.bookinfo", "reviews.bookinfo"]
    );
    assert_eq!(names("/api/services/ratings.bookinfo/operations"), ["ratings.bookinfo.svc.cluster.local:9080/*"]);
    let calls = names("/api/dependencies");
    let call = calls.iter().find(|c| c["parent"] == "productpage.bookinfo" && c["child"] == "reviews.bookinfo").unwrap_or_else(|| panic!("{calls:?}"));
    assert_eq!(call["callCount"], SENT);
}

/// What is recorded of a demo holds its traces and logs, without the demo.
fn recorded(demo: &Demo) {
    let file = demo.folder().join("mesh.rec");
    let name = file.to_str().expect("a name");
    let run = demo.run(&["snapshot", "record", name, "--from", "demo", "--count", "2", "--interval", "1s"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let traces = demo.run(&["traces", "--from", name, "--limit", "1000", "-o", "json"]);
    let value: Value = serde_json::from_str(&traces.out).unwrap_or_else(|e| panic!("{e}: {}", traces.out));
    assert_eq!(value["traces"].as_array().map(|t| t.len() as u64), Some(SENT));
    let logs = demo.run(&["logs", "gateway", "--from", name, "--tail", "100000"]);
    assert_eq!(logs.out.lines().count() as u64, SENT, "{}{}", logs.out, logs.err);
}

#[test]
fn a_real_prometheus_and_a_real_zipkin_beside_it_show_the_same() {
    let (Some(binary), Some(zipkin)) = (component("prometheus"), Zipkin::start()) else { return };
    zipkin.ready();
    let url = format!("http://127.0.0.1:{}", zipkin.port);
    let demo = Demo::start(&["--rate", "6", "--requests", &SENT.to_string(), "--zipkin", &url]);
    let state = demo.state();
    let targets: Vec<String> = state["admins"].as_object().expect("proxies").values().map(|a| format!("'{}'", a.as_str().expect("an address"))).collect();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: mesh-proxy\n  metrics_path: /stats/prometheus\n  static_configs: [{{targets: [{}]}}]\n",
        targets.join(", ")
    );
    let prometheus = prometheus::start_scraping(&binary, &config).expect("prometheus starts");
    let by = "reporter,source_workload,destination_workload,destination_version,response_code,request_protocol,connection_security_policy";
    let address = format!("127.0.0.1:{}", prometheus.port);
    let all = |counted: &BTreeMap<Vec<String>, u64>| counted.iter().filter(|(l, _)| l[0] == "source" && l[1] == "gateway").map(|(_, n)| n).sum::<u64>() == SENT;
    let (ours, theirs) =
        until("both count the same", || (demo.requests(by), totals(&json(&address, &total_query(by)), by)), |(ours, theirs)| all(ours) && ours == theirs);
    assert_eq!(ours.len(), theirs.len());
    // Traces by their spans.
    let of_jaeger = || {
        demo.traces("gateway.bookinfo").iter().map(|t| (t["traceID"].as_str().unwrap_or("").to_owned(), ids(spans(t), "spanID"))).collect::<BTreeMap<_, _>>()
    };
    let of_zipkin = || {
        let found = json(&format!("127.0.0.1:{}", zipkin.port), "/api/v2/traces?limit=1000&lookback=3600000");
        let one = |t: &Value| (t[0]["traceId"].as_str().unwrap_or("").to_owned(), ids(t.as_array().into_iter().flatten(), "id"));
        found.as_array().into_iter().flatten().map(one).collect::<BTreeMap<_, _>>()
    };
    let (ours, theirs) = until("both have the same spans", || (of_jaeger(), of_zipkin()), |(ours, theirs)| ours.len() as u64 == SENT && ours == theirs);
    assert!(ours.values().all(|s| s.len() >= 10) && theirs.len() as u64 == SENT);
    let id = ours.keys().next().expect("a trace");
    // The waterfall is the same from both.
    let waterfall = |words: &[&str]| {
        let run = demo.run(&[&["traces", id], words].concat());
        assert_eq!(run.status, 0, "{}{}", run.out, run.err);
        run.out
    };
    assert_eq!(waterfall(&["--from", "demo"]), waterfall(&["--zipkin", &url]));
}

fn ids<'v>(spans: impl Iterator<Item = &'v Value>, key: &str) -> BTreeSet<String> {
    spans.map(|s| s[key].as_str().unwrap_or("").trim_start_matches('0').to_owned()).collect()
}
