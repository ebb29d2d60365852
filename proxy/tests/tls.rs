//! TLS both ways: who gets in, what is told of them, and what a rotation leaves alone.

use crate::{pki, support};
use mesh_proxy::Proxy;
use pki::{Authority, Client, downstream, upstream};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Upstream, answer, cluster, get, log_lines, manager, nobody, socket, start};

fn route(cluster: &str) -> Value {
    json!([{"match": {"prefix": "/"}, "route": {"cluster": cluster}}])
}

fn listener(name: &str, address: SocketAddr, chains: &[Value]) -> Value {
    json!({"name": name, "address": socket(address), "filter_chains": chains})
}

fn chain(manager: Value) -> Value {
    json!({"filters": [{"name": "h", "typed_config": manager}]})
}

fn with_admin(resources: Value) -> Value {
    json!({"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}, "static_resources": resources})
}

/// A log of connections that tells of handshakes.
fn connection_log(path: &Path) -> Value {
    json!([{"name": "f", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path,
        "log_format": {"json_format": {"flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%", "failure": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"}}}}])
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

const SERVER: &str = "spiffe://cluster.local/ns/b/sa/server";
const CLIENT: &str = "spiffe://cluster.local/ns/a/sa/client";

fn stat(proxy: &Proxy, name: &str) -> u64 {
    let page = get(proxy.admin.expect("an admin port"), "/stats").text();
    page.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": ")?.parse().ok()).unwrap_or(0)
}

/// A sidecar in front of a client and one in front of a server, with Istio's way of naming: secrets by name, names of SPIFFE.
fn mesh(up: SocketAddr, log: &Path, alpn: &[&str], http2: bool) -> Value {
    let ca = Authority::new("ca");
    let (client, server) = (ca.issue(CLIENT, &[]), ca.issue(SERVER, &["server.example.com"]));
    let back = nobody();
    let mut m = manager(route("up"), Some(log));
    m["forward_client_cert_details"] = json!("APPEND_FORWARD");
    m["set_current_client_cert_details"] = json!({"subject": true, "uri": true, "dns": true});
    let format = m.pointer_mut("/access_log/0/typed_config/log_format/json_format").expect("a format");
    for (key, value) in [
        ("peer", "%DOWNSTREAM_PEER_URI_SAN%"),
        ("own", "%DOWNSTREAM_LOCAL_URI_SAN%"),
        ("version", "%DOWNSTREAM_TLS_VERSION%"),
        ("sni", "%REQUESTED_SERVER_NAME%"),
    ] {
        format[key] = value.into();
    }
    let mut inbound = chain(m);
    inbound["transport_socket"] = downstream(&json!({"alpn_protocols": ["h2", "http/1.1"], "tls_certificate_sds_secret_configs": [{"name": "server"}],
        "combined_validation_context": {"default_validation_context": {"match_subject_alt_names": [{"prefix": "spiffe://cluster.local/"}]},
            "validation_context_sds_secret_config": {"name": "ROOTCA"}}}));
    inbound["filter_chain_match"] = json!({"transport_protocol": "tls"});
    let mut inbound = listener("back", back, &[inbound]);
    inbound["listener_filters"] =
        json!([{"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}]);
    let mut outbound = cluster("back", &[back]);
    outbound["transport_socket_matches"] = json!([
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": upstream(&json!({"alpn_protocols": alpn,
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [{"name": "client"}],
            "combined_validation_context": {"default_validation_context": {"match_subject_alt_names": [{"exact": SERVER}]},
                "validation_context_sds_secret_config": {"name": "ROOTCA"}}}), "outbound_.80_.v1_.b.ns.svc.cluster.local")},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": {"name": "envoy.transport_sockets.raw_buffer",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}}]);
    outbound["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] =
        json!({"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}});
    if http2 {
        outbound["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}});
    }
    let secret = |name: &str, leaf: &pki::Leaf| json!({"name": name, "tls_certificate": leaf.config()});
    with_admin(json!({"listeners": [listener("front", any(), &[chain(manager(route("back"), None))]), inbound],
        "clusters": [outbound, cluster("up", &[up])],
        "secrets": [secret("client", &client), secret("server", &server), {"name": "ROOTCA", "validation_context": ca.validation(None)}]}))
}

#[test]
fn sidecars_know_each_other_by_their_certificates() {
    for (alpn, http2, protocol) in
        [(&["istio"][..], false, "HTTP/1.1"), (&["istio", "h2"], true, "HTTP/2"), (&["istio-peer-exchange", "istio"], false, "HTTP/1.1")]
    {
        let up = Upstream::named("x");
        let scratch = tempfile::tempdir().expect("a folder");
        let log = scratch.path().join("log");
        let proxy = start(mesh(up.address, &log, alpn, http2));
        for _ in 0..3 {
            assert_eq!(get(proxy.address("front").expect("a listener"), "/").text(), "x");
        }
        let seen = up.take().pop().expect("a request");
        let told = seen.header("x-forwarded-client-cert").expect("a header");
        assert!(told.starts_with(&format!("By={SERVER};Hash=")) && told.ends_with(&format!(";Subject=\"CN=leaf,O=Acme\\, Inc\";URI={CLIENT}")), "{told}");
        // What a sidecar says of the protocol before it is believed.
        assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
        let line = &log_lines(&log, 3)[2];
        let text = |key: &str| line[key].as_str().unwrap_or("").to_owned();
        assert_eq!(
            (text("peer"), text("own"), text("version"), text("protocol")),
            (CLIENT.to_owned(), SERVER.to_owned(), "TLSv1.3".to_owned(), protocol.to_owned())
        );
        assert_eq!(text("sni"), "outbound_.80_.v1_.b.ns.svc.cluster.local");
        // Connections are kept, though TLS has tickets to send after a handshake.
        assert_eq!((stat(&proxy, "cluster.back.ssl.handshake"), stat(&proxy, "cluster.back.upstream_cx_total")), (1, 1));
    }
}

/// What an upstream sends before a pause is not kept until its end, in whatever piece it comes.
#[test]
fn what_comes_before_a_pause_arrives_whole() {
    let address = support::server(|stream| {
        let mut reader = support::Reader::new(stream);
        let head = reader.head().expect("a head");
        let size: usize = head.path()[1..].parse().expect("a size");
        // The answer begins before the request is over, and neither comes to an end.
        let _ = reader.stream().write_all(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n").as_bytes());
        let _ = reader.stream().write_all(&vec![b'x'; size]);
        let _ = reader.rest();
    });
    let scratch = tempfile::tempdir().expect("a folder");
    let proxy = start(mesh(address, &scratch.path().join("log"), &["istio"], false));
    let front = proxy.address("front").expect("a listener");
    let whole = |size: usize| {
        let mut client = support::connect(front);
        client.stream().write_all(format!("GET /{size} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).expect("sent");
        // So long nobody reads, and what is in between fills up.
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(client.head().expect("a head").status(), 200);
        let mut left = size;
        while left > 0 {
            let chunk = client.chunk().unwrap_or_else(|| panic!("{left} of {size} do not come"));
            assert!(!chunk.is_empty() && chunk.len() <= left, "{} of {left}", chunk.len());
            left -= chunk.len();
        }
    };
    std::thread::scope(|scope| {
        for n in 0..8 {
            let whole = &whole;
            scope.spawn(move || (0..4).for_each(|k| whole((1 << 20) + (n * 4 + k) * (400 << 10))));
        }
    });
}

#[test]
fn who_is_not_known_is_refused_and_the_log_says_why() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let server = ca.issue(SERVER, &["server.example.com"]);
    let up = Upstream::named("x");
    let scratch = tempfile::tempdir().expect("a folder");
    let log = scratch.path().join("log");
    let mut inbound = chain(manager(route("up"), None));
    inbound["transport_socket"] =
        downstream(&json!({"tls_certificates": [server.config()], "validation_context": ca.validation(Some(json!({"prefix": "spiffe://cluster.local/"})))}));
    let mut l = listener("l", any(), &[inbound]);
    l["access_log"] = connection_log(&log);
    let proxy = start(with_admin(json!({"listeners": [l], "clusters": [cluster("up", &[up.address])]})));
    let address = proxy.address("l").expect("a listener");
    let known = ca.issue(CLIENT, &[]);
    assert!(Client::new(&ca, Some(&known), &[]).get(address, "/").expect("an answer").ends_with("x"));
    let refused = |shows: Option<&pki::Leaf>| Client::new(&ca, shows, &[]).get(address, "/").expect_err("no answer");
    refused(None);
    refused(Some(&other.issue(CLIENT, &[])));
    refused(Some(&ca.issue("spiffe://elsewhere/ns/a/sa/client", &[])));
    // An alert, and no HTTP.
    assert!(!plain(address).starts_with(b"HTTP"));
    let failures: Vec<String> = log_lines(&log, 5).iter().filter_map(|l| Some(l["failure"].as_str()?.to_owned())).collect();
    assert_eq!(
        failures,
        [
            "TLS_error:|268435648:SSL_routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:peer_did_not_provide_required_client_certificate:TLS_error_end",
            "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_X509_verify_cert:_certificate_verification_error_at_depth_0:_unable_to_get_local_issuer_certificate:TLS_error_end",
            "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_SAN_matcher,_certificate_SANs_are_[spiffe://elsewhere/ns/a/sa/client]:TLS_error_end",
            "TLS_error:|268435612:SSL_routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end",
        ]
    );
    let prefix = format!("listener.127.0.0.1_{}.ssl", 0);
    for (counter, n) in [("handshake", 1), ("fail_verify_no_cert", 1), ("fail_verify_error", 1), ("fail_verify_san", 1), ("connection_error", 4)] {
        assert_eq!(stat(&proxy, &format!("{prefix}.{counter}")), n, "{counter}");
    }
    assert_eq!(up.take().len(), 1);
}

/// What comes back for plain HTTP.
fn plain(address: SocketAddr) -> Vec<u8> {
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out);
    out
}

#[test]
fn permissive_ports_take_both() {
    let ca = Authority::new("ca");
    let (server, client) = (ca.issue(SERVER, &["server.example.com"]), ca.issue(CLIENT, &[]));
    let direct = |text: &str| json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}]);
    let tls = downstream(
        &json!({"alpn_protocols": ["istio-peer-exchange", "istio"], "tls_certificates": [server.config()], "validation_context": ca.validation(None)}),
    );
    let one = |name: &str, matches: Value, socket: Option<&Value>| {
        let mut c = chain(manager(direct(name), None));
        (c["name"], c["filter_chain_match"]) = (name.into(), matches);
        if let Some(socket) = socket {
            c["transport_socket"] = socket.clone();
        }
        c
    };
    let mut l = listener(
        "l",
        any(),
        &[
            one("mutual", json!({"transport_protocol": "tls", "application_protocols": ["istio-peer-exchange", "istio"]}), Some(&tls)),
            one("tls", json!({"transport_protocol": "tls"}), Some(&tls)),
            one("http", json!({"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]}), None),
        ],
    );
    l["default_filter_chain"] = one("default", json!({}), None);
    l["listener_filters"] = json!([
        {"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}},
        {"name": "h", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"}}]);
    l["listener_filters_timeout"] = json!("0.3s");
    l["continue_on_listener_filters_timeout"] = json!(true);
    let proxy = start(with_admin(json!({"listeners": [l]})));
    let address = proxy.address("l").expect("a listener");
    let by = |alpn: &[&str]| Client::new(&ca, Some(&client), alpn).get(address, "/").expect("an answer");
    assert!(by(&["istio"]).ends_with("mutual") && by(&["h2c-unknown"]).ends_with("tls") && by(&[]).ends_with("tls"));
    assert_eq!(get(address, "/").text(), "http");
    // HTTP/1.0 is asked for by no chain; a client that waits is served by the default chain as well.
    let mut slow = support::connect(address);
    std::thread::sleep(Duration::from_millis(500));
    slow.stream().write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    assert_eq!(slow.message().expect("an answer").text(), "default");
}

#[test]
fn a_rotation_is_seen_by_new_handshakes_and_ends_no_connection() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let scratch = tempfile::tempdir().expect("a folder");
    let file = |name: &str| scratch.path().join(name);
    let write = |ca: &Authority| {
        let leaf = ca.issue(SERVER, &["server.example.com"]);
        let certificate = json!({"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": "default", "tls_certificate": leaf.config()}]});
        let roots = json!({"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": "ROOTCA", "validation_context": ca.validation(None)}]});
        for (name, value) in [("default", certificate), ("ROOTCA", roots)] {
            std::fs::write(file("next"), value.to_string()).expect("written");
            std::fs::rename(file("next"), file(name)).expect("moved");
        }
    };
    write(&old);
    let source = |name: &str| json!({"name": name, "sds_config": {"path_config_source": {"path": file(name)}}});
    let mut inbound = chain(manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hi"}}}]), None));
    inbound["transport_socket"] =
        downstream(&json!({"tls_certificate_sds_secret_configs": [source("default")], "validation_context_sds_secret_config": source("ROOTCA")}));
    let proxy = start(with_admin(json!({"listeners": [listener("l", any(), &[inbound])]})));
    let address = proxy.address("l").expect("a listener");
    let client = |ca: &Authority| Client::new(ca, Some(&ca.issue(CLIENT, &[])), &[]);
    let mut open = client(&old).connect(address, "server.example.com");
    let ask = |open: &mut dyn ReadWrite| {
        open.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
        let mut got = vec![0; 4096];
        let n = open.read(&mut got).expect("an answer");
        String::from_utf8_lossy(&got[..n]).into_owned()
    };
    assert!(ask(&mut open).contains("200 OK"));
    write(&new);
    let until = Instant::now() + Duration::from_secs(20);
    let renewed = client(&new);
    while renewed.get(address, "/").is_err() {
        assert!(Instant::now() < until, "the new certificate is never shown");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(ask(&mut open).contains("200 OK"), "the connection of before lives on");
    assert!(client(&old).get(address, "/").is_err(), "who is no longer trusted gets in no more");
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

#[test]
fn policies_see_the_principal() {
    let ca = Authority::new("ca");
    let server = ca.issue(SERVER, &["server.example.com"]);
    let mut m = manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hi"}}}]), None);
    m["http_filters"].as_array_mut().expect("a list").insert(
        0,
        json!({"name": "rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"action": "ALLOW", "policies": {
            "p": {"permissions": [{"any": true}], "principals": [{"authenticated": {"principal_name": {"exact": CLIENT}}}]}}}}}),
    );
    let mut inbound = chain(m);
    inbound["transport_socket"] = downstream(&json!({"tls_certificates": [server.config()], "validation_context": ca.validation(None)}));
    let proxy = start(with_admin(json!({"listeners": [listener("l", any(), &[inbound])]})));
    let by = |uri: &str| Client::new(&ca, Some(&ca.issue(uri, &[])), &[]).get(proxy.address("l").expect("a listener"), "/").expect("an answer");
    assert!(by(CLIENT).ends_with("hi") && by("spiffe://cluster.local/ns/a/sa/other").ends_with("RBAC: access denied"));
}

#[test]
fn the_host_of_a_request_can_be_the_name_that_is_asked_for() {
    let ca = Authority::new("ca");
    let server = ca.issue(SERVER, &["a.com"]);
    let back = nobody();
    let mut inbound = chain(manager(json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hi"}}}]), None));
    let mut tls = downstream(&json!({"tls_certificates": [server.config()]}));
    tls["typed_config"]["require_client_certificate"] = json!(false);
    (inbound["transport_socket"], inbound["filter_chain_match"]) = (tls, json!({"server_names": ["a.com"]}));
    let mut inbound = listener("back", back, &[inbound]);
    inbound["listener_filters"] =
        json!([{"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}]);
    let mut outbound = cluster("back", &[back]);
    outbound["transport_socket"] = upstream(&json!({"validation_context": ca.validation(None)}), "");
    outbound["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http_protocol_options": {}},
        "upstream_http_protocol_options": {"auto_sni": true, "auto_san_validation": true}}});
    let proxy = start(with_admin(json!({"listeners": [listener("front", any(), &[chain(manager(route("back"), None))]), inbound], "clusters": [outbound]})));
    let front = proxy.address("front").expect("a listener");
    assert_eq!(support::ask(front, "GET / HTTP/1.1\r\nhost: a.com:80", "").text(), "hi");
    let refused = support::ask(front, "GET / HTTP/1.1\r\nhost: b.com", "");
    assert_eq!((refused.status(), refused.text().contains("remote connection failure")), (503, true));
    drop(answer(200, "", ""));
}
