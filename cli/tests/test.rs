//! `meshctl test`: assertions on dumps and manifests.

use crate::common;
use common::{Run, folder, meshctl};
use mesh_testserver::admin::Admin;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn at(args: &[&str]) -> Run {
    meshctl(&testdata(), &[&["test"], args].concat())
}

fn results(run: &Run) -> Vec<(String, String)> {
    let value: Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}{}", run.out, run.err));
    let files = value["files"].as_array().cloned().unwrap_or_default();
    let tests = files.iter().flat_map(|f| f["tests"].as_array().cloned().unwrap_or_default());
    tests.map(|t| (t["name"].as_str().unwrap_or("").to_owned(), t["result"].as_str().unwrap_or("").to_owned())).collect()
}

#[test]
fn the_examples_hold_for_dumps_and_for_the_manifests_behind_them() {
    for args in [
        &["test/routes.yaml"][..],
        &["test/routes.yaml", "--from", "recorded/bookinfo/k8s"],
        &["test/permissions.yaml"],
        &["test/encryption.yaml"],
        &["test/routes.yaml", "test/permissions.yaml", "--from", "recorded/bookinfo/k8s"],
    ] {
        let run = at(args);
        assert_eq!(run.status, 0, "{args:?}\n{}{}", run.out, run.err);
        assert!(run.out.contains("passed") && !run.out.contains("failed"), "{}", run.out);
    }
}

#[test]
fn what_the_input_does_not_show_is_never_a_pass() {
    // The dumps lack the proxy of ratings; what the callers' proxies decide is known.
    let run = at(&["test/permissions.yaml", "--from", "test/dumps", "-o", "json"]);
    assert_eq!(run.status, 75, "{}", run.out);
    assert!(results(&run).iter().all(|(_, result)| result == "not judged"), "{}", run.out);
    assert!(run.out.contains("is not in the input") && run.out.contains("\"complete\": false"), "{}", run.out);
    let allowed = at(&["test/permissions.yaml", "--from", "test/dumps", "--allow-partial"]);
    assert!(allowed.status == 0 && allowed.out.contains("0 passed, 4 not judged"), "{}", allowed.out);
}

const FAILING: &str = "\
tests:
- name: to version 1
  caller: productpage
  request: GET http://reviews:9080/reviews/0
  expect:
    subset: v1
    weights: {v1: 50, v2: 50}
    timeout: 2s
- name: fine & good
  caller: productpage
  request: GET reviews:9080/reviews/0
  expect: {object: VirtualService bookinfo/reviews}
";

fn failing(more: &str, args: &[&str]) -> Run {
    let dir = folder(&[("t.yaml", &format!("{FAILING}{more}"))]);
    let dumps = testdata().join("test/dumps").display().to_string();
    meshctl(dir.path(), &[&["test", "t.yaml", "--from", &dumps], args].concat())
}

#[test]
fn failures_say_what_was_expected_and_found_and_where() {
    let run = failing("", &[]);
    assert_eq!(run.status, 79, "{}", run.err);
    for says in [
        "t.yaml:6:13: subset: expected v1; found 80% to v1, 20% to v2",
        "t.yaml:7:14: weights: expected 50% to v1, 50% to v2; found 80% to v1, 20% to v2",
        "t.yaml:8:14: timeout: expected 2s; found 3s",
        "VirtualService bookinfo/reviews",
        "1 passed, 1 failed",
    ] {
        assert!(run.out.contains(says), "{says}\n{}", run.out);
    }
    let value: Value = serde_json::from_str(&failing("", &["-o", "json"]).out).expect("JSON");
    let first = &value["files"][0]["tests"][0];
    assert_eq!((&first["failures"][2]["found"], &first["line"], &value["failed"]), (&"3s".into(), &2.into(), &1.into()), "{value}");
    assert!(first["ways"][0]["proxies"][0]["steps"].as_array().is_some_and(|s| !s.is_empty()));
    let junit = failing("", &["-o", "junit"]).out;
    assert!(junit.contains("<testsuite name=\"t.yaml\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\">"), "{junit}");
    assert!(junit.contains("name=\"fine &amp; good\"/>") && junit.contains("<failure type=\"subset\""), "{junit}");
}

#[test]
fn a_broken_test_costs_itself_and_the_worst_decides_the_status() {
    let broken = "- {name: broken, caller: productpage, request: GET http://reviews:9080/, expct: allowed}\n";
    let run = failing(broken, &["-o", "json"]);
    let told = results(&run);
    assert_eq!((run.status, told[1].1.as_str(), told[2].1.as_str()), (79, "passed", "unreadable"), "{}", run.out);
    let dir = folder(&[("t.yaml", &format!("tests:\n{broken}"))]);
    let dumps = testdata().join("test/dumps").display().to_string();
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", &dumps]);
    assert!(run.status == 65 && run.out.contains("t.yaml:2:74: a test has no `expct`; did you mean `expect`?"), "{} {}", run.status, run.out);
    let unknown = "- {name: who, caller: productpag, request: GET http://reviews:9080/, expect: allowed}\n";
    let dir = folder(&[("t.yaml", &format!("tests:\n{unknown}"))]);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", &dumps]);
    assert!(run.status == 75 && run.out.contains("did you mean `productpage`?"), "{} {}", run.status, run.out);
}

#[test]
fn a_broken_dump_costs_its_own_proxy() {
    let dump = |name: &str| std::fs::read_to_string(testdata().join("test/dumps").join(name)).expect("a dump");
    let (whole, other) = (dump("productpage.json"), dump("reviews-v3.json"));
    let dir = folder(&[("t.yaml", FAILING), ("dumps/a.json", &whole), ("dumps/b.json", &other[..other.len() / 2])]);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", "dumps"]);
    assert!(run.status == 79 && run.out.contains("unreadable  dumps/b.json: ") && run.out.contains("1 passed, 1 failed"), "{} {}", run.status, run.out);
}

#[test]
fn sources_that_are_none_are_refused() {
    let dir = folder(&[("t.yaml", FAILING), ("binary", "\0\0\0"), ("empty/x.txt", "hello")]);
    let run = |args: &[&str]| meshctl(dir.path(), &[&["test", "t.yaml"], args].concat());
    assert!(run(&[]).status == 64 && run(&[]).err.contains("Name dumps or manifests with --from"));
    assert!(run(&["--from", "nowhere"]).status == 65 && run(&["--from", "nowhere"]).err.contains("nowhere: does not exist"));
    assert_eq!(run(&["--from", "binary"]).status, 65, "{}", run(&["--from", "binary"]).err);
    let pages = folder(&[("stats.txt", "cluster.a.upstream_cx_total: 1\ncluster.b.upstream_cx_total: 2\n")]);
    let stats = pages.path().join("stats.txt").display().to_string();
    assert!(run(&["--from", &stats]).status == 65 && run(&["--from", &stats]).err.contains("expected are manifests or config dumps"));
    assert_eq!(meshctl(dir.path(), &["test", "nosuch.yaml"]).status, 65);
}

#[test]
fn a_part_that_is_not_translated_leaves_tests_not_judged() {
    let filter = "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f, namespace: bookinfo}, spec: {configPatches: [{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {}}}]}}";
    let k8s = testdata().join("recorded/bookinfo/k8s").display().to_string();
    let dir = folder(&[("t.yaml", FAILING), ("filter.yaml", filter)]);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", &k8s, "--from", "filter.yaml"]);
    assert_eq!(run.status, 75, "{}{}", run.out, run.err);
    assert!(run.out.contains("EnvoyFilter bookinfo/f (filter.yaml:1)") && run.out.contains("0 passed, 2 not judged"), "{}", run.out);
}

/// One set-up; what is expected of it, and how that comes out.
const ENCRYPTION: &str = "\
tests:
- {name: travels, caller: cart, request: 'GET http://db:80/', expect: {encryption: mtls}}
- {name: in plaintext, caller: cart, request: 'GET http://db:80/', expect: {encryption: plaintext}}
- {name: to nowhere, caller: cart, request: 'GET http://pay:80/nowhere', expect: {encryption: mtls}}
- {name: permissive, server: cart, expect: {encryption: permissive}}
- {name: not strict, server: cart, expect: {encryption: strict}}
- {name: nothing of the sort, server: db, expect: {encryption: encrypted}}
- {name: off, server: db, expect: {encryption: 'off'}}
- {name: all, server: '*', port: 80, expect: {encryption: strict}}
- {name: no port, server: cart, port: 81, expect: {encryption: strict}}
- {name: nobody, server: cat, expect: {encryption: strict}}
";

const SHOP: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: pay, namespace: shop}
spec: {selector: {app: pay}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: pay, namespace: shop}
spec: {hosts: [pay], http: [{match: [{uri: {exact: /}}], route: [{destination: {host: pay}}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}, template: {metadata: {labels: {app: cart}}, spec: {containers: [{name: app, image: cart}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: pay, namespace: shop}
spec: {selector: {matchLabels: {app: pay}}, template: {metadata: {labels: {app: pay}}, spec: {containers: [{name: app, image: pay}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db, sidecar.istio.io/inject: 'false'}}, spec: {containers: [{name: app, image: db}]}}}
";

#[test]
fn encryption_is_judged_by_how_requests_travel_and_by_what_servers_take() {
    let dir = folder(&[("t.yaml", ENCRYPTION), ("k8s/shop.yaml", SHOP)]);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", "k8s"]);
    for says in [
        "t.yaml:2:84: encryption: expected mutual TLS; found plaintext from cart.shop to db.shop",
        "ok          in plaintext",
        "expected mutual TLS; found ",
        "ok          permissive",
        "encryption: expected STRICT; found at cart.shop:80 PERMISSIVE",
        "encryption: expected encrypted; found at db.shop:80 the workload has no sidecar",
        "ok          off",
        "no port 81 of cart is known",
        "no workload of the input is called `cat`; did you mean `cart`?",
        "3 passed, 5 failed, 2 not judged",
    ] {
        assert!(run.out.contains(says), "{says}\n{}{}", run.out, run.err);
    }
    assert_eq!(run.status, 79);
    let dumps = at(&["test/encryption.yaml", "--from", "test/dumps", "-o", "json"]);
    let told = results(&dumps);
    assert_eq!((dumps.status, told[0].1.as_str(), told[2].1.as_str()), (75, "passed", "not judged"), "{}", dumps.out);
}

#[test]
fn of_a_proxy_whose_dump_is_given_beside_manifests_the_dump_is_asked() {
    // What the proxy holds knows a route that the manifests do not.
    let dump = std::fs::read_to_string(testdata().join("test/dumps/productpage.json")).expect("a dump").replace("\"jason\"", "\"mason\"");
    let dir = folder(&[("t.yaml", FAILING), ("dumps/a.json", &dump)]);
    let k8s = testdata().join("recorded/bookinfo/k8s").display().to_string();
    let test = "tests:\n- {caller: productpage, request: 'GET http://reviews:9080/reviews/0', headers: {end-user: mason}, expect: {subset: v3}}\n";
    common::write(dir.path(), &[("t.yaml", test)]);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", &k8s]);
    assert_eq!(run.status, 79, "{}{}", run.out, run.err);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", &k8s, "--from", "dumps"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
}

#[test]
fn which_of_two_dumps_of_a_proxy_counts_is_said() {
    let dump = std::fs::read_to_string(testdata().join("test/dumps/productpage.json")).expect("a dump");
    let dir = folder(&[("t.yaml", FAILING), ("dumps/a.json", &dump), ("dumps/b.json", &dump)]);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", "dumps"]);
    assert!(run.err.contains("dumps/a.json is used, which comes first, and dumps/b.json is not"), "{}{}", run.out, run.err);
    let run = meshctl(dir.path(), &["pc", "cluster", "--from", "dumps"]);
    assert!(run.status == 0 && run.err.contains("is used, which is the longest"), "{} {}", run.status, run.err);
    let quiet = meshctl(dir.path(), &["pc", "cluster", "-q", "--from", "dumps"]);
    assert!(quiet.err.is_empty(), "{}", quiet.err);
}

fn edges(tests: &str, args: &[&str]) -> Run {
    let dir = folder(&[("t.yaml", &format!("tests:\n{tests}"))]);
    let series = testdata().join("traffic/bookinfo.json").display().to_string();
    meshctl(dir.path(), &[&["test", "t.yaml", "--metrics", &series], args].concat())
}

#[test]
fn edges_are_judged_by_what_was_measured() {
    let run = at(&["test/traffic.yaml"]);
    assert!(run.status == 0 && run.out.contains("4 passed"), "{}{}", run.out, run.err);
    // Beside other tests of the same file, and with the metrics among the sources.
    let text = std::fs::read_to_string(testdata().join("test/permissions.yaml")).expect("permissions.yaml");
    let sources = format!(
        "from: [{}, {}]\n{}\n- {{edge: {{from: reviews, to: ratings}}, expect: present}}\n",
        testdata().join("recorded/bookinfo/k8s").display(),
        testdata().join("traffic/bookinfo.json").display(),
        text.lines().filter(|l| !l.starts_with("from:")).collect::<Vec<_>>().join("\n"),
    );
    let dir = folder(&[("t.yaml", &sources)]);
    let run = meshctl(dir.path(), &["test", "t.yaml"]);
    assert!(run.status == 0 && run.out.contains("5 passed"), "{}{}", run.out, run.err);
}

#[test]
fn an_edge_that_fails_says_by_how_much_and_which_series_made_it() {
    let tests = "\
- {name: n, edge: {from: productpage, to: reviews-v2}, expect: {minRate: 100, maxErrorPercent: 1, maxP99: 3ms, protocol: grpc}}
- {name: a, edge: {from: productpage, to: ratings}, expect: absent}
- {name: g, edge: {from: istio-ingressgateway, to: productpage}, expect: {minMtlsPercent: 100}}
- {name: x, edge: {from: reviews-v1, to: ratings}, expect: {minRate: 1}}
- {name: y, edge: {from: productpage, to: raitings}, expect: present}
";
    let run = edges(tests, &[]);
    assert_eq!(run.status, 79, "{}{}", run.out, run.err);
    for says in [
        "t.yaml:2:74: minRate: expected at least 100/s; found 1.5/s",
        "maxErrorPercent: expected at most 1%; found 15% (500 0.138/s, 502 0.075/s, 504 UT 0.013/s)",
        "maxP99: expected at most 3ms; found about",
        "protocol: expected grpc; found http",
        "bookinfo/productpage-v1 -> bookinfo/reviews-v2\n",
        "1.2875/s  istio_requests_total{connection_security_policy=\"mutual_tls\",destination_workload=\"reviews-v2\",reporter=\"destination\",response_code=\"200\",response_flags=\"-\",source_workload=\"productpage-v1\"}",
        "exists: expected no call; found bookinfo/productpage-v1 -> bookinfo/ratings",
        "minRate: expected a call; found nothing that reviews-v1 sent to ratings",
        "found nothing in the metrics is called raitings; did you mean `ratings`?",
    ] {
        assert!(run.out.contains(says), "{says}\n{}", run.out);
    }
    // The gateway is not known to those that it calls: they have counted its calls as somebody's.
    assert!(run.out.contains("minMtlsPercent: nobody who takes these calls has said whether they are encrypted"), "{}", run.out);
    let run = edges(tests, &["-o", "json"]);
    let value: Value = serde_json::from_str(&run.out).expect("JSON");
    let evidence = &value["files"][0]["tests"][0]["evidence"];
    assert_eq!(evidence["edges"], serde_json::json!(["bookinfo/productpage-v1 -> bookinfo/reviews-v2"]), "{evidence}");
    assert!(evidence["mtlsPercent"] == 100.0 && evidence["reportedBy"] == "both" && evidence["rate"].as_f64() == Some(1.5), "{evidence}");
    assert!(evidence["series"].as_array().is_some_and(|s| s.len() > 5), "{evidence}");
    let run = edges(tests, &["-o", "junit"]);
    assert!(run.out.contains("failures=\"4\" errors=\"1\""), "{}", run.out);
}

#[test]
fn an_edge_that_was_not_seen_is_never_judged() {
    let tests = "\
- {name: misspelt, edge: {from: productpage, to: raitings}, expect: absent}
- {name: nobody at the other end tells, edge: {from: productpage, to: api.external.example.com}, expect: {minMtlsPercent: 1}}
";
    let run = edges(tests, &[]);
    assert!(run.status == 75 && run.out.contains("0 passed, 2 not judged"), "{}{}", run.out, run.err);
    assert!(run.out.contains("nothing in the metrics is called raitings; did you mean `ratings`?"), "{}", run.out);
    // A proxy that does not answer may have seen the call.
    let page = "# TYPE istio_requests_total counter\n\
        istio_requests_total{reporter=\"source\",source_workload=\"web\",source_workload_namespace=\"shop\",source_canonical_service=\"web\",\
        destination_workload=\"cart\",destination_workload_namespace=\"shop\",destination_service=\"cart.shop.svc.cluster.local\",\
        destination_service_name=\"cart\",destination_service_namespace=\"shop\",request_protocol=\"http\",response_code=\"200\",response_flags=\"-\"} 10\n";
    let admin = Admin::start([("/stats/prometheus".to_owned(), page.to_owned())].into()).expect("an admin port");
    let dir = folder(&[("t.yaml", "tests:\n- {edge: {from: web, to: cart}, expect: present}\n")]);
    let both = ["test", "t.yaml", "--interval", "1s", "--metrics", &format!("http://{}", admin.address()), "--metrics", "http://127.0.0.1:1"];
    let run = meshctl(dir.path(), &both);
    assert!(run.status == 75 && run.out.contains("exists: not all was seen: http://127.0.0.1:1"), "{}{}", run.out, run.err);
}

#[test]
fn metrics_that_can_not_be_had_cost_the_tests_of_edges_alone() {
    let dir = folder(&[("t.yaml", "tests:\n- {edge: {from: web, to: cart}, expect: present}\n")]);
    let run = meshctl(dir.path(), &["test", "t.yaml"]);
    assert!(run.status == 64 && run.err.contains("tests of edges need metrics"), "{}{}", run.out, run.err);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--prometheus", "http://127.0.0.1:1"]);
    assert!(run.status == 1 && run.err.contains("127.0.0.1:1"), "{}{}", run.out, run.err);
    let both = format!("{FAILING}- {{name: edge, edge: {{from: web, to: cart}}, expect: present}}\n");
    let dir = folder(&[("t.yaml", &both)]);
    let dumps = testdata().join("test/dumps").display().to_string();
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", &dumps, "--prometheus", "http://127.0.0.1:1"]);
    assert!(run.status == 79 && run.out.contains("1 passed, 1 failed, 1 not judged"), "{}{}", run.out, run.err);
}
