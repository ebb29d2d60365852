//! What hosts are blamed for and what not, and who waits for a connection to one.

use crate::scripted;
use crate::support::{self, Act, Upstream, answer, bootstrap, cluster, connect, get, log_lines, manager, start};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn over_http2(mut cluster: Value, changes: &Value) -> Value {
    let mut options = json!({"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}});
    options.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
    cluster["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options});
    cluster
}

fn to(cluster: &str, action: Value) -> Value {
    let mut route = json!({"match": {"prefix": "/"}, "route": {"cluster": cluster}});
    route["route"].as_object_mut().expect("an object").extend(action.as_object().expect("an object").clone());
    json!([route])
}

fn has(admin: SocketAddr, line: &str) -> bool {
    get(admin, "/stats").text().lines().any(|l| l == line)
}

/// Envoy looks at what came of the upstream alone: a client that breaks off would have a good host ejected otherwise.
#[test]
fn clients_that_break_off_cost_no_host_its_place() {
    let plain = Upstream::named("good");
    for (protocol, mut c) in [("http1", cluster("c", &[plain.address])), ("http2", over_http2(cluster("c", &[scripted::upstream()]), &json!({})))] {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        c["outlier_detection"] = json!({"consecutive_5xx": 2, "max_ejection_percent": 100});
        let proxy = start(bootstrap(&manager(to("c", json!({})), Some(&log)), &[c]));
        let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
        for n in 1..=4 {
            let mut client = connect(address);
            client.stream().write_all(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab").expect("sent");
            // It is on its way.
            support::until("a request at the upstream", || has(admin, &format!("cluster.c.upstream_rq_total: {n}")));
            drop(client);
            log_lines(&log, n);
        }
        let stats = get(admin, "/stats?filter=ejections_detected_consecutive_5xx").text();
        assert!(stats.contains("cluster.c.outlier_detection.ejections_detected_consecutive_5xx: 0\n"), "{protocol}: {stats}");
        assert!(get(admin, "/clusters").text().contains("::rq_error::0\n"), "{protocol}");
    }
}

/// As with Envoy, what a host does not answer in time counts as a failure of a gateway.
#[test]
fn a_host_that_does_not_answer_in_time_is_left_alone() {
    for limits in [json!({"timeout": "0.2s"}), json!({"timeout": "20s", "retry_policy": {"retry_on": "connect-failure", "per_try_timeout": "0.2s"}})] {
        let silent = support::server(|mut stream| while stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {});
        let good = Upstream::named("good");
        let mut c = cluster("c", &[silent, good.address]);
        c["outlier_detection"] = json!({"consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100, "enforcing_consecutive_5xx": 0,
            "base_ejection_time": "600s", "max_ejection_percent": 50});
        let proxy = start(bootstrap(&manager(to("c", limits), None), &[c]));
        let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
        (0..4).for_each(|_| drop(get(address, "/")));
        let page = get(admin, "/clusters").text();
        assert!(page.contains(&format!("c::{silent}::health_flags::/failed_outlier_check")), "{page}");
        assert!((0..4).all(|_| get(address, "/").text() == "good"));
    }
}

/// One after the other they would wait for as long as all of them together.
#[test]
fn requests_that_wait_for_one_connection_fail_with_it() {
    const CLIENTS: usize = 8;
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = connections.clone();
    // It never answers the greeting of TLS.
    let silent = support::server(move |mut stream| {
        seen.fetch_add(1, Ordering::SeqCst);
        while stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {}
    });
    let mut c = over_http2(cluster("c", &[silent]), &json!({}));
    c["connect_timeout"] = json!("3s");
    c["transport_socket"] = json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": "a"}});
    let proxy = start(bootstrap(&manager(to("c", json!({"timeout": "0s"})), None), &[c]));
    let address = proxy.address("l").expect("a listener");
    let clients: Vec<_> = (0..CLIENTS).map(|_| std::thread::spawn(move || get(address, "/").status())).collect();
    assert!(clients.into_iter().all(|c| c.join().expect("an answer") == 503));
    assert!(connections.load(Ordering::SeqCst) < CLIENTS, "one connection each");
}

#[test]
fn connections_of_many_streams_that_rest_for_too_long_are_closed() {
    let c = over_http2(cluster("c", &[scripted::upstream()]), &json!({"common_http_protocol_options": {"idle_timeout": "0.1s"}}));
    let proxy = start(bootstrap(&manager(to("c", json!({})), None), &[c]));
    let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
    assert_eq!(get(address, "/ok").status(), 200);
    support::until("the connection is closed", || has(admin, "cluster.c.upstream_cx_active: 0"));
    assert!(has(admin, "cluster.c.upstream_cx_idle_timeout: 1"));
    std::thread::sleep(Duration::from_millis(10));
    assert_eq!(get(address, "/ok").status(), 200);
}

/// A status of gRPC in an answer's head is what came of it, as with Envoy.
#[test]
fn a_host_that_says_so_by_grpc_is_left_alone() {
    let grpc = |status: u8, name: &'static str| {
        Upstream::new(move |_| -> Act { answer(200, &format!("content-type: application/grpc\r\ngrpc-status: {status}\r\nx-name: {name}\r\n"), "") })
    };
    let (bad, good) = (grpc(14, "bad"), grpc(5, "good"));
    let mut c = cluster("c", &[bad.address, good.address]);
    c["outlier_detection"] = json!({"consecutive_5xx": 2, "base_ejection_time": "600s", "max_ejection_percent": 50});
    let proxy = start(bootstrap(&manager(to("c", json!({})), None), &[c]));
    let address = proxy.address("l").expect("a listener");
    let ask = || support::ask(address, "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc", "");
    (0..4).for_each(|_| drop(ask()));
    assert!((0..6).all(|_| ask().header("x-name") == Some("good")));
}

/// As with Envoy, an answer that breaks off is a failure of its host.
#[test]
fn a_host_whose_answers_break_off_is_left_alone() {
    let bad = Upstream::new(|_| Act::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello".to_vec()));
    let good = Upstream::named("good");
    let mut c = cluster("c", &[bad.address, good.address]);
    c["outlier_detection"] = json!({"consecutive_5xx": 1, "base_ejection_time": "600s", "max_ejection_percent": 50});
    let proxy = start(bootstrap(&manager(to("c", json!({})), None), &[c]));
    let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
    for _ in 0..2 {
        let mut client = connect(address);
        client.stream().write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").expect("sent");
        client.rest();
    }
    support::until("the host is ejected", || get(admin, "/clusters").text().contains(&format!("c::{}::health_flags::/failed_outlier_check", bad.address)));
    assert!((0..4).all(|_| get(address, "/").text() == "good"));
}

/// What an upstream may have looked at goes out once, however the upstream ends it.
#[test]
fn a_request_that_may_have_been_looked_at_is_sent_once() {
    const HEADERS: u8 = 1;
    // A goodbye that covers the stream, with and without an error, or a reset of the stream; then the end of the connection.
    for (kind, id, payload) in
        [(7u8, 0u8, &[0, 0, 0, 1, 0, 0, 0, 0][..]), (7, 0, &[0, 0, 0, 1, 0, 0, 0, 11]), (3, 1, &[0, 0, 0, 7]), (3, 1, &[0, 0, 0, 8]), (4, 0, &[])]
    {
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = asked.clone();
        let upstream = support::server(move |mut stream| {
            let mut serve = || -> std::io::Result<()> {
                stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
                stream.read_exact(&mut [0; 24])?;
                loop {
                    let mut head = [0; 9];
                    stream.read_exact(&mut head)?;
                    stream.read_exact(&mut vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize])?;
                    if head[3] == HEADERS {
                        seen.fetch_add(1, Ordering::SeqCst);
                        stream.write_all(&[&[0, 0, u8::try_from(payload.len()).expect("short"), kind, 0, 0, 0, 0, id], payload].concat())?;
                        return stream.shutdown(std::net::Shutdown::Write);
                    }
                }
            };
            let _ = serve();
            // What is still on its way is read, so that nothing is reset.
            while stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {}
        });
        let proxy = start(bootstrap(&manager(to("c", json!({})), None), &[over_http2(cluster("c", &[upstream]), &json!({}))]));
        let got = support::ask(proxy.address("l").expect("a listener"), "POST / HTTP/1.1\r\nhost: a", "hello");
        assert_eq!((got.status(), asked.load(Ordering::SeqCst)), (503, 1), "{kind} {payload:?}: {}", got.text());
    }
}
