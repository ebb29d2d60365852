//! mesh-proxy against a real Envoy: the same generated configurations and requests, and what each answers, logs and sends on.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

// It shows its count, and says when it is skipped.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use crate::{envoy, generate, support};
use generate::{Asked, Lot};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use support::{Act, Message, Upstream};

const LISTENERS: usize = 40;
const REQUESTS: usize = 24;

/// Answers with what it got, sorted, without what is of the moment; or fails as a header tells it to.
fn echo(request: &Message) -> Act {
    let status = match request.header("x-a") {
        Some("5") => 503,
        Some("10") => return Act::Close,
        Some("vv") => return Act::SendAndClose(b"no HTTP\r\n\r\n".to_vec()),
        Some("w") => return Act::SendAndClose(b"HTTP/1.1 200 OK\r\nx-up: 1\r\n\r\nuntil the end".to_vec()),
        _ => 200,
    };
    let varies = ["x-request-id", "x-envoy-expected-rq-timeout-ms", "x-forwarded-for"];
    let mut headers: Vec<String> = request.headers.iter().filter(|(k, _)| !varies.contains(&k.as_str())).map(|(k, v)| format!("{k}: {v}")).collect();
    headers.sort();
    support::answer(status, "x-up: 1\r\n", &format!("{}\n{}\n", request.line, headers.join("\n")))
}

fn cluster(name: &str, upstream: Option<SocketAddr>) -> Value {
    let hosts: Vec<SocketAddr> = upstream.into_iter().collect();
    let mut c = support::cluster(name, &hosts);
    if name == "full" {
        c["circuit_breakers"] = json!({"thresholds": [{"max_connections": 0, "max_pending_requests": 0, "max_requests": 0}]});
    }
    c
}

/// Changes of headers and the like, which the engine's generator has no use for.
fn embellish(lot: &mut Lot, manager: &mut Value) {
    let added = |lot: &mut Lot, key: &str| {
        let value = lot.one(&["fixed", "%REQ(x-a)%", "%PROTOCOL%-%ROUTE_NAME%", "%REQ(:PATH)%|%REQ(x-none)%", "%RESPONSE_CODE%"]);
        let action = lot.one(&["APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"]);
        json!([{"header": {"key": key, "value": value}, "append_action": action}])
    };
    for field in ["use_remote_address", "always_set_request_id_in_response", "append_x_forwarded_port"] {
        manager[field] = json!(lot.yes(30));
    }
    if lot.yes(20) {
        manager["via"] = json!("a-proxy");
    }
    if lot.yes(20) {
        manager["server_header_transformation"] = json!(lot.one(&["APPEND_IF_ABSENT", "PASS_THROUGH"]));
    }
    let table = &mut manager["route_config"];
    table["most_specific_header_mutations_wins"] = json!(lot.yes(50));
    if lot.yes(40) {
        table["response_headers_to_add"] = added(lot, "x-r");
    }
    for host in table["virtual_hosts"].as_array_mut().expect("a list") {
        if lot.yes(40) {
            host["request_headers_to_add"] = added(lot, "x-b");
        }
        host["include_request_attempt_count"] = json!(lot.yes(50));
        host["include_attempt_count_in_response"] = json!(lot.yes(30));
        for route in host["routes"].as_array_mut().expect("a list") {
            if lot.yes(30) {
                route["request_headers_to_add"] = added(lot, "x-c");
                route["request_headers_to_remove"] = json!([lot.one(&["x-b", "x-none"])]);
            }
            if lot.yes(30) {
                route["response_headers_to_add"] = added(lot, "x-r");
                route["response_headers_to_remove"] = json!([lot.one(&["x-up", "server"])]);
            }
            if let Some(action) = route.get_mut("route") {
                match lot.number(8) {
                    0 => action["host_rewrite_literal"] = json!("other.host"),
                    1 => action["host_rewrite_header"] = json!("x-a"),
                    _ => {}
                }
                action["append_x_forwarded_host"] = json!(lot.yes(30));
                action["timeout"] = json!(lot.one(&["0s", "9s"]));
            }
        }
    }
}

const OPERATORS: &[(&str, &str)] = &[
    ("attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("received", "%BYTES_RECEIVED%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("remote", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("failure", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("b", "%REQ(x-b):3%"),
    ("r", "%RESP(x-r)%"),
];

fn access_log(path: &Path) -> Value {
    support::with_operators(envoy::access_log(path), &[OPERATORS])
}

fn bootstrap(managers: &[Value], ports: &[u16], log: &Path, clusters: &[Value]) -> Value {
    let listener = |(i, (manager, port)): (usize, (&Value, &u16))| {
        let mut manager = manager.clone();
        manager["access_log"] = access_log(log);
        json!({"name": format!("l{i}"), "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))),
            "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]})
    };
    let listeners: Vec<Value> = managers.iter().zip(ports).enumerate().map(listener).collect();
    json!({"static_resources": {"listeners": listeners, "clusters": clusters}})
}

fn text(asked: &Asked) -> Vec<u8> {
    let mut out = format!("{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", asked.method, asked.path, asked.host);
    for (name, value) in &asked.headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{out}content-length: 0\r\n\r\n").into_bytes()
}

/// Sends a request, and says from which address, and what came back.
fn send(port: u16, bytes: &[u8]) -> (envoy::Client, Message) {
    let mut reader = support::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let address = reader.stream().local_addr().expect("an address");
    reader.stream().write_all(bytes).expect("sent");
    (envoy::Client { address, port }, reader.message().unwrap_or_default())
}

/// What can be compared of an answer.
fn comparable(m: &Message) -> String {
    let value = |k: &str, v: &str| match k {
        "x-request-id" if v.len() == 36 => "UUID".to_owned(),
        "x-envoy-upstream-service-time" => "N".to_owned(),
        // The bodies tell of it.
        "content-length" => String::new(),
        _ => v.to_owned(),
    };
    let mut headers: Vec<String> = m.headers.iter().filter(|(k, _)| k != "date" && k != "connection").map(|(k, v)| format!("{k}: {}", value(k, v))).collect();
    headers.sort();
    format!("{} {headers:?} {:?}", m.status(), m.text())
}

fn log_of(path: &Path, clients: &[envoy::Client]) -> BTreeMap<String, Value> {
    let lines = support::log_lines(path, clients.len());
    let port = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    lines.into_iter().map(|l| (format!("{} to {}", l["peer"].as_str().unwrap_or(""), port(&l["local"])), l)).collect()
}

#[test]
fn a_real_envoy_does_the_same() {
    let Some(program) = envoy::find() else {
        eprintln!("SKIPPED: no Envoy; `.ci/install-components` installs one");
        return;
    };
    let up = Upstream::new(echo);
    let clusters: Vec<Value> =
        [("up", Some(up.address)), ("up2", Some(up.address)), ("empty", None), ("full", Some(up.address))].iter().map(|(n, u)| cluster(n, *u)).collect();
    let mut lot = Lot(90_210);
    let (mut managers, mut with) = (Vec::new(), Vec::new());
    // Those of the generator's kinds whose filters there are: none, faults, RBAC, CORS, rate limits.
    for index in (0..).filter(|i| matches!(i % 6, 0 | 1 | 2 | 4)).take(LISTENERS) {
        let (mut manager, filters, _) = generate::manager(&mut lot, index);
        embellish(&mut lot, &mut manager);
        managers.push(manager);
        with.push(filters);
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let ours = scratch.path().join("ours.log");
    let ports = mesh_testserver::ports::free(LISTENERS);
    let folder = tempfile::tempdir().expect("a folder");
    let theirs = folder.path().join("access.log");
    let real = envoy::Envoy::start(&program, folder, &bootstrap(&managers, &ports, &theirs, &clusters), &ports);
    let proxy = support::start(bootstrap(&managers, &[0; LISTENERS], &ours, &clusters));
    let (mut sent, mut wrong) = (Vec::new(), Vec::new());
    for (i, port) in ports.iter().enumerate() {
        let our_port = proxy.address(&format!("l{i}")).expect("a listener").port();
        for _ in 0..REQUESTS {
            let asked = generate::request(&mut lot, &with[i]);
            let (there, answer) = send(*port, &text(&asked));
            let (here, own) = send(our_port, &text(&asked));
            sent.push((i, asked, there, here, answer, own));
        }
    }
    let there = real.log(&sent.iter().map(|s| s.2).collect::<Vec<_>>());
    let here = log_of(&ours, &sent.iter().map(|s| s.3).collect::<Vec<_>>());
    for (i, asked, a, b, answer, own) in &sent {
        let mut differences = Vec::new();
        let mut compare = |what: &str, want: String, got: String| {
            if want != got {
                differences.push(format!("  {what}\n    Envoy      {want}\n    mesh-proxy {got}"));
            }
        };
        let own_text = comparable(own).replace(&b.port.to_string(), &a.port.to_string());
        compare("answer", comparable(answer), own_text);
        let (want, got) = (&there[&a.key()], here.get(&b.key()).unwrap_or(&Value::Null));
        for (key, value) in want.as_object().into_iter().flatten().filter(|(k, _)| !matches!(k.as_str(), "peer" | "local")) {
            compare(key, value.to_string(), got[key].to_string());
        }
        if !differences.is_empty() {
            wrong.push(format!("l{i} {} {}{} {:?} {want}\n{}", asked.method, asked.host, asked.path, asked.headers, differences.join("\n")));
        }
    }
    println!("{} requests, {} differ", sent.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), sent.len(), wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n"));
}
