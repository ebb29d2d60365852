//! `meshctl demo --clusters 2`: requests pass from cluster to cluster through the gateways between their networks, and every
//! command shows both.

use crate::common;
use common::Run;
use common::demo::json;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A demo, and what it tells others.
struct Demo {
    it: common::demo::Demo,
    state: Value,
}

impl Demo {
    fn start(arguments: &[&str]) -> Demo {
        let it = common::demo::Demo::start(&[&["--clusters", "2"][..], arguments].concat());
        let state = it.state();
        Demo { it, state }
    }
    fn run(&self, words: &str) -> Run {
        self.it.run(&words.split(' ').chain(["--from", "demo"]).collect::<Vec<_>>())
    }

    /// Requests so far: labels to numbers.
    fn totals(&self, by: &str, selector: &str) -> Vec<(String, f64)> {
        let answer = json(
            self.state["prometheus"].as_str().expect("an address"),
            &format!("/api/v1/query?query=sum%20by%20({by})%20(istio_requests_total%7B{selector}%7D)"),
        );
        let labels = |s: &Value| by.split(',').map(|l| s["metric"][l].as_str().unwrap_or("")).collect::<Vec<_>>().join(" ");
        let value = |s: &Value| s["value"][1].as_str().and_then(|v| v.parse().ok()).unwrap_or(0.0);
        answer["data"]["result"].as_array().into_iter().flatten().map(|s| (labels(s), value(s))).collect()
    }

    /// Waits until each command has an answer with its words in it: rates need some seconds.
    fn says(&self, commands: &[(&str, &[&str])]) {
        for (command, words) in commands {
            let end = Instant::now() + Duration::from_secs(60);
            loop {
                let output = self.run(command);
                let text = format!("{}{}", output.out, output.err);
                if output.status == 0 && words.iter().all(|w| text.contains(w)) {
                    break;
                }
                assert!(Instant::now() < end, "{command}: {:?} {text}", output.status);
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    }

    /// Waits until `why` names subjects as it should.
    fn until(&self, what: &str, is_it: impl Fn(&[String]) -> bool) {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let output = self.run("why --since 8s -o json");
            let value: Option<Value> = serde_json::from_str(&output.out).ok();
            let subject = |l: &Value| l["subject"].as_str().unwrap_or_default().to_owned();
            let subjects: Option<Vec<String>> = value.as_ref().and_then(|v| Some(v["lines"].as_array()?.iter().map(subject).collect()));
            if subjects.as_ref().is_some_and(|s| is_it(s)) {
                return;
            }
            assert!(Instant::now() < end, "{what}: why says {subjects:?} {}", output.err);
            std::thread::sleep(Duration::from_millis(500));
        }
    }
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
    demo.says(commands);
    demo.until("nothing is wrong", <[String]>::is_empty);
    // A program of the far cluster fails, and is named.
    let told = demo.it.run(&["demo", "break", "failing-version", "-o", "json", "--seed", "2"]);
    let told: Value = serde_json::from_str(&told.out).expect("JSON");
    let cause = told[0]["cause"].as_str().expect("a cause").to_owned();
    demo.until(&cause, |subjects| *subjects == [cause.clone()]);
    let undone = demo.it.run(&["demo", "break", "--undo"]);
    assert!(undone.status == 0);
    demo.until("mended", <[String]>::is_empty);
    // A rule is one object, though each cluster has it.
    let told = demo.it.run(&["demo", "break", "missing-subset", "-o", "json"]);
    let told: Value = serde_json::from_str(&told.out).expect("JSON");
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
    assert_eq!(why.status, 0, "{}", why.out);
    let told = Command::new("kill").args(["-INT", &demo.it.process.id().to_string()]).status().expect("kill");
    assert!(told.success() && demo.it.process.wait().expect("an end").success());
    assert!(folders.iter().all(|f| !Path::new(f).exists()), "{folders:?}");
}

fn deployment(name: &str, app: &str, label: &str, script: &str) -> String {
    let more = if label.is_empty() { String::new() } else { format!(", topology.istio.io/cluster: {label}") };
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  selector: {{matchLabels: {{app: {app}}}}}\n  \
         template: {{metadata: {{labels: {{app: {app}{more}}}, annotations: {{demo.meshctl/script: \"{script}\"}}}}, spec: {{containers: [{{name: app, image: x}}]}}}}\n---\n"
    )
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n---\n"
    )
}

const ROUTES: &str = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: web, namespace: shop}\n\
    spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [web.example.com]}]}\n---\n\
    apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\n\
    spec: {hosts: [web.example.com], gateways: [web], http: [{route: [{destination: {host: web, port: {number: 80}}}]}]}\n";

/// By a label, by a folder, by `--place`: each cluster has what is placed there, `api` both of them, and services and rules are in both.
#[test]
fn a_mesh_of_ones_own_is_spread_as_it_says_and_moves_while_it_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    let web = |label: &str| service("web") + &deployment("web", "web", label, "[{call: api}, {call: store}]");
    write("web.yaml", web("") + ROUTES);
    write("east/api.yaml", deployment("api", "api", "", "[]"));
    write("west/api.yaml", deployment("api", "api", "", "[{call: rates}]"));
    write(
        "rest.yaml",
        service("api") + &service("store") + &service("rates") + &deployment("store", "store", "west", "[]") + &deployment("rates", "rates", "", "[]"),
    );
    let folder = dir.path().to_str().expect("a path");
    let demo = Demo::start(&[folder, "--name", "own", "--place", "rates.shop=east"]);
    let by = "source_workload,source_cluster,destination_workload,destination_cluster";
    let until = |wanted: &[&str]| {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let seen = demo.totals(by, "reporter=%22destination%22,response_code=%22200%22");
            if wanted.iter().all(|e| seen.iter().any(|(labels, n)| labels == e && *n > 0.0)) {
                return;
            }
            assert!(Instant::now() < end, "{wanted:?}: {seen:?} {:?}", demo.it.heard());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    until(&[
        "istio-ingressgateway east web east",
        "istio-ingressgateway west web east",
        "web east api east",
        "web east api west",
        "web east store west",
        "api west rates east",
    ]);
    let failed = demo.totals(by, "response_code!=%22200%22");
    assert!(failed.is_empty(), "{failed:?}");
    let commands: &[(&str, &[&str])] = &[
        ("ps", &["api.shop", "api-west2.shop", "store.shop", "eastwestgateway-west.istio-system", "east", "west"]),
        ("graph", &["east:shop/web", "west:shop/store"]),
        ("analyze", &[]),
        ("drift", &["0 differ", "api-west2.shop"]),
        ("why store http://rates/", &["Deployment istio-system/eastwestgateway-east", "at Deployment shop/rates"]),
        ("why api-west2 http://rates/", &["Deployment istio-system/eastwestgateway-east", "at Deployment shop/rates"]),
        // A file is where it was, and so is a line.
        ("why web http://store/", &["at Deployment shop/store", "/west/rest.yaml:18:"]),
    ];
    demo.says(commands);
    demo.until("nothing is wrong", <[String]>::is_empty);
    // A workload moves.
    write("web.yaml", web("west") + ROUTES);
    until(&["istio-ingressgateway east web west", "web west api west"]);
}

#[test]
fn what_cant_be_spread_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.yaml"), deployment("a", "a", "", "[]")).expect("a file");
    let folder = dir.path().to_str().expect("a path");
    for (words, says) in [
        (&["--clusters", "3"][..], "Bookinfo is spread over two clusters"),
        (&["--clusters", "east,east"], "east is named twice"),
        (&[folder, "--place", "a=west"], "say --clusters as well"),
        (&[folder, "--clusters", "2", "--place", "b=west"], "no workload is called b; there are a.shop"),
        (&[folder, "--clusters", "2", "--place", "a=mars"], "there is no cluster mars; there are east, west"),
    ] {
        let output = common::meshctl(dir.path(), &[&["demo"][..], words].concat());
        assert!(output.status == 64 && output.err.contains(says), "{words:?}: {} {}", output.status, output.err);
    }
}
