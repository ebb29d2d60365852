//! What the commands show of a running mesh-proxy: as of an Envoy.

use crate::common;
use common::mesh::{Mesh, objects};
use common::{command, component, meshctl};
use mesh_proxy::bootstrap::Bootstrap;
use mesh_proxy::server::{Proxy, Settings};
use mesh_testserver::apiserver::Faults;
use mesh_testserver::ports::free_address;
use mesh_testserver::prometheus;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const CLUSTER: &str = "outbound|80||reviews.shop.svc.cluster.local";
/// A connection that nobody takes.
const DOWN: &str = "outbound|80||down.shop.svc.cluster.local";

/// A server that says 200 to everything.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut chunk = [0; 4096];
                while matches!(stream.read(&mut chunk), Ok(n) if n > 0) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

/// Secrets in a file, as SDS tells them, and a socket of TLS that asks for them and for one that nobody has.
fn tls(folder: &Path) -> Value {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    params.subject_alt_names.push(rcgen::SanType::URI("spiffe://cluster.local/ns/shop/sa/cart".try_into().expect("a URI")));
    let pem = params.self_signed(&key).expect("a certificate").pem();
    let (certificate, of_key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, &pem).expect("written");
    std::fs::write(&of_key, key.serialize_pem()).expect("written");
    let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    let secrets = json!({"version_info": "7", "resources": [
        {"@type": kind, "name": "default", "tls_certificate": {"certificate_chain": {"filename": certificate}, "private_key": {"filename": of_key}}},
        {"@type": kind, "name": "ROOTCA", "validation_context": {"trusted_ca": {"inline_string": pem}}}]});
    let path = folder.join("sds.json");
    std::fs::write(&path, secrets.to_string()).expect("written");
    let of_file = |name: &str| json!({"name": name, "sds_config": {"path_config_source": {"path": path}}});
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": true,
        "common_tls_context": {"tls_certificate_sds_secret_configs": [of_file("default")], "validation_context_sds_secret_config": of_file("ROOTCA")}}})
}

/// A sidecar of cart-1.shop: a listener with Istio's log, and one with TLS.
fn start(log: &Path) -> Proxy {
    let route = |prefix: &str, cluster: &str| json!({"match": {"prefix": prefix}, "name": cluster, "route": {"cluster": cluster}});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "outbound_0.0.0.0_80",
        "route_config": {"name": "80", "virtual_hosts": [{"name": "reviews.shop.svc.cluster.local:80", "domains": ["*"], "routes": [route("/down", DOWN), route("/", CLUSTER)]}]},
        "http_filters": [
            {"name": "istio.stats", "typed_config": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": "type.googleapis.com/stats.PluginConfig", "value": {}}},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "access_log": [{"name": "f", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": log,
            "log_format": {"text_format": "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"}}}],
    });
    let cluster = |name: &str, host: SocketAddr| json!({"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(host)}}]}]}});
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let filters = json!([{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]);
    let mut bootstrap = json!({
        "node": {"id": "sidecar~10.0.0.7~cart-1.shop~shop.svc.cluster.local", "cluster": "cart.shop",
            "metadata": {"WORKLOAD_NAME": "cart", "NAMESPACE": "shop", "CLUSTER_ID": "one", "LABELS": {"app": "cart", "version": "v1"}}},
        "admin": {"address": socket(any)},
        "static_resources": {
            "listeners": [
                {"name": "0.0.0.0_80", "traffic_direction": "OUTBOUND", "address": socket(any), "filter_chains": [{"filters": filters}]},
                {"name": "tls", "address": socket(any), "filter_chains": [{"filters": filters, "transport_socket": tls(log.parent().expect("a folder"))}]}],
            "secrets": [{"name": "static", "validation_context": {"trusted_ca": {"filename": log.with_file_name("cert.pem")}}}],
            "clusters": [cluster(CLUSTER, upstream()), cluster(DOWN, free_address())],
        },
    });
    let settings = Settings { flush: Duration::from_millis(5), drain: Duration::from_secs(5), ..Settings::default() };
    // A dump has the port that was asked for, as Envoy's has; somebody else may take it first.
    for _ in 0..20 {
        bootstrap["static_resources"]["listeners"][0]["address"] = socket(free_address());
        if let Ok(proxy) = Proxy::start(Bootstrap::new(bootstrap.clone()).unwrap_or_else(|e| panic!("{e}")), &settings) {
            return proxy;
        }
    }
    panic!("no port is free");
}

fn get(proxy: &Proxy, path: &str) {
    let mut stream = TcpStream::connect(proxy.address("0.0.0.0_80").expect("a listener")).expect("a connection");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
    let _ = stream.read_to_end(&mut Vec::new());
}

/// A command that runs, and its lines as they come.
struct Follower {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Follower {
    fn start(dir: &Path, args: &[&str]) -> Follower {
        let mut child = command(dir).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("meshctl runs");
        let out = BufReader::new(child.stdout.take().expect("stdout"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|l| sender.send(l)));
        Follower { child, lines }
    }
    /// The first line that holds something, while requests go on: the command may take its time to be there.
    fn line(&self, holds: &str, mut again: impl FnMut()) -> String {
        for _ in 0..600 {
            again();
            while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(100)) {
                if line.contains(holds) {
                    return line;
                }
            }
        }
        panic!("no line with {holds}");
    }
    fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("a line")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn its_configuration_is_shown_as_an_envoys() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = start(&folder.path().join("log"));
    let from = format!("http://{}", proxy.admin.expect("an admin port"));
    let port = proxy.address("0.0.0.0_80").expect("a listener").port();
    for (args, says) in [
        (&["pc", "cluster"][..], "reviews.shop.svc.cluster.local"),
        (&["pc", "listener"], "0.0.0.0_80"),
        (&["pc", "listener", "-o", "json"], "http_connection_manager"),
        (&["pc", "route"], "reviews.shop.svc.cluster.local:80"),
        (&["pc", "endpoint"], "HEALTHY"),
        (&["pc", "eds"], "reviews.shop.svc.cluster.local"),
        (&["pc", "secret"], "default"),
        (&["certs"], "spiffe://cluster.local/ns/shop/sa/cart"),
        (&["pc", "bootstrap"], "cart-1.shop"),
        (&["pc", "log"], "conn_handler"),
        (&["ps"], "cart-1.shop"),
        (&["route", "GET", &format!("http://reviews:{port}/fine"), "--address", "127.0.0.1"], CLUSTER),
        (&["why", "cart", &format!("http://reviews:{port}/fine"), "--address", "127.0.0.1"], "=> good: reaches"),
    ] {
        let run = meshctl(folder.path(), &[args, &["--from", &from]].concat());
        assert!(run.status == 0 && run.out.contains(says), "{args:?}: {} {}{}", run.status, run.out, run.err);
        assert!(!run.out.contains("PRIVATE KEY") && !run.err.contains("PRIVATE KEY"), "{args:?}");
    }
    // The file that the key stands in is named, where the secret is static; what stands in it never is.
    let secrets = meshctl(folder.path(), &["pc", "secret", "-o", "json", "--from", &from]);
    assert!(secrets.status == 0 && secrets.out.contains("W3JlZGFjdGVkXQ=="), "{} {}{}", secrets.status, secrets.out, secrets.err);
    let all = meshctl(folder.path(), &["pc", "all", "--from", &from]);
    assert!(all.status == 0 && ["0.0.0.0_80", "ROOTCA", CLUSTER].iter().all(|s| all.out.contains(s)), "{} {}{}", all.status, all.out, all.err);
    let changed = meshctl(folder.path(), &["pc", "log", "--level", "http:debug,jwt:off", "--yes", "--from", &from]);
    assert!(changed.status == 0 && changed.err.contains("changes 2 of 10"), "{}{}", changed.out, changed.err);
    let levels: Value = serde_json::from_str(&meshctl(folder.path(), &["pc", "log", "-o", "json", "--from", &from]).out).expect("JSON");
    assert!(levels["http"] == "debug" && levels["jwt"] == "off" && levels["main"] == "info", "{levels}");
}

#[test]
fn its_log_and_its_decisions_are_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let proxy = start(&log);
    let from = format!("http://{}", proxy.admin.expect("an admin port"));

    let all = Follower::start(folder.path(), &["logs", "--live", "--from", &from, "--explain"]);
    all.line("/ready", || get(&proxy, "/ready"));
    let failed = Follower::start(
        folder.path(),
        &["logs", "--live", "--from", &from, "--status", "5xx", "--flag", "uf", "--path", "/down", "--host", "reviews", "-o", "json"],
    );
    let line: Value = serde_json::from_str(&failed.line("/down", || get(&proxy, "/down?token=planted"))).expect("JSON");
    assert!(line["status"] == 503 && line["flags"] == "UF" && line["cluster"] == DOWN, "{line}");
    let told = all.line("/down", || {});
    assert!(told.contains(" 503 UF GET reviews/down ") && told.contains(DOWN) && !told.contains("planted"), "{told}");
    assert!(all.next().starts_with("    "), "the cause stands below");

    get(&proxy, "/down");
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !std::fs::read_to_string(&log).unwrap_or_default().contains("/down") {
        assert!(std::time::Instant::now() < until, "no line");
        std::thread::sleep(Duration::from_millis(20));
    }
    let explained = meshctl(folder.path(), &["explain", "log"]);
    assert!(explained.out.contains("UF") && explained.out.contains("down.shop"), "{} {}{}", explained.status, explained.out, explained.err);
    let bad = meshctl(folder.path(), &["logs", "--live", "--from", &from, "--status", "bad"]);
    assert!(bad.status == 64 && bad.err.contains("--status"), "{}", bad.err);
    let none = meshctl(folder.path(), &["logs", "--live", "--from", &format!("http://{}", free_address())]);
    assert!(none.status == 1 && none.err.contains("does not answer"), "{} {}", none.status, none.err);
}

#[test]
fn decisions_come_through_a_forwarded_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = start(&folder.path().join("log"));
    let mut data = objects();
    data.forward("shop", "cart-1", 15000, proxy.admin.expect("an admin port"));
    let mesh = Mesh::bare(data, Faults::default());
    let mut live = mesh.start_meshctl(&["logs", "cart-1", "--live", "--failed"]);
    live.until("a decision is told", |out| {
        get(&proxy, "/down");
        get(&proxy, "/fine");
        out.contains("reviews/down")
    });
    assert!(!live.out().contains("/fine"), "{}", live.out());
    // The proxy ends, and with it what is followed.
    drop(proxy);
    assert!(live.end().is_some(), "{}", live.err());
    let none = mesh.meshctl(&["logs", "--live"]);
    assert!(none.status == 64 && none.err.contains("whose decisions?"), "{} {}", none.status, none.err);
}

#[test]
fn a_real_prometheus_shows_what_it_did() {
    let Some(binary) = component("prometheus") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = start(&folder.path().join("log"));
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: sidecars\n  metrics_path: /stats/prometheus\n  static_configs:\n  - targets: [\"{}\"]\n",
        proxy.admin.expect("an admin port")
    );
    let scraper = prometheus::start_scraping(&binary, &config).expect("prometheus starts");
    (0..5).for_each(|_| get(&proxy, "/fine"));
    (0..2).for_each(|_| get(&proxy, "/down"));
    // What `sum by (LABEL) (METRIC)` is, once it is so.
    let until = |query: &str, label: &str, wanted: &[(&str, &str)]| {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            let escaped: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
            let (_, body) = prometheus::get(scraper.port, &format!("/api/v1/query?query={escaped}")).expect("prometheus answers");
            let answer: Value = serde_json::from_str(&body).unwrap_or_default();
            let got = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            let mut got: Vec<(&str, &str)> = got.iter().filter_map(|s| Some((s["metric"][label].as_str()?, s["value"][1].as_str()?))).collect();
            got.sort_unstable();
            if got == wanted {
                return;
            }
            assert!(std::time::Instant::now() < end, "{query}: {body}");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    until(
        "sum by (response_code) (istio_requests_total{reporter=\"source\",source_workload=\"cart\",source_version=\"v1\"})",
        "response_code",
        &[("200", "5"), ("503", "2")],
    );
    until("sum by (response_flags) (istio_requests_total)", "response_flags", &[("-", "5"), ("UF", "2")]);
    until("sum by (envoy_cluster_name) (envoy_cluster_upstream_rq_total{envoy_cluster_name=~\".*reviews.*\"})", "envoy_cluster_name", &[(CLUSTER, "5")]);
    until("sum by (source_workload) (istio_request_duration_milliseconds_count)", "source_workload", &[("cart", "7")]);
}
