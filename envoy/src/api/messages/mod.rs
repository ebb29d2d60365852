//! Envoy's messages as istiod sends them. Made by `cargo xtask envoy-types` of the facts in `envoy_types.txt`.

pub mod accesslog;
pub mod alpn;
pub mod cluster;
pub mod common;
pub mod compressor;
pub mod core;
pub mod cors;
pub mod dynamic_forward_proxy;
pub mod endpoint;
pub mod ext_authz;
pub mod extensions;
pub mod fault;
pub mod grpc_stats;
pub mod hash_policy;
pub mod hcm;
pub mod http_rbac;
pub mod jwt_authn;
pub mod listener;
pub mod listener_filters;
pub mod local_ratelimit;
pub mod network_filters;
pub mod rbac;
pub mod route;
pub mod router;
pub mod tcp_proxy;
pub mod tls;
pub mod trace;
pub mod upstream_http;
pub mod upstream_options;

use crate::api::any::{Codec, codec};

/// The types that an `Any` can hold, by name.
pub const CODECS: &[(&str, Codec)] = &[
    ("envoy.config.cluster.v3.Cluster", codec::<cluster::Cluster>()),
    ("envoy.config.core.v3.Metadata", codec::<core::Metadata>()),
    ("envoy.config.endpoint.v3.ClusterLoadAssignment", codec::<endpoint::ClusterLoadAssignment>()),
    ("envoy.config.listener.v3.Listener", codec::<listener::Listener>()),
    ("envoy.config.route.v3.RouteConfiguration", codec::<route::RouteConfiguration>()),
    ("envoy.config.trace.v3.OpenTelemetryConfig", codec::<trace::OpenTelemetryConfig>()),
    ("envoy.config.trace.v3.ZipkinConfig", codec::<trace::ZipkinConfig>()),
    ("envoy.extensions.access_loggers.file.v3.FileAccessLog", codec::<accesslog::FileAccessLog>()),
    ("envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig", codec::<dynamic_forward_proxy::ClusterConfig>()),
    ("envoy.extensions.filters.http.compressor.v3.Compressor", codec::<compressor::Compressor>()),
    ("envoy.extensions.filters.http.cors.v3.Cors", codec::<cors::Cors>()),
    ("envoy.extensions.filters.http.cors.v3.CorsPolicy", codec::<cors::CorsPolicy>()),
    ("envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig", codec::<dynamic_forward_proxy::FilterConfig>()),
    ("envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", codec::<ext_authz::ExtAuthz>()),
    ("envoy.extensions.filters.http.fault.v3.HTTPFault", codec::<fault::HTTPFault>()),
    ("envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", codec::<grpc_stats::FilterConfig>()),
    ("envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", codec::<jwt_authn::JwtAuthentication>()),
    ("envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", codec::<local_ratelimit::LocalRateLimit>()),
    ("envoy.extensions.filters.http.rbac.v3.RBAC", codec::<http_rbac::RBAC>()),
    ("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", codec::<http_rbac::RBACPerRoute>()),
    ("envoy.extensions.filters.http.router.v3.Router", codec::<router::Router>()),
    ("envoy.extensions.filters.listener.http_inspector.v3.HttpInspector", codec::<listener_filters::HttpInspector>()),
    ("envoy.extensions.filters.listener.original_dst.v3.OriginalDst", codec::<listener_filters::OriginalDst>()),
    ("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", codec::<listener_filters::TlsInspector>()),
    ("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", codec::<hcm::HttpConnectionManager>()),
    ("envoy.extensions.filters.network.rbac.v3.RBAC", codec::<network_filters::RBAC>()),
    ("envoy.extensions.filters.network.sni_cluster.v3.SniCluster", codec::<network_filters::SniCluster>()),
    ("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", codec::<tcp_proxy::TcpProxy>()),
    ("envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig", codec::<extensions::CaresDnsResolverConfig>()),
    ("envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", codec::<extensions::UriTemplateMatchConfig>()),
    ("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", codec::<extensions::UuidRequestIdConfig>()),
    ("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate", codec::<extensions::PreviousHostsPredicate>()),
    ("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", codec::<extensions::RawBuffer>()),
    ("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", codec::<tls::DownstreamTlsContext>()),
    ("envoy.extensions.transport_sockets.tls.v3.Secret", codec::<tls::Secret>()),
    ("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", codec::<tls::UpstreamTlsContext>()),
    ("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", codec::<upstream_http::HttpProtocolOptions>()),
    ("istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig", codec::<alpn::FilterConfig>()),
    ("udpa.type.v1.TypedStruct", codec::<extensions::TypedStruct>()),
];
