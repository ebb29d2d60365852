//! The load that the sidecar is optimized for: what sidecars of a mesh do most. One process is the sidecar of the client and of the server:
//! its outbound listener sends to its own inbound one, over mTLS by HTTP/1.1 and HTTP/2, which sends to nginx.

use crate::Outcome;
use crate::bench::proxy::config::{self, Certificates, FORMAT, socket};
use crate::bench::proxy::load::{self, Closes, Load};
use crate::bench::proxy::running::{Kind, Proxy, Upstream, free_port, on_core};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Of each load.
const SPAN: Duration = Duration::from_secs(3);

/// What the counts of a start alone are called.
pub const START: &str = "start";

/// # Errors
/// Where the load or the sidecar fails: a profile of failures would optimize those.
pub fn run(program: &Path, raw: &Path, scratch: &Path) -> Outcome {
    let upstream = Upstream::start(scratch)?;
    let certificates = Certificates::new().map_err(|e| e.to_string())?;
    let start = |name: &str, bootstrap: &Value| {
        let mut command = on_core(0, program);
        command.env("LLVM_PROFILE_FILE", raw.join(format!("{name}-%p.profraw")));
        Proxy::launch(name, command, bootstrap, scratch)
    };

    // At rest for a moment, with a look at whether it is ready, as kubelets do.
    let loaded = config::loaded(Kind::Ours, upstream.address, &certificates, scratch);
    let proxy = start(START, &loaded)?;
    std::thread::sleep(SPAN);
    proxy.ask("ready")?;
    proxy.end()?;

    let proxy = start("loaded", &loaded)?;
    for load in [
        Load::Http1 { path: "/", closes: Closes::No },
        Load::Http2,
        Load::Http1 { path: "/", closes: Closes::Yes },
        Load::Handshakes,
        Load::Http1 { path: "/1m", closes: Closes::No },
    ] {
        let done = load::run(&load, &proxy, &certificates, SPAN)?;
        if done.failed > 0 {
            return Err(format!("{} of {} requests failed", done.failed, done.requests));
        }
    }
    for page in ["stats/prometheus", "stats", "config_dump", "clusters?format=json", "clusters", "server_info", "listeners", "certs"] {
        proxy.ask(page)?;
    }
    proxy.end()?;

    let ports = Ports::free()?;
    let proxy = start("mesh", &mesh(&ports, upstream.address, &certificates, scratch))?;
    let body = scratch.join("body");
    std::fs::write(&body, vec![b'x'; 4_000]).map_err(|e| format!("{}: {e}", body.display()))?;
    let post = format!("--data={}", body.display());
    // Protocol, port, path, what else.
    let loads: [(bool, u16, &str, Option<&str>); 8] = [
        (true, ports.outbound, "/", None),
        (false, ports.outbound, "/", None),
        (true, ports.outbound, "/two/", None),
        (false, ports.outbound, "/two/", None),
        (true, ports.outbound, "/direct", None),
        (false, ports.outbound, "/posts", Some(&post)),
        (true, ports.tcp, "/", None),
        (true, ports.tcp_tls, "/", None),
    ];
    for (is_http1, port, path, more) in loads {
        let mut command = on_core(1, Path::new("h2load"));
        command.args(["-t", "1", "-c", "8", "-D", &SPAN.as_secs().to_string()]);
        command.args(if is_http1 { &["--h1"][..] } else { &["-m", "16"] }).args(more);
        command.arg(format!("http://127.0.0.1:{port}{path}"));
        let done = load::h2load(&load::output(&mut command)?)?;
        if done.failed > 0 || done.requests < 10 {
            return Err(format!("{} of {} requests failed: {command:?}", done.failed, done.requests));
        }
    }
    proxy.end()?;

    // A large mesh is taken in.
    let proxy = start("many", &config::many(upstream.address, 1_000))?;
    proxy.ask("config_dump")?;
    proxy.end()?;
    // Half a gigabyte of logs.
    for log in ["mesh-proxy.log", "mesh.log"] {
        let _ = std::fs::remove_file(scratch.join(log));
    }
    Ok(())
}

/// Listeners of the sidecar, on loopback.
struct Ports {
    outbound: u16,
    inbound: u16,
    tcp: u16,
    tcp_tls: u16,
    tcp_inbound: u16,
}

impl Ports {
    fn free() -> Result<Ports, String> {
        Ok(Ports { outbound: free_port()?, inbound: free_port()?, tcp: free_port()?, tcp_tls: free_port()?, tcp_inbound: free_port()? })
    }
}

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const HTTP_FILTERS: &str = "type.googleapis.com/envoy.extensions.filters.http";

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The filters that istiod sends to all sidecars, before the router.
fn filters(own: &[Value]) -> Vec<Value> {
    let stats = json!({"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": "type.googleapis.com/stats.PluginConfig", "value": {}});
    let mut all = vec![
        json!({"name": "envoy.filters.http.grpc_stats", "typed_config": {"@type": format!("{HTTP_FILTERS}.grpc_stats.v3.FilterConfig"), "emit_filter_state": true}}),
    ];
    all.extend_from_slice(own);
    all.push(json!({"name": "envoy.filters.http.fault", "typed_config": {"@type": format!("{HTTP_FILTERS}.fault.v3.HTTPFault")}}));
    all.push(json!({"name": "envoy.filters.http.cors", "typed_config": {"@type": format!("{HTTP_FILTERS}.cors.v3.Cors")}}));
    all.push(json!({"name": "istio.stats", "typed_config": stats}));
    all
}

fn mesh(ports: &Ports, upstream: SocketAddr, certificates: &Certificates, scratch: &Path) -> Value {
    let log = json!([{"name": "f", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": scratch.join("mesh.log").display().to_string(),
        "log_format": {"text_format_source": {"inline_string": FORMAT}}}}]);
    let common = |alpn: &[&str]| {
        json!({
            "alpn_protocols": alpn,
            "tls_certificates": [{"certificate_chain": {"inline_string": certificates.leaf}, "private_key": {"inline_string": certificates.key}}],
            "validation_context": {"trusted_ca": {"inline_string": certificates.root}}})
    };
    let server = |alpn: &[&str]| json!({"name": "tls", "typed_config": {"@type": format!("{TLS}.DownstreamTlsContext"), "require_client_certificate": true, "common_tls_context": common(alpn)}});
    let client = |alpn: &[&str]| json!({"name": "tls", "typed_config": {"@type": format!("{TLS}.UpstreamTlsContext"), "sni": "outbound_.80_._.bench.bench.svc.cluster.local", "common_tls_context": common(alpn)}});
    let listener = |name: &str, port: u16, direction: &str, filter: Value, transport: Value| {
        let mut chain = json!({"filters": [filter]});
        if !transport.is_null() {
            chain["transport_socket"] = transport;
        }
        json!({"name": name, "address": socket(local(port)), "traffic_direction": direction, "access_log": log, "filter_chains": [chain]})
    };
    let http = |hosts: &[Value], filters: &[Value]| {
        let mut manager = config::manager(hosts, filters);
        manager["access_log"] = log.clone();
        manager["use_remote_address"] = json!(true);
        manager["normalize_path"] = json!(true);
        json!({"name": "h", "typed_config": manager})
    };
    let tcp = |cluster: &str| json!({"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": cluster, "cluster": cluster, "access_log": log}});
    let retry =
        json!({"retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", "num_retries": 2, "retriable_status_codes": [503]});
    let to = |cluster: &str| json!({"weighted_clusters": {"clusters": [{"name": cluster, "weight": 90}, {"name": cluster, "weight": 10}]}, "timeout": "15s", "retry_policy": retry});
    let add = json!([{"header": {"key": "x-added", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]);
    let mut two = to("peer-two");
    two["prefix_rewrite"] = json!("/");
    let mut posts = to("up");
    posts["prefix_rewrite"] = json!("/");
    let outbound = json!({"name": "bench.bench.svc.cluster.local:80", "domains": ["*"], "response_headers_to_add": add, "routes": [
        {"match": {"prefix": "/two/"}, "request_headers_to_add": add, "route": two},
        {"match": {"path": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "here"}}},
        {"match": {"safe_regex": {"regex": "/p[a-z]+"}}, "route": posts},
        {"match": {"prefix": "/"}, "request_headers_to_remove": ["x-none"], "route": to("peer")}]});
    let inbound = json!({"name": "inbound|http|80", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "name": "default", "route": {"cluster": "up", "timeout": "0s"}}]});
    let rbac = json!({"name": "envoy.filters.http.rbac", "typed_config": {"@type": format!("{HTTP_FILTERS}.rbac.v3.RBAC"), "rules": {"policies": {"ns[bench]-policy[p]-rule[0]": {
        "permissions": [{"and_rules": {"rules": [{"or_rules": {"rules": [{"header": {"name": ":method", "string_match": {"exact": "GET"}}}]}}]}}],
        "principals": [{"and_ids": {"ids": [{"or_ids": {"ids": [{"authenticated": {"principal_name": {"suffix": "/ns/bench/sa/bench"}}}]}}]}}]}}}}});
    let peer = |name: &str, port: u16, alpn: &[&str]| {
        let mut cluster = config::cluster(name, local(port));
        cluster["transport_socket"] = client(alpn);
        cluster
    };
    let mut two = peer("peer-two", ports.inbound, &["h2"]);
    let options =
        json!({"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}});
    two["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options});
    config::bootstrap(
        &[
            listener("outbound", ports.outbound, "OUTBOUND", http(&[outbound], &filters(&[])), Value::Null),
            listener("inbound", ports.inbound, "INBOUND", http(&[inbound], &filters(&[rbac])), server(&["h2", "http/1.1"])),
            listener("tcp", ports.tcp, "OUTBOUND", tcp("up"), Value::Null),
            listener("tcp-tls", ports.tcp_tls, "OUTBOUND", tcp("peer-tcp"), Value::Null),
            listener("tcp-inbound", ports.tcp_inbound, "INBOUND", tcp("up"), server(&[])),
        ],
        &[config::cluster("up", upstream), peer("peer", ports.inbound, &["http/1.1"]), two, peer("peer-tcp", ports.tcp_inbound, &[])],
    )
}
