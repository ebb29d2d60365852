//! `meshctl demo break`: each way to break the mesh is found out by a process that has endpoints and manifests, and nothing else.
//!
//! This is the test of the whole product: control plane, sidecars, metrics, and what `why` and `analyze` make of them.
#![allow(clippy::print_stdout)]

use crate::common;
use common::Run;
use common::demo::{self, meshctl, states};
use serde_json::Value;
use std::time::{Duration, Instant};

struct Demo {
    it: demo::Demo,
}

impl Demo {
    fn start() -> Demo {
        Demo { it: demo::Demo::alone(&["--rate", "8"]) }
    }

    fn run(&self, words: &[&str]) -> Run {
        self.it.run(words)
    }

    /// The subjects that `why` names, and its words; `None` where it has no answer, as before the first rates.
    fn why(&self) -> Option<(Vec<String>, String)> {
        let output = self.run(&["why", "--from", "demo", "--since", "8s", "-o", "json"]);
        let value: Value = serde_json::from_str(&output.out).ok()?;
        let lines = value["lines"].as_array().expect("lines");
        let subjects: Vec<String> = lines.iter().map(|l| l["subject"].as_str().expect("a subject").to_owned()).collect();
        // 75 while there are too few samples.
        assert_eq!(output.status == 79, !subjects.is_empty(), "{} {}", output.status, output.out);
        Some((subjects, lines.iter().map(|l| l["what"].as_str().unwrap_or_default()).collect::<Vec<_>>().join("\n")))
    }

    /// Waits until `why` says what it should, and nothing else.
    fn until(&self, what: &str, is_it: impl Fn(&[String], &str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let answer = self.why();
            if let Some((_, text)) = answer.as_ref().filter(|(subjects, text)| is_it(subjects, text)) {
                return text.clone();
            }
            assert!(Instant::now() < end, "{what}: why says {answer:?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Breaks it, and tells what is to be found: causes, and what may be named beside them.
    fn broken(&self, names: &[&str], seed: u64) -> (Vec<String>, Vec<String>, Vec<String>) {
        let seed = seed.to_string();
        let output = self.run(&[&["demo", "break", "-o", "json", "--seed", &seed], names].concat());
        assert_eq!(output.status, 0, "{names:?}: {}", output.err);
        let told: Vec<Value> = serde_json::from_str(&output.out).expect("JSON");
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let causes: Vec<String> = told.iter().map(|b| text(&b["cause"])).collect();
        let also = told.iter().flat_map(|b| b["also"].as_array().cloned().unwrap_or_default()).map(|v| text(&v));
        (causes.clone(), causes.iter().cloned().chain(also).collect(), told.iter().map(|b| text(&b["seen"])).collect())
    }

    /// One or several scenarios, from breaking to mending.
    fn play(&self, names: &[&str], seed: u64) {
        self.until("before", |subjects, _| subjects.is_empty());
        let (causes, allowed, seen) = self.broken(names, seed);
        // A cause may be known before the first call has failed for it.
        let is_right = |subjects: &[String], text: &str| {
            causes.iter().all(|c| subjects.contains(c)) && subjects.iter().all(|s| allowed.contains(s)) && seen.iter().all(|s| text.contains(s.as_str()))
        };
        let text = self.until(&format!("{names:?} {causes:?}"), is_right);
        // What manifests say is said of the same objects, or not at all.
        let output = self.run(&["analyze", "--from", "demo", "-o", "json"]);
        for f in output.findings().iter().filter(|f| f["level"] != "Info") {
            assert!(allowed.iter().any(|a| f["origin"] == a.as_str()), "{names:?}: {f}");
        }
        // Nothing that is given to who looks for the cause names the scenario.
        let states = self.it.state().to_string();
        let manifests: String =
            std::fs::read_dir(self.it.manifests()).expect("a folder").flatten().map(|f| std::fs::read_to_string(f.path()).unwrap_or_default()).collect();
        assert!(names.iter().all(|n| !states.contains(n) && !manifests.contains(n)), "{names:?}");
        let undone = self.run(&["demo", "break", "--undo"]);
        assert!(undone.status == 0 && undone.out.contains(names[0]), "{}", undone.err);
        println!("{names:?} seed {seed}: {text}");
    }
}

#[test]
fn programs_that_fail_or_are_slow_are_named() {
    let demo = Demo::start();
    for (name, seed) in [("failing-version", 1), ("latency", 2), ("retry-storm", 3), ("open-circuit-breaker", 4), ("ejected-hosts", 5)] {
        demo.play(&[name], seed);
    }
    demo.play(&["mtls-mismatch", "failing-version"], 6);
}

#[test]
fn programs_that_drop_trace_headers_are_named() {
    let demo = Demo::start();
    demo.play(&["broken-trace-headers"], 1);
    demo.until("mended", |subjects, _| subjects.is_empty());
    let (causes, ..) = demo.broken(&["broken-trace-headers"], 2);
    demo.until("broken", |subjects, text| {
        subjects.iter().all(|s| causes.contains(s)) && text.contains("began traces of their own") && text.contains("traceparent")
    });
    // The command that the line ends with shows it too, as soon as its traces are not those of before.
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        let text = demo.run(&["why", "--from", "demo", "--since", "8s"]).out;
        let more: Vec<&str> = text.lines().next().and_then(|l| l.rsplit_once("| meshctl ")).map_or_else(Vec::new, |(_, words)| words.split(' ').collect());
        let shown = if more.is_empty() { String::new() } else { demo.run(&more).out };
        if more.contains(&"traces") && shown.contains("Trace headers that are not handed on") && shown.contains("began traces of their own") {
            break;
        }
        assert!(Instant::now() < end, "{text}{shown}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn objects_that_are_wrong_are_named() {
    let demo = Demo::start();
    let all = [
        ("missing-subset", 1),
        ("missing-route", 2),
        ("rejected-configuration", 3),
        ("mtls-mismatch", 4),
        ("denied-by-policy", 5),
        ("bad-jwt", 6),
        ("blocked-egress", 7),
        ("rate-limit", 8),
    ];
    for (name, seed) in all {
        demo.play(&[name], seed);
    }
    demo.play(&["denied-by-policy", "latency"], 7);
}

#[test]
fn certificates_and_the_control_plane_are_named() {
    let demo = Demo::start();
    for (name, seed) in [("expired-certificate", 1), ("different-roots", 2), ("different-trust-domains", 3), ("lost-control-plane", 4)] {
        demo.play(&[name], seed);
    }
    let certs = demo.run(&["certs", "--from", "demo"]);
    assert_eq!(certs.status, 0, "{}", certs.out);
    demo.play(&["expired-certificate", "missing-route"], 8);
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let nobody = states();
    let ask = |words: &[&str]| common::run(meshctl(nobody.path()).args(["demo", "break"]).args(words).output().expect("it runs"));
    let list = ask(&["--list"]);
    assert!(list.status == 0 && list.out.contains("retry-storm"));
    for (words, status, why) in [
        (&["nonsense"][..], 64, "retry-storm"),
        (&["latency"], 1, "no demo runs"),
        (&["--undo"], 1, "no demo runs"),
        (&[], 64, "NAME"),
        (&["latency", "--undo"], 64, ""),
    ] {
        let output = ask(words);
        assert!(output.status == status && output.err.contains(why), "{words:?}: {}", output.err);
    }
}
