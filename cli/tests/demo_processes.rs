//! `meshctl demo --processes`: each proxy in a process of its own, none of which outlives the demo; and a real Envoy before one of
//! its workloads.
#![allow(clippy::print_stdout)]
#![cfg(target_os = "linux")]

use crate::common;
use common::Run;
use common::demo::json;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A demo, and what it tells others.
struct Demo {
    it: common::demo::Demo,
    state: Value,
}

impl Demo {
    fn start(arguments: &[&str]) -> Demo {
        let it = common::demo::Demo::start(&[&["--rate", "20"][..], arguments].concat());
        let state = it.state();
        Demo { it, state }
    }
    fn run(&self, words: &str) -> Run {
        self.it.run(&words.split(' ').chain(["--from", "demo"]).collect::<Vec<_>>())
    }
    /// Processes by the proxy that they are.
    fn processes(&self) -> BTreeMap<String, u32> {
        children(self.it.process.id())
    }
    fn said(&self) -> PathBuf {
        self.state["said"].as_str().expect("a folder").into()
    }
    /// Answers of a workload so far, by its callers' count: with 200, and with another status.
    fn answers(&self, workload: &str) -> (f64, f64) {
        let of = |selector: &str| {
            let query = format!("sum(istio_requests_total%7Breporter=%22source%22,destination_workload=%22{workload}%22,response_code{selector}%22200%22%7D)");
            let answer = json(self.state["prometheus"].as_str().expect("an address"), &format!("/api/v1/query?query={query}"));
            answer["data"]["result"][0]["value"][1].as_str().and_then(|v| v.parse().ok()).unwrap_or(0.0)
        };
        (of("="), of("!="))
    }
    fn flow(&self, workload: &str) {
        let (before, _) = self.answers(workload);
        until(&format!("{workload} answers"), || self.answers(workload).0 > before + 3.0);
    }
}

/// The children of a process that are parts of a demo, by their last word.
fn children(parent: u32) -> BTreeMap<String, u32> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let of = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        let words = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if let (Some(name), true) = (words.trim_end_matches('\0').rsplit('\0').next(), of == Some(parent)) {
            out.insert(name.to_owned(), pid);
        }
    }
    out
}

/// Whether a process is there and no zombie.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn kill(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill").success());
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_killed_sidecar_is_named_and_the_rest_works_and_no_process_outlives_the_demo() {
    let mut demo = Demo::start(&["--processes"]);
    let processes = demo.processes();
    assert_eq!(processes.len(), 8, "{processes:?}");
    demo.flow("details-v1");
    // The order with the token is in no argument.
    for pid in processes.values() {
        let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("words");
        assert!(!words.contains("authorization") && !words.contains("Bearer"), "{words:?}");
    }
    assert_eq!(demo.run("ps").status, 0);
    kill("-KILL", processes["details-v1.bookinfo"]);
    let (_, failed) = demo.answers("details-v1");
    until("calls of details fail", || demo.answers("details-v1").1 > failed + 3.0);
    let ps = demo.run("ps");
    let text = format!("{}{}", ps.out, ps.err);
    assert!(ps.status == 79 && text.contains("details-v1.bookinfo") && text.contains("productpage-v1.bookinfo"), "{:?} {text}", ps.status);
    assert!(text.lines().any(|l| l.contains("details-v1.bookinfo") && l.contains("connected to no istiod")), "{text}");
    until("why names it", || {
        let why = demo.run("why --since 10s");
        let text = format!("{}{}", why.out, why.err);
        println!("{:?} {text}", why.status);
        why.status == 79 && text.contains("details-v1")
    });
    // Who does not call it goes on.
    demo.flow("ratings-v1");
    let others: Vec<u32> = processes.iter().filter(|(name, _)| *name != "details-v1.bookinfo").map(|(_, pid)| *pid).collect();
    assert!(others.iter().all(|pid| lives(*pid)));
    demo.it.process.kill().expect("killed");
    demo.it.process.wait().expect("an end");
    until("no process is left", || !others.iter().any(|pid| lives(*pid)));
    let _ = std::fs::remove_dir_all(demo.said());
    for left in ["manifests", "logs"] {
        let _ = std::fs::remove_dir_all(demo.state[left].as_str().expect("a folder"));
    }
}

#[test]
fn an_interruption_ends_all_processes_and_leaves_nothing() {
    let mut demo = Demo::start(&["--processes"]);
    let processes = demo.processes();
    demo.flow("ratings-v1");
    let said = demo.said();
    assert!(said.join("ratings-v1.bookinfo.log").exists());
    kill("-INT", demo.it.process.id());
    assert!(demo.it.process.wait().expect("an end").success());
    assert!(!processes.values().any(|pid| lives(*pid)), "{processes:?}");
    assert!(!said.exists());
    // Nor is it left to those who read what the processes write.
    assert!(!Path::new(demo.state["logs"].as_str().expect("a folder")).exists());
}

#[test]
fn an_envoy_takes_a_sidecars_place() {
    let Some(program) = common::component("envoy") else { return };
    let name = |workload: &str| format!("{workload}={}", program.display());
    let (ratings, page) = (name("ratings-v1"), name("productpage-v1"));
    let mut demo = Demo::start(&["--envoy", &ratings, "--envoy", &page]);
    // One is called by mesh-proxies and the other calls them, with nothing but mutual TLS between them.
    demo.flow("productpage-v1");
    for workload in ["reviews-v1", "reviews-v2", "reviews-v3", "details-v1"] {
        until(&format!("{workload} answers the Envoy"), || arrived(&demo, workload) > 0.0);
    }
    demo.flow("ratings-v1");
    for proxy in ["ratings-v1.bookinfo", "productpage-v1.bookinfo"] {
        let admin = demo.state["admins"][proxy].as_str().expect("an address");
        let stats = common::demo::page(admin, "/stats?filter=(update_rejected|ssl.handshake)");
        let rejected: Vec<&str> = stats.lines().filter(|l| l.contains("update_rejected") && !l.ends_with(": 0")).collect();
        assert!(rejected.is_empty(), "{proxy}: {rejected:?}");
        assert!(stats.lines().any(|l| l.contains("ssl.handshake") && !l.ends_with(": 0")), "{proxy}: {stats}");
    }
    let ps = demo.run("ps");
    let text = format!("{}{}", ps.out, ps.err);
    assert!(ps.status == 0 && !text.contains("REFUSED"), "{:?} {text}", ps.status);
    // Both route by what the control plane says, and say it to who asks.
    for words in ["why productpage http://reviews:9080/reviews/0", "pc routes productpage-v1", "certs"] {
        let output = demo.run(words);
        let text = format!("{}{}", output.out, output.err);
        assert_eq!(output.status, 0, "{words}: {text}");
    }
    // Its access log is with the others'.
    let log = Path::new(demo.state["logs"].as_str().expect("a folder")).join("ratings-v1.bookinfo.log");
    until("the Envoy's access log", || std::fs::read_to_string(&log).is_ok_and(|t| t.contains("/ratings/0")));
    // Who has started an Envoy is killed: it ends with the demo all the same.
    let parts = demo.processes();
    let envoys: Vec<u32> = parts.values().flat_map(|part| children(*part).into_values()).collect();
    assert!(envoys.len() == 2 && envoys.iter().all(|pid| lives(*pid)), "{parts:?} {envoys:?}");
    parts.values().for_each(|part| kill("-KILL", *part));
    kill("-INT", demo.it.process.id());
    assert!(demo.it.process.wait().expect("an end").success());
    until("no Envoy is left", || !envoys.iter().any(|pid| lives(*pid)));
}

/// What arrived at a workload by its own count: an Envoy of upstream counts nothing in Istio's metrics.
fn arrived(demo: &Demo, workload: &str) -> f64 {
    let query = format!("sum(istio_requests_total%7Breporter=%22destination%22,destination_workload=%22{workload}%22,response_code=%22200%22%7D)");
    let answer = json(demo.state["prometheus"].as_str().expect("an address"), &format!("/api/v1/query?query={query}"));
    answer["data"]["result"][0]["value"][1].as_str().and_then(|v| v.parse().ok()).unwrap_or(0.0)
}

#[test]
fn a_mesh_of_ones_own_runs_in_processes_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = |name: &str, port: &str, script: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: {name}}}, ports: [{{{port}}}]}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  \
             template: {{metadata: {{labels: {{app: {name}}}, annotations: {{demo.meshctl/script: \"{script}\"}}}}, spec: {{containers: [{{name: app, image: x}}]}}}}\n---\n"
        )
    };
    let text = one("page", "name: http, port: 80", "[{call: items}, {call: 'db:5432'}]")
        + &one("items", "name: http, port: 80", "[]")
        + &one("db", "name: tcp, port: 5432", "[]");
    std::fs::write(dir.path().join("mesh.yaml"), text).expect("a file");
    let folder = dir.path().to_str().expect("a path");
    let nobody = common::run(common::demo::meshctl(dir.path()).args(["demo", folder, "--envoy", "nobody=/bin/true"]).output().expect("it runs"));
    assert!(nobody.status == 65 && nobody.err.contains("no workload is called `nobody`; there are"), "{} {}", nobody.status, nobody.err);
    // An Envoy before one of them, where there is one.
    let envoy = common::component("envoy").map(|program| format!("items={}", program.display()));
    let mut arguments = vec![folder, "--processes"];
    arguments.extend(envoy.iter().flat_map(|word| ["--envoy", word.as_str()]));
    let mut demo = Demo::start(&arguments);
    let processes = demo.processes();
    assert!(["page.shop", "items.shop", "db.shop", "load.demo-load"].iter().all(|p| processes.contains_key(*p)), "{processes:?}");
    // It answers 200 where both of its calls were answered, by HTTP and by TCP.
    demo.flow("page");
    demo.flow("items");
    until("the connections are counted", || connections(&demo, "db") > 0.0);
    // A new workload gets a process of its own.
    std::fs::write(dir.path().join("more.yaml"), one("more", "name: http, port: 80", "[{call: items}]")).expect("a file");
    until("a new process", || demo.processes().contains_key("more.shop"));
    let processes = demo.processes();
    kill("-INT", demo.it.process.id());
    assert!(demo.it.process.wait().expect("an end").success());
    assert!(!processes.values().any(|pid| lives(*pid)), "{processes:?}");
}

/// Connections of TCP to a workload, as its callers count them.
fn connections(demo: &Demo, workload: &str) -> f64 {
    let query = format!("sum(istio_tcp_connections_opened_total%7Breporter=%22source%22,destination_workload=%22{workload}%22%7D)");
    let answer = json(demo.state["prometheus"].as_str().expect("an address"), &format!("/api/v1/query?query={query}"));
    answer["data"]["result"][0]["value"][1].as_str().and_then(|v| v.parse().ok()).unwrap_or(0.0)
}

#[test]
fn what_is_no_envoy_is_refused() {
    let states = tempfile::tempdir().expect("a folder");
    for (arguments, status, why) in [
        (&["--envoy", "ratings-v1"][..], 64, "WORKLOAD=PROGRAM"),
        (&["--envoy", "nobody=/bin/true"], 64, "no workload is called `nobody`"),
        (&["--envoy", "ratings-v1=/nonexistent"], 64, "is no file"),
        (&["--envoy", "ratings-v1=/bin/true"], 1, "it ended at once"),
        (&["part"], 1, "which starts it"),
    ] {
        let output = common::run(common::demo::meshctl(states.path()).arg("demo").args(arguments).output().expect("it runs"));
        assert!(output.status == status && output.err.contains(why), "{arguments:?}: {:?} {}", output.status, output.err);
    }
}
