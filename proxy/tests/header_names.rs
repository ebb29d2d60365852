//! Names of headers as they stand on the wire of HTTP/1 (`header_key_format`): a real Envoy and mesh-proxy get the same bytes, and each
//! shows what its upstream saw.
//!
//! Needs the Envoy that `.ci/install-components` installs, and is skipped without it.

#![allow(clippy::print_stderr, reason = "it says when it is skipped")]

use crate::pair::Pair;
use crate::{beside, support};
use beside::{Case, Step};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{cluster, manager};

const FORMATS: [&str; 4] = ["small", "proper", "kept", "all"];

fn options(format: &str) -> Value {
    let keep = |mut config: Value| {
        config["@type"] = json!("type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig");
        json!({"stateful_formatter": {"name": "preserve_case", "typed_config": config}})
    };
    let format = match format {
        "small" => return json!({"enable_trailers": true}),
        "proper" => json!({"proper_case_words": {}}),
        "kept" => keep(json!({})),
        _ => keep(json!({"forward_reason_phrase": true, "formatter_type_on_envoy_headers": "PROPER_CASE"})),
    };
    json!({"header_key_format": format, "enable_trailers": true})
}

/// A head, or trailers, without what is of the moment: lines in order, but the first of a head.
fn steady(text: &str) -> String {
    let varies = ["date", "x-envoy-upstream-service-time", "x-request-id", "x-envoy-expected-rq-timeout-ms", "x-forwarded-for"];
    // Of an answer that changes the protocol Envoy does not say how long it took.
    let switches = text.starts_with("HTTP/1.1 101");
    let mut lines: Vec<String> = text
        .split("\r\n")
        .filter(|line| !switches || !line.to_ascii_lowercase().starts_with("x-envoy-upstream-service-time"))
        .map(|line| match line.split_once(": ") {
            // Sizes of chunks are numbers, whatever their letters.
            None if line.bytes().all(|b| b.is_ascii_hexdigit()) => line.to_ascii_lowercase(),
            Some((name, _)) if varies.contains(&name.to_ascii_lowercase().as_str()) => format!("{name}: *"),
            _ => line.to_owned(),
        })
        .collect();
    if let Some(rest) = lines.get_mut(1..) {
        rest.sort_unstable();
    }
    lines.join("|")
}

fn comparable(text: &str) -> String {
    text.split("\r\n\r\n").map(steady).collect::<Vec<_>>().join("\n      ")
}

/// Reads up to a text, which it takes as well.
fn until(stream: &mut TcpStream, seen: &mut Vec<u8>, end: &str) -> Option<String> {
    loop {
        if let Some(at) = seen.windows(end.len()).position(|w| w == end.as_bytes()) {
            return Some(String::from_utf8_lossy(&seen.drain(..at + end.len()).collect::<Vec<u8>>()).into_owned());
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => seen.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}

/// Answers in letters of every kind, with the head that it got as the body; tells `heard` of it.
fn serve(mut stream: TcpStream, heard: &Mutex<Vec<String>>) {
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let mut seen = Vec::new();
    while let Some(head) = until(&mut stream, &mut seen, "\r\n\r\n") {
        let small = head.to_ascii_lowercase();
        let path = head.split(' ').nth(1).unwrap_or("").to_owned();
        let mut got = steady(head.trim_end());
        if small.contains("expect:") {
            let _ = stream.write_all(b"HTTP/1.1 100 Go On\r\nX-eaRLy: 1\r\n\r\n");
        }
        if small.contains("transfer-encoding: chunked") {
            let Some(size) = until(&mut stream, &mut seen, "\r\n") else { return };
            let end = if size == "0\r\n" { "\r\n" } else { "0\r\n" };
            let Some(_) = until(&mut stream, &mut seen, end) else { return };
            let mut trailers = Vec::new();
            while let Some(line) = until(&mut stream, &mut seen, "\r\n").filter(|l| l.len() > 2) {
                trailers.push(line.trim_end().to_owned());
            }
            got = format!("{got} trailers {}", trailers.join("|"));
        } else if let Some(length) = small.lines().find_map(|l| l.strip_prefix("content-length: ")?.trim().parse::<usize>().ok()) {
            while seen.len() < length {
                let mut chunk = [0; 64];
                match stream.read(&mut chunk) {
                    Ok(n) if n > 0 => seen.extend_from_slice(&chunk[..n]),
                    _ => return,
                }
            }
            seen.drain(..length);
        }
        heard.lock().expect("unbroken").push(got.clone());
        let kind = path.split(['/', '?']).nth(2).unwrap_or("");
        let answer = match kind {
            "switch" => format!("HTTP/1.1 101 Over\r\nUPgrade: websocket\r\nconNEction: Upgrade\r\nX-uP: 1\r\n\r\n{got}"),
            "chunked" => format!(
                "HTTP/1.1 200 Very Well\r\nTransfer-ENcoding: chunked\r\nTrailer: X-traiLer\r\nx-uP: 1\r\n\r\n{:x}\r\n{got}\r\n0\r\nX-traiLer: 1\r\n\r\n",
                got.len()
            ),
            "nothing" => "HTTP/1.1 204 Nothing Here\r\nx-uP: 1\r\nSERver: s\r\n\r\n".to_owned(),
            _ => {
                let body = if head.starts_with("HEAD") { "" } else { &got };
                format!("HTTP/1.1 200 Very Well\r\nconTent-Length: {}\r\nX-up: 1\r\nx-UP: 2\r\nx-Next_a.b: 3\r\nDATE: now\r\n\r\n{body}", got.len())
            }
        };
        if stream.write_all(answer.as_bytes()).is_err() || kind == "switch" {
            return;
        }
    }
}

fn managers() -> Vec<Value> {
    let all = FORMATS.map(|format| {
        let mut routes: Vec<Value> = FORMATS
            .iter()
            .map(|f| {
                let mut route = json!({"match": {"prefix": format!("/{f}/")}, "route": {"cluster": f}});
                if *f == "kept" {
                    route["request_headers_to_add"] = json!([{"header": {"key": "X-Added", "value": "1"}}]);
                    route["response_headers_to_add"] = json!([{"header": {"key": "X-Given", "value": "1"}}]);
                }
                route
            })
            .collect();
        routes.push(json!({"match": {"prefix": "/mirrored/"}, "route": {"cluster": "small", "request_mirror_policies": [{"cluster": "mirror"}]}}));
        routes.push(json!({"match": {"prefix": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "a"}}}));
        let mut manager = manager(json!(routes), None);
        manager["http_protocol_options"] = options(format);
        manager["proxy_100_continue"] = json!(true);
        manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
        manager["delayed_close_timeout"] = json!("0.05s");
        manager
    });
    all.to_vec()
}

fn bootstrap(clusters: &[Value], ports: &[u16], _: &Path) -> Value {
    let listener = |(n, (manager, port)): (usize, (Value, &u16))| {
        json!({"name": format!("l{n}"), "address": support::socket(SocketAddr::from(([127, 0, 0, 1], *port))),
            "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]})
    };
    let listeners: Vec<Value> = managers().into_iter().zip(ports).enumerate().map(listener).collect();
    json!({"static_resources": {"listeners": listeners, "clusters": clusters}})
}

/// Requests to one cluster.
fn requests(to: &str) -> Vec<(&'static str, String)> {
    const NAMES: &str = "hOst: a\r\nX-FiRst: 1\r\nx-first: 2\r\nx-SECOND_w.d: 3\r\nX-Request-ID: 7\r\nacCept-encoding: x\r\n";
    let close = "conNection: close\r\n";
    let of = |method: &str, kind: &str, more: &str, body: &str| format!("{method} /{to}/{kind} HTTP/1.1\r\n{NAMES}{more}\r\n{body}");
    let chunks = "tRansfer-Encoding: chunked\r\nTrailer: x-tRail\r\n";
    vec![
        ("one", of("GET", "plain", close, "")),
        ("a body", of("POST", "plain", &format!("{close}COntent-length: 3\r\n"), "abc")),
        ("no body", of("POST", "plain", close, "")),
        ("chunks", of("POST", "plain", &format!("{close}{chunks}"), "3\r\nabc\r\n0\r\nx-tRail: 1\r\n\r\n")),
        ("HEAD", of("HEAD", "plain", close, "")),
        ("an answer in chunks", of("GET", "chunked", &format!("{close}tE: trailers\r\n"), "")),
        ("another protocol", of("GET", "switch", "connEction: upGrade\r\nupgraDe: WebSocket\r\n", "")),
        ("leave to go on", of("POST", "plain", &format!("{close}exPect: 100-continue\r\ncontent-Length: 3\r\n"), "abc")),
        ("nothing", of("GET", "nothing", close, "")),
        (
            "several",
            [
                of("POST", "plain", chunks, "3\r\nabc\r\n0\r\n\r\n"),
                of("GET", "chunked", "te: trailers\r\n", ""),
                of("HEAD", "plain", "x-hEad: 1\r\n", ""),
                of("GET", "nothing", "", ""),
                of("GET", "plain", close, ""),
            ]
            .concat(),
        ),
    ]
}

#[test]
fn names_are_written_as_by_envoy() {
    let (heard, mirrored) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (to_heard, to_mirrored) = (heard.clone(), mirrored.clone());
    let (upstream, mirror) = (support::server(move |s| serve(s, &to_heard)), support::server(move |s| serve(s, &to_mirrored)));
    let mut clusters: Vec<Value> = FORMATS
        .iter()
        .map(|format| {
            let mut cluster = cluster(format, &[upstream]);
            let key = if *format == "all" { "use_downstream_protocol_config" } else { "explicit_http_config" };
            cluster["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", key: {"http_protocol_options": options(format)}}});
            cluster
        })
        .collect();
    clusters.push(cluster("mirror", &[mirror]));
    let Some(pair) = Pair::start(FORMATS.len(), |ports, log| bootstrap(&clusters, ports, log)) else {
        eprintln!("SKIPPED: no Envoy; .ci/install-components installs it");
        return;
    };
    let mut wrong = Vec::new();
    for (listener, format) in FORMATS.iter().enumerate() {
        let mut asked: Vec<(String, String)> = Vec::new();
        for to in FORMATS {
            asked.extend(requests(to).into_iter().map(|(name, text)| (format!("{format} to {to}: {name}"), text)));
        }
        asked.push((format!("{format}: no route"), "GET /none HTTP/1.1\r\nHost: a\r\nX-Request-ID: 7\r\nConnection: close\r\n\r\n".to_owned()));
        asked.push((format!("{format}: a direct answer"), "GET /direct HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned()));
        asked.push((format!("{format}: mirrored"), requests("mirrored").swap_remove(1).1));
        for (name, text) in asked {
            let case = Case { listener: "", name: "", steps: vec![Step::Send(text)], lines: 0 };
            let (theirs, ours) = pair.at(listener);
            let seen = [theirs, ours].map(|at| {
                heard.lock().expect("unbroken").clear();
                mirrored.lock().expect("unbroken").clear();
                let answer = comparable(&beside::play(&case, at.port()).1);
                if name.ends_with("mirrored") {
                    support::until("the copy", || !mirrored.lock().expect("unbroken").is_empty());
                }
                (answer, heard.lock().expect("unbroken").join("\n"), mirrored.lock().expect("unbroken").join("\n"))
            });
            if seen[0] != seen[1] {
                let [a, b] = &seen;
                wrong.push(format!("{name}\n  Envoy\n      {}\n      {}\n  {}\n  mesh-proxy\n      {}\n      {}\n  {}", a.0, a.1, a.2, b.0, b.1, b.2));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}
