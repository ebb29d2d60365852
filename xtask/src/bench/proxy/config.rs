//! Bootstraps of both proxies: the same but for Istio's metrics.

use super::running::Kind;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// PEM of an authority, and of a certificate that it gave both ends.
pub struct Certificates {
    pub root: String,
    pub leaf: String,
    pub key: String,
}

impl Certificates {
    /// # Errors
    /// Those of making keys.
    pub fn new() -> Result<Certificates, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With one name for both, the leaf would be taken for its own issuer.
        authority.distinguished_name.push(DnType::OrganizationName, "bench authority");
        let root = authority.self_signed(&key)?.pem();
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::default();
        leaf.subject_alt_names = vec![SanType::URI("spiffe://cluster.local/ns/bench/sa/bench".try_into()?), SanType::DnsName("bench".try_into()?)];
        let leaf = leaf.signed_by(&key, &issuer)?.pem();
        Ok(Certificates { root, leaf, key: key.serialize_pem() })
    }
}

/// Istio's default text.
pub const FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

pub fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

pub fn cluster(name: &str, upstream: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": socket(upstream)}});
    json!({"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}})
}

pub fn manager(hosts: &[Value], filters: &[Value]) -> Value {
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}});
    let filters: Vec<&Value> = filters.iter().chain([&router]).collect();
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"name": "r", "virtual_hosts": hosts},
        "http_filters": filters,
    })
}

pub fn bootstrap(listeners: &[Value], clusters: &[Value]) -> Value {
    json!({
        "node": {"id": "sidecar~127.0.0.1~bench-1.bench~bench.svc.cluster.local", "cluster": "bench", "metadata": {
            "WORKLOAD_NAME": "bench", "NAMESPACE": "bench", "CLUSTER_ID": "Kubernetes", "LABELS": {"app": "bench", "version": "v1"}}},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    })
}

/// 51 hosts of five routes each, and the host of the load behind them; a log; a listener in the clear, and one of mTLS.
pub fn loaded(kind: Kind, upstream: SocketAddr, certificates: &Certificates, scratch: &Path) -> Value {
    let routes = |i: usize| -> Vec<Value> {
        (0..5)
            .map(|j| match j {
                0..4 => json!({"match": {"prefix": format!("/api{j}"), "headers": [{"name": "x-version", "string_match": {"exact": format!("v{i}")}}]}, "route": {"cluster": "up"}}),
                _ => json!({"match": {"prefix": "/"}, "route": {"cluster": "up", "timeout": "15s"}}),
            })
            .collect()
    };
    let mut hosts: Vec<Value> = (0..50)
        .map(|i| json!({"name": format!("h{i}"), "domains": [format!("svc{i}.bench.svc.cluster.local"), format!("svc{i}")], "routes": routes(i)}))
        .collect();
    hosts.push(json!({"name": "any", "domains": ["*"], "routes": routes(50)}));
    let stats = json!({"name": "istio.stats", "typed_config": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": "type.googleapis.com/stats.PluginConfig", "value": {}}});
    let filters: &[Value] = if kind == Kind::Ours { std::slice::from_ref(&stats) } else { &[] };
    let mut manager = manager(&hosts, filters);
    manager["access_log"] = json!([{"name": "f", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": scratch.join(format!("{}.log", kind.name())).display().to_string(),
        "log_format": {"text_format_source": {"inline_string": FORMAT}}}}]);
    let listener = |name: &str, transport: Value| {
        let mut chain = json!({"filters": [{"name": "h", "typed_config": manager}]});
        if !transport.is_null() {
            chain["transport_socket"] = transport;
        }
        json!({"name": name, "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}, "traffic_direction": "OUTBOUND", "filter_chains": [chain]})
    };
    let tls = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": true,
        "common_tls_context": {
            "tls_certificates": [{"certificate_chain": {"inline_string": certificates.leaf}, "private_key": {"inline_string": certificates.key}}],
            "validation_context": {"trusted_ca": {"inline_string": certificates.root}}}}});
    bootstrap(&[listener("plain", Value::Null), listener("tls", tls)], &[cluster("up", upstream)])
}

/// So many clusters of three endpoints, with a virtual host for each.
pub fn many(upstream: SocketAddr, n: usize) -> Value {
    let name = |i: usize| format!("outbound|8080||svc-{i}.ns-{}.svc.cluster.local", i % 50);
    let clusters: Vec<Value> = (0..n)
        .map(|i| {
            let mut cluster = cluster(&name(i), upstream);
            let endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0].clone();
            cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = json!([endpoint, endpoint, endpoint]);
            cluster["circuit_breakers"] = json!({"thresholds": [{"max_connections": 4_294_967_295u32, "max_requests": 4_294_967_295u32, "max_retries": 4_294_967_295u32}]});
            cluster["metadata"] = json!({"filter_metadata": {"istio": {"services": [{"host": format!("svc-{i}.ns-{}.svc.cluster.local", i % 50), "name": format!("svc-{i}"), "namespace": format!("ns-{}", i % 50)}]}}});
            cluster
        })
        .collect();
    let hosts: Vec<Value> = (0..n)
        .map(|i| {
            let short = format!("svc-{i}.ns-{}", i % 50);
            let domains: Vec<String> = ["", ".svc", ".svc.cluster.local"].iter().flat_map(|s| [format!("{short}{s}"), format!("{short}{s}:8080")]).collect();
            json!({"name": format!("{short}:8080"), "domains": domains, "routes": [{"match": {"prefix": "/"}, "name": "default", "route": {"cluster": name(i), "timeout": "0s",
                "retry_policy": {"retry_on": "connect-failure,refused-stream,unavailable,cancelled", "num_retries": 2}}}]})
        })
        .collect();
    let listener = json!({"name": "plain", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "h", "typed_config": manager(&hosts, &[])}]}]});
    bootstrap(&[listener], &clusters)
}
