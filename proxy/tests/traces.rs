//! Traces: what a real Envoy tells of the same requests, collectors of both kinds, and those that are away.
//!
//! Needs the Envoy and the Zipkin that `.ci/install-components` installs for a part, and skips that without them.

// It says when it is skipped.
#![allow(clippy::print_stderr)]

use crate::{envoy, support};
use mesh_proxy::trace::otlp;
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Message, Upstream, answer, cluster, manager, nobody, socket, start};

const TRACE: &str = "463ac35c9f6413ad48485a3953bb6124";
const SPAN: &str = "a2fb4a1d1a96d312";
const PARENT: &str = "c2fb4a1d1a96d313";

fn zipkin(change: impl FnOnce(&mut Value)) -> Value {
    let mut config = json!({"@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig", "collector_cluster": "zipkin",
        "collector_endpoint": "/api/v2/spans", "collector_endpoint_version": "HTTP_JSON", "shared_span_context": false, "trace_id_128bit": true});
    change(&mut config);
    json!({"name": "envoy.tracers.zipkin", "typed_config": config})
}

fn opentelemetry() -> Value {
    json!({"name": "envoy.tracers.opentelemetry", "typed_config": {"@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": "web.shop", "http_service": {"http_uri": {"uri": "http://otel/v1/traces", "cluster": "otel", "timeout": "1s"}}}})
}

/// A listener whose requests are traced.
fn listener(name: &str, direction: &str, port: u16, provider: Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut m = manager(
        json!([{"match": {"prefix": "/away"}, "route": {"cluster": "away"}},
            {"match": {"prefix": "/own"}, "direct_response": {"status": 404}},
            {"match": {"prefix": "/again"}, "route": {"cluster": "c", "retry_policy": {"retry_on": "5xx", "num_retries": 1}}},
            {"match": {"prefix": "/"}, "route": {"cluster": "c", "prefix_rewrite": "/new/"}, "decorator": {"operation": "c.shop:80/*"}}]),
        None,
    );
    m["tracing"] = json!({"provider": provider, "max_path_tag_length": 12, "custom_tags": [
        {"tag": "lit", "literal": {"value": "v"}}, {"tag": "absent", "request_header": {"name": "nope"}},
        {"tag": "hdr", "request_header": {"name": "x-a", "default_value": "none"}}, {"tag": "env", "environment": {"name": "NO_SUCH_VARIABLE", "default_value": "e"}},
        {"tag": "metadata", "metadata": {"kind": {"request": {}}, "metadata_key": {"key": "nobody", "path": [{"key": "k"}]}, "default_value": "m"}},
        {"tag": "format", "value": "%REQ(:METHOD)%-%PROTOCOL%"}, {"tag": "component", "literal": {"value": "mine"}}]});
    change(&mut m);
    json!({"name": name, "traffic_direction": direction, "address": socket(SocketAddr::from(([127, 0, 0, 1], port))), "filter_chains": [{"filters": [{"name": "h", "typed_config": m}]}]})
}

const LISTENERS: usize = 7;

fn bootstrap(ports: &[u16], upstream: SocketAddr, collector: SocketAddr, otel: SocketAddr, away: SocketAddr) -> Value {
    let shared = |c: &mut Value| {
        c["shared_span_context"] = true.into();
        c["trace_context_option"] = "USE_B3_WITH_W3C_PROPAGATION".into();
    };
    let spawns = |m: &mut Value| m["tracing"]["spawn_upstream_span"] = true.into();
    json!({
        "node": {"id": "sidecar~10.1.2.3~web-1.shop~x", "cluster": "web.shop", "locality": {"zone": "z1"}},
        "layered_runtime": {"layers": [{"name": "s", "static_layer": {"tracing.zipkin.min_flush_spans": 1, "tracing.opentelemetry.min_flush_spans": 1}}]},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [
                listener("zipkin out", "OUTBOUND", ports[0], zipkin(|_| {}), |_| {}),
                listener("zipkin in", "INBOUND", ports[1], zipkin(|c| c["trace_id_128bit"] = false.into()), |_| {}),
                listener("shared", "UNSPECIFIED", ports[2], zipkin(shared), |_| {}),
                listener("spawns", "OUTBOUND", ports[3], zipkin(|_| {}), spawns),
                listener("otel out", "OUTBOUND", ports[4], opentelemetry(), |_| {}),
                listener("otel in", "INBOUND", ports[5], opentelemetry(), |_| {}),
                listener("otel spawns", "OUTBOUND", ports[6], opentelemetry(), spawns),
            ],
            "clusters": [cluster("c", &[upstream]), cluster("zipkin", &[collector]), cluster("otel", &[otel]), cluster("away", &[away])],
        },
    })
}

/// Requests, each with a name that stands in its id.
fn requests() -> Vec<(&'static str, String)> {
    let b3 = format!("x-b3-traceid: {TRACE}\r\nx-b3-spanid: {SPAN}\r\n");
    let parent = format!("traceparent: 00-{TRACE}-{SPAN}-0");
    vec![
        ("/plain?q=1", String::new()),
        ("/a-very-long-path", "x-a: b\r\nuser-agent: ua\r\n".to_owned()),
        ("/several", format!("{b3}x-b3-sampled: 1\r\nx-b3-parentspanid: {PARENT}\r\n")),
        ("/several/unsampled", format!("{b3}x-b3-sampled: 0\r\n")),
        ("/several/undecided", b3.clone()),
        ("/single", format!("b3: {TRACE}-{SPAN}-1-{PARENT}\r\n")),
        ("/single/undecided", format!("b3: {TRACE}-{SPAN}\r\n")),
        ("/single/no", "b3: 0\r\n".to_owned()),
        ("/single/bad", "b3: zzz\r\n".to_owned()),
        ("/w3c", format!("{parent}1\r\ntracestate: a=b\r\ntracestate: c=d\r\n")),
        ("/w3c/unsampled", format!("{parent}0\r\n")),
        ("/w3c/bad", "traceparent: bad\r\n".to_owned()),
        ("/w3c/zero", format!("traceparent: 00-00000000000000000000000000000000-{SPAN}-01\r\n")),
        ("/jaeger", format!("uber-trace-id: {TRACE}:{SPAN}:0:1\r\n")),
        ("/both", format!("{b3}{parent}1\r\n")),
        ("/operation", "x-envoy-decorator-operation: of-client\r\n".to_owned()),
        ("/client", "x-client-trace-id: mine\r\nx-envoy-downstream-service-cluster: down\r\n".to_owned()),
        ("/grpc/fails", "content-type: application/grpc\r\ngrpc-timeout: 1S\r\n".to_owned()),
        ("/fails", String::new()),
        ("/missing", String::new()),
        ("/renamed", String::new()),
        ("/own", String::new()),
        ("/away", String::new()),
        ("/again/fails", String::new()),
    ]
}

fn scripted() -> Upstream {
    Upstream::new(|r| match r.path() {
        "/new/grpc/fails" => answer(200, "content-type: application/grpc\r\ngrpc-status: 14\r\ngrpc-message: not today\r\n", ""),
        path if path.ends_with("/fails") => answer(503, "", "no"),
        "/new/missing" => answer(404, "", "nothing"),
        "/new/renamed" => answer(200, "x-envoy-decorator-operation: of-server\r\n", "ok"),
        _ => answer(200, "", "ok"),
    })
}

/// A span in words that two proxies agree on.
type Told = BTreeMap<String, String>;

/// One that was reported: its numbers, and its words.
#[derive(Clone, Debug)]
struct Reported {
    trace: String,
    id: String,
    parent: String,
    words: Told,
}

fn of_zipkin(body: &[u8]) -> Vec<Reported> {
    let list: Vec<Value> = serde_json::from_slice(body).expect("Zipkin's JSON");
    let one = |span: &Value| {
        let text = |key: &str| span[key].as_str().unwrap_or("").to_owned();
        let mut words: Told =
            span["tags"].as_object().expect("tags").iter().map(|(k, v)| (format!("tag {k}"), v.as_str().expect("a text").to_owned())).collect();
        for key in ["kind", "name"] {
            words.insert(key.to_owned(), text(key));
        }
        words.insert("end".to_owned(), span["annotations"][0]["value"].to_string());
        words.insert("shared".to_owned(), span["shared"].to_string());
        words.insert("service".to_owned(), span["localEndpoint"]["serviceName"].to_string());
        assert!(span["timestamp"].as_u64() > Some(1_000_000_000_000_000) && span["duration"].as_u64() > Some(0), "{span}");
        Reported { trace: text("traceId"), id: text("id"), parent: text("parentId"), words }
    };
    list.iter().map(one).collect()
}

fn of_otlp(body: &[u8]) -> Vec<Reported> {
    let request = otlp::Request::decode(body).expect("OTLP");
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut out = Vec::new();
    for all in &request.resource_spans {
        let resource = all.resource.as_ref().expect("a resource");
        let service = resource.attributes.iter().find(|a| a.key == "service.name").and_then(|a| a.value.as_ref()?.string_value.clone());
        for span in all.scope_spans.iter().flat_map(|s| &s.spans) {
            let mut words: Told =
                span.attributes.iter().map(|a| (format!("tag {}", a.key), a.value.as_ref().and_then(|v| v.string_value.clone()).unwrap_or_default())).collect();
            words.insert("service".to_owned(), service.clone().unwrap_or_default());
            words.insert("name".to_owned(), span.name.clone());
            words.insert("kind".to_owned(), span.kind.to_string());
            words.insert("flags".to_owned(), format!("{:x}", span.flags));
            words.insert("state".to_owned(), span.trace_state.clone());
            words.insert("status".to_owned(), span.status.as_ref().map_or(0, |s| s.code).to_string());
            assert!(span.end_time_unix_nano > span.start_time_unix_nano && span.start_time_unix_nano > 1_000_000_000_000_000_000);
            out.push(Reported { trace: hex(&span.trace_id), id: hex(&span.span_id), parent: hex(&span.parent_span_id), words });
        }
    }
    out
}

/// What a proxy did with a request: the answer's header, the upstream's view, and the spans.
fn seen(ports: &[u16], upstream: &Upstream, collectors: [&Upstream; 2]) -> BTreeMap<String, Vec<Told>> {
    let mut out = BTreeMap::new();
    for port in ports {
        for (i, (path, headers)) in requests().into_iter().enumerate() {
            // The lot of the id is small, and so always drawn.
            let id = format!("0000{i:04x}-{port:04x}-4aaa-8aaa-aaaaaaaaaaaa");
            let address = SocketAddr::from(([127, 0, 0, 1], *port));
            let got = support::ask(address, &format!("GET {path} HTTP/1.1\r\nhost: a.com\r\nx-request-id: {id}\r\n{headers}connection: close"), "");
            let mut answer = Told::from([("status".to_owned(), got.status().to_string())]);
            answer.insert("operation".to_owned(), got.header("x-envoy-decorator-operation").unwrap_or("none").to_owned());
            out.insert(format!("{} {path}", ports.iter().position(|p| p == port).unwrap_or(0)), (id, answer));
        }
    }
    // The last of them are told a moment later; a root's children before it.
    let count = |c: [&Upstream; 2], all: &mut Vec<Message>| c.into_iter().for_each(|c| all.extend(c.take()));
    let (mut reports, mut quiet) = (Vec::new(), Instant::now());
    while quiet.elapsed() < Duration::from_millis(1500) {
        let before = reports.len();
        count(collectors, &mut reports);
        if reports.len() > before {
            quiet = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let spans: Vec<Reported> = reports.iter().flat_map(|r| if r.path() == "/v1/traces" { of_otlp(&r.body) } else { of_zipkin(&r.body) }).collect();
    let forwarded = upstream.take();
    let of_id = |text: &str, id: &str| text.len() == id.len() && text.bytes().zip(id.bytes()).enumerate().all(|(i, (a, b))| i == 14 || a == b);
    let mut told = BTreeMap::new();
    for (name, (id, answer)) in out {
        let mut roots: Vec<&Reported> = spans.iter().filter(|s| s.words.get("tag guid:x-request-id").is_some_and(|g| of_id(g, &id))).collect();
        let ids: Vec<String> = roots.iter().map(|r| r.id.clone()).collect();
        let mut children: Vec<&Reported> = spans.iter().filter(|s| ids.contains(&s.parent) && !s.words.contains_key("tag guid:x-request-id")).collect();
        children.sort_by_key(|c| c.words.get("tag retry.count").cloned());
        roots.extend(children);
        let known: Vec<(String, String)> =
            [(TRACE.to_owned(), "TRACE"), (SPAN.to_owned(), "SPAN"), (PARENT.to_owned(), "PARENT"), (TRACE[16..].to_owned(), "LOW")]
                .into_iter()
                .map(|(k, v)| (k, v.to_owned()))
                .chain(roots.iter().enumerate().flat_map(|(i, r)| [(r.trace.clone(), format!("trace {i}")), (r.id.clone(), format!("span {i}"))]))
                .collect();
        // Numbers become words; those that nothing is known of are as long as they are.
        let symbols = |text: &str| {
            let one = |part: &str| {
                let hex = matches!(part.len(), 16 | 32) && part.bytes().all(|b| b.is_ascii_hexdigit());
                let found = known.iter().find(|(k, _)| k == part).map(|(_, v)| v.clone());
                found.unwrap_or_else(|| if hex { format!("new {}", part.len()) } else { part.to_owned() })
            };
            text.split('-').map(one).collect::<Vec<_>>().join("-")
        };
        let mut all = vec![answer];
        for request in forwarded.iter().filter(|r| r.header("x-request-id").is_some_and(|g| of_id(g, &id))) {
            let about = |name: &str| name.contains("b3") || name.contains("trace") || name.contains("decorator");
            let mut words: Told = request.headers.iter().filter(|(k, _)| about(k)).map(|(k, v)| (k.clone(), symbols(v))).collect();
            words.insert("reason".to_owned(), request.header("x-request-id").map(|g| g[14..15].to_owned()).unwrap_or_default());
            words.insert("path".to_owned(), request.path().to_owned());
            all.push(words);
        }
        for span in &roots {
            let mut words = span.words.clone();
            words.retain(|k, _| k != "tag guid:x-request-id");
            words.insert("numbers".to_owned(), [&span.trace, &span.id, &span.parent].map(|n| symbols(n)).join(" "));
            all.push(words);
        }
        told.insert(name, all);
    }
    told
}

#[test]
fn spans_are_what_envoy_tells_of_the_same_requests() {
    let Some(program) = envoy::find() else {
        return eprintln!("SKIPPED: no Envoy; .ci/install-components installs one");
    };
    let (upstream, otel, collector) = (scripted(), Upstream::new(|_| answer(200, "", "")), Upstream::new(|_| answer(202, "", "")));
    let away = nobody();
    let ports = mesh_testserver::ports::free(LISTENERS);
    let config = bootstrap(&ports, upstream.address, collector.address, otel.address, away);
    let theirs = {
        let _envoy = envoy::Envoy::start(&program, tempfile::tempdir().expect("a folder"), &config, &ports);
        seen(&ports, &upstream, [&collector, &otel])
    };
    let ports = mesh_testserver::ports::free(LISTENERS);
    let proxy = start(bootstrap(&ports, upstream.address, collector.address, otel.address, away));
    let ours = seen(&ports, &upstream, [&collector, &otel]);
    assert_eq!(theirs.len(), LISTENERS * requests().len());
    let mut different = Vec::new();
    for (name, theirs) in &theirs {
        let ours = &ours[name];
        for i in 0..theirs.len().max(ours.len()) {
            let (a, b) = (theirs.get(i).cloned().unwrap_or_default(), ours.get(i).cloned().unwrap_or_default());
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys.into_iter().filter(|k| a.get(*k) != b.get(*k)) {
                different.push(format!("{name} [{i}] {key}: Envoy {:?}, here {:?}", a.get(key), b.get(key)));
            }
        }
    }
    assert!(different.is_empty(), "{} differences:\n{}", different.len(), different.join("\n"));
    let spans: usize = theirs.values().map(Vec::len).sum();
    assert!(spans > 400, "{spans}");
    drop(proxy);
}

/// Waits for a line of a proxy's statistics.
fn stat(proxy: &mesh_proxy::Proxy, name: &str, enough: impl Fn(u64) -> bool) -> u64 {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let page = support::get(proxy.admin.expect("an admin port"), "/stats").text();
        let value = page.lines().find_map(|l| l.strip_prefix(&format!("{name}: "))?.parse().ok());
        if value.is_some_and(&enough) || Instant::now() > until {
            return value.unwrap_or(0);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A proxy with one traced listener.
fn traced(provider: Value, clusters: &[Value]) -> (mesh_proxy::Proxy, SocketAddr) {
    let mut m = manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]), None);
    m["tracing"] = json!({"provider": provider});
    let proxy = start(support::bootstrap(&m, clusters));
    let address = proxy.address("l").expect("a listener");
    (proxy, address)
}

#[test]
fn a_collector_that_takes_nothing_costs_spans_and_no_request() {
    // It reads, and never answers.
    let silent = Upstream::new(|_| {
        std::thread::sleep(Duration::from_secs(30));
        support::Act::Close
    });
    let (proxy, address) = traced(zipkin(|_| {}), &[cluster("zipkin", &[silent.address])]);
    let mut client = support::connect(address);
    for _ in 0..3000 {
        client.stream().write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        assert_eq!(client.message().expect("an answer").status(), 200);
    }
    assert!(stat(&proxy, "tracing.zipkin.spans_dropped", |n| n > 500) > 500);
    // How many of them time out is a matter of how long the requests took.
    assert!(stat(&proxy, "tracing.zipkin.reports_failed", |n| n > 0) >= 1);
    assert_eq!(stat(&proxy, "http.in.tracing.random_sampling", |n| n >= 3000), 3000);
}

#[test]
fn what_waits_at_the_end_is_reported() {
    let collector = Upstream::new(|_| answer(202, "", ""));
    let (proxy, address) = traced(zipkin(|_| {}), &[cluster("zipkin", &[collector.address])]);
    assert_eq!(support::get(address, "/last").status(), 200);
    drop(proxy);
    let spans: Vec<Reported> = collector.take().iter().flat_map(|m| of_zipkin(&m.body)).collect();
    assert_eq!(spans.len(), 1);
}

#[test]
fn a_cluster_that_is_not_there_is_counted() {
    let (proxy, address) = traced(zipkin(|_| {}), &[]);
    assert_eq!(support::get(address, "/").status(), 200);
    assert_eq!(stat(&proxy, "tracing.zipkin.reports_skipped_no_cluster", |n| n > 0), 1);
    assert_eq!(stat(&proxy, "tracing.zipkin.spans_dropped", |n| n > 0), 1);
}

/// Requests with their bodies.
type Requests = Arc<Mutex<Vec<(http::request::Parts, Vec<u8>)>>>;

/// A gRPC server on HTTP/2 that remembers requests, and answers one of them with an error.
fn grpc_collector() -> (SocketAddr, Requests) {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let got = Requests::default();
    let kept = got.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            socket.set_nonblocking(true).expect("a socket");
            let listener = tokio::net::TcpListener::from_std(socket).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let kept = kept.clone();
                    tokio::spawn(async move {
                        let (parts, mut body) = request.into_parts();
                        let mut bytes = Vec::new();
                        while let Some(Ok(data)) = body.data().await {
                            let _ = body.flow_control().release_capacity(data.len());
                            bytes.extend_from_slice(&data);
                        }
                        let first = {
                            let mut kept = kept.lock().expect("unbroken");
                            kept.push((parts, bytes));
                            kept.len() == 1
                        };
                        let mut answer = http::Response::new(());
                        answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
                        let mut stream = respond.send_response(answer, false).expect("an answer");
                        // Of the first report two spans are said to be rejected.
                        let body: &[u8] = if first { &[0, 0, 0, 0, 4, 0x0a, 2, 8, 2] } else { &[0, 0, 0, 0, 0] };
                        stream.send_data(bytes::Bytes::copy_from_slice(body), false).expect("data");
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
                        stream.send_trailers(trailers).expect("trailers");
                    });
                }
            }
        });
    });
    (address, got)
}

#[test]
fn spans_reach_a_collector_over_grpc() {
    let (address, got) = grpc_collector();
    let mut to = cluster("otel", &[address]);
    to["http2_protocol_options"] = json!({});
    let provider = json!({"name": "envoy.tracers.opentelemetry", "typed_config": {"@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": "web", "grpc_service": {"envoy_grpc": {"cluster_name": "otel", "authority": "otel.shop"}, "timeout": "2s", "initial_metadata": [{"key": "x-token", "value": "t"}]}}});
    let (proxy, address) = traced(provider, &[to]);
    for _ in 0..3 {
        assert_eq!(support::get(address, "/grpc").status(), 200);
    }
    assert_eq!(stat(&proxy, "tracing.opentelemetry.reports_sent", |n| n > 0), 1);
    assert_eq!(stat(&proxy, "tracing.opentelemetry.spans_dropped", |n| n > 0), 2);
    let got = got.lock().expect("unbroken");
    let (parts, body) = &got[0];
    assert_eq!(
        (parts.uri.path(), parts.uri.authority().map(|a| a.as_str())),
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Some("otel.shop"))
    );
    assert_eq!((&parts.headers["x-token"], &parts.headers["te"]), (&http::HeaderValue::from_static("t"), &http::HeaderValue::from_static("trailers")));
    let spans = of_otlp(&body[5..]);
    assert_eq!((spans.len(), spans[0].words["service"].as_str(), spans[0].words["name"].as_str()), (3, "web", "ingress"));
}

struct Zipkin(Child);

impl Drop for Zipkin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real Zipkin; `None` where there is none, which is an error in CI.
fn real_zipkin() -> Option<(Zipkin, SocketAddr)> {
    let folder = std::env::var_os("MESHCTL_COMPONENTS").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/components"), PathBuf::from);
    let jar = folder.join("zipkin.jar");
    if !jar.is_file() {
        assert!(std::env::var("MESHCTL_COMPONENTS_REQUIRED").as_deref() != Ok("1"), "in CI there must be a Zipkin: .ci/install-components");
        eprintln!("SKIPPED: no Zipkin in {}; .ci/install-components installs one where there is a Java", folder.display());
        return None;
    }
    let address = nobody();
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar"]).arg(&jar);
    java.args(["--armeria.ports[0].address=127.0.0.1".to_owned(), format!("--armeria.ports[0].port={}", address.port())]);
    java.env("QUERY_PORT", address.port().to_string()).env("STORAGE_TYPE", "mem");
    let child = java.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("java runs");
    let zipkin = Zipkin(child);
    let until = Instant::now() + Duration::from_secs(240);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "Zipkin did not become ready");
        std::thread::sleep(Duration::from_millis(300));
    }
    Some((zipkin, address))
}

#[test]
fn a_real_zipkin_shows_a_call_from_sidecar_to_sidecar() {
    let Some((_zipkin, collector)) = real_zipkin() else { return };
    let app = Upstream::named("cart");
    let side = |name: &str, direction: &str, to: SocketAddr| {
        let mut m =
            manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "c"}, "decorator": {"operation": "cart.shop.svc.cluster.local:80/*"}}]), None);
        m["tracing"] = json!({"provider": zipkin(|_| {})});
        let mut config = support::bootstrap(&m, &[cluster("c", &[to]), cluster("zipkin", &[collector])]);
        config["node"] = json!({"id": format!("sidecar~127.0.0.1~{name}-1.shop~x"), "cluster": format!("{name}.shop")});
        config["static_resources"]["listeners"][0]["traffic_direction"] = direction.into();
        start(config)
    };
    let server = side("cart", "INBOUND", app.address);
    let client = side("web", "OUTBOUND", server.address("l").expect("a listener"));
    let address = client.address("l").expect("a listener");
    let got = support::ask(address, &format!("GET /cart HTTP/1.1\r\nhost: cart\r\nb3: {TRACE}-{SPAN}-1"), "");
    assert_eq!(got.status(), 200);
    assert_eq!(stat(&client, "tracing.zipkin.reports_sent", |n| n > 0) + stat(&server, "tracing.zipkin.reports_sent", |n| n > 0), 2);
    let until = Instant::now() + Duration::from_secs(30);
    let spans = loop {
        let page = support::get(collector, &format!("/api/v2/trace/{TRACE}"));
        let spans: Vec<Value> = serde_json::from_slice(&page.body).unwrap_or_default();
        if spans.len() >= 2 || Instant::now() > until {
            break spans;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let by_kind = |kind: &str| spans.iter().find(|s| s["kind"] == kind).unwrap_or_else(|| panic!("no {kind} among {spans:?}")).clone();
    let (of_client, of_server) = (by_kind("CLIENT"), by_kind("SERVER"));
    assert_eq!((spans.len(), &of_client["parentId"], &of_server["parentId"]), (2, &json!(SPAN), &of_client["id"]));
    assert_eq!((&of_client["localEndpoint"]["serviceName"], &of_server["localEndpoint"]["serviceName"]), (&json!("web.shop"), &json!("cart.shop")));
    assert_eq!(of_server["name"], "cart.shop.svc.cluster.local:80/*");
    assert_eq!(app.take()[0].header("b3").map(|b| &b[..32]), Some(TRACE));
}
