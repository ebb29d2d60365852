//! What the proxy does between scripted peers.

use crate::support;
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};
use support::{Act, Upstream, answer, ask, bootstrap, cluster, connect, get, log_lines, manager, nobody, start};

fn forward(prefix: &str, route: Value) -> Value {
    json!({"match": {"prefix": prefix}, "name": prefix, "route": route})
}

#[test]
fn connections_are_kept_and_one_that_closed_is_never_handed_out() {
    // Every second answer is the connection's last, and the upstream does not say so.
    let up = Upstream::new(|m| match m.path() {
        "/last" => Act::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()),
        _ => answer(200, "", "ok"),
    });
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "up"}))]), None), &[cluster("up", &[up.address])]));
    let address = proxy.address("l").expect("a listener");
    for _ in 0..3 {
        assert_eq!(get(address, "/a").status(), 200);
    }
    assert_eq!(up.connections(), 1);
    for _ in 0..20 {
        assert_eq!(get(address, "/last").status(), 200);
        // On a busy machine the upstream's next line comes late.
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(get(address, "/a").text(), "ok");
    }
}

#[test]
fn a_body_is_sent_again_with_a_retry() {
    let n = std::sync::atomic::AtomicUsize::new(0);
    let up = Upstream::new(move |_| answer(if n.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 { 503 } else { 200 }, "", "done"));
    let route = json!({"cluster": "up", "retry_policy": {"retry_on": "5xx", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}});
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let proxy = start(bootstrap(&manager(json!([forward("/", route)]), Some(&log)), &[cluster("up", &[up.address])]));
    let body = "b".repeat(200_000);
    let got = ask(proxy.address("l").expect("a listener"), "POST /x HTTP/1.1\r\nhost: a", &body);
    assert_eq!((got.status(), got.text()), (200, "done".to_owned()));
    let seen = up.take();
    assert!(seen.len() == 2 && seen.iter().all(|m| m.body == body.as_bytes()), "{}", seen.len());
    let line = &log_lines(&log, 1)[0];
    assert_eq!((line["attempts"].as_u64(), line["received"].as_u64(), line["flags"].as_str()), (Some(2), Some(200_000), Some("-")));
}

#[test]
fn a_retry_goes_to_another_host_where_the_policy_says_so() {
    let up = Upstream::named("alive");
    let policy = json!({"retry_on": "connect-failure", "num_retries": 2, "host_selection_retry_max_attempts": 5, "retry_back_off": {"base_interval": "0.001s"},
        "retry_host_predicate": [{"name": "p", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]});
    let route = json!({"cluster": "up", "retry_policy": policy});
    let proxy = start(bootstrap(&manager(json!([forward("/", route)]), None), &[cluster("up", &[nobody(), up.address])]));
    for _ in 0..10 {
        assert_eq!(get(proxy.address("l").expect("a listener"), "/").text(), "alive");
    }
}

#[test]
fn weights_split_requests_and_change_headers() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let weighted = json!({"clusters": [
        {"name": "a", "weight": 1, "request_headers_to_add": [{"header": {"key": "x-share", "value": "one"}}]},
        {"name": "b", "weight": 3}]});
    let clusters = [cluster("a", &[a.address]), cluster("b", &[b.address])];
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"weighted_clusters": weighted}))]), None), &clusters));
    let texts: Vec<String> = (0..200).map(|_| get(proxy.address("l").expect("a listener"), "/").text()).collect();
    let of_a = texts.iter().filter(|t| *t == "a").count();
    assert!((15..90).contains(&of_a), "{of_a} of 200");
    assert!(a.take().iter().all(|m| m.header("x-share") == Some("one")));
    assert!(b.take().iter().all(|m| m.header("x-share").is_none()));
}

#[test]
fn round_robin_takes_turns() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "c"}))]), None), &[cluster("c", &[a.address, b.address])]));
    let texts: Vec<String> = (0..6).map(|_| get(proxy.address("l").expect("a listener"), "/").text()).collect();
    assert!(texts.windows(2).all(|w| w[0] != w[1]), "{texts:?}");
}

#[test]
fn bodies_stream_in_chunks_and_trailers_arrive() {
    let up = Upstream::new(|_| {
        Act::Send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nx-t: 1\r\n\r\n".to_vec())
    });
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "up"}))]), None), &[cluster("up", &[up.address])]));
    let got = ask(proxy.address("l").expect("a listener"), "GET / HTTP/1.1\r\nhost: a\r\nte: trailers", "");
    assert_eq!(got.text(), "abcdefg");
    assert_eq!(got.header("trailer x-t"), Some("1"), "{:?}", got.headers);
}

#[test]
fn a_client_that_leaves_is_logged_and_its_upstream_is_told() {
    // It answers once the client is gone.
    let (left, is_left) = std::sync::mpsc::channel::<()>();
    let is_left = std::sync::Mutex::new(is_left);
    let up = Upstream::new(move |_| {
        let _ = is_left.lock().expect("unbroken").recv();
        answer(200, "", "late")
    });
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "up"}))]), Some(&log)), &[cluster("up", &[up.address])]));
    let mut client = connect(proxy.address("l").expect("a listener"));
    client.stream().write_all(b"GET /gone HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    support::until("the upstream is asked", || !up.take().is_empty());
    drop(client);
    let line = &log_lines(&log, 1)[0];
    assert_eq!((line["status"].as_u64(), line["flags"].as_str(), line["details"].as_str()), (Some(0), Some("DC"), Some("downstream_remote_disconnect")));
    // Whom it waited for.
    assert_eq!((&line["host"], &line["attempts"]), (&json!(up.address.to_string()), &json!(1)), "{line}");
    drop(left);
}

#[test]
fn an_upgrade_joins_the_two_ends() {
    let up = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = up.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (stream, _) = up.accept().expect("a connection");
        let mut reader = support::Reader::new(stream);
        let head = reader.head().expect("a request");
        assert_eq!(head.header("upgrade"), Some("websocket"));
        reader.stream().write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nhello ").expect("sent");
        let mut got = [0; 5];
        std::io::Read::read_exact(reader.stream(), &mut got).expect("bytes");
        reader.stream().write_all(&got).expect("sent");
    });
    let mut m = manager(json!([forward("/", json!({"cluster": "up"}))]), None);
    m["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
    let proxy = start(bootstrap(&m, &[cluster("up", &[address])]));
    let mut client = connect(proxy.address("l").expect("a listener"));
    client.stream().write_all(b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").expect("sent");
    let head = client.head().expect("an answer");
    assert_eq!((head.status(), head.header("upgrade")), (101, Some("websocket")));
    client.stream().write_all(b"world").expect("sent");
    assert_eq!(client.rest(), b"hello world");
}

/// It is a connection for limits, for statistics and for a drain.
#[test]
fn a_connection_that_became_another_protocol_counts_until_that_is_over() {
    let up = support::server(|stream| {
        let mut reader = support::Reader::new(stream);
        if reader.head().is_some() {
            let _ = reader.stream().write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
            while let Some(got) = reader.exactly(1) {
                let _ = reader.stream().write_all(&got);
            }
        }
    });
    let mut m = manager(json!([forward("/", json!({"cluster": "up"}))]), None);
    m["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
    let proxy = start(bootstrap(&m, &[cluster("up", &[up])]));
    let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
    let mut client = connect(address);
    client.stream().write_all(b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").expect("sent");
    assert_eq!(client.head().map(|h| h.status()), Some(101));
    let mut speaks = |word: &[u8]| {
        client.stream().write_all(word).expect("sent");
        assert_eq!(client.exactly(word.len()).as_deref(), Some(word));
    };
    speaks(b"hello");
    let active = |n: u64| get(admin, "/stats").text().lines().any(|l| l == format!("http.in.downstream_cx_active: {n}"));
    assert!(active(1));
    proxy.drain();
    // Were it not counted, the proxy would have ended by now.
    support::until("no more connections are taken", || std::net::TcpStream::connect(address).is_err());
    std::thread::sleep(Duration::from_millis(200));
    speaks(b"still there");
    drop(client);
    proxy.wait();
}

#[test]
fn draining_lets_requests_end_and_takes_no_new_ones() {
    let up = Upstream::new(|_| {
        std::thread::sleep(Duration::from_millis(200));
        answer(200, "", "done")
    });
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "up"}))]), None), &[cluster("up", &[up.address])]));
    let address = proxy.address("l").expect("a listener");
    let mut client = connect(address);
    client.stream().write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    let until = Instant::now() + Duration::from_secs(5);
    while up.connections() == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    proxy.drain();
    let got = client.message().expect("an answer");
    assert_eq!((got.status(), got.header("connection")), (200, Some("close")));
    proxy.wait();
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn an_upstream_that_fails_in_a_row_is_left_alone() {
    let (bad, good) = (Upstream::new(|_| answer(500, "", "bad")), Upstream::named("good"));
    let mut c = cluster("c", &[bad.address, good.address]);
    c["outlier_detection"] = json!({"consecutive_5xx": 2, "base_ejection_time": "60s", "max_ejection_percent": 50});
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "c"}))]), None), &[c]));
    let address = proxy.address("l").expect("a listener");
    (0..4).for_each(|_| drop(get(address, "/")));
    assert!((0..10).all(|_| get(address, "/").text() == "good"));
    let page = get(proxy.admin.expect("an admin port"), "/clusters").text();
    assert!(page.contains(&format!("c::{}::health_flags::/failed_outlier_check", bad.address)), "{page}");
}

/// As Envoy has it since 1.3x: a percentage that allows nobody ejects nobody, unless one host always may go.
#[test]
fn a_percentage_that_allows_nobody_ejects_nobody() {
    let (bad, good) = (Upstream::new(|_| answer(500, "", "bad")), Upstream::named("good"));
    for (always, ejected) in [(false, 0), (true, 1)] {
        let mut c = cluster("c", &[bad.address, good.address]);
        c["outlier_detection"] = json!({"consecutive_5xx": 2, "base_ejection_time": "60s", "max_ejection_percent": 10, "always_eject_one_host": always});
        let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "c"}))]), None), &[c]));
        let address = proxy.address("l").expect("a listener");
        (0..12).for_each(|_| drop(get(address, "/")));
        let stats = get(proxy.admin.expect("an admin port"), "/stats").text();
        let has = |line: &str| assert!(stats.lines().any(|l| l == line), "{line} is not in\n{stats}");
        has(&format!("cluster.c.outlier_detection.ejections_active: {ejected}"));
        has(&format!("cluster.c.outlier_detection.ejections_enforced_consecutive_5xx: {ejected}"));
        assert_eq!(stats.contains("cluster.c.outlier_detection.ejections_overflow: 0\n"), always);
    }
}

/// Hosts are compared at the end of each interval, by the shares of their answers.
#[test]
fn a_host_that_fails_more_than_others_is_ejected() {
    let turn = std::sync::atomic::AtomicUsize::new(0);
    // Never twice in a row.
    let bad = Upstream::new(move |_| answer(if turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(2) { 500 } else { 200 }, "", "bad"));
    let good: Vec<Upstream> = (0..4).map(|_| Upstream::named("good")).collect();
    let mut hosts: Vec<_> = good.iter().map(|u| u.address).collect();
    hosts.push(bad.address);
    let mut c = cluster("c", &hosts);
    c["outlier_detection"] = json!({"interval": "1s", "base_ejection_time": "60s", "max_ejection_percent": 20,
        "success_rate_request_volume": 1, "success_rate_stdev_factor": 1000, "enforcing_success_rate": 100});
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "c"}))]), None), &[c]));
    let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
    support::until("the host that fails is ejected", || {
        (0..50).for_each(|_| drop(get(address, "/")));
        get(admin, "/stats").text().contains("cluster.c.outlier_detection.ejections_enforced_success_rate: 1\n")
    });
    let page = get(admin, "/clusters").text();
    assert!(page.contains(&format!("c::{}::health_flags::/failed_outlier_check", bad.address)), "{page}");
    assert!((0..20).all(|_| get(address, "/").text() == "good"));
}

#[test]
fn the_admin_port_tells_what_was_done() {
    let up = Upstream::named("x");
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "up"}))]), None), &[cluster("up", &[up.address])]));
    get(proxy.address("l").expect("a listener"), "/");
    let admin = proxy.admin.expect("an admin port");
    let page = |path: &str| get(admin, path).text();
    assert_eq!(page("/ready"), "LIVE\n");
    let ready = page("/stats?usedonly&filter=%5E(server%5C.state%7Clistener_manager%5C.workers_started)");
    assert_eq!(ready, "listener_manager.workers_started: 1\nserver.state: 0\n");
    let stats = page("/stats?usedonly");
    for line in ["cluster.up.upstream_rq_total: 1", "cluster.up.upstream_rq_2xx: 1", "http.in.downstream_rq_total: 1", "cluster.up.membership_healthy: 1"] {
        assert!(stats.lines().any(|l| l == line), "{line} is not in\n{stats}");
    }
    assert!(page("/stats/prometheus").contains("envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"up\"} 1"));
    let dump: Value = serde_json::from_str(&page("/config_dump")).expect("JSON");
    assert_eq!(dump["configs"][1]["static_clusters"][0]["cluster"]["name"], "up");
    let read = mesh_envoy::engine::Configuration::read(&dump).expect("a dump");
    assert!(read.problems.is_empty() && read.listeners.len() == 1 && read.clusters.contains_key("up"), "{:?}", read.problems);
    assert_eq!(get(admin, "/quitquitquit").status(), 405);
    assert_eq!(ask(admin, "POST /quitquitquit HTTP/1.1\r\nhost: a", "").status(), 200);
    proxy.wait();
}

#[test]
fn what_a_status_has_no_body_for_is_no_lost_client() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let routes = [204u16, 304].map(|s| json!({"match": {"path": format!("/{s}")}, "direct_response": {"status": s, "body": {"inline_string": "text"}}}));
    let proxy = start(bootstrap(&manager(json!(routes), Some(&log)), &[]));
    for status in [204, 304] {
        let mut reader = connect(proxy.address("l").expect("a listener"));
        reader.stream().write_all(format!("GET /{status} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
        assert_eq!(reader.head().map(|h| h.status()), Some(status));
        assert!(reader.rest().is_empty());
    }
    for line in log_lines(&log, 2) {
        assert_eq!((&line["flags"], &line["details"], &line["sent"]), (&json!("-"), &json!("direct_response"), &json!(0)), "{line}");
    }
}

/// `HttpProtocolOptions` of a cluster.
fn with_options(mut cluster: Value, common: Value, explicit: &str) -> Value {
    cluster["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": common, "explicit_http_config": {explicit: {}}}});
    cluster
}

#[test]
fn an_upstream_connection_that_is_old_takes_no_more_requests() {
    let up = Upstream::named("x");
    let c = with_options(cluster("c", &[up.address]), json!({"max_connection_duration": "0.2s"}), "http_protocol_options");
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "c"}))]), None), &[c]));
    let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
    assert_eq!(get(address, "/").text(), "x");
    // It is closed although nobody asks for it.
    let closed = || get(admin, "/stats?filter=max_duration_reached").text().contains("cluster.c.upstream_cx_max_duration_reached: 1\n");
    support::until("the connection is closed", closed);
    assert_eq!((get(address, "/").text().as_str(), up.connections()), ("x", 2));
}

#[test]
fn a_connection_of_a_client_is_old_once() {
    let mut m = manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]), None);
    m["common_http_protocol_options"] = json!({"max_connection_duration": "0.05s"});
    let proxy = start(bootstrap(&m, &[]));
    let (address, admin) = (proxy.address("l").expect("a listener"), proxy.admin.expect("an admin port"));
    let old = |n: usize| get(admin, "/stats?filter=max_duration_reached").text().contains(&format!("http.in.downstream_cx_max_duration_reached: {n}\n"));
    // Where the machine was busy for longer than an old connection is kept, the next one is asked.
    for n in 1..10 {
        let mut reader = connect(address);
        reader.stream().write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        if reader.message().is_none() {
            continue;
        }
        support::until("it is old", || old(n));
        // A head in two parts is read by somebody else, who has had time to look at the clock.
        let _ = reader.stream().write_all(b"GET / HTTP/1.1\r\nho");
        std::thread::sleep(Duration::from_millis(200));
        let _ = reader.stream().write_all(b"st: a\r\n\r\n");
        if let Some(answer) = reader.message() {
            assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")));
            assert!(old(n), "{}", get(admin, "/stats?filter=max_duration_reached").text());
            return;
        }
    }
    panic!("no old connection was asked in time");
}

#[test]
fn every_cluster_stands_on_the_page_of_clusters() {
    let up = Upstream::named("x");
    let proxy = start(bootstrap(&manager(json!([]), None), &[cluster("b", &[up.address]), cluster("a", &[]), cluster("c", &[up.address])]));
    let admin = proxy.admin.expect("an admin port");
    let page: Value = serde_json::from_str(&get(admin, "/clusters?format=json").text()).expect("JSON");
    let list = page["cluster_statuses"].as_array().expect("a list");
    let seen: Vec<(&str, usize)> = list.iter().map(|c| (c["name"].as_str().unwrap_or(""), c["host_statuses"].as_array().map_or(0, Vec::len))).collect();
    assert_eq!(seen, [("a", 0), ("b", 1), ("c", 1)]);
    assert_eq!((&list[0]["circuit_breakers"]["thresholds"][1]["priority"], &list[0]["added_via_api"]), (&json!("HIGH"), &json!(false)));
    let text = get(admin, "/clusters").text();
    for line in ["a::observability_name::a", "c::added_via_api::false", &format!("c::{}::rq_total::0", up.address)] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_rate_limit_has_one_bucket_for_all_of_its_scope() {
    let up = Upstream::named("x");
    let mut m = manager(json!([forward("/", json!({"cluster": "up"}))]), None);
    let always = json!({"default_value": {"numerator": 100}});
    m["http_filters"].as_array_mut().expect("a list").insert(
        0,
        json!({"name": "limit", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "l",
        "token_bucket": {"max_tokens": 3, "fill_interval": "3600s"}, "filter_enabled": always, "filter_enforced": always,
        "response_headers_to_add": [{"append_action": "OVERWRITE_IF_EXISTS_OR_ADD", "header": {"key": "X-Local-Rate-Limit", "value": "true"}}]}}),
    );
    let proxy = start(bootstrap(&m, &[cluster("up", &[up.address])]));
    let statuses: Vec<u16> = (0..5).map(|_| get(proxy.address("l").expect("a listener"), "/").status()).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let refused = get(proxy.address("l").expect("a listener"), "/");
    assert_eq!((refused.status(), refused.header("x-local-rate-limit")), (429, Some("true")));
}

#[test]
fn the_breaker_for_retries_holds_them_back() {
    let up = Upstream::new(|_| answer(503, "", "busy"));
    let mut c = cluster("c", &[up.address]);
    c["circuit_breakers"] = json!({"thresholds": [{"max_retries": 0}]});
    let route = json!({"cluster": "c", "retry_policy": {"retry_on": "5xx", "num_retries": 2}});
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let proxy = start(bootstrap(&manager(json!([forward("/", route)]), Some(&log)), &[c]));
    assert_eq!(get(proxy.address("l").expect("a listener"), "/").status(), 503);
    let line = &log_lines(&log, 1)[0];
    assert_eq!((line["attempts"].as_u64(), line["flags"].as_str(), up.take().len()), (Some(1), Some("UO"), 1));
}

#[test]
fn names_are_resolved() {
    let up = Upstream::named("found");
    let mut c = cluster("c", &[up.address]);
    c["type"] = json!("STRICT_DNS");
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "c"}))]), None), &[c]));
    let until = Instant::now() + Duration::from_secs(10);
    while !get(proxy.admin.expect("an admin port"), "/stats").text().contains("cluster.c.membership_healthy: 1") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(get(proxy.address("l").expect("a listener"), "/").text(), "found");
}

/// Clients as Java's offer HTTP/2 with their first request over plain TCP: they are served over HTTP/1.1, as by Envoy.
#[test]
fn an_offer_of_http2_over_plain_tcp_goes_unheard() {
    let up = Upstream::named("x");
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "up"}))]), None), &[cluster("up", &[up.address])]));
    let mut client = connect(proxy.address("l").expect("a listener"));
    let offer = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\nte: gzip, trailers\r\n";
    for _ in 0..2 {
        client.stream().write_all(format!("GET / HTTP/1.1\r\nhost: a\r\n{offer}\r\n").as_bytes()).expect("sent");
        assert_eq!(client.message().expect("an answer").text(), "x");
    }
    for got in up.take() {
        assert!(["connection", "upgrade", "http2-settings"].iter().all(|h| got.header(h).is_none()) && got.header("te") == Some("trailers"), "{got:?}");
    }
}

/// As VirtualServices with a `corsPolicy` have it.
#[test]
fn a_cors_policy_of_istio_is_taken_and_may_be_switched_off() {
    let up = Upstream::named("x");
    let at = |path: &str, percent: u32| {
        let mut route = forward(path, json!({"cluster": "up"}));
        route["typed_per_filter_config"] = json!({"envoy.filters.http.cors": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy", "allow_origin_string_match": [{"exact": "http://a"}],
            "allow_methods": "GET", "filter_enabled": {"default_value": {"numerator": percent}}, "forward_not_matching_preflights": false}});
        route
    };
    let mut manager = manager(json!([at("/on", 100), at("/off", 0)]), None);
    let cors = json!({"name": "envoy.filters.http.cors", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"}});
    manager["http_filters"].as_array_mut().expect("filters").insert(0, cors);
    let proxy = start(bootstrap(&manager, &[cluster("up", &[up.address])]));
    for (path, allowed) in [("/on", Some("http://a")), ("/off", None)] {
        let got = ask(proxy.address("l").expect("a listener"), &format!("GET {path} HTTP/1.1\r\nhost: a\r\norigin: http://a"), "");
        assert_eq!((got.text().as_str(), got.header("access-control-allow-origin")), ("x", allowed));
    }
}

#[test]
fn a_host_that_is_the_endpoints_is_told_and_logged() {
    let up = Upstream::named("x");
    let mut c = cluster("up", &[up.address]);
    c["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = json!("its.own");
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let route = json!({"cluster": "up", "auto_host_rewrite": true, "append_x_forwarded_host": true});
    let mut manager = manager(json!([forward("/", route)]), Some(&log));
    manager["access_log"][0]["typed_config"]["log_format"]["json_format"]["authority"] = json!("%REQ(:AUTHORITY)%");
    let proxy = start(bootstrap(&manager, &[c]));
    get(proxy.address("l").expect("a listener"), "/");
    let got = &up.take()[0];
    let header = |name: &str| got.header(name).unwrap_or_default().to_owned();
    assert_eq!([header("host"), header("x-forwarded-host"), header("x-envoy-original-host")], ["its.own", "a.com", "a.com"]);
    assert_eq!(log_lines(&log, 1)[0]["authority"], "its.own");
}

#[test]
fn a_route_says_what_its_direct_response_is() {
    let mut route = json!({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "{}"}}});
    route["response_headers_to_add"] = json!([{"header": {"key": "content-type", "value": "application/json"}}]);
    let proxy = start(bootstrap(&manager(json!([route]), None), &[]));
    let got = get(proxy.address("l").expect("a listener"), "/");
    let types: Vec<_> = got.headers.iter().filter(|(k, _)| k == "content-type").map(|(_, v)| v.as_str()).collect();
    assert_eq!(types, ["application/json"]);
}

#[test]
fn an_answer_that_was_not_modified_keeps_its_length() {
    let up = Upstream::new(|_| Act::Send(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\netag: \"e\"\r\n\r\n".to_vec()));
    let proxy = start(bootstrap(&manager(json!([forward("/", json!({"cluster": "up"}))]), None), &[cluster("up", &[up.address])]));
    let mut client = connect(proxy.address("l").expect("a listener"));
    client.stream().write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").expect("sent");
    let got = client.rest();
    let text = String::from_utf8_lossy(&got);
    assert!(text.starts_with("HTTP/1.1 304 ") && text.contains("content-length: 7\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}
