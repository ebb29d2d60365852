//! HBONE at both ends of a waypoint: the listener that ends tunnels, the one that makes them, and the clusters between.

use super::{MAIN, ORIGINAL_DST, ORIGINATE, TERMINATE, internal_address};
use crate::ambient::HBONE;
use crate::translate::filters::{self, Class};
use crate::translate::{Context, cluster, tls};
use mesh_envoy::api::cluster::{Cluster, ClusterDiscoveryType, ClusterLbPolicy, ClusterOriginalDstLbConfig};
use mesh_envoy::api::common::{MetadataKey, MetadataKeyPathSegment, MetadataKind, MetadataKindHost, StringMatcher};
use mesh_envoy::api::filter_state::{Config, FilterStateValue, FilterStateValueSharedWithUpstream as Shared};
use mesh_envoy::api::internal_upstream::{InternalUpstreamTransport, InternalUpstreamTransportMetadataValueSource};
use mesh_envoy::api::{Any, Duration, Value, core, endpoint, extensions, hcm, listener, network_filter_state, route, tcp_proxy, upstream_http};

const CONNECT: &str = "CONNECT";
/// Which type a value of the filter state has that is compared and hashed.
pub const HASHABLE: &str = "istio.hashable_string";
const LOCAL_IP: &str = "envoy.filters.listener.original_dst.local_ip";

pub fn state(key: &str, format: &str, factory: &str) -> FilterStateValue {
    let source = core::DataSource { inline_string: Some(format.to_owned()), ..Default::default() };
    FilterStateValue {
        object_key: Some(key.to_owned()),
        format_string: Some(core::SubstitutionFormatString { text_format_source: Some(source), ..Default::default() }),
        factory_key: factory.to_owned(),
        shared_with_upstream: Shared::Once as i32,
    }
}

/// What of the tunnel's request the inner listener is told: where it leads, from where, and whose certificates were shown.
fn connect_authority() -> hcm::HttpFilter {
    let on_request_headers = vec![
        state(LOCAL_IP, "%REQ(:AUTHORITY)%", ""),
        state("io.istio.connect_authority", "%REQ(:AUTHORITY)%", HASHABLE),
        state("envoy.filters.listener.original_dst.remote_ip", "%DOWNSTREAM_REMOTE_ADDRESS%", ""),
        state("io.istio.peer_principal", "%DOWNSTREAM_PEER_URI_SAN%", HASHABLE),
        state("io.istio.local_principal", "%DOWNSTREAM_LOCAL_URI_SAN%", HASHABLE),
    ];
    filters::http_filter("connect_authority", Any::pack(&Config { on_request_headers }))
}

/// Where a connection to a workload's own address goes on to.
pub fn destination() -> listener::Filter {
    let on_new_connection = vec![state(LOCAL_IP, &format!("%FILTER_STATE({LOCAL_IP}:PLAIN)%"), "")];
    filters::network_filter("connect_authority", Any::pack(&network_filter_state::Config { on_new_connection }))
}

/// A listener that takes connections from this proxy alone.
pub fn internal(name: &str) -> listener::Listener {
    listener::Listener {
        name: name.to_owned(),
        internal_listener: Some(listener::ListenerInternalListenerConfig {}),
        listener_filters: vec![filters::original_dst()],
        ..Default::default()
    }
}

/// The listener that ends tunnels.
pub fn terminate(cx: &Context<'_, '_>) -> listener::Listener {
    let to_main = route::Route {
        r#match: Some(route::RouteMatch { connect_matcher: Some(route::RouteMatchConnectMatcher {}), ..Default::default() }),
        route: Some(route::RouteAction {
            cluster: Some(MAIN.to_owned()),
            upgrade_configs: vec![route::RouteActionUpgradeConfig {
                upgrade_type: CONNECT.into(),
                connect_config: Some(route::RouteActionUpgradeConfigConnectConfig::default()),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let host = route::VirtualHost { name: "default".into(), domains: vec!["*".into()], routes: vec![to_main], ..Default::default() };
    let manager = hcm::HttpConnectionManager {
        stat_prefix: TERMINATE.into(),
        route_config: Some(route::RouteConfiguration { name: "default".into(), virtual_hosts: vec![host], ..Default::default() }),
        forward_client_cert_details: hcm::HttpConnectionManagerForwardClientCertDetails::AppendForward as i32,
        set_current_client_cert_details: Some(hcm::HttpConnectionManagerSetCurrentClientCertDetails {
            subject: Some(true),
            uri: true,
            dns: true,
            ..Default::default()
        }),
        server_name: "istio-envoy".into(),
        use_remote_address: Some(false),
        stream_idle_timeout: Some(Duration::default()),
        upgrade_configs: vec![hcm::HttpConnectionManagerUpgradeConfig { upgrade_type: CONNECT.into(), ..Default::default() }],
        http2_protocol_options: Some(core::Http2ProtocolOptions {
            allow_connect: true,
            max_concurrent_streams: Some(100),
            connection_keepalive: Some(core::KeepaliveSettings { interval: Some(Duration::from_seconds(10)), timeout: Some(Duration::from_seconds(20)) }),
            ..Default::default()
        }),
        http_filters: vec![downstream(), connect_authority(), filters::router()],
        access_log: cx.records.of_ended_tunnels(),
        ..Default::default()
    };
    let common = tls::tunnel(&cx.trust_domains(), None);
    let context = mesh_envoy::api::tls::DownstreamTlsContext { common_tls_context: Some(common), require_client_certificate: Some(true), ..Default::default() };
    let chain = listener::FilterChain {
        name: "default".into(),
        transport_socket: Some(socket(Any::pack(&context))),
        filters: vec![filters::network_filter("envoy.filters.network.http_connection_manager", Any::pack(&manager))],
        ..Default::default()
    };
    let second = cx.proxy.is_dual().then(|| listener::AdditionalAddress { address: Some(filters::socket_address("::", HBONE)) });
    listener::Listener {
        name: TERMINATE.into(),
        address: Some(filters::socket_address(cx.proxy.wildcard(), HBONE)),
        additional_addresses: second.into_iter().collect(),
        filter_chains: vec![chain],
        connection_balance_config: Some(listener::ListenerConnectionBalanceConfig {
            exact_balance: Some(listener::ListenerConnectionBalanceConfigExactBalance {}),
        }),
        access_log: cx.records.of_listener(Class::Waypoint),
        ..Default::default()
    }
}

pub fn socket(config: Any) -> core::TransportSocket {
    core::TransportSocket { name: "tls".into(), typed_config: Some(config) }
}

/// Who has made the tunnel, for telemetry.
fn downstream() -> hcm::HttpFilter {
    let shared = ("shared_with_upstream", Value::from(true));
    filters::http_filter("waypoint_downstream_peer_metadata", filters::peer_discovery("downstream_discovery", Some(shared)))
}

/// Who is at the other end, for telemetry.
pub fn upstream() -> hcm::HttpFilter {
    filters::http_filter("waypoint_upstream_peer_metadata", filters::peer_discovery("upstream_discovery", None))
}

/// The listener that makes tunnels.
pub fn originate(cx: &Context<'_, '_>, class: Class) -> listener::Listener {
    let tunneling = tcp_proxy::TcpProxyTunnelingConfig { hostname: "%DOWNSTREAM_LOCAL_ADDRESS%".into(), ..Default::default() };
    let proxy = tcp_proxy::TcpProxy {
        stat_prefix: ORIGINATE.into(),
        cluster: Some(ORIGINATE.into()),
        tunneling_config: Some(tunneling),
        access_log: cx.records.of_begun_tunnels(class),
        ..Default::default()
    };
    let chain = listener::FilterChain { filters: vec![filters::network_filter("envoy.filters.network.tcp_proxy", Any::pack(&proxy))], ..Default::default() };
    listener::Listener { use_original_dst: Some(false), filter_chains: vec![chain], access_log: cx.records.of_listener(class), ..internal(ORIGINATE) }
}

/// A cluster of one internal listener.
pub fn to_internal(name: &str, listener: &str) -> Cluster {
    let mut out = leading_to(name, listener, "internal_upstream", raw());
    cluster::set_http(&mut out, cluster::passthrough_http());
    out
}

/// The same with a transport inside, and without options of HTTP.
pub fn leading_to(name: &str, listener: &str, transport: &str, inner: core::TransportSocket) -> Cluster {
    let host = endpoint::LbEndpoint {
        endpoint: Some(endpoint::Endpoint { address: Some(internal_address(listener, "")), ..Default::default() }),
        ..Default::default()
    };
    Cluster {
        name: name.to_owned(),
        alt_stat_name: format!("{name};"),
        r#type: Some(ClusterDiscoveryType::Static as i32),
        circuit_breakers: Some(cluster::unlimited()),
        load_assignment: Some(Box::new(endpoint::ClusterLoadAssignment {
            cluster_name: name.to_owned(),
            endpoints: vec![endpoint::LocalityLbEndpoints { lb_endpoints: vec![host], ..Default::default() }],
            ..Default::default()
        })),
        transport_socket: Some(core::TransportSocket {
            name: transport.to_owned(),
            typed_config: Some(Any::pack(&InternalUpstreamTransport { transport_socket: Some(inner), ..Default::default() })),
        }),
        ..Default::default()
    }
}

pub fn raw() -> core::TransportSocket {
    core::TransportSocket { name: "raw_buffer".into(), typed_config: Some(Any::pack(&extensions::RawBuffer::default())) }
}

/// What is sent to an internal listener, which is told of the endpoint where the tunnel leads.
pub fn within(socket: core::TransportSocket) -> core::TransportSocket {
    let of_host = |name: &str| InternalUpstreamTransportMetadataValueSource {
        kind: Some(MetadataKind { host: Some(MetadataKindHost {}), ..Default::default() }),
        name: name.to_owned(),
    };
    let passthrough_metadata = vec![of_host(ORIGINAL_DST), of_host("istio")];
    core::TransportSocket {
        name: "internal_upstream".into(),
        typed_config: Some(Any::pack(&InternalUpstreamTransport { passthrough_metadata, transport_socket: Some(socket) })),
    }
}

/// The cluster of tunnels: to wherever a connection goes, at the port of HBONE. `own` is what the names of servers begin with,
/// besides those of the trust domain.
pub fn client(cx: &Context<'_, '_>, own: Option<StringMatcher>) -> Cluster {
    let key = MetadataKey { key: ORIGINAL_DST.into(), path: vec![MetadataKeyPathSegment { key: Some("waypoint".into()) }] };
    client_named(cx, ORIGINATE, own, Some(key), None)
}

/// The same by another name; `key` says where metadata have another destination, `longest` how many requests a connection takes.
pub fn client_named(cx: &Context<'_, '_>, name: &str, own: Option<StringMatcher>, key: Option<MetadataKey>, longest: Option<u32>) -> Cluster {
    let mut out = cluster::fixed(cx, name, ClusterDiscoveryType::OriginalDst);
    out.lb_policy = ClusterLbPolicy::ClusterProvided as i32;
    out.cleanup_interval = Some(Duration::from_seconds(60));
    out.circuit_breakers = Some(cluster::unlimited());
    out.original_dst_lb_config =
        Some(Box::new(ClusterOriginalDstLbConfig { upstream_port_override: Some(u32::from(HBONE)), metadata_key: key, ..Default::default() }));
    let context = mesh_envoy::api::tls::UpstreamTlsContext { common_tls_context: Some(tls::tunnel(&cx.trust_domains(), own)), ..Default::default() };
    out.transport_socket = Some(socket(Any::pack(&context)));
    cluster::set_http(&mut out, tunnel_http(cx, longest));
    out
}

/// How tunnels are asked for.
pub fn tunnel_http(cx: &Context<'_, '_>, longest: Option<u32>) -> upstream_http::HttpProtocolOptions {
    upstream_http::HttpProtocolOptions {
        common_http_protocol_options: Some(core::HttpProtocolOptions {
            idle_timeout: Some(cx.mesh_duration("hboneIdleTimeout", Duration::from_seconds(3600))),
            max_requests_per_connection: longest,
            ..Default::default()
        }),
        explicit_http_config: Some(upstream_http::HttpProtocolOptionsExplicitHttpConfig {
            http2_protocol_options: Some(core::Http2ProtocolOptions { allow_connect: true, ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Who serves Pods behind the waypoint: anybody of its namespace, besides those of the trust domain.
pub fn of_namespace(cx: &Context<'_, '_>) -> StringMatcher {
    let prefix = format!("spiffe://{}/ns/{}/sa/", cx.model.mesh.config.trust_domain(), cx.proxy.namespace);
    StringMatcher { prefix: Some(prefix), ..Default::default() }
}
