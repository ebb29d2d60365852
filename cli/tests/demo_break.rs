//! `meshctl demo break`: each way to break the mesh is found out by a process that has endpoints and manifests, and nothing else.
//!
//! This is the test of the whole product: control plane, sidecars, metrics, and what `why` and `analyze` make of them.
#![allow(clippy::print_stdout)]

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

fn meshctl(states: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshctl"));
    command.env_remove("MESHCTL_PROMETHEUS").env("XDG_RUNTIME_DIR", states).env("KUBECONFIG", "/nonexistent").stdin(Stdio::null());
    command
}

/// One demo at a time: what is slow because the machine is busy would be named too.
static ALONE: Mutex<()> = Mutex::new(());

struct Demo {
    _alone: MutexGuard<'static, ()>,
    process: Child,
    states: tempfile::TempDir,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // As a person ends it, so that its folder goes.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

impl Demo {
    fn start() -> Demo {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let states = tempfile::tempdir().expect("a folder");
        let mut process =
            meshctl(states.path()).args(["demo", "--for", "10m", "--rate", "8"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(process.stderr.take().expect("stderr")).lines();
        let mut said = Vec::new();
        while !said.last().is_some_and(|l: &String| l.contains("meshctl why")) {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {said:?}"));
            said.push(line.expect("text"));
        }
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|l| println!("{l}")));
        Demo { _alone: alone, process, states }
    }

    fn run(&self, words: &[&str]) -> Output {
        meshctl(self.states.path()).args(words).output().expect("it runs")
    }

    /// The subjects that `why` names, and its words; `None` where it has no answer, as before the first rates.
    fn why(&self) -> Option<(Vec<String>, String)> {
        let output = self.run(&["why", "--from", "demo", "--since", "8s", "-o", "json"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value: Value = serde_json::from_str(&text).ok()?;
        let lines = value["lines"].as_array().expect("lines");
        let subjects: Vec<String> = lines.iter().map(|l| l["subject"].as_str().expect("a subject").to_owned()).collect();
        // 75 while there are too few samples.
        assert_eq!(output.status.code() == Some(79), !subjects.is_empty(), "{:?} {text}", output.status.code());
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
        assert!(output.status.success(), "{names:?}: {}", String::from_utf8_lossy(&output.stderr));
        let told: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
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
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        for f in findings.iter().filter(|f| f["level"] != "Info") {
            assert!(allowed.iter().any(|a| f["origin"] == a.as_str()), "{names:?}: {f}");
        }
        // Nothing that is given to who looks for the cause names the scenario.
        let states = std::fs::read_to_string(self.states.path().join("meshctl/demos/bookinfo.json")).expect("a state");
        let state: Value = serde_json::from_str(&states).expect("JSON");
        let folder = Path::new(state["manifests"].as_str().expect("a folder"));
        let manifests: String = std::fs::read_dir(folder).expect("a folder").flatten().map(|f| std::fs::read_to_string(f.path()).unwrap_or_default()).collect();
        assert!(names.iter().all(|n| !states.contains(n) && !manifests.contains(n)), "{names:?}");
        let undone = self.run(&["demo", "break", "--undo"]);
        assert!(undone.status.success() && String::from_utf8_lossy(&undone.stdout).contains(names[0]), "{}", String::from_utf8_lossy(&undone.stderr));
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
        let text = String::from_utf8_lossy(&demo.run(&["why", "--from", "demo", "--since", "8s"]).stdout).into_owned();
        let more: Vec<&str> = text.lines().next().and_then(|l| l.rsplit_once("| meshctl ")).map_or_else(Vec::new, |(_, words)| words.split(' ').collect());
        let shown = if more.is_empty() { String::new() } else { String::from_utf8_lossy(&demo.run(&more).stdout).into_owned() };
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
    assert_eq!(certs.status.code(), Some(0), "{}", String::from_utf8_lossy(&certs.stdout));
    demo.play(&["expired-certificate", "missing-route"], 8);
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let nobody = tempfile::tempdir().expect("a folder");
    let list = meshctl(nobody.path()).args(["demo", "break", "--list"]).output().expect("it runs");
    assert!(list.status.success() && String::from_utf8_lossy(&list.stdout).contains("retry-storm"));
    for (words, status, why) in [
        (&["nonsense"][..], 64, "retry-storm"),
        (&["latency"], 1, "no demo runs"),
        (&["--undo"], 1, "no demo runs"),
        (&[], 64, "NAME"),
        (&["latency", "--undo"], 64, ""),
    ] {
        let output = meshctl(nobody.path()).args(["demo", "break"]).args(words).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(status) && text.contains(why), "{words:?}: {text}");
    }
}
