//! `meshctl demo --clusters 2`: requests pass from cluster to cluster through the gateways between their networks, and every
//! command shows both.
#![allow(clippy::print_stdout)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn meshctl(states: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshctl"));
    command.env_remove("MESHCTL_PROMETHEUS").env("XDG_RUNTIME_DIR", states).env("KUBECONFIG", "/nonexistent").stdin(Stdio::null());
    command
}

struct Demo {
    process: Child,
    states: tempfile::TempDir,
    /// What it tells others.
    state: Value,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

impl Demo {
    fn start(arguments: &[&str]) -> Demo {
        let states = tempfile::tempdir().expect("a folder");
        let mut process = meshctl(states.path())
            .args(["demo", "--clusters", "2", "--for", "10m"])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stderr.take().expect("stderr")).lines();
        while !lines.next().expect("a line").expect("text").contains("meshctl why") {}
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|l| println!("{l}")));
        let state = std::fs::read_to_string(states.path().join("meshctl/demos/bookinfo.json")).expect("a state");
        Demo { process, states, state: serde_json::from_str(&state).expect("JSON") }
    }

    fn run(&self, words: &str) -> Output {
        meshctl(self.states.path()).args(words.split(' ')).args(["--from", "demo"]).output().expect("it runs")
    }

    /// Requests so far: labels to numbers.
    fn totals(&self, by: &str, selector: &str) -> Vec<(String, f64)> {
        let body = page(
            self.state["prometheus"].as_str().expect("an address"),
            &format!("/api/v1/query?query=sum%20by%20({by})%20(istio_requests_total%7B{selector}%7D)"),
        );
        let answer: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        let labels = |s: &Value| by.split(',').map(|l| s["metric"][l].as_str().unwrap_or("")).collect::<Vec<_>>().join(" ");
        let value = |s: &Value| s["value"][1].as_str().and_then(|v| v.parse().ok()).unwrap_or(0.0);
        answer["data"]["result"].as_array().into_iter().flatten().map(|s| (labels(s), value(s))).collect()
    }

    /// Waits until `why` names subjects as it should.
    fn until(&self, what: &str, is_it: impl Fn(&[String]) -> bool) {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let output = self.run("why --since 8s -o json");
            let value: Option<Value> = serde_json::from_slice(&output.stdout).ok();
            let subject = |l: &Value| l["subject"].as_str().unwrap_or_default().to_owned();
            let subjects: Option<Vec<String>> = value.as_ref().and_then(|v| Some(v["lines"].as_array()?.iter().map(subject).collect()));
            if subjects.as_ref().is_some_and(|s| is_it(s)) {
                return;
            }
            assert!(Instant::now() < end, "{what}: why says {subjects:?} {}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

fn page(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
}

/// Who calls whom, and in which cluster each is.
const EDGES: [&str; 6] = [
    "gateway east productpage-v1 east",
    "productpage-v1 east details-v1 east",
    "productpage-v1 east reviews-v1 east",
    "productpage-v1 east reviews-v2 west",
    "productpage-v1 east reviews-v3 west",
    "reviews-v2 west ratings-v1 east",
];

#[test]
fn requests_pass_between_clusters_and_every_command_shows_both() {
    let demo = Demo::start(&["--rate", "20"]);
    let by = "source_workload,source_cluster,destination_workload,destination_cluster";
    for reporter in ["source", "destination"] {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let seen = demo.totals(by, &format!("reporter=%22{reporter}%22"));
            if EDGES.iter().all(|e| seen.iter().any(|(labels, n)| labels == e && *n > 0.0)) {
                break;
            }
            assert!(Instant::now() < end, "{reporter}: {seen:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    let failed = demo.totals(by, "response_code!=%22200%22");
    assert!(failed.is_empty(), "{failed:?}");
    // The gateways open nothing: servers see the clients' own names.
    let principals = demo.totals("source_principal,connection_security_policy", "reporter=%22destination%22,destination_app=%22ratings%22");
    let names: Vec<&str> = principals.iter().map(|(l, _)| l.as_str()).collect();
    assert_eq!(names, ["spiffe://cluster.local/ns/bookinfo/sa/reviews mutual_tls"]);
    let far = "Deployment istio-system/eastwestgateway-west";
    let commands: &[(&str, &[&str])] = &[
        ("ps", &["eastwestgateway-east.istio-system", "eastwestgateway-west.istio-system", "east", "west"]),
        ("graph", &["reviews-v3", "ratings-v1"]),
        ("analyze", &[]),
        ("validate", &[]),
        ("mtls", &["reviews-v3.bookinfo", "productpage-v1.bookinfo"]),
        ("certs", &["spiffe://cluster.local/ns/bookinfo/sa/details", "spiffe://cluster.local/ns/istio-system/sa/eastwestgateway"]),
        ("tui --no-tui", &["reviews-v2"]),
        ("pc clusters eastwestgateway-west", &["reviews.bookinfo.svc.cluster.local", "v3"]),
        ("why productpage http://reviews:9080/reviews/0", &[far, "at Deployment bookinfo/reviews-v3", "at Deployment bookinfo/reviews-v1"]),
        ("why reviews-v2 http://ratings:9080/ratings/0", &["Deployment istio-system/eastwestgateway-east", "at Deployment bookinfo/ratings-v1"]),
        ("authz who-can ratings", &[]),
    ];
    for (command, words) in commands {
        // Rates need some seconds.
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let output = demo.run(command);
            let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            if output.status.code() == Some(0) && words.iter().all(|w| text.contains(w)) {
                break;
            }
            assert!(Instant::now() < end, "{command}: {:?} {text}", output.status.code());
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    demo.until("nothing is wrong", <[String]>::is_empty);
    // A program of the far cluster fails, and is named.
    let told = meshctl(demo.states.path()).args(["demo", "break", "failing-version", "-o", "json", "--seed", "2"]).output().expect("it runs");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let cause = told[0]["cause"].as_str().expect("a cause").to_owned();
    demo.until(&cause, |subjects| *subjects == [cause.clone()]);
    let undone = meshctl(demo.states.path()).args(["demo", "break", "--undo"]).output().expect("it runs");
    assert!(undone.status.success());
    demo.until("mended", <[String]>::is_empty);
    // A rule is one object, though each cluster has it.
    let told = meshctl(demo.states.path()).args(["demo", "break", "missing-subset", "-o", "json"]).output().expect("it runs");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let cause = told[0]["cause"].as_str().expect("a cause").to_owned();
    demo.until(&cause, |subjects| !subjects.is_empty() && subjects.iter().all(|s| *s == cause));
}

#[test]
fn ports_tell_clusters_apart_and_nothing_is_left() {
    let mut demo = Demo::start(&["--rate", "20", "--ports"]);
    let folders: Vec<String> =
        demo.state["clusters"].as_array().expect("clusters").iter().map(|c| c["manifests"].as_str().expect("a folder").to_owned()).collect();
    assert!(folders.len() == 2 && folders.iter().all(|f| Path::new(f).join("network.yaml").exists()), "{folders:?}");
    let end = Instant::now() + Duration::from_secs(60);
    while !demo.totals("source_cluster,destination_cluster", "reporter=%22source%22").iter().any(|(l, _)| l == "west east") {
        assert!(Instant::now() < end, "{:?}", demo.totals("source_cluster,destination_cluster", ""));
        std::thread::sleep(Duration::from_millis(200));
    }
    let why = demo.run("why productpage http://reviews:9080/reviews/0");
    assert_eq!(why.status.code(), Some(0), "{}", String::from_utf8_lossy(&why.stdout));
    let told = Command::new("kill").args(["-INT", &demo.process.id().to_string()]).status().expect("kill");
    assert!(told.success() && demo.process.wait().expect("an end").success());
    assert!(folders.iter().all(|f| !Path::new(f).exists()), "{folders:?}");
}
