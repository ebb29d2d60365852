//! `proxyProtocol` of a DestinationRule: servers are told who the client is before anything else is said, TLS included.

use super::tls;
use mesh_envoy::api::cluster::Cluster;
use mesh_envoy::api::proxy_protocol::ProxyProtocolUpstreamTransport;
use mesh_envoy::api::{Any, core};
use mesh_model::Node;

/// Puts the head in front of whatever a cluster's connections begin with.
pub fn introduce(cluster: &mut Cluster, protocol: Node<'_>) {
    let matches = &mut cluster.transport_socket_matches;
    let plain = || core::TransportSocket { name: "raw_buffer".into(), ..tls::plaintext() };
    let own = cluster.transport_socket.take().or_else(|| matches.is_empty().then(plain));
    cluster.transport_socket = own.map(|socket| around(socket, protocol));
    for one in matches {
        one.transport_socket = one.transport_socket.take().map(|socket| around(socket, protocol));
    }
}

/// Version 1 where none is named.
pub fn around(socket: core::TransportSocket, protocol: Node<'_>) -> core::TransportSocket {
    let version = if protocol.text_of("version") == "V2" { core::ProxyProtocolConfigVersion::V2 } else { core::ProxyProtocolConfigVersion::V1 };
    let config = core::ProxyProtocolConfig { version: version as i32, ..Default::default() };
    let transport = ProxyProtocolUpstreamTransport { config: Some(config), transport_socket: Some(socket), ..Default::default() };
    core::TransportSocket { name: "envoy.transport_sockets.upstream_proxy_protocol".into(), typed_config: Some(Any::pack(&transport)) }
}
