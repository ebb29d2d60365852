//! The program: its flags, what it says, how it ends.

use crate::support;
use serde_json::json;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{bootstrap, cluster, get, manager};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mesh-proxy")).args(args).stdin(Stdio::null()).output().expect("it runs")
}

#[test]
fn validation_says_yes_or_what_is_wrong() {
    let good = bootstrap(&manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]), None), &[cluster("c", &[])]);
    let out = run(&["--config-yaml", &good.to_string(), "--mode", "validate"]);
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stdout).trim()), (Some(0), "configuration OK"));
    let out = run(&["--config-yaml", "static_resources: {clusters: [{name: c, lb_policy: MAGLEV}]}", "--mode", "validate"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && told.contains("static_resources.clusters[0].lb_policy = \"MAGLEV\""), "{told}");
    assert_eq!(run(&["-c", "/nowhere/b.yaml"]).status.code(), Some(1));
}

#[test]
fn sigterm_ends_it_well_and_its_log_is_whole() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (log, admin, file) = (scratch.path().join("log"), scratch.path().join("admin"), scratch.path().join("b.json"));
    let direct = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hi"}}}]);
    std::fs::write(&file, bootstrap(&manager(direct, Some(&log)), &[]).to_string()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-proxy"));
    command.arg("-c").arg(&file).arg("--admin-address-path").arg(&admin).args(["--concurrency", "2", "--drain-time-s", "5", "-l", "off"]);
    // Lines are written at the end, if not before.
    let mut child = command.args(["--file-flush-interval-msec", "3600000"]).stdin(Stdio::null()).spawn().expect("it runs");
    let until = Instant::now() + Duration::from_secs(20);
    let admin = loop {
        if let Some(address) = std::fs::read_to_string(&admin).ok().and_then(|t| t.parse().ok()) {
            break address;
        }
        assert!(Instant::now() < until, "it does not start");
        std::thread::sleep(Duration::from_millis(5));
    };
    let page = get(admin, "/listeners").text();
    let listener = page.trim().strip_prefix("l::").and_then(|a| a.parse().ok()).expect("an address");
    assert_eq!(get(listener, "/x").text(), "hi");
    let killed = Command::new("sh").arg("-c").arg(format!("kill -TERM {}", child.id())).status().expect("sh runs");
    assert!(killed.success());
    assert!(child.wait().expect("it ends").success());
    assert_eq!(support::log_lines(&log, 1)[0]["status"], 200);
}
