//! `meshctl test`: assertions on dumps and manifests.

mod common;

use common::{Run, folder, meshctl};
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
    assert!(run(&["--from", "nowhere"]).status == 65 && run(&["--from", "nowhere"]).err.contains("no such file"));
    assert_eq!(run(&["--from", "binary"]).status, 65, "{}", run(&["--from", "binary"]).err);
    let both = [testdata().join("test/dumps").display().to_string(), testdata().join("recorded/bookinfo/k8s").display().to_string()];
    assert!(run(&["--from", &both[0], "--from", &both[1]]).err.contains("one is asked, not both"));
    assert_eq!(meshctl(dir.path(), &["test", "nosuch.yaml"]).status, 65);
}

#[test]
fn a_part_that_is_not_translated_leaves_tests_not_judged() {
    let filter = "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: f, namespace: bookinfo}, spec: {configPatches: []}}";
    let k8s = testdata().join("recorded/bookinfo/k8s").display().to_string();
    let dir = folder(&[("t.yaml", FAILING), ("filter.yaml", filter)]);
    let run = meshctl(dir.path(), &["test", "t.yaml", "--from", &k8s, "--from", "filter.yaml"]);
    assert_eq!(run.status, 75, "{}{}", run.out, run.err);
    assert!(run.out.contains("EnvoyFilter bookinfo/f (filter.yaml:1)") && run.out.contains("0 passed, 2 not judged"), "{}", run.out);
}
