//! Requests, heads and streams that take too long, tries by headers, and answers before the answer: as a real Envoy has them.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

// It shows its count, and says when it is skipped.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "support/beside.rs"]
mod beside;
#[allow(dead_code, reason = "the engine's own test uses the rest")]
#[path = "../../envoy/tests/differential/envoy.rs"]
mod envoy;
#[allow(dead_code, reason = "the test of streams uses the rest")]
#[path = "support/streams.rs"]
mod scripted;
mod support;

use beside::{Case, Step};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use support::{Message, Reader};

/// Does with a request what its path says.
fn serve(reader: &mut Reader) -> Option<()> {
    let head = reader.head()?;
    match head.path() {
        "/continue" => reader.stream().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?,
        "/continue-more" => reader.stream().write_all(b"HTTP/1.1 100 Continue\r\nx-i: 1\r\n\r\n").ok()?,
        "/refuse" => reader.stream().write_all(b"HTTP/1.1 417 No\r\ncontent-length: 2\r\n\r\nno").ok()?,
        "/early" => reader.stream().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").ok()?,
        _ => {}
    }
    let length = head.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let body = reader.exactly(length)?;
    let until_the_end = |reader: &mut Reader| drop(reader.stream().read(&mut [0; 64]));
    match head.path() {
        "/never" | "/early" => {
            until_the_end(reader);
            return None;
        }
        "/big" | "/huge" => {
            let body = vec![b'a'; if head.path() == "/big" { 1_000_000 } else { 30_000_000 }];
            reader.stream().write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes()).ok()?;
            return reader.stream().write_all(&body).ok();
        }
        "/list" => return reader.stream().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\nabc").ok(),
        "/twice" => return reader.stream().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc").ok(),
        "/drips" => {
            reader.stream().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n").ok()?;
            for byte in b"abcd" {
                std::thread::sleep(Duration::from_millis(800));
                reader.stream().write_all(&[*byte]).ok()?;
            }
            return Some(());
        }
        "/part" => {
            reader.stream().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").ok()?;
            until_the_end(reader);
            return None;
        }
        "/refuse" => return Some(()),
        _ => {}
    }
    let heard = |m: &Message| {
        let names = ["expect", "grpc-timeout", "x-envoy-expected-rq-timeout-ms", "content-length", "x-c"];
        let all = m.headers.iter().filter(|(k, _)| names.contains(&k.as_str()) || k.starts_with("x-envoy-retr"));
        all.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>()
    };
    let mut heard = heard(&head);
    heard.sort();
    let text = format!("{heard:?} {:?}", String::from_utf8_lossy(&body));
    let status = head.header("x-status").unwrap_or("200");
    let mut more = head.header("x-answer").map(|h| format!("{}: 1\r\n", h)).unwrap_or_default();
    if let Some(status) = head.header("x-grpc") {
        more += &format!("content-type: application/grpc\r\ngrpc-status: {status}\r\n");
    }
    reader.stream().write_all(format!("HTTP/1.1 {status} X\r\n{more}content-length: {}\r\n\r\n{text}", text.len()).as_bytes()).ok()
}

fn upstream() -> SocketAddr {
    support::server(|stream| {
        let mut reader = Reader::new(stream);
        while serve(&mut reader).is_some() {}
    })
}

/// A connection manager with one route to the upstream, both with changes.
fn manager(of_manager: Value, of_route: Value) -> Value {
    let mut route = json!({"cluster": "up", "timeout": "0s"});
    let mut manager = support::manager(json!([]), None);
    let merge = |into: &mut Value, from: Value| {
        for (key, value) in from.as_object().cloned().unwrap_or_default() {
            into[&key] = value;
        }
    };
    merge(&mut route, of_route);
    // Clients that are internal may say how they are to be tried again.
    merge(&mut manager, json!({"use_remote_address": true, "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}));
    merge(&mut manager, of_manager);
    manager["route_config"]["virtual_hosts"][0]["routes"] = json!([{"name": "r", "match": {"prefix": "/"}, "route": route}]);
    manager
}

fn with_delay(mut manager: Value) -> Value {
    let fault = json!({"name": "fault", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "delay": {"fixed_delay": "30s", "percentage": {"numerator": 100}}}});
    manager["http_filters"].as_array_mut().expect("a list").insert(0, fault);
    manager
}

const SHORT: &str = "0.3s";

fn head(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: a.com\r\nconnection: close\r\n{headers}\r\n")
}

fn case(listener: &'static str, name: &'static str, text: impl Into<String>) -> Case {
    Case { listener, name, steps: vec![Step::Send(text.into())], lines: 1 }
}

fn check(managers: &[(&'static str, Value)], cases: &[Case]) {
    check_with(managers, &[support::cluster("up", &[upstream()])], cases);
}

fn check_with(managers: &[(&'static str, Value)], clusters: &[Value], cases: &[Case]) {
    let Some(wrong) = beside::differences(managers, clusters, cases) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    println!("{} cases, {} differ", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn what_takes_too_long_ends_as_with_a_real_envoy() {
    let none = || json!({});
    let duration = |d: Value| json!({"max_stream_duration": d});
    let of_manager = || json!({"common_http_protocol_options": {"max_stream_duration": SHORT}});
    let managers = [
        ("request", manager(json!({"request_timeout": SHORT}), none())),
        ("request-delay", with_delay(manager(json!({"request_timeout": SHORT}), none()))),
        ("head", manager(json!({"request_headers_timeout": SHORT}), none())),
        ("idle", manager(json!({"stream_idle_timeout": SHORT}), none())),
        ("idle-delay", with_delay(manager(json!({"stream_idle_timeout": SHORT}), none()))),
        ("route-idle", manager(none(), json!({"idle_timeout": SHORT}))),
        ("route-idle-off", manager(json!({"stream_idle_timeout": SHORT}), json!({"idle_timeout": "0s", "timeout": "0.6s"}))),
        ("max", manager(of_manager(), none())),
        // Where something is answered in time, the time is one that a busy machine keeps.
        ("max-long", manager(json!({"common_http_protocol_options": {"max_stream_duration": "9s"}}), none())),
        ("route-max-long", manager(none(), duration(json!({"max_stream_duration": "9s"})))),
        ("idle-long", manager(json!({"stream_idle_timeout": "2s"}), none())),
        ("max-delay", with_delay(manager(of_manager(), none()))),
        ("route-max", manager(none(), duration(json!({"max_stream_duration": SHORT})))),
        ("route-max-off", manager(of_manager(), duration(json!({"max_stream_duration": "0s"})))),
        ("route-max-none", manager(of_manager(), duration(json!({})))),
        ("grpc", manager(none(), duration(json!({"grpc_timeout_header_max": "9s"})))),
        ("grpc-less", manager(none(), duration(json!({"grpc_timeout_header_max": "0.2s", "max_stream_duration": "9s"})))),
        ("grpc-any", manager(none(), duration(json!({"grpc_timeout_header_max": "0s", "max_stream_duration": "9s"})))),
        ("grpc-offset", manager(none(), duration(json!({"grpc_timeout_header_max": "9s", "grpc_timeout_header_offset": "5s"})))),
        ("grpc-old", manager(none(), json!({"max_grpc_timeout": "9s", "grpc_timeout_offset": "0.1s"}))),
    ];
    let grpc = |path: &str, timeout: &str| format!("{}abcde", head("POST", path, &format!("content-type: application/grpc\r\n{timeout}content-length: 5\r\n")));
    let partial = "GET /never HTTP/1.1\r\nhost: a\r\nx-";
    let half = format!("{}ab", head("POST", "/ok", "content-length: 5\r\n"));
    let (never, part) = (head("GET", "/never", ""), head("GET", "/part", ""));
    let mut cases = Vec::new();
    for listener in ["request", "head", "idle", "max"] {
        cases.push(case(listener, "a head that never ends", partial));
    }
    for listener in ["request", "idle", "max", "route-idle", "route-max", "request-delay", "idle-delay", "max-delay"] {
        cases.push(case(listener, "a request that never ends", &*half));
    }
    for listener in ["idle", "max", "route-idle", "route-max"] {
        cases.push(case(listener, "an answer that never ends", &*part));
        cases.push(case(listener, "HEAD", head("HEAD", "/never", "")));
    }
    for listener in ["idle", "max", "route-idle", "route-max", "request-delay", "idle-delay", "max-delay", "route-idle-off", "route-max-none"] {
        cases.push(case(listener, "no answer", &*never));
    }
    cases.push(case("route-max-off", "an answer", head("GET", "/ok", "")));
    cases.push(case("request", "HEAD", head("HEAD", "/never", "content-length: 4\r\n")));
    cases.push(case("request", "gRPC that never ends", grpc("/ok", "").trim_end_matches('e')));
    for listener in ["idle", "max"] {
        cases.push(case(listener, "no answer to gRPC", grpc("/never", "")));
    }
    for listener in ["grpc", "grpc-less", "grpc-any", "grpc-offset", "grpc-old", "max", "route-max"] {
        cases.push(case(listener, "no answer to gRPC in time", grpc("/never", "grpc-timeout: 300m\r\n")));
    }
    for listener in ["grpc", "grpc-any", "grpc-offset", "grpc-old", "max-long", "route-max-long"] {
        cases.push(case(listener, "an answer to gRPC", grpc("/ok", "grpc-timeout: 8S\r\n")));
    }
    for listener in ["grpc", "grpc-any"] {
        cases.push(case(listener, "no time for gRPC", grpc("/never", "grpc-timeout: 0m\r\n")));
        cases.push(case(listener, "a timeout that is no number", grpc("/ok", "grpc-timeout: soon\r\n")));
    }
    cases.push(case("grpc", "a timeout of gRPC for others", head("GET", "/never", "grpc-timeout: 300m\r\n")));
    cases.push(Case {
        listener: "idle-long",
        name: "a head that never ends behind another request",
        steps: vec![Step::Send("GET /ok HTTP/1.1\r\nhost: a\r\n\r\n".into()), Step::Until("\"\""), Step::Send(partial.into())],
        lines: 2,
    });
    check(&managers, &cases);
}

#[test]
fn tries_that_are_quiet_and_streams_of_clusters_end_as_with_a_real_envoy() {
    let of_route = |route: Value| manager(json!({}), route);
    let policy = |p: Value| of_route(json!({"retry_policy": p}));
    let again = |p: Value| {
        let mut policy = json!({"retry_on": "5xx", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}});
        policy.as_object_mut().expect("an object").extend(p.as_object().cloned().unwrap_or_default());
        json!({"retry_policy": policy})
    };
    let mut short_again = again(json!({}));
    short_again["cluster"] = "short".into();
    let mut direct = manager(json!({}), json!({}));
    direct["route_config"]["virtual_hosts"][0]["routes"] = [201u16, 205, 302, 404]
        .map(|status| json!({"match": {"path": format!("/{status}")}, "direct_response": {"status": status, "body": {"inline_string": "text"}}}))
        .to_vec()
        .into();
    let managers = [
        ("quiet", policy(json!({"per_try_idle_timeout": SHORT}))),
        ("quiet-longer", policy(json!({"per_try_idle_timeout": "3s"}))),
        ("quiet-again", of_route(again(json!({"per_try_idle_timeout": SHORT})))),
        ("quiet-both", of_route(json!({"timeout": "0.2s", "retry_policy": {"per_try_idle_timeout": "5s", "per_try_timeout": "9s"}}))),
        ("short", of_route(json!({"cluster": "short"}))),
        ("short-again", of_route(short_again)),
        ("whole", of_route(json!({"timeout": SHORT}))),
        ("old", manager(json!({"common_http_protocol_options": {"max_connection_duration": SHORT}}), json!({}))),
        ("direct", direct),
        ("plain", manager(json!({}), json!({}))),
    ];
    let get = |path: &str| head("GET", path, "");
    let mut cases = Vec::new();
    for listener in ["quiet", "quiet-again", "quiet-both", "short", "short-again"] {
        cases.push(case(listener, "no answer", get("/never?q=1&r=2")));
        cases.push(case(listener, "an answer that never ends", get("/part")));
        cases.push(case(listener, "no answer to gRPC", head("POST", "/never", "content-type: application/grpc\r\n")));
    }
    // Longer than the limit, and never quiet for so long.
    cases.push(case("quiet-longer", "an answer that drips", get("/drips")));
    let half = format!("{}ab", head("POST", "/never", "content-length: 5\r\n"));
    cases.push(case("short", "a request that never ends", half));
    for listener in ["whole", "quiet", "short"] {
        let steps = vec![Step::Send(format!("{}ab", head("POST", "/early", "content-length: 5\r\n"))), Step::Until("hello"), Step::Send("cde".into())];
        cases.push(Case { listener, name: "an answer before the request is over", steps, lines: 1 });
    }
    let next = || Step::Send("GET /ok HTTP/1.1\r\nhost: a\r\n\r\n".into());
    let steps = vec![next(), Step::Until("\"\""), Step::Pause(Duration::from_millis(600)), next()];
    cases.push(Case { listener: "old", name: "another request on an old connection", steps, lines: 2 });
    for status in ["201", "205", "302", "404"] {
        cases.push(case("direct", "a text", get(&format!("/{status}"))));
        cases.push(case("direct", "HEAD", head("HEAD", &format!("/{status}"), "")));
    }
    let grpc = |headers: &str| head("POST", "/ok", &format!("content-type: application/grpc\r\n{headers}"));
    for n in ["0", "1", "3", "16", "17"] {
        cases.push(case("plain", "a status of gRPC", grpc(&format!("x-grpc: {n}\r\n"))));
    }
    for status in ["400", "401", "403", "404", "429", "500", "502", "503", "504"] {
        cases.push(case("plain", "a status of HTTP for gRPC", grpc(&format!("x-status: {status}\r\n"))));
    }
    for path in ["/list", "/twice"] {
        cases.push(case("plain", "a length that is no number", get(path)));
    }
    check_with(&managers, &[support::cluster("up", &[upstream()]), short(upstream(), SHORT)], &cases);
}

/// How much of the answer comes is by chance: it is not held against Envoy's.
#[test]
fn a_stream_of_a_cluster_ends_although_its_answer_drips() {
    let drips = support::server(|stream| {
        let mut reader = Reader::new(stream);
        if reader.head().is_none() || reader.stream().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").is_err() {
            return;
        }
        while reader.stream().write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let route = json!([{"match": {"prefix": "/"}, "route": {"cluster": "short"}}]);
    let proxy = support::start(support::bootstrap(&support::manager(route, Some(&log)), &[short(drips, SHORT)]));
    let mut reader = support::connect(proxy.address("l").expect("a listener"));
    reader.stream().write_all(head("GET", "/", "").as_bytes()).expect("sent");
    assert_eq!(reader.head().map(|h| h.status()), Some(200));
    assert!(reader.rest().len() < 1_000_000);
    let line = &support::log_lines(&log, 1)[0];
    assert_eq!((&line["flags"], &line["details"]), (&json!("UMSDR"), &json!("upstream_max_stream_duration_reached")), "{line}");
}

fn with_options(name: &str, upstream: SocketAddr, options: Value) -> Value {
    let mut cluster = support::cluster(name, &[upstream]);
    let key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    cluster["typed_extension_protocol_options"] = json!({key: options});
    cluster["typed_extension_protocol_options"][key]["@type"] = format!("type.googleapis.com/{key}").into();
    cluster
}

/// A cluster whose streams may not last.
fn short(upstream: SocketAddr, span: &str) -> Value {
    with_options(
        "short",
        upstream,
        json!({"common_http_protocol_options": {"max_stream_duration": span}, "explicit_http_config": {"http_protocol_options": {}}}),
    )
}

/// Asks for something, and does not read.
fn starve(port: u16, text: &str) -> (envoy::Client, TcpStream) {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("a connection");
    stream.write_all(text.as_bytes()).expect("sent");
    (envoy::Client { address: stream.local_addr().expect("an address"), port }, stream)
}

#[test]
fn what_a_client_makes_no_room_for_ends_as_with_a_real_envoy() {
    // Long enough for an answer to begin on a busy machine.
    const SPAN: &str = "2s";
    let none = || json!({});
    let quiet = json!({"retry_policy": {"per_try_idle_timeout": SPAN}});
    let managers = [
        ("whole", manager(none(), json!({"timeout": SPAN}))),
        ("whole-http2", manager(none(), json!({"timeout": SPAN, "cluster": "http2"}))),
        ("max", manager(json!({"common_http_protocol_options": {"max_stream_duration": SPAN}}), none())),
        ("route-max", manager(none(), json!({"max_stream_duration": {"max_stream_duration": SPAN}}))),
        ("idle", manager(json!({"stream_idle_timeout": SPAN}), none())),
        ("route-idle", manager(none(), json!({"idle_timeout": SPAN}))),
        ("quiet", manager(none(), quiet)),
        ("short", manager(none(), json!({"cluster": "short"}))),
        // In time, on a busy machine too.
        ("whole-long", manager(none(), json!({"timeout": "3s"}))),
        ("whole-long-http2", manager(none(), json!({"timeout": "3s", "cluster": "http2"}))),
        ("max-long", manager(json!({"common_http_protocol_options": {"max_stream_duration": "3s"}}), none())),
    ];
    let upstream = upstream();
    let over_http2 = with_options("http2", scripted::upstream(), json!({"explicit_http_config": {"http2_protocol_options": {}}}));
    let clusters = [support::cluster("up", &[upstream]), short(upstream, SPAN), over_http2];
    let Some(both) = beside::Both::start(&managers, &clusters) else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let (mut asked, mut held, mut streams) = (Vec::new(), Vec::new(), Vec::new());
    for (name, _) in managers.iter().filter(|(name, _)| !name.contains("long")) {
        // Heads with a body in chunks have another reader, and their answers another writer.
        for text in ["GET /huge HTTP/1.1\r\nhost: a\r\n\r\n", "POST /huge HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"] {
            let clients = both.ports(name).map(|port| starve(port, text));
            asked.push((format!("{name} {}", &text[..4]), clients.each_ref().map(|c| c.0)));
            held.extend(clients.map(|c| c.1));
        }
        streams.push((name, both.ports(name).map(|port| std::thread::spawn(move || envoy::Client { address: scripted::starve(port, "/huge").0, port }))));
    }
    for (name, clients) in streams {
        asked.push((format!("{name} HTTP/2"), clients.map(|c| c.join().expect("a client"))));
    }
    let lines = both.lines(&asked.iter().map(|(_, clients)| (*clients, 1)).collect::<Vec<_>>());
    let told = |i: usize, client: envoy::Client| ["status", "flags", "details"].map(|k| lines[i].get(&client.key()).map(|l| l[k].clone()));
    for (name, [there, here]) in asked {
        let want = told(0, there);
        assert!(want[0].is_some(), "Envoy logs nothing of {name}");
        assert_eq!(told(1, here), want, "{name}");
    }
    // What the upstream has sent to its end is late for nobody.
    std::thread::scope(|scope| {
        for (name, _) in managers.iter().filter(|(name, _)| name.contains("long")) {
            for port in both.ports(name) {
                scope.spawn(move || assert_eq!(scripted::take_late(port, "/big", Duration::from_secs(4)).1, 1_000_000, "{name}"));
            }
        }
    });
}

#[test]
fn answers_with_certain_headers_are_asked_for_again() {
    let policy = |p: Value| manager(json!({}), json!({"retry_policy": p}));
    let one_of = json!([{"name": "x-Again", "present_match": true}, {"name": ":status", "string_match": {"exact": "404"}}]);
    let asked = |name: &str| json!({"retry_on": "5xx", "num_retries": 1, "retriable_request_headers": [{"name": name, "present_match": true}]});
    let mut added = policy(asked("x-c"));
    added["route_config"]["virtual_hosts"][0]["routes"][0]["request_headers_to_add"] = json!([{"header": {"key": "x-c", "value": "1"}}]);
    let managers = [
        ("on", policy(json!({"retry_on": "retriable-headers", "num_retries": 1, "retriable_headers": one_of}))),
        ("off", policy(json!({"retry_on": "5xx", "num_retries": 1, "retriable_headers": one_of}))),
        ("asked", policy(asked("x-may"))),
        ("asked-added", added),
    ];
    let get = |headers: &str| head("GET", "/ok", headers);
    let mut cases = Vec::new();
    for listener in ["on", "off"] {
        cases.push(case(listener, "with it", get("x-answer: x-again\r\n")));
        cases.push(case(listener, "with another", get("x-answer: x-other\r\n")));
        cases.push(case(listener, "by its status", get("x-status: 404\r\n")));
        cases.push(case(listener, "limited", get("x-status: 503\r\nx-answer: x-envoy-ratelimited\r\n")));
        cases.push(case(listener, "named by the client", get("x-answer: x-other\r\nx-envoy-retriable-header-names: x-no , X-Other\r\n")));
        cases.push(case(
            listener,
            "named and switched on",
            get("x-answer: x-other\r\nx-envoy-retriable-header-names: x-other\r\nx-envoy-retry-on: retriable-headers\r\n"),
        ));
    }
    for listener in ["asked", "asked-added"] {
        cases.push(case(listener, "without", get("x-status: 503\r\n")));
        cases.push(case(listener, "with", get("x-status: 503\r\nx-may: 1\r\n")));
        cases.push(case(listener, "switched on by the client", get("x-status: 503\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 2\r\n")));
    }
    check(&managers, &cases);
}

#[test]
fn who_may_continue_is_said_as_a_real_envoy_does() {
    let managers = [("own", manager(json!({}), json!({}))), ("forwards", manager(json!({"proxy_100_continue": true}), json!({})))];
    let expects = |path: &str| head("POST", path, "expect: 100-continue\r\ncontent-length: 5\r\n");
    let body = || Step::Send("hello".into());
    let mut cases = Vec::new();
    let mut add = |listener, name, steps| cases.push(Case { listener, name, steps, lines: if name == "two on one connection" { 2 } else { 1 } });
    for listener in ["own", "forwards"] {
        let waits = |text: String| vec![Step::Send(text), Step::Until("\r\n\r\n"), body()];
        add(listener, "the upstream lets it", waits(expects("/continue")));
        add(listener, "the upstream says more", waits(expects("/continue-more")));
        add(listener, "the upstream says nothing", vec![Step::Send(expects("/ok")), Step::Pause(Duration::from_millis(100)), body()]);
        add(listener, "nobody waits", vec![Step::Send(expects("/continue") + "hello")]);
        add(listener, "in other letters", waits(expects("/continue").replace("expect: 100-c", "EXPECT: 100-C")));
        add(
            listener,
            "in pieces",
            vec![
                Step::Send("POST /continue HTTP/1.1\r\nhost: a\r\nconnection: close\r\nex".into()),
                Step::Pause(Duration::from_millis(30)),
                Step::Send("pect: 100-conti".into()),
                Step::Pause(Duration::from_millis(30)),
                Step::Send("nue\r\ncontent-length: 5\r\n\r".into()),
                Step::Pause(Duration::from_millis(30)),
                Step::Send("\n".into()),
                Step::Until("\r\n\r\n"),
                body(),
            ],
        );
        add(listener, "something else is expected", vec![Step::Send(expects("/ok").replace("100-continue", "something") + "hello")]);
        add(listener, "nobody asked", vec![Step::Send(head("GET", "/continue", ""))]);
        add(listener, "no body", vec![Step::Send(head("GET", "/ok", "expect: 100-continue\r\n"))]);
        add(
            listener,
            "two on one connection",
            vec![
                Step::Send("POST /continue HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n".into()),
                Step::Until("\r\n\r\n"),
                body(),
                Step::Until("\"hello\""),
                Step::Send(expects("/continue")),
                Step::Pause(Duration::from_millis(100)),
                body(),
            ],
        );
        add(listener, "it looks like one in a body", vec![Step::Send(head("POST", "/ok", "content-length: 24\r\n") + "\r\nExpect: 100-continue\r\n")]);
    }
    // Whether the proxy's leave comes before the upstream's answer is a matter of who is faster.
    add("forwards", "the upstream refuses", vec![Step::Send(expects("/refuse")), Step::Until("no")]);
    check(&managers, &cases);
}

/// Heads alone fill what there is between the two; hyper writes them, as what is asked for comes in chunks.
#[test]
fn a_client_that_takes_no_heads_is_let_go() {
    for format in [json!({}), json!({"header_key_format": {"proper_case_words": {}}})] {
        let mut route = json!({"match": {"prefix": "/"}, "direct_response": {"status": 204}});
        route["response_headers_to_add"] = json!([{"header": {"key": "x-long", "value": "a".repeat(8000)}}]);
        let mut manager = support::manager(json!([route]), None);
        (manager["stream_idle_timeout"], manager["http_protocol_options"]) = (json!("1s"), format.clone());
        let proxy = support::start(support::bootstrap(&manager, &[]));
        let mut stream = TcpStream::connect(proxy.address("l").expect("a listener")).expect("a connection");
        stream.set_write_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let asks = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".repeat(100);
        let ended = loop {
            if let Err(e) = stream.write_all(asks.as_bytes()) {
                break e.kind();
            }
        };
        assert!(matches!(ended, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{format}: {ended:?}");
    }
}
