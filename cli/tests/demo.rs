//! `meshctl demo` as a user runs it: requests go through every proxy, the metrics say so, and nothing is left.
#![allow(clippy::print_stdout)]

use crate::common;
use common::Run;
use common::demo::{Demo, json, meshctl, states, until};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn run(states: &Path, words: &[&str]) -> Run {
    common::run(meshctl(states).args(words).output().expect("it runs"))
}

/// An address of the demo.
fn address(demo: &Demo, of: &str) -> String {
    demo.state()[of].as_str().expect("an address").to_owned()
}

/// What stands between two words.
fn between(line: &str, before: &str, after: &str) -> String {
    line.split(before).nth(1).and_then(|l| l.split(after).next()).unwrap_or_else(|| panic!("no {before:?} in {line:?}")).to_owned()
}

/// The body of a page of the shop.
fn page(gateway: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(gateway).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: bookinfo.example.com\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
}

/// `sum by` of requests so far: labels to numbers.
fn totals(prometheus: &str, by: &str, selector: &str) -> Vec<(Vec<String>, f64)> {
    let query = format!("sum%20by%20({by})%20(istio_requests_total%7B{selector}%7D)");
    let answer = json(prometheus, &format!("/api/v1/query?query={query}"));
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
    let mut demo = Demo::start(&["--rate", "100"]);
    // A second one beside it has other addresses, and another name.
    let mut second = demo.beside(&["--rate", "1"]);
    let (gateway, prometheus) = (address(&second, "gateway"), address(&demo, "prometheus"));
    assert!(address(&demo, "gateway") != gateway && demo.manifests() != second.manifests());
    let several = demo.run(&["ps", "--from", "demo"]);
    assert!(several.status == 64 && several.err.contains("bookinfo, bookinfo-2"), "{} {}", several.status, several.err);
    // What it says to type next is of itself.
    assert!(second.next().iter().all(|c| c.ends_with("--from demo:bookinfo-2")), "{:?}", second.next());
    let named = demo.run(&["analyze", "--from=demo:bookinfo-2"]);
    assert_eq!(named.status, 0, "{}", named.err);
    assert!(page(&gateway, "/productpage").contains("\"details\""));
    second.end("-HUP");
    // Enough for the shares.
    let end = Instant::now() + Duration::from_secs(60);
    let by = "reporter,source_workload,destination_workload";
    loop {
        let list = totals(&prometheus, by, "response_code=%22200%22");
        if total(&list, &["source", "gateway", "productpage-v1"]) >= 300.0 {
            break;
        }
        assert!(Instant::now() < end, "{list:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let list = totals(&prometheus, by, "");
    for (source, destination) in EDGES {
        for reporter in ["source", "destination"] {
            assert!(total(&list, &[reporter, source, destination]) > 0.0, "{reporter} {source} {destination}: {list:?}");
        }
    }
    // What leaves the mesh: gateways have one end.
    assert!(OUT.iter().all(|(source, destination)| total(&list, &["source", source, destination]) > 0.0), "{list:?}");
    assert_eq!(list.len(), 2 * EDGES.len() + OUT.len(), "something else calls: {list:?}");
    let outside = totals(&prometheus, "source_workload,destination_service", "destination_workload=%22isbn%22");
    assert_eq!(outside[0].0, ["egress", "isbn.example.org"], "{outside:?}");
    let failed = totals(&prometheus, by, "response_code!=%22200%22");
    assert!(failed.is_empty(), "{failed:?}");
    let secured = totals(&prometheus, "connection_security_policy,source_principal", "reporter=%22destination%22,destination_app=%22ratings%22");
    assert_eq!(secured[0].0, ["mutual_tls", "spiffe://cluster.local/ns/bookinfo/sa/reviews"], "{secured:?}");
    // 50, 30 and 20 of a hundred, within four standard deviations.
    let shares = totals(&prometheus, "destination_version", "reporter=%22source%22,destination_app=%22reviews%22");
    let all: f64 = shares.iter().map(|(_, v)| v).sum();
    for (version, share) in [("v1", 0.5), ("v2", 0.3), ("v3", 0.2)] {
        let got = total(&shares, &[version]) / all;
        assert!((got - share).abs() < 4.0 * (share * (1.0 - share) / all).sqrt(), "{version}: {got} of {all}");
    }
    // Nothing is wrong with a demo that nobody has broken.
    let findings = demo.run(&["analyze", "--complete", "-o", "json", &demo.manifests().display().to_string()]);
    assert_eq!((findings.status, findings.out.trim()), (0, "[]"));
    // What the demo says to type next works.
    for command in demo.next() {
        let output = demo.run(&command.split(' ').collect::<Vec<_>>());
        let text = output.out + &output.err;
        assert_eq!(output.status, 0, "{command}: {text}");
        if command.starts_with("ps") {
            assert!(EDGES.iter().all(|(_, name)| text.contains(name)) && text.contains("SYNCED") && !text.contains("STALE"), "{text}");
        }
    }
    // On a busy machine five seconds may hold no two scrapes.
    let graph = || {
        let graph = demo.run(&["graph", "--prometheus", &format!("http://{prometheus}"), "--since", "5s"]);
        (graph.status, graph.out + &graph.err)
    };
    until("the graph", graph, |(status, text)| *status == 0 && text.contains("reviews-v2") && text.contains("ratings-v1"));
    every_command_finds_it(&demo);
    // Who forgets to name it is told.
    let unnamed = demo.run(&["graph"]);
    assert!(unnamed.status == 64 && unnamed.err.contains("a demo runs: --from demo"), "{} {}", unnamed.status, unnamed.err);
    demo.end("-INT");
    let gone = demo.run(&["ps", "--from", "demo"]);
    assert!(gone.status == 1 && gone.err.contains("no demo runs"), "{} {}", gone.status, gone.err);
    // A folder of that name, as in this repository, is not what was meant.
    let mut command = meshctl(demo.folder());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let gone = common::run(command.current_dir(root).args(["why", "--from", "demo"]).output().expect("it runs"));
    assert!(gone.status == 1 && gone.err.contains("no demo runs") && gone.err.contains("./demo"), "{} {}", gone.status, gone.err);
}

/// `--from demo` with every command that takes a source: what it answers, and a word of it.
fn every_command_finds_it(demo: &Demo) {
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
        // A busy machine may need longer than a person would wait.
        ("why --within 60s", 0, "nothing is wrong"),
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
        ("drift", 0, "0 differ"),
    ];
    for (command, status, word) in commands {
        let output = demo.run(&command.split(' ').chain(["--from", "demo"]).collect::<Vec<_>>());
        let text = output.out + &output.err;
        assert!(output.status == *status && text.contains(word), "{command}: {} {text}", output.status);
    }
    // The versions are drawn by lot: that one of three shares lies outside of its 95 % interval happens about once in ten runs.
    let output = demo.run(&["canary", "--from", "demo"]);
    let text = output.out + &output.err;
    assert!(matches!(output.status, 0 | 79) && text.contains("VirtualService bookinfo/reviews"), "{} {text}", output.status);
    let report = demo.folder().join("report.tar.gz").display().to_string();
    let output = demo.run(&["snapshot", "bug-report", "--from", "demo", "--out", &report]);
    // Of a demo that runs for long not all traces are taken, which is said.
    let text = output.err;
    let is_all_but_old_traces = output.status == 75 && text.lines().all(|l| l.contains("traces of this moment the newest"));
    assert!(output.status == 0 || is_all_but_old_traces, "{} {text}", output.status);
    let again = demo.run(&["pc", "clusters", "ratings-v1", "--from", &report]);
    assert_eq!(again.status, 0, "{}", again.err);
}

#[test]
fn once_prints_and_ends_and_what_is_not_there_is_refused() {
    let states = states();
    let Run { status, out: text, err: said } = run(states.path(), &["demo", "--once", "--for", "5s", "--ports"]);
    assert_eq!(status, 0, "{text}{said}");
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
        (&["--name", "../x"], "a name is small letters"),
        (&["--zipkin", "foo"], "no address such as"),
    ] {
        let output = run(states.path(), &[&["demo"], arguments].concat());
        assert!(output.status == 64 && output.err.contains(why), "{arguments:?}: {} {}", output.status, output.err);
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
