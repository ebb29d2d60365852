//! `meshctl demo` as a user runs it: requests go through every proxy, the metrics say so, and nothing is left.
#![allow(clippy::print_stdout)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn meshctl(states: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshctl"));
    command.env_remove("MESHCTL_PROMETHEUS").env("XDG_RUNTIME_DIR", states);
    command
}

/// A folder where demos tell of themselves, so that those of other tests are not met.
fn states() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A demo that runs, with what its first line says.
struct Running {
    process: Child,
    gateway: String,
    prometheus: String,
    control_plane: String,
    manifests: PathBuf,
    next: Vec<String>,
    states: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What stands between two words.
fn between(line: &str, before: &str, after: &str) -> String {
    line.split(before).nth(1).and_then(|l| l.split(after).next()).unwrap_or_else(|| panic!("no {before:?} in {line:?}")).to_owned()
}

fn start(states: &Path, arguments: &[&str]) -> Running {
    let mut process = meshctl(states).arg("demo").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let stderr = process.stderr.take().expect("stderr");
    let (to, lines) = mpsc::channel();
    std::thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(|l| drop(to.send(l))));
    let end = Instant::now() + Duration::from_secs(100);
    let next_line = || lines.recv_timeout(end.saturating_duration_since(Instant::now())).expect("a line");
    let first = next_line();
    let mut next = Vec::new();
    while next.len() < 3 {
        let line = next_line();
        if let Some(command) = line.trim().strip_prefix("meshctl ") {
            next.push(command.to_owned());
        }
    }
    Running {
        process,
        gateway: between(&first, "bookinfo by http://", " "),
        prometheus: between(&first, "metrics on ", ","),
        control_plane: between(&first, "control plane on ", ","),
        manifests: between(&first, "manifests in ", ";").into(),
        next,
        states: states.to_owned(),
    }
}

/// The body of a page.
fn page(url: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
}

/// `sum by` of requests so far: labels to numbers.
fn totals(prometheus: &str, by: &str, selector: &str) -> Vec<(Vec<String>, f64)> {
    let query = format!("sum%20by%20({by})%20(istio_requests_total%7B{selector}%7D)");
    let body = page(prometheus, &format!("/api/v1/query?query={query}"), "localhost");
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
    let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    let of = |s: &Value| by.split(',').map(|l| s["metric"][l].as_str().unwrap_or("").to_owned()).collect();
    series.iter().map(|s| (of(s), s["value"][1].as_str().and_then(|v| v.parse().ok()).unwrap_or(0.0))).collect()
}

fn total(list: &[(Vec<String>, f64)], labels: &[&str]) -> f64 {
    list.iter().filter(|(l, _)| l.iter().map(String::as_str).eq(labels.iter().copied())).map(|(_, v)| v).sum()
}

const EDGES: [(&str, &str); 7] = [
    ("gateway", "productpage-v1"),
    ("productpage-v1", "details-v1"),
    ("productpage-v1", "reviews-v1"),
    ("productpage-v1", "reviews-v2"),
    ("productpage-v1", "reviews-v3"),
    ("reviews-v2", "ratings-v1"),
    ("reviews-v3", "ratings-v1"),
];
const OUT: [(&str, &str); 2] = [("details-v1", "egress"), ("egress", "isbn")];

#[test]
fn requests_go_through_every_proxy_and_the_metrics_of_both_ends_say_so() {
    let states = states();
    let mut demo = start(states.path(), &["--rate", "100"]);
    // A second one beside it has other addresses, and another name.
    let mut second = start(states.path(), &["--rate", "1"]);
    assert!(demo.gateway != second.gateway && demo.manifests != second.manifests);
    let several = meshctl(states.path()).args(["ps", "--from", "demo"]).output().expect("it runs");
    assert!(several.status.code() == Some(64) && String::from_utf8_lossy(&several.stderr).contains("bookinfo, bookinfo-2"));
    let named = meshctl(states.path()).args(["analyze", "--from=demo:bookinfo-2"]).output().expect("it runs");
    assert_eq!(named.status.code(), Some(0), "{}", String::from_utf8_lossy(&named.stderr));
    assert!(page(&second.gateway, "/productpage", "bookinfo.example.com").contains("\"details\""));
    second.end("-HUP");
    // Enough for the shares.
    let end = Instant::now() + Duration::from_secs(60);
    let by = "reporter,source_workload,destination_workload";
    loop {
        let list = totals(&demo.prometheus, by, "response_code=%22200%22");
        if total(&list, &["source", "gateway", "productpage-v1"]) >= 300.0 {
            break;
        }
        assert!(Instant::now() < end, "{list:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let list = totals(&demo.prometheus, by, "");
    for (source, destination) in EDGES {
        for reporter in ["source", "destination"] {
            assert!(total(&list, &[reporter, source, destination]) > 0.0, "{reporter} {source} {destination}: {list:?}");
        }
    }
    // What leaves the mesh: gateways have one end.
    assert!(OUT.iter().all(|(source, destination)| total(&list, &["source", source, destination]) > 0.0), "{list:?}");
    assert_eq!(list.len(), 2 * EDGES.len() + OUT.len(), "something else calls: {list:?}");
    let outside = totals(&demo.prometheus, "source_workload,destination_service", "destination_workload=%22isbn%22");
    assert_eq!(outside[0].0, ["egress", "isbn.example.org"], "{outside:?}");
    let failed = totals(&demo.prometheus, by, "response_code!=%22200%22");
    assert!(failed.is_empty(), "{failed:?}");
    let secured = totals(&demo.prometheus, "connection_security_policy,source_principal", "reporter=%22destination%22,destination_app=%22ratings%22");
    assert_eq!(secured[0].0, ["mutual_tls", "spiffe://cluster.local/ns/bookinfo/sa/reviews"], "{secured:?}");
    // 50, 30 and 20 of a hundred, within four standard deviations.
    let shares = totals(&demo.prometheus, "destination_version", "reporter=%22source%22,destination_app=%22reviews%22");
    let all: f64 = shares.iter().map(|(_, v)| v).sum();
    for (version, share) in [("v1", 0.5), ("v2", 0.3), ("v3", 0.2)] {
        let got = total(&shares, &[version]) / all;
        assert!((got - share).abs() < 4.0 * (share * (1.0 - share) / all).sqrt(), "{version}: {got} of {all}");
    }
    // Nothing is wrong with a demo that nobody has broken.
    let findings = meshctl(states.path()).args(["analyze", "--complete", "-o", "json"]).arg(&demo.manifests).output().expect("it runs");
    assert_eq!((findings.status.code(), String::from_utf8_lossy(&findings.stdout).trim()), (Some(0), "[]"));
    // What the demo says to type next works.
    for command in &demo.next {
        let output = meshctl(states.path()).args(command.split(' ')).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {:?} {text}", output.status.code());
        if command.starts_with("ps") {
            assert!(EDGES.iter().all(|(_, name)| text.contains(name)) && text.contains("SYNCED") && !text.contains("STALE"), "{text}");
        }
    }
    let graph = meshctl(states.path()).args(["graph", "--prometheus", &demo.prometheus, "--since", "5s"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&graph.stdout).into_owned();
    assert!(graph.status.success() && text.contains("reviews-v2") && text.contains("ratings-v1"), "{text}");
    every_command_finds_it(states.path());
    demo.end("-INT");
    let gone = meshctl(states.path()).args(["ps", "--from", "demo"]).output().expect("it runs");
    assert!(gone.status.code() == Some(1) && String::from_utf8_lossy(&gone.stderr).contains("no demo runs"));
}

/// `--from demo` with every command that takes a source: what it answers, and a word of it.
fn every_command_finds_it(states: &Path) {
    let commands: &[(&str, i32, &str)] = &[
        ("analyze", 0, ""),
        ("validate", 0, ""),
        ("mtls", 0, "reviews-v3.bookinfo"),
        ("describe svc/reviews", 0, "reviews"),
        ("authz who-can ratings", 0, ""),
        ("authz check ratings-v1", 0, ""),
        ("graph", 0, "ratings-v1"),
        ("top", 0, "bookinfo/details-v1"),
        ("tui --no-tui", 0, "reviews-v2"),
        ("certs", 0, "spiffe://cluster.local/ns/bookinfo/sa/details"),
        ("ps", 0, "productpage-v1.bookinfo"),
        ("pc clusters ratings-v1", 0, "details.bookinfo.svc.cluster.local"),
        ("pc listeners productpage-v1.bookinfo", 0, "9080"),
        ("pc routes gateway", 0, "bookinfo.example.com"),
        ("why", 0, "nothing is wrong"),
        ("why productpage http://reviews:9080/reviews/0", 0, "at Deployment bookinfo/reviews-v3"),
        ("why details-v1 http://isbn.example.org/isbn/0", 0, "at Deployment bookinfo/egress"),
        ("graph", 0, "partners/isbn"),
        ("why gateway http://bookinfo.example.com/productpage", 0, "good: reaches"),
        ("route --pod productpage-v1 --pod reviews-v1 GET http://reviews:9080/reviews/0", 0, "at reviews-v1.bookinfo"),
        ("plan --delete VirtualService/x", 64, ""),
        ("pc clusters", 64, "name one as POD"),
        ("pc clusters nobody", 1, "there is nothing of nobody"),
        ("traces", 0, ".bookinfo.svc.cluster.local:9080"),
        ("traces 7", 1, "there is no trace 7"),
        ("logs ratings-v1", 0, "/ratings/0"),
        ("logs", 0, "gateway.bookinfo"),
        ("zc workloads", 64, "no ztunnel"),
    ];
    for (command, status, word) in commands {
        let output = meshctl(states).args(command.split(' ')).args(["--from", "demo"]).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(*status) && text.contains(word), "{command}: {:?} {text}", output.status.code());
    }
    // The versions are drawn by lot: that one of three shares lies outside of its 95 % interval happens about once in ten runs.
    let output = meshctl(states).args(["canary", "--from", "demo"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 79)) && text.contains("VirtualService bookinfo/reviews"), "{:?} {text}", output.status.code());
    let report = states.join("report.tar.gz");
    let output = meshctl(states).args(["snapshot", "bug-report", "--from", "demo", "--out"]).arg(&report).output().expect("it runs");
    // Of a demo that runs for long not all traces are taken, which is said.
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_all_but_old_traces = output.status.code() == Some(75) && text.lines().all(|l| l.contains("traces of this moment the newest"));
    assert!(output.status.success() || is_all_but_old_traces, "{:?} {text}", output.status.code());
    let again = meshctl(states).args(["pc", "clusters", "ratings-v1", "--from"]).arg(&report).output().expect("it runs");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}

impl Running {
    /// Ends it by a signal; nothing of it is left.
    fn end(&mut self, signal: &str) {
        assert!(self.manifests.join("apps.yaml").exists());
        let told = Command::new("kill").args([signal, &self.process.id().to_string()]).status().expect("kill");
        assert!(told.success());
        assert_eq!(self.process.wait().expect("an end").code(), Some(0));
        assert!(!self.manifests.exists(), "the folder is left");
        let left: Vec<_> = std::fs::read_dir(self.states.join("meshctl/demos")).expect("a folder").flatten().map(|e| e.path()).collect();
        assert!(
            left.iter().all(|f| !std::fs::read_to_string(f).unwrap_or_default().contains(self.prometheus.trim_start_matches("http://"))),
            "its state is left: {left:?}"
        );
        for address in [&self.gateway, &self.prometheus, &self.control_plane] {
            assert!(TcpStream::connect(address.trim_start_matches("http://")).is_err(), "{address} is left");
        }
    }
}

#[test]
fn once_prints_and_ends_and_what_is_not_there_is_refused() {
    let states = states();
    let output = meshctl(states.path()).args(["demo", "--once", "--for", "5s", "--ports"]).stdin(Stdio::null()).output().expect("it runs");
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{text}{said}");
    assert!(text.contains("productpage-v1") && text.contains("SYNCED") && text.contains(" 0 failed"), "{text}");
    assert!(said.contains("by http://127.0.0.1:2"), "{said}");
    assert!(!Path::new(&between(&said, "manifests in ", ";")).exists());
    for (arguments, why) in [
        (&["--size", "3"][..], "4..=1000"),
        (&["--size", "20", "."], "cannot be used with"),
        (&["/nowhere/at/all"], "there is no such file or folder"),
        (&["break", "x"], "no way to break a mesh is called x"),
        (&["--for", "x"], "takes a time"),
        (&["--rate", "0"], "1..=200"),
    ] {
        let output = meshctl(states.path()).arg("demo").args(arguments).stdin(Stdio::null()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn on_a_terminal_it_opens_the_ui_and_a_signal_leaves_nothing() {
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};
    use std::sync::{Arc, Mutex};
    for signal in ["-TERM", "-HUP"] {
        let pair = native_pty_system().openpty(PtySize { rows: 40, cols: 130, pixel_width: 0, pixel_height: 0 }).expect("a terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_meshctl"));
        command.arg("demo");
        command.env("TERM", "xterm-256color");
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        let states = states();
        command.env("XDG_RUNTIME_DIR", states.path());
        let mut child = pair.slave.spawn_command(command).expect("it starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let to = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                to.lock().expect("bytes").extend_from_slice(&chunk[..n]);
            }
        });
        let text = || String::from_utf8_lossy(&seen.lock().expect("bytes")).into_owned();
        let end = Instant::now() + Duration::from_secs(90);
        // The alternate screen, and a workload on it.
        while !text().split_once("\x1b[?1049h").is_some_and(|(_, drawn)| drawn.contains("ratings")) {
            assert!(Instant::now() < end, "{}", text());
            std::thread::sleep(Duration::from_millis(50));
        }
        let folder = between(&text(), "manifests in ", ";");
        let told = Command::new("kill").args([signal, &child.process_id().expect("a process").to_string()]).status().expect("kill");
        assert!(told.success());
        assert!(child.wait().expect("an end").success(), "{signal}");
        assert!(!Path::new(&folder).exists(), "{signal}: the folder is left");
        assert!(text().contains("\x1b[?1049l"), "{signal}: the terminal is not given back");
    }
}
