//! One mesh of real parts on loopback: three Envoys that count as Istio's do and trace to a Zipkin, and a Prometheus that scrapes
//! them. What `graph`, `top`, `test`, `traces` and scrapes without a Prometheus say is compared with the traffic that was sent.
//!
//! Envoy without Istio's extensions counts by its own logger of statistics, under `envoy_istio_…`: Prometheus renames it when it
//! scrapes, and a relay does where Istio's agent would stand.
#![cfg(unix)]

use crate::common;
use common::envoy::{Admin, Envoy};
use common::zipkin::Zipkin;
use common::{Run, component, folder, meshctl};
use mesh_testserver::prometheus;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Requests that are sent, one behind the other.
const ROUNDS: usize = 40;
/// Of so many rounds one meets an error of cart's own, and one a service without endpoints.
const EACH: usize = 4;

/// What a listener counts a request as.
struct Counted<'a> {
    reporter: &'a str,
    source: &'a str,
    service: &'a str,
    /// "unknown" where no workload is reached.
    workload: &'a str,
}

fn tags(c: &Counted<'_>) -> Value {
    let host = format!("{}.shop.svc.cluster.local", c.service);
    let namespace = if c.workload == "unknown" { "unknown" } else { "shop" };
    let named = |app: &str| if c.workload == "unknown" { "unknown".to_owned() } else { app.to_owned() };
    let pairs = [
        ("reporter", c.reporter.to_owned()),
        ("source_workload", c.source.to_owned()),
        ("source_workload_namespace", "shop".to_owned()),
        ("source_canonical_service", c.source.to_owned()),
        ("source_canonical_revision", "v1".to_owned()),
        ("source_cluster", "east".to_owned()),
        ("source_principal", "unknown".to_owned()),
        ("destination_workload", c.workload.to_owned()),
        ("destination_workload_namespace", namespace.to_owned()),
        ("destination_canonical_service", named(c.service)),
        ("destination_canonical_revision", named("v1")),
        ("destination_cluster", "east".to_owned()),
        ("destination_principal", "unknown".to_owned()),
        ("destination_service", host),
        ("destination_service_name", c.service.to_owned()),
        ("destination_service_namespace", "shop".to_owned()),
        ("request_protocol", "http".to_owned()),
        ("response_code", "%RESPONSE_CODE%".to_owned()),
        ("response_flags", "%RESPONSE_FLAGS%".to_owned()),
        ("grpc_response_status", "unknown".to_owned()),
        ("connection_security_policy", if c.reporter == "source" { "unknown" } else { "none" }.to_owned()),
    ];
    pairs.iter().map(|(name, value)| json!({"name": name, "value_format": value})).collect()
}

fn listener(name: &str, port: u16, direction: &str, counted: &Counted<'_>, routes: Value) -> Value {
    let tags = tags(counted);
    let kind = |n: &str| format!("type.googleapis.com/envoy.extensions.{n}");
    json!({
        "name": name, "traffic_direction": direction,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type": kind("filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": name,
            "access_log": [{"name": "envoy.access_loggers.stats", "typed_config": {
                "@type": kind("access_loggers.stats.v3.Config"), "stats_scope": {"prefix": "istio"},
                "counters": [{"stat": {"name": "requests_total", "tags": tags}, "value_fixed": 1}],
                "histograms": [{"stat": {"name": "request_duration_milliseconds", "tags": tags}, "value_format": "%DURATION%", "unit": "Milliseconds"}],
            }}],
            "tracing": {"random_sampling": {"value": 100.0}, "provider": {"name": "zipkin", "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
                "collector_cluster": "zipkin", "collector_endpoint": "/api/v2/spans", "collector_endpoint_version": "HTTP_JSON",
                "shared_span_context": false,
            }}},
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
            "http_filters": [{"name": "router", "typed_config": {"@type": kind("filters.http.router.v3.Router")}}],
        }}]}],
    })
}

fn cluster(name: &str, port: Option<u16>) -> Value {
    let endpoint = |p: u16| json!({"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": p}}}}]});
    json!({"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": port.map(endpoint).into_iter().collect::<Vec<_>>()}})
}

fn proxy(program: &Path, app: &str, zipkin: u16, listeners: &[Value], mut clusters: Vec<Value>) -> Envoy {
    clusters.push(cluster("zipkin", Some(zipkin)));
    Envoy::start(program, Admin::Tcp, |_, admin| {
        let admin: Value = serde_json::from_str(admin).expect("an address");
        json!({
            "node": {"id": format!("sidecar~127.0.0.1~{app}-1.shop~shop.svc.cluster.local"), "cluster": format!("{app}.shop")},
            "admin": {"address": admin},
            "static_resources": {"listeners": listeners, "clusters": clusters},
        })
        .to_string()
    })
}

struct Mesh {
    web: Envoy,
    cart: Envoy,
    db: Envoy,
    /// Where web's requests to cart and to mail leave.
    to_cart: u16,
    to_mail: u16,
}

/// web calls cart, cart calls db for what is no error of its own; web calls mail too, which has no endpoints.
fn mesh(program: &Path, zipkin: u16) -> Mesh {
    let [to_cart, to_mail, cart_in, to_db, db_in] = [(); 5].map(|()| mesh_testserver::ports::free_address().port());
    let route = |prefix: &str, action: (&str, Value)| json!({"match": {"prefix": prefix}, action.0: action.1});
    let forward = |name: &str| ("route", json!({"cluster": name}));
    let answer = |status: u16| ("direct_response", json!({"status": status, "body": {"inline_string": "."}}));
    let counted = |reporter, source, service, workload| Counted { reporter, source, service, workload };
    let db = proxy(
        program,
        "db",
        zipkin,
        &[listener("in", db_in, "INBOUND", &counted("destination", "cart", "db", "db"), json!([route("/", answer(200))]))],
        vec![],
    );
    let cart = proxy(
        program,
        "cart",
        zipkin,
        &[
            listener(
                "in",
                cart_in,
                "INBOUND",
                &counted("destination", "web", "cart", "cart"),
                json!([route("/error", answer(500)), route("/", forward("app"))]),
            ),
            listener("out", to_db, "OUTBOUND", &counted("source", "cart", "db", "db"), json!([route("/", forward("db"))])),
        ],
        // The application is there to call the database.
        vec![cluster("app", Some(to_db)), cluster("db", Some(db_in))],
    );
    let web = proxy(
        program,
        "web",
        zipkin,
        &[
            listener("cart", to_cart, "OUTBOUND", &counted("source", "web", "cart", "cart"), json!([route("/", forward("cart"))])),
            listener("mail", to_mail, "OUTBOUND", &counted("source", "web", "mail", "unknown"), json!([route("/", forward("mail"))])),
        ],
        vec![cluster("cart", Some(cart_in)), cluster("mail", None)],
    );
    Mesh { web, cart, db, to_cart, to_mail }
}

fn get(port: u16, host: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

impl Mesh {
    fn round(&self, number: usize) {
        assert_eq!(get(self.to_cart, "cart", "/"), 200);
        if number.is_multiple_of(EACH) {
            assert_eq!(get(self.to_cart, "cart", "/error"), 500);
            assert_eq!(get(self.to_mail, "mail", "/"), 503);
        }
    }

    fn proxies(&self) -> [&Envoy; 3] {
        [&self.web, &self.cart, &self.db]
    }
}

/// What stands where Istio's agent does: pages of proxies, under Istio's names. It ends with this.
struct Agents {
    urls: Vec<String>,
    over: Arc<AtomicBool>,
}

impl Drop for Agents {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn page(admin: SocketAddr) -> String {
    let mut stream = TcpStream::connect(admin).expect("an admin port");
    write!(stream, "GET /stats/prometheus HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a page");
    let (head, mut rest) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("chunked"), "{head}");
    let mut text = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        text.push_str(&after[..size]);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    text.replace("envoy_istio_", "istio_")
}

fn agents(mesh: &Mesh) -> Agents {
    let over = Arc::new(AtomicBool::new(false));
    let serve = |admin: SocketAddr| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        listener.set_nonblocking(true).expect("a listener");
        let (over, ends) = (Arc::clone(&over), Instant::now() + Duration::from_secs(300));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) && Instant::now() < ends {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                };
                let _ = stream.set_nonblocking(false);
                let _ = stream.read(&mut [0; 4096]);
                let text = page(admin);
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            }
        });
        url
    };
    Agents { urls: mesh.proxies().iter().map(|e| serve(e.address)).collect(), over }
}

fn json_of(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}{}", run.out, run.err))
}

/// `web -> cart` with rate and percent of errors, sorted.
fn calls(graph: &Value) -> Vec<(String, f64, f64)> {
    let name = |id: &Value| graph["nodes"].as_array().into_iter().flatten().find(|n| n["id"] == *id).map_or("?", |n| n["name"].as_str().unwrap_or("?"));
    let edges = graph["edges"].as_array().expect("edges");
    let of =
        |e: &Value| (format!("{} -> {}", name(&e["from"]), name(&e["to"])), e["rate"].as_f64().unwrap_or(-1.0), e["errorPercent"].as_f64().unwrap_or(-1.0));
    let mut all: Vec<_> = edges.iter().map(of).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// What was sent, by call: requests, and how many of them failed.
fn sent(rounds: usize) -> [(&'static str, f64, f64); 3] {
    let (all, some) = (rounds as f64, rounds.div_ceil(EACH) as f64);
    [("cart -> db", all, 0.0), ("web -> cart", all + some, some), ("web -> mail", some, some)]
}

/// `slack` is the share by which a rate may differ.
fn compare(graph: &Value, seconds: f64, rounds: usize, slack: f64) {
    let found = calls(graph);
    assert_eq!(found.len(), 3, "{found:?}");
    for ((name, rate, errors), (want, requests, failed)) in found.iter().zip(sent(rounds)) {
        assert_eq!(name, want);
        assert!((rate * seconds - requests).abs() <= requests * slack + 0.02, "{name}: {} of {requests} requests in {seconds} s", rate * seconds);
        assert!((errors - failed / requests * 100.0).abs() < 1.0, "{name}: {errors} %");
    }
}

fn scraping(mesh: &Mesh) -> String {
    let targets: Vec<String> = mesh.proxies().iter().map(|e| format!("'{}'", e.address)).collect();
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: envoy\n  metrics_path: /stats/prometheus\n  \
         static_configs: [{{targets: [{}]}}]\n  metric_relabel_configs:\n  - {{source_labels: [__name__], regex: 'envoy_(istio_.*)', target_label: __name__}}\n",
        targets.join(", ")
    )
}

#[test]
fn what_is_shown_of_a_mesh_of_real_parts_is_what_was_sent() {
    let (Some(envoy), Some(binary), Some(zipkin)) = (component("envoy"), component("prometheus"), Zipkin::start()) else { return };
    let mesh = mesh(&envoy, zipkin.port);
    let prometheus = prometheus::start_scraping(&binary, &scraping(&mesh)).expect("prometheus starts");
    zipkin.ready();
    // Counters are there, and have been seen, before the requests that are compared.
    mesh.round(0);
    std::thread::sleep(Duration::from_secs(4));
    let pages =
        |suffix: &str| mesh.proxies().iter().zip(["web", "cart", "db"]).map(|(e, n)| (format!("{n}-{suffix}.txt"), page(e.address))).collect::<Vec<_>>();
    let before = pages("before");
    let began = Instant::now();
    for number in 0..ROUNDS {
        mesh.round(number);
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(3));
    let url = format!("http://127.0.0.1:{}", prometheus.port);
    let here = folder(&[]);
    // Saved pages: exact.
    let files: Vec<(String, String)> = before.into_iter().chain(pages("after")).collect();
    common::write(here.path(), &files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect::<Vec<_>>());
    let mut args = vec!["graph", "-o", "json", "--over", "10s"];
    for (flag, suffix) in [("--before", "before"), ("--page", "after")] {
        for name in ["web", "cart", "db"] {
            args.push(flag);
            args.push(Box::leak(format!("{name}-{suffix}.txt").into_boxed_str()));
        }
    }
    let run = meshctl(here.path(), &args);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    compare(&json_of(&run), 10.0, ROUNDS, 0.0);

    // Prometheus: rates over a time in which all of it happened.
    let window = began.elapsed().as_secs() + 2;
    let since = format!("{window}s");
    let live = ["--prometheus", url.as_str(), "--since", since.as_str()];
    let run = meshctl(here.path(), &[&["graph", "-o", "json"], &live[..]].concat());
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    compare(&json_of(&run), window as f64, ROUNDS, 0.2);
    top(here.path(), &live, window as f64);
    edges(here.path(), &url, &since);
    traces(here.path(), zipkin.port);

    // Without Prometheus: the pages, twice, while a steady load is on.
    let agents = agents(&mesh);
    let over = Arc::new(AtomicBool::new(false));
    let load = {
        let (over, to_cart, ends) = (Arc::clone(&over), mesh.to_cart, Instant::now() + Duration::from_secs(60));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) && Instant::now() < ends {
                get(to_cart, "cart", "/");
                std::thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let mut args = vec!["graph", "-o", "json", "--interval", "3s"];
    agents.urls.iter().for_each(|u| args.extend(["--from", u]));
    let run = meshctl(here.path(), &args);
    over.store(true, Ordering::Relaxed);
    load.join().expect("the load ends");
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let found = calls(&json_of(&run));
    let [(db, to_db, _), (cart, to_cart, errors)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((db.as_str(), cart.as_str(), *errors), ("cart -> db", "web -> cart", 0.0));
    // Each request to cart is one to db, but for those that are under way and the time between the pages.
    assert!(*to_cart > 5.0 && (to_db - to_cart).abs() < to_cart * 0.15, "{found:?}");
}

fn top(dir: &Path, live: &[&str], window: f64) {
    let run = meshctl(dir, &[&["top", "--by", "edge", "-o", "json"], live].concat());
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let value = json_of(&run);
    let rows = value["rows"].as_array().unwrap_or_else(|| panic!("{value}"));
    assert_eq!(rows.len(), 3, "{value}");
    for (name, requests, failed) in sent(ROUNDS) {
        let (from, to) = name.split_once(" -> ").expect("two ends");
        let row = rows.iter().find(|r| r["name"].as_str().is_some_and(|n| n.contains(&format!("/{from} ")) && n.contains(&format!("/{to}"))));
        let row = row.unwrap_or_else(|| panic!("{name}: {value}"));
        let rate = row["requests"].as_f64().expect("a rate");
        assert!((rate * window - requests).abs() <= requests * 0.2, "{name}: {row}");
        let errors = row["errorPercent"].as_f64().expect("errors");
        assert!((errors - failed / requests * 100.0).abs() < 1.0, "{name}: {row}");
    }
}

fn edges(dir: &Path, url: &str, since: &str) {
    let tests = "tests:\n\
        - {edge: {from: web, to: cart}, expect: {minRate: 0.5, maxErrorPercent: 25, maxP99: 5s, protocol: http, reportedBy: both}}\n\
        - {edge: {from: web, to: mail}, expect: {reportedBy: source}}\n\
        - {edge: {from: web, to: db}, expect: absent}\n\
        - {name: failing, edge: {from: web, to: cart}, expect: {maxErrorPercent: 15}}\n\
        - {name: plain, edge: {from: cart, to: db}, expect: {minMtlsPercent: 100}}\n";
    common::write(dir, &[("edges.yaml", tests)]);
    let run = meshctl(dir, &["test", "edges.yaml", "--prometheus", url, "--since", since]);
    assert!(run.status == 79 && run.out.contains("3 passed, 2 failed"), "{}{}", run.out, run.err);
    assert!(
        run.out.contains("maxErrorPercent: expected at most 15%; found 20") && run.out.contains("minMtlsPercent: expected at least 100%; found 0%"),
        "{}",
        run.out
    );
}

fn traces(dir: &Path, zipkin: u16) {
    let url = format!("http://127.0.0.1:{zipkin}");
    let search = |more: &[&str]| meshctl(dir, &[&["traces", "--zipkin", &url, "--since", "10m", "--limit", "500", "-o", "json"], more].concat());
    let rounds = ROUNDS + 1;
    let some = ROUNDS.div_ceil(EACH) + 1;
    let until = Instant::now() + Duration::from_secs(60);
    // Envoy reports spans every few seconds.
    let found = loop {
        let value = json_of(&search(&[]));
        let list = value["traces"].as_array().cloned().unwrap_or_default();
        let spans: usize = list.iter().map(|t| t["spans"].as_array().map_or(0, Vec::len)).sum();
        // web and cart's two sides of each call, and mail's and cart's own answers.
        if spans == rounds * 4 + some * 2 + some || Instant::now() > until {
            break list;
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    assert_eq!(found.len(), rounds + 2 * some, "a trace for each request that was sent");
    let services = |t: &Value| {
        let mut all: Vec<String> = t["spans"].as_array().into_iter().flatten().filter_map(|s| s["service"].as_str().map(str::to_owned)).collect();
        all.sort();
        all
    };
    let whole = found.iter().filter(|t| services(t) == ["cart.shop", "cart.shop", "db.shop", "web.shop"]).count();
    assert_eq!(whole, rounds, "{:?}", found.iter().map(services).collect::<Vec<_>>());
    let failed = json_of(&search(&["--errors"]));
    assert_eq!(failed["traces"].as_array().map(Vec::len), Some(2 * some), "{failed}");
    let id = found.iter().find(|t| services(t).len() == 4).and_then(|t| t["id"].as_str()).expect("an id");
    let one = meshctl(dir, &["traces", id, "--zipkin", &url]);
    assert!(one.status == 0 && one.out.contains("The end waited for") && one.out.contains("db.shop"), "{}{}", one.out, one.err);
}
