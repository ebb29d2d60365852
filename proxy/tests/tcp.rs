//! Bytes that are forwarded as they come: ends, limits, and what is logged.

use crate::support;
use mesh_proxy::Proxy;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use support::{cluster, get, log_lines, nobody, socket, start};

fn log(path: &Path) -> Value {
    json!([{"name": "f", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path,
        "log_format": {"json_format": {"flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%", "ended": "%CONNECTION_TERMINATION_DETAILS%",
            "cluster": "%UPSTREAM_CLUSTER_RAW%", "host": "%UPSTREAM_HOST%", "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%", "received": "%BYTES_RECEIVED%",
            "sent": "%BYTES_SENT%", "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "sni": "%REQUESTED_SERVER_NAME%", "chain": "%FILTER_CHAIN_NAME%"}}}}])
}

fn tcp(cluster: &str, log_file: &Path) -> Value {
    json!({"name": "tcp", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "t", "cluster": cluster, "access_log": log(log_file)}})
}

fn with(filters: Vec<Value>, clusters: Vec<Value>) -> Value {
    json!({"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}, "static_resources": {
        "listeners": [{"name": "l", "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))), "filter_chains": [{"name": "c", "filters": filters}]}],
        "clusters": clusters}})
}

/// A server that does as it is told by the first bytes.
fn server() -> SocketAddr {
    support::server(serve)
}

/// Sends back what comes, then says how much it was. `greet`: nothing is read. `close`: it ends after a word.
fn serve(mut stream: TcpStream) {
    let (mut all, mut chunk) = (0usize, vec![0; 64 * 1024]);
    while let Ok(n) = stream.read(&mut chunk) {
        if n == 0 {
            let _ = stream.write_all(format!("|{all}").as_bytes());
            return;
        }
        all += n;
        if chunk.starts_with(b"close") {
            let _ = stream.write_all(b"bye");
            return;
        }
        if stream.write_all(&chunk[..n]).is_err() {
            return;
        }
    }
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address("l").expect("a listener")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

/// Sends bytes, finishes, and reads to the end.
fn exchange(proxy: &Proxy, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(proxy);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out);
    out
}

#[test]
fn each_side_finishes_by_itself() {
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("log");
    let proxy = start(with(vec![tcp("up", &file)], vec![cluster("up", &[server()])]));
    assert_eq!(exchange(&proxy, b"hello"), b"hello|5");
    // The server ends first: the client is told, and may go on.
    let mut stream = connect(&proxy);
    stream.write_all(b"close").expect("sent");
    let mut out = Vec::new();
    stream.read_to_end(&mut out).expect("bytes");
    assert_eq!(out, b"bye");
    drop(stream);
    let lines = log_lines(&file, 2);
    assert_eq!((lines[0]["flags"].as_str(), lines[0]["received"].as_u64(), lines[0]["sent"].as_u64()), (Some("-"), Some(5), Some(7)));
    assert_eq!((lines[0]["attempts"].as_u64(), lines[0]["cluster"].as_str(), lines[0]["chain"].as_str()), (Some(1), Some("up"), Some("c")));
    assert_eq!((lines[1]["flags"].as_str(), lines[1]["received"].as_u64(), lines[1]["sent"].as_u64()), (Some("-"), Some(5), Some(3)));
}

#[test]
fn much_goes_through_and_a_slow_reader_holds_the_sender_back() {
    let scratch = tempfile::tempdir().expect("a folder");
    let proxy = start(with(vec![tcp("up", &scratch.path().join("log"))], vec![cluster("up", &[server()])]));
    let bytes: Vec<u8> = (0..8_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut stream = connect(&proxy);
    let mut writer = stream.try_clone().expect("a clone");
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || {
        writer.write_all(&sent).expect("sent");
        writer.shutdown(Shutdown::Write).expect("finished");
    });
    // Nothing is read at first: what was sent waits in the kernel, not in the proxy.
    std::thread::sleep(Duration::from_millis(300));
    let mut out = Vec::new();
    stream.read_to_end(&mut out).expect("bytes");
    sending.join().expect("sent");
    assert!(out.starts_with(&bytes) && out.ends_with(b"|8000000"), "{}", out.len());
}

#[test]
fn what_can_not_be_reached_is_logged_with_its_flags() {
    let mut full = cluster("full", &[server()]);
    full["circuit_breakers"] = json!({"thresholds": [{"max_connections": 0}]});
    let mut original = cluster("original", &[]);
    (original["type"], original["lb_policy"]) = ("ORIGINAL_DST".into(), "CLUSTER_PROVIDED".into());
    original.as_object_mut().expect("an object").remove("load_assignment");
    for (name, flags, attempts) in [("down", "UF,URX", 1), ("empty", "UH", 0), ("full", "UO", 0), ("original", "UH", 0), ("nowhere", "NC", 0)] {
        let scratch = tempfile::tempdir().expect("a folder");
        let file = scratch.path().join("log");
        let proxy = start(with(vec![tcp(name, &file)], vec![cluster("down", &[nobody()]), cluster("empty", &[]), full.clone(), original.clone()]));
        assert_eq!(exchange(&proxy, b"hello"), b"", "{name}");
        let line = &log_lines(&file, 1)[0];
        let failure = if name == "down" { "delayed_connect_error:_Connection_refused" } else { "" };
        assert_eq!((line["flags"].as_str(), line["failure"].as_str().unwrap_or("")), (Some(flags), failure), "{line}");
        assert_eq!(line["attempts"], attempts, "{line}");
    }
}

#[test]
fn another_try_goes_to_another_host() {
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("log");
    let mut filter = tcp("up", &file);
    filter["typed_config"]["max_connect_attempts"] = json!(4);
    let proxy = start(with(vec![filter], vec![cluster("up", &[nobody(), server()])]));
    (0..4).for_each(|_| assert_eq!(exchange(&proxy, b"x"), b"x|1"));
}

#[test]
fn a_quiet_connection_ends_and_one_that_lasted_long_enough() {
    for (field, flags) in [("idle_timeout", "-"), ("max_downstream_connection_duration", "DT")] {
        let scratch = tempfile::tempdir().expect("a folder");
        let file = scratch.path().join("log");
        let mut filter = tcp("up", &file);
        filter["typed_config"][field] = json!("0.3s");
        let proxy = start(with(vec![filter], vec![cluster("up", &[server()])]));
        let mut stream = connect(&proxy);
        stream.write_all(b"hello").expect("sent");
        let (begun, mut out) = (Instant::now(), Vec::new());
        let _ = stream.read_to_end(&mut out);
        assert!(out == b"hello" && begun.elapsed() < Duration::from_secs(10));
        assert_eq!(log_lines(&file, 1)[0]["flags"].as_str(), Some(flags));
    }
}

#[test]
fn policies_of_connections_are_asked_first() {
    let rbac = |port: u16| {
        json!({"name": "rbac", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC", "stat_prefix": "r",
        "rules": {"action": "DENY", "policies": {"ns[a]-policy[b]-rule[0]": {"permissions": [{"destination_port": port}], "principals": [{"any": true}]}}}}})
    };
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("log");
    let proxy = start(with(vec![rbac(1), tcp("up", &file)], vec![cluster("up", &[server()])]));
    assert_eq!(exchange(&proxy, b"x"), b"x|1");
    let mut denies = rbac(1);
    denies["typed_config"]["rules"]["policies"]["ns[a]-policy[b]-rule[0]"]["permissions"] = json!([{"any": true}]);
    let denied = scratch.path().join("denied");
    let proxy = start(with(vec![denies, tcp("up", &denied)], vec![cluster("up", &[server()])]));
    assert_eq!(exchange(&proxy, b"x"), b"");
    assert_eq!(log_lines(&denied, 1)[0]["ended"], "rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]");
}

#[test]
fn a_connection_that_was_not_redirected_stays_with_its_listener() {
    // Its own address is no original destination: the chain of the listener takes it, and no other listener.
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("log");
    let mut bootstrap = with(vec![tcp("up", &file)], vec![cluster("up", &[server()])]);
    let listeners = bootstrap.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut).expect("a list");
    listeners[0]["use_original_dst"] = json!(true);
    listeners[0]["listener_filters"] =
        json!([{"name": "o", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"}}]);
    let mut unbound = listeners[0].clone();
    (unbound["name"], unbound["bind_to_port"]) = ("other".into(), json!(false));
    unbound["address"] = socket(SocketAddr::from(([0, 0, 0, 0], 80)));
    listeners.push(unbound);
    let proxy = start(bootstrap);
    assert_eq!(proxy.listeners().len(), 1);
    assert_eq!(exchange(&proxy, b"x"), b"x|1");
    let page = get(proxy.admin.expect("an admin port"), "/stats").text();
    assert!(page.contains("tcp.t.downstream_cx_total: 1"), "{page}");
}

#[test]
fn where_no_chain_fits_the_listener_says_so() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (file, connections) = (scratch.path().join("log"), scratch.path().join("connections"));
    let mut bootstrap = with(vec![tcp("up", &file)], vec![cluster("up", &[server()])]);
    let listener = bootstrap.pointer_mut("/static_resources/listeners/0").expect("a listener");
    listener["filter_chains"][0]["filter_chain_match"] = json!({"server_names": ["a.com"]});
    listener["listener_filters"] =
        json!([{"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}]);
    let mut only = log(&connections);
    only[0]["filter"] = json!({"response_flag_filter": {"flags": ["NR"]}});
    listener["access_log"] = only;
    let proxy = start(bootstrap);
    assert_eq!(exchange(&proxy, b"no TLS"), b"");
    let line = &log_lines(&connections, 1)[0];
    assert_eq!((line["flags"].as_str(), line["details"].as_str()), (Some("NR"), Some("filter_chain_not_found")));
    // A hello of that name goes on as it came, and is no matter for a log of those that found no chain.
    let hello = hello("A.com");
    let out = exchange(&proxy, &hello);
    assert!(out.starts_with(&hello) && out.ends_with(format!("|{}", hello.len()).as_bytes()));
    assert_eq!((log_lines(&file, 1)[0]["sni"].as_str(), log_lines(&connections, 1).len()), (Some("a.com"), 1));
}

/// A client's hello with a server name and nothing else of use.
fn hello(name: &str) -> Vec<u8> {
    let sized = |n: usize, bytes: &[u8]| [&u32::try_from(bytes.len()).expect("short").to_be_bytes()[4 - n..], bytes].concat();
    let names = sized(2, &[vec![0], sized(2, name.as_bytes())].concat());
    let extensions = sized(2, &[vec![0, 0], sized(2, &names)].concat());
    let body = [&[3u8, 3][..], &[7; 32], &[0], &sized(2, &[0x13, 1]), &sized(1, &[0]), &extensions].concat();
    [vec![22, 3, 1], sized(2, &[vec![1], sized(3, &body)].concat())].concat()
}
