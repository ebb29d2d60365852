//! Connections that the kernel redirects, as a sidecar gets them: in a network of their own, with a rule of iptables. Needs root,
//! `unshare` and iptables, and is skipped without them.

// It says when it is skipped.
#![allow(clippy::print_stderr)]

use crate::support;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{cluster, log_lines, manager, socket, start};

const INSIDE: &str = "MESHCTL_TEST_REDIRECTED";

/// Everything to these ports goes to the proxy, but for what the proxy sends itself: it sends from 127.0.0.6.
const RULES: &str = "ip link set lo up && iptables -t nat -A OUTPUT -p tcp --dport 8081:8082 ! -s 127.0.0.6 -j REDIRECT --to-ports 15001";

fn run(script: &str) -> Option<std::process::Output> {
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", script]).arg(std::env::current_exe().ok()?).env(INSIDE, "1").stdin(Stdio::null());
    command.output().ok()
}

#[test]
fn a_connection_goes_where_it_wanted_to_go() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    if !run(RULES).is_some_and(|o| o.status.success()) {
        eprintln!("SKIPPED: no network of its own with iptables can be had here");
        return;
    }
    let script = format!("{RULES} && exec \"$0\" --exact redirect::a_connection_goes_where_it_wanted_to_go --nocapture");
    let out = run(&script).expect("it runs");
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
}

fn inside() {
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], 8082));
    let server = TcpListener::bind(elsewhere).expect("a port");
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let from = stream.peer_addr().expect("a peer").ip();
            let _ = stream.write_all(format!("passed from {from}").as_bytes());
        }
    });
    let scratch = tempfile::tempdir().expect("a folder");
    let (requests, connections) = (scratch.path().join("requests"), scratch.path().join("connections"));
    let log = json!([{"name": "f", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": connections,
        "log_format": {"json_format": {"to": "%DOWNSTREAM_LOCAL_ADDRESS%", "host": "%UPSTREAM_HOST%", "cluster": "%UPSTREAM_CLUSTER_RAW%"}}}}]);
    let pass = json!([{"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "p", "cluster": "PassthroughCluster", "access_log": log}}]);
    let mut passthrough = cluster("PassthroughCluster", &[]);
    passthrough.as_object_mut().expect("an object").remove("load_assignment");
    (passthrough["type"], passthrough["lb_policy"]) = ("ORIGINAL_DST".into(), "CLUSTER_PROVIDED".into());
    passthrough["upstream_bind_config"] = json!({"source_address": {"address": "127.0.0.6", "port_value": 0}});
    let mut m = manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "handed on"}}}]), Some(&requests));
    m["access_log"][0]["typed_config"]["log_format"]["json_format"]["to"] = "%DOWNSTREAM_LOCAL_ADDRESS%".into();
    let address = |port: u16| socket(SocketAddr::from(([0, 0, 0, 0], port)));
    let _proxy = start(json!({"static_resources": {
        "listeners": [
            {"name": "virtualOutbound", "address": address(15001), "use_original_dst": true, "filter_chains": [{"filters": pass}]},
            {"name": "0.0.0.0_8081", "address": address(8081), "bind_to_port": false, "filter_chains": [{"filters": [{"name": "h", "typed_config": m}]}]}],
        "clusters": [passthrough]}}));
    let connect = |port: u16| {
        let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 2], port))).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    };
    // The listener of its port takes it, though nothing is bound there.
    let mut to_http = connect(8081);
    to_http.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").expect("sent");
    let mut got = String::new();
    to_http.read_to_string(&mut got).expect("an answer");
    assert!(got.ends_with("handed on"), "{got}");
    assert_eq!(log_lines(&requests, 1)[0]["to"], "127.0.0.2:8081");
    // What no listener is for goes on to where it wanted to go.
    let mut got = String::new();
    connect(8082).read_to_string(&mut got).expect("bytes");
    assert_eq!(got, "passed from 127.0.0.6");
    let line = &log_lines(&connections, 1)[0];
    assert_eq!(
        (line["to"].as_str(), line["host"].as_str(), line["cluster"].as_str()),
        (Some("127.0.0.2:8082"), Some("127.0.0.2:8082"), Some("PassthroughCluster"))
    );
}
