//! `meshctl demo` with a mesh of one's own: a folder of manifests, a MockServiceGraph, a generated one. Each runs as it says,
//! while it is edited, and the other commands read it.
#![allow(clippy::print_stdout)]

use crate::common;
use common::demo::{self, meshctl, states};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A demo that runs, and what it says.
struct Demo {
    it: demo::Demo,
    prometheus: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Demo {
        let it = demo::Demo::start(arguments);
        let prometheus = it.state()["prometheus"].as_str().expect("an address").to_owned();
        Demo { it, prometheus }
    }

    fn run(&self, words: &[&str]) -> common::Run {
        self.it.run(words)
    }

    /// Label sets that have a value, of a metric.
    fn seen(&self, metric: &str, by: &str, selector: &str) -> BTreeSet<String> {
        let query = format!("sum%20by%20({by})%20({metric}%7B{selector}%7D)%20%3E%200");
        let answer = demo::json(&self.prometheus, &format!("/api/v1/query?query={query}"));
        let of = |s: &Value| by.split(',').map(|l| s["metric"][l].as_str().unwrap_or("").to_owned()).collect::<Vec<_>>().join(" ");
        answer["data"]["result"].as_array().into_iter().flatten().map(of).collect()
    }

    /// Who calls whom and gets which status, as callers count it.
    fn edges(&self) -> BTreeSet<String> {
        self.seen("istio_requests_total", "source_workload,destination_service_name,response_code", "reporter=%22source%22")
    }

    /// Waits until these edges are seen.
    fn until(&self, wanted: &[&str]) -> BTreeSet<String> {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let edges = self.edges();
            if wanted.iter().all(|w| edges.contains(*w)) {
                return edges;
            }
            assert!(Instant::now() < end, "{wanted:?}: {edges:?} {:?}", self.it.heard());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn deployment(kind: &str, name: &str, script: &str) -> String {
    let annotations = if script.is_empty() { String::new() } else { format!(", annotations: {{demo.meshctl/script: \"{script}\"}}") };
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template: {{metadata: {{labels: {{app: {name}}}{annotations}}}, spec: {{containers: [{{name: app, image: x}}]}}}}\n---\n"
    )
}

fn service(name: &str, port: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {name}}}, ports: [{{{port}}}]}}\n---\n")
}

const ROUTES: &str = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: web}\n\
    spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [web.example.com]}]}\n---\n\
    apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web}\n\
    spec: {hosts: [web.example.com], gateways: [web], http: [{route: [{destination: {host: web, port: {number: 80}}}]}]}\n";

const RATES: &str = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: rates}\n\
    spec: {hosts: [rates.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}\n";

/// As people have them: no namespace, no gateway's proxy; a program each that speaks HTTP, gRPC and TCP, and a host outside.
fn manifests() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).expect("a file");
    write("web.yaml", service("web", "name: http, port: 80, targetPort: 8080") + &deployment("Deployment", "web", "[{call: api}, {call: 'db:5432'}]"));
    write("api.yaml", service("api", "name: grpc, port: 9000") + &deployment("Deployment", "api", "[{sleep: 1ms}, {call: 'http://rates.example.com/x'}]"));
    write("db.yaml", service("db", "name: tcp, port: 5432") + &deployment("StatefulSet", "db", ""));
    write("routes.yaml", ROUTES.to_owned());
    write("rates.yaml", RATES.to_owned());
    dir
}

#[test]
fn a_folder_runs_as_its_manifests_say_while_it_is_edited() {
    let dir = manifests();
    let folder = dir.path().to_str().expect("a path");
    let mut demo = Demo::start(&[folder, "--name", "own", "--rate", "20"]);
    let said = demo.it.said.join("\n");
    assert!(said.contains("no manifest makes the namespace default") && said.contains("istio-ingressgateway in istio-system is added"), "{said}");
    assert!(said.contains("own by http://127.") && said.contains("(host web.example.com)"), "{said}");
    let edges = demo.until(&["istio-ingressgateway web 200", "web api 200", "api rates.example.com 200"]);
    assert!(edges.iter().all(|e| e.ends_with(" 200")), "{edges:?}");
    let mutual = demo.seen("istio_requests_total", "connection_security_policy", "reporter=%22destination%22");
    assert_eq!(mutual, BTreeSet::from(["mutual_tls".to_owned()]));
    // `web` answers 200 where `db` gave its bytes back, over TCP.
    // Nothing but what is on this machine is in anybody's configuration.
    let endpoints = demo.run(&["pc", "endpoints", "api", "--from", "demo"]);
    assert!(endpoints.status == 0 && endpoints.out.contains("rates.example.com"), "{}{}", endpoints.out, endpoints.err);
    for (words, word) in [
        (&["ps"][..], "istio-ingressgateway.istio-system"),
        (&["graph"], "default/rates"),
        (&["why"], ""),
        (&["analyze"], ""),
        (&["why", "web", "http://api:9000/"], "api"),
        (&["mtls"], ""),
        (&["describe", "service", "web"], "web"),
    ] {
        // Rates need a few scrapes.
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let output = demo.run(&[words, &["--from", "demo"]].concat());
            let text = output.out + &output.err;
            if matches!(output.status, 0 | 75) && text.contains(word) {
                break;
            }
            assert!(Instant::now() < end, "{words:?}: {} {text}", output.status);
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    let broken = demo.run(&["demo", "break", "latency"]);
    assert!(broken.status == 1 && broken.err.contains("another mesh"), "{}", broken.err);

    // A file that is half written costs nothing, whoever else is changed at the same time.
    let path = dir.path().join("routes.yaml");
    std::fs::write(&path, &ROUTES[..ROUTES.len() - 30]).expect("written");
    std::fs::write(dir.path().join("more.yaml"), service("more", "name: http, port: 8000") + &deployment("Deployment", "more", "")).expect("written");
    let api = service("api", "name: grpc, port: 9000") + &deployment("Deployment", "api", "[{call: 'more:8000'}]");
    std::fs::write(dir.path().join("api.yaml"), api).expect("written");
    let edges = demo.until(&["api more 200"]);
    assert!(edges.iter().all(|e| e.ends_with(" 200")), "{edges:?}");
    // Whole again, it has another rule, which holds at once.
    std::fs::write(&path, ROUTES.replace("{route:", "{fault: {abort: {percentage: {value: 100}, httpStatus: 418}}, route:")).expect("written");
    demo.until(&["istio-ingressgateway web 418"]);
    // What goes ends.
    std::fs::remove_file(dir.path().join("more.yaml")).expect("gone");
    std::fs::write(dir.path().join("api.yaml"), service("api", "name: grpc, port: 9000") + &deployment("Deployment", "api", "")).expect("written");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let text = demo.run(&["ps", "--from", "demo"]).out;
        if text.contains("api.default") && !text.contains("more.default") {
            break;
        }
        assert!(Instant::now() < end, "{text}");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(demo.it.process.try_wait().expect("a process").is_none());
}

const GRAPH: &str = "apiVersion: v1alpha1\nkind: MockServiceGraph\ndefaults:\n  requestSize: 1 KB\n  responseSize: 2 KB\n  numRbacPolicies: 2\nservices:\n\
    - name: a\n  numReplicas: 2\n- name: b\n  type: grpc\n- name: c\n  namespace: far\n  script:\n  - call: a\n  - call: b\n\
    - name: d\n  isEntrypoint: true\n  script:\n  - - call: a\n    - call: c\n  - sleep: 2ms\n  - call: b\n";

#[test]
fn a_graph_of_isotopes_is_a_mesh_and_what_it_does_not_know_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("canonical.yaml");
    let file = path.to_str().expect("a path");
    for (text, says) in [
        (GRAPH.replace("type: grpc", "typ: grpc"), "canonical.yaml:11: services[1].typ: no such field"),
        (GRAPH.replace("call: c", "call: x"), "services[3].script: it calls x"),
    ] {
        std::fs::write(&path, text).expect("written");
        let output = common::run(meshctl(states().path()).args(["demo", "--once", file]).output().expect("it runs"));
        assert!(output.status == 65 && output.err.contains(says), "{} {}", output.status, output.err);
    }
    std::fs::write(&path, GRAPH).expect("written");
    let demo = Demo::start(&[file, "--rate", "20"]);
    assert!(demo.it.said.iter().any(|l| l.contains("canonical without a gateway")), "{:?}", demo.it.said);
    let edges = demo.until(&["load d 200", "d a 200", "d b 200", "d c 200", "c a 200", "c b 200"]);
    assert_eq!(edges.len(), 6, "{edges:?}");
    // Both replicas are there, as one workload; answers are as long as they are to be.
    let ps = demo.run(&["ps", "--from", "demo"]).out;
    assert!(ps.contains("a-1.service-graph") && ps.contains("a-2.service-graph") && ps.contains("c.far"), "{ps}");
    let analyze = demo.run(&["analyze", "--from", "demo"]);
    assert_eq!(analyze.status, 0, "{}", analyze.out);
    // It is followed: from now on `a` fails for everybody.
    std::fs::write(&path, GRAPH.replace("numReplicas: 2", "errorRate: 100%\n  numReplicas: 2")).expect("written");
    demo.until(&["d a 500", "load d 500"]);
    // And the same demo is found out by who has its manifests and metrics.
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let why = demo.run(&["why", "--from", "demo", "--since", "8s"]);
        if why.status == 79 && why.out.contains("service-graph/a") {
            break;
        }
        assert!(Instant::now() < end, "{} {}", why.status, why.out);
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn a_generated_mesh_runs_where_ports_alone_tell_places_apart() {
    let demo = Demo::start(&["--size", "60", "--ports", "--rate", "20"]);
    let said = demo.it.said.join("\n");
    assert!(said.contains("generated by http://127.0.0.1:2") && said.contains(".mesh.example)"), "{said}");
    let end = Instant::now() + Duration::from_secs(90);
    while demo.edges().len() < 8 {
        assert!(Instant::now() < end, "{:?} {:?}", demo.edges(), demo.it.heard());
        std::thread::sleep(Duration::from_millis(200));
    }
    let edges = demo.edges();
    assert!(edges.iter().all(|e| e.ends_with(" 200")), "{edges:?}");
    let analyze = demo.run(&["analyze", "--from", "demo", "-o", "json"]);
    let findings = analyze.findings();
    assert!(findings.iter().all(|f| f["level"] == "Info"), "{findings:?}");
    let ps = demo.run(&["ps", "--from", "demo"]);
    assert!(ps.status == 0 && !ps.out.contains("STALE"), "{}", ps.out);
}

#[test]
fn what_is_no_mesh_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.yaml"), service("a", "port: 80")).expect("written");
    std::fs::write(dir.path().join("b.yaml"), "kind: [").expect("written");
    let output = common::run(meshctl(states().path()).args(["demo", "--once"]).arg(dir.path()).output().expect("it runs"));
    assert!(output.status == 65 && output.err.contains("no workload to run") && output.err.contains("b.yaml:1"), "{} {}", output.status, output.err);
}
