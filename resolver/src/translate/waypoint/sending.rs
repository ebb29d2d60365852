//! How sidecars, gateways and waypoints reach services that take HBONE: by the endpoint, besides what else a cluster does.

use super::ORIGINAL_DST;
use crate::translate::tls;
use mesh_envoy::api::cluster::{Cluster, ClusterDiscoveryType, ClusterTransportSocketMatch};
use mesh_envoy::api::common::{MetadataKind, MetadataKindCluster, MetadataKindHost};
use mesh_envoy::api::internal_upstream::{InternalUpstreamTransport, InternalUpstreamTransportMetadataValueSource};
use mesh_envoy::api::{Any, Struct, Value, core};

fn one(name: &str, matching: Struct, socket: core::TransportSocket) -> ClusterTransportSocketMatch {
    ClusterTransportSocketMatch { name: name.to_owned(), r#match: Some(matching).filter(|m| *m != Struct::default()), transport_socket: Some(socket) }
}

/// Lets endpoints of a cluster be reached by HBONE that take it; `mode` is that of the TLS which a rule asks for, "" for none.
pub fn or_by_hbone(cluster: &mut Cluster, mode: &str) {
    let tunnelled = |inner| one("hbone", std::iter::once(("tunnel", Value::from("http"))).collect(), within_all(inner));
    let is_elsewhere = cluster.r#type == Some(ClusterDiscoveryType::OriginalDst as i32);
    if !cluster.transport_socket_matches.is_empty() {
        // Mutual TLS where it is taken, else plaintext.
        cluster.transport_socket_matches.insert(0, tunnelled(tls::plaintext()));
        return;
    }
    match cluster.transport_socket.take() {
        Some(own) if is_elsewhere => cluster.transport_socket = Some(own),
        None => {
            let plain = one("tlsMode-disabled", Struct::default(), tls::plaintext());
            let plain = ClusterTransportSocketMatch { r#match: Some(Struct::default()), ..plain };
            cluster.transport_socket_matches = vec![tunnelled(tls::plaintext()), plain];
        }
        Some(own) if mode == "ISTIO_MUTUAL" => {
            cluster.transport_socket_matches = vec![tunnelled(tls::plaintext()), one("tlsMode-istio", Struct::default(), own)];
        }
        Some(own) => cluster.transport_socket_matches = vec![tunnelled(own.clone()), one("user", Struct::default(), own)],
    }
}

/// What is handed to the listener that makes tunnels, with all that it may be told.
fn within_all(inner: core::TransportSocket) -> core::TransportSocket {
    let host = || MetadataKind { host: Some(MetadataKindHost {}), ..Default::default() };
    let cluster = MetadataKind { cluster: Some(MetadataKindCluster {}), ..Default::default() };
    let of = |kind, name: &str| InternalUpstreamTransportMetadataValueSource { kind: Some(kind), name: name.to_owned() };
    let passthrough_metadata = vec![of(host(), ORIGINAL_DST), of(cluster, "istio"), of(host(), "istio")];
    core::TransportSocket {
        name: "envoy.transport_sockets.internal_upstream".into(),
        typed_config: Some(Any::pack(&InternalUpstreamTransport { passthrough_metadata, transport_socket: Some(inner) })),
    }
}
