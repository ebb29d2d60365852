//! Connection managers and filters as istiod sends them. Access logs and tracing stand in them where they are asked for
//! ([`super::records`]): they do not decide where a request goes.

use super::Context;
use crate::protocol::Protocol;
use mesh_envoy::api::{
    Any, Duration, Struct, Value, alpn, cluster, core, cors, dynamic_forward_proxy, ext_authz, extensions, fault, grpc_stats, hcm, http_rbac, jwt_authn,
    listener, listener_filters, route, router, tcp_proxy,
};

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    SidecarOutbound,
    SidecarInbound,
    Gateway,
    /// What a waypoint takes out of tunnels.
    Waypoint,
}

impl Class {
    /// Whether it is the server's side.
    pub fn is_server(self) -> bool {
        matches!(self, Class::SidecarInbound | Class::Waypoint)
    }
}

/// The protocols that the HTTP inspector tells.
pub const PLAINTEXT_HTTP: &[&str] = &["http/1.1", "h2c"];
pub const MTLS_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// TCP from a sidecar, over TLS.
pub const MTLS_TCP: &[&str] = &["istio-peer-exchange", "istio"];
/// Whatever a sidecar sends over TLS.
pub const MTLS_ALL: &[&str] = &["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

pub fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|t| (*t).to_owned()).collect()
}

fn typed_struct(type_name: &str, value: Struct) -> Any {
    Any::pack(&extensions::TypedStruct { type_url: format!("type.googleapis.com/{type_name}"), value: Some(value) })
}

fn one(key: &str, value: Value) -> Struct {
    std::iter::once((key, value)).collect()
}

const TCP_EXCHANGE: &str = "envoy.tcp.metadataexchange.config.MetadataExchange";

fn tcp_exchange() -> Any {
    let discovery = Value::from(true);
    typed_struct(TCP_EXCHANGE, [("enable_discovery", discovery), ("protocol", Value::from("istio-peer-exchange"))].into_iter().collect())
}

/// Metadata exchange on a cluster.
pub fn cluster_exchange(cx: &Context<'_, '_>) -> Option<cluster::Filter> {
    cx.exchanges().then(|| cluster::Filter { name: "istio.metadata_exchange".into(), typed_config: Some(tcp_exchange()) })
}

/// Metadata exchange on a listener.
pub fn listener_exchange(cx: &Context<'_, '_>) -> Option<listener::Filter> {
    cx.exchanges().then(|| listener::Filter { name: "istio.metadata_exchange".into(), typed_config: Some(tcp_exchange()), config_discovery: None })
}

pub fn network_filter(name: &str, config: Any) -> listener::Filter {
    listener::Filter { name: name.to_owned(), typed_config: Some(config), config_discovery: None }
}

/// Filters that proxy to one cluster.
pub fn tcp_to(cx: &Context<'_, '_>, class: Class, cluster: &str) -> Vec<listener::Filter> {
    tcp(cx, class, to(cluster))
}

fn to(cluster: &str) -> tcp_proxy::TcpProxy {
    tcp_proxy::TcpProxy { stat_prefix: cluster.to_owned(), cluster: Some(cluster.to_owned()), ..Default::default() }
}

/// A filter that lets nothing through, and tells of nothing.
pub fn black_hole(cluster: &str) -> listener::Filter {
    network_filter("envoy.filters.network.tcp_proxy", Any::pack(&to(cluster)))
}

/// Filters that count a connection where that is asked for, and proxy it.
pub fn tcp(cx: &Context<'_, '_>, class: Class, mut proxy: tcp_proxy::TcpProxy) -> Vec<listener::Filter> {
    proxy.access_log = cx.records.logs(class);
    if proxy.idle_timeout.is_none() {
        proxy.idle_timeout = cx.idle_timeout();
    }
    let counted = || network_filter(STATS, typed_struct(STATS_CONFIG, Struct::default()));
    let proxied = network_filter("envoy.filters.network.tcp_proxy", Any::pack(&proxy));
    cx.control_plane.metrics.then(counted).into_iter().chain([proxied]).collect()
}

/// Istio's metrics, of requests and of connections.
const STATS: &str = "istio.stats";
const STATS_CONFIG: &str = "stats.PluginConfig";

pub fn http_filter(name: &str, config: Any) -> hcm::HttpFilter {
    hcm::HttpFilter { name: name.to_owned(), typed_config: Some(config), ..Default::default() }
}

pub fn rbac_http(rbac: &http_rbac::RBAC) -> hcm::HttpFilter {
    http_filter("envoy.filters.http.rbac", Any::pack(rbac))
}

pub fn ext_authz_http(config: &ext_authz::ExtAuthz) -> hcm::HttpFilter {
    http_filter("envoy.filters.http.ext_authz", Any::pack(config))
}

pub fn jwt_http(jwt: &jwt_authn::JwtAuthentication) -> hcm::HttpFilter {
    http_filter("envoy.filters.http.jwt_authn", Any::pack(jwt))
}

/// The last filter.
pub fn router() -> hcm::HttpFilter {
    http_filter("envoy.filters.http.router", Any::pack(&router::Router::default()))
}

/// A waypoint's filter that finds out who is at one of its sides.
pub fn peer_discovery(side: &str, more: Option<(&str, Value)>) -> Any {
    let workload = Value::from(one("workload_discovery", Value::from(Struct::default())));
    typed_struct("io.istio.http.peer_metadata.Config", std::iter::once((side, Value::from(vec![workload]))).chain(more).collect())
}

fn peer_metadata(class: Class) -> hcm::HttpFilter {
    let empty = |key: &str| Value::from(one(key, Value::from(Struct::default())));
    let value: Struct = match class {
        Class::SidecarInbound => [
            ("downstream_discovery", Value::from(vec![empty("istio_headers"), empty("workload_discovery")])),
            ("downstream_propagation", Value::from(vec![empty("istio_headers")])),
        ]
        .into_iter()
        .collect(),
        _ => [
            ("upstream_discovery", Value::from(vec![empty("istio_headers"), empty("workload_discovery")])),
            ("upstream_propagation", Value::from(vec![empty("istio_headers")])),
        ]
        .into_iter()
        .collect(),
    };
    http_filter("istio.metadata_exchange", typed_struct("io.istio.http.peer_metadata.Config", value))
}

fn alpn_override() -> hcm::HttpFilter {
    let of = |protocol: alpn::FilterConfigProtocol, names: &[&str]| alpn::FilterConfigAlpnOverride {
        upstream_protocol: protocol as i32,
        alpn_override: texts(names),
    };
    let config = alpn::FilterConfig {
        alpn_override: vec![
            of(alpn::FilterConfigProtocol::Http10, &["istio-http/1.0", "istio", "http/1.0"]),
            of(alpn::FilterConfigProtocol::Http11, &["istio-http/1.1", "istio", "http/1.1"]),
            of(alpn::FilterConfigProtocol::Http2, &["istio-h2", "istio", "h2"]),
        ],
    };
    http_filter("istio.alpn", Any::pack(&config))
}

/// Where the routes of a connection manager stand.
pub enum Routes {
    /// A route configuration by name.
    Named(String),
    Inline(Box<route::RouteConfiguration>),
}

/// What distinguishes one connection manager from another.
pub struct Http {
    pub class: Class,
    pub routes: Routes,
    pub stat_prefix: String,
    /// What the port carries.
    pub protocol: Protocol,
    /// Filters of policies: custom authorization, JWT, RBAC, in this order.
    pub policies: Vec<hcm::HttpFilter>,
    /// Caches of hosts that the proxy resolves itself.
    pub resolves: Vec<dynamic_forward_proxy::DnsCacheConfig>,
}

/// The cache of names that the proxy resolves itself.
pub fn name_cache() -> dynamic_forward_proxy::DnsCacheConfig {
    dynamic_forward_proxy::DnsCacheConfig {
        name: "allow_any_dfp_dns_cache".into(),
        dns_lookup_family: cluster::ClusterDnsLookupFamily::V4Only as i32,
        max_hosts: Some(1024),
        ..Default::default()
    }
}

/// The cache of the hosts under a wildcard of a ServiceEntry.
pub fn wildcard_cache(cx: &Context<'_, '_>, host: &str) -> dynamic_forward_proxy::DnsCacheConfig {
    dynamic_forward_proxy::DnsCacheConfig {
        name: format!("{host}_dfp_dns_cache"),
        dns_lookup_family: if cx.proxy.is_dual() {
            cluster::ClusterDnsLookupFamily::All
        } else if cx.proxy.loopback() == "::1" {
            cluster::ClusterDnsLookupFamily::V6Only
        } else {
            cluster::ClusterDnsLookupFamily::V4Only
        } as i32,
        ..Default::default()
    }
}

/// The connection manager of a filter chain.
pub fn connection_manager(cx: &Context<'_, '_>, http: Http) -> listener::Filter {
    let Http { class, routes, stat_prefix, protocol, policies, resolves } = http;
    let mut filters = if cx.exchanges() && class != Class::Waypoint { vec![peer_metadata(class)] } else { Vec::new() };
    filters.extend(policies);
    if protocol == Protocol::GrpcWeb {
        // A message without fields.
        let config = Any { type_url: "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb".into(), value: Vec::new() };
        filters.push(http_filter("envoy.filters.http.grpc_web", config));
    }
    let stats = grpc_stats::FilterConfig { emit_filter_state: true, stats_for_all_methods: Some(false), ..Default::default() };
    filters.push(http_filter("envoy.filters.http.grpc_stats", Any::pack(&stats)));
    if !class.is_server() && cx.control_plane.alpn_filter {
        filters.push(alpn_override());
    }
    filters.push(http_filter("envoy.filters.http.fault", Any::pack(&fault::HTTPFault::default())));
    filters.push(http_filter("envoy.filters.http.cors", Any::pack(&cors::Cors::default())));
    for cache in resolves {
        let config = dynamic_forward_proxy::FilterConfig { dns_cache_config: Some(cache), ..Default::default() };
        filters.push(http_filter("envoy.filters.http.dynamic_forward_proxy", Any::pack(&config)));
    }
    if class == Class::Waypoint {
        filters.push(super::waypoint::upstream_metadata());
    }
    if cx.control_plane.metrics {
        let fallback = Value::from(true);
        // A host that anybody may send is no name for a series.
        let config = if class.is_server() { one("disable_host_header_fallback", fallback) } else { Struct::default() };
        filters.push(http_filter(STATS, typed_struct(STATS_CONFIG, config)));
    }
    filters.push(router());
    let (normalize, merge, unescape) = match cx.model.mesh.config.at(&["pathNormalization", "normalization"]).map_or("", mesh_model::Node::text) {
        "NONE" => (false, false, false),
        "MERGE_SLASHES" => (true, true, false),
        "DECODE_AND_MERGE_SLASHES" => (true, true, true),
        _ => (true, false, false),
    };
    let mut out = hcm::HttpConnectionManager {
        stat_prefix,
        http_filters: filters,
        use_remote_address: Some(class == Class::Gateway),
        normalize_path: Some(normalize),
        merge_slashes: merge,
        path_with_escaped_slashes_action: if unescape {
            hcm::HttpConnectionManagerPathWithEscapedSlashesAction::UnescapeAndForward as i32
        } else {
            hcm::HttpConnectionManagerPathWithEscapedSlashesAction::KeepUnchanged as i32
        },
        proxy_100_continue: true,
        upgrade_configs: vec![hcm::HttpConnectionManagerUpgradeConfig { upgrade_type: "websocket".into(), ..Default::default() }],
        stream_idle_timeout: Some(Duration::default()),
        tracing: cx.records.tracing(class),
        access_log: cx.records.logs(class),
        request_id_extension: Some(hcm::RequestIDExtension {
            typed_config: Some(Any::pack(&extensions::UuidRequestIdConfig {
                use_request_id_for_trace_sampling: Some(cx.records.samples_by_id(class)),
                ..Default::default()
            })),
        }),
        ..Default::default()
    };
    out.common_http_protocol_options = cx.idle_timeout().map(|idle| core::HttpProtocolOptions { idle_timeout: Some(idle), ..Default::default() });
    match routes {
        Routes::Named(name) => {
            out.rds = Some(hcm::Rds { config_source: Some(ads()), route_config_name: name });
        }
        Routes::Inline(config) => out.route_config = Some(*config),
    }
    use hcm::HttpConnectionManagerForwardClientCertDetails as Forward;
    match class {
        Class::SidecarInbound => {
            out.server_name = "istio-envoy".into();
            out.forward_client_cert_details = Forward::AppendForward as i32;
            out.set_current_client_cert_details =
                Some(hcm::HttpConnectionManagerSetCurrentClientCertDetails { subject: Some(true), dns: true, uri: true, ..Default::default() });
            if protocol.is_http2() {
                out.http2_protocol_options = Some(core::Http2ProtocolOptions::default());
            }
        }
        Class::Waypoint => {
            out.server_name = "istio-envoy".into();
            out.http2_protocol_options = protocol.is_http2().then(core::Http2ProtocolOptions::default);
        }
        Class::Gateway => {
            out.server_name = "istio-envoy".into();
            out.http_protocol_options = Some(core::Http1ProtocolOptions::default());
            out.forward_client_cert_details = Forward::SanitizeSet as i32;
            out.set_current_client_cert_details =
                Some(hcm::HttpConnectionManagerSetCurrentClientCertDetails { subject: Some(true), cert: true, dns: true, uri: true, ..Default::default() });
        }
        Class::SidecarOutbound => {}
    }
    if cx.proxy.says("HTTP10") == Some("1") {
        out.http_protocol_options.get_or_insert_default().accept_http_10 = true;
    }
    network_filter("envoy.filters.network.http_connection_manager", Any::pack(&out))
}

/// The aggregated discovery service.
pub fn ads() -> core::ConfigSource {
    core::ConfigSource {
        ads: Some(core::AggregatedConfigSource::default()),
        initial_fetch_timeout: Some(Duration::default()),
        resource_api_version: core::ApiVersion::V3 as i32,
        ..Default::default()
    }
}

fn inspector(name: &str, config: Any) -> listener::ListenerFilter {
    listener::ListenerFilter { name: name.to_owned(), typed_config: Some(config), filter_disabled: None }
}
pub fn http_inspector() -> listener::ListenerFilter {
    inspector("envoy.filters.listener.http_inspector", Any::pack(&listener_filters::HttpInspector::default()))
}
pub fn tls_inspector() -> listener::ListenerFilter {
    inspector("envoy.filters.listener.tls_inspector", Any::pack(&listener_filters::TlsInspector { initial_read_buffer_size: Some(512), ..Default::default() }))
}
pub fn original_dst() -> listener::ListenerFilter {
    inspector("envoy.filters.listener.original_dst", Any::pack(&listener_filters::OriginalDst::default()))
}

/// `/apis/…` of an object, as Envoy's metadata names where something comes from.
pub fn config_metadata(config: &str) -> core::Metadata {
    let istio = one("config", Value::from(config));
    core::Metadata { filter_metadata: std::iter::once(("istio".to_owned(), istio)).collect(), ..Default::default() }
}

pub fn socket_address(address: &str, port: u16) -> core::Address {
    core::Address {
        socket_address: Some(core::SocketAddress { address: address.to_owned(), port_value: Some(u32::from(port)), ..Default::default() }),
        ..Default::default()
    }
}
