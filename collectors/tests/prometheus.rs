//! Prometheus as a source: what is asked for, what becomes of servers that do not answer as they should, and a real one.

// A test that was left out says so.
#![allow(clippy::print_stdout)]

use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::prometheus::{Client, Credentials, Idle, Options, PrometheusError, QueryError, Want, read};
use mesh_collectors::telemetry::series::Recording;
use mesh_collectors::telemetry::serve::{Limits as ServeLimits, serve};
use mesh_metrics::api;
use mesh_metrics::series::{Limits, NAME, Store};
use mesh_model::graph::{self, Facts, Namespace, ServiceTraffic};
use mesh_testserver::apiserver::{Data, Faults, Server};
use mesh_testserver::prometheus::{self, Labels, Points};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

/// Seconds.
const END: i64 = 1_700_010_007;

fn block_on<F: Future>(f: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(f)
}

/// Counters of an hour: three namespaces, each workload calls the next one.
fn counters(cluster: &str) -> Vec<(Labels, Points)> {
    let names = ["web", "cart", "db"];
    let mut out = Vec::new();
    for namespace in ["shop", "pay", "mail"] {
        for (index, pair) in names.windows(2).enumerate() {
            for (reporter, code, step) in [("source", "200", 30.0), ("destination", "200", 30.0), ("source", "503", 2.0)] {
                let pairs = [
                    (NAME, "istio_requests_total"),
                    ("cluster", cluster),
                    ("reporter", reporter),
                    ("source_cluster", "c"),
                    ("source_workload_namespace", namespace),
                    ("source_workload", pair[0]),
                    ("source_canonical_service", pair[0]),
                    ("source_canonical_revision", "v1"),
                    ("destination_cluster", "c"),
                    ("destination_service_namespace", namespace),
                    ("destination_service", &format!("{}.{namespace}.svc.cluster.local", pair[1])),
                    ("destination_service_name", pair[1]),
                    ("destination_workload_namespace", namespace),
                    ("destination_workload", pair[1]),
                    ("destination_canonical_service", pair[1]),
                    ("destination_canonical_revision", "v1"),
                    ("request_protocol", "http"),
                    ("response_code", code),
                    ("response_flags", if code == "200" { "-" } else { "URX,UF" }),
                    ("connection_security_policy", "mutual_tls"),
                ];
                let labels = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
                let points = (0..240).map(|i| ((END - 3600 + 15 * i) * 1000 - 3000, (step + index as f64) * i as f64)).collect();
                out.push((labels, points));
            }
        }
    }
    out
}

fn store(series: &[(Labels, Points)]) -> Store {
    let mut store = Store::new(Limits::default());
    for (labels, points) in series {
        for (at, value) in points {
            store.append(labels.iter().map(|(n, v)| (n.as_str(), v.as_str())), *at, *value).expect("in order");
        }
    }
    store
}

fn options() -> graph::Options {
    let namespaces = ["mail", "pay", "shop"].map(|n| Namespace { name: n.to_owned(), duration: 600, is_ambient: false }).to_vec();
    graph::Options { namespaces, query_time: END, ..graph::Options::default() }
}

fn want() -> Want {
    Want {
        metrics: graph::needs(&graph::plan(&options())),
        at: END,
        window: 600,
        namespaces: Vec::new(),
        labels: Vec::new(),
        idle: Idle::Left,
        deadline: Duration::from_secs(60),
    }
}

/// Kiali's JSON of what a store answers.
fn drawn(store: &Store) -> String {
    let options = options();
    let queries = graph::plan(&options);
    let answers: Vec<_> = queries.iter().map(|q| ask(store, &q.promql, END * 1000).expect("an answer").0).collect();
    graph::kiali::to_json(&graph::build(&options, &Facts::default(), &queries, &answers, ServiceTraffic::Once), &options)
}

/// One request that a server was sent.
struct Request {
    head: String,
    path: String,
    parameters: Vec<(String, String)>,
}

impl Request {
    fn query(&self) -> &str {
        self.parameters.iter().find(|(n, _)| n == "query").map_or("", |(_, v)| v)
    }
}

/// A server that answers as a test wants.
#[derive(Clone)]
struct Script {
    url: String,
    queries: Arc<Mutex<Vec<String>>>,
    most_open: Arc<AtomicUsize>,
}

fn script(handler: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Script {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let script = Script { url: format!("http://{}", listener.local_addr().expect("an address")), queries: Arc::default(), most_open: Arc::default() };
    let (handler, open, server) = (Arc::new(handler), Arc::new(AtomicUsize::new(0)), script.clone());
    std::thread::spawn(move || {
        // No test makes more.
        for stream in listener.incoming().take(500).flatten() {
            let (handler, open, server) = (Arc::clone(&handler), Arc::clone(&open), server.clone());
            std::thread::spawn(move || {
                let Some(request) = receive(&stream) else { return };
                server.most_open.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                server.queries.lock().expect("a lock").push(request.query().to_owned());
                let answer = handler(&request);
                // Long enough that several are open when the client sends several.
                std::thread::sleep(Duration::from_millis(20));
                open.fetch_sub(1, Ordering::SeqCst);
                let mut stream = &stream;
                let _ = stream.write_all(&answer);
            });
        }
    });
    script
}

fn receive(stream: &TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:").and_then(|n| n.trim().parse().ok())).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let target = head.split(' ').nth(1)?.to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().chain(form_urlencoded::parse(&body).into_owned()).collect();
    Some(Request { path: path.to_owned(), parameters, head })
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn refusal(status: &str, kind: &str, message: &str) -> Vec<u8> {
    http(status, &format!("{{\"status\":\"error\",\"errorType\":\"{kind}\",\"error\":\"{message}\"}}"))
}

/// As a Prometheus with these series.
fn honest(store: &Store, request: &Request) -> Vec<u8> {
    let answer = api::answer(store, &api::Request { path: &request.path, parameters: &request.parameters, now: END * 1000 }, &Default::default());
    http(&format!("{} X", answer.status), &answer.body)
}

fn quick() -> Options {
    Options { answer: Duration::from_secs(10), back_off: Duration::from_millis(1), ..Options::default() }
}

fn fetch(url: &str, options: Options, want: &Want) -> Result<Recording, PrometheusError> {
    let client = Client::new(url, options)?;
    block_on(read(&client, want))
}

#[test]
fn a_mesh_takes_a_query_a_metric_and_gives_the_same_graph() {
    let series = store(&counters("prod"));
    let want_json = drawn(&series);
    let server = script(move |r| honest(&series, r));
    let recording = fetch(&server.url, quick(), &want()).expect("a recording");
    assert_eq!(recording.problems, Vec::<String>::new());
    assert_eq!(recording.over, Some(600));
    assert_eq!(drawn(&recording.store), want_json);
    assert!(want_json.contains("URX,UF"), "{want_json}");
    // One more asks whether it is one mesh.
    assert_eq!(server.queries.lock().expect("a lock").len(), want().metrics.len() + 1);
    assert!(server.most_open.load(Ordering::SeqCst) <= 4);
}

#[test]
fn namespaces_get_what_they_send_and_what_is_sent_to_them() {
    let series = store(&counters("prod"));
    let server = script(move |r| honest(&series, r));
    let namespaces = vec!["shop".to_owned()];
    let recording = fetch(&server.url, quick(), &Want { namespaces, ..want() }).expect("a recording");
    let names = |label| recording.store.label_values(label, recording.store.select(&[]).into_iter().filter_map(|id| recording.store.get(id)));
    assert!(names("source_workload_namespace").into_iter().eq(["shop"]));
}

#[test]
fn what_is_too_much_is_cut_by_namespace_and_workload() {
    let series = store(&counters("prod"));
    let want_json = drawn(&series);
    let server = script(move |r| {
        let query = r.query();
        let is_large = query.starts_with("sum(rate(istio_requests_total") && !query.contains("source_workload=\"");
        if is_large { refusal("422 X", "execution", "query processing would load too many samples into memory in query execution") } else { honest(&series, r) }
    });
    let recording = fetch(&server.url, quick(), &want()).expect("a recording");
    assert_eq!(recording.problems, Vec::<String>::new());
    assert_eq!(drawn(&recording.store), want_json);
    assert!(server.most_open.load(Ordering::SeqCst) <= 4);
}

#[test]
fn what_can_not_be_cut_further_is_named_and_the_rest_is_there() {
    let series = store(&counters("prod"));
    let server = script(move |r| {
        if r.query().contains("source_workload=\"cart\"") || (r.query().starts_with("sum(rate(istio_requests") && !r.query().contains("source_workload=\"")) {
            return refusal("503 X", "timeout", "query timed out in expression evaluation");
        }
        honest(&series, r)
    });
    let recording = fetch(&server.url, quick(), &want()).expect("a recording");
    assert_eq!(recording.problems.len(), 3, "{:?}", recording.problems);
    let said = &recording.problems[0];
    assert!(said.starts_with("istio_requests_total with source_workload_namespace=\"mail\", source_workload=\"cart\" is missing: timeout: "), "{said}");
    assert!(!recording.store.is_empty());
}

#[test]
fn what_passes_is_tried_again() {
    let series = store(&counters("prod"));
    let failures = AtomicUsize::new(0);
    let server = script(move |r| {
        let count = failures.fetch_add(1, Ordering::SeqCst);
        match count {
            0 => http("503 Service Unavailable", "<html>busy</html>"),
            1 => b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":".to_vec(),
            2 => refusal("429 X", "too_many_requests", "slow down"),
            _ => honest(&series, r),
        }
    });
    let recording = fetch(&server.url, quick(), &want()).expect("a recording");
    assert_eq!(recording.problems, Vec::<String>::new());
}

#[test]
fn what_is_no_answer_is_named() {
    let long = "x".repeat(300);
    let answers: [(Vec<u8>, QueryError); 9] = [
        (http("200 OK", "<!DOCTYPE html><html>Sign in</html>"), QueryError::WebPage),
        (
            b"HTTP/1.1 302 Found\r\nlocation: https://login/?token=s3cret\r\ncontent-length: 0\r\n\r\n".to_vec(),
            QueryError::Redirected { to: "https://login/".to_owned() },
        ),
        (http("401 X", "who are you"), QueryError::NotAllowed { code: 401 }),
        (http("503 X", &long), QueryError::Status { code: 503, says: long[..200].to_owned() }),
        (http("404 X", "nothing here\nmore"), QueryError::Status { code: 404, says: "nothing here".to_owned() }),
        (http("200 OK", "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{}"), QueryError::CutOff),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":\"success\"".to_vec(), QueryError::CutOff),
        (refusal("400 X", "bad_data", "no"), QueryError::Refused { code: 400, kind: "bad_data".to_owned(), message: "no".to_owned() }),
        (http("200 OK", &format!("{{\"a\":\"{}\"}}", "x".repeat(5000))), QueryError::TooLarge { limit: 2000 }),
    ];
    for (answer, error) in answers {
        let server = script(move |_| answer.clone());
        let found = fetch(&server.url, Options { body: 2000, attempts: 2, ..quick() }, &want()).expect_err("no answer");
        assert_eq!(found.error, error);
        assert!(found.to_string().starts_with(&server.url), "{found}");
    }
    let nobody = fetch("http://127.0.0.1:1", quick(), &want()).expect_err("nobody");
    assert!(matches!(nobody.error, QueryError::Unreachable { .. }), "{nobody}");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let slow = fetch(&url, Options { answer: Duration::from_millis(100), ..quick() }, &want()).expect_err("silence");
    assert_eq!(slow.error, QueryError::TimedOut { after: Duration::from_millis(100) });
    for wrong in ["prometheus:9090", "ftp://a", "http://user:pass@a:9090", "http://a:9090/?x=1"] {
        let error = Client::new(wrong, quick()).err().expect("no address").to_string();
        assert!(!error.contains("pass@"), "{error}");
    }
}

#[test]
fn values_that_are_no_numbers_are_counted_and_never_drawn() {
    let body =
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"NaN"]},{"metric":{"a":"c"},"value":[1,"+Inf"]}]}}"#;
    let server = script(move |_| http("200 OK", body));
    let recording = fetch(&server.url, quick(), &want()).expect("a recording");
    assert!(recording.store.is_empty());
    assert!(recording.problems[0].starts_with("10 series are left out"), "{:?}", recording.problems);
}

#[test]
fn credentials_and_tenants_are_sent_and_never_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let token = dir.path().join("token");
    std::fs::write(&token, "s3cret\n").expect("a file");
    let basic = Credentials::Basic { user: "u".to_owned(), password: "s3cret".to_owned() };
    for (credentials, sent) in
        [(Credentials::Bearer("s3cret".to_owned()), "Bearer s3cret"), (Credentials::TokenFile(token), "Bearer s3cret"), (basic, "Basic dTpzM2NyZXQ=")]
    {
        let (tell, told) = std::sync::mpsc::channel();
        let server = script(move |r| {
            let _ = tell.send(r.head.clone());
            http("400 X", "no tenant for s3cret")
        });
        let headers = vec![("X-Scope-OrgID".to_owned(), "team".to_owned())];
        let error = fetch(&server.url, Options { credentials, headers, ..quick() }, &want()).expect_err("refused").to_string();
        let head = told.recv_timeout(Duration::from_secs(5)).expect("a request").to_ascii_lowercase();
        assert!(head.contains(&format!("authorization: {}", sent.to_ascii_lowercase())) && head.contains("x-scope-orgid: team"), "{head}");
        assert!(error.contains("no tenant") && !error.contains("s3cret"), "{error}");
    }
    let missing = Credentials::TokenFile(dir.path().join("none"));
    let error = fetch("http://127.0.0.1:1", Options { credentials: missing, ..quick() }, &want()).expect_err("no token");
    assert!(matches!(error.error, QueryError::Credentials { .. }), "{error}");
}

#[test]
fn several_clusters_in_one_prometheus_are_a_problem_until_one_is_chosen() {
    let both = store(&[counters("prod-eu"), counters("prod-us")].concat());
    let one = drawn(&store(&counters("prod-eu")));
    let server = script(move |r| honest(&both, r));
    let recording = fetch(&server.url, quick(), &want()).expect("a recording");
    assert_eq!(recording.problems, ["series of 2 values of `cluster` (prod-eu, prod-us) are put together; choose one, such as --prom-label cluster=prod-eu"]);
    let labels = vec![("cluster".to_owned(), "prod-eu".to_owned())];
    let recording = fetch(&server.url, quick(), &Want { labels, ..want() }).expect("a recording");
    assert_eq!((recording.problems, drawn(&recording.store)), (vec![], one));
}

#[test]
fn replicas_that_count_twice_are_a_problem() {
    let replica = |name: &str| -> Vec<(Labels, Points)> {
        let add = |(mut labels, points): (Labels, Points)| {
            labels.insert("prometheus_replica".to_owned(), name.to_owned());
            (labels, points)
        };
        counters("prod").into_iter().map(add).collect()
    };
    let both = store(&[replica("a"), replica("b")].concat());
    let server = script(move |r| honest(&both, r));
    let recording = fetch(&server.url, quick(), &want()).expect("a recording");
    assert_eq!(
        recording.problems,
        [
            "series of 2 replicas (`prometheus_replica`: a, b) count several times; let the querier deduplicate them, or choose one, such as --prom-label prometheus_replica=a"
        ]
    );
}

#[test]
fn a_server_that_takes_get_alone_is_asked_so() {
    let series = store(&counters("prod"));
    let server = script(move |r| if r.head.starts_with("POST") { http("405 X", "") } else { honest(&series, r) });
    let recording = fetch(&server.url, quick(), &want()).expect("a recording");
    assert!(!recording.store.is_empty() && recording.problems.is_empty(), "{:?}", recording.problems);
}

#[test]
fn tls_trusts_the_authorities_that_are_named() {
    let server = Server::start(Data::default(), Faults::default()).expect("a server");
    let url = format!("https://{}", server.address());
    let error = fetch(&url, Options { attempts: 1, ..quick() }, &want()).expect_err("an unknown authority");
    assert!(matches!(error.error, QueryError::Unreachable { .. }), "{error}");
    let trusting = Options { attempts: 1, authorities: server.certificate().as_bytes().to_vec(), ..quick() };
    let error = fetch(&url, trusting, &want()).expect_err("no Prometheus, but an answer");
    assert!(matches!(error.error, QueryError::Status { code: 404, .. }), "{error}");
}

#[test]
fn our_own_server_is_a_prometheus() {
    let series = store(&counters("prod"));
    let want_json = drawn(&series);
    block_on(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let limits = ServeLimits { body: 4096, ..ServeLimits::default() };
        let server = tokio::spawn(serve(listener, Arc::new(RwLock::new(series)), Default::default(), limits));
        let client = Client::new(&format!("http://127.0.0.1:{port}"), quick()).expect("a client");
        let recording = read(&client, &want()).await.expect("a recording");
        assert_eq!((recording.problems, drawn(&recording.store)), (vec![], want_json));
        for (path, status, part) in [
            ("/api/v1/labels", 200, "destination_workload"),
            ("/api/v1/label/response_code/values", 200, "[\"200\",\"503\"]"),
            ("/api/v1/series?match[]=istio_requests_total%7Bresponse_code%3D%22503%22%7D", 200, "URX,UF"),
            ("/api/v1/query_range?query=1&start=0&end=10&step=5", 200, "matrix"),
            ("/api/v1/metadata", 200, "success"),
            ("/nothing", 404, "not_found"),
        ] {
            let (code, body) = tokio::task::spawn_blocking(move || prometheus::get(port, path)).await.expect("a task").expect("an answer");
            assert!(code == status && body.contains(part), "{path}: {code} {body}");
        }
        let large = "x".repeat(5000);
        let long = Want { labels: vec![("a".to_owned(), large)], ..want() };
        let error = read(&client, &long).await.expect_err("too large").error;
        assert!(matches!(error, QueryError::Refused { code: 413, .. }), "{error}");
        server.abort();
    });
}

#[test]
fn a_real_prometheus() {
    let Some(binary) = prometheus::find().expect("the components") else {
        println!("SKIPPED: no target/components/prometheus with promtool beside it; .ci/install-components installs them");
        return;
    };
    let series = counters("prod");
    let server = prometheus::start(&binary, &series).expect("prometheus starts");
    let url = format!("http://127.0.0.1:{}", server.port);
    let recording = fetch(&url, quick(), &want()).expect("a recording");
    assert_eq!((recording.problems, drawn(&recording.store)), (vec![], drawn(&store(&series))));
    let namespaces = vec!["pay".to_owned(), "mail".to_owned()];
    let some = fetch(&url, quick(), &Want { namespaces, ..want() }).expect("a recording");
    assert!(some.problems.is_empty() && !some.store.is_empty() && some.store.len() < recording.store.len(), "{:?}", some.problems);
}
