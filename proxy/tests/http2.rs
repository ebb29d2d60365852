//! HTTP/2 both ways: a proxy that speaks it with itself, between scripted peers of HTTP/1.1.

use crate::support;
use mesh_proxy::Proxy;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use support::{Act, Upstream, answer, ask, cluster, get, log_lines, manager, nobody, socket, start};

/// A front that forwards over HTTP/2 to a back, which forwards to the upstream; the back's log.
fn chain(up: SocketAddr, log: &Path) -> Proxy {
    let back = nobody();
    let route = |cluster: &str| json!([{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]);
    let listener = |name: &str, address: SocketAddr, manager: Value| json!({"name": name, "address": socket(address), "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]});
    let mut over_http2 = cluster("back", &[back]);
    over_http2["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}});
    start(json!({
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [
                listener("front", SocketAddr::from(([127, 0, 0, 1], 0)), manager(route("back"), None)),
                listener("back", back, manager(route("up"), Some(log)))],
            "clusters": [over_http2, cluster("up", &[up])],
        },
    }))
}

fn stat(proxy: &Proxy, name: &str) -> u64 {
    let page = get(proxy.admin.expect("an admin port"), "/stats").text();
    page.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")?.parse().ok()).unwrap_or(0)
}

#[test]
fn requests_share_a_connection_and_keep_what_they_carry() {
    let up = Upstream::new(|m| match m.path() {
        "/trailers" => {
            Act::Send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status\r\n\r\n3\r\nabc\r\n0\r\ngrpc-status: 7\r\n\r\n".to_vec())
        }
        "/fails" => Act::Close,
        _ => Act::Send([format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", m.body.len()).into_bytes(), m.body.clone()].concat()),
    });
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let proxy = chain(up.address, &log);
    let front = proxy.address("front").expect("a listener");

    // More than any window of flow control that is not given back.
    let body: String = (0..5_000_000u32).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
    let got = ask(front, "POST /echo?q=1 HTTP/1.1\r\nhost: a.com:81\r\nx-a: 1\r\nx-a: 2", &body);
    assert_eq!((got.status(), got.body.len()), (200, body.len()));
    assert!(got.body == body.as_bytes());
    let seen = up.take().pop().expect("a request");
    assert_eq!((seen.line.as_str(), seen.header("host"), seen.header("content-length")), ("POST /echo?q=1 HTTP/1.1", Some("a.com:81"), Some("5000000")));
    assert_eq!(seen.headers.iter().filter(|(k, _)| k == "x-a").count(), 2);

    let got = ask(front, "GET /trailers HTTP/1.1\r\nhost: a\r\nte: trailers", "");
    assert_eq!((got.text().as_str(), got.header("trailer grpc-status")), ("abc", Some("7")), "{:?}", got.headers);

    let got = get(front, "/fails");
    assert_eq!((got.status(), got.text().contains("connection termination")), (503, true), "{got:?} {:?}", log_lines(&log, 3));

    let lines = log_lines(&log, 3);
    assert!(lines.iter().all(|l| l["protocol"] == "HTTP/2"), "{lines:?}");
    assert!(lines[..2].iter().all(|l| l["flags"] == "-" && l["details"] == "via_upstream"), "{lines:?}");
    assert_eq!((lines[0]["received"].as_u64(), lines[0]["sent"].as_u64(), lines[2]["flags"].as_str()), (Some(5_000_000), Some(5_000_000), Some("UC")));
    assert_eq!((stat(&proxy, "cluster.back.upstream_cx_http2_total"), stat(&proxy, "cluster.back.upstream_rq_total")), (1, 3));
}

#[test]
fn requests_at_the_same_time_are_streams_of_one_connection() {
    let up = Upstream::new(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        answer(200, "", "ok")
    });
    let scratch = tempfile::tempdir().expect("a folder");
    let proxy = chain(up.address, &scratch.path().join("log"));
    let front = proxy.address("front").expect("a listener");
    let clients: Vec<_> = (0..8).map(|_| std::thread::spawn(move || get(front, "/").status())).collect();
    assert!(clients.into_iter().all(|c| c.join().expect("an answer") == 200));
    assert_eq!(stat(&proxy, "cluster.back.upstream_cx_http2_total"), 1);
    assert_eq!(up.connections(), 8);
}
