//! `meshctl why`: the table of broken set-ups in testdata/why, each with the question, and what must be named.

use crate::common;
use common::{Run, meshctl};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/why")
}

/// A set-up's first lines: `# ask: FROM URL`, `# flags: …`, `# expect: MARK STEP OBJECT[; STATUS [FLAGS]]`, `# says: …`.
struct Case {
    name: String,
    ask: Vec<String>,
    mark: String,
    step: String,
    object: String,
    status: Option<u64>,
    flags: String,
    says: String,
}

fn case(path: &Path) -> Case {
    let text = std::fs::read_to_string(path).expect("a set-up");
    let line = |key: &str| text.lines().find_map(|l| l.strip_prefix(&format!("# {key}: "))).unwrap_or("").to_owned();
    let expect = line("expect");
    let (what, answer) = expect.split_once("; ").unwrap_or((&expect, ""));
    let (mark, rest) = ["broken", "doubtful", "good", "not judged"].iter().find_map(|m| Some((*m, what.strip_prefix(*m)?.trim()))).expect("a mark");
    let (step, object) = rest.split_once(' ').expect("a step and an object");
    let mut answer = answer.split(' ').filter(|t| !t.is_empty());
    let mut ask: Vec<String> = line("ask").split(' ').map(str::to_owned).collect();
    ask.extend(line("flags").split(' ').filter(|f| !f.is_empty()).map(str::to_owned));
    Case {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        ask,
        mark: mark.to_owned(),
        step: step.to_owned(),
        object: object.to_owned(),
        status: answer.next().map(|s| s.parse().expect("a status")),
        flags: answer.next().unwrap_or("").to_owned(),
        says: line("says"),
    }
}

fn ask(case: &Case, format: &str) -> Run {
    let mut args = vec!["why", "-f", &case.name, "-o", format];
    args.extend(case.ask.iter().map(String::as_str));
    meshctl(&testdata(), &args)
}

fn cases() -> Vec<Case> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(testdata()).expect("testdata/why").flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "yaml"));
    paths.sort();
    assert!(paths.len() >= 20);
    paths.iter().map(|p| case(p)).collect()
}

#[test]
fn the_object_and_the_reason_are_named_in_every_broken_set_up() {
    let mut wrong = Vec::new();
    for case in cases() {
        let run = ask(&case, "json");
        let answer: Value = serde_json::from_str(&run.out).unwrap_or_default();
        let steps: Vec<&Value> = answer["parts"].as_array().into_iter().flatten().flat_map(|p| p["steps"].as_array().into_iter().flatten()).collect();
        let named = |s: &&&Value| {
            s["mark"] == *case.mark
                && s["step"] == *case.step
                && (case.object == "-" || s["object"] == *case.object)
                && s["says"].as_str().is_some_and(|t| t.contains(&case.says))
        };
        let is_named = steps.iter().any(|s| named(&s));
        // Of what is broken there is one thing: nothing else may be blamed.
        let blamed = steps.iter().filter(|s| s["mark"] == "broken").count();
        let is_alone = blamed == usize::from(case.mark == "broken");
        let has_place = case.object == "-" || steps.iter().filter(named).all(|s| s["place"].as_str().is_some_and(|p| !p.is_empty()));
        let outcome = &answer["outcomes"][0];
        let ends = case.status.is_none_or(|s| outcome["status"] == s && outcome["flags"] == *case.flags);
        let status = match case.mark.as_str() {
            "broken" => 79,
            "not judged" => 75,
            _ => 0,
        };
        if !(is_named && is_alone && has_place && ends && run.status == status) {
            let text = ask(&case, "text");
            wrong.push(format!(
                "{}: exit {} for {status}, named {is_named}, alone {is_alone}, place {has_place}, ends {ends}\n{}{}",
                case.name, run.status, text.out, text.err
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ambient_mode_and_native_sidecars_are_never_called_plaintext() {
    for case in cases().into_iter().filter(|c| c.name.starts_with("ambient") || c.name == "native-sidecar.yaml") {
        let run = ask(&case, "text");
        assert!(!run.out.contains("plaintext") && !run.out.is_empty(), "{}: {}", case.name, run.out);
    }
}

/// Who may call, by ztunnel's word.
#[test]
fn who_can_speaks_of_ztunnel() {
    let who = |file: &str| meshctl(&testdata(), &["authz", "who-can", "cart.shop", "-f", file, "--complete"]);
    let run = who("ambient-denied.yaml");
    assert!(run.out.contains("AuthorizationPolicy shop/cart, rule 0") && !run.out.contains("not judged"), "{}{}", run.out, run.err);
    let run = who("ambient-http-rule.yaml");
    assert!(run.out.contains("asks for HTTP, which ztunnel does not see"), "{}{}", run.out, run.err);
    let run = who("ambient-waypoint.yaml");
    assert!(run.out.contains("AuthorizationPolicy shop/readers, rule 0") && !run.out.contains("not judged"), "{}{}", run.out, run.err);
}

#[test]
fn the_answer_is_the_same_each_time() {
    for case in cases().iter().take(3) {
        assert_eq!(ask(case, "json").out, ask(case, "json").out);
    }
}

#[test]
fn who_is_asked_for_is_found_or_the_names_are_listed() {
    let run = meshctl(&testdata(), &["why", "-f", "native-sidecar.yaml", "nobody", "http://cart/"]);
    assert!(run.status == 64 && run.err.contains("web.shop"), "{} {}", run.status, run.err);
    let run = meshctl(&testdata(), &["why", "web", "http://cart/"]);
    assert!(run.status == 64 && run.err.contains("-f"), "{} {}", run.status, run.err);
    let run = meshctl(&testdata(), &["why", "-f", "native-sidecar.yaml", "web", "cart"]);
    assert!(run.status == 64 && run.err.contains("has no scheme: write http://cart/"), "{} {}", run.status, run.err);
    let run = meshctl(&testdata(), &["why", "-f", "native-sidecar.yaml", "wbe", "http://cart/"]);
    assert!(run.status == 64 && run.err.contains("did you mean `web.shop`?"), "{} {}", run.status, run.err);
}

/// The recordings, which lie beside the checkout; MESHCTL_CONFORMANCE names another place.
fn recorded() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let dir = std::env::var_os("MESHCTL_CONFORMANCE").map_or_else(beside, PathBuf::from).join("recorded/bookinfo");
    dir.is_dir().then_some(dir)
}

#[test]
#[allow(clippy::print_stdout)]
fn manifests_dumps_and_both_answer_alike() {
    let Some(dir) = recorded() else {
        println!("SKIPPED: no recordings beside the checkout");
        return;
    };
    let ask = |request: &[&str], from: &[&str]| {
        let mut args = vec!["why", "-o", "json", "productpage.bookinfo"];
        args.extend(request);
        from.iter().for_each(|f| args.extend(["-f", *f]));
        let run = meshctl(&dir, &args);
        (serde_json::from_str::<Value>(&run.out).unwrap_or_default(), run)
    };
    for request in [&["http://reviews:9080/reviews/1"][..], &["http://reviews:9080/reviews/1", "-H", "end-user: jason"], &["http://details:9080/details/0"]] {
        let ends = |v: &Value| {
            // What the manifests cannot say: of these endpoints one was ejected when the dump was taken.
            let of = |o: &Value| format!("{} {}", o["share"], o["cluster"]);
            v["outcomes"].as_array().into_iter().flatten().map(of).collect::<std::collections::BTreeSet<_>>()
        };
        let (alone, run) = ask(request, &["envoy"]);
        assert!(!ends(&alone).is_empty(), "{}{}", run.out, run.err);
        let (manifests, run) = ask(request, &["k8s"]);
        assert_eq!(ends(&manifests), ends(&alone), "{}", run.out);
        let (both, run) = ask(request, &["k8s", "envoy"]);
        assert_eq!(ends(&both), ends(&alone), "{}", run.out);
        assert!(run.out.contains("k8s/"), "places of manifests: {}", run.out);
    }
}
